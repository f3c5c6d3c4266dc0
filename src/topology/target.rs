//! Resolves what a user typed to a namespace and a member; never guesses.

use super::layout::Layout;
use super::model::{Component, Member, Space, Topology};
use super::suspension::Suspended;

/// What a user typed as a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetName {
    /// The namespace (or its beginning) before a slash.
    pub namespace: Option<String>,
    /// A pod, workload, component or role.
    pub name: String,
}

impl TargetName {
    /// Parses `NAME`, `NAMESPACE/NAME`, and kubectl's `pod/NAME`.
    pub(crate) fn parse(text: &str) -> Self {
        match text.split_once('/') {
            Some(("pod" | "pods" | "po", name)) => Self { namespace: None, name: name.to_owned() },
            Some((namespace, name)) => Self { namespace: Some(namespace.to_owned()), name: name.to_owned() },
            None => Self { namespace: None, name: text.to_owned() },
        }
    }
}

/// The namespaces that a user's input matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NamespaceMatch {
    /// Exactly one.
    One(String),
    /// Several begin like this.
    Many(Vec<String>),
    /// None; the nearest names, nearest first.
    None(Vec<String>),
}

/// Finds the namespace that `typed` matches among those that exist: by its whole name, or as a prefix of exactly one
/// SynxDB namespace, or of exactly one namespace at all. A trailing `+` (a console's mark) is dropped.
pub(crate) fn match_namespace(typed: &str, existing: &[String], layout: &Layout) -> NamespaceMatch {
    let typed = without_mark(typed);
    if existing.iter().any(|name| name == typed) {
        return NamespaceMatch::One(typed.to_owned());
    }
    let begins: Vec<&String> = existing.iter().filter(|name| !typed.is_empty() && name.starts_with(typed)).collect();
    let ours: Vec<&String> = begins.iter().copied().filter(|name| layout.is_certain(name)).collect();
    match (ours.as_slice(), begins.as_slice()) {
        ([one], _) | ([], [one]) => NamespaceMatch::One((*one).clone()),
        ([], []) => {
            let ours: Vec<&str> = existing.iter().map(String::as_str).filter(|name| layout.is_certain(name)).collect();
            let near = nearest(typed, &ours);
            NamespaceMatch::None(if near.is_empty() {
                ours.into_iter().take(NEAREST).map(str::to_owned).collect()
            } else {
                near
            })
        }
        ([], several) | (several, _) => NamespaceMatch::Many(several.iter().map(|name| (*name).clone()).collect()),
    }
}

/// Returns a short name of this namespace that [`match_namespace`] accepts: the part before one of its dashes, if that
/// is unique and the whole name is long.
pub(crate) fn shortened<'n>(namespace: &'n str, existing: &[String], layout: &Layout) -> &'n str {
    const LONG: usize = 20;
    if namespace.len() <= LONG {
        return namespace;
    }
    let means_it = |short: &&str| match match_namespace(short, existing, layout) {
        NamespaceMatch::One(name) => name == namespace,
        NamespaceMatch::Many(_) | NamespaceMatch::None(_) => false,
    };
    let beginnings = namespace.match_indices('-').map(|(dash, _)| &namespace[..dash]);
    beginnings.filter(|short| !short.is_empty()).find(means_it).unwrap_or(namespace)
}

/// Returns a namespace without the `+` that a console appends to the current one.
pub(crate) fn without_mark(typed: &str) -> &str {
    typed.strip_suffix('+').unwrap_or(typed)
}

/// The members that a user's input matches.
#[derive(Clone, Debug)]
pub(crate) enum TargetMatch<'t> {
    /// Exactly one.
    One(&'t Member),
    /// Several members have the name.
    Many(Vec<&'t Member>),
    /// It is suspended, and has no pods: each account or warehouse that it may be.
    Suspended(Vec<Suspended>),
    /// A pod of this name exists but belongs to no SynxDB component: its namespace, and the reason if it has a member's
    /// name.
    Stranger(&'t str, Option<&'t str>),
    /// None; the nearest members' paths, nearest first.
    None(Vec<String>),
}

/// Finds the members that match `name`, within `namespace` if one is given: a pod's whole name before a workload's,
/// before a role's.
pub(crate) fn match_target<'t>(topology: &'t Topology, namespace: Option<&str>, name: &str) -> TargetMatch<'t> {
    let spaces = || topology.spaces.iter().filter(|space| namespace.is_none_or(|wanted| space.namespace == wanted));
    let by_pod: Vec<&Member> = spaces().flat_map(|space| space.members()).filter(|m| m.name == name).collect();
    let found = if by_pod.is_empty() {
        spaces()
            .flat_map(|space| &space.components)
            .filter(|component| component.name == name || component.role.name() == name)
            .flat_map(|component| &component.members)
            .collect()
    } else {
        by_pod
    };
    match found.as_slice() {
        [one] => TargetMatch::One(one),
        [] => {
            let suspended: Vec<Suspended> = spaces().flat_map(|space| suspended(space, name)).collect();
            if !suspended.is_empty() {
                return TargetMatch::Suspended(suspended);
            }
            let mut strangers = spaces().flat_map(|space| space.strangers.iter().map(move |one| (space, one)));
            if let Some((space, stranger)) = strangers.find(|(_, stranger)| stranger.name == name) {
                let why = stranger.poses.as_ref().map(|(_, why)| why.as_str());
                return TargetMatch::Stranger(&space.namespace, why);
            }
            let names: Vec<&str> = spaces().flat_map(|space| space.members()).map(|m| m.name.as_str()).collect();
            TargetMatch::None(nearest(name, &names))
        }
        _ => TargetMatch::Many(found),
    }
}

/// Returns what is suspended in a namespace and matches a name: a StatefulSet's, that of a pod it would create, a
/// role's.
fn suspended(space: &Space, name: &str) -> Vec<Suspended> {
    let means = |component: &&Component| {
        let ordinal = name.strip_prefix(&*component.name).and_then(|rest| rest.strip_prefix('-'));
        let pod = ordinal.is_some_and(|ordinal| ordinal.parse::<u32>().is_ok());
        space.suspends(component) && (pod || component.name == name || component.role.name() == name)
    };
    let sets = space.components.iter().filter(means).map(|component| Suspended {
        namespace: space.namespace.clone(),
        warehouse: (!space.suspended()).then(|| component.warehouse_name().to_owned()),
        sets: vec![component.name.clone()],
    });
    sets.collect()
}

const NEAREST: usize = 3;

/// Returns the names that a mistyped one probably means, nearest first, each once, at most three.
pub(crate) fn nearest(typed: &str, names: &[&str]) -> Vec<String> {
    let mut scored: Vec<(f64, &str)> = names
        .iter()
        .map(|name| {
            let begins = !typed.is_empty() && (name.starts_with(typed) || typed.starts_with(name));
            (strsim::jaro_winkler(typed, name) + if begins { 1.0 } else { 0.0 }, *name)
        })
        .filter(|(score, _)| *score >= 0.8)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.into_iter().take(NEAREST).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A prefix of a name, or an extension of one, is a better match than a similar name.
    #[test]
    fn the_names_that_may_be_meant_come_nearest_first() {
        let names = ["pageserver-0", "safekeeper-0", "safekeeper-1", "safekeeper-1", "safekeeper-2", "safekeeper-3"];
        for (typed, expected) in [
            ("", &[][..]),
            ("nothing-like-it", &[]),
            ("p", &["pageserver-0"]),
            ("pageserver-0.synxdb-system.svc.cluster.local", &["pageserver-0"]),
            ("pagesrever-0", &["pageserver-0"]),
            // At most three, each once.
            ("safe", &["safekeeper-0", "safekeeper-1", "safekeeper-2"]),
            ("safekeeper-1", &["safekeeper-1", "safekeeper-0", "safekeeper-2"]),
        ] {
            assert_eq!(nearest(typed, &names), expected, "{typed}");
        }
    }
}
