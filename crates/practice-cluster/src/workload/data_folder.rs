//! Where a pod keeps its data.

use crate::values::items_at;
use serde_json::Value;
use std::path::Path;

/// Whether the folder that a pod's first container names by PGDATA is on a claim, rather than in the object store.
pub(super) fn keeps_data_on_claim(pod: &Value) -> bool {
    let container = &pod["spec"]["containers"][0];
    let variable = items_at(container, "/env").iter().find(|variable| variable["name"] == "PGDATA");
    let Some(data) = variable.and_then(|variable| variable["value"].as_str()) else { return false };
    let mounts = items_at(container, "/volumeMounts").iter();
    // The innermost mount is the one that a path lies on.
    let mount = mounts
        .filter(|mount| mount["mountPath"].as_str().is_some_and(|path| Path::new(data).starts_with(path)))
        .max_by_key(|mount| mount["mountPath"].as_str().map(str::len));
    let claims = items_at(pod, "/spec/volumes").iter().filter(|volume| volume["persistentVolumeClaim"].is_object());
    mount.is_some_and(|mount| claims.into_iter().any(|volume| volume["name"] == mount["name"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_proxys_files_lie_where_pgdata_says() {
        let pod = |data: &str| {
            json!({"spec": {
                "containers": [{
                    "env": [{"name": "PGDATA", "value": data}],
                    "volumeMounts": [
                        {"name": "disk", "mountPath": "/data"},
                        {"name": "objects", "mountPath": "/objects"},
                        {"name": "inner", "mountPath": "/data/inner"},
                    ],
                }],
                "volumes": [
                    {"name": "disk", "persistentVolumeClaim": {"claimName": "disk-a-0"}},
                    {"name": "objects", "hostPath": {"path": "/x"}},
                    {"name": "inner", "emptyDir": {}},
                ],
            }})
        };
        assert!(keeps_data_on_claim(&pod("/data/pgdata")));
        for elsewhere in ["/objects/a/b", "/database", "/data/inner/pgdata", "/elsewhere"] {
            assert!(!keeps_data_on_claim(&pod(elsewhere)), "{elsewhere}");
        }
        assert!(!keeps_data_on_claim(&json!({"spec": {"containers": [{}]}})));
    }
}
