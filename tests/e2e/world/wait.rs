//! Waiting for conditions by watch.

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ResourceExt};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Resource, runtime::watcher::Event};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

/// Selects the one object of this name.
pub(crate) fn named(name: &str) -> watcher::Config {
    watcher::Config::default().fields(&format!("metadata.name={name}"))
}

/// Watches the selected objects by name until the condition holds, and evaluates it after each change. A broken watch
/// is restarted.
///
/// # Errors
/// The last observed objects, if the condition did not hold in time.
pub(crate) async fn until<K>(
    api: &Api<K>,
    which: watcher::Config,
    limit: Duration,
    holds: impl Fn(&BTreeMap<String, K>) -> bool,
) -> Result<BTreeMap<String, K>, String>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + Debug + Send + 'static,
{
    let mut objects = BTreeMap::new();
    let mut trouble = None;
    let watched = async {
        let mut events = std::pin::pin!(watcher(api.clone(), which).default_backoff());
        let mut complete = false;
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => {
                    objects.clear();
                    complete = false;
                }
                Ok(Event::InitDone) => complete = true,
                Ok(Event::InitApply(object) | Event::Apply(object)) => {
                    objects.insert(object.name_any(), object);
                }
                Ok(Event::Delete(object)) => {
                    objects.remove(&object.name_any());
                }
                Err(error) => trouble = Some(error.to_string()),
            }
            if complete && holds(&objects) {
                return;
            }
        }
    };
    match tokio::time::timeout(limit, watched).await {
        Ok(()) => Ok(objects),
        Err(_) => Err(seen(&objects, trouble)),
    }
}

fn seen<K: Serialize>(objects: &BTreeMap<String, K>, trouble: Option<String>) -> String {
    let shown = objects.values().map(|object| {
        let mut object = serde_json::to_value(object).unwrap();
        object["metadata"]["managedFields"].take();
        format!("{object}\n")
    });
    let trouble = trouble.map(|trouble| format!("the watch: {trouble}\n")).unwrap_or_default();
    shown.collect::<String>() + &trouble
}

/// Whether a pod is Ready and not terminating.
pub(crate) fn stays_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.into_iter().flatten().any(|one| one.type_ == "Ready" && one.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}
