use super::changes::{CLAIM_SPEC, POD_SPEC};
use super::{creation, update};
use serde_json::{Value, json};

#[test]
fn creations() {
    let claim = |name: &str| {
        json!({"metadata": {"name": name},
               "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
    };
    assert_eq!(creation("persistentvolumeclaims", &claim("data-wh9527-0")), []);
    for bad in ["A", "a_b", "-a", "a-", "a..b", "a+"] {
        let findings = creation("persistentvolumeclaims", &claim(bad));
        assert_eq!(findings.len(), 1, "{bad}");
        assert!(findings[0].1.starts_with(&format!("Invalid value: \"{bad}\"")));
    }
    let named = |kind: &str| creation(kind, &json!({"metadata": {"name": "a-b", "generateName": "a-"}}));
    assert_eq!(named("persistentvolumeclaims").len(), 2);
    assert_eq!(named("pods")[0].0, "spec.containers");
    let wrong = json!({"metadata": {"name": "A-b", "generateName": "A-"}});
    let wrong: Vec<String> = creation("configmaps", &wrong).into_iter().map(|(field, _)| field).collect();
    assert_eq!(wrong, ["metadata.generateName", "metadata.name"]);
    let nameless = creation("configmaps", &json!({"metadata": {"name": "", "generateName": ""}}));
    let why = "Required value: name or generateName is required";
    assert_eq!(nameless, [("metadata.name".to_owned(), why.to_owned())]);
    let set = json!({"metadata": {"name": "s"}, "spec": {"selector": {"matchLabels": {"a": "1"}},
        "template": {"metadata": {"labels": {"a": "2"}}, "spec": {"containers": [{}]}}}});
    assert_eq!(creation("statefulsets", &set)[0].0, "spec.template.metadata.labels");
}

#[test]
fn updates() {
    let pod = json!({"metadata": {"uid": "1"}, "spec": {"nodeName": "n", "containers": [{"image": "a", "name": "c"}],
                     "tolerations": [{"key": "x"}]}});
    let changed = |path: &str, value: Value| {
        let mut pod = pod.clone();
        *pod.pointer_mut(path).unwrap() = value;
        update("pods", &pod_before(&pod, path), &pod)
    };
    // The object before is the same one with the field as it was.
    fn pod_before(after: &Value, path: &str) -> Value {
        let original = json!({"metadata": {"uid": "1"}, "spec": {"nodeName": "n",
            "containers": [{"image": "a", "name": "c"}], "tolerations": [{"key": "x"}]}});
        let mut before = after.clone();
        *before.pointer_mut(path).unwrap() = original.pointer(path).unwrap().clone();
        before
    }
    assert_eq!(changed("/spec/containers/0/image", json!("b")), []);
    assert_eq!(changed("/spec/tolerations", json!([{"key": "x"}, {"key": "y"}])), []);
    assert_eq!(changed("/spec/tolerations", json!([]))[0].0, "spec");
    assert_eq!(changed("/spec/nodeName", json!("m"))[0].1, POD_SPEC);
    assert_eq!(
        changed("/metadata/uid", json!("2")),
        [("metadata.uid".to_owned(), "Invalid value: \"2\": field is immutable".to_owned())]
    );

    let claim = json!({"spec": {"storageClassName": "a", "resources": {"requests": {"storage": "1Gi"}}}});
    let mut bound = claim.clone();
    bound["spec"]["volumeName"] = json!("pv-1");
    assert_eq!(update("persistentvolumeclaims", &claim, &bound), []);
    let mut moved = bound.clone();
    moved["spec"]["volumeName"] = json!("pv-2");
    assert_eq!(update("persistentvolumeclaims", &bound, &moved)[0].1, CLAIM_SPEC);
    assert_eq!(update("persistentvolumeclaims", &bound, &claim)[0].1, CLAIM_SPEC);

    let volume = json!({"spec": {"csi": {"volumeHandle": "h"}, "persistentVolumeReclaimPolicy": "Delete"}});
    let mut retained = volume.clone();
    retained["spec"]["persistentVolumeReclaimPolicy"] = json!("Retain");
    assert_eq!(update("persistentvolumes", &volume, &retained), []);
    retained["spec"]["persistentVolumeReclaimPolicy"] = json!("Keep");
    retained["spec"]["csi"]["volumeHandle"] = json!("other");
    assert_eq!(update("persistentvolumes", &volume, &retained).len(), 2);

    let set = json!({"spec": {"replicas": 1, "serviceName": "a"}});
    assert_eq!(update("statefulsets", &set, &json!({"spec": {"replicas": 3, "serviceName": "a"}})), []);
    assert_eq!(
        update(
            "statefulsets",
            &set,
            &json!({"spec": {"replicas": 1, "serviceName": "b", "podManagementPolicy": "Parallel"}})
        ),
        [
            ("spec.serviceName".to_owned(), "Invalid value: \"b\": field is immutable".to_owned()),
            ("spec.podManagementPolicy".to_owned(), "Invalid value: \"Parallel\": field is immutable".to_owned()),
        ]
    );
    let class = json!({"provisioner": "a"});
    assert_eq!(update("storageclasses", &class, &json!({"provisioner": "a", "parameters": {}})), []);
    assert_eq!(
        update("storageclasses", &class, &json!({"provisioner": "b"})),
        [("provisioner".to_owned(), "Invalid value: \"b\": field is immutable".to_owned())]
    );
}

/// Real: `The PersistentVolume "pv" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes`.
#[test]
fn annotations_are_bounded_together_keys_and_all() {
    let with = |bytes: usize| {
        let (first, second) = ("a".repeat(1000), "b".repeat(bytes - 1000 - 2));
        json!({"metadata": {"name": "m", "annotations": {"x": first, "y": second}}})
    };
    let message = "Too long: may not be more than 262144 bytes".to_owned();
    let too_long = [("metadata.annotations".to_owned(), message)];
    assert_eq!(creation("configmaps", &with(256 << 10)), []);
    assert_eq!(creation("configmaps", &with((256 << 10) + 1)), too_long);
    assert_eq!(update("configmaps", &with(2000), &with(256 << 10)), []);
    assert_eq!(update("configmaps", &with(2000), &with((256 << 10) + 1)), too_long);
    // One that is over is refused until it is not: shorter is not enough.
    assert_eq!(update("configmaps", &with(300 << 10), &with((256 << 10) + 1)), too_long);
}

#[test]
fn no_finalizer_is_added_to_what_is_being_deleted() {
    let before = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a", "b"]}});
    let mut after = before.clone();
    after["metadata"]["finalizers"] = json!(["a"]);
    assert_eq!(update("pods", &before, &after), []);
    after["metadata"]["finalizers"] = json!(["a", "c"]);
    assert!(update("pods", &before, &after)[0].1.ends_with("[]string{\"c\"}"));
}
