//! Writes whose response was lost: only what is seen to be done counts as done, and another object with the name never
//! does.

use super::*;
use crate::cluster::testing::{Reply, Server};

const IMMUTABLE: &str = "PersistentVolume \"pv-1\" is invalid: metadata.uid: Invalid value: \"u1\": field is immutable";
const UNTESTED: &str =
    "the server rejected our request due to an error in our request: testing value /spec/claimRef/uid";

const RESERVATION: Reservation<'static> =
    Reservation { volume: "pv-1", uid: "u1", namespace: "a", claim: "data-p-0", released_by: "c1" };

/// A volume, and its claim: namespace, name, UID.
fn volume(uid: &str, claim: Option<(&str, &str, Option<&str>)>) -> Value {
    let reference = claim.map(|(namespace, name, uid)| json!({"namespace": namespace, "name": name, "uid": uid}));
    json!({"kind": "PersistentVolume", "apiVersion": "v1",
        "metadata": {"name": "pv-1", "uid": uid, "resourceVersion": "7"}, "spec": {"claimRef": reference}})
}

fn got(uid: &str, claim: Option<(&str, &str, Option<&str>)>) -> Reply {
    Reply::json(200, volume(uid, claim))
}

fn listed(items: &[Value]) -> Reply {
    Reply::json(
        200,
        json!({"kind": "PersistentVolumeList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": items}),
    )
}

fn lost() -> Reply {
    Reply::Broken
}

fn gone() -> Reply {
    Reply::status(404, "not found")
}

fn refused() -> Reply {
    Reply::status(422, UNTESTED)
}

fn text_of(written: Result<Written>) -> String {
    match written.unwrap() {
        Written::Done { object_uid } => format!("done {object_uid}"),
        Written::Gone => "gone".to_owned(),
        Written::Changed { now, message } => format!("changed {}: {message}", now.unwrap_or_default()),
    }
}

/// After a lost delete, a missing object means done. After a lost patch, the object must exist: if it is missing or
/// another object, the patch did not do it, and the volume is not retained.
#[tokio::test]
async fn a_patch_that_got_no_answer_is_not_done_by_another_object_or_by_none() {
    let another = format!("changed u2: {IMMUTABLE}");
    for (answers, expected) in [
        (vec![lost(), gone()], "gone"),
        (vec![lost(), Reply::status(422, IMMUTABLE), got("u2", None)], another.as_str()),
        (vec![lost(), Reply::status(422, IMMUTABLE), gone()], "gone"),
        (vec![lost(), Reply::status(409, "modified"), got("u2", None)], "changed u2: modified"),
        // Still unchanged: tried again, this time with a response.
        (vec![lost(), Reply::status(409, "modified"), got("u1", None), got("u1", None)], "done u1"),
        (vec![lost(), got("u1", None)], "done u1"),
    ] {
        let server = Server::sequence(answers.clone());
        assert_eq!(text_of(server.cluster().retain_volume("pv-1", "u1", ("k", "v"), false).await), expected);
        let server = Server::sequence(answers.clone());
        assert_eq!(text_of(server.cluster().annotate_volume("pv-1", "u1", "k", "v", false).await), expected);
        let server = Server::sequence(answers);
        assert_eq!(text_of(server.cluster().set_reclaim_policy("pv-1", "u1", "Delete", ("k", "v")).await), expected);
    }
}

/// A conflict is a response: nothing was done, and what is missing after it was deleted by another client.
#[tokio::test]
async fn a_delete_that_was_refused_for_a_conflict_is_not_what_took_it_away() {
    let pod = Reply::json(200, json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p-0", "uid": "u1"}}));
    for (answers, expected) in [
        (vec![Reply::status(409, "modified"), pod.clone(), gone()], "gone"),
        (vec![Reply::status(500, "etcd"), Reply::status(409, "modified"), pod, gone()], "done u1"),
    ] {
        let server = Server::sequence(answers);
        assert_eq!(text_of(server.cluster().delete_pod("a", "p-0", "u1", false).await), expected);
    }
}

/// A reservation counts as made if the volume is seen to be reserved for this claim, and for no other.
#[tokio::test]
async fn a_reservation_counts_only_as_it_is_found() {
    let changed = "changed : it no longer matches the plan";
    let ours = Some(("a", "data-p-0", None));
    for (answers, expected) in [
        (vec![got("u1", ours)], "done u1"),
        (vec![lost(), got("u1", ours)], "done u1"),
        // The lost attempt did it.
        (vec![lost(), refused(), got("u1", ours)], "done u1"),
        (vec![refused(), got("u1", ours)], "done u1"),
        // Another claim has it by now.
        (vec![lost(), refused(), got("u1", Some(("a", "data-p-0", Some("c2"))))], changed),
        (vec![lost(), refused(), got("u1", Some(("b", "data-p-0", None)))], changed),
        (vec![lost(), refused(), got("u1", Some(("a", "data-p-1", None)))], changed),
        (vec![lost(), refused(), got("u1", None)], changed),
        // Another volume with the name, equally reserved.
        (vec![lost(), refused(), got("u2", ours)], changed),
        (vec![lost(), refused(), gone()], changed),
        (vec![lost(), refused(), Reply::status(403, "persistentvolumes is forbidden")], changed),
        (vec![lost(), gone()], "gone"),
    ] {
        let server = Server::sequence(answers);
        assert_eq!(text_of(server.cluster().reserve_volume(&RESERVATION, false).await), expected);
        let patches = server.requests().into_iter().filter(|asked| asked.method == "PATCH");
        for patch in patches {
            assert_eq!(patch.headers["content-type"], "application/json-patch+json");
            assert_eq!(patch.body[0], json!({"op": "test", "path": "/metadata/uid", "value": "u1"}));
            assert_eq!(patch.body[1], json!({"op": "test", "path": "/spec/claimRef/uid", "value": "c1"}));
            let reference =
                json!({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": "a", "name": "data-p-0"});
            assert_eq!(patch.body[2], json!({"op": "replace", "path": "/spec/claimRef", "value": reference}));
        }
    }
}

/// The same for a removed reservation: it is done if the volume is seen as the claim left it; another claim that has it
/// keeps it.
#[tokio::test]
async fn a_reservation_is_taken_back_only_while_it_stands() {
    let reserved = || listed(&[volume("u1", Some(("a", "data-p-0", None)))]);
    let back = || listed(&[volume("u1", Some(("a", "data-p-0", Some("c1"))))]);
    let no_longer = "changed u1: it is no longer reserved";
    for (answers, expected, patches) in [
        (vec![reserved(), got("u1", None)], "done u1", 1),
        // It was done before, or by a lost attempt.
        (vec![back()], "done u1", 0),
        (vec![reserved(), lost(), refused(), back()], "done u1", 2),
        // Changed in the meantime, but still reserved.
        (vec![reserved(), refused(), reserved(), got("u1", None)], "done u1", 2),
        (vec![listed(&[volume("u1", Some(("a", "data-p-0", Some("c2"))))])], no_longer, 0),
        (
            vec![reserved(), lost(), refused(), listed(&[volume("u1", Some(("a", "data-p-0", Some("c2"))))])],
            no_longer,
            2,
        ),
        (vec![listed(&[volume("u1", Some(("b", "data-p-0", None)))])], no_longer, 0),
        (vec![listed(&[volume("u1", Some(("a", "data-p-1", None)))])], no_longer, 0),
        (vec![listed(&[volume("u1", Some(("b", "data-p-0", Some("c1"))))])], no_longer, 0),
        (vec![listed(&[volume("u1", None)])], no_longer, 0),
        (vec![listed(&[volume("u2", Some(("a", "data-p-0", None)))])], "changed u2: volume pv-1 was replaced", 0),
        (
            vec![reserved(), lost(), refused(), listed(&[volume("u2", Some(("a", "data-p-0", Some("c1"))))])],
            "changed u2: volume pv-1 was replaced",
            2,
        ),
        (vec![listed(&[])], "gone", 0),
        (vec![reserved(), lost(), gone()], "gone", 2),
    ] {
        let server = Server::sequence(answers);
        assert_eq!(text_of(server.cluster().unreserve_volume(&RESERVATION, false).await), expected);
        let asked = server.requests();
        let sent: Vec<&Value> = asked.iter().filter(|asked| asked.method == "PATCH").map(|asked| &asked.body).collect();
        assert_eq!(sent.len(), patches, "{expected}");
        for patch in sent {
            assert_eq!(patch[0], json!({"op": "test", "path": "/metadata/uid", "value": "u1"}));
            assert_eq!(patch[1], json!({"op": "test", "path": "/metadata/resourceVersion", "value": "7"}));
            let claim = json!({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": "a",
                "name": "data-p-0", "uid": "c1"});
            assert_eq!(patch[2], json!({"op": "replace", "path": "/spec/claimRef", "value": claim}));
            // Released, it would be deleted with the policy Delete.
            assert_eq!(patch[3]["value"], "Retain");
        }
        let list = asked.iter().find(|asked| asked.method == "GET").unwrap();
        assert!(list.query.contains("metadata.name"), "{}", list.query);
    }
}

/// It is tried this often and no more, and then nothing is reported as done.
#[tokio::test]
async fn a_reservation_that_never_stays_the_same_is_left() {
    let server = Server::new(|asked| {
        let reserved = volume("u1", Some(("a", "data-p-0", None)));
        if asked.method == "GET" { listed(&[reserved]) } else { refused() }
    });
    let written = server.cluster().unreserve_volume(&RESERVATION, false).await;
    assert_eq!(text_of(written), "changed u1: volume pv-1 keeps changing");
    assert_eq!(server.requests().iter().filter(|asked| asked.method == "PATCH").count(), TRIES as usize);
}

/// A volume is released only while it is as its last claim left it.
#[tokio::test]
async fn a_volume_is_released_only_as_its_claim_left_it() {
    for (answers, expected) in [
        (vec![got("u1", None)], "done u1"),
        (vec![refused()], "changed : it no longer matches the plan"),
        (vec![lost(), refused()], "changed : it no longer matches the plan"),
        (vec![lost(), gone()], "gone"),
    ] {
        let server = Server::sequence(answers);
        assert_eq!(text_of(server.cluster().release_volume("pv-1", "u1", "c1", "Delete").await), expected);
        for asked in server.requests() {
            assert_eq!(asked.body[0], json!({"op": "test", "path": "/metadata/uid", "value": "u1"}));
            assert_eq!(asked.body[1], json!({"op": "test", "path": "/spec/claimRef/uid", "value": "c1"}));
            assert_eq!(asked.body[2]["value"], "Delete");
        }
    }
}
