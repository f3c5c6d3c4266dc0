//! One pod on its node: start what it runs, report on it, start it again when it dies, end it when the pod is deleted.

use super::events::{EventType, Source};
use super::pod_status::{Exit, LOST, State, View, container_id};
use super::readiness::{Probe, Readiness};
use super::{Context, ReplacedPods};
use crate::files::{Folder, PASSABLE};
use crate::objects::{claim, claims, namespace, now, uid};
use crate::store::{DeleteOptions, Key, Preconditions};
use crate::values::{items_at, text_at};
use crate::workload::probe::Answer;
use crate::workload::{Running, Workloads};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

/// A failing readiness probe is reported that often, then rarely: as client-go's spam filter does.
const EVENT_BURST: u32 = 25;

/// No probe is asked as seldom as that: a day.
const FOREVER: Duration = Duration::from_secs(86_400);

/// Why a pod's task is to end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It was deleted, with that many seconds of grace.
    Deleted(u64),
    /// It is no longer there: force-deleted.
    Gone,
    /// The machine is lost: its workloads are gone, which is not reported.
    NodeLost,
}

/// One pod's task.
pub(super) struct Worker {
    /// What all controllers share.
    pub(super) context: Context,
    /// What runs in pods.
    pub(super) workloads: Arc<Workloads>,
    /// Where the pod is kept.
    pub(super) key: Key,
    /// The pod as it was when it was given to this node.
    pub(super) pod: Arc<Value>,
    /// The node.
    pub(super) node: String,
    /// Whether there was a pod of that name before.
    pub(super) replaced: bool,
    /// Whether it does not become Ready before it may.
    pub(super) stays_unready: bool,
    /// Whether its node was down since it was started.
    pub(super) rebooted: bool,
    /// Why it is to end, once it is.
    pub(super) ending: watch::Receiver<Option<Ending>>,
    /// The next pod's address.
    pub(super) addresses: Arc<AtomicU32>,
}

/// What became of a container that runs.
enum Outcome {
    /// It is to end.
    Ended(Ending),
    /// It ended by itself, with that exit code.
    Died(i32),
}

/// When a liveness probe is asked: never if there is none.
struct Beats(Option<tokio::time::Interval>);

impl Beats {
    fn of(probe: Option<&Probe>) -> Beats {
        Beats(probe.map(|probe| {
            // The first time once the initial delay is over, as a kubelet does.
            let mut ticks = tokio::time::interval_at(Instant::now() + probe.initial_delay, probe.period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        }))
    }

    async fn next(&mut self) {
        match &mut self.0 {
            Some(ticks) => {
                ticks.tick().await;
            }
            None => std::future::pending().await,
        }
    }
}

impl Worker {
    /// Runs until the pod is gone.
    pub(super) async fn run(mut self) {
        let mut view = View {
            state: State::Waiting("ContainerCreating", String::new()),
            last: None,
            restarts: 0,
            pod_ip: String::new(),
            host_ip: self.host_ip(),
        };
        if self.rebooted {
            self.remember(&mut view);
        }
        self.report(&view);
        if let Err(ending) = self.wait(self.context.pace.set_up).await {
            return self.remove(ending, view, None).await;
        }
        self.attach();
        view.pod_ip = self.new_address();
        loop {
            if let Err(ending) = self.image(&mut view).await {
                return self.remove(ending, view, None).await;
            }
            let running = match self.start(&mut view).await {
                Ok(running) => running,
                Err(why) => {
                    self.container_event(EventType::Warning, "Failed", &format!("Error: {why}"));
                    let exit = Exit { code: 128, started: now(), finished: now(), id: container_id() };
                    match self.restart(&mut view, exit).await {
                        Ok(()) => continue,
                        Err(ending) => return self.remove(ending, view, None).await,
                    }
                }
            };
            let outcome = self.attend(&running, &mut view).await;
            let code = match outcome {
                Outcome::Ended(ending) => return self.remove(ending, view, Some(running)).await,
                Outcome::Died(code) => code,
            };
            self.workloads.forget(&running);
            let exit = exit(&view, code);
            if let Err(ending) = self.restart(&mut view, exit).await {
                return self.remove(ending, view, None).await;
            }
        }
    }

    /// Asks the readiness probe, and waits for an end.
    async fn attend(&mut self, running: &Arc<Running>, view: &mut View) -> Outcome {
        let slow = if self.replaced { self.context.scenario.replaced_pod_ready_seconds.max(0.0) } else { 0.0 };
        let workloads = self.workloads.clone();
        let mut replaced_pods = self.context.replaced_pods.clone();
        let stays_unready = self.stays_unready;
        let up = async {
            let slow = tokio::time::sleep(Duration::from_secs_f64(slow));
            let (up, ()) = tokio::join!(workloads.ready(running), slow);
            if stays_unready {
                // An error says that the cluster is gone.
                let _ = replaced_pods.wait_for(|all| *all == ReplacedPods::BecomeReady).await;
            }
            up
        };
        tokio::pin!(up);
        let probe = Probe::of(&self.pod["spec"]["containers"][0]);
        let (period, delay) = probe.as_ref().map_or((FOREVER, Duration::ZERO), |p| (p.period, p.initial_delay));
        let from = Instant::now() + delay;
        let mut ticks = tokio::time::interval_at(from + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let life = Probe::of_life(&self.pod["spec"]["containers"][0]);
        let mut beats = Beats::of(life.as_ref());
        let mut alive = Readiness::alive();
        let (mut readiness, mut failures) = (Readiness::default(), 0_u32);
        let (mut coming_up, mut early) = (true, !delay.is_zero());
        let mut ending = self.ending.clone();
        loop {
            tokio::select! {
                // An end is reported before the readiness that it prevents.
                biased;
                ending = ended(&mut ending, &self.context) => return Outcome::Ended(ending),
                code = workloads.exited(running) => return Outcome::Died(code),
                result = &mut up, if coming_up => {
                    coming_up = false;
                    match result {
                        Ok(()) => running.set_up(),
                        Err(why) => {
                            let message = format!("Readiness probe failed: {why}");
                            self.container_event(EventType::Warning, "Unhealthy", &message);
                        }
                    }
                }
                () = tokio::time::sleep_until(from), if early => early = false,
                _ = ticks.tick() => {}
                () = beats.next() => {
                    let Some(life) = &life else { continue };
                    let answer = running.answer(&life.check, &view.pod_ip);
                    if let Answer::Failed(why) = &answer {
                        self.container_event(EventType::Warning, "Unhealthy", &format!("Liveness probe failed: {why}"));
                    }
                    let counts = !matches!(answer, Answer::Errored(_));
                    if counts && alive.take(life, answer == Answer::Passed) && !alive.ready {
                        return Outcome::Died(self.kill(running).await);
                    }
                    continue;
                }
            }
            let Some(probe) = probe.as_ref().filter(|_| !early) else { continue };
            let answer = running.answer(&probe.check, &view.pod_ip);
            let said = match &answer {
                Answer::Passed => None,
                Answer::Failed(why) => Some(format!("Readiness probe failed: {why}")),
                Answer::Errored(why) => Some(format!("Readiness probe errored and resulted in unknown state: {why}")),
            };
            if let Some(message) = said {
                failures += 1;
                if failures <= EVENT_BURST || failures.is_multiple_of(300) {
                    self.container_event(EventType::Warning, "Unhealthy", &message);
                }
            }
            if !matches!(answer, Answer::Errored(_)) && readiness.take(probe, answer == Answer::Passed) {
                if let State::Running { ready, .. } = &mut view.state {
                    *ready = readiness.ready;
                }
                self.report(view);
            }
        }
    }

    /// Ends a container that failed its liveness probe.
    async fn kill(&self, running: &Arc<Running>) -> i32 {
        let container = text_at(&self.pod, "/spec/containers/0/name");
        let message = format!("Container {container} failed liveness probe, will be restarted");
        self.container_event(EventType::Normal, "Killing", &message);
        let grace = self.pod["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
        self.workloads.stop(running, Duration::from_secs(grace)).await
    }

    /// Puts a container that ended back to waiting: without delay the first time, with a growing one afterwards.
    async fn restart(&mut self, view: &mut View, exit: Exit) -> Result<(), Ending> {
        let delay = match view.restarts {
            0 => Duration::ZERO,
            times => Duration::from_secs((10 << (times - 1).min(5)).min(300)),
        };
        view.last = Some(exit);
        let container = text_at(&self.pod, "/spec/containers/0/name").to_owned();
        let pod = format!("{}_{}({})", self.key.name, self.key.namespace, uid(&self.pod));
        if !delay.is_zero() {
            let seconds = delay.as_secs();
            let message = format!("back-off {seconds}s restarting failed container={container} pod={pod}");
            view.state = State::Waiting("CrashLoopBackOff", message);
            self.report(view);
            let message = format!("Back-off restarting failed container {container} in pod {pod}");
            self.container_event(EventType::Warning, "BackOff", &message);
        }
        self.wait(delay).await?;
        view.restarts += 1;
        Ok(())
    }

    /// Waits, unless the pod is told to end.
    pub(super) async fn wait(&mut self, time: Duration) -> Result<(), Ending> {
        let mut ending = self.ending.clone();
        tokio::select! {
            biased;
            ending = ended(&mut ending, &self.context) => Err(ending),
            () = tokio::time::sleep(time) => Ok(()),
        }
    }

    /// What the node's reboot left of the container.
    fn remember(&self, view: &mut View) {
        let status = &self.pod["status"]["containerStatuses"][0];
        let started = text_at(status, "/state/running/startedAt").to_owned();
        let id = text_at(status, "/containerID").to_owned();
        view.last = Some(Exit { code: LOST, started, finished: now(), id });
        view.restarts = status["restartCount"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0) + 1;
        let source = Source { component: "kubelet", host: &self.node };
        let message = "Pod sandbox changed, it will be killed and re-created.";
        self.context.events.record(&self.pod, EventType::Normal, source, "SandboxChanged", message);
    }

    /// Ends the container, reports it, and lets the pod go.
    async fn remove(&mut self, ending: Ending, mut view: View, running: Option<Arc<Running>>) {
        let shutdown = self.context.shutdown.clone();
        let grace = match ending {
            Ending::Deleted(grace) if !shutdown.is_cancelled() => Duration::from_secs(grace),
            _ => {
                if let Some(running) = running {
                    self.workloads.stop(&running, Duration::ZERO).await;
                }
                return;
            }
        };
        if let Some(running) = running {
            let container = text_at(&self.pod, "/spec/containers/0/name");
            self.container_event(EventType::Normal, "Killing", &format!("Stopping container {container}"));
            let least = tokio::time::sleep(self.context.pace.tear_down.min(grace));
            // A force-delete, or the sandbox's end, makes the rest of the grace period void.
            let mut signals = self.ending.clone();
            let gone = async {
                tokio::select! {
                    _ = signals.wait_for(|ending| matches!(ending, Some(Ending::Gone | Ending::NodeLost))) => {}
                    () = shutdown.cancelled() => {}
                }
            };
            let code = tokio::select! {
                (code, ()) = async { tokio::join!(self.workloads.stop(&running, grace), least) } => code,
                () = gone => {
                    self.workloads.stop(&running, Duration::ZERO).await;
                    return;
                }
            };
            view.state = State::Ended(exit(&view, code));
            self.report(&view);
        }
        let preconditions = Preconditions::uid(uid(&self.pod));
        // Gone by now: nothing to update.
        let _ = self
            .context
            .store
            .delete(&self.key, &DeleteOptions { preconditions, grace_seconds: Some(0), dry_run: false });
    }

    pub(super) fn report(&self, view: &View) {
        // A pod that is gone needs no report, a new one of its name has a task of its own.
        let _ = self.context.store.update(&self.key, &Preconditions::uid(uid(&self.pod)), false, |pod| {
            view.write(pod);
            Ok(())
        });
    }

    pub(super) fn container_event(&self, kind: EventType, reason: &str, message: &str) {
        let path = format!("spec.containers{{{}}}", text_at(&self.pod, "/spec/containers/0/name"));
        let source = Source { component: "kubelet", host: &self.node };
        self.context.events.record_about(&self.pod, &path, kind, source, reason, message);
    }

    /// Tells that the pod's volumes are there.
    fn attach(&self) {
        let source = Source::of("attachdetach-controller");
        for claim_name in claims(&self.pod) {
            if let Some(claim) = claim(&self.context.store, namespace(&self.pod), &claim_name) {
                let message =
                    format!("AttachVolume.Attach succeeded for volume \"{}\"", text_at(&claim, "/spec/volumeName"));
                self.context.events.record(&self.pod, EventType::Normal, source, "SuccessfulAttachVolume", &message);
            }
        }
    }

    /// Returns the folder of the pod's first volume. A volume created by hand gets its folder when it is first mounted, and
    /// keeps it like any other.
    pub(super) fn volume_folder(&self) -> Option<PathBuf> {
        let claim = claim(&self.context.store, namespace(&self.pod), &claims(&self.pod).next()?)?;
        let volume = text_at(&claim, "/spec/volumeName");
        self.context.store.get(&Key::new("persistentvolumes", "", volume))?;
        let folder = self.context.volumes.join(volume);
        if !folder.is_dir() {
            let volumes = Folder::open(&self.context.volumes).ok()?;
            volumes.make_folder(Path::new(volume), PASSABLE, None).ok()?;
        }
        Some(folder)
    }

    fn node(&self) -> Option<Arc<Value>> {
        self.context.store.get(&Key::new("nodes", "", self.node.as_str()))
    }

    fn host_ip(&self) -> String {
        let node = self.node();
        let addresses = node.iter().flat_map(|node| items_at(node, "/status/addresses"));
        let mut internal = addresses.filter(|address| address["type"] == "InternalIP").map(|a| text_at(a, "/address"));
        internal.next().unwrap_or_default().to_owned()
    }

    /// An address out of the node's range, each only once.
    fn new_address(&self) -> String {
        let node = self.node();
        let range = node.as_ref().map_or("", |node| text_at(node, "/spec/podCIDR"));
        let prefix = range.rsplit_once('.').map_or("10.244.0", |(prefix, _)| prefix);
        let number = self.addresses.fetch_add(1, Ordering::Relaxed);
        format!("{prefix}.{}", 2 + number % 250)
    }
}

/// How the container of a view ended now.
fn exit(view: &View, code: i32) -> Exit {
    let (started, id) = match &view.state {
        State::Running { started, id, .. } => (started.clone(), id.clone()),
        _ => (now(), container_id()),
    };
    Exit { code, started, finished: now(), id }
}

/// Resolves when a pod is to end, for whatever reason.
pub(super) async fn ended(ending: &mut watch::Receiver<Option<Ending>>, context: &Context) -> Ending {
    tokio::select! {
        biased;
        () = context.shutdown.cancelled() => Ending::Gone,
        // The sender goes with the pod's entry, which is when the pod is gone.
        ending = ending.wait_for(Option::is_some) => ending.ok().and_then(|ending| *ending).unwrap_or(Ending::Gone),
    }
}
