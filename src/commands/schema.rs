//! `schema`: the kinds of machine-readable documents, and the JSON Schema of each.

use crate::cli::{Machine, Output, SchemaArgs};
use crate::error::{Error, Result};
use crate::render::documents::Kind;
use crate::render::{schema as text, structured};
use crate::suggestion::plugin;
use crate::topology::target::nearest;

pub(super) fn schema(args: &SchemaArgs) -> Result<String> {
    let Some(typed) = &args.kind else {
        return Ok(match args.output.as_ref().unwrap_or(&Output::Text) {
            Output::Machine(form) => structured::document(form, &structured::schemas())?,
            Output::Name => Kind::ALL.iter().map(|kind| text::name(*kind)).collect(),
            Output::Text | Output::Wide => text::table(),
        });
    };
    let kind = Kind::parse(typed).ok_or_else(|| unknown(typed))?;
    Ok(match &args.output {
        // The stored text, in readable order.
        None | Some(Output::Machine(Machine::Json)) => kind.schema().to_owned(),
        Some(Output::Machine(form)) => structured::document(form, &structured::schema(kind))?,
        Some(Output::Name) => text::name(kind),
        Some(Output::Text | Output::Wide) => text::row(kind),
    })
}

fn unknown(typed: &str) -> Error {
    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let near = nearest(&typed.to_lowercase(), &lower);
    let near: Vec<&str> =
        near.iter().filter_map(|near| names.iter().find(|name| name.eq_ignore_ascii_case(near)).copied()).collect();
    let error = Error::usage(format!("unknown document kind {typed:?}"));
    let error = if near.is_empty() { error } else { error.because(format!("did you mean: {}", near.join(", "))) };
    error.hint(plugin("schema").of_no_cluster().note("to list them"))
}
