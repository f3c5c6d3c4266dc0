use super::super::RECORD_KIND;
use super::*;
use crate::api_version::API_VERSION;

const VOLUME: &str = "pv-1";

/// A failover that retained the volume; `at` is its minute.
fn failover(id: &str, at: usize, outcome: RecordedOutcome) -> Record {
    let started = format!("2026-01-{:02}T{:02}:{:02}:00Z", 1 + at / 1440, at / 60 % 24, at % 60);
    let finished = (outcome != RecordedOutcome::Unfinished).then_some(&started);
    let text = json!({"apiVersion": API_VERSION, "kind": RECORD_KIND, "operation": "failover", "id": id, "started": started, "finished": finished, "outcome": outcome,
        "context": "", "namespace": "a", "pod": "p-0", "podUid": "", "keepClaims": false,
        "claims": [{"name": "data", "uid": "u", "volume": VOLUME, "reclaimPolicy": "Delete",
            "manifest": {"metadata": {"name": "data", "annotations": {"note": "n".repeat(500)}}}}]});
    Record::parse(&text.to_string()).unwrap()
}

/// An undo that brought the volume back.
fn undo(id: &str, at: usize, of: &str, outcome: RecordedOutcome) -> Record {
    let mut record = failover(id, at, outcome);
    record.act = Action::Undo(of.to_owned());
    record.claims[0].volume = Some("pv-2".to_owned());
    let returns = json!({"volume": VOLUME, "uid": "u1", "reclaimPolicy": "Delete"});
    record.claims[0].returns = serde_json::from_value(returns).unwrap();
    record
}

/// Bytes that do not become fewer by being compressed.
fn noise(bytes: usize, seed: u64) -> Value {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b' ' + 2 + (state % 90) as u8)
    };
    let text: String = (0..bytes).map(|_| random()).filter(|c| *c != '\\').collect();
    json!({ "noise": text })
}

fn with_baseline(record: Record, bytes: usize) -> Record {
    let seed = record.id.bytes().map(u64::from).sum();
    Record { baseline: Some(noise(bytes, seed)), ..record }
}

fn written(records: &[Record]) -> BTreeMap<String, String> {
    records.iter().map(|record| (record.annotation(), text(&record.clone().packed()))).collect()
}

fn bytes(annotations: &BTreeMap<String, String>) -> usize {
    annotations.iter().map(|(key, value)| key.len() + value.len()).sum()
}

/// The annotations once the change is made.
#[track_caller]
fn applied(mut annotations: BTreeMap<String, String>, fit: &Fit) -> BTreeMap<String, String> {
    for (key, value) in &fit.changes {
        match value {
            Some(value) => annotations.insert(key.clone(), value.clone()),
            None => annotations.remove(key),
        };
    }
    assert!(bytes(&annotations) <= MOST, "{}", bytes(&annotations));
    annotations
}

fn read(annotations: &BTreeMap<String, String>, id: &str) -> Record {
    Record::parse(&annotations[&super::super::annotation(id)]).unwrap()
}

#[test]
fn what_fits_leaves_others_alone() {
    let before = written(&[with_baseline(failover("f1", 0, RecordedOutcome::DataMissing), 50_000)]);
    let current = with_baseline(failover("f2", 1, RecordedOutcome::Unfinished), 50_000);
    let fit = fit(&current, VOLUME, &before).unwrap();
    assert_eq!((fit.changes.len(), fit.trimmed, fit.lost), (1, Trimmed::default(), false));
    assert_eq!(read(&applied(before, &fit), "f2").kept_baseline().unwrap(), current.baseline);
}

/// The baselines of old records go first, the oldest first and no more of them than needed; then manifests; the current
/// record stays as it is.
#[test]
fn older_records_are_cut_down_for_the_current_one() {
    let old = |id: &str, at| with_baseline(failover(id, at, RecordedOutcome::DataMissing), 80_000);
    let before = written(&[old("f1", 0), old("f2", 1), old("f3", 2)]);
    let current = with_baseline(failover("f4", 3, RecordedOutcome::Unfinished), 80_000);
    let fit = fit(&current, VOLUME, &before).unwrap();
    assert_eq!((fit.trimmed, fit.lost), (Trimmed { baselines: 2, ..Trimmed::default() }, false));
    let after = applied(before, &fit);
    for (id, kept) in [("f1", false), ("f2", false), ("f3", true), ("f4", true)] {
        let record = read(&after, id);
        assert_eq!(record.kept_baseline().is_ok_and(|baseline| baseline.is_some()), kept, "{id}");
        assert_eq!(record.baseline_lost, (!kept).then_some(BaselineLoss::Trimmed), "{id}");
        assert!(record.claims[0].manifest.is_some(), "{id}");
    }
    let notice = fit.trimmed.notice(VOLUME).unwrap();
    assert_eq!(
        notice,
        "older records on volume pv-1 were trimmed to make room for this one: the baseline of 2 records"
    );
}

/// Years of failovers of one pod: the oldest records are removed in the end, whatever else can be cut off them is gone; the
/// one that alone knows the volume's own reclaim policy, what is unfinished and what is undone now all stay.
#[test]
fn hundreds_of_records_have_room() {
    let without_manifest = |mut record: Record| {
        record.claims[0].manifest = None;
        record
    };
    let mut records =
        vec![failover("first", 0, RecordedOutcome::DataMissing), failover("open", 1, RecordedOutcome::Unfinished)];
    records.extend((2..760).map(|at| without_manifest(failover(&format!("f{at}"), at, RecordedOutcome::DataMissing))));
    let mut annotations = written(&records);
    let mut removed = 0;
    for record in (760..840).map(|at| failover(&format!("f{at}"), at, RecordedOutcome::DataMissing)) {
        let fit = fit(&record, VOLUME, &annotations).unwrap();
        annotations = applied(annotations, &fit);
        assert!(bytes(&annotations) <= MOST - LEFT);
        assert!(read(&annotations, &record.id).claims[0].manifest.is_some());
        removed += fit.trimmed.records;
    }
    assert!(removed > 10, "{removed}");
    assert!(!annotations.contains_key(&super::super::annotation("f3")));
    annotations.extend(written(&[failover("f2", 2, RecordedOutcome::DataMissing)]));
    let fit = fit(&undo("u1", 900, "f2", RecordedOutcome::Unfinished), VOLUME, &annotations).unwrap();
    let after = applied(annotations, &fit);
    for id in ["first", "open", "f2", "f839", "u1"] {
        assert!(after.contains_key(&super::super::annotation(id)), "{id}");
    }
    assert!(read(&after, "u1").claims[0].manifest.is_some());
}

/// Once the volume was in use and recovered, earlier records are not needed.
#[test]
fn the_reclaim_policy_is_known_whatever_is_removed() {
    let older = |records: &[Record]| -> Vec<Older> {
        let parsed = |record: &Record| Older::parse(&record.annotation(), &text(record)).unwrap();
        records.iter().map(parsed).collect()
    };
    let source = |records: &[Record], current: &Record| policy_source(&older(records), current, VOLUME);
    let now = failover("now", 9, RecordedOutcome::Unfinished);
    let first = failover("f1", 0, RecordedOutcome::DataMissing);
    for (records, expected) in [
        (vec![], "now"),
        (vec![first.clone(), failover("f2", 1, RecordedOutcome::Recovered)], "f1"),
        (vec![first.clone(), undo("u1", 1, "f1", RecordedOutcome::Recovered)], "now"),
        (vec![first.clone(), undo("u1", 1, "f1", RecordedOutcome::DataMissing)], "f1"),
        (
            vec![
                first,
                undo("u1", 1, "f1", RecordedOutcome::Recovered),
                failover("f2", 2, RecordedOutcome::DataMissing),
            ],
            "f2",
        ),
    ] {
        assert_eq!(source(&records, &now).as_deref(), Some(expected));
    }
}

/// A baseline that does not fit is known to be lost; nothing else is cut off for one that would not fit anyway.
#[test]
fn a_baseline_that_is_too_large_is_lost_and_it_is_known() {
    let before = written(&[with_baseline(failover("f1", 0, RecordedOutcome::DataMissing), 50_000)]);
    let current = with_baseline(failover("f2", 1, RecordedOutcome::Unfinished), 400_000);
    let fit = fit(&current, VOLUME, &before).unwrap();
    assert_eq!((fit.changes.len(), fit.trimmed, fit.lost), (1, Trimmed::default(), true));
    let after = applied(before, &fit);
    let record = read(&after, "f2");
    assert_eq!(record.baseline_lost, Some(BaselineLoss::TooLarge));
    assert_eq!(record.kept_baseline(), Err("its baseline is not recorded: it was too large".to_owned()));
}

/// Annotations of others count, and are never touched; nor is what only looks like a record.
#[test]
fn what_others_wrote_counts_and_stays() {
    let others = |bytes: usize| {
        let key = "kubectl.kubernetes.io/last-applied-configuration".to_owned();
        let forged = (super::super::annotation("not-one"), "{}".to_owned());
        BTreeMap::from([(key, "x".repeat(bytes)), forged])
    };
    let current = with_baseline(failover("f1", 0, RecordedOutcome::Unfinished), 60_000);
    let lost = |bytes: usize| {
        let fit = fit(&current, VOLUME, &others(bytes)).unwrap();
        let after = applied(others(bytes), &fit);
        assert!(others(bytes).iter().all(|(key, value)| after.get(key) == Some(value)));
        (fit.lost, read(&after, "f1").claims[0].manifest.is_some())
    };
    assert_eq!(lost(100_000), (false, true));
    assert_eq!(lost(200_000), (true, true));
    // Into what is left to others the record goes itself, and nothing else of it.
    assert_eq!(lost(MOST - LEFT), (true, false));
    let full = super::fit(&current, VOLUME, &others(MOST - 200)).unwrap_err();
    assert!(full.bytes > MOST, "{full:?}");
}

/// The record is written again when it is finished: it fits then, too.
#[test]
fn a_finished_record_takes_the_place_of_the_unfinished_one() {
    let current = with_baseline(failover("f2", 1, RecordedOutcome::Unfinished), 60_000);
    let first = fit(&current, VOLUME, &BTreeMap::new()).unwrap();
    let mut annotations = applied(BTreeMap::new(), &first);
    let finished = Record {
        outcome: RecordedOutcome::DataMissing,
        finished: Some("2026-01-02T00:00:00Z".to_owned()),
        ..current.clone()
    };
    let second = fit(&finished, VOLUME, &annotations).unwrap();
    assert!(!second.lost);
    assert_eq!(read(&applied(annotations.clone(), &second), "f2").kept_baseline().unwrap(), current.baseline);
    // Another writer has made it too long.
    annotations.insert("other".to_owned(), "x".repeat(190_000));
    let second = fit(&finished, VOLUME, &annotations).unwrap();
    assert!(second.lost);
    let record = read(&applied(annotations, &second), "f2");
    assert_eq!((record.outcome, record.baseline_lost), (RecordedOutcome::DataMissing, Some(BaselineLoss::TooLarge)));
}

/// A field of a later version is not ours to drop.
#[test]
fn what_a_later_version_wrote_stays_in_a_trimmed_record() {
    let mut old =
        serde_json::to_value(with_baseline(failover("f1", 0, RecordedOutcome::DataMissing), 150_000)).unwrap();
    old["fromLater"] = json!(7);
    let before = BTreeMap::from([(super::super::annotation("f1"), old.to_string())]);
    let current = with_baseline(failover("f2", 1, RecordedOutcome::Unfinished), 100_000);
    let fit = fit(&current, VOLUME, &before).unwrap();
    let after = applied(before, &fit);
    let trimmed: Value = serde_json::from_str(&after[&super::super::annotation("f1")]).unwrap();
    assert_eq!((&trimmed["fromLater"], &trimmed["baselineLost"]), (&json!(7), &json!("trimmed")));
}

/// An operation that is still open is never removed, however long its record: the current record gives up its baseline
/// first, and its manifest only if that is not enough.
#[test]
fn the_current_record_gives_way_to_one_that_is_still_open() {
    let open = |bytes: usize| {
        let mut open = serde_json::to_value(failover("open", 0, RecordedOutcome::Unfinished)).unwrap();
        open["claims"][0]["manifest"] = Value::Null;
        open["fromLater"] = "x".repeat(bytes).into();
        BTreeMap::from([(super::super::annotation("open"), open.to_string())])
    };
    let current = with_baseline(failover("f2", 1, RecordedOutcome::Recovered), 100_000);
    for (bytes, manifest) in [(180_000, true), (MOST - LEFT - 700, false)] {
        let before = open(bytes);
        let fit = fit(&current, VOLUME, &before).unwrap();
        assert_eq!((fit.changes.len(), fit.trimmed, fit.lost), (1, Trimmed::default(), true), "{bytes}");
        let after = applied(before.clone(), &fit);
        assert!(before.iter().all(|(key, value)| after.get(key) == Some(value)));
        let record = read(&after, "f2");
        assert_eq!(record.baseline_lost, Some(BaselineLoss::TooLarge));
        assert_eq!(record.claims[0].manifest.is_some(), manifest, "{bytes}");
    }
}

/// A record stays if it may be resumed, if it is being undone, or if it alone knows the volume's reclaim policy; any other
/// one may go.
#[test]
fn a_record_that_is_still_needed_is_never_removed() {
    let old = |outcome| failover("f1", 0, outcome);
    let (failed, open) = (old(RecordedOutcome::DataMissing), old(RecordedOutcome::Unfinished));
    let now = failover("f2", 1, RecordedOutcome::Unfinished);
    let undoes = undo("u1", 1, "f1", RecordedOutcome::Unfinished);
    let undoes_another = undo("u1", 1, "f0", RecordedOutcome::Unfinished);
    for (record, current, keeps_policy, needed) in [
        (&failed, &now, None, false),
        (&failed, &now, Some("f0"), false),
        (&failed, &undoes_another, None, false),
        (&open, &now, None, true),
        (&failed, &undoes, None, true),
        (&failed, &now, Some("f1"), true),
    ] {
        assert_eq!(needed_still(record, current, keeps_policy), needed, "{record:?} {current:?} {keeps_policy:?}");
    }
}

/// What is trimmed is counted: first baselines, then manifests, then records, each only as far as necessary.
#[test]
fn what_is_trimmed_is_counted() {
    let with_manifest = |id: &str, at, bytes: usize| {
        let mut record = failover(id, at, RecordedOutcome::DataMissing);
        record.claims[0].manifest = Some(noise(bytes, at as u64 + 1));
        record
    };
    // The first one alone knows the reclaim policy.
    let plain = |mut record: Record| {
        record.claims[0].manifest = None;
        record
    };
    let first = plain(failover("f0", 0, RecordedOutcome::DataMissing));
    let before = written(&[
        first.clone(),
        with_manifest("f1", 1, 70_000),
        with_manifest("f2", 2, 70_000),
        with_manifest("f3", 3, 70_000),
    ]);
    for (bytes, manifests) in [(1_000, 0), (30_000, 1), (60_000, 1), (100_000, 2), (160_000, 3)] {
        let current = with_baseline(failover("f4", 4, RecordedOutcome::Unfinished), bytes);
        let fit = fit(&current, VOLUME, &before).unwrap();
        assert_eq!((fit.trimmed, fit.lost), (Trimmed { manifests, ..Trimmed::default() }, false), "{bytes}");
        let after = applied(before.clone(), &fit);
        let without = ["f1", "f2", "f3"].into_iter().filter(|id| read(&after, id).claims[0].manifest.is_none()).count();
        assert_eq!(without, manifests, "{bytes}");
    }
}
