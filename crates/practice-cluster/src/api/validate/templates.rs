//! Claim templates as a refusal shows them: the real server prints its own form of them, every field in its place.

use serde_json::{Map, Value, json};

/// The templates in a refusal's words.
pub(super) fn shown(templates: &Value) -> Value {
    templates.as_array().map(|list| list.iter().map(claim).collect()).unwrap_or_default()
}

fn claim(template: &Value) -> Value {
    let mut shown = Map::new();
    for (field, value) in template["metadata"].as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        shown.insert(field.clone(), value.clone());
    }
    let spec = &template["spec"];
    let or_empty = |value: &Value| if value.is_null() { json!("") } else { value.clone() };
    shown.insert(
        "Spec".to_owned(),
        json!({
            "AccessModes": spec["accessModes"],
            "Selector": spec["selector"],
            "Resources": {"Limits": spec["resources"]["limits"], "Requests": spec["resources"]["requests"]},
            "VolumeName": or_empty(&spec["volumeName"]),
            "StorageClassName": spec["storageClassName"],
            "VolumeMode": spec["volumeMode"],
            "DataSource": spec["dataSource"],
            "DataSourceRef": spec["dataSourceRef"],
            "VolumeAttributesClassName": spec["volumeAttributesClassName"],
        }),
    );
    shown.insert(
        "Status".to_owned(),
        json!({
            "Phase": or_empty(&template["status"]["phase"]),
            "AccessModes": null,
            "Capacity": null,
            "Conditions": null,
            "AllocatedResources": null,
            "AllocatedResourceStatuses": null,
            "CurrentVolumeAttributesClassName": null,
            "ModifyVolumeStatus": null,
            "HealthStatus": null,
        }),
    );
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_shown_as_by_a_real_server() {
        let template = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "labels": {"a": "b"}, "creationTimestamp": null},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "volumeMode": "Filesystem",
                     "resources": {"requests": {"storage": "1Gi"}}},
            "status": {"phase": "Pending"}});
        assert_eq!(
            shown(&json!([template])).to_string(),
            r#"[{"name":"data","labels":{"a":"b"},"Spec":{"AccessModes":["ReadWriteOnce"],"Selector":null,"Resources":{"Limits":null,"Requests":{"storage":"1Gi"}},"VolumeName":"","StorageClassName":"","VolumeMode":"Filesystem","DataSource":null,"DataSourceRef":null,"VolumeAttributesClassName":null},"Status":{"Phase":"Pending","AccessModes":null,"Capacity":null,"Conditions":null,"AllocatedResources":null,"AllocatedResourceStatuses":null,"CurrentVolumeAttributesClassName":null,"ModifyVolumeStatus":null,"HealthStatus":null}}]"#
        );
    }
}
