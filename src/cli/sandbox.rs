//! `sandbox`.

use super::Output;
use super::output::{JSON, PATH, TEXT, Word, YAML, forms};
use clap::Args;

const FORMS: &[Word] = &[TEXT, JSON, YAML, PATH];

/// `sandbox`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # Start it in one terminal, and paste the line it prints in another
  kubectl synxdb sandbox

  # A cluster that misbehaves
  kubectl synxdb sandbox --scenario stuck-claim

  # The scenarios
  kubectl synxdb sandbox --list

  # For a script: the document comes when all is ready, and the cluster stays until Ctrl-C
  kubectl synxdb sandbox -o jsonpath='{.kubeconfig}{\"\\n\"}'

It serves the Kubernetes API on a loopback port and runs the machine's own
PostgreSQL behind it. Ctrl-C ends it and removes everything that it made.
Its files are below /tmp; KUBECTL_SYNXDB_SANDBOX_DIR names another folder, for
example one in memory, where it starts sooner.")]
pub struct SandboxArgs {
    /// List the scenarios
    #[arg(long)]
    pub list: bool,
    /// Form of the output
    #[arg(short, long, value_parser = forms(FORMS), default_value = "text", value_name = "FORMAT")]
    pub output: Output,
}
