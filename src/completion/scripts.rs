//! The completion scripts of the shells. They all run the program itself, as kubectl runs a plugin's completion.

use crate::cli::Shell;

/// The program that kubectl runs to complete the plugin, `kubectl_complete-synxdb`: it runs the plugin on PATH, which may be
/// another version later.
pub const THROUGH_KUBECTL: &str = include_str!("../../completions/kubectl_complete-synxdb");

/// The end of the second line of such a file, in every version.
const MARK: &str = "(made by: kubectl synxdb completion install)";

/// Returns the completion script of a shell, for the program's own name.
pub fn script(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("../../completions/kubectl-synxdb.bash"),
        Shell::Zsh => include_str!("../../completions/_kubectl-synxdb"),
        Shell::Fish => include_str!("../../completions/kubectl-synxdb.fish"),
        Shell::Powershell => include_str!("../../completions/_kubectl-synxdb.ps1"),
    }
}

/// Returns whether a file of that name is ours, of this version or another.
pub fn is_ours(text: &str) -> bool {
    let mut lines = text.lines();
    lines.next() == Some("#!/bin/sh") && lines.next().is_some_and(|line| line.ends_with(MARK))
}
