//! Determines which pod a forward leads to, while pods are created and deleted.

use super::model::{Component, Member, Owner, Topology};

/// The target of a forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForwardTarget {
    namespace: String,
    pod: String,
    /// Name of the component, if its pods do not keep their names.
    component: Option<String>,
    /// UID of the StatefulSet that creates the pod, if one does: a pod of the same name with another owner is not its
    /// successor.
    owner: Option<String>,
}

/// Where the forward leads now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardState {
    /// To this pod, which is Ready and not terminating.
    Ready {
        /// Its name.
        pod: String,
        /// Its UID.
        uid: String,
    },
    /// To no pod, and why.
    NotReady(String),
}

impl ForwardTarget {
    /// Returns the forward to this member, or, if no StatefulSet keeps its name, to any Ready pod of its component.
    pub(crate) fn to(topology: &Topology, member: &Member) -> Self {
        let owner = member.pod.as_ref().and_then(|pod| pod.owner.as_ref());
        let renamed = owner.is_some_and(|owner| !owner.is_stateful_set());
        let component = topology.component_of(member).filter(|_| renamed).map(|component| component.name.clone());
        let made_by = |owner: &Owner| owner.is_stateful_set().then(|| owner.uid.clone());
        let set = || topology.component_of(member).and_then(Component::set).map(|set| set.uid.clone());
        let owner = match owner {
            Some(owner) => made_by(owner),
            None => set(),
        };
        Self { namespace: member.namespace.clone(), pod: member.name.clone(), component, owner }
    }

    /// Returns the one pod that has to be watched; `None`: all of the namespace.
    pub(crate) fn only(&self) -> Option<&str> {
        self.component.is_none().then_some(self.pod.as_str())
    }

    /// Returns where it leads. It stays with the last pod while that is Ready.
    pub(crate) fn now(&mut self, topology: &Topology) -> ForwardState {
        let same = topology.member(&self.namespace, &self.pod);
        let owner_of = |member: &Member| member.pod.as_ref().and_then(|pod| Some(pod.owner.as_ref()?.uid.clone()));
        if let Some(owner) = &self.owner
            && same.is_some_and(|same| owner_of(same).is_some_and(|other| other != *owner))
        {
            return ForwardState::NotReady("a pod with its name exists but has another owner".to_owned());
        }
        let others = topology
            .space(&self.namespace)
            .into_iter()
            .flat_map(|space| &space.components)
            .filter(|component| self.component.as_ref() == Some(&component.name))
            .flat_map(|component| &component.members);
        let ready = same
            .into_iter()
            .chain(others)
            .find_map(|member| Some((member, member.pod.as_ref()?)).filter(|_| member.ready()));
        if let Some((member, pod)) = ready {
            self.pod.clone_from(&member.name);
            return ForwardState::Ready { pod: member.name.clone(), uid: pod.uid.clone() };
        }
        ForwardState::NotReady(match same.and_then(|member| member.pod.as_ref()) {
            None => "the pod is gone".to_owned(),
            Some(pod) if pod.terminating.is_some() => "the pod is Terminating".to_owned(),
            Some(pod) => format!("the pod is not Ready ({})", pod.status),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::snapshot;
    use crate::topology::{Layout, build};

    fn world(pods: &str) -> Topology {
        build(&snapshot(&[&format!("namespace: a\npods: [{pods}]")]), &Layout::shipped().unwrap())
    }

    fn text_of(standing: ForwardState) -> String {
        match standing {
            ForwardState::Ready { pod, uid } => format!("{pod} {uid}"),
            ForwardState::NotReady(why) => why,
        }
    }

    #[test]
    fn a_pod_that_keeps_its_name_is_followed_by_it() {
        let pod = |rest: &str| world(&format!("{{name: cloudberry-proxy-0, set: cloudberry-proxy, {rest}}}"));
        let first = pod("uid: old, ready: true");
        let mut lead = ForwardTarget::to(&first, first.members().next().unwrap());
        assert_eq!(lead.only(), Some("cloudberry-proxy-0"));
        let other = "{name: cloudberry-proxy-1, set: cloudberry-proxy, uid: other, ready: true}";
        for (now, expected) in [
            (first, "cloudberry-proxy-0 old"),
            // Ready but terminating: a new connection would not last.
            (pod("uid: old, ready: true, terminating: true"), "the pod is Terminating"),
            (world(other), "the pod is gone"),
            (pod("uid: new, phase: Pending"), "the pod is not Ready (Pending)"),
            (pod("uid: new"), "the pod is not Ready (Running)"),
            (pod("uid: new, ready: true"), "cloudberry-proxy-0 new"),
        ] {
            assert_eq!(text_of(lead.now(&now)), expected);
        }
    }

    /// A client that may create pods may take the name while the pod is away.
    #[test]
    fn a_pod_of_the_same_name_and_another_owner_is_not_led_to() {
        let pod = |owner: &str| world(&format!("{{name: cloudberry-proxy-0, {owner}, uid: u, ready: true}}"));
        let first = pod("set: cloudberry-proxy");
        for (now, expected) in [
            (pod("set: cloudberry-proxy"), "cloudberry-proxy-0 u"),
            (pod("set: cloudberry-proxy, owner: forged"), "a pod with its name exists but has another owner"),
            (pod("replicaSet: mine-0"), "the pod is gone"),
            // Without an owner it is not a member at all.
            (world("{name: cloudberry-proxy-0, uid: u, ready: true}"), "the pod is gone"),
        ] {
            assert_eq!(text_of(ForwardTarget::to(&first, first.members().next().unwrap()).now(&now)), expected);
        }
    }

    #[test]
    fn where_pods_change_their_names_the_component_is_followed() {
        let pod = |name: &str, ready: bool| {
            format!(
                "{{name: cloudberry-proxy-7d9-{name}, replicaSet: cloudberry-proxy-7d9, uid: {name}, ready: {ready}}}"
            )
        };
        let first = world(&pod("aaa", true));
        let mut lead = ForwardTarget::to(&first, first.members().next().unwrap());
        assert_eq!(lead.only(), None);
        assert_eq!(
            text_of(lead.now(&world(&[pod("aaa", false), pod("bbb", true)].join(", ")))),
            "cloudberry-proxy-7d9-bbb bbb"
        );
        // It does not switch back without need.
        assert_eq!(
            text_of(lead.now(&world(&[pod("aaa", true), pod("bbb", true)].join(", ")))),
            "cloudberry-proxy-7d9-bbb bbb"
        );
        let stranger = "{name: wh1-0, set: wh1, uid: w, ready: true}";
        assert_eq!(text_of(lead.now(&world(stranger))), "the pod is gone");
    }
}
