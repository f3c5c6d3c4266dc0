//! What one safekeeper or pageserver says of itself: its status page and its metrics, as values. The names of the
//! metrics, and what they count, are those of Neon, from which the storage layer descends.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A timeline of a tenant, as the labels of metrics name it. Its text is `TENANT/TIMELINE`, or `TIMELINE` where the tenant
/// is not known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct TimelineId {
    /// The tenant, or one shard of it (`TENANT-SHARD`); `None` where that is not known.
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

    /// Whether both are the same timeline: a tenant that is not known may be any, and a shard is a part of its tenant.
    pub fn is_same(&self, other: &Self) -> bool {
        let fits = match (self.whole_tenant(), other.whole_tenant()) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        fits && self.timeline == other.timeline
    }

    /// The tenant, whichever shard of it this is.
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

/// What a status page and the metrics beside it say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PageFacts {
    /// The component's identity (`id` of `/v1/status`). Null if it is not reported.
    pub id: Option<u64>,
    /// When a pageserver's process was launched, as its page says. Absent if it is not reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launched: Option<String>,
    /// What its metrics say. Null if they could not be read.
    pub metrics: Option<Metrics>,
    /// Why its metrics could not be read, in words. Absent if they were.
    #[serde(rename = "unreadReason", skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

/// What a component's metrics say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Metrics {
    /// A safekeeper's.
    Safekeeper(SafekeeperFacts),
    /// A pageserver's.
    Pageserver(PageserverFacts),
}

/// What a safekeeper's metrics say. They give positions of active timelines only: those that a compute writes, or whose
/// WAL is not uploaded yet. With a token those of idle ones are added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SafekeeperFacts {
    /// Active timelines, by `TENANT/TIMELINE`; idle ones, too, where a token was given.
    pub timelines: BTreeMap<TimelineId, Wal>,
    /// How many timelines it has, idle ones too (`safekeeper_timelines`). Null if it is not reported.
    pub total: Option<u64>,
    /// How many of them are active (`safekeeper_active_timelines`). Null if it is not reported.
    pub active: Option<u64>,
    /// How many timelines were left out, as there are more than are kept. Absent if none was.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
    /// Whether its idle timelines are among these: only a request with a token lists them. Absent if none was
    /// given.
    #[serde(default, skip_serializing_if = "Idle::is_unasked")]
    pub idle: Idle,
}

/// Whether a safekeeper's idle timelines are known by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Idle {
    /// No token was given: of idle ones only the number is known.
    #[default]
    #[serde(rename = "notQueried", alias = "unasked")]
    Unasked,
    /// All that it has are listed, with their positions.
    Listed,
    /// A token was given, and not all of them could be read, for this reason, in words.
    Unread(String),
}

impl Idle {
    fn is_unasked(&self) -> bool {
        *self == Self::Unasked
    }
}

/// How far a safekeeper's timeline has got. Positions are in bytes of WAL (log sequence numbers). Null is what it does not
/// say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Wal {
    /// Flushed to its own disk.
    pub flush_lsn: Option<u64>,
    /// Flushed by a majority of safekeepers, as far as this one has it.
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

/// What a pageserver's metrics say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PageserverFacts {
    /// Attached tenants (shards) by state, such as `Active`.
    pub tenants: BTreeMap<String, u64>,
    /// Broken tenants. Null if it is not reported.
    pub broken: Option<u64>,
    /// Timelines in state active. Null if it is not reported.
    pub active_timelines: Option<u64>,
    /// Positions by `TENANT/TIMELINE`; of a sharded tenant by `TENANT-SHARD/TIMELINE`.
    pub timelines: BTreeMap<TimelineId, Layers>,
    /// The tenants (shards) that it lists, in whatever state: only a request with a token lists them. Absent if none was given.
    #[serde(default, skip_serializing_if = "Listed::is_unasked")]
    pub listed: Listed,
    /// Bytes that it has in remote storage. Null if it is not reported.
    pub remote_bytes: Option<u64>,
    /// Whether it is still loading tenants. Null if it is not reported.
    pub loading: Option<bool>,
    /// Tenants whose start-up was scheduled when it started. Null if it is not reported.
    pub startup_scheduled: Option<u64>,
    /// Those of them that have started. Null if it is not reported.
    pub startup_complete: Option<u64>,
    /// Whether it came up without data although it had tenants. Null if it is not reported.
    pub data_loss_suspected: Option<bool>,
    /// How many timelines or states were left out, as there are more than are kept. Absent if none was.
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
    /// These are all that it has.
    Tenants(BTreeSet<String>),
    /// A token was given, and the list could not be read, for this reason, in words.
    Unread(String),
}

impl Listed {
    fn is_unasked(&self) -> bool {
        *self == Self::Unasked
    }
}

/// How far a pageserver's timeline has got, in bytes of WAL. Null is what it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Layers {
    /// Up to where it has taken in WAL.
    pub last_record_lsn: Option<u64>,
    /// Up to where that is in remote storage. What lies between the two is on safekeepers alone.
    pub remote_consistent_lsn: Option<u64>,
}

/// The state of a tenant that is served.
pub const ACTIVE: &str = "Active";
/// The state of a tenant that failed to load.
pub const BROKEN: &str = "Broken";

/// What a storage component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageKind {
    /// It keeps WAL.
    Safekeeper,
    /// It serves pages.
    Pageserver,
}

impl PageFacts {
    /// What its metrics are of; `None` where they were not read.
    pub fn kind(&self) -> Option<StorageKind> {
        Some(match self.metrics.as_ref()? {
            Metrics::Safekeeper(_) => StorageKind::Safekeeper,
            Metrics::Pageserver(_) => StorageKind::Pageserver,
        })
    }

    /// What a safekeeper's metrics say; `None` where they were not read, or are not a safekeeper's.
    pub fn safekeeper(&self) -> Option<&SafekeeperFacts> {
        match &self.metrics {
            Some(Metrics::Safekeeper(facts)) => Some(facts),
            Some(Metrics::Pageserver(_)) | None => None,
        }
    }

    /// What a pageserver's metrics say; `None` where they were not read, or are not a pageserver's.
    pub fn pageserver(&self) -> Option<&PageserverFacts> {
        match &self.metrics {
            Some(Metrics::Pageserver(facts)) => Some(facts),
            Some(Metrics::Safekeeper(_)) | None => None,
        }
    }
}

impl Metrics {
    /// Whether they name something that could be found missing afterwards.
    pub fn names_anything(&self) -> bool {
        match self {
            Self::Safekeeper(facts) => {
                facts.total.is_some_and(|total| total > 0)
                    || facts.timelines.values().any(|wal| wal.commit_lsn.is_some())
            }
            Self::Pageserver(facts) => facts.active() > 0 || !facts.timelines.is_empty(),
        }
    }

    /// All their numbers.
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
    /// Whether it has no timeline that it does not list.
    pub fn lists_all(&self) -> bool {
        self.idle == Idle::Listed
    }

    /// Why its idle timelines are not known although they were asked for, in words.
    pub fn idle_unread(&self) -> Option<String> {
        match &self.idle {
            Idle::Unread(why) => Some(format!("its idle timelines are unknown: {why}")),
            Idle::Unasked | Idle::Listed => None,
        }
    }

    /// What it says of a timeline; `None` where it lists none of that name.
    pub fn wal(&self, id: &TimelineId) -> Option<&Wal> {
        // Those without a tenant come first.
        let older = id.tenant.is_none() || self.timelines.keys().next().is_some_and(|first| first.tenant.is_none());
        let same = || self.timelines.iter().find(|(known, _)| known.is_same(id)).map(|(_, wal)| wal);
        self.timelines.get(id).or_else(|| if older { same() } else { None })
    }
}

impl PageserverFacts {
    /// Tenants in this state.
    pub fn in_state(&self, state: &str) -> u64 {
        self.tenants.get(state).copied().unwrap_or(0)
    }

    /// Tenants that are served.
    pub fn active(&self) -> u64 {
        self.in_state(ACTIVE)
    }

    /// Tenants that are broken, by whichever of its two metrics says more.
    pub fn broken(&self) -> u64 {
        self.broken.unwrap_or(0).max(self.in_state(BROKEN))
    }

    /// Tenants that were to be started and have not.
    pub fn starting(&self) -> u64 {
        let left = self.startup_scheduled.zip(self.startup_complete);
        left.map_or(0, |(scheduled, complete)| scheduled.saturating_sub(complete))
    }

    /// What it says of a timeline; of a sharded tenant the position of the shard that is furthest behind.
    pub fn layers(&self, id: &TimelineId) -> Option<Layers> {
        if let Some(layers) = self.timelines.get(id) {
            return Some(*layers);
        }
        // A tenant's shards stand together: their names are its own, a dash, and more.
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
