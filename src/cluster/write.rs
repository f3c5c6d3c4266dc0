//! The few mutations. Each carries the UID it was planned for, so that the server itself refuses to change anything
//! else; nothing is forced, and no grace period is shortened.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use kube::Resource;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Cluster;
use super::failure::{Failure, Operation};
use super::foreign::KnownMessage;
use super::patience::Patience;
use super::snapshot::Cause;
use crate::error::Result;

/// How long a mutation is retried while the server has trouble.
const PERSISTENCE: Duration = Duration::from_secs(20);

/// Most attempts of a mutation.
const TRIES: u32 = 9;

/// The result of a mutation. Only the first variant changed anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was done (with `dry_run`: would be done).
    Done {
        /// UID of the object that was changed or deleted.
        object_uid: String,
    },
    /// No object has this name.
    Gone,
    /// The object is not the planned one; nothing was changed.
    Changed {
        /// Its UID now, if it could be read.
        now: Option<String>,
        /// The server's message.
        message: String,
    },
}

/// A volume that is reserved for a future claim.
#[derive(Clone, Copy, Debug)]
pub struct Reservation<'r> {
    /// Name of the volume.
    pub volume: &'r str,
    /// Its UID.
    pub uid: &'r str,
    /// Namespace of the claim.
    pub namespace: &'r str,
    /// Name of the claim.
    pub claim: &'r str,
    /// UID of the claim that released it.
    pub released_by: &'r str,
}

pub(super) enum Change {
    /// A merge patch; its `metadata.uid` is the precondition.
    Patch(Value),
    /// A merge patch with a resourceVersion: a second precondition.
    PatchAt(Value),
    /// A JSON patch that first tests what it was planned for.
    Tested(json_patch::Patch),
    Delete,
    /// Applies only to this resourceVersion.
    DeleteAt(String),
}

impl Change {
    fn deletes(&self) -> bool {
        matches!(self, Self::Delete | Self::DeleteAt(_))
    }
}

/// One mutation: of which kind, which object, how.
struct Mutation<'a, K> {
    api: Api<K>,
    act: Operation<'a>,
    name: &'a str,
    uid: &'a str,
    dry_run: bool,
}

impl Cluster {
    /// Sets a volume's reclaim policy to Retain and writes an annotation (key, value) on it, in one request.
    ///
    /// # Errors
    /// Not allowed, or the server did not do it within 20 seconds of retries.
    pub async fn retain_volume(&self, name: &str, uid: &str, record: (&str, &str), dry_run: bool) -> Result<Written> {
        let patch = json!({
            "metadata": {"uid": uid, "annotations": {record.0: record.1}},
            "spec": {"persistentVolumeReclaimPolicy": "Retain"},
        });
        self.change_volume(name, uid, patch, dry_run).await
    }

    /// Sets a volume's reclaim policy and writes an annotation (key, value) on it, in one request.
    ///
    /// # Errors
    /// As [`Cluster::retain_volume`].
    pub async fn set_reclaim_policy(
        &self,
        name: &str,
        uid: &str,
        policy: &str,
        record: (&str, &str),
    ) -> Result<Written> {
        let patch = json!({
            "metadata": {"uid": uid, "annotations": {record.0: record.1}},
            "spec": {"persistentVolumeReclaimPolicy": policy},
        });
        self.change_volume(name, uid, patch, false).await
    }

    /// Reserves a volume that a claim released for the next claim of that name: `claimRef` without a UID, which the
    /// volume controller binds to no other. Only while the volume is still as that claim left it.
    ///
    /// # Errors
    /// As [`Cluster::retain_volume`].
    pub async fn reserve_volume(&self, reserve: &Reservation<'_>, dry_run: bool) -> Result<Written> {
        let Reservation { volume, uid, namespace, claim, released_by } = *reserve;
        let reference =
            json!({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": namespace, "name": claim});
        let patch = json!([
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "test", "path": "/spec/claimRef/uid", "value": released_by},
            {"op": "replace", "path": "/spec/claimRef", "value": reference},
        ]);
        let written = self.change_tested(volume, uid, patch, dry_run).await?;
        if let Written::Changed { .. } = written {
            // An earlier attempt may have done it: no other client leaves the volume like this.
            let api: Api<PersistentVolume> = Api::all(self.client());
            let found = api.get_opt(volume).await.ok().flatten();
            let reserved = found.is_some_and(|found| {
                let reference = found.spec.and_then(|spec| spec.claim_ref).unwrap_or_default();
                found.metadata.uid.as_deref() == Some(uid)
                    && reference.namespace.as_deref() == Some(namespace)
                    && reference.name.as_deref() == Some(claim)
                    && reference.uid.is_none()
            });
            if reserved {
                return Ok(Written::Done { object_uid: uid.to_owned() });
            }
        }
        Ok(written)
    }

    /// Removes a reservation: the volume is again as the claim of that UID left it, retained and unclaimed. Only while
    /// it is reserved: a claim that has it by now keeps it.
    ///
    /// # Errors
    /// As [`Cluster::retain_volume`].
    pub async fn unreserve_volume(&self, reserve: &Reservation<'_>, dry_run: bool) -> Result<Written> {
        let Reservation { volume, uid, namespace, claim, released_by } = *reserve;
        let api: Api<PersistentVolume> = Api::all(self.client());
        let act = Operation { verb: "list", resource: "persistentvolumes", namespace: None, name: Some(volume) };
        let this = ListParams::default().fields(&format!("metadata.name={volume}"));
        let changed = |now: Option<String>, message: String| Written::Changed { now, message };
        for _ in 0..TRIES {
            let found = api.list(&this).await.map_err(|error| self.error(act, &Failure::of(error)))?;
            let Some(found) = found.items.into_iter().next() else { return Ok(Written::Gone) };
            if found.metadata.uid.as_deref() != Some(uid) {
                return Ok(changed(found.metadata.uid, format!("volume {volume} was replaced")));
            }
            let reference = found.spec.and_then(|spec| spec.claim_ref).unwrap_or_default();
            let is_for = reference.namespace.as_deref() == Some(namespace) && reference.name.as_deref() == Some(claim);
            match reference.uid.as_deref() {
                Some(holder) if is_for && holder == released_by => {
                    return Ok(Written::Done { object_uid: uid.to_owned() });
                }
                None if is_for => {}
                _ => return Ok(changed(Some(uid.to_owned()), "it is no longer reserved".to_owned())),
            }
            let reference = json!({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": namespace,
                "name": claim, "uid": released_by});
            let patch = json!([
                {"op": "test", "path": "/metadata/uid", "value": uid},
                {"op": "test", "path": "/metadata/resourceVersion", "value": found.metadata.resource_version},
                {"op": "replace", "path": "/spec/claimRef", "value": reference},
                // Released, it would be deleted with the policy Delete.
                {"op": "replace", "path": "/spec/persistentVolumeReclaimPolicy", "value": "Retain"},
            ]);
            match self.change_tested(volume, uid, patch, dry_run).await? {
                // Changed, but still the same volume: read it again.
                Written::Changed { .. } => {}
                written => return Ok(written),
            }
        }
        Ok(changed(Some(uid.to_owned()), format!("volume {volume} keeps changing")))
    }

    /// Sets the reclaim policy of a volume that a claim released, only while it is still as that claim left it.
    ///
    /// # Errors
    /// As [`Cluster::retain_volume`].
    pub async fn release_volume(&self, volume: &str, uid: &str, released_by: &str, policy: &str) -> Result<Written> {
        let patch = json!([
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "test", "path": "/spec/claimRef/uid", "value": released_by},
            {"op": "replace", "path": "/spec/persistentVolumeReclaimPolicy", "value": policy},
        ]);
        self.change_tested(volume, uid, patch, false).await
    }

    /// Writes an annotation on a volume.
    ///
    /// # Errors
    /// As [`Cluster::retain_volume`].
    pub async fn annotate_volume(
        &self,
        name: &str,
        uid: &str,
        key: &str,
        value: &str,
        dry_run: bool,
    ) -> Result<Written> {
        let patch = json!({"metadata": {"uid": uid, "annotations": {key: value}}});
        self.change_volume(name, uid, patch, dry_run).await
    }

    /// Deletes a claim. It stays Terminating until no pod uses it.
    ///
    /// # Errors
    /// As [`Cluster::retain_volume`].
    pub async fn delete_claim(&self, namespace: &str, name: &str, uid: &str, dry_run: bool) -> Result<Written> {
        let api: Api<PersistentVolumeClaim> = Api::namespaced(self.client(), namespace);
        let act = Operation {
            verb: "delete",
            resource: "persistentvolumeclaims",
            namespace: Some(namespace),
            name: Some(name),
        };
        self.mutate(&Mutation { api, act, name, uid, dry_run }, &Change::Delete).await
    }

    /// Deletes a claim without a volume, only while it has none: a volume that it is bound to in the meantime would be
    /// lost. `not_its`: a volume that it names and that is not bound to it, which is checked once more.
    ///
    /// # Errors
    /// As [`Cluster::retain_volume`].
    pub async fn delete_unbound_claim(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
        not_its: Option<&str>,
        dry_run: bool,
    ) -> Result<Written> {
        let api: Api<PersistentVolumeClaim> = Api::namespaced(self.client(), namespace);
        let resource = "persistentvolumeclaims";
        let act = |verb| Operation { verb, resource, namespace: Some(namespace), name: Some(name) };
        // A user who can list claims may not be allowed to get one.
        let this = ListParams::default().fields(&format!("metadata.name={name}"));
        let changed =
            |now: Option<String>, message: &str| Written::Changed { now, message: format!("claim {name} {message}") };
        for _ in 0..TRIES {
            let found = api.list(&this).await.map_err(|error| self.error(act("list"), &Failure::of(error)))?;
            let Some(claim) = found.items.into_iter().next() else { return Ok(Written::Gone) };
            let metadata = claim.metadata;
            if metadata.uid.as_deref() != Some(uid) {
                return Ok(changed(metadata.uid, "was replaced"));
            }
            // By an earlier attempt without a response, or by another client.
            if metadata.deletion_timestamp.is_some() {
                return Ok(Written::Done { object_uid: uid.to_owned() });
            }
            if let Some(volume) = claim.spec.and_then(|spec| spec.volume_name).filter(|volume| !volume.is_empty())
                && (not_its != Some(volume.as_str()) || self.is_bound_to(&volume, uid).await?)
            {
                return Ok(changed(
                    metadata.uid,
                    &format!("is now bound to volume {volume}, which is not retained yet"),
                ));
            }
            let change = Change::DeleteAt(metadata.resource_version.unwrap_or_default());
            let mutation = Mutation { api: api.clone(), act: act("delete"), name, uid, dry_run };
            match self.mutate(&mutation, &change).await? {
                // Changed, but still the same claim: read it again.
                Written::Changed { now, .. } if now.as_deref() == Some(uid) => {}
                written => return Ok(written),
            }
        }
        Ok(changed(Some(uid.to_owned()), "keeps changing; it was not deleted"))
    }

    /// Returns whether an existing volume is bound to the claim of this UID.
    async fn is_bound_to(&self, volume: &str, claim_uid: &str) -> Result<bool> {
        let api: Api<PersistentVolume> = Api::all(self.client());
        let act = Operation { verb: "list", resource: "persistentvolumes", namespace: None, name: Some(volume) };
        // A user who can list volumes may not be allowed to get one.
        let this = ListParams::default().fields(&format!("metadata.name={volume}"));
        let found = api.list(&this).await.map_err(|error| self.error(act, &Failure::of(error)))?;
        let reference = found.items.into_iter().next().and_then(|found| found.spec?.claim_ref);
        Ok(reference.is_some_and(|reference| reference.uid.as_deref() == Some(claim_uid)))
    }

    /// Deletes a pod, with its own grace period.
    ///
    /// # Errors
    /// As [`Cluster::retain_volume`].
    pub async fn delete_pod(&self, namespace: &str, name: &str, uid: &str, dry_run: bool) -> Result<Written> {
        let api: Api<Pod> = Api::namespaced(self.client(), namespace);
        let act = Operation { verb: "delete", resource: "pods", namespace: Some(namespace), name: Some(name) };
        self.mutate(&Mutation { api, act, name, uid, dry_run }, &Change::Delete).await
    }

    /// Deletes a pod in the version that was seen; a pod that changed since stays.
    ///
    /// # Errors
    /// As [`Cluster::retain_volume`].
    pub async fn delete_pod_of_version(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
        version: &str,
    ) -> Result<Written> {
        let api: Api<Pod> = Api::namespaced(self.client(), namespace);
        let act = Operation { verb: "delete", resource: "pods", namespace: Some(namespace), name: Some(name) };
        let mutation = Mutation { api, act, name, uid, dry_run: false };
        self.mutate(&mutation, &Change::DeleteAt(version.to_owned())).await
    }

    async fn change_volume(&self, name: &str, uid: &str, patch: Value, dry_run: bool) -> Result<Written> {
        self.patch_volume(name, uid, &Change::Patch(patch), dry_run).await
    }

    async fn change_tested(&self, name: &str, uid: &str, patch: Value, dry_run: bool) -> Result<Written> {
        let patch = serde_json::from_value(patch)
            .map_err(|error| crate::error::Error::failure("cannot serialize a patch").because_of(error))?;
        self.patch_volume(name, uid, &Change::Tested(patch), dry_run).await
    }

    pub(super) async fn patch_volume(&self, name: &str, uid: &str, change: &Change, dry_run: bool) -> Result<Written> {
        let api: Api<PersistentVolume> = Api::all(self.client());
        let act = Operation { verb: "patch", resource: "persistentvolumes", namespace: None, name: Some(name) };
        self.mutate(&Mutation { api, act, name, uid, dry_run }, change).await
    }

    /// Tries, and retries if that cannot do harm: the UID makes each of these idempotent.
    async fn mutate<K>(&self, mutation: &Mutation<'_, K>, change: &Change) -> Result<Written>
    where
        K: Resource + Clone + DeserializeOwned + Debug,
    {
        let mut patience = Patience::of(PERSISTENCE);
        let mut tries = 0;
        // A delete without a response may have been carried out.
        let mut in_doubt = false;
        loop {
            let failure = match mutation.send(change).await {
                Ok(()) => return Ok(Written::Done { object_uid: mutation.uid.to_owned() }),
                Err(failure) => failure,
            };
            let ended = match (failure.code, failure.cause) {
                (_, Cause::NotFound) => Some(Written::Gone),
                (409, _) => mutation.conflict(&failure, change).await,
                // A delete's UID is a precondition; a patch's is a field, which cannot be changed.
                (422, _) if failure.fields.iter().any(|field| field == "metadata.uid") => {
                    mutation.conflict(&failure, change).await
                }
                // Nothing else of such a patch can be wrong.
                (422, _) if matches!(change, Change::Tested(_)) => {
                    Some(Written::Changed { now: None, message: "it no longer matches the plan".to_owned() })
                }
                _ => None,
            };
            if let Some(ended) = ended {
                // A UID never returns: the object is gone, and an earlier attempt was in progress.
                let same =
                    |ended: &Written| matches!(ended, Written::Changed { now: Some(now), .. } if now == mutation.uid);
                let deleted = in_doubt && change.deletes() && !same(&ended);
                return Ok(if deleted { Written::Done { object_uid: mutation.uid.to_owned() } } else { ended });
            }
            tries += 1;
            let again = (failure.is_transient() || failure.code == 409) && tries < TRIES;
            let Some(pause) = patience.pause().filter(|_| again) else {
                return Err(self.error(mutation.act, &failure));
            };
            in_doubt |= failure.code != 429 && failure.code != 409;
            tokio::time::sleep(pause).await;
        }
    }
}

impl<K> Mutation<'_, K>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    async fn send(&self, change: &Change) -> std::result::Result<(), Failure> {
        let params = PatchParams {
            dry_run: self.dry_run,
            field_manager: Some("kubectl-synxdb".to_owned()),
            ..PatchParams::default()
        };
        let sent = match change {
            Change::Patch(patch) | Change::PatchAt(patch) => {
                self.api.patch(self.name, &params, &Patch::Merge(patch)).await.map(|_| ())
            }
            Change::Tested(patch) => {
                self.api.patch(self.name, &params, &Patch::Json::<()>(patch.clone())).await.map(|_| ())
            }
            Change::Delete | Change::DeleteAt(_) => {
                let resource_version = match change {
                    Change::DeleteAt(version) => Some(version.clone()),
                    _ => None,
                };
                let preconditions = Preconditions { uid: Some(self.uid.to_owned()), resource_version };
                let params = DeleteParams {
                    dry_run: self.dry_run,
                    preconditions: Some(preconditions),
                    ..DeleteParams::default()
                };
                self.api.delete(self.name, &params).await.map(|_| ())
            }
        };
        sent.map_err(Failure::of)
    }

    /// Returns whether a conflict is about the UID; `None`: about something else, such as a write at the same moment.
    async fn conflict(&self, failure: &Failure, change: &Change) -> Option<Written> {
        let changed = |now| Some(Written::Changed { now, message: failure.reason.clone() });
        if matches!(change, Change::DeleteAt(_)) {
            // The caller planned it for that version and reads it again. "Precondition failed: UID in precondition: …":
            // another object.
            let another = KnownMessage::OtherUid.is_in(&failure.reason);
            return changed((!another).then(|| self.uid.to_owned()));
        }
        if matches!(change, Change::PatchAt(_)) && failure.code == 409 {
            return changed(Some(self.uid.to_owned()));
        }
        match self.api.get_opt(self.name).await {
            Ok(None) => Some(Written::Gone),
            Ok(Some(found)) if found.meta().uid.as_deref() == Some(self.uid) => None,
            Ok(Some(found)) => changed(found.meta().uid.clone()),
            // The server's message is enough: "Precondition failed: UID in precondition: …, UID in object meta: …".
            Err(_) if KnownMessage::OtherUid.is_in(&failure.reason) => changed(None),
            Err(_) => None,
        }
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "write_doubt_tests.rs"]
mod doubt_tests;
