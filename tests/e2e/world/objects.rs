//! Objects of any kind, by the cluster's own discovery.

use kube::api::{Api, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use kube::{Client, discovery};
use serde_json::Value;

/// Creates an object.
pub(super) async fn create(client: &Client, object: &Value) {
    let said = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = said("/apiVersion").split_once('/').unwrap_or(("", said("/apiVersion")));
    let kind = GroupVersionKind::gvk(group, version, said("/kind"));
    let what = || format!("{} {}/{}", said("/kind"), said("/metadata/namespace"), said("/metadata/name"));
    let found = discovery::pinned_kind(client, &kind).await;
    let (resource, _) = found.unwrap_or_else(|error| panic!("the cluster serves no {}: {error}", what()));
    let api: Api<DynamicObject> = match said("/metadata/namespace") {
        "" => Api::all_with(client.clone(), &resource),
        namespace => Api::namespaced_with(client.clone(), namespace, &resource),
    };
    let object = serde_json::from_value(object.clone()).unwrap();
    let created = api.create(&PostParams::default(), &object).await;
    created.unwrap_or_else(|error| panic!("{} is not created: {error}", what()));
}
