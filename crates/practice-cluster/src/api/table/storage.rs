//! Claims, volumes, StorageClasses and attachments in a table.

use super::cells::{age, joined, name, phase};
use super::printer::Printer;
use crate::values::{items, text};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) static CLAIMS: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Status", 0),
        ("Volume", 0),
        ("Capacity", 0),
        ("Access Modes", 0),
        ("StorageClass", 0),
        ("VolumeAttributesClass", 0),
        ("Age", 0),
        ("VolumeMode", 1),
    ],
    cells: claim,
};

pub(super) static VOLUMES: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Capacity", 0),
        ("Access Modes", 0),
        ("Reclaim Policy", 0),
        ("Status", 0),
        ("Claim", 0),
        ("StorageClass", 0),
        ("VolumeAttributesClass", 0),
        ("Reason", 0),
        ("Age", 0),
        ("VolumeMode", 1),
    ],
    cells: volume,
};

pub(super) static CLASSES: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Provisioner", 0),
        ("ReclaimPolicy", 0),
        ("VolumeBindingMode", 0),
        ("AllowVolumeExpansion", 0),
        ("Age", 0),
    ],
    cells: class,
};

pub(super) static ATTACHMENTS: Printer = Printer {
    columns: &[("Name", 0), ("Attacher", 0), ("PV", 0), ("Node", 0), ("Attached", 0), ("Age", 0)],
    cells: attachment,
};

fn claim(claim: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&claim["spec"], &claim["status"]);
    let bound = !text(&spec["volumeName"]).is_empty();
    let (capacity, modes) = if bound {
        (text(&status["capacity"]["storage"]).to_owned(), access_modes(&status["accessModes"]))
    } else {
        (String::new(), String::new())
    };
    vec![
        name(claim),
        phase(claim),
        json!(text(&spec["volumeName"])),
        json!(capacity),
        json!(modes),
        json!(class_name(claim)),
        json!(attributes_class(spec)),
        age(claim, now),
        volume_mode(spec),
    ]
}

fn volume(volume: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&volume["spec"], &volume["status"]);
    let claim = match &spec["claimRef"] {
        Value::Object(claim) => format!("{}/{}", text(&claim["namespace"]), text(&claim["name"])),
        _ => String::new(),
    };
    vec![
        name(volume),
        json!(text(&spec["capacity"]["storage"])),
        json!(access_modes(&spec["accessModes"])),
        json!(text(&spec["persistentVolumeReclaimPolicy"])),
        phase(volume),
        json!(claim),
        json!(class_name(volume)),
        json!(attributes_class(spec)),
        json!(text(&status["reason"])),
        age(volume, now),
        volume_mode(spec),
    ]
}

fn class(class: &Value, now: Timestamp) -> Vec<Value> {
    let annotations = &class["metadata"]["annotations"];
    let default = annotations["storageclass.kubernetes.io/is-default-class"] == "true";
    let name = format!("{}{}", text(&class["metadata"]["name"]), if default { " (default)" } else { "" });
    let or = |value: &Value, default: &str| json!(value.as_str().unwrap_or(default));
    vec![
        json!(name),
        json!(text(&class["provisioner"])),
        or(&class["reclaimPolicy"], "Delete"),
        or(&class["volumeBindingMode"], "Immediate"),
        json!(class["allowVolumeExpansion"].as_bool().unwrap_or(false)),
        age(class, now),
    ]
}

fn attachment(attachment: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &attachment["spec"];
    vec![
        name(attachment),
        json!(text(&spec["attacher"])),
        json!(text(&spec["source"]["persistentVolumeName"])),
        json!(text(&spec["nodeName"])),
        json!(attachment["status"]["attached"].as_bool().unwrap_or(false)),
        age(attachment, now),
    ]
}

/// `RWO,RWX`, in the order that Kubernetes lists them.
fn access_modes(modes: &Value) -> String {
    const SHORT: [(&str, &str); 4] =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let has = |mode: &&(&str, &str)| items(modes).iter().any(|m| m == mode.0);
    joined(SHORT.iter().filter(has).map(|(_, short)| *short))
}

/// Returns the class's name; the beta annotation comes first, as in Kubernetes' helper.
fn class_name(object: &Value) -> &str {
    let beta = text(&object["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"]);
    if beta.is_empty() { text(&object["spec"]["storageClassName"]) } else { beta }
}

fn attributes_class(spec: &Value) -> &str {
    spec["volumeAttributesClassName"].as_str().unwrap_or("<unset>")
}

fn volume_mode(spec: &Value) -> Value {
    json!(spec["volumeMode"].as_str().unwrap_or("<unset>"))
}
