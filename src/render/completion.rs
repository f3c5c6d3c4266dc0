//! `completion install` and `completion uninstall`, for people.

use super::{Paint, wrapped};
use std::path::Path;

/// Renders what would be written, for above the prompt.
pub(crate) fn will_write(path: &Path, replaces: bool, text: &str, paint: Paint) -> String {
    let verb = if replaces { "Will replace" } else { "Will write" };
    let lines: String = text.lines().map(|line| format!("    {line}\n")).collect();
    format!("{verb} {}:\n\n{lines}\n", paint.strong(path.display().to_string()))
}

/// Renders what would be removed, for above the prompt.
pub(crate) fn will_remove(path: &Path, paint: Paint) -> String {
    format!("Will remove {}\n", paint.strong(path.display().to_string()))
}

/// Renders that it is installed, now or already, and what else the user's shell needs.
pub(crate) fn installed(path: &Path, now: bool, shell: Option<&str>, paint: Paint) -> String {
    let what = if now { "Installed" } else { "Already installed" };
    let mut text = format!("{}: {}\n", paint.ok(what), path.display());
    let (file, line) = match shell.and_then(|shell| shell.rsplit('/').next()) {
        Some("zsh") => ("~/.zshrc, after compinit", "source <(kubectl completion zsh)"),
        Some("fish") => ("~/.config/fish/config.fish", "kubectl completion fish | source"),
        Some("bash") | None => ("~/.bashrc, with the package bash-completion", "source <(kubectl completion bash)"),
        Some(_) => ("the startup file of your shell", "see kubectl completion --help"),
    };
    let needs = format!(
        "kubectl 1.26 or later uses it to complete `kubectl synxdb`, in a shell that completes kubectl. If TAB does not \
         complete `kubectl get`, add this line to {file}:"
    );
    text.push_str(&wrapped("", &needs));
    text.push_str(&format!("\n    {}\n", paint.hint(line)));
    text
}

/// Renders that it was removed, or that there was nothing to remove.
pub(crate) fn removed(path: Option<&Path>, paint: Paint) -> String {
    match path {
        Some(path) => format!("{}: {}\n", paint.ok("Removed"), path.display()),
        None => format!("{}: kubectl_complete-synxdb is not on PATH\n", paint.ok("Nothing to do")),
    }
}
