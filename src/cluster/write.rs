//! The few mutations. Each carries the UID it was planned for, so that the server itself refuses to change anything
//! else; nothing is ever forced, and no grace period is shortened.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use kube::Resource;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::failure::{Act, Failure};
use super::snapshot::Cause;
use super::{Cluster, transport};
use crate::error::Result;

/// How long a mutation is tried again while the server is in trouble.
const PERSISTENCE: Duration = Duration::from_secs(20);

/// Most tries of a mutation.
const TRIES: u32 = 8;

/// How a mutation ended. Only the first changed anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Done (with `dry_run`: would be done).
    Done {
        /// UID of the object that was changed or deleted.
        object_uid: String,
    },
    /// There is no object of this name.
    Gone,
    /// The object is another one than planned for; nothing was changed.
    Changed {
        /// Its UID now, where it could be read.
        now: Option<String>,
        /// What the server said.
        message: String,
    },
}

enum Change {
    Patch(Value),
    Delete,
}

/// One mutation: of what, which one, how.
struct Mutation<'a, K> {
    api: Api<K>,
    act: Act<'a>,
    name: &'a str,
    uid: &'a str,
    dry_run: bool,
}

impl Cluster {
    /// Sets a volume's reclaim policy to Retain and writes an annotation (key, value) on it, in one request.
    ///
    /// # Errors
    /// Not allowed, or the server did not do it within 20 seconds of trying.
    pub async fn retain_volume(&self, name: &str, uid: &str, record: (&str, &str), dry_run: bool) -> Result<Written> {
        let patch = json!({
            "metadata": {"uid": uid, "annotations": {record.0: record.1}},
            "spec": {"persistentVolumeReclaimPolicy": "Retain"},
        });
        self.change_volume(name, uid, patch, dry_run).await
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
        let act =
            Act { verb: "delete", resource: "persistentvolumeclaims", namespace: Some(namespace), name: Some(name) };
        self.mutate(&Mutation { api, act, name, uid, dry_run }, &Change::Delete).await
    }

    /// Deletes a pod, with its own grace period.
    ///
    /// # Errors
    /// As [`Cluster::retain_volume`].
    pub async fn delete_pod(&self, namespace: &str, name: &str, uid: &str, dry_run: bool) -> Result<Written> {
        let api: Api<Pod> = Api::namespaced(self.client(), namespace);
        let act = Act { verb: "delete", resource: "pods", namespace: Some(namespace), name: Some(name) };
        self.mutate(&Mutation { api, act, name, uid, dry_run }, &Change::Delete).await
    }

    async fn change_volume(&self, name: &str, uid: &str, patch: Value, dry_run: bool) -> Result<Written> {
        let api: Api<PersistentVolume> = Api::all(self.client());
        let act = Act { verb: "patch", resource: "persistentvolumes", namespace: None, name: Some(name) };
        self.mutate(&Mutation { api, act, name, uid, dry_run }, &Change::Patch(patch)).await
    }

    /// Tries, and tries again where that cannot do harm: the UID makes each of these the same however often it is
    /// done.
    async fn mutate<K>(&self, mutation: &Mutation<'_, K>, change: &Change) -> Result<Written>
    where
        K: Resource + Clone + DeserializeOwned + Debug,
    {
        let started = Instant::now();
        let mut tries = 0;
        // A delete that got no answer may have been done.
        let mut in_doubt = false;
        loop {
            let failure = match mutation.send(change).await {
                Ok(()) => return Ok(Written::Done { object_uid: mutation.uid.to_owned() }),
                Err(failure) => failure,
            };
            let ended = match (failure.code, failure.cause) {
                (_, Cause::NotFound) => Some(Written::Gone),
                (409, _) => mutation.conflict(&failure).await,
                _ => None,
            };
            if let Some(ended) = ended {
                // The UID never comes back: what it named is gone, and a try of ours was under way.
                let deleted = in_doubt && matches!(change, Change::Delete);
                return Ok(if deleted { Written::Done { object_uid: mutation.uid.to_owned() } } else { ended });
            }
            tries += 1;
            let pause = transport::pause(tries);
            let again = failure.is_transient() || failure.code == 409;
            if !again || tries >= TRIES || started.elapsed() + pause > PERSISTENCE {
                return Err(self.error(mutation.act, &failure));
            }
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
        let sent = match change {
            Change::Patch(patch) => {
                let params = PatchParams {
                    dry_run: self.dry_run,
                    field_manager: Some("kubectl-synxdb".to_owned()),
                    ..PatchParams::default()
                };
                self.api.patch(self.name, &params, &Patch::Merge(patch)).await.map(|_| ())
            }
            Change::Delete => {
                let preconditions = Preconditions { uid: Some(self.uid.to_owned()), resource_version: None };
                let params = DeleteParams {
                    dry_run: self.dry_run,
                    preconditions: Some(preconditions),
                    ..DeleteParams::default()
                };
                self.api.delete(self.name, &params).await.map(|_| ())
            }
        };
        sent.map_err(|error| Failure::of(&error))
    }

    /// Whether a conflict is about the UID; `None`: about something else, such as a write at the same moment.
    async fn conflict(&self, failure: &Failure) -> Option<Written> {
        let changed = |now| Some(Written::Changed { now, message: failure.reason.clone() });
        match self.api.get_opt(self.name).await {
            Ok(None) => Some(Written::Gone),
            Ok(Some(found)) if found.meta().uid.as_deref() == Some(self.uid) => None,
            Ok(Some(found)) => changed(found.meta().uid.clone()),
            // The server's words are enough: "Precondition failed: UID in precondition: …, UID in object meta: …".
            Err(_) if failure.reason.contains("UID") => changed(None),
            Err(_) => None,
        }
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
