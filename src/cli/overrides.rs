//! Dry runs, and overrides of checks.

use clap::ValueEnum;
use serde::Serialize;

/// How to validate a plan without carrying it out.
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

/// A check that may be overridden.
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
    /// Returns its name on the command line.
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
