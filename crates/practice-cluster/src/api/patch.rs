//! The supported kinds of patch, distinguished by the request's content type. Pure.

use super::decode::check;
use super::go_json::type_of;
use super::status::ApiError;
use super::strategic_merge;
use serde_json::Value;

/// A kind of patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PatchType {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' own, which merges lists by key.
    Strategic,
    /// Server-side apply. Field ownership is not tracked: given fields are merged, and fields no longer given stay.
    Apply,
}

/// A patch that was read and can be applied.
#[derive(Debug)]
pub(super) struct Patch {
    kind: PatchType,
    value: Value,
}

impl PatchType {
    /// The kind that a content type names.
    ///
    /// # Errors
    /// 415 for another type.
    pub(super) fn of(content_type: &str) -> Result<PatchType, ApiError> {
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => Ok(PatchType::Json),
            "application/merge-patch+json" => Ok(PatchType::Merge),
            "application/strategic-merge-patch+json" => Ok(PatchType::Strategic),
            "application/apply-patch+yaml" => Ok(PatchType::Apply),
            _ => Err(ApiError::unsupported_patch_type()),
        }
    }
}

impl Patch {
    /// Reads a request's body.
    ///
    /// # Errors
    /// 400 for a body that is no JSON, or no YAML.
    pub(super) fn read(kind: PatchType, body: &[u8]) -> Result<Patch, ApiError> {
        let value = if kind == PatchType::Apply {
            let text = String::from_utf8_lossy(body);
            serde_saphyr::from_str(&text)
                .map_err(|why| ApiError::bad_request(format!("error encoding patch: {why}")))?
        } else {
            serde_json::from_slice(body).map_err(|_| ApiError::bad_request("invalid JSON patch"))?
        };
        Ok(Patch { kind, value })
    }

    /// Returns the object that an apply describes; `None` for a patch that needs an existing object.
    ///
    /// # Errors
    /// 400 for an object of another version, or kind, than is meant.
    pub(super) fn applied(&self, (api_version, kind): (&str, &str)) -> Result<Option<&Value>, ApiError> {
        if self.kind != PatchType::Apply {
            return Ok(None);
        }
        if !self.value.is_object() {
            return Err(self.no_map("error decoding patch: error unmarshaling JSON: while decoding JSON: "));
        }
        let said = self.value["apiVersion"].as_str().unwrap_or_default();
        if said != api_version {
            // A slash separates group and version; the core group has none.
            let slash = if said.contains('/') { "" } else { "/" };
            let kind = self.value["kind"].as_str().unwrap_or_default();
            return Err(ApiError::bad_request(format!("invalid object type: {slash}{said}, Kind={kind}")));
        }
        check(&self.value, api_version, kind)?;
        Ok(Some(&self.value))
    }

    /// Applies the patch.
    ///
    /// # Errors
    /// 400 for a patch of another shape, 422 for an operation of a JSON patch that fails (a `test` among them), 500 for
    /// what cannot be merged.
    pub(super) fn apply(&self, object: &mut Value) -> Result<(), ApiError> {
        let decoding = "error decoding patch: ";
        match self.kind {
            PatchType::Json if !self.value.is_array() => Err(ApiError::bad_request(format!(
                "{decoding}json: cannot unmarshal {} into Go value of type []handlers.jsonPatchOp",
                type_of(&self.value)
            ))),
            PatchType::Json => {
                let patch: Result<json_patch::Patch, _> = serde_json::from_value(self.value.clone());
                let applied = patch.ok().and_then(|patch| json_patch::patch(object, &patch).ok());
                applied.ok_or_else(ApiError::unprocessable_patch)
            }
            PatchType::Merge if self.value.is_object() => {
                json_patch::merge(object, &self.value);
                Ok(())
            }
            PatchType::Merge => Err(self.no_map(decoding)),
            PatchType::Strategic | PatchType::Apply if self.value.is_object() => {
                strategic_merge::apply(object, &self.value).map_err(ApiError::internal_without_reason)
            }
            PatchType::Strategic | PatchType::Apply => Err(self.no_map("")),
        }
    }

    fn no_map(&self, decoding: &str) -> ApiError {
        let kind = type_of(&self.value);
        ApiError::bad_request(format!(
            "{decoding}json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(kind: &str, patch: &Value) -> Result<Value, u16> {
        let mut object = json!({"metadata": {"finalizers": ["a"], "labels": {"x": "1"}}});
        let kind = PatchType::of(kind).map_err(|e| e.code())?;
        let patch = Patch::read(kind, patch.to_string().as_bytes()).map_err(|e| e.code())?;
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
        assert_eq!(
            patched("application/apply-patch+yaml", &json!({"metadata": {"labels": {"y": "2"}}})),
            Ok(json!({"finalizers": ["a"], "labels": {"x": "1", "y": "2"}}))
        );
    }

    #[test]
    fn patches_that_cannot_be_applied_are_distinguished() {
        let json = "application/json-patch+json";
        assert_eq!(patched(json, &json!([{"op": "test", "path": "/metadata/uid", "value": "1"}])), Err(422));
        assert_eq!(patched(json, &json!([{"op": "none"}])), Err(422));
        assert_eq!(patched(json, &json!({"not": "a list"})), Err(400));
        assert_eq!(patched("application/merge-patch+json", &json!([])), Err(400));
        assert_eq!(patched("application/strategic-merge-patch+json", &json!([])), Err(400));
        assert_eq!(patched("application/json", &json!({})), Err(415));
        assert_eq!(patched("", &json!({})), Err(415));
        assert_eq!(Patch::read(PatchType::Merge, b"{").unwrap_err().code(), 400);
    }
}
