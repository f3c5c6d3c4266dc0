//! Runs blocks of `console` in the order of their page, and compares the output.
//!
//! - Each line after `$ ` is run by bash in a terminal of 80 columns, through kubectl, on a practice cluster that all
//!   commands of a page share. The lines after it are what the screen shows when it has exited.
//! - `<!-- cluster: SCENARIO -->` before a block starts a new cluster, optionally with `, without PostgreSQL` and `,
//!   ready after 6 s` (for replacement pods).
//! - `<!-- at "TEXT" type "KEYS" -->` answers a prompt; `Ctrl-C` is also a key.
//! - `…` in a line matches any text, and alone on a line any lines. UIDs, IDs, times, ages and other values that differ
//!   between runs (`VARIES`) are compared by their form; a name that a later command repeats is replaced with the one
//!   that was printed. Blanks and line ends are treated as blanks, because a longer time may wrap a line elsewhere.
//! - `<!-- not run: REASON -->`: see `examples`.
//!
//! `REGENERATE=1` replaces output that differs with the current output. `<!-- cut from "TEXT" to "TEXT" -->` then omits
//! lines, from the one that begins with the first text up to the one with the second, or `to the end`, and puts `…` in
//! their place.

use super::examples::reason;
use super::examples::simple_commands;
use super::markdown::{Block, Document, for_users};
use crate::support::machine::{installed, needs};
use crate::support::terminal::{Terminal, key};
use crate::support::{ACCOUNT, Cluster, bare, full};
use practice_cluster::Options;
use regex::{Captures, Regex};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::LazyLock;

/// Values that differ between runs. The first three are names, which later commands may repeat.
const VARIES: [&str; 17] = [
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    r"\b[0-9a-f]{8}…",
    r"\b[0-9a-f]{8}\b",
    r"\bkubectl_synxdb_[0-9a-f]{8}\b",
    r"\b\d+m(?: \d+s)?|\b\d+(?:\.\d+)? (?:ms|s)\b",
    r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?",
    r"\b\d\d:\d\d:\d\d UTC\b",
    r"\b\d+[smhd](?:\d+[smhd])?\b",
    r#""[A-Za-z]*(?:Ms|illiseconds)": ?\d+"#,
    r"\(\d+ of \d+\)",
    r"\b\d+ of \d+ (?:attempts|probes)",
    r"127\.0\.0\.1:\d+",
    r"\b15\d{3}\b",
    r"PostgreSQL \d+(?:\.\d+)*(?:\s+\([^)]*\))?",
    r"\bnode-\d\b",
    r"(?:/tmp|/dev/shm)/[^ \n]+",
    r"last failure: [^\n]*(?:\n      [^\n]*)*",
];
const NAMES: usize = 3;

static VARYING: LazyLock<Regex> = LazyLock::new(|| {
    let groups: Vec<String> = VARIES.iter().map(|pattern| format!("({pattern})")).collect();
    Regex::new(&groups.join("|")).unwrap()
});

/// A command of a block, with the output that the page shows.
struct Shown {
    /// As written in the page, including continued lines.
    lines: String,
    command: String,
    output: String,
}

fn shown(block: &Block) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    let mut goes_on = false;
    for line in block.text.lines() {
        let more = goes_on.then(|| line.strip_prefix("> ")).flatten();
        if let Some(command) = line.strip_prefix("$ ") {
            shown.push(Shown { lines: format!("{line}\n"), command: command.to_owned(), output: String::new() });
        } else {
            let last = shown.last_mut().unwrap_or_else(|| panic!("a block that begins with no command: {line:?}"));
            match more {
                Some(more) => {
                    last.lines.push_str(&format!("{line}\n"));
                    last.command.push_str(&format!("\n{more}"));
                }
                None => last.output.push_str(&format!("{line}\n")),
            }
        }
        goes_on = line.ends_with('\\') && shown.last().is_some_and(|shown| shown.output.is_empty());
    }
    shown
}

/// A part of an output to compare.
struct Piece {
    pattern: String,
    /// A name that varies, as written in the page.
    name: Option<String>,
}

/// Splits an expected output into its parts.
fn pieces(output: &str) -> Vec<Piece> {
    static ANY_LINES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?m)^[ \t]*…[ \t]*$").unwrap());
    let mut pieces = Vec::new();
    for (number, part) in ANY_LINES.split(output).enumerate() {
        if number > 0 {
            pieces.push(Piece { pattern: r"(?s:.*?)".into(), name: None });
        }
        let mut at = 0;
        for found in VARYING.captures_iter(part.trim()) {
            let whole = found.get(0).unwrap();
            plain(&part.trim()[at..whole.start()], &mut pieces);
            at = whole.end();
            let which = (0..VARIES.len()).find(|which| found.get(which + 1).is_some()).unwrap();
            if ACCOUNT.ends_with(whole.as_str()) {
                plain(whole.as_str(), &mut pieces);
            } else {
                let name = (which < NAMES).then(|| whole.as_str().to_owned());
                pieces.push(Piece { pattern: format!("({})", VARIES[which]), name });
            }
        }
        plain(&part.trim()[at..], &mut pieces);
    }
    pieces
}

/// Adds words, with blanks between them; `…` matches any text within a line.
fn plain(text: &str, pieces: &mut Vec<Piece>) {
    static PART: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\s+|…|[^\s…]+").unwrap());
    for part in PART.find_iter(text).map(|part| part.as_str()) {
        let pattern = match part {
            "…" => r"[^\n]*?".to_owned(),
            blank if blank.trim().is_empty() => r"\s+".to_owned(),
            word => regex::escape(word),
        };
        pieces.push(Piece { pattern, name: None });
    }
}

fn expression(pieces: &[Piece], end: &str) -> Regex {
    let patterns: String = pieces.iter().map(|piece| piece.pattern.as_str()).collect();
    Regex::new(&format!(r"^\s*{patterns}{end}")).unwrap()
}

/// Compares an output with a page. Returns the page's names, each with the name printed in its place, or where they
/// first differ.
pub(crate) fn compared(output: &str, printed: &str) -> Result<Vec<(String, String)>, String> {
    let pieces = pieces(output);
    let Some(captures) = expression(&pieces, r"\s*$").captures(printed) else {
        let first_wrong = (1..=pieces.len()).collect::<Vec<_>>();
        let fits = first_wrong.partition_point(|&n| expression(&pieces[..n], "").is_match(printed));
        let upto = expression(&pieces[..fits], "").find(printed).map_or(0, |found| found.end());
        let wanted = pieces.get(fits).map_or("the end", |piece| &piece.pattern);
        return Err(format!("{}\n<<< here {wanted:?} was expected >>>{}", &printed[..upto], &printed[upto..]));
    };
    let groups = captures.iter().skip(1).flatten().map(|group| group.as_str().to_owned());
    let varying = pieces.into_iter().filter(|piece| piece.pattern.starts_with('(') && !piece.pattern.starts_with("(?"));
    Ok(varying.zip(groups).filter_map(|(piece, printed)| Some((piece.name?, printed))).collect())
}

/// A reader of one page, at a terminal.
#[derive(Default)]
struct Reader {
    cluster: Option<Cluster>,
    code: i32,
    /// Names in the page, and the names that replace them in this run.
    names: BTreeMap<String, String>,
}

impl Reader {
    fn begin(&mut self, what: &str) {
        let mut parts = what.split(", ");
        let scenario = parts.next().unwrap();
        let mut options: Options = full(scenario);
        for part in parts {
            if part == "without PostgreSQL" {
                options = Options { replaced_pod_ready_seconds: options.replaced_pod_ready_seconds, ..bare(scenario) };
            } else {
                let seconds = part.strip_prefix("ready after ").and_then(|part| part.strip_suffix(" s"));
                options.replaced_pod_ready_seconds =
                    Some(seconds.and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("{part:?}")));
            }
        }
        // One cluster at a time.
        self.cluster = None;
        let cluster = Cluster::start(options);
        let programs = cluster.home().join("bin");
        std::fs::create_dir(&programs).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kubectl-synxdb"), programs.join("kubectl-synxdb")).unwrap();
        self.cluster = Some(cluster);
    }

    /// Runs a command and returns the screen at its end.
    fn run(&mut self, command: &str, answers: &[(String, String)]) -> String {
        if self.cluster.is_none() {
            self.begin("healthy");
        }
        let cluster = self.cluster.as_ref().unwrap();
        let path = std::env::var("PATH").unwrap();
        for words in simple_commands(command) {
            if installed().iter().any(|(program, _)| *program == words[0]) {
                needs(&words[0]);
            }
        }
        let mut bash = Command::new(needs("bash"));
        bash.args(["-c", &format!("(exit {})\n{}", self.code, self.here(command))])
            .env_clear()
            .current_dir(cluster.home())
            .env("HOME", cluster.home())
            .env("PATH", format!("{}:{path}", cluster.home().join("bin").display()))
            .env("KUBECONFIG", cluster.sandbox().kubeconfig())
            .env("PGPASSFILE", cluster.sandbox().passfile())
            .env("USER", "dba")
            // Pages have no colors.
            .env("NO_COLOR", "1")
            .env("LANG", "C.UTF-8");
        let mut terminal = Terminal::start(bash);
        for (text, keys) in answers {
            terminal.expect(text);
            terminal.send(match keys.as_str() {
                "Ctrl-C" => key::CTRL_C,
                "Enter" => key::ENTER,
                keys => keys,
            });
            if !["Ctrl-C", "Enter"].contains(&keys.as_str()) {
                terminal.send(key::ENTER);
            }
        }
        let left = terminal.end();
        self.code = left.code;
        let lines: Vec<&str> = left.text.lines().map(str::trim_end).collect();
        assert!(lines.len() < 190, "{command}: longer than the screen");
        format!("{}\n", lines.join("\n").trim_matches('\n'))
    }

    /// Replaces the page's names with those of this run.
    fn here(&self, text: &str) -> String {
        let named = |found: &Captures<'_>| self.names.get(&found[0]).cloned().unwrap_or_else(|| found[0].to_owned());
        VARYING.replace_all(text, named).into_owned()
    }

    /// Replaces this run's names with those of the page.
    fn as_in_the_page(&self, text: &str) -> String {
        let back: BTreeMap<&String, &String> = self.names.iter().map(|(page, here)| (here, page)).collect();
        let named =
            |found: &Captures<'_>| back.get(&found[0].to_owned()).map_or(found[0].to_owned(), |name| (*name).clone());
        VARYING.replace_all(text, named).into_owned()
    }
}

/// Returns what the comments before a block tell to type, and when.
fn answers(block: &Block) -> Vec<(String, String)> {
    let answer = |comment: &String| {
        let (text, keys) = comment.strip_prefix("at \"")?.split_once("\" type \"")?;
        Some((text.to_owned(), keys.strip_suffix('"')?.to_owned()))
    };
    block.comments.iter().filter_map(answer).collect()
}

/// Removes the lines that the comments before the block omit.
fn cut(printed: &str, comments: &[String]) -> String {
    let mut lines: Vec<&str> = printed.lines().collect();
    for comment in comments {
        let Some((from, to)) = comment.strip_prefix("cut from \"").and_then(|rest| rest.split_once("\" to ")) else {
            continue;
        };
        let Some(first) = lines.iter().position(|line| line.trim().starts_with(from)) else { continue };
        let end = to.trim_matches('"');
        let last = match to {
            "the end" => Some(lines.len()),
            _ => lines[first..].iter().position(|line| line.trim().starts_with(end)).map(|after| first + after),
        };
        lines.splice(first..last.unwrap_or(first), last.is_some().then_some("…"));
    }
    let mut kept: String = lines.iter().flat_map(|line| [line.trim_end(), "\n"]).collect();
    while kept.contains("\n\n…") || kept.contains("…\n\n") {
        kept = kept.replace("\n\n…", "\n…").replace("…\n\n", "…\n");
    }
    kept
}

/// Runs everything that a page shows.
fn follow(path: &str) {
    let document = Document::read(path);
    let mut reader = Reader::default();
    let mut wrong = Vec::new();
    let mut corrected = document.text.clone();
    let mut moved = 0isize;
    for block in document.blocks.iter().filter(|block| block.language.as_deref() == Some("console")) {
        if reason(block).is_some() {
            continue;
        }
        if let Some(what) = block.comments.iter().find_map(|comment| comment.strip_prefix("cluster: ")) {
            reader.begin(what);
        }
        let (shown, answers) = (shown(block), answers(block));
        assert!(answers.is_empty() || shown.len() == 1, "{}: whose answer?", document.place(block.range.start));
        let mut now = String::new();
        let mut differs = false;
        for Shown { lines, command, output } in shown {
            let ran = catch_unwind(AssertUnwindSafe(|| reader.run(&command, &answers)));
            let printed = ran.unwrap_or_else(|why| format!("{:?}\n", why.downcast_ref::<String>()));
            match compared(&output, &printed) {
                Ok(names) => {
                    reader.names.extend(names);
                    now.push_str(&format!("{lines}{output}"));
                }
                Err(parts) => {
                    differs = true;
                    wrong.push(format!("{}: $ {command}\n{parts}", document.place(block.range.start)));
                    let printed = cut(&reader.as_in_the_page(&printed), &block.comments);
                    now.push_str(&lines);
                    now.push_str(if printed.trim().is_empty() { "" } else { &printed });
                }
            }
        }
        if differs {
            let text = format!("```console\n{now}```");
            let at = |offset: usize| offset.checked_add_signed(moved).unwrap();
            corrected.replace_range(at(block.range.start)..at(block.range.end), &text);
            moved += text.len().cast_signed() - block.range.len().cast_signed();
        }
    }
    if std::env::var_os("REGENERATE").is_some() && !wrong.is_empty() {
        std::fs::write(super::root().join(path), corrected).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

macro_rules! pages {
    ($($name:ident: $path:literal,)*) => {
        const PAGES: &[&str] = &[$($path),*];

        $(
            #[test]
            fn $name() {
                follow($path);
            }
        )*
    };
}

pages! {
    readme: "README.md",
    runbook: "docs/runbook.md",
    trouble: "docs/trouble.md",
    sandbox: "docs/sandbox.md",
    output: "docs/output.md",
    command_failover: "docs/commands/failover.md",
    command_forward: "docs/commands/forward.md",
    command_history: "docs/commands/history.md",
    command_layout: "docs/commands/layout.md",
    command_rbac: "docs/commands/rbac.md",
    command_sandbox: "docs/commands/sandbox.md",
    command_status: "docs/commands/status.md",
    command_undo: "docs/commands/undo.md",
    command_verify: "docs/commands/verify.md",
}

/// No page is left out.
#[test]
fn every_page_with_a_console_is_run() {
    for document in for_users() {
        let path = document.path.to_str().unwrap();
        let has =
            document.blocks.iter().any(|block| block.language.as_deref() == Some("console") && reason(block).is_none());
        assert_eq!(has, PAGES.contains(&path), "{path}");
    }
}

#[test]
fn lines_are_omitted_as_the_page_specifies() {
    let comments = ["cut from \"b\" to \"d\"".to_owned(), "cut from \"f\" to the end".to_owned(), "other".to_owned()];
    assert_eq!(cut("a\n  b 1\nc\n\nd\ne\nf\ng\n", &comments), "a\n…\nd\ne\n…\n");
    assert_eq!(cut("a\nb\nc\n", &comments), "a\nb\nc\n");
}

#[test]
fn an_output_is_compared_by_its_words() {
    let page = "Recovered: a-0 is back after 2.3 s\n  id 3f2a91bc, UID 3f2a91bc-0000-4000-8000-000000000000 (UID 12345678…)\n…\nend … here\n";
    let printed = "Recovered: a-0 is\n  back after 1m 20s\n  id 00000001, UID aaaaaaaa-0000-4000-8000-000000000000 (UID 87654321…)\nsome\nlines\nend is here\n";
    let names = compared(page, printed).unwrap();
    let expected = [
        ("3f2a91bc", "00000001"),
        ("3f2a91bc-0000-4000-8000-000000000000", "aaaaaaaa-0000-4000-8000-000000000000"),
        ("12345678…", "87654321…"),
    ];
    assert_eq!(names, expected.map(|(page, here)| (page.to_owned(), here.to_owned())));
    for wrong in ["Recovered: b-0 is back after 2.3 s\n", "Recovered: a-0 is back after 2.3\n", ""] {
        compared("Recovered: a-0 is back after 2.3 s\n", wrong).unwrap_err();
    }
    // No further output may follow, unless the page allows it.
    compared("one\n", "one\ntwo\n").unwrap_err();
    compared("one\n…\n", "one\ntwo\n").unwrap();
    // The account's name does not vary.
    compared(&format!("{ACCOUNT}\n"), "cloud007-aaaaaaaa-0000-4000-8000-000000000000\n").unwrap_err();
}
