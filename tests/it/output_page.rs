//! Generates the tables of docs/output.md from the JSON Schemas alone.

use kubectl_synxdb::render::documents::Kind;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The text above the tables is written by hand.
const MARK: &str = "<!-- From here on generated from schema/: just regen -->\n";

/// Returns the page with its tables regenerated.
pub(super) fn page(kept: &str) -> String {
    let (head, _) = kept.split_once(MARK).expect("the mark after which the page is generated");
    let mut page = format!("{head}{MARK}");
    let mut parts: BTreeMap<String, Value> = BTreeMap::new();
    let mut families: Vec<(Value, Vec<Kind>)> = Vec::new();
    for kind in Kind::ALL {
        let schema: Value = serde_json::from_str(kind.schema()).unwrap();
        for (name, part) in schema["$defs"].as_object().into_iter().flatten() {
            let known = parts.entry(name.clone()).or_insert_with(|| part.clone());
            assert!(known == part, "{name} is not the same in every schema: name one of them otherwise");
        }
        let alike = families.iter_mut().find(|(other, _)| fields_of(other) == fields_of(&schema));
        match alike {
            Some((_, kinds)) => kinds.push(*kind),
            None => families.push((schema, vec![*kind])),
        }
    }
    for (schema, kinds) in &families {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
        write!(page, "\n## {}\n\n", names.join(", ")).unwrap();
        for kind in kinds {
            let (name, what) = (kind.name(), kind.description());
            let schema = format!("[schema/{name}.json](../schema/{name}.json)");
            writeln!(page, "{what} Printed by: {}. ({schema})\n", kind.printed_by()).unwrap();
        }
        let mut schema = schema.clone();
        let fields = schema["properties"].as_object_mut().unwrap();
        // Every kind has these.
        fields.retain(|name, _| !["apiVersion", "kind"].contains(&name.as_str()));
        // What tells them apart.
        if let [_, _] = kinds.as_slice() {
            for (own, of) in [
                ("operation", serde_json::json!({"$ref": "#/$defs/Operation"})),
                ("undoes", serde_json::json!({"type": ["string", "null"]})),
            ] {
                let Some(Value::Object(field)) = fields.get_mut(own) else { continue };
                field.extend(of.as_object().cloned().unwrap());
                field.shift_remove("const");
            }
        }
        page.push_str(&table(&schema));
    }
    page.push_str("\n## Parts\n");
    for (name, part) in &parts {
        write!(page, "\n### {name}\n\n").unwrap();
        if let Some(text) = part["description"].as_str() {
            writeln!(page, "{text}\n").unwrap();
        }
        page.push_str(&table(part));
    }
    page
}

/// The fields in which a failover's kind differs from an undo's.
const OWN: [&str; 3] = ["kind", "operation", "undoes"];

/// Descriptions do not count when two kinds are compared.
fn fields_of(schema: &Value) -> (Map<String, Value>, Value) {
    let mut fields = schema["properties"].as_object().cloned().unwrap_or_default();
    for own in OWN {
        fields.remove(own);
    }
    (fields, schema["required"].clone())
}

fn table(schema: &Value) -> String {
    match schema["oneOf"].as_array() {
        Some(cases) if cases.iter().all(|case| case["const"].is_string()) => {
            let rows = cases.iter().map(|case| [format!("`{}`", case["const"].as_str().unwrap()), text(case)]);
            rows_of(["Word", "Meaning"], rows)
        }
        Some(cases) => rows_of(["Case", "Type", "Meaning"], cases.iter().flat_map(case)),
        None => rows_of(["Field", "Type", "Meaning"], fields(schema)),
    }
}

fn rows_of<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = format!("| {} |\n|{}\n", head.join(" | "), " --- |".repeat(N));
    for row in rows {
        writeln!(table, "| {} |", row.map(|cell| cell.replace('|', "\\|")).join(" | ")).unwrap();
    }
    table
}

fn fields(schema: &Value) -> impl Iterator<Item = [String; 3]> {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    schema["properties"].as_object().into_iter().flatten().map(move |(name, field)| {
        let absent = if required.contains(&name.as_str()) { "" } else { ", or absent" };
        [format!("`{name}`"), format!("{}{absent}", type_of(field)), text(field)]
    })
}

/// One of several forms: its name, and its fields.
fn case(schema: &Value) -> Vec<[String; 3]> {
    if let Some(word) = schema["const"].as_str() {
        return vec![[format!("`\"{word}\"`"), "string".into(), text(schema)]];
    }
    let properties = schema["properties"].as_object().unwrap();
    let tag = properties.iter().find(|(_, field)| field["const"].is_string());
    let name = match tag {
        Some((tag, word)) => format!("`{tag}: {}`", word["const"].as_str().unwrap()),
        None => format!("`{}`", properties.keys().next().unwrap()),
    };
    let inner = match tag {
        Some(_) => schema,
        // `{"known": …}`: its content may be described in place.
        None => properties.values().next().unwrap(),
    };
    let mut rows = vec![[name, if tag.is_some() { "object".into() } else { type_of(inner) }, text(schema)]];
    let own = tag.map(|(tag, _)| format!("`{tag}`"));
    rows.extend(
        fields(inner)
            .filter(|[field, ..]| Some(field) != own.as_ref())
            .map(|[field, of, text]| [format!("&nbsp;&nbsp;{field}"), of, text]),
    );
    rows
}

fn text(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().replace("\n\n", "<br>")
}

fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.trim_start_matches("#/$defs/");
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(word) = schema["const"].as_str() {
        return format!("`\"{word}\"`");
    }
    if let Some(of) = schema["anyOf"].as_array() {
        return of.iter().map(type_of).collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        Value::String(of) if of == "array" => format!("list of {}", type_of(&schema["items"])),
        Value::String(of) if of == "object" && schema["additionalProperties"].is_object() => {
            format!("map to {}", type_of(&schema["additionalProperties"]))
        }
        Value::String(of) => of.clone(),
        _ => "anything".to_owned(),
    }
}
