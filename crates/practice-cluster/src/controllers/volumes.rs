//! Binding claims to volumes, provisioning volumes, and reclaiming them: the persistent volume controller and its
//! provisioner in one.
//!
//! The controller matches claims with the volumes that it knows of, and may be behind with what others change of them:
//! a claim created in that time gets a new volume, although one is reserved for it. Kubernetes' own does the same.
//!
//! A volume's data is a folder named like the volume. Reclaim policy Delete removes it with the volume; Retain keeps
//! both, Released, until `claimRef.uid` is cleared: then the volume is Available again, reserved for its claim.

use super::events::{EventType, Source};
use super::known_volumes::{Knowledge, KnownVolumes};
use super::volume_match::{class, find, fits, is_for};
use super::volume_objects::{SELECTED_NODE, claim_reference, new_volume};
use super::{Context, Controller, Requeue};
use crate::files::Folder;
use crate::files::PASSABLE;
use crate::objects::version;
use crate::objects::{annotate, annotation, claims, is_terminating, key, name, namespace, uid, volume};
use crate::store::{DeleteOptions, Key, Preconditions};
use crate::values::text_at;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const VOLUMES: &str = "persistentvolumes";
const CONTROLLER: Source<'static> = Source::of("persistentvolume-controller");
/// Provisioner of a class whose volumes are created by hand.
pub(crate) const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";
/// A claim without a volume is reconciled again after that time.
const AGAIN: Requeue = Requeue::After(Duration::from_secs(15));
const PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";
const PROVISIONER_BETA: &str = "volume.beta.kubernetes.io/storage-provisioner";
const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";

/// See the module.
pub(crate) struct Volumes {
    context: Context,
    /// When provisioning (by the claim's UID) or reclaiming (by the volume's UID) will be done.
    busy: HashMap<String, Instant>,
    known: KnownVolumes,
    /// Where folders are removed.
    runtime: tokio::runtime::Handle,
}

impl Volumes {
    /// The controller. Must be called within a runtime.
    pub(crate) fn new(context: Context) -> Volumes {
        let runtime = tokio::runtime::Handle::current();
        let lag = Duration::try_from_secs_f64(context.scenario.volume_lag_seconds).unwrap_or_default();
        Volumes { context, busy: HashMap::new(), known: KnownVolumes::new(lag), runtime }
    }

    fn class(&self, object: &Value) -> Option<Arc<Value>> {
        self.context.store.get(&Key::new("storageclasses", "", class(object)))
    }

    fn event(&self, about: &Value, kind: EventType, source: Source<'_>, reason: &str, message: &str) {
        self.context.events.record(about, kind, source, reason, message);
    }

    /// Changes an object as it is known: a volume that others changed since stays as they left it.
    fn change(
        &mut self,
        object: &Value,
        resource: &'static str,
        change: impl FnOnce(&mut Value),
    ) -> Option<Arc<Value>> {
        let mut wanted = Preconditions::uid(uid(object));
        let is_volume = resource == VOLUMES;
        if is_volume && self.known.lags() {
            wanted.resource_version = Some(version(object).to_owned());
        }
        let changed = self.context.store.update(&key(resource, object), &wanted, false, |object| {
            change(object);
            Ok(())
        });
        let changed = changed.ok()?;
        if is_volume {
            self.known.learn(changed.clone());
        }
        Some(changed)
    }

    // ---- known volumes ----

    /// The volumes as the controller knows them.
    fn volumes(&self) -> Vec<Arc<Value>> {
        self.known.list().unwrap_or_else(|| self.context.store.list(VOLUMES, None).0)
    }

    /// Returns how long the current version of a volume stays unknown; `None` if it is known.
    fn unknown_for(&mut self, volume: &Arc<Value>) -> Option<Duration> {
        match self.known.observe(volume, Instant::now()) {
            Knowledge::Known => None,
            Knowledge::In(left) => Some(left),
            Knowledge::New => {
                // Claims that wait are matched with what is known now.
                for claim in self.context.store.list("persistentvolumeclaims", None).0 {
                    if text_at(&claim, "/spec/volumeName").is_empty()
                        && let Some(volume) = self.find_volume(&claim)
                    {
                        self.bind(&claim, &volume);
                    }
                }
                None
            }
        }
    }

    // ---- claims ----

    fn claim(&mut self, claim: &Value) -> Requeue {
        let bound_to = text_at(claim, "/spec/volumeName");
        if !bound_to.is_empty() {
            self.bound_claim(claim, bound_to);
            return Requeue::Never;
        }
        if let Some(volume) = self.find_volume(claim) {
            self.bind(claim, &volume);
            return Requeue::Never;
        }
        if is_terminating(claim) {
            self.busy.remove(uid(claim));
            return Requeue::Never;
        }
        let Some(class) = self.class(claim) else {
            let message = match class(claim) {
                "" => "no persistent volumes available for this claim and no storage class is set".to_owned(),
                class => format!("storageclass.storage.k8s.io \"{class}\" not found"),
            };
            let (kind, reason) = if class(claim).is_empty() {
                (EventType::Normal, "FailedBinding")
            } else {
                (EventType::Warning, "ProvisioningFailed")
            };
            self.event(claim, kind, CONTROLLER, reason, &message);
            return AGAIN;
        };
        if class["volumeBindingMode"] == "WaitForFirstConsumer" && annotation(claim, SELECTED_NODE).is_empty() {
            let (reason, message) = self.awaited(claim);
            self.event(claim, EventType::Normal, CONTROLLER, reason, &message);
            return AGAIN;
        }
        if class["provisioner"] == NO_PROVISIONER {
            return Requeue::Never;
        }
        self.provision(claim, &class)
    }

    /// Returns the event of a claim that waits for its first consumer.
    fn awaited(&self, claim: &Value) -> (&'static str, String) {
        let pods = self.context.store.list("pods", Some(namespace(claim))).0;
        let waiting = |pod: &&Arc<Value>| {
            text_at(pod, "/spec/nodeName").is_empty() && claims(pod).any(|wanted| wanted == name(claim))
        };
        let names: Vec<&str> = pods.iter().filter(waiting).map(|pod| name(pod)).collect();
        match names.as_slice() {
            [] => ("WaitForFirstConsumer", "waiting for first consumer to be created before binding".to_owned()),
            [only] => ("WaitForPodScheduled", format!("waiting for pod {only} to be scheduled")),
            several => ("WaitForPodScheduled", format!("waiting for pods {} to be scheduled", several.join(","))),
        }
    }

    /// A claim that has a volume: the volume must exist and be this claim's.
    fn bound_claim(&mut self, claim: &Value, bound_to: &str) {
        let Some(volume) = volume(&self.context.store, bound_to) else {
            if text_at(claim, "/status/phase") == "Bound" {
                self.change(claim, "persistentvolumeclaims", |claim| claim["status"]["phase"] = json!("Lost"));
                let message = "Bound claim has lost its PersistentVolume. Data on the volume is lost!";
                self.event(claim, EventType::Warning, CONTROLLER, "ClaimLost", message);
            }
            return;
        };
        let reference = &volume["spec"]["claimRef"];
        let complete = !annotation(claim, BIND_COMPLETED).is_empty();
        if !complete && reference.is_null() && !fits(&volume, claim) {
            let message = format!("Cannot bind to requested volume \"{bound_to}\": it does not satisfy the claim");
            self.event(claim, EventType::Warning, CONTROLLER, "VolumeMismatch", &message);
        } else if reference.is_null() || is_for(&volume, claim) {
            if !is_terminating(claim) || text_at(claim, "/status/phase") != "Bound" {
                self.bind(claim, &volume);
            }
        } else if complete {
            let message = "Two claims are bound to the same volume, this one is bound incorrectly";
            self.change(claim, "persistentvolumeclaims", |claim| claim["status"]["phase"] = json!("Lost"));
            self.event(claim, EventType::Warning, CONTROLLER, "ClaimMisbound", message);
        } else {
            // The claim names this volume, which may become free: the claim stays Pending.
            let message = format!("volume \"{bound_to}\" already bound to a different claim.");
            self.event(claim, EventType::Warning, CONTROLLER, "FailedBinding", &message);
        }
    }

    /// A volume for a claim: one reserved for it by name, wherever that is and even if the claim is being deleted; or
    /// one that is free and fits. The free ones of a class that waits for its first consumer are looked at once that
    /// has a node, and then on that node.
    fn find_volume(&self, claim: &Value) -> Option<Arc<Value>> {
        let store = &self.context.store;
        let waits = self.class(claim).is_some_and(|class| class["volumeBindingMode"] == "WaitForFirstConsumer");
        let node = store.get(&Key::new("nodes", "", annotation(claim, SELECTED_NODE))).filter(|_| waits);
        let volumes = self.volumes();
        let reserved = find(&volumes, claim, None, true);
        if is_terminating(claim) {
            return reserved;
        }
        reserved.or_else(|| find(&volumes, claim, node.as_deref(), waits && node.is_none()))
    }

    /// Makes claim and volume point at each other.
    fn bind(&mut self, claim: &Value, volume: &Value) {
        let reference = claim_reference(claim);
        let volume = self.change(volume, VOLUMES, |volume| {
            if volume["spec"]["claimRef"]["uid"] != uid(claim) {
                if volume["spec"]["claimRef"].is_null() {
                    annotate(volume, BOUND_BY_CONTROLLER, "yes");
                }
                volume["spec"]["claimRef"] = reference;
            }
            volume["status"]["phase"] = json!("Bound");
        });
        let Some(volume) = volume else { return };
        self.change(claim, "persistentvolumeclaims", |claim| {
            if text_at(claim, "/spec/volumeName").is_empty() {
                annotate(claim, BOUND_BY_CONTROLLER, "yes");
            }
            annotate(claim, BIND_COMPLETED, "yes");
            claim["spec"]["volumeName"] = json!(name(&volume));
            claim["status"] = json!({
                "phase": "Bound",
                "accessModes": volume["spec"]["accessModes"],
                "capacity": {"storage": volume["spec"]["capacity"]["storage"]},
            });
        });
    }

    /// Provisions a volume for a claim, which takes time.
    fn provision(&mut self, claim: &Value, class: &Value) -> Requeue {
        let provisioner = text_at(class, "/provisioner");
        let own = format!("{provisioner}_disk-provisioner");
        let worker = Source { component: &own, host: "" };
        let Some(done) = self.busy.get(uid(claim)) else {
            self.busy.insert(uid(claim).to_owned(), Instant::now() + self.context.pace.provision);
            self.change(claim, "persistentvolumeclaims", |claim| {
                annotate(claim, PROVISIONER, provisioner);
                annotate(claim, PROVISIONER_BETA, provisioner);
            });
            let message = format!(
                "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the \
                 system administrator. If volume creation is delayed, please verify that the provisioner is running and \
                 correctly registered."
            );
            self.event(claim, EventType::Normal, CONTROLLER, "ExternalProvisioning", &message);
            let message = format!(
                "External provisioner is provisioning volume for claim \"{}/{}\"",
                namespace(claim),
                name(claim)
            );
            self.event(claim, EventType::Normal, worker, "Provisioning", &message);
            return Requeue::After(self.context.pace.provision);
        };
        let left = done.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            return Requeue::After(left);
        }
        self.busy.remove(uid(claim));
        let volume = format!("pvc-{}", uid(claim));
        let folder = Folder::open(&self.context.volumes);
        let made = folder.and_then(|folder| folder.make_folder(Path::new(&volume), PASSABLE, None));
        if let Err(error) = made {
            let message = format!("failed to provision volume with StorageClass \"{}\": {error}", name(class));
            self.event(claim, EventType::Warning, worker, "ProvisioningFailed", &message);
            return Requeue::Never;
        }
        // A disk of the machine itself stays with the machine.
        let pinned = self.context.scenario.data_on_volume;
        let object = new_volume(claim, class, &volume, pinned);
        if let Ok(created) = self.context.store.create(Key::new(VOLUMES, "", volume.as_str()), object, false) {
            // The provisioner is part of the controller: it knows its own volume without delay.
            self.known.learn(created);
            let message = format!("Successfully provisioned volume {volume}");
            self.event(claim, EventType::Normal, worker, "ProvisioningSucceeded", &message);
        }
        // Its creation brings the claim back here, to be bound.
        Requeue::Never
    }

    // ---- volumes ----

    fn volume(&mut self, volume: &Value) -> Requeue {
        let reference = &volume["spec"]["claimRef"];
        let phase = text_at(volume, "/status/phase");
        if is_terminating(volume) && phase != "Bound" {
            return Requeue::Never;
        }
        if text_at(reference, "/uid").is_empty() {
            // Free, or reserved for a claim of that name.
            self.set_phase(volume, "Available");
            return Requeue::Never;
        }
        let claim = Key::new("persistentvolumeclaims", text_at(reference, "/namespace"), text_at(reference, "/name"));
        if self.context.store.get(&claim).is_some_and(|claim| uid(&claim) == text_at(reference, "/uid")) {
            self.busy.remove(uid(volume));
            return Requeue::Never;
        }
        self.set_phase(volume, "Released");
        if volume["spec"]["persistentVolumeReclaimPolicy"] != "Delete" {
            self.busy.remove(uid(volume));
            return Requeue::Never;
        }
        self.reclaim(volume)
    }

    /// Removes a volume and its data, which takes time.
    fn reclaim(&mut self, volume: &Value) -> Requeue {
        let pace = self.context.pace.reclaim;
        let done = *self.busy.entry(uid(volume).to_owned()).or_insert_with(|| Instant::now() + pace);
        let left = done.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            return Requeue::After(left);
        }
        self.busy.remove(uid(volume));
        // In the background: a database cluster has thousands of files.
        let folder = self.context.volumes.join(name(volume));
        self.runtime.spawn_blocking(move || std::fs::remove_dir_all(folder));
        let options = DeleteOptions { preconditions: Preconditions::uid(uid(volume)), ..DeleteOptions::default() };
        // Deleted by another client by now: nothing to do.
        let _ = self.context.store.delete(&key(VOLUMES, volume), &options);
        Requeue::Never
    }

    fn set_phase(&mut self, volume: &Value, phase: &str) {
        if text_at(volume, "/status/phase") != phase {
            self.change(volume, VOLUMES, |volume| volume["status"]["phase"] = json!(phase));
        }
    }
}

/// Whether a claimRef names that claim.
fn names(reference: &Value, claim: &Value) -> bool {
    reference["namespace"] == namespace(claim) && reference["name"] == name(claim)
}

impl Controller for Volumes {
    fn kinds(&self) -> &'static [&'static str] {
        &[VOLUMES, "persistentvolumeclaims"]
    }

    fn concerned(&self, changed: &Key, object: &Value) -> Vec<Key> {
        match changed.resource {
            "persistentvolumeclaims" => {
                let volumes = self.context.store.list(VOLUMES, None).0;
                let related = volumes.iter().filter(|volume| names(&volume["spec"]["claimRef"], object));
                let mut keys = vec![changed.clone()];
                keys.extend(related.map(|volume| key(VOLUMES, volume)));
                keys
            }
            // Any claim without a volume may want this one.
            VOLUMES => {
                let claims = self.context.store.list("persistentvolumeclaims", None).0;
                let related = claims.iter().filter(|claim| {
                    let bound_to = text_at(claim, "/spec/volumeName");
                    bound_to.is_empty() || bound_to == changed.name
                });
                let mut keys = vec![changed.clone()];
                keys.extend(related.map(|claim| key("persistentvolumeclaims", claim)));
                keys
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, key: &Key) -> Requeue {
        match (self.context.store.get(key), key.resource) {
            (Some(claim), "persistentvolumeclaims") => self.claim(&claim),
            (Some(volume), _) => match self.unknown_for(&volume) {
                Some(left) => Requeue::After(left),
                None => self.volume(&volume),
            },
            (None, VOLUMES) => {
                self.known.forget(&key.name);
                Requeue::Never
            }
            (None, _) => Requeue::Never,
        }
    }
}
