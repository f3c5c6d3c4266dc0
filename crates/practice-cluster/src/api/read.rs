//! `get` and `list`: one object, or a consistent list of many, in pages if the client wants them.

use super::call::Call;
use super::options;
use super::pages::Continue;
use super::representation::ListMeta;
use super::selector::Selector;
use super::status::{ApiError, json_response};
use crate::resources::Resource;
use crate::store::Key;
use axum::body::Body;
use axum::http::{Response, header};
use serde_json::Value;
use std::sync::Arc;

/// One object.
pub(super) fn get(call: &Call, resource: &'static Resource, key: &Key) -> Result<Response<Body>, ApiError> {
    // A real server returns this error without a reason.
    if let Some(asked) = version_asked(call).map_err(ApiError::internal_without_reason)? {
        let current = call.state.store.version();
        if asked > current {
            return Err(ApiError::too_large_version(asked, current));
        }
    }
    let object = call.state.store.get(key).ok_or_else(|| ApiError::not_found(resource, &key.name))?;
    Ok(json_response(200, &call.format.object(resource, &object)))
}

/// Objects of a kind: all that the selectors match, or one page of them.
pub(super) fn list(call: &Call, resource: &'static Resource, namespace: &str) -> Result<Response<Body>, ApiError> {
    options::list(&call.query, false)?;
    let selector = selector(call, resource)?;
    let (meta, objects) = page(call, resource, namespace, &selector)?;
    let mut response = Response::new(Body::from(call.format.list(resource, &meta, &objects)));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The selectors in the query.
pub(super) fn selector(call: &Call, resource: &Resource) -> Result<Selector, ApiError> {
    let (labels, fields) = (call.query.get("labelSelector"), call.query.get("fieldSelector"));
    Selector::parse(resource, labels, fields).map_err(ApiError::bad_request)
}

/// The `resourceVersion` of the query; `0` and absent are `None`.
///
/// # Errors
/// What is wrong with it; which status that is depends on the verb.
pub(super) fn version_asked(call: &Call) -> Result<Option<u64>, String> {
    match call.query.get("resourceVersion") {
        None | Some("0") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax")
        }),
    }
}

fn page(
    call: &Call,
    resource: &'static Resource,
    namespace: &str,
    selector: &Selector,
) -> Result<(ListMeta, Vec<Arc<Value>>), ApiError> {
    let store = &call.state.store;
    let within = (!namespace.is_empty()).then_some(namespace);
    let token = call.query.get("continue").map(Continue::decode).transpose()?;
    let asked = match version_asked(call) {
        Ok(Some(_)) | Err(_) if token.is_some() => {
            return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
        }
        Ok(asked) => asked,
        Err(why) => return Err(ApiError::bad_request(format!("invalid resource version: {why}"))),
    };
    let mut limit = call.query.number("limit").and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    if call.query.get("resourceVersion") == Some("0") && token.is_none() {
        // A real server answers this from the watch cache, which has no pages.
        limit = None;
    }
    let exact = match call.query.get("resourceVersionMatch") {
        Some(rule) => rule == "Exact",
        // A page without a rule is of that very version, too.
        None => limit.is_some(),
    };
    let at = token.as_ref().map_or_else(|| asked.filter(|_| exact), |token| token.version);
    let (current, version) = (store.version(), at.or(asked).unwrap_or_default());
    if version > current {
        return Err(ApiError::too_large_version(version, current));
    }
    let (mut objects, version) = match at {
        None => store.list(resource.plural, within),
        Some(version) => {
            let objects = store.list_at(resource.plural, within, version).map_err(|_| match token.as_ref() {
                Some(token) => {
                    let resume = Continue { version: None, start: token.start.clone() };
                    ApiError::continue_expired(resume.encode())
                }
                None => ApiError::list_expired(),
            })?;
            (objects, version)
        }
    };
    // An object's key below that of what is listed.
    let several = resource.namespaced && within.is_none();
    let place = |object: &Value| {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        (if several { text("namespace") } else { String::new() }, text("name"))
    };
    if let Some(token) = token {
        let (namespace, name) = match token.start.split_once('/') {
            Some((namespace, name)) if several => (namespace, name),
            None if several => (token.start.as_str(), ""),
            _ => ("", token.start.as_str()),
        };
        let start = (namespace.to_owned(), name.to_owned());
        objects.retain(|object| place(object) >= start);
    }
    objects.retain(|object| selector.matches(object));
    let mut meta = ListMeta { version, ..ListMeta::default() };
    if let Some(limit) = limit
        && objects.len() > limit
    {
        // A real server does not count the rest of a list with a selector.
        meta.remaining = selector.is_empty().then(|| objects.len() - limit);
        objects.truncate(limit);
        let (namespace, name) = objects.last().map(|object| place(object)).unwrap_or_default();
        let key = if several { format!("{namespace}/{name}") } else { name };
        meta.resume = Some(Continue::after(version, &key).encode());
    }
    Ok((meta, objects))
}
