//! Strategic merge patch: merges maps, and merges those lists by key that Kubernetes' types mark with a
//! `patchMergeKey`. Pure. What `kubectl patch`, `label`, `annotate` and `apply` send for built-in kinds.

use serde_json::{Map, Value};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ELEMENT_ORDER: &str = "$setElementOrder/";

/// How a list is merged.
enum ListMerge {
    /// Replaced completely.
    Atomic,
    /// By the value of that key in its elements.
    By(&'static str),
    /// A set of plain values.
    Set,
}

/// Applies `patch` to `object`.
///
/// # Errors
/// An element without its merge key, or a directive that does not exist.
pub(super) fn apply(object: &mut Value, patch: &Value) -> Result<(), String> {
    match (object, patch) {
        (object @ Value::Object(_), Value::Object(patch)) | (object @ Value::Null, Value::Object(patch)) => {
            merge_maps(object, patch)
        }
        _ => Err("a strategic merge patch must be an object".to_owned()),
    }
}

fn merge_maps(target: &mut Value, patch: &Map<String, Value>) -> Result<(), String> {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(map) = target else { return Ok(()) };
    match patch.get(DIRECTIVE).map(|d| d.as_str().unwrap_or_default()) {
        Some("replace") => {
            *map = patch.iter().filter(|(k, _)| *k != DIRECTIVE).map(|(k, v)| (k.clone(), v.clone())).collect();
            return Ok(());
        }
        Some("delete") => {
            map.clear();
            return Ok(());
        }
        None | Some("merge") => {}
        Some(other) => return Err(format!("unrecognized {DIRECTIVE} value: {other}")),
    }
    if let Some(retained) = patch.get(RETAIN_KEYS).and_then(Value::as_array) {
        map.retain(|key, _| retained.iter().any(|r| r == key));
    }
    for (key, value) in patch {
        if let Some(list) = key.strip_prefix(DELETE_FROM) {
            if let (Some(Value::Array(current)), Some(gone)) = (map.get_mut(list), value.as_array()) {
                current.retain(|entry| !gone.contains(entry));
            }
            continue;
        }
        if key == DIRECTIVE || key == RETAIN_KEYS || key.starts_with(ELEMENT_ORDER) {
            continue;
        }
        match value {
            Value::Null => {
                map.shift_remove(key);
            }
            Value::Object(patch) => {
                let slot = map.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
                let deleted = patch.get(DIRECTIVE).is_some_and(|d| d == "delete");
                merge_maps(slot, patch)?;
                if deleted {
                    map.shift_remove(key);
                }
            }
            Value::Array(patch) => {
                let slot = map.entry(key.clone()).or_insert_with(|| Value::Array(Vec::new()));
                merge_lists(key, slot, patch)?;
            }
            plain => {
                map.insert(key.clone(), plain.clone());
            }
        }
    }
    for (key, order) in patch {
        if let (Some(list), Some(order)) = (key.strip_prefix(ELEMENT_ORDER), order.as_array())
            && let Some(Value::Array(current)) = map.get_mut(list)
        {
            reorder(&list_merge(list, order), current, order);
        }
    }
    Ok(())
}

fn merge_lists(name: &str, target: &mut Value, patch: &[Value]) -> Result<(), String> {
    if !target.is_array() {
        *target = Value::Array(Vec::new());
    }
    let Value::Array(current) = target else { return Ok(()) };
    let directive = |entry: &Value, wanted: &str| entry.get(DIRECTIVE).is_some_and(|d| d == wanted);
    if patch.iter().any(|entry| directive(entry, "replace")) {
        *current = patch.iter().filter(|entry| !directive(entry, "replace")).map(clean).collect();
        return Ok(());
    }
    match list_merge(name, if current.is_empty() { patch } else { current }) {
        ListMerge::Atomic => *current = patch.iter().map(clean).collect(),
        ListMerge::Set => {
            for value in patch {
                if !current.contains(value) {
                    current.push(value.clone());
                }
            }
        }
        ListMerge::By(key) => {
            for entry in patch {
                let Some(id) = entry.get(key) else {
                    return Err(format!("map: {} does not contain declared merge key: {key}", in_go(entry)));
                };
                let at = current.iter().position(|existing| existing.get(key) == Some(id));
                if directive(entry, "delete") {
                    current.retain(|existing| existing.get(key) != Some(id));
                } else if let (Some(at), Value::Object(entry)) = (at, entry) {
                    merge_maps(&mut current[at], entry)?;
                } else {
                    current.push(clean(entry));
                }
            }
        }
    }
    Ok(())
}

/// A value as Go prints it.
fn in_go(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("[{}]", list.iter().map(in_go).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut fields: Vec<String> = map.iter().map(|(key, value)| format!("{key}:{}", in_go(value))).collect();
            fields.sort();
            format!("map[{}]", fields.join(" "))
        }
        plain => plain.to_string(),
    }
}

/// A value to be stored as it is: without directives and without nulls.
fn clean(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(key, value)| !key.starts_with('$') && !value.is_null())
                .map(|(key, value)| (key.clone(), clean(value)))
                .collect(),
        ),
        Value::Array(list) => Value::Array(list.iter().map(clean).collect()),
        plain => plain.clone(),
    }
}

/// Puts the elements that `order` names into that order; the others keep their places after them.
fn reorder(merge: &ListMerge, list: &mut [Value], order: &[Value]) {
    let rank = |entry: &Value| {
        let same = |wanted: &Value| match merge {
            ListMerge::By(key) => wanted.get(key) == entry.get(key),
            _ => wanted == entry,
        };
        order.iter().position(same).unwrap_or(usize::MAX)
    };
    list.sort_by_key(rank);
}

/// How a list of that name is merged (`patchStrategy` and `patchMergeKey` in k8s.io/api). The name decides, except
/// for `ports`, which containers key by containerPort and Services by port: `sample` tells which.
fn list_merge(name: &str, sample: &[Value]) -> ListMerge {
    match name {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "secrets"
        | "resourceClaims" => ListMerge::By("name"),
        "volumeMounts" => ListMerge::By("mountPath"),
        "volumeDevices" => ListMerge::By("devicePath"),
        "ports" if sample.iter().any(|port| port.get("containerPort").is_some()) => ListMerge::By("containerPort"),
        "ports" => ListMerge::By("port"),
        "conditions" | "addresses" => ListMerge::By("type"),
        "ownerReferences" => ListMerge::By("uid"),
        "hostAliases" | "podIPs" | "hostIPs" => ListMerge::By("ip"),
        "topologySpreadConstraints" => ListMerge::By("topologyKey"),
        "finalizers" | "podCIDRs" => ListMerge::Set,
        _ => ListMerge::Atomic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(mut object: Value, patch: Value) -> Value {
        apply(&mut object, &patch).unwrap();
        object
    }

    #[test]
    fn maps_merge_and_null_deletes() {
        assert_eq!(
            patched(
                json!({"metadata": {"labels": {"a": "1", "b": "2"}}}),
                json!({"metadata": {"labels": {"b": null, "c": "3"}, "annotations": {"x": "y"}}})
            ),
            json!({"metadata": {"labels": {"a": "1", "c": "3"}, "annotations": {"x": "y"}}})
        );
        assert_eq!(
            patched(json!({"a": {"x": 1}}), json!({"a": {"$patch": "replace", "y": 2}})),
            json!({"a": {"y": 2}})
        );
        assert_eq!(patched(json!({"a": {"x": 1}, "b": 1}), json!({"a": {"$patch": "delete"}})), json!({"b": 1}));
        assert_eq!(
            patched(json!({"a": {"x": 1, "y": 2}}), json!({"a": {"$retainKeys": ["x", "z"], "z": 3}})),
            json!({"a": {"x": 1, "z": 3}})
        );
    }

    #[test]
    fn lists_merge_by_their_key() {
        let object = json!({"containers": [
            {"name": "a", "image": "1", "env": [{"name": "E", "value": "1"}], "ports": [{"containerPort": 1}]},
            {"name": "b", "image": "1"}]});
        assert_eq!(
            patched(
                object.clone(),
                json!({"containers": [
                    {"name": "a", "image": "2", "env": [{"name": "F", "value": "2"}], "ports": [{"containerPort": 2}]},
                    {"name": "b", "$patch": "delete"}, {"name": "c", "image": "3"}]})
            ),
            json!({"containers": [
                {"name": "a", "image": "2", "env": [{"name": "E", "value": "1"}, {"name": "F", "value": "2"}],
                 "ports": [{"containerPort": 1}, {"containerPort": 2}]},
                {"name": "c", "image": "3"}]})
        );
        assert_eq!(
            patched(object.clone(), json!({"containers": [{"$patch": "replace"}, {"name": "z"}]})),
            json!({"containers": [{"name": "z"}]})
        );
        assert_eq!(
            patched(object, json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}))["containers"][0]["name"],
            "b"
        );
        assert_eq!(
            apply(&mut json!({}), &json!({"containers": [{"image": "x", "args": ["a", 1]}]})),
            Err("map: map[args:[a 1] image:x] does not contain declared merge key: name".to_owned())
        );
    }

    #[test]
    fn sets_conditions_and_atomic_lists() {
        assert_eq!(
            patched(json!({"finalizers": ["a", "b"]}), json!({"finalizers": ["b", "c"]})),
            json!({"finalizers": ["a", "b", "c"]})
        );
        assert_eq!(
            patched(json!({"finalizers": ["a", "b"]}), json!({"$deleteFromPrimitiveList/finalizers": ["a"]})),
            json!({"finalizers": ["b"]})
        );
        assert_eq!(
            patched(
                json!({"conditions": [{"type": "Ready", "status": "False"}, {"type": "X", "status": "True"}]}),
                json!({"conditions": [{"type": "Ready", "status": "True"}]})
            ),
            json!({"conditions": [{"type": "Ready", "status": "True"}, {"type": "X", "status": "True"}]})
        );
        assert_eq!(
            patched(
                json!({"tolerations": [{"key": "a"}], "args": ["x"]}),
                json!({"tolerations": [{"key": "b"}], "args": []})
            ),
            json!({"tolerations": [{"key": "b"}], "args": []})
        );
        assert_eq!(
            patched(
                json!({"ownerReferences": [{"uid": "1"}, {"uid": "2"}]}),
                json!({"ownerReferences": [{"$patch": "delete", "uid": "1"}]})
            ),
            json!({"ownerReferences": [{"uid": "2"}]})
        );
    }
}
