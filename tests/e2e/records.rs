//! Records: a component's baseline is kept as long as it may be needed, whatever else is written on a volume; and if it
//! is unknown, the current content never takes its place.

use crate::support::{Ran, unwrapped};
use crate::world::{Account, AwaitIn, World};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const POD: &str = "cloudberry-proxy-0";
const CLAIM: &str = "data-cloudberry-proxy-0";
const RECORD: &str = "kubectl-synxdb/record-";
/// Kubernetes' limit for all annotations of an object.
const MOST: usize = 256 << 10;
/// An annotation of another user.
const FOREIGN: &str = "example.com/notes";

/// Creates an account whose databases are on the proxy's own disk, so that a new disk is empty.
fn on_its_own_disk<'w>(world: &'w World, case: &str) -> Account<'w> {
    world.account(case, |objects| {
        let spec = &mut objects.set("cloudberry-proxy")["spec"];
        spec["updateStrategy"] = json!({"type": "OnDelete"});
        let container = &mut spec["template"]["spec"]["containers"][0];
        let mut environment = container["env"].as_array().cloned().unwrap_or_default();
        environment.retain(|variable| variable["name"] != "PGDATA");
        environment.push(json!({"name": "PGDATA", "value": "/data/pgdata"}));
        container["env"] = json!(environment);
    })
}

/// Creates tables in database `wide`, next to `test_db` with its one table: `name` is an SQL expression over `i`.
fn with_tables(account: &Account<'_>, number: usize, name: &str) {
    let proxy = (account.namespace.as_str(), POD);
    account.world.projects(&account.namespace);
    account.world.query(proxy, "postgres", "create database wide");
    let each = format!("execute format('create table %I (id int)', {name});");
    let all = format!("do $$ begin for i in 1..{number} loop {each} end loop; end $$");
    account.world.query(proxy, "wide", &all);
    assert_eq!(tables(account), number);
}

fn tables(account: &Account<'_>) -> usize {
    let count = "select count(*)::text from pg_tables where schemaname = 'public'";
    account.world.query((&account.namespace, POD), "wide", count)[0].parse().unwrap()
}

fn volume(account: &Account<'_>) -> String {
    let claim: PersistentVolumeClaim = account.world.get(&account.claims(), CLAIM).unwrap();
    claim.spec.unwrap().volume_name.unwrap()
}

fn annotations(world: &World, volume: &str) -> BTreeMap<String, String> {
    let volume: PersistentVolume = world.get(&world.cluster_wide(), volume).unwrap();
    let annotations = volume.metadata.annotations.unwrap_or_default();
    let bytes: usize = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    assert!(bytes <= MOST, "{bytes}");
    annotations
}

fn record(world: &World, volume: &str, id: &str) -> Value {
    serde_json::from_str(&annotations(world, volume)[&format!("{RECORD}{id}")]).unwrap()
}

/// Writes an annotation of this length on a volume, as another user.
fn annotate(world: &World, volume: &str, length: usize) -> Result<(), kube::Error> {
    let patch = json!({"metadata": {"annotations": {FOREIGN: "x".repeat(length)}}});
    let volumes = world.cluster_wide::<PersistentVolume>();
    volumes.patch(volume, &PatchParams::default(), &Patch::Merge(patch)).await_in(world).map(|_| ())
}

/// Returns the ID of an operation that ended with data missing, and its output.
#[track_caller]
fn lost(account: &Account<'_>, flags: &[&str]) -> (String, Ran) {
    let ran = account.run(&[&["failover", POD, "--yes"], flags].concat()).exits(7);
    assert!(ran.out.starts_with("Data missing: "), "{}", ran.shown());
    let acts = account.run(&["history", "-o", "json"]).exits(0).json();
    let newest = &acts["operations"][0];
    assert_eq!((&newest["operation"], &newest["outcome"]), (&json!("failover"), &json!("dataMissing")), "{acts:#}");
    (newest["id"].as_str().unwrap().to_owned(), ran)
}

/// A baseline of many tables works like one of a few.
#[test]
fn a_long_baseline_is_on_record_and_an_undo_compares_with_it() {
    let world = World::shared();
    let account = on_its_own_disk(&world, "many-tables");
    with_tables(&account, 1300, "'table_' || i");
    let first = volume(&account);
    let (failover, ran) = lost(&account, &[]);
    assert!(!unwrapped(&ran.err).contains("too large"), "{}", ran.shown());
    let kept = record(&world, &first, &failover);
    assert!(kept["packedBaseline"].is_string() && kept["baselineLost"].is_null(), "{kept:#}");
    let ran = account.run(&["undo", &failover, "--yes", "-o", "json"]).exits(0);
    let lines = ran.json_lines();
    let (plan, result) = (&lines[0], lines.last().unwrap());
    let before = plan["before"]["summary"].as_str().unwrap();
    assert!(before.contains(": 3 databases, 1301 tables") && before.contains("as recorded by"), "{plan:#}");
    assert_eq!((&result["outcome"], tables(&account)), (&json!("recovered"), 1300));
    assert!(result["verified"].as_str().unwrap().contains("1301 tables"), "{result:#}");
    assert_eq!(volume(&account), first);
}

/// If other annotations leave no space for it, this is reported at once, and an undo claims nothing: the current
/// content shows what is left, not what was there.
#[test]
fn a_baseline_without_space_is_reported_at_once_and_later() {
    let world = World::shared();
    let account = on_its_own_disk(&world, "no-room");
    with_tables(&account, 1300, "md5(i::text)");
    let first = volume(&account);
    annotate(&world, &first, 215_000).unwrap();
    let (failover, ran) = lost(&account, &[]);
    let told = format!("the baseline is too large to store on volume {first}");
    assert!(unwrapped(&ran.err).contains(&told), "{}", ran.shown());
    let kept = record(&world, &first, &failover);
    assert_eq!((&kept["baselineLost"], &kept["packedBaseline"]), (&json!("tooLarge"), &Value::Null), "{kept:#}");
    let ran = account.run(&["undo", POD, "--yes"]).exits(8);
    ran.warns(&["its baseline is not recorded: it was too large"])
        .says(&["Unverified: ", "no baseline to compare with"]);
    // It did restore the volume.
    assert_eq!((volume(&account), tables(&account)), (first.clone(), 1300));
    assert_eq!(annotations(&world, &first)[FOREIGN].len(), 215_000);
}

/// A volume that is failed over and restored repeatedly keeps the newest records, and never blocks an operation.
#[test]
fn old_records_are_shortened_for_new_ones() {
    let world = World::shared();
    let account = on_its_own_disk(&world, "budget");
    with_tables(&account, 1000, "md5(i::text)");
    let first = volume(&account);
    annotate(&world, &first, 190_000).unwrap();
    let mut failovers: Vec<String> = Vec::new();
    for round in 0..3 {
        let (failover, _) = lost(&account, &["--start-over"]);
        // Before an undo shortens it.
        let kept = record(&world, &first, &failover);
        assert!(kept["packedBaseline"].is_string(), "{round}: {kept:#}");
        for earlier in &failovers {
            let old = record(&world, &first, earlier);
            assert_eq!(old["baselineLost"], "trimmed", "{round}: {old:#}");
        }
        failovers.push(failover.clone());
        account.run(&["undo", &failover, "--yes"]).exits(0).says(&["Recovered: ", "1001 tables"]);
        assert_eq!((volume(&account), tables(&account)), (first.clone(), 1000), "{round}");
    }
    assert_eq!(annotations(&world, &first)[FOREIGN].len(), 190_000);
    // All of it is still in the history.
    let acts = account.run(&["history", "-o", "json"]).exits(0).json()["operations"].as_array().unwrap().len();
    assert_eq!(acts, 6);
}

/// The server enforces the limit for all annotations of an object together.
#[test]
fn a_server_refuses_annotations_that_are_too_long_together() {
    let world = World::shared();
    let account = world.account("annotations", |_| {});
    let volume = volume(&account);
    let kube::Error::Api(refused) = annotate(&world, &volume, MOST).unwrap_err() else { panic!("no answer") };
    assert_eq!((refused.code, refused.reason.as_str()), (422, "Invalid"));
    let why = "metadata.annotations: Too long: may not be more than 262144 bytes";
    assert_eq!(refused.message, format!("PersistentVolume \"{volume}\" is invalid: {why}"));
    annotate(&world, &volume, MOST / 2).unwrap();
}

/// An unfinished failover is started again: the first one's baseline still applies, and an undo restores the disk that
/// had the data, not the empty one in between.
#[test]
fn a_repeated_failover_inherits_the_baseline_and_the_right_disk_is_restored() {
    let world = World::shared();
    let account = on_its_own_disk(&world, "begun-again");
    let projects = world.projects(&account.namespace);
    let first = volume(&account);
    let set = world.get(&account.sets(), "cloudberry-proxy").unwrap();
    let good = serde_json::to_value(set.spec.template.spec.unwrap().containers).unwrap();
    let mut bad = good.clone();
    bad[0]["image"] = json!("synxdb/no-such-image:0");
    bad[0]["imagePullPolicy"] = json!("Never");
    let template = |containers: &Value| json!({"spec": {"template": {"spec": {"containers": containers}}}});
    account.patch_set("cloudberry-proxy", &template(&bad));
    let ran = account.run(&["failover", POD, "--yes", "--timeout", "15s", "-o", "json"]).exits(6);
    let begun = ran.json_lines()[0]["id"].as_str().unwrap().to_owned();
    let second = volume(&account);
    assert_ne!(first, second);

    account.patch_set("cloudberry-proxy", &template(&good));
    let (again, ran) = lost(&account, &["--start-over"]);
    let ran = ran.warns(&[&format!("compared with the baseline that {begun} recorded")]);
    let ran = ran.says(&[&format!("data in the recorded baseline ({begun}) of "), "test_db"]);
    // The disk of the last run is empty, and cannot be restored.
    let target = format!("{}/{POD}", account.namespace);
    assert!(ran.out.contains(&format!("next: kubectl synxdb undo {target}\n")), "{}", ran.shown());
    let kept = record(&world, &second, &again);
    assert_eq!(kept["inherited"]["from"], json!(begun), "{kept:#}");

    // Continuing as if nothing else had been there is not recovery.
    let ran = account.run(&["failover", POD, "--dry-run", "-o", "json"]).exits(0);
    assert_eq!(ran.json_lines()[0]["baseline"]["from"], json!(begun), "{}", ran.shown());

    let doubt = format!("volume {second}, which {again} retained, was created by {begun}, which did not finish");
    account.run(&["history"]).exits(0).says(&[&format!("it was created by {begun}, which did not finish")]);
    let ran = account.run(&["undo", POD, "--yes"]).exits(0);
    let ran = ran.warns(&[&format!("Undo of {begun} on {POD}"), &format!("{begun} is undone"), &doubt]);
    ran.says(&["Recovered: ", &format!("volume {first} restored")]);
    assert_eq!((volume(&account), world.projects(&account.namespace)), (first, projects));
}
