//! The volumes as the volume controller knows them. It may lag behind changes that others make, as under load or after
//! its own restart.

use crate::objects::{name, version};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What the controller knows of a volume's current version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Knowledge {
    /// It knows it.
    Known,
    /// It has just learned of it.
    New,
    /// It will know it after that time.
    In(Duration),
}

/// The known volumes, by name. Without a lag nothing is kept: the store is up to date.
pub(super) struct KnownVolumes {
    lag: Duration,
    known: HashMap<String, Arc<Value>>,
    /// Volumes that others changed, not yet known to the controller, and since when.
    unknown: HashMap<String, Instant>,
}

impl KnownVolumes {
    /// No volumes yet; changes of others become known after `lag`.
    pub(super) fn new(lag: Duration) -> KnownVolumes {
        KnownVolumes { lag, known: HashMap::new(), unknown: HashMap::new() }
    }

    /// Whether the controller lags behind.
    pub(super) fn lags(&self) -> bool {
        !self.lag.is_zero()
    }

    /// Returns the known volumes; `None` without a lag.
    pub(super) fn list(&self) -> Option<Vec<Arc<Value>>> {
        self.lags().then(|| self.known.values().cloned().collect())
    }

    /// Adds a volume as the controller itself wrote it.
    pub(super) fn learn(&mut self, volume: Arc<Value>) {
        if self.lags() {
            self.known.insert(name(&volume).to_owned(), volume);
        }
    }

    /// Takes note of a volume's current version at a time.
    pub(super) fn observe(&mut self, volume: &Arc<Value>, now: Instant) -> Knowledge {
        let name = name(volume);
        let is_known = self.known.get(name).is_some_and(|known| version(known) == version(volume));
        if is_known || !self.lags() {
            self.unknown.remove(name);
            return Knowledge::Known;
        }
        let since = *self.unknown.entry(name.to_owned()).or_insert(now);
        let left = self.lag.saturating_sub(now.duration_since(since));
        if !left.is_zero() {
            return Knowledge::In(left);
        }
        self.unknown.remove(name);
        self.known.insert(name.to_owned(), volume.clone());
        Knowledge::New
    }

    /// Forgets a volume that is gone.
    pub(super) fn forget(&mut self, name: &str) {
        self.known.remove(name);
        self.unknown.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn volume(version: &str) -> Arc<Value> {
        Arc::new(json!({"metadata": {"name": "v", "resourceVersion": version}}))
    }

    #[test]
    fn a_change_of_others_becomes_known_after_the_lag() {
        let second = Duration::from_secs(1);
        let start = Instant::now();
        let mut volumes = KnownVolumes::new(2 * second);
        volumes.learn(volume("1"));
        assert_eq!(volumes.observe(&volume("1"), start), Knowledge::Known);
        assert_eq!(volumes.observe(&volume("2"), start), Knowledge::In(2 * second));
        assert_eq!(volumes.observe(&volume("2"), start + second), Knowledge::In(second));
        assert_eq!(volumes.list().unwrap(), [volume("1")]);
        assert_eq!(volumes.observe(&volume("2"), start + 2 * second), Knowledge::New);
        assert_eq!(volumes.list().unwrap(), [volume("2")]);
        volumes.forget("v");
        assert_eq!(volumes.list().unwrap(), Vec::<Arc<Value>>::new());
    }

    #[test]
    fn without_a_lag_every_version_is_known() {
        let mut volumes = KnownVolumes::new(Duration::ZERO);
        assert_eq!(volumes.observe(&volume("1"), Instant::now()), Knowledge::Known);
        assert_eq!(volumes.list(), None);
    }
}
