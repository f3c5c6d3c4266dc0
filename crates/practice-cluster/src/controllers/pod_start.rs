//! A pod's start on its node: the container's image first, then the container.

use super::events::EventType;
use super::images::Absent;
use super::pod_status::{State, View, container_id};
use super::pod_worker::{Ending, Worker, ended};
use super::readiness::Probe;
use crate::objects::{now, uid};
use crate::values::text_at;
use crate::workload::Running;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long a failed pull is shown as such, before it is shown as waiting for the next.
const PULL_FAILED: Duration = Duration::from_secs(1);

/// Time to the next pull after the first; it doubles up to the longest.
const PULL_AGAIN: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(300);

impl Worker {
    /// Waits until the container's image exists: immediately, or after the pod was given another one.
    pub(super) async fn image(&mut self, view: &mut View) -> Result<(), Ending> {
        let mut delay = PULL_AGAIN;
        loop {
            let container = &self.pod["spec"]["containers"][0];
            let image = text_at(container, "/image").to_owned();
            let Err(absent) = self.context.images.check(container) else { return Ok(()) };
            let message = absent.message(&image);
            if absent == Absent::NeverPull {
                self.container_event(EventType::Warning, "ErrImageNeverPull", &message);
                self.waits(view, "ErrImageNeverPull", message);
                self.changed(PULL_AGAIN).await?;
                continue;
            }
            self.container_event(EventType::Normal, "Pulling", &format!("Pulling image \"{image}\""));
            self.wait(self.context.pace.set_up).await?;
            self.container_event(EventType::Warning, "Failed", &format!("Failed to pull image \"{image}\": {message}"));
            self.waits(view, "ErrImagePull", message.clone());
            if self.changed(PULL_FAILED).await? {
                continue;
            }
            let back_off = format!("Back-off pulling image \"{image}\"");
            self.container_event(EventType::Normal, "BackOff", &back_off);
            self.waits(view, "ImagePullBackOff", format!("{back_off}: ErrImagePull: {message}"));
            self.changed(delay).await?;
            delay = (2 * delay).min(LONGEST);
        }
    }

    /// Starts the container and reports it running.
    pub(super) async fn start(&mut self, view: &mut View) -> Result<Arc<Running>, String> {
        let container = &self.pod["spec"]["containers"][0];
        let image = text_at(container, "/image");
        if container["imagePullPolicy"] == "Always" {
            self.container_event(EventType::Normal, "Pulling", &format!("Pulling image \"{image}\""));
            let pulled = format!(
                "Successfully pulled image \"{image}\" in 1ms (1ms including waiting). Image size: 104857600 bytes."
            );
            self.container_event(EventType::Normal, "Pulled", &pulled);
        } else {
            let present =
                format!("Container image \"{image}\" already present on machine and can be accessed by the pod");
            self.container_event(EventType::Normal, "Pulled", &present);
        }
        let folder = self.volume_folder();
        // Not cut short if the pod is deleted: the start is completed, then the workload is ended.
        let running = self.workloads.start(&self.pod, folder.as_deref()).await?;
        self.container_event(EventType::Normal, "Created", "Container created");
        self.container_event(EventType::Normal, "Started", "Container started");
        // Without a probe it is ready.
        view.state = State::Running { started: now(), ready: Probe::of(container).is_none(), id: container_id() };
        self.report(view);
        Ok(running)
    }

    /// Reports why the container does not start.
    fn waits(&self, view: &mut View, reason: &'static str, message: String) {
        self.container_event(EventType::Warning, "Failed", &format!("Error: {reason}"));
        view.state = State::Waiting(reason, message);
        self.report(view);
    }

    /// Waits for that time, or until the pod has another image; returns whether it has.
    async fn changed(&mut self, time: Duration) -> Result<bool, Ending> {
        let mut ending = self.ending.clone();
        let other = tokio::select! {
            biased;
            ending = ended(&mut ending, &self.context) => return Err(ending),
            other = self.other_image() => Some(other),
            () = tokio::time::sleep(time) => None,
        };
        let changed = other.is_some();
        if let Some(pod) = other {
            self.pod = pod;
        }
        Ok(changed)
    }

    /// Resolves when the pod has another image than this one knows.
    async fn other_image(&self) -> Arc<Value> {
        let image = |pod: &Value| text_at(pod, "/spec/containers/0/image").to_owned();
        let store = &self.context.store;
        loop {
            let since = store.version();
            if let Some(pod) = store.get(&self.key)
                && uid(&pod) == uid(&self.pod)
                && image(&pod) != image(&self.pod)
            {
                return pod;
            }
            // Expired already: look again.
            let Ok(mut watcher) = store.watch(since) else { continue };
            while watcher.next().await.is_some_and(|change| change.key != self.key) {}
        }
    }
}
