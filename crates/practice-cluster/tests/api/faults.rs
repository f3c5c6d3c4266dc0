//! Each fault, as a client sees it.

use crate::support::Server;
use futures::{AsyncBufReadExt, TryStreamExt};
use kube::Client;
use practice_cluster::api::faults::{Applied, Fault, Rule, WatchEnd};
use practice_cluster::store::Key;
use serde_json::{Value, json};
use std::time::Duration;

const SERVICES: &str = "/api/v1/namespaces/ns/services";

/// Returns what a client saw of a request: the response's status, or that there was none, or only a part of it.
async fn seen(client: &Client, method: &str, path: &str) -> String {
    let kind = ("content-type", "application/merge-patch+json");
    let body = if method == "PATCH" { r#"{"metadata":{"labels":{"a":"b"}}}"# } else { "" };
    let request = http::Request::builder().method(method).uri(path).header(kind.0, kind.1);
    let Ok(response) = client.send(request.body(body.to_string().into_bytes().into()).unwrap()).await else {
        return "no answer".to_owned();
    };
    let (parts, body) = response.into_parts();
    let wait = parts.headers.get("retry-after").map(|wait| format!(", again in {}", wait.to_str().unwrap()));
    match axum::body::to_bytes(axum::body::Body::new(body), usize::MAX).await {
        Ok(_) => format!("{}{}", parts.status.as_u16(), wait.unwrap_or_default()),
        Err(_) => format!("{}, half", parts.status.as_u16()),
    }
}

#[tokio::test]
async fn each_fault_as_a_client_meets_it() {
    let refuse = |code, retry_after| Fault::Refuse { code, retry_after };
    // Fault, request, what the client sees, whether it was applied.
    for (fault, method, expected, done) in [
        (Fault::Drop, "DELETE", "no answer", false),
        (Fault::LoseAnswer, "DELETE", "no answer", true),
        (Fault::LoseAnswer, "PATCH", "no answer", true),
        (Fault::Twice, "DELETE", "404", true),
        (Fault::Twice, "PATCH", "200", true),
        (Fault::CutAnswer, "PATCH", "200, half", true),
        (refuse(403, None), "PATCH", "403", false),
        (refuse(429, Some(7)), "DELETE", "429, again in 7", false),
        (refuse(500, None), "DELETE", "500", false),
        (refuse(502, None), "DELETE", "502", false),
        (refuse(503, None), "PATCH", "503", false),
        (Fault::Deny { code: 504 }, "DELETE", "504", true),
        (Fault::Deny { code: 500 }, "PATCH", "500", true),
        (Fault::Delay(Duration::from_millis(1)), "DELETE", "200", true),
        // Not a watch's.
        (Fault::Silence { after: 0 }, "DELETE", "200", true),
    ] {
        let server = Server::start().await;
        let key = Key::new("services", "ns", "a");
        server.state.store.create(key.clone(), json!({"spec": {"ports": []}}), false).unwrap();
        let verb = method.to_lowercase();
        server.state.faults.add(Rule::on(&verb, "services", fault.clone()).within("ns").nth(1));
        let client = server.client("admin").await;
        assert_eq!(seen(&client, method, &format!("{SERVICES}/a")).await, expected, "{fault:?} {method}");
        let now = server.state.store.get(&key);
        let changed = now.is_none_or(|service| service["metadata"]["labels"]["a"] == "b");
        assert_eq!(changed, done, "{fault:?} {method}");
        // The next one is not affected.
        let again = seen(&client, method, &format!("{SERVICES}/a")).await;
        assert_eq!(again, if done && method == "DELETE" { "404" } else { "200" }, "{fault:?} {method}");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_rule_is_for_the_requests_it_names() {
    let server = Server::start().await;
    let client = server.client("admin").await;
    for pod in ["a", "b"] {
        server.running_pod(pod, json!({}));
    }
    let faults = &server.state.faults;
    let drop = |verb| Rule::on(verb, "pods", Fault::Drop);
    faults.add(drop("get").named("a").nth(2));
    faults.add(drop("list").times(1));
    faults.add(Rule::on("", "", Fault::Refuse { code: 503, retry_after: None }).within("other"));
    for (path, expected) in [
        ("/api/v1/namespaces/ns/pods/a", "200"),
        ("/api/v1/namespaces/ns/pods/b", "200"),
        ("/api/v1/namespaces/ns/pods/a", "no answer"),
        ("/api/v1/namespaces/ns/pods/a", "200"),
        ("/api/v1/namespaces/ns/pods", "no answer"),
        ("/api/v1/namespaces/ns/pods", "200"),
        ("/api/v1/namespaces/other/services/a", "503"),
        ("/version", "200"),
    ] {
        assert_eq!(seen(&client, "GET", path).await, expected, "{path}");
    }
    let applied = |verb: &str, resource: &str, name: &str, fault| Applied {
        verb: verb.into(),
        resource: resource.into(),
        name: name.into(),
        fault,
    };
    let refused = Fault::Refuse { code: 503, retry_after: None };
    assert_eq!(
        faults.applied(),
        [
            applied("get", "pods", "a", Fault::Drop),
            applied("list", "pods", "", Fault::Drop),
            applied("get", "services", "a", refused)
        ]
    );
    faults.clear();
    assert_eq!(seen(&client, "GET", "/api/v1/namespaces/other/services").await, "200");
    server.stop().await;
}

/// Returns the lines of a watch from the store's current version, while pods `a` and `b` are relabeled in turns.
async fn watched(fault: Fault) -> Vec<String> {
    let server = Server::start().await;
    for pod in ["a", "b"] {
        server.running_pod(pod, json!({}));
    }
    let store = &server.state.store;
    server.state.faults.add(Rule::on("watch", "pods", fault));
    let since = store.version();
    for (pod, label) in [("a", "1"), ("b", "2"), ("b", "3"), ("b", "4"), ("a", "5")] {
        let change = |object: &mut Value| {
            object["metadata"]["labels"]["l"] = json!(label);
            Ok(())
        };
        store.update(&Key::new("pods", "ns", pod), &Default::default(), false, change).unwrap();
    }
    let client = server.client("admin").await;
    let path = format!("/api/v1/namespaces/ns/pods?watch=1&timeoutSeconds=1&resourceVersion={since}");
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    let mut lines = client.request_stream(request).await.unwrap().lines();
    let mut seen = Vec::new();
    let read = async {
        loop {
            match lines.try_next().await {
                Ok(Some(line)) => seen.push(match serde_json::from_str::<Value>(&line) {
                    Ok(event) if event["type"] == "ERROR" => event["object"]["code"].to_string(),
                    Ok(event) => event["object"]["metadata"]["labels"]["l"].as_str().unwrap().to_owned(),
                    Err(_) => "half".to_owned(),
                }),
                Ok(None) => break seen.push("end".to_owned()),
                Err(_) => break seen.push("broken".to_owned()),
            }
        }
    };
    // Twice the longest life of a watch: nothing else distinguishes silence from an end.
    if tokio::time::timeout(Duration::from_secs(2), read).await.is_err() {
        seen.push("open".to_owned());
    }
    server.stop().await;
    seen
}

#[tokio::test]
async fn each_fault_of_a_watch_as_a_client_meets_it() {
    for (fault, expected) in [
        (Fault::Expire { after: 1 }, "1 410 end"),
        (Fault::CutWatch { after: 2 }, "1 2 broken"),
        (Fault::Silence { after: 3 }, "1 2 3 open"),
        (Fault::EndWatch(WatchEnd::Empty), "end"),
        (Fault::EndWatch(WatchEnd::NoContent), "end"),
        (Fault::EndWatch(WatchEnd::Truncated), "half end"),
        (Fault::Reorder, "2 1 3 4 5 end"),
        (Fault::Lag(Duration::from_millis(20)), "1 2 3 4 5 end"),
        // For lists and changes only.
        (Fault::LoseAnswer, "1 2 3 4 5 end"),
    ] {
        assert_eq!(watched(fault.clone()).await.join(" "), expected, "{fault:?}");
    }
}

#[tokio::test]
async fn a_list_of_a_past_version_expires() {
    let server = Server::start().await;
    server.running_pod("a", json!({}));
    server.state.faults.add(Rule::on("list", "pods", Fault::Expire { after: 0 }));
    let version = server.state.store.version();
    assert_eq!(server.get("/api/v1/namespaces/ns/pods").await.0, 200);
    let (code, answer) = server.get(&format!("/api/v1/namespaces/ns/pods?resourceVersion={version}")).await;
    assert_eq!((code, &answer["reason"]), (410, &json!("Expired")));
    server.stop().await;
}

/// A listener gets a report of each change, and the client's answer waits for it.
#[tokio::test]
async fn word_of_each_change() {
    let server = Server::start().await;
    let pod = server.running_pod("a", json!({}));
    let key = Key::new("pods", "ns", "a");
    let mut mutations = server.state.faults.mutations();
    let client = server.client("admin").await;
    let path = "/api/v1/namespaces/ns/pods/a";
    let patched = tokio::spawn({
        let client = client.clone();
        async move { seen(&client, "PATCH", path).await }
    });
    let word = mutations.recv().await.unwrap();
    let reported = &word.mutation;
    assert_eq!((reported.number, reported.verb.as_str(), reported.resource.as_str()), (1, "patch", "pods"));
    assert_eq!((reported.namespace.as_str(), reported.name.as_str()), ("ns", "a"));
    assert_eq!(reported.uid, pod["metadata"]["uid"]);
    assert_eq!(reported.impersonated, None);
    let now = server.state.store.get(&key).unwrap();
    assert_eq!(now["metadata"]["resourceVersion"], reported.version.to_string());
    assert_eq!(now["metadata"]["labels"]["a"], "b");
    assert!(!patched.is_finished());
    word.answered().await;
    assert_eq!(patched.await.unwrap(), "200");

    // Reads, rejections and dry runs change nothing.
    for (method, path, expected) in [
        ("GET", path, "200"),
        ("PATCH", "/api/v1/namespaces/ns/pods/none", "404"),
        ("PATCH", "/api/v1/namespaces/ns/pods/a?dryRun=All", "200"),
    ] {
        assert_eq!(seen(&client, method, path).await, expected, "{method} {path}");
    }
    let rehearsed = server.send("DELETE", path, json!({"dryRun": ["All"]})).await;
    assert_eq!(rehearsed.0, 200);
    // A change processed twice is reported twice; one whose answer is lost is reported, too.
    server.state.faults.add(Rule::on("patch", "pods", Fault::Twice).nth(1));
    server.state.faults.add(Rule::on("delete", "pods", Fault::LoseAnswer).nth(1));
    let client = server.client("admin").await;
    let both = tokio::spawn(async move {
        let patched = seen(&client, "PATCH", path).await;
        (patched, seen(&client, "DELETE", path).await)
    });
    for (number, verb) in [(2, "patch"), (3, "patch"), (4, "delete")] {
        let word = mutations.recv().await.unwrap();
        assert_eq!((word.mutation.number, word.mutation.verb.as_str()), (number, verb));
        word.answered().await;
    }
    assert_eq!(both.await.unwrap(), ("200".to_owned(), "no answer".to_owned()));
    // The impersonated user distinguishes clients of one identity.
    let client = server.client("admin").await;
    let as_jane = tokio::spawn(async move {
        let request = http::Request::patch(path).header("content-type", "application/merge-patch+json");
        let request = request.header("impersonate-user", "jane").header("impersonate-group", "system:masters");
        let body = json!({"metadata": {"labels": {"a": "c"}}}).to_string();
        client.send(request.body(body.into_bytes().into()).unwrap()).await.unwrap().status()
    });
    let word = mutations.recv().await.unwrap();
    assert_eq!(word.mutation.impersonated.as_deref(), Some("jane"));
    drop(word);
    assert_eq!(as_jane.await.unwrap(), 200);
    // Without a listener, nothing waits.
    drop(mutations);
    let (code, _) = server.send("DELETE", path, json!({})).await;
    assert_eq!(code, 200);
    server.stop().await;
}
