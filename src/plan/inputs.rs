//! What a plan is made from.

use super::{Before, ComparedWith, InFlight, Probes, Record, Request};
use crate::cluster::permission::{Allowed, Permission};
use crate::storage::Readings;
use crate::topology::{Member, Topology};
use jiff::Timestamp;

/// All that a plan is made from.
pub struct Inputs<'i> {
    /// The installation, read consistently.
    pub topology: &'i Topology,
    /// Whose pod is replaced.
    pub member: &'i Member,
    /// What the user asks for.
    pub request: &'i Request,
    /// What the user may do.
    pub rights: &'i [(Permission, Allowed)],
    /// What the component said.
    pub before: Before,
    /// What it is compared with afterwards.
    pub baseline: ComparedWith,
    /// The act that is taken back; `None` for a failover.
    pub undoes: Option<&'i Record>,
    /// The same act, begun by an earlier run and unfinished.
    pub unfinished: Option<&'i Record>,
    /// All acts on record, the oldest first.
    pub records: &'i [Record],
    /// What time it is.
    pub now: Timestamp,
    /// The databases whose reachability is measured.
    pub probes: Probes,
    /// The local file that would keep a record which no volume can carry.
    pub journal: String,
    /// Who else is at work.
    pub in_flight: InFlight,
    /// What the storage components of the member's namespace say; nothing where it is none of them.
    pub storage: &'i Readings,
}
