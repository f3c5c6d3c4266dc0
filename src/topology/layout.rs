//! The names of SynxDB's namespaces, workloads and ports: `layout.yaml`, or the user's own. A workload is recognized by
//! the labels of its pods first, and by its name second.

pub use super::layout_source::LayoutSource;
pub use super::role::Role;
use crate::error::{Error, Result};
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the ConfigMap that holds the cluster's own layout, in the system namespace that the shipped layout names.
pub const CONFIG_MAP: &str = "kubectl-synxdb-layout";

/// The layout that ships with the plugin, as text.
pub const DEFAULT_LAYOUT: &str = include_str!("layout.yaml");

/// The database that every server has.
const MAINTENANCE: &str = "postgres";

/// Where a component accepts SQL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SqlEndpoint {
    /// Port in the pod.
    pub port: u16,
    /// User to log in as.
    pub user: String,
    /// Database that must exist.
    pub database: String,
    /// Database to log in to for queries about the server as a whole; `postgres` by default. If it accepts no session,
    /// another is tried.
    #[serde(default, rename = "loginDatabase", skip_serializing_if = "Option::is_none")]
    pub login_database: Option<String>,
}

impl SqlEndpoint {
    /// Returns the database to log in to first, and the one to try after it.
    pub fn logins(&self) -> (String, Vec<String>) {
        let first = self.login_database.clone().unwrap_or_else(|| MAINTENANCE.to_owned());
        (first, vec![self.database.clone(), MAINTENANCE.to_owned()])
    }
}

/// Where a component serves its status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StatusEndpoint {
    /// Port in the pod.
    pub port: u16,
    /// Path of the status endpoint.
    pub path: String,
    /// Whether it is served over HTTPS; over HTTP by default. Absent for HTTP.
    #[serde(default, skip_serializing_if = "Scheme::is_http")]
    pub scheme: Scheme,
}

/// How a status endpoint is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Unencrypted.
    #[default]
    Http,
    /// Over TLS: the server's certificate is verified, or nothing is requested.
    Https,
}

impl Scheme {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_http(&self) -> bool {
        *self == Self::Http
    }
}

/// One role, or several of which the first that exists applies.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OneOrSeveral {
    One(Role),
    Several(Vec<Role>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawComponent {
    role: Role,
    component: Option<String>,
    workload: String,
    sql: Option<SqlEndpoint>,
    page: Option<StatusEndpoint>,
    answers_through: Option<OneOrSeveral>,
    yields_to: Option<Role>,
    remote_storage: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawLayout {
    system_namespace: String,
    account_namespaces: Vec<String>,
    #[serde(default)]
    possible_account_namespaces: Vec<String>,
    #[serde(default)]
    management_namespaces: Vec<String>,
    #[serde(default)]
    labels: LabelKeys,
    #[serde(default)]
    lookalikes: Vec<String>,
    system: Vec<RawComponent>,
    account: Vec<RawComponent>,
    #[serde(default)]
    management: Vec<RawComponent>,
}

/// The keys of the labels that identify SynxDB's pods. All absent in a release without such labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelKeys {
    /// What a pod is: `coordinator`, `warehouse`.
    pub component: Option<String>,
    /// The warehouse that a node belongs to.
    pub warehouse: Option<String>,
    /// The account's instance.
    pub instance: Option<String>,
}

impl LabelKeys {
    /// Returns the label by which pods are found in the whole cluster, if there is one.
    pub fn any(&self) -> Option<&str> {
        self.component.as_ref().or(self.warehouse.as_ref()).or(self.instance.as_ref()).map(String::as_str)
    }

    /// Returns the label of these that identifies SynxDB: the component's before the others.
    fn of<'l>(&self, labels: &'l BTreeMap<String, String>) -> Option<(&'l str, &'l str)> {
        let keys = [&self.component, &self.warehouse, &self.instance];
        let found = keys.into_iter().flatten().find_map(|key| labels.get_key_value(key));
        found.map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// How a component is recognized, and its endpoints.
#[derive(Clone, Debug)]
pub struct ComponentLayout {
    /// What it does.
    pub role: Role,
    /// The value of its pods' component label, if that is known.
    component: Option<Regex>,
    workload: Regex,
    /// Its endpoint for SQL, if it has one.
    pub sql: Option<SqlEndpoint>,
    /// Its status endpoint, if it has one.
    pub page: Option<StatusEndpoint>,
    /// The components to connect through if it accepts no connections itself: the first of them that exists.
    pub answers_through: Vec<Role>,
    /// If its namespace has a component of this role, that accepts SQL in its place.
    pub yields_to: Option<Role>,
    /// Whether it keeps its data in remote storage, so that its disk can be replaced; `None` if that is unknown.
    pub remote_storage: Option<bool>,
}

/// The kind of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SpaceKind {
    /// The system namespace.
    System,
    /// An account's namespace.
    Account,
    /// A namespace that SynxDB is managed from.
    Management,
}

/// What a component was recognized by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RecognizedBy {
    /// The component label of its pods.
    Label,
    /// The name of its workload.
    Name,
}

/// Why something looks like SynxDB's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookalikeEvidence {
    /// It carries one of SynxDB's labels.
    Label {
        /// The label's key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Its workload is named like one of SynxDB's.
    Name(String),
    /// Its namespace is named like one of SynxDB's, and nothing in it is recognized.
    Namespace,
}

/// A workload's match with the layout.
#[derive(Clone, Debug)]
pub enum Recognized<'l> {
    /// This component.
    As(&'l ComponentLayout, RecognizedBy),
    /// It looks like SynxDB's, but no rule matches.
    Not(LookalikeEvidence),
    /// It does not belong to SynxDB.
    Unrelated,
}

/// A layout, ready for matching names.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Name of the system namespace.
    pub system_namespace: String,
    /// The labels that identify a pod.
    pub labels: LabelKeys,
    account_namespaces: Vec<Regex>,
    possible_account_namespaces: Vec<Regex>,
    management_namespaces: Vec<Regex>,
    lookalikes: Vec<Regex>,
    /// Where it comes from.
    pub source: LayoutSource,
    /// Namespaces that are known to be accounts', whatever their names.
    accounts: Vec<String>,
    system: Vec<ComponentLayout>,
    account: Vec<ComponentLayout>,
    management: Vec<ComponentLayout>,
}

impl Layout {
    /// Parses a layout from YAML.
    ///
    /// # Errors
    /// A usage error that names the invalid line or pattern.
    pub fn parse(text: &str) -> Result<Self> {
        let raw: RawLayout = serde_saphyr::from_str(text)
            .map_err(|error| Error::usage("cannot read the layout").because(first_line(&error.to_string())))?;
        let components = |list: Vec<RawComponent>| list.into_iter().map(component).collect::<Result<Vec<_>>>();
        let patterns = |list: &[String]| list.iter().map(|pattern| anchored(pattern)).collect::<Result<Vec<_>>>();
        let layout = Self {
            account_namespaces: patterns(&raw.account_namespaces)?,
            possible_account_namespaces: patterns(&raw.possible_account_namespaces)?,
            management_namespaces: patterns(&raw.management_namespaces)?,
            lookalikes: patterns(&raw.lookalikes)?,
            source: LayoutSource::Shipped,
            accounts: Vec::new(),
            system_namespace: raw.system_namespace,
            labels: raw.labels,
            system: components(raw.system)?,
            account: components(raw.account)?,
            management: components(raw.management)?,
        };
        layout.labels_are_named()?;
        Ok(layout)
    }

    /// A rule by the component label requires that label's key.
    fn labels_are_named(&self) -> Result<()> {
        let rules = self.system.iter().chain(&self.account).chain(&self.management);
        match rules.into_iter().find(|rule| rule.component.is_some() && self.labels.component.is_none()) {
            Some(rule) => Err(Error::usage(format!("the layout recognizes a {} by its component label", rule.role))
                .because("labels.component, which names that label, is missing")),
            None => Ok(()),
        }
    }

    /// Returns the layout that ships with the plugin.
    ///
    /// # Errors
    /// None in a released binary: a test reads it.
    pub fn shipped() -> Result<Self> {
        Self::parse(DEFAULT_LAYOUT)
    }

    /// Returns the layout with its source.
    #[must_use]
    pub fn from_source(self, source: LayoutSource) -> Self {
        Self { source, ..self }
    }

    /// Returns the layout that also treats these namespaces as accounts', because of their contents.
    #[must_use]
    pub fn with_accounts(mut self, namespaces: &[String]) -> Self {
        self.accounts = namespaces.to_vec();
        self
    }

    /// Returns which kind of SynxDB namespace has this name, if any.
    pub fn space_kind(&self, namespace: &str) -> Option<SpaceKind> {
        let any = |patterns: &[Regex]| patterns.iter().any(|pattern| pattern.is_match(namespace));
        if namespace == self.system_namespace {
            Some(SpaceKind::System)
        } else if any(&self.account_namespaces) || self.accounts.iter().any(|name| name == namespace) {
            Some(SpaceKind::Account)
        } else if any(&self.management_namespaces) {
            Some(SpaceKind::Management)
        } else if any(&self.possible_account_namespaces) {
            Some(SpaceKind::Account)
        } else {
            None
        }
    }

    /// Returns whether a namespace is SynxDB's by its name alone. A name that `space_kind` knows without being certain
    /// counts if a component is in it.
    /// counts if a component is in it.
    pub fn is_certain(&self, namespace: &str) -> bool {
        let named = self.account_namespaces.iter().any(|pattern| pattern.is_match(namespace));
        namespace == self.system_namespace || named || self.accounts.iter().any(|name| name == namespace)
    }

    /// Returns whether a namespace is an account's only by its pods' labels: its name is not one.
    pub fn only_by_labels(&self, namespace: &str) -> bool {
        let named = self.account_namespaces.iter().chain(&self.possible_account_namespaces);
        namespace != self.system_namespace
            && self.accounts.iter().any(|name| name == namespace)
            && !named.into_iter().any(|pattern| pattern.is_match(namespace))
    }

    /// Returns the patterns of the namespaces that are accounts' for their names, as they were written.
    pub fn account_patterns(&self) -> impl Iterator<Item = String> {
        self.account_namespaces.iter().map(|pattern| as_written(pattern).to_owned())
    }

    /// Returns the patterns of the names that look like SynxDB's, as they were written.
    pub fn lookalikes(&self) -> impl Iterator<Item = &str> {
        self.lookalikes.iter().map(as_written)
    }

    /// Returns which of these patterns fits a namespace.
    pub fn account_pattern_of(&self, namespace: &str) -> Option<usize> {
        self.account_namespaces.iter().position(|pattern| pattern.is_match(namespace))
    }

    /// Returns the components of a namespace of this kind, in display order.
    pub fn components(&self, kind: SpaceKind) -> &[ComponentLayout] {
        match kind {
            SpaceKind::System => &self.system,
            SpaceKind::Account => &self.account,
            SpaceKind::Management => &self.management,
        }
    }

    /// Matches a workload by the labels of its pods and its name. The component label decides if a rule knows its
    /// value. The name decides if there is no such label, or if the layout does not know the label of the component of
    /// that name.
    pub fn recognize(&self, kind: SpaceKind, workload: &str, labels: &BTreeMap<String, String>) -> Recognized<'_> {
        let rules = self.components(kind);
        let value = self.labels.component.as_ref().and_then(|key| labels.get(key));
        let says = |rule: &&ComponentLayout, value: &String| {
            rule.component.as_ref().is_some_and(|pattern| pattern.is_match(value))
        };
        if let Some(rule) = value.and_then(|value| rules.iter().find(|rule| says(rule, value))) {
            return Recognized::As(rule, RecognizedBy::Label);
        }
        let by_name = rules.iter().find(|rule| rule.workload.is_match(workload));
        match by_name.filter(|rule| value.is_none() || rule.component.is_none()) {
            Some(rule) => Recognized::As(rule, RecognizedBy::Name),
            None => match self.evidence(workload, labels) {
                Some(evidence) => Recognized::Not(evidence),
                None => Recognized::Unrelated,
            },
        }
    }

    /// Returns why a workload looks like SynxDB's, wherever it is; `None` if it does not.
    pub fn evidence(&self, workload: &str, labels: &BTreeMap<String, String>) -> Option<LookalikeEvidence> {
        let label = self.labels.of(labels);
        let label = label.map(|(key, value)| LookalikeEvidence::Label { key: key.to_owned(), value: value.to_owned() });
        let alike = || self.lookalikes.iter().any(|pattern| pattern.is_match(workload));
        label.or_else(|| alike().then(|| LookalikeEvidence::Name(workload.to_owned())))
    }
}

impl ComponentLayout {
    /// Returns whether a workload's name matches.
    pub fn fits(&self, workload: &str) -> bool {
        self.workload.is_match(workload)
    }

    /// Returns the pattern of its workloads' names, as it was written.
    pub fn written_workload(&self) -> &str {
        as_written(&self.workload)
    }
}

/// Returns a pattern without its anchors.
fn as_written(pattern: &Regex) -> &str {
    let text = pattern.as_str();
    text.strip_prefix("^(?:").and_then(|text| text.strip_suffix(")$")).unwrap_or(text)
}

fn component(raw: RawComponent) -> Result<ComponentLayout> {
    if raw.remote_storage.is_some() && raw.role != Role::Pageserver {
        let what = format!("the layout sets remoteStorage for a {}", raw.role);
        return Err(Error::usage(what).because("only a pageserver has it"));
    }
    Ok(ComponentLayout {
        role: raw.role,
        component: raw.component.as_deref().map(anchored).transpose()?,
        workload: anchored(&raw.workload)?,
        sql: raw.sql,
        page: raw.page,
        answers_through: match raw.answers_through {
            None => Vec::new(),
            Some(OneOrSeveral::One(role)) => vec![role],
            Some(OneOrSeveral::Several(roles)) => roles,
        },
        yields_to: raw.yields_to,
        remote_storage: raw.remote_storage,
    })
}

fn anchored(pattern: &str) -> Result<Regex> {
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
#[path = "layout_tests.rs"]
mod tests;
