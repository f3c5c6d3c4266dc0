//! Every command shown in the documentation or in `--help` is valid. In addition, blocks of `console` are run: see
//! `runs`.

use super::command_line::pages;
use super::markdown::{Block, Document, all, for_users};
use clap::Parser as _;
use clap::error::ErrorKind;
use kubectl_synxdb::cli::Cli;

/// The only accepted reasons for not running a block of commands.
pub(crate) const NOT_RUN: [&str; 6] = [
    "it builds the program",
    "it installs something on this machine",
    "it needs an installation of SynxDB",
    "it needs another terminal beside it",
    "it is for another shell",
    "it takes hours",
];

/// Languages of blocks; only the first two contain commands.
const LANGUAGES: [&str; 6] = ["console", "sh", "text", "yaml", "json", "sql"];

/// Other programs that examples run.
const OTHERS: [&str; 23] = [
    "awk",
    "Out-String",
    "Invoke-Expression",
    "kubectl",
    "psql",
    "cargo",
    "scripts/setup",
    "scripts/picture",
    "just",
    "export",
    "source",
    "echo",
    "cat",
    "apt-get",
    "dnf",
    "tar",
    "sudo",
    "install",
    "mkdir",
    "man",
    "tail",
    "grep",
    "kubectl-krew",
];

/// Splits a line of shell into simple commands: at pipes, lists and substitutions, without redirections and comments.
pub(crate) fn simple_commands(line: &str) -> Vec<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut quote = None;
    let mut before = ' ';
    for c in line.chars() {
        let part = parts.last_mut().unwrap();
        match (quote, c) {
            (None, '#') if before == ' ' => break,
            (None, '|' | ';' | '&' | '(' | ')' | '\n') => parts.push(String::new()),
            (None, '\'' | '"') => {
                quote = Some(c);
                part.push(c);
            }
            (Some(open), c) if open == c => {
                quote = None;
                part.push(c);
            }
            _ => part.push(c),
        }
        before = c;
    }
    let split = |part: String| {
        let words = shlex::split(&part).unwrap_or_else(|| panic!("a quote is open: {line}"));
        let redirected = words.iter().position(|word| word.starts_with(['>', '<']) || word.starts_with("2>"));
        words[..redirected.unwrap_or(words.len())].to_vec()
    };
    parts.into_iter().map(split).filter(|words| !words.is_empty() && words != &["$"]).collect()
}

/// Returns why this is not a valid command line of this program, or of another known one.
fn wrong(words: &[String]) -> Option<String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words = match words.iter().position(|word| !word.contains('=') || word.starts_with('-')) {
        Some(first) => &words[first..],
        None => return None,
    };
    let arguments = match words {
        ["kubectl", "synxdb", rest @ ..] | ["kubectl-synxdb", rest @ ..] | ["cargo", "run", "--", rest @ ..] => rest,
        [program, ..] if OTHERS.contains(program) => return None,
        _ => return Some(format!("{words:?} is of no known program")),
    };
    match Cli::try_parse_from(std::iter::once("kubectl-synxdb").chain(arguments.iter().copied())) {
        Ok(_) => None,
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand) =>
        {
            None
        }
        Err(error) => Some(error.to_string()),
    }
}

/// Returns the commands of a block, with continued lines joined.
pub(crate) fn commands(block: &Block) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in block.text.lines() {
        let line = match block.language.as_deref() {
            Some("console") => match line.strip_prefix("$ ").or_else(|| line.strip_prefix("> ").filter(|_| goes_on)) {
                Some(line) => line,
                None => continue,
            },
            Some("sh") => line,
            // A command, followed by its description.
            None => line.split("  ").find(|part| !part.is_empty()).unwrap_or_default(),
            _ => continue,
        };
        match commands.last_mut() {
            Some(command) if goes_on => {
                command.truncate(command.trim_end_matches('\\').len());
                command.push_str(line.trim_start());
            }
            _ => commands.push(line.to_owned()),
        }
        goes_on = line.ends_with('\\');
    }
    commands
}

fn problems(place: &str, command: &str, problems: &mut Vec<String>) {
    for words in simple_commands(command) {
        if let Some(why) = wrong(&words) {
            problems.push(format!("{place}: {command}\n  {why}"));
        }
    }
}

#[test]
fn every_example_of_the_help_is_valid() {
    let mut found = Vec::new();
    for page in pages() {
        for command in page.examples() {
            problems(&page.called(), &command, &mut found);
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_command_of_the_documentation_is_valid() {
    let mut found = Vec::new();
    let mut seen = 0;
    for document in for_users() {
        for block in &document.blocks {
            let place = document.place(block.range.start);
            for command in commands(block) {
                seen += 1;
                problems(&place, &command, &mut found);
            }
        }
    }
    for document in all() {
        for code in document.inline.iter().filter(|code| code.starts_with("kubectl synxdb ")) {
            seen += 1;
            problems(&document.path.display().to_string(), code, &mut found);
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(seen > 100, "only {seen} commands were found");
}

/// Every flag that is mentioned exists; `---` separates documents.
#[test]
fn every_flag_of_the_documentation_exists() {
    let known: Vec<String> = pages()
        .iter()
        .flat_map(|page| {
            page.command.get_arguments().filter_map(|arg| Some(format!("--{}", arg.get_long()?))).collect::<Vec<_>>()
        })
        .collect();
    let others = ["--tests", "--locked", "--wait", "--for", "--help", "--no-verify"];
    let mut lost = Vec::new();
    for document in for_users() {
        for code in document.inline.iter().filter(|code| code.starts_with("--")) {
            let flag = code.split([' ', '=', '[']).next().unwrap();
            if flag.len() > 3 && !known.iter().any(|known| known == flag) && !others.contains(&flag) {
                lost.push(format!("{}: {code}", document.path.display()));
            }
        }
    }
    assert!(lost.is_empty(), "no command has: {}", lost.join(", "));
}

/// Each block of commands runs or states why not; none is skipped silently.
#[test]
fn blocks_that_do_not_run_state_why() {
    let mut wrong = Vec::new();
    for document in for_users() {
        for block in &document.blocks {
            let place = document.place(block.range.start);
            if let Some(language) = &block.language
                && !LANGUAGES.contains(&language.as_str())
            {
                wrong.push(format!("{place}: {language:?} is none of {LANGUAGES:?}"));
            }
            let generated = block.range.start < document.generated;
            match reason(block) {
                Some(reason) if !NOT_RUN.contains(&reason) => {
                    wrong.push(format!("{place}: {reason:?} is none of {NOT_RUN:?}"));
                }
                Some(reason) => eprintln!("not run: {place}: {reason}"),
                None if block.language.as_deref() == Some("console") || generated || commands(block).is_empty() => {}
                None => wrong.push(format!("{place}: commands that are neither run (```console) nor say why not")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns the reason, from a comment before the block, why it is not run.
pub(crate) fn reason(block: &Block) -> Option<&str> {
    block.comments.iter().find_map(|comment| comment.strip_prefix("not run: "))
}

#[test]
fn lines_of_shell_are_split() {
    let words = |line: &str| simple_commands(line).iter().map(|words| words.join(" ")).collect::<Vec<_>>();
    assert_eq!(words("a 'b | c' | d -f - && e > f; g # h"), ["a b | c", "d -f -", "e", "g"]);
    assert_eq!(words("source <(a b c)"), ["source", "a b c"]);
    let complaint = |line: &str| simple_commands(line).iter().find_map(|words| wrong(words));
    assert_eq!(complaint("KUBECONFIG=x kubectl synxdb failover wh9527-0 --yes | grep ."), None);
    assert!(complaint("kubectl synxdb fialover").unwrap().contains("unrecognized subcommand"));
    assert!(complaint("kubectl synxdb failover --allow nothing").unwrap().contains("possible values"));
    assert!(complaint("frobnicate").unwrap().contains("no known program"));
}

#[test]
fn commands_are_found_in_blocks() {
    let block = |language: Option<&str>, text: &str| Block {
        language: language.map(str::to_owned),
        text: text.to_owned(),
        range: 0..0,
        comments: vec!["not run: because".to_owned()],
    };
    let console = block(Some("console"), "$ a \\\n>   b\nprinted\n> printed\n$ c\n");
    assert_eq!(commands(&console), ["a b", "c"]);
    assert_eq!(commands(&block(None, "a b   does this\nc\n")), ["a b", "c"]);
    assert_eq!(commands(&block(Some("text"), "a b\n")), Vec::<String>::new());
    assert_eq!(reason(&console), Some("because"));
}

/// The published documents are the tested ones.
#[test]
fn pages_are_found() {
    let paths: Vec<String> = for_users().iter().map(|page: &Document| page.path.display().to_string()).collect();
    for path in ["README.md", "docs/runbook.md", "docs/commands/failover.md", "docs/commands/README.md"] {
        assert!(paths.iter().any(|known| known == path), "{path} is not among {paths:?}");
    }
}
