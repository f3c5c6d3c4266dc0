//! `completion`.

use clap::{Args, Subcommand};

/// `completion`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # Complete `kubectl synxdb`, where kubectl's own completion is loaded
  kubectl synxdb completion install

  # Complete kubectl-synxdb, the program itself, in this session of bash
  source <(kubectl synxdb completion bash)

kubectl (1.26 and later) completes a plugin by a program of a name of its own,
kubectl_complete-synxdb, which must be on PATH: install puts it there.
Names of pods, namespaces, acts and databases are asked of the cluster that the
words typed so far mean. What has no answer within a quarter of a second is not
offered (KUBECTL_SYNXDB_COMPLETION_TIMEOUT=2s waits longer), and nothing is ever
said or asked.")]
pub struct CompletionArgs {
    /// What is to be printed or done
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

  # For good
  kubectl synxdb completion bash > ~/.local/share/bash-completion/completions/kubectl-synxdb")]
    Bash,
    /// Print the script for zsh
    #[command(after_help = "\
Examples:
  # For this session
  source <(kubectl synxdb completion zsh)

  # For good
  kubectl synxdb completion zsh > \"${fpath[1]}/_kubectl-synxdb\"")]
    Zsh,
    /// Print the script for fish
    #[command(after_help = "\
Examples:
  # For this session
  kubectl synxdb completion fish | source

  # For good
  kubectl synxdb completion fish > ~/.config/fish/completions/kubectl-synxdb.fish")]
    Fish,
    /// Print the script for PowerShell
    #[command(
        visible_alias = "pwsh",
        after_help = "\
Examples:
  # For this session
  kubectl synxdb completion powershell | Out-String | Invoke-Expression

  # For good
  kubectl synxdb completion powershell >> $PROFILE"
    )]
    Powershell,
    /// Put kubectl_complete-synxdb on PATH, by which kubectl completes `kubectl synxdb`
    #[command(after_help = "\
Examples:
  # Says what it would write and where, and asks
  kubectl synxdb completion install

  # In a script
  kubectl synxdb completion install --yes

It goes to the folder of PATH where kubectl finds the plugin, or else to the
first folder of PATH that is yours. A file that is not of its making is never
overwritten.")]
    Install(InstallArgs),
    /// Remove kubectl_complete-synxdb again
    #[command(after_help = "\
Examples:
  # Says what it would remove, and asks
  kubectl synxdb completion uninstall

  # In a script
  kubectl synxdb completion uninstall --yes")]
    Uninstall(InstallArgs),
}

/// `completion install` and `completion uninstall`.
#[derive(Args, Clone, Debug)]
pub struct InstallArgs {
    /// Answer the question with yes
    #[arg(short, long)]
    pub yes: bool,
}

/// A shell that there is a script for.
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
    /// The shell whose script is asked for.
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
