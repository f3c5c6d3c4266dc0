//! Fidelity: variations of the requests in `answers`, each on one side of a rule.

use crate::answers::{Asked, JSON, JSON_PATCH, MERGE, NOTHING, OTHER_UID, STRATEGIC, sorted};
use crate::world::{AwaitIn, World};
use http::{Method, Request, header};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::client::Body;
use serde_json::{Value, json};
use std::fmt::Write as _;

const APPLY: &str = "application/apply-patch+yaml";

impl Asked<'_> {
    fn below(&self, path: &str) -> String {
        let core = || format!("/api/v1/namespaces/{}/{path}", self.namespace);
        if path.starts_with('/') { path.to_owned() } else { core() }
    }

    /// Sends a body unchanged.
    fn ask_raw(&mut self, what: &str, method: Method, path: &str, (content_type, body): (&str, &str)) {
        let request = Request::builder().method(method).uri(self.below(path)).header(header::ACCEPT, JSON);
        let request = request.header(header::CONTENT_TYPE, content_type);
        self.send(what, request.body(Body::from(body.as_bytes().to_vec())).unwrap());
    }

    fn ask_accepting(&mut self, what: &str, path: &str, accept: &str) {
        let request = Request::builder().uri(self.below(path)).header(header::ACCEPT, accept);
        self.send(what, request.body(Body::empty()).unwrap());
    }

    /// Returns the answer itself, for answers that are described in other words.
    fn get(&self, what: &str, path: &str, accept: &str) -> (u16, Value) {
        let request = Request::builder().uri(self.below(path)).header(header::ACCEPT, accept);
        let (code, body) = self.answer(what, request.body(Body::empty()).unwrap());
        (code, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    /// Records how many objects a list has, and whether there are more; returns the list.
    fn count(&mut self, what: &str, path: &str) -> Value {
        let (code, list) = self.get(what, path, JSON);
        let count = list["items"].as_array().map(Vec::len);
        let more = list["metadata"]["continue"].is_string();
        let left = &list["metadata"]["remainingItemCount"];
        let kind = &list["kind"];
        writeln!(self.text, "{what}\n  {code} {kind} of {count:?}, more: {more}, left: {left}\n").unwrap();
        list
    }

    /// Records the first events of a watch: their types and names, and whether a bookmark ends the initial list.
    fn watch(&mut self, what: &str, path: &str, events: usize) {
        let request = Request::builder().uri(self.below(path)).header(header::ACCEPT, JSON);
        let (code, body) = self.answer(what, request.body(Body::empty()).unwrap());
        writeln!(self.text, "{what}\n  {code}").unwrap();
        for line in body.lines().take(events) {
            let event: Value = serde_json::from_str(line).unwrap();
            let metadata = &event["object"]["metadata"];
            let (name, ends) = (&metadata["name"], &metadata["annotations"]["k8s.io/initial-events-end"]);
            writeln!(self.text, "  {} {} {name} {ends}", event["type"], event["object"]["kind"]).unwrap();
        }
        self.text += "\n";
    }

    /// Records the columns of a table.
    fn columns(&mut self, what: &str, path: &str) {
        let (code, table) = self.get(what, path, "application/json;as=Table;v=v1;g=meta.k8s.io");
        let columns = table["columnDefinitions"].as_array().into_iter().flatten();
        let columns: Vec<String> = columns.map(|c| format!("{}/{}", c["name"], c["priority"])).collect();
        writeln!(self.text, "{what}\n  {code} {} {}\n", table["kind"], columns.join(" ")).unwrap();
    }
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

#[test]
fn to_applies_and_other_changes() {
    let world = World::shared();
    let account = world.account("answers", |_| {});
    let mut asked = Asked::new(&account, world.plain_client(world.kubeconfig()));

    let one = "configmaps/one";
    asked.ask("apply, without a field manager", Method::PATCH, one, (APPLY, &map("one")));
    let by = format!("{one}?fieldManager=e2e");
    asked.ask("apply, what is not there", Method::PATCH, &by, (APPLY, &map("one")));
    asked.ask("apply, what is there", Method::PATCH, &by, (APPLY, &map("one")));
    asked.ask("apply, by force", Method::PATCH, &format!("{by}&force=true"), (APPLY, &map("one")));
    asked.ask("apply without a name", Method::PATCH, &by, (APPLY, &json!({"apiVersion": "v1", "kind": "ConfigMap"})));
    asked.ask("apply, another name", Method::PATCH, &by, (APPLY, &map("two")));
    asked.ask("apply without a version", Method::PATCH, &by, (APPLY, &json!({"kind": "ConfigMap"})));
    let other = json!({"apiVersion": "apps/v1", "kind": "ConfigMap", "metadata": {"name": "one"}});
    asked.ask("apply, another version", Method::PATCH, &by, (APPLY, &other));
    asked.ask_raw("apply, a list", Method::PATCH, &by, (APPLY, "- 1"));

    let note = json!({"metadata": {"annotations": {"e2e": "x"}}});
    asked.ask("merge patch by force", Method::PATCH, &format!("{one}?force=true"), (MERGE, &note));
    asked.ask("merge patch, an unknown dry run", Method::PATCH, &format!("{one}?dryRun=Some"), (MERGE, &note));
    let strictly = format!("{one}?fieldValidation=Sometimes");
    asked.ask("merge patch, an unknown validation", Method::PATCH, &strictly, (MERGE, &note));
    let manager = format!("{one}?fieldManager={}", "x".repeat(129));
    asked.ask("merge patch by a manager with a long name", Method::PATCH, &manager, (MERGE, &note));
    asked.ask_raw("patch without a content type", Method::PATCH, one, ("", "{}"));
    asked.ask_raw("merge patch that is no JSON", Method::PATCH, one, (MERGE, "{"));
    asked.ask("merge patch that is a list", Method::PATCH, one, (MERGE, &json!([])));
    asked.ask("strategic patch that is a list", Method::PATCH, one, (STRATEGIC, &json!([])));
    asked.ask("JSON patch that is a map", Method::PATCH, one, (JSON_PATCH, &json!({})));
    asked.ask("JSON patch, no operation", Method::PATCH, one, (JSON_PATCH, &json!([{"op": "none", "path": "/a"}])));
    let remove = json!([{"op": "remove", "path": "/data/none"}]);
    asked.ask("JSON patch, what is not there is removed", Method::PATCH, one, (JSON_PATCH, &remove));
    asked.ask("JSON patch of what is not there", Method::PATCH, "configmaps/missing", (JSON_PATCH, &remove));
    for (field, value) in [("name", "two"), ("namespace", "e2e-nowhere"), ("resourceVersion", "abc")] {
        let change = json!({"metadata": {field: value}});
        asked.ask(&format!("merge patch, another {field}"), Method::PATCH, one, (MERGE, &change));
    }
    let keyless = json!({"spec": {"containers": [{"image": "x"}]}});
    asked.ask("strategic patch without a key", Method::PATCH, "pods/wh9527-0", (STRATEGIC, &keyless));

    let put = |change: &dyn Fn(&mut Value)| {
        let mut object = map("one");
        change(&mut object);
        object
    };
    asked.ask("put without a version", Method::PUT, one, (JSON, &put(&|_| {})));
    for (field, value) in [
        ("resourceVersion", "1"),
        ("resourceVersion", "abc"),
        ("name", "two"),
        ("name", ""),
        ("namespace", "e2e-nowhere"),
        ("uid", OTHER_UID),
    ] {
        let object = put(&|object| object["metadata"][field] = json!(value));
        asked.ask(&format!("put, another {field}: {value:?}"), Method::PUT, one, (JSON, &object));
    }
    asked.ask("put of what is not there", Method::PUT, "configmaps/missing", (JSON, &map("missing")));
    asked.ask("put, an unknown dry run", Method::PUT, &format!("{one}?dryRun=Some"), (JSON, &map("one")));
    let roles = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles", asked.namespace);
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "one"}});
    asked.ask("put of a role that is not there", Method::PUT, &format!("{roles}/one"), (JSON, &role));
    let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", asked.namespace);
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "one"}});
    asked.ask("put of a lease that is not there", Method::PUT, &format!("{leases}/one"), (JSON, &lease));
    asked.ask("put of a lease without a version", Method::PUT, &format!("{leases}/one"), (JSON, &lease));

    let phase = json!({"status": {"message": "e2e"}});
    let status = "pods/wh9527-0/status?dryRun=All";
    asked.ask("patch of a pod's status, dry run", Method::PATCH, status, (STRATEGIC, &phase));
    asked.ask("patch of a status that is none", Method::PATCH, "configmaps/one/status", (MERGE, &phase));
    asked.ask("get below a pod", Method::GET, "pods/wh9527-0/nothing", NOTHING);

    let sets = format!("/apis/apps/v1/namespaces/{}/statefulsets", asked.namespace);
    let scale = |replicas: i64, version: &str| {
        let mut metadata = json!({"name": "wh9527", "namespace": account.namespace});
        if !version.is_empty() {
            metadata["resourceVersion"] = json!(version);
        }
        json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": metadata, "spec": {"replicas": replicas}})
    };
    let path = format!("{sets}/wh9527/scale");
    asked.ask("get a scale", Method::GET, &path, NOTHING);
    asked.ask("get a scale of what is not there", Method::GET, &format!("{sets}/missing/scale"), NOTHING);
    asked.ask("put a scale, dry run", Method::PUT, &format!("{path}?dryRun=All"), (JSON, &scale(2, "")));
    asked.ask("put a scale below nothing", Method::PUT, &path, (JSON, &scale(-1, "")));
    asked.ask("put a scale, an older version", Method::PUT, &path, (JSON, &scale(2, "1")));
    asked.ask("put a scale, another name", Method::PUT, &format!("{sets}/missing/scale"), (JSON, &scale(2, "")));
    let below = json!({"spec": {"replicas": -1}});
    asked.ask("patch a scale below nothing", Method::PATCH, &path, (MERGE, &below));

    let labels = json!({"e2e": "set"});
    world.create(&json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "e2e", "namespace": account.namespace},
        "spec": {
            "replicas": 0, "serviceName": "e2e", "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "synxdb/pause:4.0.0"}]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}}}],
        },
    }));
    let path = format!("{sets}/e2e");
    for (field, value) in [
        ("podManagementPolicy", json!("Parallel")),
        ("selector", json!({"matchLabels": {"e2e": "other"}})),
        (
            "volumeClaimTemplates",
            json!([{"metadata": {"name": "data"}, "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "2Gi"}}}}]),
        ),
        ("replicas", json!(-1)),
    ] {
        let change = json!({"spec": {field: value}});
        asked.ask(&format!("merge patch of a set's {field}"), Method::PATCH, &path, (MERGE, &change));
    }
    insta::assert_snapshot!("applies-and-changes", asked.text);
}

#[test]
fn to_other_reads() {
    let world = World::shared();
    let account = world.account("answers", |_| {});
    let mut asked = Asked::new(&account, world.plain_client(world.kubeconfig()));

    asked.ask("get at no version", Method::GET, "pods/wh9527-0?resourceVersion=abc", NOTHING);
    asked.ask("get at a version to come", Method::GET, "pods/wh9527-0?resourceVersion=999999999999", NOTHING);
    asked.ask("get what is not there, at any version", Method::GET, "pods/missing-0?resourceVersion=0", NOTHING);

    let first = asked.count("list of two", "pods?limit=2");
    let token = first["metadata"]["continue"].as_str().unwrap().to_owned();
    asked.count("and the others", &format!("pods?limit=2&continue={token}"));
    asked.count("list of two that match", "pods?limit=2&labelSelector=app.kubernetes.io/part-of%3Dsynxdb");
    asked.count("list of two, from memory", "pods?limit=2&resourceVersion=0");
    let version = first["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    asked.count("list at the very version", &format!("pods?resourceVersionMatch=Exact&resourceVersion={version}"));
    let resumed = format!("pods?limit=2&continue={token}&resourceVersion={version}");
    asked.ask("list that goes on at a version", Method::GET, &resumed, NOTHING);
    for query in [
        "resourceVersionMatch=Exact",
        "resourceVersionMatch=Exact&resourceVersion=0",
        "resourceVersionMatch=Sometimes&resourceVersion=1",
        "sendInitialEvents=true",
        "limit=x",
        "timeoutSeconds=x",
        "limit=1&continue=a%2Bb",
        "limit=1&continue=e30",
        "watch=1&timeoutSeconds=1&sendInitialEvents=true",
        "watch=1&timeoutSeconds=1&resourceVersionMatch=Exact",
        "labelSelector=app%20in%20(x",
        "labelSelector=app%20in%20x",
        "labelSelector=%3Dx",
        "labelSelector=a%3Dx,,b",
        "labelSelector=-a",
        "labelSelector=A_B/a",
        "labelSelector=a%3D-b",
        "labelSelector=a%3Ex",
        "labelSelector=!a%3Dx",
        "fieldSelector=foo",
        "fieldSelector=z%3D1,foo%3D1",
        "fieldSelector=metadata.name%3Da%3Db",
        "fieldSelector=metadata.name%3Da%5Cb",
    ] {
        asked.ask(&format!("list of pods, {query}"), Method::GET, &format!("pods?{query}"), NOTHING);
    }
    let bound = "persistentvolumeclaims?fieldSelector=status.phase%3DBound";
    asked.ask("list of claims by their phase", Method::GET, bound, NOTHING);
    let within = "/api/v1/nodes?fieldSelector=metadata.namespace%3Da";
    asked.ask("list of nodes by their namespace", Method::GET, within, NOTHING);
    let events = format!("/apis/events.k8s.io/v1/namespaces/{}/events?fieldSelector", asked.namespace);
    asked.ask(
        "list of events by a field of the others",
        Method::GET,
        &format!("{events}=reason%3Da,source%3Db"),
        NOTHING,
    );
    let named = "pods?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dwh9527-0";
    asked.watch("watch of one pod", named, 1);
    asked.watch("watch of one pod, with bookmarks", &format!("{named}&allowWatchBookmarks=true"), 2);
    let initial = format!("{named}&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    asked.watch("watch of one pod, with what there is", &initial, 2);
    asked.watch("watch of no pod, with bookmarks", &format!("{named}-missing&allowWatchBookmarks=true"), 1);

    asked.ask("head of a pod", Method::HEAD, "pods/wh9527-0", NOTHING);
    asked.ask("head of all pods", Method::HEAD, "pods", NOTHING);
    asked.ask("head of the health", Method::HEAD, "/readyz", NOTHING);
    asked.ask("head of the version", Method::HEAD, "/version", NOTHING);
    for (what, path) in [
        ("pods", "pods"),
        ("one pod", "pods/wh9527-0"),
        ("claims", "persistentvolumeclaims"),
        ("events", "events"),
        ("volumes", "/api/v1/persistentvolumes?limit=1"),
        ("nodes", "/api/v1/nodes"),
        ("namespaces", "/api/v1/namespaces?limit=1"),
        ("sets", "/apis/apps/v1/statefulsets?limit=1"),
        ("classes", "/apis/storage.k8s.io/v1/storageclasses"),
    ] {
        asked.columns(&format!("table of {what}"), path);
    }
    asked.ask_accepting("as text", "pods", "text/html");
    asked.ask_accepting("one as text", "pods/wh9527-0", "text/html");
    asked.ask_accepting("as something else", "pods", "application/json;as=Other;g=meta.k8s.io;v=v1");
    asked.ask_accepting("as metadata", "pods", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
    asked.ask_accepting(
        "one as metadata",
        "pods/wh9527-0",
        "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    );

    for path in [
        "/api/v2/pods",
        "/api/v1/nothings",
        "/apis/apps/v2/statefulsets",
        "/apis/apps/v1/nothings",
        "/apis/nothing.example",
        "/apis/nothing.example/v1",
        "/api/v1/pods/wh9527-0",
        "/nothing",
        "/version/nothing",
        "/readyz",
        "/livez",
        "/healthz",
    ] {
        asked.ask(path, Method::GET, path, NOTHING);
    }
    asked.ask("post to a path that is not there", Method::POST, "/nothing", (JSON, &json!({})));
    asked.ask("post to the version", Method::POST, "/version", (JSON, &json!({})));
    let (code, version) = asked.get("version", "/version", JSON);
    let mut keys: Vec<&String> = version.as_object().unwrap().keys().collect();
    keys.sort();
    writeln!(asked.text, "keys of the version\n  {code} {keys:?}\n").unwrap();
    for path in ["/openapi/v2", "/openapi/v3", "/openapi/v3/api/v1"] {
        let (code, _) = asked.get(path, path, JSON);
        writeln!(asked.text, "{path}\n  {code}\n").unwrap();
    }

    let group = "/apis/authorization.k8s.io/v1";
    let rules = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"});
    let path = format!("{group}/selfsubjectrulesreviews");
    asked.ask("rules of no namespace", Method::POST, &path, (JSON, &rules));
    let mut within = rules;
    within["spec"] = json!({"namespace": account.namespace});
    asked.ask("rules of a namespace", Method::POST, &path, (JSON, &within));
    asked.ask("rules, read", Method::GET, &path, NOTHING);
    let access = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {}});
    asked.ask("access to nothing", Method::POST, &format!("{group}/selfsubjectaccessreviews"), (JSON, &access));
    insta::assert_snapshot!("other-reads", asked.text);
}

#[test]
fn to_creations_and_deletions() {
    let world = World::shared();
    let account = world.account("answers", |_| {});
    let mut asked = Asked::new(&account, world.plain_client(world.kubeconfig()));
    let maps = "configmaps";

    let with = |change: &dyn Fn(&mut Value)| {
        let mut object = map("one");
        change(&mut object);
        object
    };
    let elsewhere = with(&|object| object["metadata"]["namespace"] = json!("e2e-nowhere"));
    asked.ask("create, another namespace", Method::POST, maps, (JSON, &elsewhere));
    let nameless = with(&|object| object["metadata"] = json!({}));
    asked.ask("create without a name", Method::POST, maps, (JSON, &nameless));
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {"containers": []}});
    asked.ask("create a pod without anything", Method::POST, "pods", (JSON, &pod));
    let generated = with(&|object| object["metadata"] = json!({"generateName": "generated-"}));
    asked.ask("create with a generated name", Method::POST, maps, (JSON, &generated));
    let wrong = with(&|object| object["metadata"] = json!({"generateName": "Not valid"}));
    asked.ask("create with a generated name that cannot be", Method::POST, maps, (JSON, &wrong));
    let versioned = with(&|object| object["metadata"]["resourceVersion"] = json!("1"));
    asked.ask("create at a version", Method::POST, maps, (JSON, &versioned));
    asked.ask("create, dry run", Method::POST, "configmaps?dryRun=All", (JSON, &map("one")));
    asked.ask("and it is not there", Method::GET, "configmaps/one", NOTHING);
    asked.ask("create, an unknown dry run", Method::POST, "configmaps?dryRun=Some", (JSON, &map("one")));
    asked.ask_raw("create from YAML", Method::POST, maps, ("application/yaml", "metadata: {name: one}"));
    for (what, body) in [
        ("nothing", ""),
        ("half an object", "{"),
        ("a list", "[]"),
        ("a word", "x"),
        ("an object that ends too late", "{} {\"metadata\": {\"name\": \"a name\"}}"),
        ("a key that is none", "{a: 1}"),
    ] {
        asked.ask_raw(&format!("create from {what}"), Method::POST, maps, (JSON, body));
    }
    for (version, kind) in [("v1", "Nothing"), ("apps/v1", "ConfigMap"), ("apps/v1", "Deployment"), ("v1", "PodList")] {
        let other = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "two"}});
        asked.ask(&format!("create a {kind} of {version}"), Method::POST, maps, (JSON, &other));
    }
    let old = json!({"apiVersion": "apps/v1beta1", "kind": "StatefulSet", "metadata": {"name": "two"}});
    let sets = format!("/apis/apps/v1/namespaces/{}/statefulsets", asked.namespace);
    asked.ask("create a set of an older version", Method::POST, &sets, (JSON, &old));
    asked.ask("create in all namespaces", Method::POST, "/api/v1/configmaps", (JSON, &map("one")));

    let token = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    asked.ask("a token of a missing account", Method::POST, "serviceaccounts/missing/token", (JSON, &token));
    let mut short = token.clone();
    short["spec"] = json!({"expirationSeconds": 1});
    asked.ask("a token for a second", Method::POST, "serviceaccounts/default/token", (JSON, &short));
    let mut other = token;
    other["metadata"] = json!({"name": "missing"});
    asked.ask("a token by another name", Method::POST, "serviceaccounts/default/token", (JSON, &other));

    for (name, least) in [("one", 0), ("two", 0)] {
        world.create(&json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": name, "namespace": account.namespace},
            "spec": {"minAvailable": least, "selector": {"matchLabels": {"app.kubernetes.io/name": "wh9527"}}},
        }));
    }
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "wh9527-0"}});
    let path = "pods/wh9527-0/eviction";
    asked.ask("evict a pod of two budgets", Method::POST, path, (JSON, &eviction));
    let nameless = json!({"apiVersion": "policy/v1", "kind": "Eviction"});
    asked.ask("evict without a name", Method::POST, path, (JSON, &nameless));
    asked.ask("evict, another kind", Method::POST, path, (JSON, &map("wh9527-0")));

    let options = |options: Value| options;
    let pod = "pods/wh9527-0?dryRun=All";
    asked.ask("delete a pod in less than no time", Method::DELETE, &format!("{pod}&gracePeriodSeconds=-1"), NOTHING);
    asked.ask("delete a pod in no number of seconds", Method::DELETE, &format!("{pod}&gracePeriodSeconds=x"), NOTHING);
    let missing = "pods/missing-0";
    for wish in [
        options(json!({"propagationPolicy": "Sometimes"})),
        options(json!({"propagationPolicy": "Orphan", "orphanDependents": true})),
        options(json!({"dryRun": ["All", "Some"]})),
    ] {
        asked.ask(&format!("delete with {}", sorted(&wish)), Method::DELETE, missing, (JSON, &wish));
    }
    asked.ask_raw("delete with what is no JSON", Method::DELETE, missing, (JSON, "{"));
    asked.ask_raw("delete with what is no object's type", Method::DELETE, missing, ("text/plain", "{}"));
    asked.ask("delete a map", Method::DELETE, "configmaps/one", NOTHING);
    let foreground = json!({"propagationPolicy": "Foreground", "dryRun": ["All"]});
    asked.ask(
        "delete a set in the foreground, dry run",
        Method::DELETE,
        &format!("{sets}/wh9527"),
        (JSON, &foreground),
    );
    asked.ask("delete all that match, none", Method::DELETE, "configmaps?labelSelector=e2e%3Dnone", NOTHING);
    asked.ask("delete all, by a field that is none", Method::DELETE, "configmaps?fieldSelector=a%3Db", NOTHING);
    asked.ask("delete all pods everywhere", Method::DELETE, "/api/v1/pods", NOTHING);

    // A namespace that is kept by a finalizer of an object in it.
    let other = format!("{}-x", account.namespace);
    world.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}}));
    world.create(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
        "name": "kept", "namespace": other, "finalizers": ["e2e.synxdb.io/kept"]}}));
    let path = format!("/api/v1/namespaces/{other}");
    let wrong = |conditions: Value| json!({"preconditions": conditions});
    asked.ask("delete a namespace, another UID", Method::DELETE, &path, (JSON, &wrong(json!({"uid": OTHER_UID}))));
    let version = wrong(json!({"resourceVersion": "1"}));
    let what = "delete a namespace, an older version";
    let (code, answer) = {
        let request = Request::delete(&path).header(header::CONTENT_TYPE, JSON);
        asked.answer(what, request.body(Body::from(version.to_string().into_bytes())).unwrap())
    };
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let message = answer["message"].as_str().unwrap().rsplit_once(' ').unwrap().0.to_owned();
    let said = asked.normal(&format!("{what}\n  {code} {message} VERSION\n\n"));
    asked.text += &said;
    asked.ask("delete a namespace", Method::DELETE, &path, NOTHING);
    asked.ask("delete it again", Method::DELETE, &path, NOTHING);
    asked.ask("create within it", Method::POST, &format!("{path}/configmaps"), (JSON, &map("one")));
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
                     "spec": {"containers": [{"name": "c", "image": "synxdb/pause:4.0.0"}]}});
    asked.ask("create a pod within it", Method::POST, &format!("{path}/pods"), (JSON, &pod));
    let again = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}});
    asked.ask("create it once more", Method::POST, "/api/v1/namespaces", (JSON, &again));
    asked.ask("delete a namespace that must stay", Method::DELETE, "/api/v1/namespaces/default", NOTHING);
    let freed = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let kept = world.within::<ConfigMap>(&other);
    kept.patch("kept", &PatchParams::default(), &freed).await_in(&world).unwrap();
    insta::assert_snapshot!("creations-and-deletions", asked.text);
}
