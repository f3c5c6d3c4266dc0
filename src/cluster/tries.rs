//! Server-side dry runs: whether the API server, with its admission, would accept a change. Nothing is changed.

use futures::future::join_all;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod, ResourceQuota};
use kube::Resource;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::time::Duration;
use tokio::time::timeout;

use super::failure::Failure;
use super::snapshot::Read;
use super::{Cluster, transport};

/// Most attempts of one dry run while the server has trouble.
const TRIES: u32 = 3;

/// A change to try.
#[derive(Clone, Copy, Debug)]
pub enum Trial<'t> {
    /// A volume becomes Retain and carries a record (annotation: key, value).
    Retain {
        /// The volume: name and UID.
        volume: (&'t str, &'t str),
        /// The record.
        record: (&'t str, &'t str),
    },
    /// A volume is reserved for the claim of that name, and carries a record.
    Reserve {
        /// The volume: name and UID.
        volume: (&'t str, &'t str),
        /// Namespace and name of the claim.
        claim: (&'t str, &'t str),
        /// The record.
        record: (&'t str, &'t str),
    },
    /// A volume is no longer reserved for the claim of that name.
    Unreserve {
        /// The volume: name and UID.
        volume: (&'t str, &'t str),
        /// Namespace and name of the claim, and the UID of the one that it was bound to.
        claim: (&'t str, &'t str, &'t str),
    },
    /// A claim is deleted: namespace, name, UID.
    DeleteClaim(&'t str, &'t str, &'t str),
    /// A pod is deleted: namespace, name, UID.
    DeletePod(&'t str, &'t str, &'t str),
    /// A claim is created in a namespace.
    CreateClaim(&'t str, &'t PersistentVolumeClaim),
    /// A pod is created in a namespace.
    CreatePod(&'t str, &'t Pod),
}

/// The result of a dry run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It would be accepted.
    Accepted,
    /// It would be refused: the server's message.
    Denied(String),
    /// The object is gone, or was replaced: there is nothing to try.
    Moot(String),
    /// Unknown, for this reason: a webhook that does not support dry runs, or a server that has trouble.
    Unknown(String),
}

impl Tried {
    /// Judges by the response's code, never by its message.
    fn of(failure: &Failure) -> Self {
        let words = failure.reason.clone();
        match failure.code {
            404 | 409 => Self::Moot(words),
            // The request is well-formed: what the server rejects is the dry run itself.
            400 => Self::Unknown(words),
            402..=499 if failure.code != 429 && failure.code != 408 => Self::Denied(words),
            _ => Self::Unknown(words),
        }
    }
}

impl Cluster {
    /// Tries these changes, all at the same time; returns the results in their order. `deadline` applies to each.
    pub async fn try_out(&self, trials: &[Trial<'_>], deadline: Duration) -> Vec<Tried> {
        let deadline = self.limit(deadline);
        let each = trials.iter().map(|trial| async move {
            match timeout(deadline, self.try_one(trial)).await {
                Ok(tried) => tried,
                Err(_) => Tried::Unknown(Failure::timed_out(deadline).reason),
            }
        });
        join_all(each).await
    }

    async fn try_one(&self, trial: &Trial<'_>) -> Tried {
        match *trial {
            Trial::Retain { volume: (name, uid), record: (key, text) } => {
                let patch = json!({
                    "metadata": {"uid": uid, "annotations": {key: text}},
                    "spec": {"persistentVolumeReclaimPolicy": "Retain"},
                });
                self.try_patch(name, &patch).await
            }
            Trial::Reserve { volume: (name, uid), claim: (namespace, claim), record: (key, text) } => {
                let reference = json!({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": namespace,
                    "name": claim, "uid": null, "resourceVersion": null});
                let patch = json!({
                    "metadata": {"uid": uid, "annotations": {key: text}},
                    "spec": {"claimRef": reference},
                });
                self.try_patch(name, &patch).await
            }
            Trial::Unreserve { volume: (name, uid), claim: (namespace, claim, released_by) } => {
                let reference = json!({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": namespace,
                    "name": claim, "uid": released_by});
                let spec = json!({"claimRef": reference, "persistentVolumeReclaimPolicy": "Retain"});
                self.try_patch(name, &json!({"metadata": {"uid": uid}, "spec": spec})).await
            }
            Trial::DeleteClaim(namespace, name, uid) => {
                self.try_delete::<PersistentVolumeClaim>(&Api::namespaced(self.client(), namespace), name, uid).await
            }
            Trial::DeletePod(namespace, name, uid) => {
                self.try_delete::<Pod>(&Api::namespaced(self.client(), namespace), name, uid).await
            }
            Trial::CreateClaim(namespace, claim) => {
                self.try_create(&Api::namespaced(self.client(), namespace), claim).await
            }
            Trial::CreatePod(namespace, pod) => self.try_create(&Api::namespaced(self.client(), namespace), pod).await,
        }
    }

    async fn try_patch(&self, name: &str, patch: &Value) -> Tried {
        let api: Api<PersistentVolume> = Api::all(self.client());
        let params =
            PatchParams { dry_run: true, field_manager: Some("kubectl-synxdb".to_owned()), ..PatchParams::default() };
        again(async || api.patch(name, &params, &Patch::Merge(patch)).await.map(drop)).await
    }

    async fn try_delete<K>(&self, api: &Api<K>, name: &str, uid: &str) -> Tried
    where
        K: Resource + Clone + DeserializeOwned + Debug,
    {
        let preconditions = Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None });
        let params = DeleteParams { dry_run: true, preconditions, ..DeleteParams::default() };
        again(async || api.delete(name, &params).await.map(drop)).await
    }

    async fn try_create<K>(&self, api: &Api<K>, object: &K) -> Tried
    where
        K: Resource + Clone + DeserializeOwned + Serialize + Debug,
    {
        let params = PostParams { dry_run: true, field_manager: Some("kubectl-synxdb".to_owned()) };
        again(async || api.create(&params, object).await.map(drop)).await
    }

    /// Reads the quotas of a namespace.
    pub async fn quotas(&self, namespace: &str, deadline: Duration) -> Read<Vec<ResourceQuota>> {
        let deadline = self.limit(deadline);
        let api: Api<ResourceQuota> = Api::namespaced(self.client(), namespace);
        let answer = match timeout(deadline, api.list(&ListParams::default())).await {
            Ok(answer) => answer.map_err(Failure::of),
            Err(_) => Err(Failure::timed_out(deadline)),
        };
        match answer {
            Ok(found) => Read::Known(found.items),
            Err(failure) => Read::Unknown(failure.unreadable("resourcequotas", Some(namespace))),
        }
    }
}

/// Tries again if the server may have recovered: a dry run does no harm, however often it is made.
async fn again(ask: impl AsyncFn() -> kube::Result<()>) -> Tried {
    let mut tries = 0;
    loop {
        let Err(error) = ask().await else { return Tried::Accepted };
        let failure = Failure::of(error);
        tries += 1;
        if tries >= TRIES || !failure.is_transient() {
            return Tried::of(&failure);
        }
        tokio::time::sleep(transport::pause(tries)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{Reply, Server};

    const SOON: Duration = Duration::from_secs(5);

    /// By the code alone: a policy denies with 403 or 422, and 400 is how a webhook without dry-run support fails.
    #[tokio::test]
    async fn a_denial_is_told_apart_from_what_is_not_known() {
        for (code, expected) in [
            (200, Tried::Accepted),
            (403, Tried::Denied("words".into())),
            (422, Tried::Denied("words".into())),
            (413, Tried::Denied("words".into())),
            (400, Tried::Unknown("words".into())),
            (500, Tried::Unknown("words".into())),
            (404, Tried::Moot("words".into())),
            (409, Tried::Moot("words".into())),
        ] {
            let server = Server::new(move |_| match code {
                200 => Reply::json(200, json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}})),
                code => Reply::status(code, "words"),
            });
            let tried = server.cluster().try_out(&[Trial::DeletePod("a", "p", "u")], SOON).await;
            assert_eq!(tried, [expected], "{code}");
        }
    }

    #[tokio::test]
    async fn every_trial_is_a_dry_run_and_names_its_object() {
        let server = Server::new(|asked| {
            let kinds = [("claims", "PersistentVolumeClaim"), ("volumes", "PersistentVolume"), ("pods", "Pod")];
            let (_, kind) = kinds.into_iter().find(|(word, _)| asked.path.contains(word)).unwrap();
            Reply::json(200, json!({"kind": kind, "apiVersion": "v1", "metadata": {"name": "x"}, "spec": {}}))
        });
        let record = ("kubectl-synxdb/record-a", "{}");
        let (claim, pod) = (PersistentVolumeClaim::default(), Pod::default());
        let trials = [
            Trial::Retain { volume: ("pv", "u"), record },
            Trial::Reserve { volume: ("pv", "u"), claim: ("n", "c"), record },
            Trial::Unreserve { volume: ("pv", "u"), claim: ("n", "c", "d") },
            Trial::DeleteClaim("n", "c", "u"),
            Trial::DeletePod("n", "p", "u"),
            Trial::CreateClaim("n", &claim),
            Trial::CreatePod("n", &pod),
        ];
        server.cluster().try_out(&trials, SOON).await;
        let asked = server.requests();
        assert_eq!(asked.len(), trials.len());
        for request in asked {
            let in_body = request.body["dryRun"] == json!(["All"]);
            assert!(in_body || request.query.contains("dryRun=All"), "{request:?}");
            if request.method == "DELETE" {
                assert_eq!(request.body["preconditions"]["uid"], "u", "{request:?}");
            }
            if request.method == "PATCH" {
                assert_eq!(request.body["metadata"]["uid"], "u", "{request:?}");
            }
        }
    }
}
