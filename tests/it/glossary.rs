//! docs/glossary.md defines each term once, in words that the documentation uses and that the source's types are named by.

use regex::Regex;
use std::collections::BTreeMap;
use std::path::Path;

const PAGE: &str = "docs/glossary.md";

struct Entry {
    term: String,
    /// `Type`, or `Type::Variant`.
    type_name: Option<String>,
}

/// Returns the rows of the page's tables.
fn entries(page: &str) -> Vec<Entry> {
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let cells = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    cells
        .filter(|cells| cells[0] != "Term" && cells[0] != "---")
        .map(|cells| {
            assert_eq!(cells.len(), 3, "{cells:?} is not a term, its meaning and its type");
            assert!(!cells[1].is_empty(), "{} has no meaning", cells[0]);
            let type_name = cells[2].strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
            assert_eq!(type_name.is_none(), cells[2].is_empty(), "{}: {} is not a type", cells[0], cells[2]);
            Entry { term: cells[0].to_owned(), type_name: type_name.map(str::to_owned) }
        })
        .collect()
}

/// Returns the text of every file below `folder` whose name ends with `extension`.
fn texts(folder: &Path, extension: &str) -> Vec<String> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => texts(&path, extension),
            false if path.ends_with(PAGE) || path.extension().is_none_or(|found| found != extension) => Vec::new(),
            false => vec![std::fs::read_to_string(path).unwrap()],
        })
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn glossary() -> Vec<Entry> {
    let entries = entries(&std::fs::read_to_string(root().join(PAGE)).unwrap());
    assert!(entries.len() > 50, "only {} terms were found", entries.len());
    entries
}

/// Whether a source file defines the type, and the variant if one is named.
fn is_defined(name: &str, sources: &[String]) -> bool {
    let (type_name, variant) = name.split_once("::").map_or((name, None), |(name, variant)| (name, Some(variant)));
    let definition =
        Regex::new(&format!(r"(?m)^ *pub(?:\([a-z]+\))? (?:struct|enum|trait|type) {type_name}\b")).unwrap();
    sources.iter().any(|source| {
        definition.find(source).is_some_and(|found| {
            let body = source[found.end()..].split("\n}").next().unwrap();
            variant.is_none_or(|variant| Regex::new(&format!(r"(?m)^ +{variant}\b[,({{ ]")).unwrap().is_match(body))
        })
    })
}

#[test]
fn every_type_of_the_glossary_is_in_the_source() {
    let sources = texts(&root().join("src"), "rs");
    let types: Vec<String> = glossary().into_iter().filter_map(|entry| entry.type_name).collect();
    let missing: Vec<&String> = types.iter().filter(|name| !is_defined(name, &sources)).collect();
    assert!(missing.is_empty(), "src does not define {missing:?}");
    assert!(types.len() > 40, "only {} types were found", types.len());
    assert!(!is_defined("Frobnicator", &sources));
    assert!(!is_defined("Role::Frobnicator", &sources));
}

/// A type's name contains a word of its term, so that knowing one is enough to find the other.
#[test]
fn types_are_named_by_their_terms() {
    // Named by their flags, `--sandbox` and `--allow`.
    let exceptions = ["practice cluster", "override"];
    for Entry { term, type_name } in glossary() {
        let Some(type_name) = type_name.map(|name| name.to_lowercase()) else { continue };
        let named = term.to_lowercase().split(' ').any(|word| type_name.contains(word));
        assert!(named || exceptions.contains(&term.as_str()), "{type_name} has no word of the term {term}");
    }
}

#[test]
fn every_term_stands_once() {
    let mut meanings: BTreeMap<String, usize> = BTreeMap::new();
    let mut types: BTreeMap<String, usize> = BTreeMap::new();
    for Entry { term, type_name } in glossary() {
        *meanings.entry(term.to_lowercase()).or_default() += 1;
        type_name.into_iter().for_each(|name| *types.entry(name).or_default() += 1);
    }
    let twice: Vec<&String> =
        meanings.iter().chain(&types).filter(|(_, count)| **count > 1).map(|(name, _)| name).collect();
    assert!(twice.is_empty(), "more than one entry: {twice:?}");
}

#[test]
fn every_term_is_used_in_the_documentation() {
    let mut pages = texts(&root().join("docs"), "md");
    pages.extend(
        ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|file| std::fs::read_to_string(root().join(file)).unwrap()),
    );
    let documentation = pages.join("\n").split_whitespace().collect::<Vec<_>>().join(" ");
    let unused: Vec<String> = glossary()
        .into_iter()
        .filter(|entry| {
            let term = Regex::new(&format!(r"(?i)\b{}", regex::escape(&entry.term))).unwrap();
            !term.is_match(&documentation)
        })
        .map(|entry| entry.term)
        .collect();
    assert!(unused.is_empty(), "no page uses {unused:?}");
}
