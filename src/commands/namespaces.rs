//! Which namespaces a command searches: by kubectl's precedence and SynxDB's names.

use super::Context;
use super::context::DEADLINE;
use super::surroundings::Surroundings;
use crate::cluster::snapshot::{Cause, NamespaceFacts, ObjectFacts, Read, Snapshot};
use crate::cluster::{Cluster, Freshness, ReadRequest};
use crate::error::{Error, Result};
use crate::suggestion::{kubectl, plugin};
use crate::topology::health::being_deleted;
use crate::topology::target::{NamespaceMatch, TargetName, match_namespace, without_mark};
use crate::topology::{Layout, SpaceKind, Topology};
use std::collections::HashSet;
use std::time::Duration;

/// The namespaces to read, and what is known of all namespaces.
#[derive(Default)]
pub(super) struct Scope {
    pub(super) namespaces: Vec<String>,
    pub(super) names: Read<Vec<String>>,
    /// All that are known to be terminating.
    pub(super) terminating: Vec<String>,
    /// Those of them that were not named, and so are skipped.
    pub(super) passed_over: Vec<String>,
    /// Those that the user named.
    pub(super) named: Vec<String>,
    /// Labeled pods of all namespaces, if no namespace was named.
    pub(super) labelled_pods: Read<Vec<ObjectFacts>>,
    /// StatefulSets of all namespaces, if requested.
    pub(super) stateful_sets: Read<Vec<ObjectFacts>>,
}

impl Scope {
    /// Reads the namespaces, and the cluster-scoped objects that `besides` requests, consistently.
    ///
    /// # Errors
    /// Nothing could be read because of the connection.
    pub(super) async fn read(self, cluster: &Cluster, besides: ReadRequest) -> Result<Snapshot> {
        let freshness = Freshness::Consistent;
        let other_namespaces = self.others();
        let request =
            ReadRequest { namespaces: self.namespaces, other_namespaces, freshness, deadline: DEADLINE, ..besides };
        let (terminating, passed_over, named) = (self.terminating, self.passed_over, self.named);
        let read = cluster.read(&request).await;
        let snapshot = Snapshot {
            namespace_names: self.names,
            terminating,
            passed_over,
            named,
            labelled_pods: self.labelled_pods,
            stateful_sets_everywhere: self.stateful_sets,
            ..read
        };
        reachable(cluster, &snapshot)?;
        Ok(snapshot)
    }

    /// Returns the namespaces that are known to exist and are not read.
    pub(super) fn others(&self) -> Vec<String> {
        match &self.names {
            Read::Known(names) => {
                let ours: HashSet<&String> = self.namespaces.iter().collect();
                names.iter().filter(|name| !ours.contains(name)).cloned().collect()
            }
            Read::Unknown(_) | Read::NotAsked => Vec::new(),
        }
    }

    /// Adds terminating namespaces that a target names.
    pub(super) fn with_named_by(mut self, targets: &[String], layout: &Layout) -> Self {
        let named = targets.iter().filter_map(|typed| TargetName::parse(typed).namespace);
        for typed in named {
            let among = |names: &[String]| match match_namespace(&typed, names, layout) {
                NamespaceMatch::One(name) => Some(name),
                NamespaceMatch::Many(_) | NamespaceMatch::None(_) => None,
            };
            // A prefix means an active namespace before a terminating one.
            let exact = self.passed_over.iter().any(|name| name == without_mark(&typed));
            if (exact || among(&self.namespaces).is_none())
                && let Some(name) = among(&self.passed_over)
            {
                self.passed_over.retain(|other| *other != name);
                self.named.push(name.clone());
                self.namespaces.push(name);
            } else if let Some(name) = among(&self.namespaces) {
                self.named.push(name);
            }
        }
        self
    }
}

/// Finds the namespaces: `typed` (from a target or a flag) before the context's, and without either the system namespace and
/// every account's. The context's `default` counts as none: it is what a kubeconfig has without a namespace.
pub(super) async fn scope(
    context: &Context,
    cluster: &Cluster,
    typed: Option<&str>,
    all: bool,
    deadline: Duration,
) -> Result<Scope> {
    match context.surroundings.get() {
        Some(around) => scope_in(around, cluster, typed, all, deadline).await,
        None => Err(Error::failure("not connected to the cluster")),
    }
}

/// Finds the namespaces in the given surroundings.
pub(super) async fn scope_in(
    around: &Surroundings,
    cluster: &Cluster,
    typed: Option<&str>,
    all: bool,
    deadline: Duration,
) -> Result<Scope> {
    let layout = &around.layout;
    let typed = typed.or(of_context(cluster, all));
    match around.namespaces(cluster, deadline).await {
        Read::Known(all) => {
            let scope = among(all, typed, layout)?;
            let everywhere = if typed.is_some() { Read::NotAsked } else { around.labelled_pods.clone() };
            Ok(Scope { labelled_pods: everywhere, ..scope })
        }
        Read::Unknown(part) => {
            if !matches!(part.cause, Cause::Forbidden) {
                return Err(cluster.unreadable(&part));
            }
            // Without the right to list namespaces, one can still be used by its full name.
            let name = typed.map_or_else(|| layout.system_namespace.clone(), |typed| without_mark(typed).to_owned());
            let terminating = match cluster.namespace_named(&name, deadline).await {
                Read::Known(Some(NamespaceFacts { terminating: true, name })) => vec![name],
                _ => Vec::new(),
            };
            let named = typed.map(|_| name.clone()).into_iter().collect();
            Ok(Scope { namespaces: vec![name], names: Read::Unknown(part), terminating, named, ..Scope::default() })
        }
        Read::NotAsked => Ok(Scope::default()),
    }
}

/// Returns the context's namespace, if it has one and not all are requested.
pub(super) fn of_context(cluster: &Cluster, all: bool) -> Option<&str> {
    cluster.namespace().filter(|name| *name != "default" && !all)
}

/// Selects the namespaces to search: the one that was typed, or all of SynxDB.
///
/// # Errors
/// The typed name matches none of them, or several.
pub(super) fn among(all: Vec<NamespaceFacts>, typed: Option<&str>, layout: &Layout) -> Result<Scope> {
    let terminating: Vec<String> =
        all.iter().filter(|found| found.terminating).map(|found| found.name.clone()).collect();
    let existing: Vec<String> = all.into_iter().map(|found| found.name).collect();
    let (passed_over, namespaces) = match typed {
        Some(typed) => match meant(typed, &existing, &terminating, layout) {
            NamespaceMatch::One(name) => (Vec::new(), vec![name]),
            NamespaceMatch::Many(names) => return Err(several(typed, &names)),
            NamespaceMatch::None(near) => return Err(unknown(typed, &near)),
        },
        None => {
            // A terminating namespace that only has a similar name does not matter.
            let counts = |name: &&String| layout.is_certain(name) || !terminating.contains(name);
            let ours = existing.iter().filter(|name| layout.space_kind(name).is_some()).filter(counts).cloned();
            // A terminating account is skipped; SynxDB is not healthy without its system namespace.
            let goes =
                |name: &String| terminating.contains(name) && layout.space_kind(name) == Some(SpaceKind::Account);
            ours.partition(goes)
        }
    };
    let named = if typed.is_some() { namespaces.clone() } else { Vec::new() };
    Ok(Scope { namespaces, names: Read::Known(existing), terminating, passed_over, named, ..Scope::default() })
}

/// Matches a typed namespace: a full name always, and a prefix of an active namespace before one of a terminating one.
fn meant(typed: &str, existing: &[String], terminating: &[String], layout: &Layout) -> NamespaceMatch {
    let staying: Vec<String> = existing.iter().filter(|name| !terminating.contains(name)).cloned().collect();
    if existing.iter().any(|name| name == without_mark(typed)) {
        return match_namespace(typed, existing, layout);
    }
    match match_namespace(typed, &staying, layout) {
        NamespaceMatch::None(_) => match_namespace(typed, existing, layout),
        found => found,
    }
}

/// Rejects an operation that needs objects recreated in a terminating namespace.
///
/// # Errors
/// The namespace is known to be terminating.
pub(super) fn not_terminating(topology: &Topology, namespace: &str) -> Result<()> {
    if !topology.space(namespace).is_some_and(|space| space.terminating) {
        return Ok(());
    }
    Err(Error::refused(being_deleted(namespace))
        .because("nothing can be recreated in it; nothing was changed")
        .hint(kubectl("describe namespace").word(namespace).note("to see what it waits for")))
}

fn several(typed: &str, names: &[String]) -> Error {
    let error = Error::usage(format!("namespace {typed:?} is ambiguous: {}", names.join(", ")));
    names.iter().fold(error, |error, name| error.hint(plugin("status").namespace(name)))
}

fn unknown(typed: &str, near: &[String]) -> Error {
    let error = Error::failure(format!("namespace {typed:?} not found"));
    if near.is_empty() {
        return error.hint(kubectl("get namespaces"));
    }
    error
        .because(format!("SynxDB namespaces: {}", near.join(", ")))
        .hint(plugin("status -A").note("to list all of them"))
}

/// Returns the error if nothing could be read for the same reason of the connection.
pub(super) fn reachable(cluster: &Cluster, snapshot: &Snapshot) -> Result<()> {
    let mut parts = snapshot.unread_pods();
    let Some(Some(first)) = snapshot.unread_pods().next() else { return Ok(()) };
    let lost = |cause| matches!(cause, Cause::Unauthorized | Cause::Unreachable | Cause::TimedOut);
    if parts.all(|part| part.is_some_and(|part| lost(part.cause))) {
        return Err(cluster.unreadable(first));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMINATING: &str = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";
    const ACTIVE: &str = "cloud007-613d75d5-3033-4649-b913-07f6115ec41a";
    const OTHER: &str = "cloud008-513d75d5-3033-4649-b913-07f6115ec41a";

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    /// A full name may mean a terminating namespace, a prefix only if no active one matches.
    #[test]
    fn one_that_stays_is_meant_before_one_that_goes() {
        let layout = Layout::shipped().unwrap();
        let existing = owned(&["default", TERMINATING, ACTIVE, OTHER]);
        let one = |name: &str| NamespaceMatch::One(name.to_owned());
        for (typed, terminating, expected) in [
            ("cloud007", vec![], NamespaceMatch::Many(owned(&[TERMINATING, ACTIVE]))),
            ("cloud007", vec![TERMINATING], one(ACTIVE)),
            ("cloud007-5", vec![TERMINATING], one(TERMINATING)),
            ("cloud007", vec![TERMINATING, ACTIVE], NamespaceMatch::Many(owned(&[TERMINATING, ACTIVE]))),
            (TERMINATING, vec![TERMINATING], one(TERMINATING)),
            ("cloud00", vec![TERMINATING], NamespaceMatch::Many(owned(&[ACTIVE, OTHER]))),
        ] {
            let terminating = owned(&terminating);
            assert_eq!(meant(typed, &existing, &terminating, &layout), expected, "{typed} without {terminating:?}");
        }
    }

    /// Many namespaces have names like an account: terminating ones are ignored, active ones searched.
    #[test]
    fn a_terminating_namespace_with_a_common_name_is_ignored() {
        let layout = Layout::shipped().unwrap();
        let facts = |name: &str, terminating| NamespaceFacts { name: name.to_owned(), terminating };
        let all = |terminating| {
            vec![facts(TERMINATING, true), facts("web-preview-deadbeef", terminating), facts("default", false)]
        };
        let scope = among(all(true), None, &layout).unwrap();
        assert_eq!((scope.namespaces, scope.passed_over), (vec![], owned(&[TERMINATING])));
        let scope = among(all(false), None, &layout).unwrap();
        assert_eq!((scope.namespaces, scope.passed_over), (owned(&["web-preview-deadbeef"]), owned(&[TERMINATING])));
    }

    #[test]
    fn a_target_adds_the_namespace_that_it_names() {
        let layout = Layout::shipped().unwrap();
        for (targets, namespaces, passed_over) in [
            (vec![], vec![ACTIVE, OTHER], vec![TERMINATING]),
            (vec!["wh9527-0", "pod/wh9527-0"], vec![ACTIVE, OTHER], vec![TERMINATING]),
            (vec!["cloud007/wh9527-0"], vec![ACTIVE, OTHER], vec![TERMINATING]),
            (vec!["cloud008/wh9527-0", "cloud007-5/wh9527-0"], vec![ACTIVE, OTHER, TERMINATING], vec![]),
            (vec!["cloud007-513d75d5-3033-4649-b913-07f6115ec41a+/wh9527-0"], vec![ACTIVE, OTHER, TERMINATING], vec![]),
        ] {
            let scope = Scope {
                namespaces: owned(&[ACTIVE, OTHER]),
                names: Read::Known(owned(&[TERMINATING, ACTIVE, OTHER])),
                terminating: owned(&[TERMINATING]),
                passed_over: owned(&[TERMINATING]),
                ..Scope::default()
            };
            let scope = scope.with_named_by(&owned(&targets), &layout);
            assert_eq!((scope.namespaces, scope.passed_over), (owned(&namespaces), owned(&passed_over)), "{targets:?}");
        }
    }
}
