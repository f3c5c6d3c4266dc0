//! `completion`.

use clap::{Args, Subcommand};

/// `completion`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # Complete `kubectl synxdb` wherever kubectl's own completion is loaded
  kubectl synxdb completion install

  # Complete the program kubectl-synxdb itself, in this bash session
  source <(kubectl synxdb completion bash)

kubectl (1.26 and later) completes a plugin through a program named
kubectl_complete-synxdb on PATH, which `completion install` puts there. Names of
pods, namespaces, operations and databases come from the cluster that the
command line names, within 250 ms (KUBECTL_SYNXDB_COMPLETION_TIMEOUT=2s waits
longer). Completion never prompts and prints no errors.")]
pub struct CompletionArgs {
    /// What to print or do
    #[command(subcommand)]
    pub command: CompletionCommand,
}

/// What `completion` prints or does.
#[derive(Clone, Debug, Subcommand)]
pub enum CompletionCommand {
    /// Print the script for bash
    #[command(after_help = "\
Examples:
  # For this session
  source <(kubectl synxdb completion bash)

  # Permanently
  kubectl synxdb completion bash > ~/.local/share/bash-completion/completions/kubectl-synxdb")]
    Bash,
    /// Print the script for zsh
    #[command(after_help = "\
Examples:
  # For this session
  source <(kubectl synxdb completion zsh)

  # Permanently
  kubectl synxdb completion zsh > \"${fpath[1]}/_kubectl-synxdb\"")]
    Zsh,
    /// Print the script for fish
    #[command(after_help = "\
Examples:
  # For this session
  kubectl synxdb completion fish | source

  # Permanently
  kubectl synxdb completion fish > ~/.config/fish/completions/kubectl-synxdb.fish")]
    Fish,
    /// Print the script for PowerShell
    #[command(
        visible_alias = "pwsh",
        after_help = "\
Examples:
  # For this session
  kubectl synxdb completion powershell | Out-String | Invoke-Expression

  # Permanently
  kubectl synxdb completion powershell >> $PROFILE"
    )]
    Powershell,
    /// Install kubectl_complete-synxdb on PATH, so that kubectl completes `kubectl synxdb`
    #[command(after_help = "\
Examples:
  # Show what would be written and where, and ask
  kubectl synxdb completion install

  # In a script
  kubectl synxdb completion install --yes

It is written to the folder in PATH where kubectl finds the plugin, or else to
the first folder in PATH that you own. A file that it did not write is never
overwritten.")]
    Install(InstallArgs),
    /// Remove kubectl_complete-synxdb
    #[command(after_help = "\
Examples:
  # Show what would be removed, and ask
  kubectl synxdb completion uninstall

  # In a script
  kubectl synxdb completion uninstall --yes")]
    Uninstall(InstallArgs),
}

/// `completion install` and `completion uninstall`.
#[derive(Args, Clone, Debug)]
pub struct InstallArgs {
    /// Skip the confirmation prompt
    #[arg(short, long)]
    pub yes: bool,
}

/// A shell with a completion script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// bash, from 3.2 on.
    Bash,
    /// zsh.
    Zsh,
    /// fish, from 3.0 on.
    Fish,
    /// PowerShell.
    Powershell,
}

impl CompletionCommand {
    /// Returns the shell whose script is requested.
    pub fn shell(&self) -> Option<Shell> {
        match self {
            Self::Bash => Some(Shell::Bash),
            Self::Zsh => Some(Shell::Zsh),
            Self::Fish => Some(Shell::Fish),
            Self::Powershell => Some(Shell::Powershell),
            Self::Install(_) | Self::Uninstall(_) => None,
        }
    }
}
