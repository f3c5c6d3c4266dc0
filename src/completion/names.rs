//! Namespaces, entries of the kubeconfig, databases: names and little besides.

use super::Candidate;
use crate::cli::Names;
use crate::cluster::Entries;
use crate::cluster::snapshot::NamespaceFacts;
use crate::topology::{Layout, SpaceKind};

/// Namespaces: SynxDB's own first, the system's before the accounts'.
pub fn namespaces(all: &[NamespaceFacts], layout: &Layout) -> Vec<Candidate> {
    let kind = |namespace: &NamespaceFacts| layout.space_kind(&namespace.name);
    let mut all: Vec<&NamespaceFacts> = all.iter().collect();
    all.sort_by_key(|namespace| (kind(namespace).is_none(), kind(namespace), namespace.name.clone()));
    let candidate = |namespace: &NamespaceFacts| {
        let what = match kind(namespace) {
            Some(SpaceKind::System) => "SynxDB's system",
            Some(SpaceKind::Account) => "SynxDB account",
            None => "",
        };
        let about = match (what, namespace.terminating) {
            (what, false) => what.to_owned(),
            ("", true) => "Terminating".to_owned(),
            (what, true) => format!("{what}, Terminating"),
        };
        Candidate::new(&namespace.name, about)
    };
    all.into_iter().map(candidate).collect()
}

/// Contexts, clusters or users of the kubeconfig, in its order.
pub fn entries(entries: &Entries, names: Names) -> Vec<Candidate> {
    match names {
        Names::Context => {
            let candidate = |context: &crate::cluster::ContextEntry| {
                let current = if context.current { "current, " } else { "" };
                let namespace = context.namespace.as_ref().map(|name| format!(", namespace {name}"));
                let about = format!("{current}cluster {}{}", context.cluster, namespace.unwrap_or_default());
                Candidate::new(&context.name, about)
            };
            entries.contexts.iter().map(candidate).collect()
        }
        Names::Cluster => entries.clusters.iter().map(|(name, server)| Candidate::new(name, server)).collect(),
        Names::User => entries.users.iter().map(|name| Candidate::new(name, "")).collect(),
        _ => Vec::new(),
    }
}

/// Databases, each with the pod whose server has it; the same name once.
pub fn databases(found: &[(String, String)]) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for (pod, name) in found {
        match candidates.iter_mut().find(|known| known.value == *name) {
            Some(known) => known.about = format!("{}, {pod}", known.about),
            None => candidates.push(Candidate::new(name, format!("on {pod}"))),
        }
    }
    candidates
}

/// Scenarios of the practice cluster, with what is different in each.
pub fn scenarios(all: &[(&str, String)]) -> Vec<Candidate> {
    all.iter().map(|(name, about)| Candidate::new(*name, about)).collect()
}
