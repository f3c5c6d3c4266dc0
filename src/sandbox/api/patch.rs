//! The three kinds of patch that are understood, told apart by the request's content type. Pure.

use super::status::ApiError;
use super::strategic;
use serde_json::Value;

const ACCEPTED: &str =
    "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json";

/// A patch that was read and can be applied.
#[derive(Debug)]
pub(super) enum Patch {
    /// RFC 6902.
    Json(json_patch::Patch),
    /// RFC 7386.
    Merge(Value),
    /// Kubernetes' own, which merges lists by key.
    Strategic(Value),
}

impl Patch {
    /// Reads a request's body.
    ///
    /// # Errors
    /// 415 for another content type (server-side apply among them), 400 for a body that is none.
    pub(super) fn parse(content_type: &str, body: &[u8]) -> Result<Patch, ApiError> {
        let broken = |error: serde_json::Error| ApiError::bad_request(format!("error decoding patch: {error}"));
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => serde_json::from_slice(body).map(Patch::Json).map_err(broken),
            "application/merge-patch+json" => serde_json::from_slice(body).map(Patch::Merge).map_err(broken),
            "application/strategic-merge-patch+json" => {
                serde_json::from_slice(body).map(Patch::Strategic).map_err(broken)
            }
            _ => Err(ApiError::unsupported_media_type(ACCEPTED)),
        }
    }

    /// Applies the patch.
    ///
    /// # Errors
    /// 422 for an operation of a JSON patch that fails (a `test` among them), 400 for what cannot be merged.
    pub(super) fn apply(&self, object: &mut Value) -> Result<(), ApiError> {
        match self {
            Patch::Json(patch) => {
                json_patch::patch(object, patch).map_err(|error| ApiError::unprocessable_patch(&error.to_string()))
            }
            Patch::Merge(patch) if patch.is_object() => {
                json_patch::merge(object, patch);
                Ok(())
            }
            Patch::Merge(_) => Err(ApiError::bad_request("error decoding patch: a merge patch must be an object")),
            Patch::Strategic(patch) => strategic::apply(object, patch).map_err(ApiError::bad_request),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(kind: &str, patch: &Value) -> Result<Value, u16> {
        let mut object = json!({"metadata": {"finalizers": ["a"], "labels": {"x": "1"}}});
        let patch = Patch::parse(kind, patch.to_string().as_bytes()).map_err(|e| e.code())?;
        patch.apply(&mut object).map_err(|e| e.code())?;
        Ok(object["metadata"].clone())
    }

    #[test]
    fn each_kind_differs_on_lists() {
        let change = json!({"metadata": {"finalizers": ["b"], "labels": {"x": null}}});
        assert_eq!(
            patched("application/merge-patch+json; charset=utf-8", &change),
            Ok(json!({"finalizers": ["b"], "labels": {}}))
        );
        assert_eq!(
            patched("application/strategic-merge-patch+json", &change),
            Ok(json!({"finalizers": ["a", "b"], "labels": {}}))
        );
        assert_eq!(
            patched("application/json-patch+json", &json!([{"op": "remove", "path": "/metadata/finalizers"}])),
            Ok(json!({"labels": {"x": "1"}}))
        );
    }

    #[test]
    fn what_cannot_be_applied_is_told_apart() {
        let json = "application/json-patch+json";
        assert_eq!(patched(json, &json!([{"op": "test", "path": "/metadata/uid", "value": "1"}])), Err(422));
        assert_eq!(patched(json, &json!({"not": "a list"})), Err(400));
        assert_eq!(patched("application/merge-patch+json", &json!([])), Err(400));
        assert_eq!(patched("application/apply-patch+yaml", &json!({})), Err(415));
        assert_eq!(patched("application/json", &json!({})), Err(415));
    }
}
