//! Recorded failovers and undos, as candidates.

use super::members::{Named, pods};
use super::{Candidate, short};
use crate::duration::age;
use crate::outcome::Outcome;
use crate::plan::{Action, Record, returning};
use crate::topology::{Topology, VolumePhase};
use jiff::Timestamp;

/// Returns the operations with a retained volume that is unclaimed, the newest first.
pub(crate) fn kept(topology: &Topology, now: Timestamp) -> Vec<Candidate> {
    let records = Record::on_volumes(topology);
    let kept = with_volumes(topology, &records);
    kept.into_iter().map(|record| Candidate::new(&record.id, about(record, now))).collect()
}

/// Returns those operations, and their pods.
pub(crate) fn undoable(topology: &Topology, begun: &str, now: Timestamp) -> Vec<Candidate> {
    let records = Record::on_volumes(topology);
    let kept = with_volumes(topology, &records);
    let mut of: Vec<Named<'_>> = Vec::new();
    for record in &kept {
        if !of.iter().any(|known| (known.namespace, known.name) == (&*record.namespace, &*record.pod)) {
            let about = format!("last: {}", about(record, now));
            of.push(Named { namespace: &record.namespace, called: &record.namespace, name: &record.pod, about });
        }
    }
    let acts = kept.iter().map(|record| Candidate::new(&record.id, about(record, now)));
    acts.chain(pods(&of, begun)).collect()
}

fn with_volumes<'r>(topology: &Topology, records: &'r [Record]) -> Vec<&'r Record> {
    let free = |name: &str| {
        let volume = topology.recorded.iter().find(|volume| volume.name == name);
        volume.is_some_and(|volume| !volume.terminating && volume.phase != VolumePhase::Bound)
    };
    let keeps = |record: &&Record| returning(topology, records, record).iter().any(|(_, back)| free(&back.volume));
    records.iter().rev().filter(keeps).collect()
}

/// Describes an operation: `failover of NAMESPACE/POD, 3h ago, recovered`.
fn about(record: &Record, now: Timestamp) -> String {
    let act = match &record.act {
        Action::Failover => "failover",
        Action::Undo(_) => "undo",
    };
    let outcome = Outcome::from(record.outcome).lowercase();
    let pod = &record.pod;
    format!("{act} of {}/{pod}, {} ago, {outcome}", short(&record.namespace), age(record.started.parse().ok(), now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{now, snapshot};
    use crate::topology::{Layout, build};

    /// Operations on two pods: the first one's volume is in use again, the last one's is terminating.
    const PAST: &str = "
namespace: cloud007-513d75d5-3033-4649-b913-07f6115ec41a
sets: [{name: wh9527, replicas: 2, templates: [data]}]
pods:
- {name: wh9527-0, set: wh9527, ready: true, claims: [data-wh9527-0]}
- {name: wh9527-1, set: wh9527, ready: true, claims: [data-wh9527-1]}
claims:
- {name: data-wh9527-0, volume: pv-1, uid: now-0}
- {name: data-wh9527-1, volume: pv-9, uid: now-1}
volumes:
- {name: pv-2, class: standard, reservedFor: data-wh9527-0, releasedBy: old-2, phase: Released}
- {name: pv-3, class: standard, reservedFor: data-wh9527-1, releasedBy: old-3, phase: Released}
- {name: pv-4, class: standard, reservedFor: data-wh9527-1, releasedBy: old-4, phase: Released, terminating: true}
records:
- {id: a1, pod: wh9527-0, age: 10900, took: 9, claims: [{name: data-wh9527-0, uid: old-1, volume: pv-1}]}
- {id: b2, pod: wh9527-0, age: 10800, took: 9, undo: a1, outcome: dataMissing,
   claims: [{name: data-wh9527-0, uid: old-2, volume: pv-2, returns: pv-1}]}
- {id: c3, pod: wh9527-1, age: 300, outcome: unfinished, claims: [{name: data-wh9527-1, uid: old-3, volume: pv-3}]}
- {id: d4, pod: wh9527-1, age: 200, took: 9, claims: [{name: data-wh9527-1, uid: old-4, volume: pv-4}]}
";

    fn lines(found: Vec<Candidate>) -> Vec<String> {
        found.into_iter().map(|one| format!("{}: {}", one.value, one.about)).collect()
    }

    #[test]
    fn operations_with_a_retained_volume_are_offered_newest_first() {
        let topology = build(&snapshot(&[PAST]), &Layout::shipped().unwrap());
        let c3 = "c3: failover of cloud007-513d75…/wh9527-1, 5m ago, unfinished";
        let b2 = "b2: undo of cloud007-513d75…/wh9527-0, 3h ago, data missing";
        assert_eq!(lines(kept(&topology, now())), [c3, b2]);
        assert_eq!(
            lines(undoable(&topology, "", now())),
            [
                c3,
                b2,
                "wh9527-1: last: failover of cloud007-513d75…/wh9527-1, 5m ago, unfinished",
                "wh9527-0: last: undo of cloud007-513d75…/wh9527-0, 3h ago, data missing"
            ]
        );
        let in_full = undoable(&topology, "cloud007/wh9527-1", now());
        assert!(in_full.iter().any(|one| one.value == "cloud007/wh9527-1"), "{in_full:?}");
    }
}
