//! `create`, `update` and `patch`: an intention in, the stored object out, under the rules of its kind.

use super::super::resources::Resource;
use super::super::store::{Key, Preconditions, StoreError};
use super::patch::Patch;
use super::status::{ApiError, json_response};
use super::{Call, admission, protobuf, validate};
use axum::body::Body;
use axum::http::{Response, header};
use serde_json::{Value, json};
use std::sync::Arc;

/// Kinds with a `status` subresource: their status is written through that alone.
pub(super) fn has_status(resource: &Resource) -> bool {
    matches!(
        resource.plural,
        "pods"
            | "persistentvolumeclaims"
            | "persistentvolumes"
            | "nodes"
            | "namespaces"
            | "services"
            | "statefulsets"
            | "poddisruptionbudgets"
            | "volumeattachments"
    )
}

/// Adds an object (`POST` to a collection).
pub(super) fn create(
    call: &Call,
    resource: &'static Resource,
    namespace: &str,
    body: &[u8],
) -> Result<Response<Body>, ApiError> {
    let mut object = read_object(call, body)?;
    check_type(resource, &object)?;
    let name = text(&object["metadata"]["name"]).to_owned();
    let dry_run = dry_run(call, "CreateOptions", &Value::Null)?;
    let said = text(&object["metadata"]["namespace"]);
    if resource.namespaced && namespace.is_empty() {
        return Err(ApiError::method_not_allowed());
    }
    if resource.namespaced && !said.is_empty() && said != namespace {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if !text(&object["metadata"]["resourceVersion"]).is_empty() {
        return Err(ApiError::unworded("resourceVersion should not be set on objects to be created"));
    }
    if resource.namespaced {
        open_namespace(call, resource, &name, namespace)?;
    }
    if has_status(resource)
        && let Some(map) = object.as_object_mut()
    {
        map.shift_remove("status");
    }
    let findings = validate::creation(resource.plural, &object);
    if !findings.is_empty() {
        return Err(ApiError::invalid(resource, &name, &findings));
    }
    let key = Key::new(resource.plural, if resource.namespaced { namespace } else { "" }, name.clone());
    let stored = call.state.store.create(key, object, dry_run).map_err(|e| ApiError::from_store(e, resource, &name))?;
    Ok(json_response(201, &call.format.object(resource, &stored)))
}

/// Nothing can be created in a namespace that is not there, or that is going.
fn open_namespace(call: &Call, resource: &Resource, name: &str, namespace: &str) -> Result<(), ApiError> {
    let key = Key::new("namespaces", "", namespace);
    let found = call.state.store.get(&key);
    let found = found.ok_or_else(|| ApiError::not_found(&super::super::resources::NAMESPACES, namespace))?;
    if found["metadata"]["deletionTimestamp"].is_string() {
        return Err(ApiError::namespace_terminating(resource, name, namespace));
    }
    Ok(())
}

/// Replaces an object, or its status (`PUT`).
pub(super) fn update(
    call: &Call,
    resource: &'static Resource,
    key: &Key,
    subresource: &str,
    body: &[u8],
) -> Result<Response<Body>, ApiError> {
    let object = read_object(call, body)?;
    check_type(resource, &object)?;
    let name = text(&object["metadata"]["name"]);
    if name != key.name {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            key.name
        )));
    }
    let namespace = text(&object["metadata"]["namespace"]);
    if !namespace.is_empty() && namespace != key.namespace {
        return Err(ApiError::bad_request(format!(
            "the namespace of the object ({namespace}) does not match the namespace on the URL ({})",
            key.namespace
        )));
    }
    if resource.plural == "leases" && call.state.store.get(key).is_none() {
        // Leases are among the few kinds that a PUT may create.
        return create(call, resource, &key.namespace, body);
    }
    let uid = Some(text(&object["metadata"]["uid"])).filter(|uid| !uid.is_empty()).map(str::to_owned);
    let conditions = Preconditions { uid, resource_version: None };
    let stored = modify(call, resource, key, subresource, &conditions, |current| {
        *current = object;
        Ok(())
    })?;
    Ok(json_response(200, &call.format.object(resource, &stored)))
}

/// Changes an object, or its status (`PATCH`).
pub(super) fn patch(
    call: &Call,
    resource: &'static Resource,
    key: &Key,
    subresource: &str,
    body: &[u8],
) -> Result<Response<Body>, ApiError> {
    let patch = Patch::parse(&content_type(call), body)?;
    let stored = modify(call, resource, key, subresource, &Preconditions::none(), |current| patch.apply(current))?;
    Ok(json_response(200, &call.format.object(resource, &stored)))
}

/// Reads, changes and writes back under the rules of the kind. A resourceVersion that `change` leaves in the object
/// is a precondition.
pub(super) fn modify(
    call: &Call,
    resource: &'static Resource,
    key: &Key,
    subresource: &str,
    conditions: &Preconditions,
    change: impl FnOnce(&mut Value) -> Result<(), ApiError>,
) -> Result<Arc<Value>, ApiError> {
    let dry_run = dry_run(call, "PatchOptions", &Value::Null)?;
    let mut refusal = None;
    let result = call.state.store.update(key, conditions, dry_run, |object| {
        let before = object.clone();
        if let Err(error) = change(object) {
            refusal = Some(error);
            return Err(StoreError::NotFound);
        }
        let wanted = text(&object["metadata"]["resourceVersion"]);
        let found = text(&before["metadata"]["resourceVersion"]);
        if !wanted.is_empty() && wanted != found {
            return Err(StoreError::Stale(wanted.to_owned(), found.to_owned()));
        }
        confine(resource, subresource, &before, object);
        admission::defaults(resource.plural, object);
        let findings = validate::update(resource.plural, &before, object);
        if findings.is_empty() { Ok(()) } else { Err(StoreError::Invalid(findings)) }
    });
    match (result, refusal) {
        (_, Some(refusal)) => Err(refusal),
        (Err(error), None) => Err(ApiError::from_store(error, resource, &key.name)),
        (Ok(object), None) => Ok(object),
    }
}

/// Keeps what the endpoint does not write: the status on the object's own, all but the status on `/status`.
fn confine(resource: &Resource, subresource: &str, before: &Value, object: &mut Value) {
    match subresource {
        "status" => {
            let mut kept = before.clone();
            if !object["status"].is_null() {
                kept["status"] = object["status"].take();
            }
            for field in ["labels", "annotations", "finalizers", "uid", "resourceVersion"] {
                if let Some(value) = object["metadata"].get(field) {
                    kept["metadata"][field] = value.clone();
                }
            }
            *object = kept;
        }
        "finalize" => {
            let mut kept = before.clone();
            kept["spec"]["finalizers"] = object["spec"]["finalizers"].take();
            *object = kept;
        }
        _ if has_status(resource) => match before.get("status") {
            Some(status) => object["status"] = status.clone(),
            None => {
                if let Some(map) = object.as_object_mut() {
                    map.shift_remove("status");
                }
            }
        },
        _ => {}
    }
}

/// The object in a request's body, JSON, YAML or (a few kinds) protobuf.
pub(super) fn read_object(call: &Call, body: &[u8]) -> Result<Value, ApiError> {
    let content_type = content_type(call);
    let object: Value = match content_type.split(';').next().unwrap_or_default().trim() {
        "" | "application/json" => serde_json::from_slice(body)
            .map_err(|e| ApiError::bad_request(format!("couldn't get version/kind; json parse error: {e}")))?,
        "application/yaml" => std::str::from_utf8(body)
            .map_err(|e| e.to_string())
            .and_then(|body| serde_saphyr::from_str(body).map_err(|e| e.to_string()))
            .map_err(|e| ApiError::bad_request(format!("yaml: {e}")))?,
        "application/vnd.kubernetes.protobuf" => protobuf::decode(body)
            .ok_or_else(|| ApiError::unsupported_media_type("application/json, application/yaml"))?,
        _ => return Err(ApiError::unsupported_media_type("application/json, application/yaml")),
    };
    if object.is_object() { Ok(object) } else { Err(ApiError::bad_request("the body must be an object")) }
}

/// Whether only an answer is wanted: `dryRun=All` in the query or among `options` (of that kind).
pub(super) fn dry_run(call: &Call, kind: &'static str, options: &Value) -> Result<bool, ApiError> {
    let listed = options["dryRun"].as_array().into_iter().flatten().map(text);
    let mut dry = false;
    for value in call.query.all("dryRun").chain(listed).filter(|value| !value.is_empty()) {
        if value != "All" {
            let message = format!("Unsupported value: []string{{{value:?}}}: supported values: \"All\"");
            return Err(ApiError::invalid_options(kind, &[("dryRun".to_owned(), message)]));
        }
        dry = true;
    }
    Ok(dry)
}

fn content_type(call: &Call) -> String {
    call.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()
}

fn check_type(resource: &Resource, object: &Value) -> Result<(), ApiError> {
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    let (right_version, right_kind) = (resource.api_version(), resource.kind);
    if (version.is_empty() || version == right_version) && (kind.is_empty() || kind == right_kind) {
        return Ok(());
    }
    let shown = |version: &str, kind: &str| match version.split_once('/') {
        Some((group, version)) => json!(format!("{group}/{version}, Kind={kind}")),
        None => json!(format!("/{version}, Kind={kind}")),
    };
    Err(ApiError::bad_request(format!(
        "{} in version {} cannot be handled as a {right_kind}: expected {}",
        json!(kind),
        json!(version),
        shown(&right_version, right_kind)
    )))
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
