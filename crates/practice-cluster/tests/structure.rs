//! How the crate's files may depend on each other.

#![allow(clippy::unwrap_used)]

#[path = "../../../tests/support/circles.rs"]
mod circles;

use circles::Crate;
use std::path::Path;

fn own() -> Crate {
    let own = Crate::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let (files, imports) = own.size();
    assert!(files > 100 && imports > 300, "only {files} files and {imports} imports were found");
    own
}

#[test]
fn no_two_files_import_each_other() {
    let circles = own().circles();
    assert!(circles.is_empty(), "{} circles:\n{}", circles.len(), circles.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_file_with_modules_declares_and_reexports_only() {
    assert_eq!(own().parents_that_define(), Vec::<String>::new());
}

/// Returns a crate of these files, by their paths.
fn crate_of(files: &[(&str, &str)]) -> Crate {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    Crate::read(folder.path())
}

#[test]
fn circles_are_found_however_a_file_is_imported() {
    let found = |a: &str, b: &str| {
        let root = "mod a; mod b; mod c; pub use a::A;";
        let all = crate_of(&[("lib.rs", root), ("a.rs", a), ("b/mod.rs", b), ("c.rs", "pub struct C;")]);
        all.circles().into_iter().collect::<Vec<_>>().join("; ")
    };
    let circle = "a.rs -> b/mod.rs";
    for (a, b) in [
        ("use crate::b::B;", "use crate::a::A;"),
        ("use super::b::{self, B};", "use crate::{c::C, a::*};"),
        ("fn f() { crate::b::g() }", "use crate::A;"),
        ("fn f() { println!(\"{}\", crate::b::g()) }", "fn f() -> super::A {}"),
        ("use crate::b as other; fn f() { other::g() }", "use crate::A as Other;"),
    ] {
        assert_eq!(found(a, b), circle, "{a} {b}");
    }
    for (a, b) in [
        ("use crate::b::B;", "use crate::c::C;"),
        ("use crate::b::B;", "#[cfg(test)] mod tests { use crate::a::A; }"),
        ("use crate::b::B;", "fn f() { println!(\"crate::a::A\") }"),
        ("use crate::b::C;", "pub use crate::c::C;"),
    ] {
        assert_eq!(found(a, b), "", "{a} {b}");
    }
}

#[test]
fn a_longer_circle_is_shown_once() {
    let all = crate_of(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B;"),
        ("b.rs", "use crate::c::C;"),
        ("c.rs", "use crate::a::A;"),
    ]);
    assert_eq!(all.circles().into_iter().collect::<Vec<_>>(), ["a.rs -> b.rs -> c.rs"]);
}

#[test]
fn a_parent_that_defines_something_is_found() {
    let all = crate_of(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a/mod.rs", "mod inner; fn f() {}"),
        ("a/inner.rs", ""),
        ("b/mod.rs", "mod inner; pub use inner::X; #[cfg(test)] mod tests { fn f() {} }"),
        ("b/inner.rs", ""),
        ("c.rs", "fn f() {}"),
    ]);
    assert_eq!(all.parents_that_define(), ["a/mod.rs"]);
}
