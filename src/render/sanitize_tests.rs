//! Whatever a cluster or a database says, it stays within the line it is put into, and drives no terminal: all renderers
//! on one text that tries to.

use super::sanitize::{escaped, sanitize_text};
use super::tests::{ended, planned, reached};
use super::*;
use crate::error::Error;
use crate::plan::history::{Entry, RetainedState, RetainedVolume};
use crate::plan::{Action, Before, NotMeasured, Proof, Record, RecordedOutcome, Resumes, Returns, Step};
use crate::recovery::{Ending, Event, Phase, PhaseEnd};
use crate::storage::Positions;
use crate::suggestion::plugin;
use crate::testing::snapshot;
use crate::topology::forward_target::ForwardState;
use crate::topology::health::{Report, judge};
use crate::topology::{Layout, Topology, build};
use crate::verify::{CheckKind, Judgement, Saved};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Clears the screen, colours, and begins lines of its own in every way there is.
const HOSTILE: &str = "x\u{1b}[2J\u{1b}[31;1m\nFORGED: all is well\r\nFORGED\u{9b}1A\u{85}FORGED\u{2028}FORGED\u{b}FORGED \
                       \u{202e}\u{2066}\u{200b}\u{7}\u{7f}\u{feff}\u{e0041}";

/// What a name looks like that is all of it.
fn named(name: &str) -> String {
    format!("{name}{HOSTILE}")
}

/// The renderers' own text passes as it is, and no line begins with what was to be forged.
#[track_caller]
fn safe(what: &str, text: &str, paint: Paint) {
    assert_eq!(sanitize_text(text, paint.0), text, "{what} drives the terminal");
    assert!(text.contains("FORGED"), "{what} does not show it:\n{text}");
    for line in text.lines() {
        let line = line.trim_start_matches(|c: char| c == '\u{1b}' || c.is_ascii_digit() || "[;m".contains(c));
        assert!(!line.starts_with("FORGED"), "{what} has a forged line:\n{text}");
    }
}

/// It is one document, with the values that it was given.
#[track_caller]
fn same(what: &str, document: &Value) {
    super::documents::valid(what, document);
    let read: Value = serde_json::from_str(&structured::json(document)).unwrap();
    assert_eq!(read, *document, "{what} as JSON");
    let line = structured::line(document);
    assert_eq!(line.lines().count(), 1, "{what}");
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), *document, "{what} as a line of JSON");
    let yaml = structured::yaml(document).unwrap();
    assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), *document, "{what} as YAML");
    for text in [structured::json(document), line, yaml] {
        safe(what, &text, Paint(false));
    }
}

fn returns() -> Returns {
    Returns { volume: named("pv"), uid: HOSTILE.into(), reclaim_policy: Some(HOSTILE.into()) }
}

const PAINTS: [Paint; 2] = [Paint(false), Paint(true)];

fn status_text(report: &Report, topology: &Topology, wide: bool, paint: Paint) -> String {
    let detail = if wide { status::Detail::Wide } else { status::Detail::Automatic };
    status::status(usize::MAX, report, (topology, &Positions::new()), detail, jiff::Timestamp::UNIX_EPOCH, paint)
}

#[test]
fn status_shows_what_others_say_within_its_lines() {
    let quoted = |name: &str| escaped(&serde_json::to_string(&named(name)).unwrap()).into_owned();
    let account = format!(
        "namespace: {ns}
sets: [{{name: wh9527, replicas: 2, templates: [data]}}]
pods:
- {{name: {pod}, set: wh9527, ready: true, uid: {uid}, node: {node}, claims: [{claim}, {lost}]}}
- {{name: wh9527-1, set: wh9527, uid: {uid}, node: {node}, phase: {phase}, claims: [{claim}]}}
claims:
- {{name: {claim}, volume: {volume}, uid: {uid}, policy: {policy}}}
- {{name: {lost}, uid: {uid}}}",
        ns = quoted("cloud007"),
        pod = quoted("wh9527-0"),
        uid = quoted("uid"),
        node = quoted("node"),
        claim = quoted("data"),
        lost = quoted("lost"),
        volume = quoted("pv"),
        policy = quoted("Delete"),
        phase = quoted("Running"),
    );
    let mut read = snapshot(&[&account]);
    let namespace = read.namespaces[0].namespace.clone();
    read.namespaces[0].disruption_budgets = crate::testing::unreadable("pods", Some(&namespace));
    read.nodes = crate::testing::unreadable("nodes", Some(&namespace));
    read.passed_over = vec![named("cloud008")];
    // A pod of no StatefulSet's making is a stranger, and shown all the same.
    let topology = build(&read, &Layout::shipped().unwrap());
    let report = judge(&topology);
    assert_eq!(report.strangers.len(), 1);
    for paint in PAINTS {
        safe("status", &status_text(&report, &topology, false, paint), paint);
    }
    same("status", &structured::status(&report, &topology));
    read.namespaces[0].stateful_sets = crate::testing::unreadable("statefulsets", Some(&namespace));
    let topology = build(&read, &Layout::shipped().unwrap());
    let report = judge(&topology);
    for paint in PAINTS {
        for wide in [false, true] {
            let text = status_text(&report, &topology, wide, paint);
            safe("status", &text, paint);
            assert_eq!(text.matches("cloud008").count(), 1);
        }
    }
    safe("status -o name", &status::names(&topology), Paint(false));
    same("status", &structured::status(&report, &topology));
}

#[test]
fn so_does_a_plan() {
    let mut plan = planned("wh9527-0", false, |_| {});
    plan.id = named("id");
    plan.act = Action::Undo(named("undone"));
    plan.journal = Some(named("file"));
    plan.replaced_claims.iter_mut().for_each(|claim| claim.returns = Some(returns()));
    plan.steps.push(Step::Reserve {
        volume: named("pv"),
        uid: HOSTILE.into(),
        claim: named("claim"),
        released_by: HOSTILE.into(),
    });
    plan.steps.push(Step::Unreserve {
        volume: named("pv"),
        uid: HOSTILE.into(),
        claim: named("claim"),
        released_by: HOSTILE.into(),
    });
    plan.target.namespace = named("ns");
    plan.target.pod = named("pod");
    plan.target.uid = HOSTILE.into();
    for step in &mut plan.steps {
        match step {
            Step::Retain { volume, .. } => *volume = named("pv"),
            Step::Reserve { volume, claim, .. } | Step::Unreserve { volume, claim, .. } => {
                (*volume, *claim) = (named("pv"), named("claim"))
            }
            Step::DeleteClaim { claim, uid } => (*claim, *uid) = (named("claim"), HOSTILE.into()),
            Step::DeletePod { pod, uid } => (*pod, *uid) = (named("pod"), HOSTILE.into()),
        }
    }
    plan.checks.iter_mut().for_each(|check| check.reason = named("reason"));
    plan.resumes = Some(Resumes { id: named("id"), started: named("since") });
    plan.before = Before::Silent { reason: named("silent") };
    for target in &mut plan.probes.databases {
        (target.namespace, target.pod) = (named("ns"), named("pod"));
    }
    plan.probes.not_measured =
        vec![NotMeasured { namespace: Some(named("ns")), pod: Some(named("pod")), why: named("why") }];
    let mut proofs = vec![plan.proof.clone(), Proof::Skipped { reason: named("reason") }];
    if let Proof::Sql { pod, endpoint, canary, .. } = &mut proofs[0] {
        (*pod, endpoint.user, *canary) = (named("pod"), named("user"), Some(named("schema")));
    }
    for proof in proofs {
        plan.proof = proof;
        for paint in PAINTS {
            safe("plan", &super::plan::plan(&plan, paint), paint);
        }
    }
    same("plan", &structured::plan(&plan));
    if let Some(refusal) = planned("wh9527-0", true, |_| {}).refusal() {
        safe("a refusal", &super::error::error(&refusal.because(HOSTILE), Paint(false)), Paint(false));
    }
}

#[test]
fn so_does_every_ending() {
    let mut plan = planned("wh9527-0", false, |_| {});
    plan.target.pod = named("pod");
    plan.target.namespace = named("ns");
    plan.target.lost_node = Some(named("node"));
    plan.act = Action::Undo(named("undone"));
    for claim in &mut plan.replaced_claims {
        (claim.name, claim.returns) = (named("claim"), Some(returns()));
    }
    let error = Error::failure(named("what")).because(named("why")).hint(named("next"));
    for ending in [
        Ending::Recovered,
        Ending::Replaced,
        Ending::Unverified(named("why")),
        Ending::DataMissing(vec![named("table"), named("row")]),
        Ending::CatchingUp(named("why")),
        Ending::TimedOut(named("why")),
        Ending::ClusterChanged(named("why")),
        Ending::Failed(error),
        Ending::Interrupted,
    ] {
        let mut outcome = ended(ending);
        outcome.phases = Phase::ALL.iter().map(|phase| (*phase, PhaseEnd::Failed(named("end")))).collect();
        outcome.phases[0].1 = PhaseEnd::After(Duration::ZERO, named("detail"));
        outcome.phases[1].1 = PhaseEnd::Skipped(named("why"));
        outcome.old_uid = HOSTILE.into();
        outcome.new_pod = Some((named("pod-new"), HOSTILE.into()));
        for claim in &mut outcome.claims {
            claim.name = named("claim");
            claim.old_uid = HOSTILE.into();
            claim.new_uid = Some(HOSTILE.into());
            claim.retained_volume = Some(named("pv"));
            claim.returned_volume = Some(named("pv"));
            claim.earlier_policy = Some(named("policy"));
        }
        outcome.proof = Some(named("proof"));
        outcome.done = vec![named("done")];
        outcome.notices = vec![named("notice")];
        outcome.reachability = reached();
        for reach in &mut outcome.reachability {
            (reach.namespace, reach.pod) = (Some(named("ns")), Some(named("pod")));
            match &mut reach.measured {
                Ok(account) => account.reason = Some(named("reason")),
                Err(why) => *why = named("why"),
            }
        }
        for paint in PAINTS {
            safe(
                "an outcome",
                &outcome::outcome(&plan, &outcome, &plugin("undo").word(named("id")).into(), paint),
                paint,
            );
        }
        same(
            "an outcome",
            &structured::outcome(&plan, &outcome, &[named("reason")], Some(&plugin("undo").word(HOSTILE).into())),
        );
    }
}

#[test]
fn so_does_history() {
    let record = |act: Action, outcome: RecordedOutcome| {
        let text = serde_json::json!({"apiVersion": "kubectl-synxdb/v1beta1", "kind": "Record", "operation": "failover", "id": "a1",
            "started": named("since"), "outcome": outcome, "user": named("who"), "context": named("context"), "namespace": named("ns"), "pod": named("pod"), "podUid": HOSTILE, "keepClaims": false,
            "claims": []});
        let read: Record = serde_json::from_value(text).unwrap();
        Record { id: named("id"), act, ..read }
    };
    let retained = |state| RetainedVolume {
        volume: named("pv"),
        size: Some(named("1Gi")),
        claim: named("claim"),
        state,
        doubt: Some(named("doubt")),
    };
    let states = [RetainedState::Retained, RetainedState::Reserved, RetainedState::InPlace];
    let others = [RetainedState::Lost(named("why")), RetainedState::Unknown(named("why"))];
    let entry = |act, outcome, states: &[RetainedState]| Entry {
        record: record(act, outcome),
        took: None,
        retained: states.iter().cloned().map(retained).collect(),
        undone_by: Some(named("undo")),
        has_member: true,
    };
    let entries = [
        entry(Action::Failover, RecordedOutcome::Recovered, &states[..1]),
        entry(Action::Undo(named("undone")), RecordedOutcome::Unfinished, &states),
        entry(Action::Failover, RecordedOutcome::DataMissing, &others),
    ];
    let gaps = [crate::topology::Gap {
        part: crate::topology::Part::Other(named("what")),
        why: named("why"),
        transient: false,
    }];
    for paint in PAINTS {
        safe("history", &history::history(&entries, &gaps, jiff::Timestamp::UNIX_EPOCH, paint), paint);
        for entry in &entries {
            safe("an item", &history::item(entry), paint);
            safe("a release", &release::release(&[entry, entry], paint), paint);
            let volumes = vec![(named("pv"), named("Delete")), (named("pv"), "Retain".into())];
            safe("what was released", &release::released(&[(entry, volumes.clone())], paint), paint);
            same("what was released", &structured::released(&[(entry, volumes)]));
        }
    }
    same("history", &structured::history(&entries, &gaps));
}

#[test]
fn so_does_what_is_told_on_the_way() {
    for event in [
        Event::Detail(Phase::Ready, named("detail")),
        Event::Done(Phase::Ready, PhaseEnd::After(Duration::ZERO, named("detail"))),
        Event::Done(Phase::Ready, PhaseEnd::Skipped(named("why"))),
        Event::Done(Phase::Ready, PhaseEnd::Failed(named("why"))),
        Event::Notice(named("notice")),
    ] {
        let line = progress::line(&event).unwrap();
        safe("an event", &line, Paint(false));
        assert_eq!(line.lines().count(), 1);
        same("an event", &structured::event(&Action::Undo(named("of")), &event));
    }
    same("a rehearsal", &structured::rehearsed(&planned("wh9527-0", false, |_| {}), &named("what")));
    let error = Error::refused(named("what")).because(named("why")).hint(named("next"));
    for paint in PAINTS {
        safe("an error", &super::error::error(&error, paint), paint);
        let (ready, nobody) =
            (ForwardState::Ready { pod: named("pod"), uid: HOSTILE.into() }, ForwardState::NotReady(named("why")));
        for standing in [&ready, &nobody] {
            safe("a standing", &forward::changed(standing, paint), paint);
        }
        let topology = build(&snapshot(&[crate::testing::ACCOUNT]), &Layout::shipped().unwrap());
        let mut member = topology.members().next().unwrap().clone();
        member.namespace = named("ns");
        let at = &forward::At::Port { host: "localhost".to_owned(), port: 1 };
        let line = Some("psql");
        let opened = forward::Opened { member: &member, standing: &nobody, at, remote_port: 2, line, sql: true };
        safe("a forward", &forward::destination(&opened, paint), paint);
        safe("a forward", &structured::line(&forward::machine(&opened)), Paint(false));
        safe("a note", &forward::note(HOSTILE, paint), paint);
    }
    same("an error", &structured::error(&error));
}

#[test]
fn so_does_verify() {
    let mut checks = Vec::new();
    for judged in [Judgement::passed, Judgement::failed, Judgement::skipped, Judgement::unknown] {
        for kind in [CheckKind::Namespace, CheckKind::Tables] {
            let judged = Judgement { lines: vec![named("line")], ..judged(named("reason")) };
            checks.push(judged.on(kind, &named("ns"), &named("pod"), Duration::from_millis(1)));
        }
    }
    for paint in PAINTS {
        safe("verify", &verify::verify(&checks, paint), paint);
        let short = [Judgement::failed(HOSTILE).on(CheckKind::Tables, "a", "b", Duration::ZERO)];
        safe("verify", &verify::verify(&short, paint), paint);
    }
    same("verify", &structured::verification(&checks, &BTreeMap::new()));
    let saved = Saved::new(named("taken"), &named("context"), BTreeMap::new());
    let path = named("file");
    safe("a comparison", &verify::compared(Path::new(&path), &saved, "other"), Paint(false));
    safe("a file", &verify::saved(Path::new(&path), &saved), Paint(false));
}
