//! What a StatefulSet's controller would create in the place of a pod and claims that go, so that it can be tried before
//! they do: as `newStatefulSetPod` and `getPersistentVolumeClaims` of Kubernetes make them, under names that are made up by
//! the server. Pure.

use super::model::{Known, Member, Topology};
use super::quota::Usage;
use crate::cluster::snapshot::Snapshot;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, Volume};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use std::collections::BTreeMap;

const POD_NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX_LABEL: &str = "apps.kubernetes.io/pod-index";
const REVISION_LABEL: &str = "controller-revision-hash";

/// What comes in the place of what goes.
#[derive(Clone, Debug)]
pub struct Replacement {
    /// The new pod, or why it is not known.
    pub pod: Known<Box<Pod>>,
    /// The new claims, by the names that they will have; those that no template makes are left out.
    pub claims: Vec<(String, PersistentVolumeClaim)>,
    /// What goes takes of a quota.
    pub goes: Usage,
    /// What comes takes.
    pub comes: Usage,
}

/// Returns what is created once the pod (`with_pod`) and these claims of a member are gone.
pub fn replacement(
    snapshot: &Snapshot,
    topology: &Topology,
    member: &Member,
    (with_pod, claims): (bool, &[&str]),
) -> Replacement {
    let objects = snapshot.namespaces.iter().find(|objects| objects.namespace == member.namespace);
    let component = topology.component_of(member);
    let uid = component.and_then(|component| component.set()).map(|set| set.uid.as_str());
    let set = objects.and_then(|objects| {
        let mut sets = objects.stateful_sets.items().iter();
        sets.find(|set| set.metadata.uid.as_deref() == uid && uid.is_some())
    });
    let (mut goes, mut comes) = (Usage::default(), Usage::default());
    if let Some(objects) = objects {
        let named = |metadata: &ObjectMeta, name: &str| metadata.name.as_deref() == Some(name);
        let old = objects.pods.items().iter().find(|pod| with_pod && named(&pod.metadata, &member.name));
        old.into_iter().for_each(|pod| goes.add_pod(pod));
        let gone = objects.claims.items().iter();
        let gone = gone.filter(|claim| claims.iter().any(|name| named(&claim.metadata, name)));
        gone.for_each(|claim| goes.add_claim(claim));
    }
    let new_pod = match (set, with_pod) {
        (_, false) => Known::Unknown("none is created".into()),
        (None, true) => Known::Unknown("its controller's template is not read".into()),
        (Some(set), true) => new_pod(set, topology, member),
    };
    let new_claims: Vec<(String, PersistentVolumeClaim)> = set
        .into_iter()
        .flat_map(|set| set.spec.volume_claim_templates.iter().flatten().map(move |template| (set, template)))
        .filter_map(|(set, template)| {
            let name = format!("{}-{}", template.metadata.name.as_deref()?, member.name);
            claims.contains(&name.as_str()).then(|| (name.clone(), new_claim(set, template, &name)))
        })
        .collect();
    if let Known::Is(pod) = &new_pod {
        comes.add_pod(pod);
    }
    new_claims.iter().for_each(|(_, claim)| comes.add_claim(claim));
    Replacement { pod: new_pod, claims: new_claims, goes, comes }
}

/// A name that the server completes: nothing else has it.
fn made_up(name: &str) -> Option<String> {
    Some(format!("{name}-"))
}

fn new_claim(set: &StatefulSet, template: &PersistentVolumeClaim, name: &str) -> PersistentVolumeClaim {
    let mut labels = template.metadata.labels.clone().unwrap_or_default();
    labels.extend(set.spec.selector.match_labels.clone().unwrap_or_default());
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            generate_name: made_up(name),
            namespace: set.metadata.namespace.clone(),
            labels: Some(labels),
            annotations: template.metadata.annotations.clone(),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: None,
    }
}

fn new_pod(set: &StatefulSet, topology: &Topology, member: &Member) -> Known<Box<Pod>> {
    let workload = topology.component_of(member).and_then(|component| component.set());
    let newest = workload.and_then(|workload| workload.revisions.update.as_deref());
    let revision = workload.and_then(|workload| workload.revision_for(member.ordinal().unwrap_or(0)));
    if revision != newest {
        let revision = revision.unwrap_or_default();
        return Known::Unknown(format!(
            "it is created from revision {revision}, which is not the latest and was not read"
        ));
    }
    let template = &set.spec.template;
    let Some(mut spec) = template.spec.clone() else { return Known::Unknown("the template has no spec".into()) };
    let of_template = template.metadata.clone().unwrap_or_default();
    let mut labels = of_template.labels.unwrap_or_default();
    labels.insert(POD_NAME_LABEL.to_owned(), member.name.clone());
    labels.extend(member.ordinal().map(|number| (POD_INDEX_LABEL.to_owned(), number.to_string())));
    labels.extend(newest.map(|revision| (REVISION_LABEL.to_owned(), revision.to_owned())));
    spec.hostname = Some(member.name.clone());
    spec.subdomain.clone_from(&set.spec.service_name);
    let mounted: BTreeMap<&str, String> = set
        .spec
        .volume_claim_templates
        .iter()
        .flatten()
        .filter_map(|template| template.metadata.name.as_deref())
        .map(|name| (name, format!("{name}-{}", member.name)))
        .collect();
    let mut volumes: Vec<Volume> = mounted
        .iter()
        .map(|(name, claim)| Volume {
            name: (*name).to_owned(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim.clone(),
                read_only: Some(false),
            }),
            ..Volume::default()
        })
        .collect();
    // A template's claim takes the place of a volume of its name.
    volumes.extend(spec.volumes.iter().flatten().filter(|volume| !mounted.contains_key(volume.name.as_str())).cloned());
    spec.volumes = Some(volumes);
    // Without `blockOwnerDeletion`, for which one would need a right of its own: nothing is kept that could block.
    let owner = OwnerReference {
        api_version: "apps/v1".to_owned(),
        kind: "StatefulSet".to_owned(),
        name: set.metadata.name.clone().unwrap_or_default(),
        uid: set.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    Known::Is(Box::new(Pod {
        metadata: ObjectMeta {
            generate_name: made_up(&member.name),
            namespace: set.metadata.namespace.clone(),
            labels: Some(labels),
            annotations: of_template.annotations,
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(spec),
        status: None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::snapshot;
    use crate::topology::{Layout, build};
    use serde_json::{Value, json};

    fn replaced(set: &str, pod: &str, which: (bool, &[&str])) -> (Value, Vec<(String, Value)>, String) {
        let yaml =
            format!("namespace: a\nsets: [{set}]\npods: [{pod}]\nclaims: [{{name: data-wh9527-1, volume: pv-1}}]");
        let mut objects = snapshot(&[&yaml]);
        let crate::cluster::snapshot::Read::Known(sets) = &mut objects.namespaces[0].stateful_sets else { panic!() };
        for set in sets {
            set.spec.service_name = Some("door".into());
            set.spec.template = serde_json::from_value(json!({
                "metadata": {"labels": {"app": "wh"}, "annotations": {"note": "x"}},
                "spec": {"containers": [{"name": "main"}], "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "data", "emptyDir": {}}]},
            }))
            .unwrap();
        }
        let topology = build(&objects, &Layout::shipped().unwrap());
        let member = topology.member("a", "wh9527-1").unwrap();
        let Replacement { pod, claims, .. } = replacement(&objects, &topology, member, which);
        let (pod, why) = match pod {
            Known::Is(pod) => (json!(pod), String::new()),
            Known::Unknown(why) => (Value::Null, why),
        };
        (pod, claims.into_iter().map(|(name, claim)| (name, json!(claim))).collect(), why)
    }

    const SET: &str = "{name: wh9527, replicas: 2, templates: [data], revisions: [r1, r1]}";
    const POD: &str = "{name: wh9527-1, set: wh9527, claims: [data-wh9527-1]}";

    /// As Kubernetes' own controller makes them, under another name.
    #[test]
    fn pod_and_claims_are_those_of_the_template() {
        let (pod, claims, _) = replaced(SET, POD, (true, &["data-wh9527-1"]));
        let metadata = &pod["metadata"];
        assert_eq!((&metadata["name"], &metadata["generateName"]), (&Value::Null, &json!("wh9527-1-")));
        assert_eq!(
            metadata["labels"],
            json!({"app": "wh", "statefulset.kubernetes.io/pod-name": "wh9527-1", "apps.kubernetes.io/pod-index": "1",
                "controller-revision-hash": "r1"})
        );
        assert_eq!(metadata["annotations"], json!({"note": "x"}));
        let owner = &metadata["ownerReferences"][0];
        assert_eq!((&owner["name"], &owner["controller"]), (&json!("wh9527"), &json!(true)));
        assert!(owner["blockOwnerDeletion"].is_null());
        assert_eq!((&pod["spec"]["hostname"], &pod["spec"]["subdomain"]), (&json!("wh9527-1"), &json!("door")));
        let volumes = pod["spec"]["volumes"].as_array().unwrap();
        assert_eq!(volumes[0]["persistentVolumeClaim"]["claimName"], "data-wh9527-1");
        assert_eq!(volumes.iter().map(|volume| volume["name"].as_str().unwrap()).collect::<Vec<_>>(), ["data", "tmp"]);
        let [(name, claim)] = claims.as_slice() else { panic!("{claims:?}") };
        assert_eq!((name.as_str(), &claim["metadata"]["generateName"]), ("data-wh9527-1", &json!("data-wh9527-1-")));
        assert_eq!(claim["spec"]["storageClassName"], "standard");
    }

    /// What is not known is said, and never taken for something else.
    #[test]
    fn a_pod_of_another_revision_or_controller_is_not_known() {
        let kept = "{name: wh9527, replicas: 2, templates: [data], revisions: [r1, r2], partition: 2}";
        let rolled = "{name: wh9527, replicas: 2, templates: [data], revisions: [r1, r2], partition: 1}";
        assert!(replaced(kept, POD, (true, &[])).2.contains("created from revision r1"));
        assert_eq!(replaced(rolled, POD, (true, &[])).0["metadata"]["labels"]["controller-revision-hash"], "r2");
        let (pod, claims, why) = replaced(SET, POD, (false, &["other-wh9527-1"]));
        assert_eq!((pod, claims.len(), why.as_str()), (Value::Null, 0, "none is created"));
    }

    /// What is tried is tried where it will be, with what a policy may ask for: labels and annotations of the template.
    #[test]
    fn what_is_created_is_in_the_namespace_and_labelled_as_the_template_is() {
        let mut objects = snapshot(&["
namespace: a
sets: [{name: cloudberry-proxy, replicas: 1, templates: [data]}, {name: wh9527, replicas: 2, templates: [data]}]
pods: [{name: wh9527-0, set: wh9527}, {name: wh9527-1, set: wh9527, claims: [data-wh9527-1]}]
claims: [{name: data-wh9527-0, volume: pv-0, size: 5Gi}, {name: data-wh9527-1, volume: pv-1, size: 3Gi}]
"]);
        let crate::cluster::snapshot::Read::Known(sets) = &mut objects.namespaces[0].stateful_sets else { panic!() };
        for set in sets {
            set.spec.selector.match_labels = Some(BTreeMap::from([("app".to_owned(), "wh".to_owned())]));
            let template = &mut set.spec.volume_claim_templates.as_mut().unwrap()[0].metadata;
            template.labels = Some(BTreeMap::from([("tier".to_owned(), "data".to_owned())]));
            template.annotations = Some(BTreeMap::from([("note".to_owned(), "x".to_owned())]));
            set.spec.template.metadata.get_or_insert_default().labels =
                Some(BTreeMap::from([("app".to_owned(), "wh".to_owned())]));
        }
        // The pods were made with these labels, as they must.
        let crate::cluster::snapshot::Read::Known(pods) = &mut objects.namespaces[0].pods else { panic!() };
        for pod in &mut *pods {
            pod.metadata.labels.get_or_insert_default().insert("app".to_owned(), "wh".to_owned());
        }
        let old = pods.iter().find(|pod| pod.metadata.name.as_deref() == Some("wh9527-1")).unwrap().clone();
        let topology = build(&objects, &Layout::shipped().unwrap());
        let member = topology.member("a", "wh9527-1").unwrap();
        let all = replacement(&objects, &topology, member, (true, &["data-wh9527-1"]));
        let Known::Is(pod) = &all.pod else { panic!("{:?}", all.pod) };
        assert_eq!(pod.metadata.namespace.as_deref(), Some("a"));
        // The set that owns it, and not another one of the namespace.
        assert_eq!(pod.metadata.owner_references.as_ref().unwrap()[0].name, "wh9527");
        let metadata = json!(all.claims[0].1.metadata);
        assert_eq!(metadata["namespace"], "a");
        assert_eq!(metadata["labels"], json!({"app": "wh", "tier": "data"}));
        assert_eq!(metadata["annotations"], json!({"note": "x"}));

        // What goes is this pod and this claim, and nothing of its neighbours.
        let crate::cluster::snapshot::Read::Known(claims) = &objects.namespaces[0].claims else { panic!() };
        let gone = claims.iter().find(|claim| claim.metadata.name.as_deref() == Some("data-wh9527-1")).unwrap();
        let mut goes = Usage::of_pod(&old);
        goes.add_claim(gone);
        let mut comes = Usage::of_pod(pod);
        comes.add_claim(&all.claims[0].1);
        assert_eq!((&all.goes, &all.comes), (&goes, &comes));
        let none = replacement(&objects, &topology, member, (false, &[]));
        assert_eq!((none.goes, none.comes), (Usage::default(), Usage::default()));
        let pod_alone = replacement(&objects, &topology, member, (true, &[]));
        assert_eq!(pod_alone.goes, Usage::of_pod(&old));
    }
}
