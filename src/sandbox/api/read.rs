//! `get` and `list`: one object, or a consistent list of many, in pages where the client wants them.

use super::super::resources::Resource;
use super::super::store::{Key, StoreError};
use super::Call;
use super::representation::ListMeta;
use super::selector::Selector;
use super::status::{ApiError, json_response};
use super::views;
use axum::body::Body;
use axum::http::{Response, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// One object.
pub(super) fn get(call: &Call, resource: &'static Resource, key: &Key) -> Result<Response<Body>, ApiError> {
    let object = call.state.store.get(key).ok_or_else(|| ApiError::not_found(resource, &key.name))?;
    if let Some(asked) = version_asked(call)? {
        let current = call.state.store.version();
        if asked > current {
            return Err(ApiError::too_large_version(asked, current));
        }
    }
    Ok(json_response(200, &call.format.object(resource, &object)))
}

/// Objects of a kind: all that the selectors match, or one page of them.
pub(super) fn list(call: &Call, resource: &'static Resource, namespace: &str) -> Result<Response<Body>, ApiError> {
    let selector = selector(call, resource)?;
    let (meta, objects) = page(call, resource, namespace, &selector)?;
    let mut response = Response::new(Body::from(call.format.list(resource, &meta, &objects)));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The selectors in the query.
pub(super) fn selector(call: &Call, resource: &Resource) -> Result<Selector, ApiError> {
    let (labels, fields) = (call.query.get("labelSelector"), call.query.get("fieldSelector"));
    let kept = fields.map(|fields| views::kept_fields(resource, fields));
    Selector::parse(resource.plural, labels, kept.as_deref()).map_err(|why| {
        ApiError::bad_request(format!(
            "Unable to find \"{}, Resource={}\" that match label selector \"{}\", field selector \"{}\": {why}",
            if resource.group.is_empty() { "/v1".to_owned() } else { resource.api_version() },
            resource.plural,
            labels.unwrap_or_default(),
            fields.unwrap_or_default()
        ))
    })
}

/// The `resourceVersion` of the query; `0` and absent are `None`.
pub(super) fn version_asked(call: &Call) -> Result<Option<u64>, ApiError> {
    match call.query.get("resourceVersion") {
        None | Some("0") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            ApiError::bad_request(format!(
                "Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
            ))
        }),
    }
}

/// Where a paged list goes on: as of which version, and after which object.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Continue {
    v: String,
    /// 0: on whatever there is by then.
    rv: u64,
    namespace: String,
    name: String,
}

impl Continue {
    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn decode(token: &str) -> Result<Continue, ApiError> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok();
        let decoded = bytes.and_then(|bytes| serde_json::from_slice::<Continue>(&bytes).ok());
        decoded.ok_or_else(|| ApiError::bad_request("continue key is not valid: illegal base64 data or encoding"))
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
    let asked = version_asked(call)?;
    let exact = call.query.get("resourceVersionMatch") == Some("Exact");
    let mut limit = call.query.number("limit").and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    if call.query.get("resourceVersion") == Some("0") {
        // Answered from the watch cache by a real server, which knows no pages.
        limit = None;
    }
    if exact && asked.is_none() {
        return Err(ApiError::bad_request("resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\""));
    }
    let (mut objects, version, start) = match call.query.get("continue") {
        Some(token) => {
            if asked.is_some() {
                return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
            }
            let token = Continue::decode(token)?;
            if token.rv == 0 {
                let (objects, version) = store.list(resource.plural, within);
                (objects, version, Some(token))
            } else {
                let objects = store.list_at(resource.plural, within, token.rv).map_err(|_| {
                    ApiError::continue_expired(
                        Continue {
                            v: token.v.clone(),
                            rv: 0,
                            namespace: token.namespace.clone(),
                            name: token.name.clone(),
                        }
                        .encode(),
                    )
                })?;
                (objects, token.rv, Some(token))
            }
        }
        None => {
            let (objects, current) = store.list(resource.plural, within);
            match asked {
                Some(asked) if asked > current => return Err(ApiError::too_large_version(asked, current)),
                Some(asked) if exact => {
                    let objects = store.list_at(resource.plural, within, asked).map_err(|error| match error {
                        StoreError::Expired => ApiError::too_old(asked, store.oldest()),
                        other => ApiError::from_store(other, resource, ""),
                    })?;
                    (objects, asked, None)
                }
                _ => (objects, current, None),
            }
        }
    };
    let place = |object: &Value| {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        (text("namespace"), text("name"))
    };
    if let Some(start) = start {
        let start = (start.namespace, start.name);
        objects.retain(|object| place(object) > start);
    }
    objects.retain(|object| selector.matches(object));
    let mut meta = ListMeta { version, ..ListMeta::default() };
    if let Some(limit) = limit
        && objects.len() > limit
    {
        // With a selector a real server does not know how many are left.
        meta.remaining = selector.is_empty().then(|| objects.len() - limit);
        objects.truncate(limit);
        let (namespace, name) = objects.last().map(|object| place(object)).unwrap_or_default();
        meta.resume = Some(Continue { v: "meta.k8s.io/v1".to_owned(), rv: version, namespace, name }.encode());
    }
    Ok((meta, objects))
}
