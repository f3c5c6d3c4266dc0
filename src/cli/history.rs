//! `history`, and `history release`.

use super::output::{JSON, PATH, TABLE, TEXT, Word, YAML, forms};
use super::{Names, Output};
use clap::{Args, Subcommand};

const FORMS: &[Word] = &[
    TABLE,
    ("wide", "One line per operation, with who did it and what happened to the volumes"),
    JSON,
    YAML,
    ("name", "`failover/ID` or `undo/ID`, one per line"),
    PATH,
];
const RELEASED: &[Word] = &[TEXT, JSON, YAML, ("name", "`persistentvolume/NAME`, one per line"), PATH];

/// `history`.
#[derive(Args, Clone, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  # Past failovers and undos, and what can be undone
  kubectl synxdb history
  kubectl synxdb history -A

  # For one account, or one pod
  kubectl synxdb history -n cloud007
  kubectl synxdb history cloudberry-proxy-0 -n cloud007

  # Release the volumes that a failover retained: their data is deleted permanently
  kubectl synxdb history release 3f2a91bc"
)]
pub struct HistoryArgs {
    /// What to do with the history
    #[command(subcommand)]
    pub command: Option<HistoryCommand>,
    /// Pods or NAMESPACE/POD whose history to show [default: all]
    #[arg(value_name = "TARGET", add = Names::Past)]
    pub targets: Vec<String>,
    /// All SynxDB namespaces, deleted ones too
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Output format
    #[arg(short, long, value_parser = forms(FORMS), default_value = "table", value_name = "FORMAT")]
    pub output: Output,
    /// Omit headers and the summary
    #[arg(long)]
    pub no_headers: bool,
}

/// Subcommands of `history`.
#[derive(Clone, Debug, Subcommand)]
pub enum HistoryCommand {
    /// Release the volumes that an operation retained: Kubernetes deletes them and their data
    Release(ReleaseArgs),
}

/// `history release`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # Asks for the pod's name, because this cannot be undone
  kubectl synxdb history release 3f2a91bc

  # In a script
  kubectl synxdb history release 3f2a91bc --confirm cloudberry-proxy-0

The volumes get back the reclaim policy they had before they were retained, and
Kubernetes reclaims them. Blocked while the component has not recovered: while
its last failover or undo has not, its pod is not Ready or a claim is not Bound.")]
pub struct ReleaseArgs {
    /// ID of the failover or undo (see history)
    #[arg(value_name = "ID", add = Names::Kept)]
    pub id: String,
    /// The pod's name, instead of the prompt
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Output format
    #[arg(short, long, value_parser = forms(RELEASED), default_value = "text", value_name = "FORMAT")]
    pub output: Output,
}
