//! Snapshot in, topology out. The only place where the names, labels and phases of Kubernetes
//! objects are matched as strings.

use super::claims::{self, Mounted};
use super::heartbeat;
use super::layout::{ComponentLayout, Layout, SpaceKind};
use super::machines;
use super::model::{Claim, Component, Gap, Known, Member, Owner, PodFacts, Space, Stranger, Topology};
use super::ownership::{Ownership, ownership};
use super::readiness::readiness;
use super::words;
use super::workload::{Workload, claim_name, covering, workload};
use crate::cluster::snapshot::{NamespaceObjects, Read, Snapshot, Unreadable};
use k8s_openapi::api::core::v1::{Node, PersistentVolume, Pod};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How the annotations on a volume begin that hold the records of what was done with it: one a failover or undo, the
/// act's name at the end.
pub const RECORD_ANNOTATION: &str = "kubectl-synxdb/record-";
/// Annotation on a pod by which it says that SQL is not to be asked of it, and why.
pub const SQL_SKIPPED_ANNOTATION: &str = "kubectl-synxdb/sql-skipped";
/// Label of a pod that names the version of its StatefulSet's template.
const REVISION_LABEL: &str = "controller-revision-hash";

/// Reads a snapshot as a SynxDB installation. A namespace that the layout does not know counts as an
/// account's: the user named it.
pub fn build(snapshot: &Snapshot, layout: &Layout) -> Topology {
    let mut spaces: Vec<Space> = snapshot.namespaces.iter().map(|objects| space(objects, snapshot, layout)).collect();
    spaces.sort_by(|a, b| (a.kind, &a.namespace).cmp(&(b.kind, &b.namespace)));
    let mut gaps = Vec::new();
    gap(&mut gaps, &snapshot.namespace_names);
    gap(&mut gaps, &snapshot.volumes);
    gap(&mut gaps, &snapshot.nodes);
    gap(&mut gaps, &snapshot.storage_classes);
    let nodes = snapshot.nodes.items();
    let recorded = snapshot.volumes.items().iter().map(|found| claims::volume(found, nodes));
    let recorded = recorded.filter(|volume| !volume.records.is_empty()).collect();
    let lost_nodes = nodes.iter().filter(|node| !machines::node_ready(node));
    let lost_nodes: Vec<String> = lost_nodes.filter_map(|node| node.metadata.name.clone()).collect();
    let mut silent_nodes = heartbeat::silent(snapshot.leases.items());
    silent_nodes.retain(|name, _| !lost_nodes.contains(name));
    Topology {
        silent_nodes,
        spaces,
        recorded,
        lost_nodes,
        nodes: known(&snapshot.nodes, machines::nodes),
        classes: known(&snapshot.storage_classes, machines::classes),
        unbound_volumes: known(&snapshot.volumes, |volumes| claims::unbound(volumes, nodes)),
        passed_over: snapshot.passed_over.clone(),
        gaps,
    }
}

/// What a part that was read comes to.
fn known<T, F>(read: &Read<Vec<T>>, facts: impl FnOnce(&[T]) -> F) -> Known<F> {
    match read {
        Read::Known(items) => Known::Is(facts(items)),
        Read::Unknown(unreadable) => Known::Unknown(unreadable.reason.clone()),
        Read::NotAsked => Known::Unknown("not asked for".into()),
    }
}

fn gap<T>(gaps: &mut Vec<Gap>, read: &Read<T>) {
    if let Read::Unknown(unreadable) = read {
        gaps.push(Gap { what: what(unreadable), why: unreadable.reason.clone() });
    }
}

fn what(unreadable: &Unreadable) -> String {
    let kind = match unreadable.resource {
        "persistentvolumeclaims" => "claims",
        "persistentvolumes" => "volumes",
        "statefulsets" => "StatefulSets",
        "storageclasses" => "storage classes",
        other => other,
    };
    match &unreadable.namespace {
        Some(namespace) => format!("{kind} in namespace {namespace}"),
        None => kind.to_owned(),
    }
}

fn space(objects: &NamespaceObjects, snapshot: &Snapshot, layout: &Layout) -> Space {
    let kind = layout.space_kind(&objects.namespace).unwrap_or(SpaceKind::Account);
    let mut gaps = Vec::new();
    gap(&mut gaps, &objects.pods);
    gap(&mut gaps, &objects.claims);
    gap(&mut gaps, &objects.stateful_sets);

    let pods = objects.pods.items();
    let mut strangers = Vec::new();
    // Workload name -> its layout and its pods.
    let mut found: BTreeMap<String, (&ComponentLayout, Vec<&Pod>)> = BTreeMap::new();
    for set in objects.stateful_sets.items() {
        let name = set.metadata.name.clone().unwrap_or_default();
        if let Some(component) = layout.component(kind, &name) {
            found.entry(name).or_insert((component, Vec::new()));
        }
    }
    for pod in pods {
        let workload = workload_name(pod);
        match layout.component(kind, &workload) {
            Some(component) => match ownership(pod, owner(pod).as_ref(), &objects.stateful_sets) {
                Ownership::Refuted(why) => {
                    strangers.push(Stranger { name: pod_name(pod), poses: Some((component.role, why)) });
                }
                Ownership::Confirmed | Ownership::Unconfirmed(_) => {
                    found.entry(workload).or_insert((component, Vec::new())).1.push(pod);
                }
            },
            None => {
                let name = pod_name(pod);
                let like = layout.component(kind, without_last(&name)).map(|component| component.role);
                let whose = owner(pod).map(|owner| format!("its owner is the {} {}", owner.kind, owner.name));
                strangers.push(Stranger { name, poses: like.zip(whose) });
            }
        }
    }

    let context = Context { objects, volumes: &snapshot.volumes, nodes: snapshot.nodes.items(), pods };
    let mut components: Vec<Component> =
        found.into_iter().map(|(name, (component, pods))| context.component(name, component, &pods)).collect();
    let order = |component: &Component| {
        layout.components(kind).iter().position(|known| known.role == component.role).unwrap_or(usize::MAX)
    };
    components.sort_by(|a, b| (order(a), &a.name).cmp(&(order(b), &b.name)));
    let terminating = snapshot.terminating.contains(&objects.namespace);
    Space { namespace: objects.namespace.clone(), kind, terminating, components, strangers, gaps }
}

fn pod_name(pod: &Pod) -> String {
    pod.metadata.name.clone().unwrap_or_default()
}

/// The name of the workload a pod belongs to: its StatefulSet's, or its ReplicaSet's without the hash, or its own
/// without the ordinal.
fn workload_name(pod: &Pod) -> String {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    match owner(pod) {
        Some(owner) if owner.kind == "StatefulSet" => owner.name,
        Some(owner) if owner.kind == "ReplicaSet" => without_last(&owner.name).to_owned(),
        _ => without_last(name).to_owned(),
    }
}

/// A name without what follows its last dash.
fn without_last(name: &str) -> &str {
    name.rsplit_once('-').map_or(name, |(front, _)| front)
}

fn owner(pod: &Pod) -> Option<Owner> {
    let references = pod.metadata.owner_references.as_ref()?;
    let controller = references.iter().find(|reference| reference.controller == Some(true))?;
    // Others have StatefulSets, too.
    let kind = match (&*controller.kind, controller.api_version.split_once('/')) {
        (kind, Some((group, _))) if kind == "StatefulSet" && group != "apps" => format!("{kind}.{group}"),
        (kind, _) => kind.to_owned(),
    };
    Some(Owner { kind, name: controller.name.clone(), uid: controller.uid.clone() })
}

struct Context<'s> {
    objects: &'s NamespaceObjects,
    volumes: &'s Read<Vec<PersistentVolume>>,
    nodes: &'s [Node],
    pods: &'s [Pod],
}

impl Context<'_> {
    fn component(&self, name: String, layout: &ComponentLayout, pods: &[&Pod]) -> Component {
        let set = match &self.objects.stateful_sets {
            Read::Known(sets) => Known::Is(sets.iter().find(|set| set.metadata.name.as_deref() == Some(&name))),
            Read::Unknown(unreadable) => Known::Unknown(unreadable.reason.clone()),
            Read::NotAsked => Known::Unknown("not asked for".into()),
        };
        let mut members: Vec<Member> = pods.iter().map(|pod| self.member(pod, layout)).collect();
        let workload = match set {
            Known::Is(set) => Known::Is(set.map(workload)),
            Known::Unknown(reason) => Known::Unknown(reason),
        };
        if let (Known::Is(Some(set)), Read::Known(_)) = (&workload, &self.objects.pods) {
            for ordinal in set.first..set.first.saturating_add(set.replicas) {
                let pod_name = format!("{name}-{ordinal}");
                if !members.iter().any(|member| member.name == pod_name) {
                    members.push(self.absent(pod_name, set, layout));
                }
            }
        }
        members.sort_by_key(|member| (ordinal(&member.name), member.name.clone()));
        Component {
            role: layout.role,
            name,
            workload,
            members,
            sql: layout.sql.clone(),
            page: layout.page.clone(),
            answers_through: layout.answers_through,
            remote_storage: layout.remote_storage,
        }
    }

    fn member(&self, pod: &Pod, layout: &ComponentLayout) -> Member {
        let mut facts = pod_facts(pod);
        if let Ownership::Unconfirmed(why) = ownership(pod, facts.owner.as_ref(), &self.objects.stateful_sets) {
            facts.unconfirmed = Some(why);
        }
        let name = pod.metadata.name.clone().unwrap_or_default();
        let claims = claims::of_pod(pod).iter().map(|claim| self.claim(claim, &name)).collect();
        let budgets = known(&self.objects.disruption_budgets, |budgets| {
            covering(budgets, pod.metadata.labels.as_ref().unwrap_or(&BTreeMap::new()))
        });
        let namespace = self.objects.namespace.clone();
        Member { namespace, name, role: layout.role, pod: Some(facts), claims, budgets }
    }

    /// A member whose pod does not exist: its claims are those its StatefulSet would give it.
    fn absent(&self, name: String, set: &Workload, layout: &ComponentLayout) -> Member {
        let templates = set.templates.iter();
        let claims =
            templates.map(|template| self.claim(&Mounted::kept(claim_name(&template.name, &name)), &name)).collect();
        let namespace = self.objects.namespace.clone();
        Member { namespace, name, role: layout.role, pod: None, claims, budgets: Known::Is(Vec::new()) }
    }

    fn claim(&self, mounted: &Mounted, pod: &str) -> Claim {
        let others = self.pods.iter().filter(|other| other.metadata.name.as_deref() != Some(pod));
        let sharing = others.filter(|other| claims::of_pod(other).iter().any(|claim| claim.name == mounted.name));
        let shared_with = sharing.filter_map(|other| other.metadata.name.clone()).collect();
        claims::claim(mounted, &self.objects.claims, self.volumes, self.nodes, shared_with)
    }
}

/// A claim as it was made, without what the cluster added: name, labels, annotations and spec. `None` where it could
/// not be read.
pub fn manifest_of_claim(snapshot: &Snapshot, namespace: &str, name: &str) -> Option<Value> {
    let objects = snapshot.namespaces.iter().find(|objects| objects.namespace == namespace)?;
    let claim = objects.claims.items().iter().find(|claim| claim.metadata.name.as_deref() == Some(name))?;
    let metadata = &claim.metadata;
    Some(json!({
        "metadata": {"name": name, "labels": metadata.labels, "annotations": metadata.annotations},
        "spec": claim.spec,
    }))
}

fn pod_facts(pod: &Pod) -> PodFacts {
    let status = pod.status.as_ref();
    let containers = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    let wanted = pod.spec.as_ref().map_or(containers.len(), |spec| spec.containers.len());
    let phase = status.and_then(|status| status.phase.as_deref());
    PodFacts {
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        version: pod.metadata.resource_version.clone().unwrap_or_default(),
        status: words::status(pod),
        ready: words::condition(pod, "Ready").is_some_and(|condition| condition.0 == "True"),
        readiness: readiness(pod),
        containers: (containers.iter().filter(|container| container.ready).count(), wanted),
        restarts: containers.iter().map(|container| container.restart_count).sum(),
        terminating: pod.metadata.deletion_timestamp.as_ref().map(|time| time.0),
        grace_seconds: pod.metadata.deletion_grace_period_seconds,
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        created: pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
        owner: owner(pod),
        unconfirmed: None,
        claims: claims::of_pod(pod).into_iter().map(|claim| claim.name).collect(),
        pending: phase.is_none_or(|phase| phase == "Pending"),
        trouble: words::trouble(pod),
        revision: pod.metadata.labels.as_ref().and_then(|labels| labels.get(REVISION_LABEL)).cloned(),
        foreign_finalizers: words::foreign_finalizers(&pod.metadata),
        sql_skipped: pod.metadata.annotations.as_ref().and_then(|all| all.get(SQL_SKIPPED_ANNOTATION)).cloned(),
    }
}

/// The number a pod's name ends with; `u64::MAX` where there is none.
fn ordinal(name: &str) -> u64 {
    name.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(u64::MAX)
}
