//! Turns a snapshot into a topology. The only place that matches the names, labels and phases of Kubernetes objects as
//! strings.

use super::annotations::SQL_SKIPPED_ANNOTATION;
use super::claims::{self, Mounted};
use super::discovery;
use super::heartbeat;
use super::layout::{Layout, Role, SpaceKind};
use super::model::{Claim, Component, Gap, Known, Member, Part, PodFacts, Space, Topology};
use super::ownership::{Ownership, ownership};
use super::placement;
use super::pod_status;
use super::readiness::readiness;
use super::recognition::{Found, Recognition, owner, recognition};
use super::workload::{Workload, claim_name, covering, workload};
use crate::cluster::snapshot::{Cause, NamespaceObjects, Read, Snapshot, Unreadable};
use k8s_openapi::api::core::v1::{Node, PersistentVolume, Pod};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Label of a pod that names the revision of its StatefulSet's template.
const REVISION_LABEL: &str = "controller-revision-hash";

/// Interprets a snapshot as a SynxDB installation. A namespace that the layout does not know counts as an account's:
/// the user named it.
pub fn build(snapshot: &Snapshot, layout: &Layout) -> Topology {
    let spaces = snapshot.objects().map(|objects| space(&objects, snapshot, layout));
    let mut spaces: Vec<Space> = spaces.filter(|space| is_ours(space, layout)).collect();
    spaces.sort_by(|a, b| (a.kind, &a.namespace).cmp(&(b.kind, &b.namespace)));
    let mut gaps = Vec::new();
    gap(&mut gaps, &snapshot.namespace_names);
    gap(&mut gaps, &snapshot.volumes);
    gap(&mut gaps, &snapshot.nodes);
    gap(&mut gaps, &snapshot.storage_classes);
    for everywhere in [&snapshot.labelled_pods, &snapshot.stateful_sets_everywhere] {
        if !forbidden(everywhere) {
            gap(&mut gaps, everywhere);
        }
    }
    let nodes = snapshot.nodes.items();
    let recorded = snapshot.volumes.items().iter().map(|found| claims::volume(found, nodes));
    let recorded = recorded.filter(|volume| !volume.records.is_empty()).collect();
    let lost_nodes = nodes.iter().filter(|node| !placement::node_ready(node));
    let lost_nodes: Vec<String> = lost_nodes.filter_map(|node| node.metadata.name.clone()).collect();
    let mut silent_nodes = heartbeat::silent(snapshot.leases.items());
    silent_nodes.retain(|name, _| !lost_nodes.contains(name));
    Topology {
        silent_nodes,
        spaces,
        recorded,
        lost_nodes,
        nodes: known(&snapshot.nodes, placement::nodes),
        classes: known(&snapshot.storage_classes, placement::classes),
        unbound_volumes: known(&snapshot.volumes, |volumes| claims::unbound(volumes, nodes)),
        passed_over: snapshot.passed_over.clone(),
        layout: layout.source.clone(),
        unrecognized_elsewhere: discovery::elsewhere(snapshot, layout),
        by_names_alone: [forbidden(&snapshot.labelled_pods), forbidden(&snapshot.stateful_sets_everywhere)]
            .contains(&true),
        gaps,
    }
}

/// Returns whether it was not read because the user may not: then it says nothing about the cluster's health.
fn forbidden<T>(read: &Read<T>) -> bool {
    matches!(read, Read::Unknown(part) if part.cause == Cause::Forbidden)
}

/// Returns whether a namespace belongs to SynxDB: by its name, because the user named it, or by its contents.
fn is_ours(space: &Space, layout: &Layout) -> bool {
    let by_name = layout.is_certain(&space.namespace) || layout.space_kind(&space.namespace).is_none();
    by_name || !(space.components.is_empty() && space.unrecognized.is_empty() && space.gaps.is_empty())
}

/// Converts a part that was read.
fn known<T, F>(read: &Read<Vec<T>>, facts: impl FnOnce(&[T]) -> F) -> Known<F> {
    match read {
        Read::Known(items) => Known::Is(facts(items)),
        Read::Unknown(unreadable) => Known::Unknown(unreadable.reason.clone()),
        Read::NotAsked => Known::Unknown("not requested".into()),
    }
}

/// Returns which pods and claims could not be read.
pub(crate) fn unread_pods_and_claims(snapshot: &Snapshot) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for objects in snapshot.objects() {
        gap(&mut gaps, &objects.pods);
        gap(&mut gaps, &objects.claims);
    }
    gaps
}

fn gap<T>(gaps: &mut Vec<Gap>, read: &Read<T>) {
    if let Read::Unknown(unreadable) = read {
        let transient = unreadable.cause.is_transient();
        gaps.push(Gap { part: part(unreadable), why: unreadable.reason.clone(), transient });
    }
}

fn part(unreadable: &Unreadable) -> Part {
    let kind = match unreadable.resource {
        "persistentvolumes" => return Part::Volumes,
        "persistentvolumeclaims" if let Some(namespace) = &unreadable.namespace => {
            return Part::Claims { namespace: namespace.clone() };
        }
        "persistentvolumeclaims" => "claims",
        "statefulsets" => "StatefulSets",
        "storageclasses" => "storage classes",
        other => other,
    };
    Part::Other(match (&unreadable.namespace, unreadable.resource) {
        (Some(namespace), _) => format!("{kind} in namespace {namespace}"),
        (None, "pods" | "statefulsets") => format!("{kind} in all namespaces"),
        (None, _) => kind.to_owned(),
    })
}

fn space(objects: &NamespaceObjects, snapshot: &Snapshot, layout: &Layout) -> Space {
    let kind = layout.space_kind(&objects.namespace).unwrap_or(SpaceKind::Account);
    let mut gaps = Vec::new();
    gap(&mut gaps, &objects.pods);
    gap(&mut gaps, &objects.claims);
    gap(&mut gaps, &objects.stateful_sets);

    let Recognition { workloads, strangers, unrecognized } = recognition(objects, kind, layout);
    let roles: Vec<Role> = workloads.values().map(|found| found.rule.role).collect();
    let pods = objects.pods.items();
    let named = snapshot.named.contains(&objects.namespace);
    let vouched = named || !layout.only_by_labels(&objects.namespace);
    let (volumes, nodes) = (&snapshot.volumes, snapshot.nodes.items());
    let context = Context { objects, volumes, nodes, pods, layout, roles, vouched };
    let mut components: Vec<Component> =
        workloads.into_iter().map(|(name, found)| context.component(name, &found)).collect();
    let order = |component: &Component| {
        layout.components(kind).iter().position(|known| known.role == component.role).unwrap_or(usize::MAX)
    };
    components.sort_by(|a, b| (order(a), &a.name).cmp(&(order(b), &b.name)));
    let terminating = snapshot.terminating.contains(&objects.namespace);
    Space { namespace: objects.namespace.clone(), kind, terminating, components, strangers, unrecognized, gaps }
}

/// What all pods of a component have in common.
#[derive(Clone)]
struct Place {
    role: Role,
    warehouse: Option<String>,
}

struct Context<'s> {
    objects: &'s NamespaceObjects,
    volumes: &'s Read<Vec<PersistentVolume>>,
    nodes: &'s [Node],
    pods: &'s [Pod],
    layout: &'s Layout,
    /// The roles of all components of the namespace.
    roles: Vec<Role>,
    /// Whether the namespace is named like one of SynxDB's, or the user named it: more evidence than its pods' labels.
    vouched: bool,
}

impl Context<'_> {
    fn component(&self, name: String, found: &Found<'_>) -> Component {
        let rule = found.rule;
        let labels = &self.layout.labels;
        let label = |key: &Option<String>| key.as_ref().and_then(|key| found.labels.get(key)).cloned();
        let of_warehouse = rule.role == Role::WarehouseNode;
        let warehouse = of_warehouse.then(|| label(&labels.warehouse).unwrap_or_else(|| name.clone()));
        let set = match &self.objects.stateful_sets {
            Read::Known(sets) => Known::Is(sets.iter().find(|set| set.metadata.name.as_deref() == Some(&name))),
            Read::Unknown(unreadable) => Known::Unknown(unreadable.reason.clone()),
            Read::NotAsked => Known::Unknown("not requested".into()),
        };
        let place = Place { role: rule.role, warehouse: warehouse.clone() };
        let mut members: Vec<Member> = found.pods.iter().map(|pod| self.member(pod, &place)).collect();
        let workload = match set {
            Known::Is(set) => Known::Is(set.map(workload)),
            Known::Unknown(reason) => Known::Unknown(reason),
        };
        if let (Known::Is(Some(set)), Read::Known(_)) = (&workload, &self.objects.pods) {
            for ordinal in set.first..set.first.saturating_add(set.replicas) {
                let pod_name = format!("{name}-{ordinal}");
                if !members.iter().any(|member| member.name == pod_name) {
                    members.push(self.absent(pod_name, set, &place));
                }
            }
        }
        members.sort_by_key(|member| (ordinal(&member.name), member.name.clone()));
        let there = |role: &&Role| self.roles.contains(role);
        let yields_to = rule.yields_to.filter(|role| self.roles.contains(role));
        let answers_through = rule.answers_through.iter().find(there).or(rule.answers_through.first());
        Component {
            role: rule.role,
            name,
            recognized_by: found.by,
            warehouse,
            instance: label(&labels.instance),
            workload,
            members,
            sql: rule.sql.clone().filter(|_| yields_to.is_none()),
            page: rule.page.clone(),
            yields_to,
            answers_through: answers_through.copied(),
            remote_storage: rule.remote_storage,
        }
    }

    fn member(&self, pod: &Pod, place: &Place) -> Member {
        let mut facts = pod_facts(pod);
        if let Ownership::Unconfirmed(why) = ownership(pod, facts.owner.as_ref(), &self.objects.stateful_sets) {
            facts.unconfirmed = Some(why);
        }
        if !self.vouched {
            let namespace = &self.objects.namespace;
            let why = format!(
                "namespace {namespace} looks like an account by its labels alone: confirm it with -n {namespace}"
            );
            facts.unconfirmed = Some(why);
        }
        let name = pod.metadata.name.clone().unwrap_or_default();
        let claims = claims::of_pod(pod).iter().map(|claim| self.claim(claim, &name)).collect();
        let budgets = known(&self.objects.disruption_budgets, |budgets| {
            covering(budgets, pod.metadata.labels.as_ref().unwrap_or(&BTreeMap::new()))
        });
        let namespace = self.objects.namespace.clone();
        let Place { role, warehouse } = place.clone();
        Member { namespace, name, role, warehouse, pod: Some(facts), claims, budgets }
    }

    /// Returns a member whose pod does not exist: its claims are those its StatefulSet would create.
    fn absent(&self, name: String, set: &Workload, place: &Place) -> Member {
        let kept = set.templates.iter().map(|template| Mounted::kept(claim_name(&template.name, &name)));
        let made_with_it = set.ephemeral.iter().map(|template| Mounted::ephemeral(&template.name, &name));
        let claims = kept.chain(made_with_it).map(|mounted| self.claim(&mounted, &name)).collect();
        let namespace = self.objects.namespace.clone();
        let Place { role, warehouse } = place.clone();
        Member { namespace, name, role, warehouse, pod: None, claims, budgets: Known::Is(Vec::new()) }
    }

    fn claim(&self, mounted: &Mounted, pod: &str) -> Claim {
        let others = self.pods.iter().filter(|other| other.metadata.name.as_deref() != Some(pod));
        let sharing = others.filter(|other| claims::of_pod(other).iter().any(|claim| claim.name == mounted.name));
        let shared_with = sharing.filter_map(|other| other.metadata.name.clone()).collect();
        claims::claim(mounted, &self.objects.claims, self.volumes, self.nodes, shared_with)
    }
}

/// Returns a claim as it was created, without what the cluster added: name, labels, annotations and spec. `None` if it
/// could not be read.
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
        status: pod_status::status(pod),
        ready: pod_status::condition(pod, "Ready").is_some_and(|condition| condition.0 == "True"),
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
        trouble: pod_status::trouble(pod),
        revision: pod.metadata.labels.as_ref().and_then(|labels| labels.get(REVISION_LABEL)).cloned(),
        foreign_finalizers: pod_status::foreign_finalizers(&pod.metadata),
        sql_skipped: pod.metadata.annotations.as_ref().and_then(|all| all.get(SQL_SKIPPED_ANNOTATION)).cloned(),
    }
}

/// Returns the number at the end of a pod's name; `u64::MAX` if there is none.
fn ordinal(name: &str) -> u64 {
    name.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(u64::MAX)
}
