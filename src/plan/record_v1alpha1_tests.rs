use super::super::record::{
    Action, BaselineLoss, Inherited, Record, RecordedClaim, RecordedOutcome, RecordedOwner, Returns, settled,
};
use crate::storage::TimelineId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::read_to_string;
use std::path::Path;

fn fixture(version: &str, name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{version}/Record-{name}.json"))
}

/// As v1alpha1 wrote it.
fn written(name: &str) -> String {
    read_to_string(fixture("v1alpha1", name)).unwrap()
}

fn read(name: &str) -> Record {
    Record::parse(&written(name)).unwrap_or_else(|| panic!("{name} is not read"))
}

/// Every record of v1alpha1 is read, and written in the words of this version. `REGENERATE=1` writes what it becomes.
#[test]
fn records_are_read_and_become_records_of_this_version() {
    for name in ["recovered", "undo", "unfinished", "catching-up", "unproven", "trimmed", "page"] {
        let read = read(name);
        let text = serde_json::to_string(&read).unwrap();
        let path = fixture("v1beta1", name);
        if std::env::var_os("REGENERATE").is_some() {
            std::fs::write(&path, format!("{:#}\n", serde_json::to_value(&read).unwrap())).unwrap();
        }
        let expected: Value = serde_json::from_str(&read_to_string(&path).unwrap()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected, "{name}");
        assert_eq!(Record::parse(&text), Some(read), "{name}");
    }
}

/// Field by field: what it says is what it said.
#[test]
fn nothing_of_a_record_is_lost() {
    let record = read("undo");
    assert_eq!((record.id.as_str(), &record.act), ("a1b2c3d4", &Action::Undo("b1b2c3d4".into())));
    assert_eq!(
        (record.started.as_str(), record.finished.as_deref()),
        ("2026-01-01T00:00:00Z", Some("2026-01-01T00:01:05Z"))
    );
    assert_eq!((record.outcome, record.who.as_deref()), (RecordedOutcome::DataMissing, Some("alice")));
    assert_eq!((record.context.as_str(), record.namespace.as_str(), record.pod.as_str()), ("a context", "n", "p-0"));
    assert_eq!((record.pod_uid.as_str(), record.keep_claims, record.healed), ("uid-1", false, 2));
    let owner = RecordedOwner { kind: "StatefulSet".into(), name: "p".into(), uid: "uid-2".into() };
    assert_eq!(record.owner, Some(owner));
    let returns = Returns { volume: "pv-0".into(), uid: "uid-4".into(), reclaim_policy: Some("Delete".into()) };
    let claim = RecordedClaim {
        name: "data-p-0".into(),
        uid: "uid-3".into(),
        volume: Some("pv-1".into()),
        reclaim_policy: Some("Delete".into()),
        returns: Some(returns),
        manifest: Some(json!({"metadata": {"name": "data-p-0"}, "spec": {"volumeName": "pv-1"}})),
    };
    assert_eq!(record.claims, [claim]);
    assert_eq!(record.canary.as_deref(), Some("kubectl_synxdb_a1b2c3d4"));
    let inherited = Inherited { from: "c1b2c3d4".into(), taken: "2025-12-31T00:00:00Z".into() };
    assert_eq!((record.inherited, record.superseded_by.as_deref()), (Some(inherited), Some("d1b2c3d4")));
    let baseline = record.baseline.unwrap();
    assert_eq!((&baseline["method"], &baseline["report"]["kernel"]), (&json!("sql"), &json!("mpp")));
    assert_eq!(baseline["report"]["databases"].as_array().unwrap().len(), 3);

    let catching_up = read("catching-up");
    assert_eq!((catching_up.outcome, &catching_up.finished), (RecordedOutcome::CatchingUp, &None));
    assert_eq!(catching_up.terms, Some(BTreeMap::from([(TimelineId::new("aa", "11"), 3)])));
    assert_eq!(catching_up.stored_baseline.as_deref(), Some("2025-12-31T00:00:00Z"));
    assert_eq!(catching_up.baseline.unwrap()["method"], "statusEndpoint");

    assert_eq!(
        (read("unproven").outcome, read("unproven").baseline_lost),
        (RecordedOutcome::Unverified, Some(BaselineLoss::TooLarge))
    );
    assert_eq!((read("trimmed").keep_claims, read("trimmed").baseline_lost), (true, Some(BaselineLoss::Trimmed)));
    assert_eq!((read("unfinished").outcome, read("unfinished").unfinished()), (RecordedOutcome::Unfinished, true));
    assert_eq!(read("recovered").act, Action::Failover);
}

/// A compressed baseline stays as it is, byte by byte, and is unpacked as it was packed.
#[test]
fn a_compressed_baseline_is_unpacked() {
    let text: Value = serde_json::from_str(&written("unfinished")).unwrap();
    let record = read("unfinished");
    assert_eq!(record.packed_baseline.as_deref(), text["packedBaseline"].as_str());
    let baseline = record.kept_baseline().unwrap().unwrap();
    assert_eq!(baseline["by"], "sql");
    assert_eq!(baseline["said"]["databases"][0]["tables"]["known"]["tables"].as_array().unwrap().len(), 300);
}

/// An operation of this version settles it where it stands: an older plugin that reads it sees that, too.
#[test]
fn a_record_is_settled_in_its_own_form() {
    let text = settled(&written("unfinished"), "d1b2c3d4").unwrap();
    let mut expected: Value = serde_json::from_str(&written("unfinished")).unwrap();
    expected["supersededBy"] = json!("d1b2c3d4");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    let record = Record::parse(&text).unwrap();
    assert!(record.is_settled() && !record.unfinished());
}

/// The words of one version are not those of another: what claims to be of v1alpha1 is read as such, or not at all.
#[test]
fn the_two_versions_are_not_mixed() {
    let whole: Value = serde_json::from_str(&written("undo")).unwrap();
    for (field, value) in [
        ("version", json!(2)),
        ("version", json!("1")),
        ("version", Value::Null),
        ("outcome", json!("dataMissing")),
        ("act", json!({"other": "b1b2c3d4"})),
        ("baselineLost", json!("tooLarge")),
        ("id", json!("../../x")),
    ] {
        let mut changed = whole.clone();
        changed[field] = value.clone();
        assert_eq!(Record::parse(&changed.to_string()), None, "{field} {value}");
    }
}

/// A run that resumes it writes the volumes one by one: some have the old form still, and both are one operation.
#[test]
fn copies_of_both_versions_are_one_record() {
    let old = read("unfinished");
    let resumed =
        Record { healed: 3, outcome: RecordedOutcome::Recovered, finished: Some(old.started.clone()), ..old.clone() };
    let resumed = Record::parse(&serde_json::to_string(&resumed).unwrap()).unwrap();
    for copies in [[old.clone(), resumed.clone()], [resumed, old]] {
        let merged = Record::merged(copies);
        assert_eq!((merged.len(), merged[0].unfinished()), (1, true));
    }
}

/// The kernel of a baseline is read in the words of either version.
#[test]
fn the_kernel_of_a_baseline_is_called_as_this_version_calls_it() {
    for (old, new) in [("MPP", "mpp"), ("PostgreSQL", "postgresql"), ("another", "another")] {
        let text = written("undo").replace("\"kernel\":\"MPP\"", &format!("\"kernel\":\"{old}\""));
        let baseline = Record::parse(&text).unwrap().kept_baseline().unwrap().unwrap();
        assert_eq!(baseline["report"]["kernel"], new);
    }
}
