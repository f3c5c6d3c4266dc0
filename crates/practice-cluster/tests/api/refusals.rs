//! Forbidden and invalid requests: statuses and messages.

use crate::support::{Ask, Server};
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/ns/pods";

#[tokio::test]
async fn refusals_are_worded_as_by_a_real_server() {
    let server = Server::start().await;
    let pod = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                                  "spec": {"containers": [{"name": "c", "image": "i"}]}})
    };
    assert_eq!(server.send("POST", PODS, pod("p")).await.0, 201);
    let mut elsewhere = pod("p");
    elsewhere["metadata"]["namespace"] = json!("default");
    for (method, path, body, status, reason, message) in [
        ("GET", format!("{PODS}/x"), json!(null), 404, "NotFound", "pods \"x\" not found"),
        ("DELETE", format!("{PODS}/x"), json!({}), 404, "NotFound", "pods \"x\" not found"),
        (
            "GET",
            "/apis/apps/v1/namespaces/ns/statefulsets/x".into(),
            json!(null),
            404,
            "NotFound",
            "statefulsets.apps \"x\" not found",
        ),
        ("POST", PODS.into(), pod("p"), 409, "AlreadyExists", "pods \"p\" already exists"),
        ("POST", "/api/v1/namespaces/none/pods".into(), pod("p"), 404, "NotFound", "namespaces \"none\" not found"),
        (
            "POST",
            PODS.into(),
            elsewhere,
            400,
            "BadRequest",
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            "POST",
            PODS.into(),
            json!({"metadata": {"name": "q"}}),
            422,
            "Invalid",
            "Pod \"q\" is invalid: spec.containers: Required value",
        ),
        (
            "PUT",
            format!("{PODS}/p"),
            pod("q"),
            400,
            "BadRequest",
            "the name of the object (q) does not match the name on the URL (p)",
        ),
        (
            "PATCH",
            format!("{PODS}/p"),
            json!({"spec": {"nodeName": "n"}}),
            422,
            "Invalid",
            "Pod \"p\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,\
             `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
             tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        ),
        (
            "GET",
            format!("{PODS}?fieldSelector=foo%3Dbar"),
            json!(null),
            400,
            "BadRequest",
            "field label not supported: foo",
        ),
        (
            "DELETE",
            format!("{PODS}/p"),
            json!({"dryRun": ["Some"]}),
            422,
            "Invalid",
            "DeleteOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\"",
        ),
        (
            "PUT",
            format!("{PODS}/p?dryRun=Some"),
            pod("p"),
            422,
            "Invalid",
            "UpdateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\"",
        ),
        (
            "PUT",
            format!("{PODS}/p"),
            json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "p"}}),
            400,
            "BadRequest",
            "ConfigMap in version \"v1\" cannot be handled as a Pod: converting (v1.ConfigMap) to (core.Pod): unknown \
             conversion",
        ),
        (
            "PUT",
            format!("{PODS}/p"),
            json!({"spec": {}}),
            400,
            "BadRequest",
            "the name of the object (p based on URL) was undeterminable: name must be provided",
        ),
        (
            "PATCH",
            format!("{PODS}/p?force=true"),
            json!({}),
            422,
            "Invalid",
            "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch",
        ),
        (
            "PATCH",
            format!("{PODS}/p"),
            json!({"metadata": {"name": "q"}}),
            400,
            "BadRequest",
            "the name of the object (q) does not match the name on the URL (p)",
        ),
        (
            "DELETE",
            "/api/v1/namespaces/default".into(),
            json!({}),
            403,
            "Forbidden",
            "namespaces \"default\" is forbidden: this namespace may not be deleted",
        ),
        (
            "GET",
            "/apis/apps/v2/namespaces/ns/statefulsets".into(),
            json!(null),
            404,
            "NotFound",
            "the server could not find the requested resource",
        ),
        (
            "GET",
            format!("{PODS}/p/nothing"),
            json!(null),
            404,
            "NotFound",
            "the server could not find the requested resource",
        ),
        (
            "DELETE",
            PODS.replace("/namespaces/ns", ""),
            json!({}),
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        ),
    ] {
        let (got, body) = server.send(method, &path, body).await;
        assert_eq!(
            (got, body["reason"].as_str(), body["message"].as_str()),
            (status, Some(reason), Some(message)),
            "{method} {path}: {body}"
        );
        assert_eq!(
            (&body["kind"], &body["status"], &body["code"]),
            (&json!("Status"), &json!("Failure"), &json!(status))
        );
    }
    assert_eq!(server.get("/apis/nothing.example/v1/foos").await, (404, json!("404 page not found\n")));
    // Without permission, a missing kind is answered with 403, not 404.
    assert_eq!(server.ask("guest", "GET", "/api/v1/namespaces/ns/foos", Ask::default()).await.0, 403);
    // An error without a reason has none.
    let (status, unworded) = server.get(&format!("{PODS}/p?resourceVersion=x")).await;
    assert_eq!((status, unworded.get("reason")), (500, None), "{unworded}");
    let with = |body, headers| Ask { body, headers };
    let text = with("x", &[("content-type", "text/plain")]);
    assert_eq!(server.ask("admin", "POST", PODS, text).await.0, 415);
    let broken = with("{", &[("content-type", "application/json")]);
    assert_eq!(server.ask("admin", "POST", PODS, broken).await.0, 400);
    let html = with("", &[("accept", "text/html")]);
    assert_eq!(server.ask("admin", "GET", PODS, html).await.0, 406);
    let (status, body) = server
        .ask(
            "admin",
            "PATCH",
            &format!("{PODS}/p"),
            with(r#"[{"op":"test","path":"/kind","value":"x"}]"#, &[("content-type", "application/json-patch+json")]),
        )
        .await;
    assert_eq!((status, &body["reason"]), (422, &json!("Invalid")));
}

#[tokio::test]
async fn an_apply_creates_or_changes() {
    let server = Server::start().await;
    let map = "apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\n";
    let path = "/api/v1/namespaces/ns/configmaps/m";
    let apply = async |user: &str, path: &str, body: &str| {
        let headers = &[("content-type", "application/apply-patch+yaml")][..];
        server.ask(user, "PATCH", path, Ask { body, headers }).await
    };
    let (status, refused) = apply("admin", path, map).await;
    assert_eq!(status, 422);
    assert_eq!(
        refused["message"],
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"
    );
    let path = format!("{path}?fieldManager=e2e");
    let (status, refused) = apply("admin", &path, "kind: ConfigMap").await;
    assert_eq!((status, refused["message"].as_str()), (400, Some("invalid object type: /, Kind=ConfigMap")));
    assert_eq!(apply("reader", &path, map).await.0, 403);
    let (status, made) = apply("admin", &path, map).await;
    assert_eq!((status, &made["metadata"]["name"], &made["data"]), (201, &json!("m"), &json!({"a": "b"})));
    let (status, changed) = apply("admin", &path, &map.replace("a: b", "c: d")).await;
    assert_eq!((status, &changed["data"]), (200, &json!({"a": "b", "c": "d"})));
}

#[tokio::test]
async fn identities() {
    let server = Server::start_with("deny: [{verbs: [delete], resources: [persistentvolumeclaims]}]").await;
    let get = async |user: &str, headers| server.ask(user, "GET", PODS, Ask { body: "", headers }).await;
    assert_eq!(get("admin", &[]).await.0, 200);
    assert_eq!(get("reader", &[]).await.0, 200);
    for user in ["stranger", "anonymous"] {
        let (status, body) = get(user, &[]).await;
        assert_eq!((status, &body["reason"], &body["message"]), (401, &json!("Unauthorized"), &json!("Unauthorized")));
    }
    let (status, body) = get("guest", &[]).await;
    assert_eq!(status, 403);
    assert_eq!(
        body["message"],
        "pods is forbidden: User \"guest\" cannot list resource \"pods\" in API group \"\" in the namespace \"ns\""
    );
    // Health is public, versions need an authenticated user.
    assert_eq!(server.ask("anonymous", "GET", "/readyz", Ask::default()).await, (200, json!("ok")));
    assert_eq!(server.ask("guest", "GET", "/version", Ask::default()).await.0, 200);

    let (status, body) = server.send("DELETE", "/api/v1/namespaces/ns/persistentvolumeclaims/data-0", json!({})).await;
    assert_eq!(status, 403, "denied to masters too");
    assert_eq!(
        body["message"],
        "persistentvolumeclaims \"data-0\" is forbidden: User \"admin\" cannot delete resource \
         \"persistentvolumeclaims\" in API group \"\" in the namespace \"ns\""
    );
    assert_eq!(body["details"], json!({"name": "data-0", "kind": "persistentvolumeclaims"}));

    let as_jane = &[("impersonate-user", "jane"), ("impersonate-group", "guests")][..];
    let (status, body) = get("admin", as_jane).await;
    assert_eq!(status, 403);
    assert!(body["message"].as_str().unwrap().contains("User \"jane\""), "{body}");
    let as_reader = &[("impersonate-user", "jane"), ("impersonate-group", "system:sandbox:readers")][..];
    assert_eq!(get("admin", as_reader).await.0, 200);
    let (status, body) = get("reader", as_jane).await;
    assert_eq!(status, 403);
    assert!(
        body["message"]
            .as_str()
            .unwrap()
            .starts_with("users \"jane\" is forbidden: User \"reader\" cannot impersonate")
    );
}

#[tokio::test]
async fn reviews_say_what_requests_get() {
    let server =
        Server::start_with("deny: [{verbs: [delete], resources: [persistentvolumeclaims], namespaces: [ns]}]").await;
    let review = async |user: &str, attributes: Value| {
        let body = json!({"spec": {"resourceAttributes": attributes}}).to_string();
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let headers = &[("content-type", "application/json")];
        let (status, answer) = server.ask(user, "POST", path, Ask { body: &body, headers }).await;
        assert_eq!(status, 201);
        answer["status"]["allowed"].as_bool().unwrap()
    };
    let delete =
        |namespace: &str| json!({"verb": "delete", "resource": "persistentvolumeclaims", "namespace": namespace});
    assert!(!review("admin", delete("ns")).await);
    assert!(review("admin", delete("default")).await);
    assert!(!review("reader", delete("default")).await);
    assert!(review("reader", json!({"verb": "list", "resource": "pods"})).await);
    assert!(!review("guest", json!({"verb": "list", "resource": "pods"})).await);

    let (status, answer) = server.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", json!({})).await;
    assert_eq!(status, 201);
    assert_eq!(answer["status"]["userInfo"]["username"], "admin");
    assert_eq!(answer["status"]["userInfo"]["groups"], json!(["system:masters", "system:authenticated"]));
}
