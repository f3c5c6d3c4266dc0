//! What is suspended. SynxDB suspends an account, or one of its warehouses, by scaling it to 0: its data stays in remote
//! storage, its pods go. That is neither health nor trouble. Pure.

use super::layout::{Role, SpaceKind};
use super::model::{Component, Member, Space};

/// An account or a warehouse that is suspended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspended {
    /// The account's namespace.
    pub namespace: String,
    /// The warehouse; `None` for the whole account.
    pub warehouse: Option<String>,
    /// Names of the StatefulSets that are scaled to 0.
    pub sets: Vec<String>,
}

impl Suspended {
    /// Returns what is suspended: `account a`, `warehouse wh-1 of account a`.
    pub fn what(&self) -> String {
        match &self.warehouse {
            Some(warehouse) => format!("warehouse {warehouse} of account {}", self.namespace),
            None => format!("account {}", self.namespace),
        }
    }

    /// Returns the evidence: `StatefulSet wh-1 is scaled to 0`.
    pub fn why(&self) -> String {
        match self.sets.as_slice() {
            [one] => format!("StatefulSet {one} is scaled to 0"),
            _ => format!("all of its {} StatefulSets are scaled to 0", self.sets.len()),
        }
    }
}

impl Component {
    /// Returns whether its StatefulSet is known to be scaled to 0.
    pub fn scaled_to_zero(&self) -> bool {
        self.set().is_some_and(|set| set.replicas == 0 && !set.terminating)
    }

    /// Returns whether it is scaled to 0 and its remaining pods, if any, are terminating.
    pub fn stopped(&self) -> bool {
        let stays = |member: &Member| member.pod.as_ref().is_some_and(|pod| pod.terminating.is_none());
        self.scaled_to_zero() && !self.members.iter().any(stays)
    }
}

impl Space {
    /// Returns whether it is an account all of whose components are stopped. An account that could not be read
    /// completely is not known to be suspended.
    pub fn suspended(&self) -> bool {
        self.may_be_suspended() && !self.components.is_empty() && self.components.iter().all(Component::stopped)
    }

    fn may_be_suspended(&self) -> bool {
        self.kind == SpaceKind::Account && !self.terminating && self.gaps.is_empty() && self.unrecognized.is_empty()
    }

    /// Returns what is suspended in it: the account, or its stopped warehouses if the account is not.
    pub fn suspensions(&self) -> Vec<Suspended> {
        let of = |warehouse, sets| Suspended { namespace: self.namespace.clone(), warehouse, sets };
        if self.suspended() {
            return vec![of(None, self.components.iter().map(|component| component.name.clone()).collect())];
        }
        let mut warehouses: Vec<Suspended> = Vec::new();
        for component in self.components.iter().filter(|component| self.suspends(component)) {
            let name = component.warehouse_name();
            match warehouses.iter_mut().find(|one| one.warehouse.as_deref() == Some(name)) {
                Some(same) => same.sets.push(component.name.clone()),
                None => warehouses.push(of(Some(name.to_owned()), vec![component.name.clone()])),
            }
        }
        warehouses
    }

    /// Returns whether a suspension stops this component: its own as a warehouse, or the account's.
    pub fn suspends(&self, component: &Component) -> bool {
        // Several StatefulSets may form one warehouse.
        let stopped = |other: &Component| other.warehouse_name() != component.warehouse_name() || other.stopped();
        let mut warehouses = self.components.iter().filter(|other| other.role == Role::WarehouseNode);
        let warehouse = component.role == Role::WarehouseNode && warehouses.all(stopped);
        (warehouse && self.may_be_suspended()) || self.suspended()
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{snapshot, unreadable};
    use crate::topology::health::{Health, judge};
    use crate::topology::{Layout, Topology, build};

    const NAMESPACE: &str = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";

    /// An account with a proxy and two warehouses, each with this many replicas, and these pods.
    fn world([proxy, first, second]: [u32; 3], pods: &str) -> Topology {
        let account = format!(
            "namespace: {NAMESPACE}
sets:
- {{name: cloudberry-proxy, replicas: {proxy}}}
- {{name: wh1, replicas: {first}}}
- {{name: wh2, replicas: {second}}}
pods: [{pods}]"
        );
        build(&snapshot(&[&account]), &Layout::shipped().unwrap())
    }

    const PROXY: &str = "{name: cloudberry-proxy-0, set: cloudberry-proxy, ready: true}";
    const FIRST: &str = "{name: wh1-0, set: wh1, ready: true}";
    const GOING: &str = "{name: wh2-0, set: wh2, ready: true, terminating: true}";
    const STAYS: &str = "{name: wh2-0, set: wh2, ready: true}";

    #[test]
    fn what_is_scaled_to_zero_is_suspended_and_no_trouble() {
        let all = format!("account {NAMESPACE}: all of its 3 StatefulSets are scaled to 0");
        let of = |warehouse: &str| {
            format!("warehouse {warehouse} of account {NAMESPACE}: StatefulSet {warehouse} is scaled to 0")
        };
        let (first, second) = (of("wh1"), of("wh2"));
        for (replicas, pods, health, members, suspended) in [
            ([0, 0, 0], "", Health::Suspended, (0, 0), vec![all.as_str()]),
            // While its pods terminate, it is being suspended.
            ([0, 0, 0], GOING, Health::Suspended, (0, 0), vec![all.as_str()]),
            ([1, 1, 0], &format!("{PROXY}, {FIRST}"), Health::Healthy, (2, 2), vec![second.as_str()]),
            ([1, 1, 0], &format!("{PROXY}, {FIRST}, {GOING}"), Health::Healthy, (2, 2), vec![second.as_str()]),
            // The controller has not deleted the pod yet.
            ([1, 1, 0], &format!("{PROXY}, {FIRST}, {STAYS}"), Health::Healthy, (3, 3), vec![]),
            ([1, 0, 0], PROXY, Health::Healthy, (1, 1), vec![first.as_str(), second.as_str()]),
            // A suspension hides no problem of the rest.
            ([1, 1, 0], PROXY, Health::Degraded, (1, 2), vec![second.as_str()]),
            ([1, 1, 1], &format!("{PROXY}, {FIRST}, {GOING}"), Health::Degraded, (2, 3), vec![]),
        ] {
            let report = judge(&world(replicas, pods));
            let words: Vec<String> =
                report.suspended.iter().map(|one| format!("{}: {}", one.what(), one.why())).collect();
            assert_eq!((report.health, report.members), (health, members), "{replicas:?} {pods}");
            assert_eq!(words, suspended, "{replicas:?} {pods}");
        }
    }

    /// Without its endpoint the warehouses are unusable, and nothing in the system namespace is ever suspended.
    #[test]
    fn what_is_scaled_to_zero_alone_is_trouble() {
        let report = judge(&world([0, 1, 0], FIRST));
        assert_eq!((report.health, report.troubles.len()), (Health::Degraded, 1));
        let trouble = &report.troubles[0];
        assert_eq!(
            (trouble.member.as_str(), trouble.because.as_str()),
            ("cloudberry-proxy", "its StatefulSet is scaled to 0")
        );
        for set in ["safekeeper", "pageserver", "cloudberry-proxy"] {
            let system = format!("namespace: synxdb-system\nsets: [{{name: {set}, replicas: 0}}]");
            let topology = build(&snapshot(&[&system]), &Layout::shipped().unwrap());
            let report = judge(&topology);
            assert_eq!((report.health, report.suspended.len()), (Health::Degraded, 0), "{set}");
        }
    }

    /// An account whose pods cannot be read is unknown.
    #[test]
    fn what_cannot_be_read_is_not_known_to_be_suspended() {
        let account = format!("namespace: {NAMESPACE}\nsets: [{{name: cloudberry-proxy, replicas: 0}}]");
        let mut read = snapshot(&[&account]);
        read.namespaces[0].pods = unreadable("pods", Some(NAMESPACE));
        let report = judge(&build(&read, &Layout::shipped().unwrap()));
        assert_eq!((report.health, report.suspended.len()), (Health::Unknown, 0));
    }

    /// A target that is suspended has no pod to fail over, and is named as what it is: by its StatefulSet, by a pod that it
    /// would have, or by its role. Nothing else is taken for it.
    #[test]
    fn a_target_that_is_suspended_is_named_as_such() {
        use crate::topology::target::{TargetMatch, match_target};
        let running = world([1, 0, 1], &format!("{PROXY}, {STAYS}"));
        let wh1 = Some(format!("warehouse wh1 of account {NAMESPACE}"));
        let none = || None;
        for (name, expected) in [
            ("wh1", wh1.clone()),
            ("wh1-0", wh1.clone()),
            ("wh1-12", wh1.clone()),
            ("wh1-x", none()),
            ("wh1x-0", none()),
            ("wh10", none()),
            ("wh3", none()),
            // These have pods, or would be missing ones.
            ("wh2-7", none()),
            ("cloudberry-proxy-1", none()),
        ] {
            let found = match match_target(&running, None, name) {
                TargetMatch::Suspended(all) => {
                    Some(all.iter().map(super::Suspended::what).collect::<Vec<_>>().join("; "))
                }
                _ => None,
            };
            assert_eq!(found, expected, "{name}");
        }
        // Of a whole account it is the account, whichever part is meant.
        let stopped = world([0, 0, 0], "");
        for (name, parts) in [("wh1-0", 1), ("cloudberry-proxy", 1), ("warehouse-node", 2)] {
            let TargetMatch::Suspended(all) = match_target(&stopped, None, name) else { panic!("{name}") };
            assert_eq!(all.len(), parts, "{name}");
            assert!(all.iter().all(|one| one.what() == format!("account {NAMESPACE}")), "{name}");
        }
    }
}
