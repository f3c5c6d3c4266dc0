//! What runs in a cluster, by workload: labels, containers, images and ports.

use super::recognition::{name_of_workload, owner};
use crate::cluster::observe::Observation;
use k8s_openapi::api::core::v1::{PodSpec, Service};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::{BTreeMap, BTreeSet};

/// A workload as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Kind of its pods' controller; none if there is none.
    pub kind: Option<String>,
    /// The labels of its pods.
    pub labels: BTreeMap<String, String>,
    /// The names of its containers.
    pub containers: BTreeSet<String>,
    /// Its images, without registry, folder and tag.
    pub images: BTreeSet<String>,
    /// The ports that its containers declare.
    pub ports: BTreeSet<u16>,
    /// The ports of its pods that Services lead to.
    pub service_ports: BTreeSet<u16>,
}

/// Groups what was read by workload.
pub(crate) fn seen(observation: &Observation) -> Vec<Seen> {
    let mut all: BTreeMap<(String, String), Seen> = BTreeMap::new();
    for set in observation.stateful_sets.items() {
        let (namespace, name) = (set.metadata.namespace.clone(), set.metadata.name.clone());
        let (namespace, name) = (namespace.unwrap_or_default(), name.unwrap_or_default());
        let one = all.entry((namespace.clone(), name.clone())).or_default();
        *one = Seen { namespace, name, kind: Some("StatefulSet".to_owned()), ..Seen::default() };
        let template = set.spec.template.metadata.as_ref().and_then(|metadata| metadata.labels.clone());
        one.labels = template.unwrap_or_default();
        set.spec.template.spec.iter().for_each(|spec| one.take_in(spec));
    }
    for pod in observation.pods.items() {
        let owner = owner(pod);
        let by = owner.as_ref().map(|owner| (owner.kind.as_str(), owner.name.as_str()));
        let done = pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Succeeded");
        if done || by.is_some_and(|(kind, _)| kind == "Job" || kind == "DaemonSet" || kind == "Node") {
            continue;
        }
        let name = name_of_workload(pod.metadata.name.as_deref().unwrap_or_default(), by);
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        let one = all.entry((namespace.clone(), name.clone())).or_insert_with(|| Seen {
            namespace,
            name,
            kind: by.map(|(kind, _)| kind.to_owned()),
            labels: pod.metadata.labels.clone().unwrap_or_default(),
            ..Seen::default()
        });
        pod.spec.iter().for_each(|spec| one.take_in(spec));
    }
    let mut all: Vec<Seen> = all.into_values().collect();
    for service in observation.services.items() {
        for one in all.iter_mut().filter(|one| selects(service, one)) {
            one.service_ports.extend(ports_of(service));
        }
    }
    all
}

impl Seen {
    fn take_in(&mut self, spec: &PodSpec) {
        for container in &spec.containers {
            self.containers.insert(container.name.clone());
            let image = container.image.as_deref().unwrap_or_default();
            let image = image.split('@').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
            self.images.extend(image.split(':').next().filter(|image| !image.is_empty()).map(str::to_owned));
            let ports = container.ports.iter().flatten();
            self.ports.extend(ports.filter_map(|port| u16::try_from(port.container_port).ok()));
        }
    }

    /// `namespace/name`.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Returns whether a container declares this port, or a Service leads to it.
    pub(super) fn has_port(&self, port: u16) -> bool {
        self.ports.contains(&port) || self.service_ports.contains(&port)
    }
}

fn selects(service: &Service, one: &Seen) -> bool {
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    service.metadata.namespace.as_deref() == Some(&one.namespace)
        && selector.is_some_and(|selector| {
            !selector.is_empty() && selector.iter().all(|(key, value)| one.labels.get(key) == Some(value))
        })
}

fn ports_of(service: &Service) -> Vec<u16> {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    let numbers = ports.map(|port| match &port.target_port {
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(_)) | None => port.port,
    });
    numbers.filter_map(|number| u16::try_from(number).ok()).collect()
}
