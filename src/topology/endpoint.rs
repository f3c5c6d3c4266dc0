//! Where a member is queried: at its own endpoint, or through another component.

use super::health::wanted;
use super::layout::{Role, SqlEndpoint, StatusEndpoint};
use super::model::{Component, Member, Topology};
use serde::Serialize;

/// A warehouse of an account, as its sessions see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Warehouse {
    /// Its name, which a session selects.
    pub name: String,
    /// The number of its nodes.
    pub nodes: usize,
    /// Whether its account has no other, so that a dispatched query reaches its nodes and no others.
    #[serde(rename = "onlyWarehouse")]
    pub only: bool,
    /// Whether it will be verified that its nodes answer. Otherwise sessions are in it only to read.
    #[serde(rename = "nodesVerified")]
    pub proven: bool,
}

/// How a member can be queried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// By SQL, through this pod.
    Sql {
        /// Pod that takes the session: the member's own, or the one in front of it.
        pod: String,
        /// Port, user and database.
        endpoint: SqlEndpoint,
        /// The warehouse for the sessions; `None` if none is up.
        warehouse: Option<Warehouse>,
    },
    /// By its own status endpoint.
    Page {
        /// The pod.
        pod: String,
        /// Port and path.
        endpoint: StatusEndpoint,
    },
    /// Not at all, for this reason.
    Silent(String),
}

impl Topology {
    /// Returns the endpoint of a member. Sends nothing; a missing pod has its endpoint all the same.
    pub fn endpoint(&self, member: &Member) -> Endpoint {
        let Some(component) = self.component_of(member) else {
            return Endpoint::Silent("its component is unknown".into());
        };
        let (door_of, pod) = match component.answers_through {
            None => (component, Some(member)),
            Some(role) => match self.answering(member) {
                Some(endpoint) => (endpoint, endpoint.members.first()),
                None => return Endpoint::Silent(format!("its namespace has no {role} to connect through")),
            },
        };
        let Some(pod) = pod else {
            return Endpoint::Silent(format!("the {} to connect through has no pod", door_of.role));
        };
        if let Some(why) = self.usurper(pod) {
            return Endpoint::Silent(format!("the pod named {} is not SynxDB's: {why}", pod.name));
        }
        if let Some(reason) = pod.pod.as_ref().and_then(|facts| facts.sql_skipped.clone()) {
            return Endpoint::Silent(format!("SQL to {} is disabled: {reason}", pod.name));
        }
        if let Some(role) = door_of.yields_to {
            return Endpoint::Silent(format!("{} speaks HTTP: connect to the account's {role}", pod.name));
        }
        match (&door_of.sql, &door_of.page) {
            (Some(endpoint), _) => {
                let warehouse = match member.role {
                    Role::WarehouseNode => self.warehouse(component, &member.namespace, true),
                    _ => self.running_warehouse(&member.namespace),
                };
                Endpoint::Sql { pod: pod.name.clone(), endpoint: endpoint.clone(), warehouse }
            }
            (None, Some(endpoint)) => Endpoint::Page { pod: pod.name.clone(), endpoint: endpoint.clone() },
            (None, None) => Endpoint::Silent("the layout defines no port for it".into()),
        }
    }

    /// Returns the warehouse whose nodes are a component's pods, and those of other components that are part of it;
    /// `proven` if it is to be verified that they respond.
    pub fn warehouse(&self, component: &Component, namespace: &str, proven: bool) -> Option<Warehouse> {
        let space = self.space(namespace).filter(|_| component.role == Role::WarehouseNode)?;
        let name = component.warehouse_name();
        let all = || space.components.iter().filter(|other| other.role == Role::WarehouseNode);
        let nodes = all().filter(|other| other.warehouse_name() == name).map(wanted).sum();
        let only = all().all(|other| other.warehouse_name() == name);
        Some(Warehouse { name: name.to_owned(), nodes, only, proven })
    }

    /// Returns the first warehouse of an account all of whose nodes are Ready: queries about the account as a whole run
    /// in it.
    pub fn running_warehouse(&self, namespace: &str) -> Option<Warehouse> {
        let all = || self.space(namespace).into_iter().flat_map(|space| &space.components);
        let all = || all().filter(|component| component.role == Role::WarehouseNode);
        let runs = |component: &&Component| {
            let mut parts = all().filter(|other| other.warehouse_name() == component.warehouse_name());
            !component.members.is_empty() && parts.all(|part| part.members.iter().all(Member::ready))
        };
        self.warehouse(all().find(runs)?, namespace, false)
    }

    /// Returns the component to connect through for a member that accepts no connections itself.
    pub fn answering(&self, member: &Member) -> Option<&Component> {
        let role = self.component_of(member)?.answers_through?;
        self.space(&member.namespace)?.component(role)
    }
}
