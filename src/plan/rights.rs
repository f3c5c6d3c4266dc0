//! What each command asks of Kubernetes: the one table that the permission check, the roles of `rbac` and the README are
//! made from. Reviews of one's own rights are everybody's (`system:basic-user`), and are not in it.

use super::Request;
use crate::cli::RbacFor;
use crate::cluster::{LEASE, Permission};
use crate::topology::Member;
use crate::topology::layout::CONFIG_MAP;

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
    /// Where claims are replaced, or go with the pod: their volumes are kept.
    Retaining,
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
    /// What becomes of the command without it; `None`: it is not carried out.
    pub without: Option<&'static str>,
    /// Whether that needs no flag: it goes on, and says so.
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

    /// Without it there is another way, by a flag.
    const fn or_by(self, way: &'static str) -> Self {
        Self { without: Some(way), ..self }
    }

    /// Without it less is known, and it goes on.
    const fn or(self, less: &'static str) -> Self {
        Self { without: Some(less), goes_on: true, ..self }
    }

    /// Whether it is the same right, whatever becomes of a command without it.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.verb, self.resource, self.name, self.place) == (other.verb, other.resource, other.name, other.place)
    }

    /// As it is asked for; in that namespace, where it is needed in one.
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

const WHOLE_NAMES: &str = "-n takes a namespace by its whole name, and no other is looked at";
const OWN_LAYOUT: &str = "the cluster's own layout is not read: what this machine says, or what is shipped, counts";
const NODES: &str = "whether a node is lost, or can take the pod, is unknown";
const UNRETAINED: &str = "--allow unretained-volume, at high risk: the old volume cannot be kept";
const CONCURRENT: &str = "--allow concurrent-failover, at high risk: another failover is not kept away";
const EXPLAINED: &str = "what is waited for is explained by less";
const FOUND: &str = "which object is there in place of the planned one is not told";
const UNSTORED: &str = "no baseline is stored: were a component down, nothing would say what it held";
const UNREAD: &str = "a component that is down is compared with nothing afterwards (exit code 8)";
const UNTRIED: &str =
    "what the API server would refuse of the new pod and claims shows only once the old ones are gone";
const UNCOUNTED: &str = "whether a quota that is full has room once the old pod and claims are gone is unknown";
const FORWARDS: &str = "what the databases and status pages say is unknown";

/// What `status` takes.
const STATUS: &[Right] = &[
    right("list", "pods"),
    right("list", "persistentvolumeclaims").or("claims are unknown"),
    right("list", "statefulsets.apps").or("how many pods there should be is unknown"),
    right("list", "namespaces").cluster().or(WHOLE_NAMES),
    right("list", "persistentvolumes")
        .cluster()
        .or("what is unfinished, and what -o wide shows of volumes, is unknown"),
    right("get", "configmaps").named(CONFIG_MAP).cluster().or(OWN_LAYOUT),
];

/// What `verify` takes.
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

/// What `forward` takes: of all else it reads it needs nothing.
const FORWARD: &[Right] = &[
    right("list", "pods"),
    right("watch", "pods"),
    right("get", "pods/portforward"),
    right("create", "pods/portforward"),
    right("list", "namespaces").cluster().or_by(WHOLE_NAMES),
    right("get", "configmaps").named(CONFIG_MAP).cluster().or(OWN_LAYOUT),
];

/// What `failover` takes.
const FAILOVER: &[Right] = &[
    right("list", "pods").asked(When::Always),
    right("watch", "pods").asked(When::Always),
    right("list", "persistentvolumeclaims").asked(When::Always),
    right("watch", "persistentvolumeclaims").asked(When::Always),
    right("list", "statefulsets.apps").asked(When::Always),
    right("watch", "statefulsets.apps").asked(When::Always),
    right("delete", "pods").asked(When::Always),
    right("delete", "persistentvolumeclaims").asked(When::Replacing).or_by("--keep-pvc replaces the pod alone"),
    right("patch", "persistentvolumes").cluster().asked(When::Retaining).or_by(UNRETAINED),
    right("create", "pods").asked(When::Always).or(UNTRIED),
    right("create", "persistentvolumeclaims").asked(When::Replacing).or(UNTRIED),
    right("list", "resourcequotas").or(UNCOUNTED),
    // From Kubernetes 1.35 a forward by WebSocket needs `create`, before it needed `get`.
    right("get", "pods/portforward").asked(When::Proving).or_by("--no-verify goes on without proof"),
    right("create", "pods/portforward").asked(When::Proving).or_by("--no-verify goes on without proof"),
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
    right("watch", "persistentvolumes")
        .cluster()
        .asked(When::Retaining)
        .or("what becomes of the old volume is not seen"),
    right("get", "persistentvolumes").cluster().or(FOUND),
    right("list", "namespaces").cluster().or_by(WHOLE_NAMES),
    right("list", "nodes").cluster().or(NODES),
    right("list", "storageclasses.storage.k8s.io").cluster().or("whether the new claims' class exists is unknown"),
    right("list", "poddisruptionbudgets.policy").or("whether a disruption budget forbids it is unknown"),
    right("get", "configmaps").named(CONFIG_MAP).cluster().or(OWN_LAYOUT),
];

/// What `history` takes, and `history release`.
const HISTORY: &[Right] = &[
    right("list", "pods").or_by("nothing is released: whether its replacement is back is unknown"),
    right("list", "persistentvolumeclaims").or_by("nothing is released: whether its replacement is back is unknown"),
    right("list", "persistentvolumes").cluster().or("what is on record on volumes is unknown"),
    right("patch", "persistentvolumes").cluster().or_by("nothing is released"),
    right("get", "persistentvolumes").cluster().or(FOUND),
    right("list", "namespaces").cluster().or_by(WHOLE_NAMES),
    right("get", "configmaps").named(CONFIG_MAP).cluster().or(OWN_LAYOUT),
];

/// What a command takes.
pub fn of(command: RbacFor) -> Vec<Right> {
    match command {
        RbacFor::Status => STATUS.to_vec(),
        RbacFor::Verify => VERIFY.to_vec(),
        RbacFor::Forward => FORWARD.to_vec(),
        RbacFor::Failover => FAILOVER.to_vec(),
        RbacFor::Undo => FAILOVER.iter().filter_map(|right| undo(*right)).collect(),
        RbacFor::History => HISTORY.to_vec(),
    }
}

/// An undo takes what a failover does, has no other way round volumes and claims, and asks no class for a volume.
fn undo(right: Right) -> Option<Right> {
    match right.resource {
        "storageclasses.storage.k8s.io" => None,
        "persistentvolumes" | "persistentvolumeclaims" if !right.goes_on => Some(Right { without: None, ..right }),
        _ => Some(right),
    }
}

/// What several commands take together, each right once. What one of them cannot do without is not optional.
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

/// Permissions that failing over this member takes.
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

/// What becomes of a failover that goes on without this right; `None` where it does not.
pub fn goes_on_without(permission: &Permission) -> Option<&'static str> {
    let place = permission.namespace.as_deref().unwrap_or_default();
    let found = FAILOVER.iter().find(|right| right.goes_on && right.permission(place) == *permission);
    found.and_then(|right| right.without)
}

/// Rights that a role's rule grants together: the same verbs on resources of one group, with the same consequence where
/// they are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// With their subresource.
    pub resources: Vec<&'static str>,
    /// The one object, where it is one.
    pub name: Option<String>,
    /// Each once.
    pub verbs: Vec<&'static str>,
    /// What becomes of the command without it, where it goes on.
    pub without: Option<&'static str>,
}

/// The rules of a role for a place, those that a command cannot do without first.
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
    // One of several verbs needs one object, and another knows of none: these are rules of their own.
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
