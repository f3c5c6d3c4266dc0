//! A SynxDB installation as it stands, in its own terms. Closed enums and plain facts; what could
//! not be read is `Known::Unknown` with the reason, never a default.

use super::claim_spec::{ClaimSpec, VolumeMode};
use super::layout::{LayoutSource, LookalikeEvidence, RecognizedBy, Role, SpaceKind, SqlEndpoint, StatusEndpoint};
use super::placement::{NodeFacts, Place, StorageClassFacts};
use super::readiness::Readiness;
use super::workload::{Budget, Workload};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A fact, or why it is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known<T> {
    /// The fact.
    Is(T),
    /// Why it is not known, in words.
    Unknown(String),
}

impl<T> Known<T> {
    /// The fact, where it is known.
    pub fn as_known(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }
}

/// All that was looked at.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The system namespace first, then the accounts' by name.
    pub spaces: Vec<Space>,
    /// Volumes that carry the record of a failover or an undo, whatever they are bound to.
    pub recorded: Vec<Volume>,
    /// Nodes that are known not to be Ready.
    pub lost_nodes: Vec<String>,
    /// Nodes that are not known to be lost and have missed a renewal of their Lease, with the seconds since their last one.
    /// Empty where that was not looked at.
    pub silent_nodes: BTreeMap<String, i64>,
    /// Namespaces that were not looked into, as they are being deleted.
    pub passed_over: Vec<String>,
    /// Where the layout is from by which all this was recognized.
    pub layout: LayoutSource,
    /// What looks like SynxDB's in namespaces that are not known to be SynxDB's.
    pub unrecognized_elsewhere: Vec<Unrecognized>,
    /// Whether accounts are known by their namespaces' names alone, as the user may not list all pods.
    pub by_names_alone: bool,
    /// All nodes.
    pub nodes: Known<Vec<NodeFacts>>,
    /// All storage classes.
    pub classes: Known<Vec<StorageClassFacts>>,
    /// Volumes that no claim has: free for any, or reserved for one by its name.
    pub unbound_volumes: Known<Vec<Volume>>,
    /// What could not be read besides the spaces' own gaps: namespaces, volumes, nodes.
    pub gaps: Vec<Gap>,
}

/// A part that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// What.
    pub part: Part,
    /// Why, in words.
    pub why: String,
    /// Whether the next attempt may well read it: the server was late, away or out of order, and no right is missing.
    pub transient: bool,
}

/// What could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Volumes, and with them what is on record there.
    Volumes,
    /// The claims of a namespace.
    Claims {
        /// Its name.
        namespace: String,
    },
    /// Something else, in words: `pods in namespace synxdb-system`.
    Other(String),
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Volumes => f.write_str("volumes"),
            Self::Claims { namespace } => write!(f, "claims in namespace {namespace}"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

/// One SynxDB namespace.
#[derive(Clone, Debug)]
pub struct Space {
    /// Its name.
    pub namespace: String,
    /// What it holds.
    pub kind: SpaceKind,
    /// Whether it is known to be being deleted.
    pub terminating: bool,
    /// Its components, in the layout's order.
    pub components: Vec<Component>,
    /// Its pods that belong to no component.
    pub strangers: Vec<Stranger>,
    /// What looks like SynxDB's in it, and fits no rule of the layout.
    pub unrecognized: Vec<Unrecognized>,
    /// What could not be read of it.
    pub gaps: Vec<Gap>,
}

/// A pod that belongs to no component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Its name.
    pub name: String,
    /// What it is called like, where it has a member's name, and why it is none, in words.
    pub poses: Option<(Role, String)>,
}

/// A workload that looks like SynxDB's, and fits no rule of the layout: what it is, and how it is, is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrecognized {
    /// Its namespace.
    pub namespace: String,
    /// Name of the workload.
    pub workload: String,
    /// Its pods; those that finished are not among them.
    pub pods: Vec<String>,
    /// Why it looks like SynxDB's.
    pub evidence: LookalikeEvidence,
}

/// One component: a StatefulSet that the layout recognizes, or pods that it recognizes without one.
#[derive(Clone, Debug)]
pub struct Component {
    /// What it does.
    pub role: Role,
    /// Name of its workload: `safekeeper`, `wh9527`, `wh-1-segment`.
    pub name: String,
    /// By what it was recognized.
    pub recognized_by: RecognizedBy,
    /// For the nodes of a warehouse, the warehouse's name: as its pods' label says it, else the workload's name.
    pub warehouse: Option<String>,
    /// The account's instance, where its pods' label says it.
    pub instance: Option<String>,
    /// Its StatefulSet.
    pub workload: Known<Option<Workload>>,
    /// Its members, by ordinal; one that should be there and has no pod is listed without.
    pub members: Vec<Member>,
    /// Where it takes SQL.
    pub sql: Option<SqlEndpoint>,
    /// Where it serves its status page.
    pub page: Option<StatusEndpoint>,
    /// Where its namespace has a component of this role, which takes SQL in its place: it speaks HTTP, and is asked
    /// nothing.
    pub yields_to: Option<Role>,
    /// Who answers for it.
    pub answers_through: Option<Role>,
    /// Whether it keeps its data in remote storage, where the layout says.
    pub remote_storage: Option<bool>,
}

/// One pod of a component, or the place where one should be.
#[derive(Clone, Debug)]
pub struct Member {
    /// Namespace.
    pub namespace: String,
    /// Name of the pod.
    pub name: String,
    /// What it does.
    pub role: Role,
    /// For a node of a warehouse, the warehouse's name.
    pub warehouse: Option<String>,
    /// The pod, where there is one.
    pub pod: Option<PodFacts>,
    /// The claims that its pod mounts, or that its templates name, in the order of the pod's volumes.
    pub claims: Vec<Claim>,
    /// The PodDisruptionBudgets that cover its pod.
    pub budgets: Known<Vec<Budget>>,
}

impl Member {
    /// Whether its pod is Ready and stays (not terminating).
    pub fn ready(&self) -> bool {
        self.pod.as_ref().is_some_and(|pod| pod.ready && pod.terminating.is_none())
    }

    /// `namespace/name`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The number its name ends with, where a StatefulSet gave it one.
    pub fn ordinal(&self) -> Option<i64> {
        self.name.rsplit_once('-').and_then(|(_, number)| number.parse().ok())
    }
}

/// Who controls a pod, from its ownerReferences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// `StatefulSet`; of another group than Kubernetes' own, with that: `StatefulSet.apps.kruise.io`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl Owner {
    /// Whether it is a StatefulSet of Kubernetes' own.
    pub fn is_stateful_set(&self) -> bool {
        self.kind == "StatefulSet"
    }
}

/// A pod, as far as a failover is concerned with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFacts {
    /// Its UID.
    pub uid: String,
    /// Which of its versions this is (resourceVersion).
    pub version: String,
    /// Status in one word, as `kubectl get pods` words it.
    pub status: String,
    /// The Ready condition.
    pub ready: bool,
    /// Since when, and how that is found out.
    pub readiness: Readiness,
    /// Ready containers and all containers.
    pub containers: (usize, usize),
    /// Restarts of its containers.
    pub restarts: i32,
    /// Since when it is being deleted (the deletionTimestamp, which lies a grace period ahead of the delete).
    pub terminating: Option<Timestamp>,
    /// The grace period that its deletion left it, in seconds.
    pub grace_seconds: Option<i64>,
    /// The node it was scheduled to.
    pub node: Option<String>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Who controls it.
    pub owner: Option<Owner>,
    /// Why it is not certain that the layout's workload owns it, in words; `None` where it does.
    pub unconfirmed: Option<String>,
    /// Claims that it mounts.
    pub claims: Vec<String>,
    /// Whether its phase is Pending.
    pub pending: bool,
    /// Why it is not Ready, from its conditions and container states, in words.
    pub trouble: Option<String>,
    /// Revision of its controller's template that it was made from.
    pub revision: Option<String>,
    /// Finalizers that are not Kubernetes' own.
    pub foreign_finalizers: Vec<String>,
    /// Its own word that SQL is not to be asked of it (annotation `kubectl-synxdb/sql-skipped`), with the reason.
    pub sql_skipped: Option<String>,
}

/// A PersistentVolumeClaim.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: ClaimState,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// Its UID, where it exists and could be read.
    pub uid: Option<String>,
    /// Name of its volume, where it has one. One that is known to be another's is none.
    pub volume_name: Option<String>,
    /// Its volume, where volumes could be read: the one that names this claim by its UID, and no other.
    pub volume: Known<Option<Volume>>,
    /// A volume that it names (`spec.volumeName`) and that is not its own.
    pub not_its: Option<NotIts>,
    /// Whether it is of a generic ephemeral volume: made for the pod, owned by it, and deleted with it.
    pub ephemeral: bool,
    /// What it asks of its volume.
    pub spec: ClaimSpec,
    /// Its capacity, or what it requests, as a Kubernetes quantity.
    pub capacity: Option<String>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Finalizers that are not Kubernetes' own.
    pub foreign_finalizers: Vec<String>,
    /// Pods that mount it, other than this member's.
    pub shared_with: Vec<String>,
}

/// A volume that a claim names, and that is not bound to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotIts {
    /// Name of the volume.
    pub volume: String,
    /// The claim that it is bound to, or reserved for; `None` where there is none.
    pub of: Option<ClaimReference>,
}

/// State of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimState {
    /// Bound to a volume.
    Bound,
    /// Not bound yet.
    Pending,
    /// Its volume vanished.
    Lost,
    /// The pod names it, and it does not exist.
    Missing,
    /// Claims could not be read.
    Unknown(String),
}

impl Claim {
    /// Its state in one word, as kubectl words it.
    pub fn status(&self) -> &str {
        match (&self.state, self.terminating) {
            (ClaimState::Unknown(_), _) => "<unknown>",
            (_, true) => "Terminating",
            (ClaimState::Bound, _) => "Bound",
            (ClaimState::Pending, _) => "Pending",
            (ClaimState::Lost, _) => "Lost",
            (ClaimState::Missing, _) => "Missing",
        }
    }

    /// Whether it is bound and stays.
    pub fn bound(&self) -> bool {
        self.state == ClaimState::Bound && !self.terminating
    }
}

/// Phase of a PersistentVolume (kubernetes.io, "Persistent Volumes", "Phase").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumePhase {
    /// No claim has it.
    Available,
    /// A claim has it.
    Bound,
    /// The claim that had it is gone.
    Released,
    /// Another one, as the API server writes it: `Pending`, `Failed`; empty where it writes none.
    Other(String),
}

impl VolumePhase {
    /// As the API server writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Available => "Available",
            Self::Bound => "Bound",
            Self::Released => "Released",
            Self::Other(word) => word,
        }
    }
}

impl From<&str> for VolumePhase {
    fn from(word: &str) -> Self {
        match word {
            "Available" => Self::Available,
            "Bound" => Self::Bound,
            "Released" => Self::Released,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl std::fmt::Display for VolumePhase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A PersistentVolume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// `Delete`, `Retain` or `Recycle`.
    pub reclaim_policy: String,
    /// How it stands between volume controller and claims.
    pub phase: VolumePhase,
    /// Where it can be mounted.
    pub place: Place,
    /// Its size, as a Kubernetes quantity.
    pub capacity: Option<String>,
    /// Its storage class; empty for none.
    pub storage_class: String,
    /// What a pod sees of it.
    pub mode: VolumeMode,
    /// How it can be mounted: `ReadWriteOnce`, ….
    pub access_modes: Vec<String>,
    /// Its VolumeAttributesClass; `None` for none.
    pub attributes_class: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The claim that it is bound to or kept for (`spec.claimRef`).
    pub claim: Option<ClaimReference>,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// The records that were written on it (annotations), one of each failover and undo it took part in.
    pub records: Vec<String>,
}

/// Which claim a volume is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimReference {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID; none where the volume is kept for whichever claim of this name comes.
    pub uid: Option<String>,
}

/// Why a pod is not trusted with a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// It is not confirmed that the layout's workload owns it, for this reason.
    #[error("{0}")]
    Unconfirmed(String),
    /// The pod with its name belongs to another owner, for this reason.
    #[error("the pod with its name is not SynxDB's: {0}")]
    Stranger(String),
    /// There is no pod, and no workload that would create it.
    #[error("its pod does not exist, and no StatefulSet is known to create it")]
    NoWorkload,
    /// The topology that was read does not have the pod.
    #[error("the owner of its pod is unknown")]
    OwnerUnknown,
}

impl Topology {
    /// Why volumes, and what is on record there, are not known; `None` if they could be read.
    pub fn unread_volumes(&self) -> Option<&Gap> {
        self.gaps.iter().find(|gap| gap.part == Part::Volumes)
    }

    /// All members, space by space.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.spaces.iter().flat_map(Space::members)
    }

    /// The space of this namespace.
    pub fn space(&self, namespace: &str) -> Option<&Space> {
        self.spaces.iter().find(|space| space.namespace == namespace)
    }

    /// The member of this name in this namespace.
    pub fn member(&self, namespace: &str, name: &str) -> Option<&Member> {
        self.space(namespace)?.members().find(|member| member.name == name)
    }

    /// The component that this member belongs to.
    pub fn component_of(&self, member: &Member) -> Option<&Component> {
        self.space(&member.namespace)?
            .components
            .iter()
            .find(|component| component.members.iter().any(|other| other.name == member.name))
    }

    /// Returns the name that stays when a pod is replaced: the pod's own, or that of its component if no StatefulSet keeps
    /// the pod's.
    pub fn lasting_name(&self, namespace: &str, pod: &str) -> String {
        let member = self.member(namespace, pod);
        let owner = member.and_then(|member| member.pod.as_ref()?.owner.as_ref());
        let renamed = owner.is_some_and(|owner| !owner.is_stateful_set());
        let component = member.filter(|_| renamed).and_then(|member| self.component_of(member));
        component.map_or_else(|| pod.to_owned(), |component| component.name.clone())
    }

    /// Returns whether a pod of this name belongs, or will belong, to the layout's workload: only such a pod is trusted
    /// with a password.
    ///
    /// # Errors
    /// Why the pod is not trusted.
    pub fn trusted(&self, member: &Member) -> Result<(), Untrusted> {
        match &member.pod {
            Some(pod) => pod.unconfirmed.clone().map_or(Ok(()), |why| Err(Untrusted::Unconfirmed(why))),
            // There is none yet: the one that its StatefulSet makes.
            None => match (self.usurper(member), self.component_of(member).and_then(Component::set)) {
                (Some(why), _) => Err(Untrusted::Stranger(why.to_owned())),
                (None, Some(_)) => Ok(()),
                (None, None) => Err(Untrusted::NoWorkload),
            },
        }
    }

    /// Why the pod that has the name of a member without a pod is a stranger, in words; `None` where there is none.
    pub fn usurper(&self, member: &Member) -> Option<&str> {
        let mut strangers = self.space(&member.namespace)?.strangers.iter();
        let stranger = strangers.find(|stranger| member.pod.is_none() && stranger.name == member.name)?;
        stranger.poses.as_ref().map(|(_, why)| why.as_str())
    }

    /// What looks like SynxDB's and fits no rule, namespace by namespace.
    pub fn unrecognized(&self) -> impl Iterator<Item = &Unrecognized> {
        self.spaces.iter().flat_map(|space| &space.unrecognized).chain(&self.unrecognized_elsewhere)
    }

    /// Returns the gap of a namespace's claims, if they could not be read.
    pub fn unread_claims(&self, namespace: &str) -> Option<&Gap> {
        self.space(namespace)?.gaps.iter().find(|gap| matches!(gap.part, Part::Claims { .. }))
    }

    /// Everything that could not be read.
    pub fn all_gaps(&self) -> impl Iterator<Item = &Gap> {
        self.spaces.iter().flat_map(|space| &space.gaps).chain(&self.gaps)
    }
}

impl Component {
    /// Whether the layout names nothing by which it could be asked, of itself or of another.
    pub fn is_never_asked(&self) -> bool {
        self.sql.is_none() && self.page.is_none() && self.answers_through.is_none()
    }

    /// Returns the name of the warehouse that its pods are nodes of: what a session chooses.
    pub fn warehouse_name(&self) -> &str {
        self.warehouse.as_deref().unwrap_or(&self.name)
    }

    /// Its StatefulSet, where it is known to have one.
    pub fn set(&self) -> Option<&Workload> {
        self.workload.as_known()?.as_ref()
    }

    /// Whether this member, were its pod gone, would stay away: its StatefulSet creates pods in order, and one of a lower
    /// ordinal is not Ready. The set's name and the first such member.
    pub fn keeps_away<'c>(&'c self, member: &Member) -> Option<(&'c str, &'c Member)> {
        let ordered = matches!(&self.workload, Known::Is(Some(workload)) if workload.ordered);
        let mut lower = self.members.iter().take_while(|other| other.name != member.name);
        lower.find(|other| !other.ready()).filter(|_| ordered).map(|lower| (self.name.as_str(), lower))
    }
}

impl Space {
    /// All members of the space.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.components.iter().flat_map(|component| &component.members)
    }

    /// The space's component of this role, the first by name.
    pub fn component(&self, role: Role) -> Option<&Component> {
        self.components.iter().find(|component| component.role == role)
    }
}
