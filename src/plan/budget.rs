//! Fits records into a volume's annotations. Kubernetes limits the total size of an object's annotations; an operation
//! writes its record before it deletes anything, and again when it ends. So older records are trimmed for the current one:
//! their baselines first, then their manifests, finally the records themselves. Pure.

use super::record::{Action, BaselineLoss, Record, RecordedOutcome};
use crate::text::counted;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Maximum bytes of all keys and values of an object's annotations together (`TotalAnnotationSizeLimitB` of
/// k8s.io/apimachinery).
pub(crate) const MOST: usize = 256 << 10;
/// Bytes of these that are left to others: once an object's annotations are full, no controller can annotate it either, and
/// a volume that cannot be annotated cannot be bound.
const LEFT: usize = 32 << 10;

/// How a volume's annotations change to include the current record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    /// What is written: a value, or `None` if the annotation is removed. Always includes the current record.
    pub changes: BTreeMap<String, Option<String>>,
    /// What is trimmed from older records.
    pub trimmed: Trimmed,
    /// Whether the current record loses the baseline that it has in memory, because that does not fit.
    pub lost: bool,
}

/// How much is trimmed from older records of a volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trimmed {
    /// Records that lost their baseline.
    pub baselines: usize,
    /// Records that lost the manifests of their claims.
    pub manifests: usize,
    /// Records that were removed.
    pub records: usize,
}

/// Other annotations leave no room for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    /// Bytes that all annotations would have; [`MOST`] are allowed.
    pub bytes: usize,
}

/// An older record on the same volume.
struct Older {
    key: String,
    record: Record,
    /// As it will be written.
    value: Value,
    /// Its length in bytes, with the key; 0 once it is removed.
    length: usize,
    changed: bool,
}

impl Older {
    fn parse(key: &str, text: &str) -> Option<Self> {
        // Foreign annotations and later formats are left alone.
        let record = Record::parse(text)?;
        let value = serde_json::from_str(text).ok()?;
        (record.annotation() == key).then(|| Self {
            key: key.to_owned(),
            record,
            value,
            length: key.len() + text.len(),
            changed: false,
        })
    }

    /// Removes something, if `cut` finds it. Keeps fields that a later version wrote.
    fn cut(&mut self, cut: impl FnOnce(&mut Value) -> bool) -> bool {
        if self.length == 0 || !cut(&mut self.value) {
            return false;
        }
        self.length = self.key.len() + self.value.to_string().len();
        self.changed = true;
        true
    }

    fn remove(&mut self) {
        self.length = 0;
        self.changed = true;
    }
}

/// Fits the current record into the annotations that a volume has.
///
/// # Errors
/// There is no room for it, however much of older ones is trimmed.
pub(crate) fn fit(current: &Record, volume: &str, annotations: &BTreeMap<String, String>) -> Result<Fit, Full> {
    let key = current.annotation();
    let had = current.has_baseline();
    let mut current = current.clone().packed();
    let mut others = 0;
    let mut older: Vec<Older> = Vec::new();
    for (name, text) in annotations.iter().filter(|(name, _)| **name != key) {
        match Older::parse(name, text) {
            Some(one) => older.push(one),
            None => others += name.len() + text.len(),
        }
    }
    // What may still be needed comes last.
    let needed = |record: &Record| record.unfinished() || is_undone_by(&current, record);
    older.sort_by_key(|one| (needed(&one.record), one.record.begun(), one.record.id.clone()));
    let keeps_policy = policy_source(&older, &current, volume);

    let room = MOST - LEFT;
    let alone = |current: &Record| others + key.len() + length(current);
    if alone(&current) > room && current.has_baseline() {
        current.lose_baseline(BaselineLoss::TooLarge);
    }
    let mut trimmed = Trimmed::default();
    let mut bytes = alone(&current) + older.iter().map(|one| one.length).sum::<usize>();
    let cut = |one: &mut Older, what: fn(&mut Value) -> bool, bytes: &mut usize| {
        let before = one.length;
        let done = *bytes > room && one.cut(what);
        *bytes = *bytes + one.length - before;
        usize::from(done)
    };
    for one in &mut older {
        trimmed.baselines += cut(one, without_baseline, &mut bytes);
    }
    for one in &mut older {
        trimmed.manifests += cut(one, without_manifests, &mut bytes);
    }
    for one in &mut older {
        if bytes > room && !needed_still(&one.record, &current, keeps_policy.as_deref()) {
            bytes -= one.length;
            one.remove();
            trimmed.records += 1;
        }
    }
    let others = bytes - length(&current);
    if bytes > room && current.has_baseline() {
        current.lose_baseline(BaselineLoss::TooLarge);
        bytes = others + length(&current);
    }
    if bytes > room {
        current.claims.iter_mut().for_each(|claim| claim.manifest = None);
        bytes = others + length(&current);
    }
    if bytes > MOST {
        return Err(Full { bytes });
    }
    let lost = had && !current.has_baseline();
    let mut changes: BTreeMap<String, Option<String>> = older
        .into_iter()
        .filter(|one| one.changed)
        .map(|one| (one.key, (one.length > 0).then(|| one.value.to_string())))
        .collect();
    changes.insert(key, Some(text(&current)));
    Ok(Fit { changes, trimmed, lost })
}

fn text(record: &Record) -> String {
    serde_json::to_string(record).unwrap_or_default()
}

fn length(record: &Record) -> usize {
    text(record).len()
}

fn is_undone_by(current: &Record, record: &Record) -> bool {
    matches!(&current.act, Action::Undo(of) if *of == record.id)
}

/// Returns whether a record must stay: it may be resumed, it is being undone, or it alone knows the reclaim policy that the
/// volume had before it was retained.
fn needed_still(record: &Record, current: &Record, keeps_policy: Option<&str>) -> bool {
    record.unfinished() || is_undone_by(current, record) || keeps_policy == Some(record.id.as_str())
}

/// Returns the operation that first found the volume with its original reclaim policy: later ones found `Retain`, unless the
/// volume was in use and recovered in between.
fn policy_source(older: &[Older], current: &Record, volume: &str) -> Option<String> {
    let mut all: Vec<&Record> = older.iter().map(|one| &one.record).chain([current]).collect();
    all.sort_by_key(|record| (record.begun(), record.id.clone()));
    let mut source = None;
    for record in all {
        for claim in &record.claims {
            if claim.volume.as_deref() == Some(volume) && source.is_none() {
                source = Some(record.id.clone());
            }
            let returned = claim.returns.as_ref().is_some_and(|returns| returns.volume == volume);
            if returned && record.outcome == RecordedOutcome::Recovered {
                source = None;
            }
        }
    }
    source
}

fn without_baseline(record: &mut Value) -> bool {
    let Some(fields) = record.as_object_mut() else { return false };
    let plain = fields.shift_remove("baseline").is_some_and(|value| !value.is_null());
    let packed = fields.shift_remove("packedBaseline").is_some_and(|value| !value.is_null());
    if plain || packed {
        fields.insert("baselineLost".to_owned(), json!(BaselineLoss::Trimmed));
    }
    plain || packed
}

fn without_manifests(record: &mut Value) -> bool {
    let claims = record.get_mut("claims").and_then(Value::as_array_mut).into_iter().flatten();
    let mut any = false;
    for claim in claims.filter_map(Value::as_object_mut) {
        any |= claim.shift_remove("manifest").is_some_and(|manifest| !manifest.is_null());
    }
    any
}

impl Trimmed {
    /// Returns a notice of what was trimmed; `None` if nothing was.
    pub(crate) fn notice(self, volume: &str) -> Option<String> {
        let part =
            |number: usize, text: &dyn Fn(String) -> String| (number > 0).then(|| text(counted(number, "record")));
        let parts = [
            part(self.baselines, &|of| format!("the baseline of {of}")),
            part(self.manifests, &|of| format!("the claim manifests of {of}")),
            part(self.records, &|of| format!("all of {of}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let (last, first) = parts.split_last()?;
        let parts = if first.is_empty() { last.clone() } else { format!("{} and {last}", first.join(", ")) };
        Some(format!("older records on volume {volume} were trimmed to make room for this one: {parts}"))
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
