//! `status`.

use super::{LayoutInForce, Unknown};
use crate::topology::health::{Health, Report, Trouble, not_looked_into};
use crate::topology::{
    Claim as ClaimFacts, ClaimState, Component, Known, LookalikeEvidence as Found, Member as Place, PodFacts, Role,
    Space, SpaceKind, Stranger as Other, Suspended as Stopped, Topology, Unrecognized as NotRecognized,
};
use serde::Serialize;

/// The health of SynxDB, and each of its members.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Status<'a> {
    /// The layout in force.
    pub layout: LayoutInForce,
    /// The health of everything that was read.
    pub health: &'a Health,
    /// Members that are Ready, and all of them.
    pub members: Count,
    /// Safekeepers that are Ready, and all of them. Null if there are none.
    pub safekeepers: Option<Count>,
    /// What is wrong, the worst first: one entry a member.
    pub problems: Vec<Problem<'a>>,
    /// Accounts and warehouses that are suspended: no problem, and not among the members.
    pub suspended: Vec<Suspended<'a>>,
    /// What should be known and could not be read.
    pub unknown: Vec<Unknown<'a>>,
    /// What looks like SynxDB's and fits no rule of the layout: what it is, and how it is, is not known.
    pub unrecognized: Vec<Unrecognized<'a>>,
    /// Whether accounts are found by the names of their namespaces alone, as the user may not list all pods: then there
    /// may be others.
    pub accounts_found_by_name_only: bool,
    /// Namespaces that were not searched, as they are being deleted; they do not count towards the health.
    pub skipped_namespaces: Vec<SkippedNamespace<'a>>,
    /// The namespaces of SynxDB, the system's first.
    pub namespaces: Vec<Namespace<'a>>,
}

/// Some of all.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Count {
    /// Those that are Ready.
    pub ready: usize,
    /// All of them.
    pub total: usize,
}

/// Why it is not healthy.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Problem<'a> {
    /// Namespace of the member.
    pub namespace: &'a str,
    /// Name of the member.
    pub member: &'a str,
    /// What is wrong with it, in words.
    pub reason: &'a str,
}

/// What is suspended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Suspended<'a> {
    /// Namespace of the account.
    pub namespace: &'a str,
    /// Name of the warehouse. Null if the whole account is suspended.
    pub warehouse: Option<&'a str>,
    /// Names of the StatefulSets that are scaled to 0.
    pub stateful_sets: &'a [String],
}

/// A namespace that was not searched.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SkippedNamespace<'a> {
    /// Its name.
    pub namespace: &'a str,
    /// Why, in words.
    pub reason: String,
}

/// A workload that looks like SynxDB's, and fits no rule of the layout.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unrecognized<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub workload: &'a str,
    /// Its pods.
    pub pods: &'a [String],
    /// By what it looks like SynxDB's.
    pub matched_by: MatchedBy,
    /// The label that it carries, as KEY=VALUE. Null if it is not for a label.
    pub label: Option<String>,
}

/// By what a workload looks like SynxDB's.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum MatchedBy {
    /// It carries one of SynxDB's labels.
    Label,
    /// It is called like one of SynxDB's components.
    Name,
    /// Its namespace is called like one of SynxDB's, and nothing in it is recognized.
    Namespace,
}

/// A namespace of SynxDB, and its members.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Namespace<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it holds.
    pub kind: SpaceKind,
    /// Whether it is known to be being deleted.
    pub terminating: bool,
    /// Whether it is an account that is suspended.
    pub suspended: bool,
    /// The members of its components.
    pub members: Vec<Member<'a>>,
    /// Pods that have a member's name and are none.
    pub strangers: Vec<Stranger<'a>>,
}

/// A pod that has a member's name and is none: it is not queried, and does not count towards the health.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Stranger<'a> {
    /// Its name.
    pub name: &'a str,
    /// The component whose name it has.
    pub component: Role,
    /// Why it is none, in words.
    pub reason: &'a str,
}

/// A pod of a component, or the place where one should be.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Member<'a> {
    /// Name of the pod.
    pub name: &'a str,
    /// The kind of component.
    pub component: Role,
    /// Name of its workload: the StatefulSet, or another controller.
    pub workload: &'a str,
    /// Its warehouse. Null if it is not a node of one.
    pub warehouse: Option<&'a str>,
    /// Whether its pod is Ready and is not being deleted.
    pub ready: bool,
    /// The pod. Null if there is none.
    pub pod: Option<Pod<'a>>,
    /// The claims that the pod mounts, or that would be made for it.
    pub claims: Vec<Claim<'a>>,
}

/// A pod.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Pod<'a> {
    /// Its UID.
    pub uid: &'a str,
    /// Its status in one word, as `kubectl get pods` words it.
    pub status: &'a str,
    /// Its Ready condition.
    pub ready: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// Containers that are Ready, and all of them.
    pub containers: Count,
    /// Restarts of its containers.
    #[cfg_attr(test, schemars(range(min = 0)))]
    pub restarts: i32,
    /// Its node. Null if it has none yet.
    pub node: Option<&'a str>,
    /// When it was created, RFC 3339. Null if that is not known.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub created: Option<String>,
    /// Why it is not Ready, in words. Null if nothing is wrong with it, or nothing is known.
    pub reason: Option<&'a str>,
}

/// A PersistentVolumeClaim.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Claim<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its UID. Null if it does not exist or could not be read.
    pub uid: Option<&'a str>,
    /// Its state.
    pub state: ClaimStatus,
    /// Why its state is not known, in words. Null if it is.
    pub reason: Option<&'a str>,
    /// Its storage class. Null if it has none, or is not known.
    pub storage_class: Option<&'a str>,
    /// Its capacity, or what it asks for, as a Kubernetes quantity. Null if that is not known.
    pub capacity: Option<&'a str>,
    /// Its volume. Null if it has none, or is not known.
    pub volume: Option<Volume<'a>>,
}

/// State of a claim.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum ClaimStatus {
    /// It is bound to a volume.
    Bound,
    /// It is not bound yet.
    Pending,
    /// Its volume has vanished.
    Lost,
    /// The pod names it, and it does not exist.
    Missing,
    /// It is being deleted.
    Terminating,
    /// Claims could not be read.
    Unknown,
}

/// A PersistentVolume. All but its name is absent where volumes could not be read.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend("dependentRequired" = {
    "uid": ["reclaimPolicy", "phase"], "reclaimPolicy": ["uid"], "phase": ["uid"]
})))]
pub struct Volume<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its UID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<&'a str>,
    /// Its reclaim policy: `Delete`, `Retain` or `Recycle`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reclaim_policy: Option<&'a str>,
    /// Its phase: `Bound`, `Released`, ….
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<&'a str>,
}

impl<'a> Status<'a> {
    /// Of a topology and the judgement over it.
    pub fn new(report: &'a Report, topology: &'a Topology) -> Self {
        Self {
            layout: LayoutInForce::from(&topology.layout),
            health: &report.health,
            members: Count::from(report.members),
            safekeepers: report.safekeepers.map(Count::from),
            problems: report.troubles.iter().map(Problem::from).collect(),
            suspended: report.suspended.iter().map(Suspended::from).collect(),
            unknown: report.gaps.iter().map(Unknown::from).collect(),
            unrecognized: report.unrecognized.iter().map(Unrecognized::from).collect(),
            accounts_found_by_name_only: report.by_names_alone,
            skipped_namespaces: report.passed_over.iter().map(|name| SkippedNamespace::from(name.as_str())).collect(),
            namespaces: topology.spaces.iter().map(Namespace::from).collect(),
        }
    }
}

impl From<(usize, usize)> for Count {
    fn from((ready, total): (usize, usize)) -> Self {
        Self { ready, total }
    }
}

impl<'a> From<&'a Trouble> for Problem<'a> {
    fn from(trouble: &'a Trouble) -> Self {
        Self { namespace: &trouble.namespace, member: &trouble.member, reason: &trouble.because }
    }
}

impl<'a> From<&'a Stopped> for Suspended<'a> {
    fn from(suspended: &'a Stopped) -> Self {
        Self {
            namespace: &suspended.namespace,
            warehouse: suspended.warehouse.as_deref(),
            stateful_sets: &suspended.sets,
        }
    }
}

impl<'a> From<&'a NotRecognized> for Unrecognized<'a> {
    fn from(unrecognized: &'a NotRecognized) -> Self {
        let NotRecognized { namespace, workload, pods, evidence } = unrecognized;
        let (matched_by, label) = match evidence {
            Found::Label { key, value } => (MatchedBy::Label, Some(format!("{key}={value}"))),
            Found::Name(_) => (MatchedBy::Name, None),
            Found::Namespace => (MatchedBy::Namespace, None),
        };
        Self { namespace, workload, pods, matched_by, label }
    }
}

impl<'a> From<&'a str> for SkippedNamespace<'a> {
    fn from(namespace: &'a str) -> Self {
        Self { namespace, reason: not_looked_into(namespace) }
    }
}

impl<'a> From<&'a Space> for Namespace<'a> {
    fn from(space: &'a Space) -> Self {
        Self {
            name: &space.namespace,
            kind: space.kind,
            terminating: space.terminating,
            suspended: space.suspended(),
            members: space
                .components
                .iter()
                .flat_map(|component| component.members.iter().map(|member| Member::new(component, member)))
                .collect(),
            strangers: space.strangers.iter().filter_map(Stranger::posing).collect(),
        }
    }
}

impl<'a> Stranger<'a> {
    fn posing(stranger: &'a Other) -> Option<Self> {
        let (component, why) = stranger.poses.as_ref()?;
        Some(Self { name: &stranger.name, component: *component, reason: why })
    }
}

impl<'a> Member<'a> {
    fn new(component: &'a Component, member: &'a Place) -> Self {
        Self {
            name: &member.name,
            component: member.role,
            workload: &component.name,
            warehouse: member.warehouse.as_deref(),
            ready: member.ready(),
            pod: member.pod.as_ref().map(Pod::from),
            claims: member.claims.iter().map(Claim::from).collect(),
        }
    }
}

impl<'a> From<&'a PodFacts> for Pod<'a> {
    fn from(pod: &'a PodFacts) -> Self {
        Self {
            uid: &pod.uid,
            status: &pod.status,
            ready: pod.ready,
            terminating: pod.terminating.is_some(),
            containers: Count::from(pod.containers),
            restarts: pod.restarts,
            node: pod.node.as_deref(),
            created: pod.created.map(|time| time.to_string()),
            reason: pod.trouble.as_deref(),
        }
    }
}

impl<'a> From<&'a ClaimFacts> for Claim<'a> {
    fn from(claim: &'a ClaimFacts) -> Self {
        let volume = match &claim.volume {
            Known::Is(Some(volume)) => Some(Volume {
                name: &volume.name,
                uid: Some(&volume.uid),
                reclaim_policy: Some(&volume.reclaim_policy),
                phase: Some(volume.phase.as_str()),
            }),
            Known::Is(None) | Known::Unknown(_) => {
                claim.volume_name.as_ref().map(|name| Volume { name, uid: None, reclaim_policy: None, phase: None })
            }
        };
        let reason = match &claim.state {
            ClaimState::Unknown(why) => Some(why.as_str()),
            _ => None,
        };
        Self {
            name: &claim.name,
            uid: claim.uid.as_deref(),
            state: ClaimStatus::from(claim),
            reason,
            storage_class: claim.spec.class.as_deref(),
            capacity: claim.capacity.as_deref(),
            volume,
        }
    }
}

impl From<&ClaimFacts> for ClaimStatus {
    fn from(claim: &ClaimFacts) -> Self {
        match (&claim.state, claim.terminating) {
            (ClaimState::Unknown(_), _) => Self::Unknown,
            (_, true) => Self::Terminating,
            (ClaimState::Bound, _) => Self::Bound,
            (ClaimState::Pending, _) => Self::Pending,
            (ClaimState::Lost, _) => Self::Lost,
            (ClaimState::Missing, _) => Self::Missing,
        }
    }
}
