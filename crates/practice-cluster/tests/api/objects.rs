//! Objects over HTTP: lists and pages, preconditions, patches, and deletion with its effects.

use crate::support::{Ask, Server};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy};
use kube::runtime::wait::{await_condition, conditions};
use practice_cluster::store::Key;
use serde_json::{Value, json};

fn config_map(name: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"n": name}}, "data": {"a": "1"}})
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|o| o["metadata"]["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_objects_life_with_kube_rs() {
    let server = Server::start().await;
    let api: Api<ConfigMap> = Api::default_namespaced(server.client("admin").await);
    let new: ConfigMap = serde_json::from_value(config_map("a")).unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    assert!(api.create(&dry, &new).await.unwrap().metadata.uid.is_some());
    assert!(api.get_opt("a").await.unwrap().is_none());

    let created = api.create(&PostParams::default(), &new).await.unwrap();
    let mut changed = created.clone();
    changed.data.as_mut().unwrap().insert("b".into(), "2".into());
    let replaced = api.replace("a", &PostParams::default(), &changed).await.unwrap();
    assert_ne!(replaced.metadata.resource_version, created.metadata.resource_version);

    // The first version again: it is stale.
    let kube::Error::Api(status) = api.replace("a", &PostParams::default(), &created).await.unwrap_err() else {
        panic!()
    };
    assert_eq!(status.code, 409);
    assert_eq!(
        status.message,
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to \
         the latest version and try again"
    );

    let other = |uid: Option<&str>, version: Option<&str>| DeleteParams {
        preconditions: Some(Preconditions {
            uid: uid.map(str::to_owned),
            resource_version: version.map(str::to_owned),
        }),
        ..DeleteParams::default()
    };
    let uid = created.metadata.uid.clone().unwrap();
    for (params, expected) in [
        (
            other(Some("u-1"), None),
            format!(
                "Operation cannot be fulfilled on ConfigMap \"a\": the UID in the precondition (u-1) does not match the UID \
                 in record ({uid}). The object might have been deleted and then recreated"
            ),
        ),
        (
            other(None, Some("7")),
            format!(
                "Operation cannot be fulfilled on ConfigMap \"a\": the ResourceVersion in the precondition (7) does not \
                 match the ResourceVersion in record ({}). The object might have been modified",
                replaced.metadata.resource_version.as_ref().unwrap()
            ),
        ),
    ] {
        let kube::Error::Api(status) = api.delete("a", &params).await.unwrap_err() else { panic!() };
        assert_eq!((status.code, status.message), (409, expected));
    }

    let dry = DeleteParams { dry_run: true, ..other(Some(&uid), None) };
    api.delete("a", &dry).await.unwrap();
    let answer = api.delete("a", &other(Some(&uid), None)).await.unwrap().right().unwrap();
    let details = answer.details.unwrap();
    assert_eq!((details.name.as_str(), details.kind.as_str(), details.uid), ("a", "configmaps", uid));
    assert!(api.get_opt("a").await.unwrap().is_none());
}

#[tokio::test]
async fn lists_are_selected_and_paged() {
    let server = Server::start().await;
    for name in ["a", "b", "c", "d", "e"] {
        server.send("POST", "/api/v1/namespaces/ns/configmaps", config_map(name)).await;
    }
    server.send("POST", "/api/v1/namespaces/default/configmaps", config_map("z")).await;
    for (query, expected) in [
        ("/api/v1/configmaps", vec!["z", "a", "b", "c", "d", "e"]),
        ("/api/v1/namespaces/ns/configmaps?labelSelector=n%20in%20(a,c)", vec!["a", "c"]),
        ("/api/v1/namespaces/ns/configmaps?labelSelector=n!%3Da,n", vec!["b", "c", "d", "e"]),
        ("/api/v1/configmaps?fieldSelector=metadata.name%3Dz", vec!["z"]),
        ("/api/v1/namespaces/other/configmaps", vec![]),
    ] {
        assert_eq!(names(&server.get(query).await.1), expected, "{query}");
    }

    let base = "/api/v1/namespaces/ns/configmaps?limit=2";
    let (_, first) = server.get(base).await;
    assert_eq!((names(&first), &first["metadata"]["remainingItemCount"]), (vec!["a", "b"], &json!(3)));
    let token = first["metadata"]["continue"].as_str().unwrap().to_owned();
    // Changes between two pages appear on neither.
    server.send("DELETE", "/api/v1/namespaces/ns/configmaps/c", json!({})).await;
    server.send("POST", "/api/v1/namespaces/ns/configmaps", config_map("bb")).await;
    let (_, second) = server.get(&format!("{base}&continue={token}")).await;
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);

    server.state.store.compact();
    let (status, expired) = server.get(&format!("{base}&continue={token}")).await;
    assert_eq!((status, expired["reason"].as_str()), (410, Some("Expired")));
    assert!(expired["message"].as_str().unwrap().starts_with("The provided continue parameter is too old"));
    let resume = expired["metadata"]["continue"].as_str().unwrap();
    let (_, inconsistent) = server.get(&format!("{base}&continue={resume}")).await;
    assert_eq!(names(&inconsistent), ["bb", "d"]);

    let (_, all) = server.get(&format!("{base}&resourceVersion=0")).await;
    assert_eq!(names(&all).len(), 5, "the cache knows no pages");
    let (status, _) = server.get("/api/v1/namespaces/ns/configmaps?resourceVersion=999999").await;
    assert_eq!(status, 504);
    let kube_list = Api::<ConfigMap>::default_namespaced(server.client("admin").await);
    assert_eq!(kube_list.list(&ListParams::default().limit(3)).await.unwrap().items.len(), 3);
}

#[tokio::test]
async fn patches_of_three_kinds() {
    let server = Server::start().await;
    let pod = server.running_pod("p", json!({}));
    let api: Api<Pod> = Api::default_namespaced(server.client("admin").await);
    let params = PatchParams::default();
    let finalizers = |pod: Pod| pod.metadata.finalizers.unwrap_or_default();

    let change = json!({"metadata": {"finalizers": ["a/b"]}});
    assert_eq!(finalizers(api.patch("p", &params, &Patch::Strategic(&change)).await.unwrap()), ["a/b"]);
    let change = json!({"metadata": {"finalizers": ["c/d"]}});
    assert_eq!(finalizers(api.patch("p", &params, &Patch::Strategic(&change)).await.unwrap()), ["a/b", "c/d"]);
    assert_eq!(finalizers(api.patch("p", &params, &Patch::Merge(&change)).await.unwrap()), ["c/d"]);
    let operations = json!([{"op": "test", "path": "/metadata/uid", "value": pod["metadata"]["uid"]},
                            {"op": "remove", "path": "/metadata/finalizers"}]);
    let patch = Patch::<Value>::Json(serde_json::from_value(operations).unwrap());
    assert!(finalizers(api.patch("p", &params, &patch).await.unwrap()).is_empty());

    // A resourceVersion in the patch is a precondition; another UID is an attempt to change it.
    let path = "/api/v1/namespaces/ns/pods/p";
    let stale = json!({"metadata": {"resourceVersion": "1", "labels": {"x": "y"}}});
    assert_eq!(server.send("PATCH", path, stale).await.0, 409);
    let (status, refused) = server.send("PATCH", path, json!({"metadata": {"uid": "u-1"}})).await;
    assert_eq!(status, 422);
    assert_eq!(refused["message"], "Pod \"p\" is invalid: metadata.uid: Invalid value: \"u-1\": field is immutable");
    assert_eq!(refused["details"]["causes"][0]["field"], "metadata.uid");

    // The object's own endpoint leaves the status alone, and the status endpoint everything else.
    let both = json!({"status": {"phase": "Failed"}, "metadata": {"labels": {"x": "y"}},
                      "spec": {"activeDeadlineSeconds": 5}});
    let (_, got) = server.send("PATCH", path, both.clone()).await;
    assert_eq!((&got["status"]["phase"], &got["spec"]["activeDeadlineSeconds"]), (&json!("Running"), &json!(5)));
    let mut other = both;
    other["spec"]["activeDeadlineSeconds"] = json!(9);
    let (_, got) = server.send("PATCH", &format!("{path}/status"), other).await;
    assert_eq!((&got["status"]["phase"], &got["spec"]["activeDeadlineSeconds"]), (&json!("Failed"), &json!(5)));
}

#[tokio::test]
async fn pods_terminate_and_finalizers_hold() {
    let server = Server::start().await;
    server.running_pod("p", json!({}));
    let path = "/api/v1/namespaces/ns/pods/p";
    let (status, pod) = server.send("DELETE", path, json!({"gracePeriodSeconds": 9})).await;
    assert_eq!((status, &pod["metadata"]["deletionGracePeriodSeconds"]), (200, &json!(9)));
    assert_eq!(pod["kind"], "Pod");
    // A negative period is one second; a body, even an empty one, replaces the query.
    let (_, pod) = server.send("DELETE", path, json!({"gracePeriodSeconds": -1})).await;
    assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 1);
    let (_, pod) = server.send("DELETE", &format!("{path}?gracePeriodSeconds=0"), json!({})).await;
    assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 1);
    let (status, gone) = server.ask("admin", "DELETE", &format!("{path}?gracePeriodSeconds=0"), Ask::default()).await;
    assert_eq!((status, gone["kind"].as_str()), (200, Some("Pod")));
    assert_eq!(server.get(path).await.0, 404);

    let claim = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
                       "resources": {"requests": {"storage": "1Gi"}}}});
    let (_, claim) = server.send("POST", "/api/v1/namespaces/ns/persistentvolumeclaims", claim).await;
    assert_eq!(claim["metadata"]["finalizers"], json!(["kubernetes.io/pvc-protection"]));
    let path = "/api/v1/namespaces/ns/persistentvolumeclaims/data";
    let (_, claim) = server.send("DELETE", path, json!({})).await;
    assert!(claim["metadata"]["deletionTimestamp"].is_string());
    let (status, refused) = server.send("PATCH", path, json!({"metadata": {"finalizers": ["new/one"]}})).await;
    assert_eq!((status, refused["reason"].as_str()), (422, Some("Invalid")));
    let (status, _) = server.send("PATCH", path, json!({"metadata": {"finalizers": null}})).await;
    assert_eq!((status, server.get(path).await.0), (200, 404));
}

#[tokio::test]
async fn dependents_go_free_or_go_too() {
    let server = Server::start().await;
    let store = &server.state.store;
    let api: Api<ConfigMap> = Api::default_namespaced(server.client("admin").await);
    for (policy, kept) in [
        (PropagationPolicy::Orphan, true),
        (PropagationPolicy::Background, false),
        (PropagationPolicy::Foreground, false),
    ] {
        let owner = store.create(Key::new("configmaps", "ns", "owner"), json!({}), false).unwrap();
        let uid = owner["metadata"]["uid"].as_str().unwrap();
        let reference = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid});
        let child = json!({"metadata": {"ownerReferences": [reference]}});
        let child = store.create(Key::new("configmaps", "ns", "child"), child, false).unwrap();
        let child_uid = child["metadata"]["uid"].as_str().unwrap();

        let mode = format!("{policy:?}");
        let params = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
        api.delete("owner", &params).await.unwrap();
        await_condition(api.clone(), "owner", conditions::is_deleted(uid)).await.unwrap();
        if kept {
            let child = api.get("child").await.unwrap();
            assert_eq!(child.metadata.owner_references.unwrap_or_default(), [], "{mode}");
            api.delete("child", &DeleteParams::default()).await.unwrap();
        }
        await_condition(api.clone(), "child", conditions::is_deleted(child_uid)).await.unwrap();
    }
}

#[tokio::test]
async fn namespaces_go_with_their_contents() {
    let server = Server::start().await;
    server.send("POST", "/api/v1/namespaces/ns/configmaps", config_map("a")).await;
    let held = json!({"metadata": {"name": "held", "finalizers": ["x/y"]}});
    server.send("POST", "/api/v1/namespaces/ns/configmaps", held).await;
    let (_, namespace) = server.send("DELETE", "/api/v1/namespaces/ns", json!({})).await;
    assert_eq!(namespace["status"]["phase"], "Terminating");
    let (status, refused) = server.send("POST", "/api/v1/namespaces/ns/configmaps", config_map("b")).await;
    assert_eq!(status, 403);
    assert_eq!(
        refused["message"],
        "configmaps \"b\" is forbidden: unable to create new content in namespace ns because it is being terminated"
    );
    let path = "/api/v1/namespaces/ns/configmaps/held";
    server.send("PATCH", path, json!({"metadata": {"finalizers": null}})).await;
    let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(server.client("admin").await);
    let uid = namespace["metadata"]["uid"].as_str().unwrap();
    await_condition(api, "ns", conditions::is_deleted(uid)).await.unwrap();
    let (status, _) = server.send("POST", "/api/v1/namespaces/ns/configmaps", config_map("b")).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn evictions_obey_budgets() {
    let server = Server::start().await;
    for name in ["a", "b"] {
        server.running_pod(name, json!({"app": "x"}));
    }
    let budget = json!({"metadata": {"name": "x"},
                        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}});
    server.send("POST", "/apis/policy/v1/namespaces/ns/poddisruptionbudgets", budget).await;
    let api: Api<Pod> = Api::default_namespaced(server.client("admin").await);
    api.evict("a", &Default::default()).await.unwrap();
    // `a` is terminating: `b` must stay.
    let kube::Error::Api(status) = api.evict("b", &Default::default()).await.unwrap_err() else { panic!() };
    assert_eq!(status.code, 429);
    assert_eq!(status.message, "Cannot evict pod as it would violate the pod's disruption budget.");
    assert!(api.get("b").await.unwrap().metadata.deletion_timestamp.is_none());
    // A deletion is not an eviction.
    api.delete("b", &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
async fn events_have_the_fields_of_both_their_apis() {
    let server = Server::start().await;
    let about = json!({"kind": "Pod", "namespace": "ns", "name": "p"});
    let event = json!({"involvedObject": about, "type": "Normal", "reason": "Started", "message": "m", "count": 3,
                       "source": {"component": "kubelet"}, "reportingComponent": "kubelet"});
    server.state.store.create(Key::new("events", "ns", "e"), event, false).unwrap();
    let path = "/apis/events.k8s.io/v1/namespaces/ns/events";
    let (_, one) = server.get(&format!("{path}/e")).await;
    assert_eq!((&one["apiVersion"], &one["kind"]), (&json!("events.k8s.io/v1"), &json!("Event")));
    assert_eq!((&one["regarding"], &one["note"], &one["deprecatedCount"]), (&about, &json!("m"), &json!(3)));
    assert_eq!(one["reportingController"], "kubelet");
    for (name, found) in [("p", 1), ("q", 0)] {
        let (_, list) = server.get(&format!("{path}?fieldSelector=regarding.name%3D{name}")).await;
        assert_eq!(list["items"].as_array().unwrap().len(), found, "{name}: {list}");
    }
    let (_, list) = server.get(path).await;
    assert_eq!((&list["apiVersion"], &list["items"][0]["note"]), (&json!("events.k8s.io/v1"), &json!("m")));
    let (_, core) = server.get("/api/v1/namespaces/ns/events/e").await;
    assert_eq!((&core["apiVersion"], &core["message"]), (&json!("v1"), &json!("m")));
    assert!(server.kubectl(&["get", "events.events.k8s.io", "-o", "name"]).await.contains("event.events.k8s.io/e"));
    assert_eq!(server.send("POST", path, json!({"metadata": {"name": "f"}})).await.0, 405);
    assert_eq!(server.send("DELETE", &format!("{path}/e"), json!({})).await.0, 200);
    assert_eq!(server.get("/api/v1/namespaces/ns/events/e").await.0, 404);
}
