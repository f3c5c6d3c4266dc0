//! Changes several annotations of a volume in one request: all of them, or none.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PersistentVolume;
use kube::api::{Api, ListParams};
use serde_json::json;

use super::Cluster;
use super::failure::{Failure, Operation};
use super::write::{Change, Written};
use crate::error::{Error, Result};

/// Most attempts to change annotations that other clients change at the same time.
const TRIES: usize = 8;

/// What is written: a value, or `None` if the annotation is removed.
pub(crate) type Changes = BTreeMap<String, Option<String>>;

/// Makes the changes from the annotations that are present.
pub(crate) type Compose<'c> = dyn FnMut(&BTreeMap<String, String>) -> Result<Changes> + Send + 'c;

/// A volume's annotations as they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotated {
    uid: String,
    version: String,
    annotations: BTreeMap<String, String>,
}

/// A volume whose annotations are changed.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its name.
    pub volume: &'a str,
    /// Its UID.
    pub uid: &'a str,
    /// The reclaim policy that it gets in the same request; `None` if it keeps its own.
    pub policy: Option<&'a str>,
}

impl From<&PersistentVolume> for Annotated {
    fn from(volume: &PersistentVolume) -> Self {
        let metadata = &volume.metadata;
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            version: metadata.resource_version.clone().unwrap_or_default(),
            annotations: metadata.annotations.clone().unwrap_or_default(),
        }
    }
}

impl Cluster {
    /// Changes a volume's annotations to what `compose` makes of them; `seen` tells how they are known. Several
    /// annotations are changed only in the version that they were composed from: what another client wrote in the
    /// meantime is not overwritten, but composed with.
    ///
    /// # Errors
    /// As [`Cluster::retain_volume`]; not allowed to list volumes, if several are changed; what `compose` returns.
    pub async fn change_annotations(
        &self,
        target: Target<'_>,
        seen: Annotated,
        compose: &mut Compose<'_>,
    ) -> Result<Written> {
        let changes = compose(&seen.annotations)?;
        if changes.len() <= 1 {
            return self.annotate(target, None, &changes).await;
        }
        for _ in 0..TRIES {
            let Some(now) = self.annotated(target.volume).await? else { return Ok(Written::Gone) };
            if now.uid != target.uid {
                let message = "it was replaced by another object".to_owned();
                return Ok(Written::Changed { now: Some(now.uid), message });
            }
            let changes = compose(&now.annotations)?;
            match self.annotate(target, Some(&now.version), &changes).await? {
                // The same volume in another version: read it again.
                Written::Changed { now, .. } if now.as_deref() == Some(target.uid) => {}
                written => return Ok(written),
            }
        }
        Err(Error::failure(format!("cannot update the annotations of volume {}", target.volume))
            .because("other clients keep changing the volume"))
    }

    /// A user who can list volumes may not be allowed to get one.
    async fn annotated(&self, name: &str) -> Result<Option<Annotated>> {
        let api: Api<PersistentVolume> = Api::all(self.client());
        let this = ListParams::default().fields(&format!("metadata.name={name}"));
        let act = Operation { verb: "list", resource: "persistentvolumes", namespace: None, name: Some(name) };
        let found = api.list(&this).await.map_err(|error| self.error(act, &Failure::of(error)))?;
        Ok(found.items.first().map(Annotated::from))
    }

    async fn annotate(&self, target: Target<'_>, version: Option<&str>, changes: &Changes) -> Result<Written> {
        let Target { volume, uid, policy } = target;
        let mut patch = json!({"metadata": {"uid": uid, "annotations": changes}});
        if let Some(policy) = policy {
            patch["spec"] = json!({"persistentVolumeReclaimPolicy": policy});
        }
        let change = match version {
            Some(version) => {
                patch["metadata"]["resourceVersion"] = json!(version);
                Change::PatchAt(patch)
            }
            None => Change::Patch(patch),
        };
        self.patch_volume(volume, uid, &change, false).await
    }
}
