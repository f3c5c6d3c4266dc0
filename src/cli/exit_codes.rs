//! The exit codes, and which of them a command can return: part of each command's `--help`.

use super::Cli;
use super::top::TOP_EXAMPLES;
use clap::{Command, CommandFactory as _};

/// Every exit code and its meaning.
const EXIT_CODES: [(&str, &str); 9] = [
    ("0", "success"),
    ("1", "other error"),
    ("2", "usage error"),
    ("4", "blocked by a check, or the cluster changed"),
    ("5", "declined at the prompt; nothing was changed"),
    ("6", "timed out"),
    ("7", "data missing or damaged"),
    ("8", "degraded, unverified, or state unknown"),
    ("130", "interrupted"),
];

/// Returns the exit codes of a command besides 0, 1 and 2.
fn of(path: &str) -> &'static [&'static str] {
    match path {
        "status" => &["8"],
        "failover" | "undo" => &["4", "5", "6", "7", "8", "130"],
        "history" => &["8", "130"],
        "release" => &["4", "5", "130"],
        "layout check" => &["4", "8", "130"],
        "layout learn" => &["4", "130"],
        "verify" => &["4", "7", "8", "130"],
        "forward" | "rbac" => &["4", "130"],
        "completion install" | "completion uninstall" => &["4", "5", "130"],
        _ => &[],
    }
}

fn lines(codes: impl Fn(&str) -> bool) -> String {
    let lines = EXIT_CODES.iter().filter(|(code, _)| codes(code));
    let lines: Vec<String> = lines.map(|(code, meaning)| format!("  {code:<4} {meaning}")).collect();
    format!("Exit codes:\n{}", lines.join("\n"))
}

/// Returns the command line of [`Cli`], with the exit codes in every `--help`.
pub fn command() -> Command {
    let top = Cli::command().after_help(format!("{TOP_EXAMPLES}\n\n{}", lines(|_| true)));
    with_codes(top, "")
}

fn with_codes(command: Command, path: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| {
        let path = format!("{path} {name}").trim_start().to_owned();
        command.mut_subcommand(name, |sub| {
            let codes = lines(|code| matches!(code, "0" | "1" | "2") || of(&path).contains(&code));
            let before = sub.get_after_help().map(|help| format!("{help}\n\n")).unwrap_or_default();
            with_codes(sub.after_help(format!("{before}{codes}")), &path)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(command: &Command, path: &str, found: &mut Vec<(String, String)>) {
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let path = format!("{path} {}", sub.get_name()).trim_start().to_owned();
            found.push((path.clone(), sub.get_after_help().map(ToString::to_string).unwrap_or_default()));
            all(sub, &path, found);
        }
    }

    /// Help must be enough without a manual.
    #[test]
    fn every_help_has_two_examples_and_its_exit_codes() {
        let mut found = Vec::new();
        all(&command(), "", &mut found);
        assert!(found.iter().any(|(path, _)| path == "layout check"));
        for (path, help) in found {
            let examples = help.lines().filter(|line| line.trim_start().contains("kubectl synxdb ")).count();
            assert!(examples >= 2, "{path} has {examples} examples:\n{help}");
            assert!(help.contains("Exit codes:\n  0    success"), "{path}:\n{help}");
        }
    }

    #[test]
    fn the_codes_are_those_that_there_are() {
        use crate::error::Exit;
        let listed: Vec<&str> = EXIT_CODES.iter().map(|(code, _)| *code).collect();
        assert_eq!(listed, Exit::ALL.map(|exit| exit.code().to_string()));
    }
}
