//! What is found out about storage components, and about targets that are not queried: no network.

use super::*;
use crate::cluster::{ConnectOptions, Environment};
use crate::storage::examples::{Ps, Sk, ps, sk};
use crate::testing::snapshot;
use crate::topology::{Layout, Suspended, build};

const NAMESPACE: &str = "synxdb-system";

/// A cluster that is never reached.
async fn nowhere() -> Cluster {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let text = "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], \
                clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}], users: [{name: u, user: {token: t}}]}";
    std::fs::write(&path, text).unwrap();
    let options = ConnectOptions {
        kubeconfig: Some(path),
        request_timeout: Some(Duration::from_millis(200)),
        ..ConnectOptions::default()
    };
    Cluster::connect(&options, &Environment::default()).await.unwrap()
}

fn options() -> Options {
    Options {
        login: Login::default(),
        page_token: PageAccess::default(),
        user: None,
        database: None,
        canary: None,
        deadline: Duration::from_millis(200),
        before: BTreeMap::new(),
    }
}

fn endpoint() -> StatusEndpoint {
    StatusEndpoint { port: 7676, path: "/v1/status".into(), scheme: crate::topology::layout::Scheme::default() }
}

fn sql_endpoint() -> SqlEndpoint {
    SqlEndpoint { port: 5432, user: "gpadmin".into(), database: "cloudmeta".into(), login_database: None }
}

/// The pods of a component, and their answers.
type PageAnswers = (Vec<(String, bool)>, Vec<(String, Answered, Duration)>);

/// Three safekeepers whose pods have gone since they responded.
fn safekeepers(of: [Sk; 3]) -> PageAnswers {
    let named = |(number, sk): (usize, Sk)| {
        let answered = sk.reading().said.map_err(|reason| NoPage { kind: NoPageKind::Other, reason });
        (format!("safekeeper-{number}"), answered, Duration::from_millis(number as u64))
    };
    let answers: Vec<_> = of.into_iter().enumerate().map(named).collect();
    (answers.iter().map(|(pod, ..)| (pod.clone(), false)).collect(), answers)
}

fn pageserver(of: Ps) -> PageAnswers {
    let answer = ("pageserver-0".to_owned(), Ok(of.page()), Duration::ZERO);
    (vec![("pageserver-0".to_owned(), false)], vec![answer])
}

fn pages<'s>(
    namespace: &'s str,
    role: Role,
    whole: bool,
    endpoint: &'s StatusEndpoint,
    (pods, answers): &'s PageAnswers,
) -> Asked<'s> {
    let digests = Digests::default();
    let (component, answers, remote_storage) = (role.name(), answers.clone(), Some(true));
    Asked::Pages(AskedPages { namespace, component, role, whole, remote_storage, pods, endpoint, answers, digests })
}

fn level(id: u64) -> Sk {
    sk(id).timeline("aa/11", 9, 9, 1)
}

fn behind(id: u64) -> Sk {
    sk(id).timeline("aa/11", 4, 4, 1)
}

fn text_of(checks: &[VerifyCheck]) -> Vec<String> {
    let line = |check: &VerifyCheck| {
        format!("{} {}/{} {}: {}", check.kind.name(), check.namespace, check.member, check.verdict.name(), check.reason)
    };
    checks.iter().map(line).collect()
}

/// What cannot be queried is a check all the same: what is known of it, and never a pass.
#[tokio::test]
async fn each_target_that_is_not_queried_is_still_a_check() {
    let suspended = |warehouse: Option<&str>, sets: &[&str]| {
        VerifyTarget::Suspended(Suspended {
            namespace: "a".into(),
            warehouse: warehouse.map(str::to_owned),
            sets: sets.iter().map(|set| (*set).to_owned()).collect(),
        })
    };
    let targets = [
        VerifyTarget::Server {
            namespace: "a".into(),
            pod: "proxy-0".into(),
            endpoint: sql_endpoint(),
            exists: false,
            warehouse: None,
            answers_for: Vec::new(),
            suspended: Vec::new(),
        },
        VerifyTarget::Nodes { namespace: "a".into(), component: "wh1".into(), ready: (2, 2), waiting: Vec::new() },
        VerifyTarget::Nodes {
            namespace: "a".into(),
            component: "wh2".into(),
            ready: (1, 2),
            waiting: vec!["wh2-1".into()],
        },
        VerifyTarget::Unprovable { namespace: "a".into(), pod: "fdb-0".into(), reason: "nothing is known".into() },
        suspended(Some("wh3"), &["wh3"]),
        suspended(None, &["wh3", "proxy"]),
        VerifyTarget::Unasked { namespace: "a".into(), pod: "x-0".into(), reason: "no endpoint".into() },
    ];
    let found = inspect(&nowhere().await, &targets, &options()).await;
    let expected = [
        "connection a/proxy-0 failed: pod not found",
        "nodes a/wh1 passed: 2 of 2 Ready",
        "nodes a/wh2 failed: 1 of 2 Ready",
        "connection a/fdb-0 skipped: nothing is known; only its pod is known to be Ready",
        "nodes a/wh3 skipped: suspended: StatefulSet wh3 is scaled to 0",
        "namespace a/ skipped: suspended: all of its 2 StatefulSets are scaled to 0",
        "connection a/x-0 unknown: no endpoint",
    ];
    assert_eq!(text_of(&found.checks), expected);
    assert_eq!(found.checks[2].lines, ["wh2-1 is not Ready"]);
    assert!(found.evidence.is_empty() && found.catalog_only.is_empty());
}

/// A pod that does not exist is a failure, one that cannot be reached is unknown: neither responds for the quorum.
#[tokio::test]
async fn pods_that_are_gone_fail_and_those_out_of_reach_are_unknown() {
    let targets = [VerifyTarget::Pages {
        namespace: NAMESPACE.into(),
        component: "safekeeper".into(),
        role: Role::Safekeeper,
        pods: vec![("safekeeper-0".into(), false), ("safekeeper-1".into(), false), ("safekeeper-2".into(), true)],
        endpoint: endpoint(),
        whole: true,
        remote_storage: None,
    }];
    let found = inspect(&nowhere().await, &targets, &options()).await;
    let verdicts: Vec<_> =
        found.checks.iter().map(|check| (check.kind, check.member.as_str(), check.verdict)).collect();
    let expected = [
        (CheckKind::Page, "safekeeper-0", VerifyVerdict::Failed),
        (CheckKind::Page, "safekeeper-1", VerifyVerdict::Failed),
        (CheckKind::Page, "safekeeper-2", VerifyVerdict::Unknown),
        (CheckKind::Majority, "safekeeper", VerifyVerdict::Failed),
        (CheckKind::Wal, "safekeeper", VerifyVerdict::Unknown),
    ];
    assert_eq!(verdicts, expected, "{:?}", found.checks);
    assert_eq!(found.checks[0].reason, "pod not found");
}

/// Storage components are judged with those of their own namespace: another installation's WAL proves nothing here.
#[test]
fn a_namespace_is_judged_by_its_own_storage_components() {
    let endpoint = endpoint();
    let (ours, theirs) = (safekeepers([level(1), level(2), behind(3)]), safekeepers([behind(1), behind(2), behind(3)]));
    let server = pageserver(ps(1).timeline("aa/11", 9, 9));
    let asked = [
        Asked::Judged(Inspection::default()),
        pages(NAMESPACE, Role::Safekeeper, true, &endpoint, &ours),
        pages("other", Role::Safekeeper, true, &endpoint, &theirs),
        pages(NAMESPACE, Role::Pageserver, true, &endpoint, &server),
        pages(NAMESPACE, Role::StorageBroker, true, &endpoint, &server),
    ];
    let Asked::Pages(of) = &asked[1] else { panic!() };
    let readings = beside(of, &asked);
    let pods = |readings: &[Reading]| readings.iter().map(|one| one.pod.clone()).collect::<Vec<_>>();
    assert_eq!(pods(&readings.safekeepers), ["safekeeper-0", "safekeeper-1", "safekeeper-2"]);
    assert_eq!(pods(&readings.pageservers), ["pageserver-0"]);
    assert_eq!(status_pages::wal(&readings).verdict, VerifyVerdict::Passed);
    let Asked::Pages(of) = &asked[2] else { panic!() };
    assert_eq!(pods(&beside(of, &asked).pageservers), [""; 0]);

    let kinds = |at: usize| {
        let Asked::Pages(of) = &asked[at] else { panic!() };
        let found = judged(of, &beside(of, &asked));
        let kinds: Vec<_> = found.checks.iter().map(|check| (check.kind, check.member.clone())).collect();
        (kinds, found.evidence.into_keys().collect::<Vec<_>>())
    };
    let of = |kind: CheckKind, member: &str| (kind, member.to_owned());
    let page = |number: u64| of(CheckKind::Page, &format!("safekeeper-{number}"));
    let quorum = [of(CheckKind::Majority, "safekeeper"), of(CheckKind::Wal, "safekeeper")];
    let expected: Vec<_> = (0..3).map(page).chain(quorum).collect();
    assert_eq!(kinds(1), (expected, (0..3).map(|n| format!("{NAMESPACE}/safekeeper-{n}")).collect()));
    let expected = vec![of(CheckKind::Page, "pageserver-0"), of(CheckKind::Tenants, "pageserver-0")];
    assert_eq!(kinds(3), (expected, vec![format!("{NAMESPACE}/pageserver-0")]));
    assert_eq!(kinds(4).0, [of(CheckKind::Page, "pageserver-0")]);

    // Of some of the safekeepers no quorum is judged.
    let part = [pages(NAMESPACE, Role::Safekeeper, false, &endpoint, &ours)];
    let Asked::Pages(of) = &part[0] else { panic!() };
    let found = judged(of, &beside(of, &part));
    assert!(found.checks.iter().all(|check| check.kind == CheckKind::Page), "{:?}", found.checks);
}

/// A compute writes while the safekeepers are read one after the other: only if the first reading shows no quorum are they
/// read again, all of them, and what was committed at the first must be flushed at the second.
#[tokio::test]
async fn safekeepers_are_read_again_only_if_wal_seems_to_be_missing() {
    let (cluster, options, endpoint) = (nowhere().await, options(), endpoint());
    let short = safekeepers([level(1), behind(2), behind(3)]);
    let fine = safekeepers([level(1), level(2), behind(3)]);
    let server = pageserver(ps(1));
    for (role, whole, answers, again) in [
        (Role::Safekeeper, true, &short, true),
        (Role::Safekeeper, true, &fine, false),
        (Role::Safekeeper, false, &short, false),
        (Role::Pageserver, true, &server, false),
    ] {
        let all = [Asked::Judged(Inspection::default()), pages(NAMESPACE, role, whole, &endpoint, answers)];
        let second = asked_again(&cluster, 1, &all, &options).await;
        let pods = second.as_ref().map(|second| second.iter().map(|(pod, ..)| pod.as_str()).collect::<Vec<_>>());
        let expected = again.then(|| answers.0.iter().map(|(pod, _)| pod.as_str()).collect());
        assert_eq!(pods, expected, "{role:?} {whole}");
        assert!(second.iter().flatten().all(|(_, answered, _)| answered.is_err()), "the second answer counts");
        assert!(asked_again(&cluster, 0, &all, &options).await.is_none());
        // Bytes are compared among all safekeepers, and among nothing else.
        let compares = role == Role::Safekeeper && whole;
        assert_eq!(same_bytes(&cluster, 1, &all, &options).await.is_some(), compares, "{role:?} {whole}");
        assert!(same_bytes(&cluster, 0, &all, &options).await.is_none());
    }
}

/// Which storage components there are, and why one of them cannot be queried.
#[tokio::test]
async fn a_storage_component_that_cannot_be_queried_says_why() {
    let yaml = "
namespace: synxdb-system
sets:
- {name: safekeeper, replicas: 2, templates: [data]}
- {name: pageserver, replicas: 1, templates: [data]}
- {name: cloudberry-proxy, replicas: 1, templates: [data]}
pods:
- {name: safekeeper-0, set: safekeeper, ready: true, claims: [data-safekeeper-0]}
- {name: pageserver-0, set: pageserver, ready: true, claims: [data-pageserver-0]}
- {name: cloudberry-proxy-0, set: cloudberry-proxy, ready: true, claims: [data-cloudberry-proxy-0]}
claims: [{name: data-safekeeper-0, volume: pv-0}, {name: data-pageserver-0, volume: pv-1}, {name: data-cloudberry-proxy-0, volume: pv-2}]
";
    let found = storage_pages(&build(&snapshot(&[yaml]), &Layout::shipped().unwrap()), NAMESPACE);
    let ports: Vec<_> = found
        .iter()
        .map(|page| (page.pod.as_str(), page.role, page.endpoint.as_ref().map(|endpoint| endpoint.port)))
        .collect();
    let gone = "pod not found".to_owned();
    let mut expected = [
        ("safekeeper-0", Role::Safekeeper, Ok(7676)),
        ("safekeeper-1", Role::Safekeeper, Err(&gone)),
        ("pageserver-0", Role::Pageserver, Ok(9898)),
    ];
    expected.sort_by_key(|(pod, ..)| ports.iter().position(|(other, ..)| other == pod));
    assert_eq!(ports, expected);
    assert!(storage_pages(&build(&snapshot(&[yaml]), &Layout::shipped().unwrap()), "elsewhere").is_empty());

    let readings =
        read_storage(&nowhere().await, NAMESPACE, &found, Deadlines::default(), &PageAccess::default()).await;
    let unread = |all: &[Reading]| all.iter().map(|one| (one.pod.clone(), one.said.is_err())).collect::<Vec<_>>();
    assert_eq!(unread(&readings.safekeepers), [("safekeeper-0".to_owned(), true), ("safekeeper-1".to_owned(), true)]);
    assert_eq!(unread(&readings.pageservers), [("pageserver-0".to_owned(), true)]);
    assert_eq!(readings.safekeepers[1].said, Err(gone));
}

/// Bytes are requested from the safekeepers that get the token; one that does not respond leaves its timeline unknown, and
/// a pageserver has no WAL to compare.
#[tokio::test]
async fn bytes_are_requested_from_safekeepers_alone() {
    let page = |pod: &str, role| StoragePage { pod: pod.into(), role, endpoint: Ok(endpoint()) };
    let pages = [
        page("safekeeper-0", Role::Safekeeper),
        page("safekeeper-1", Role::Safekeeper),
        page("safekeeper-2", Role::Pageserver),
    ];
    let id = "0123456789abcdef0123456789abcdef/fedcba9876543210fedcba9876543210";
    let readings: Vec<Reading> = (1..4).map(|number| sk(number).timeline(id, 9, 9, 1).reading()).collect();
    let readings: Vec<&Reading> = readings.iter().collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "c2VjcmV0").unwrap();
    let args = crate::cli::PageArgs { page_token_file: Some(path), ..crate::cli::PageArgs::default() };
    let pods =
        [0, 1, 2].map(|number| format!("{{name: safekeeper-{number}, set: safekeeper, ready: true}}")).join(", ");
    let yaml = format!("namespace: {NAMESPACE}\nsets: [{{name: safekeeper, replicas: 3}}]\npods: [{pods}]");
    let topology = build(&snapshot(&[&yaml]), &Layout::shipped().unwrap());
    let token = PageAccess::resolve(&args).unwrap().for_members_of(&topology);
    let found = read_bytes(&nowhere().await, NAMESPACE, &pages, &readings, &token).await;
    let pods: BTreeSet<&str> = found.unknown.iter().map(|(pod, _)| pod.as_str()).collect();
    assert_eq!(pods, BTreeSet::from(["safekeeper-0", "safekeeper-1"]), "{found:?}");
}
