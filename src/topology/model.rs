//! A SynxDB installation as it was read, in its own terms. Closed enums and plain facts; what could not be read is
//! `Known::Unknown` with the reason, never a default.

use super::claim_spec::{ClaimSpec, VolumeMode};
use super::layout::{LayoutSource, LookalikeEvidence, RecognizedBy, Role, SpaceKind, SqlEndpoint, StatusEndpoint};
use super::placement::{NodeFacts, Place, StorageClassFacts};
use super::readiness::Readiness;
use super::workload::{Budget, Workload};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A fact, or why it is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known<T> {
    /// The fact.
    Is(T),
    /// Why it is unknown.
    Unknown(String),
}

impl<T> Known<T> {
    /// Returns the fact, if it is known.
    pub fn as_known(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }
}

/// Everything that was read.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The system namespaces first, then the accounts' by name.
    pub spaces: Vec<Space>,
    /// Volumes that carry the record of a failover or an undo, whatever they are bound to.
    pub recorded: Vec<Volume>,
    /// Nodes that are known not to be Ready.
    pub lost_nodes: Vec<String>,
    /// Nodes that are not known to be lost but have missed a renewal of their Lease, with the seconds since their last
    /// one. Empty if that was not checked.
    pub silent_nodes: BTreeMap<String, i64>,
    /// Namespaces that were skipped because they are being deleted.
    pub passed_over: Vec<String>,
    /// The source of the layout that all this was recognized by.
    pub layout: LayoutSource,
    /// What looks like SynxDB's in namespaces that are not known to be SynxDB's.
    pub unrecognized_elsewhere: Vec<Unrecognized>,
    /// Whether accounts are known by their namespaces' names alone, as the user may not list all pods.
    pub by_names_alone: bool,
    /// All nodes.
    pub nodes: Known<Vec<NodeFacts>>,
    /// All storage classes.
    pub classes: Known<Vec<StorageClassFacts>>,
    /// Volumes without a claim: free for any, or reserved for one by its name.
    pub unbound_volumes: Known<Vec<Volume>>,
    /// What could not be read besides the spaces' own gaps: namespaces, volumes, nodes.
    pub gaps: Vec<Gap>,
}

/// A part that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The part.
    pub part: Part,
    /// The reason.
    pub why: String,
    /// Whether the next attempt may succeed: the server was late, unreachable or had trouble, and no right is missing.
    pub transient: bool,
}

/// A part of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Volumes, and with them the records.
    Volumes,
    /// The claims of a namespace.
    Claims {
        /// Its name.
        namespace: String,
    },
    /// Something else: `pods in namespace synxdb-system`.
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
    /// Its kind.
    pub kind: SpaceKind,
    /// Whether it is known to be being deleted.
    pub terminating: bool,
    /// Its components, in the layout's order.
    pub components: Vec<Component>,
    /// Its pods that belong to no component.
    pub strangers: Vec<Stranger>,
    /// What looks like SynxDB's in it but matches no rule of the layout.
    pub unrecognized: Vec<Unrecognized>,
    /// What could not be read of it.
    pub gaps: Vec<Gap>,
}

/// A pod that belongs to no component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Its name.
    pub name: String,
    /// The role that its name stands for, if it is a member's name, and why it is not SynxDB's.
    pub poses: Option<(Role, String)>,
}

/// A workload that looks like SynxDB's but matches no rule of the layout: its role and health are unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrecognized {
    /// Its namespace.
    pub namespace: String,
    /// Name of the workload.
    pub workload: String,
    /// Its pods, without finished ones.
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
    /// What it was recognized by.
    pub recognized_by: RecognizedBy,
    /// For the nodes of a warehouse, the warehouse's name: from its pods' label, else the workload's name.
    pub warehouse: Option<String>,
    /// The account's instance, if its pods' label tells it.
    pub instance: Option<String>,
    /// Its StatefulSet.
    pub workload: Known<Option<Workload>>,
    /// Its members, by ordinal; a missing one is listed without a pod.
    pub members: Vec<Member>,
    /// Where it accepts SQL.
    pub sql: Option<SqlEndpoint>,
    /// Where it serves its status.
    pub page: Option<StatusEndpoint>,
    /// If its namespace has a component of this role, which accepts SQL in its place: it speaks HTTP, and is not
    /// queried.
    pub yields_to: Option<Role>,
    /// The components to connect through.
    pub answers_through: Option<Role>,
    /// Whether it keeps its data in remote storage, if the layout says.
    pub remote_storage: Option<bool>,
}

/// One pod of a component, or its place while the pod is missing.
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
    /// The pod, if there is one.
    pub pod: Option<PodFacts>,
    /// The claims that its pod mounts, or that its templates name, in the order of the pod's volumes.
    pub claims: Vec<Claim>,
    /// The PodDisruptionBudgets that cover its pod.
    pub budgets: Known<Vec<Budget>>,
}

impl Member {
    /// Returns whether its pod is Ready and not terminating.
    pub fn ready(&self) -> bool {
        self.pod.as_ref().is_some_and(|pod| pod.ready && pod.terminating.is_none())
    }

    /// `namespace/name`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Returns the number at the end of its name, if a StatefulSet gave it one.
    pub fn ordinal(&self) -> Option<i64> {
        self.name.rsplit_once('-').and_then(|(_, number)| number.parse().ok())
    }
}

/// The controller of a pod, from its ownerReferences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// `StatefulSet`; of another group than Kubernetes' own, with the group: `StatefulSet.apps.kruise.io`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl Owner {
    /// Returns whether it is a StatefulSet of Kubernetes' own.
    pub fn is_stateful_set(&self) -> bool {
        self.kind == "StatefulSet"
    }
}

/// What a failover needs to know of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFacts {
    /// Its UID.
    pub uid: String,
    /// Its version (resourceVersion).
    pub version: String,
    /// Status in one word, as in `kubectl get pods`.
    pub status: String,
    /// The Ready condition.
    pub ready: bool,
    /// Since when, and how that is determined.
    pub readiness: Readiness,
    /// Ready containers and all containers.
    pub containers: (usize, usize),
    /// Restarts of its containers.
    pub restarts: i32,
    /// Since when it is being deleted (the deletionTimestamp, which lies a grace period ahead of the delete).
    pub terminating: Option<Timestamp>,
    /// The grace period that its deletion left it, in seconds.
    pub grace_seconds: Option<i64>,
    /// The node that it was scheduled to.
    pub node: Option<String>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Its controller.
    pub owner: Option<Owner>,
    /// Why it is not certain that the layout's workload owns it; `None` if it does.
    pub unconfirmed: Option<String>,
    /// Claims that it mounts.
    pub claims: Vec<String>,
    /// Whether its phase is Pending.
    pub pending: bool,
    /// Why it is not Ready, from its conditions and container states.
    pub trouble: Option<String>,
    /// Revision of its controller's template that it was created from.
    pub revision: Option<String>,
    /// Finalizers that are not Kubernetes' own.
    pub foreign_finalizers: Vec<String>,
    /// The reason why SQL to it is disabled (annotation `kubectl-synxdb/sql-skipped`).
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
    /// Its UID, if it exists and could be read.
    pub uid: Option<String>,
    /// Name of its volume, if it has one. `None` if the volume is known to belong to another claim.
    pub volume_name: Option<String>,
    /// Its volume, if volumes could be read: the one that names this claim by its UID.
    pub volume: Known<Option<Volume>>,
    /// A volume that it names (`spec.volumeName`) but that is not its own.
    pub not_its: Option<NotIts>,
    /// Whether it belongs to a generic ephemeral volume: created for the pod, owned by it, and deleted with it.
    pub ephemeral: bool,
    /// What it requests of its volume.
    pub spec: ClaimSpec,
    /// Its capacity, or what it requests, as a Kubernetes quantity.
    pub capacity: Option<String>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Finalizers that are not Kubernetes' own.
    pub foreign_finalizers: Vec<String>,
    /// Other pods that mount it.
    pub shared_with: Vec<String>,
}

/// A volume that a claim names but that is not bound to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotIts {
    /// Name of the volume.
    pub volume: String,
    /// The claim that it is bound to, or reserved for; `None` if there is none.
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
    /// The pod names it, but it does not exist.
    Missing,
    /// Claims could not be read.
    Unknown(String),
}

impl Claim {
    /// Returns its state in one word, as kubectl does.
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

    /// Returns whether it is bound and not terminating.
    pub fn bound(&self) -> bool {
        self.state == ClaimState::Bound && !self.terminating
    }
}

/// Phase of a PersistentVolume (kubernetes.io, "Persistent Volumes", "Phase").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumePhase {
    /// It has no claim.
    Available,
    /// It has a claim.
    Bound,
    /// Its claim was deleted.
    Released,
    /// Another one, as the API server writes it: `Pending`, `Failed`; empty if it writes none.
    Other(String),
}

impl VolumePhase {
    /// Returns it as the API server writes it.
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
    /// Its phase.
    pub phase: VolumePhase,
    /// Where it can be mounted.
    pub place: Place,
    /// Its size, as a Kubernetes quantity.
    pub capacity: Option<String>,
    /// Its storage class; empty for none.
    pub storage_class: String,
    /// What a pod sees of it.
    pub mode: VolumeMode,
    /// Its access modes: `ReadWriteOnce`, ….
    pub access_modes: Vec<String>,
    /// Its VolumeAttributesClass; `None` for none.
    pub attributes_class: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The claim that it is bound to or reserved for (`spec.claimRef`).
    pub claim: Option<ClaimReference>,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// The records on it (annotations), one for each failover and undo it took part in.
    pub records: Vec<String>,
}

/// The claim of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimReference {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID; none if the volume is reserved for the next claim of this name.
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
    /// Returns why volumes and records are unknown; `None` if they could be read.
    pub fn unread_volumes(&self) -> Option<&Gap> {
        self.gaps.iter().find(|gap| gap.part == Part::Volumes)
    }

    /// Returns all members, space by space.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.spaces.iter().flat_map(Space::members)
    }

    /// Returns the space of this namespace.
    pub fn space(&self, namespace: &str) -> Option<&Space> {
        self.spaces.iter().find(|space| space.namespace == namespace)
    }

    /// Returns the member of this name in this namespace.
    pub fn member(&self, namespace: &str, name: &str) -> Option<&Member> {
        self.space(namespace)?.members().find(|member| member.name == name)
    }

    /// Returns the component of this member.
    pub fn component_of(&self, member: &Member) -> Option<&Component> {
        self.space(&member.namespace)?
            .components
            .iter()
            .find(|component| component.members.iter().any(|other| other.name == member.name))
    }

    /// Returns the name that stays when a pod is replaced: the pod's own, or that of its component if no StatefulSet
    /// keeps the pod's.
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
            // There is no pod yet: its StatefulSet will create it.
            None => match (self.usurper(member), self.component_of(member).and_then(Component::set)) {
                (Some(why), _) => Err(Untrusted::Stranger(why.to_owned())),
                (None, Some(_)) => Ok(()),
                (None, None) => Err(Untrusted::NoWorkload),
            },
        }
    }

    /// Returns why the pod that has the name of a member without a pod is not SynxDB's; `None` if there is no such pod.
    pub fn usurper(&self, member: &Member) -> Option<&str> {
        let mut strangers = self.space(&member.namespace)?.strangers.iter();
        let stranger = strangers.find(|stranger| member.pod.is_none() && stranger.name == member.name)?;
        stranger.poses.as_ref().map(|(_, why)| why.as_str())
    }

    /// Returns what looks like SynxDB's but matches no rule, by namespace.
    pub fn unrecognized(&self) -> impl Iterator<Item = &Unrecognized> {
        self.spaces.iter().flat_map(|space| &space.unrecognized).chain(&self.unrecognized_elsewhere)
    }

    /// Returns the gap of a namespace's claims, if they could not be read.
    pub fn unread_claims(&self, namespace: &str) -> Option<&Gap> {
        self.space(namespace)?.gaps.iter().find(|gap| matches!(gap.part, Part::Claims { .. }))
    }

    /// Returns everything that could not be read.
    pub fn all_gaps(&self) -> impl Iterator<Item = &Gap> {
        self.spaces.iter().flat_map(|space| &space.gaps).chain(&self.gaps)
    }
}

impl Component {
    /// Returns whether the layout defines no way to query it, directly or through another component.
    pub fn is_never_asked(&self) -> bool {
        self.sql.is_none() && self.page.is_none() && self.answers_through.is_none()
    }

    /// Returns the name of the warehouse that its pods are nodes of, which a session selects.
    pub fn warehouse_name(&self) -> &str {
        self.warehouse.as_deref().unwrap_or(&self.name)
    }

    /// Returns its StatefulSet, if it is known to have one.
    pub fn set(&self) -> Option<&Workload> {
        self.workload.as_known()?.as_ref()
    }

    /// Returns whether this member would not be recreated if its pod were deleted: its StatefulSet creates pods in
    /// order, and one with a lower ordinal is not Ready. The set's name and the first such member.
    pub fn keeps_away<'c>(&'c self, member: &Member) -> Option<(&'c str, &'c Member)> {
        let ordered = matches!(&self.workload, Known::Is(Some(workload)) if workload.ordered);
        let mut lower = self.members.iter().take_while(|other| other.name != member.name);
        lower.find(|other| !other.ready()).filter(|_| ordered).map(|lower| (self.name.as_str(), lower))
    }
}

impl Space {
    /// Returns all members of the space.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.components.iter().flat_map(|component| &component.members)
    }

    /// Returns the space's component of this role, the first by name.
    pub fn component(&self, role: Role) -> Option<&Component> {
        self.components.iter().find(|component| component.role == role)
    }
}
