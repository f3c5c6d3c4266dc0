//! `failover` through the real binary: each of SynxDB's components recovers, each scenario of the practice cluster ends
//! as expected, and an interrupted run is resumed without deleting anything twice.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{ACCOUNT, CLAIMS, Cluster, Ran, Running, SYSTEM, VOLUMES, bare, full, normal, uid};
use insta::assert_snapshot;
use practice_cluster::api::faults::{Fault, Rule};
use practice_cluster::scenarios::PodName;
use practice_cluster::store::{DeleteOptions, Key};
use practice_cluster::{Options, ReplacedPods};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// A member before its failover.
struct Before {
    namespace: &'static str,
    pod: &'static str,
    uid: String,
    /// Name and UID.
    claims: BTreeMap<String, String>,
    /// Name of the claim and of its volume.
    volumes: BTreeMap<String, String>,
}

impl Before {
    fn of(cluster: &Cluster, namespace: &'static str, pod: &'static str) -> Self {
        cluster.sandbox().requests().clear();
        let claims = cluster.claims_of(namespace, pod);
        assert!(!claims.is_empty());
        let volumes = claims.keys().map(|claim| (claim.clone(), cluster.volume_of(namespace, claim))).collect();
        Self { namespace, pod, uid: cluster.pod_uid(namespace, pod), claims, volumes }
    }

    /// Asserts that the pod is new and Ready, and that each claim is new and has a new volume.
    #[track_caller]
    fn is_replaced(&self, cluster: &Cluster) {
        let pod = cluster.get("pods", self.namespace, self.pod).unwrap();
        assert_ne!(uid(&pod), self.uid);
        assert!(crate::support::is_ready(&pod) && pod["metadata"]["deletionTimestamp"].is_null());
        let claims = cluster.claims_of(self.namespace, self.pod);
        assert_eq!(claims.keys().collect::<Vec<_>>(), self.claims.keys().collect::<Vec<_>>());
        for (claim, old) in &self.claims {
            assert_ne!(claims[claim], *old);
            let now = cluster.get(CLAIMS, self.namespace, claim).unwrap();
            assert_eq!(now["status"]["phase"], "Bound");
            assert_ne!(cluster.volume_of(self.namespace, claim), self.volumes[claim]);
        }
    }

    /// Asserts that each old volume is retained and has a record with this outcome.
    #[track_caller]
    fn is_recorded(&self, cluster: &Cluster, outcome: &str) -> Value {
        let mut record = Value::Null;
        for volume in self.volumes.values() {
            let kept = cluster.get(VOLUMES, "", volume).unwrap_or_else(|| panic!("volume {volume} is gone"));
            assert_eq!(kept["spec"]["persistentVolumeReclaimPolicy"], "Retain");
            record = cluster.record_on(volume);
            assert_eq!(record["outcome"], outcome, "{record:#}");
            assert_eq!((&record["pod"], &record["podUid"]), (&json!(self.pod), &json!(self.uid)));
            for claim in record["claims"].as_array().unwrap() {
                let name = claim["name"].as_str().unwrap();
                assert_eq!(claim["uid"], self.claims[name]);
                assert_eq!(claim["volume"], self.volumes[name]);
                assert_eq!(claim["reclaimPolicy"], "Delete");
            }
            assert_eq!(record["claims"].as_array().unwrap().len(), self.claims.len());
        }
        record
    }

    /// Returns how many deletions the API received for the pod, and for all of its claims together.
    fn deletes(&self, cluster: &Cluster) -> (usize, usize) {
        let count = |prefix: String| {
            let entries = cluster.sandbox().requests().entries();
            let real = entries.iter().filter(|(_, path)| !path.contains("dryRun="));
            real.filter(|(method, path)| method == "DELETE" && path.starts_with(&prefix)).count()
        };
        let namespace = format!("/api/v1/namespaces/{}", self.namespace);
        (count(format!("{namespace}/pods/{}", self.pod)), count(format!("{namespace}/{CLAIMS}/")))
    }
}

/// Returns the output after the verdict; a replacement may run on other nodes.
fn account(ran: &Ran) -> String {
    regex::Regex::new(r"node-\d").unwrap().replace_all(&normal(&ran.out), "NODE").into_owned()
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// The product's five scenarios, one command each.
#[test]
fn each_component_recovers_and_loses_nothing() {
    let cluster = Cluster::start(full("healthy"));
    let canaries = "select nspname::text from pg_namespace where nspname like 'kubectl_synxdb%'";
    let projects = "select row_to_json(projects)::text from projects order by 1";
    let account_door = (ACCOUNT, "cloudberry-proxy-0");
    let rows = cluster.query(account_door, "test_db", projects);
    assert_eq!(rows.len(), 3);
    for (namespace, pod, target, claims, proof) in [
        (SYSTEM, "cloudberry-proxy-0", "synxdb-system/cloudberry-proxy-0", 1, ", canary table"),
        (SYSTEM, "safekeeper-0", "safekeeper-0", 1, "status endpoint OK: "),
        (SYSTEM, "pageserver-0", "pageserver", 2, "status endpoint OK: "),
        (ACCOUNT, "cloudberry-proxy-0", "cloud007/cloudberry-proxy-0", 1, ", canary table"),
        (ACCOUNT, "wh9527-0", "wh9527-0", 1, ", canary table"),
    ] {
        let before = Before::of(&cluster, namespace, pod);
        assert_eq!(before.claims.len(), claims);
        let ran = cluster.run(&["failover", target, "--yes"]).exits(0).says(&["Recovered: ", proof]);
        before.is_replaced(&cluster);
        let record = before.is_recorded(&cluster, "recovered");
        assert!(!record["finished"].is_null() && record["stuckPodsDeleted"] == 0, "{record:#}");
        assert_eq!(before.deletes(&cluster), (1, claims));
        // It prints old and new UIDs.
        let new = cluster.pod_uid(namespace, pod);
        let ran = ran.says(&[&format!("old UID {}", before.uid), &format!("new UID {new}")]);
        for (claim, old) in &before.claims {
            let new = &cluster.claims_of(namespace, pod)[claim];
            ran.clone().says(&[&format!("old UID {old}"), &format!("new UID {new}"), &before.volumes[claim]]);
        }
        let door = if namespace == SYSTEM { (SYSTEM, "cloudberry-proxy-0") } else { account_door };
        assert_eq!(cluster.query(door, "postgres", canaries), Vec::<String>::new(), "{target}");
        if target == "wh9527-0" {
            assert_snapshot!("recovered", account(&ran));
        }
    }
    assert_eq!(cluster.query(account_door, "test_db", projects), rows);
    cluster.run(&["status"]).exits(0);
}

/// One object per line, the plan first, the result last, and nothing else; and `--pod-uid` of a replaced pod.
#[test]
fn json_and_a_uid_that_is_gone() {
    let cluster = Cluster::start(bare("healthy"));
    let before = Before::of(&cluster, SYSTEM, "safekeeper-0");
    let ran = cluster.run(&["failover", "safekeeper-0", "--yes", "-o", "json"]).exits(0);
    let lines = ran.json_lines();
    assert_eq!(ran.err, "");
    let (plan, result) = (&lines[0], lines.last().unwrap());
    assert_eq!((&plan["kind"], &result["kind"]), (&json!("FailoverPlan"), &json!("FailoverResult")));
    assert!(lines.len() > 6 && lines[1..lines.len() - 1].iter().all(|line| line["kind"] == "FailoverEvent"));
    assert!(lines.iter().all(|line| line["apiVersion"] == "kubectl-synxdb/v1beta1"));
    let actions: Vec<&str> = plan["steps"].as_array().unwrap().iter().map(|s| s["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["retain", "deleteClaim", "deletePod"]);
    assert_eq!(result["outcome"], "recovered");
    assert_eq!((&result["id"], &result["oldUid"]), (&plan["id"], &json!(before.uid)));
    assert_eq!(result["newUid"], cluster.pod_uid(SYSTEM, "safekeeper-0"));
    let phases: Vec<&str> = result["phases"].as_array().unwrap().iter().map(|p| p["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, ["retain", "claim", "pod", "recreate", "ready", "verify"]);
    assert_eq!(before.is_recorded(&cluster, "recovered")["id"], plan["id"]);

    // The old pod's UID leaves nothing to delete.
    let now = Before::of(&cluster, SYSTEM, "safekeeper-0");
    let ran = cluster.run(&["failover", "safekeeper-0", "--yes", "--pod-uid", &before.uid]).exits(0);
    assert_eq!(cluster.writes().iter().filter(|write| write.starts_with("DELETE")).count(), 0, "{}", ran.shown());
    assert_eq!(cluster.pod_uid(SYSTEM, "safekeeper-0"), now.uid);
    assert_eq!(cluster.claims_of(SYSTEM, "safekeeper-0"), now.claims);
}

/// One document, for a safekeeper right after another one.
#[test]
fn yaml_and_another_safekeeper() {
    let cluster = Cluster::start(bare("healthy"));
    cluster.run(&["failover", "safekeeper-0", "--yes"]).exits(0);
    let before = Before::of(&cluster, SYSTEM, "safekeeper-1");
    // Another one just got a new disk and already has all committed WAL: this is measured, not waited for.
    let ran = cluster.run(&["failover", "safekeeper-1", "-o", "yaml", "--yes"]).exits(0);
    let result: Value = serde_saphyr::from_str(&ran.out).unwrap();
    assert_eq!((&result["kind"], &result["outcome"]), (&json!("FailoverResult"), &json!("recovered")));
    before.is_replaced(&cluster);
}

#[test]
fn only_the_pod_is_replaced() {
    let cluster = Cluster::start(bare("healthy"));
    let before = Before::of(&cluster, SYSTEM, "pageserver-0");
    cluster.run(&["failover", "pageserver-0", "--keep-pvc", "--yes"]).exits(0).says(&["Recovered: "]);
    assert_ne!(cluster.pod_uid(SYSTEM, "pageserver-0"), before.uid);
    assert_eq!(cluster.claims_of(SYSTEM, "pageserver-0"), before.claims);
    assert_eq!(before.deletes(&cluster), (1, 0));
    for volume in before.volumes.values() {
        let volume = cluster.get(VOLUMES, "", volume).unwrap();
        assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Delete");
    }
}

#[test]
fn without_verification_it_is_not_called_recovered() {
    let cluster = Cluster::start(bare("healthy"));
    let before = Before::of(&cluster, SYSTEM, "safekeeper-2");
    let ran = cluster.run(&["failover", "safekeeper-2", "--no-verify", "--yes"]).exits(0);
    assert!(ran.out.starts_with("Replaced: ") && !ran.out.contains("Recovered"), "{}", ran.shown());
    before.is_replaced(&cluster);
    before.is_recorded(&cluster, "unverified");
}

#[test]
fn a_dry_run_changes_nothing() {
    let cluster = Cluster::start(bare("healthy"));
    let versions = cluster.versions();
    cluster.sandbox().requests().clear();
    let client = cluster.run(&["failover", "pageserver-0", "--dry-run=client"]).exits(0);
    assert_snapshot!("dry-run-client", client.snapshot());
    cluster.run(&["failover", "pageserver-0", "--dry-run"]).exits(0);
    assert_eq!(cluster.writes(), Vec::<String>::new());
    let plan = cluster.run(&["failover", "pageserver-0", "--dry-run=client", "-o", "json"]).exits(0).json();
    assert_eq!((&plan["kind"], plan["steps"].as_array().unwrap().len()), (&json!("FailoverPlan"), 5));
    let plan = cluster.run(&["failover", "pageserver-0", "--dry-run=client", "-o", "yaml"]).exits(0);
    let plan: Value = serde_saphyr::from_str(&plan.out).unwrap();
    assert_eq!(plan["kind"], "FailoverPlan");

    let server = cluster.run(&["failover", "pageserver-0", "--dry-run=server"]).exits(0);
    assert_snapshot!("dry-run-server", server.snapshot());
    let asked = cluster.rehearsals();
    assert_eq!(asked.len(), 5 + 3, "each step is asked about, and each object that comes: {asked:#?}");
    assert_eq!(cluster.writes(), Vec::<String>::new());
    let lines = cluster.run(&["failover", "pageserver-0", "--dry-run=server", "-o", "json"]).exits(0).json_lines();
    assert_eq!(lines.len(), 1 + 5 + 3);
    assert_eq!(cluster.versions(), versions);
}

#[test]
fn timed_out_and_resumed() {
    let cluster = Cluster::start(bare("healthy"));
    cluster.replaced_pods(ReplacedPods::StayUnready);
    let before = Before::of(&cluster, SYSTEM, "safekeeper-0");
    let late = cluster.run(&["failover", "safekeeper-0", "--yes", "--timeout", "10s"]).exits(6);
    assert!(late.out.starts_with("Timed out: safekeeper-0 has not recovered after"), "{}", late.shown());
    let late = late.says(&["containers with unready status: [safekeeper]", "Done so far:", "pod safekeeper-0 deleted"]);
    assert_snapshot!("timed-out", account(&late));
    assert_eq!(before.is_recorded(&cluster, "unfinished")["finished"], Value::Null);
    let replacement = cluster.pod_uid(SYSTEM, "safekeeper-0");
    let id = before.is_recorded(&cluster, "unfinished")["id"].clone();

    let resume = late.resume();
    cluster.replaced_pods(ReplacedPods::BecomeReady);
    cluster.run(&words(&resume)).exits(0).says(&["Recovered: "]);
    before.is_replaced(&cluster);
    assert_eq!(before.is_recorded(&cluster, "recovered")["id"], id);
    assert_eq!(cluster.pod_uid(SYSTEM, "safekeeper-0"), replacement);
    assert_eq!(before.deletes(&cluster), (1, 1));
}

#[test]
fn interrupted_and_resumed() {
    let cluster = Cluster::start(bare("healthy"));
    cluster.replaced_pods(ReplacedPods::StayUnready);
    let before = Before::of(&cluster, SYSTEM, "pageserver-0");
    let mut running = Running::start(cluster.plugin(&["failover", "pageserver-0", "--yes"]));
    running.until_warns("containers with unready status");
    running.signal(Signal::INT);
    let ran = running.end().exits(130);
    assert!(ran.out.starts_with("Interrupted after"), "{}", ran.shown());
    let ran = ran.says(&["Done so far:", "claim data-pageserver-0 deleted", "pod pageserver-0 deleted"]);
    assert_snapshot!("interrupted", account(&ran));
    let replacement = cluster.pod_uid(SYSTEM, "pageserver-0");

    let resume = ran.resume();
    assert!(resume.contains(&before.uid), "pinned to the pod it was for: {resume:?}");
    cluster.replaced_pods(ReplacedPods::BecomeReady);
    cluster.run(&words(&resume)).exits(0).says(&["Recovered: "]);
    before.is_replaced(&cluster);
    before.is_recorded(&cluster, "recovered");
    assert_eq!(cluster.pod_uid(SYSTEM, "pageserver-0"), replacement);
    assert_eq!(before.deletes(&cluster), (1, 2));
}

/// After a kill, the record on the volume is enough to resume.
#[test]
fn killed_and_resumed() {
    let cluster = Cluster::start(bare("healthy"));
    let before = Before::of(&cluster, SYSTEM, "safekeeper-2");
    let since = cluster.store().version();
    let running = Running::start(cluster.plugin(&["failover", "safekeeper-2", "--yes"]));
    cluster.wait_for_change(since, "the claim is deleted", |change| {
        change.key.resource == CLAIMS && !change.object["metadata"]["deletionTimestamp"].is_null()
    });
    running.signal(Signal::KILL);
    assert_eq!(running.end().code, None);
    let id = before.is_recorded(&cluster, "unfinished")["id"].clone();

    let ran = cluster.run(&["failover", "safekeeper-2", "--yes", "-o", "json"]).exits(0);
    let lines = ran.json_lines();
    assert_eq!((&lines[0]["id"], &lines[0]["resumes"]["id"]), (&id, &id), "{}", ran.shown());
    let result = lines.last().unwrap();
    assert_eq!((&result["id"], &result["outcome"]), (&id, &json!("recovered")));
    assert_eq!(result["oldUid"], before.uid);
    before.is_replaced(&cluster);
    assert_eq!(before.is_recorded(&cluster, "recovered")["id"], id);
    assert_eq!(before.deletes(&cluster), (1, 1));
    // It is finished: this is reported instead of repeating it. `--start-over` starts a new one.
    let again = cluster.run(&["failover", "safekeeper-2", "--yes"]).exits(4).silent();
    let said = format!("ago ({}), and has recovered", id.as_str().unwrap());
    let error = crate::support::unwrapped(again.error());
    assert!(
        error.contains("safekeeper-2 was failed over ") && error.contains(&said) && error.contains("--start-over"),
        "{}",
        again.shown()
    );
    assert_eq!(before.deletes(&cluster), (1, 1));
    let new = ["failover", "safekeeper-2", "--start-over", "--dry-run=client", "-o", "json"];
    let plan = cluster.run(&new).exits(0).json();
    assert_ne!(plan["id"], id);
    assert_eq!(plan["resumes"], Value::Null);
}

/// What a dry run cannot find out is unknown, and does not block: a webhook that supports no dry runs, or a missing
/// permission.
#[test]
fn what_no_dry_run_finds_out_is_unknown_and_does_not_block() {
    let cluster = Cluster::start(bare("healthy"));
    for resource in ["pods", CLAIMS] {
        let unsupported = Fault::Refuse { code: 400, retry_after: None };
        cluster.sandbox().faults().add(Rule::on("create", resource, unsupported).rehearsed());
    }
    let ran = cluster.run(&["failover", "safekeeper-0", "--yes"]).exits(0).says(&["Recovered: "]);
    ran.warns(&[
        "warn  unknown whether the API server would accept: persistentvolumeclaim/data-safekeeper-0 created (",
        "pod/safekeeper-0 created (admission webhook \"guard.example.com\" does not support dry run)",
    ]);
    assert!(!cluster.rehearsals().is_empty());

    let deny = |resource: &str| practice_cluster::api::Rule {
        verbs: vec!["create".into()],
        resources: vec![resource.into()],
        namespaces: vec![SYSTEM.into()],
        subresource: None,
    };
    let cluster = Cluster::start(Options { deny: vec![deny("pods"), deny(CLAIMS)], ..bare("healthy") });
    let ran = cluster.run(&["failover", "safekeeper-0", "--yes"]).exits(0).says(&["Recovered: "]);
    ran.warns(&["missing permission: create pods in namespace synxdb-system; a rejection of the new pod"]);
    let created: Vec<String> = cluster.rehearsals().into_iter().filter(|one| one.starts_with("POST")).collect();
    assert_eq!(created, Vec::<String>::new(), "what may not be done is not tried");
}

/// The timeout includes the last query: one that is still running then is canceled.
#[test]
fn the_timeout_includes_the_last_query() {
    let cluster = Cluster::start(bare("healthy"));
    let since = cluster.store().version();
    let arguments = ["failover", "safekeeper-0", "--yes", "--no-probe", "--timeout", "5s", "-o", "json"];
    let running = Running::start(cluster.plugin(&arguments));
    cluster.wait_for_change(since, "the pod is deleted", |change| {
        let is_it = change.key.resource == "pods" && change.key.name == "safekeeper-0";
        is_it && !change.object["metadata"]["deletionTimestamp"].is_null()
    });
    // From now on nothing answers; a query alone would have ten seconds.
    cluster.sandbox().faults().add(Rule::on("", "pods/portforward", Fault::Delay(Duration::from_secs(120))));
    let result = running.end().exits(6).json_lines().pop().unwrap();
    assert_eq!(result["outcome"], "timedOut");
    let took = result["durationMs"].as_u64().unwrap();
    assert!((5000..9000).contains(&took), "{result:#}");
    assert!(result["reasons"][0].as_str().unwrap().starts_with("the pod is Ready, but it"), "{result:#}");
}

/// Comparing nothing never counts as intact: a status endpoint alone shows that something answers, but nothing about
/// its data.
#[test]
fn a_page_that_serves_no_metrics_proves_nothing() {
    let mut scenario = practice_cluster::scenarios::find("healthy").unwrap();
    let pod = |pod: &str| PodName { namespace: SYSTEM.into(), pod: pod.into() };
    scenario.no_metrics = vec![pod("safekeeper-0"), pod("pageserver-0")];
    let cluster = Cluster::start(Options { custom: Some(scenario), ..bare("healthy") });
    for pod in ["safekeeper-0", "pageserver-0"] {
        let before = Before::of(&cluster, SYSTEM, pod);
        let ran = cluster.run(&["failover", pod, "--yes"]).exits(8);
        assert!(ran.out.starts_with(&format!("Unverified: {pod} is Ready after ")), "{}", ran.shown());
        let ran = ran.says(&["nothing could be compared: its metrics could not be read: /metrics returned 404"]);
        assert!(!ran.out.lines().any(|line| line.ends_with("  verified")), "{}", ran.shown());
        ran.warns(&["warn  baseline: status endpoint, no metrics"]);
        before.is_replaced(&cluster);
        before.is_recorded(&cluster, "unverified");
    }
    let file = cluster.home().join("nothing.json");
    let file = file.to_str().unwrap();
    cluster.run(&["verify", "safekeeper-0", "--save", file]);
    let ran = cluster.run(&["verify", "safekeeper-0", "--against", file]).exits(8);
    ran.says(&["nothing could be compared: its metrics could not be read before"]);
}

/// The pod is replaced by another operator: the plan was for a pod that no longer exists.
#[test]
fn replaced_by_another_operator_during_the_prompt() {
    let cluster = Cluster::start(bare("healthy"));
    let before = Before::of(&cluster, SYSTEM, "safekeeper-1");
    let mut terminal = crate::support::terminal::Terminal::start(cluster.plugin(&["failover", "safekeeper-1"]));
    terminal.expect("Fail over synxdb-system/safekeeper-1?");
    cluster.store().delete(&Key::new("pods", SYSTEM, "safekeeper-1"), &DeleteOptions::default()).unwrap();
    cluster.until("another pod is ready", |store| {
        let pod = store.get(&Key::new("pods", SYSTEM, "safekeeper-1"));
        pod.is_some_and(|pod| uid(&pod) != before.uid && crate::support::is_ready(&pod))
    });
    let replacement = cluster.pod_uid(SYSTEM, "safekeeper-1");
    terminal.send("y\r");
    let left = terminal.end();
    assert_eq!(left.code, 4, "{}", left.text);
    for words in ["Cluster changed: no longer as planned", &replacement, "Nothing was deleted.", "next: "] {
        assert!(left.text.contains(words), "no {words:?}\n{}", left.text);
    }
    assert_eq!(cluster.writes(), Vec::<String>::new());
    assert_eq!(cluster.pod_uid(SYSTEM, "safekeeper-1"), replacement);
    assert_eq!(cluster.claims_of(SYSTEM, "safekeeper-1"), before.claims);
}

#[test]
fn stuck_on_a_deleted_claim() {
    let cluster = Cluster::start(bare("stuck-claim"));
    let before = Before::of(&cluster, SYSTEM, "safekeeper-0");
    let ran = cluster
        .run(&["failover", "safekeeper-0", "--yes"])
        .exits(0)
        .says(&["Recovered: ", "fixed: a new pod was stuck on a deleted claim"]);
    let ran = ran.warns(&["it was deleted again"]);
    assert_snapshot!("healed", account(&ran));
    before.is_replaced(&cluster);
    assert_eq!(before.deletes(&cluster), (2, 1));
    assert_eq!(before.is_recorded(&cluster, "recovered")["stuckPodsDeleted"], 1);
}

#[test]
fn data_on_the_replaced_disk() {
    let cluster = Cluster::start(full("local-disk"));
    let before = Before::of(&cluster, ACCOUNT, "cloudberry-proxy-0");
    let ran = cluster.run(&["failover", "cloud007/cloudberry-proxy-0", "--yes"]).exits(7);
    assert!(ran.out.starts_with("Data missing: cloudberry-proxy-0 is Ready"), "{}", ran.shown());
    let ran = ran.says(&["test_db", "projects"]);
    assert_snapshot!("data-missing", account(&ran));
    before.is_replaced(&cluster);
    before.is_recorded(&cluster, "dataMissing");
}

#[test]
fn quorum() {
    let cluster = Cluster::start(bare("no-quorum"));
    let before = Before::of(&cluster, SYSTEM, "safekeeper-0");
    let refused = |arguments: &[&str], words: &[&str]| {
        cluster.run(arguments).exits(4).silent().warns(words);
        assert_eq!(cluster.writes(), Vec::<String>::new());
        assert_eq!(cluster.pod_uid(SYSTEM, "safekeeper-0"), before.uid);
    };
    let numbers = "safekeeper-1 is not Ready: only 1 of 3 safekeepers would remain (quorum is 2)";
    refused(&["failover", "safekeeper-0", "--yes"], &[numbers, "--allow quorum-loss"]);
    let confirm = "--confirm safekeeper-0";
    refused(&["failover", "safekeeper-0", "--allow", "quorum-loss"], &[confirm]);
    refused(
        &["failover", "safekeeper-0", "--allow", "quorum-loss", "--yes"],
        &["--yes is not enough for a high-risk operation", confirm],
    );
    let other = ["failover", "safekeeper-0", "--allow", "quorum-loss", "--confirm", "safekeeper-1"];
    refused(&other, &[confirm]);
    let ran = cluster.run(&["failover", "safekeeper-0", "--allow", "quorum-loss", "--confirm", "safekeeper-0"]);
    ran.exits(0).says(&["Recovered: "]).warns(&[numbers]);
    before.is_replaced(&cluster);
}

#[test]
fn forbidden() {
    let cluster = Cluster::start(bare("forbidden"));
    let versions = cluster.versions();
    let ran = cluster.run(&["failover", "wh9527-0", "--yes"]).exits(4).silent();
    let error = ran.error();
    assert!(error.contains("missing permission: delete persistentvolumeclaims in namespace"), "{error}");
    assert_snapshot!("forbidden", normal(error));
    let lines = cluster.run(&["failover", "wh9527-0", "--yes", "-o", "json"]).exits(4).json_lines();
    assert_eq!((&lines[0]["kind"], &lines[1]["kind"]), (&json!("FailoverPlan"), &json!("Error")));
    assert_eq!((lines.len(), &lines[1]["exitCode"]), (2, &json!(4)));
    assert_eq!(cluster.writes(), Vec::<String>::new());
    assert_eq!(cluster.versions(), versions);
}

#[test]
fn a_lost_node() {
    let cluster = Cluster::start(bare("lost-node"));
    let pods = cluster.store().list("pods", Some(SYSTEM)).0;
    assert!(pods.iter().any(|p| p["metadata"]["name"] == "safekeeper-1" && p["spec"]["nodeName"] == "node-2"));
    let before = Before::of(&cluster, SYSTEM, "safekeeper-1");
    let ran = cluster.run(&["failover", "safekeeper-1", "--yes", "--timeout", "10s"]).exits(6);
    let ran = ran.says(&["the old pod is Terminating"]).warns(&["node node-2 is not Ready"]);
    assert_snapshot!("lost-node", account(&ran));
    let pod = cluster.get("pods", SYSTEM, "safekeeper-1").unwrap();
    assert_eq!(uid(&pod), before.uid, "nothing is force-deleted");
    assert!(!pod["metadata"]["deletionTimestamp"].is_null());
    assert_ne!(pod["metadata"]["deletionGracePeriodSeconds"], 0);
    assert_eq!(before.deletes(&cluster), (1, 1));
    for claim in before.claims.keys() {
        let claim = cluster.get(CLAIMS, SYSTEM, claim).unwrap();
        assert_ne!(claim["metadata"]["finalizers"], Value::Null, "no finalizer is stripped");
    }
}

/// The usual reason for a failover: the component is compared with its last verified baseline.
#[test]
fn a_component_that_is_down_already() {
    let cluster = Cluster::start(full("healthy"));
    cluster.run(&["verify", "-n", ACCOUNT]).exits(0);
    cluster.replaced_pods(ReplacedPods::StayUnready);
    let since = cluster.store().version();
    let key = Key::new("pods", ACCOUNT, "wh9527-1");
    let old = cluster.store().delete(&key, &DeleteOptions::default()).unwrap().0;
    cluster.wait_for_change(since, "wh9527-1 runs again and is not Ready", |change| {
        change.key == key && uid(&change.object) != uid(&old) && change.object["status"]["phase"] == "Running"
    });
    cluster.replaced_pods(ReplacedPods::BecomeReadyFromNowOn);
    let before = Before::of(&cluster, ACCOUNT, "wh9527-1");
    let ran = cluster.run(&["failover", "wh9527-1", "--yes"]).exits(0).says(&["Recovered: "]);
    let ran = ran.warns(&["it will be compared with the stored baseline of"]);
    assert!(!ran.out.contains("canary"), "there was none\n{}", ran.shown());
    ran.says(&[
        "verified by SQL: 2",
        "; every segment of warehouse wh9527 responded",
        "compared with the stored baseline of",
    ]);
    before.is_replaced(&cluster);
    before.is_recorded(&cluster, "recovered");
}

#[test]
fn without_postgresql_it_is_unverified() {
    let cluster = Cluster::start(bare("healthy"));
    cluster.run(&["status"]).exits(0);
    let before = Before::of(&cluster, ACCOUNT, "wh9527-0");
    let ran = cluster.run(&["failover", "wh9527-0", "--yes"]).exits(8);
    assert!(ran.out.starts_with("Unverified: wh9527-0 is Ready"), "{}", ran.shown());
    let ran = ran.says(&["PostgreSQL"]).warns(&["will not be verified"]);
    assert_snapshot!("unverified", account(&ran));
    before.is_replaced(&cluster);
    before.is_recorded(&cluster, "unverified");
}

/// Deleted while the new pod holds it, a claim stays Terminating: the pod is replaced once more by the run that resumes.
#[test]
fn a_new_claim_that_somebody_deleted_is_replaced_by_the_run_that_resumes() {
    let cluster = Cluster::start(bare("healthy"));
    let before = Before::of(&cluster, SYSTEM, "safekeeper-0");
    cluster.replaced_pods(ReplacedPods::StayUnready);
    let mut running = Running::start(cluster.plugin(&["failover", "safekeeper-0", "--yes"]));
    running.until_warns("containers with unready status");
    let second = cluster.volume_of(SYSTEM, "data-safekeeper-0");
    let key = Key::new(CLAIMS, SYSTEM, "data-safekeeper-0");
    cluster.store().delete(&key, &DeleteOptions::default()).unwrap();
    let ran = running.end().exits(4).says(&["holds claim data-safekeeper-0, which is Terminating"]);
    let trapped = cluster.pod_uid(SYSTEM, "safekeeper-0");
    cluster.replaced_pods(ReplacedPods::BecomeReady);
    let resume = ran.resume();
    cluster.run(&[&words(&resume)[..], &["--yes"]].concat()).exits(0).says(&["Recovered: "]);
    assert_ne!(cluster.pod_uid(SYSTEM, "safekeeper-0"), trapped);
    before.is_replaced(&cluster);
    // What the deleted one held is retained as well, and on record.
    let record = cluster.record_on(&before.volumes["data-safekeeper-0"]);
    let on_record: Vec<&Value> = record["claims"].as_array().unwrap().iter().map(|claim| &claim["volume"]).collect();
    assert_eq!(on_record, [&json!(before.volumes["data-safekeeper-0"]), &json!(second)]);
    assert_eq!(record["outcome"], "recovered");
    let kept = cluster.get(VOLUMES, "", &second).unwrap();
    assert_eq!(kept["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    assert_eq!(kept["status"]["phase"], "Released");
}
