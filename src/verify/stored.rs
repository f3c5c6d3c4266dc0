//! The last good baseline of a member, as it is stored in the cluster. Pure: the caller reads and writes it.
//!
//! Any client that may write ConfigMaps in the namespace may have written it, so a baseline is used only if it could be
//! real: not one that is too large, belongs to another member, is from the future, has impossible numbers, or contains
//! nothing to compare.

use super::evidence::{Difference, Evidence};
use crate::api_version::{API_VERSION, V1ALPHA1};
use crate::probe::Baseline;
use crate::probe::baseline::{Database, Listing};
use crate::storage::facts::{Metrics, PageFacts};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Kind of the document.
const KIND: &str = "StoredBaseline";
/// The document's key in its ConfigMap.
pub(crate) const KEY: &str = "baseline.json";
/// Prefix of the ConfigMaps' names.
const PREFIX: &str = "kubectl-synxdb-baseline-";
/// Longest name of an object, in bytes (Kubernetes: a DNS subdomain).
const LONGEST_NAME: usize = 253;
/// Largest document, in bytes: a ConfigMap may have 1 MiB.
pub(crate) const LARGEST: usize = 512 << 10;
/// More than clocks differ with which certificates and tokens work.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// More than any server has of anything that is counted here.
const MOST: u64 = 1 << 50;

/// What a member held when it was last verified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredBaseline {
    /// Version of this form.
    pub api_version: String,
    /// Always `StoredBaseline`.
    pub kind: String,
    /// When it was taken, RFC 3339.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub taken: String,
    /// The kubeconfig context it was taken in.
    pub context: String,
    /// Namespace of the member.
    pub namespace: String,
    /// The member: its pod, or its component if its pods do not keep their names.
    pub member: String,
    /// Its contents.
    pub content: Evidence,
}

/// Why a stored baseline is not used, or none can be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It is larger than [`LARGEST`].
    TooLarge,
    /// It is not such a document, or has a later version.
    NotOne(String),
    /// It belongs to this other member.
    OfAnother(String),
    /// It claims this time, which is in the future.
    FromTheFuture(String),
    /// It has impossible numbers.
    Impossible,
    /// It contains nothing to compare.
    NamesNothing,
}

/// `it says that it was taken at 2027-01-01T00:00:00Z, which lies ahead`
impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "it is larger than {} KiB", LARGEST >> 10),
            Self::NotOne(why) => write!(f, "this version cannot read it: {why}"),
            Self::OfAnother(member) => write!(f, "it belongs to {member}"),
            Self::FromTheFuture(taken) => write!(f, "its time, {taken}, is in the future"),
            Self::Impossible => f.write_str("it has impossible numbers"),
            Self::NamesNothing => f.write_str("it contains nothing to compare"),
        }
    }
}

/// Returns the name of the ConfigMap for a member. A name that would be too long is truncated, and ends with a checksum
/// of the whole.
pub(crate) fn config_map(member: &str) -> String {
    let whole = format!("{PREFIX}{member}");
    if whole.len() <= LONGEST_NAME {
        return whole;
    }
    // FNV-1a, which is the same in every version.
    let sum = member
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut at = LONGEST_NAME - 17;
    while !whole.is_char_boundary(at) {
        at -= 1;
    }
    format!("{}-{sum:016x}", whole[..at].trim_end_matches(['.', '-']))
}

impl StoredBaseline {
    /// Creates the baseline of a member at that moment.
    pub(crate) fn new(taken: Timestamp, context: &str, (namespace, member): (&str, &str), content: Evidence) -> Self {
        Self {
            api_version: API_VERSION.into(),
            kind: KIND.into(),
            taken: taken.to_string(),
            context: context.to_owned(),
            namespace: namespace.to_owned(),
            member: member.to_owned(),
            content,
        }
    }

    /// Parses the document of this member, of this version or of v1alpha1.
    ///
    /// # Errors
    /// Why it is not used.
    pub(crate) fn parse(text: &str, (namespace, member): (&str, &str), now: Timestamp) -> Result<Self, Unusable> {
        if text.len() > LARGEST {
            return Err(Unusable::TooLarge);
        }
        let read: Self = serde_json::from_str(text).map_err(|error| Unusable::NotOne(error.to_string()))?;
        if read.kind != KIND || ![API_VERSION, V1ALPHA1].contains(&read.api_version.as_str()) {
            return Err(Unusable::NotOne(format!("it is {} of {}", read.kind, read.api_version)));
        }
        if (read.namespace.as_str(), read.member.as_str()) != (namespace, member) {
            return Err(Unusable::OfAnother(format!("{}/{}", read.namespace, read.member)));
        }
        let taken: Timestamp =
            read.taken.parse().map_err(|_| Unusable::NotOne("it does not say when it was taken".into()))?;
        if taken.duration_since(now) > SKEW {
            return Err(Unusable::FromTheFuture(taken.to_string()));
        }
        if !is_possible(&read.content) {
            return Err(Unusable::Impossible);
        }
        if !names_anything(&read.content) {
            return Err(Unusable::NamesNothing);
        }
        Ok(Self { api_version: API_VERSION.into(), taken: taken.to_string(), ..read })
    }

    /// Returns when it was taken.
    pub(crate) fn taken(&self) -> Timestamp {
        self.taken.parse().unwrap_or(Timestamp::MIN)
    }

    /// Returns the document's text. A document that is too large is truncated: first the lists of tables, by as few as
    /// possible, then those of databases; each says that it is truncated, and how many entries there are in all.
    ///
    /// # Errors
    /// It contains nothing to compare, or cannot be truncated far enough.
    pub(crate) fn to_text(&self) -> Result<String, Unusable> {
        if !names_anything(&self.content) {
            return Err(Unusable::NamesNothing);
        }
        if let Some(text) = self.text_within() {
            return Ok(text);
        }
        let all = match &self.content {
            Evidence::Sql(all) => all,
            Evidence::Page(all) => return self.page_within(all).ok_or(Unusable::TooLarge),
        };
        let longest =
            all.databases.iter().filter_map(Database::known).map(|tables| tables.tables.len()).max().unwrap_or(0);
        let cut = |databases, tables| {
            let content = Evidence::Sql(shortened(all, databases, tables));
            Self { content, ..self.clone() }.text_within()
        };
        let tables = |most| cut(all.databases.len(), most);
        let databases = |most| cut(most, 0);
        largest(longest, tables).or_else(|| largest(all.databases.len(), databases)).ok_or(Unusable::TooLarge)
    }

    /// Returns the same with the first timelines of a report, as many as fit.
    fn page_within(&self, all: &PageFacts) -> Option<String> {
        let timelines = match &all.metrics {
            Some(Metrics::Safekeeper(facts)) => facts.timelines.len(),
            Some(Metrics::Pageserver(facts)) => facts.timelines.len(),
            None => 0,
        };
        largest(timelines, |most| {
            let mut cut = all.clone();
            match &mut cut.metrics {
                Some(Metrics::Safekeeper(facts)) => {
                    facts.left_out += (facts.timelines.len() - most) as u64;
                    facts.timelines = std::mem::take(&mut facts.timelines).into_iter().take(most).collect();
                }
                Some(Metrics::Pageserver(facts)) => {
                    facts.left_out += (facts.timelines.len() - most) as u64;
                    facts.timelines = std::mem::take(&mut facts.timelines).into_iter().take(most).collect();
                }
                None => {}
            }
            Self { content: Evidence::Page(cut), ..self.clone() }.text_within()
        })
    }

    fn text_within(&self) -> Option<String> {
        serde_json::to_string(self).ok().filter(|text| text.len() <= LARGEST)
    }
}

/// Returns the text of the largest number below `bound` that has one; the smaller the number, the shorter the text.
fn largest(bound: usize, text: impl Fn(usize) -> Option<String>) -> Option<String> {
    let (mut low, mut high, mut best) = (0, bound, None);
    while low < high {
        let middle = low + (high - low) / 2;
        match text(middle) {
            Some(fits) => (low, best) = (middle + 1, Some(fits)),
            None => high = middle,
        }
    }
    best
}

/// Returns the first databases with the first tables of each, marked as truncated.
fn shortened(all: &Baseline, databases: usize, tables: usize) -> Baseline {
    let mut cut = all.clone();
    cut.truncated |= databases < cut.databases.len();
    cut.databases.truncate(databases);
    for database in &mut cut.databases {
        if let Listing::Known(listing) = &mut database.tables {
            listing.truncated |= tables < listing.tables.len();
            listing.tables.truncate(tables);
        }
    }
    cut
}

/// Returns whether it contains anything that could be missing afterwards.
fn names_anything(content: &Evidence) -> bool {
    match content {
        Evidence::Sql(baseline) => !baseline.databases.is_empty(),
        Evidence::Page(facts) => facts.metrics.as_ref().is_some_and(Metrics::names_anything),
    }
}

/// Returns whether its numbers are possible, and can be added up.
pub(crate) fn is_possible(content: &Evidence) -> bool {
    match content {
        Evidence::Sql(baseline) => {
            let tables = baseline.databases.iter().filter_map(Database::known);
            let numbers = tables.flat_map(|tables| tables.totals.values().chain([&tables.total]));
            numbers.chain(&baseline.total).all(|number| *number <= MOST)
        }
        Evidence::Page(facts) => facts.metrics.iter().flat_map(Metrics::numbers).all(|number| number <= MOST),
    }
}

/// What is missing, divided by what the user accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    /// The lines that are not accepted.
    pub lines: Vec<String>,
    /// The names that accept these, each once: a database covers its tables.
    pub names: Vec<String>,
    /// The accepted lines.
    pub accepted: Vec<String>,
}

/// Divides what is missing by the accepted names. A database's name accepts everything that is missing of it; what has
/// no name cannot be accepted.
pub(crate) fn accepted(difference: &Difference, names: &[String]) -> Missing {
    let covers =
        |name: &str, whole: &str| name == whole || name.strip_prefix(whole).is_some_and(|rest| rest.starts_with('/'));
    let mut missing = Missing::default();
    for line in &difference.missing {
        let name = difference.names.get(line);
        if name.is_some_and(|name| names.iter().any(|accepted| covers(name, accepted))) {
            missing.accepted.push(line.clone());
            continue;
        }
        missing.lines.push(line.clone());
        if let Some(name) = name.filter(|name| !missing.names.iter().any(|known| covers(name, known))) {
            missing.names.retain(|known| !covers(known, name));
            missing.names.push(name.clone());
        }
    }
    missing
}

#[cfg(test)]
#[path = "stored_tests.rs"]
mod tests;
