//! Scenarios: what the practice cluster holds and how it misbehaves, as data.
//!
//! A scenario is a YAML file; its manifests are ordinary Kubernetes ones, which a real cluster takes too. Out:
//! [`Scenario`] with every knob, and the objects to create.

use crate::api::Rule;
use crate::error::SandboxError;
use crate::resources;
use crate::store::Key;
use serde::Deserialize;
use serde_json::Value;

/// The scenarios' files: name, text. The first is the default.
const SCENARIOS: [(&str, &str); 20] = [
    ("healthy", include_str!("scenarios/healthy.yaml")),
    ("slow-start", include_str!("scenarios/slow-start.yaml")),
    ("stuck-claim", include_str!("scenarios/stuck-claim.yaml")),
    ("local-disk", include_str!("scenarios/local-disk.yaml")),
    ("no-quorum", include_str!("scenarios/no-quorum.yaml")),
    ("forbidden", include_str!("scenarios/forbidden.yaml")),
    ("lost-node", include_str!("scenarios/lost-node.yaml")),
    ("unknown-release", include_str!("scenarios/unknown-release.yaml")),
    ("catching-up", include_str!("scenarios/catching-up.yaml")),
    ("safekeeper-behind", include_str!("scenarios/safekeeper-behind.yaml")),
    ("safekeepers-idle", include_str!("scenarios/safekeepers-idle.yaml")),
    ("suspending", include_str!("scenarios/suspending.yaml")),
    ("lost-tenants", include_str!("scenarios/lost-tenants.yaml")),
    ("empty-bucket", include_str!("scenarios/empty-bucket.yaml")),
    ("controller-silent", include_str!("scenarios/controller-silent.yaml")),
    ("metrics-401", include_str!("scenarios/metrics-401.yaml")),
    ("many-timelines", include_str!("scenarios/many-timelines.yaml")),
    ("jwt", include_str!("scenarios/jwt.yaml")),
    ("two-warehouses", include_str!("scenarios/two-warehouses.yaml")),
    ("suspended-account", include_str!("scenarios/suspended-account.yaml")),
];

/// The scenario that is meant if none is named.
pub(super) const DEFAULT: &str = SCENARIOS[0].0;

/// The manifests' files.
const MANIFESTS: [(&str, &str); 4] = [
    ("cluster.yaml", include_str!("scenarios/manifests/cluster.yaml")),
    ("synxdb-system.yaml", include_str!("scenarios/manifests/synxdb-system.yaml")),
    ("account-cloud007.yaml", include_str!("scenarios/manifests/account-cloud007.yaml")),
    (ANOTHER_RELEASE, include_str!("scenarios/manifests/account-fe-team.yaml")),
];

/// The manifest of an account of another release: tests have it, a newcomer's practice cluster has not.
const ANOTHER_RELEASE: &str = "account-fe-team.yaml";

/// How the practice cluster behaves.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// One line for a list.
    pub description: String,
    /// Names of the manifests to apply, in order; all of them but the other release's unless given.
    #[serde(default = "own_manifests")]
    pub manifests: Vec<String>,
    /// Objects beside the manifests', such as a caller's own StatefulSets.
    #[serde(default)]
    pub more_objects: Vec<Value>,
    /// Seconds from Running to Ready for a pod that replaces an earlier one of its name.
    #[serde(default)]
    pub replaced_pod_ready_seconds: f64,
    /// Whether the StatefulSet controller creates a pod although a claim of its is being deleted, as before Kubernetes
    /// 1.20 (kubernetes/kubernetes#93457).
    #[serde(default)]
    pub create_pods_on_terminating_claims: Race,
    /// Whether the StatefulSet controller makes a missing claim for a pod that is Pending already, as from Kubernetes
    /// 1.27 (kubernetes/kubernetes#113270).
    #[serde(default = "yes")]
    pub recreate_missing_claims: bool,
    /// Seconds that the volume controller is behind with what others change of volumes, as under load or after its own
    /// restart: it matches claims with the volumes that it knows of.
    #[serde(default)]
    pub volume_lag_seconds: f64,
    /// Whether database files lie on the pods' volumes instead of in the shared object store.
    #[serde(default)]
    pub data_on_volume: bool,
    /// Pods that run and never pass their readiness probe.
    #[serde(default)]
    pub never_ready: Vec<PodName>,
    /// Pods whose status pages serve no metrics.
    #[serde(default)]
    pub no_metrics: Vec<PodName>,
    /// Nodes that stop answering once all pods are ready.
    #[serde(default)]
    pub lost_nodes: Vec<String>,
    /// What the user may not do.
    #[serde(default)]
    pub deny: Vec<Rule>,
}

/// How often pods are created on claims that are being deleted.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Race {
    /// The controller refuses and tries again.
    #[default]
    Never,
    /// The first time for each pod name.
    Once,
}

/// A pod by namespace and name.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Hash)]
pub struct PodName {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub pod: String,
}

fn yes() -> bool {
    true
}

fn own_manifests() -> Vec<String> {
    let own = MANIFESTS.iter().filter(|(name, _)| *name != ANOTHER_RELEASE);
    own.map(|(name, _)| (*name).to_owned()).collect()
}

/// Every scenario: name and one-line description, the default first.
///
/// # Errors
/// A scenario's file cannot be read (a defect).
pub fn list() -> Result<Vec<(&'static str, String)>, SandboxError> {
    SCENARIOS.iter().map(|(name, text)| Ok((*name, parse(name, text)?.description))).collect()
}

/// The scenario of that name.
///
/// # Errors
/// There is none, or its file cannot be read (a defect).
pub fn find(name: &str) -> Result<Scenario, SandboxError> {
    match SCENARIOS.iter().find(|(known, _)| *known == name) {
        Some((name, text)) => parse(name, text),
        None => Err(SandboxError::UnknownScenario {
            name: name.to_owned(),
            known: SCENARIOS.iter().map(|(name, _)| *name).collect(),
        }),
    }
}

/// The StatefulSets of a scenario, of the default one if none is named, as its manifests have them.
///
/// # Errors
/// There is no such scenario, or a file cannot be read (a defect).
pub fn stateful_sets(scenario: Option<&str>) -> Result<Vec<Value>, SandboxError> {
    let objects = find(scenario.unwrap_or(DEFAULT))?.objects()?;
    Ok(objects.into_iter().filter(|(key, _)| key.resource == "statefulsets").map(|(_, object)| object).collect())
}

fn parse(name: &str, text: &str) -> Result<Scenario, SandboxError> {
    serde_saphyr::from_str(text)
        .map_err(|error| SandboxError::Scenario { file: format!("scenario {name}"), why: error.to_string() })
}

impl Scenario {
    /// Adds an account of another release, if the scenario has none.
    #[cfg(unix)]
    pub(super) fn add_another_release(&mut self) {
        if !self.manifests.iter().any(|name| name == ANOTHER_RELEASE) {
            self.manifests.push(ANOTHER_RELEASE.to_owned());
        }
    }

    /// The objects to create, in the manifests' order.
    ///
    /// # Errors
    /// A manifest cannot be read, or holds a kind that the sandbox does not serve (a defect).
    pub(crate) fn objects(&self) -> Result<Vec<(Key, Value)>, SandboxError> {
        let mut objects = Vec::new();
        for name in &self.manifests {
            let wrong = |why: String| SandboxError::Scenario { file: name.clone(), why };
            let (_, text) = MANIFESTS
                .iter()
                .find(|(known, _)| known == name)
                .ok_or_else(|| wrong("there is no such manifest".to_owned()))?;
            let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| wrong(error.to_string()))?;
            for document in documents {
                objects.push((key(&document).map_err(wrong)?, document));
            }
        }
        for object in &self.more_objects {
            let wrong = |why: String| SandboxError::Scenario { file: format!("scenario {}", self.name), why };
            objects.push((key(object).map_err(wrong)?, object.clone()));
        }
        Ok(objects)
    }
}

/// Where an object of a manifest is kept.
fn key(object: &Value) -> Result<Key, String> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = text("/apiVersion").split_once('/').unwrap_or(("", text("/apiVersion")));
    let resource = resources::RESOURCES
        .iter()
        .find(|known| known.kind == text("/kind") && known.group == group && known.version == version)
        .ok_or_else(|| format!("the sandbox serves no {}", text("/kind")))?;
    Ok(Key::new(resource.plural, text("/metadata/namespace"), text("/metadata/name")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_named_like_its_file_and_has_one_line() {
        for (name, text) in SCENARIOS {
            let scenario = parse(name, text).unwrap();
            assert_eq!(scenario.name, name);
            assert!(!scenario.description.is_empty() && !scenario.description.contains('\n'), "{name}");
        }
    }

    #[test]
    fn an_unknown_scenario_is_answered_with_those_there_are() {
        let error = find("helthy").unwrap_err();
        assert!(error.what().contains("helthy"));
        assert!(error.why().contains("stuck-claim"), "{}", error.why());
    }

    #[test]
    fn an_unknown_knob_is_refused() {
        let error = parse("x", "name: x\ndescription: x\nreplacedPodReadySecond: 2\n").unwrap_err();
        assert!(error.why().contains("replacedPodReadySecond"), "{}", error.why());
    }

    #[test]
    fn manifests_contain_the_entire_topology() {
        let objects = find("healthy").unwrap().objects().unwrap();
        let mut sets: Vec<(String, u64, usize)> = objects
            .iter()
            .filter(|(key, _)| key.resource == "statefulsets")
            .map(|(key, set)| {
                let claims = set["spec"]["volumeClaimTemplates"].as_array().unwrap().len();
                let namespace = key.namespace.split('-').next().unwrap();
                (format!("{namespace}/{}", key.name), set["spec"]["replicas"].as_u64().unwrap(), claims)
            })
            .collect();
        sets.sort();
        let expected = [
            ("cloud007/cloudberry-proxy", 1, 1),
            ("cloud007/wh9527", 2, 1),
            ("synxdb/cloudberry-proxy", 1, 1),
            ("synxdb/pageserver", 1, 2),
            ("synxdb/safekeeper", 3, 1),
        ];
        assert_eq!(sets, expected.map(|(name, replicas, claims)| (name.to_owned(), replicas, claims)));
    }

    #[test]
    fn selectors_match_their_templates() {
        for (key, set) in find("healthy").unwrap().objects().unwrap() {
            if key.resource != "statefulsets" {
                continue;
            }
            for (label, value) in set["spec"]["selector"]["matchLabels"].as_object().unwrap() {
                assert_eq!(&set["spec"]["template"]["metadata"]["labels"][label], value, "{key:?}");
            }
        }
    }
}
