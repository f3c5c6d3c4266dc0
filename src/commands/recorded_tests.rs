use super::*;
use crate::api_version::API_VERSION;
use crate::plan::{BaselineLoss, Inherited, RECORD_KIND};
use crate::probe::Baseline;
use crate::probe::baseline::Listing;
use crate::probe::baseline::examples::{baseline as held, table, tables};
use crate::verify::StoredBaseline;
use serde_json::json;

const STARTED: &str = "2026-01-01T00:00:00Z";

fn server(version: &str) -> Evidence {
    Evidence::Sql(Baseline { version: version.into(), ..held(Vec::new()) })
}

fn record(id: &str, outcome: RecordedOutcome, baseline: Option<&Evidence>) -> Record {
    let finished = (outcome != RecordedOutcome::Unfinished).then_some("2026-01-01T00:01:00Z");
    let text = json!({"apiVersion": API_VERSION, "kind": RECORD_KIND, "operation": "failover", "id": id, "started": STARTED, "finished": finished,
        "outcome": outcome, "context": "", "namespace": "a", "pod": "p-0", "podUid": "", "keepClaims": false, "claims": [],
        "baseline": baseline});
    Record::parse(&text.to_string()).unwrap()
}

fn none() -> Besides {
    (Stored::Nothing("n".into()), Timestamp::UNIX_EPOCH)
}

fn words(before: Before) -> String {
    match before {
        Before::Answered { summary, .. } => summary,
        Before::Silent { reason } | Before::LoginRefused { reason } => format!("silent: {reason}"),
        Before::NotAsked => "not asked".into(),
    }
}

/// What must be there in the end is what the operation lost; if it lost nothing it is the current state; and of an undo that is
/// resumed the baseline of its first run. What is left by an operation that did not recover is never a baseline.
#[test]
fn what_must_be_there_afterwards() {
    let (then, now) = (server("then"), server("now"));
    let silent = || Err(NoEvidence::Because("it is down".into()));
    let as_found = format!("{}, as recorded by f1", then.summary());
    let unknown = || ("not asked".to_owned(), None);
    for (of, kept, unfinished, said, expected) in [
        (RecordedOutcome::DataMissing, Some(&then), None, Ok(now.clone()), (as_found.clone(), Some(&then))),
        (RecordedOutcome::DataMissing, Some(&then), None, silent(), (as_found.clone(), Some(&then))),
        (RecordedOutcome::Unfinished, Some(&then), None, silent(), (as_found.clone(), Some(&then))),
        (RecordedOutcome::Unverified, None, None, Ok(now.clone()), unknown()),
        (RecordedOutcome::DataMissing, None, None, Ok(now.clone()), unknown()),
        (RecordedOutcome::Unfinished, None, None, Ok(now.clone()), unknown()),
        (RecordedOutcome::Recovered, Some(&then), None, Ok(now.clone()), (now.summary(), Some(&now))),
        (RecordedOutcome::Recovered, None, None, silent(), ("silent: it is down".into(), None)),
        (RecordedOutcome::DataMissing, Some(&now), Some(Some(&then)), Ok(now.clone()), (as_found.clone(), Some(&then))),
        (RecordedOutcome::DataMissing, Some(&now), Some(None), Ok(now.clone()), unknown()),
        (RecordedOutcome::DataMissing, Some(&then), None, Err(NoEvidence::NotAsked), unknown()),
    ] {
        let record_of = record("f1", of, kept);
        let unfinished = unfinished.map(|baseline| record("u1", RecordedOutcome::Unfinished, baseline));
        let (before, evidence, _) = of_undo(&record_of, unfinished.as_ref(), said, none());
        assert_eq!((words(before), evidence.as_ref()), expected, "{of:?} {unfinished:?}");
    }
}

/// A baseline that is lost, damaged or impossible is not known: neither an undo nor a run that is finished compares with
/// what is there now, and both say why.
#[test]
fn a_baseline_that_cannot_be_had_is_not_known_and_the_reason_is_said() {
    let now = server("now");
    let lost = |lost| {
        let mut record = record("f1", RecordedOutcome::DataMissing, Some(&server("then")));
        record.lose_baseline(lost);
        record
    };
    let of = |change: &dyn Fn(&mut Record)| {
        let mut record = record("f1", RecordedOutcome::DataMissing, None);
        change(&mut record);
        record
    };
    let impossible = json!({"by": "page", "said": {"pageserver": {"tenants": {"Active": u64::MAX}, "broken": null}}});
    for (record, why) in [
        (lost(BaselineLoss::TooLarge), "it was too large"),
        (lost(BaselineLoss::Trimmed), "it was removed to make room for newer records"),
        (of(&|record| record.packed_baseline = Some("AAAA".into())), "cannot be read"),
        (of(&|record| record.baseline = Some(json!("nothing"))), "cannot be used"),
        (of(&|record| record.baseline = Some(impossible.clone())), "cannot be used"),
        (of(&|_| {}), "f1 has no recorded baseline"),
    ] {
        let (before, evidence, with) = of_undo(&record, None, Ok(now.clone()), none());
        assert_eq!((before, evidence), (Before::NotAsked, None), "{why}");
        let ComparedWith::Nothing { reason } = with else { panic!("{why}: {with:?}") };
        assert!(reason.contains(why), "{reason}");
        let unfinished = Record { outcome: RecordedOutcome::Unfinished, ..record };
        let (before, evidence, with) = of_first_run(&unfinished, none());
        assert_eq!((before, evidence), (Before::NotAsked, None), "{why}");
        assert!(matches!(&with, ComparedWith::Nothing { reason } if reason.contains(why)), "{with:?}");
    }
}

/// A baseline stored before the operation began has what it lost; one stored since has not.
#[test]
fn a_baseline_that_was_stored_before_is_used_in_its_place() {
    let stored = |taken: &str| {
        let taken = taken.parse().unwrap();
        let stored = StoredBaseline::new(taken, "c", ("a", "p-0"), server("stored"));
        (Stored::Is(Box::new(stored)), Timestamp::MAX)
    };
    let mut record = record("f1", RecordedOutcome::DataMissing, None);
    record.lose_baseline(BaselineLoss::TooLarge);
    let compared = |besides| of_undo(&record, None, Ok(server("now")), besides).1;
    assert_eq!(compared(stored("2025-12-31T00:00:00Z")), Some(server("stored")));
    assert_eq!(compared(stored("2026-01-01T00:00:30Z")), None);
}

/// A new failover after one that did not recover: what that one was compared with still must be there, unless it is.
#[test]
fn what_was_not_found_again_is_taken_over() {
    let holds = |tables_there: &[&str]| {
        let all = tables_there.iter().map(|name| table(name, None)).collect();
        Evidence::Sql(held(vec![("d", Listing::Known(tables(all)))]))
    };
    let then = holds(&["a", "b"]);
    let taken = |first: &Record, said| match taken_over(first, &said, none()) {
        TakenOver::Is(evidence, with) => Some((*evidence, with)),
        TakenOver::Nothing(_) => None,
    };
    let first = record("f1", RecordedOutcome::Unfinished, Some(&then));
    let with = |from: &str, taken: &str| ComparedWith::Inherited {
        from: from.into(),
        taken: taken.into(),
        summary: then.summary(),
    };
    let inherits = Some((Some(then.clone()), with("f1", STARTED)));
    assert_eq!(taken(&first, Err(NoEvidence::Because("it is down".into()))), inherits);
    assert_eq!(taken(&first, Err(NoEvidence::LoginRefused("no".into()))), inherits);
    // An empty disk answers, too.
    assert_eq!(taken(&first, Ok(holds(&[]))), inherits);
    assert_eq!(taken(&first, Ok(holds(&["a"]))), inherits);
    assert_eq!(taken(&first, Ok(holds(&["a", "b", "c"]))), None);
    assert_eq!(taken(&first, Err(NoEvidence::NotAsked)), None);
    // It is the first operation's, however often it is repeated.
    let again =
        Record { inherited: Some(Inherited { from: "f0".into(), taken: "2025-12-31T00:00:00Z".into() }), ..first };
    let found = taken(&again, Ok(holds(&[])));
    assert_eq!(found, Some((Some(then.clone()), with("f0", "2025-12-31T00:00:00Z"))));
    // And a run that finishes such a one says so.
    assert_eq!(of_first_run(&again, none()).2, with("f0", "2025-12-31T00:00:00Z"));
    // One that is lost is not known.
    let mut lost = again;
    lost.lose_baseline(BaselineLoss::TooLarge);
    let found = taken(&lost, Ok(holds(&["a", "b"]))).unwrap();
    assert!(found.0.is_none() && matches!(found.1, ComparedWith::Nothing { .. }), "{found:?}");
}

/// A record of v1alpha1 has its baseline in the words of that version, compressed or not: an undo and a resumed run compare
/// with it.
#[test]
fn the_baseline_of_a_record_of_v1alpha1_is_read() {
    let recorded = |name: &str| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1alpha1");
        let record = Record::parse(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap();
        // As the run that resumes it writes it.
        let again = Record::parse(&serde_json::to_string(&record.clone().packed()).unwrap()).unwrap();
        let baseline = recorded_baseline(&record).unwrap().unwrap();
        assert_eq!(recorded_baseline(&again), Ok(Some(baseline.clone())), "{name}");
        baseline
    };
    let Evidence::Sql(short) = recorded("Record-undo.json") else { panic!() };
    let Evidence::Sql(long) = recorded("Record-unfinished.json") else { panic!() };
    let tables = |server: &Baseline| server.databases[0].known().unwrap().tables.len();
    assert_eq!((short.kernel, tables(&short), tables(&long)), (crate::probe::kernel::Kernel::Mpp, 4, 300));
    let Evidence::Page(pageserver) = recorded("Record-page.json") else { panic!() };
    assert_eq!((pageserver.id, pageserver.pageserver().unwrap().active()), (Some(1), 3));
    let Evidence::Page(safekeeper) = recorded("Record-catching-up.json") else { panic!() };
    assert!(safekeeper.safekeeper().unwrap().lists_all());
}
