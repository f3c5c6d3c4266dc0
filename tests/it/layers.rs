//! Modules import each other only in the direction in which data flows.

#![allow(clippy::unwrap_used)]

use crate::circles::Crate;
use std::path::{Path, PathBuf};

/// What every module may import: words that all of them need. Each may import those before it.
const BASE: [&str; 3] = ["duration", "text", "suggestion"];

/// Each module, and the modules of this crate that it may import besides [`BASE`].
const MAY_IMPORT: [(&str, &[&str]); 18] = [
    ("duration", &[]),
    ("text", &[]),
    ("suggestion", &[]),
    ("error", &[]),
    ("outcome", &["error"]),
    ("api_version", &[]),
    ("cli", &[]),
    ("cluster", &["error", "cli"]),
    ("topology", &["error", "cli", "cluster"]),
    ("storage", &[]),
    ("plan", &["error", "outcome", "api_version", "cli", "cluster", "topology", "storage"]),
    ("journal", &["error", "cli", "cluster", "topology", "plan"]),
    ("probe", &["error", "cli", "cluster", "topology", "storage"]),
    ("verify", &["error", "api_version", "cli", "cluster", "topology", "storage", "probe"]),
    (
        "recovery",
        &[
            "error",
            "outcome",
            "api_version",
            "cli",
            "cluster",
            "topology",
            "storage",
            "plan",
            "journal",
            "probe",
            "verify",
        ],
    ),
    (
        "render",
        &[
            "error",
            "outcome",
            "api_version",
            "cli",
            "cluster",
            "topology",
            "storage",
            "plan",
            "probe",
            "verify",
            "recovery",
        ],
    ),
    ("completion", &["error", "outcome", "cli", "cluster", "topology", "plan", "render"]),
    (
        "commands",
        &[
            "error",
            "outcome",
            "api_version",
            "cli",
            "cluster",
            "topology",
            "storage",
            "plan",
            "journal",
            "probe",
            "verify",
            "recovery",
            "render",
            "completion",
        ],
    ),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn modules_import_to_their_left_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let module = file.strip_prefix(&src).unwrap().iter().next().unwrap().to_string_lossy();
        let module = module.trim_end_matches(".rs").trim_end_matches("_tests");
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
            assert!(["lib", "main", "testing"].contains(&module), "{module} has no place in the order");
            continue;
        };
        // The code before the unit tests.
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for (number, line) in text.lines().enumerate() {
            for import in line.split("crate::").skip(1) {
                let name: String = import.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let place = |name: &str| BASE.iter().position(|base| *base == name);
                let base = place(&name).is_some_and(|at| place(module).is_none_or(|own| at < own));
                if name != module && name != "testing" && !base && !allowed.contains(&name.as_str()) {
                    wrong.push(format!("{}:{}: {module} imports {name}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Only `cluster` uses kube's client, and only `render` writes to the terminal.
#[test]
fn clients_and_printing_stay_in_their_modules() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    for (words, room) in [(["kube::", "kube::Client"], "cluster"), (["io::stdout()", "io::stderr()"], "render")] {
        for file in &files {
            let module = file.strip_prefix(&src).unwrap();
            if module.starts_with(room) {
                continue;
            }
            let text = std::fs::read_to_string(file).unwrap();
            for word in words {
                assert!(!text.contains(word), "{} has {word}: only {room}/ may", file.display());
            }
        }
    }
}

/// A command that output suggests acts on the cluster that this one was run on: it is a `SuggestedCommand`, which carries the
/// connection flags and quotes its words. No text in the source contains one.
#[test]
fn suggested_commands_are_written_in_one_way() {
    // Text about kubectl that is not a command, or a command that needs no cluster.
    let known = [
        "made by: kubectl synxdb completion install",
        "of kubectl synxdb for",
        "Proposed by kubectl synxdb layout learn",
        "this build of kubectl synxdb",
        "through kubectl is not available",
        "Then run kubectl synxdb status",
        "kubectl completion ",
        "kubectl would find neither",
        "see kubectl completion --help",
        "`kubectl synxdb`",
        "`kubectl get`",
        "export PATH=~/.local/bin:$PATH; kubectl synxdb completion install",
    ];
    let command = regex::Regex::new(r"\bkubectl [a-z{]").unwrap();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for file in files {
        let name = file.strip_prefix(&src).unwrap().to_string_lossy().replace('\\', "/");
        // Help texts show what users type; tests compare with what is printed.
        if name.starts_with("cli/") || name.contains("tests") || name.contains("testing") || name == "suggestion.rs" {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        seen += text.matches("plugin(\"").count() + text.matches("kubectl(\"").count();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            if command.is_match(line) && line.contains('"') && !known.iter().any(|known| line.contains(known)) {
                wrong.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "write these with crate::suggestion:\n{}", wrong.join("\n"));
    assert!(seen > 40, "{seen} suggested commands: this test does not see them");
}

/// SQL is written in one list only, which the attacks of `probe/statements_tests.rs` cover, and only one file sends it.
#[test]
fn sql_is_written_in_one_list() {
    let sql = regex::Regex::new(
        r#"(?x)"\s*( SELECT\s | INSERT\s+INTO\s | UPDATE\s+\S+\s+SET\s | DELETE\s+FROM\s | TRUNCATE\s | COPY\s | EXECUTE\s
           | WITH\s+\S+\s+AS\s | (CREATE|DROP|ALTER)\s+(TABLE|SCHEMA|DATABASE|ROLE|INDEX|VIEW|FUNCTION|TEMP)
           | SET\s+(LOCAL\s+|SESSION\s+)?\w+\s*(=|TO\s) | BEGIN\s*(;|") | COMMIT\s*(;|") | SHOW\s+\w+" )"#,
    )
    .unwrap();
    let sending = [".simple_query(", ".batch_execute(", ".query_raw(", ".query_typed(", ".prepare("];
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut seen = 0;
    for file in files {
        let name = file.strip_prefix(&src).unwrap().to_string_lossy().replace('\\', "/");
        // Tests write what users write.
        if name.contains("tests") || name.contains("testing") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let found: Vec<&str> = sql.find_iter(text).map(|found| found.as_str()).collect();
        if name == "probe/statements.rs" {
            seen = found.len();
        } else {
            assert!(found.is_empty(), "{name} has SQL, which only probe/statements.rs may: {found:?}");
        }
        if name != "probe/session.rs" {
            let found: Vec<_> = sending.iter().filter(|word| text.contains(**word)).collect();
            assert!(found.is_empty(), "{name} sends SQL, which only probe/session.rs may: {found:?}");
        }
    }
    assert!(seen > 20, "the list has {seen} statements: this test does not see them");
}

/// A file should be understandable without the files that import it.
#[test]
fn no_two_files_import_each_other() {
    let own = Crate::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let (files, imports) = own.size();
    assert!(files > 150 && imports > 500, "only {files} files and {imports} imports were found");
    let circles = own.circles();
    assert!(circles.is_empty(), "{} circles:\n{}", circles.len(), circles.into_iter().collect::<Vec<_>>().join("\n"));
}
