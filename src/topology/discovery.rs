//! Finds SynxDB in namespaces of any name: accounts, by the component labels of their pods, and objects that look like
//! SynxDB's in other namespaces.

use super::layout::{Layout, LookalikeEvidence, Recognized, RecognizedBy, SpaceKind};
use super::model::Unrecognized;
use super::recognition::name_of_workload;
use crate::cluster::snapshot::{ObjectFacts, Snapshot};
use std::collections::{BTreeMap, BTreeSet};

/// Returns the namespaces in which a pod's label names one of an account's components, each once. The system namespace
/// is never an account.
pub(crate) fn accounts(layout: &Layout, pods: &[ObjectFacts]) -> Vec<String> {
    let says_so = |pod: &&ObjectFacts| {
        pod.namespace != layout.system_namespace && layout.knows_label(SpaceKind::Account, &pod.labels)
    };
    let mut found: Vec<String> = pods.iter().filter(says_so).map(|pod| pod.namespace.clone()).collect();
    found.sort();
    found.dedup();
    found
}

/// Returns what looks like SynxDB's in the namespaces that were not read, by namespace and workload.
pub(super) fn elsewhere(snapshot: &Snapshot, layout: &Layout) -> Vec<Unrecognized> {
    let read: BTreeSet<&str> = snapshot.names_read().collect();
    let looked_into = |name: &String| read.contains(name.as_str()) || snapshot.terminating.contains(name);
    let mut found: BTreeMap<(String, String), (LookalikeEvidence, Vec<String>)> = BTreeMap::new();
    for set in snapshot.stateful_sets_everywhere.items().iter().filter(|set| !looked_into(&set.namespace)) {
        if let Some(evidence) = layout.evidence(&set.name, &set.labels) {
            found.insert((set.namespace.clone(), set.name.clone()), (evidence, Vec::new()));
        }
    }
    for pod in snapshot.labelled_pods.items().iter().filter(|pod| !looked_into(&pod.namespace)) {
        let owner = pod.controller.as_ref().map(|(kind, name)| (kind.as_str(), name.as_str()));
        // A Job's pod ends.
        if owner.is_some_and(|(kind, _)| kind == "Job") {
            continue;
        }
        let workload = name_of_workload(&pod.name, owner);
        if let Some(evidence) = layout.evidence(&workload, &pod.labels) {
            let (_, pods) = found.entry((pod.namespace.clone(), workload)).or_insert_with(|| (evidence, Vec::new()));
            pods.push(pod.name.clone());
        }
    }
    let unrecognized = |((namespace, workload), (evidence, pods))| Unrecognized { namespace, workload, pods, evidence };
    found.into_iter().map(unrecognized).collect()
}

impl Layout {
    /// Returns whether a rule for this kind of namespace knows the component label's value.
    fn knows_label(&self, kind: SpaceKind, labels: &BTreeMap<String, String>) -> bool {
        match self.recognize(kind, "", labels) {
            Recognized::As(_, RecognizedBy::Label) => true,
            Recognized::As(..) | Recognized::Not(_) | Recognized::Unrelated => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::snapshot::{Cause, Read, Unreadable};
    use crate::testing::{ACCOUNT, snapshot};
    use crate::topology::build;
    use crate::topology::health::{Health, judge};

    fn object(
        namespace: &str,
        name: &str,
        label: Option<(&str, &str)>,
        controller: Option<(&str, &str)>,
    ) -> ObjectFacts {
        ObjectFacts {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            labels: label.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            controller: controller.map(|(kind, name)| (kind.to_owned(), name.to_owned())),
        }
    }

    const COMPONENT: &str = "enterprise.dbaas/component";

    #[test]
    fn an_account_is_known_by_what_its_pods_say_that_they_are() {
        let layout = Layout::shipped().unwrap();
        let pods = [
            object("sales", "a-0", Some((COMPONENT, "warehouse")), None),
            object("sales", "b-0", Some((COMPONENT, "coordinator")), None),
            object("operators", "c-0", Some((COMPONENT, "operator")), None),
            object("other", "wh-1-segment-0", None, None),
            object("synxdb-system", "d-0", Some((COMPONENT, "warehouse")), None),
        ];
        assert_eq!(accounts(&layout, &pods), ["sales"]);
        let layout = layout.with_accounts(&["sales".to_owned()]);
        assert!(layout.only_by_labels("sales") && !layout.only_by_labels("synxdb-system"));
    }

    /// Wherever it is: status does not report as healthy what it does not know.
    #[test]
    fn what_looks_like_synxdb_elsewhere_is_not_passed_over() {
        let layout = Layout::shipped().unwrap();
        let mut read = snapshot(&[ACCOUNT]);
        let healthy = |read: &Snapshot| judge(&build(read, &layout)).health == Health::Healthy;
        assert!(healthy(&read));
        let ours = read.namespaces[0].namespace.clone();
        for (pods, sets, expected) in [
            (
                vec![object("ops", "op-7d-x", Some((COMPONENT, "operator")), Some(("ReplicaSet", "op-7d")))],
                vec![],
                "op",
            ),
            (vec![], vec![object("prod", "safekeeper", None, None)], "safekeeper"),
            (vec![], vec![object("prod", "wh-1-segment", None, None)], "wh-1-segment"),
            (vec![], vec![object("prod", "x", Some(("enterprise.dbaas/name", "wh-1")), None)], "x"),
            // A set and its pods count as one.
            (
                vec![object("p", "w-0", Some((COMPONENT, "w")), Some(("StatefulSet", "w")))],
                vec![object("p", "w", Some((COMPONENT, "w")), None)],
                "w",
            ),
            (vec![object("ops", "job-x", Some((COMPONENT, "init")), Some(("Job", "job")))], vec![], ""),
            (vec![], vec![object("prod", "whisper-1", None, None), object("trino", "coordinator", None, None)], ""),
            (vec![], vec![object(&ours, "safekeeper", None, None)], ""),
        ] {
            read.labelled_pods = Read::Known(pods);
            read.stateful_sets_everywhere = Read::Known(sets);
            let topology = build(&read, &layout);
            let found: Vec<&str> = topology.unrecognized().map(|one| one.workload.as_str()).collect();
            assert_eq!(found, expected.split_terminator(' ').collect::<Vec<_>>(), "{expected}");
            assert_eq!(healthy(&read), expected.is_empty(), "{expected}");
        }
    }

    /// A user who may not list all pods finds accounts by their namespaces' names alone, and is told so; without a
    /// response it is unknown which accounts there are.
    #[test]
    fn a_missing_right_to_list_everywhere_is_reported() {
        let layout = Layout::shipped().unwrap();
        for (cause, health, alone) in
            [(Cause::Forbidden, Health::Healthy, true), (Cause::TimedOut, Health::Unknown, false)]
        {
            let unread =
                Unreadable { resource: "pods", namespace: None, cause, reason: "why".to_owned(), source: None };
            let read = Snapshot { labelled_pods: Read::Unknown(unread), ..snapshot(&[ACCOUNT]) };
            let report = judge(&build(&read, &layout));
            assert_eq!((report.health, report.by_names_alone), (health, alone), "{cause:?}");
        }
    }

    /// A client that may label a pod in any namespace can make it look like an account: it gets no password until the
    /// user confirms it.
    #[test]
    fn an_account_by_labels_alone_is_trusted_with_no_password() {
        let account = ACCOUNT.replace("cloud007-513d75d5-3033-4649-b913-07f6115ec41a", "sales");
        let mut read = snapshot(&[&account]);
        let layout = Layout::shipped().unwrap().with_accounts(&["sales".to_owned()]);
        let topology = build(&read, &layout);
        for member in topology.members() {
            let why = topology.trusted(member).unwrap_err().to_string();
            assert_eq!(why, "namespace sales looks like an account by its labels alone: confirm it with -n sales");
        }
        read.named = vec!["sales".to_owned()];
        let topology = build(&read, &layout);
        assert!(topology.members().all(|member| topology.trusted(member).is_ok()));
    }
}
