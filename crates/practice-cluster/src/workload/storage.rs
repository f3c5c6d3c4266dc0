//! The storage components: safekeepers and pageservers with their state on their pods' volumes. The members of a namespace
//! are one installation; a ConfigMap there configures how they misbehave.

use crate::files::{Folder, PASSABLE};
use crate::store::{Key, Store};
use crate::sync::lock;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use storage_stand_in::{Identity, Installation, Settings, StandIn};

/// The ConfigMap with the settings of a namespace's members, and its key. The pods of a real cluster read the same one.
const CONFIG_MAP: &str = "storage-stand-in";
const SETTINGS: &str = "settings";

/// All installations.
pub(super) struct Storage {
    store: Arc<Store>,
    /// The shared object store's folder.
    objects: PathBuf,
    installations: Mutex<HashMap<String, Arc<Installation>>>,
}

/// What a scenario changes in a member, beside its settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemberOptions {
    /// Whether it serves no metrics.
    pub(super) no_metrics: bool,
    /// Whether its disk is all that it has, so that nothing is attached again once that is lost.
    pub(super) data_on_volume: bool,
}

impl Storage {
    pub(super) fn new(store: Arc<Store>, objects: PathBuf) -> Storage {
        Storage { store, objects, installations: Mutex::default() }
    }

    /// Starts a member on its volume.
    ///
    /// # Errors
    /// What is wrong with its settings; the system's words.
    pub(super) fn start(
        &self,
        namespace: &str,
        identity: Identity,
        volume: Option<&Path>,
        options: MemberOptions,
    ) -> Result<Arc<StandIn>, String> {
        let map = self.store.get(&Key::new("configmaps", namespace, CONFIG_MAP));
        let text = map.as_ref().and_then(|map| map["data"][SETTINGS].as_str()).unwrap_or_default();
        let settings = Settings::read(text).map_err(|error| error.to_string())?;
        let mut member = settings.member(&identity.name).map_err(|error| error.to_string())?;
        if options.no_metrics {
            member.metrics = storage_stand_in::MetricsPage::NotFound;
        }
        if options.data_on_volume {
            member.attach = Some(0);
        }
        let installation = self.installation(namespace).map_err(|error| error.to_string())?;
        let started = StandIn::start(identity, (member, settings.computes), volume, installation);
        started.map(Arc::new).map_err(|error| error.to_string())
    }

    /// A compute of the namespace has started.
    ///
    /// # Errors
    /// The system's words.
    pub(super) fn compute_started(&self, namespace: &str) -> Result<(), String> {
        let installation = self.installation(namespace);
        installation.and_then(|installation| installation.compute_started()).map_err(|error| error.to_string())
    }

    /// It has ended.
    ///
    /// # Errors
    /// The system's words.
    pub(super) fn compute_ended(&self, namespace: &str) -> Result<(), String> {
        let installation = self.installation(namespace);
        installation.and_then(|installation| installation.compute_ended()).map_err(|error| error.to_string())
    }

    fn installation(&self, namespace: &str) -> std::io::Result<Arc<Installation>> {
        let mut all = lock(&self.installations);
        if let Some(known) = all.get(namespace) {
            return Ok(known.clone());
        }
        // No pod's name has a plus sign.
        let name = PathBuf::from(format!("{namespace}+storage"));
        Folder::open(&self.objects)?.make_folder(&name, PASSABLE, None)?;
        let opened = Arc::new(Installation::open(&self.objects.join(name))?);
        all.insert(namespace.to_owned(), opened.clone());
        Ok(opened)
    }
}
