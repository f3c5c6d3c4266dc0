//! The StatefulSet controller: pods by ordinal, their claims from templates, one after the other or in parallel.
//!
//! As in Kubernetes: a pod is not created while its claim is being deleted (kubernetes/kubernetes#93457), and retried;
//! a missing claim of a Pending pod is created again (#113270), unless the scenario disables that.

use super::events::{EventType, Source};
use super::revision::REVISION_LABEL;
use super::rollout::{available_in, template, to_replace, write_status};
use super::{Context, Controller, Requeue, revision};
use crate::objects::{is_finished, is_terminating, key, name, namespace, uid};
use crate::store::{DeleteOptions, Key, Preconditions, StoreError};
use crate::values::{items_at, text_at};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

const SOURCE: Source<'static> = Source::of("statefulset-controller");
const POD_NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX_LABEL: &str = "apps.kubernetes.io/pod-index";

/// See the module.
pub(crate) struct StatefulSets {
    context: Context,
    /// Consecutive failures of a set.
    failures: HashMap<Key, u32>,
}

/// A set is retried later.
struct Retry;

impl StatefulSets {
    /// The controller.
    pub(crate) fn new(context: Context) -> StatefulSets {
        StatefulSets { context, failures: HashMap::new() }
    }
}

impl Controller for StatefulSets {
    fn kinds(&self) -> &'static [&'static str] {
        &["statefulsets"]
    }

    fn concerned(&self, changed: &Key, object: &Value) -> Vec<Key> {
        match changed.resource {
            "statefulsets" => vec![changed.clone()],
            "pods" => items_at(object, "/metadata/ownerReferences")
                .iter()
                .filter(|owner| owner["kind"] == "StatefulSet" && owner["controller"] == true)
                .map(|owner| Key::new("statefulsets", changed.namespace.as_str(), text_at(owner, "/name")))
                .collect(),
            // <template>-<set>-<ordinal>
            "persistentvolumeclaims" => {
                let sets = self.context.store.list("statefulsets", Some(&changed.namespace)).0;
                sets.iter()
                    .filter(|set| changed.name.contains(&format!("-{}-", name(set))))
                    .map(|set| key("statefulsets", set))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, key: &Key) -> Requeue {
        let Some(set) = self.context.store.get(key) else {
            self.failures.remove(key);
            return Requeue::Never;
        };
        // Nothing can be created in a terminating namespace, and the set is deleted with it.
        let space = self.context.store.get(&Key::new("namespaces", "", namespace(&set)));
        if is_terminating(&set) || space.is_some_and(|space| is_terminating(&space)) {
            return Requeue::Never;
        }
        let revision = revision::current(&self.context.store, &set);
        let result = self.bring_forward(&set, &revision);
        let pods = self.pods(&set);
        write_status(&self.context.store, key, &set, &pods, &revision);
        if result.is_ok() {
            self.failures.remove(key);
            let waits = pods.iter().filter_map(|(_, pod)| available_in(&set, pod)).filter(|time| !time.is_zero());
            return waits.min().map_or(Requeue::Never, Requeue::After);
        }
        // Exponential, as client-go's queue of failed items.
        let failures = self.failures.entry(key.clone()).or_default();
        *failures += 1;
        Requeue::After(Duration::from_millis(25 << (*failures).min(9)))
    }
}

impl StatefulSets {
    /// Pods that the set owns, by ordinal.
    fn pods(&self, set: &Value) -> Vec<(u64, Arc<Value>)> {
        let prefix = format!("{}-", name(set));
        let pods = self.context.store.list("pods", Some(namespace(set))).0;
        let mut pods: Vec<(u64, Arc<Value>)> = pods
            .into_iter()
            .filter(|pod| items_at(pod, "/metadata/ownerReferences").iter().any(|owner| owner["uid"] == uid(set)))
            .filter_map(|pod| Some((name(&pod).strip_prefix(&prefix)?.parse().ok()?, pod)))
            .collect();
        pods.sort_by_key(|(ordinal, _)| *ordinal);
        pods
    }

    /// Takes the next step for a set.
    fn bring_forward(&self, set: &Value, revision: &str) -> Result<(), Retry> {
        let ordered = set["spec"]["podManagementPolicy"] != "Parallel";
        let start = set["spec"]["ordinals"]["start"].as_u64().unwrap_or(0);
        let wanted = start..start + set["spec"]["replicas"].as_u64().unwrap_or(1);
        let pods = self.pods(set);
        let mut result = Ok(());
        for ordinal in wanted.clone() {
            let Some((_, pod)) = pods.iter().find(|(existing, _)| *existing == ordinal) else {
                if self.create_pod(set, ordinal, revision).is_err() {
                    result = Err(Retry);
                }
                if ordered {
                    return result;
                }
                continue;
            };
            if is_finished(pod) && !is_terminating(pod) {
                self.delete_pod(set, pod);
                return result;
            }
            let pending = text_at(pod, "/status/phase") == "Pending" && !is_terminating(pod);
            if pending && self.context.scenario.recreate_missing_claims {
                // Refused: it is tried again when something changes.
                let _ = self.create_claims(set, ordinal);
            }
            // One after the other: the next waits until this one is available.
            if ordered && (is_terminating(pod) || available_in(set, pod) != Some(Duration::ZERO)) {
                return result;
            }
        }
        self.scale_down(set, &pods, &wanted, ordered);
        if result.is_ok() {
            // The highest first.
            for pod in to_replace(set, &pods, &wanted, revision) {
                self.delete_pod(set, pod);
            }
        }
        result
    }

    /// Deletes pods above the wanted number, the highest first.
    fn scale_down(&self, set: &Value, pods: &[(u64, Arc<Value>)], wanted: &std::ops::Range<u64>, ordered: bool) {
        for (_, pod) in pods.iter().rev().filter(|(ordinal, _)| !wanted.contains(ordinal)) {
            if !is_terminating(pod) {
                self.delete_pod(set, pod);
            }
            if ordered {
                return;
            }
        }
    }

    fn delete_pod(&self, set: &Value, pod: &Value) {
        let options = DeleteOptions { preconditions: Preconditions::uid(uid(pod)), ..DeleteOptions::default() };
        if self.context.store.delete(&key("pods", pod), &options).is_ok() {
            let message = format!("delete Pod {} in StatefulSet {} successful", name(pod), name(set));
            self.context.events.record(set, EventType::Normal, SOURCE, "SuccessfulDelete", &message);
        }
    }

    /// Names of an ordinal's claims with their templates.
    fn claim_templates(set: &Value, ordinal: u64) -> impl Iterator<Item = (String, &Value)> {
        items_at(set, "/spec/volumeClaimTemplates")
            .iter()
            .map(move |template| (format!("{}-{}-{ordinal}", name(template), name(set)), template))
    }

    /// Makes an ordinal's missing claims.
    fn create_claims(&self, set: &Value, ordinal: u64) -> Result<(), Retry> {
        let mut refused = false;
        for (claim, template) in Self::claim_templates(set, ordinal) {
            let key = Key::new("persistentvolumeclaims", namespace(set), claim.as_str());
            if self.context.store.get(&key).is_some() {
                continue;
            }
            let mut labels = template["metadata"]["labels"].clone();
            for (label, value) in set["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten() {
                labels[label] = value.clone();
            }
            let mut metadata = json!({"labels": labels});
            if template["metadata"]["annotations"].is_object() {
                metadata["annotations"] = template["metadata"]["annotations"].clone();
            }
            // Owned by the set only if its retention policy says so.
            if set["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete" {
                metadata["ownerReferences"] = json!([revision::owner(set)]);
            }
            let object = json!({"metadata": metadata, "spec": template["spec"]});
            let pod = format!("{}-{ordinal}", name(set));
            let created = self.context.store.create(key, object, false);
            let (kind, reason, how) = match created {
                Ok(_) => (EventType::Normal, "SuccessfulCreate", "success".to_owned()),
                Err(StoreError::Refused(refusal)) => {
                    (EventType::Warning, "FailedCreate", format!("failed error: {}", refusal.message))
                }
                // Created by another client in between.
                Err(_) => continue,
            };
            refused |= kind == EventType::Warning;
            let message = format!("create Claim {claim} Pod {pod} in StatefulSet {} {how}", name(set));
            self.context.events.record(set, kind, SOURCE, reason, &message);
        }
        if refused { Err(Retry) } else { Ok(()) }
    }

    /// Makes an ordinal's pod and, before it, its claims; refuses while one of them is being deleted.
    fn create_pod(&self, set: &Value, ordinal: u64, revision: &str) -> Result<(), Retry> {
        let pod = format!("{}-{ordinal}", name(set));
        let space = namespace(set);
        let going = Self::claim_templates(set, ordinal).map(|(claim, _)| claim).find(|claim| {
            let claim = self.context.store.get(&Key::new("persistentvolumeclaims", space, claim.as_str()));
            claim.is_some_and(|claim| is_terminating(&claim))
        });
        if let Some(claim) = going {
            if !self.context.race_due(space, &pod) {
                let message =
                    format!("create Pod {pod} in StatefulSet {} failed error: pvc {claim} is being deleted", name(set));
                self.context.events.record(set, EventType::Warning, SOURCE, "FailedCreate", &message);
                return Err(Retry);
            }
            self.context.race_done(space, &pod);
        }
        self.create_claims(set, ordinal)?;
        let (template, revision) = template(&self.context.store, set, ordinal, revision);
        let object = Self::pod(set, ordinal, &template, &revision);
        match self.context.store.create(Key::new("pods", space, pod.as_str()), object, false) {
            Ok(_) => {
                let message = format!("create Pod {pod} in StatefulSet {} successful", name(set));
                self.context.events.record(set, EventType::Normal, SOURCE, "SuccessfulCreate", &message);
                Ok(())
            }
            Err(error) => {
                let why = match error {
                    StoreError::Refused(refusal) => refusal.message,
                    _ => format!("pods \"{pod}\" already exists"),
                };
                let message = format!("create Pod {pod} in StatefulSet {} failed error: {why}", name(set));
                self.context.events.record(set, EventType::Warning, SOURCE, "FailedCreate", &message);
                Err(Retry)
            }
        }
    }

    /// An ordinal's pod, from the template.
    fn pod(set: &Value, ordinal: u64, template: &Value, revision: &str) -> Value {
        let pod = format!("{}-{ordinal}", name(set));
        let mut metadata = json!({
            "generateName": format!("{}-", name(set)),
            "labels": template["metadata"]["labels"],
            "ownerReferences": [revision::owner(set)],
        });
        if template["metadata"]["annotations"].is_object() {
            metadata["annotations"] = template["metadata"]["annotations"].clone();
        }
        metadata["labels"][POD_NAME_LABEL] = json!(pod);
        metadata["labels"][POD_INDEX_LABEL] = json!(ordinal.to_string());
        metadata["labels"][REVISION_LABEL] = json!(revision);
        let mut spec = template["spec"].clone();
        spec["hostname"] = json!(pod);
        spec["subdomain"] = set["spec"]["serviceName"].clone();
        let mut volumes: Vec<Value> = Self::claim_templates(set, ordinal)
            .map(|(claim, template)| json!({"name": name(template), "persistentVolumeClaim": {"claimName": claim}}))
            .collect();
        volumes.extend(items_at(&spec, "/volumes").iter().cloned());
        spec["volumes"] = json!(volumes);
        json!({"metadata": metadata, "spec": spec})
    }
}
