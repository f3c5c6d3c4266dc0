//! How often and how long the Lease is requested, and its release at the end.

use super::tests::{Kube, claim, hold, let_age, someone};
use super::*;
use crate::cluster::testing::{Reply, Server};
use serde_json::json;

/// Everything sooner, so that tests can observe it.
const QUICK: Pace = Pace {
    renewed: Duration::from_millis(5),
    again: Duration::from_millis(1),
    fresh: Duration::from_secs(7),
    persistence: Duration::from_millis(300),
};

async fn quick(server: &Server, claim: LeaseRequest<'_>) -> LeaseGuard {
    server.cluster().hold_at(QUICK, claim, None, &mut |_| {}).await.unwrap()
}

/// Waits until the renewing task has ended.
async fn ended(renewal: tokio::task::AbortHandle) {
    let ended = async {
        while !renewal.is_finished() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(20), ended).await.unwrap();
}

fn renewal(hold: &LeaseGuard) -> tokio::task::AbortHandle {
    hold.renewal.as_ref().unwrap().abort_handle()
}

/// It lasts ten seconds: a renewal may fail and be repeated before a change has to renew it, and a change ends before
/// it expires.
#[test]
fn one_renewal_may_fail_before_a_change_has_to_ask_for_it() {
    assert_eq!((PACE.next(true), PACE.next(false)), (PACE.renewed, PACE.again));
    assert!(PACE.renewed + PACE.again < PACE.fresh && PACE.fresh < LASTS);
    assert!(PACE.persistence > LASTS, "its holder may be gone by then");
}

#[tokio::test]
async fn it_is_renewed_while_it_is_held_and_not_afterwards() {
    let kube = Kube::default();
    let server = kube.server();
    let holding = quick(&server, claim("one", "alice")).await;
    let first = kube.lease.lock().unwrap().clone().unwrap();
    kube.written(kube.writes() + 3).await;
    let later = kube.lease.lock().unwrap().clone().unwrap();
    let mut writes = server.requests().into_iter().filter(|asked| asked.method != "GET");
    assert!(writes.all(|asked| asked.query.contains("fieldManager=kubectl-synxdb")));
    assert!(later["spec"]["renewTime"].as_str() > first["spec"]["renewTime"].as_str(), "{first} {later}");
    // The time of acquisition stays, for people who read the Lease.
    assert!(first["spec"]["acquireTime"].is_string(), "{first}");
    assert_eq!(later["spec"]["acquireTime"], first["spec"]["acquireTime"]);
    assert_eq!(later["spec"]["holderIdentity"], first["spec"]["holderIdentity"]);

    // A run that ends without releasing it: it expires on its own.
    let renewing = renewal(&holding);
    drop(holding);
    ended(renewing).await;
    assert_eq!(kube.held(), "failover one of p-0 by alice at alices-host/1");

    let kube = Kube::default();
    let holding = quick(&kube.server(), claim("one", "alice")).await;
    let renewing = renewal(&holding);
    holding.release().await.unwrap();
    ended(renewing).await;
    assert_eq!(kube.held(), serde_json::Value::Null);
}

#[tokio::test]
async fn a_failed_renewal_is_repeated_until_another_process_has_the_lease() {
    let kube = Kube::default();
    let holding = quick(&kube.server(), claim("one", "alice")).await;
    kube.trouble(vec![(Reply::status(500, "etcd"), false), (Reply::Broken, false), (Reply::Broken, true)]);
    kube.written(kube.writes() + 3).await;
    assert_eq!((holding.stands().await, holding.lost()), (Ok(()), None));

    let renewing = renewal(&holding);
    kube.written_by(&someone("two", "bob"), 10);
    ended(renewing).await;
    let why = holding.lost().unwrap();
    assert!(why.to_string().contains("was taken over: failover two of p-0 by bob"), "{why}");
    assert_eq!(holding.stands().await, Err(why));
    assert_eq!(kube.held(), "failover two of p-0 by bob at bobs-host/1");
}

/// If it was deleted, it is created again: after either response that a server has for that.
#[tokio::test]
async fn a_deleted_lease_is_created_again() {
    for answer in [Reply::status(404, "not found"), Reply::status(409, "modified")] {
        let kube = Kube::default();
        let holding = hold(&kube.server(), claim("one", "alice")).await.0.unwrap();
        let_age(&holding, 8).await;
        kube.deleted();
        kube.trouble(vec![(answer, false)]);
        holding.stands().await.unwrap();
        assert_eq!(kube.held(), "failover one of p-0 by alice at alices-host/1");
        let made = kube.lease.lock().unwrap().clone().unwrap();
        assert_eq!(made["metadata"]["name"], LEASE);
        assert!(made["metadata"]["annotations"][HOLDER].is_string(), "who holds it is told to machines, too: {made}");
    }
}

/// Another process had it for a while and may have changed things: no further change is made, although it is free now.
#[tokio::test]
async fn a_lease_that_another_process_had_is_lost_although_it_is_free() {
    let kube = Kube::default();
    let holding = hold(&kube.server(), claim("one", "alice")).await.0.unwrap();
    let_age(&holding, 8).await;
    kube.written_by(&someone("two", "bob"), 10);
    kube.lease.lock().unwrap().as_mut().unwrap()["spec"]["holderIdentity"] = json!(null);
    let why = holding.stands().await.unwrap_err();
    assert_eq!(why.to_string(), "another client acquired and released the Lease kubectl-synxdb");
}

/// A server that stays in trouble is tried several times, and then the error is reported.
#[tokio::test]
async fn it_is_asked_for_so_long_and_no_longer() {
    let trouble = |method: &'static str| {
        Server::new(move |asked| match asked.method.as_str() {
            "GET" if method != "GET" => Reply::status(404, "not found"),
            _ => Reply::status(503, "starting"),
        })
    };
    for method in ["GET", "POST"] {
        let server = trouble(method);
        let cluster = server.cluster();
        let mut quiet = |_| {};
        let taken = cluster.hold_at(QUICK, claim("one", "alice"), None, &mut quiet);
        let error = timeout(Duration::from_secs(20), taken).await.unwrap().err().unwrap();
        assert!(error.what.contains("is unreachable") && error.why == ["starting"], "{error:?}");
        let asked = server.requests().iter().filter(|asked| asked.method == method).count();
        assert!(asked > 2, "{method}: {asked}");
    }

    let kube = Kube::default();
    let server = kube.server();
    let mut holding = quick(&server, claim("one", "alice")).await;
    holding.renewal.take().unwrap().abort();
    let_age(&holding, 8).await;
    kube.trouble(vec![(Reply::status(500, "etcd"), false); 1000]);
    let before = server.requests().len();
    let why = timeout(Duration::from_secs(20), holding.stands()).await.unwrap().unwrap_err();
    assert_eq!(why.to_string(), "the Lease kubectl-synxdb could not be renewed in time: etcd");
    assert!(server.requests().len() > before + 2);
}

/// The same for a Lease that was waited for: whether it was renewed is read until there is a response.
#[tokio::test]
async fn what_was_waited_for_is_looked_at_until_there_is_an_answer() {
    let kube = Kube::default();
    kube.written_by(&someone("one", "alice"), 1);
    let server = kube.server();
    let Read::Known(seen) = server.cluster().lease("a", DEADLINE).await else { panic!() };
    kube.read_trouble(vec![Reply::status(500, "etcd"); 7]);
    // The wait is longer than what is left of the time after it.
    let cluster = server.cluster();
    let pace = Pace { persistence: Duration::from_millis(900), ..QUICK };
    kube.trouble(vec![(Reply::status(503, "starting"), false)]);
    let taken = cluster.hold_at(pace, claim("one", "bob"), Some(seen.clone()), &mut |_| {}).await.unwrap();
    assert_eq!(kube.held(), "failover one of p-0 by bob at bobs-host/1");
    drop(taken);

    kube.written_by(&someone("one", "alice"), 1);
    kube.read_trouble(vec![Reply::status(500, "etcd"); 1000]);
    let taken = cluster.hold_at(QUICK, claim("one", "bob"), Some(seen), &mut |_| {}).await;
    assert!(taken.err().unwrap().to_string().contains("get leases"));
    assert_eq!(kube.held(), "failover one of p-0 by alice at alices-host/1");
}

/// A forbidden request is not retried, and neither is an invalid one.
#[tokio::test]
async fn a_permanent_error_is_not_retried() {
    for code in [400, 403, 422] {
        let server = Server::new(move |_| Reply::status(code, "no"));
        server.cluster().hold(claim("one", "alice"), None, &mut |_| {}).await.err().unwrap();
        assert_eq!(server.requests().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn each_namespace_has_its_own_lease() {
    let server = Server::new(|asked| {
        let namespace = asked.path.split('/').nth(5).unwrap().to_owned();
        match namespace.as_str() {
            "free" => Reply::status(404, "not found"),
            "denied" => Reply::status(403, "leases is forbidden"),
            _ => Reply::json(
                200,
                json!({"metadata": {"name": LEASE}, "spec": {"holderIdentity": namespace,
                "renewTime": "2026-01-01T00:00:00.000000Z"}}),
            ),
        }
    });
    let names = ["b", "free", "denied", "a"].map(str::to_owned);
    let found = server.cluster().leases_of(&names, DEADLINE).await;
    let now: Timestamp = "2026-01-01T00:00:02Z".parse().unwrap();
    let said: Vec<String> = found
        .into_iter()
        .map(|(name, read)| match read {
            Read::Known(sighting) => format!("{name}: {:?}", sighting.standing(now)),
            Read::Unknown(part) => format!("{name}: {}, {:?}", part.resource, part.namespace),
            Read::NotAsked => name,
        })
        .collect();
    assert_eq!(said.len(), 4);
    assert!(said[0].starts_with("b: Held(") && said[0].contains("holder: \"b\""), "{said:?}");
    assert_eq!(said[1..3], ["free: Free", "denied: leases, Some(\"denied\")"]);
    assert!(said[3].starts_with("a: Held("), "{said:?}");
}

/// Any client may write a Lease. An invalid one is not free, and keeps its holder and version.
#[test]
fn an_invalid_lease_is_held_by_its_holder() {
    let metadata = json!({"name": LEASE, "resourceVersion": "7"});
    let lease = |spec: serde_json::Value| lease_of(json!({"metadata": metadata, "spec": spec}));
    let renewed = |lease: &Lease| lease.spec.as_ref().unwrap().renew_time.clone().map(|time| time.0.as_second());
    let time = "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap().as_second();
    let last = Timestamp::MAX.as_second();
    for (spec, holder, at) in [
        (json!({"holderIdentity": "x", "renewTime": "2026-01-01T00:00:00.000000Z"}), Some("x"), Some(time)),
        (json!({"holderIdentity": "x", "renewTime": null}), Some("x"), None),
        (json!({"holderIdentity": "x"}), Some("x"), None),
        (json!({}), None, None),
        // An invalid time is the latest possible one: it has not expired by then.
        (json!({"holderIdentity": "x", "renewTime": "31-12-99999"}), Some("x"), Some(last)),
        (json!({"holderIdentity": "x", "renewTime": 7, "acquireTime": "x"}), Some("x"), Some(last)),
        // Of an invalid Lease only the holder remains.
        (json!({"holderIdentity": "x", "leaseDurationSeconds": "long"}), Some("x"), None),
        (json!({"holderIdentity": ["x"]}), Some("unknown holder (invalid lease specification)"), None),
        (json!("nonsense"), Some("unknown holder (invalid lease specification)"), None),
    ] {
        let lease = lease(spec.clone());
        assert_eq!(lease.spec.as_ref().unwrap().holder_identity.as_deref(), holder, "{spec}");
        assert_eq!(renewed(&lease), at, "{spec}");
        assert_eq!(lease.metadata.resource_version.as_deref(), Some("7"), "{spec}");
    }
    let none = lease_of(json!({"metadata": metadata}));
    assert_eq!(none.spec, None);
    // Without valid metadata, the version that was seen is still updated.
    let odd = lease_of(json!({"metadata": {"name": LEASE, "resourceVersion": "7", "labels": 3}, "spec": {}}));
    assert_eq!((odd.metadata.name.as_deref(), odd.metadata.resource_version.as_deref()), (Some(LEASE), Some("7")));
}

/// "Too many requests" is unambiguous: what is stored was not written by that attempt, even if it has the same holder.
#[tokio::test]
async fn only_a_write_that_may_have_been_done_makes_a_lease_ours() {
    let ours = someone("one", "alice");
    for (answer, is_ours) in [
        (Reply::Broken, true),
        (Reply::status(500, "etcd"), true),
        (Reply::status(429, "slow"), false),
        (Reply::status(409, "modified"), false),
    ] {
        let kube = Kube::default();
        let server = kube.server_with_rival(ours.clone(), answer.clone());
        let cluster = server.cluster();
        let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
        let mut tell = |sentence: String| sender.send(sentence).unwrap();
        // Another holder's Lease is waited for, and the wait is reported.
        let taken = tokio::select! {
            taken = cluster.hold(claim("one", "alice"), None, &mut tell) => { taken.unwrap(); true }
            told = told.recv() => { assert!(told.unwrap().starts_with("waiting 10 s for it to expire")); false }
        };
        assert_eq!(taken, is_ours);
    }
}
