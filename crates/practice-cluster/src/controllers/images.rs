//! Container images: which exist on the machines, and what a kubelet reports about others. There is no registry to pull
//! from.
//!
//! Pure: names in, words out.

use crate::store::Key;
use crate::values::{items_at, text_at};
use serde_json::Value;
use std::collections::HashSet;

/// SynxDB's own images.
const OWN: &str = "synxdb/";

/// An image that does nothing: what a kubelet keeps pods open with.
const PAUSE: &str = "synxdb/pause:4.0.0";

/// The images that are on every machine.
#[derive(Debug, Default)]
pub(crate) struct Images(HashSet<String>);

/// Why a container cannot have its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// Its pull policy is Never.
    NeverPull,
    /// It cannot be pulled.
    NotFound,
}

impl Images {
    /// Those that the pods and StatefulSets among the objects name.
    pub(crate) fn of(objects: &[(Key, Value)]) -> Images {
        let containers = objects.iter().flat_map(|(_, object)| {
            items_at(object, "/spec/containers").iter().chain(items_at(object, "/spec/template/spec/containers"))
        });
        let named = containers.map(|container| text_at(container, "/image"));
        Images(named.chain([PAUSE]).map(str::to_owned).collect())
    }

    /// Whether an image is there: one that was named, or another release of one of SynxDB's that was.
    fn holds(&self, image: &str) -> bool {
        let release = |image: &str| {
            let (name, tag) = image.split_once(':')?;
            (name.starts_with(OWN) && tag.starts_with(|c: char| c.is_ascii_digit())).then(|| name.to_owned())
        };
        self.0.contains(image)
            || release(image).is_some_and(|name| self.0.iter().any(|i| release(i) == Some(name.clone())))
    }

    /// Whether a container can have its image; if not, why.
    pub(crate) fn check(&self, container: &Value) -> Result<(), Absent> {
        match text_at(container, "/imagePullPolicy") {
            _ if self.holds(text_at(container, "/image")) => Ok(()),
            "Never" => Err(Absent::NeverPull),
            _ => Err(Absent::NotFound),
        }
    }
}

impl Absent {
    /// Message of the waiting container.
    pub(crate) fn message(self, image: &str) -> String {
        match self {
            Self::NeverPull => format!("Container image \"{image}\" is not present with pull policy of Never"),
            Self::NotFound => {
                let full = full_name(image);
                format!(
                    "rpc error: code = NotFound desc = failed to pull and unpack image \"{full}\": failed to resolve \
                     reference \"{full}\": {full}: not found"
                )
            }
        }
    }
}

/// An image's name with its registry and its tag, as the container runtime completes it.
fn full_name(image: &str) -> String {
    let first = image.split('/').next().unwrap_or_default();
    let named = if !image.contains('/') {
        format!("docker.io/library/{image}")
    } else if first.contains(['.', ':']) || first == "localhost" {
        image.to_owned()
    } else {
        format!("docker.io/{image}")
    };
    let last = named.rsplit('/').next().unwrap_or_default();
    if last.contains([':', '@']) { named } else { format!("{named}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_manifests_name_is_there() {
        let set = json!({"spec": {"template": {"spec": {"containers": [{"image": "synxdb/safekeeper:4.0.0"}]}}}});
        let pod = json!({"spec": {"containers": [{"image": "example/tool:1"}]}});
        let images = Images::of(&[(Key::new("statefulsets", "n", "s"), set), (Key::new("pods", "n", "p"), pod)]);
        let check = |image: &str, policy: &str| images.check(&json!({"image": image, "imagePullPolicy": policy}));
        for image in ["synxdb/safekeeper:4.0.0", "synxdb/safekeeper:4.1.2", "example/tool:1"] {
            assert_eq!(check(image, "Never"), Ok(()), "{image}");
        }
        for image in ["synxdb/safekeeper:nightly", "synxdb/other:4.0.0", "example/tool:2", "synxdb/safekeeper"] {
            assert_eq!(check(image, "IfNotPresent"), Err(Absent::NotFound), "{image}");
            assert_eq!(check(image, "Never"), Err(Absent::NeverPull), "{image}");
        }
    }

    #[test]
    fn names_are_completed() {
        for (image, full) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("synxdb/x:1", "docker.io/synxdb/x:1"),
            ("registry.example:5000/x", "registry.example:5000/x:latest"),
            ("localhost/x@sha256:1", "localhost/x@sha256:1"),
        ] {
            assert_eq!(full_name(image), full);
        }
    }
}
