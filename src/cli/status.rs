//! `status`.

use super::output::{JSON, PATH, TABLE, Word, YAML, forms};
use super::{Names, Output};
use clap::Args;

const FORMS: &[Word] = &[
    TABLE,
    ("wide", "With UIDs, volumes, reclaim policies and storage classes"),
    JSON,
    YAML,
    ("name", "`pod/NAME` a line"),
    PATH,
];

/// `status`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # The system namespace and every account you can see
  kubectl synxdb status

  # One account, named by the beginning of its namespace, with volumes and UIDs
  kubectl synxdb status -n cloud007 -o wide

  # Watch it, redrawn in place; one JSON document a line at each change
  kubectl synxdb status -w
  kubectl synxdb status -w -o json

  # For a script: exit code 0 is healthy, 8 is degraded or unknown
  kubectl synxdb status -o json
  kubectl synxdb status -o jsonpath='{.members.ready}/{.members.all}{\"\\n\"}'
  kubectl synxdb status --no-headers | awk '$5 != \"Running\"'

With -w it goes on until Ctrl-C, and the exit code tells how it was then.
What cannot be read within 2 seconds is shown as <unknown>, with the reason.")]
pub struct StatusArgs {
    /// Pods, NAMESPACE/POD, workloads or components to show [default: all]
    #[arg(value_name = "TARGET", add = Names::Targets)]
    pub targets: Vec<String>,
    /// Look at the system namespace and every account, whatever the context's namespace
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Go on, and show each change when it comes: in place on a terminal, a line a change elsewhere
    #[arg(short, long)]
    pub watch: bool,
    /// Form of the output
    #[arg(short, long, value_parser = forms(FORMS), default_value = "table", value_name = "FORMAT")]
    pub output: Output,
    /// Print no headings, and nothing but the rows
    #[arg(long)]
    pub no_headers: bool,
}
