//! `delete` and `deletecollection`: options from body and query, and the answers of a real server.

use super::call::Call;
use super::status::{ApiError, deleted, json_response};
use super::{decode, finalizers, options, read};
use crate::admission::{self, AdmissionRequest, Operation};
use crate::resources::Resource;
use crate::store::{DeleteOptions, Key, Preconditions, StoreError};
use crate::values::text;
use axum::body::Body;
use axum::http::{Response, header};
use serde_json::Value;

/// Namespaces that every cluster needs.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// Whether a deletion of this kind answers with the object, not with a `Status`.
fn returns_object(resource: &Resource) -> bool {
    matches!(
        resource.plural,
        "pods"
            | "services"
            | "serviceaccounts"
            | "persistentvolumeclaims"
            | "persistentvolumes"
            | "storageclasses"
            | "volumeattachments"
    )
}

/// What a deletion's body and query request.
struct DeleteRequest {
    options: DeleteOptions,
    /// The finalizer of the propagation policy.
    finalizer: Option<&'static str>,
    /// `orphanDependents: false`.
    orphan_dependents_false: bool,
}

/// Deletes one object.
pub(super) fn delete(
    call: &Call,
    resource: &'static Resource,
    key: &Key,
    body: &[u8],
) -> Result<Response<Body>, ApiError> {
    let request = request(call, body)?;
    let (object, gone) = perform(call, resource, key, &request)?;
    // Historical: only a request with orphanDependents gets 202 for a deletion that takes a while.
    let code = if !gone && request.orphan_dependents_false { 202 } else { 200 };
    let answer = if gone && !returns_object(resource) {
        deleted(resource, &key.name, &object["metadata"]["uid"])
    } else {
        call.format.object(resource, &object)
    };
    Ok(json_response(code, &answer))
}

/// Deletes every object that the selectors match, and answers with the list of them.
pub(super) fn delete_collection(
    call: &Call,
    resource: &'static Resource,
    namespace: &str,
    body: &[u8],
) -> Result<Response<Body>, ApiError> {
    if resource.namespaced && namespace.is_empty() {
        return Err(ApiError::method_not_allowed());
    }
    options::list(&call.query, false)?;
    let selector = read::selector(call, resource)?;
    let request = request(call, body)?;
    let (objects, version) = call.state.store.list(resource.plural, (!namespace.is_empty()).then_some(namespace));
    let mut deleted = Vec::new();
    for object in objects.into_iter().filter(|object| selector.matches(object)) {
        let name = text(&object["metadata"]["name"]).to_owned();
        let key = Key::new(resource.plural, namespace, name);
        match perform(call, resource, &key, &request) {
            Ok((object, _)) => deleted.push(object),
            // Deleted by another client in between.
            Err(error) if error.code() == 404 => {}
            Err(error) => return Err(error),
        }
    }
    let meta = super::representation::ListMeta { version, ..Default::default() };
    let mut response = Response::new(Body::from(call.format.list(resource, &meta, &deleted)));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(response)
}

fn perform(
    call: &Call,
    resource: &'static Resource,
    key: &Key,
    request: &DeleteRequest,
) -> Result<(std::sync::Arc<Value>, bool), ApiError> {
    let store = &call.state.store;
    let refused = |error| ApiError::from_delete(error, resource, key);
    let mut options = request.options.clone();
    // A missing object, or a failed precondition, is reported first.
    if let Some(object) = store.get(key) {
        store.delete(key, &DeleteOptions { dry_run: true, ..options.clone() }).map_err(refused)?;
        let list = |kind: &'static str, namespace: Option<&str>| store.list(kind, namespace).0;
        let asked = AdmissionRequest { operation: Operation::Delete, key, object: &object, dry_run: options.dry_run };
        if let Some(refusal) = admission::refusal(&asked, &list) {
            return Err(refused(StoreError::Refused(refusal)));
        }
    }
    if resource.plural == "namespaces" && IMMORTAL.contains(&key.name.as_str()) {
        // It is refused, but a missing object or a failed precondition is reported first.
        store.delete(key, &DeleteOptions { dry_run: true, ..options.clone() }).map_err(refused)?;
        return Err(ApiError::forbidden_because(resource, &key.name, "this namespace may not be deleted"));
    }
    if let Some(finalizer) = request.finalizer
        && options.dry_run
    {
        let (deleted, _) = store.delete(key, &options).map_err(refused)?;
        let mut object = (*deleted).clone();
        finalizers::add_finalizer(&mut object, finalizer);
        return Ok((std::sync::Arc::new(object), false));
    }
    if let Some(finalizer) = request.finalizer {
        // The finalizer comes before the deletion, or the object could be removed without it.
        let marked = store
            .update(key, &options.preconditions, false, |object| {
                finalizers::add_finalizer(object, finalizer);
                Ok(())
            })
            .map_err(refused)?;
        // This changed the version that the client's precondition names.
        options.preconditions.resource_version = None;
        options.preconditions.uid = marked["metadata"]["uid"].as_str().map(str::to_owned);
    }
    if resource.plural == "namespaces" && !options.dry_run {
        store
            .update(key, &options.preconditions, false, |object| {
                object["status"]["phase"] = "Terminating".into();
                Ok(())
            })
            .map_err(refused)?;
        options.preconditions.resource_version = None;
    }
    store.delete(key, &options).map_err(refused)
}

fn request(call: &Call, body: &[u8]) -> Result<DeleteRequest, ApiError> {
    let said = if body.is_empty() { None } else { Some(decode::options(call, body)?) };
    Ok(from_options(&options::delete(&call.query, said)?))
}

fn from_options(options: &Value) -> DeleteRequest {
    // A negative value counts as one second.
    let grace_seconds = options["gracePeriodSeconds"].as_i64().map(|seconds| u64::try_from(seconds).unwrap_or(1));
    let orphan = &options["orphanDependents"];
    let finalizer = match options["propagationPolicy"].as_str() {
        Some("Foreground") => Some(finalizers::FOREGROUND),
        Some("Orphan") => Some(finalizers::ORPHAN),
        Some(_) => None,
        None => (*orphan == true).then_some(finalizers::ORPHAN),
    };
    let given = |field: &str| options["preconditions"][field].as_str().map(str::to_owned);
    DeleteRequest {
        options: DeleteOptions {
            preconditions: Preconditions { uid: given("uid"), resource_version: given("resourceVersion") },
            grace_seconds,
            dry_run: options["dryRun"].as_array().is_some_and(|values| !values.is_empty()),
        },
        finalizer,
        orphan_dependents_false: *orphan == false,
    }
}

/// Deletes a pod with an eviction's `deleteOptions`.
pub(super) fn evict(call: &Call, key: &Key, options: &Value) -> Result<(), ApiError> {
    perform(call, &crate::resources::PODS, key, &from_options(options)).map(|_| ())
}
