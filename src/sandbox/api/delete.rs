//! `delete` and `deletecollection`: options from body and query, and answers as a real server gives them.

use super::super::resources::Resource;
use super::super::store::{DeleteOptions, Key, Preconditions};
use super::status::{self, ApiError, json_response};
use super::write::{dry_run, read_object, text};
use super::{Call, collector, read};
use axum::body::Body;
use axum::http::{Response, header};
use serde_json::Value;

/// Namespaces that every cluster needs.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// Kinds whose deletion answers with the object; the others answer with a `Status`.
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

/// What a deletion's body and query ask for.
struct Wish {
    options: DeleteOptions,
    /// Finalizer that the propagation policy stands for.
    finalizer: Option<&'static str>,
}

/// Deletes one object.
pub(super) fn delete(
    call: &Call,
    resource: &'static Resource,
    key: &Key,
    body: &[u8],
) -> Result<Response<Body>, ApiError> {
    let wish = wish(call, body)?;
    let (object, gone) = perform(call, resource, key, &wish)?;
    let foreground = wish.finalizer == Some(collector::FOREGROUND);
    let code = if !gone && foreground { 202 } else { 200 };
    let answer = if gone && !returns_object(resource) {
        status::deleted(resource, &key.name, &object["metadata"]["uid"])
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
    let wish = wish(call, body)?;
    let selector = read::selector(call, resource)?;
    let (objects, version) = call.state.store.list(resource.plural, (!namespace.is_empty()).then_some(namespace));
    let mut deleted = Vec::new();
    for object in objects.into_iter().filter(|object| selector.matches(object)) {
        let name = text(&object["metadata"]["name"]).to_owned();
        let key = Key::new(resource.plural, namespace, name);
        match perform(call, resource, &key, &wish) {
            Ok((object, _)) => deleted.push(object),
            // Someone else was faster.
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
    wish: &Wish,
) -> Result<(std::sync::Arc<Value>, bool), ApiError> {
    let store = &call.state.store;
    let refused = |error| ApiError::from_delete(error, resource, &key.name);
    let mut options = wish.options.clone();
    if let Some(finalizer) = wish.finalizer
        && !options.dry_run
    {
        // The finalizer must stand before the deletion does, or the object could go without it.
        let marked = store
            .update(key, &options.preconditions, false, |object| {
                collector::add_finalizer(object, finalizer);
                Ok(())
            })
            .map_err(refused)?;
        // That was one version more than the client's precondition knows.
        options.preconditions.resource_version = None;
        options.preconditions.uid = marked["metadata"]["uid"].as_str().map(str::to_owned);
    }
    if resource.plural == "namespaces" && IMMORTAL.contains(&key.name.as_str()) {
        return Err(ApiError::forbidden_because(resource, &key.name, "this namespace may not be deleted"));
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

fn wish(call: &Call, body: &[u8]) -> Result<Wish, ApiError> {
    let options = if body.iter().all(u8::is_ascii_whitespace) { Value::Null } else { read_object(call, body)? };
    from_options(call, &options)
}

fn from_options(call: &Call, options: &Value) -> Result<Wish, ApiError> {
    let grace = match &options["gracePeriodSeconds"] {
        Value::Null => call.query.get("gracePeriodSeconds").map(|seconds| seconds.parse::<i64>().unwrap_or(-1)),
        seconds => Some(seconds.as_i64().unwrap_or(-1)),
    };
    let grace_seconds = grace
        .map(|seconds| {
            u64::try_from(seconds).map_err(|_| {
                let message = "Invalid value: must be greater than or equal to 0".to_owned();
                ApiError::invalid_options("DeleteOptions", &[("gracePeriodSeconds".to_owned(), message)])
            })
        })
        .transpose()?;
    let policy = options["propagationPolicy"].as_str().or_else(|| call.query.get("propagationPolicy"));
    let orphan = options["orphanDependents"].as_bool().unwrap_or_else(|| call.query.flag("orphanDependents"));
    let finalizer = match policy {
        Some("Foreground") => Some(collector::FOREGROUND),
        Some("Orphan") => Some(collector::ORPHAN),
        Some("Background") => None,
        None => orphan.then_some(collector::ORPHAN),
        Some(other) => {
            let message =
                format!("Unsupported value: \"{other}\": supported values: \"Background\", \"Foreground\", \"Orphan\"");
            return Err(ApiError::invalid_options("DeleteOptions", &[("propagationPolicy".to_owned(), message)]));
        }
    };
    let given = |field: &str| options["preconditions"][field].as_str().map(str::to_owned);
    Ok(Wish {
        options: DeleteOptions {
            preconditions: Preconditions { uid: given("uid"), resource_version: given("resourceVersion") },
            grace_seconds,
            dry_run: dry_run(call, "DeleteOptions", options)?,
        },
        finalizer,
    })
}

/// Deletes a pod as an eviction's `deleteOptions` say.
pub(super) fn evict(call: &Call, key: &Key, options: &Value) -> Result<(), ApiError> {
    let wish = from_options(call, options)?;
    perform(call, &super::super::resources::PODS, key, &wish).map(|_| ())
}
