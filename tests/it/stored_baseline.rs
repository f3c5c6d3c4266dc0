//! The baseline stored in the cluster: a component that is down is compared with it after recovery.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{ACCOUNT, Cluster, Ran, Running, SYSTEM, bare, full, uid, v1alpha1};
use practice_cluster::ReplacedPods;
use practice_cluster::store::{DeleteOptions, Key};
use rustix::process::Signal;
use serde_json::Value;

const PROXY: &str = "cloudberry-proxy-0";
const TARGET: &str = "cloud007/cloudberry-proxy-0";

/// Starts a cluster with the account's databases on the pods' own volumes, so that a new disk is empty.
fn local_disk() -> Cluster {
    let cluster = Cluster::start(full("local-disk"));
    let rows = cluster.query((ACCOUNT, PROXY), "test_db", "select count(*)::text from projects");
    assert_eq!(rows, ["3"]);
    cluster
}

/// The usual reason for a failover: the pod runs, but is not Ready and does not answer. Its replacement does.
fn is_down(cluster: &Cluster, namespace: &'static str, pod: &'static str) -> String {
    cluster.replaced_pods(ReplacedPods::StayUnready);
    let since = cluster.store().version();
    let key = Key::new("pods", namespace, pod);
    let old = cluster.store().delete(&key, &DeleteOptions::default()).unwrap().0;
    let change = cluster.wait_for_change(since, "the pod runs again and is not Ready", |change| {
        change.key == key && uid(&change.object) != uid(&old) && change.object["status"]["phase"] == "Running"
    });
    cluster.replaced_pods(ReplacedPods::BecomeReadyFromNowOn);
    uid(&change.object).to_owned()
}

/// Returns the stored document of a member, validated against its schema.
#[track_caller]
fn stored(cluster: &Cluster, namespace: &str, member: &str) -> Value {
    let name = format!("kubectl-synxdb-baseline-{member}");
    let map = cluster.get("configmaps", namespace, &name).unwrap_or_else(|| panic!("there is no ConfigMap {name}"));
    assert_eq!(map["metadata"]["labels"]["app.kubernetes.io/managed-by"], "kubectl-synxdb");
    let document = serde_json::from_str(map["data"]["baseline.json"].as_str().unwrap()).unwrap();
    crate::support::schemas::wrong_as("StoredBaseline", &document).unwrap_or_else(|why| panic!("{why}"));
    document
}

fn is_stored(cluster: &Cluster, namespace: &str, member: &str) -> bool {
    cluster.get("configmaps", namespace, &format!("kubectl-synxdb-baseline-{member}")).is_some()
}

/// Changes the stored document.
fn forge(cluster: &Cluster, member: &str, change: impl Fn(&mut Value)) {
    let mut document = stored(cluster, ACCOUNT, member);
    change(&mut document);
    let key = Key::new("configmaps", ACCOUNT, format!("kubectl-synxdb-baseline-{member}"));
    cluster.update(&key, |map| map["data"]["baseline.json"] = document.to_string().into());
}

/// Returns the arguments of the command after this line.
#[track_caller]
fn next_after(ran: &Ran, line: &str) -> Vec<String> {
    let (_, rest) = ran.out.split_once(line).unwrap_or_else(|| panic!("no {line:?}\n{}", ran.shown()));
    let next = rest.lines().find_map(|line| line.strip_prefix("next: kubectl synxdb ")).unwrap();
    shlex::split(next).unwrap()
}

#[test]
fn lost_data_is_found_by_the_stored_baseline() {
    let cluster = local_disk();
    cluster.run(&["verify", "-n", ACCOUNT]).exits(0);
    let kept = stored(&cluster, ACCOUNT, PROXY);
    let old = is_down(&cluster, ACCOUNT, PROXY);
    let ran = cluster.run(&["failover", TARGET, "--yes"]).exits(7);
    let ran = ran.warns(&["it does not respond now", "compared with the stored baseline of", "2 databases, 1 table"]);
    let ran = ran.says(&["Data missing: ", "data in the stored baseline of", "database test_db is missing"]);
    assert!(!ran.out.contains("canary"), "there was none\n{}", ran.shown());
    // The stored baseline is kept: nothing was verified that could replace it.
    assert_eq!(stored(&cluster, ACCOUNT, PROXY), kept);
    let volumes = cluster.store().list("persistentvolumes", None).0;
    let volume =
        volumes.iter().find(|volume| !cluster.records_on(volume["metadata"]["name"].as_str().unwrap()).is_empty());
    let record = cluster.record_on(volume.unwrap()["metadata"]["name"].as_str().unwrap());
    assert_eq!((&record["outcome"], &record["storedBaselineTaken"]), (&"dataMissing".into(), &kept["taken"]));

    // It was removed on purpose: the command that is printed accepts this, verifies the rest, and deletes nothing.
    let new = cluster.pod_uid(ACCOUNT, PROXY);
    let accept = next_after(&ran, "removed on purpose");
    assert!(accept.ends_with(&["--accept-missing".to_owned(), "test_db".to_owned()]), "{accept:?}");
    assert!(accept.contains(&old), "{accept:?}");
    let accept: Vec<&str> = accept.iter().map(String::as_str).chain(["--yes"]).collect();
    let ran = cluster.run(&accept).exits(0).says(&["Recovered: ", "accepted: database test_db is missing (1 table)"]);
    assert_eq!(cluster.pod_uid(ACCOUNT, PROXY), new, "{}", ran.shown());
    // From now on, this is the baseline.
    assert_ne!(stored(&cluster, ACCOUNT, PROXY)["content"], kept["content"]);

    // The undo restores everything, and is compared with the same baseline.
    let ran = cluster.run(&["undo", TARGET, "--yes"]).exits(0);
    ran.says(&["Recovered: ", "2 databases, 1 table", "compared with the stored baseline of"]);
    assert_eq!(cluster.query((ACCOUNT, PROXY), "test_db", "select count(*)::text from projects"), ["3"]);
    // Except for its time.
    let mut again = stored(&cluster, ACCOUNT, PROXY)["content"].clone();
    again["report"]["taken"] = kept["content"]["report"]["taken"].clone();
    assert_eq!(again, kept["content"]);
}

/// What v1alpha1 stored is compared with like what this version stores, and what is stored next has the form of this version.
#[test]
fn a_baseline_of_v1alpha1_finds_what_was_lost() {
    let cluster = local_disk();
    cluster.run(&["verify", "-n", ACCOUNT]).exits(0);
    forge(&cluster, PROXY, |document| *document = v1alpha1::baseline(document));
    is_down(&cluster, ACCOUNT, PROXY);
    let ran = cluster.run(&["failover", TARGET, "--yes"]).exits(7);
    let ran = ran.warns(&["it does not respond now", "compared with the stored baseline of", "2 databases, 1 table"]);
    ran.says(&["Data missing: ", "data in the stored baseline of", "database test_db is missing"]);
    cluster.run(&["undo", TARGET, "--yes"]).exits(0).says(&["Recovered: ", "2 databases, 1 table"]);
    assert_eq!(stored(&cluster, ACCOUNT, PROXY)["apiVersion"], "kubectl-synxdb/v1beta1");
}

#[test]
fn without_a_baseline_it_is_unverified() {
    let cluster = local_disk();
    is_down(&cluster, ACCOUNT, PROXY);
    let ran = cluster
        .run(&["failover", TARGET, "--yes"])
        .exits(8)
        .warns(&["no baseline, it does not respond now", "none is stored"]);
    let ran = ran.says(&["Unverified: ", "no baseline to compare with"]);
    let next = next_after(&ran, "To store a baseline for the next time, while the component is healthy");
    assert_eq!(next[..3], ["verify", "-n", ACCOUNT]);
    assert!(!is_stored(&cluster, ACCOUNT, PROXY), "nothing was proven");
    // Running it again verifies nothing more.
    let again = ["failover", TARGET, "--pod-uid", "00000000-0000-4000-8000-000000000000", "--yes"];
    cluster.run(&again).exits(8).warns(&["no baseline: none is stored"]).says(&["Unverified: "]);
    // The printed command stores one; it is of the new disk, and proves nothing about the data before.
    cluster.run(&next.iter().map(String::as_str).collect::<Vec<_>>()).exits(0);
    assert!(is_stored(&cluster, ACCOUNT, PROXY));
    cluster.run(&again).exits(8).warns(&["taken after the pod was replaced"]);
}

/// An interrupted run is resumed with the baseline that it started with, or with none.
#[test]
fn a_resumed_run_compares_with_the_same_baseline() {
    let cluster = local_disk();
    cluster.run(&["verify", "-n", ACCOUNT]).exits(0);
    is_down(&cluster, ACCOUNT, PROXY);
    cluster.replaced_pods(ReplacedPods::StayUnready);
    let arguments = ["failover", TARGET, "--yes", "--accept-missing", "test_db"];
    let mut running = Running::start(cluster.plugin(&arguments));
    running.until_warns("containers with unready status");
    running.signal(Signal::INT);
    let ran = running.end().exits(130);
    cluster.replaced_pods(ReplacedPods::BecomeReady);
    assert!(ran.resume().join(" ").contains(" --accept-missing test_db"), "{}", ran.shown());
    // Another user's verify, after the pod was replaced, knows nothing about the data before.
    forge(&cluster, PROXY, |document| {
        document["taken"] = jiff::Timestamp::now().to_string().into();
        document["content"]["report"]["databases"].as_array_mut().unwrap().retain(|one| one["name"] != "test_db");
    });
    let ran = cluster.run(&["failover", TARGET, "--yes"]).exits(7);
    ran.warns(&["resuming failover"]).says(&["database test_db is missing"]);
}

/// Anyone who can write ConfigMaps can write anything into one.
#[test]
fn a_forged_baseline_proves_nothing() {
    let cluster = local_disk();
    cluster.run(&["verify", "-n", ACCOUNT]).exits(0);
    let kept = stored(&cluster, ACCOUNT, PROXY);
    is_down(&cluster, ACCOUNT, PROXY);
    let dry = ["failover", TARGET, "--dry-run=client"];
    for (why, change) in [
        (
            "is in the future",
            &(|document: &mut Value| document["taken"] = "2999-01-01T00:00:00Z".into()) as &dyn Fn(&mut Value),
        ),
        ("it contains nothing to compare", &|document| {
            document["content"]["report"]["databases"] = serde_json::json!([])
        }),
        ("it belongs to cloud008/x", &|document| {
            (document["namespace"], document["member"]) = ("cloud008".into(), "x".into())
        }),
        ("this version cannot read it", &|document| document["apiVersion"] = "kubectl-synxdb/v9".into()),
        ("this version cannot read it", &|document| document["content"] = "".into()),
    ] {
        let ran = cluster.run_with(&dry, |_| forge(&cluster, PROXY, change)).exits(0);
        ran.says(&[
            "no baseline, it does not respond now",
            "the stored one cannot be used:",
            why,
            "will not be verified",
        ]);
        let key = Key::new("configmaps", ACCOUNT, format!("kubectl-synxdb-baseline-{PROXY}"));
        cluster.update(&key, |map| map["data"]["baseline.json"] = kept.to_string().into());
    }
    cluster.run(&dry).exits(0).says(&["compared with the stored baseline of"]);
}

/// A baseline that omits everything would find everything again.
#[test]
fn an_empty_baseline_never_counts_as_recovered() {
    let cluster = local_disk();
    cluster.run(&["verify", "-n", ACCOUNT]).exits(0);
    forge(&cluster, PROXY, |document| document["content"]["report"]["databases"] = serde_json::json!([]));
    is_down(&cluster, ACCOUNT, PROXY);
    cluster.run(&["failover", TARGET, "--yes"]).exits(8).says(&["Unverified: "]);
}

/// The same applies to components with a status endpoint only.
#[test]
fn a_safekeeper_that_was_down_is_compared_with_its_stored_baseline() {
    let cluster = Cluster::start(bare("healthy"));
    let down = |pod: &'static str| is_down(&cluster, SYSTEM, pod);
    let back = |pod: &str, code| {
        cluster.run(&["failover", pod, "--yes", "--allow", "quorum-loss", "--confirm", pod]).exits(code)
    };
    down("safekeeper-0");
    // Without one, the others determine what it must have.
    back("safekeeper-0", 0).says(&["Recovered: ", "compared with safekeeper-1, safekeeper-2"]);
    cluster.run(&["verify", "safekeeper", "pageserver"]).exits(0);
    down("safekeeper-1");
    back("safekeeper-1", 0).says(&["Recovered: ", "WAL of 1 timeline", "compared with the stored baseline of"]);
    // It had more tenants, one of which was deleted on purpose: the rest is complete.
    let key = Key::new("configmaps", SYSTEM, "kubectl-synxdb-baseline-pageserver-0");
    let mut document = stored(&cluster, SYSTEM, "pageserver-0");
    document["content"]["report"]["metrics"]["pageserver"]["tenants"]["Active"] = 9.into();
    cluster.update(&key, |map| map["data"]["baseline.json"] = document.to_string().into());
    down("pageserver-0");
    let ran = cluster.run(&["failover", "pageserver-0", "--yes", "--accept-missing", "active-tenants"]).exits(0);
    // It started empty, although it had tenants: this is reported, whatever is accepted.
    ran.says(&["Recovered: ", "accepted: active tenants: 1 of 9 before", "it may have lost its data"]);
}

/// The last tenant was deleted on purpose: then no safekeeper has a timeline, and nothing suspects data loss.
#[test]
fn a_pageserver_without_tenants_is_accepted_if_nothing_speaks_against_it() {
    let cluster = Cluster::start(bare("healthy"));
    let settings = |settings: Value| {
        let key = Key::new("configmaps", SYSTEM, "storage-stand-in");
        let _ = cluster.store().delete(&key, &DeleteOptions::default());
        let metadata = serde_json::json!({"name": "storage-stand-in", "namespace": SYSTEM});
        let map = serde_json::json!({"metadata": metadata, "data": {"settings": settings.to_string()}});
        cluster.store().create(key, map, false).unwrap();
    };
    let pages = ["verify", "safekeeper", "pageserver"];
    cluster.run(&pages).exits(0);
    let failover = ["failover", "pageserver-0", "--yes", "--start-over"];
    let accept = |next: &[String]| {
        let names = next.windows(2).filter(|words| words[0] == "--accept-missing");
        names.flat_map(|words| words.iter().cloned()).collect::<Vec<_>>()
    };

    // Neither attached nor deleted: the safekeepers have it, and the pageserver suspects a loss.
    settings(serde_json::json!({"pageserver": {"attach": 0}}));
    is_down(&cluster, SYSTEM, "pageserver-0");
    let ran = cluster.run(&failover).exits(7);
    let names = accept(&next_after(&ran, "removed on purpose"));
    assert!(names.contains(&"active-tenants".to_owned()), "{names:?}");
    let accepting: Vec<&str> = failover.iter().copied().chain(names.iter().map(String::as_str)).collect();
    is_down(&cluster, SYSTEM, "pageserver-0");
    let ran = cluster.run(&accepting).exits(8);
    ran.says(&["Unverified: ", "no tenant is active, and it may have lost its data"]);

    // Deleted everywhere.
    settings(serde_json::json!({"computes": {"tenants": 0}}));
    for pod in ["safekeeper-0", "safekeeper-1", "safekeeper-2"] {
        let uid = is_down(&cluster, SYSTEM, pod);
        cluster.replaced_pods(ReplacedPods::BecomeReady);
        cluster.until("it is Ready", |store| {
            let new = store.get(&Key::new("pods", SYSTEM, pod)).unwrap();
            self::uid(&new) == uid && crate::support::is_ready(&new)
        });
    }
    is_down(&cluster, SYSTEM, "pageserver-0");
    let ran = cluster.run(&accepting).exits(0);
    ran.says(&["Recovered: ", "accepted: active tenants: 0 of 1 before"]);
}

#[test]
fn what_is_stored_and_when() {
    let cluster = Cluster::start(bare("healthy"));
    let pages = ["verify", "safekeeper", "pageserver"];
    let stored_names = || -> Vec<String> {
        let (maps, _) = cluster.store().list("configmaps", Some(SYSTEM));
        let names = maps.iter().map(|map| map["metadata"]["name"].as_str().unwrap().to_owned());
        names.filter(|name| name.starts_with("kubectl-synxdb")).collect()
    };
    cluster.run(&[&pages[..], &["--read-only"]].concat()).exits(0);
    assert!(stored_names().is_empty());
    // The proxies accept no SQL here, so the whole command does not pass.
    cluster.run(&["verify"]).exits(8);
    assert!(stored_names().is_empty());
    let ran = cluster.run(&pages).exits(0);
    assert_eq!((ran.err.as_str(), stored_names().len()), ("", 4), "{}", ran.shown());
    let first = stored(&cluster, SYSTEM, "safekeeper-0");
    cluster.run(&["failover", "safekeeper-0", "--yes"]).exits(0);
    let second = stored(&cluster, SYSTEM, "safekeeper-0");
    assert!(second["taken"].as_str() > first["taken"].as_str(), "{first} {second}");
    let result = cluster.run(&["undo", "safekeeper-0", "--yes", "-o", "json"]).exits(0).json_lines().pop().unwrap();
    assert_eq!(result["baseline"]["source"], "fresh", "{result}");
    assert!(stored(&cluster, SYSTEM, "safekeeper-0")["taken"].as_str() > second["taken"].as_str());
    // An object of another owner under that name is left alone.
    let key = Key::new("configmaps", SYSTEM, "kubectl-synxdb-baseline-pageserver-0");
    cluster.update(&key, |map| map["metadata"]["labels"] = serde_json::json!({}));
    let ran = cluster.run(&pages).exits(0);
    ran.warns(&["no baseline stored for synxdb-system/pageserver-0", "refusing to overwrite ConfigMap"]);
}
