//! The `scale` subresource of StatefulSets.

use super::call::Call;
use super::path_match::check_identity;
use super::status::{ApiError, json_response};
use super::write::{modify, read_patch};
use super::{decode, options};
use crate::resources::{Resource, STATEFUL_SETS};
use crate::store::{Key, Preconditions};
use crate::values::text;
use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};

static SCALE: Resource = Resource {
    group: "autoscaling",
    version: "v1",
    plural: "scales",
    singular: "scale",
    kind: "Scale",
    short_names: &[],
    namespaced: true,
};

/// `GET`.
pub(super) fn get(call: &Call, key: &Key) -> Result<Response<Body>, ApiError> {
    let set = call.state.store.get(key).ok_or_else(|| ApiError::not_found(&STATEFUL_SETS, &key.name))?;
    Ok(json_response(200, &scale_of(&set)))
}

/// `PUT`.
pub(super) fn update(call: &Call, key: &Key, body: &[u8]) -> Result<Response<Body>, ApiError> {
    let dry_run = options::write(call, "UpdateOptions")?;
    let wanted = decode::stored_object(call, body, &SCALE)?;
    check_identity(key, &wanted)?;
    let uid = Some(text(&wanted["metadata"]["uid"])).filter(|uid| !uid.is_empty()).map(str::to_owned);
    write(call, key, &Preconditions { uid, resource_version: None }, dry_run, |scale| {
        *scale = wanted;
        Ok(())
    })
}

/// `PATCH`.
pub(super) fn patch(call: &Call, key: &Key, body: &[u8]) -> Result<Response<Body>, ApiError> {
    let (patch, dry_run) = read_patch(call, body)?;
    write(call, key, &Preconditions::none(), dry_run, |scale| {
        patch.apply(scale)?;
        check_identity(key, scale)
    })
}

/// Changes the set by way of its scale.
fn write(
    call: &Call,
    key: &Key,
    conditions: &Preconditions,
    dry_run: bool,
    change: impl FnOnce(&mut Value) -> Result<(), ApiError>,
) -> Result<Response<Body>, ApiError> {
    let set = modify(call, &STATEFUL_SETS, key, "", conditions, dry_run, |set| {
        let mut scale = scale_of(set);
        change(&mut scale)?;
        let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
        if replicas < 0 {
            let message = format!("Invalid value: {replicas}: must be greater than or equal to 0");
            return Err(ApiError::invalid(&SCALE, &key.name, &[("spec.replicas".to_owned(), message)]));
        }
        let (said, own) = (text(&scale["metadata"]["uid"]), text(&set["metadata"]["uid"]));
        if !said.is_empty() && said != own {
            let why = format!("Precondition failed: UID in precondition: {said}, UID in object meta: {own}");
            return Err(ApiError::conflict(&STATEFUL_SETS, "statefulsets/scale", &key.name, &why));
        }
        set["metadata"]["resourceVersion"] = scale["metadata"]["resourceVersion"].clone();
        set["spec"]["replicas"] = json!(replicas);
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
