use super::*;
use crate::cluster::testing::{Reply, Server};
use crate::error::Exit;

const CONFLICT: &str = "Operation cannot be fulfilled on pods \"p-0\": Precondition failed: UID in precondition: u1, UID in object meta: u2";

fn pod(uid: &str) -> Reply {
    Reply::json(200, json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p-0", "uid": uid}}))
}

fn done() -> Written {
    Written::Done { object_uid: "u1".to_owned() }
}

async fn delete(server: &Server) -> Result<Written> {
    server.cluster().delete_pod("a", "p-0", "u1", false).await
}

#[tokio::test]
async fn a_delete_is_pinned_to_its_uid_and_never_forced() {
    let claim = json!({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "metadata": {"uid": "u1"}});
    let server = Server::sequence(vec![pod("u1"), Reply::json(200, claim)]);
    let cluster = server.cluster();
    assert_eq!(cluster.delete_pod("a", "p-0", "u1", false).await.unwrap(), done());
    assert_eq!(cluster.delete_claim("a", "data-p-0", "u1", true).await.unwrap(), done());
    let asked = server.requests();
    assert_eq!((asked[0].method.as_str(), asked[0].path.as_str()), ("DELETE", "/api/v1/namespaces/a/pods/p-0"));
    assert_eq!(asked[0].body, json!({"preconditions": {"uid": "u1"}}));
    assert_eq!(asked[1].path, "/api/v1/namespaces/a/persistentvolumeclaims/data-p-0");
    assert_eq!(asked[1].body, json!({"dryRun": ["All"], "preconditions": {"uid": "u1"}}));
}

#[tokio::test]
async fn retain_and_record_are_one_patch_pinned_to_the_uid() {
    let volume = Reply::json(200, json!({"kind": "PersistentVolume", "apiVersion": "v1", "metadata": {"uid": "u1"}}));
    let server = Server::sequence(vec![volume.clone(), volume]);
    let cluster = server.cluster();
    assert_eq!(cluster.retain_volume("pv-1", "u1", ("k", "v"), false).await.unwrap(), done());
    assert_eq!(cluster.annotate_volume("pv-1", "u1", "k", "w", true).await.unwrap(), done());
    let asked = server.requests();
    assert_eq!((asked[0].method.as_str(), asked[0].path.as_str()), ("PATCH", "/api/v1/persistentvolumes/pv-1"));
    assert_eq!(asked[0].headers["content-type"], "application/merge-patch+json");
    assert_eq!(
        asked[0].body,
        json!({"metadata": {"uid": "u1", "annotations": {"k": "v"}}, "spec": {"persistentVolumeReclaimPolicy": "Retain"}})
    );
    assert!(asked[1].query.contains("dryRun=All"));
    // `managedFields` shows who made the change.
    assert!(asked.iter().all(|one| one.query.contains("fieldManager=kubectl-synxdb")), "{}", asked[0].query);
}

#[tokio::test]
async fn another_object_under_the_name_is_left_alone() {
    let server = Server::sequence(vec![Reply::status(409, CONFLICT), pod("u2")]);
    let changed = Written::Changed { now: Some("u2".to_owned()), message: CONFLICT.to_owned() };
    assert_eq!(delete(&server).await.unwrap(), changed);

    let server = Server::sequence(vec![Reply::status(409, CONFLICT), Reply::status(403, "no get")]);
    let changed = Written::Changed { now: None, message: CONFLICT.to_owned() };
    assert_eq!(delete(&server).await.unwrap(), changed);

    let server = Server::sequence(vec![Reply::status(404, "not found")]);
    assert_eq!(delete(&server).await.unwrap(), Written::Gone);

    // A patch's UID is a field, and the server words it as one.
    let immutable = "PersistentVolume \"pv-1\" is invalid: metadata.uid: Invalid value: \"u1\": field is immutable";
    let volume = json!({"kind": "PersistentVolume", "apiVersion": "v1", "metadata": {"uid": "u2"}});
    let server = Server::sequence(vec![Reply::status(422, immutable), Reply::json(200, volume)]);
    let changed = Written::Changed { now: Some("u2".to_owned()), message: immutable.to_owned() };
    assert_eq!(server.cluster().retain_volume("pv-1", "u1", ("k", "v"), false).await.unwrap(), changed);
}

#[tokio::test]
async fn trouble_is_tried_again() {
    let broken = vec![Reply::status(500, "etcd"), Reply::Broken, Reply::status(429, "slow"), pod("u1")];
    let server = Server::sequence(broken);
    assert_eq!(delete(&server).await.unwrap(), done());
    // A conflict that is not about the UID.
    let server = Server::sequence(vec![Reply::status(409, "modified"), pod("u1"), pod("u1")]);
    assert_eq!(delete(&server).await.unwrap(), done());
    // Nor is one without a readable reason.
    let server =
        Server::sequence(vec![Reply::status(409, "modified"), Reply::status(403, "pods is forbidden"), pod("u1")]);
    assert_eq!(delete(&server).await.unwrap(), done());
}

#[tokio::test]
async fn a_delete_that_got_no_answer_and_is_gone_afterwards_was_done() {
    let server = Server::sequence(vec![Reply::Broken, Reply::status(404, "not found")]);
    assert_eq!(delete(&server).await.unwrap(), done());
    let server = Server::sequence(vec![Reply::Broken, Reply::status(409, CONFLICT), pod("u2")]);
    assert_eq!(delete(&server).await.unwrap(), done());
    // 429 means that it was not even processed.
    let server = Server::sequence(vec![Reply::status(429, "slow"), Reply::status(404, "not found")]);
    assert_eq!(delete(&server).await.unwrap(), Written::Gone);
}

#[tokio::test]
async fn what_is_refused_is_not_repeated() {
    for (code, exit) in [(403, Exit::Refused), (401, Exit::Error), (422, Exit::Error)] {
        let server = Server::sequence(vec![Reply::status(code, "words of the server")]);
        let error = delete(&server).await.unwrap_err();
        assert_eq!(error.exit, exit, "{code}");
        assert!(error.to_string().contains("words of the server"), "{error}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn trouble_that_lasts_is_an_error_in_the_end() {
    let server = Server::new(|_| Reply::Broken);
    let error = delete(&server).await.unwrap_err();
    assert!(error.what.contains("is unreachable"), "{error}");
    assert_eq!(server.requests().len(), TRIES as usize);
}

/// A list of one claim at that version, bound or not.
fn claim(uid: &str, version: u64, volume: Option<&str>) -> Reply {
    let metadata = json!({"name": "data-p-0", "uid": uid, "resourceVersion": version.to_string()});
    Reply::json(
        200,
        json!({"kind": "PersistentVolumeClaimList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"},
            "items": [{"metadata": metadata, "spec": {"volumeName": volume}}]}),
    )
}

/// A claim that was planned without a volume is not deleted once it has one, which nothing has retained.
#[tokio::test]
async fn an_unbound_claim_is_deleted_only_while_it_is() {
    let modified = || Reply::status(409, "the ResourceVersion in the precondition (5) does not match");
    let gone = || {
        Reply::json(200, json!({"kind": "PersistentVolumeClaimList", "apiVersion": "v1", "metadata": {}, "items": []}))
    };
    let deleted = || Reply::json(200, json!({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "metadata": {}}));
    let bound = "Changed: claim data-p-0 is now bound to volume pv-2, which is not retained yet";
    let another = format!("Changed: {CONFLICT}");
    for (answers, expected) in [
        (vec![claim("u1", 5, None), deleted()], "Done"),
        (vec![claim("u1", 5, None), Reply::Broken, Reply::status(404, "not found")], "Done"),
        (vec![claim("u1", 5, None), modified(), claim("u1", 6, None), deleted()], "Done"),
        (vec![claim("u1", 5, None), modified(), claim("u1", 6, Some("pv-2"))], bound),
        (vec![claim("u1", 5, Some("pv-2"))], bound),
        // Another claim took its name between the read and the deletion.
        (vec![claim("u1", 5, None), Reply::status(409, CONFLICT)], another.as_str()),
        (vec![claim("u2", 5, None)], "Changed: claim data-p-0 was replaced"),
        (vec![gone()], "Gone"),
    ] {
        let server = Server::sequence(answers);
        let written = server.cluster().delete_unbound_claim("a", "data-p-0", "u1", None, false).await.unwrap();
        let said = match written {
            Written::Done { .. } => "Done".to_owned(),
            Written::Gone => "Gone".to_owned(),
            Written::Changed { message, .. } => format!("Changed: {message}"),
        };
        assert_eq!(said, expected);
        let deletes: Vec<Value> =
            server.requests().iter().filter(|asked| asked.method == "DELETE").map(|asked| asked.body.clone()).collect();
        assert!(deletes.iter().all(|body| body["preconditions"]["uid"] == "u1"), "{deletes:?}");
        let versions = deletes.iter().map(|body| body["preconditions"]["resourceVersion"].as_str());
        assert!(versions.clone().all(|version| ["5", "6"].contains(&version.unwrap_or_default())), "{deletes:?}");
    }
}

/// A volume that a claim only names is no reason to keep the claim: unless the volume belongs to the claim by now.
#[tokio::test]
async fn a_claim_that_names_anothers_volume_is_deleted_only_while_that_is_anothers() {
    let volume = |claim: Value| {
        Reply::json(
            200,
            json!({"kind": "PersistentVolumeList", "apiVersion": "v1", "metadata": {},
                "items": [{"metadata": {"name": "pv-2"}, "spec": {"claimRef": claim}}]}),
        )
    };
    let deleted = || Reply::json(200, json!({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "metadata": {}}));
    for (not_its, bound_to, deletes) in [
        (Some("pv-2"), json!({"namespace": "default", "name": "billing-db", "uid": "u9"}), true),
        (Some("pv-2"), Value::Null, true),
        (Some("pv-2"), json!({"namespace": "a", "name": "data-p-0", "uid": "u1"}), false),
        (Some("pv-3"), json!({"namespace": "default", "name": "billing-db", "uid": "u9"}), false),
        (None, json!({"namespace": "default", "name": "billing-db", "uid": "u9"}), false),
    ] {
        let server = Server::sequence(vec![claim("u1", 5, Some("pv-2")), volume(bound_to.clone()), deleted()]);
        let written = server.cluster().delete_unbound_claim("a", "data-p-0", "u1", not_its, false).await.unwrap();
        assert_eq!(matches!(written, Written::Done { .. }), deletes, "{not_its:?} {bound_to} {written:?}");
        assert_eq!(server.requests().iter().any(|asked| asked.method == "DELETE"), deletes, "{not_its:?} {bound_to}");
    }
}

/// A pod that was scheduled after it was seen Pending is left alone; one that a lost attempt deleted counts as done.
#[tokio::test]
async fn a_pod_is_deleted_as_it_was_seen_or_stays() {
    const NEWER: &str = "Precondition failed: ResourceVersion in precondition: 7, ResourceVersion in object meta: 9";
    for (answers, expected) in [
        (vec![pod("u1")], done()),
        (vec![Reply::status(409, NEWER)], Written::Changed { now: Some("u1".to_owned()), message: NEWER.to_owned() }),
        (vec![Reply::status(409, CONFLICT)], Written::Changed { now: None, message: CONFLICT.to_owned() }),
        (vec![Reply::status(500, "later"), Reply::status(409, CONFLICT)], done()),
    ] {
        let server = Server::sequence(answers);
        let written = server.cluster().delete_pod_of_version("a", "p-0", "u1", "7").await.unwrap();
        assert_eq!(written, expected);
        let precondition = json!({"preconditions": {"uid": "u1", "resourceVersion": "7"}});
        assert!(server.requests().iter().all(|asked| asked.body == precondition));
    }
}

fn annotated(uid: &str, version: u64, annotations: &Value) -> Reply {
    let metadata =
        json!({"name": "pv-1", "uid": uid, "resourceVersion": version.to_string(), "annotations": annotations});
    Reply::json(
        200,
        json!({"kind": "PersistentVolumeList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"},
            "items": [{"metadata": metadata}]}),
    )
}

/// Removes all annotations but `mine`, which tells how many there were.
async fn composed(server: &Server) -> Result<Written> {
    use crate::cluster::annotations::{Annotated, Changes, Target};
    use k8s_openapi::api::core::v1::PersistentVolume;
    let seen: PersistentVolume =
        serde_json::from_value(json!({"metadata": {"uid": "u1", "annotations": {"old": "1"}}})).unwrap();
    let target = Target { volume: "pv-1", uid: "u1", policy: Some("Retain") };
    let mut compose = |there: &std::collections::BTreeMap<String, String>| {
        let mut changes: Changes = there.keys().map(|key| (key.clone(), None)).collect();
        changes.insert("mine".to_owned(), Some(there.len().to_string()));
        Ok(changes)
    };
    server.cluster().change_annotations(target, Annotated::from(&seen), &mut compose).await
}

/// Older records are shortened as they are at that moment: another client may have finished one in the meantime.
#[tokio::test]
async fn several_annotations_are_changed_together_and_only_in_the_version_they_were_read_in() {
    let volume = Reply::json(200, json!({"kind": "PersistentVolume", "apiVersion": "v1", "metadata": {"uid": "u1"}}));
    let server = Server::sequence(vec![
        annotated("u1", 7, &json!({"old": "1"})),
        Reply::status(409, "modified"),
        annotated("u1", 8, &json!({"old": "1", "other": "2"})),
        volume,
    ]);
    assert_eq!(composed(&server).await.unwrap(), done());
    let asked = server.requests();
    let patches: Vec<&Value> = asked.iter().filter(|one| one.method == "PATCH").map(|one| &one.body).collect();
    let retained = json!({"persistentVolumeReclaimPolicy": "Retain"});
    let first = json!({"uid": "u1", "annotations": {"mine": "1", "old": null}, "resourceVersion": "7"});
    let second = json!({"uid": "u1", "annotations": {"mine": "2", "old": null, "other": null}, "resourceVersion": "8"});
    assert_eq!(
        patches,
        [&json!({"metadata": first, "spec": retained}), &json!({"metadata": second, "spec": retained})]
    );
    assert!(asked[0].query.contains("fieldSelector=metadata.name"), "{}", asked[0].query);

    let server = Server::sequence(vec![annotated("u2", 7, &json!({}))]);
    assert!(matches!(composed(&server).await.unwrap(), Written::Changed { now: Some(now), .. } if now == "u2"));
    let empty = json!({"kind": "PersistentVolumeList", "apiVersion": "v1", "metadata": {}, "items": []});
    assert_eq!(composed(&Server::sequence(vec![Reply::json(200, empty)])).await.unwrap(), Written::Gone);
    // Never endlessly.
    let always = Server::new(|asked| match asked.method.as_str() {
        "GET" => annotated("u1", 7, &json!({"old": "1"})),
        _ => Reply::status(409, "modified"),
    });
    assert!(composed(&always).await.unwrap_err().to_string().contains("other clients keep changing the volume"));
}

/// A single annotation depends on no other: a conflict is retried unchanged.
#[tokio::test]
async fn one_annotation_is_written_without_a_look() {
    use crate::cluster::annotations::{Annotated, Target};
    let volume = Reply::json(200, json!({"kind": "PersistentVolume", "apiVersion": "v1", "metadata": {"uid": "u1"}}));
    let server = Server::sequence(vec![Reply::status(409, "modified"), volume.clone(), volume]);
    let target = Target { volume: "pv-1", uid: "u1", policy: None };
    let mut compose = |_: &_| Ok(std::collections::BTreeMap::from([("a".to_owned(), Some("b".to_owned()))]));
    let written = server.cluster().change_annotations(target, Annotated::default(), &mut compose).await;
    assert_eq!(written.unwrap(), done());
    let asked = server.requests();
    assert_eq!(asked[0].body, json!({"metadata": {"uid": "u1", "annotations": {"a": "b"}}}));
    assert_eq!(asked.iter().map(|one| one.method.as_str()).collect::<Vec<_>>(), ["PATCH", "GET", "PATCH"]);
}
