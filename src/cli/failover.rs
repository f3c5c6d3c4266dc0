//! `failover`.

use super::{ActArgs, Names};
use clap::{Args, ValueEnum};
use serde::Serialize;

/// `failover`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # Replace a warehouse node's pod and disk
  kubectl synxdb failover wh9527-0

  # There is a cloudberry-proxy-0 in several namespaces: say which is meant
  kubectl synxdb failover synxdb-system/cloudberry-proxy-0
  kubectl synxdb failover cloudberry-proxy-0 -n cloud007

  # Replace the pod, keep its disk
  kubectl synxdb failover pageserver-0 --keep-pvc

  # See the plan and its checks; ask the server whether it would accept each step
  kubectl synxdb failover safekeeper-0 --dry-run=client
  kubectl synxdb failover safekeeper-0 --dry-run=server

  # In a script: no question is asked, one JSON object a line is printed
  kubectl synxdb failover wh9527-0 --yes -o json

Recovered means: the pod of that name has a new UID, is Ready, has stayed so for
--settle without a restart, and is not being deleted; every replaced claim has a new UID and is Bound; the component answers
for itself; and what was there before is there after. Running is not recovered.

The old volume is retained, nothing is force-deleted, and no finalizer is
stripped. Interrupted, the same command finishes what was begun.")]
pub struct FailoverArgs {
    /// Pod, NAMESPACE/POD, or a workload or component that means one pod; on a terminal a list is offered
    #[arg(value_name = "TARGET", add = Names::Pod)]
    pub target: Option<String>,
    /// Replace the pod only, and keep its PersistentVolumeClaims
    #[arg(long)]
    pub keep_pvc: bool,
    /// Begin anew, where an earlier failover of the pod is unfinished and would be finished, or has just recovered
    #[arg(long, conflicts_with = "pod_uid")]
    pub anew: bool,
    /// UID of the pod to replace: where it has been replaced already, only wait and prove
    #[arg(long, value_name = "UID")]
    pub pod_uid: Option<String>,
    /// How it is asked about, carried out, proven and told.
    #[command(flatten)]
    pub act: ActArgs,
}

/// Who checks what is not carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// It is carried out
    #[default]
    None,
    /// The plugin alone
    Client,
    /// The API server, step by step
    Server,
}

/// A check's block that may be overridden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Allow {
    /// Fewer safekeepers than a majority would be left, or another one may still be fetching WAL
    QuorumLoss,
    /// An old volume cannot be retained: its data is lost with its claim
    UnretainedVolume,
    /// No controller would re-create the pod
    UnmanagedPod,
    /// A PodDisruptionBudget allows no disruption
    DisruptionBudget,
    /// A finalizer that is not Kubernetes' own would keep the pod or a claim Terminating
    ForeignFinalizer,
    /// Nothing would make a volume for the new claim
    StorageClass,
    /// No node could take the new pod, or none that takes pods has its volume
    UnusableNode,
    /// The pageserver's layers are on the disk alone that is replaced
    LocalLayers,
    /// Another failover is under way in the namespace, or could not be kept away
    ConcurrentFailover,
    /// The API server would refuse the new pod or a new claim
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
