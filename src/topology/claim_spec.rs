//! What a claim, or a template of one, requests of its volume.

use k8s_openapi::api::core::v1::PersistentVolumeClaimSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use std::fmt;

/// The class of a claim or a volume before `spec.storageClassName` existed. It still takes precedence
/// (`GetPersistentVolumeClaimClass`).
const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// What a claim requests of its volume.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClaimSpec {
    /// Its storage class: empty for none, `None` for the cluster's default one.
    pub class: Option<String>,
    /// Its size, as a Kubernetes quantity.
    pub size: Option<String>,
    /// Its access modes: `ReadWriteOnce`, ….
    pub access_modes: Vec<String>,
    /// What the pod sees.
    pub mode: VolumeMode,
    /// Its VolumeAttributesClass; `None` for none.
    pub attributes_class: Option<String>,
    /// The labels that an existing volume must have.
    pub selector: Option<LabelSelector>,
}

/// What a pod sees of a volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VolumeMode {
    /// A folder.
    #[default]
    Filesystem,
    /// A device.
    Block,
}

impl VolumeMode {
    /// Parses `spec.volumeMode`; without one it is a file system.
    pub(super) fn of(text: Option<&str>) -> Self {
        if text == Some("Block") { Self::Block } else { Self::Filesystem }
    }
}

impl fmt::Display for VolumeMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Filesystem => "Filesystem",
            Self::Block => "Block",
        })
    }
}

/// Returns the class that an object names: by the old annotation, or by its field. Empty for none.
pub(super) fn class(metadata: Option<&ObjectMeta>, field: Option<&String>) -> Option<String> {
    let annotations = metadata.and_then(|metadata| metadata.annotations.as_ref());
    annotations.and_then(|all| all.get(BETA_CLASS)).or(field).cloned()
}

/// An empty field means the same as an absent one.
pub(super) fn given(field: Option<&String>) -> Option<String> {
    field.filter(|text| !text.is_empty()).cloned()
}

pub(crate) fn claim_spec(metadata: Option<&ObjectMeta>, spec: Option<&PersistentVolumeClaimSpec>) -> ClaimSpec {
    let requests = spec.and_then(|spec| spec.resources.as_ref()?.requests.as_ref());
    ClaimSpec {
        class: class(metadata, spec.and_then(|spec| spec.storage_class_name.as_ref())),
        size: requests.and_then(|requests| requests.get("storage")).map(|quantity| quantity.0.clone()),
        access_modes: spec.and_then(|spec| spec.access_modes.clone()).unwrap_or_default(),
        mode: VolumeMode::of(spec.and_then(|spec| spec.volume_mode.as_deref())),
        attributes_class: given(spec.and_then(|spec| spec.volume_attributes_class_name.as_ref())),
        selector: spec.and_then(|spec| spec.selector.clone()),
    }
}
