//! Machine-readable output: JSON and YAML, with apiVersion and kind.

use super::documents::{
    Error as Failure, Event as Happened, History, Kind, LayoutCheck, OperationResult, Release, SchemaList, Status,
    Verification, Version, document as of_kind,
};
use super::is_harmful;
use super::sanitize::escaped;
use crate::cli::Machine;
use crate::error::{Error, Result};
use crate::plan::history::Entry;
use crate::plan::{Action, Plan};
use crate::recovery::{Event, RunResult};
use crate::suggestion::Suggestion;
use crate::topology::fit::Fitting;
use crate::topology::health::Report;
use crate::topology::{Gap, LayoutSource, Topology};
use crate::verify::{Evidence, VerifyCheck};
use serde_json::Value;
use std::collections::BTreeMap;

/// Renders a document in the requested format.
///
/// # Errors
/// None in practice: every document is plain JSON data.
pub(crate) fn document(form: &Machine, document: &Value) -> Result<String> {
    Ok(match form {
        Machine::Json => json(document),
        Machine::Yaml => yaml(document)?,
        Machine::JsonPath(template) => template.fill(document),
    })
}

/// Renders one document of a stream: JSON on one line, YAML after `---`.
///
/// # Errors
/// As [`document`].
pub(crate) fn one_of_many(form: &Machine, document: &Value) -> Result<String> {
    Ok(match form {
        Machine::Json => line(document),
        Machine::Yaml => format!("---\n{}", yaml(document)?),
        Machine::JsonPath(template) => template.fill(document),
    })
}

/// Renders a document as YAML.
///
/// # Errors
/// None in practice: every document is plain JSON data.
pub(crate) fn yaml(document: &Value) -> Result<String> {
    let text = serde_saphyr::to_string(document);
    let text = text.map_err(|error| Error::failure("cannot write YAML").because_of(error))?;
    // JSON is YAML, too, and everything in it can be escaped.
    Ok(if text.contains(|c| is_harmful(c) && c != '\n') { json(document) } else { text })
}

/// Renders a document as indented JSON.
pub(crate) fn json(document: &Value) -> String {
    format!("{}\n", escaped(&format!("{document:#}")))
}

/// Renders a document as one line of JSON.
pub(crate) fn line(document: &Value) -> String {
    format!("{}\n", escaped(&document.to_string()))
}

/// `status`.
pub(crate) fn status(report: &Report, topology: &Topology) -> Value {
    of_kind(Kind::Status, &Status::new(report, topology))
}

/// `layout check`.
pub(crate) fn layout_check(layout: &LayoutSource, fittings: &[Fitting<'_>], report: &Report) -> Value {
    of_kind(Kind::LayoutCheck, &LayoutCheck::new(layout, fittings, report))
}

/// `verify`.
pub(crate) fn verification(checks: &[VerifyCheck], members: &BTreeMap<String, Evidence>) -> Value {
    of_kind(Kind::Verification, &Verification::new(checks, members))
}

/// Returns the document of a plan.
pub(crate) fn plan(plan: &Plan) -> Value {
    let kind = match &plan.act {
        Action::Failover => Kind::FailoverPlan,
        Action::Undo(_) => Kind::UndoPlan,
    };
    of_kind(kind, plan)
}

/// Returns the document of an event.
pub(crate) fn event(act: &Action, event: &Event) -> Value {
    of_kind(kind_of_event(act), &Happened::from(event))
}

/// Returns the document of a step that the server validated by a dry run.
pub(crate) fn rehearsed(plan: &Plan, what: &str) -> Value {
    of_kind(kind_of_event(&plan.act), &Happened::rehearsed(what))
}

fn kind_of_event(act: &Action) -> Kind {
    match act {
        Action::Failover => Kind::FailoverEvent,
        Action::Undo(_) => Kind::UndoEvent,
    }
}

/// Returns the document of a result.
pub(crate) fn outcome(plan: &Plan, outcome: &RunResult, reasons: &[String], resume: Option<&Suggestion>) -> Value {
    let kind = match &plan.act {
        Action::Failover => Kind::FailoverResult,
        Action::Undo(_) => Kind::UndoResult,
    };
    of_kind(kind, &OperationResult::new(plan, outcome, reasons, resume))
}

/// `history`.
pub(crate) fn history(entries: &[Entry], gaps: &[Gap]) -> Value {
    of_kind(Kind::History, &History::new(entries, gaps))
}

/// `release`: operations, and their volumes with the reclaim policy that each got back.
pub(crate) fn released(released: &[(&Entry, Vec<(String, String)>)]) -> Value {
    of_kind(Kind::Release, &Release::new(released))
}

/// Returns the document of an error.
pub(crate) fn error(error: &Error) -> Value {
    of_kind(Kind::Error, &Failure::from(error))
}

/// `schema`.
pub(crate) fn schemas() -> Value {
    of_kind(Kind::SchemaList, &SchemaList::all())
}

/// `schema KIND`.
pub(crate) fn schema(kind: Kind) -> Value {
    kind.parsed_schema()
}

/// `version`.
pub(crate) fn version() -> Value {
    of_kind(Kind::Version, &Version::own())
}
