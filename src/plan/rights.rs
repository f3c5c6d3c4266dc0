//! What each command asks of Kubernetes: the one table that the permission check, the roles of `rbac` and the README are
//! made from.

use super::Request;
use crate::cluster::{LEASE, Permission};
use crate::topology::Member;

/// Where a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In each namespace that the command works in.
    Namespaces,
    /// On what lies in no namespace.
    Cluster,
}

/// When a failover asks whether it has a right, before it asks anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Never: what is missing shows when it is used.
    Used,
    /// Always.
    Always,
    /// Where claims are replaced.
    Replacing,
    /// Where it is to be proven that the component is back.
    Proving,
}

/// A right that a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// `list`, `delete`, …
    pub verb: &'static str,
    /// As in RBAC, with the group as kubectl writes it: `pods/portforward`, `statefulsets.apps`.
    pub resource: &'static str,
    /// The one object, where it is one.
    pub name: Option<&'static str>,
    /// Where.
    pub place: Place,
    /// Whether it is asked for.
    pub when: When,
    /// What becomes of the command without it; `None`: it is not carried out, or nothing is known.
    pub without: Option<&'static str>,
}

const fn right(verb: &'static str, resource: &'static str) -> Right {
    Right { verb, resource, name: None, place: Place::Namespaces, when: When::Used, without: None }
}

impl Right {
    const fn cluster(self) -> Self {
        Self { place: Place::Cluster, ..self }
    }

    const fn named(self, name: &'static str) -> Self {
        Self { name: Some(name), ..self }
    }

    const fn asked(self, when: When) -> Self {
        Self { when, ..self }
    }

    const fn or(self, without: &'static str) -> Self {
        Self { without: Some(without), ..self }
    }

    /// As it is asked for; in that namespace, where it is needed in one.
    pub fn permission(&self, namespace: &str) -> Permission {
        let permission = Permission::new(self.verb, self.resource);
        let permission = match self.place {
            Place::Namespaces => permission.within(namespace),
            Place::Cluster => permission,
        };
        match self.name {
            Some(name) => permission.named(name),
            None => permission,
        }
    }
}

const WHOLE_NAMES: &str = "-n takes a namespace by its whole name, and no other is looked at";
const NODES_UNKNOWN: &str = "whether a node is lost is unknown";

/// What a failover takes.
pub const FAILOVER: &[Right] = &[
    right("list", "pods").asked(When::Always),
    right("watch", "pods").asked(When::Always),
    right("list", "persistentvolumeclaims").asked(When::Always),
    right("watch", "persistentvolumeclaims").asked(When::Always),
    right("list", "statefulsets.apps").asked(When::Always),
    right("watch", "statefulsets.apps").asked(When::Always),
    right("delete", "pods").asked(When::Always),
    right("delete", "persistentvolumeclaims").asked(When::Replacing).or("--keep-pvc replaces the pod alone"),
    right("patch", "persistentvolumes")
        .cluster()
        .asked(When::Replacing)
        .or("--allow unretained-volume, at high risk: the old volume cannot be kept"),
    // From Kubernetes 1.35 a forward by WebSocket needs `create`, before it needed `get`.
    right("get", "pods/portforward").asked(When::Proving).or("nothing, from Kubernetes 1.35 on"),
    right("create", "pods/portforward").asked(When::Proving).or("--no-verify goes on without proof"),
    right("get", "leases.coordination.k8s.io").named(LEASE).asked(When::Always).or(CONCURRENT),
    right("create", "leases.coordination.k8s.io").asked(When::Always).or(CONCURRENT),
    right("update", "leases.coordination.k8s.io").named(LEASE).asked(When::Always).or(CONCURRENT),
    right("list", "persistentvolumes")
        .cluster()
        .or("--allow unretained-volume, at high risk: the old volume cannot be kept"),
    right("watch", "persistentvolumes").cluster().or("changes of the old volume are not seen"),
    right("list", "events").or("what is waited for is explained by less"),
    right("watch", "events").or("what is waited for is explained by less"),
    right("list", "namespaces").cluster().or(WHOLE_NAMES),
    right("list", "nodes").cluster().or(NODES_UNKNOWN),
];

const CONCURRENT: &str = "--allow concurrent-failover, at high risk: another failover is not kept away";

/// Permissions that failing over this member takes.
pub fn needed(member: &Member, request: &Request) -> Vec<Permission> {
    let replacing = !request.keep_claims && !member.claims.is_empty();
    let asked = FAILOVER.iter().filter(|right| match right.when {
        When::Used => false,
        When::Always => true,
        When::Replacing => replacing,
        When::Proving => request.verify,
    });
    asked.map(|right| right.permission(&member.namespace)).collect()
}
