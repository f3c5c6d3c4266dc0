//! The cluster module and the probes on the practice cluster: a real API server's responses over TLS, and a real
//! PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kubectl_synxdb::cli::LoginArgs;
use kubectl_synxdb::cluster::snapshot::{Cause, NamespaceObjects, Read, Snapshot};
use kubectl_synxdb::cluster::{
    Allowed, Cluster, ConnectOptions, Environment, Freshness, Permission, ReadRequest, WatchRequest, Written,
};
use kubectl_synxdb::error::Exit;
use kubectl_synxdb::probe::Password;
use kubectl_synxdb::probe::http::{Deadlines, status_page};
use kubectl_synxdb::probe::kernel::Kernel;
use kubectl_synxdb::probe::login;
use kubectl_synxdb::probe::no_page::NoPageKind;
use kubectl_synxdb::probe::{Answer, Canary, Login, PageAccess, Sql, SqlTarget, compare};
use kubectl_synxdb::topology::layout::{Scheme, StatusEndpoint};
use practice_cluster::{Options, Sandbox};

const SYSTEM: &str = "synxdb-system";
const ACCOUNT: &str = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

async fn start(scenario: &str) -> (Sandbox, Cluster) {
    let options = Options {
        scenario: scenario.to_owned(),
        state_root: crate::support::machine::state_root(),
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    crate::support::machine::needs_postgresql(sandbox.notices());
    tokio::time::timeout(LIMIT, sandbox.ready()).await.unwrap().unwrap();
    let options = ConnectOptions { kubeconfig: Some(sandbox.kubeconfig().to_owned()), ..ConnectOptions::default() };
    let cluster = Cluster::connect(&options, &Environment::default()).await.unwrap();
    (sandbox, cluster)
}

fn everything(freshness: Freshness) -> ReadRequest {
    ReadRequest {
        namespaces: vec![SYSTEM.to_owned(), ACCOUNT.to_owned()],
        other_namespaces: Vec::new(),
        disruption_budgets: true,
        volumes: true,
        nodes: true,
        storage_classes: true,
        leases: false,
        packed: false,
        freshness,
        deadline: Duration::from_secs(10),
    }
}

fn known<T: std::fmt::Debug>(part: &Read<T>) -> &T {
    match part {
        Read::Known(value) => value,
        other => panic!("{other:?}"),
    }
}

fn of_account(snapshot: &Snapshot) -> &NamespaceObjects {
    snapshot.namespaces.iter().find(|found| found.namespace == ACCOUNT).unwrap()
}

fn pod<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a Pod> {
    known(&of_account(snapshot).pods).iter().find(|pod| pod.metadata.name.as_deref() == Some(name))
}

fn pod_uid(snapshot: &Snapshot, name: &str) -> Option<String> {
    pod(snapshot, name)?.metadata.uid.clone()
}

fn is_ready(pod: &Pod) -> bool {
    let mut conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn claim_of<'a>(snapshot: &'a Snapshot, pod: &str) -> &'a PersistentVolumeClaim {
    let claims = known(&of_account(snapshot).claims);
    claims.iter().find(|claim| claim.metadata.name.as_deref().unwrap().ends_with(pod)).unwrap()
}

fn sql((cluster, sandbox): (&Cluster, &Sandbox), namespace: &str, pod: &str, database: &str) -> Sql {
    let password = Some(Password::new(sandbox.password()));
    let login = Login::resolve(&LoginArgs::default(), &login::Environment { password, ..Default::default() }).unwrap();
    let target = SqlTarget {
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
        port: 5432,
        user: "gpadmin".to_owned(),
        login: login.login.trusting([((namespace.to_owned(), pod.to_owned()), Ok(()))]),
        database: database.to_owned(),
        otherwise: Vec::new(),
        // The rows are on the nodes of a warehouse.
        warehouse: (namespace == ACCOUNT).then(|| "wh9527".to_owned()),
    };
    Sql::over(cluster, target)
}

fn done(uid: &str) -> Written {
    Written::Done { object_uid: uid.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_wave_reads_everything_cached_or_consistently() {
    let (sandbox, cluster) = start("").await;
    for freshness in [Freshness::Cached, Freshness::Consistent] {
        let snapshot = cluster.read(&everything(freshness)).await;
        let pods: Vec<_> = snapshot.namespaces.iter().map(|found| known(&found.pods).len()).collect();
        assert_eq!(pods, [5, 3]);
        let claims: usize = snapshot.namespaces.iter().map(|found| known(&found.claims).len()).sum();
        assert_eq!(known(&snapshot.volumes).len(), claims);
        assert!(!known(&snapshot.nodes).is_empty() && !known(&snapshot.storage_classes).is_empty());
        known(&snapshot.namespaces[0].disruption_budgets);
    }
    let soon = Duration::from_secs(5);
    assert_eq!(known(&cluster.find_pods("cloudberry-proxy-0", soon).await).len(), 2);
    assert!(known(&cluster.namespaces(soon).await).iter().any(|found| found.name == ACCOUNT && !found.terminating));
    assert!(known(&cluster.namespace_named(SYSTEM, soon).await).is_some());
    assert!(known(&cluster.namespace_named("elsewhere", soon).await).is_none());
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_replaced_watched_and_queried() {
    let (sandbox, cluster) = start("").await;
    let before = cluster.read(&everything(Freshness::Consistent)).await;
    let old = pod_uid(&before, "cloudberry-proxy-0").unwrap();
    let claim = claim_of(&before, "cloudberry-proxy-0").clone();
    let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.clone()).unwrap();
    let volumes = known(&before.volumes);
    let found = volumes.iter().find(|found| found.metadata.name.as_deref() == Some(&volume)).unwrap();
    let volume_uid = found.metadata.uid.clone().unwrap();

    let proxy = sql((&cluster, &sandbox), ACCOUNT, "cloudberry-proxy-0", "postgres");
    let baseline = match proxy.baseline(LIMIT).await {
        Answer::Yes(baseline) => baseline,
        other => panic!("{other:?}"),
    };
    assert_eq!(baseline.kernel, Kernel::Mpp);
    assert!(baseline.databases.iter().any(|database| database.name == "test_db"), "{baseline:?}");
    let canary = Canary::new("test_1");
    assert!(canary.write(&proxy, LIMIT).await.is_ok());

    let volumes = vec![volume.clone()];
    let mut watch = cluster.watch(WatchRequest { namespace: ACCOUNT.to_owned(), volumes, events: true, nodes: true });
    watch.opened(LIMIT).await.unwrap();
    assert_eq!(pod_uid(watch.snapshot(), "cloudberry-proxy-0").as_deref(), Some(old.as_str()));
    assert_eq!(known(&watch.snapshot().volumes).len(), 1);

    // Only the planned object is changed, and a dry run changes nothing.
    let wrong = cluster.delete_pod(ACCOUNT, "cloudberry-proxy-0", "not-this-one", false).await.unwrap();
    assert!(matches!(&wrong, Written::Changed { now: Some(now), .. } if *now == old), "{wrong:?}");
    assert_eq!(cluster.delete_pod(ACCOUNT, "no-such-pod", "x", false).await.unwrap(), Written::Gone);
    let wrong = cluster.retain_volume(&volume, "not-this-one", ("k", "v"), false).await.unwrap();
    assert!(matches!(&wrong, Written::Changed { now: Some(now), .. } if *now == volume_uid), "{wrong:?}");
    assert_eq!(cluster.delete_pod(ACCOUNT, "cloudberry-proxy-0", &old, true).await.unwrap(), done(&old));
    let unchanged = cluster.read(&everything(Freshness::Consistent)).await;
    let same = pod(&unchanged, "cloudberry-proxy-0").unwrap();
    assert_eq!((same.metadata.uid.as_deref(), &same.metadata.deletion_timestamp), (Some(old.as_str()), &None));

    // Retain, claim, pod.
    let record = ("synxdb.io/test-record", "{}");
    assert_eq!(cluster.retain_volume(&volume, &volume_uid, record, false).await.unwrap(), done(&volume_uid));
    assert_eq!(cluster.annotate_volume(&volume, &volume_uid, "k", "v", false).await.unwrap(), done(&volume_uid));
    let claim_name = claim.metadata.name.clone().unwrap();
    let claim_uid = claim.metadata.uid.clone().unwrap();
    assert_eq!(cluster.delete_claim(ACCOUNT, &claim_name, &claim_uid, false).await.unwrap(), done(&claim_uid));
    assert_eq!(cluster.delete_pod(ACCOUNT, "cloudberry-proxy-0", &old, false).await.unwrap(), done(&old));

    let replaced = async {
        loop {
            let snapshot = watch.changed().await.unwrap();
            let Some(now) = pod(snapshot, "cloudberry-proxy-0") else { continue };
            if now.metadata.uid.as_deref() != Some(old.as_str()) && is_ready(now) {
                return snapshot.clone();
            }
        }
    };
    let after = tokio::time::timeout(LIMIT, replaced).await.unwrap();
    assert_ne!(claim_of(&after, "cloudberry-proxy-0").metadata.uid, claim.metadata.uid);
    let kept = &known(&after.volumes)[0];
    let policy = kept.spec.as_ref().and_then(|spec| spec.persistent_volume_reclaim_policy.clone());
    assert_eq!(policy.as_deref(), Some("Retain"));
    let annotations = kept.metadata.annotations.clone().unwrap();
    assert_eq!((annotations["synxdb.io/test-record"].as_str(), annotations["k"].as_str()), ("{}", "v"));
    assert!(!known(&of_account(&after).events).is_empty());

    // The same target is now the new pod.
    let again = match proxy.baseline(LIMIT).await {
        Answer::Yes(again) => again,
        other => panic!("{other:?}"),
    };
    let comparison = compare(&baseline, &again);
    assert!(comparison.is_complete() && comparison.unknown.is_empty() && comparison.counted > 0, "{comparison:?}");
    assert_eq!(canary.check(&proxy, LIMIT).await, Answer::Yes(()));
    canary.drop(&proxy, LIMIT).await.unwrap();
    assert!(matches!(proxy.introduction(LIMIT).await, Answer::Yes(who) if who.kernel == Kernel::Mpp));
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_does_not_answer_is_no_pass() {
    let (sandbox, cluster) = start("").await;
    let page = async |pod: &str, port| {
        let door = StatusEndpoint { port, path: "/v1/status".to_owned(), scheme: Scheme::Http };
        status_page(&cluster, SYSTEM, pod, &door, Deadlines::at_most(LIMIT), &PageAccess::default()).await
    };
    let found = page("safekeeper-0", 7676).await.unwrap();
    let facts = found.safekeeper().unwrap();
    assert!(facts.timelines.values().all(|wal| wal.commit_lsn.is_some() && wal.commit_lsn <= wal.flush_lsn));
    let found = page("pageserver-0", 9898).await.unwrap();
    assert!(found.pageserver().is_some(), "{found:?}");
    let refused = page("safekeeper-0", 1).await.unwrap_err();
    assert!(refused.kind == NoPageKind::Refused && refused.reason.contains("connection refused"), "{refused:?}");
    let gone = page("safekeeper-9", 7676).await.unwrap_err();
    assert!(gone.kind == NoPageKind::Other && gone.reason.contains("not found"), "{gone:?}");

    // Queries about the server as a whole use another database.
    let no_database = sql((&cluster, &sandbox), ACCOUNT, "cloudberry-proxy-0", "no_such").introduction(LIMIT).await;
    assert!(matches!(&no_database, Answer::Yes(_)), "{no_database:?}");
    let not_sql = sql((&cluster, &sandbox), SYSTEM, "safekeeper-0", "postgres").introduction(LIMIT).await;
    assert!(matches!(&not_sql, Answer::No(reason) if reason.contains("connection refused")), "{not_sql:?}");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_permissions_are_named() {
    let (sandbox, cluster) = start("forbidden").await;
    let asked = [
        Permission::new("delete", "persistentvolumeclaims").in_namespace(ACCOUNT),
        Permission::new("patch", "persistentvolumes"),
        Permission::new("list", "pods").in_namespace(ACCOUNT),
    ];
    let answers = cluster.review(&asked, LIMIT).await;
    assert!(matches!(answers[0].1, Allowed::No(_)), "{answers:?}");
    assert_eq!(answers[2].1, Allowed::Yes);
    // The server refuses what the review denies.
    let error = cluster.delete_claim(ACCOUNT, "data-wh9527-0", "u", true).await.unwrap_err();
    assert_eq!(error.exit, Exit::Refused);
    assert!(error.what.starts_with("not allowed to delete persistentvolumeclaims"), "{error}");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_cluster_is_unreachable_within_the_deadline() {
    let (sandbox, cluster) = start("").await;
    sandbox.stop().await;
    let started = Instant::now();
    let snapshot = cluster.read(&everything(Freshness::Cached)).await;
    let Read::Unknown(why) = &snapshot.namespaces[0].pods else { panic!() };
    assert_eq!((why.cause, why.reason.as_str()), (Cause::Unreachable, "connection refused"));
    let error = cluster.unreadable(why);
    assert!(error.what.contains("is unreachable") && error.exit == Exit::Error, "{error}");
    let chain = error.source.as_ref().unwrap().chain();
    assert!(chain.len() > 1 && chain.last().unwrap().contains("os error 111"), "{chain:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}
