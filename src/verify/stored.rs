//! The last good baseline of a member, as it is stored in the cluster. Pure: reading and writing it is the caller's.
//!
//! Anyone who may write ConfigMaps in the namespace may have written it, so nothing in it is believed that a real one would
//! not say: one that is too large, of another member, from the future, of impossible numbers, or that names nothing which
//! could be missing, is not used.

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
pub const KEY: &str = "baseline.json";
/// How the names of the ConfigMaps begin.
const PREFIX: &str = "kubectl-synxdb-baseline-";
/// Longest name of an object, in bytes (Kubernetes: a DNS subdomain).
const LONGEST_NAME: usize = 253;
/// Largest document, in bytes: a ConfigMap may have 1 MiB.
pub const LARGEST: usize = 512 << 10;
/// More than two clocks are apart that certificates and tokens work with.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// More than any server has of anything that is counted here.
const MOST: u64 = 1 << 50;

/// What a member held when it was last found to be whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StoredBaseline {
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
    /// What it held.
    pub content: Evidence,
}

/// Why a stored baseline is not used, or none can be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is larger than [`LARGEST`].
    TooLarge,
    /// It is no such document, or one of a later form.
    NotOne(String),
    /// It is of this other member.
    OfAnother(String),
    /// It says that it was taken then, which lies ahead.
    FromTheFuture(String),
    /// It has numbers that cannot be.
    Impossible,
    /// It names nothing that could be missing.
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

/// Returns the name of the ConfigMap for a member. One that would be too long is cut, and ends with a checksum of all of
/// it.
pub fn config_map(member: &str) -> String {
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
    /// Of a member at that moment.
    pub fn new(taken: Timestamp, context: &str, (namespace, member): (&str, &str), content: Evidence) -> Self {
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

    /// Reads the document of this member, of this version or of v1alpha1.
    ///
    /// # Errors
    /// Why it is not used.
    pub fn parse(text: &str, (namespace, member): (&str, &str), now: Timestamp) -> Result<Self, Unusable> {
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

    /// When it was taken.
    pub fn taken(&self) -> Timestamp {
        self.taken.parse().unwrap_or(Timestamp::MIN)
    }

    /// Returns the document's text. One that is too large is cut down: the lists of tables are shortened, as few as
    /// possible, then those of databases; each says that it is cut, and how many there are in all.
    ///
    /// # Errors
    /// It names nothing that could be missing, or cannot be cut down far enough.
    pub fn to_text(&self) -> Result<String, Unusable> {
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

    /// The same with the first timelines of a page, as many as there is room for.
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

/// The text of the largest number below `bound` that has one; the smaller the number, the shorter the text.
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

/// The first databases with the first tables of each, and what says that these are not all.
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

/// Whether anything is in it that could be found missing afterwards.
fn names_anything(content: &Evidence) -> bool {
    match content {
        Evidence::Sql(baseline) => !baseline.databases.is_empty(),
        Evidence::Page(facts) => facts.metrics.as_ref().is_some_and(Metrics::names_anything),
    }
}

/// Whether its numbers can be, and can be added up.
pub fn is_possible(content: &Evidence) -> bool {
    match content {
        Evidence::Sql(baseline) => {
            let tables = baseline.databases.iter().filter_map(Database::known);
            let numbers = tables.flat_map(|tables| tables.totals.values().chain([&tables.total]));
            numbers.chain(&baseline.total).all(|number| *number <= MOST)
        }
        Evidence::Page(facts) => facts.metrics.iter().flat_map(Metrics::numbers).all(|number| number <= MOST),
    }
}

/// What is missing, told apart by what the user accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// The lines that were not accepted.
    pub lines: Vec<String>,
    /// What accepts these, each once: a database covers its tables.
    pub names: Vec<String>,
    /// The lines that were.
    pub accepted: Vec<String>,
}

/// Tells apart what is missing by the names that are accepted. A database's name accepts all that is missing of it; what
/// has no name cannot be accepted.
pub fn accepted(difference: &Difference, names: &[String]) -> Missing {
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
