//! What people read, held as snapshots, with colour off and on.

use super::status::Detail;
use super::*;
use crate::cluster::permission::Allowed;
use crate::error::Error;
use crate::plan::probes::depending;
use crate::plan::{Before, ComparedWith, InFlight, Inputs, Plan, Request, needed, plan};
use crate::recovery::{Availability, ClaimChange, Ending, Phase, PhaseEnd, RunResult};
use crate::storage::Positions;
use crate::suggestion::plugin;
use crate::testing::{ACCOUNT, now, snapshot, unreadable};
use crate::topology::health::judge;
use crate::topology::{Layout, Topology, build};
use insta::assert_snapshot;
use std::time::Duration;

pub(super) const PLAIN: Paint = Paint(false);
const COLOUR: Paint = Paint(true);

const SYSTEM: &str = "
namespace: synxdb-system
sets:
- {name: cloudberry-proxy, replicas: 1, templates: [data]}
- {name: safekeeper, replicas: 3, templates: [data]}
- {name: pageserver, replicas: 1, templates: [data, cache]}
pods:
- {name: cloudberry-proxy-0, set: cloudberry-proxy, ready: true, claims: [data-cloudberry-proxy-0]}
- {name: safekeeper-0, set: safekeeper, ready: true, claims: [data-safekeeper-0]}
- {name: safekeeper-1, set: safekeeper, ready: true, claims: [data-safekeeper-1]}
- {name: safekeeper-2, set: safekeeper, ready: true, claims: [data-safekeeper-2]}
- {name: pageserver-0, set: pageserver, ready: true, claims: [data-pageserver-0, cache-pageserver-0]}
claims:
- {name: data-cloudberry-proxy-0, volume: pv-0}
- {name: data-safekeeper-0, volume: pv-1}
- {name: data-safekeeper-1, volume: pv-2}
- {name: data-safekeeper-2, volume: pv-3}
- {name: data-pageserver-0, volume: pv-4}
- {name: cache-pageserver-0, volume: pv-5}
";

fn world(documents: &[&str]) -> Topology {
    build(&snapshot(documents), &Layout::shipped().unwrap())
}

fn shown(topology: &Topology, wide: bool, paint: Paint) -> String {
    let detail = if wide { Detail::Wide } else { Detail::Automatic };
    status::status(usize::MAX, &judge(topology), (topology, &Positions::new()), detail, now(), paint)
}

/// An account with so many warehouse nodes, of which some are not Ready.
fn warehouse(nodes: usize, not_ready: &[usize]) -> Topology {
    let pods: String = (0..nodes)
        .map(|node| format!("- {{name: wh9527-{node}, set: wh9527, ready: {}}}\n", !not_ready.contains(&node)))
        .collect();
    let account = format!(
        "namespace: cloud007-513d75d5-3033-4649-b913-07f6115ec41a\nsets:\n- {{name: cloudberry-proxy, replicas: 1}}\n\
         - {{name: wh9527, replicas: {nodes}}}\n- {{name: wh9528, replicas: 0}}\npods:\n\
         - {{name: cloudberry-proxy-0, set: cloudberry-proxy, ready: true}}\n{pods}claims: []\n"
    );
    world(&[&account])
}

/// With more than 50 pods, the ones without a problem are counted.
#[test]
fn status_of_many_pods_lists_workloads_and_problems() {
    let topology = warehouse(60, &[7, 31]);
    let text = shown(&topology, false, PLAIN);
    assert!(text.contains("wh9527-31") && !text.contains("wh9527-30"), "{text}");
    assert_snapshot!("status-many", text);
    assert_snapshot!("status-many-healthy", shown(&warehouse(60, &[]), false, PLAIN));
    // All of them on request, with few, and for programs.
    let of = |topology: &Topology, detail| {
        status::status(usize::MAX, &judge(topology), (topology, &Positions::new()), detail, now(), PLAIN)
    };
    let rows = |text: String| text.lines().filter(|line| line.starts_with("node       wh9527-")).count();
    for detail in [Detail::AllMembers, Detail::Wide] {
        assert_eq!(rows(of(&topology, detail)), 60, "{detail:?}");
    }
    assert_eq!(rows(of(&warehouse(49, &[]), Detail::Automatic)), 49);
    assert_eq!(rows(of(&warehouse(50, &[]), Detail::Automatic)), 0);
    let all = status::rows((&topology, &Positions::new()), false, now(), PLAIN);
    assert_eq!(all.lines().count(), 62);
    let document = structured::status(&judge(&topology), &topology);
    assert_eq!(document["namespaces"][0]["members"].as_array().unwrap().len(), 61);
}

/// That no pod is known to be missing does not mean that none is.
#[test]
fn workloads_that_are_not_read_whole_are_unknown() {
    let account = "namespace: cloud008\nsets:\n- {name: wh1, replicas: 2}\npods:\n- {name: wh1-0, set: wh1, ready: true}\n- {name: wh1-1, set: wh1, ready: true}\n";
    let line = |unread: fn(&mut crate::cluster::snapshot::NamespaceObjects)| {
        let (mut topology, mut objects) = (warehouse(60, &[]), snapshot(&[account]));
        unread(&mut objects.namespaces[0]);
        topology.spaces.extend(build(&objects, &Layout::shipped().unwrap()).spaces);
        let text = shown(&topology, false, PLAIN);
        let line = text.lines().find(|line| line.contains(" wh1 ")).unwrap_or_else(|| panic!("{text}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line(|_| ()), "node wh1 2/2 Ready");
    let unread = line(|objects| objects.pods = crate::testing::unreadable("pods", Some("cloud008")));
    assert_eq!(unread, "node wh1 <unknown> <unknown>");
    let unread = line(|objects| objects.stateful_sets = crate::testing::unreadable("statefulsets", Some("cloud008")));
    assert_eq!(unread, "node wh1 2/<unknown> <unknown>");
}

#[test]
fn status_of_a_healthy_system() {
    let topology = world(&[SYSTEM, ACCOUNT]);
    let text = shown(&topology, false, PLAIN);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "it fits 80 columns:\n{text}");
    assert_snapshot!("status-healthy", text);
    let narrow =
        status::status(60, &judge(&topology), (&topology, &Positions::new()), Detail::Automatic, now(), COLOUR);
    assert!(narrow.lines().all(|line| console::measure_text_width(line) <= 60), "it fits 60 columns:\n{narrow}");
    assert!(narrow.contains("CLAIMS") && !narrow.contains("NODE"), "{narrow}");
    assert_snapshot!("status-healthy-colour", shown(&topology, false, COLOUR));
    assert_snapshot!("status-healthy-wide", shown(&topology, true, PLAIN));
    assert_snapshot!(
        "status-healthy-json",
        structured::json(&structured::status(&judge(&world(&[ACCOUNT])), &world(&[ACCOUNT])))
    );
}

/// An account with one of two warehouses at rest, and an account that is at rest.
#[test]
fn status_of_what_is_suspended() {
    let account = ACCOUNT.replace("pods:", "- {name: wh9528, replicas: 0, templates: [data]}\npods:");
    let resting = "
namespace: cloud008-2f1f6c9e-8b0b-4b55-9a51-6d0c5b8f7a10
sets: [{name: cloudberry-proxy, replicas: 0}, {name: wh9530, replicas: 0}]";
    let topology = world(&[SYSTEM, &account, resting]);
    let text = status::status(80, &judge(&topology), (&topology, &Positions::new()), Detail::Automatic, now(), PLAIN);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "it fits 80 columns:\n{text}");
    assert_snapshot!("status-suspended", text);
    assert_snapshot!("status-suspended-wide", shown(&topology, true, PLAIN));
    assert_snapshot!("status-suspended-rows", status::rows((&topology, &Positions::new()), false, now(), PLAIN));
    let alone = world(&[resting]);
    assert_snapshot!("status-suspended-alone", shown(&alone, false, COLOUR));
    assert_snapshot!("status-suspended-json", structured::json(&structured::status(&judge(&alone), &alone)));
}

#[test]
fn status_of_a_system_in_trouble() {
    let system = SYSTEM
        .replace(
            "{name: safekeeper-1, set: safekeeper, ready: true",
            "{name: safekeeper-1, set: safekeeper, ready: false",
        )
        .replace("{name: data-pageserver-0,", "{name: data-pageserver-0, terminating: true,")
        .replace("- {name: safekeeper-2, set: safekeeper, ready: true, claims: [data-safekeeper-2]}\n", "");
    let mut objects = snapshot(&[&system, ACCOUNT]);
    objects.namespaces[1].claims = unreadable("persistentvolumeclaims", Some(&objects.namespaces[1].namespace.clone()));
    let topology = build(&objects, &Layout::shipped().unwrap());
    assert_snapshot!("status-degraded", shown(&topology, false, PLAIN));
    assert_snapshot!("status-degraded-colour", shown(&topology, false, COLOUR));
    assert_snapshot!("status-degraded-wide", shown(&topology, true, PLAIN));
    let rows = status::rows((&topology, &Positions::new()), true, now(), PLAIN);
    assert_snapshot!("status-degraded-rows", rows);
    // For those who split the lines: as many words in each.
    assert!(rows.lines().all(|row| row.split_whitespace().count() == 14), "{rows}");
}

/// One of which it is known in time, and one that was looked into because it was named.
#[test]
fn status_of_namespaces_that_are_being_deleted() {
    let account = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a".to_owned();
    let others = snapshot(&[SYSTEM]);
    let others = crate::cluster::snapshot::Snapshot { passed_over: vec![account], ..others };
    let topology = build(&others, &Layout::shipped().unwrap());
    assert_snapshot!("status-passed-over", shown(&topology, false, PLAIN));
    let document = structured::status(&judge(&topology), &topology);
    assert_snapshot!("status-passed-over-json", structured::json(&document["skippedNamespaces"]));
    let topology = world(&[&ACCOUNT.replacen("namespace:", "terminating: true\nnamespace:", 1)]);
    assert_snapshot!("status-going", shown(&topology, false, PLAIN));
    assert_eq!(structured::status(&judge(&topology), &topology)["namespaces"][0]["terminating"], true);
}

pub(super) fn planned(pod: &str, denied: bool, change: impl FnOnce(&mut Request)) -> Plan {
    let topology = world(&[SYSTEM, ACCOUNT]);
    let member = topology.members().find(|member| member.name == pod).unwrap();
    let mut request = Request { id: "a1b2c3d4".into(), verify: true, ..Request::default() };
    change(&mut request);
    let rights: Vec<_> = needed(member, &request)
        .into_iter()
        .map(|permission| {
            let no = denied && permission.resource == "persistentvolumeclaims" && permission.verb == "delete";
            (permission, if no { Allowed::No(String::new()) } else { Allowed::Yes })
        })
        .collect();
    plan(Inputs {
        topology: &topology,
        member,
        request: &request,
        rights: &rights,
        before: Before::Answered { summary: "PostgreSQL 14.4: 2 databases, 1 table".into(), lacks: Vec::new() },
        baseline: ComparedWith::Fresh { taken: "2026-01-01T00:00:00Z".into() },
        undoes: None,
        unfinished: None,
        records: &[],
        journal: "/home/dba/.local/state/kubectl-synxdb/a1b2c3d4.json".into(),
        probes: depending(&topology, member),
        now: now(),
        in_flight: InFlight::default(),
        storage: &crate::storage::Readings::default(),
    })
}

#[test]
fn plans() {
    assert_snapshot!("plan", super::plan::plan(&planned("wh9527-0", false, |_| {}), PLAIN));
    assert_snapshot!("plan-two-claims", super::plan::plan(&planned("pageserver-0", false, |_| {}), PLAIN));
    assert_snapshot!("plan-keep", super::plan::plan(&planned("safekeeper-0", false, |r| r.keep_claims = true), PLAIN));
    assert_snapshot!(
        "plan-resumed",
        super::plan::plan(&planned("wh9527-0", false, |r| r.pod_uid = Some("gone".into())), PLAIN)
    );
    let refused = planned("wh9527-0", true, |r| r.verify = false);
    assert_snapshot!("plan-refused-colour", super::plan::plan(&refused, COLOUR));
    assert_snapshot!("plan-refused-error", super::error::error(&refused.refusal().unwrap(), PLAIN));
    assert_snapshot!("plan-json", structured::json(&structured::plan(&planned("wh9527-0", false, |_| {}))));
}

/// A night on which little is as it should be: each reason in full, within 80 columns, with the flag that overrides it.
#[test]
fn a_plan_with_many_checks() {
    let system = SYSTEM
        .replace(
            "{name: safekeeper, replicas: 3, templates: [data]}",
            "{name: safekeeper, replicas: 3, templates: [data], class: fast, age: 90000, revisions: [safekeeper-6d4f9, \
             safekeeper-7c8b5]}",
        )
        .replace(
            "claims: [data-safekeeper-0]}",
            "claims: [data-safekeeper-0], revision: safekeeper-6d4f9, labels: {app: safekeeper}}",
        )
        .replace(
            "{name: data-safekeeper-0, volume: pv-1}",
            "{name: data-safekeeper-0, volume: pv-1, finalizers: [backup.example.com/hold]}",
        )
        .replace("{name: data-safekeeper-1, volume: pv-2}", "{name: data-safekeeper-1, volume: pv-2, age: 100}");
    let more = "
nodes: [{name: node-1, cordoned: true}, {name: node-2}]
budgets: [{name: safekeepers, selector: {matchLabels: {app: safekeeper}}, allowed: 0, healthy: 2, wanted: 3, expected: 3}]
";
    let topology = world(&[&format!("{system}{more}")]);
    let member = topology.members().find(|member| member.name == "safekeeper-0").unwrap();
    let allow = vec![crate::cli::Allow::QuorumLoss];
    let request = Request { id: "a1b2c3d4".into(), verify: true, allow, ..Request::default() };
    let rights: Vec<_> = needed(member, &request).into_iter().map(|permission| (permission, Allowed::Yes)).collect();
    let plan = plan(Inputs {
        topology: &topology,
        member,
        request: &request,
        rights: &rights,
        before: Before::Answered { summary: "status page".into(), lacks: Vec::new() },
        baseline: ComparedWith::Fresh { taken: "2026-01-01T00:00:00Z".into() },
        undoes: None,
        unfinished: None,
        records: &[],
        in_flight: InFlight::default(),
        storage: &crate::storage::Readings::default(),
        journal: "/home/dba/.local/state/kubectl-synxdb/a1b2c3d4.json".into(),
        probes: depending(&topology, member),
        now: now(),
    });
    let text = super::plan::plan(&plan, PLAIN);
    assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "it fits 80 columns:\n{text}");
    assert_snapshot!("plan-checks", text);
    assert_snapshot!("plan-checks-json", structured::json(&structured::plan(&plan)["checks"]));
    assert_snapshot!("plan-checks-error", super::error::error(&plan.refusal().unwrap(), PLAIN));
}

pub(super) fn ended(ending: Ending) -> RunResult {
    let after = |millis, detail: &str| PhaseEnd::After(Duration::from_millis(millis), detail.into());
    RunResult {
        ending,
        phases: vec![
            (Phase::Retain, after(12, "volume pv-7 retained")),
            (Phase::Claim, after(8, "claim data-wh9527-0 deleted")),
            (Phase::Pod, after(9, "pod wh9527-0 deleted")),
            (Phase::Recreate, after(1234, "new pod created")),
            (Phase::Ready, PhaseEnd::Failed("Running: containers with unready status: [main]".into())),
        ],
        total: Duration::from_millis(2345),
        old_uid: "uid-wh9527-0".into(),
        new_pod: Some(("wh9527-0".into(), "uid-new".into())),
        claims: vec![ClaimChange {
            name: "data-wh9527-0".into(),
            old_uid: "uid-data-wh9527-0".into(),
            new_uid: Some("uid-new-claim".into()),
            retained_volume: Some("pv-7".into()),
            returned_volume: None,
            earlier_policy: None,
        }],
        healed: 1,
        restarts: 0,
        restarted: None,
        proof: None,
        compared_with: None,
        done: vec!["volume pv-7 retained".into(), "claim data-wh9527-0 deleted".into()],
        notices: vec!["canary table not written: the database is read-only".into()],
        reachability: Vec::new(),
        accept: None,
        undo: None,
    }
}

#[test]
fn every_ending() {
    let plan = planned("wh9527-0", false, |_| {});
    let mut recovered = ended(Ending::Recovered);
    recovered.proof = Some("verified by SQL: 2 databases, 1 table (rows counted)".into());
    recovered.phases[4] = (Phase::Ready, PhaseEnd::After(Duration::from_millis(800), "Ready on node-1".into()));
    assert_snapshot!("outcome-recovered", outcome::outcome(&plan, &recovered, &"".into(), PLAIN));
    assert_snapshot!("outcome-recovered-colour", outcome::outcome(&plan, &recovered, &"".into(), COLOUR));
    assert_snapshot!("outcome-recovered-json", structured::json(&structured::outcome(&plan, &recovered, &[], None)));
    let missing = vec!["test_db: table public.projects is missing (3 rows)".to_owned()];
    let mut texts = String::new();
    for ending in [
        Ending::Replaced,
        Ending::Unverified("safekeeper-0 serves no status page on port 7676".into()),
        Ending::DataMissing(missing),
        Ending::CatchingUp("5,308,416 bytes of 1 timeline left (1.4 MB/s, about 4 s)".into()),
        Ending::TimedOut("Pending: 0/2 nodes are available".into()),
        Ending::ClusterChanged("pod wh9527-0 was replaced: its UID is b, the plan has a".into()),
        Ending::Failed(Error::failure("cannot delete pod wh9527-0").because("etcd is full").hint("ask its keeper")),
        Ending::Interrupted,
    ] {
        let exit = outcome::exit(&ending).code();
        let undo = matches!(ending, Ending::DataMissing(_));
        let resume = || plugin("failover").word("n/wh9527-0").flag("--pod-uid", "a");
        let next = if undo { plugin("undo").word("a1b2c3d4") } else { resume() };
        let text = outcome::outcome(&plan, &ended(ending), &next.into(), PLAIN);
        texts.push_str(&format!("--- exit code {exit}\n{text}"));
    }
    assert_snapshot!("outcome-others", texts);
}

/// What a safekeeper lacks the others have, and its old disk could vote twice: putting it back is never the advice.
#[test]
fn a_safekeepers_old_disk_is_no_remedy() {
    let mut plan = planned("wh9527-0", false, |_| {});
    plan.target.role = crate::topology::Role::Safekeeper;
    let goes_on = "kubectl synxdb failover n/safekeeper-0 --pod-uid a";
    for ending in
        [Ending::DataMissing(vec!["0 timelines: it had 3".into()]), Ending::CatchingUp("3 timelines left".into())]
    {
        let text = outcome::outcome(
            &plan,
            &ended(ending),
            &plugin("failover").word("n/safekeeper-0").flag("--pod-uid", "a").into(),
            PLAIN,
        );
        assert!(text.contains(&format!("next: {goes_on}\n")), "{text}");
        assert!(!text.contains("undo") && !text.contains("To restore"), "{text}");
    }
}

/// Positions are columns of their own if the storage components were queried.
#[test]
fn positions_are_shown_beside_the_members() {
    use crate::storage::{Position, Positions};
    let topology = build(&snapshot(&[SYSTEM]), &Layout::shipped().unwrap());
    let known = |lsn, lag| Ok(Position { lsn, lag });
    let positions: Positions = [
        ("synxdb-system/safekeeper-0", known(Some(0x2A5_5E98), Some(0))),
        ("synxdb-system/safekeeper-1", known(Some(0x2A5_0000), Some(24_216))),
        ("synxdb-system/safekeeper-2", known(None, Some(0))),
        ("synxdb-system/pageserver-0", Err("/metrics returned 401 Unauthorized".to_owned())),
    ]
    .map(|(path, position)| (path.to_owned(), position))
    .into();
    let rows = status::rows((&topology, &positions), true, now(), PLAIN);
    for (pod, expected) in [
        ("safekeeper-0", "0/2A55E98 0"),
        ("safekeeper-1", "0/2A50000 24216"),
        ("safekeeper-2", "idle 0"),
        ("pageserver-0", "<unknown> <unknown>"),
        ("cloudberry-proxy-0", "<none> <none>"),
    ] {
        let row = rows.lines().find(|row| row.contains(&format!(" {pod} "))).unwrap();
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(words[words.len() - 2..].join(" "), expected, "{rows}");
    }
    let text = status::status(usize::MAX, &judge(&topology), (&topology, &positions), Detail::Wide, now(), PLAIN);
    assert!(text.contains("LAG-BYTES"), "{text}");
}

/// A database of each kind, under long names.
pub(super) fn reached() -> Vec<Availability> {
    use crate::plan::{ExpectedAvailability, NotMeasured};
    use crate::recovery::availability::Downtime;
    let millis = |number| Some(Duration::from_millis(number));
    let stayed = Downtime { asked: 214, answered: 214, answered_before: true, ..Downtime::default() };
    let away = Downtime {
        answered: 202,
        first_failure: millis(161),
        first_success_after: millis(3361),
        longest_gap: millis(3200),
        interruption: millis(3200),
        interruptions: 1,
        reason: Some(
            "the database system is not accepting connections: 1 of 2 nodes of warehouse wh9527 are ready".into(),
        ),
        ..stayed.clone()
    };
    let still = Downtime { interruptions: 2, still_away: true, first_success_after: None, ..away.clone() };
    let unknown = Downtime { unknown: 12, interruption: None, interruptions: 0, ..away.clone() };
    let down = Downtime { answered_before: false, answered: 100, ..unknown.clone() };
    let down = Downtime { unknown: 0, ..down };
    let never = Downtime { answered: 0, first_success_after: None, still_away: true, ..down.clone() };
    let cloud007 = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";
    let measured = [
        ("synxdb-system", ExpectedAvailability::NoInterruption, stayed.clone()),
        (cloud007, ExpectedAvailability::NoInterruption, stayed),
        (cloud007, ExpectedAvailability::NoInterruption, away.clone()),
        (cloud007, ExpectedAvailability::BriefInterruption, away),
        (cloud007, ExpectedAvailability::None, still),
        (cloud007, ExpectedAvailability::NoInterruption, unknown),
        (cloud007, ExpectedAvailability::NoInterruption, down),
        (cloud007, ExpectedAvailability::NoInterruption, never),
    ];
    let reach = |(namespace, expected, account): (&str, ExpectedAvailability, Downtime)| Availability {
        namespace: Some(namespace.into()),
        pod: Some("cloudberry-proxy-0".into()),
        expected: Some(expected),
        measured: Ok(account),
    };
    let not = |namespace: Option<&str>, pod: Option<&str>, why: &str| {
        Availability::from(NotMeasured {
            namespace: namespace.map(Into::into),
            pod: pod.map(Into::into),
            why: why.into(),
        })
    };
    let skipped = "it is annotated to skip SQL: PostgreSQL is not installed here";
    let mut all: Vec<Availability> = measured.into_iter().map(reach).collect();
    all.extend([
        not(Some("synxdb-system"), Some("cloudberry-proxy-0"), skipped),
        not(Some(cloud007), None, "its pods cannot be read: pods is forbidden"),
        not(Some(cloud007), Some("cloudberry-proxy-0"), skipped),
        not(None, None, "unknown which namespaces belong to the accounts: namespaces is forbidden"),
    ]);
    all
}

#[test]
fn how_long_databases_were_away() {
    let plan = planned("safekeeper-0", false, |_| {});
    let text = super::availability::outcome(&plan, &reached(), PLAIN);
    assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "it fits 80 columns:\n{text}");
    assert_snapshot!("reach", text);
    let coloured = super::availability::outcome(&plan, &reached(), COLOUR);
    assert_eq!(coloured.matches(&COLOUR.warn("finding:")).count(), 1, "one interruption was unexpected:\n{coloured}");
    let mut outcome = ended(Ending::Recovered);
    outcome.reachability = reached();
    let document = structured::outcome(&plan, &outcome, &[], None);
    assert_snapshot!("reach-json", structured::json(&document["availability"]));
}

#[test]
fn what_is_going_to_be_measured() {
    let text = super::plan::plan(&planned("safekeeper-0", false, |_| {}), PLAIN);
    assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "it fits 80 columns:\n{text}");
    assert_snapshot!("plan-reach", text);
    let mut probes = planned("cloudberry-proxy-0", false, |_| {}).probes;
    let namespaces = probes.namespaces();
    assert_eq!(namespaces.len(), 2);
    probes.leave_out(&namespaces[0], &format!("missing permission: create pods/portforward in {}", namespaces[0]));
    assert_snapshot!("plan-not-measured", super::availability::plan(&probes));
    probes.databases = vec![probes.databases[0].clone(); 60];
    assert!(super::availability::plan(&probes).contains("one query every 1.2 s"));
}

#[test]
fn errors_are_short_and_harmless() {
    let error = Error::refused("pod \u{1b}[31mx is refused")
        .because("why")
        .because("why")
        .hint(crate::suggestion::kubectl("get pods"));
    assert_snapshot!("error", super::error::error(&error, PLAIN));
    assert_snapshot!("error-colour", super::error::error(&error, COLOUR));
}
