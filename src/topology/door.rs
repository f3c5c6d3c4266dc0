//! Where a member is asked how it is: by its own door, or through the component that answers for it.

use super::layout::{PageDoor, SqlDoor};
use super::model::{Component, Member, Topology};

/// How a member can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// By SQL, through this pod.
    Sql {
        /// Pod that takes the session: the member's own, or the one that answers for it.
        pod: String,
        /// Port, user and database.
        door: SqlDoor,
    },
    /// By its own status page.
    Page {
        /// The pod.
        pod: String,
        /// Port and path.
        door: PageDoor,
    },
    /// Not at all, for this reason.
    Silent(String),
}

impl Topology {
    /// The door of a member. Nothing is asked; a pod that is not there has its door all the same.
    pub fn door(&self, member: &Member) -> Door {
        let Some(component) = self.component_of(member) else {
            return Door::Silent("its component is not known".into());
        };
        let (door_of, pod) = match component.answers_through {
            None => (component, Some(member)),
            Some(role) => match self.answering(member) {
                Some(door) => (door, door.members.first()),
                None => return Door::Silent(format!("there is no {role} in its namespace to answer for it")),
            },
        };
        let Some(pod) = pod else {
            return Door::Silent(format!("the {} that answers for it has no pod", door_of.role));
        };
        if let Some(why) = self.usurper(pod) {
            return Door::Silent(format!("a stranger has the name of {}: {why}", pod.name));
        }
        if let Some(reason) = pod.pod.as_ref().and_then(|facts| facts.sql_skipped.clone()) {
            return Door::Silent(format!("{} says that SQL is not to be asked of it: {reason}", pod.name));
        }
        if let Some(role) = door_of.yields_to {
            return Door::Silent(format!("{} speaks HTTP: the account's {role} takes SQL", pod.name));
        }
        match (&door_of.sql, &door_of.page) {
            (Some(door), _) => Door::Sql { pod: pod.name.clone(), door: door.clone() },
            (None, Some(door)) => Door::Page { pod: pod.name.clone(), door: door.clone() },
            (None, None) => Door::Silent("the layout names no port on which it answers".into()),
        }
    }

    /// The component that answers for a member which does not do so itself.
    pub fn answering(&self, member: &Member) -> Option<&Component> {
        let role = self.component_of(member)?.answers_through?;
        self.space(&member.namespace)?.component(role)
    }
}
