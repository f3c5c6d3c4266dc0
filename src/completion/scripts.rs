//! What the shells run. They all ask the program itself, in the way in which kubectl asks a plugin.

use crate::cli::Shell;

/// The program by which kubectl completes the plugin, `kubectl_complete-synxdb`: it runs the plugin that is on PATH, which
/// may be a link that leads to another version by tomorrow.
pub const THROUGH_KUBECTL: &str = include_str!("../../completions/kubectl_complete-synxdb");

/// How the second line of such a file ends, in every version.
const MARK: &str = "(made by: kubectl synxdb completion install)";

/// The completion script of a shell, for the program's own name.
pub fn script(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("../../completions/kubectl-synxdb.bash"),
        Shell::Zsh => include_str!("../../completions/_kubectl-synxdb"),
        Shell::Fish => include_str!("../../completions/kubectl-synxdb.fish"),
        Shell::Powershell => include_str!("../../completions/_kubectl-synxdb.ps1"),
    }
}

/// Whether a file of that name is one of ours, of this version or another.
pub fn is_ours(text: &str) -> bool {
    let mut lines = text.lines();
    lines.next() == Some("#!/bin/sh") && lines.next().is_some_and(|line| line.ends_with(MARK))
}
