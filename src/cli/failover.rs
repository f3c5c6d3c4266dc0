//! `failover`.

use super::{ActArgs, Names};
use clap::{Args, ValueEnum};
use serde::Serialize;

/// `failover`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # Replace a warehouse node's pod and volumes
  kubectl synxdb failover wh9527-0

  # cloudberry-proxy-0 exists in several namespaces: name one
  kubectl synxdb failover synxdb-system/cloudberry-proxy-0
  kubectl synxdb failover cloudberry-proxy-0 -n cloud007

  # Replace the pod, keep its volumes
  kubectl synxdb failover pageserver-0 --keep-pvc

  # Print the plan and its checks; validate each step on the server
  kubectl synxdb failover safekeeper-0 --dry-run=client
  kubectl synxdb failover safekeeper-0 --dry-run=server

  # In a script: no prompt, one JSON object per line
  kubectl synxdb failover wh9527-0 --yes -o json

Recovered means: the pod has a new UID, is not terminating, and has stayed Ready
for --settle without a restart; every replaced claim has a new UID and is Bound;
the component responds; and all data of the baseline is there. Running is not
recovered.

The old volumes are retained, nothing is force-deleted, and no finalizer is
removed. If interrupted, rerun the same command to resume.")]
pub struct FailoverArgs {
    /// Pod, NAMESPACE/POD, or a workload or component with exactly one pod; prompts if omitted
    #[arg(value_name = "TARGET", add = Names::Pod)]
    pub target: Option<String>,
    /// Replace the pod only and keep its PersistentVolumeClaims
    #[arg(long)]
    pub keep_pvc: bool,
    /// Start a new failover instead of resuming an unfinished one, or repeat one that just succeeded
    #[arg(long, conflicts_with = "pod_uid")]
    pub anew: bool,
    /// UID of the pod to replace; if it is already gone, only wait and verify
    #[arg(long, value_name = "UID")]
    pub pod_uid: Option<String>,
    /// How it is asked about, carried out, proven and told.
    #[command(flatten)]
    pub act: ActArgs,
}

/// Who checks what is not carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// Apply changes
    #[default]
    None,
    /// Plan locally
    Client,
    /// Validate each step on the API server
    Server,
}

/// A check's block that may be overridden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Allow {
    /// Fewer safekeepers than a quorum would be left, another lacks committed WAL or may still be catching up, or an old
    /// disk could vote twice
    QuorumLoss,
    /// An old volume cannot be retained: its data is lost with its claim
    UnretainedVolume,
    /// No controller would recreate the pod
    UnmanagedPod,
    /// A PodDisruptionBudget allows no disruption
    DisruptionBudget,
    /// A finalizer that is not Kubernetes' own would keep the pod or a claim Terminating
    ForeignFinalizer,
    /// Nothing would provision a volume for the new claim
    StorageClass,
    /// No node could run the new pod, or none that could has access to its volume
    UnusableNode,
    /// The pageserver's layers exist only on the disk to be replaced, or no safekeeper has its newest WAL
    LocalLayers,
    /// Another storage component is down, or has not recovered
    SecondStorage,
    /// Another failover is in progress in the namespace, or could not be locked out
    ConcurrentFailover,
    /// The API server would reject the new pod or a new claim
    RefusedReplacement,
}

impl Allow {
    /// As it is written on the command line.
    pub fn flag(self) -> &'static str {
        match self {
            Self::QuorumLoss => "quorum-loss",
            Self::UnretainedVolume => "unretained-volume",
            Self::UnmanagedPod => "unmanaged-pod",
            Self::DisruptionBudget => "disruption-budget",
            Self::ForeignFinalizer => "foreign-finalizer",
            Self::StorageClass => "storage-class",
            Self::UnusableNode => "unusable-node",
            Self::LocalLayers => "local-layers",
            Self::SecondStorage => "second-storage",
            Self::ConcurrentFailover => "concurrent-failover",
            Self::RefusedReplacement => "refused-replacement",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allow_is_written_as_the_parser_reads_it() {
        for allow in Allow::value_variants() {
            assert_eq!(allow.to_possible_value().unwrap().get_name(), allow.flag());
            assert_eq!(serde_json::to_value(allow).unwrap(), allow.flag());
        }
    }
}
