//! The rights that each command needs: the one table behind the permission check, the roles of `rbac` and the README. Every
//! user may review their own rights (`system:basic-user`), so that is not in it.

use super::Request;
use crate::cli::RbacFor;
use crate::cluster::{LEASE, Permission};
use crate::topology::Member;
use crate::topology::layout::CONFIG_MAP;

/// Scope of a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In each namespace that the command works in.
    Namespaces,
    /// For cluster-scoped resources.
    Cluster,
}

/// When a failover checks a right in advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Never: a missing right shows when it is used.
    Used,
    /// Always.
    Always,
    /// If claims are replaced.
    Replacing,
    /// If claims are replaced, or deleted with the pod: their volumes are retained.
    Retaining,
    /// If recovery is verified.
    Proving,
}

/// A right that a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// `list`, `delete`, …
    pub verb: &'static str,
    /// As in RBAC, with the group as kubectl writes it: `pods/portforward`, `statefulsets.apps`.
    pub resource: &'static str,
    /// The only object, if the right is for one.
    pub name: Option<&'static str>,
    /// Its scope.
    pub place: Place,
    /// When it is checked.
    pub when: When,
    /// What is lost without it; `None` if the command needs it.
    pub without: Option<&'static str>,
    /// Whether the command continues without it and without a flag, and says so.
    pub goes_on: bool,
}

const fn right(verb: &'static str, resource: &'static str) -> Right {
    Right { verb, resource, name: None, place: Place::Namespaces, when: When::Used, without: None, goes_on: false }
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

    /// Marks it as replaceable by a flag.
    const fn or_by(self, way: &'static str) -> Self {
        Self { without: Some(way), ..self }
    }

    /// Marks it as optional: without it less is known.
    const fn or(self, less: &'static str) -> Self {
        Self { without: Some(less), goes_on: true, ..self }
    }

    /// Returns whether it is the same right, whatever is lost without it.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.verb, self.resource, self.name, self.place) == (other.verb, other.resource, other.name, other.place)
    }

    /// Returns the permission to review, in that namespace if it is namespaced.
    pub fn permission(&self, namespace: &str) -> Permission {
        let permission = Permission::new(self.verb, self.resource);
        let permission = match self.place {
            Place::Namespaces => permission.in_namespace(namespace),
            Place::Cluster => permission,
        };
        match self.name {
            Some(name) => permission.named(name),
            None => permission,
        }
    }
}

const WHOLE_NAMES: &str = "-n needs the full name of a namespace, and only that one is searched";
const OWN_LAYOUT: &str = "the cluster's own layout is not read: the local or the shipped one applies";
const NODES: &str = "unknown whether a node is lost, or can run the new pod";
const UNRETAINED: &str = "--allow unretained-volume (high risk): the old volume cannot be retained";
const CONCURRENT: &str = "--allow concurrent-failover (high risk): no lock against concurrent failovers";
const EXPLAINED: &str = "less detail while waiting";
const FOUND: &str = "no details about a conflicting object";
const UNSTORED: &str = "no baseline is stored for a component that is down later";
const UNREAD: &str = "a component that is down before cannot be verified afterwards (exit code 8)";
const UNTRIED: &str = "a rejection of the new pod or claims shows only after the old ones are gone";
const UNCOUNTED: &str = "unknown whether a full quota has room once the old pod and claims are gone";
const FORWARDS: &str = "databases and status pages cannot be queried";

/// Rights of `status`.
const STATUS: &[Right] = &[
    right("list", "pods"),
    right("list", "persistentvolumeclaims").or("claims are unknown"),
    right("list", "statefulsets.apps").or("the desired number of pods is unknown"),
    right("list", "namespaces").cluster().or(WHOLE_NAMES),
    right("list", "persistentvolumes").cluster().or("unfinished operations, and the volumes of -o wide, are unknown"),
    right("get", "configmaps").named(CONFIG_MAP).cluster().or(OWN_LAYOUT),
];

/// Rights of `verify`.
const VERIFY: &[Right] = &[
    right("list", "pods"),
    right("list", "statefulsets.apps"),
    right("get", "pods/portforward").or(FORWARDS),
    right("create", "pods/portforward").or(FORWARDS),
    right("get", "configmaps").or(UNSTORED),
    right("create", "configmaps").or(UNSTORED),
    right("update", "configmaps").or(UNSTORED),
    right("list", "namespaces").cluster().or_by(WHOLE_NAMES),
    right("get", "configmaps").named(CONFIG_MAP).cluster().or(OWN_LAYOUT),
];

/// Rights of `forward`: nothing else that it reads is needed.
const FORWARD: &[Right] = &[
    right("list", "pods"),
    right("watch", "pods"),
    right("get", "pods/portforward"),
    right("create", "pods/portforward"),
    right("list", "namespaces").cluster().or_by(WHOLE_NAMES),
    right("get", "configmaps").named(CONFIG_MAP).cluster().or(OWN_LAYOUT),
];

/// Rights of `failover`.
const FAILOVER: &[Right] = &[
    right("list", "pods").asked(When::Always),
    right("watch", "pods").asked(When::Always),
    right("list", "persistentvolumeclaims").asked(When::Always),
    right("watch", "persistentvolumeclaims").asked(When::Always),
    right("list", "statefulsets.apps").asked(When::Always),
    right("watch", "statefulsets.apps").asked(When::Always),
    right("delete", "pods").asked(When::Always),
    right("delete", "persistentvolumeclaims").asked(When::Replacing).or_by("--keep-pvc replaces the pod only"),
    right("patch", "persistentvolumes").cluster().asked(When::Retaining).or_by(UNRETAINED),
    right("create", "pods").asked(When::Always).or(UNTRIED),
    right("create", "persistentvolumeclaims").asked(When::Replacing).or(UNTRIED),
    right("list", "resourcequotas").or(UNCOUNTED),
    // From Kubernetes 1.35 a forward by WebSocket needs `create`, before it needed `get`.
    right("get", "pods/portforward").asked(When::Proving).or_by("--no-verify skips verification"),
    right("create", "pods/portforward").asked(When::Proving).or_by("--no-verify skips verification"),
    right("get", "leases.coordination.k8s.io").named(LEASE).asked(When::Always).or_by(CONCURRENT),
    right("create", "leases.coordination.k8s.io").asked(When::Always).or_by(CONCURRENT),
    right("update", "leases.coordination.k8s.io").named(LEASE).asked(When::Always).or_by(CONCURRENT),
    right("get", "configmaps").asked(When::Proving).or(UNREAD),
    right("create", "configmaps").asked(When::Proving).or(UNSTORED),
    right("update", "configmaps").asked(When::Proving).or(UNSTORED),
    right("list", "events").asked(When::Always).or(EXPLAINED),
    right("watch", "events").asked(When::Always).or(EXPLAINED),
    right("get", "pods").or(FOUND),
    right("get", "persistentvolumeclaims").or(FOUND),
    right("list", "persistentvolumes").cluster().or_by(UNRETAINED),
    right("watch", "persistentvolumes").cluster().asked(When::Retaining).or("changes of the old volume are not seen"),
    right("get", "persistentvolumes").cluster().or(FOUND),
    right("list", "namespaces").cluster().or_by(WHOLE_NAMES),
    right("list", "nodes").cluster().or(NODES),
    right("list", "storageclasses.storage.k8s.io")
        .cluster()
        .or("unknown whether the storage class of the new claims exists"),
    right("list", "poddisruptionbudgets.policy").or("unknown whether a disruption budget forbids it"),
    right("get", "configmaps").named(CONFIG_MAP).cluster().or(OWN_LAYOUT),
];

/// Rights of `release`.
const RELEASE: &[Right] = &[
    right("list", "pods"),
    right("list", "persistentvolumeclaims"),
    right("list", "persistentvolumes").cluster(),
    right("patch", "persistentvolumes").cluster(),
    right("get", "persistentvolumes").cluster().or(FOUND),
    right("list", "namespaces").cluster().or_by(WHOLE_NAMES),
    right("get", "configmaps").named(CONFIG_MAP).cluster().or(OWN_LAYOUT),
];

/// Rights of `history`.
const HISTORY: &[Right] = &[
    right("list", "pods").or("which operations can be undone is unknown"),
    right("list", "persistentvolumeclaims").or("which volumes are in use is unknown"),
    right("list", "persistentvolumes").cluster().or("records on volumes are unknown"),
    right("list", "namespaces").cluster().or_by(WHOLE_NAMES),
    right("get", "configmaps").named(CONFIG_MAP).cluster().or(OWN_LAYOUT),
];

/// Returns the rights that a command needs.
pub fn of(command: RbacFor) -> Vec<Right> {
    match command {
        RbacFor::Status => STATUS.to_vec(),
        RbacFor::Verify => VERIFY.to_vec(),
        RbacFor::Forward => FORWARD.to_vec(),
        RbacFor::Failover => FAILOVER.to_vec(),
        RbacFor::Undo => FAILOVER.iter().filter_map(|right| undo(*right)).collect(),
        RbacFor::History => HISTORY.to_vec(),
        RbacFor::Release => RELEASE.to_vec(),
    }
}

/// Returns a failover's right as an undo needs it: an undo has no alternative to volumes and claims, and provisions nothing.
fn undo(right: Right) -> Option<Right> {
    match right.resource {
        "storageclasses.storage.k8s.io" => None,
        "persistentvolumes" | "persistentvolumeclaims" if !right.goes_on => Some(Right { without: None, ..right }),
        _ => Some(right),
    }
}

/// Returns the rights that several commands need together, each once. A right that one of them needs is not optional.
pub fn together(commands: &[RbacFor]) -> Vec<Right> {
    let mut all: Vec<Right> = Vec::new();
    for right in commands.iter().flat_map(|command| of(*command)) {
        match all.iter_mut().find(|other| other.is_same(&right)) {
            Some(known) if right.without.is_none() => known.without = None,
            Some(_) => {}
            None => all.push(right),
        }
    }
    all
}

/// Returns the permissions that a failover of this pod needs.
pub fn needed(member: &Member, request: &Request) -> Vec<Permission> {
    let replacing = !request.keep_claims && member.claims.iter().any(|claim| !claim.ephemeral);
    let retaining = replacing || member.claims.iter().any(|claim| claim.ephemeral || claim.terminating);
    let asked = FAILOVER.iter().filter(|right| match right.when {
        When::Used => false,
        When::Always => true,
        When::Replacing => replacing,
        When::Retaining => retaining,
        When::Proving => request.verify,
    });
    asked.map(|right| right.permission(&member.namespace)).collect()
}

/// Returns what a failover loses without this right; `None` if it needs it.
pub fn goes_on_without(permission: &Permission) -> Option<&'static str> {
    let place = permission.namespace.as_deref().unwrap_or_default();
    let found = FAILOVER.iter().find(|right| right.goes_on && right.permission(place) == *permission);
    found.and_then(|right| right.without)
}

/// Rights that one rule of a role grants: the same verbs on resources of one group, with the same loss without them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Resources, with their subresources.
    pub resources: Vec<&'static str>,
    /// The only object, if the right is for one.
    pub name: Option<String>,
    /// Verbs, each once.
    pub verbs: Vec<&'static str>,
    /// What is lost without it, if it is optional.
    pub without: Option<&'static str>,
}

/// Returns the rules of a role for a scope, the required ones first.
pub fn rules(rights: &[Right], place: Place) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for right in rights.iter().filter(|right| right.place == place) {
        let (resource, group) = right.resource.split_once('.').unwrap_or((right.resource, ""));
        let name = right.name.map(str::to_owned);
        let same = |rule: &&mut Rule| {
            (rule.group, rule.resources.as_slice(), &rule.name, rule.without)
                == (group, &[resource][..], &name, right.without)
        };
        match rules.iter_mut().find(same) {
            Some(rule) => rule.verbs.push(right.verb),
            None => {
                let (resources, verbs, without) = (vec![resource], vec![right.verb], right.without);
                rules.push(Rule { group, resources, name, verbs, without });
            }
        }
    }
    // Verbs that are restricted to one object, and verbs that are not, need separate rules.
    let mut joined: Vec<Rule> = Vec::new();
    for rule in rules {
        let same = |other: &&mut Rule| {
            (other.group, &other.name, &other.verbs, other.without)
                == (rule.group, &rule.name, &rule.verbs, rule.without)
        };
        match joined.iter_mut().find(same) {
            Some(other) => other.resources.extend(rule.resources),
            None => joined.push(rule),
        }
    }
    joined.sort_by_key(|rule| rule.without.is_some());
    joined
}
