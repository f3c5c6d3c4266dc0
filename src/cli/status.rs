//! `status`.

use super::output::{JSON, PATH, TABLE, Word, YAML, forms};
use super::{Names, Output, PageArgs};
use clap::Args;

const FORMS: &[Word] = &[
    TABLE,
    ("wide", "Adds UIDs, volumes, reclaim policies and storage classes"),
    JSON,
    YAML,
    ("name", "`pod/NAME`, one per line"),
    PATH,
];

/// `status`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # All namespaces of SynxDB that you may read
  kubectl synxdb status

  # One account, by a prefix of its namespace, with volumes and UIDs
  kubectl synxdb status -n cloud007 -o wide

  # Watch for changes: redrawn in place, or one JSON document per line
  kubectl synxdb status -w
  kubectl synxdb status -w -o json

  # In a script: exit code 0 means healthy, 8 degraded or unknown
  kubectl synxdb status -o json
  kubectl synxdb status -o jsonpath='{.members.ready}/{.members.total}{\"\\n\"}'
  kubectl synxdb status --no-headers | awk '$5 != \"Running\"'

With more than 50 pods, the table has one line per workload, and lists only pods
with a problem; --all-members and -o wide list all. Documents, names, and rows
without headers are always complete.

With -w it runs until Ctrl-C, and the exit code reflects the last state, which is
unknown (8) while the API server does not respond. Whatever cannot be read within
2 seconds (--request-timeout) is shown as <unknown>, with the reason.")]
pub struct StatusArgs {
    /// Pods, NAMESPACE/POD, workloads or components to show [default: all]
    #[arg(value_name = "TARGET", add = Names::Targets)]
    pub targets: Vec<String>,
    /// All SynxDB namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Watch for changes: redrawn in place on a terminal, else one line per change
    #[arg(short, long)]
    pub watch: bool,
    /// Output format
    #[arg(short, long, value_parser = forms(FORMS), default_value = "table", value_name = "FORMAT")]
    pub output: Output,
    /// Omit headers and the summary
    #[arg(long)]
    pub no_headers: bool,
    /// List every pod, also if there are more than 50
    #[arg(long)]
    pub all_members: bool,
    /// Access to storage pages for -o wide.
    #[command(flatten)]
    pub pages: PageArgs,
}
