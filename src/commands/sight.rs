//! The data that a change is planned from: the topology, read consistently, and earlier operations.

use super::Context;
use super::context::DEADLINE;
use super::login::note;
use super::namespaces::{not_terminating, scope};
use crate::cluster::snapshot::Snapshot;
use crate::cluster::{Cluster, ReadRequest};
use crate::error::Result;
use crate::plan::Record;
use crate::topology::{Topology, build};
use jiff::Timestamp;

/// The topology, and earlier operations.
pub(super) struct Sight {
    pub(super) snapshot: Snapshot,
    pub(super) topology: Topology,
    /// All recorded operations, the oldest first.
    pub(super) records: Vec<Record>,
}

/// Reads the data that a change is planned from, consistently.
pub(super) async fn read(context: &Context, cluster: &Cluster, namespace: Option<&str>) -> Result<Sight> {
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
    // A named namespace, whether or not it still has pods.
    if let [only] = topology.spaces.as_slice() {
        not_terminating(&topology, &only.namespace)?;
    }
    let (journal, unread) = context.journal.records();
    for why in unread {
        note(context, &format!("a record in the local journal cannot be read: {why}"));
    }
    let mut records = Record::merged(Record::on_volumes(&topology).into_iter().chain(journal));
    // Only a record that the cluster confirms is resumed; older ones of the same pod are not resumed anyway.
    while let Some((at, why)) = contradicted(&records, &topology) {
        let record = records.remove(at);
        let of = format!("{} of {}/{}", record.id, record.namespace, record.pod);
        note(context, &format!("the record of {of} does not match the cluster and is ignored: {why}"));
    }
    Ok(Sight { snapshot, topology, records })
}

/// Finds a record that is the newest of its pod and does not match the cluster, with the reason.
fn contradicted(records: &[Record], topology: &Topology) -> Option<(usize, String)> {
    let now = Timestamp::now();
    let newest = |at: usize| {
        let record = &records[at];
        records[at + 1..].iter().all(|other| !other.is_of(&record.namespace, &record.pod))
    };
    let mut of_each = (0..records.len()).filter(|at| newest(*at));
    of_each.find_map(|at| Some((at, records[at].contradicted(topology, now)?)))
}
