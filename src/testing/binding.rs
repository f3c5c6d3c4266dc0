//! Which volume a claim gets: one table for the plugin's own answer (`topology::binding`) and for the practice
//! cluster's (`practice_cluster::volume_match`), which were written independently.

use crate::topology::binding::{Misfit, Wanted, chosen, misfit};
use crate::topology::placement;
use crate::topology::{ClaimReference, Volume, VolumeMode, claim_spec, volume};
use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim};
use practice_cluster::volume_match;
use serde_json::{Value, json};
use std::sync::Arc;

/// A free volume of 10Gi with these changes (a merge patch, in YAML).
fn free(name: &str, changes: &str) -> Value {
    let mut volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "labels": {"disk": "ssd"}},
        "spec": {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "local",
                 "volumeMode": "Filesystem", "persistentVolumeReclaimPolicy": "Retain"},
        "status": {"phase": "Available"},
    });
    json_patch::merge(&mut volume, &serde_saphyr::from_str(changes).unwrap());
    volume
}

/// A claim a/c that requests 10Gi, with these changes.
fn asks(changes: &str) -> Value {
    let mut claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"namespace": "a", "name": "c", "uid": "u1"},
        "spec": {"resources": {"requests": {"storage": "10Gi"}}, "accessModes": ["ReadWriteOnce"],
                 "storageClassName": "local", "volumeMode": "Filesystem"},
        "status": {"phase": "Pending"},
    });
    json_patch::merge(&mut claim, &serde_saphyr::from_str(changes).unwrap());
    claim
}

/// node-1 accepts pods, node-2 is not Ready.
fn nodes() -> Vec<Value> {
    let node = |name: &str, ready: &str| {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
               "status": {"conditions": [{"type": "Ready", "status": ready}]}})
    };
    vec![node("node-1", "True"), node("node-2", "Unknown")]
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

/// The plugin's answer: why each volume does not fit, and the one that the claim gets.
fn ours(volumes: &[Value], claim: &Value) -> (Vec<Option<Misfit>>, Option<String>) {
    let claim: PersistentVolumeClaim = read(claim);
    let nodes: Vec<Node> = nodes().iter().map(read).collect();
    let spec = claim_spec(Some(&claim.metadata), claim.spec.as_ref());
    let class = spec.class.clone().unwrap_or_default();
    let wanted = Wanted { namespace: "a", name: "c", uid: claim.metadata.uid.as_deref(), spec: &spec, class: &class };
    let volumes: Vec<Volume> = volumes.iter().map(|it| volume(&read::<PersistentVolume>(it), &nodes)).collect();
    let facts = placement::nodes(&nodes);
    let misfits = volumes.iter().map(|volume| misfit(volume, &wanted, Some(&facts))).collect();
    (misfits, chosen(&volumes, &wanted, Some(&facts), &[]).map(|volume| volume.name.clone()))
}

/// The practice cluster's: the volume that the claim gets on the node that accepts pods.
fn theirs(volumes: &[Value], claim: &Value) -> Option<String> {
    let volumes: Vec<Arc<Value>> = volumes.iter().cloned().map(Arc::new).collect();
    let found = volume_match::find(&volumes, claim, Some(&nodes()[0]), false);
    found.map(|volume| volume["metadata"]["name"].as_str().unwrap().to_owned())
}

#[test]
fn a_volume_fits_as_kubernetes_sees_it() {
    let of = |namespace: &str, name: &str, uid: Option<&str>| {
        Misfit::Taken(ClaimReference { namespace: namespace.into(), name: name.into(), uid: uid.map(str::to_owned) })
    };
    let on = |node: &str| {
        format!(
            "{{spec: {{nodeAffinity: {{required: {{nodeSelectorTerms: [{{matchExpressions: [{{key: kubernetes.io/hostname, \
             operator: In, values: [{node}]}}]}}]}}}}}}}}"
        )
    };
    let class = |name: &str| Some(Misfit::Class(name.into()));
    let small = |size: &str| Some(Misfit::TooSmall(Some(size.into())));
    let kept = "{spec: {claimRef: {namespace: a, name: c}}}";
    let kept_and = |more: &str| kept.replace("{spec: {", &format!("{{spec: {{{more}, "));
    let (near, far) = (on("node-1"), on("node-2"));
    let kept_far = far.replace("{spec: {", "{spec: {claimRef: {namespace: a, name: c}, ");
    for (volume, claim, expected) in [
        ("{}", "{}", None),
        // Size.
        ("{spec: {capacity: {storage: 9Gi}}}", "{}", small("9Gi")),
        ("{spec: {capacity: {storage: 10G}}}", "{}", small("10G")),
        ("{spec: {capacity: {storage: 10240Mi}}}", "{}", None),
        ("{spec: {capacity: {storage: 1.5Gi}}}", "{spec: {resources: {requests: {storage: 1536Mi}}}}", None),
        ("{spec: {capacity: {storage: '1e10'}}}", "{}", small("1e10")),
        ("{spec: {capacity: {storage: '2e10'}}}", "{}", None),
        ("{spec: {capacity: null}}", "{}", Some(Misfit::TooSmall(None))),
        // Class: the old annotation takes precedence, and "" means none as well as an absent one.
        ("{spec: {storageClassName: other}}", "{}", class("other")),
        ("{spec: {storageClassName: null}}", "{}", class("")),
        ("{spec: {storageClassName: null}}", "{spec: {storageClassName: ''}}", None),
        ("{spec: {storageClassName: ''}}", "{spec: {storageClassName: ''}}", None),
        ("{}", "{spec: {storageClassName: ''}}", class("local")),
        (
            "{metadata: {annotations: {volume.beta.kubernetes.io/storage-class: local}}, spec: {storageClassName: null}}",
            "{}",
            None,
        ),
        ("{metadata: {annotations: {volume.beta.kubernetes.io/storage-class: other}}}", "{}", class("other")),
        (
            "{}",
            "{metadata: {annotations: {volume.beta.kubernetes.io/storage-class: local}}, spec: {storageClassName: x}}",
            None,
        ),
        // Mode: absent is Filesystem.
        ("{spec: {volumeMode: Block}}", "{}", Some(Misfit::Mode(VolumeMode::Block))),
        ("{spec: {volumeMode: null}}", "{}", None),
        ("{spec: {volumeMode: Block}}", "{spec: {volumeMode: Block}}", None),
        ("{}", "{spec: {volumeMode: Block}}", Some(Misfit::Mode(VolumeMode::Filesystem))),
        // Access modes: it may have more.
        ("{spec: {accessModes: [ReadWriteOnce, ReadOnlyMany]}}", "{}", None),
        (
            "{}",
            "{spec: {accessModes: [ReadWriteOnce, ReadWriteMany]}}",
            Some(Misfit::AccessModes(vec!["ReadWriteMany".into()])),
        ),
        // VolumeAttributesClass.
        ("{spec: {volumeAttributesClassName: gold}}", "{}", Some(Misfit::AttributesClass(Some("gold".into())))),
        ("{spec: {volumeAttributesClassName: ''}}", "{}", None),
        ("{spec: {volumeAttributesClassName: gold}}", "{spec: {volumeAttributesClassName: gold}}", None),
        // Labels.
        ("{}", "{spec: {selector: {matchLabels: {disk: ssd}}}}", None),
        ("{}", "{spec: {selector: {matchLabels: {disk: hdd}}}}", Some(Misfit::Labels)),
        ("{}", "{spec: {selector: {matchExpressions: [{key: disk, operator: DoesNotExist}]}}}", Some(Misfit::Labels)),
        // Phase.
        ("{status: {phase: Released}}", "{}", Some(Misfit::Phase("Released".into()))),
        ("{status: {phase: Failed}}", "{}", Some(Misfit::Phase("Failed".into()))),
        ("{metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}}", "{}", Some(Misfit::Terminating)),
        // Nodes.
        (near.as_str(), "{}", None),
        (far.as_str(), "{}", Some(Misfit::Nodes(vec!["node-2".into()]))),
        (kept_far.as_str(), "{}", Some(Misfit::Nodes(vec!["node-2".into()]))),
        // Other claims' volumes.
        ("{spec: {claimRef: {namespace: b, name: c}}}", "{}", Some(of("b", "c", None))),
        ("{spec: {claimRef: {namespace: a, name: d}}}", "{}", Some(of("a", "d", None))),
        ("{spec: {claimRef: {namespace: a, name: c, uid: u0}}}", "{}", Some(of("a", "c", Some("u0")))),
        // Reserved for this one: class and labels do not matter, everything else does.
        (kept, "{}", None),
        ("{spec: {claimRef: {namespace: a, name: c, uid: u1}}}", "{}", None),
        (&kept_and("storageClassName: other"), "{}", None),
        (kept, "{spec: {selector: {matchLabels: {disk: hdd}}}}", None),
        (&kept_and("capacity: {storage: 9Gi}"), "{}", small("9Gi")),
        (&kept_and("volumeMode: Block"), "{}", Some(Misfit::Mode(VolumeMode::Block))),
        (&kept_and("accessModes: [ReadOnlyMany]"), "{}", Some(Misfit::AccessModes(vec!["ReadWriteOnce".into()]))),
        (&kept_and("volumeAttributesClassName: gold"), "{}", Some(Misfit::AttributesClass(Some("gold".into())))),
    ] {
        let (volumes, claim) = ([free("pv", volume)], asks(claim));
        let (misfits, own) = ours(&volumes, &claim);
        assert_eq!(misfits, std::slice::from_ref(&expected), "{volume} {claim}");
        let gets = expected.is_none().then(|| "pv".to_owned());
        assert_eq!((own, theirs(&volumes, &claim)), (gets.clone(), gets), "{volume} {claim}");
    }
}

#[test]
fn the_reserved_one_comes_first_and_then_the_smallest() {
    let kept = "spec: {claimRef: {namespace: a, name: c}}";
    let size = |size: &str| format!("{{spec: {{capacity: {{storage: {size}}}}}}}");
    for (volumes, expected) in [
        (
            vec![free("large", &size("30Gi")), free("small", &size("11Gi")), free("too-small", &size("1Gi"))],
            Some("small"),
        ),
        (vec![free("small", "{}"), free("kept", &format!("{{{kept}}}"))], Some("kept")),
        // A volume that is reserved for it and does not fit is skipped.
        (
            vec![
                free("free", "{}"),
                free("kept", "{spec: {claimRef: {namespace: a, name: c}, capacity: {storage: 1Gi}}}"),
            ],
            Some("free"),
        ),
        (vec![free("others", "{spec: {claimRef: {namespace: a, name: d}}}")], None),
        (vec![], None),
    ] {
        let (_, own) = ours(&volumes, &asks("{}"));
        let expected = expected.map(str::to_owned);
        assert_eq!((own, theirs(&volumes, &asks("{}"))), (expected.clone(), expected));
    }
    // A volume that is reserved for it on a node that accepts no pods: Kubernetes considers no other.
    let far = free(
        "kept",
        "{spec: {claimRef: {namespace: a, name: c}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: \
         [{key: kubernetes.io/hostname, operator: In, values: [node-2]}]}]}}}}",
    );
    let volumes = [far, free("free", "{}")];
    assert_eq!((ours(&volumes, &asks("{}")).1, theirs(&volumes, &asks("{}"))), (None, None));
}
