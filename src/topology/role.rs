//! The roles of components, as SynxDB's documentation names them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The role of a component. The first five are those of the product's failover procedure; the others exist in some
/// releases only. Ordered by the severity of trouble with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The proxy in front of the cluster's metadata.
    MetadataProxy,
    /// Stores WAL until the pageserver has it; durable by quorum.
    Safekeeper,
    /// Serves pages of the metadata store.
    Pageserver,
    /// The other metadata service: some releases keep the metadata in FoundationDB.
    #[serde(rename = "foundationdb")]
    FoundationDb,
    /// Places tenants on pageservers.
    StorageController,
    /// Introduces safekeepers and pageservers to each other.
    StorageBroker,
    /// Accepts an account's SQL sessions, in releases that have one.
    Coordinator,
    /// An account's proxy: accepts its SQL sessions if there is no coordinator.
    WarehouseProxy,
    /// One node of a warehouse.
    WarehouseNode,
    /// The DBaaS console, which creates accounts.
    Console,
}

impl Role {
    /// Every role, in order.
    pub const ALL: [Self; 10] = [
        Self::MetadataProxy,
        Self::Safekeeper,
        Self::Pageserver,
        Self::FoundationDb,
        Self::StorageController,
        Self::StorageBroker,
        Self::Coordinator,
        Self::WarehouseProxy,
        Self::WarehouseNode,
        Self::Console,
    ];

    /// Returns whether such a component is known to recover its data on an empty disk. The product's failover procedure
    /// replaces the disks of the five components that it names; a coordinator is to its account what the proxy is
    /// there.
    pub fn rehydrates(self) -> bool {
        match self {
            Self::MetadataProxy
            | Self::Safekeeper
            | Self::Pageserver
            | Self::Coordinator
            | Self::WarehouseProxy
            | Self::WarehouseNode => true,
            Self::FoundationDb | Self::StorageController | Self::StorageBroker | Self::Console => false,
        }
    }

    /// Returns the role as the product's documentation names it.
    pub fn words(self) -> &'static str {
        match self {
            Self::MetadataProxy => "metadata proxy",
            Self::Safekeeper => "safekeeper",
            Self::Pageserver => "pageserver",
            Self::FoundationDb => "FoundationDB process",
            Self::StorageController => "storage controller",
            Self::StorageBroker => "storage broker",
            Self::Coordinator => "coordinator",
            Self::WarehouseProxy => "warehouse proxy",
            Self::WarehouseNode => "warehouse node",
            Self::Console => "console",
        }
    }

    /// Returns the role as written in machine-readable formats and accepted as a target: `metadata-proxy`.
    pub fn name(self) -> &'static str {
        match self {
            Self::MetadataProxy => "metadata-proxy",
            Self::Safekeeper => "safekeeper",
            Self::Pageserver => "pageserver",
            Self::FoundationDb => "foundationdb",
            Self::StorageController => "storage-controller",
            Self::StorageBroker => "storage-broker",
            Self::Coordinator => "coordinator",
            Self::WarehouseProxy => "warehouse-proxy",
            Self::WarehouseNode => "warehouse-node",
            Self::Console => "console",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Machine-readable formats, layout files and targets have one name for a role.
    #[test]
    fn a_role_is_written_and_read_by_one_name() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
            assert_eq!(serde_json::from_value::<Role>(role.name().into()).unwrap(), role);
        }
        let mut sorted = Role::ALL;
        sorted.sort();
        assert_eq!(sorted, Role::ALL);
    }
}
