//! The components of SynxDB that pods belong to.

use super::seed::Databases;
use serde_json::Value;

/// Label with a pod's component.
pub(crate) const COMPONENT_LABEL: &str = "app.kubernetes.io/component";

/// The same label of another release.
const COMPONENT_LABEL_THERE: &str = "enterprise.dbaas/component";

/// What a pod is a member of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Component {
    /// The cluster's metadata proxy.
    MetadataProxy,
    /// An account's proxy.
    WarehouseProxy,
    /// A node of a warehouse.
    Warehouse,
    /// A safekeeper.
    Safekeeper,
    /// A pageserver.
    Pageserver,
    /// Not part of SynxDB: it runs and does nothing.
    Other,
}

impl Component {
    /// Returns the component of a pod or a pod template, by its labels.
    pub(crate) fn of(pod: &Value) -> Component {
        match pod["metadata"]["labels"][COMPONENT_LABEL].as_str().unwrap_or_default() {
            "metadata-proxy" => Self::MetadataProxy,
            "warehouse-proxy" => Self::WarehouseProxy,
            "warehouse" => Self::Warehouse,
            "safekeeper" => Self::Safekeeper,
            "pageserver" => Self::Pageserver,
            _ => match pod["metadata"]["labels"][COMPONENT_LABEL_THERE].as_str().unwrap_or_default() {
                // It is to its account what the proxy is.
                "coordinator" => Self::WarehouseProxy,
                "warehouse" => Self::Warehouse,
                _ => Self::Other,
            },
        }
    }

    /// The databases it serves by SQL.
    pub(crate) fn databases(self) -> Option<Databases> {
        match self {
            Self::MetadataProxy => Some(Databases::Metadata),
            Self::WarehouseProxy => Some(Databases::Account),
            _ => None,
        }
    }
}
