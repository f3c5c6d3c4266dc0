//! Which namespaces a command looks at: kubectl's precedence, SynxDB's names.

use super::Context;
use crate::cluster::snapshot::{Cause, Read, Snapshot};
use crate::cluster::{Cluster, Freshness, ReadRequest};
use crate::error::{Error, Result};
use crate::topology::target::{NamespaceMatch, match_namespace, without_mark};
use std::time::Duration;

/// What each request may take of a command that needs to know what is there now.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// The namespaces to read, and what is known of all.
pub(super) struct Scope {
    pub(super) namespaces: Vec<String>,
    pub(super) names: Read<Vec<String>>,
}

impl Scope {
    /// Reads what is in the namespaces now, and of the volumes and nodes what `besides` asks for, consistently.
    ///
    /// # Errors
    /// Nothing could be read, for a reason of the connection's own.
    pub(super) async fn read(self, cluster: &Cluster, besides: ReadRequest) -> Result<Snapshot> {
        let freshness = Freshness::Consistent;
        let request = ReadRequest { namespaces: self.namespaces, freshness, deadline: DEADLINE, ..besides };
        let snapshot = Snapshot { namespace_names: self.names, ..cluster.read(&request).await };
        reachable(cluster, &snapshot)?;
        Ok(snapshot)
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
    let names = cluster.namespaces(deadline).await;
    let of_context = cluster.namespace().filter(|name| *name != "default" && !all);
    let typed = typed.or(of_context);
    let layout = &context.layout;
    let namespaces = match (&names, typed) {
        (Read::Known(existing), Some(typed)) => match match_namespace(typed, existing, layout) {
            NamespaceMatch::One(name) => vec![name],
            NamespaceMatch::Many(names) => return Err(several(typed, &names)),
            NamespaceMatch::None(near) => return Err(unknown(typed, &near)),
        },
        (Read::Known(existing), None) => {
            existing.iter().filter(|name| layout.space_kind(name).is_some()).cloned().collect()
        }
        (Read::Unknown(part), typed) => {
            if !matches!(part.cause, Cause::Forbidden) {
                return Err(cluster.unreadable(part));
            }
            // One who may not list namespaces may still work in one: it is taken by its whole name.
            vec![typed.map_or_else(|| layout.system_namespace.clone(), |typed| without_mark(typed).to_owned())]
        }
        (Read::NotAsked, _) => Vec::new(),
    };
    Ok(Scope { namespaces, names })
}

fn several(typed: &str, names: &[String]) -> Error {
    let error = Error::usage(format!("namespace {typed:?} may be any of {}", names.join(", ")));
    names.iter().fold(error, |error, name| error.hint(format!("kubectl synxdb status -n {name}")))
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
