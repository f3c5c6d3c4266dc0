//! ControllerRevisions: a name for each version of a StatefulSet's template.

use crate::objects::{name, namespace, uid};
use crate::store::{Key, Preconditions, Store};
use serde_json::{Value, json};

/// Label of a pod with the revision of its template.
pub(super) const REVISION_LABEL: &str = "controller-revision-hash";

/// The name of the set's present template: `<set>-<hash>`; the ControllerRevision of that name is made when missing,
/// and becomes the latest when it is an older one.
pub(crate) fn current(store: &Store, set: &Value) -> String {
    let hash = hash(&set["spec"]["template"]);
    let revision = format!("{}-{hash}", name(set));
    let key = Key::new("controllerrevisions", namespace(set), revision.as_str());
    let all = store.list("controllerrevisions", Some(namespace(set))).0;
    let own = all.iter().filter(|other| other["metadata"]["ownerReferences"][0]["uid"] == uid(set));
    let latest = own.filter_map(|other| other["revision"].as_u64()).max().unwrap_or(0);
    match store.get(&key) {
        Some(known) if known["revision"].as_u64().is_some_and(|number| number < latest) => {
            // Gone by now: created again by the next reconcile.
            let _ = store.update(&key, &Preconditions::default(), false, |known| {
                known["revision"] = json!(latest + 1);
                Ok(())
            });
        }
        Some(_) => {}
        None => {
            let object = json!({
                "metadata": {
                    "labels": labels(set, &hash),
                    "ownerReferences": [owner(set)],
                },
                "data": {"spec": {"template": set["spec"]["template"]}},
                "revision": latest + 1,
            });
            // Created by another reconcile of the same set.
            let _ = store.create(key, object, false);
        }
    }
    revision
}

/// A controller's ownerReference to a StatefulSet.
pub(crate) fn owner(set: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "name": name(set), "uid": uid(set),
        "controller": true, "blockOwnerDeletion": true,
    })
}

fn labels(set: &Value, hash: &str) -> Value {
    let mut labels = set["spec"]["selector"]["matchLabels"].clone();
    labels["controller.kubernetes.io/hash"] = json!(hash);
    labels
}

/// FNV-1a over the template's text, in the letters that Kubernetes uses for generated names.
fn hash(template: &Value) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in template.to_string().bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (0..10)
        .map(|_| {
            let letter = ALPHABET[(hash % ALPHABET.len() as u64) as usize];
            hash /= ALPHABET.len() as u64;
            char::from(letter)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_template_is_another_revision() {
        let one = hash(&json!({"spec": {"image": "a"}}));
        assert_eq!(one, hash(&json!({"spec": {"image": "a"}})));
        assert_ne!(one, hash(&json!({"spec": {"image": "b"}})));
        assert_eq!(one.len(), 10);
    }
}
