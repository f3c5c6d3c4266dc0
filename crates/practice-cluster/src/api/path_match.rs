//! Checks that an object belongs to the path that it was sent to.

use super::status::ApiError;
use crate::store::Key;
use crate::values::text;
use serde_json::Value;

/// Checks that an object's namespace is the path's.
pub(super) fn check_namespace(key: &Key, object: &Value) -> Result<(), ApiError> {
    let said = text(&object["metadata"]["namespace"]);
    if said.is_empty() || key.namespace.is_empty() || said == key.namespace {
        return Ok(());
    }
    Err(ApiError::bad_request("the namespace of the provided object does not match the namespace sent on the request"))
}

/// Checks that an object's namespace and name are the path's.
pub(super) fn check_identity(key: &Key, object: &Value) -> Result<(), ApiError> {
    check_namespace(key, object)?;
    let (said, name) = (text(&object["metadata"]["name"]), &key.name);
    if said == name {
        return Ok(());
    }
    Err(ApiError::bad_request(if said.is_empty() {
        format!("the name of the object ({name} based on URL) was undeterminable: name must be provided")
    } else {
        format!("the name of the object ({said}) does not match the name on the URL ({name})")
    }))
}
