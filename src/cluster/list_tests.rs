use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::super::testing::{Asked, Reply, Server};
use super::*;
use crate::cluster::snapshot::Cause;

const SOON: Duration = Duration::from_secs(5);

fn listing(server: &Server, freshness: Freshness) -> Listing<'static> {
    Listing {
        cluster: Box::leak(Box::new(server.cluster())),
        url: "/api/v1/pods",
        selected: ListParams::default(),
        freshness,
        metadata_only: false,
        namespaces: None,
        deadline: SOON,
    }
}

fn objects(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"metadata": {"name": name, "namespace": "n"}})).collect()
}

fn page(names: &[&str], version: &str, resume: &str) -> Reply {
    Reply::json(200, json!({"metadata": {"continue": resume, "resourceVersion": version}, "items": objects(names)}))
}

async fn names(listing: &Listing<'_>) -> Result<Vec<String>, Failure> {
    let pods = listing.read::<Pod, Vec<Pod>>(|_| ()).await?;
    Ok(pods.iter().map(ResourceExt::name_any).collect())
}

fn queries(server: &Server) -> Vec<String> {
    server.requests().into_iter().map(|asked| asked.query.trim_matches('&').to_owned()).collect()
}

#[tokio::test]
async fn a_consistent_list_comes_in_pages() {
    let server = Server::new(|asked| match asked.query.as_str() {
        query if query.contains("continue=t2") => page(&["c"], "5", ""),
        query if query.contains("continue=t1") => page(&["b"], "5", "t2"),
        _ => page(&["a"], "5", "t1"),
    });
    assert_eq!(names(&listing(&server, Freshness::Consistent)).await.unwrap(), ["a", "b", "c"]);
    assert_eq!(queries(&server), ["limit=500", "limit=500&continue=t1", "limit=500&continue=t2"]);
}

/// API servers ignore `limit` there.
#[tokio::test]
async fn a_cached_list_is_one_response() {
    let server = Server::new(|_| page(&["a", "b"], "5", ""));
    assert_eq!(names(&listing(&server, Freshness::Cached)).await.unwrap(), ["a", "b"]);
    assert_eq!(queries(&server), ["resourceVersion=0"]);
}

/// Objects of an expired list are never mixed with those of a newer one.
#[tokio::test]
async fn an_expired_token_starts_the_list_over() {
    let starts = AtomicUsize::new(0);
    let server = Server::new(move |asked: &Asked| {
        if asked.query.contains("continue=") {
            return match starts.load(Ordering::Relaxed) {
                1 => Reply::status(410, "expired"),
                _ => page(&["new-b"], "9", ""),
            };
        }
        match starts.fetch_add(1, Ordering::Relaxed) {
            0 => page(&["old-a"], "5", "t"),
            _ => page(&["new-a"], "9", "t"),
        }
    });
    assert_eq!(names(&listing(&server, Freshness::Consistent)).await.unwrap(), ["new-a", "new-b"]);
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn pages_that_always_expire_are_replaced_by_one_response() {
    let server = Server::new(|asked| match asked.query.as_str() {
        query if query.contains("continue=") => Reply::status(410, "expired"),
        query if query.contains("limit=") => page(&["a"], "5", "t"),
        _ => page(&["a", "b"], "6", ""),
    });
    assert_eq!(names(&listing(&server, Freshness::Consistent)).await.unwrap(), ["a", "b"]);
    assert_eq!(server.requests().len(), 5);
}

/// What a server sends instead of 410: the rest of the list, as it is now.
#[tokio::test]
async fn pages_of_different_versions_are_not_one_list() {
    let server = Server::new(|asked| match asked.query.as_str() {
        query if query.contains("continue=") => page(&["b"], "6", ""),
        query if query.contains("limit=") => page(&["a"], "5", "t"),
        _ => page(&["a", "b", "c"], "7", ""),
    });
    assert_eq!(names(&listing(&server, Freshness::Consistent)).await.unwrap(), ["a", "b", "c"]);
}

/// A 410 for anything but a continued list is an error like others.
#[tokio::test]
async fn a_list_that_is_gone_is_an_error() {
    let server = Server::new(|_| Reply::status(410, "gone"));
    assert_eq!(names(&listing(&server, Freshness::Consistent)).await.unwrap_err().code, 410);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn pages_without_end_are_given_up() {
    let server = Server::new(|_| page(&[], "5", "again"));
    let failure = names(&listing(&server, Freshness::Consistent)).await.unwrap_err();
    assert_eq!(failure.reason, "the response is larger than 192 MiB");
    assert_eq!(server.requests().len(), MOST_PAGES);
}

#[tokio::test]
async fn objects_of_other_namespaces_are_dropped() {
    let server = Server::new(|_| {
        let items = ["a", "b", "a"].map(|namespace| json!({"metadata": {"namespace": namespace, "name": namespace}}));
        Reply::json(200, json!({"metadata": {}, "items": items}))
    });
    let wanted = BTreeSet::from(["a", "c"]);
    let listing = Listing { namespaces: Some(&wanted), ..listing(&server, Freshness::Cached) };
    assert_eq!(names(&listing).await.unwrap(), ["a", "a"]);
    // A large list from the cache would be one late response.
    assert_eq!(queries(&server), ["limit=1000"]);
}

/// `limit` objects per page: a response of many objects may take longer than one of few.
#[tokio::test]
async fn the_time_grows_with_the_objects_and_is_limited() {
    let server = Server::new(|_| Reply::Never);
    for (seen, given, share, longest) in [
        (0, None, 2, 2),
        (499, None, 2, 2),
        (500, None, 4, 4),
        (5000, None, 22, 22),
        (u32::MAX, None, 30, 30),
        (5000, Some(10), 22, 10),
        (0, Some(1), 2, 1),
        (0, Some(60), 2, 60),
    ] {
        let cluster = Cluster { request_timeout: given.map(Duration::from_secs), ..server.cluster() };
        let deadline = Duration::from_secs(2);
        let listing = Listing { cluster: &cluster, deadline, ..listing(&server, Freshness::Cached) };
        assert_eq!(
            listing.limits(seen),
            (Duration::from_secs(share), Duration::from_secs(longest)),
            "{seen} {given:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle_is_not_waited_for() {
    for reply in [Reply::Never, Reply::Stalled(r#"{"metadata":{},"items":[{"metadata":{}},"#.to_owned())] {
        let server = Server::new(move |_| reply.clone());
        let listing = Listing { deadline: Duration::from_millis(40), ..listing(&server, Freshness::Cached) };
        let failure = names(&listing).await.unwrap_err();
        assert_eq!((failure.cause, failure.reason.as_str()), (Cause::TimedOut, "no response within 40 ms"));
    }
}

/// What was read before the connection broke is not read twice into the result.
#[tokio::test]
async fn a_response_that_breaks_off_is_read_once_more() {
    let half = r#"{"metadata":{},"items":[{"metadata":{"name":"a"}},"#;
    let whole = page(&["a", "b"], "5", "");
    let server = Server::sequence(vec![Reply::Cut(half.to_owned()), whole]);
    assert_eq!(names(&listing(&server, Freshness::Cached)).await.unwrap(), ["a", "b"]);
    let server = Server::sequence(vec![Reply::Cut(half.to_owned()), Reply::Cut(half.to_owned())]);
    assert_eq!(names(&listing(&server, Freshness::Cached)).await.unwrap_err().cause, Cause::Unreachable);
}

/// Fewer objects than there are would look like a smaller cluster.
#[tokio::test]
async fn a_list_that_ends_early_is_an_error() {
    let server = Server::new(|_| Reply::text(200, r#"{"metadata":{},"items":[{"metadata":{"name":"a"}}"#));
    let failure = names(&listing(&server, Freshness::Cached)).await.unwrap_err();
    assert_eq!(failure.reason, "the response is not from a Kubernetes API server");
}

#[tokio::test]
async fn one_object_and_all_objects_are_limited() {
    let large = json!({"metadata": {}, "items": [{"data": {"a": "x".repeat(LONGEST_LINE)}}]}).to_string();
    let small = format!("{{\"metadata\":{{}},\"items\":[{}{{}}]}}", "{},".repeat(MOST_KEPT / LEAST));
    for (text, reason) in
        [(large, "the response is larger than 16 MiB"), (small, "the response is larger than 192 MiB")]
    {
        let server = Server::new(move |_| Reply::text(200, &text));
        let listing = Listing { url: "/api/v1/configmaps", ..listing(&server, Freshness::Cached) };
        let failure = listing.read::<ConfigMap, Vec<ConfigMap>>(|_| ()).await.unwrap_err();
        assert_eq!(failure.reason, reason);
    }
}

/// Small as JSON, large in memory: what many lists keep has one limit, with what each object and each in its arrays takes.
#[tokio::test]
async fn objects_in_objects_count_and_a_response_is_limited() {
    let claims = "{},".repeat(MOST_KEPT / LEAST_INNER / 8);
    let item = format!("{{\"metadata\":{{\"ownerReferences\":[{}{{}}]}}}}", claims);
    let text = format!("{{\"metadata\":{{}},\"items\":[{}{item}]}}", format!("{item},").repeat(8));
    let many = format!("{{\"metadata\":{{}},\"items\":[{}{{}}]}}", "{},".repeat(MOST_OBJECTS));
    let nested = format!("{{\"metadata\":{{}},\"items\":[{{\"a\":{}", "[".repeat(300));
    let nested = nested + &"]".repeat(300) + "}]}";
    let long = format!("{{\"metadata\":{{}},\"items\":[{{\"kind\":\"{}\"}}", "x".repeat(LONGEST_LINE - 100));
    let long = format!("{long}{}]}}", long[long.find("[{").unwrap() + 1..].to_owned().replacen('{', ",{", 1).repeat(8));
    let others = BTreeSet::from(["other"]);
    for (what, text, namespaces, reason) in [
        ("inner", text, None, "the response is larger than 192 MiB"),
        ("many", many, Some(&others), "the response has more than 1000000 objects"),
        ("nested", nested, None, "the response is nested too deeply"),
        ("long", long, Some(&others), "the response is larger than 128 MiB"),
    ] {
        let server = Server::new(move |_| Reply::text(200, &text));
        let listing = Listing { namespaces, deadline: Duration::from_secs(100), ..listing(&server, Freshness::Cached) };
        assert_eq!(names(&listing).await.unwrap_err().reason, reason, "{what}");
    }
}
