//! `history`, and `history release`.

use super::output::{JSON, PATH, TABLE, TEXT, Word, YAML, forms};
use super::{Names, Output};
use clap::{Args, Subcommand};

const FORMS: &[Word] = &[
    TABLE,
    ("wide", "A line an act, with who did it and what became of the volumes"),
    JSON,
    YAML,
    ("name", "`failover/ID` or `undo/ID` a line"),
    PATH,
];
const RELEASED: &[Word] = &[TEXT, JSON, YAML, ("name", "`persistentvolume/NAME` a line"), PATH];

/// `history`.
#[derive(Args, Clone, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  # What was failed over and undone, and what can be put back
  kubectl synxdb history
  kubectl synxdb history -A

  # Of one account, or of one pod
  kubectl synxdb history -n cloud007
  kubectl synxdb history cloudberry-proxy-0 -n cloud007

  # Give back the volumes that a failover kept: their data is gone for good
  kubectl synxdb history release 3f2a91bc"
)]
pub struct HistoryArgs {
    /// What to do with it
    #[command(subcommand)]
    pub command: Option<HistoryCommand>,
    /// Pods or NAMESPACE/POD whose history to show [default: all]
    #[arg(value_name = "TARGET", add = Names::Past)]
    pub targets: Vec<String>,
    /// Of the system namespace and every account, those that are gone too
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Form of the output
    #[arg(short, long, value_parser = forms(FORMS), default_value = "table", value_name = "FORMAT")]
    pub output: Output,
    /// Print no headings, and nothing but the rows
    #[arg(long)]
    pub no_headers: bool,
}

/// What can be done with the history.
#[derive(Clone, Debug, Subcommand)]
pub enum HistoryCommand {
    /// Give back the volumes that an act kept: Kubernetes deletes them and their data
    Release(ReleaseArgs),
}

/// `history release`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # Asks for the pod's name, since what is released cannot be undone
  kubectl synxdb history release 3f2a91bc

  # In a script
  kubectl synxdb history release 3f2a91bc --confirm cloudberry-proxy-0

The volumes get the reclaim policy again that they had before they were kept, and
Kubernetes reclaims them. Refused while the member is not back: while its last
failover or undo has not recovered, its pod is not Ready or a claim is not Bound.")]
pub struct ReleaseArgs {
    /// Name of the failover or undo, as history shows it
    #[arg(value_name = "ID", add = Names::Kept)]
    pub id: String,
    /// The pod's name, which is asked for otherwise
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Form of the output
    #[arg(short, long, value_parser = forms(RELEASED), default_value = "text", value_name = "FORMAT")]
    pub output: Output,
}
