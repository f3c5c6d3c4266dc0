//! Which namespaces a command looks at: kubectl's precedence, SynxDB's names.

use super::Context;
use super::context::DEADLINE;
use super::surroundings::Surroundings;
use crate::cli::quoted;
use crate::cluster::snapshot::{Cause, NamespaceFacts, ObjectFacts, Read, Snapshot};
use crate::cluster::{Cluster, Freshness, ReadRequest};
use crate::error::{Error, Result};
use crate::topology::health::being_deleted;
use crate::topology::target::{NamespaceMatch, TargetName, match_namespace, without_mark};
use crate::topology::{Layout, SpaceKind, Topology};
use std::time::Duration;

/// The namespaces to read, and what is known of all.
#[derive(Default)]
pub(super) struct Scope {
    pub(super) namespaces: Vec<String>,
    pub(super) names: Read<Vec<String>>,
    /// All that are known to be being deleted.
    pub(super) terminating: Vec<String>,
    /// Those of them that nobody named, and that are not read for it.
    pub(super) passed_over: Vec<String>,
    /// Those that the user named.
    pub(super) named: Vec<String>,
    /// The pods of all namespaces that say what they are, where all namespaces are meant.
    pub(super) labelled_pods: Read<Vec<ObjectFacts>>,
    /// All StatefulSets, where all namespaces are meant and somebody asked for them.
    pub(super) stateful_sets: Read<Vec<ObjectFacts>>,
}

impl Scope {
    /// Reads what is in the namespaces now, and of the volumes and nodes what `besides` asks for, consistently.
    ///
    /// # Errors
    /// Nothing could be read, for a reason of the connection's own.
    pub(super) async fn read(self, cluster: &Cluster, besides: ReadRequest) -> Result<Snapshot> {
        let freshness = Freshness::Consistent;
        let request = ReadRequest { namespaces: self.namespaces, freshness, deadline: DEADLINE, ..besides };
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

    /// Takes in those namespaces that a target names, although they are being deleted.
    pub(super) fn and_named_by(mut self, targets: &[String], layout: &Layout) -> Self {
        let named = targets.iter().filter_map(|typed| TargetName::parse(typed).namespace);
        for typed in named {
            let among = |names: &[String]| match match_namespace(&typed, names, layout) {
                NamespaceMatch::One(name) => Some(name),
                NamespaceMatch::Many(_) | NamespaceMatch::None(_) => None,
            };
            // One that stays and begins like this is meant before one that goes.
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

/// Finds the namespaces: `typed` (from a target or a flag) before the context's own, and without either the system
/// namespace and every account's. A context's `default` counts as none: it is what a kubeconfig says that says nothing.
pub(super) async fn scope(
    context: &Context,
    cluster: &Cluster,
    typed: Option<&str>,
    all: bool,
    deadline: Duration,
) -> Result<Scope> {
    match context.surroundings.get() {
        Some(around) => scope_in(around, cluster, typed, all, deadline).await,
        None => Err(Error::failure("the cluster was not connected to")),
    }
}

/// The same, in these surroundings.
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
            // One who may not list namespaces may still work in one: it is taken by its whole name.
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

/// The context's own namespace, where it says one and not all are asked for.
pub(super) fn of_context(cluster: &Cluster, all: bool) -> Option<&str> {
    cluster.namespace().filter(|name| *name != "default" && !all)
}

/// The namespaces to look into among those that there are: the one that was typed, or all of SynxDB.
///
/// # Errors
/// What was typed means none of them, or several.
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
            // Of one that is only called like SynxDB's, nobody misses it when it goes.
            let counts = |name: &&String| layout.is_certain(name) || !terminating.contains(name);
            let ours = existing.iter().filter(|name| layout.space_kind(name).is_some()).filter(counts).cloned();
            // An account that goes is nobody's any more; without its system, SynxDB is not well.
            let goes =
                |name: &String| terminating.contains(name) && layout.space_kind(name) == Some(SpaceKind::Account);
            ours.partition(goes)
        }
    };
    let named = if typed.is_some() { namespaces.clone() } else { Vec::new() };
    Ok(Scope { namespaces, names: Read::Known(existing), terminating, passed_over, named, ..Scope::default() })
}

/// What a typed namespace means: its whole name whatever becomes of it, and the beginning of one that stays before
/// that of one that is being deleted.
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

/// Refuses what would have something created again in a namespace that is being deleted.
///
/// # Errors
/// The namespace is known to be being deleted.
pub(super) fn stays(topology: &Topology, namespace: &str) -> Result<()> {
    if !topology.space(namespace).is_some_and(|space| space.terminating) {
        return Ok(());
    }
    Err(Error::refused(being_deleted(namespace))
        .because("nothing is created again in it; nothing was changed")
        .hint(format!("kubectl describe namespace {} tells what it waits for", quoted(namespace))))
}

fn several(typed: &str, names: &[String]) -> Error {
    let error = Error::usage(format!("namespace {typed:?} may be any of {}", names.join(", ")));
    names.iter().fold(error, |error, name| error.hint(format!("kubectl synxdb status -n {}", quoted(name))))
}

fn unknown(typed: &str, near: &[String]) -> Error {
    let error = Error::failure(format!("there is no namespace {typed:?}"));
    if near.is_empty() {
        return error.hint("kubectl get namespaces");
    }
    error.because(format!("SynxDB namespaces: {}", near.join(", "))).hint("kubectl synxdb status -A shows all of them")
}

/// Where no source could be read for one and the same reason of the connection, that reason is the answer.
pub(super) fn reachable(cluster: &Cluster, snapshot: &Snapshot) -> Result<()> {
    let mut parts = snapshot.namespaces.iter().map(|objects| &objects.pods);
    let first = match snapshot.namespaces.first().map(|objects| &objects.pods) {
        Some(Read::Unknown(part)) => part,
        _ => return Ok(()),
    };
    let lost = |cause| matches!(cause, Cause::Unauthorized | Cause::Unreachable | Cause::TimedOut);
    if parts.all(|part| matches!(part, Read::Unknown(part) if lost(part.cause))) {
        return Err(cluster.unreadable(first));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOING: &str = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";
    const STAYING: &str = "cloud007-613d75d5-3033-4649-b913-07f6115ec41a";
    const OTHER: &str = "cloud008-513d75d5-3033-4649-b913-07f6115ec41a";

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    /// By its whole name one that is being deleted is meant, by its beginning only where none that stays is.
    #[test]
    fn one_that_stays_is_meant_before_one_that_goes() {
        let layout = Layout::shipped().unwrap();
        let existing = owned(&["default", GOING, STAYING, OTHER]);
        let one = |name: &str| NamespaceMatch::One(name.to_owned());
        for (typed, terminating, expected) in [
            ("cloud007", vec![], NamespaceMatch::Many(owned(&[GOING, STAYING]))),
            ("cloud007", vec![GOING], one(STAYING)),
            ("cloud007-5", vec![GOING], one(GOING)),
            ("cloud007", vec![GOING, STAYING], NamespaceMatch::Many(owned(&[GOING, STAYING]))),
            (GOING, vec![GOING], one(GOING)),
            ("cloud00", vec![GOING], NamespaceMatch::Many(owned(&[STAYING, OTHER]))),
        ] {
            let terminating = owned(&terminating);
            assert_eq!(meant(typed, &existing, &terminating, &layout), expected, "{typed} without {terminating:?}");
        }
    }

    /// Much is called like an account: what goes of it is not told, and what stays is looked into.
    #[test]
    fn a_namespace_of_a_common_name_that_goes_is_nobodys() {
        let layout = Layout::shipped().unwrap();
        let facts = |name: &str, terminating| NamespaceFacts { name: name.to_owned(), terminating };
        let all =
            |terminating| vec![facts(GOING, true), facts("web-preview-deadbeef", terminating), facts("default", false)];
        let scope = among(all(true), None, &layout).unwrap();
        assert_eq!((scope.namespaces, scope.passed_over), (vec![], owned(&[GOING])));
        let scope = among(all(false), None, &layout).unwrap();
        assert_eq!((scope.namespaces, scope.passed_over), (owned(&["web-preview-deadbeef"]), owned(&[GOING])));
    }

    #[test]
    fn a_target_takes_in_the_namespace_that_it_names() {
        let layout = Layout::shipped().unwrap();
        for (targets, namespaces, passed_over) in [
            (vec![], vec![STAYING, OTHER], vec![GOING]),
            (vec!["wh9527-0", "pod/wh9527-0"], vec![STAYING, OTHER], vec![GOING]),
            (vec!["cloud007/wh9527-0"], vec![STAYING, OTHER], vec![GOING]),
            (vec!["cloud008/wh9527-0", "cloud007-5/wh9527-0"], vec![STAYING, OTHER, GOING], vec![]),
            (vec!["cloud007-513d75d5-3033-4649-b913-07f6115ec41a+/wh9527-0"], vec![STAYING, OTHER, GOING], vec![]),
        ] {
            let scope = Scope {
                namespaces: owned(&[STAYING, OTHER]),
                names: Read::Known(owned(&[GOING, STAYING, OTHER])),
                terminating: owned(&[GOING]),
                passed_over: owned(&[GOING]),
                ..Scope::default()
            };
            let scope = scope.and_named_by(&owned(&targets), &layout);
            assert_eq!((scope.namespaces, scope.passed_over), (owned(&namespaces), owned(&passed_over)), "{targets:?}");
        }
    }
}
