//! Validates the plugin's machine-readable output against the JSON Schemas that it prints itself, wherever a test runs
//! it.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use jsonschema::Validator;
use kubectl_synxdb::render::documents::{API_VERSION, Kind};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

static VALIDATORS: LazyLock<BTreeMap<&'static str, Validator>> = LazyLock::new(|| {
    let validator = |kind: &Kind| {
        let schema: Value = serde_json::from_str(kind.schema()).unwrap();
        assert!(jsonschema::meta::is_valid(&schema), "{} is no JSON Schema", kind.name());
        let built = jsonschema::options().should_validate_formats(true).build(&schema);
        (kind.name(), built.unwrap_or_else(|error| panic!("{}: {error}", kind.name())))
    };
    Kind::ALL.iter().map(validator).collect()
});

/// Validates a document against the schema of its kind. Fails with one line for each place.
pub fn wrong(document: &Value) -> Result<(), String> {
    // What `schema KIND` prints.
    if document.get("$schema").is_some() {
        let error = jsonschema::meta::validate(document).err();
        return error.map_or(Ok(()), |error| Err(format!("it is no JSON Schema: {error}")));
    }
    let kind = document["kind"].as_str().unwrap_or_default();
    if document["apiVersion"] != API_VERSION {
        return Err(format!("its apiVersion is not {API_VERSION}:\n{document:#}"));
    }
    wrong_as(kind, document)
}

/// The same for a document whose kind is known from its place.
pub fn wrong_as(kind: &str, document: &Value) -> Result<(), String> {
    let Some(validator) = VALIDATORS.get(kind) else {
        return Err(format!("there is no schema for the kind {kind:?}:\n{document:#}"));
    };
    let errors = validator.iter_errors(document);
    let errors: Vec<String> =
        errors.map(|error| format!("  {kind}{}: {error} ({})", error.instance_path(), error.schema_path())).collect();
    if errors.is_empty() { Ok(()) } else { Err(format!("{}\n{document:#}", errors.join("\n"))) }
}

/// Validates the documents that a run printed, and those that it saved.
#[track_caller]
pub fn hold(arguments: &[String], out: &str) {
    let command = || format!("$ kubectl synxdb {}", arguments.join(" "));
    for document in documents(arguments, out).unwrap_or_else(|why| panic!("{}\n{why}\n{out}", command())) {
        if let Err(why) = wrong(&document) {
            panic!("{}\nprinted what its schema does not have:\n{why}", command());
        }
    }
    let file = arguments.windows(2).find(|pair| pair[0] == "--save").map(|pair| Path::new(&pair[1]));
    if let Some(text) = file.and_then(|file| std::fs::read_to_string(file).ok()) {
        let why = serde_json::from_str(&text).map_err(|error| error.to_string()).and_then(|saved| wrong(&saved));
        why.unwrap_or_else(|why| panic!("{}\nsaved what its schema does not have:\n{why}", command()));
    }
}

/// Returns the documents on a standard output; with `-o json` or `-o yaml` it contains nothing else.
pub fn documents(arguments: &[String], out: &str) -> Result<Vec<Value>, String> {
    match form(arguments) {
        Some("json") => json(out),
        Some("yaml") => yaml(out),
        _ if out.starts_with("{\"apiVersion\":\"kubectl-synxdb/") => json(out),
        _ => Ok(Vec::new()),
    }
}

fn form(arguments: &[String]) -> Option<&str> {
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "-o" | "--output" => return words.next(),
            // The rest is for another program.
            "--" => return None,
            _ => {}
        }
        if let Some(form) = word.strip_prefix("--output=").or_else(|| word.strip_prefix("-o")) {
            return Some(form.trim_start_matches('='));
        }
    }
    None
}

fn json(out: &str) -> Result<Vec<Value>, String> {
    let mut documents = Vec::new();
    for document in serde_json::Deserializer::from_str(out).into_iter() {
        match document {
            Ok(document) => documents.push(document),
            // The last line of a killed process may be truncated.
            Err(error) if error.is_eof() && !out.ends_with('\n') => break,
            Err(error) => return Err(format!("not all of its output is JSON: {error}")),
        }
    }
    Ok(documents)
}

fn yaml(out: &str) -> Result<Vec<Value>, String> {
    serde_saphyr::from_multiple(out).map_err(|error| format!("its output is no YAML: {error}"))
}
