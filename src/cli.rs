//! The command line. The doc comments are the help. No I/O and no Kubernetes types.
use clap::ValueEnum;
/// A block that may be overridden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Allow {
    /// Fewer safekeepers than a majority would be left.
    QuorumLoss,
    /// An old volume cannot be retained: its data is lost with the claim.
    UnretainedVolume,
    /// No controller would re-create the pod.
    UnmanagedPod,
}
impl Allow {
    /// As it is written on the command line.
    pub fn flag(self) -> &'static str {
        match self {
            Self::QuorumLoss => "quorum-loss",
            Self::UnretainedVolume => "unretained-volume",
            Self::UnmanagedPod => "unmanaged-pod",
        }
    }
}
