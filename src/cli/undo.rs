//! `undo`.

use super::{ActArgs, Names};
use clap::Args;

/// `undo`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # Put back what the last failover of this pod set aside
  kubectl synxdb undo cloud007/cloudberry-proxy-0

  # The same by the name of the failover, as history and the failover itself tell it
  kubectl synxdb undo 3f2a91bc

  # See what would return and what would be set aside
  kubectl synxdb undo 3f2a91bc --dry-run=client

  # Thought better of it: an undo is undone in the same way
  kubectl synxdb undo cloud007/cloudberry-proxy-0

The volume that a failover kept comes back under its claim's name. The volume
that is in use now is kept, too, and set aside with all that was written on it
since. Pod and claims are replaced, and recovered means the same as for a
failover; what must be there is what the failover found before it began, where
it did not find all of it again. Interrupted, the same command finishes what
was begun.")]
pub struct UndoArgs {
    /// Name of a failover or undo (see history), or the pod whose last one is taken back; on a terminal a list is offered
    #[arg(value_name = "ID|TARGET", add = Names::Undoable)]
    pub what: Option<String>,
    /// How it is asked about, carried out, proven and told.
    #[command(flatten)]
    pub act: ActArgs,
}
