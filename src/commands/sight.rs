//! The installation as a change is planned from it: read consistently, with what was done to it before.

use super::Context;
use super::context::DEADLINE;
use super::login::note;
use super::namespaces::{scope, stays};
use crate::cluster::snapshot::Snapshot;
use crate::cluster::{Cluster, ReadRequest};
use crate::error::Result;
use crate::plan::Record;
use crate::topology::{Topology, build};
use jiff::Timestamp;

/// The installation, and what was done to it before.
pub(super) struct Sight {
    pub(super) snapshot: Snapshot,
    pub(super) topology: Topology,
    /// All acts on record, the oldest first.
    pub(super) records: Vec<Record>,
}

/// Reads consistently what a change is planned from.
pub(super) async fn look(context: &Context, cluster: &Cluster, namespace: Option<&str>) -> Result<Sight> {
    let scope = scope(context, cluster, namespace, false, DEADLINE).await?;
    let besides = ReadRequest {
        volumes: true,
        nodes: true,
        storage_classes: true,
        disruption_budgets: true,
        ..ReadRequest::default()
    };
    let snapshot = scope.read(cluster, besides).await?;
    let topology = build(&snapshot, context.layout());
    // Where it was named, whether or not anything is left in it.
    if let [only] = topology.spaces.as_slice() {
        stays(&topology, &only.namespace)?;
    }
    let (journal, unread) = context.journal.records();
    for why in unread {
        note(context, &format!("a record of the local journal is not read: {why}"));
    }
    let mut records = Record::merged(Record::on_volumes(&topology).into_iter().chain(journal));
    // Only what the cluster confirms is gone on with; what is older than the newest of its pod is not gone on with anyway.
    while let Some((at, why)) = contradicted(&records, &topology) {
        let record = records.remove(at);
        let of = format!("{} of {}/{}", record.id, record.namespace, record.pod);
        note(context, &format!("the record of {of} does not fit the cluster, and is passed over: {why}"));
    }
    Ok(Sight { snapshot, topology, records })
}

/// A record that is the newest of its pod and does not fit the cluster: which, and why.
fn contradicted(records: &[Record], topology: &Topology) -> Option<(usize, String)> {
    let now = Timestamp::now();
    let newest = |at: usize| {
        let record = &records[at];
        records[at + 1..].iter().all(|other| !other.is_of(&record.namespace, &record.pod))
    };
    let mut of_each = (0..records.len()).filter(|at| newest(*at));
    of_each.find_map(|at| Some((at, records[at].contradicted(topology, now)?)))
}
