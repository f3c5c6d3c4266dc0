//! Names of namespaces, kubeconfig entries and databases, as candidates.

use super::Candidate;
use crate::cli::Names;
use crate::cluster::Entries;
use crate::cluster::snapshot::NamespaceFacts;
use crate::topology::{Layout, SpaceKind};

/// Returns namespaces: SynxDB's first, the system before the accounts.
pub(crate) fn namespaces(all: &[NamespaceFacts], layout: &Layout) -> Vec<Candidate> {
    let kind =
        |namespace: &NamespaceFacts| layout.space_kind(&namespace.name).filter(|_| layout.is_certain(&namespace.name));
    let mut all: Vec<&NamespaceFacts> = all.iter().collect();
    all.sort_by_key(|namespace| (kind(namespace).is_none(), kind(namespace), namespace.name.clone()));
    let candidate = |namespace: &NamespaceFacts| {
        let what = match kind(namespace) {
            Some(SpaceKind::System) => "SynxDB system",
            Some(SpaceKind::Account) => "SynxDB account",
            Some(SpaceKind::Management) => "SynxDB management",
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

/// Returns contexts, clusters or users of the kubeconfig, in its order.
pub(crate) fn entries(entries: &Entries, names: Names) -> Vec<Candidate> {
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

/// Returns databases, each with the pods whose servers have it; each name once.
pub(crate) fn databases(found: &[(String, String)]) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for (pod, name) in found {
        match candidates.iter_mut().find(|known| known.value == *name) {
            Some(known) => known.about = format!("{}, {pod}", known.about),
            None => candidates.push(Candidate::new(name, format!("on {pod}"))),
        }
    }
    candidates
}

/// Returns names with their descriptions: scenarios of the practice cluster, document kinds.
pub(crate) fn described<'n>(all: impl IntoIterator<Item = (&'n str, &'n str)>) -> Vec<Candidate> {
    all.into_iter().map(|(name, about)| Candidate::new(name, about)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ContextEntry;

    fn as_pairs(found: Vec<Candidate>) -> Vec<(String, String)> {
        found.into_iter().map(|one| (one.value, one.about)).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(value, about)| ((*value).to_owned(), (*about).to_owned())).collect()
    }

    #[test]
    fn synxdbs_namespaces_come_first() {
        let account = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";
        let facts = |(name, terminating): (&str, bool)| NamespaceFacts { name: name.to_owned(), terminating };
        let all = [("default", false), (account, true), ("kube-system", true), ("synxdb-system", false)].map(facts);
        assert_eq!(
            as_pairs(namespaces(&all, &Layout::shipped().unwrap())),
            pairs(&[
                ("synxdb-system", "SynxDB system"),
                (account, "SynxDB account, Terminating"),
                ("default", ""),
                ("kube-system", "Terminating")
            ])
        );
    }

    #[test]
    fn kubeconfig_entries_have_a_description() {
        let context = |name: &str, namespace: Option<&str>, current| ContextEntry {
            name: name.to_owned(),
            cluster: "c".to_owned(),
            namespace: namespace.map(str::to_owned),
            current,
        };
        let all = Entries {
            contexts: vec![context("prod", Some("n"), true), context("test", None, false)],
            clusters: vec![("c".to_owned(), "https://c:6443".to_owned())],
            users: vec!["me".to_owned()],
        };
        assert_eq!(
            as_pairs(entries(&all, Names::Context)),
            pairs(&[("prod", "current, cluster c, namespace n"), ("test", "cluster c")])
        );
        assert_eq!(as_pairs(entries(&all, Names::Cluster)), pairs(&[("c", "https://c:6443")]));
        assert_eq!(as_pairs(entries(&all, Names::User)), pairs(&[("me", "")]));
    }

    #[test]
    fn a_database_of_two_servers_is_one() {
        let found = [("a-0", "postgres"), ("a-0", "sales"), ("b-0", "postgres")];
        let found: Vec<(String, String)> = found.map(|(pod, name)| (pod.to_owned(), name.to_owned())).into();
        assert_eq!(as_pairs(databases(&found)), pairs(&[("postgres", "on a-0, b-0"), ("sales", "on a-0")]));
    }
}
