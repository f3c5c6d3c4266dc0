//! The `scale` subresource of StatefulSets.

use super::super::resources::STATEFUL_SETS;
use super::super::store::{Key, Preconditions};
use super::Call;
use super::patch::Patch;
use super::status::{ApiError, json_response};
use super::write::{modify, read_object, text};
use axum::body::Body;
use axum::http::{Response, header};
use serde_json::{Value, json};

/// `GET`.
pub(super) fn get(call: &Call, key: &Key) -> Result<Response<Body>, ApiError> {
    let set = call.state.store.get(key).ok_or_else(|| ApiError::not_found(&STATEFUL_SETS, &key.name))?;
    Ok(json_response(200, &scale_of(&set)))
}

/// `PUT`.
pub(super) fn update(call: &Call, key: &Key, body: &[u8]) -> Result<Response<Body>, ApiError> {
    let wanted = read_object(call, body)?;
    write(call, key, |scale| {
        *scale = wanted;
        Ok(())
    })
}

/// `PATCH`.
pub(super) fn patch(call: &Call, key: &Key, body: &[u8]) -> Result<Response<Body>, ApiError> {
    let kind = call.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let patch = Patch::parse(kind, body)?;
    write(call, key, |scale| patch.apply(scale))
}

/// Changes the set by way of its scale.
fn write(
    call: &Call,
    key: &Key,
    change: impl FnOnce(&mut Value) -> Result<(), ApiError>,
) -> Result<Response<Body>, ApiError> {
    let set = modify(call, &STATEFUL_SETS, key, "", &Preconditions::none(), |set| {
        let mut scale = scale_of(set);
        change(&mut scale)?;
        set["metadata"]["resourceVersion"] = scale["metadata"]["resourceVersion"].clone();
        set["spec"]["replicas"] = json!(scale["spec"]["replicas"].as_i64().unwrap_or(0));
        Ok(())
    })?;
    Ok(json_response(200, &scale_of(&set)))
}

fn scale_of(set: &Value) -> Value {
    let metadata = &set["metadata"];
    let labels = set["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
    let selector: Vec<String> = labels.map(|(key, value)| format!("{key}={}", text(value))).collect();
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": metadata["creationTimestamp"]
        },
        "spec": {"replicas": set["spec"]["replicas"].as_i64().unwrap_or(0)},
        "status": {
            "replicas": set["status"]["replicas"].as_i64().unwrap_or(0),
            "selector": selector.join(",")
        }
    })
}
