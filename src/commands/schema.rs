//! `schema`: the kinds of document that are printed for programs, and the JSON Schema of each.

use crate::cli::{SchemaArgs, SchemaForm};
use crate::error::{Error, Result};
use crate::render::documents::Kind;
use crate::render::{machine, schema as words};
use crate::topology::target::nearest;

pub(super) fn schema(args: &SchemaArgs) -> Result<String> {
    let Some(typed) = &args.kind else {
        return Ok(match args.output.unwrap_or(SchemaForm::Table) {
            SchemaForm::Table => words::table(),
            SchemaForm::Json => machine::json(&machine::schemas()),
            SchemaForm::Yaml => machine::yaml(&machine::schemas())?,
            SchemaForm::Name => Kind::ALL.iter().map(|kind| words::name(*kind)).collect(),
        });
    };
    let kind = Kind::parse(typed).ok_or_else(|| unknown(typed))?;
    Ok(match args.output.unwrap_or(SchemaForm::Json) {
        SchemaForm::Json => kind.schema().to_owned(),
        SchemaForm::Yaml => machine::yaml(&machine::schema(kind))?,
        SchemaForm::Name => words::name(kind),
        SchemaForm::Table => words::row(kind),
    })
}

fn unknown(typed: &str) -> Error {
    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let near = nearest(&typed.to_lowercase(), &lower);
    let near: Vec<&str> =
        near.iter().filter_map(|near| names.iter().find(|name| name.eq_ignore_ascii_case(near)).copied()).collect();
    let error = Error::usage(format!("there is no kind of document {typed:?}"));
    let error = if near.is_empty() { error } else { error.because(format!("near it: {}", near.join(", "))) };
    error.hint("kubectl synxdb schema lists them")
}
