//! A StatefulSet and what it would do: which pods and claims it creates, and from which template; and the budgets that
//! limit how many of its pods may be disrupted.

use super::claim_spec::{ClaimSpec, claim_spec};
use super::selector;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use std::collections::BTreeMap;

/// A StatefulSet.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Its UID.
    pub uid: String,
    /// `spec.replicas`.
    pub replicas: i32,
    /// The ordinal of its first pod: `spec.ordinals.start`.
    pub first: i32,
    /// Its claim templates.
    pub templates: Vec<Template>,
    /// The generic ephemeral volumes of its pods: claims that are created and deleted with a pod.
    pub ephemeral: Vec<Template>,
    /// Whether it creates its pods in order, each only once those before it are Ready.
    pub ordered: bool,
    /// For how many seconds its pods must have been Ready to be available: `spec.minReadySeconds`.
    pub min_ready_seconds: i32,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// The revisions of its template.
    pub revisions: Revisions,
}

/// A template of claims.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Its name, or that of the ephemeral volume: the claim's is `NAME-POD`, or `POD-NAME`.
    pub name: String,
    /// What the claim requests of its volume.
    pub spec: ClaimSpec,
}

/// Revisions of a StatefulSet's template, and which pods get which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revisions {
    /// The current one: `status.currentRevision`.
    pub current: Option<String>,
    /// The newest one: `status.updateRevision`; `None` while the controller has not processed the set's last change.
    pub update: Option<String>,
    /// Pods below this ordinal are recreated from the current one, counted from the first pod.
    pub partition: i32,
    /// Whether pods get the newest one only when they are deleted.
    pub on_delete: bool,
}

impl Workload {
    /// Returns whether it would create the pod of this ordinal.
    pub fn covers(&self, ordinal: i64) -> bool {
        let first = i64::from(self.first);
        (first..first.saturating_add(i64::from(self.replicas))).contains(&ordinal)
    }

    /// Returns the template that this claim of this pod would be created from.
    pub fn template_of(&self, claim: &str, pod: &str) -> Option<&Template> {
        let kept = self.templates.iter().find(|template| claim_name(&template.name, pod) == claim);
        kept.or_else(|| self.ephemeral.iter().find(|template| ephemeral_claim_name(&template.name, pod) == claim))
    }

    /// Returns the revision that a new pod of this ordinal would be created from, as Kubernetes chooses it
    /// (`newVersionedStatefulSetPod`): the newest, but not below a rolling update's partition.
    pub fn revision_for(&self, ordinal: i64) -> Option<&str> {
        let Revisions { current, update, partition, on_delete } = &self.revisions;
        let kept = !on_delete && ordinal < i64::from(self.first) + i64::from(*partition);
        if kept { current.as_deref() } else { update.as_deref() }
    }
}

/// Returns the name of the claim that a StatefulSet creates for a pod.
pub(super) fn claim_name(template: &str, pod: &str) -> String {
    format!("{template}-{pod}")
}

/// Returns the name of the claim that Kubernetes creates for a pod's generic ephemeral volume.
pub(super) fn ephemeral_claim_name(volume: &str, pod: &str) -> String {
    format!("{pod}-{volume}")
}

pub(super) fn workload(set: &StatefulSet) -> Workload {
    let templates = set.spec.volume_claim_templates.iter().flatten();
    let templates = templates.filter_map(|template| {
        let spec = claim_spec(Some(&template.metadata), template.spec.as_ref());
        Some(Template { name: template.metadata.name.clone()?, spec })
    });
    let volumes = set.spec.template.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let ephemeral = volumes.filter_map(|volume| {
        let template = volume.ephemeral.as_ref()?.volume_claim_template.as_ref()?;
        Some(Template { name: volume.name.clone(), spec: claim_spec(template.metadata.as_ref(), Some(&template.spec)) })
    });
    Workload {
        uid: set.metadata.uid.clone().unwrap_or_default(),
        replicas: set.spec.replicas.unwrap_or(1),
        first: set.spec.ordinals.as_ref().and_then(|ordinals| ordinals.start).unwrap_or(0),
        templates: templates.collect(),
        ephemeral: ephemeral.collect(),
        // A set without the field creates pods in order.
        ordered: set.spec.pod_management_policy.as_deref() != Some("Parallel"),
        min_ready_seconds: set.spec.min_ready_seconds.unwrap_or(0),
        terminating: set.metadata.deletion_timestamp.is_some(),
        created: set.metadata.creation_timestamp.as_ref().map(|time| time.0),
        revisions: revisions(set),
    }
}

fn revisions(set: &StatefulSet) -> Revisions {
    let status = set.status.as_ref();
    let seen = status.and_then(|status| status.observed_generation) >= set.metadata.generation;
    let strategy = set.spec.update_strategy.as_ref();
    let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
    let text_of = |revision: Option<&String>| revision.filter(|name| !name.is_empty()).cloned();
    Revisions {
        current: text_of(status.and_then(|status| status.current_revision.as_ref())),
        update: text_of(status.and_then(|status| status.update_revision.as_ref())).filter(|_| seen),
        partition: rolling.and_then(|rolling| rolling.partition).unwrap_or(0),
        on_delete: strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete"),
    }
}

/// A PodDisruptionBudget, as its controller last counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Its name.
    pub name: String,
    /// How many pods may be disrupted now; `None` while the controller has not counted since the budget's last change.
    pub allowed: Option<i32>,
    /// Pods that are healthy.
    pub healthy: i32,
    /// Pods that must be healthy.
    pub wanted: i32,
    /// Pods that it covers.
    pub expected: i32,
}

/// Returns the budgets that cover a pod with these labels.
pub(super) fn covering(budgets: &[PodDisruptionBudget], labels: &BTreeMap<String, String>) -> Vec<Budget> {
    let covers = |budget: &&PodDisruptionBudget| {
        let selector = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        // In policy/v1, a missing selector covers no pod.
        selector.is_some_and(|selector| selector::selects(selector, labels))
    };
    let facts = |budget: &PodDisruptionBudget| {
        let status = budget.status.as_ref();
        let counted = status.filter(|status| status.observed_generation >= budget.metadata.generation);
        Budget {
            name: budget.metadata.name.clone().unwrap_or_default(),
            allowed: counted.map(|status| status.disruptions_allowed.unwrap_or(0)),
            healthy: status.and_then(|status| status.current_healthy).unwrap_or(0),
            wanted: status.and_then(|status| status.desired_healthy).unwrap_or(0),
            expected: status.and_then(|status| status.expected_pods).unwrap_or(0),
        }
    };
    budgets.iter().filter(covers).map(facts).collect()
}
