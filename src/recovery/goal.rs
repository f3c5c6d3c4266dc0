//! Whether a goal of a failover is reached, judged from a topology alone. Pure predicates; the runner decides when to
//! look and what to do about it.

use crate::plan::{Plan, ReplacedClaim, Step};
use crate::topology::health::minds_its_order;
use crate::topology::{Claim, ClaimState, Member, NotIts, PodFacts, Topology};

/// How far a goal is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is reached.
    Reached,
    /// Not yet; what is waited for, in words.
    Waiting(String),
    /// Not yet, and without help it may never be.
    Trapped(Trap),
}

/// A replacement pod that was created against the old claim. One that is not scheduled yet waits for a claim that goes
/// away under it, and stays Pending for ever (kubernetes/kubernetes#74374); one that was scheduled keeps the claim
/// Terminating for as long as it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// Name of the Pending pod.
    pub pod: String,
    /// Its UID.
    pub uid: String,
    /// The version of it that was seen (resourceVersion).
    pub version: String,
    /// The claim it waits for.
    pub claim: String,
    /// How that claim is: `missing` or `Terminating`.
    pub state: String,
    /// Whether the pod was scheduled with the claim: it holds it, rather than waiting for it.
    pub holds: bool,
}

impl Trap {
    /// Whether it is still the same trap, whatever else was written down about the pod.
    pub fn is_still(&self, earlier: &Self) -> bool {
        let what = |trap: &Self| (trap.uid.clone(), trap.claim.clone(), trap.state.clone(), trap.holds);
        what(self) == what(earlier)
    }
}

/// The pod that took the old one's place: of the same name with another UID, or, where no StatefulSet keeps the name, a
/// pod of the same controller that was not there before.
pub fn successor<'t>(plan: &Plan, topology: &'t Topology) -> Option<(&'t Member, &'t PodFacts)> {
    let target = &plan.target;
    let namesake = topology.member(&target.namespace, &target.pod);
    if let Some((member, pod)) = namesake.and_then(|member| Some((member, member.pod.as_ref()?)))
        && pod.uid != target.uid
    {
        return Some((member, pod));
    }
    let owner = target.owner.as_ref().filter(|owner| owner.kind != "StatefulSet")?;
    topology
        .space(&target.namespace)?
        .members()
        .filter_map(|member| Some((member, member.pod.as_ref()?)))
        .find(|(_, pod)| pod.owner.as_ref() == Some(owner) && !target.siblings.contains(&pod.uid))
}

/// The claim that took a replaced one's place: of the same name, or, where it belongs to a pod that came back under
/// another name, named like that.
pub fn new_claim<'m>(plan: &Plan, member: &'m Member, replaced: &ReplacedClaim) -> Option<&'m Claim> {
    let of_pod = replaced.name.strip_prefix(&plan.target.pod).filter(|_| replaced.ephemeral);
    let name = of_pod.map_or_else(|| replaced.name.clone(), |volume| format!("{}{volume}", member.name));
    member.claims.iter().find(|claim| claim.name == name)
}

/// Phase 4: the pod has a new UID and stays, and every replaced claim has a new UID and is Bound.
pub fn replaced(plan: &Plan, topology: &Topology) -> Progress {
    let target = &plan.target;
    let Some((member, pod)) = successor(plan, topology) else {
        let old = topology.member(&target.namespace, &target.pod).and_then(|member| member.pod.as_ref());
        return Progress::Waiting(match old {
            Some(pod) if pod.terminating.is_some() => match &target.lost_node {
                Some(node) => format!("the old pod is Terminating, and its node {node} is not Ready"),
                None => "the old pod is Terminating".into(),
            },
            Some(_) => "the old pod is still there".into(),
            None => format!("waiting for the pod to be created{}", in_the_way(plan, topology)),
        });
    };
    if pod.terminating.is_some() {
        return Progress::Waiting("the new pod is Terminating, too".into());
    }
    if pod.pending && pod.node.is_none() {
        // A claim that the new pod mounts and that is gone or going: nothing may ever bring it back.
        // One that belongs to a pod is made for each pod anew, once that of the old one is gone.
        let mut claims = member.claims.iter().filter(|claim| !claim.ephemeral);
        let gone = claims.find(|claim| claim.state == ClaimState::Missing || claim.terminating);
        if let Some(claim) = gone {
            let state = if claim.terminating { "Terminating" } else { "missing" };
            return Progress::Trapped(Trap {
                pod: member.name.clone(),
                uid: pod.uid.clone(),
                version: pod.version.clone(),
                claim: claim.name.clone(),
                state: state.into(),
                holds: false,
            });
        }
    }
    for replaced in &plan.replaced_claims {
        let Some(claim) = new_claim(plan, member, replaced) else {
            return Progress::Waiting(format!("the new pod does not mount claim {}", replaced.name));
        };
        match &claim.state {
            ClaimState::Unknown(reason) => {
                return Progress::Waiting(format!("claim {} cannot be read: {reason}", claim.name));
            }
            _ if claim.uid.as_ref() == Some(&replaced.uid)
                && claim.terminating
                && pod.node.is_some()
                && !claim.ephemeral =>
            {
                return Progress::Trapped(Trap {
                    pod: member.name.clone(),
                    uid: pod.uid.clone(),
                    version: pod.version.clone(),
                    claim: claim.name.clone(),
                    state: claim.status().into(),
                    holds: true,
                });
            }
            _ if claim.uid.as_ref() == Some(&replaced.uid) => {
                return Progress::Waiting(format!("claim {} is still the old one ({})", claim.name, claim.status()));
            }
            _ if claim
                .volume_name
                .as_ref()
                .zip(replaced.returns.as_ref())
                .is_some_and(|(has, back)| *has != back.volume) =>
            {
                let has = claim.volume_name.as_deref().unwrap_or_default();
                return Progress::Waiting(format!(
                    "claim {} has volume {has}, and not the one that comes back",
                    claim.name
                ));
            }
            _ if let Some(NotIts { volume, .. }) = &claim.not_its => {
                return Progress::Waiting(format!(
                    "claim {} is not bound to volume {volume}, which it names",
                    claim.name
                ));
            }
            _ if !claim.bound() => return Progress::Waiting(format!("claim {} is {}", claim.name, claim.status())),
            _ => {}
        }
    }
    Progress::Reached
}

/// Why no pod is created yet: the controller refuses while a claim is being deleted, and an ordered one creates none
/// while one of a lower ordinal is not Ready.
fn in_the_way(plan: &Plan, topology: &Topology) -> String {
    let Some(member) = topology.member(&plan.target.namespace, &plan.target.pod) else { return String::new() };
    if let Some(claim) = member.claims.iter().find(|claim| claim.terminating) {
        return format!("; claim {} is Terminating", claim.name);
    }
    let component = topology.component_of(member);
    let before = component.and_then(|component| component.keeps_away(member));
    before.map(|(set, lower)| format!("; {}", minds_its_order(set, lower))).unwrap_or_default()
}

/// Phase 5: the successor is Ready and stays. What phase 4 asks for still holds.
pub fn ready(plan: &Plan, topology: &Topology) -> Progress {
    match replaced(plan, topology) {
        Progress::Reached => {}
        other => return other,
    }
    match successor(plan, topology) {
        Some((_, pod)) if pod.ready => Progress::Reached,
        Some((_, pod)) => Progress::Waiting(match &pod.trouble {
            // `ErrImagePull` and its like are in it already.
            Some(trouble) if trouble.contains(&pod.status) => trouble.clone(),
            Some(trouble) => format!("{}: {trouble}", pod.status),
            None => pod.status.clone(),
        }),
        None => Progress::Waiting("the new pod is gone again".into()),
    }
}

/// The pod and the claims are still those that the plan names; otherwise nothing is touched.
///
/// # Errors
/// What is another one.
pub fn as_planned(plan: &Plan, topology: &Topology) -> Result<(), String> {
    let member = topology.member(&plan.target.namespace, &plan.target.pod);
    for step in &plan.steps {
        let (what, planned, now) = match step {
            Step::DeletePod { pod, uid } => {
                let now = member.and_then(|member| member.pod.as_ref());
                (format!("pod {pod}"), uid, now.map(|pod| pod.uid.clone()))
            }
            Step::DeleteClaim { claim, uid } => {
                let found = member.and_then(|member| member.claims.iter().find(|other| other.name == *claim));
                (format!("claim {claim}"), uid, found.and_then(|claim| claim.uid.clone()))
            }
            Step::Retain { .. } | Step::Reserve { .. } => continue,
        };
        match now {
            Some(now) if now == *planned => {}
            Some(now) => return Err(format!("{what} has UID {now} now, planned was {planned}: somebody replaced it")),
            None => return Err(format!("{what} is gone: somebody deleted it")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Before, ComparedWith, InFlight, Inputs, Probes, Request, Returns, plan};
    use crate::testing::snapshot;
    use crate::topology::{Layout, build};

    fn world(pods: &str, claims: &str) -> Topology {
        let yaml = format!(
            "namespace: synxdb-system\nsets: [{{name: pageserver, replicas: 1, templates: [data, cache]}}]\npods: [{pods}]\nclaims: [{claims}]"
        );
        build(&snapshot(&[&yaml]), &Layout::shipped().unwrap())
    }

    const POD: &str =
        "{name: pageserver-0, set: pageserver, uid: old, ready: true, claims: [data-pageserver-0, cache-pageserver-0]}";
    const CLAIMS: &str =
        "{name: data-pageserver-0, uid: d1, volume: pv-1}, {name: cache-pageserver-0, uid: c1, volume: pv-2}";
    const NEW_CLAIMS: &str =
        "{name: data-pageserver-0, uid: d2, volume: pv-3}, {name: cache-pageserver-0, uid: c2, volume: pv-4}";

    fn planned() -> Plan {
        let topology = world(POD, CLAIMS);
        plan(Inputs {
            topology: &topology,
            member: topology.members().next().unwrap(),
            request: &Request { id: "x".into(), ..Request::default() },
            rights: &[],
            before: Before::NotAsked,
            baseline: ComparedWith::Fresh { taken: String::new() },
            undoes: None,
            unfinished: None,
            records: &[],
            journal: String::new(),
            probes: Probes::default(),
            now: crate::testing::now(),
            in_flight: InFlight::default(),
        })
    }

    fn said(progress: Progress) -> String {
        match progress {
            Progress::Reached => "reached".into(),
            Progress::Waiting(why) => why,
            Progress::Trapped(trap) => {
                let held = if trap.holds { " held" } else { "" };
                format!("trapped: {} {} {} {}{held}", trap.pod, trap.uid, trap.claim, trap.state)
            }
        }
    }

    #[test]
    fn a_pod_is_replaced_only_with_all_its_claims() {
        let plan = planned();
        let pod = |fields: &str| {
            format!(
                "{{name: pageserver-0, set: pageserver, claims: [data-pageserver-0, cache-pageserver-0], {fields}}}"
            )
        };
        let going = CLAIMS.replace("uid: d1,", "uid: d1, terminating: true,");
        let one_new =
            "{name: data-pageserver-0, uid: d2, volume: pv-3}, {name: cache-pageserver-0, uid: c1, volume: pv-2}";
        let pending = "{name: data-pageserver-0, uid: d2, volume: pv-3}, {name: cache-pageserver-0, uid: c2}";
        let alone = "{name: data-pageserver-0, uid: d2, volume: pv-3}";
        for (pods, claims, expected_replaced, expected_ready) in [
            (pod("uid: old, ready: true"), CLAIMS, "the old pod is still there", "the old pod is still there"),
            // Running and Ready, and yet the old one: the trap that plain `kubectl wait` falls into.
            (
                pod("uid: old, ready: true, terminating: true"),
                &going,
                "the old pod is Terminating",
                "the old pod is Terminating",
            ),
            (
                String::new(),
                &going,
                "waiting for the pod to be created; claim data-pageserver-0 is Terminating",
                "waiting for the pod to be created; claim data-pageserver-0 is Terminating",
            ),
            (String::new(), "", "waiting for the pod to be created", "waiting for the pod to be created"),
            // It was there before the claims were deleted, and keeps them.
            (
                pod("uid: new, node: node-2"),
                &going,
                "trapped: pageserver-0 new data-pageserver-0 Terminating held",
                "trapped: pageserver-0 new data-pageserver-0 Terminating held",
            ),
            (
                pod("uid: new, phase: Pending"),
                &going,
                "trapped: pageserver-0 new data-pageserver-0 Terminating",
                "trapped: pageserver-0 new data-pageserver-0 Terminating",
            ),
            (
                pod("uid: new, phase: Pending"),
                alone,
                "trapped: pageserver-0 new cache-pageserver-0 missing",
                "trapped: pageserver-0 new cache-pageserver-0 missing",
            ),
            (
                pod("uid: new, phase: Pending"),
                pending,
                "claim cache-pageserver-0 is Pending",
                "claim cache-pageserver-0 is Pending",
            ),
            (
                pod("uid: new, ready: true"),
                one_new,
                "claim cache-pageserver-0 is still the old one (Bound)",
                "claim cache-pageserver-0 is still the old one (Bound)",
            ),
            (pod("uid: new"), NEW_CLAIMS, "reached", "Running: containers with unready status: [main]"),
            (
                pod("uid: new, ready: true, terminating: true"),
                NEW_CLAIMS,
                "the new pod is Terminating, too",
                "the new pod is Terminating, too",
            ),
            (pod("uid: new, ready: true"), NEW_CLAIMS, "reached", "reached"),
        ] {
            let topology = world(&pods, claims);
            assert_eq!(said(replaced(&plan, &topology)), expected_replaced, "{pods} {claims}");
            assert_eq!(said(ready(&plan, &topology)), expected_ready, "{pods} {claims}");
        }
    }

    /// Of an undo a new claim is not enough: it must have the volume that comes back.
    #[test]
    fn a_claim_that_got_another_volume_is_not_the_one_that_was_undone() {
        let mut plan = planned();
        for (claim, volume) in plan.replaced_claims.iter_mut().zip(["pv-3", "pv-4"]) {
            claim.returns = Some(Returns { volume: volume.into(), uid: format!("uid-{volume}"), reclaim_policy: None });
        }
        let names: Vec<&str> = plan.replaced_claims.iter().map(|claim| claim.name.as_str()).collect();
        assert_eq!(names, ["data-pageserver-0", "cache-pageserver-0"]);
        let pod = POD.replace("uid: old", "uid: new");
        let other = NEW_CLAIMS.replace("pv-4", "pv-5");
        let waits = NEW_CLAIMS.replace(", volume: pv-4", "");
        for (claims, expected) in [
            (NEW_CLAIMS, "reached"),
            (&other, "claim cache-pageserver-0 has volume pv-5, and not the one that comes back"),
            (&waits, "claim cache-pageserver-0 is Pending"),
            (CLAIMS, "claim data-pageserver-0 is still the old one (Bound)"),
        ] {
            assert_eq!(said(replaced(&plan, &world(&pod, claims))), expected, "{claims}");
        }
    }

    /// The claim of an ephemeral volume is not there, or still its predecessor's, for as long as Kubernetes takes: another
    /// deletion of the pod would mend nothing. And a volume that the claim only names is not bound to it.
    #[test]
    fn what_belongs_to_the_pod_is_waited_for() {
        let mut plan = planned();
        let new = "{name: pageserver-0, set: pageserver, uid: new, phase: Pending, ephemeral: [scratch], claims: [data-pageserver-0, cache-pageserver-0]}";
        plan.replaced_claims.push(ReplacedClaim {
            name: "pageserver-0-scratch".into(),
            uid: "s1".into(),
            returns: None,
            ephemeral: true,
        });
        let with = |claim: &str| format!("{NEW_CLAIMS}{claim}");
        for (claims, expected) in [
            (with(""), "claim pageserver-0-scratch is Missing"),
            (
                with(", {name: pageserver-0-scratch, uid: s1, volume: pv-5, terminating: true}"),
                "claim pageserver-0-scratch is still the old one (Terminating)",
            ),
            (with(", {name: pageserver-0-scratch, uid: s2}"), "claim pageserver-0-scratch is Pending"),
            (with(", {name: pageserver-0-scratch, uid: s2, volume: pv-6}"), "reached"),
        ] {
            assert_eq!(said(replaced(&plan, &world(new, &claims))), expected, "{claims}");
        }
        // One that was scheduled cannot hold its predecessor's either.
        let running = new.replace("phase: Pending", "node: node-1");
        let going = with(", {name: pageserver-0-scratch, uid: s1, volume: pv-5, terminating: true}");
        assert_eq!(
            said(replaced(&plan, &world(&running, &going))),
            "claim pageserver-0-scratch is still the old one (Terminating)"
        );
    }

    #[test]
    fn a_pod_that_an_ordered_set_keeps_away_is_waited_for_by_name() {
        let space = |pods: &str| {
            let yaml = format!("namespace: a\nsets: [{{name: wh9527, replicas: 2, templates: []}}]\npods: [{pods}]");
            build(&snapshot(&[&yaml]), &Layout::shipped().unwrap())
        };
        let lower = |ready: bool| format!("{{name: wh9527-0, set: wh9527, ready: {ready}}}");
        let all = space(&format!("{}, {{name: wh9527-1, set: wh9527, uid: old, ready: true}}", lower(true)));
        let plan = plan(Inputs {
            topology: &all,
            member: all.member("a", "wh9527-1").unwrap(),
            request: &Request { id: "x".into(), ..Request::default() },
            rights: &[],
            before: Before::NotAsked,
            baseline: ComparedWith::Fresh { taken: String::new() },
            undoes: None,
            unfinished: None,
            records: &[],
            journal: String::new(),
            probes: Probes::default(),
            now: crate::testing::now(),
            in_flight: InFlight::default(),
        });
        assert_eq!(said(replaced(&plan, &space(&lower(true)))), "waiting for the pod to be created");
        assert_eq!(
            said(replaced(&plan, &space(&lower(false)))),
            "waiting for the pod to be created; StatefulSet wh9527 creates its pods in order, and wh9527-0 is not Ready"
        );
    }

    #[test]
    fn claims_that_cannot_be_read_are_never_taken_as_bound() {
        let plan = planned();
        let mut objects = snapshot(&[&format!(
            "namespace: synxdb-system\npods: [{}]\nclaims: [{NEW_CLAIMS}]",
            POD.replace("uid: old", "uid: new")
        )]);
        objects.namespaces[0].claims = crate::testing::unreadable("persistentvolumeclaims", None);
        let topology = build(&objects, &Layout::shipped().unwrap());
        assert_eq!(
            said(ready(&plan, &topology)),
            "claim data-pageserver-0 cannot be read: persistentvolumeclaims is forbidden"
        );
    }
}
