//! The command line as the pages show it: each command, its arguments in groups, and the sections below them in
//! `--help`.

use clap::{Arg, Command};

/// A command, or the program itself.
pub(crate) struct Page {
    /// Its words after `kubectl synxdb`.
    pub(crate) words: Vec<String>,
    pub(crate) command: Command,
}

impl Page {
    /// Returns the command as typed.
    pub(crate) fn called(&self) -> String {
        std::iter::once("kubectl synxdb").chain(self.words.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }

    /// Returns its file name.
    pub(crate) fn name(&self) -> String {
        self.words.join("-")
    }

    pub(crate) fn about(&self) -> String {
        self.command.get_about().unwrap_or_else(|| panic!("{}: no word of it", self.called())).to_string()
    }

    /// Returns what `--help` shows below the arguments.
    pub(crate) fn after(&self) -> Vec<Section> {
        let after = self.command.get_after_long_help().or_else(|| self.command.get_after_help());
        sections(&after.map(ToString::to_string).unwrap_or_default())
    }

    /// Returns the commands of the examples, each on one line.
    pub(crate) fn examples(&self) -> Vec<String> {
        let examples = self.after().into_iter().filter_map(|section| match section {
            Section::Examples(examples) => Some(examples),
            _ => None,
        });
        examples.flatten().flat_map(|example| example.commands).collect()
    }

    /// Returns its exit codes and their meanings.
    pub(crate) fn codes(&self) -> Vec<(String, String)> {
        let codes = self.after().into_iter().find_map(|section| match section {
            Section::Codes(codes) => Some(codes),
            _ => None,
        });
        codes.unwrap_or_else(|| panic!("{}: no word of its exit codes", self.called()))
    }

    /// Returns its own arguments by heading; those without a heading come first. Global flags are on the program's
    /// page.
    pub(crate) fn groups(&self) -> Vec<(Option<&str>, Vec<&Arg>)> {
        let mut groups: Vec<(Option<&str>, Vec<&Arg>)> = Vec::new();
        let own = |arg: &&Arg| self.words.is_empty() || !arg.is_global_set();
        let mut arguments: Vec<&Arg> =
            self.command.get_arguments().filter(|arg| !arg.is_hide_set() && !arg.is_positional()).filter(own).collect();
        // As in the help, clap's own flags come last.
        arguments.sort_by_key(|arg| (arg.get_help_heading().is_some(), arg.get_id() == "help"));
        for arg in arguments {
            let heading = arg.get_help_heading();
            match groups.iter_mut().find(|(known, _)| *known == heading) {
                Some((_, members)) => members.push(arg),
                None => groups.push((heading, vec![arg])),
            }
        }
        groups
    }

    pub(crate) fn subcommands(&self) -> impl Iterator<Item = &Command> {
        self.command.get_subcommands().filter(|command| !command.is_hide_set())
    }
}

/// Returns the program, then every command.
pub(crate) fn pages() -> Vec<Page> {
    let mut program = kubectl_synxdb::cli::command();
    program.build();
    let mut pages = Vec::new();
    add(&mut pages, Vec::new(), &program);
    pages
}

fn add(pages: &mut Vec<Page>, words: Vec<String>, command: &Command) {
    pages.push(Page { words: words.clone(), command: command.clone() });
    for subcommand in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        let words = words.iter().cloned().chain([subcommand.get_name().to_owned()]).collect();
        add(pages, words, subcommand);
    }
}

/// A section below the arguments in `--help`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Examples(Vec<Example>),
    /// `Exit codes:`, each with its meaning.
    Codes(Vec<(String, String)>),
    Paragraph(String),
}

/// A comment, and its commands.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Example {
    pub(crate) comment: String,
    /// A command that continues on the next line counts as one.
    pub(crate) commands: Vec<String>,
}

fn sections(text: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    for block in text.split("\n\n") {
        let mut lines = block.lines().peekable();
        match lines.peek().copied() {
            Some("Examples:") => {
                lines.next();
                sections.push(Section::Examples(vec![example(lines)]));
            }
            Some("Exit codes:") => {
                let codes = lines.skip(1).map(|line| {
                    let (code, meaning) = line.trim().split_once(' ').unwrap_or_else(|| panic!("{line:?}"));
                    (code.to_owned(), meaning.trim().to_owned())
                });
                sections.push(Section::Codes(codes.collect()));
            }
            Some(line) if line.starts_with("  ") => match sections.last_mut() {
                Some(Section::Examples(examples)) => examples.push(example(lines)),
                _ => panic!("indented, and no example: {block:?}"),
            },
            Some(_) => sections.push(Section::Paragraph(lines.collect::<Vec<_>>().join(" "))),
            None => {}
        }
    }
    sections
}

fn example<'l>(lines: impl Iterator<Item = &'l str>) -> Example {
    let mut example = Example::default();
    let mut goes_on = false;
    for line in lines {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix("# ") {
            let before = if example.comment.is_empty() { "" } else { " " };
            example.comment.push_str(before);
            example.comment.push_str(comment);
            continue;
        }
        match example.commands.last_mut() {
            Some(command) if goes_on => {
                command.truncate(command.trim_end_matches('\\').len());
                command.push_str(line);
            }
            _ => example.commands.push(line.to_owned()),
        }
        goes_on = line.ends_with('\\');
    }
    example
}

/// `-o, --output <FORMAT>`.
pub(crate) fn flag(arg: &Arg) -> String {
    let names: Vec<String> =
        [arg.get_short().map(|short| format!("-{short}")), arg.get_long().map(|long| format!("--{long}"))]
            .into_iter()
            .flatten()
            .collect();
    let mut text = names.join(", ");
    if arg.get_action().takes_values() {
        let names = arg.get_value_names().unwrap_or_default().join(" ");
        let optional = arg.get_num_args().is_some_and(|range| range.min_values() == 0);
        let (before, after) = match (optional, arg.is_require_equals_set()) {
            (true, true) => ("[=", "]"),
            (true, false) => (" [", "]"),
            (false, true) => ("=", ""),
            (false, false) => (" ", ""),
        };
        text.push_str(&format!("{before}{names}{after}"));
    }
    text
}

/// Returns the possible values of an argument, each with its meaning.
pub(crate) fn values(arg: &Arg) -> Vec<(String, Option<String>)> {
    if !arg.get_action().takes_values() {
        return Vec::new();
    }
    let shown = arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set());
    shown.map(|value| (value.get_name().to_owned(), value.get_help().map(ToString::to_string))).collect()
}

pub(crate) fn default(arg: &Arg) -> Option<String> {
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    (arg.get_action().takes_values() && !arg.is_hide_default_value_set() && !defaults.is_empty())
        .then(|| defaults.join(","))
}

pub(crate) fn help(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help());
    help.unwrap_or_else(|| panic!("no word of {}", arg.get_id()))
        .to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Every command has examples, explains its exit codes or links to them, and groups its flags.
#[test]
fn every_command_has_help() {
    for page in pages() {
        let called = page.called();
        assert!(page.examples().len() >= 2, "{called}: {} examples", page.examples().len());
        for section in page.after() {
            if let Section::Examples(examples) = section {
                assert!(examples.iter().all(|example| !example.commands.is_empty()), "{called}: {examples:?}");
            }
        }
        assert!(!page.codes().is_empty(), "{called}: no exit codes");
        for (heading, members) in page.groups() {
            // kubectl sets the number of its own flags.
            let most = if page.words.is_empty() { 20 } else { 8 };
            assert!(members.len() <= most, "{called}: {} flags in group {heading:?}", members.len());
        }
    }
}

#[test]
fn sections_of_the_help_are_parsed() {
    let text = "Examples:\n  # One\n  # thing\n  a b\n  c \\\n    d\n\n  # Another\n  e\n\nA word\nof it.\n\nExit codes:\n  0    yes\n  130  no";
    let one = Example { comment: "One thing".into(), commands: vec!["a b".into(), "c d".into()] };
    let another = Example { comment: "Another".into(), commands: vec!["e".into()] };
    assert_eq!(
        sections(text),
        [
            Section::Examples(vec![one, another]),
            Section::Paragraph("A word of it.".into()),
            Section::Codes(vec![("0".into(), "yes".into()), ("130".into(), "no".into())]),
        ]
    );
}
