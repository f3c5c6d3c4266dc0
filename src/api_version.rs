//! The version of the form of every document that the plugin prints, saves to a file, or keeps in the cluster.

/// The version that is written.
pub const API_VERSION: &str = "kubectl-synxdb/v1beta1";
/// The version before it: what it saved and kept is still read.
pub(crate) const V1ALPHA1: &str = "kubectl-synxdb/v1alpha1";
