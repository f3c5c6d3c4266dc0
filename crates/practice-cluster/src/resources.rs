//! The kinds of object that the practice cluster serves.
//!
//! Pure data: names as in `kubectl api-resources` of a real cluster.

/// One kind of object that the practice cluster serves.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Resource {
    /// API group, `""` for the core group.
    pub(crate) group: &'static str,
    /// API version, such as `v1`.
    pub(crate) version: &'static str,
    /// Lower-case plural, as in URLs: `pods`.
    pub(crate) plural: &'static str,
    /// `pod`.
    pub(crate) singular: &'static str,
    /// `Pod`.
    pub(crate) kind: &'static str,
    /// `po`.
    pub(crate) short_names: &'static [&'static str],
    /// Whether objects live in namespaces.
    pub(crate) namespaced: bool,
}

/// The API group of roles and their bindings.
pub(crate) const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// Returns a name with its API group: `statefulsets.apps`; the core group is left out.
pub(crate) fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

/// Shortens the table below: group, version, plural, singular, kind, short names, namespaced.
const fn resource(
    group: &'static str,
    plural: &'static str,
    singular: &'static str,
    kind: &'static str,
    short_names: &'static [&'static str],
    namespaced: bool,
) -> Resource {
    Resource { group, version: "v1", plural, singular, kind, short_names, namespaced }
}

/// Core `namespaces`.
pub(crate) static NAMESPACES: Resource = resource("", "namespaces", "namespace", "Namespace", &["ns"], false);
/// Core `nodes`.
pub(crate) static NODES: Resource = resource("", "nodes", "node", "Node", &["no"], false);
/// Core `pods`.
pub(crate) static PODS: Resource = resource("", "pods", "pod", "Pod", &["po"], true);
/// Core `persistentvolumeclaims`.
pub(crate) static CLAIMS: Resource =
    resource("", "persistentvolumeclaims", "persistentvolumeclaim", "PersistentVolumeClaim", &["pvc"], true);
/// Core `persistentvolumes`.
pub(crate) static VOLUMES: Resource =
    resource("", "persistentvolumes", "persistentvolume", "PersistentVolume", &["pv"], false);
/// Core `events`.
pub(crate) static EVENTS: Resource = resource("", "events", "event", "Event", &["ev"], true);
/// Core `services`.
pub(crate) static SERVICES: Resource = resource("", "services", "service", "Service", &["svc"], true);
/// Core `configmaps`.
pub(crate) static CONFIG_MAPS: Resource = resource("", "configmaps", "configmap", "ConfigMap", &["cm"], true);
/// Core `secrets`.
pub(crate) static SECRETS: Resource = resource("", "secrets", "secret", "Secret", &[], true);
/// Core `serviceaccounts`.
pub(crate) static SERVICE_ACCOUNTS: Resource =
    resource("", "serviceaccounts", "serviceaccount", "ServiceAccount", &["sa"], true);
/// Core `endpoints`.
pub(crate) static ENDPOINTS: Resource = resource("", "endpoints", "endpoints", "Endpoints", &["ep"], true);
/// Core `limitranges`.
pub(crate) static LIMIT_RANGES: Resource = resource("", "limitranges", "limitrange", "LimitRange", &["limits"], true);
/// Core `resourcequotas`.
pub(crate) static RESOURCE_QUOTAS: Resource =
    resource("", "resourcequotas", "resourcequota", "ResourceQuota", &["quota"], true);
/// `admissionregistration.k8s.io` `validatingadmissionpolicies`.
pub(crate) static ADMISSION_POLICIES: Resource = resource(
    "admissionregistration.k8s.io",
    "validatingadmissionpolicies",
    "validatingadmissionpolicy",
    "ValidatingAdmissionPolicy",
    &[],
    false,
);
/// `admissionregistration.k8s.io` `validatingadmissionpolicybindings`.
pub(crate) static ADMISSION_POLICY_BINDINGS: Resource = resource(
    "admissionregistration.k8s.io",
    "validatingadmissionpolicybindings",
    "validatingadmissionpolicybinding",
    "ValidatingAdmissionPolicyBinding",
    &[],
    false,
);
/// `apps` `statefulsets`.
pub(crate) static STATEFUL_SETS: Resource =
    resource("apps", "statefulsets", "statefulset", "StatefulSet", &["sts"], true);
/// `apps` `controllerrevisions`.
pub(crate) static CONTROLLER_REVISIONS: Resource =
    resource("apps", "controllerrevisions", "controllerrevision", "ControllerRevision", &[], true);
/// `storage.k8s.io` `storageclasses`.
pub(crate) static STORAGE_CLASSES: Resource =
    resource("storage.k8s.io", "storageclasses", "storageclass", "StorageClass", &["sc"], false);
/// `storage.k8s.io` `volumeattachments`.
pub(crate) static VOLUME_ATTACHMENTS: Resource =
    resource("storage.k8s.io", "volumeattachments", "volumeattachment", "VolumeAttachment", &[], false);
/// `policy` `poddisruptionbudgets`.
pub(crate) static DISRUPTION_BUDGETS: Resource =
    resource("policy", "poddisruptionbudgets", "poddisruptionbudget", "PodDisruptionBudget", &["pdb"], true);
/// `coordination.k8s.io` `leases`.
pub(crate) static LEASES: Resource = resource("coordination.k8s.io", "leases", "lease", "Lease", &[], true);

/// `rbac.authorization.k8s.io` `clusterrolebindings`.
pub(crate) static CLUSTER_ROLE_BINDINGS: Resource =
    resource(RBAC_GROUP, "clusterrolebindings", "clusterrolebinding", "ClusterRoleBinding", &[], false);
/// `rbac.authorization.k8s.io` `clusterroles`.
pub(crate) static CLUSTER_ROLES: Resource =
    resource(RBAC_GROUP, "clusterroles", "clusterrole", "ClusterRole", &[], false);
/// `rbac.authorization.k8s.io` `rolebindings`.
pub(crate) static ROLE_BINDINGS: Resource =
    resource(RBAC_GROUP, "rolebindings", "rolebinding", "RoleBinding", &[], true);
/// `rbac.authorization.k8s.io` `roles`.
pub(crate) static ROLES: Resource = resource(RBAC_GROUP, "roles", "role", "Role", &[], true);

/// Every kind that is kept in the store, in the order in which discovery names them.
pub(crate) static RESOURCES: [&Resource; 25] = [
    &CONFIG_MAPS,
    &ENDPOINTS,
    &EVENTS,
    &LIMIT_RANGES,
    &NAMESPACES,
    &NODES,
    &CLAIMS,
    &VOLUMES,
    &PODS,
    &RESOURCE_QUOTAS,
    &SECRETS,
    &SERVICE_ACCOUNTS,
    &SERVICES,
    &ADMISSION_POLICIES,
    &ADMISSION_POLICY_BINDINGS,
    &CONTROLLER_REVISIONS,
    &STATEFUL_SETS,
    &STORAGE_CLASSES,
    &VOLUME_ATTACHMENTS,
    &DISRUPTION_BUDGETS,
    &LEASES,
    &CLUSTER_ROLE_BINDINGS,
    &CLUSTER_ROLES,
    &ROLE_BINDINGS,
    &ROLES,
];

/// `events.k8s.io` `events`: the core ones with other field names.
pub(crate) static EVENTS_V1: Resource = resource("events.k8s.io", "events", "event", "Event", &["ev"], true);

/// Kinds that show what a kept one of the same plural name holds; they can be read and deleted.
pub(crate) static VIEWS: [&Resource; 1] = [&EVENTS_V1];

/// The kind served under a group, a version and a plural name, as in a URL's path.
pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    RESOURCES.iter().chain(&VIEWS).copied().find(|r| r.group == group && r.version == version && r.plural == plural)
}

/// The kind of a plural name alone, which is unambiguous in this cluster.
pub(crate) fn by_plural(plural: &str) -> Option<&'static Resource> {
    RESOURCES.iter().copied().find(|r| r.plural == plural)
}

/// Kinds that are only created and never kept: the answer to the question is the object itself.
pub(crate) static REVIEWS: [&Resource; 3] = [
    &resource("authentication.k8s.io", "selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview", &[], false),
    &resource(
        "authorization.k8s.io",
        "selfsubjectaccessreviews",
        "selfsubjectaccessreview",
        "SelfSubjectAccessReview",
        &[],
        false,
    ),
    &resource(
        "authorization.k8s.io",
        "selfsubjectrulesreviews",
        "selfsubjectrulesreview",
        "SelfSubjectRulesReview",
        &[],
        false,
    ),
];

/// The review kind under a group, a version and a plural name.
pub(crate) fn find_review(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    REVIEWS.iter().copied().find(|r| r.group == group && r.version == version && r.plural == plural)
}

impl Resource {
    /// `v1` or `apps/v1`, as in an object's `apiVersion`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Whether the kind has a `status` subresource: its status is written only through that.
    pub(crate) fn has_status(&self) -> bool {
        matches!(
            self.plural,
            "pods"
                | "persistentvolumeclaims"
                | "persistentvolumes"
                | "nodes"
                | "namespaces"
                | "services"
                | "statefulsets"
                | "poddisruptionbudgets"
                | "resourcequotas"
                | "validatingadmissionpolicies"
                | "volumeattachments"
        )
    }

    /// Whether the API server counts `metadata.generation` for the kind: one more for each change of the spec.
    pub(crate) fn has_generation(&self) -> bool {
        matches!(
            self.plural,
            "pods"
                | "statefulsets"
                | "poddisruptionbudgets"
                | "validatingadmissionpolicies"
                | "validatingadmissionpolicybindings"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plural_names_are_unambiguous() {
        for r in RESOURCES {
            assert_eq!(RESOURCES.iter().filter(|o| o.plural == r.plural).count(), 1, "{}", r.plural);
            assert_eq!(find(r.group, r.version, r.plural), Some(r));
        }
        assert_eq!(find("apps", "v1", "pods"), None);
        assert_eq!(STATEFUL_SETS.api_version(), "apps/v1");
        assert_eq!(PODS.api_version(), "v1");
    }
}
