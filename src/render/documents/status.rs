//! `status`.

use super::{LayoutInForce, Unknown};
use crate::topology::health::{Health, Report, Trouble as Troubled, not_looked_into};
use crate::topology::{
    Claim as ClaimFacts, ClaimState, Known, LookalikeEvidence as Found, Member as Place, PodFacts, Role, Space,
    SpaceKind, Stranger as Other, Suspended as Stopped, Topology, Unrecognized as NotRecognized,
};
use serde::Serialize;

/// The health of SynxDB, and each of its members.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Status<'a> {
    /// The layout in force.
    pub layout: LayoutInForce,
    /// The judgement over everything that was looked at.
    pub health: &'a Health,
    /// Members that are Ready, and all of them.
    pub members: Count,
    /// Safekeepers that are Ready, and all of them. Null where there are none.
    pub safekeepers: Option<Count>,
    /// What is wrong, the worst first: one entry a member.
    pub troubles: Vec<Trouble<'a>>,
    /// Accounts and warehouses that are suspended: no trouble, and none of the members.
    pub suspended: Vec<Suspended<'a>>,
    /// What should be known and could not be read.
    pub unknown: Vec<Unknown<'a>>,
    /// What looks like SynxDB's and fits no rule of the layout: what it is, and how it is, is not known.
    pub unrecognized: Vec<Unrecognized<'a>>,
    /// Whether accounts are found by the names of their namespaces alone, as the user may not list all pods: then there
    /// may be others.
    pub accounts_by_names_alone: bool,
    /// Namespaces that are being deleted and were not looked into; they are no part of the judgement.
    pub not_looked_into: Vec<PassedOver<'a>>,
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
    pub all: usize,
}

/// Why it is not healthy.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Trouble<'a> {
    /// Namespace of the member.
    pub namespace: &'a str,
    /// Name of the member.
    pub member: &'a str,
    /// What is wrong with it, in words.
    pub because: &'a str,
}

/// What is suspended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Suspended<'a> {
    /// Namespace of the account.
    pub namespace: &'a str,
    /// Name of the warehouse. Null where the whole account is suspended.
    pub warehouse: Option<&'a str>,
    /// Names of the StatefulSets that are scaled to 0.
    pub stateful_sets: &'a [String],
}

/// A namespace that was not looked into.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PassedOver<'a> {
    /// Its name.
    pub namespace: &'a str,
    /// Why, in words.
    pub why: String,
}

/// A workload that looks like SynxDB's, and fits no rule of the layout.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unrecognized<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub workload: &'a str,
    /// Its pods.
    pub pods: &'a [String],
    /// Why it looks like SynxDB's.
    pub evidence: LookalikeEvidence,
    /// The label that it carries, as KEY=VALUE. Null where it is not for a label.
    pub label: Option<String>,
}

/// Why a workload looks like SynxDB's.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LookalikeEvidence {
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

/// A pod that has a member's name and is none: it is asked nothing, and is no part of the health.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Stranger<'a> {
    /// Its name.
    pub name: &'a str,
    /// The component whose name it has.
    pub component: Role,
    /// Why it is none, in words.
    pub why: &'a str,
}

/// A pod of a component, or the place where one should be.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Member<'a> {
    /// Name of the pod.
    pub name: &'a str,
    /// What it does.
    pub component: Role,
    /// Its warehouse. Null where it is no node of one.
    pub warehouse: Option<&'a str>,
    /// Whether its pod is Ready and is not being deleted.
    pub ready: bool,
    /// The pod. Null where there is none.
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
    /// Its node. Null where it has none yet.
    pub node: Option<&'a str>,
    /// When it was created, RFC 3339. Null where that is not told.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub created: Option<String>,
    /// Why it is not Ready, in words. Null where nothing is wrong with it, or nothing is known.
    pub trouble: Option<&'a str>,
}

/// A PersistentVolumeClaim.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Claim<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its UID. Null where it does not exist or could not be read.
    pub uid: Option<&'a str>,
    /// Its state.
    pub state: ClaimWord,
    /// Why its state is not known, in words. Null where it is.
    pub unknown_because: Option<&'a str>,
    /// Its storage class. Null where it has none, or is not known.
    pub storage_class: Option<&'a str>,
    /// Its capacity, or what it asks for, as a Kubernetes quantity. Null where that is not known.
    pub capacity: Option<&'a str>,
    /// Its volume. Null where it has none, or is not known.
    pub volume: Option<Volume<'a>>,
}

/// State of a claim.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum ClaimWord {
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
            troubles: report.troubles.iter().map(Trouble::from).collect(),
            suspended: report.suspended.iter().map(Suspended::from).collect(),
            unknown: report.gaps.iter().map(Unknown::from).collect(),
            unrecognized: report.unrecognized.iter().map(Unrecognized::from).collect(),
            accounts_by_names_alone: report.by_names_alone,
            not_looked_into: report.passed_over.iter().map(|name| PassedOver::from(name.as_str())).collect(),
            namespaces: topology.spaces.iter().map(Namespace::from).collect(),
        }
    }
}

impl From<(usize, usize)> for Count {
    fn from((ready, all): (usize, usize)) -> Self {
        Self { ready, all }
    }
}

impl<'a> From<&'a Troubled> for Trouble<'a> {
    fn from(trouble: &'a Troubled) -> Self {
        Self { namespace: &trouble.namespace, member: &trouble.member, because: &trouble.because }
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
        let (evidence, label) = match evidence {
            Found::Label { key, value } => (LookalikeEvidence::Label, Some(format!("{key}={value}"))),
            Found::Name(_) => (LookalikeEvidence::Name, None),
            Found::Namespace => (LookalikeEvidence::Namespace, None),
        };
        Self { namespace, workload, pods, evidence, label }
    }
}

impl<'a> From<&'a str> for PassedOver<'a> {
    fn from(namespace: &'a str) -> Self {
        Self { namespace, why: not_looked_into(namespace) }
    }
}

impl<'a> From<&'a Space> for Namespace<'a> {
    fn from(space: &'a Space) -> Self {
        Self {
            name: &space.namespace,
            kind: space.kind,
            terminating: space.terminating,
            suspended: space.suspended(),
            members: space.members().map(Member::from).collect(),
            strangers: space.strangers.iter().filter_map(Stranger::posing).collect(),
        }
    }
}

impl<'a> Stranger<'a> {
    fn posing(stranger: &'a Other) -> Option<Self> {
        let (component, why) = stranger.poses.as_ref()?;
        Some(Self { name: &stranger.name, component: *component, why })
    }
}

impl<'a> From<&'a Place> for Member<'a> {
    fn from(member: &'a Place) -> Self {
        Self {
            name: &member.name,
            component: member.role,
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
            trouble: pod.trouble.as_deref(),
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
        let unknown_because = match &claim.state {
            ClaimState::Unknown(why) => Some(why.as_str()),
            _ => None,
        };
        Self {
            name: &claim.name,
            uid: claim.uid.as_deref(),
            state: ClaimWord::from(claim),
            unknown_because,
            storage_class: claim.spec.class.as_deref(),
            capacity: claim.capacity.as_deref(),
            volume,
        }
    }
}

impl From<&ClaimFacts> for ClaimWord {
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
