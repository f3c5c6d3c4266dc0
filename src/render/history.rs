//! `history`: past operations, the newest first, and the volumes that they retained.

use super::columns::columns;
use super::{Paint, sanitize_line, wrapped, wrapped_at};
use crate::duration::{self, age};
use crate::outcome::Outcome;
use crate::plan::history::{Entry, RetainedState, RetainedVolume};
use crate::plan::{Action, RecordedOutcome};
use crate::suggestion::plugin;
use crate::text::counted;
use crate::topology::Gap;
use jiff::Timestamp;
use std::time::Duration;

/// Renders the history as a table.
pub(crate) fn history(entries: &[Entry], gaps: &[Gap], now: Timestamp, paint: Paint) -> String {
    let mut text = headline(entries, gaps, paint);
    if entries.is_empty() {
        return text;
    }
    text.push_str(&format!("\n{}\n", row("ID", "AGE", "OPERATION", "POD", "OUTCOME", "DURATION")));
    let mut namespace = "";
    for entry in by_namespace(entries) {
        if entry.record.namespace != namespace {
            namespace = &entry.record.namespace;
            text.push_str(&format!("{}\n", paint.strong(sanitize_line(namespace))));
        }
        text.push_str(&one(entry, now, paint));
    }
    text
}

fn headline(entries: &[Entry], gaps: &[Gap], paint: Paint) -> String {
    let mut text = if entries.is_empty() && gaps.is_empty() {
        "No operations recorded\n".to_owned()
    } else if entries.is_empty() {
        // Records that could not be read may exist.
        format!("{}\n", paint.warn("Past operations unknown"))
    } else {
        let undoable = entries.iter().filter(|entry| entry.can_be_undone()).count();
        let kept = retained_volumes(entries);
        let kept = if kept == 0 { String::new() } else { format!(", {} retained", counted(kept, "volume")) };
        format!("{}, {undoable} can be undone{kept}\n", paint.strong(counted(entries.len(), "operation")))
    };
    text.push_str(&unknown(gaps));
    text
}

/// Renders what could not be read, one per line.
pub(crate) fn unknown(gaps: &[Gap]) -> String {
    gaps.iter().map(|gap| wrapped("  unknown: ", &format!("{}: {}", gap.part, gap.why))).collect()
}

/// Returns the entries by namespace, the one with the newest first, and within each the newest first.
fn by_namespace(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    let mut order: Vec<&str> = Vec::new();
    for entry in entries {
        if !order.contains(&entry.record.namespace.as_str()) {
            order.push(&entry.record.namespace);
        }
    }
    let of = |name: &str| entries.iter().filter(|entry| entry.record.namespace == name).collect::<Vec<_>>();
    order.into_iter().flat_map(of).collect::<Vec<_>>().into_iter()
}

/// Renders one line per operation, with all details.
pub(crate) fn wide(entries: &[Entry], gaps: &[Gap], now: Timestamp, paint: Paint) -> String {
    let table = rows(entries, true, true, now, paint);
    let table = if entries.is_empty() { String::new() } else { format!("\n{table}") };
    format!("{}{table}", headline(entries, gaps, paint))
}

/// Renders one line per operation, its namespace first, with or without headings.
pub(crate) fn rows(entries: &[Entry], wide: bool, headings: bool, now: Timestamp, paint: Paint) -> String {
    let mut head = vec!["NAMESPACE", "ID", "AGE", "OPERATION", "POD", "OUTCOME", "DURATION"];
    if wide {
        head.extend(["UNDOES", "UNDONE-BY", "CAN-BE-UNDONE", "WHO", "VOLUMES"]);
    }
    let rows = by_namespace(entries).map(|entry| {
        let record = &entry.record;
        let none = |word: Option<&str>| word.map_or_else(|| "<none>".to_owned(), sanitize_line);
        let word = Outcome::from(record.outcome).lowercase();
        let mut row = vec![
            sanitize_line(&record.namespace),
            sanitize_line(&record.id),
            age(record.started.parse().ok(), now),
            kind(&record.act).to_owned(),
            sanitize_line(&record.pod),
            // One word, for scripts that split the line.
            painted(record.outcome, &word.replace(' ', "-"), paint),
            time_taken(entry).map_or_else(|| "<none>".to_owned(), |time| time.replace(' ', "")),
        ];
        if wide {
            let undoes = match &record.act {
                Action::Failover => None,
                Action::Undo(of) => Some(of.as_str()),
            };
            let volumes: Vec<String> = entry.retained.iter().map(state).collect();
            row.extend([
                none(undoes),
                none(entry.undone_by.as_deref()),
                if entry.can_be_undone() { "yes" } else { "no" }.to_owned(),
                record.who.as_deref().map_or_else(|| "<unknown>".to_owned(), sanitize_line),
                none(Some(volumes.join(",").as_str()).filter(|volumes| !volumes.is_empty())),
            ]);
        }
        row
    });
    columns(&head, headings, rows)
}

/// `NAME:state`.
fn state(retained: &RetainedVolume) -> String {
    let word = match &retained.state {
        RetainedState::Retained => "retained",
        RetainedState::Reserved => "reserved",
        RetainedState::InPlace => "in-use",
        RetainedState::Lost(_) => "lost",
        RetainedState::Unknown(_) => "unknown",
    };
    format!("{}:{word}", retained.volume)
}

/// Renders `failover/ID` or `undo/ID`, one per line.
pub(crate) fn names(entries: &[Entry]) -> String {
    let name = |entry: &Entry| format!("{}/{}\n", kind(&entry.record.act), sanitize_line(&entry.record.id));
    by_namespace(entries).map(name).collect()
}

pub(super) fn kind(act: &Action) -> &'static str {
    match act {
        Action::Failover => "failover",
        Action::Undo(_) => "undo",
    }
}

fn time_taken(entry: &Entry) -> Option<String> {
    Some(duration::format(Duration::try_from(entry.took?).ok()?))
}

/// Returns the number of retained volumes, each counted once.
fn retained_volumes(entries: &[Entry]) -> usize {
    let retained = entries.iter().flat_map(|entry| &entry.retained);
    let mut names: Vec<&str> = retained
        .filter(|retained| retained.state == RetainedState::Retained)
        .map(|retained| retained.volume.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

fn row(id: &str, when: &str, act: &str, pod: &str, outcome: &str, took: &str) -> String {
    format!("{id:<8}  {when:<6}  {act:<13}  {pod:<20}  {outcome:<12}  {took}").trim_end().to_owned()
}

fn one(entry: &Entry, now: Timestamp, paint: Paint) -> String {
    let record = &entry.record;
    let when = age(record.started.parse().ok(), now);
    let outcome = Outcome::from(record.outcome).lowercase();
    let time = time_taken(entry).unwrap_or_default();
    let line = row(&sanitize_line(&record.id), &when, &act(&record.act), &sanitize_line(&record.pod), &outcome, &time);
    // Color after the columns are laid out.
    let mut text = format!("{}\n", line.replacen(&outcome, &painted(record.outcome, &outcome, paint), 1));
    let who = record.who.as_deref().unwrap_or("<unknown>");
    text.push_str(&wrapped("          by ", who));
    if let Some(newer) = record.superseded_by.as_ref().filter(|newer| entry.undone_by.as_ref() != Some(newer)) {
        text.push_str(&wrapped("          superseded by ", newer));
    }
    if let Some(undo) = &entry.undone_by {
        text.push_str(&wrapped("          undone by ", undo));
    }
    for retained in &entry.retained {
        text.push_str(&wrapped_at("          ", 12, &what_became(retained)));
        if let Some(doubt) = &retained.doubt {
            text.push_str(&wrapped_at("            ", 12, &format!("it {doubt}")));
        }
    }
    if entry.can_be_undone() {
        let command = plugin("undo").word(&record.id).to_string();
        text.push_str(&format!("          {}\n", paint.hint(sanitize_line(&command))));
    }
    text
}

fn act(act: &Action) -> String {
    match act {
        Action::Failover => "failover".into(),
        Action::Undo(of) => format!("undo {}", sanitize_line(of)),
    }
}

fn painted(outcome: RecordedOutcome, word: &str, paint: Paint) -> String {
    match outcome {
        RecordedOutcome::Recovered => paint.ok(word),
        RecordedOutcome::Unfinished | RecordedOutcome::CatchingUp | RecordedOutcome::Unverified => paint.warn(word),
        RecordedOutcome::DataMissing => paint.bad(word),
    }
}

fn what_became(retained: &RetainedVolume) -> String {
    let size = retained.size.as_ref().map(|size| format!(" ({size})")).unwrap_or_default();
    let how = match &retained.state {
        RetainedState::Retained => "is retained".to_owned(),
        RetainedState::Reserved => format!("is reserved for claim {}", retained.claim),
        RetainedState::InPlace => format!("is in use by claim {}", retained.claim),
        RetainedState::Lost(why) => format!("cannot be restored: {why}"),
        RetainedState::Unknown(why) => format!("may not be available: {why}"),
    };
    format!("volume {}{size} {how}", retained.volume)
}

/// Renders an operation as one line of a list to choose from.
pub(crate) fn item(entry: &Entry) -> String {
    let record = &entry.record;
    let volumes: Vec<&str> = entry.retained.iter().map(|retained| retained.volume.as_str()).collect();
    sanitize_line(&format!(
        "{} {} of {}/{}, started {}: {}",
        record.id,
        act(&record.act),
        record.namespace,
        record.pod,
        record.started,
        volumes.join(", ")
    ))
}
