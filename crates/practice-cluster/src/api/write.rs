//! `create`, `update` and `patch`: a request in, the stored object out, under the rules of its kind.

use super::authorization::Attributes;
use super::call::Call;
use super::patch::{Patch, PatchType};
use super::path_match::{check_identity, check_namespace};
use super::status::{ApiError, json_response};
use super::{decode, options, permission, validate};
use crate::admission::{self, AdmissionRequest, Operation};
use crate::objects::is_terminating;
use crate::resources::Resource;
use crate::store::{Key, Preconditions, Store, StoreError, generated_name};
use crate::values::text;
use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// Kinds that a `PUT` may create.
fn may_be_put(resource: &Resource) -> bool {
    let made =
        ["endpoints", "events", "leases", "services", "roles", "rolebindings", "clusterroles", "clusterrolebindings"];
    made.contains(&resource.plural)
}

/// Kinds whose `PUT` must give a resourceVersion.
fn needs_version(resource: &Resource) -> bool {
    matches!(resource.plural, "leases" | "poddisruptionbudgets" | "volumeattachments")
}

/// Adds an object (`POST` to a collection).
pub(super) fn create(
    call: &Call,
    resource: &'static Resource,
    namespace: &str,
    body: &[u8],
) -> Result<Response<Body>, ApiError> {
    if resource.namespaced && namespace.is_empty() {
        return Err(ApiError::method_not_allowed());
    }
    let dry_run = options::write(call, "CreateOptions")?;
    add(call, resource, namespace, decode::stored_object(call, body, resource)?, dry_run)
}

/// Adds an object that was read.
fn add(
    call: &Call,
    resource: &'static Resource,
    namespace: &str,
    mut object: Value,
    dry_run: bool,
) -> Result<Response<Body>, ApiError> {
    let name = text(&object["metadata"]["name"]).to_owned();
    let mut key = Key::new(resource.plural, if resource.namespaced { namespace } else { "" }, name.clone());
    check_namespace(&key, &object)?;
    if resource.namespaced {
        open_namespace(call, resource, &name, namespace)?;
    }
    if resource.has_status()
        && let Some(map) = object.as_object_mut()
    {
        map.shift_remove("status");
    }
    let prefix = text(&object["metadata"]["generateName"]);
    if name.is_empty() && !prefix.is_empty() {
        key.name = generated_name(prefix);
        object["metadata"]["name"] = json!(key.name);
    }
    let findings = validate::creation(resource.plural, &object);
    if !findings.is_empty() {
        return Err(ApiError::invalid(resource, &key.name, &findings));
    }
    if text(&object["metadata"]["resourceVersion"]).parse::<u64>().is_ok_and(|version| version > 0) {
        return Err(ApiError::internal_without_reason("resourceVersion should not be set on objects to be created"));
    }
    let store = &call.state.store;
    let stored = store.create(key.clone(), object, dry_run).map_err(|error| {
        let going = |object: Arc<Value>| is_terminating(&object);
        let refusal = ApiError::from_store(error, resource, &key);
        if store.get(&key).is_some_and(going) { refusal.prefixed("object is being deleted: ") } else { refusal }
    })?;
    Ok(json_response(201, &call.format.object(resource, &stored)))
}

/// Refuses creations in a missing or terminating namespace.
fn open_namespace(call: &Call, resource: &Resource, name: &str, namespace: &str) -> Result<(), ApiError> {
    let key = Key::new("namespaces", "", namespace);
    let found = call.state.store.get(&key);
    let found = found.ok_or_else(|| ApiError::not_found(&crate::resources::NAMESPACES, namespace))?;
    if is_terminating(&found) {
        return Err(ApiError::namespace_terminating(resource, name, namespace));
    }
    Ok(())
}

/// Checks the permission to create for a request that creates a missing object.
fn may_create(call: &Call, resource: &Resource, key: &Key) -> Result<(), ApiError> {
    let request = Attributes {
        verb: "create".to_owned(),
        group: resource.group.to_owned(),
        resource: resource.plural.to_owned(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        ..Attributes::default()
    };
    permission::check(&*call.state.authorizer, &call.user, &request)
}

/// Replaces an object, or its status (`PUT`).
pub(super) fn update(
    call: &Call,
    resource: &'static Resource,
    key: &Key,
    subresource: &str,
    body: &[u8],
) -> Result<Response<Body>, ApiError> {
    let dry_run = options::write(call, "UpdateOptions")?;
    let object = decode::stored_object(call, body, resource)?;
    check_identity(key, &object)?;
    let uid = Some(text(&object["metadata"]["uid"])).filter(|uid| !uid.is_empty()).map(str::to_owned);
    if may_be_put(resource) && subresource.is_empty() && call.state.store.get(key).is_none() {
        if let Some(uid) = uid {
            return Err(ApiError::from_store(StoreError::UidMismatch(uid, String::new()), resource, key));
        }
        may_create(call, resource, key)?;
        return add(call, resource, &key.namespace, object, dry_run);
    }
    let conditions = Preconditions { uid, resource_version: None };
    let stored = modify(call, resource, key, subresource, &conditions, dry_run, |current| {
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
    let (patch, dry_run) = read_patch(call, body)?;
    let applied = patch.applied((&resource.api_version(), resource.kind))?;
    if let Some(object) = applied.filter(|_| subresource.is_empty() && call.state.store.get(key).is_none()) {
        let mut object = object.clone();
        // An omitted name is that of the path.
        if text(&object["metadata"]["name"]).is_empty() {
            object["metadata"]["name"] = json!(key.name);
        }
        check_identity(key, &object)?;
        may_create(call, resource, key)?;
        return add(call, resource, &key.namespace, object, dry_run);
    }
    let none = Preconditions::none();
    let stored = modify(call, resource, key, subresource, &none, dry_run, |current| {
        patch.apply(current)?;
        check_identity(key, current)
    })?;
    Ok(json_response(200, &call.format.object(resource, &stored)))
}

/// Reads a request's patch, and whether it is a dry run.
pub(super) fn read_patch(call: &Call, body: &[u8]) -> Result<(Patch, bool), ApiError> {
    let kind = PatchType::of(decode::content_type(call))?;
    let dry_run = options::write(call, if kind == PatchType::Apply { "ApplyOptions" } else { "PatchOptions" })?;
    Ok((Patch::read(kind, body)?, dry_run))
}

/// The objects that the admission plugins need when an object is changed.
struct Policies([(&'static str, Vec<Arc<Value>>); 3]);

impl Policies {
    fn of(store: &Store) -> Policies {
        let kinds = ["validatingadmissionpolicies", "validatingadmissionpolicybindings", "namespaces"];
        Policies(kinds.map(|kind| (kind, store.list(kind, None).0)))
    }

    fn list(&self, kind: &str) -> Vec<Arc<Value>> {
        self.0.iter().find(|(known, _)| *known == kind).map(|(_, objects)| objects.clone()).unwrap_or_default()
    }
}

/// Reads, changes and writes back under the rules of the kind. A resourceVersion that `change` leaves in the object
/// is a precondition.
pub(super) fn modify(
    call: &Call,
    resource: &'static Resource,
    key: &Key,
    subresource: &str,
    conditions: &Preconditions,
    dry_run: bool,
    change: impl FnOnce(&mut Value) -> Result<(), ApiError>,
) -> Result<Arc<Value>, ApiError> {
    let mut refusal = None;
    // Read before the store is locked.
    let policies = Policies::of(&call.state.store);
    let list = |kind: &'static str, _: Option<&str>| policies.list(kind);
    let result = call.state.store.update(key, conditions, dry_run, |object| {
        let before = object.clone();
        let changed = change(object).and_then(|()| check_version(resource, key, &before, object));
        if let Err(error) = changed {
            refusal = Some(error);
            return Err(StoreError::NotFound);
        }
        confine(resource, subresource, &before, object);
        admission::defaults(resource.plural, object);
        let findings = validate::update(resource.plural, &before, object);
        if !findings.is_empty() {
            return Err(StoreError::Invalid(findings));
        }
        // A status is written by its controller, to which no policy applies.
        let asked = AdmissionRequest { operation: Operation::Update, key, object, dry_run };
        let against = if subresource.is_empty() { admission::refusal(&asked, &list) } else { None };
        against.map_or(Ok(()), |against| Err(StoreError::Refused(against)))
    });
    match (result, refusal) {
        (_, Some(refusal)) => Err(refusal),
        (Err(error), None) => Err(ApiError::from_store(error, resource, key)),
        (Ok(object), None) => Ok(object),
    }
}

/// Checks that an object's resourceVersion is the current one; most kinds may omit it.
fn check_version(resource: &'static Resource, key: &Key, before: &Value, object: &Value) -> Result<(), ApiError> {
    let wanted = match text(&object["metadata"]["resourceVersion"]) {
        "" => 0,
        said => said.parse::<u64>().map_err(|_| {
            ApiError::internal_without_reason(format!("strconv.ParseUint: parsing {said:?}: invalid syntax"))
        })?,
    };
    let found = text(&before["metadata"]["resourceVersion"]);
    match wanted {
        0 if needs_version(resource) => Err(ApiError::version_needed(resource, &key.name)),
        0 => Ok(()),
        wanted if wanted.to_string() == found => Ok(()),
        _ => Err(ApiError::modified(resource, &key.name)),
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
        _ if resource.has_status() => match before.get("status") {
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
