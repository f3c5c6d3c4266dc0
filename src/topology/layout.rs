//! What SynxDB calls its namespaces, workloads and ports: `layout.yaml`, or the user's own.

use crate::error::{Error, Result};
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The layout that ships with the plugin, as text.
pub const DEFAULT_LAYOUT: &str = include_str!("layout.yaml");

/// The database that a server has from the beginning.
const MAINTENANCE: &str = "postgres";

/// What a member does: the five components that the product's failover procedure names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The proxy before the cluster's metadata.
    MetadataProxy,
    /// Keeps WAL until the pageserver has it; durable by majority.
    Safekeeper,
    /// Serves pages of the metadata store.
    Pageserver,
    /// An account's door: takes its SQL sessions.
    WarehouseProxy,
    /// One node of a warehouse.
    WarehouseNode,
}

impl Role {
    /// The role in words, as the product's documentation has it.
    pub fn words(self) -> &'static str {
        match self {
            Self::MetadataProxy => "metadata proxy",
            Self::Safekeeper => "safekeeper",
            Self::Pageserver => "pageserver",
            Self::WarehouseProxy => "warehouse proxy",
            Self::WarehouseNode => "warehouse node",
        }
    }

    /// The role as it is written in machine formats and accepted as a target: `metadata-proxy`.
    pub fn name(self) -> &'static str {
        match self {
            Self::MetadataProxy => "metadata-proxy",
            Self::Safekeeper => "safekeeper",
            Self::Pageserver => "pageserver",
            Self::WarehouseProxy => "warehouse-proxy",
            Self::WarehouseNode => "warehouse-node",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// Where a component takes SQL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SqlDoor {
    /// Port in the pod.
    pub port: u16,
    /// User to log in as.
    pub user: String,
    /// Database that must be there.
    pub database: String,
    /// Database to log in to for what concerns the server as a whole; `postgres` unless it is said. Where it takes no
    /// session, another is tried.
    #[serde(default, rename = "loginDatabase", skip_serializing_if = "Option::is_none")]
    pub login_database: Option<String>,
}

impl SqlDoor {
    /// The database to log in to first, and the one to try after it.
    pub fn logins(&self) -> (String, Vec<String>) {
        let first = self.login_database.clone().unwrap_or_else(|| MAINTENANCE.to_owned());
        (first, vec![self.database.clone(), MAINTENANCE.to_owned()])
    }
}

/// Where a component serves its status page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PageDoor {
    /// Port in the pod.
    pub port: u16,
    /// Path of the page.
    pub path: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawComponent {
    role: Role,
    workload: String,
    sql: Option<SqlDoor>,
    page: Option<PageDoor>,
    answers_through: Option<Role>,
    remote_storage: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawLayout {
    system_namespace: String,
    account_namespaces: Vec<String>,
    system: Vec<RawComponent>,
    account: Vec<RawComponent>,
}

/// How a component is recognised, and where it answers.
#[derive(Clone, Debug)]
pub struct ComponentLayout {
    /// What it does.
    pub role: Role,
    workload: Regex,
    /// Its door for SQL, where it has one.
    pub sql: Option<SqlDoor>,
    /// Its status page, where it has one.
    pub page: Option<PageDoor>,
    /// The component that answers for it, where it does not answer for itself.
    pub answers_through: Option<Role>,
    /// Whether it keeps its data in remote storage, so that its disk can be replaced; `None` where that is not known.
    pub remote_storage: Option<bool>,
}

/// Which namespace this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SpaceKind {
    /// The system namespace.
    System,
    /// An account's namespace.
    Account,
}

/// A layout, ready to match names against.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Name of the system namespace.
    pub system_namespace: String,
    account_namespaces: Vec<Regex>,
    system: Vec<ComponentLayout>,
    account: Vec<ComponentLayout>,
}

impl Layout {
    /// Reads a layout from YAML.
    ///
    /// # Errors
    /// A usage error that names the line or the pattern that cannot be understood.
    pub fn parse(text: &str) -> Result<Self> {
        let raw: RawLayout = serde_saphyr::from_str(text)
            .map_err(|error| Error::usage("the layout cannot be read").because(first_line(&error.to_string())))?;
        let components = |list: Vec<RawComponent>| list.into_iter().map(component).collect::<Result<Vec<_>>>();
        Ok(Self {
            account_namespaces: raw.account_namespaces.iter().map(|p| whole(p)).collect::<Result<_>>()?,
            system_namespace: raw.system_namespace,
            system: components(raw.system)?,
            account: components(raw.account)?,
        })
    }

    /// The layout that ships with the plugin.
    ///
    /// # Errors
    /// None in a released binary: a test reads it.
    pub fn shipped() -> Result<Self> {
        Self::parse(DEFAULT_LAYOUT)
    }

    /// Which kind of SynxDB namespace this name is, if any.
    pub fn space_kind(&self, namespace: &str) -> Option<SpaceKind> {
        if namespace == self.system_namespace {
            Some(SpaceKind::System)
        } else if self.account_namespaces.iter().any(|pattern| pattern.is_match(namespace)) {
            Some(SpaceKind::Account)
        } else {
            None
        }
    }

    /// The components a namespace of this kind holds, in the order they are shown.
    pub fn components(&self, kind: SpaceKind) -> &[ComponentLayout] {
        match kind {
            SpaceKind::System => &self.system,
            SpaceKind::Account => &self.account,
        }
    }

    /// The component that a workload of this name is.
    pub fn component(&self, kind: SpaceKind, workload: &str) -> Option<&ComponentLayout> {
        self.components(kind).iter().find(|component| component.workload.is_match(workload))
    }
}

fn component(raw: RawComponent) -> Result<ComponentLayout> {
    if raw.remote_storage.is_some() && raw.role != Role::Pageserver {
        let what = format!("the layout gives remoteStorage to a {}", raw.role);
        return Err(Error::usage(what).because("only a pageserver has it"));
    }
    Ok(ComponentLayout {
        role: raw.role,
        workload: whole(&raw.workload)?,
        sql: raw.sql,
        page: raw.page,
        answers_through: raw.answers_through,
        remote_storage: raw.remote_storage,
    })
}

fn whole(pattern: &str) -> Result<Regex> {
    Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
        let text = error.to_string();
        Error::usage(format!("the layout's pattern {pattern:?} is not a regular expression"))
            .because(text.lines().last().unwrap_or_default().trim_start_matches("error: "))
    })
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_told_apart() {
        let layout = Layout::shipped().unwrap();
        for (name, kind) in [
            ("synxdb-system", Some(SpaceKind::System)),
            ("cloud007-513d75d5-3033-4649-b913-07f6115ec41a", Some(SpaceKind::Account)),
            ("my-org-513d75d5-3033-4649-b913-07f6115ec41a", Some(SpaceKind::Account)),
            ("513d75d5-3033-4649-b913-07f6115ec41a", None),
            ("kube-system", None),
            ("synxdb-system-2", None),
        ] {
            assert_eq!(layout.space_kind(name), kind, "{name}");
        }
    }

    #[test]
    fn workloads_are_recognised_in_their_own_kind_of_namespace_only() {
        let layout = Layout::shipped().unwrap();
        let role = |kind, name| layout.component(kind, name).map(|component| component.role);
        assert_eq!(role(SpaceKind::System, "cloudberry-proxy"), Some(Role::MetadataProxy));
        assert_eq!(role(SpaceKind::System, "coordinator-proxy"), Some(Role::MetadataProxy));
        assert_eq!(role(SpaceKind::Account, "cloudberry-proxy"), Some(Role::WarehouseProxy));
        assert_eq!(role(SpaceKind::Account, "wh9527"), Some(Role::WarehouseNode));
        assert_eq!(role(SpaceKind::System, "wh9527"), None);
        assert_eq!(role(SpaceKind::Account, "safekeeper"), None);
        assert_eq!(role(SpaceKind::Account, "whoami"), None);
    }

    #[test]
    fn a_bad_layout_says_what_is_bad() {
        let error = Layout::parse("systemNamespace: x\naccountNamespaces: ['(']\nsystem: []\naccount: []").unwrap_err();
        assert!(error.what.contains("\"(\""), "{error}");
        let error = Layout::parse("systemNamespaces: x").unwrap_err();
        assert_eq!(error.exit, crate::error::Exit::Usage);
        assert!(error.why[0].contains("systemNamespaces"), "{error}");
        let misplaced =
            DEFAULT_LAYOUT.replace("workload: safekeeper\n", "workload: safekeeper\n    remoteStorage: true\n");
        let error = Layout::parse(&misplaced).unwrap_err();
        assert_eq!(error.what, "the layout gives remoteStorage to a safekeeper");
    }
}
