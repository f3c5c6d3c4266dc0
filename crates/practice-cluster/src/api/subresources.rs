//! The subresources of each kind.

use crate::resources::Resource;

/// A path under an object.
pub(super) struct Subresource {
    /// `status`.
    pub(super) name: &'static str,
    /// Group, version and kind of what it takes; `None`: the parent's.
    pub(super) kind: Option<(&'static str, &'static str, &'static str)>,
    /// Verbs.
    pub(super) verbs: &'static [&'static str],
}

static STATUS: Subresource = Subresource { name: "status", kind: None, verbs: &["get", "patch", "update"] };

static FINALIZE: Subresource = Subresource { name: "finalize", kind: None, verbs: &["update"] };

static SCALE: Subresource =
    Subresource { name: "scale", kind: Some(("autoscaling", "v1", "Scale")), verbs: &["get", "patch", "update"] };

static EVICTION: Subresource =
    Subresource { name: "eviction", kind: Some(("policy", "v1", "Eviction")), verbs: &["create"] };

static TOKEN: Subresource =
    Subresource { name: "token", kind: Some(("authentication.k8s.io", "v1", "TokenRequest")), verbs: &["create"] };

static LOG: Subresource = Subresource { name: "log", kind: None, verbs: &["get"] };

static PORT_FORWARD: Subresource =
    Subresource { name: "portforward", kind: Some(("", "v1", "PodPortForwardOptions")), verbs: &["create", "get"] };

/// The paths under the objects of a kind.
pub(super) fn subresources(resource: &Resource) -> Vec<&'static Subresource> {
    let mut list: Vec<&'static Subresource> = match resource.plural {
        "pods" => vec![&EVICTION, &LOG, &PORT_FORWARD],
        "statefulsets" => vec![&SCALE],
        "namespaces" => vec![&FINALIZE],
        "serviceaccounts" => vec![&TOKEN],
        _ => vec![],
    };
    if resource.has_status() {
        list.push(&STATUS);
    }
    list
}
