//! `undo`, `history` and `release` through the real binary: what a failover retained is restored, any number of
//! times and after any interruption; and the journal has what no volume can carry.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::terminal::{Terminal, key};
use crate::support::{ACCOUNT, CLAIMS, Cluster, LIMIT, Ran, Running, SYSTEM, VOLUMES, bare, full};
use practice_cluster::api::Rule as Denied;
use practice_cluster::api::faults::{Fault, Processed, Rule};
use practice_cluster::{Options, ReplacedPods};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// The volume of each claim of a pod.
type Disks = BTreeMap<String, String>;

fn disks(cluster: &Cluster, namespace: &str, pod: &str) -> Disks {
    let claims = cluster.claims_of(namespace, pod).into_keys();
    claims.map(|claim| (claim.clone(), cluster.volume_of(namespace, &claim))).collect()
}

/// Returns reclaim policy and phase of a volume.
fn state(cluster: &Cluster, volume: &str) -> (String, String) {
    let volume = cluster.get(VOLUMES, "", volume).unwrap_or_else(|| panic!("volume {volume} is gone"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&volume["spec"]["persistentVolumeReclaimPolicy"]), text(&volume["status"]["phase"]))
}

#[track_caller]
fn are_in_use(cluster: &Cluster, disks: &Disks) {
    for volume in disks.values() {
        assert_eq!(state(cluster, volume), ("Delete".into(), "Bound".into()), "{volume}");
    }
}

#[track_caller]
fn are_kept(cluster: &Cluster, disks: &Disks) {
    for volume in disks.values() {
        cluster.until("the volume is released", |_| state(cluster, volume).1 == "Released");
        assert_eq!(state(cluster, volume).0, "Retain", "{volume}");
    }
}

/// Asserts that the records on all of these volumes have this outcome for the operation with that ID.
#[track_caller]
fn on_record(cluster: &Cluster, disks: &Disks, id: &str, outcome: &str) {
    for volume in disks.values() {
        let records = cluster.records_on(volume);
        let record = records.iter().find(|record| record["id"] == id).unwrap_or_else(|| panic!("{id}: {records:#?}"));
        assert_eq!(record["outcome"], outcome, "{record:#}");
    }
}

/// Returns the operations that `history` lists, the newest first.
#[track_caller]
fn history(cluster: &Cluster, arguments: &[&str]) -> Vec<Value> {
    let document = cluster.run(&[&["history", "-o", "json"], arguments].concat()).exits(0).json();
    assert_eq!((&document["kind"], &document["unknown"]), (&json!("History"), &json!([])));
    document["operations"].as_array().unwrap().clone()
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// Returns the ID in the plan of a run in JSON.
fn id_of(ran: &Ran) -> String {
    ran.json_lines()[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn data_that_a_failover_lost_is_restored() {
    let cluster = Cluster::start(full("local-disk"));
    let (door, pod, target) = ((ACCOUNT, "cloudberry-proxy-0"), "cloudberry-proxy-0", "cloud007/cloudberry-proxy-0");
    let projects = "select row_to_json(projects)::text from projects order by 1";
    let rows = cluster.query(door, "test_db", projects);
    assert_eq!(rows.len(), 3);
    let first = disks(&cluster, ACCOUNT, pod);
    let (claim, volume) = first.first_key_value().unwrap();

    let lost = cluster.run(&["failover", target, "--yes"]).exits(7);
    assert!(lost.out.starts_with("Data missing: cloudberry-proxy-0 is Ready"), "{}", lost.shown());
    let lost = lost.says(&["test_db", "projects", "To restore the old volume, which may have the missing data:"]);
    let undo = lost.resume();
    let failover = undo[1].clone();
    assert_eq!(undo[0], "undo");
    on_record(&cluster, &first, &failover, "dataMissing");
    are_kept(&cluster, &first);
    let second = disks(&cluster, ACCOUNT, pod);

    // A volume that may still be needed is not released.
    let release = |id: &str, more: &[&str]| cluster.run(&[&["release", id], more].concat());
    let before = cluster.versions();
    let ran = release(&failover, &["--confirm", pod]).exits(4).silent();
    ran.warns(&[&format!("{ACCOUNT}/{pod} has not recovered: {failover} ended with data missing"), "next: "]);
    assert_eq!(cluster.versions(), before);
    let told = cluster.run(&["history"]).exits(0);
    told.says(&[
        "1 operation, 1 can be undone, 1 volume retained",
        &failover,
        "data missing",
        &format!("kubectl synxdb undo {failover}"),
    ]);

    let ran = cluster.run(&[&words(&undo)[..], &["--yes"]].concat()).exits(0);
    assert!(ran.out.starts_with("Recovered: cloudberry-proxy-0 in "), "{}", ran.shown());
    let ran = ran.says(&[
        &format!("on the volumes retained by {failover}"),
        ", canary table",
        &format!("volume {volume} restored"),
    ]);
    ran.warns(&[
        &format!("Undo of {failover} on cloudberry-proxy-0"),
        &format!("volume {volume} ("),
        ") is restored as claim",
    ]);
    assert_eq!(cluster.query(door, "test_db", projects), rows);
    let canaries = "select nspname::text from pg_namespace where nspname like 'kubectl_synxdb%'";
    assert_eq!(cluster.query(door, "postgres", canaries), Vec::<String>::new());
    assert_eq!(disks(&cluster, ACCOUNT, pod), first);
    are_in_use(&cluster, &first);
    are_kept(&cluster, &second);

    // The history, the newest first.
    let acts = history(&cluster, &[]);
    let brief = |act: &Value| {
        (
            act["operation"].clone(),
            act["outcome"].clone(),
            act["volumes"][0]["state"].clone(),
            act["canBeUndone"].clone(),
        )
    };
    assert_eq!(acts.len(), 2);
    assert_eq!(brief(&acts[0]), (json!("undo"), json!("recovered"), json!("retained"), json!(true)));
    assert_eq!(brief(&acts[1]), (json!("failover"), json!("dataMissing"), json!("inUse"), json!(false)));
    assert_eq!((&acts[0]["undoes"], &acts[1]["undoneBy"]), (&json!(failover), &acts[0]["id"]));
    assert!(
        acts.iter()
            .all(|act| act["user"].is_string() && act["durationMs"].is_u64() && act["volumes"][0]["size"].is_string())
    );
    let undone = acts[0]["id"].as_str().unwrap().to_owned();
    on_record(&cluster, &first, &undone, "recovered");
    on_record(&cluster, &second, &undone, "recovered");
    cluster.run(&["history", pod, "-n", ACCOUNT]).exits(0).says(&["undo", &undone, &format!("undone by {undone}")]);
    assert_eq!(history(&cluster, &["wh9527-0"]), Vec::<Value>::new());
    assert_eq!(history(&cluster, &["-A"]).len(), 2);

    // The volume in use stays; the other is released once the pod's name is given.
    let ran = release(&failover, &["--confirm", pod]).exits(4).silent();
    ran.warns(&[&format!("volume {volume} is in use: claim {claim} is bound to it")]);
    let kept = &second[claim];
    release(&undone, &[]).exits(4).silent().warns(&["--confirm cloudberry-proxy-0", &format!("volume {kept} (")]);
    release(&undone, &["--confirm", "wh9527-0"]).exits(4).silent().warns(&["nothing was changed"]);
    let question = "Type cloudberry-proxy-0 to continue";
    for (keys, code) in [("cloudberry-proxy\r", 5), (key::CTRL_C, 130)] {
        let mut terminal = Terminal::start(cluster.plugin(&["release", &undone]));
        terminal.expect(question);
        terminal.send(keys);
        let left = terminal.end();
        assert_eq!(left.code, code, "{}", left.text);
        assert!(left.text.contains("nothing was changed"), "{}", left.text);
    }
    assert_eq!(state(&cluster, kept).0, "Retain");
    let ran = release(&undone, &["--confirm", pod]).exits(0);
    ran.says(&["Released: 1 volume of cloudberry-proxy-0", &format!("volume {kept}: reclaim policy set to Delete")]);
    cluster.until("Kubernetes removes the volume", |_| cluster.get(VOLUMES, "", kept).is_none());
    assert_eq!(history(&cluster, &[])[0]["volumes"][0]["reason"], "it no longer exists");
    // After that, the undo itself cannot be undone.
    let ran = cluster.run(&["undo", &undone, "--yes"]).exits(4).silent();
    ran.warns(&[
        &format!("volume {kept}, retained for claim {claim}, no longer exists"),
        "next: kubectl synxdb history",
    ]);
    let ran = release(&undone, &["--confirm", pod]).exits(4).silent();
    ran.warns(&[&format!("volume {kept}: it no longer exists")]);
    assert_eq!(cluster.query(door, "test_db", projects), rows);
    cluster.run(&["status"]).exits(0);
}

/// The command to paste works for the cluster of the failover: it has its context, and fails if that cluster is gone.
#[test]
fn the_undo_command_names_the_failovers_context() {
    let cluster = Cluster::start(full("local-disk"));
    let config = cluster.file("named.yaml", &cluster.kubeconfig().to_string());
    let context = cluster.kubeconfig()["current-context"].as_str().unwrap().to_owned();
    let flags = ["--kubeconfig", config.to_str().unwrap(), "--context", &context];
    let failover = ["failover", "cloud007/cloudberry-proxy-0", "--yes"];
    let lost = cluster.run(&[&failover[..], &flags].concat()).exits(7);
    let undo = lost.resume();
    assert!(flags.iter().all(|word| undo.iter().any(|other| other == word)), "{undo:?}");
    cluster
        .run_with(&[&words(&undo)[..], &["--yes"]].concat(), |command| {
            command.env_remove("KUBECONFIG");
        })
        .exits(0)
        .says(&["Recovered: "]);

    let private = ["--sandbox", "--scenario", "local-disk"];
    let ran = cluster.run(&[&private[..], &failover].concat()).exits(7);
    ran.says(&["hint: the temporary practice cluster ended with this command"]);
}

#[test]
fn a_dry_run_of_an_undo_changes_nothing() {
    let cluster = Cluster::start(bare("healthy"));
    let pod = "pageserver-0";
    let failover = id_of(&cluster.run(&["failover", pod, "--yes", "-o", "json"]).exits(0));
    let versions = cluster.versions();
    let plan = cluster.run(&["undo", pod, "--dry-run=client"]).exits(0);
    plan.says(&[
        &format!("Undo of {failover} on pageserver-0"),
        "reserve volume",
        "pass",
        ", with everything written since, is retained",
    ]);
    cluster.sandbox().requests().clear();
    let server = cluster.run(&["undo", pod, "--dry-run=server"]).exits(0);
    server.says(&[
        "reserved (server dry run)",
        "retained (server dry run)",
        "pod/pageserver-0 deleted (server dry run)",
    ]);
    let asked = cluster.rehearsals();
    assert_eq!(asked.len(), 7 + 3, "each step is asked about, and each object that comes: {asked:#?}");
    assert_eq!(cluster.writes(), Vec::<String>::new());
    let lines = cluster.run(&["undo", &failover, "--dry-run=server", "-o", "json"]).exits(0).json_lines();
    assert_eq!((lines.len(), &lines[0]["kind"]), (1 + 7 + 3, &json!("UndoPlan")));
    assert!(lines[1..].iter().all(|line| line["kind"] == "UndoEvent"), "{lines:#?}");
    let yaml = cluster.run(&["undo", pod, "--dry-run=client", "-o", "yaml"]).exits(0);
    let yaml: Value = serde_saphyr::from_str(&yaml.out).unwrap();
    assert_eq!(
        (&yaml["kind"], &yaml["operation"], &yaml["undoes"]),
        (&json!("UndoPlan"), &json!("undo"), &json!(failover))
    );
    assert_eq!(cluster.versions(), versions);
}

/// Offered if no target is given, and declined in each way.
#[test]
fn a_declined_undo_changes_nothing() {
    let cluster = Cluster::start(bare("healthy"));
    let pod = "pageserver-0";
    let failover = id_of(&cluster.run(&["failover", pod, "--yes", "-o", "json"]).exits(0));
    let versions = cluster.versions();
    let mut terminal = Terminal::start(cluster.plugin(&["undo"]));
    terminal.expect("Undo what?");
    terminal.expect(&format!("{failover} failover of synxdb-system/pageserver-0"));
    terminal.send(key::ESCAPE);
    let left = terminal.end();
    assert_eq!(left.code, 5, "{}", left.text);
    assert!(left.text.contains("nothing was chosen; nothing was changed"), "{}", left.text);
    let mut terminal = Terminal::start(cluster.plugin(&["undo", &failover]));
    terminal.expect(&format!("Undo {failover} for synxdb-system/pageserver-0?"));
    terminal.send("n\r");
    let left = terminal.end();
    assert_eq!(left.code, 5, "{}", left.text);
    assert!(left.text.contains("declined; nothing was changed"), "{}", left.text);
    cluster.run(&["undo", pod]).exits(4).silent().warns(&["to skip the prompt, add --yes"]);
    cluster.run(&["undo", pod, "--confirm", "safekeeper-0"]).exits(4).silent().warns(&["--confirm pageserver-0"]);
    assert_eq!(cluster.versions(), versions);
}

/// Two claims, undone, redone and released, with the flags and formats of a failover.
#[test]
fn an_undo_of_an_undo() {
    let cluster = Cluster::start(bare("healthy"));
    let pod = "pageserver-0";
    let first = disks(&cluster, SYSTEM, pod);
    assert_eq!(first.len(), 2);
    let failover = id_of(&cluster.run(&["failover", pod, "--yes", "-o", "json"]).exits(0));
    let second = disks(&cluster, SYSTEM, pod);
    let ran = cluster.run(&["undo", &failover, "--yes", "-o", "json"]).exits(0);
    assert_eq!(ran.err, "");
    let lines = ran.json_lines();
    let (plan, result) = (&lines[0], lines.last().unwrap());
    assert_eq!((&plan["kind"], &result["kind"]), (&json!("UndoPlan"), &json!("UndoResult")));
    assert!(
        lines.len() > 6 && lines[1..lines.len() - 1].iter().all(|line| line["kind"] == "UndoEvent"),
        "{}",
        ran.shown()
    );
    let actions: Vec<&str> =
        plan["steps"].as_array().unwrap().iter().map(|step| step["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["retain", "retain", "reserve", "reserve", "deleteClaim", "deleteClaim", "deletePod"]);
    assert_eq!(
        (&result["outcome"], &result["id"], &result["resume"]),
        (&json!("recovered"), &plan["id"], &Value::Null)
    );
    assert_eq!(disks(&cluster, SYSTEM, pod), first);
    are_in_use(&cluster, &first);
    are_kept(&cluster, &second);
    let undone = id_of(&ran);
    assert_ne!(undone, failover);

    // Restored a moment ago: a failover now is taken for a mistake, an undo of the undo is not.
    cluster.run(&["failover", pod, "--yes"]).exits(4).silent().warns(&[
        "pageserver-0 was restored ",
        &format!(" ago ({undone}), and has recovered"),
        "to repeat, add --start-over",
    ]);
    let ran = cluster.run(&["undo", pod, "--yes"]).exits(0);
    ran.says(&["Recovered: pageserver-0", &format!("on the volumes retained by {undone}")]);
    assert_eq!(disks(&cluster, SYSTEM, pod), second);
    are_in_use(&cluster, &second);
    are_kept(&cluster, &first);
    // The last operation can release its first volumes, and so can the first one: they are the same.
    let acts = history(&cluster, &["-n", SYSTEM]);
    assert_eq!(
        acts.iter().map(|act| act["operation"].as_str().unwrap()).collect::<Vec<_>>(),
        ["undo", "undo", "failover"]
    );
    let ran = cluster.run(&["release", &failover, "--confirm", pod, "-o", "json"]).exits(0);
    let released = ran.json();
    assert_eq!(
        (&released["kind"], released["operations"][0]["volumes"].as_array().unwrap().len()),
        (&json!("Release"), 2)
    );
    cluster
        .until("Kubernetes removes both", |_| first.values().all(|volume| cluster.get(VOLUMES, "", volume).is_none()));
    are_in_use(&cluster, &second);
}

/// Several operations are released at once, all or none, after their number of volumes was typed; or all of some age.
#[test]
fn several_operations_are_released_at_once() {
    let cluster = Cluster::start(bare("healthy"));
    let failed_over = ["pageserver-0", "safekeeper-1"].map(|pod| {
        let volumes: Vec<String> = disks(&cluster, SYSTEM, pod).into_values().collect();
        let ran = cluster.run(&["failover", pod, "--yes", "-o", "json"]).exits(0);
        (id_of(&ran), volumes)
    });
    let [(first, two), (second, one)] = &failed_over;
    assert_eq!((two.len(), one.len()), (2, 1));
    let kept = || two.iter().chain(one).filter(|volume| state(&cluster, volume).0 == "Retain").count();
    assert_eq!(kept(), 3);

    // Where release was before, it is not taken for a pod.
    for words in [&["history", "release", first][..], &["history", "-n", SYSTEM, "release", first]] {
        cluster.run(words).exits(2).silent().warns(&[&format!("next: kubectl synxdb release {first}")]);
    }
    // All or none.
    let ran = cluster.run(&["release", first, "0a1b2c3d", "--confirm", "3"]).exits(1).silent();
    ran.warns(&["no failover or undo with ID 0a1b2c3d"]);
    // The name of one pod is not the answer for two.
    let ran = cluster.run(&["release", first, second, "--confirm", "pageserver-0"]).exits(4).silent();
    ran.warns(&["In total: 3 volumes (", "nothing was changed", "hint: --confirm 3"]);
    // None is that old.
    let ran = cluster.run(&["release", "--older-than", "7d", "--confirm", "3"]).exits(0);
    ran.warns(&["no operation that ended 7d ago or earlier has volumes to release"]);
    assert_eq!(kept(), 3);

    let released = cluster.run(&["release", first, second, "--confirm", "3", "-o", "json"]).exits(0).json();
    let operations = released["operations"].as_array().unwrap();
    let ids: Vec<&str> = operations.iter().map(|operation| operation["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [first, second]);
    cluster.until("Kubernetes removes all", |_| {
        two.iter().chain(one).all(|volume| cluster.get(VOLUMES, "", volume).is_none())
    });
}

/// `--older-than` releases what is old enough in the namespaces that were read, and skips what must not be released.
#[test]
fn operations_of_some_age_are_released() {
    let cluster = Cluster::start(bare("healthy"));
    let first = disks(&cluster, SYSTEM, "pageserver-0");
    cluster.run(&["failover", "pageserver-0", "--yes"]).exits(0);
    let node = disks(&cluster, ACCOUNT, "wh9527-0");
    // It was not verified, and so has not recovered.
    let skipped = id_of(&cluster.run(&["failover", "wh9527-0", "--yes", "--no-verify", "-o", "json"]).exits(0));
    let elsewhere = cluster.run(&["release", "--older-than", "0s", "-n", ACCOUNT, "--confirm", "0"]).exits(0);
    elsewhere.warns(&[&format!("{skipped} is skipped: "), "has volumes to release"]);
    are_kept(&cluster, &first);
    let ran = cluster.run(&["release", "--older-than", "0s", "-A", "--confirm", "pageserver-0"]).exits(0);
    ran.says(&["Released: 2 volumes of pageserver-0"]).warns(&[&format!("{skipped} is skipped: ")]);
    cluster
        .until("Kubernetes removes both", |_| first.values().all(|volume| cluster.get(VOLUMES, "", volume).is_none()));
    are_kept(&cluster, &node);
    // Unreadable volumes may hide some: nothing is released then.
    cluster.run(&["release"]).exits(2).silent();
}

/// Records are on volumes: while these cannot be read, IDs and possible undos are unknown.
#[test]
fn an_id_cannot_be_looked_up_while_volumes_cannot_be_read() {
    let cluster = Cluster::start(bare("healthy"));
    let ran = cluster.run(&["failover", "safekeeper-2", "--yes", "-o", "json"]).exits(0);
    let id = id_of(&ran);
    let unread = Fault::Refuse { code: 500, retry_after: None };
    cluster.sandbox().faults().add(Rule::on("list", VOLUMES, unread));
    let versions = cluster.versions();
    let ran = cluster.run(&["undo", &id, "--yes"]).exits(1).silent();
    ran.warns(&[
        &format!("pod \"{id}\" not found, and IDs cannot be looked up"),
        "volumes carry the records: cannot list persistentvolumes",
        "nothing was changed",
        &format!("next: kubectl synxdb undo {id}"),
    ]);
    let ran = cluster.run(&["undo", "pageserver-0", "--yes"]).exits(1).silent();
    ran.warns(&["unknown what can be undone for synxdb-system/pageserver-0", "next: kubectl synxdb undo pageserver-0"]);
    // A failed read is retried, and is no reason to override a check.
    let ran = cluster.run(&["failover", "pageserver-0", "--yes"]).exits(4).silent();
    let ran = ran.warns(&["volumes cannot be read", "next: kubectl synxdb failover synxdb-system/pageserver-0"]);
    assert!(!ran.err.contains("next: --allow"), "{}", ran.shown());
    assert_eq!(cluster.versions(), versions);
    cluster.sandbox().faults().clear();
    cluster.run(&["undo", &id, "--yes", "--allow", "quorum-loss", "--confirm", "safekeeper-2"]).exits(0);

    // A user who may not read them asks for the permission.
    let denied = Denied {
        verbs: vec!["list".into()],
        resources: vec![VOLUMES.into()],
        namespaces: vec!["*".into()],
        subresource: None,
    };
    let cluster = Cluster::start(Options { deny: vec![denied], ..bare("healthy") });
    let ran = cluster.run(&["undo", "0a1b2c3d", "--yes"]).exits(4).silent().warns(&[
        "pod \"0a1b2c3d\" not found, and IDs cannot be looked up",
        "next: kubectl auth can-i list persistentvolumes -A",
    ]);
    assert!(!ran.err.contains("next: kubectl synxdb undo"), "{}", ran.shown());
}

#[test]
fn nothing_to_undo_unknown_and_unnamed() {
    let cluster = Cluster::read_only();
    let versions = cluster.versions();
    let refused = |code: i32, arguments: &[&str], words: &[&str]| {
        let ran = cluster.run(arguments).exits(code).silent();
        ran.error();
        ran.warns(words);
    };
    let none = format!("next: kubectl synxdb history -n {SYSTEM}");
    refused(
        4,
        &["undo", "pageserver-0", "--yes"],
        &["nothing to undo for synxdb-system/pageserver-0", "it has no retained volume on record", &none],
    );
    refused(1, &["undo", "0a1b2c3d", "--yes"], &["0a1b2c3d", "next: kubectl synxdb "]);
    refused(2, &["undo", "--yes"], &["ID or TARGET is required without a terminal", "next: kubectl synxdb history"]);
    refused(
        1,
        &["release", "0a1b2c3d", "--confirm", "x"],
        &["no failover or undo with ID 0a1b2c3d", "next: kubectl synxdb history -A"],
    );
    let lines = cluster.run(&["undo", "pageserver-0", "--yes", "-o", "json"]).exits(4).json_lines();
    assert_eq!((lines.len(), &lines[0]["kind"], &lines[0]["exitCode"]), (1, &json!("Error"), &json!(4)));
    let mut terminal = Terminal::start(cluster.plugin(&["undo"]));
    terminal.expect("nothing to undo");
    assert_eq!(terminal.end().code, 4);
    assert_eq!(cluster.run(&["history"]).exits(0).out, "No operations recorded\n");
    assert_eq!(cluster.versions(), versions);
}

fn next(cluster: &Cluster, words: &mut tokio::sync::mpsc::UnboundedReceiver<Processed>) -> Processed {
    cluster.block_on(async { tokio::time::timeout(LIMIT, words.recv()).await.expect("a change in time").unwrap() })
}

/// Runs until the n-th change of this kind was made and answered, and kills it there.
fn killed_after(cluster: &Cluster, arguments: &[&str], what: (&str, &str), n: usize) -> Ran {
    let mut words = cluster.sandbox().faults().mutations();
    let running = Running::start(cluster.plugin(arguments));
    let mut seen = 0;
    loop {
        let word = next(cluster, &mut words);
        seen += usize::from((word.mutation.verb.as_str(), word.mutation.resource.as_str()) == what);
        if seen == n {
            cluster.block_on(word.answered());
            break;
        }
    }
    running.signal(Signal::KILL);
    running.end()
}

/// Killed after each of its changes in turn; the same command resumes it under the same ID.
#[test]
fn killed_and_resumed() {
    let cluster = Cluster::start(bare("healthy"));
    let pod = "pageserver-0";
    let first = disks(&cluster, SYSTEM, pod);
    let mut undoes = id_of(&cluster.run(&["failover", pod, "--yes", "-o", "json"]).exits(0));
    let (mut back, mut away) = (first, disks(&cluster, SYSTEM, pod));
    // Retained twice, then recorded and reserved twice.
    let patches = (1..=6).map(|n| (("patch", VOLUMES), n));
    let deletes = [(("delete", CLAIMS), 1), (("delete", CLAIMS), 2), (("delete", "pods"), 1)];
    let finished = (7..=9).map(|n| (("patch", VOLUMES), n));
    for (what, n) in patches.chain(deletes).chain(finished) {
        let command = ["undo", &undoes, "--yes", "-o", "json"];
        let killed = killed_after(&cluster, &command, what, n);
        let told = format!("killed after {what:?} {n}\n{}", killed.shown());
        let id = id_of(&killed);
        let again = cluster.run(&command);
        let told = format!("{told}\n{}", again.shown());
        let lines = again.json_lines();
        let result = lines.last().unwrap();
        assert_eq!(
            (again.code, &result["outcome"], &result["id"]),
            (Some(0), &json!("recovered"), &json!(id)),
            "{told}"
        );
        assert_eq!(lines[0]["resumes"]["id"], id, "{told}");
        assert_eq!(disks(&cluster, SYSTEM, pod), back, "{told}");
        are_in_use(&cluster, &back);
        are_kept(&cluster, &away);
        on_record(&cluster, &back, &id, "recovered");
        on_record(&cluster, &away, &id, "recovered");
        // The next one undoes this one.
        std::mem::swap(&mut back, &mut away);
        undoes = id;
    }
}

/// After Ctrl-C, it prints how to resume.
#[test]
fn interrupted_and_resumed() {
    let cluster = Cluster::start(bare("healthy"));
    let first = disks(&cluster, SYSTEM, "safekeeper-0");
    let failover = id_of(&cluster.run(&["failover", "safekeeper-0", "--yes", "-o", "json"]).exits(0));
    cluster.replaced_pods(ReplacedPods::StayUnready);
    let mut running = Running::start(cluster.plugin(&["undo", "safekeeper-0", "--yes"]));
    running.until_warns("containers with unready status");
    running.signal(Signal::INT);
    let ran =
        running.end().exits(130).says(&["Interrupted after", "Done so far:", "reserved", "pod safekeeper-0 deleted"]);
    let resume = ran.resume();
    assert_eq!(resume, ["undo", &failover]);
    // No other operation starts in the meantime.
    cluster
        .run(&["failover", "safekeeper-0", "--yes"])
        .exits(4)
        .silent()
        .warns(&["is unfinished", &format!("kubectl synxdb undo {failover}    (to resume it")]);
    let acts = history(&cluster, &[]);
    assert_eq!((&acts[0]["outcome"], &acts[1]["undoneBy"]), (&json!("unfinished"), &Value::Null));
    cluster.replaced_pods(ReplacedPods::BecomeReady);
    // Nothing is left to confirm.
    let ran =
        cluster.run(&words(&resume)).exits(0).warns(&["resuming undo", "deletions are done; waiting and verifying"]);
    ran.says(&["Recovered: safekeeper-0"]);
    assert_eq!(disks(&cluster, SYSTEM, "safekeeper-0"), first);
    are_in_use(&cluster, &first);
}

/// Returns the local journal: the file of each operation, and its content.
fn journal(folder: PathBuf) -> Vec<(PathBuf, Value)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap())).collect()
}

#[test]
fn records_that_no_volume_carries_are_in_the_journal() {
    let cluster = Cluster::start(bare("healthy"));
    let state = cluster.home().join("state");
    let run = |arguments: &[&str]| {
        cluster.run_with(arguments, |command| {
            command.env("XDG_STATE_HOME", &state);
        })
    };
    let command = ["failover", "safekeeper-1", "--keep-pvc", "--yes", "-o", "json"];
    let old = cluster.pod_uid(SYSTEM, "safekeeper-1");
    let claims = cluster.claims_of(SYSTEM, "safekeeper-1");

    let mut words = cluster.sandbox().faults().mutations();
    let mut plugin = cluster.plugin(&command);
    plugin.env("XDG_STATE_HOME", &state);
    let running = Running::start(plugin);
    // At the first deletion, before its response, the record exists.
    let word = loop {
        let word = next(&cluster, &mut words);
        if word.mutation.verb == "delete" {
            break word;
        }
    };
    let files = journal(state.join("kubectl-synxdb"));
    running.signal(Signal::KILL);
    let killed = running.end();
    drop(word);
    let id = id_of(&killed);
    let [(path, record)] = &files[..] else { panic!("{files:#?}") };
    assert_eq!(*path, state.join(format!("kubectl-synxdb/{id}.json")));
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!((&record["id"], &record["outcome"], &record["podUid"]), (&json!(id), &json!("unfinished"), &json!(old)));
    assert_eq!((&record["keepClaims"], &record["pod"]), (&json!(true), &json!("safekeeper-1")));

    let listed = run(&["history", "-o", "json"]).exits(0).json();
    assert_eq!(
        (&listed["operations"][0]["id"], &listed["operations"][0]["outcome"]),
        (&json!(id), &json!("unfinished"))
    );
    // No other machine's history has it.
    assert_eq!(history(&cluster, &[]), Vec::<Value>::new());
    let again = run(&command).exits(0);
    let lines = again.json_lines();
    let result = lines.last().unwrap();
    assert_eq!((&result["id"], &result["outcome"], &result["oldUid"]), (&json!(id), &json!("recovered"), &json!(old)));
    assert_eq!(lines[0]["journal"], json!(path), "{}", again.shown());
    assert_eq!(cluster.claims_of(SYSTEM, "safekeeper-1"), claims);
    let files = journal(state.join("kubectl-synxdb"));
    assert_eq!((files.len(), &files[0].1["outcome"]), (1, &json!("recovered")));
    run(&["history"]).exits(0).says(&["1 operation, 0 can be undone", &id, "recovered"]);
    run(&["undo", &id, "--yes"]).exits(4).silent().warns(&[&format!("{id} retained no volume: it kept its claims")]);
    run(&["undo", "safekeeper-1", "--yes"]).exits(4).silent().warns(&["nothing to undo"]);
    run(&["release", &id, "--confirm", "safekeeper-1"]).exits(4).warns(&[&format!("{id} retained no volume")]);
}

/// The old volume cannot be retained, and cannot carry the record: it is written here before anything is deleted.
#[test]
fn without_permission_to_change_volumes_the_record_is_local() {
    let rule = Denied {
        verbs: vec!["patch".into()],
        resources: vec![VOLUMES.into()],
        namespaces: vec!["*".into()],
        subresource: None,
    };
    let cluster = Cluster::start(Options { deny: vec![rule], ..bare("healthy") });
    let old = disks(&cluster, SYSTEM, "pageserver-0");
    let folder = cluster.home().join(".local/state/kubectl-synxdb");
    let command = ["failover", "pageserver-0", "--allow", "unretained-volume", "-o", "json"];
    cluster.run(&[&command[..], &["--yes"]].concat()).exits(4);
    assert!(journal(folder.clone()).is_empty());

    let mut words = cluster.sandbox().faults().mutations();
    let running = Running::start(cluster.plugin(&[&command[..], &["--confirm", "pageserver-0"]].concat()));
    let word = loop {
        let word = next(&cluster, &mut words);
        if word.mutation.verb == "delete" {
            break word;
        }
    };
    let files = journal(folder.clone());
    let [(_, record)] = &files[..] else { panic!("{files:#?}") };
    assert_eq!((&record["outcome"], record["claims"].as_array().unwrap().len()), (&json!("unfinished"), 2));
    assert!(record["claims"][0]["manifest"]["spec"]["volumeName"].is_string(), "{record:#}");
    // The others proceed by themselves.
    drop(word);
    drop(words);
    let ran = running.end().exits(0);
    assert_eq!(journal(folder)[0].1["outcome"], "recovered");
    let id = id_of(&ran);
    assert_eq!(ran.json_lines()[0]["risk"], "high");
    cluster.until("the old volumes are lost, as was said", |_| {
        old.values().all(|volume| cluster.get(VOLUMES, "", volume).is_none())
    });
    cluster.run(&["history"]).exits(0).says(&["1 operation, 0 can be undone", &id]);
    let ran = cluster.run(&["undo", &id, "--yes"]).exits(4).silent();
    ran.warns(&[&format!("{id} retained no volume: none could be")]);
}

/// A journal that cannot be written is detected before anything is deleted.
#[test]
fn without_a_place_for_the_record_nothing_is_deleted() {
    let rule = Denied {
        verbs: vec!["patch".into()],
        resources: vec![VOLUMES.into()],
        namespaces: vec!["*".into()],
        subresource: None,
    };
    let cluster = Cluster::start(Options { deny: vec![rule], ..bare("healthy") });
    let before = cluster.versions();
    let file = cluster.file("no-folder", "");
    let command = ["failover", "pageserver-0", "--allow", "unretained-volume", "--confirm", "pageserver-0"];
    let ran = cluster.run_with(&command, |command| {
        command.env("XDG_STATE_HOME", &file);
    });
    let ran = ran.exits(1).says(&["cannot write the record to", "Nothing was deleted."]);
    assert_eq!(cluster.versions(), before, "{}", ran.shown());
    // If the claims stay, only the record itself can be lost.
    let ran = cluster.run_with(&["failover", "pageserver-0", "--keep-pvc", "--yes"], |command| {
        command.env("XDG_STATE_HOME", &file);
    });
    ran.exits(0).says(&["Recovered: ", "note: no record was saved: "]);
}
