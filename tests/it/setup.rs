//! `scripts/setup --tests` installs every program that a test starts, and a test with a missing program says so.

#![allow(clippy::unwrap_used)]

use crate::support::machine::{find, installed};
use regex::Regex;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// On every Debian machine: their packages are Essential.
const EVERYWHERE: [&str; 4] = ["sh", "cp", "sleep", "du"];

/// Not for Linux, which has /proc; macOS includes them.
const ELSEWHERE: [&str; 2] = ["ps", "/bin/ps"];

/// The practice cluster looks it up itself; `scripts/setup` installs PostgreSQL with and without `--tests`.
const WITH_POSTGRESQL: [&str; 1] = ["pg_config"];

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

/// Returns each file of the tests and of the library, with its text.
fn texts() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["tests", "src", "crates"] {
        sources(&root.join(folder), &mut files);
    }
    files.retain(|file| !file.ends_with(file!()));
    files.into_iter().map(|file| (file.clone(), std::fs::read_to_string(file).unwrap())).collect()
}

#[test]
fn every_program_that_a_test_starts_is_installed() {
    let started = Regex::new(r#"(?:Command::new|(?:machine|user)\.command|needs)\("([^"]+)"\)"#).unwrap();
    let known = |program: &str| {
        installed().iter().any(|(name, _)| *name == program)
            || EVERYWHERE.contains(&program)
            || ELSEWHERE.contains(&program)
            || WITH_POSTGRESQL.contains(&program)
    };
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (file, text) in texts() {
        for found in started.captures_iter(&text) {
            seen += 1;
            if !known(&found[1]) {
                wrong.push(format!("{}: scripts/setup --tests does not install {}", file.display(), &found[1]));
            }
        }
    }
    assert!(seen > 10, "{seen} programs found: is this still how they are started?");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every file of the machine that a test reads is in a package that `scripts/setup --tests` installs.
#[test]
fn every_file_of_the_machine_that_a_test_reads_is_installed() {
    let path = Regex::new(r#"/usr/(?:share|lib|s?bin)/[^\s"'\\)]+"#).unwrap();
    let mut wrong = Vec::new();
    for (file, text) in texts().into_iter().filter(|(file, _)| file.iter().any(|part| part == "tests")) {
        for found in path.find_iter(&text) {
            if !installed().iter().any(|(name, _)| *name == found.as_str()) {
                wrong.push(format!("{}: scripts/setup --tests does not install {}", file.display(), found.as_str()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_missing_program_is_named_with_its_package_and_the_command() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        find("kubectl", folder.path().as_os_str()).unwrap_err(),
        "this test needs kubectl (Debian package kubernetes-client), which is not here: run scripts/setup --tests"
    );
    std::fs::write(folder.path().join("kubectl"), "").unwrap();
    assert_eq!(find("kubectl", folder.path().as_os_str()), Ok(folder.path().join("kubectl")));
    assert_eq!(
        find("frobnicate", OsStr::new("")).unwrap_err(),
        "scripts/setup --tests does not install frobnicate: add it to its list"
    );
}

/// What others could change: the actions that the workflows run, and the image that the release is built in.
#[test]
fn the_workflows_name_commits_and_the_release_an_image_by_digest() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let action = Regex::new(r"(?m)^\s*(?:- )?uses: *(\S+)").unwrap();
    let commit = Regex::new(r"@[0-9a-f]{40}$").unwrap();
    for file in ["ci.yml", "release.yml"] {
        let text = read(file);
        let used: Vec<&str> = action.captures_iter(&text).map(|found| found.get(1).unwrap().as_str()).collect();
        assert!(used.len() > 5, "{file}: {used:?}");
        for name in used {
            assert!(commit.is_match(name), "{file}: {name} is not named by its commit");
        }
    }

    let release = read("release.yml");
    let image = Regex::new(r"(?m)^\s*(?:container|image): *(.+)$").unwrap();
    let images: Vec<&str> = image.captures_iter(&release).map(|found| found.get(1).unwrap().as_str()).collect();
    let pinned = Regex::new(r"^rust:([0-9.]+)-bookworm@sha256:[0-9a-f]{64}$").unwrap();
    assert!(!images.is_empty());
    for name in images {
        let version = &pinned.captures(name).unwrap_or_else(|| panic!("{name} is not named by its digest"))[1];
        // The same compiler on every system, and one that Cargo.toml allows.
        assert!(release.contains(&format!("rustup toolchain install {version} ")), "{version}");
        assert!(version.starts_with(env!("CARGO_PKG_RUST_VERSION")), "{version}");
    }
}
