//! What the cluster's objects mean in SynxDB's terms. Pure: turns a snapshot into a topology.

mod annotations;
pub(crate) mod binding;
mod build;
mod claim_spec;
mod claims;
pub(crate) mod discovery;
pub(crate) mod endpoint;
pub(crate) mod fit;
pub(crate) mod forward_target;
pub(crate) mod health;
mod heartbeat;
pub mod layout;
mod layout_source;
pub(crate) mod learn;
pub(crate) mod model;
mod ownership;
pub(crate) mod placement;
pub(crate) mod pod_status;
pub(crate) mod quantity;
pub(crate) mod quota;
pub(crate) mod readiness;
mod recognition;
pub(crate) mod replacement;
pub(crate) mod role;
mod seen;
mod selector;
pub(crate) mod suspension;
pub(crate) mod target;
#[cfg(test)]
mod tests;
pub(crate) mod workload;

pub use annotations::{RECORD_ANNOTATION, SQL_SKIPPED_ANNOTATION};
pub(crate) use build::unread_pods_and_claims;
pub use build::{build, manifest_of_claim};
#[cfg(test)]
pub(crate) use claim_spec::claim_spec;
pub use claim_spec::{ClaimSpec, VolumeMode};
#[cfg(test)]
pub(crate) use claims::volume;
pub use endpoint::{Endpoint, Warehouse};
pub use layout::{Layout, LayoutSource, LookalikeEvidence, RecognizedBy, SpaceKind};
pub use model::{
    Claim, ClaimReference, ClaimState, Component, Gap, Known, Member, NotIts, Owner, Part, PodFacts, Space, Stranger,
    Topology, Unrecognized, Untrusted, Volume, VolumePhase,
};
pub use placement::{NodeFacts, Place, StorageClassFacts};
pub use readiness::Readiness;
pub use replacement::{Replacement, replacement};
pub use role::Role;
pub use suspension::Suspended;
pub use workload::{Budget, Template, Workload};
