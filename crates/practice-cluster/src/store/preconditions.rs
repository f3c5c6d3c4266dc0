//! The conditions of a change.

use super::error::StoreError;
use serde_json::Value;

/// Conditions a change is made under, as in Kubernetes' `Preconditions`.
#[derive(Clone, Debug, Default)]
pub struct Preconditions {
    /// The object must have this UID.
    pub uid: Option<String>,
    /// The object must be at this resourceVersion.
    pub resource_version: Option<String>,
}

/// How an object is to be deleted.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Conditions.
    pub preconditions: Preconditions,
    /// `gracePeriodSeconds`; `None` takes the pod's own (0 for every other kind).
    pub grace_seconds: Option<u64>,
    /// Dry run: answers as usual, changes nothing.
    pub dry_run: bool,
}

impl Preconditions {
    /// No conditions.
    pub fn none() -> Preconditions {
        Preconditions::default()
    }

    /// The object must have this UID.
    pub fn uid(uid: impl Into<String>) -> Preconditions {
        Preconditions { uid: Some(uid.into()), resource_version: None }
    }

    pub(super) fn check(&self, object: &Value) -> Result<(), StoreError> {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        if let Some(wanted) = &self.uid
            && *wanted != text("uid")
        {
            return Err(StoreError::UidMismatch(wanted.clone(), text("uid")));
        }
        if let Some(wanted) = &self.resource_version
            && *wanted != text("resourceVersion")
        {
            return Err(StoreError::Stale(wanted.clone(), text("resourceVersion")));
        }
        Ok(())
    }
}
