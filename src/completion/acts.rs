//! Failovers and undos on record, as candidates.

use super::Candidate;
use super::members::{Named, pods, shortened};
use crate::plan::{Act, Outcome, Record, returning};
use crate::render::age::age;
use crate::topology::Topology;
use jiff::Timestamp;

/// Acts that kept a volume which is nobody's now, the newest first.
pub fn kept(topology: &Topology, now: Timestamp) -> Vec<Candidate> {
    let records = Record::on_volumes(topology);
    let kept = with_volumes(topology, &records);
    kept.into_iter().map(|record| Candidate::new(&record.id, about(record, now))).collect()
}

/// The same, and the pods that they are of.
pub fn undoable(topology: &Topology, begun: &str, now: Timestamp) -> Vec<Candidate> {
    let records = Record::on_volumes(topology);
    let kept = with_volumes(topology, &records);
    let mut of: Vec<Named<'_>> = Vec::new();
    for record in &kept {
        if !of.iter().any(|known| (known.namespace, known.name) == (&*record.namespace, &*record.pod)) {
            let about = format!("its last: {}", about(record, now));
            of.push(Named { namespace: &record.namespace, name: &record.pod, about });
        }
    }
    let acts = kept.iter().map(|record| Candidate::new(&record.id, about(record, now)));
    acts.chain(pods(&of, begun)).collect()
}

fn with_volumes<'r>(topology: &Topology, records: &'r [Record]) -> Vec<&'r Record> {
    let free = |name: &str| {
        let volume = topology.recorded.iter().find(|volume| volume.name == name);
        volume.is_some_and(|volume| !volume.terminating && volume.phase != "Bound")
    };
    let keeps = |record: &&Record| returning(topology, records, record).iter().any(|(_, back)| free(&back.volume));
    records.iter().rev().filter(keeps).collect()
}

/// `failover of NAMESPACE/POD, 3h ago, recovered`.
fn about(record: &Record, now: Timestamp) -> String {
    let act = match &record.act {
        Act::Failover => "failover",
        Act::Undo(_) => "undo",
    };
    let outcome = match record.outcome {
        Outcome::InProgress => "unfinished",
        Outcome::Recovered => "recovered",
        Outcome::Unproven => "not proven",
        Outcome::DataMissing => "data missing",
    };
    let pod = shortened(&record.namespace, &record.pod);
    format!("{act} of {pod}, {} ago, {outcome}", age(record.started.parse().ok(), now))
}
