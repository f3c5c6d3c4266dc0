//! Topologies from literal YAML.

use super::health::{Health, judge};
use super::target::{NamespaceMatch, TargetMatch, TargetName, match_namespace, match_target};
use super::*;
use crate::cluster::snapshot::{Read, Snapshot};
use crate::testing::{ACCOUNT, late, snapshot, unreadable};

fn topology(snapshot: &Snapshot) -> Topology {
    build(snapshot, &Layout::shipped().unwrap())
}

const SYSTEM: &str = "
namespace: synxdb-system
sets:
- {name: cloudberry-proxy, replicas: 1, templates: [data]}
- {name: safekeeper, replicas: 3, templates: [data]}
pods:
- {name: cloudberry-proxy-0, set: cloudberry-proxy, ready: true, claims: [data-cloudberry-proxy-0]}
- {name: safekeeper-0, set: safekeeper, ready: true, claims: [data-safekeeper-0]}
- {name: safekeeper-1, set: safekeeper, ready: false, claims: [data-safekeeper-1]}
- {name: operator-7f9c-x2x, replicaSet: operator-7f9c, ready: true}
claims:
- {name: data-cloudberry-proxy-0, volume: pv-0}
- {name: data-safekeeper-0, volume: pv-1}
- {name: data-safekeeper-1, volume: pv-2, terminating: true}
";

#[test]
fn members_are_found_through_their_statefulset_and_missing_ones_are_listed() {
    let topology = topology(&snapshot(&[SYSTEM, ACCOUNT]));
    let seen: Vec<String> = topology
        .members()
        .map(|member| {
            let claims: Vec<_> = member.claims.iter().map(|c| format!("{}:{}", c.name, c.status())).collect();
            let pod = member.pod.as_ref().map_or("no pod", |pod| pod.status.as_str());
            format!("{} {} {pod} {}", member.path(), member.role.name(), claims.join(","))
        })
        .collect();
    assert_eq!(
        seen,
        [
            "synxdb-system/cloudberry-proxy-0 metadata-proxy Running data-cloudberry-proxy-0:Bound",
            "synxdb-system/safekeeper-0 safekeeper Running data-safekeeper-0:Bound",
            "synxdb-system/safekeeper-1 safekeeper Running data-safekeeper-1:Terminating",
            "synxdb-system/safekeeper-2 safekeeper no pod data-safekeeper-2:Missing",
            "cloud007-513d75d5-3033-4649-b913-07f6115ec41a/cloudberry-proxy-0 warehouse-proxy Running data-cloudberry-proxy-0:Bound",
            "cloud007-513d75d5-3033-4649-b913-07f6115ec41a/wh9527-0 warehouse-node Running data-wh9527-0:Bound",
            "cloud007-513d75d5-3033-4649-b913-07f6115ec41a/wh9527-1 warehouse-node Running data-wh9527-1:Bound",
        ]
    );
    let strangers = [Stranger { name: "operator-7f9c-x2x".into(), poses: None }];
    assert_eq!(topology.spaces[0].strangers, strangers);
}

#[test]
fn the_verdict_counts_and_names() {
    let report = judge(&topology(&snapshot(&[SYSTEM, ACCOUNT])));
    assert_eq!(report.health, Health::Degraded);
    assert_eq!(report.members, (5, 7));
    assert_eq!(report.safekeepers, Some((1, 3)));
    let troubles: Vec<_> = report.troubles.iter().map(|t| format!("{}: {}", t.member, t.because)).collect();
    assert_eq!(
        troubles,
        ["safekeeper-1: containers with unready status: [main]", "safekeeper-2: its pod does not exist"]
    );
    let report = judge(&topology(&snapshot(&[ACCOUNT])));
    assert_eq!((report.health, report.members, report.safekeepers), (Health::Healthy, (3, 3), None));
}

/// It is named and judged if it was read, and only named if it was not.
#[test]
fn a_namespace_that_is_being_deleted() {
    let going = ACCOUNT.replacen("namespace:", "terminating: true\nnamespace:", 1);
    let name = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a".to_owned();
    let system = SYSTEM.replace("ready: false", "ready: true").replace(", terminating: true", "");
    let system = system.replace("replicas: 3", "replicas: 2");
    let over = |name: &str| Snapshot { passed_over: vec![name.into()], ..snapshot(&[&system]) };
    for (what, read, health, members, terminating, passed_over) in [
        ("looked into", snapshot(&[&going]), Health::Degraded, (3, 3), vec![name.clone()], vec![]),
        ("passed over", over(&name), Health::Healthy, (3, 3), vec![], vec![name.clone()]),
    ] {
        let topology = topology(&read);
        assert_eq!(topology.spaces[0].terminating, !terminating.is_empty(), "{what}");
        let report = judge(&topology);
        assert_eq!((report.health, report.members), (health, members), "{what}: {:?}", report.troubles);
        assert_eq!((report.terminating, report.passed_over), (terminating, passed_over), "{what}");
    }
}

#[test]
fn what_cannot_be_read_is_unknown_and_never_healthy() {
    let mut part = snapshot(&[ACCOUNT]);
    part.namespaces[0].claims = unreadable("persistentvolumeclaims", Some(&part.namespaces[0].namespace.clone()));
    let topology = topology(&part);
    assert!(topology.members().all(|member| member.claims[0].status() == "<unknown>"));
    let report = judge(&topology);
    assert_eq!(report.health, Health::Unknown);
    assert_eq!(report.gaps[0].part.to_string(), "claims in namespace cloud007-513d75d5-3033-4649-b913-07f6115ec41a");

    let mut part = snapshot(&[ACCOUNT]);
    part.namespaces[0].pods = unreadable("pods", Some("x"));
    let topology = build(&part, &Layout::shipped().unwrap());
    assert_eq!(topology.members().count(), 0, "no pod may be called missing when pods could not be read");
    assert_eq!(judge(&topology).health, Health::Unknown);
    assert_eq!(judge(&build(&snapshot(&[]), &Layout::shipped().unwrap())).health, Health::Absent);
}

#[test]
fn targets_mean_one_member_or_are_never_guessed() {
    let topology = topology(&snapshot(&[SYSTEM, ACCOUNT]));
    let account = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";
    for (namespace, name, expected) in [
        (None, "wh9527-0", "one wh9527-0"),
        (
            None,
            "cloudberry-proxy-0",
            "many synxdb-system/cloudberry-proxy-0 cloud007-513d75d5-3033-4649-b913-07f6115ec41a/cloudberry-proxy-0",
        ),
        (Some(account), "cloudberry-proxy-0", "one cloudberry-proxy-0"),
        (Some(account), "cloudberry-proxy", "one cloudberry-proxy-0"),
        (None, "metadata-proxy", "one cloudberry-proxy-0"),
        (
            None,
            "warehouse-node",
            "many cloud007-513d75d5-3033-4649-b913-07f6115ec41a/wh9527-0 cloud007-513d75d5-3033-4649-b913-07f6115ec41a/wh9527-1",
        ),
        (None, "operator-7f9c-x2x", "stranger synxdb-system"),
        (None, "wh9572-0", "none wh9527-0 wh9527-1"),
        (None, "zzz", "none"),
        (Some("synxdb-system"), "wh9527-0", "none"),
    ] {
        let seen = match match_target(&topology, namespace, name) {
            TargetMatch::One(member) => format!("one {}", member.name),
            TargetMatch::Many(all) => {
                format!("many {}", all.iter().map(|m| m.path()).collect::<Vec<_>>().join(" "))
            }
            TargetMatch::Suspended(all) => {
                format!("suspended {}", all.iter().map(|one| one.what()).collect::<String>())
            }
            TargetMatch::Stranger(namespace, _) => format!("stranger {namespace}"),
            TargetMatch::None(near) => format!("none {}", near.join(" ")).trim_end().to_owned(),
        };
        assert_eq!(seen, expected, "{name} in {namespace:?}");
    }
}

#[test]
fn a_target_may_carry_its_namespace() {
    for (typed, namespace, name) in [
        ("wh9527-0", None, "wh9527-0"),
        ("cloud007/wh9527-0", Some("cloud007"), "wh9527-0"),
        ("cloud007+/wh9527-0", Some("cloud007+"), "wh9527-0"),
        ("pod/wh9527-0", None, "wh9527-0"),
    ] {
        let expected = TargetName { namespace: namespace.map(str::to_owned), name: name.to_owned() };
        assert_eq!(TargetName::parse(typed), expected, "{typed}");
    }
}

#[test]
fn a_namespace_may_be_named_by_its_beginning() {
    let layout = Layout::shipped().unwrap();
    let account = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";
    let other = "cloud008-513d75d5-3033-4649-b913-07f6115ec41b";
    let existing: Vec<String> =
        [account, other, "cloud007-build", "default", "synxdb-system", "web-preview-deadbeef", "web-prod"]
            .iter()
            .map(ToString::to_string)
            .collect();
    let one = |name: &str| NamespaceMatch::One(name.to_owned());
    for (typed, expected) in [
        ("cloud007", one(account)),
        ("cloud007-513d75d5-3033-4649-b913-07f6115ec41a+", one(account)),
        ("cloud007-b", one("cloud007-build")),
        // A namespace that is only named like an account does not take precedence.
        ("web", NamespaceMatch::Many(vec!["web-preview-deadbeef".into(), "web-prod".into()])),
        ("synxdb-system", one("synxdb-system")),
        ("cloud00", NamespaceMatch::Many(vec![account.into(), other.into()])),
        ("synxdb-sistem", NamespaceMatch::None(vec!["synxdb-system".into()])),
        ("", NamespaceMatch::None(vec![account.into(), other.into(), "synxdb-system".into()])),
    ] {
        assert_eq!(match_namespace(typed, &existing, &layout), expected, "{typed}");
    }
}

#[test]
fn a_long_namespace_is_called_by_a_beginning_that_means_it() {
    let layout = Layout::shipped().unwrap();
    let one = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";
    let other = "cloud007-613d75d5-3033-4649-b913-07f6115ec41a";
    let far = "my-org-513d75d5-3033-4649-b913-07f6115ec41a";
    for (existing, namespace, expected) in [
        (&["default", "synxdb-system", one][..], one, "cloud007"),
        (&[one, other], one, "cloud007-513d75d5"),
        // An exact name takes precedence.
        (&["cloud007", one], one, "cloud007-513d75d5"),
        (&[one, far], far, "my"),
        (&["synxdb-system", one], "synxdb-system", "synxdb-system"),
        (&[], one, one),
    ] {
        let existing: Vec<String> = existing.iter().map(ToString::to_string).collect();
        assert_eq!(target::shortened(namespace, &existing, &layout), expected, "{existing:?}");
    }
}

/// A name proves nothing: a client that may create pods may give one a member's name. A member needs an existing owner,
/// by UID, that creates pods with this name and these labels.
#[test]
fn a_pod_is_a_member_by_its_owner_and_not_by_its_name() {
    let pod = |line: &str| {
        let yaml = format!(
            "namespace: synxdb-system
sets:
- {{name: cloudberry-proxy, replicas: 1, uid: set}}
- {{name: other, replicas: 1, uid: other}}
pods:
- {{name: cloudberry-proxy-0, set: cloudberry-proxy, ready: true}}
- {line}"
        );
        let mut read = snapshot(&[&yaml]);
        let crate::cluster::snapshot::Read::Known(sets) = &mut read.namespaces[0].stateful_sets else { panic!() };
        sets[0].spec.selector.match_labels = Some([("app".to_owned(), "proxy".to_owned())].into());
        let crate::cluster::snapshot::Read::Known(pods) = &mut read.namespaces[0].pods else { panic!() };
        pods[0].metadata.labels = Some([("app".to_owned(), "proxy".to_owned())].into());
        read
    };
    let forged = "does not exist";
    let made = "as its owner, but that did not create it";
    for (line, why) in [
        ("{name: cloudberry-proxy-1, ready: true}", "no controller owns it"),
        ("{name: cloudberry-proxy-1, set: cloudberry-proxy, owner: forged, ready: true, labels: {app: proxy}}", forged),
        ("{name: cloudberry-proxy-1, set: cloudberry-proxy, owner: other, ready: true, labels: {app: proxy}}", made),
        ("{name: cloudberry-proxy-1, set: cloudberry-proxy, ready: true, labels: {app: mine}}", made),
        ("{name: cloudberry-proxy-x, set: cloudberry-proxy, ready: true, labels: {app: proxy}}", made),
        ("{name: cloudberry-proxy-, set: cloudberry-proxy, ready: true, labels: {app: proxy}}", made),
        ("{name: cloudberry-proxy-1, replicaSet: mine-0, ready: true}", "its owner is the ReplicaSet mine-0"),
    ] {
        let topology = topology(&pod(line));
        let members: Vec<&str> = topology.members().map(|member| member.name.as_str()).collect();
        assert_eq!(members, ["cloudberry-proxy-0"], "{line}");
        let [stranger] = topology.spaces[0].strangers.as_slice() else { panic!("{line}") };
        let (role, said) = stranger.poses.as_ref().unwrap();
        assert!(*role == Role::MetadataProxy && said.ends_with(why), "{line}: {said}");
        let report = judge(&topology);
        assert_eq!((report.members, report.strangers.len()), ((1, 1), 1), "{line}");
        match match_target(&topology, None, &stranger.name) {
            TargetMatch::Stranger("synxdb-system", Some(said)) => assert!(said.ends_with(why), "{line}: {said}"),
            other => panic!("{line}: {other:?}"),
        }
    }
    let own = "{name: cloudberry-proxy-1, set: cloudberry-proxy, ready: true, labels: {app: proxy}}";
    let read = pod(own);
    let confirmed = topology(&read);
    assert!(confirmed.members().count() == 2 && confirmed.members().all(|member| confirmed.trusted(member).is_ok()));
    // An owner that cannot be read is neither: the pod is a member, but not trusted.
    let mut unread = read;
    unread.namespaces[0].stateful_sets = unreadable("statefulsets", Some("synxdb-system"));
    let unconfirmed = topology(&unread);
    assert_eq!(unconfirmed.members().count(), 2);
    for member in unconfirmed.members() {
        let why = unconfirmed.trusted(member).unwrap_err().to_string();
        assert!(why.starts_with("whether StatefulSet cloudberry-proxy owns it is unknown: "), "{why}");
    }
}

/// A pod that takes a member's name while its pod is missing is not queried.
#[test]
fn a_stranger_in_a_members_place_is_not_asked() {
    let yaml = "namespace: synxdb-system
sets: [{name: cloudberry-proxy, replicas: 1}]
pods: [{name: cloudberry-proxy-0, ready: true}]";
    let topology = topology(&snapshot(&[yaml]));
    let member = topology.members().next().unwrap();
    assert!(member.pod.is_none());
    assert_eq!(
        topology.trusted(member).unwrap_err().to_string(),
        "the pod with its name is not SynxDB's: no controller owns it"
    );
    let why = "the pod named cloudberry-proxy-0 is not SynxDB's: no controller owns it";
    assert_eq!(topology.endpoint(member), Endpoint::Silent(why.into()));
    let report = judge(&topology);
    assert_eq!((report.health, report.members), (Health::Degraded, (0, 1)));
    assert_eq!(report.troubles[0].because, "the pod with its name is not SynxDB's: no controller owns it");
}

/// A claim's `volumeName` is only a request: a volume is the claim's only if it names it, by namespace, name and UID.
#[test]
fn a_volume_is_the_claims_only_if_it_names_it_by_its_uid() {
    let claim = |volume: &str, phase: &str| {
        let yaml = format!(
            "
namespace: a
sets: [{{name: wh1, replicas: 1, templates: [data]}}]
pods: [{{name: wh1-0, set: wh1, ready: true, claims: [data-wh1-0]}}]
claims: [{{name: data-wh1-0, uid: c1, names: pv-1, phase: {phase}}}]
volumes: [{{name: pv-1, class: standard, {volume}}}]"
        );
        topology(&snapshot(&[&yaml])).members().next().unwrap().claims[0].clone()
    };
    let own = claim("reservedFor: data-wh1-0, releasedBy: c1, phase: Bound", "Bound");
    assert_eq!((own.volume_name.as_deref(), own.bound(), own.not_its), (Some("pv-1"), true, None));
    assert!(matches!(own.volume, Known::Is(Some(_))));
    for (volume, phase, state) in [
        ("reservedFor: default/billing-db, releasedBy: u9, phase: Bound", "Pending", ClaimState::Pending),
        ("reservedFor: default/billing-db, releasedBy: u9, phase: Bound", "Lost", ClaimState::Lost),
        // Before the controller has processed it.
        ("reservedFor: default/billing-db, releasedBy: u9, phase: Bound", "Bound", ClaimState::Lost),
        ("reservedFor: b/data-wh1-0, releasedBy: c1, phase: Bound", "Bound", ClaimState::Lost),
        // The volume was read before the claim was bound.
        ("reservedFor: data-wh1-0, releasedBy: c0, phase: Released", "Bound", ClaimState::Pending),
        ("reservedFor: data-wh1-0", "Bound", ClaimState::Pending),
        ("phase: Available", "Pending", ClaimState::Pending),
    ] {
        let found = claim(volume, phase);
        assert_eq!((&found.volume_name, &found.volume), (&None, &Known::Is(None)), "{volume} {phase}");
        assert_eq!(found.not_its.as_ref().map(|it| it.volume.as_str()), Some("pv-1"), "{volume} {phase}");
        assert_eq!((found.state.clone(), found.bound()), (state, false), "{volume} {phase}");
    }
    // A volume that was not read may be its own.
    let unknown = claim("phase: Available", "Bound");
    assert!(unknown.not_its.is_some());
    let yaml = "
namespace: a
sets: [{name: wh1, replicas: 1, templates: [data]}]
pods: [{name: wh1-0, set: wh1, ready: true, claims: [data-wh1-0]}]
claims: [{name: data-wh1-0, uid: c1, names: pv-9, phase: Bound}]";
    let found = topology(&snapshot(&[yaml])).members().next().unwrap().claims[0].clone();
    assert_eq!(
        (found.volume_name.as_deref(), found.volume, found.state),
        (Some("pv-9"), Known::Is(None), ClaimState::Bound)
    );
}

/// `ephemeral` in a pod's volumes: Kubernetes creates the claim POD-VOLUME.
#[test]
fn the_claims_of_ephemeral_volumes_are_among_the_pods() {
    let yaml = "
namespace: a
sets: [{name: wh1, replicas: 1, templates: [data], ephemeral: [scratch], size: 2Gi}]
pods: [{name: wh1-0, set: wh1, ready: true, claims: [data-wh1-0], ephemeral: [scratch]}]
claims: [{name: data-wh1-0, volume: pv-1}, {name: wh1-0-scratch, volume: pv-2}]";
    let topology = topology(&snapshot(&[yaml]));
    let member = topology.members().next().unwrap();
    let claims = member.claims.iter().map(|claim| (claim.name.as_str(), claim.ephemeral, claim.bound()));
    assert_eq!(claims.collect::<Vec<_>>(), [("data-wh1-0", false, true), ("wh1-0-scratch", true, true)]);
    assert_eq!(member.pod.as_ref().unwrap().claims, ["data-wh1-0", "wh1-0-scratch"]);
    let set = topology.component_of(member).unwrap().set().unwrap();
    for claim in ["data-wh1-0", "wh1-0-scratch"] {
        assert_eq!(
            set.template_of(claim, "wh1-0").and_then(|found| found.spec.size.as_deref()),
            Some("2Gi"),
            "{claim}"
        );
    }
    assert_eq!(set.template_of("scratch-wh1-0", "wh1-0"), None);
}

/// A pod that is missing for a moment has its claims all the same, even if they are created with it.
#[test]
fn the_claims_of_a_pod_that_is_not_there_are_those_that_it_will_mount() {
    let yaml = "
namespace: a
sets: [{name: wh1, replicas: 1, templates: [data], ephemeral: [scratch]}]
claims: [{name: data-wh1-0, uid: c1, volume: pv-1}, {name: wh1-0-scratch, uid: c2, volume: pv-2}]";
    let topology = topology(&snapshot(&[yaml]));
    let member = topology.members().next().unwrap();
    assert!(member.pod.is_none());
    let claims = member.claims.iter().map(|claim| (claim.name.as_str(), claim.ephemeral, claim.uid.as_deref()));
    assert_eq!(claims.collect::<Vec<_>>(), [("data-wh1-0", false, Some("c1")), ("wh1-0-scratch", true, Some("c2"))]);
}

/// Members are listed by the numbers of their pods, not by the letters of their names.
#[test]
fn members_are_in_the_order_of_their_ordinals() {
    let pods: Vec<String> =
        [10, 2, 0, 11, 1].map(|number| format!("{{name: wh1-{number}, set: wh1, ready: true}}")).into();
    let yaml = format!(
        "namespace: cloud007-513d75d5-3033-4649-b913-07f6115ec41a\nsets: [{{name: wh1, replicas: 3}}]\npods: [{}]",
        pods.join(", ")
    );
    let topology = topology(&snapshot(&[&yaml]));
    let names: Vec<&str> = topology.members().map(|member| member.name.as_str()).collect();
    assert_eq!(names, ["wh1-0", "wh1-1", "wh1-2", "wh1-10", "wh1-11"]);
}

/// The manifest that a record keeps of a claim is that claim's: of its namespace and its name, or none.
#[test]
fn the_manifest_of_a_claim_is_its_own() {
    let other = ACCOUNT.replace("cloud007", "cloud008");
    let mut read = snapshot(&[SYSTEM, ACCOUNT, &other]);
    for objects in &mut read.namespaces {
        let Read::Known(claims) = &mut objects.claims else { panic!("{:?}", objects.claims) };
        for claim in claims {
            let labels = [("of".to_owned(), objects.namespace.clone())];
            claim.metadata.labels = Some(labels.into());
        }
    }
    let account = "cloud008-513d75d5-3033-4649-b913-07f6115ec41a";
    let manifest = manifest_of_claim(&read, account, "data-wh9527-1").unwrap();
    assert_eq!(manifest["metadata"]["name"], "data-wh9527-1");
    assert_eq!(manifest["metadata"]["labels"]["of"], account);
    let claims = read.namespaces.iter().find(|objects| objects.namespace == account).unwrap().claims.items();
    let claim = claims.iter().find(|claim| claim.metadata.name.as_deref() == Some("data-wh9527-1")).unwrap();
    assert_eq!(manifest["spec"], serde_json::to_value(&claim.spec).unwrap());
    // What the cluster added is not created again.
    assert!(manifest["metadata"].get("uid").is_none() && manifest.get("status").is_none(), "{manifest}");
    assert_eq!(manifest_of_claim(&read, "synxdb-system", "data-wh9527-1"), None);
    assert_eq!(manifest_of_claim(&read, "elsewhere", "data-wh9527-1"), None);
}

/// A search of all namespaces that failed is a gap; one that is forbidden is known to be a search by names alone.
#[test]
fn a_search_of_all_namespaces_that_failed_is_a_gap() {
    for (read, gaps, by_names) in [(unreadable("statefulsets", None), 0, true), (late("statefulsets", None), 1, false)]
    {
        let topology = topology(&Snapshot { stateful_sets_everywhere: read, ..snapshot(&[ACCOUNT]) });
        assert_eq!((topology.gaps.len(), topology.by_names_alone), (gaps, by_names), "{:?}", topology.gaps);
    }
}

/// An empty namespace belongs to SynxDB if its name does, or if the user named it; one that only may be an account's does
/// not.
#[test]
fn an_empty_namespace_counts_by_its_name_alone() {
    let empty = |name: &str| format!("namespace: {name}\nsets: []\npods: []");
    for (name, ours) in [
        ("synxdb-system", true),
        ("cloud007-513d75d5-3033-4649-b913-07f6115ec41a", true),
        ("any-name", true),
        ("hashdata-fe-team-07e5674f", false),
        ("dbaas", false),
    ] {
        assert_eq!(!topology(&snapshot(&[&empty(name)])).spaces.is_empty(), ours, "{name}");
    }
}

/// A component is never queried only if the layout names no way at all.
#[test]
fn a_component_with_any_endpoint_is_queried() {
    let topology = topology(&snapshot(&[
        "namespace: synxdb-system\nsets: [{name: safekeeper, replicas: 1}, {name: cloudberry-proxy, replicas: 1}, {name: \
         storage-broker, replicas: 1}]",
        ACCOUNT,
    ]));
    let never: Vec<(&str, bool)> = topology
        .spaces
        .iter()
        .flat_map(|space| &space.components)
        .map(|component| (component.role.name(), component.is_never_asked()))
        .collect();
    for (role, expected) in never {
        assert_eq!(expected, role == "storage-broker", "{role}");
    }
}
