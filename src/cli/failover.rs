//! `failover`.

use super::{Names, OperationArgs};
use clap::Args;

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
    #[arg(long, alias = "anew", conflicts_with = "pod_uid")]
    pub start_over: bool,
    /// UID of the pod to replace; if it is already gone, only wait and verify
    #[arg(long, value_name = "UID")]
    pub pod_uid: Option<String>,
    /// Confirmation, waiting, verification and output.
    #[command(flatten)]
    pub act: OperationArgs,
}
