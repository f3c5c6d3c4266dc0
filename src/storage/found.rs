//! The result of comparing a component that came back with what it should hold.

use super::facts::TimelineId;
use super::words::{bytes, lsn};
use crate::text::counted;
use std::collections::BTreeMap;
use std::fmt;

/// The result of the comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// What is missing, or not present yet.
    pub short: Vec<Short>,
    /// Timelines that are present and lack WAL: the current and the required position of each.
    pub behind: BTreeMap<TimelineId, Reach>,
    /// Timelines, if some are missing.
    pub timelines: Option<Count>,
    /// Tenants, if some are not served.
    pub tenants: Option<Count>,
    /// What could not be compared and should be, one line each.
    pub unknown: Vec<String>,
    /// Why nothing could be compared at all; `None` if something was.
    pub nothing: Option<String>,
    /// Why it is not proven even if the user accepts everything that is missing.
    pub if_accepted: Option<String>,
    /// What is present: `WAL of 2 timelines`.
    pub there: String,
    /// What it was compared with besides a baseline: `safekeeper-1, safekeeper-2`. `None` if nothing.
    pub beside: Option<String>,
}

/// Something that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Short {
    /// What.
    pub item: Item,
    /// The same as text, with numbers.
    pub line: String,
}

/// What a component may lack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// WAL or layers of a timeline.
    Timeline(TimelineId),
    /// Some timelines: it has fewer than it should.
    Timelines,
    /// The bytes of a timeline that others have.
    Bytes(TimelineId),
    /// Its identity.
    Identity,
    /// Its metrics, which it served before.
    Metrics,
    /// Tenants that it served.
    ActiveTenants,
    /// A tenant that it had, by name.
    Tenant(String),
    /// Tenants that broke.
    BrokenTenants,
    /// Timelines that it served.
    ActiveTimelines,
    /// What was in remote storage.
    RemoteStorage,
    /// It has not started all of its tenants yet.
    StartUp,
}

/// The current and the required position of a timeline, in bytes of WAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The current position.
    pub has: u64,
    /// The required position.
    pub needs: u64,
}

/// The required position of a timeline, and the text for it.
pub(super) struct Wanted<'w> {
    /// The timeline.
    pub(super) id: &'w TimelineId,
    /// The required position.
    pub(super) needs: u64,
    /// What is required: `WAL of `, or nothing.
    pub(super) of: &'w str,
    /// Who says so: `committed on safekeeper-1`.
    pub(super) whose: &'w str,
    /// What a component does to get there: `flushed`, `ingested`.
    pub(super) verb: &'w str,
}

/// `WAL of timeline aa/11 up to 0/64, committed before`
impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}timeline {} up to {}, {}", self.of, self.id, lsn(self.needs), self.whose)
    }
}

/// How many are present, and how many should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    /// How many are present.
    pub has: u64,
    /// How many should be.
    pub needs: u64,
}

/// What is still missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// Bytes of WAL, of the timelines that are present.
    pub bytes: u64,
    /// Timelines that these bytes are of.
    pub behind: u64,
    /// Timelines that are missing.
    pub timelines: u64,
    /// Tenants that are not served.
    pub tenants: u64,
}

impl Found {
    /// Records something that is missing.
    pub(super) fn lacks(&mut self, item: Item, line: impl Into<String>) {
        self.short.push(Short { item, line: line.into() });
    }

    /// Compares a component's position of a timeline that it has with the required one.
    pub(super) fn reaches(&mut self, wanted: &Wanted<'_>, has: Option<u64>) {
        let (id, needs) = (wanted.id, wanted.needs);
        match has {
            Some(has) if has >= needs => {}
            Some(has) => {
                self.behind.insert(id.clone(), Reach { has, needs });
                let (left, has) = (bytes(needs - has), lsn(has));
                self.lacks(Item::Timeline(id.clone()), format!("{wanted}; it has {has} ({left} less)"));
            }
            None => self.unknown.push(format!("it does not report how far it has {} timeline {id}", wanted.verb)),
        }
    }

    /// Returns what is still missing.
    pub(crate) fn left(&self) -> Left {
        let missing = |count: &Option<Count>| count.map_or(0, |count| count.needs.saturating_sub(count.has));
        Left {
            bytes: self.behind.values().map(|reach| reach.needs.saturating_sub(reach.has)).sum(),
            behind: self.behind.len() as u64,
            timelines: missing(&self.timelines),
            tenants: missing(&self.tenants),
        }
    }

    /// Returns whether everything that is missing is of a kind that arrives by itself: WAL, timelines, tenants.
    pub(crate) fn may_come(&self) -> bool {
        self.short.iter().all(|short| match short.item {
            Item::Timeline(_)
            | Item::Timelines
            | Item::ActiveTenants
            | Item::Tenant(_)
            | Item::ActiveTimelines
            | Item::StartUp
            | Item::Metrics => true,
            Item::Bytes(_) | Item::Identity | Item::BrokenTenants | Item::RemoteStorage => false,
        })
    }
}

impl Left {
    /// Returns whether there is nothing to count.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Formats it: `5,308,416 bytes of 1 timeline and 2 timelines`.
    pub(crate) fn words(&self) -> String {
        let mut parts = Vec::new();
        if self.bytes > 0 {
            parts.push(format!("{} of {}", bytes(self.bytes), counted(self.behind, "timeline")));
        }
        if self.timelines > 0 {
            parts.push(counted(self.timelines, "timeline"));
        }
        if self.tenants > 0 {
            parts.push(counted(self.tenants, "tenant"));
        }
        match parts.split_last() {
            None => "nothing".to_owned(),
            Some((last, [])) => last.clone(),
            Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        }
    }
}
