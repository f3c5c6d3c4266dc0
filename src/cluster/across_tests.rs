use serde_json::json;

use super::super::snapshot::Snapshot;
use super::super::testing::{Asked, Reply, Server};
use super::super::{Freshness, ReadRequest};
use super::*;

fn owned(names: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    names.into_iter().map(Into::into).collect()
}

fn many(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("n{number}")).collect()
}

/// Two objects in each of the first two namespaces, and one elsewhere.
fn list() -> Reply {
    let object = |namespace: &str, name: &str| json!({"metadata": {"namespace": namespace, "name": name}});
    let items = [object("n0", "a"), object("n0", "b"), object("n1", "a"), object("other", "a"), object("n1", "b")];
    Reply::json(200, json!({"metadata": {"resourceVersion": "5"}, "items": items}))
}

async fn read(server: &Server, count: usize) -> Snapshot {
    server.cluster().read(&request(count)).await
}

fn request(count: usize) -> ReadRequest {
    ReadRequest {
        namespaces: many(count),
        other_namespaces: owned(["default", "other"]),
        disruption_budgets: true,
        freshness: Freshness::Consistent,
        ..ReadRequest::default()
    }
}

fn paths(server: &Server) -> Vec<String> {
    let mut paths: Vec<String> = server.requests().into_iter().map(|Asked { path, .. }| path).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn many_namespaces_are_read_by_one_list_of_each_kind() {
    let server = Server::new(|_| list());
    let snapshot = read(&server, 200).await;
    assert_eq!(
        paths(&server),
        [
            "/api/v1/persistentvolumeclaims",
            "/api/v1/pods",
            "/apis/apps/v1/statefulsets",
            "/apis/policy/v1/poddisruptionbudgets"
        ]
    );
    let selector = "fieldSelector=metadata.namespace%21%3Ddefault%2Cmetadata.namespace%21%3Dother";
    assert!(server.requests().iter().all(|asked| asked.query.contains(selector)), "{:?}", server.requests());
    let read = |at: usize| {
        let objects = &snapshot.namespaces[at];
        let counts = [objects.pods.items().len(), objects.claims.items().len(), objects.stateful_sets.items().len()];
        (objects.namespace.as_str(), counts, objects.disruption_budgets.items().len())
    };
    assert_eq!((read(0), read(1)), (("n0", [2; 3], 2), ("n1", [2; 3], 2)));
    // Read, and empty: not the same as not read.
    assert!(
        snapshot.namespaces.len() == 200
            && matches!(&snapshot.namespaces[199].pods, Read::Known(none) if none.is_empty())
    );
}

/// Packed or not, the same is known of each namespace, also why something is not.
#[tokio::test]
async fn packed_namespaces_have_the_same_objects() {
    let server = Server::new(|asked| match asked.path.as_str() {
        "/apis/apps/v1/statefulsets" => Reply::status(410, "gone"),
        _ => list(),
    });
    let whole = read(&server, 6).await;
    let packed = server.cluster().read(&ReadRequest { packed: true, ..request(6) }).await;
    assert!(packed.namespaces.is_empty() && whole.packed.is_empty());
    let objects = |snapshot: &Snapshot| snapshot.objects().map(|objects| format!("{objects:?}")).collect::<Vec<_>>();
    assert_eq!(objects(&packed), objects(&whole));
    assert_eq!(objects(&packed).len(), 6);
    assert!(packed.names_read().eq(whole.names_read()));
    assert_eq!(packed.unread_pods().flatten().count(), 0);
    let unread = Server::new(|_| Reply::status(410, "gone"));
    let packed = unread.cluster().read(&ReadRequest { packed: true, ..request(6) }).await;
    assert!(packed.unread_pods().all(|part| part.is_some_and(|part| part.cause == Cause::Refused)));
}

/// A kind that may not be listed everywhere is listed in each namespace; the others are not.
#[tokio::test]
async fn who_may_not_list_everywhere_reads_each_namespace() {
    for refusal in
        [Reply::status(403, "no"), Reply::status(400, "field label not supported"), Reply::status(504, "timed out")]
    {
        let server = Server::new(move |asked| match asked.path.as_str() {
            "/api/v1/pods" => refusal.clone(),
            "/api/v1/namespaces/n3/pods" => Reply::status(403, "not there either"),
            path if path.contains("/namespaces/") => {
                Reply::json(200, json!({"metadata": {}, "items": [{"metadata": {"name": "p"}}]}))
            }
            _ => list(),
        });
        let snapshot = read(&server, 6).await;
        assert_eq!(paths(&server).iter().filter(|path| path.contains("/namespaces/")).count(), 6);
        assert_eq!(snapshot.namespaces[5].pods.items().len(), 1);
        assert_eq!(snapshot.namespaces[1].claims.items().len(), 2);
        let Read::Unknown(part) = &snapshot.namespaces[3].pods else { panic!() };
        assert_eq!((part.cause, part.namespace.as_deref()), (Cause::Forbidden, Some("n3")));
    }
}

/// Nothing is concluded from a list that could not be read, and no namespace is asked after a failure that all share.
#[tokio::test]
async fn a_failed_list_is_unknown_in_each_namespace() {
    let server = Server::new(|asked| match asked.path.as_str() {
        "/api/v1/pods" => Reply::status(410, "gone"),
        _ => list(),
    });
    let snapshot = read(&server, 40).await;
    assert_eq!(server.requests().len(), 4);
    for objects in &snapshot.namespaces {
        let Read::Unknown(part) = &objects.pods else { panic!("{objects:?}") };
        assert_eq!(part.namespace.as_ref(), Some(&objects.namespace));
    }
}

#[test]
fn few_namespaces_are_read_by_themselves() {
    let names = many(40);
    let across = |count: usize, others: usize| {
        Wanted::across(&names[..count], &many(others)).map(|wanted| wanted.selector.unwrap_or_default().len())
    };
    assert_eq!((across(1, 0), across(FEW, 3)), (None, None));
    assert!(across(FEW + 1, 0).is_some());
    // Too many others for a selector: among their objects, a few would be searched for.
    assert_eq!(across(FEW + 1, 1000), None);
    assert!(across(FEW_AMONG_MANY + 1, 1000).is_some_and(|length| length > 2900 && length <= LONGEST_SELECTOR));
}
