//! A member before its failover, and assertions about it afterwards: by the cluster's own objects, distinguished by
//! UID.

use crate::world::{World, named};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The prefix of the annotations in which the plugin writes its records, on volumes.
const RECORD: &str = "kubectl-synxdb/record-";

/// Returns flags to fail over a safekeeper anyway: on a shared cluster, another one has often been replaced a moment
/// ago, and these hold no data.
pub(crate) fn all_the_same(pod: &str) -> [&str; 4] {
    ["--allow", "quorum-loss", "--confirm", pod]
}

/// A member before its failover.
pub(crate) struct Before<'w> {
    world: &'w World,
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) uid: String,
    pub(crate) node: String,
    /// By name.
    pub(crate) claims: BTreeMap<String, Claim>,
}

/// A claim before its failover.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Claim {
    pub(crate) uid: String,
    pub(crate) volume: String,
    policy: String,
}

impl<'w> Before<'w> {
    pub(crate) fn of(world: &'w World, namespace: &str, pod: &str) -> Self {
        let object = world.pod(namespace, pod);
        let claims: BTreeMap<String, Claim> = mounted(&object)
            .into_iter()
            .map(|name| {
                let claim = claim(world, namespace, &name);
                let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.clone()).unwrap_or_default();
                let policy = policy(&volume_of(world, &volume));
                (name, Claim { uid: claim.metadata.uid.unwrap(), volume, policy })
            })
            .collect();
        assert!(!claims.is_empty(), "{namespace}/{pod} mounts no claim");
        Self {
            world,
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            node: object.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default(),
            uid: object.metadata.uid.unwrap(),
            claims,
        }
    }

    /// Asserts that the pod is new and Ready, and each claim is new and Bound to a new volume.
    #[track_caller]
    pub(crate) fn is_replaced(&self) {
        let pod = self.world.pod(&self.namespace, &self.pod);
        let shown = || serde_json::to_string(&pod).unwrap();
        assert_ne!(pod.metadata.uid.as_deref(), Some(&*self.uid), "the pod is the old one");
        assert!(pod.metadata.deletion_timestamp.is_none(), "the new pod is Terminating\n{}", shown());
        let ready = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
        let ready = ready.into_iter().flatten().any(|one| one.type_ == "Ready" && one.status == "True");
        assert!(ready, "the new pod is not Ready\n{}", shown());
        let mounted = mounted(&pod);
        assert_eq!(mounted, self.claims.keys().cloned().collect::<Vec<_>>());
        for (name, old) in &self.claims {
            let new = claim(self.world, &self.namespace, name);
            assert_ne!(new.metadata.uid.as_deref(), Some(&*old.uid), "claim {name} is the old one");
            assert!(new.metadata.deletion_timestamp.is_none(), "the new claim {name} is Terminating");
            assert_eq!(phase(&new), "Bound", "claim {name}");
            let volume = new.spec.and_then(|spec| spec.volume_name).unwrap();
            assert_ne!(volume, old.volume, "claim {name} has the old volume");
            let reference = volume_of(self.world, &volume).spec.unwrap().claim_ref.unwrap();
            assert_eq!(reference.uid, new.metadata.uid, "volume {volume} is not claim {name}'s");
        }
    }

    /// Asserts that each old volume is retained, free of its claim, and records how that happened.
    #[track_caller]
    pub(crate) fn is_kept(&self, outcome: &str) {
        for (name, old) in &self.claims {
            let what = format!("the old volume {} is Released", old.volume);
            let seen = self.world.until(&self.world.cluster_wide(), named(&old.volume), &what, |volumes| {
                let status = volumes.get(&old.volume).and_then(|volume: &PersistentVolume| volume.status.as_ref());
                status.and_then(|status| status.phase.as_deref()) == Some("Released")
            });
            let volume = &seen[&old.volume];
            assert_eq!(policy(volume), "Retain");
            let reference = volume.spec.as_ref().unwrap().claim_ref.clone().unwrap();
            assert_eq!((reference.uid.as_ref(), reference.name.as_ref()), (Some(&old.uid), Some(name)));
            let record = record(volume);
            assert_eq!((&record["outcome"], &record["podUid"]), (&json!(outcome), &json!(self.uid)), "{record:#}");
            assert_eq!((&record["pod"], &record["namespace"]), (&json!(self.pod), &json!(self.namespace)));
            let claims = record["claims"].as_array().unwrap();
            assert_eq!(claims.len(), self.claims.len(), "{record:#}");
            let of_this = claims.iter().find(|claim| claim["name"] == json!(name)).unwrap();
            for (field, value) in [("uid", &old.uid), ("volume", &old.volume), ("reclaimPolicy", &old.policy)] {
                assert_eq!(of_this[field], json!(value), "{record:#}");
            }
            assert_eq!(of_this["manifest"]["metadata"]["name"], json!(name));
            assert_eq!(of_this["manifest"]["spec"]["volumeName"], json!(old.volume));
            assert!(record["user"].as_str().is_some_and(|who| !who.is_empty()), "{record:#}");
            assert_eq!(record["owner"]["kind"], "StatefulSet");
        }
    }

    /// Asserts that it is replaced, retained, and recorded as recovered.
    #[track_caller]
    pub(crate) fn is_recovered(&self) {
        self.is_replaced();
        self.is_kept("recovered");
    }

    /// Asserts that pod and claims are the same ones and not terminating, and the volumes are unchanged.
    #[track_caller]
    pub(crate) fn is_unchanged(&self) {
        let pod = self.world.pod(&self.namespace, &self.pod);
        assert_eq!(pod.metadata.uid.as_deref(), Some(&*self.uid), "the pod was replaced");
        assert!(pod.metadata.deletion_timestamp.is_none(), "the pod is being deleted");
        self.claims_are_unchanged();
    }

    /// Asserts that the claims are the same ones and not terminating, and the volumes are unchanged.
    #[track_caller]
    pub(crate) fn claims_are_unchanged(&self) {
        for (name, old) in &self.claims {
            let claim = claim(self.world, &self.namespace, name);
            assert_eq!(claim.metadata.uid.as_deref(), Some(&*old.uid), "claim {name} was replaced");
            assert!(claim.metadata.deletion_timestamp.is_none(), "claim {name} is being deleted");
            let volume = volume_of(self.world, &old.volume);
            assert_eq!(policy(&volume), old.policy, "volume {}", old.volume);
            let annotations = volume.metadata.annotations.unwrap_or_default();
            assert!(
                !annotations.keys().any(|key| key.starts_with(RECORD)),
                "there is a record on volume {}",
                old.volume
            );
        }
    }

    /// Asserts that the old pod is terminating in the ordinary way, and no finalizer of its claims was removed.
    #[track_caller]
    pub(crate) fn is_not_forced(&self) {
        let pod = self.world.pod(&self.namespace, &self.pod);
        assert_eq!(pod.metadata.uid.as_deref(), Some(&*self.uid), "the old pod is gone");
        assert!(pod.metadata.deletion_timestamp.is_some(), "the pod is not being deleted");
        assert_ne!(pod.metadata.deletion_grace_period_seconds, Some(0), "the pod was force-deleted");
        for (name, old) in &self.claims {
            let claim = claim(self.world, &self.namespace, name);
            assert_eq!(claim.metadata.uid.as_deref(), Some(&*old.uid), "claim {name} was replaced");
            let finalizers = claim.metadata.finalizers.unwrap_or_default();
            assert!(finalizers.iter().any(|one| one == "kubernetes.io/pvc-protection"), "{finalizers:?}");
        }
    }
}

fn claim(world: &World, namespace: &str, name: &str) -> PersistentVolumeClaim {
    let claim = world.get(&world.within(namespace), name);
    claim.unwrap_or_else(|| panic!("there is no claim {namespace}/{name}"))
}

fn volume_of(world: &World, name: &str) -> PersistentVolume {
    world.get(&world.cluster_wide(), name).unwrap_or_else(|| panic!("there is no volume {name}"))
}

fn phase(claim: &PersistentVolumeClaim) -> &str {
    claim.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

fn policy(volume: &PersistentVolume) -> String {
    let spec = volume.spec.as_ref();
    spec.and_then(|spec| spec.persistent_volume_reclaim_policy.clone()).unwrap_or_default()
}

fn record(volume: &PersistentVolume) -> Value {
    let records = volume.metadata.annotations.iter().flatten().filter(|(key, _)| key.starts_with(RECORD));
    let mut records: Vec<Value> = records.map(|(_, text)| serde_json::from_str(text).unwrap()).collect();
    records.sort_by_key(|record| record["started"].as_str().map(str::to_owned));
    records.pop().unwrap_or_else(|| panic!("there is no record on volume {:?}", volume.metadata.name))
}

/// Returns the sorted names of the claims that a pod mounts.
fn mounted(pod: &Pod) -> Vec<String> {
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref()).into_iter().flatten();
    let mut names: Vec<String> = volumes
        .filter_map(|volume| volume.persistent_volume_claim.as_ref())
        .map(|source| source.claim_name.clone())
        .collect();
    names.sort();
    names
}
