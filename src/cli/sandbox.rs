//! `sandbox`.

use super::Output;
use super::output::{JSON, PATH, TEXT, Word, YAML, forms};
use clap::Args;

const FORMS: &[Word] = &[TEXT, JSON, YAML, PATH];

/// `sandbox`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # Start it in one terminal, and paste the lines it prints into another
  kubectl synxdb sandbox

  # Start a failure scenario
  kubectl synxdb sandbox --scenario stuck-claim

  # List the scenarios
  kubectl synxdb sandbox --list

  # In a script: prints the document once all pods are Ready; stays until Ctrl-C
  kubectl synxdb sandbox -o jsonpath='{.kubeconfig}{\"\\n\"}'

It serves the Kubernetes API on a loopback port and runs this machine's
PostgreSQL behind it. Ctrl-C stops it and removes everything it created. Its
files are in /tmp; set KUBECTL_SYNXDB_SANDBOX_DIR to use another folder, for
example one in memory, where it starts faster.")]
pub struct SandboxArgs {
    /// List the scenarios
    #[arg(long)]
    pub list: bool,
    /// Output format
    #[arg(short, long, value_parser = forms(FORMS), default_value = "text", value_name = "FORMAT")]
    pub output: Output,
}
