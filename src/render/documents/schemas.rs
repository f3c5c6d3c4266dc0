//! The JSON Schemas in schema/, generated from the types. `REGENERATE=1` writes them again.

use super::{
    API_VERSION, Error, Event, Forward, History, Kind, LayoutCheck, OperationResult, Release, Sandbox, Scenarios,
    SchemaList, Status, Verification, Version,
};
use crate::plan::{Plan, Record};
use crate::verify::{Evidence, Saved, StoredBaseline};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};
use std::path::Path;

/// The schema of what follows a document's apiVersion and kind.
fn body(kind: Kind, generator: SchemaGenerator) -> Schema {
    let of = |generate: fn(SchemaGenerator) -> Schema| generate(generator);
    match kind {
        Kind::Status => of(root::<Status<'static>>),
        Kind::FailoverPlan | Kind::UndoPlan => of(root::<Plan>),
        Kind::FailoverEvent | Kind::UndoEvent => of(root::<Event<'static>>),
        Kind::FailoverResult | Kind::UndoResult => of(root::<OperationResult<'static>>),
        Kind::History => of(root::<History<'static>>),
        Kind::Release => of(root::<Release<'static>>),
        Kind::Verification => of(root::<Verification<'static>>),
        Kind::Forward => of(root::<Forward<'static>>),
        Kind::LayoutCheck => of(root::<LayoutCheck<'static>>),
        Kind::Sandbox => of(root::<Sandbox<'static>>),
        Kind::Scenarios => of(root::<Scenarios<'static>>),
        Kind::Version => of(root::<Version<'static>>),
        Kind::SchemaList => of(root::<SchemaList>),
        Kind::Error => of(root::<Error<'static>>),
        Kind::Baseline => of(root::<Saved>),
        Kind::StoredBaseline => of(root::<StoredBaseline>),
        Kind::Record => of(record),
    }
}

fn root<T: JsonSchema>(generator: SchemaGenerator) -> Schema {
    generator.into_root_schema_for::<T>()
}

/// The baseline within a record is data to the plan, which knows nothing of evidence.
fn record(mut generator: SchemaGenerator) -> Schema {
    let baseline = generator.subschema_for::<Evidence>();
    let mut schema = root::<Record>(generator);
    if let Some(of) = schema.pointer_mut("/properties/baseline").and_then(Value::as_object_mut) {
        of.extend(baseline.as_object().cloned().unwrap_or_default());
    }
    schema
}

/// The whole schema of a kind.
pub(super) fn schema(kind: Kind) -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().with_transform(Strict).into_generator();
    let mut body = body(kind, generator);
    let schema = body.ensure_object();
    let version = API_VERSION.rsplit_once('/').unwrap().1;
    let mut whole = Map::from_iter([
        ("$schema".to_owned(), schema.remove("$schema").unwrap()),
        ("$id".to_owned(), format!("urn:kubectl-synxdb:{version}:{}", kind.name()).into()),
        ("title".to_owned(), kind.name().into()),
        ("description".to_owned(), kind.description().into()),
        ("type".to_owned(), schema.remove("type").unwrap()),
    ]);
    let Some(Value::Object(mut properties)) = schema.remove("properties") else { panic!("{kind:?} has no fields") };
    let Some(Value::Array(mut required)) = schema.remove("required") else { panic!("{kind:?} requires nothing") };
    let header = [
        ("apiVersion", json!({"description": "Version of this form.", "type": "string", "const": API_VERSION})),
        ("kind", json!({"description": "Kind of the document.", "type": "string", "const": kind.name()})),
    ];
    required.retain(|name| header.iter().all(|(known, _)| name != known));
    required.splice(0..0, header.iter().map(|(name, _)| Value::from(*name)));
    let body = properties;
    properties = Map::from_iter(header.map(|(name, schema)| (name.to_owned(), schema)));
    properties.extend(body.into_iter().filter(|(name, _)| name != "apiVersion" && name != "kind"));
    one_operation(kind, &mut properties, schema);
    whole.insert("properties".to_owned(), properties.into());
    whole.insert("required".to_owned(), required.into());
    schema.remove("title");
    schema.remove("description");
    let definitions = schema.remove("$defs");
    whole.append(schema);
    whole.extend(definitions.map(|definitions| ("$defs".to_owned(), definitions)));
    whole.into()
}

/// A failover's plan is of a failover and undoes nothing, an undo's of an undo.
fn one_operation(kind: Kind, properties: &mut Map<String, Value>, schema: &mut Map<String, Value>) {
    let (operation, undoes) = match kind {
        Kind::FailoverPlan => ("failover", "null"),
        Kind::UndoPlan => ("undo", "string"),
        _ => return,
    };
    for (field, changes) in
        [("operation", json!({"type": "string", "const": operation})), ("undoes", json!({"type": undoes}))]
    {
        let Some(Value::Object(of)) = properties.get_mut(field) else { panic!("{kind:?} has no {field}") };
        of.shift_remove("$ref");
        of.extend(changes.as_object().cloned().unwrap_or_default());
    }
    schema.get_mut("$defs").and_then(Value::as_object_mut).unwrap().shift_remove("Operation");
}

/// What is the same of every type: no other fields, null only where a field is always there, descriptions in one line.
#[derive(Clone)]
struct Strict;

impl Transform for Strict {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(schema) = schema.as_object_mut() else { return };
        if let Some(Value::String(text)) = schema.get_mut("description") {
            *text = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
        }
        // Of a reader that takes what older ones wrote.
        schema.remove("default");
        if schema.get("type") != Some(&"object".into()) {
            return;
        }
        let required = schema.get("required").cloned().unwrap_or_default();
        let required: Vec<&str> = required.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
        for (_, optional) in properties.iter_mut().filter(|(name, _)| !required.contains(&name.as_str())) {
            not_null(optional);
        }
        schema.entry("additionalProperties").or_insert(false.into());
    }
}

/// A field that is left out where it has no value is never null.
fn not_null(schema: &mut Value) {
    let null = Value::from("null");
    let Some(schema) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|one| *one != null);
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(of)) = schema.get_mut("anyOf") {
        of.retain(|one| one["type"] != null);
        if let [Value::Object(only)] = of.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            schema.extend(only);
        }
    }
}

#[test]
fn the_schemas_are_what_the_types_say() {
    for kind in Kind::ALL {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schema/{}.json", kind.name()));
        let generated = format!("{:#}\n", schema(*kind));
        if std::env::var_os("REGENERATE").is_some() {
            std::fs::write(&path, &generated).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == generated, "{} is not what the types say now: just regen", path.display());
    }
}
