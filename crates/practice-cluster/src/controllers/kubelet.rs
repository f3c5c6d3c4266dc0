//! The nodes' kubelets: start what a pod runs, report on it, and end it when the pod is deleted.
//!
//! One task follows the pods; each pod on a node has a task of its own, which lives as long as the pod does.

use super::pod_worker::{Ending, Worker};
use super::{Context, ReplacedPods, nodes};
use crate::objects::{is_finished, is_terminating, key, name, namespace, uid};
use crate::store::ChangeKind;
use crate::values::text_at;
use crate::workload::Workloads;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;

/// What becomes of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    /// The node of that name stops answering.
    Lost(String),
    /// Its kubelet ended a moment ago, which is not noticed yet: its pods keep running, and nothing is reported.
    Silent(String),
    /// It answers again.
    Returned(String),
}

/// The task that follows the pods.
pub(crate) struct Kubelet {
    context: Context,
    workloads: Arc<Workloads>,
    tasks: TaskTracker,
    /// What becomes of the nodes' machines.
    news: mpsc::UnboundedReceiver<Machine>,
    lost: HashSet<String>,
    silent: HashSet<String>,
    workers: HashMap<String, (String, watch::Sender<Option<Ending>>)>,
    /// Pods that were seen before, by namespace and name: the next one of that name is a replacement.
    seen: HashSet<(String, String)>,
    addresses: Arc<AtomicU32>,
}

impl Kubelet {
    /// Kubelets for all nodes, which stop answering and answer again as `news` tells.
    pub(crate) fn new(
        context: Context,
        workloads: Arc<Workloads>,
        tasks: TaskTracker,
        news: mpsc::UnboundedReceiver<Machine>,
    ) -> Kubelet {
        Kubelet {
            context,
            workloads,
            tasks,
            news,
            lost: HashSet::new(),
            silent: HashSet::new(),
            workers: HashMap::new(),
            seen: HashSet::new(),
            addresses: Arc::new(AtomicU32::new(2)),
        }
    }

    /// Runs until the sandbox stops.
    pub(crate) async fn run(mut self) {
        let store = self.context.store.clone();
        let shutdown = self.context.shutdown.clone();
        let mut renewals = tokio::time::interval(nodes::RENEWAL);
        renewals.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !shutdown.is_cancelled() {
            let since = store.version();
            let pods = store.list("pods", None).0;
            let present: HashSet<&str> = pods.iter().map(|pod| uid(pod)).collect();
            self.workers.retain(|uid, (_, ending)| {
                let there = present.contains(uid.as_str());
                if !there {
                    ending.send_replace(Some(Ending::Gone));
                }
                there
            });
            for pod in &pods {
                self.observe(pod, false);
            }
            self.workloads.recheck();
            // Expired already: list again.
            let Ok(mut watcher) = store.watch(since) else { continue };
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    _ = renewals.tick() => {
                        nodes::renew(&self.context, |node| !self.lost.contains(node) && !self.silent.contains(node));
                    }
                    Some(news) = self.news.recv() => match news {
                        Machine::Silent(node) => {
                            self.silent.insert(node);
                        }
                        Machine::Lost(node) => self.lose(&node),
                        Machine::Returned(node) => self.take_back(&node),
                    },
                    change = watcher.next() => {
                        let Some(change) = change else { break };
                        if matches!(change.key.resource, "pods" | "statefulsets") {
                            self.workloads.recheck();
                        }
                        match (change.key.resource, change.kind) {
                            ("pods", ChangeKind::Deleted) => {
                                if let Some((_, ending)) = self.workers.remove(uid(&change.object)) {
                                    ending.send_replace(Some(Ending::Gone));
                                }
                            }
                            ("pods", _) => self.observe(&change.object, false),
                            _ => {}
                        }
                    }
                }
            }
        }
    }

    /// A pod is new, or changed; or its node was `rebooted` under it.
    fn observe(&mut self, pod: &Arc<Value>, rebooted: bool) {
        let node = text_at(pod, "/spec/nodeName");
        if node.is_empty() || self.lost.contains(node) {
            return;
        }
        let ending = is_terminating(pod)
            .then(|| Ending::Deleted(pod["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(30)));
        if let Some((_, known)) = self.workers.get(uid(pod)) {
            if ending.is_some() {
                known.send_if_modified(|current| {
                    let changed = *current != ending;
                    *current = ending;
                    changed
                });
            }
            return;
        }
        if is_finished(pod) {
            return;
        }
        let (sender, receiver) = watch::channel(ending);
        self.workers.insert(uid(pod).to_owned(), (node.to_owned(), sender));
        let replaced = !self.seen.insert((namespace(pod).to_owned(), name(pod).to_owned()));
        let worker = Worker {
            context: self.context.clone(),
            workloads: self.workloads.clone(),
            key: key("pods", pod),
            pod: pod.clone(),
            node: node.to_owned(),
            replaced: replaced && !rebooted,
            stays_unready: replaced && *self.context.replaced_pods.borrow() == ReplacedPods::StayUnready,
            rebooted,
            ending: receiver,
            addresses: self.addresses.clone(),
        };
        self.tasks.spawn(worker.run());
    }

    /// A machine stops answering.
    fn lose(&mut self, node: &str) {
        self.lost.insert(node.to_owned());
        for (_, ending) in self.workers.values().filter(|(of, _)| of == node) {
            ending.send_replace(Some(Ending::NodeLost));
        }
        self.workers.retain(|_, (of, _)| of != node);
        nodes::mark_lost(&self.context, node);
    }

    /// It answers again: its pods are restarted, or their end is reported.
    fn take_back(&mut self, node: &str) {
        self.silent.remove(node);
        if !self.lost.remove(node) {
            return;
        }
        nodes::mark_returned(&self.context, node);
        for pod in self.context.store.list("pods", None).0 {
            if text_at(&pod, "/spec/nodeName") == node {
                let started = pod["status"]["containerStatuses"][0]["containerID"].is_string();
                self.observe(&pod, started);
            }
        }
    }
}
