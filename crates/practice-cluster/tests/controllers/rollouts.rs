//! A StatefulSet's pods after a change of its template.

use crate::support::*;
use practice_cluster::store::{ChangeKind, Key, Store};
use practice_cluster::{Options, PostgresChoice, Sandbox};
use serde_json::{Value, json};

const NEW: &str = "synxdb/cloudberry:4.0.1";

async fn without_sql() -> Sandbox {
    start_with(Options { postgres: PostgresChoice::None, ..Options::default() }).await
}

fn set() -> Key {
    Key::new("statefulsets", ACCOUNT, "wh9527")
}

fn use_image(store: &Store, image: &str) {
    update(store, &set(), |set| set["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image));
}

fn status(store: &Store) -> Value {
    store.get(&set()).unwrap()["status"].clone()
}

fn image(store: &Store, name: &str) -> String {
    let pod = pod(store, ACCOUNT, name);
    pod.map_or(String::new(), |pod| pod["spec"]["containers"][0]["image"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_goes_from_the_highest_and_waits_for_ready() {
    let sandbox = without_sql().await;
    let store = sandbox.store();
    let mut watcher = store.watch(store.version()).unwrap();
    let before = status(store);
    assert_eq!(before["currentRevision"], before["updateRevision"]);
    use_image(store, NEW);
    let mut steps = Vec::new();
    while steps.len() < 4 {
        let change = within("the next change", watcher.next()).await.unwrap();
        if change.key.resource != "pods" || !change.key.name.starts_with("wh9527-") {
            continue;
        }
        let (name, new) = (change.key.name.as_str(), image(store, &change.key.name) == NEW);
        let step = match change.kind {
            ChangeKind::Deleted => format!("{name} gone"),
            _ if new && is_ready(&change.object) => format!("{name} new"),
            _ => continue,
        };
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    assert_eq!(steps, ["wh9527-1 gone", "wh9527-1 new", "wh9527-0 gone", "wh9527-0 new"]);
    until(store, "the update is complete", |store| {
        let now = status(store);
        now["currentRevision"] == now["updateRevision"] && now["updatedReplicas"] == 2
    })
    .await;
    assert_ne!(status(store)["currentRevision"], before["currentRevision"]);
    // Back to the first template: its revision is the latest again.
    let revision = |name: &Value| {
        let key = Key::new("controllerrevisions", ACCOUNT, name.as_str().unwrap());
        store.get(&key).unwrap()["revision"].as_u64().unwrap()
    };
    let latest = revision(&status(store)["updateRevision"]);
    use_image(store, "synxdb/cloudberry:4.0.0");
    until(store, "it goes back", |store| status(store)["currentRevision"] == before["currentRevision"]).await;
    assert_eq!(revision(&before["currentRevision"]), latest + 1);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_template_stops_at_the_first_pod() {
    let sandbox = without_sql().await;
    let store = sandbox.store();
    let first = pod(store, ACCOUNT, "wh9527-0").unwrap();
    use_image(store, "registry.invalid/none:1");
    until(store, "the highest cannot start", |store| {
        pod(store, ACCOUNT, "wh9527-1").is_some_and(|pod| {
            pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"
        })
    })
    .await;
    assert_eq!(uid(&pod(store, ACCOUNT, "wh9527-0").unwrap()), uid(&first));
    let now = status(store);
    assert_ne!(now["currentRevision"], now["updateRevision"]);
    let counts = ["replicas", "readyReplicas", "currentReplicas", "updatedReplicas"].map(|field| now[field].as_u64());
    assert_eq!(counts, [2, 1, 1, 1].map(Some));
    // A fixed template does not reach the broken pod until that is deleted (kubernetes/kubernetes#67250).
    let broken = pod(store, ACCOUNT, "wh9527-1").unwrap();
    use_image(store, NEW);
    replace(store, SYSTEM, "safekeeper-2", &[]).await;
    assert_eq!(uid(&pod(store, ACCOUNT, "wh9527-1").unwrap()), uid(&broken));
    delete(store, "pods", ACCOUNT, "wh9527-1");
    until(store, "all is rolled out", |store| {
        let now = status(store);
        now["readyReplicas"] == 2 && now["currentRevision"] == now["updateRevision"]
    })
    .await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_delete_and_below_the_partition_pods_stay_as_they_are() {
    let sandbox = without_sql().await;
    let store = sandbox.store();
    update(store, &set(), |set| set["spec"]["updateStrategy"] = json!({"type": "OnDelete"}));
    let pods = ["wh9527-0", "wh9527-1"].map(|name| pod(store, ACCOUNT, name).unwrap());
    use_image(store, NEW);
    until(store, "the set knows", |store| {
        let now = status(store);
        now["updateRevision"] != now["currentRevision"] && now["updatedReplicas"] == 0
    })
    .await;
    replace(store, SYSTEM, "safekeeper-2", &[]).await;
    for old in &pods {
        let name = old["metadata"]["name"].as_str().unwrap();
        assert_eq!(uid(&pod(store, ACCOUNT, name).unwrap()), uid(old), "{name}");
    }
    replace(store, ACCOUNT, "wh9527-0", &[]).await;
    assert_eq!(
        (image(store, "wh9527-0").as_str(), image(store, "wh9527-1").as_str()),
        (NEW, "synxdb/cloudberry:4.0.0")
    );

    // A partition: only the pods from it on; one below is recreated from the old revision.
    let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
    update(store, &set(), |set| set["spec"]["updateStrategy"] = rolling.clone());
    until(store, "the highest is replaced", |store| {
        image(store, "wh9527-1") == NEW && is_ready(&pod(store, ACCOUNT, "wh9527-1").unwrap())
    })
    .await;
    until(store, "all is rolled out", |store| status(store)["currentRevision"] == status(store)["updateRevision"])
        .await;
    use_image(store, "synxdb/cloudberry:4.0.2");
    until(store, "the highest is replaced", |store| image(store, "wh9527-1") == "synxdb/cloudberry:4.0.2").await;
    replace(store, ACCOUNT, "wh9527-0", &[]).await;
    assert_eq!(image(store, "wh9527-0"), NEW);
    sandbox.stop().await;
}
