//! The store's refusals and results, worded for the request.

use super::api_error::{ApiError, details};
use crate::resources::Resource;
use crate::store::{Key, StoreError};
use serde_json::{Value, json};

impl ApiError {
    /// Words a store's refusal for a read or an update.
    pub(crate) fn from_store(error: StoreError, resource: &'static Resource, key: &Key) -> ApiError {
        let name = &key.name;
        match error {
            StoreError::NotFound => ApiError::not_found(resource, name),
            StoreError::AlreadyExists => ApiError::already_exists(resource, name),
            StoreError::UidMismatch(wanted, found) => {
                let why = format!(
                    "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition \
                     failed: UID in precondition: {wanted}, UID in object meta: {found}",
                    path(key)
                );
                ApiError::conflict(resource, resource.plural, name, &why)
            }
            StoreError::Stale(..) => ApiError::modified(resource, name),
            StoreError::Expired => ApiError::list_expired(),
            StoreError::Invalid(fields) => ApiError::invalid(resource, name, &fields),
            StoreError::Refused(refusal) => ApiError::refused(refusal, resource, name),
        }
    }

    /// Words a store's refusal of a deletion, whose failed preconditions read differently.
    pub(crate) fn from_delete(error: StoreError, resource: &'static Resource, key: &Key) -> ApiError {
        let namespace = resource.plural == "namespaces";
        let why = match &error {
            StoreError::UidMismatch(wanted, found) if namespace => {
                format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}")
            }
            StoreError::Stale(wanted, found) if namespace => format!(
                "Precondition failed: ResourceVersion in precondition: {wanted}, ResourceVersion in object meta: {found}"
            ),
            StoreError::UidMismatch(wanted, found) => format!(
                "the UID in the precondition ({wanted}) does not match the UID in record ({found}). The object might \
                 have been deleted and then recreated"
            ),
            StoreError::Stale(wanted, found) => format!(
                "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record \
                 ({found}). The object might have been modified"
            ),
            _ => return ApiError::from_store(error, resource, key),
        };
        let what = if namespace { resource.plural } else { resource.kind };
        ApiError::conflict(resource, what, &key.name, &why)
    }
}

/// Returns the `Status` of a completed deletion.
pub(crate) fn deleted(resource: &Resource, name: &str, uid: &Value) -> Value {
    let mut about = details(resource.group, name, resource.plural);
    about["uid"] = uid.clone();
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": about})
}

/// Returns the object's path in a real server's etcd, which its messages contain.
fn path(key: &Key) -> String {
    let folder = match key.resource {
        "endpoints" => "services/endpoints",
        "nodes" => "minions",
        "services" => "services/specs",
        plural => plural,
    };
    let namespace = if key.namespace.is_empty() { String::new() } else { format!("{}/", key.namespace) };
    format!("/registry/{folder}/{namespace}{}", key.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{NAMESPACES, PODS, STATEFUL_SETS};

    #[test]
    fn refusals_are_worded_as_by_a_real_server() {
        let message = |e: ApiError| e.to_value()["message"].as_str().unwrap().to_owned();
        let mismatch = || StoreError::UidMismatch("1".into(), "2".into());
        let (pod, set) = (Key::new("pods", "n", "x"), Key::new("statefulsets", "n", "x"));
        assert_eq!(
            message(ApiError::from_store(StoreError::Stale("1".into(), "2".into()), &PODS, &pod)),
            r#"Operation cannot be fulfilled on pods "x": the object has been modified; please apply your changes to the latest version and try again"#
        );
        assert_eq!(
            message(ApiError::from_store(mismatch(), &PODS, &pod)),
            r#"Operation cannot be fulfilled on pods "x": StorageError: invalid object, Code: 4, Key: /registry/pods/n/x, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: 1, UID in object meta: 2"#
        );
        let refused = ApiError::from_delete(mismatch(), &STATEFUL_SETS, &set);
        assert_eq!(refused.to_value()["details"], json!({"name": "x", "group": "apps", "kind": "StatefulSet"}));
        assert_eq!(
            message(refused),
            r#"Operation cannot be fulfilled on StatefulSet.apps "x": the UID in the precondition (1) does not match the UID in record (2). The object might have been deleted and then recreated"#
        );
        assert_eq!(
            message(ApiError::from_delete(mismatch(), &NAMESPACES, &Key::new("namespaces", "", "x"))),
            r#"Operation cannot be fulfilled on namespaces "x": Precondition failed: UID in precondition: 1, UID in object meta: 2"#
        );
    }
}
