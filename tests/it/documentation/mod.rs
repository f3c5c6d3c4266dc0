//! The documentation matches the program: generated pages are current, every example runs and shows its actual output,
//! and every link works. `REGENERATE=1` updates what is generated.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod command_line;
mod examples;
mod links;
mod man;
mod markdown;
mod pages;
mod picture;
mod runs;

use std::path::{Path, PathBuf};

/// Returns the repository's folder.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Asserts that the file in the repository is what is generated now.
#[track_caller]
fn compare(path: &Path, generated: &str) {
    let path = root().join(path);
    if std::env::var_os("REGENERATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, generated).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == generated, "{} is not what the program generates now: just regen", path.display());
}

/// Asserts that a folder contains only known files; others are left over from a removed command.
#[track_caller]
fn only(folder: &str, known: &[PathBuf]) {
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let path = Path::new(folder).join(entry.unwrap().file_name());
        assert!(known.contains(&path), "{} is of no command", path.display());
    }
}
