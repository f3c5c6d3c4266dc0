//! What people read of an undo and of the history, held as snapshots.

use super::tests::{PLAIN, ended};
use super::*;
use crate::cluster::permission::Allowed;
use crate::plan::history::{Entry, may_not_be_released, to_release};
use crate::plan::probes::depending;
use crate::plan::{Before, ComparedWith, InFlight, Inputs, Plan, Record, Request, needed, newest, plan};
use crate::recovery::{Ending, Phase, PhaseEnd};
use crate::suggestion::plugin;
use crate::testing::{now, snapshot, unreadable};
use crate::topology::{Gap, Layout, Topology, build};
use insta::assert_snapshot;
use std::time::Duration;

const ACCOUNT: &str = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";

/// A warehouse's proxy that has lost its data, and is to get it back.
const WORLD: &str = "
namespace: cloud007-513d75d5-3033-4649-b913-07f6115ec41a
sets: [{name: cloudberry-proxy, replicas: 1, templates: [data]}]
pods: [{name: cloudberry-proxy-0, set: cloudberry-proxy, uid: 2ab81c90-1111, ready: true, claims: [data-cloudberry-proxy-0]}]
claims: [{name: data-cloudberry-proxy-0, uid: 90c2f7e4-2222, volume: pvc-7d1a0f52-6f8e-4d0f-9a55-0d6f6b0f7c11}]
volumes:
- {name: pvc-51b2c9de-0a43-4be2-8f0a-3c1f2f3e9d77, class: standard, reservedFor: data-cloudberry-proxy-0, releasedBy: c1, size: 1Gi}
records:
- {id: 3f2a91bc, pod: cloudberry-proxy-0, age: 300, took: 5, outcome: dataMissing, canary: kubectl_synxdb_3f2a91bc, who: alice,
   claims: [{name: data-cloudberry-proxy-0, uid: c1, volume: pvc-51b2c9de-0a43-4be2-8f0a-3c1f2f3e9d77, policy: Delete}]}
";

/// Acts of every kind in the system namespace, and what became of each.
const SYSTEM: &str = "
namespace: synxdb-system
sets: [{name: pageserver, replicas: 1, templates: [data, cache]}, {name: safekeeper, replicas: 3, templates: [data]}]
pods:
- {name: pageserver-0, set: pageserver, ready: true, claims: [data-pageserver-0, cache-pageserver-0]}
- {name: safekeeper-0, set: safekeeper, ready: true, claims: [data-safekeeper-0]}
- {name: safekeeper-1, set: safekeeper, ready: true, claims: [data-safekeeper-1]}
claims:
- {name: data-pageserver-0, uid: d2, volume: pv-d2}
- {name: cache-pageserver-0, uid: k2, volume: pv-k2}
- {name: data-safekeeper-0, uid: s1, volume: pv-s1}
- {name: data-safekeeper-1, uid: r1, terminating: true, volume: pv-r1}
volumes:
- {name: pv-d1, class: standard, reservedFor: data-pageserver-0, releasedBy: d1, size: 20Gi}
- {name: pv-k1, class: standard, reservedFor: other/cache, releasedBy: k1, size: 5Gi}
- {name: pv-s0, class: standard, reservedFor: data-safekeeper-0, size: 1Gi}
records:
- {id: '11111111', pod: pageserver-0, age: 90000, took: 65, who: 'system:serviceaccount:synxdb-system:operator-of-all-databases',
   claims: [{name: data-pageserver-0, uid: d1, volume: pv-d1, policy: Delete}, {name: cache-pageserver-0, uid: k1, volume: pv-k1}]}
- {id: '22222222', pod: safekeeper-0, age: 7300, took: 3, who: alice, claims: [{name: data-safekeeper-0, uid: s0, volume: pv-s0}]}
- {id: '33333333', pod: safekeeper-0, age: 3700, took: 4, outcome: unverified, undo: '22222222', who: alice,
   claims: [{name: data-safekeeper-0, uid: s0, volume: pv-s1, returns: pv-s0}]}
- {id: '44444444', pod: safekeeper-0, age: 100, undo: '33333333', who: bob,
   claims: [{name: data-safekeeper-0, uid: s7, volume: pv-gone, returns: pv-s1}]}
- {id: '55555555', pod: safekeeper-1, age: 70, claims: [{name: data-safekeeper-1, uid: r1, volume: pv-r1}]}
";

fn world(documents: &[&str]) -> (Topology, Vec<Record>) {
    let topology = build(&snapshot(documents), &Layout::shipped().unwrap());
    let records = Record::on_volumes(&topology);
    (topology, records)
}

fn undo_of(yaml: &str, denied: bool) -> Plan {
    let (topology, records) = world(&[yaml]);
    let member = topology.member(ACCOUNT, "cloudberry-proxy-0").unwrap();
    let of = records.iter().find(|record| record.id == "3f2a91bc").unwrap();
    let request = Request { id: "a1b2c3d4".into(), verify: true, ..Request::default() };
    let no = |resource: &str, verb: &str| denied && (resource, verb) == ("persistentvolumes", "patch");
    let rights: Vec<_> = needed(member, &request)
        .into_iter()
        .map(|it| {
            let allowed = if no(&it.resource, &it.verb) { Allowed::No("".into()) } else { Allowed::Yes };
            (it, allowed)
        })
        .collect();
    plan(Inputs {
        topology: &topology,
        member,
        request: &request,
        rights: &rights,
        before: Before::Answered {
            summary: "PostgreSQL 14.4: 2 databases, 1 table, as 3f2a91bc found it".into(),
            lacks: Vec::new(),
        },
        baseline: ComparedWith::Fresh { taken: "2026-01-01T00:00:00Z".into() },
        undoes: Some(of),
        unfinished: newest(&records, &topology, member).filter(|record| record.unfinished()),
        records: &records,
        journal: "/home/dba/.local/state/kubectl-synxdb/a1b2c3d4.json".into(),
        probes: depending(&topology, member),
        now: now(),
        in_flight: InFlight::default(),
        storage: &crate::storage::Readings::default(),
    })
}

#[track_caller]
fn fits(text: &str) -> &str {
    assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "it fits 80 columns:\n{text}");
    text
}

#[test]
fn a_plan_of_an_undo() {
    let undo = undo_of(WORLD, false);
    assert_snapshot!("undo-plan", fits(&super::plan::plan(&undo, PLAIN)));
    assert_snapshot!("undo-plan-json", structured::json(&structured::plan(&undo)));
    let begun = "- {id: 7e57ab1e, pod: cloudberry-proxy-0, podUid: 2ab81c90-1111, age: 9, undo: 3f2a91bc, canary: kubectl_synxdb_3f2a91bc,
   claims: [{name: data-cloudberry-proxy-0, uid: 90c2f7e4-2222, volume: pvc-7d1a0f52-6f8e-4d0f-9a55-0d6f6b0f7c11,
   returns: pvc-51b2c9de-0a43-4be2-8f0a-3c1f2f3e9d77}]}
";
    let resumed = format!("{WORLD}{begun}").replace(", releasedBy: c1", "");
    assert_snapshot!("undo-plan-resumed", fits(&super::plan::plan(&undo_of(&resumed, false), PLAIN)));
    let refused = undo_of(&WORLD.replace("releasedBy: c1,", "releasedBy: c1, terminating: true,"), true);
    let refusal = super::error::error(&refused.refusal().unwrap(), PLAIN);
    assert_snapshot!("undo-plan-refused", refusal);
}

#[test]
fn how_an_undo_ended() {
    let undo = undo_of(WORLD, false);
    let (resume, returned) = (plugin("undo").word("3f2a91bc"), "pvc-51b2c9de-0a43-4be2-8f0a-3c1f2f3e9d77");
    let outcome = |ending| {
        let mut outcome = ended(ending);
        outcome.phases[0] =
            (Phase::Retain, PhaseEnd::After(Duration::from_millis(30), "2 volumes retained and reserved".into()));
        outcome.old_uid = "2ab81c90-1111".into();
        outcome.new_pod = Some(("cloudberry-proxy-0".into(), "uid-new".into()));
        outcome.claims[0].name = "data-cloudberry-proxy-0".into();
        outcome.claims[0].retained_volume = Some("pvc-7d1a0f52-6f8e-4d0f-9a55-0d6f6b0f7c11".into());
        let timed_out = matches!(outcome.ending, Ending::TimedOut(_));
        outcome.claims[0].returned_volume = (!timed_out).then(|| returned.to_owned());
        let unproven = matches!(outcome.ending, Ending::DataMissing(_) | Ending::Replaced);
        outcome.claims[0].earlier_policy = unproven.then(|| "Delete".to_owned());
        outcome.done = vec![format!("volume {returned} reserved"), "pod cloudberry-proxy-0 deleted".into()];
        outcome.healed = 0;
        outcome.notices.clear();
        outcome
    };
    let mut recovered = outcome(Ending::Recovered);
    recovered.proof = Some("verified by SQL: 2 databases, 1 table (rows counted), canary table intact".into());
    recovered.phases[4] = (Phase::Ready, PhaseEnd::After(Duration::from_millis(800), "Ready on node-1".into()));
    let mut texts = fits(&outcome::outcome(&undo, &recovered, &resume.clone().into(), PLAIN)).to_owned();
    for ending in [
        Ending::DataMissing(vec!["test_db: table public.projects is missing (3 rows)".into()]),
        Ending::Replaced,
        Ending::TimedOut("claim data-cloudberry-proxy-0 has volume pv-9, and not the one that comes back".into()),
        Ending::Interrupted,
    ] {
        let exit = super::outcome::exit(&ending).code();
        let takes_back = matches!(ending, Ending::DataMissing(_));
        let next = if takes_back { plugin("undo").word("a1b2c3d4") } else { resume.clone() };
        texts.push_str(&format!(
            "--- exit code {exit}\n{}",
            super::outcome::outcome(&undo, &outcome(ending), &next.into(), PLAIN)
        ));
    }
    assert_snapshot!("undo-outcomes", texts);
    let document = structured::outcome(&undo, &recovered, &[], None);
    assert_eq!((&document["kind"], &document["outcome"]), (&"UndoResult".into(), &"recovered".into()));
}

#[test]
fn the_history_of_several_namespaces() {
    let (topology, records) = world(&[SYSTEM, WORLD]);
    let entries = crate::plan::history::history(&topology, &records);
    let text = history::history(&entries, &[], now(), PLAIN);
    assert_snapshot!("history", fits(&text));
    assert_snapshot!("history-colour", history::history(&entries, &[], now(), Paint(true)));
    assert_snapshot!("history-wide", history::wide(&entries, &[], now(), PLAIN));
    let rows = history::rows(&entries, true, false, now(), PLAIN);
    assert!(rows.lines().all(|row| row.split_whitespace().count() == 12), "{rows}");
    assert_snapshot!("history-names", history::names(&entries));
    assert_snapshot!("history-json", structured::json(&structured::history(&entries, &[])));
    assert_snapshot!("history-items", entries.iter().map(|entry| history::item(entry) + "\n").collect::<String>());
}

#[test]
fn the_history_of_what_cannot_be_read() {
    let (_, records) = world(&[WORLD]);
    let mut objects = snapshot(&[WORLD]);
    objects.volumes = unreadable("persistentvolumes", None);
    let topology = build(&objects, &Layout::shipped().unwrap());
    // As from a journal.
    let entries = crate::plan::history::history(&topology, &records);
    let gaps: Vec<Gap> = topology.gaps.clone();
    assert_snapshot!("history-unknown", fits(&history::history(&entries, &gaps, now(), PLAIN)));
    assert_snapshot!("history-unknown-json", structured::json(&structured::history(&entries, &gaps)));
    assert_snapshot!("history-none", history::history(&[], &[], now(), PLAIN));
}

#[test]
fn a_release() {
    let well = WORLD.replace("outcome: dataMissing, canary: kubectl_synxdb_3f2a91bc, ", "");
    let (topology, records) = world(&[&well]);
    let entry: Entry = crate::plan::history::history(&topology, &records).remove(0);
    assert_eq!(may_not_be_released(&topology, &records, &entry), None);
    let mut texts = fits(&release::release(&[&entry], PLAIN)).to_owned();
    let given: Vec<(String, String)> = to_release(&topology, &records, &entry)
        .into_iter()
        .map(|release| (release.volume, release.reclaim_policy))
        .collect();
    assert_eq!(given.len(), 1);
    texts.push_str("---\n");
    texts.push_str(fits(&release::released(&[(&entry, given.clone())], PLAIN)));
    texts.push_str("---\n");
    let own = [(given[0].0.clone(), "Retain".to_owned())];
    texts.push_str(fits(&release::released(&[(&entry, own.to_vec())], PLAIN)));
    assert_snapshot!("release", texts);
    assert_snapshot!("release-json", structured::json(&structured::released(&[(&entry, given)])));
}
