//! Fidelity: how the API answers unusual requests. Both kinds of cluster share one snapshot.

use crate::world::{Account, AwaitIn, Rule, World, named};
use http::{Method, Request, header};
use http_body_util::BodyExt as _;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

pub(crate) const JSON: &str = "application/json";
pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";
pub(crate) const OTHER_UID: &str = "00000000-0000-4000-8000-000000000000";

/// Requests and their answers, as text.
pub(crate) struct Asked<'w> {
    world: &'w World,
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) text: String,
}

impl<'w> Asked<'w> {
    pub(crate) fn new(account: &Account<'w>, client: Client) -> Self {
        Self { world: account.world, client, namespace: account.namespace.clone(), text: String::new() }
    }

    /// Sends a request to a path in the namespace, or to an absolute path.
    pub(crate) fn ask(&mut self, what: &str, method: Method, path: &str, (content_type, body): (&str, &Value)) {
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/api/v1/namespaces/{}/{path}", self.namespace)
        };
        let mut request = Request::builder().method(method).uri(path).header(header::ACCEPT, JSON);
        if !content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.send(what, request.body(Body::from(body)).unwrap());
    }

    pub(crate) fn send(&mut self, what: &str, request: Request<Body>) {
        let (code, answer) = self.answer(what, request);
        writeln!(self.text, "{what}\n{}", self.in_words(code, &answer)).unwrap();
    }

    /// Returns status and body of the answer.
    pub(crate) fn answer(&self, what: &str, request: Request<Body>) -> (u16, String) {
        let answered = async {
            let response = self.client.send(request).await.unwrap();
            let code = response.status();
            (code.as_u16(), response.into_body().collect().await.unwrap().to_bytes())
        };
        let (code, body) = self.world.in_time(answered).unwrap_or_else(|| panic!("{what}: no answer"));
        (code, String::from_utf8_lossy(&body).into_owned())
    }

    fn in_words(&self, code: u16, answer: &str) -> String {
        let mut text = format!("  {code}");
        let Ok(answer) = serde_json::from_str::<Value>(answer) else {
            return self.normal(&format!("{text} {:?}\n", answer.trim_end()));
        };
        // A watch reports errors as events.
        let answer = if answer["type"] == "ERROR" { answer["object"].clone() } else { answer };
        if answer["kind"] != "Status" {
            return format!("{text} {}\n", answer["kind"].as_str().unwrap_or_default());
        }
        for field in ["status", "reason"] {
            write!(text, " {}", answer[field].as_str().unwrap_or("-")).unwrap();
        }
        writeln!(text, "\n  {}", answer["message"].as_str().unwrap_or("-")).unwrap();
        if !answer["details"].is_null() {
            writeln!(text, "  {}", sorted(&answer["details"])).unwrap();
        }
        self.normal(&text)
    }

    /// Replaces names, UIDs and versions of this run with words.
    pub(crate) fn normal(&self, text: &str) -> String {
        let mut text = text.replace(&self.namespace, "NAMESPACE").replace(OTHER_UID, "OTHER_UID");
        for (pattern, word) in [
            (r"e2e-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", "USER"),
            (r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", "UID"),
            (r"(in record|current:|too old resource version: 1) \(?\d+\)?", "$1 VERSION"),
            ("Not valid[a-z0-9]{5}", "GENERATED"),
            // It depends on how the real server was built.
            (r#"in scheme \\?"[^"]+""#, "in a scheme"),
        ] {
            text = regex::Regex::new(pattern).unwrap().replace_all(&text, word).into_owned();
        }
        text
    }
}

/// Returns JSON with sorted keys, on one line.
pub(crate) fn sorted(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&String, String> = fields.iter().map(|(key, value)| (key, sorted(value))).collect();
            let fields: Vec<String> = fields.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

pub(crate) const NOTHING: (&str, &Value) = ("", &Value::Null);

#[test]
fn to_preconditions_and_patches() {
    let world = World::shared();
    let account = world.account("answers", |_| {});
    let mut asked = Asked::new(&account, world.plain_client(world.kubeconfig()));
    let pod = "pods/wh9527-0";
    let conditions =
        |conditions: Value| json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": conditions});

    let wrong = conditions(json!({"uid": OTHER_UID}));
    asked.ask("delete a pod, another UID", Method::DELETE, pod, (JSON, &wrong));
    let claim = "persistentvolumeclaims/data-wh9527-0";
    asked.ask("delete a claim, another UID", Method::DELETE, claim, (JSON, &wrong));
    let wrong = conditions(json!({"resourceVersion": "1"}));
    asked.ask("delete a pod, an older resourceVersion", Method::DELETE, pod, (JSON, &wrong));
    asked.ask("delete a pod, dry run", Method::DELETE, &format!("{pod}?dryRun=All"), NOTHING);
    asked.ask("delete a claim, dry run", Method::DELETE, &format!("{claim}?dryRun=All"), NOTHING);
    asked.ask("delete a pod, a dry run of another kind", Method::DELETE, &format!("{pod}?dryRun=Some"), NOTHING);
    asked.ask("delete a pod that is not there", Method::DELETE, "pods/missing-0", NOTHING);
    asked.ask("delete a claim that is not there", Method::DELETE, "persistentvolumeclaims/missing", NOTHING);

    let old = json!({"metadata": {"resourceVersion": "1", "annotations": {"e2e": "x"}}});
    asked.ask("merge patch, an older resourceVersion", Method::PATCH, pod, (MERGE, &old));
    asked.ask("strategic patch, an older resourceVersion", Method::PATCH, pod, (STRATEGIC, &old));
    let old = json!([{"op": "replace", "path": "/metadata/resourceVersion", "value": "1"},
                     {"op": "add", "path": "/metadata/labels/e2e", "value": "x"}]);
    asked.ask("JSON patch, an older resourceVersion", Method::PATCH, pod, (JSON_PATCH, &old));
    let test = json!([{"op": "test", "path": "/metadata/uid", "value": OTHER_UID}]);
    asked.ask("JSON patch, a test that fails", Method::PATCH, pod, (JSON_PATCH, &test));
    let other = json!({"metadata": {"uid": OTHER_UID, "annotations": {"e2e": "x"}}});
    asked.ask("merge patch, another UID", Method::PATCH, pod, (MERGE, &other));
    asked.ask("strategic patch, another UID", Method::PATCH, pod, (STRATEGIC, &other));
    asked.ask("merge patch of a pod that is not there", Method::PATCH, "pods/missing-0", (MERGE, &other));
    let set = format!("/apis/apps/v1/namespaces/{}/statefulsets/wh9527", account.namespace);
    let fixed = json!({"spec": {"serviceName": "other"}});
    asked.ask("merge patch of a field that cannot change", Method::PATCH, &set, (MERGE, &fixed));
    let dry = format!("{pod}?dryRun=All");
    let note = json!({"metadata": {"annotations": {"e2e": "x"}}});
    asked.ask("merge patch, dry run", Method::PATCH, &dry, (MERGE, &note));
    asked.ask("patch, not a patch's content type", Method::PATCH, pod, (JSON, &note));
    insta::assert_snapshot!("preconditions-and-patches", asked.text);
}

#[test]
fn to_invalid_objects_and_paths() {
    let world = World::shared();
    let account = world.account("answers", |_| {});
    let mut asked = Asked::new(&account, world.plain_client(world.kubeconfig()));
    let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});

    asked.ask("create an object", Method::POST, "configmaps", (JSON, &map("e2e")));
    asked.ask("create it again", Method::POST, "configmaps", (JSON, &map("e2e")));
    asked.ask("create one with a name that cannot be", Method::POST, "configmaps", (JSON, &map("Not valid")));
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "e2e"}, "spec": {}});
    asked.ask("create a claim without what it must say", Method::POST, "persistentvolumeclaims", (JSON, &claim));
    asked.ask("create an object of another kind", Method::POST, "configmaps", (JSON, &claim));
    asked.ask("create, not an object's content type", Method::POST, "configmaps", ("text/plain", &map("e2e-2")));
    let nowhere = "/api/v1/namespaces/e2e-nowhere";
    asked.ask(
        "create in a namespace that is not there",
        Method::POST,
        &format!("{nowhere}/configmaps"),
        (JSON, &map("e")),
    );
    asked.ask("get in a namespace that is not there", Method::GET, &format!("{nowhere}/pods/wh9527-0"), NOTHING);
    asked.ask("list in a namespace that is not there", Method::GET, &format!("{nowhere}/pods"), NOTHING);
    asked.ask("get a namespace that is not there", Method::GET, nowhere, NOTHING);

    asked.ask("a resource that is not there", Method::GET, "nothings", NOTHING);
    asked.ask("a group that is not there", Method::GET, "/apis/nothing.example/v1/nothings", NOTHING);
    asked.ask("a verb that is not there", Method::POST, "pods/wh9527-0", (JSON, &json!({})));

    asked.ask("list at a version to come", Method::GET, "pods?resourceVersion=999999999999", NOTHING);
    asked.ask("list at no version", Method::GET, "pods?resourceVersion=abc", NOTHING);
    let watch = "pods?watch=1&timeoutSeconds=2&resourceVersion";
    asked.ask("watch from no version", Method::GET, &format!("{watch}=abc"), NOTHING);
    asked.ask("list with a selector that is none", Method::GET, "pods?labelSelector=a%20b%20c", NOTHING);
    asked.ask("list with a field that cannot be selected", Method::GET, "pods?fieldSelector=spec.none%3Da", NOTHING);
    asked.ask("list with a token that is none", Method::GET, "pods?limit=1&continue=abc", NOTHING);
    insta::assert_snapshot!("objects-and-paths", asked.text);
}

/// A watch from an expired version reports this in its first event.
#[test]
fn to_a_watch_from_an_expired_version() {
    let world = World::alone();
    // A real API server keeps all changes since it started.
    world.restart_api_server();
    let account = world.account("answers", |_| {});
    let mut asked = Asked::new(&account, world.plain_client(world.kubeconfig()));
    asked.ask("watch from version 1", Method::GET, "pods?watch=1&timeoutSeconds=2&resourceVersion=1", NOTHING);
    insta::assert_snapshot!("watch-from-long-ago", asked.text);
}

#[test]
fn to_evictions_and_forwards() {
    let world = World::shared();
    let account = world.account("answers", |_| {});
    let mut asked = Asked::new(&account, world.plain_client(world.kubeconfig()));
    world.create(&json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "wh9527", "namespace": account.namespace},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app.kubernetes.io/name": "wh9527"}}},
    }));
    let budgets = world.within::<PodDisruptionBudget>(&account.namespace);
    world.until(&budgets, named("wh9527"), "the budget is counted", |budgets| {
        let status = budgets.get("wh9527").and_then(|budget| budget.status.as_ref());
        status.is_some_and(|status| status.observed_generation.is_some() && status.current_healthy == Some(2))
    });
    let eviction = |pod: &str| {
        let metadata = json!({"name": pod, "namespace": account.namespace});
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata})
    };
    asked.ask(
        "evict a pod that its budget keeps",
        Method::POST,
        "pods/wh9527-0/eviction",
        (JSON, &eviction("wh9527-0")),
    );
    let missing = eviction("missing-0");
    asked.ask("evict a pod that is not there", Method::POST, "pods/missing-0/eviction", (JSON, &missing));
    let other = eviction("wh9527-1");
    asked.ask("evict a pod by another's name", Method::POST, "pods/wh9527-0/eviction", (JSON, &other));

    for (what, path) in [
        ("forward to a pod that is not there", "pods/missing-0/portforward?ports=5432"),
        ("forward to no port", "pods/wh9527-0/portforward"),
    ] {
        let uri = format!("/api/v1/namespaces/{}/{path}", account.namespace);
        let request = Request::builder()
            .uri(uri)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, "AAAAAAAAAAAAAAAAAAAAAA==")
            .header(header::SEC_WEBSOCKET_PROTOCOL, "v4.channel.k8s.io");
        asked.send(what, request.body(Body::empty()).unwrap());
        // After rejecting an upgrade, the server closes the connection some time later.
        asked.client = world.plain_client(world.kubeconfig());
    }
    asked.ask("forward without an upgrade", Method::GET, "pods/wh9527-0/portforward?ports=5432", NOTHING);
    insta::assert_snapshot!("evictions-and-forwards", asked.text);
}

#[test]
fn to_users_without_permission() {
    let world = World::shared();
    let account = world.account("answers", |_| {});
    let read = Rule { namespace: Some(&account.namespace), resources: &["pods"], verbs: &["get"] };
    let user = world.user(&account.namespace, &[read]);
    let mut asked = Asked::new(&account, world.plain_client(&user.kubeconfig));

    asked.ask("get what may be got", Method::GET, "pods/wh9527-0", NOTHING);
    asked.ask("get", Method::GET, "persistentvolumeclaims/data-wh9527-0", NOTHING);
    asked.ask("get what is not there either", Method::GET, "persistentvolumeclaims/missing", NOTHING);
    asked.ask("list", Method::GET, "pods", NOTHING);
    asked.ask("watch", Method::GET, "pods?watch=1", NOTHING);
    asked.ask("list everywhere", Method::GET, "/api/v1/pods", NOTHING);
    asked.ask("list what has no namespace", Method::GET, "/api/v1/persistentvolumes", NOTHING);
    asked.ask("list of a group", Method::GET, "/apis/storage.k8s.io/v1/storageclasses", NOTHING);
    asked.ask("get a namespace", Method::GET, &format!("/api/v1/namespaces/{}", account.namespace), NOTHING);
    asked.ask("delete", Method::DELETE, "pods/wh9527-0", NOTHING);
    asked.ask("delete, dry run", Method::DELETE, "pods/wh9527-0?dryRun=All", NOTHING);
    asked.ask("delete all", Method::DELETE, "pods", NOTHING);
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "e2e"}});
    asked.ask("create", Method::POST, "configmaps", (JSON, &map));
    let note = json!({"metadata": {"annotations": {"e2e": "x"}}});
    asked.ask("patch", Method::PATCH, "pods/wh9527-0", (MERGE, &note));
    asked.ask("forward", Method::GET, "pods/wh9527-0/portforward?ports=5432", NOTHING);
    asked.ask("a path of no resource", Method::GET, "/metrics", NOTHING);

    let review = |verb: &str| {
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {
            "resourceAttributes": {"namespace": account.namespace, "verb": verb, "resource": "pods"}}})
    };
    let reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    for verb in ["get", "delete"] {
        let body = review(verb).to_string().into_bytes();
        let request = Request::post(reviews).header(header::CONTENT_TYPE, JSON).body(body).unwrap();
        let answer: Value = asked.client.request(request).await_in(&world).unwrap();
        let status = asked.normal(&sorted(&answer["status"]));
        writeln!(asked.text, "may {verb} pods\n  {status}\n").unwrap();
    }

    let path = world.home().join("unknown-token");
    std::fs::write(&path, world.kubeconfig_with("an unknown token").to_string()).unwrap();
    let mut unknown = Asked::new(&account, world.plain_client(&path));
    unknown.ask("with a token that is none", Method::GET, "pods", NOTHING);
    asked.text += &unknown.text;
    insta::assert_snapshot!("those-who-may-not", asked.text);
}
