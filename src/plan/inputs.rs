//! What a plan is made from.

use super::{Before, ComparedWith, InFlight, Probes, Record, Request};
use crate::cluster::permission::{Allowed, Permission};
use crate::storage::Readings;
use crate::topology::{Member, Topology};
use jiff::Timestamp;

/// Everything a plan is made from.
pub struct Inputs<'i> {
    /// The installation, read consistently.
    pub topology: &'i Topology,
    /// The component whose pod is replaced.
    pub member: &'i Member,
    /// What the user asks for.
    pub request: &'i Request,
    /// What the user may do.
    pub rights: &'i [(Permission, Allowed)],
    /// What the component reported.
    pub before: Before,
    /// What it is compared with afterwards.
    pub baseline: ComparedWith,
    /// The operation to undo; `None` for a failover.
    pub undoes: Option<&'i Record>,
    /// The unfinished record of the same operation, if an earlier run began it.
    pub unfinished: Option<&'i Record>,
    /// All recorded operations, the oldest first.
    pub records: &'i [Record],
    /// The current time.
    pub now: Timestamp,
    /// The databases whose availability is measured.
    pub probes: Probes,
    /// The local file for a record that no volume can carry.
    pub journal: String,
    /// Other operations in progress.
    pub in_flight: InFlight,
    /// What the storage components of the namespace report; empty if the component is not one of them.
    pub storage: &'i Readings,
}
