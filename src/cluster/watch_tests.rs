use super::*;
use crate::cluster::OutageKind;
use crate::cluster::testing::{Asked, Reply, Server};
use crate::error::Exit;
use kube::ResourceExt;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

const SOON: Duration = Duration::from_secs(5);

fn pod(name: &str, uid: &str, phase: &str) -> Value {
    json!({"metadata": {"name": name, "uid": uid, "resourceVersion": "6"}, "status": {"phase": phase}})
}

fn list(items: Vec<Value>) -> Reply {
    Reply::json(200, json!({"metadata": {"resourceVersion": "5"}, "items": items}))
}

fn event(kind: &str, object: Value) -> Value {
    json!({"type": kind, "object": object})
}

fn is_watch(asked: &Asked) -> bool {
    asked.query.contains("watch=true")
}

fn request() -> WatchRequest {
    WatchRequest { namespace: "a".to_owned(), volumes: Vec::new(), events: false, nodes: false }
}

/// Serves empty lists and silent watches, except for paths and verbs with their own replies, which are used one by one.
fn server(own: Vec<(&'static str, bool, Reply)>) -> Server {
    let mut answers: HashMap<(String, bool), Vec<Reply>> = HashMap::new();
    for (path, watch, answer) in own {
        answers.entry((path.to_owned(), watch)).or_default().insert(0, answer);
    }
    let answers = Arc::new(Mutex::new(answers));
    Server::new(move |asked| {
        let own = answers.lock().unwrap().get_mut(&(asked.path.clone(), is_watch(asked))).and_then(Vec::pop);
        own.unwrap_or_else(|| if is_watch(asked) { Reply::Never } else { list(Vec::new()) })
    })
}

const PODS: &str = "/api/v1/namespaces/a/pods";

fn pods(snapshot: &Snapshot) -> Vec<(String, String)> {
    let Read::Known(pods) = &snapshot.namespaces[0].pods else { panic!("{:?}", snapshot.namespaces[0].pods) };
    let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default();
    pods.iter().map(|pod| (pod.uid().unwrap_or_default(), phase(pod))).collect()
}

fn of(uid: &str, phase: &str) -> (String, String) {
    (uid.to_owned(), phase.to_owned())
}

#[tokio::test]
async fn changes_are_folded_into_the_listed_state() {
    let (events, answer) = Reply::watch();
    let server = server(vec![(PODS, false, list(vec![pod("p-0", "u1", "Running")])), (PODS, true, answer)]);
    let mut watch = server.cluster().watch(request());
    watch.opened(SOON).await.unwrap();
    assert_eq!(pods(watch.snapshot()), [of("u1", "Running")]);

    // The successor appears before the old pod's deletion: by name it is one pod, by UID it is the new one.
    events.send(event("MODIFIED", pod("p-0", "u1", "Failed"))).unwrap();
    assert_eq!(pods(watch.changed().await.unwrap()), [of("u1", "Failed")]);
    events.send(event("DELETED", pod("p-0", "u1", "Failed"))).unwrap();
    assert_eq!(pods(watch.changed().await.unwrap()), []);
    events.send(event("ADDED", pod("p-0", "u2", "Pending"))).unwrap();
    assert_eq!(pods(watch.changed().await.unwrap()), [of("u2", "Pending")]);
    events.send(event("DELETED", pod("p-0", "u1", "Failed"))).unwrap();
    assert_eq!(pods(watch.changed().await.unwrap()), [of("u2", "Pending")]);

    let asked = server.requests();
    let started = asked.iter().find(|asked| is_watch(asked) && asked.path == PODS).unwrap();
    assert!(started.query.contains("resourceVersion=5") && started.query.contains("allowWatchBookmarks=true"));
}

#[tokio::test]
async fn after_410_everything_is_listed_again() {
    let (events, answer) = Reply::watch();
    let lists =
        [list(vec![pod("p-0", "u1", "Running"), pod("p-1", "u3", "Running")]), list(vec![pod("p-0", "u2", "Running")])];
    let [first, second] = lists;
    let server = server(vec![(PODS, false, first), (PODS, true, answer), (PODS, false, second)]);
    let mut watch = server.cluster().watch(request());
    watch.opened(SOON).await.unwrap();
    assert_eq!(pods(watch.snapshot()).len(), 2);
    let expired = json!({"kind": "Status", "code": 410, "message": "too old", "reason": "Expired"});
    events.send(event("ERROR", expired)).unwrap();
    assert_eq!(pods(watch.changed().await.unwrap()), [of("u2", "Running")]);
}

#[tokio::test]
async fn what_may_not_be_read_is_unknown_and_the_rest_works() {
    let forbidden = || Reply::status(403, "events is forbidden");
    let server = Server::new(move |asked| match asked.path.as_str() {
        "/api/v1/namespaces/a/events" | "/api/v1/persistentvolumes" => forbidden(),
        "/api/v1/nodes" => Reply::Never,
        _ if is_watch(asked) => Reply::Never,
        _ => list(Vec::new()),
    });
    let everything = WatchRequest { volumes: vec!["pv-1".to_owned()], events: true, nodes: true, ..request() };
    let mut watch = server.cluster().watch(everything);
    watch.opened(Duration::from_millis(200)).await.unwrap();
    let snapshot = watch.snapshot();
    assert!(matches!(&snapshot.namespaces[0].events, Read::Unknown(why) if why.cause == Cause::Forbidden));
    assert!(matches!(&snapshot.volumes, Read::Unknown(why) if why.cause == Cause::Forbidden));
    assert!(matches!(&snapshot.nodes, Read::Unknown(why) if why.cause == Cause::TimedOut));
    let volume = server.requests().into_iter().find(|asked| asked.path == "/api/v1/persistentvolumes").unwrap();
    assert!(volume.query.contains("fieldSelector=metadata.name%3Dpv-1"));
}

#[tokio::test]
async fn without_pods_there_is_no_watch() {
    let server = server(vec![(PODS, false, Reply::status(403, "pods is forbidden"))]);
    let error = server.cluster().watch(request()).opened(SOON).await.unwrap_err();
    assert_eq!((error.exit, error.what.as_str()), (Exit::Refused, "not allowed to watch pods in namespace a"));

    let silent = Server::new(|_| Reply::Never);
    let error = silent.cluster().watch(request()).opened(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.exit, Exit::Error);
    assert!(error.to_string().contains("no response within 50 ms"), "{error}");

    let broken = Server::new(|_| Reply::Broken);
    let error = broken.cluster().watch(request()).opened(Duration::from_millis(300)).await.unwrap_err();
    assert!(error.what.contains("is unreachable"), "{error}");
}

#[tokio::test]
async fn an_api_server_that_goes_away_is_said_and_waited_for() {
    let (first, answer) = Reply::watch();
    let (second, again) = Reply::watch();
    let server = server(vec![
        (PODS, false, list(vec![pod("p-0", "u1", "Running")])),
        (PODS, true, answer),
        (PODS, true, Reply::Broken),
        (PODS, true, again),
    ]);
    let mut watch = server.cluster().watch(request());
    watch.opened(SOON).await.unwrap();
    assert_eq!(watch.connection(), Connection::Up);
    drop(first);
    watch.changed().await.unwrap();
    let outage = watch.outage().unwrap();
    assert_eq!((outage.what, outage.reason.as_str()), (OutageKind::Server, "connection reset"));
    assert!(outage.to_string().starts_with("the API server has not responded since "), "{outage}");
    watch.changed().await.unwrap();
    assert_eq!(watch.connection(), Connection::Up);
    // What was known is still known, and watching goes on.
    assert_eq!(pods(watch.snapshot()), [of("u1", "Running")]);
    second.send(event("MODIFIED", pod("p-0", "u1", "Failed"))).unwrap();
    assert_eq!(pods(watch.changed().await.unwrap()), [of("u1", "Failed")]);
}

/// A server, or a proxy before it, that ends each watch at once: it is opened again less and less often, and what
/// happened is seen all the same, by listing again.
#[tokio::test]
async fn watches_that_end_at_once_are_not_opened_thousands_of_times() {
    let half = json!({"type": "MODIFIED", "object": pod("p-0", "u9", "Failed")}).to_string();
    for ended in [Reply::empty(204), Reply::empty(200), Reply::empty(200).with_body(&half[..40])] {
        let listed = Arc::new(Mutex::new(0));
        let counted = listed.clone();
        let server = Server::new(move |asked| match (asked.path.as_str(), is_watch(asked)) {
            (PODS, true) => ended.clone(),
            (PODS, false) => {
                let mut listed = counted.lock().unwrap();
                *listed += 1;
                list(vec![pod("p-0", &format!("u{listed}"), "Running")])
            }
            (_, true) => Reply::Never,
            (_, false) => list(Vec::new()),
        });
        let started = Instant::now();
        let mut watch = server.cluster().watch(request());
        watch.opened(SOON).await.unwrap();
        // The second list comes after three watches, the third after one more.
        while pods(watch.snapshot()) != [of("u3", "Running")] {
            watch.changed().await.unwrap();
        }
        let opened = server.requests().iter().filter(|asked| asked.path == PODS && is_watch(asked)).count();
        assert!((4..=5).contains(&opened), "{opened}");
        // Half of 50, 400, 800 and 1600 ms, at least.
        assert!(started.elapsed() >= Duration::from_millis(1425), "{:?}", started.elapsed());
        assert_eq!(watch.connection(), Connection::Up, "what is listed is up to date");
    }
}

/// One that accepts requests and never responds: noticed although the watches are silent anyway.
#[tokio::test]
async fn a_server_that_freezes_is_noticed_and_so_is_its_return() {
    let frozen = Arc::new(Mutex::new(false));
    let is_frozen = frozen.clone();
    let (_events, silent) = Reply::watch();
    let server = Server::new(move |asked| match is_watch(asked) {
        true if asked.path == PODS => silent.clone(),
        true => Reply::Never,
        false if *is_frozen.lock().unwrap() => Reply::Never,
        false => list(vec![pod("p-0", "u1", "Running")]),
    });
    let mut cluster = server.cluster();
    cluster.request_timeout = Some(Duration::from_millis(400));
    let mut watch = cluster.watch(request());
    watch.opened(SOON).await.unwrap();
    let begun = Instant::now();
    *frozen.lock().unwrap() = true;
    watch.changed().await.unwrap();
    let outage = watch.outage().unwrap();
    assert_eq!((outage.what, outage.reason.as_str()), (OutageKind::Server, "no response within 200 ms"));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // Since the last response, not since it was noticed.
    assert!(outage.since.elapsed() >= Duration::from_millis(200), "{outage:?}");
    *frozen.lock().unwrap() = false;
    watch.changed().await.unwrap();
    assert_eq!(watch.connection(), Connection::Up);
    // Whoever waits for something else is told, too.
    *frozen.lock().unwrap() = true;
    let mut outages = watch.outages();
    assert_eq!(outages.next().await.unwrap().what, OutageKind::Server);
    assert!(tokio::time::timeout(Duration::from_millis(50), outages.next()).await.is_err(), "once");
}

/// The server responds, but one kind can be neither watched nor listed: its last state is not the current one.
#[tokio::test]
async fn a_watch_that_keeps_failing_is_an_outage_of_its_kind() {
    let server = Server::new(|asked| match (asked.path.as_str(), is_watch(asked)) {
        (PODS, true) => Reply::status(500, "etcdserver: leader changed"),
        (_, true) => Reply::Never,
        (_, false) => list(Vec::new()),
    });
    let mut cluster = server.cluster();
    cluster.request_timeout = Some(Duration::from_millis(400));
    let mut watch = cluster.watch(request());
    watch.opened(SOON).await.unwrap();
    while watch.connection() == Connection::Up {
        watch.changed().await.unwrap();
    }
    let outage = watch.outage().unwrap();
    assert_eq!(outage.what, OutageKind::Watch("pods"));
    assert!(outage.to_string().contains("changes of pods are unknown since "), "{outage}");
}

#[tokio::test]
async fn credentials_that_expire_end_the_watch() {
    let (events, answer) = Reply::watch();
    let server = server(vec![(PODS, true, answer), (PODS, true, Reply::status(401, "Unauthorized"))]);
    let mut watch = server.cluster().watch(request());
    watch.opened(SOON).await.unwrap();
    drop(events);
    let error = watch.changed().await.unwrap_err();
    assert!(error.what.contains("rejected the credentials of context test"), "{error}");
}
