//! docs/commands/: one page per command. The first part is generated from the command line; the rest is written by
//! hand.

use super::command_line::{Page, Section, default, flag, help, pages, values};
use super::man::usage;
use clap::Arg;
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- From here to the end mark the page is made from the command line: just regen -->";
const END: &str = "<!-- The end mark. What follows is written by hand. -->";

fn file(page: &Page) -> PathBuf {
    let name = if page.words.is_empty() { "README".to_owned() } else { page.name() };
    Path::new("docs/commands").join(format!("{name}.md"))
}

fn of(page: &Page) -> String {
    let mut text = format!("{BEGIN}\n\n# {}\n\n{}.\n\n", page.called(), cell(page.about().trim_end_matches('.')));
    text.push_str(&format!("```text\n{}\n```\n", usage(page).join("\n")));
    if page.subcommands().next().is_some() {
        text.push_str("\n## Commands\n\n| Command | What it does |\n| --- | --- |\n");
        for command in page.subcommands() {
            let words: Vec<String> = page.words.iter().cloned().chain([command.get_name().to_owned()]).collect();
            let about = cell(&command.get_about().map(ToString::to_string).unwrap_or_default());
            text.push_str(&format!("| [{}]({}.md) | {about} |\n", words.join(" "), words.join("-")));
        }
    }
    for section in page.after() {
        if let Section::Paragraph(paragraph) = section {
            text.push_str(&format!("\n{}\n", filled(&prose(&paragraph))));
        }
    }
    for section in page.after() {
        if let Section::Examples(examples) = section {
            text.push_str("\n## Examples\n");
            for example in examples {
                let comment = &example.comment;
                if !comment.is_empty() {
                    text.push_str(&format!("\n{}\n", filled(&prose(comment))));
                }
                text.push_str(&format!("\n```sh\n{}\n```\n", example.commands.join("\n")));
            }
        }
    }
    let positionals: Vec<&Arg> = page.command.get_positionals().filter(|arg| !arg.is_hide_set()).collect();
    if !positionals.is_empty() {
        let name = |arg: &Arg| arg.get_value_names().unwrap_or_default().join(" ");
        text.push_str(&table("Arguments", "Argument", &positionals, name));
    }
    for (heading, members) in page.groups() {
        text.push_str(&table(heading.unwrap_or("Options"), "Option", &members, flag));
    }
    text.push_str("\n## Exit codes\n\n| Exit code | Meaning |\n| --- | --- |\n");
    for (code, meaning) in page.codes() {
        text.push_str(&format!("| {code} | {} |\n", cell(&meaning)));
    }
    if !page.words.is_empty() {
        text.push_str("\nGlobal flags: see [kubectl synxdb](README.md). Manual page: ");
        text.push_str(&format!("`man kubectl-synxdb-{}`.\n", page.name()));
    }
    text.push_str(&format!("\n{END}\n"));
    text
}

fn table(heading: &str, first: &str, arguments: &[&Arg], name: impl Fn(&Arg) -> String) -> String {
    let mut text = format!("\n## {heading}\n\n| {first} | Meaning |\n| --- | --- |\n");
    for arg in arguments {
        let mut meaning = cell(&help(arg));
        if let Some(default) = default(arg) {
            meaning.push_str(&format!(" [default: `{default}`]"));
        }
        for (value, what) in values(arg) {
            let what = what.map(|what| format!(": {}", cell(&what))).unwrap_or_default();
            meaning.push_str(&format!("<br>`{value}`{what}"));
        }
        text.push_str(&format!("| `{}` | {meaning} |\n", name(arg).replace('|', "\\|")));
    }
    text
}

/// Escapes help text for a table cell, so that it is not parsed as Markdown.
fn cell(text: &str) -> String {
    prose(text).replace('|', "\\|")
}

fn prose(text: &str) -> String {
    text.replace('<', "&lt;").replace('*', "\\*")
}

/// Wraps text at 120 columns.
fn filled(text: &str) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().unwrap();
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > 120 {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[test]
fn each_command_has_a_page() {
    let all = pages();
    for page in &all {
        let path = file(page);
        let kept = std::fs::read_to_string(super::root().join(&path)).unwrap_or_default();
        let by_hand = kept.split_once(&format!("{END}\n")).map_or("", |(_, by_hand)| by_hand);
        super::compare(&path, &format!("{}{by_hand}", of(page)));
    }
    super::only("docs/commands", &all.iter().map(file).collect::<Vec<_>>());
}
