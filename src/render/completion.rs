//! `completion install` and `completion uninstall`, for people.

use super::{Paint, wrapped};
use std::path::Path;

/// What would be written, before it is asked about.
pub fn will_write(path: &Path, anew: bool, text: &str, paint: Paint) -> String {
    let verb = if anew { "Would be written anew" } else { "Would be written" };
    let lines: String = text.lines().map(|line| format!("    {line}\n")).collect();
    format!("{verb}, to {}:\n\n{lines}\n", paint.strong(path.display().to_string()))
}

/// What would be removed, before it is asked about.
pub fn will_remove(path: &Path, paint: Paint) -> String {
    format!("Would be removed: {}\n", paint.strong(path.display().to_string()))
}

/// It is there, since now or since earlier; and what else the user's shell needs.
pub fn installed(path: &Path, now: bool, shell: Option<&str>, paint: Paint) -> String {
    let what = if now { "Installed" } else { "Nothing to do: it is there already" };
    let mut text = format!("{}: {}\n", paint.ok(what), path.display());
    let (file, line) = match shell.and_then(|shell| shell.rsplit('/').next()) {
        Some("zsh") => ("~/.zshrc, after compinit", "source <(kubectl completion zsh)"),
        Some("fish") => ("~/.config/fish/config.fish", "kubectl completion fish | source"),
        Some("bash") | None => ("~/.bashrc, with the package bash-completion", "source <(kubectl completion bash)"),
        Some(_) => ("the file that your shell starts with", "kubectl completion --help tells of the line"),
    };
    let needs = format!(
        "kubectl 1.26 or later completes `kubectl synxdb` by it, in a shell that completes kubectl. Should TAB not complete \
         `kubectl get` there, add this line to {file}:"
    );
    text.push_str(&wrapped("", &needs));
    text.push_str(&format!("\n    {}\n", paint.hint(line)));
    text
}

/// It is gone, since now or since ever.
pub fn removed(path: Option<&Path>, paint: Paint) -> String {
    match path {
        Some(path) => format!("{}: {}\n", paint.ok("Removed"), path.display()),
        None => format!("{}: kubectl_complete-synxdb is not on PATH\n", paint.ok("Nothing to do")),
    }
}
