//! The top level of the command line.

use super::{
    CompletionArgs, FailoverArgs, ForwardArgs, Global, HistoryArgs, LayoutArgs, Output, RbacArgs, ReleaseArgs,
    SandboxArgs, SchemaArgs, StatusArgs, UndoArgs, VerifyArgs, output,
};
use clap::{Parser, Subcommand};
use std::ffi::OsString;

const VERSION: &[output::Word] = &[output::TEXT, output::JSON, output::YAML, output::PATH];

pub(super) const TOP_EXAMPLES: &str = "\
Examples:
  # Check SynxDB's health
  kubectl synxdb status

  # Replace a warehouse node's pod and volumes, and verify that its data recovered
  kubectl synxdb failover wh9527-0

  # Restore the volumes that it retained
  kubectl synxdb undo wh9527-0

  # Verify that every component responds and its data is intact
  kubectl synxdb verify

  # Forward a local port to the database; it survives pod replacement
  kubectl synxdb forward

  # A failover on the built-in practice cluster: no Kubernetes needed
  kubectl synxdb --sandbox failover wh9527-0 --yes";

/// Fail over SynxDB v4 components on Kubernetes and verify that the components and their data recovered.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kubectl-synxdb",
    bin_name = "kubectl synxdb",
    display_name = "kubectl synxdb",
    version,
    disable_help_subcommand = true,
    disable_version_flag = true,
    arg_required_else_help = true,
    // As in kubectl, the last of repeated flags wins.
    args_override_self = true,
    max_term_width = 100
)]
pub struct Cli {
    /// Global flags.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Check SynxDB's health and list its pods
    Status(StatusArgs),
    /// Replace a component's pod and its volumes, wait for recovery, and verify it
    Failover(Box<FailoverArgs>),
    /// Restore the volumes retained by a failover or an undo
    Undo(Box<UndoArgs>),
    /// List past failovers and undos, and the volumes they retained
    History(HistoryArgs),
    /// Delete the volumes that failovers and undos retained
    Release(ReleaseArgs),
    /// Verify that every component responds and its data is intact
    Verify(Box<VerifyArgs>),
    /// Forward a local port to a database; it survives pod replacement
    Forward(ForwardArgs),
    /// Print RBAC manifests for kubectl apply
    Rbac(RbacArgs),
    /// Run a local practice cluster for this plugin and kubectl
    Sandbox(SandboxArgs),
    /// Print the layout in force: the names of namespaces, workloads and ports
    Layout(LayoutArgs),
    /// Print JSON Schemas of the machine-readable output
    Schema(SchemaArgs),
    /// Set up shell completion
    Completion(CompletionArgs),
    /// Print the version
    #[command(after_help = "\
Examples:
  kubectl synxdb version
  kubectl synxdb version -o json")]
    Version {
        /// Output format
        #[arg(short, long, value_parser = output::forms(VERSION), default_value = "text", value_name = "FORMAT")]
        output: Output,
    },
}

/// The command that a shell runs to complete words, named as in programs that are built like kubectl. It is not part of
/// [`Cli`]: its arguments are the words of an unfinished command line.
pub const COMPLETE: &str = "__complete";

/// Returns the words to complete, the last one being under the cursor; `None` if the program was not run for completion.
pub fn to_complete(arguments: impl IntoIterator<Item = OsString>) -> Option<Vec<OsString>> {
    let mut arguments = arguments.into_iter().skip(1);
    (arguments.next()? == COMPLETE).then(|| arguments.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_of_kubectl_may_stand_anywhere_after_the_plugins_name() {
        for line in ["-n x status --context c", "status -n x --context c", "--context=c status -nx"] {
            let words = std::iter::once("kubectl-synxdb").chain(line.split(' '));
            let cli = Cli::try_parse_from(words).unwrap();
            assert_eq!(
                (cli.global.namespace.as_deref(), cli.global.context.as_deref()),
                (Some("x"), Some("c")),
                "{line}"
            );
        }
    }
}
