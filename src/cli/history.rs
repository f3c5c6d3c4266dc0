//! `history`.

use super::output::{JSON, PATH, TABLE, Word, YAML, forms};
use super::{Names, Output};
use clap::Args;

const FORMS: &[Word] = &[
    TABLE,
    ("wide", "One line per operation, with who did it and what happened to the volumes"),
    JSON,
    YAML,
    ("name", "`failover/ID` or `undo/ID`, one per line"),
    PATH,
];

/// `history`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # Past failovers and undos, and what can be undone
  kubectl synxdb history
  kubectl synxdb history -A

  # For one account, or one pod
  kubectl synxdb history -n cloud007
  kubectl synxdb history cloudberry-proxy-0 -n cloud007

undo restores the volumes that an operation retained, and release deletes them.")]
pub struct HistoryArgs {
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
