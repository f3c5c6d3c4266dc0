//! Plans on literal YAML.

use super::*;
use crate::cli::Allow;
use crate::cluster::permission::Allowed;
use crate::testing::{ACCOUNT, now, snapshot};
use crate::topology::{Layout, build};

fn request() -> Request {
    Request { id: "a1b2".into(), verify: true, ..Request::default() }
}

fn planned(yaml: &str, pod: &str, request: &Request, denied: &[(&str, &str)]) -> Plan {
    let topology = build(&snapshot(&[yaml]), &Layout::shipped().unwrap());
    let member = topology.members().find(|member| member.name == pod).unwrap();
    let rights: Vec<_> = needed(member, request)
        .into_iter()
        .map(|permission| {
            let no = denied.contains(&(permission.verb.as_str(), permission.resource.as_str()));
            (permission, if no { Allowed::No(String::new()) } else { Allowed::Yes })
        })
        .collect();
    let records = Record::on_volumes(&topology);
    let unfinished = newest(&records, &topology, member).filter(|record| record.unfinished());
    plan(Inputs {
        topology: &topology,
        member,
        request,
        rights: &rights,
        before: Before::Answered { summary: "PostgreSQL 14".into(), lacks: Vec::new() },
        baseline: ComparedWith::Fresh { taken: String::new() },
        undoes: None,
        unfinished,
        records: &records,
        journal: String::new(),
        probes: Probes::default(),
        now: now(),
        in_flight: InFlight::default(),
        storage: &crate::storage::Readings::default(),
    })
}

/// A rejected login is not a server that is down, and the plan says so.
#[test]
fn a_refused_login_is_warned_of_and_told_apart_from_silence() {
    let reason = || "password authentication failed for user \"auditor\" (SQLSTATE 28P01)".to_owned();
    let none = || ComparedWith::Nothing { reason: "none is stored".into() };
    let taken = (now() - jiff::SignedDuration::from_hours(19)).to_string();
    let stored = ComparedWith::Stored { taken, summary: "PostgreSQL 14: 2 databases".into() };
    let refused = "it rejects the login (password authentication failed";
    let silent = "it does not respond now (password authentication failed";
    for (before, baseline, begins, has) in [
        (
            Before::LoginRefused { reason: reason() },
            none(),
            refused.to_owned(),
            "no baseline is taken, and nothing can",
        ),
        (
            Before::Silent { reason: reason() },
            none(),
            format!("no baseline, {silent}"),
            "and none is stored; its data will not be verified",
        ),
        (
            Before::Silent { reason: reason() },
            stored.clone(),
            silent.to_owned(),
            "(19h ago): PostgreSQL 14: 2 databases",
        ),
        (Before::LoginRefused { reason: reason() }, stored.clone(), refused.to_owned(), "fix it first"),
        (Before::NotAsked, stored, "it will be compared with the stored baseline of ".to_owned(), "(19h ago)"),
        (Before::NotAsked, none(), "no baseline: none is stored".to_owned(), "will not be verified"),
    ] {
        let plan = without_its_word(before, baseline, &[]);
        let check = plan.checks.iter().find(|check| check.id == PlanCheckId::Baseline).unwrap();
        assert_eq!(check.verdict, PlanVerdict::Warn);
        assert!(check.reason.starts_with(&begins) && check.reason.contains(has), "{}", check.reason);
        let Proof::Sql { endpoint, canary, .. } = &plan.proof else { panic!("{:?}", plan.proof) };
        assert_eq!((&*endpoint.user, canary), ("auditor", &None));
    }
    let text = serde_json::to_value(Before::LoginRefused { reason: reason() }).unwrap();
    assert_eq!(text, serde_json::json!({"state": "loginRejected", "reason": reason()}));
}

/// Without a baseline the data of a storage component is compared with the other ones, and that of a database with nothing.
#[test]
fn a_storage_component_without_a_baseline_is_compared_with_the_others() {
    let storage = "
namespace: synxdb-system
sets: [{name: safekeeper, replicas: 1, templates: [data]}, {name: pageserver, replicas: 1, templates: [data]}]
pods:
- {name: safekeeper-0, set: safekeeper, ready: true, claims: [data-safekeeper-0]}
- {name: pageserver-0, set: pageserver, ready: true, claims: [data-pageserver-0]}
claims: [{name: data-safekeeper-0, volume: pv-1}, {name: data-pageserver-0, volume: pv-2}]
";
    for (yaml, pod, expected) in [
        (storage, "safekeeper-0", "it will be compared with the other storage components only"),
        (storage, "pageserver-0", "it will be compared with the other storage components only"),
        (ACCOUNT, "wh9527-0", "its data will not be verified"),
    ] {
        let none = ComparedWith::Nothing { reason: "none is stored".into() };
        let plan = without_word_of((yaml, pod), Before::NotAsked, none, &request());
        let check = plan.checks.iter().find(|check| check.id == PlanCheckId::Baseline).unwrap();
        assert_eq!(check.verdict, PlanVerdict::Warn);
        assert!(check.reason.ends_with(expected), "{pod}: {}", check.reason);
    }
}

/// A plan for a member that says nothing of what it holds.
fn without_its_word(before: Before, baseline: ComparedWith, accept_missing: &[&str]) -> Plan {
    let accept_missing = accept_missing.iter().map(|name| (*name).to_owned()).collect();
    let request = Request { user: Some("auditor".into()), accept_missing, ..request() };
    without_word_of((ACCOUNT, "wh9527-0"), before, baseline, &request)
}

fn without_word_of((yaml, pod): (&str, &str), before: Before, baseline: ComparedWith, request: &Request) -> Plan {
    let topology = build(&snapshot(&[yaml]), &Layout::shipped().unwrap());
    let member = topology.members().find(|member| member.name == pod).unwrap();
    plan(Inputs {
        topology: &topology,
        member,
        request,
        rights: &[],
        before,
        baseline,
        undoes: None,
        unfinished: None,
        records: &[],
        journal: String::new(),
        probes: Probes::default(),
        now: now(),
        in_flight: InFlight::default(),
        storage: &crate::storage::Readings::default(),
    })
}

/// A baseline with gaps is no plain pass: what is in them cannot be missed afterwards.
#[test]
fn a_baseline_that_lacks_something_is_warned_of() {
    for (lacks, verdict) in [(vec![], PlanVerdict::Pass), (vec!["2 of 15 databases".to_owned()], PlanVerdict::Warn)] {
        let before = Before::Answered { summary: "PostgreSQL 14".into(), lacks };
        let plan = without_its_word(before, ComparedWith::Fresh { taken: now().to_string() }, &[]);
        let check = plan.checks.iter().find(|check| check.id == PlanCheckId::Baseline).unwrap();
        assert_eq!(check.verdict, verdict);
    }
}

/// What a component says itself must be there afterwards, whatever is accepted.
#[test]
fn nothing_is_accepted_but_against_a_stored_baseline() {
    let warned = |baseline, accept: &[&str]| {
        let before = Before::Answered { summary: "PostgreSQL 14".into(), lacks: Vec::new() };
        let plan = without_its_word(before, baseline, accept);
        plan.checks.iter().any(|check| check.reason.starts_with("--accept-missing has no effect: "))
    };
    let fresh = || ComparedWith::Fresh { taken: now().to_string() };
    let stored = ComparedWith::Stored { taken: now().to_string(), summary: String::new() };
    assert!(warned(fresh(), &["test_db"]));
    assert!(warned(ComparedWith::Nothing { reason: String::new() }, &["test_db"]));
    assert!(!warned(stored, &["test_db"]) && !warned(fresh(), &[]));
}

fn steps(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| match step {
            Step::Retain { volume, uid, .. } => format!("retain {volume} {uid}"),
            Step::Reserve { volume, uid, claim, released_by } => {
                format!("reserve {volume} {uid} for {claim}, released by {released_by}")
            }
            Step::Unreserve { volume, uid, claim, released_by } => {
                format!("unreserve {volume} {uid} for {claim}, released by {released_by}")
            }
            Step::DeleteClaim { claim, uid } => format!("delete claim {claim} {uid}"),
            Step::DeletePod { pod, uid } => format!("delete pod {pod} {uid}"),
        })
        .collect()
}

fn blocked(plan: &Plan) -> Vec<String> {
    plan.refusal().map(|error| error.why).unwrap_or_default()
}

#[test]
fn an_ordinary_failover_retains_then_deletes_claim_then_pod() {
    let plan = planned(ACCOUNT, "wh9527-0", &request(), &[]);
    assert_eq!(
        steps(&plan),
        ["retain pv-7 uid-pv-7", "delete claim data-wh9527-0 uid-data-wh9527-0", "delete pod wh9527-0 uid-wh9527-0"]
    );
    assert_eq!((plan.risk, plan.refusal()), (Risk::Ordinary, None));
    // A node does not take sessions itself: the account's proxy answers for it.
    assert!(matches!(&plan.proof, Proof::Sql { pod, canary: Some(name), .. }
        if pod == "cloudberry-proxy-0" && name == "kubectl_synxdb_a1b2"));
}

#[test]
fn keeping_the_claims_deletes_the_pod_only() {
    let plan = planned(ACCOUNT, "wh9527-0", &Request { keep_claims: true, ..request() }, &[]);
    assert_eq!(steps(&plan), ["delete pod wh9527-0 uid-wh9527-0"]);
    assert!(plan.replaced_claims.is_empty());
}

#[test]
fn a_denied_permission_refuses_and_names_verb_and_resource() {
    let plan = planned(ACCOUNT, "wh9527-0", &request(), &[("delete", "persistentvolumeclaims")]);
    assert_eq!(
        blocked(&plan),
        [
            "missing permission: delete persistentvolumeclaims in namespace cloud007-513d75d5-3033-4649-b913-07f6115ec41a"
        ]
    );
    let kept = Request { keep_claims: true, ..request() };
    assert!(planned(ACCOUNT, "wh9527-0", &kept, &[("delete", "persistentvolumeclaims")]).refusal().is_none());
}

#[test]
fn a_volume_that_cannot_be_retained_needs_a_flag_and_is_high_risk() {
    let denied = [("patch", "persistentvolumes")];
    let plan = planned(ACCOUNT, "wh9527-0", &request(), &denied);
    assert_eq!(
        blocked(&plan),
        ["the old volume of claim data-wh9527-0 cannot be retained: missing permission: patch persistentvolumes"]
    );
    let allowed = Request { allow: vec![Allow::UnretainedVolume], ..request() };
    let plan = planned(ACCOUNT, "wh9527-0", &allowed, &denied);
    assert_eq!((plan.refusal(), plan.risk), (None, Risk::High));
    assert_eq!(steps(&plan), ["delete claim data-wh9527-0 uid-data-wh9527-0", "delete pod wh9527-0 uid-wh9527-0"]);
}

#[test]
fn what_an_ordered_set_would_not_create_again_is_not_deleted() {
    let down =
        ACCOUNT.replace("{name: wh9527-0, set: wh9527, ready: true", "{name: wh9527-0, set: wh9527, ready: false");
    let plan = planned(&down, "wh9527-1", &request(), &[]);
    let reason = "StatefulSet wh9527 creates its pods in order, and wh9527-0 is not Ready: the pod would not be recreated until then";
    assert_eq!(blocked(&plan), [reason]);
    let next = "kubectl synxdb failover cloud007-513d75d5-3033-4649-b913-07f6115ec41a/wh9527-0";
    assert_eq!(plan.refusal().unwrap().hints, [next]);
    // The lower one itself; a set without an order; a pod that is gone already, which is only waited for.
    assert_eq!(planned(&down, "wh9527-0", &request(), &[]).refusal(), None);
    let parallel = down.replace("replicas: 2, ", "replicas: 2, parallel: true, ");
    assert_eq!(planned(&parallel, "wh9527-1", &request(), &[]).refusal(), None);
    let gone = down.replace("- {name: wh9527-1, set: wh9527, ready: true, claims: [data-wh9527-1]}\n", "");
    let plan = planned(&gone, "wh9527-1", &request(), &[]);
    assert_eq!(plan.refusal(), None);
    assert!(plan.checks.iter().any(|check| check.id == PlanCheckId::Order && check.verdict == PlanVerdict::Warn));
}

fn safekeepers(ready: &[bool]) -> String {
    let mut yaml =
        format!("namespace: synxdb-system\nsets: [{{name: safekeeper, replicas: {}}}]\npods:\n", ready.len());
    for (ordinal, ready) in ready.iter().enumerate() {
        yaml.push_str(&format!("- {{name: safekeeper-{ordinal}, set: safekeeper, ready: {ready}}}\n"));
    }
    yaml
}

#[test]
fn safekeepers_are_replaced_only_while_a_majority_and_every_other_one_is_ready() {
    let keep = Request { keep_claims: true, ..request() };
    for (ready, request, expected) in [
        (&[true, true, true][..], &request(), None),
        (&[false, true, true], &request(), None),
        (
            &[true, false, true],
            &request(),
            Some("safekeeper-1 is not Ready: only 1 of 3 safekeepers would remain (quorum is 2)"),
        ),
        (
            &[true, false, true],
            &keep,
            Some("safekeeper-1 is not Ready: only 1 of 3 safekeepers would remain (quorum is 2)"),
        ),
        (&[false, false, true], &keep, None),
        (&[true], &request(), Some("only 0 of 1 safekeepers would remain (quorum is 1)")),
        (
            &[true, false, true, true, true],
            &request(),
            Some(
                "safekeeper-1 is not Ready (3 of 4 others count): one that lost its disk and one that lags could be a \
                 majority without committed WAL",
            ),
        ),
        (&[true, false, true, true, true], &keep, None),
    ] {
        let plan = planned(&safekeepers(ready), "safekeeper-0", request, &[]);
        assert_eq!(blocked(&plan).first().map(String::as_str), expected, "{ready:?} keep={}", request.keep_claims);
    }
    let allowed = Request { allow: vec![Allow::QuorumLoss], ..request() };
    let plan = planned(&safekeepers(&[true, false, true]), "safekeeper-0", &allowed, &[]);
    assert_eq!((plan.refusal(), plan.risk), (None, Risk::High));
}

#[test]
fn a_pod_that_nothing_would_bring_back_is_refused() {
    let bare = "
namespace: synxdb-system
pods:
- {name: cloudberry-proxy-5d9c-abcde, replicaSet: cloudberry-proxy-5d9c, ready: true, claims: [disk-2]}
claims:
- {name: disk-2, volume: pv-2}
";
    let keep = Request { keep_claims: true, ..request() };
    let proxy = "cloudberry-proxy-5d9c-abcde";
    for (pod, request, expected) in [
        (
            proxy,
            &request(),
            Some("ReplicaSet cloudberry-proxy-5d9c owns the pod, not a StatefulSet: nothing would recreate its claims"),
        ),
        (proxy, &keep, None),
    ] {
        let plan = planned(bare, pod, request, &[]);
        assert_eq!(blocked(&plan).first().map(String::as_str), expected, "{pod} {request:?}");
    }
}

#[test]
fn a_shared_claim_is_never_deleted() {
    let shared = ACCOUNT.replace("claims: [data-wh9527-1]", "claims: [data-wh9527-0]");
    let plan = planned(&shared, "wh9527-0", &request(), &[]);
    assert_eq!(blocked(&plan), ["claim data-wh9527-0 is also mounted by wh9527-1"]);
}

fn record(pod_uid: &str) -> String {
    format!(
        r#"{{"apiVersion":"kubectl-synxdb/v1beta1","kind":"Record","operation":"failover","id":"old1","started":"2026-01-01T00:00:00Z","outcome":"unfinished","context":"c",
        "namespace":"cloud007-513d75d5-3033-4649-b913-07f6115ec41a","pod":"wh9527-0","podUid":"{pod_uid}","keepClaims":false,
        "claims":[{{"name":"data-wh9527-0","uid":"uid-data-wh9527-0","volume":"pv-7","reclaimPolicy":"Delete"}}]}}"#
    )
    .replace('\n', "")
}

#[test]
fn an_interrupted_failover_is_finished_and_nothing_is_deleted_twice() {
    let with_record = |pod_uid: &str| {
        let line = format!("- {{name: data-wh9527-0, volume: pv-7, record: '{}'}}", record(pod_uid));
        ACCOUNT.replace("- {name: data-wh9527-0, volume: pv-7}", &line)
    };
    // Retained, nothing deleted yet: both deletes are still to be done.
    let plan = planned(&with_record("uid-wh9527-0"), "wh9527-0", &request(), &[]);
    assert_eq!(plan.id, "old1");
    assert_eq!(steps(&plan).len(), 3);
    // The claim is Terminating, the pod stands.
    let yaml = with_record("uid-wh9527-0").replace("volume: pv-7, record", "volume: pv-7, terminating: true, record");
    assert_eq!(
        steps(&planned(&yaml, "wh9527-0", &request(), &[])),
        ["retain pv-7 uid-pv-7", "delete pod wh9527-0 uid-wh9527-0"]
    );
    // Both are replaced: only waiting and proving is left.
    let yaml = ACCOUNT.replace("name: data-wh9527-0, volume: pv-7", "name: data-wh9527-0, uid: claim-2, volume: pv-9")
        + "
volumes: [{name: pv-7, class: standard, reservedFor: data-wh9527-0, releasedBy: uid-data-wh9527-0, policy: Retain}]
records:
- {id: old1, pod: wh9527-0, podUid: pod-0, age: 9,
   claims: [{name: data-wh9527-0, uid: uid-data-wh9527-0, volume: pv-7, policy: Delete}]}
";
    let plan = planned(&yaml, "wh9527-0", &request(), &[]);
    assert_eq!(steps(&plan), Vec::<String>::new());
    assert_eq!(plan.target.uid, "pod-0");
    assert_eq!(
        plan.replaced_claims,
        [ReplacedClaim {
            name: "data-wh9527-0".into(),
            uid: "uid-data-wh9527-0".into(),
            returns: None,
            ephemeral: false
        }]
    );
    assert_eq!(plan.resumes.map(|resumes| resumes.id), Some("old1".into()));
}

/// A claim that belonged to the old pod may outlast it by a moment. The new pod does not hold it, and is not deleted for it.
#[test]
fn a_new_pod_is_not_deleted_for_what_belonged_to_the_old_one() {
    let yaml = "
namespace: a
sets: [{name: wh9527, replicas: 1, ephemeral: [scratch]}]
pods: [{name: wh9527-0, set: wh9527, uid: p2, phase: Pending, ephemeral: [scratch]}]
claims: [{name: wh9527-0-scratch, uid: s1, volume: pv-2, policy: Retain, terminating: true}]
records:
- {id: f1, pod: wh9527-0, podUid: p1, age: 9, set: set-wh9527, KEEP
   claims: [{name: wh9527-0-scratch, uid: s1, volume: pv-2, policy: Delete}]}
";
    for keep in ["", "keep: true,"] {
        let plan = planned(&yaml.replace("KEEP", keep), "wh9527-0", &request(), &[]);
        assert_eq!((plan.id.as_str(), steps(&plan)), ("f1", vec!["retain pv-2 uid-pv-2".to_owned()]));
        assert!(plan.replaced_claims[0].ephemeral);
    }
    // What outlives a pod is held by the new one.
    let kept = yaml
        .replace("wh9527-0-scratch", "data-wh9527-0")
        .replace("replicas: 1, ephemeral: [scratch]", "replicas: 1, templates: [data]")
        .replace("ephemeral: [scratch]", "claims: [data-wh9527-0]")
        .replace("KEEP", "");
    let plan = planned(&kept, "wh9527-0", &request(), &[]);
    assert_eq!(steps(&plan), ["retain pv-2 uid-pv-2", "delete pod wh9527-0 p2"]);
}

/// The new pod stays, and so does the claim that was created with it: what is waited for is not that it is replaced, too.
#[test]
fn the_claim_of_a_new_pod_is_not_the_one_to_replace() {
    let yaml = "
namespace: a
sets: [{name: wh9527, replicas: 1, ephemeral: [scratch]}]
pods: [{name: wh9527-0, set: wh9527, uid: p2, ready: true, ephemeral: [scratch]}]
claims: [{name: wh9527-0-scratch, uid: s2, volume: pv-3}]
volumes: [{name: pv-2, class: standard, reservedFor: wh9527-0-scratch, releasedBy: s1, policy: Retain}]
records:
- {id: f1, pod: wh9527-0, podUid: p1, age: 9, set: set-wh9527, claims: [{name: wh9527-0-scratch, uid: s1, volume: pv-2, policy: Delete}]}
";
    let plan = planned(yaml, "wh9527-0", &request(), &[]);
    assert_eq!((plan.id.as_str(), steps(&plan)), ("f1", Vec::new()));
    assert_eq!(plan.replaced_claims[0].uid, "s1");
}

/// Once its pod is gone, the claim of an ephemeral volume is known by its record: with the claims kept, no other claim is
/// on it. A claim that is there still is one of those that outlive the pod.
#[test]
fn a_claim_that_went_with_its_pod_is_known_from_the_record() {
    let yaml = "
namespace: a
sets: [{name: wh9527, replicas: 1, templates: [data]}]
claims: [{name: data-wh9527-0, uid: d1, volume: pv-1, terminating: true}]
volumes: [{name: pv-2, class: standard, reservedFor: wh9527-0-scratch, releasedBy: s1, policy: Retain}]
records:
- {id: f1, pod: wh9527-0, podUid: p1, age: 9, set: set-wh9527, keep: true,
   claims: [{name: wh9527-0-scratch, uid: s1, volume: pv-2, policy: Delete}, {name: data-wh9527-0, uid: d1, volume: pv-1, policy: Delete}]}
";
    let ephemeral = |yaml: &str| {
        let plan = planned(yaml, "wh9527-0", &request(), &[]);
        assert_eq!(plan.id, "f1");
        plan.replaced_claims.into_iter().map(|claim| (claim.name, claim.ephemeral)).collect::<Vec<_>>()
    };
    let (scratch, data) = ("wh9527-0-scratch".to_owned(), "data-wh9527-0".to_owned());
    assert_eq!(ephemeral(yaml), [(scratch.clone(), true), (data.clone(), false)]);
    // A failover that replaces the claims has none of those that only go with the pod, as far as is known.
    assert_eq!(ephemeral(&yaml.replace("keep: true,", "")), [(scratch, false), (data, false)]);
}

#[test]
fn a_failover_pinned_to_a_pod_that_is_replaced_deletes_nothing() {
    let pinned = |uid: &str| Request { pod_uid: Some(uid.into()), ..request() };
    assert_eq!(steps(&planned(ACCOUNT, "wh9527-0", &pinned("pod-0"), &[])), Vec::<String>::new());
    assert_eq!(steps(&planned(ACCOUNT, "wh9527-0", &pinned("uid-wh9527-0"), &[])).len(), 3);
}

#[test]
fn a_record_survives_its_annotation() {
    let mut full = Record::parse(&record("pod-1")).unwrap();
    full.baseline = Some(serde_json::json!({"databases": "x".repeat(1000)}));
    assert_eq!(Record::parse(&serde_json::to_string(&full.clone().packed()).unwrap()).unwrap(), full);
    assert!(Record::parse(r#"{"version":2}"#).is_none());
}

/// In the target's namespace another failover blocks, elsewhere it warns.
#[test]
fn another_failover_under_way() {
    use crate::cluster::LeaseState;
    use crate::cluster::lease::Tenure;
    use crate::cluster::snapshot::{Cause, Read, Unreadable};
    let topology = build(&snapshot(&[ACCOUNT]), &Layout::shipped().unwrap());
    let member = topology.members().find(|member| member.name == "wh9527-0").unwrap();
    let tenure = |id: &str, seconds| Tenure {
        holder: format!("failover {id} of wh9527-1 by alice at host/1"),
        id: Some(id.to_owned()),
        renewed: Some(jiff::SignedDuration::from_secs(seconds)),
        lasts: std::time::Duration::from_secs(10),
    };
    let held = |id, seconds| Read::Known(LeaseState::Held(tenure(id, seconds)));
    let unknown = || {
        let (resource, namespace) = ("leases", Some("b".to_owned()));
        Read::Unknown(Unreadable {
            resource,
            namespace,
            cause: Cause::Forbidden,
            reason: "leases is forbidden".into(),
            source: None,
        })
    };
    let checked = |here, elsewhere: Vec<(&str, Read<LeaseState>)>, allow: &[Allow], denied: bool| {
        let request = Request { allow: allow.to_vec(), ..request() };
        let rights: Vec<_> = needed(member, &request)
            .into_iter()
            .map(|permission| {
                let no = denied && permission.resource == "leases" && permission.verb == "update";
                (permission, if no { Allowed::No("RBAC".into()) } else { Allowed::Yes })
            })
            .collect();
        let elsewhere = elsewhere.into_iter().map(|(name, read)| (name.to_owned(), read)).collect();
        let plan = plan(Inputs {
            topology: &topology,
            member,
            request: &request,
            rights: &rights,
            before: Before::NotAsked,
            baseline: ComparedWith::Fresh { taken: String::new() },
            undoes: None,
            unfinished: None,
            records: &[],
            now: jiff::Timestamp::UNIX_EPOCH,
            probes: Probes::default(),
            journal: String::new(),
            in_flight: InFlight { here, elsewhere },
            storage: &crate::storage::Readings::default(),
        });
        let told = plan.checks.iter().filter(|check| check.id == PlanCheckId::Lease);
        let told: Vec<String> = told.map(|check| format!("{:?} {}", check.verdict, check.reason)).collect();
        (told.join("\n"), plan.risk, plan.refusal().is_some())
    };
    let none = "no other failover in progress in namespace cloud007-513d75d5-3033-4649-b913-07f6115ec41a";
    let here = "another failover is in progress in namespace cloud007-513d75d5-3033-4649-b913-07f6115ec41a: failover c3 of \
                wh9527-1 by alice at host/1, last renewed 2s ago";
    let late = "failover may be in progress: failover {} of wh9527-1 by alice at host/1, last renewed";
    let unless = "this one continues unless Lease kubectl-synxdb is renewed within 10 s";
    let denied = "missing permission: update leases.coordination.k8s.io kubectl-synxdb in namespace \
                  cloud007-513d75d5-3033-4649-b913-07f6115ec41a; no lock against concurrent failovers";
    let allow = &[Allow::ConcurrentFailover][..];
    for (here, elsewhere, allow, no_right, told, risk, refused) in [
        (Read::Known(LeaseState::Free), vec![], &[][..], false, format!("Pass {none}"), Risk::Ordinary, false),
        // What is not overridden is not of high risk.
        (Read::Known(LeaseState::Free), vec![], allow, false, format!("Pass {none}"), Risk::Ordinary, false),
        (
            Read::Known(LeaseState::Left(tenure("c3", 2))),
            vec![],
            &[],
            false,
            format!("Pass {none}; the last was failover c3 of wh9527-1 by alice at host/1, last renewed 2s ago"),
            Risk::Ordinary,
            false,
        ),
        (held("c3", 2), vec![], &[], false, format!("Block {here}"), Risk::Ordinary, true),
        (held("c3", 2), vec![], allow, false, format!("Warn {here}"), Risk::High, false),
        // The same one, and one that is late.
        (
            held("a1b2", 2),
            vec![],
            &[],
            false,
            format!("Warn an earlier run of this {} 2s ago; {unless}", late.replace("{}", "a1b2")),
            Risk::Ordinary,
            false,
        ),
        (
            held("c3", 20),
            vec![],
            &[],
            false,
            format!("Warn another {} 20s ago; {unless}", late.replace("{}", "c3")),
            Risk::Ordinary,
            false,
        ),
        (
            Read::Known(LeaseState::Free),
            vec![("b", held("c3", 2)), ("d", Read::Known(LeaseState::Free)), ("e", unknown())],
            &[],
            false,
            format!(
                "Warn another failover is in progress in namespace b: failover c3 of wh9527-1 by alice at host/1, last \
                 renewed 2s ago\nPass {none}; unknown for e"
            ),
            Risk::Ordinary,
            false,
        ),
        // Of many only some are named.
        (
            Read::Known(LeaseState::Free),
            ["b", "d", "e"].map(|name| (name, unknown())).into(),
            &[],
            false,
            format!("Pass {none}; unknown for b, d, e"),
            Risk::Ordinary,
            false,
        ),
        (
            Read::Known(LeaseState::Free),
            ["b", "d", "e", "f", "g"].map(|name| (name, unknown())).into(),
            &[],
            false,
            format!("Pass {none}; unknown for b, d, e and 2 more"),
            Risk::Ordinary,
            false,
        ),
        (Read::Known(LeaseState::Free), vec![], &[], true, format!("Block {denied}"), Risk::Ordinary, true),
        (Read::Known(LeaseState::Free), vec![], allow, true, format!("Warn {denied}"), Risk::High, false),
        (
            unknown(),
            vec![],
            &[],
            false,
            "Warn unknown whether another failover is in progress (checked again before the first change): leases is forbidden".to_owned(),
            Risk::Ordinary,
            false,
        ),
    ] {
        assert_eq!(checked(here, elsewhere, allow, no_right), (told, risk, refused));
    }
}

/// Another actor replaced the pod after the claims were deleted: the new pod holds them, and is deleted, too; or the operation
/// would never end.
#[test]
fn a_resumed_failover_deletes_the_pod_that_holds_the_old_claims() {
    let record = |outcome: &str| {
        let record = serde_json::json!({
            "apiVersion": "kubectl-synxdb/v1beta1", "kind": "Record", "operation": "failover", "id": "begun", "started": "2026-01-01T00:00:00Z", "outcome": outcome, "context": "c",
            "namespace": "synxdb-system", "pod": "pageserver-0", "podUid": "first", "keepClaims": false,
            "claims": [{"name": "data-pageserver-0", "uid": "old", "volume": "pv-1", "reclaimPolicy": "Delete"}],
        });
        record.to_string()
    };
    let world = |pod: &str, claim: &str, terminating: bool, outcome: &str| {
        if claim == "new" {
            return "
namespace: synxdb-system
sets: [{name: pageserver, replicas: 1, templates: [data]}]
pods: [{name: pageserver-0, set: pageserver, uid: second, ready: true, claims: [data-pageserver-0]}]
claims: [{name: data-pageserver-0, uid: new, volume: pv-2}]
volumes: [{name: pv-1, class: standard, reservedFor: data-pageserver-0, releasedBy: old, policy: Retain}]
records:
- {id: begun, pod: pageserver-0, podUid: first, age: 9,
   claims: [{name: data-pageserver-0, uid: old, volume: pv-1, policy: Delete}]}
"
            .to_owned();
        }
        format!(
            "namespace: synxdb-system\nsets: [{{name: pageserver, replicas: 1, templates: [data]}}]\npods: [{{name: \
             pageserver-0, set: pageserver, uid: {pod}, ready: true, claims: [data-pageserver-0]}}]\nclaims: [{{name: \
             data-pageserver-0, uid: {claim}, volume: pv-1, terminating: {terminating}, \
             record: '{}'}}]",
            record(outcome)
        )
    };
    for (pod, claim, terminating, expected) in [
        ("first", "old", false, "retain pv-1, claim old, pod first"),
        ("first", "old", true, "retain pv-1, pod first"),
        // Another's.
        ("second", "old", false, "retain pv-1, claim old, pod second"),
        ("second", "old", true, "retain pv-1, pod second"),
        // It is as it should be: only waited for.
        ("second", "new", false, ""),
    ] {
        let plan = planned(&world(pod, claim, terminating, "unfinished"), "pageserver-0", &request(), &[]);
        let steps: Vec<String> = plan
            .steps
            .iter()
            .map(|step| match step {
                Step::Retain { volume, .. } => format!("retain {volume}"),
                Step::DeleteClaim { uid, .. } => format!("claim {uid}"),
                Step::DeletePod { uid, .. } => format!("pod {uid}"),
                Step::Reserve { .. } | Step::Unreserve { .. } => "reserve".to_owned(),
            })
            .collect();
        assert_eq!(steps.join(", "), expected, "{pod} {claim} {terminating}");
        assert_eq!(plan.id, "begun");
        // What goes is not what is to come.
        let goes = if expected.contains("second") { "second" } else { "first" };
        assert_eq!(plan.target.uid, goes);
    }
}

/// What cannot be read is not nothing: the claims may be those that an unfinished failover has just brought.
#[test]
fn volumes_that_cannot_be_read_may_tell_of_an_unfinished_failover() {
    let yaml = "namespace: synxdb-system\nsets: [{name: pageserver, replicas: 1, templates: [data]}]\npods: [{name: \
                pageserver-0, set: pageserver, uid: p, phase: Pending, claims: [data-pageserver-0]}]\nclaims: [{name: \
                data-pageserver-0, uid: c, phase: Pending}]";
    let mut objects = snapshot(&[yaml]);
    let override_it = "--allow unretained-volume overrides this check";
    let denied = || (crate::testing::unreadable("persistentvolumes", None), override_it);
    // It may be readable the next time.
    let late = || (crate::testing::late("persistentvolumes", None), "again");
    for ((unread, next), allow, keep_claims, verdict) in [
        (denied(), vec![], false, Some(PlanVerdict::Block)),
        (late(), vec![], false, Some(PlanVerdict::Block)),
        (denied(), vec![crate::cli::Allow::UnretainedVolume], false, Some(PlanVerdict::Warn)),
        (late(), vec![crate::cli::Allow::UnretainedVolume], false, Some(PlanVerdict::Warn)),
        (denied(), vec![], true, None),
        (late(), vec![], true, None),
    ] {
        objects.volumes = unread;
        let topology = build(&objects, &Layout::shipped().unwrap());
        let request = Request { allow, keep_claims, ..request() };
        let plan = plan(Inputs {
            topology: &topology,
            member: topology.members().next().unwrap(),
            request: &request,
            rights: &[],
            before: Before::NotAsked,
            baseline: ComparedWith::Fresh { taken: String::new() },
            undoes: None,
            unfinished: None,
            records: &[],
            now: jiff::Timestamp::UNIX_EPOCH,
            journal: String::new(),
            in_flight: InFlight::default(),
            storage: &crate::storage::Readings::default(),
            probes: Probes::default(),
        });
        let check = plan.checks.iter().find(|check| check.id == PlanCheckId::Earlier);
        assert_eq!(check.map(|check| check.verdict), verdict, "{check:?}");
        assert_eq!(plan.risk == Risk::High, verdict == Some(PlanVerdict::Warn));
        let hints = plan.refused(&"again".into()).map(|error| error.hints).unwrap_or_default();
        let block = verdict == Some(PlanVerdict::Block);
        assert_eq!(hints, if block { vec![next] } else { vec![] });
    }
}
