//! What one safekeeper or pageserver reports about itself: its status and its metrics, as values. The names and
//! meanings of the metrics are Neon's, from which the storage layer descends.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A timeline of a tenant, as the labels of metrics name it. Its text is `TENANT/TIMELINE`, or `TIMELINE` if the tenant
/// is unknown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct TimelineId {
    /// The tenant, or one shard of it (`TENANT-SHARD`); `None` if that is unknown.
    pub tenant: Option<String>,
    /// The timeline.
    pub timeline: String,
}

#[cfg(test)]
impl schemars::JsonSchema for TimelineId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimelineId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
    }

    fn inline_schema() -> bool {
        true
    }
}

impl TimelineId {
    /// Returns the timeline of a tenant.
    pub fn new(tenant: impl Into<String>, timeline: impl Into<String>) -> Self {
        Self { tenant: Some(tenant.into()), timeline: timeline.into() }
    }

    /// Returns whether both are the same timeline: an unknown tenant may be any, and a shard is a part of its tenant.
    pub fn is_same(&self, other: &Self) -> bool {
        let fits = match (self.whole_tenant(), other.whole_tenant()) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        fits && self.timeline == other.timeline
    }

    /// Returns the tenant without its shard.
    fn whole_tenant(&self) -> Option<&str> {
        self.tenant.as_deref().map(|name| name.split('-').next().unwrap_or(name))
    }
}

impl fmt::Display for TimelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tenant {
            Some(tenant) => write!(f, "{tenant}/{}", self.timeline),
            None => f.write_str(&self.timeline),
        }
    }
}

impl From<TimelineId> for String {
    fn from(id: TimelineId) -> Self {
        id.to_string()
    }
}

impl From<String> for TimelineId {
    fn from(text: String) -> Self {
        match text.split_once('/') {
            Some((tenant, timeline)) => Self::new(tenant, timeline),
            None => Self { tenant: None, timeline: text },
        }
    }
}

/// What a status endpoint and the metrics beside it report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PageFacts {
    /// The component's identity (`id` of `/v1/status`). Null if it is not reported.
    pub id: Option<u64>,
    /// When a pageserver's process was launched, as reported. Absent if it is not reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launched: Option<String>,
    /// What its metrics report. Null if they could not be read.
    pub metrics: Option<Metrics>,
    /// Why its metrics could not be read, in words. Absent if they were.
    #[serde(rename = "unreadReason", skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

/// What a component's metrics report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Metrics {
    /// A safekeeper's.
    Safekeeper(SafekeeperFacts),
    /// A pageserver's.
    Pageserver(PageserverFacts),
}

/// What a safekeeper's metrics report. They have positions of active timelines only: those that a compute writes, or
/// whose WAL is not uploaded yet. With a token, idle ones are added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SafekeeperFacts {
    /// Active timelines, by `TENANT/TIMELINE`; with a token also idle ones.
    pub timelines: BTreeMap<TimelineId, Wal>,
    /// How many timelines it has, including idle ones (`safekeeper_timelines`). Null if it is not reported.
    pub total: Option<u64>,
    /// How many of them are active (`safekeeper_active_timelines`). Null if it is not reported.
    pub active: Option<u64>,
    /// How many timelines were excluded, because there are more than are kept. Absent if none was.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
    /// Whether its idle timelines are included: they are reported only to a client with a token. Absent if none was
    /// given.
    #[serde(default, skip_serializing_if = "Idle::is_unasked")]
    pub idle: Idle,
}

/// Whether a safekeeper's idle timelines are known by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Idle {
    /// No token was given: only the number of idle ones is known.
    #[default]
    #[serde(rename = "notQueried", alias = "unasked")]
    Unasked,
    /// All timelines are listed, with their positions.
    Listed,
    /// A token was given, but not all of them could be read, for this reason.
    Unread(String),
}

impl Idle {
    fn is_unasked(&self) -> bool {
        *self == Self::Unasked
    }
}

/// The positions of a safekeeper's timeline, in bytes of WAL (log sequence numbers). Null if not reported.
/// say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Wal {
    /// Flushed to its own disk.
    pub flush_lsn: Option<u64>,
    /// Flushed by a quorum of safekeepers, as far as this one knows.
    pub commit_lsn: Option<u64>,
    /// Copied to object storage, in whole segments.
    pub backup_lsn: Option<u64>,
    /// Kept by the pageserver in remote storage.
    pub remote_consistent_lsn: Option<u64>,
    /// The last term that it voted in.
    pub term: Option<u64>,
    /// Where the WAL of its last term begins.
    pub epoch_start_lsn: Option<u64>,
    /// Computes that are connected to it for this timeline.
    pub computes: Option<u64>,
}

/// What a pageserver's metrics report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PageserverFacts {
    /// Attached tenants (shards) by state, such as `Active`.
    pub tenants: BTreeMap<String, u64>,
    /// Broken tenants. Null if not reported.
    pub broken: Option<u64>,
    /// Timelines in state active. Null if not reported.
    pub active_timelines: Option<u64>,
    /// Positions by `TENANT/TIMELINE`; of a sharded tenant by `TENANT-SHARD/TIMELINE`.
    pub timelines: BTreeMap<TimelineId, Layers>,
    /// The tenants (shards) that it lists, in any state: reported only to a client with a token. Absent if none was
    /// given.
    #[serde(default, skip_serializing_if = "Listed::is_unasked")]
    pub listed: Listed,
    /// Bytes that it has in remote storage. Null if not reported.
    pub remote_bytes: Option<u64>,
    /// Whether it is still loading tenants. Null if not reported.
    pub loading: Option<bool>,
    /// Tenants whose start-up was scheduled when it started. Null if not reported.
    pub startup_scheduled: Option<u64>,
    /// Those of them that have started. Null if not reported.
    pub startup_complete: Option<u64>,
    /// Whether it started without data although it had tenants. Null if not reported.
    pub data_loss_suspected: Option<bool>,
    /// How many timelines or states were excluded, because there are more than are kept. Absent if none was.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

/// Whether a pageserver's tenants are known by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Listed {
    /// No token was given: only their number is known.
    #[default]
    #[serde(rename = "notQueried", alias = "unasked")]
    Unasked,
    /// These are all of them.
    Tenants(BTreeSet<String>),
    /// A token was given, but the list could not be read, for this reason.
    Unread(String),
}

impl Listed {
    fn is_unasked(&self) -> bool {
        *self == Self::Unasked
    }
}

/// The positions of a pageserver's timeline, in bytes of WAL. Null if not reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Layers {
    /// Up to where it has ingested WAL.
    pub last_record_lsn: Option<u64>,
    /// Up to where that is in remote storage. What is between the two is on safekeepers alone.
    pub remote_consistent_lsn: Option<u64>,
}

/// The state of a tenant that is served.
pub(crate) const ACTIVE: &str = "Active";
/// The state of a tenant that failed to load.
pub(crate) const BROKEN: &str = "Broken";

/// The kinds of storage components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageKind {
    /// It stores WAL.
    Safekeeper,
    /// It serves pages.
    Pageserver,
}

impl PageFacts {
    /// Returns the kind of its metrics; `None` if they were not read.
    pub fn kind(&self) -> Option<StorageKind> {
        Some(match self.metrics.as_ref()? {
            Metrics::Safekeeper(_) => StorageKind::Safekeeper,
            Metrics::Pageserver(_) => StorageKind::Pageserver,
        })
    }

    /// Returns a safekeeper's metrics; `None` if they were not read, or are not a safekeeper's.
    pub fn safekeeper(&self) -> Option<&SafekeeperFacts> {
        match &self.metrics {
            Some(Metrics::Safekeeper(facts)) => Some(facts),
            Some(Metrics::Pageserver(_)) | None => None,
        }
    }

    /// Returns a pageserver's metrics; `None` if they were not read, or are not a pageserver's.
    pub fn pageserver(&self) -> Option<&PageserverFacts> {
        match &self.metrics {
            Some(Metrics::Pageserver(facts)) => Some(facts),
            Some(Metrics::Safekeeper(_)) | None => None,
        }
    }
}

impl Metrics {
    /// Returns whether they name anything that could be missing afterwards.
    pub fn names_anything(&self) -> bool {
        match self {
            Self::Safekeeper(facts) => {
                facts.total.is_some_and(|total| total > 0)
                    || facts.timelines.values().any(|wal| wal.commit_lsn.is_some())
            }
            Self::Pageserver(facts) => facts.active() > 0 || !facts.timelines.is_empty(),
        }
    }

    /// Returns all their numbers.
    pub fn numbers(&self) -> Box<dyn Iterator<Item = u64> + '_> {
        match self {
            Self::Safekeeper(facts) => Box::new(facts.total.into_iter().chain(facts.active).chain([facts.left_out])),
            Self::Pageserver(facts) => Box::new(
                facts
                    .tenants
                    .values()
                    .copied()
                    .chain(facts.broken)
                    .chain(facts.active_timelines)
                    .chain(facts.startup_scheduled)
                    .chain(facts.startup_complete)
                    .chain([facts.left_out]),
            ),
        }
    }
}

impl SafekeeperFacts {
    /// Returns whether it lists all of its timelines.
    pub fn lists_all(&self) -> bool {
        self.idle == Idle::Listed
    }

    /// Returns why its idle timelines are unknown although they were requested.
    pub fn idle_unread(&self) -> Option<String> {
        match &self.idle {
            Idle::Unread(why) => Some(format!("its idle timelines are unknown: {why}")),
            Idle::Unasked | Idle::Listed => None,
        }
    }

    /// Returns the facts of a timeline; `None` if it lists none of that name.
    pub fn wal(&self, id: &TimelineId) -> Option<&Wal> {
        // Those without a tenant come first.
        let older = id.tenant.is_none() || self.timelines.keys().next().is_some_and(|first| first.tenant.is_none());
        let same = || self.timelines.iter().find(|(known, _)| known.is_same(id)).map(|(_, wal)| wal);
        self.timelines.get(id).or_else(|| if older { same() } else { None })
    }
}

impl PageserverFacts {
    /// Returns the tenants in this state.
    pub fn in_state(&self, state: &str) -> u64 {
        self.tenants.get(state).copied().unwrap_or(0)
    }

    /// Returns the tenants that are served.
    pub fn active(&self) -> u64 {
        self.in_state(ACTIVE)
    }

    /// Returns the broken tenants, by the larger of its two metrics.
    pub fn broken(&self) -> u64 {
        self.broken.unwrap_or(0).max(self.in_state(BROKEN))
    }

    /// Tenants that were to be started and have not.
    pub fn starting(&self) -> u64 {
        let left = self.startup_scheduled.zip(self.startup_complete);
        left.map_or(0, |(scheduled, complete)| scheduled.saturating_sub(complete))
    }

    /// Returns the facts of a timeline; of a sharded tenant, those of the shard that is furthest behind.
    pub fn layers(&self, id: &TimelineId) -> Option<Layers> {
        if let Some(layers) = self.timelines.get(id) {
            return Some(*layers);
        }
        // A tenant's shards are contiguous: their names are its own, a dash, and more.
        let from = TimelineId { tenant: id.whole_tenant().map(str::to_owned), timeline: String::new() };
        let near = self.timelines.range(from..);
        let near = near.take_while(|(known, _)| id.tenant.is_none() || known.whole_tenant() == id.whole_tenant());
        let shards = near.filter(|(known, _)| known.is_same(id)).map(|(_, layers)| *layers);
        shards.reduce(|one, other| Layers {
            last_record_lsn: one.last_record_lsn.min(other.last_record_lsn),
            remote_consistent_lsn: one.remote_consistent_lsn.min(other.remote_consistent_lsn),
        })
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
