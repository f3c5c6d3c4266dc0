//! `sandbox`.

use clap::Args;

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

It serves the Kubernetes API on a loopback port and runs the machine's own
PostgreSQL behind it. Ctrl-C ends it and removes everything that it made.")]
pub struct SandboxArgs {
    /// List the scenarios
    #[arg(long)]
    pub list: bool,
}
