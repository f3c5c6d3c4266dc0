//! `undo`.

use super::{Names, OperationArgs};
use clap::Args;

/// `undo`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # Restore the volumes that the last failover of this pod retained
  kubectl synxdb undo cloud007/cloudberry-proxy-0

  # The same by the failover's ID, as history and the failover itself print it
  kubectl synxdb undo 3f2a91bc

  # Print what would be restored and what would be retained
  kubectl synxdb undo 3f2a91bc --dry-run=client

  # Revert an undo
  kubectl synxdb undo cloud007/cloudberry-proxy-0

The volume that a failover retained is restored under its claim's name. The
volume in use now is retained, with everything written to it since. Pod and
claims are replaced, and recovered means the same as for a failover; if the
failover lost data, its baseline is what must be there. If interrupted, rerun
the same command to resume.")]
pub struct UndoArgs {
    /// ID of a failover or undo (see history), or a pod; prompts if omitted
    #[arg(value_name = "ID|TARGET", add = Names::Undoable)]
    pub what: Option<String>,
    /// Confirmation, waiting, verification and output.
    #[command(flatten)]
    pub act: OperationArgs,
}
