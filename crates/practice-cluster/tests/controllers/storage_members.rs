//! Safekeepers and pageservers in their scenarios: what they report before and after a new disk.

use crate::support::*;
use practice_cluster::store::Key;
use practice_cluster::{Options, PostgresChoice, Sandbox};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SAFEKEEPERS: [&str; 3] = ["safekeeper-0", "safekeeper-1", "safekeeper-2"];
const DISKS: [&str; 2] = ["data-pageserver-0", "cache-pageserver-0"];
const WAL_END: u64 = 0x02A5_5E98;

async fn bare(scenario: &str) -> Sandbox {
    let options = Options { scenario: scenario.to_owned(), postgres: PostgresChoice::None, ..Options::default() };
    start_with(options).await
}

fn port(pod: &str) -> u16 {
    if pod.starts_with("pageserver") { 9898 } else { 7676 }
}

/// Returns the values of a metric; `name` may have labels.
async fn metric(sandbox: &Sandbox, pod: &str, name: &str) -> Vec<u64> {
    let text = get(sandbox, pod, port(pod), "/metrics").await;
    let value = |line: &str| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next().unwrap().parse().unwrap())
    };
    text.lines().filter_map(value).collect()
}

async fn active_tenants(sandbox: &Sandbox) -> u64 {
    metric(sandbox, "pageserver-0", "pageserver_tenant_states_count{state=\"Active\"}").await[0]
}

async fn status(sandbox: &Sandbox, pod: &str, path: &str) -> u16 {
    let answer = get(sandbox, pod, port(pod), path).await;
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_disk_is_filled_at_once_by_default() {
    let sandbox = bare("healthy").await;
    replace(sandbox.store(), SYSTEM, "safekeeper-1", &["data-safekeeper-1"]).await;
    for pod in SAFEKEEPERS {
        assert_eq!(metric(&sandbox, pod, "safekeeper_timelines").await, [1], "{pod}");
        assert_eq!(metric(&sandbox, pod, "safekeeper_flush_lsn").await, [WAL_END], "{pod}");
    }
    replace(sandbox.store(), SYSTEM, "pageserver-0", &DISKS).await;
    assert_eq!(active_tenants(&sandbox).await, 1);
    assert_eq!(metric(&sandbox, "pageserver-0", "pageserver_last_record_lsn").await, [WAL_END]);
    assert_eq!(metric(&sandbox, "pageserver-0", "pageserver_local_data_loss_suspected").await, [1]);
    sandbox.stop().await;
}

/// A volume created by hand keeps its data, like a provisioned one.
#[tokio::test(flavor = "multi_thread")]
async fn a_volume_made_by_hand_keeps_its_data() {
    let sandbox = bare("healthy").await;
    let store = sandbox.store();
    let first = store.get(&Key::new(VOLUMES, "", volume_of(store, SYSTEM, DISKS[0]))).unwrap();
    let spec = json!({
        "capacity": first["spec"]["capacity"], "accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem",
        "storageClassName": first["spec"]["storageClassName"], "persistentVolumeReclaimPolicy": "Retain",
        "csi": {"driver": "disk.example.com", "volumeHandle": "by-hand"},
        "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": SYSTEM, "name": DISKS[0]},
    });
    let object = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "by-hand"}, "spec": spec});
    store.create(Key::new(VOLUMES, "", "by-hand"), object, false).unwrap();
    replace(store, SYSTEM, "pageserver-0", &DISKS).await;
    assert_eq!(volume_of(store, SYSTEM, DISKS[0]), "by-hand");
    let lost = "pageserver_local_data_loss_suspected";
    assert_eq!(metric(&sandbox, "pageserver-0", lost).await, [1], "its disk is a new one");
    replace(store, SYSTEM, "pageserver-0", &[]).await;
    assert_eq!(metric(&sandbox, "pageserver-0", lost).await, [0], "it found its disk again");
    sandbox.stop().await;
}

/// Data that all members have lost is gone.
#[tokio::test(flavor = "multi_thread")]
async fn new_disks_of_all_safekeepers_are_empty() {
    let sandbox = bare("healthy").await;
    let store = sandbox.store();
    for node in ["node-1", "node-2"] {
        update(store, &Key::new("nodes", "", node), |node| node["spec"]["unschedulable"] = json!(true));
    }
    for pod in SAFEKEEPERS {
        delete(store, CLAIMS, SYSTEM, &format!("data-{pod}"));
        delete(store, "pods", SYSTEM, pod);
    }
    until(store, "all are gone", |store| {
        SAFEKEEPERS.iter().all(|name| pod(store, SYSTEM, name).is_some_and(|pod| pod["spec"]["nodeName"].is_null()))
    })
    .await;
    for node in ["node-1", "node-2"] {
        update(store, &Key::new("nodes", "", node), |node| node["spec"]["unschedulable"] = json!(false));
    }
    within("all pods are ready", sandbox.ready()).await.unwrap();
    for pod in SAFEKEEPERS {
        assert_eq!(metric(&sandbox, pod, "safekeeper_timelines").await, [0], "{pod}");
        assert_eq!(metric(&sandbox, pod, "safekeeper_flush_lsn").await, Vec::<u64>::new(), "{pod}");
    }
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_catching_up_is_ready_and_gets_there() {
    let sandbox = bare("catching-up").await;
    replace(sandbox.store(), SYSTEM, "safekeeper-0", &["data-safekeeper-0"]).await;
    assert_eq!(status(&sandbox, "safekeeper-0", "/v1/status").await, 200);
    let first = metric(&sandbox, "safekeeper-0", "safekeeper_flush_lsn").await;
    assert!(first.first().is_none_or(|flush| *flush < WAL_END), "{first:?}");
    let mut last = first.first().copied().unwrap_or(0);
    within("it has caught up", async {
        while last < WAL_END {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            let now = metric(&sandbox, "safekeeper-0", "safekeeper_flush_lsn").await.first().copied().unwrap_or(0);
            assert!(now >= last, "{now} after {last}");
            last = now;
        }
    })
    .await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_lag_and_idle_timelines_vanish_as_the_scenario_says() {
    for (scenario, flush, active) in [
        ("safekeeper-behind", [Some(WAL_END), Some(WAL_END - 5_300_000), Some(WAL_END)], [1, 1, 1]),
        ("safekeepers-idle", [None; 3], [0; 3]),
        ("suspending", [None, Some(WAL_END), Some(WAL_END)], [0, 1, 1]),
    ] {
        let sandbox = bare(scenario).await;
        for (number, pod) in SAFEKEEPERS.into_iter().enumerate() {
            let seen = metric(&sandbox, pod, "safekeeper_flush_lsn").await;
            assert_eq!(seen.first().copied(), flush[number], "{scenario}: {pod}");
            assert_eq!(
                metric(&sandbox, pod, "safekeeper_active_timelines").await,
                [active[number]],
                "{scenario}: {pod}"
            );
            assert_eq!(metric(&sandbox, pod, "safekeeper_timelines").await, [1], "{scenario}: {pod}");
        }
        sandbox.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pageserver_that_lost_its_disk_comes_back_as_the_scenario_says() {
    for (scenario, tenants, lines) in [("lost-tenants", 0, 0), ("empty-bucket", 3, 0)] {
        let sandbox = bare(scenario).await;
        assert_eq!(active_tenants(&sandbox).await, 3);
        assert_eq!(metric(&sandbox, "pageserver-0", "pageserver_last_record_lsn").await, [WAL_END; 6]);
        replace(sandbox.store(), SYSTEM, "pageserver-0", &[]).await;
        assert_eq!(active_tenants(&sandbox).await, 3, "{scenario}: its disk is still there");
        replace(sandbox.store(), SYSTEM, "pageserver-0", &DISKS).await;
        assert_eq!(active_tenants(&sandbox).await, tenants, "{scenario}");
        assert_eq!(metric(&sandbox, "pageserver-0", "pageserver_last_record_lsn").await.len(), lines, "{scenario}");
        assert_eq!(metric(&sandbox, "pageserver-0", "pageserver_remote_physical_size_global").await, [0]);
        assert_eq!(metric(&sandbox, "pageserver-0", "pageserver_local_data_loss_suspected").await, [1]);
        sandbox.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_controller_a_pageserver_that_starts_again_is_silent() {
    let sandbox = bare("controller-silent").await;
    let store = sandbox.store();
    assert_eq!(active_tenants(&sandbox).await, 1);
    delete(store, "pods", SYSTEM, "pageserver-0");
    let silent = |message: &String| message.ends_with("(Client.Timeout exceeded while awaiting headers)");
    until(store, "its probe fails", |store| events(store, SYSTEM, "pageserver-0", "Unhealthy").iter().any(silent))
        .await;
    assert!(!is_ready(&pod(store, SYSTEM, "pageserver-0").unwrap()));
    // The port is open, but nothing is sent.
    let mut stream = sandbox.connect(SYSTEM, "pageserver-0", 9898).unwrap();
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let byte = tokio::time::timeout(std::time::Duration::from_millis(300), stream.read_u8()).await;
    assert!(byte.is_err(), "{byte:?}");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_ask_for_a_token_as_the_scenario_says() {
    let sandbox = bare("metrics-401").await;
    for pod in ["safekeeper-0", "pageserver-0"] {
        assert_eq!(status(&sandbox, pod, "/v1/status").await, 200, "{pod}");
        let answer = get(&sandbox, pod, port(pod), "/metrics").await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert!(answer.ends_with("{\"msg\":\"Unauthorized: missing authorization header\"}"), "{answer}");
    }
    sandbox.stop().await;
    let sandbox = bare("jwt").await;
    let token = sandbox.store().get(&Key::new("secrets", SYSTEM, "storage-token")).expect("the Secret with the token");
    assert!(token["data"]["token"].is_string());
    for (pod, closed) in [("safekeeper-0", "/v1/tenant/timeline"), ("pageserver-0", "/v1/tenant")] {
        let answers = [status(&sandbox, pod, "/v1/status").await, status(&sandbox, pod, "/metrics").await];
        assert_eq!((answers, status(&sandbox, pod, closed).await), ([200, 200], 401), "{pod}");
    }
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_timelines_are_many_megabytes() {
    let sandbox = bare("many-timelines").await;
    assert_eq!(metric(&sandbox, "safekeeper-2", "safekeeper_timelines").await, [1200]);
    assert_eq!(metric(&sandbox, "safekeeper-2", "safekeeper_flush_lsn").await.len(), 1200);
    let text = get(&sandbox, "pageserver-0", 9898, "/metrics").await;
    assert!(text.len() > 16 << 20, "{} bytes", text.len());
    sandbox.stop().await;
}

/// The WAL on safekeepers belongs to the metadata proxy: its restart begins a new term, on all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_compute_that_starts_again_writes_in_the_next_term() {
    let sandbox = bare("healthy").await;
    for pod in SAFEKEEPERS {
        assert_eq!(metric(&sandbox, pod, "safekeeper_acceptor_term").await, [1], "{pod}");
    }
    replace(sandbox.store(), SYSTEM, "cloudberry-proxy-0", &[]).await;
    for pod in SAFEKEEPERS {
        assert_eq!(metric(&sandbox, pod, "safekeeper_acceptor_term").await, [2], "{pod}");
    }
    // An account's WAL is separate.
    replace(sandbox.store(), ACCOUNT, "cloudberry-proxy-0", &[]).await;
    assert_eq!(metric(&sandbox, "safekeeper-0", "safekeeper_acceptor_term").await, [2]);
    sandbox.stop().await;
}

/// Without a new identity file, a pageserver on an empty disk exits at each start.
#[tokio::test(flavor = "multi_thread")]
async fn without_its_identity_file_a_pageserver_does_not_stay() {
    let sandbox = bare("healthy").await;
    let store = sandbox.store();
    let settings = json!({"pageserver": {"identity": "required"}}).to_string();
    let map = json!({"metadata": {}, "data": {"settings": settings}});
    store.create(Key::new("configmaps", SYSTEM, "storage-stand-in"), map, false).unwrap();
    replace(store, SYSTEM, "pageserver-0", &[]).await;
    for disk in DISKS {
        delete(store, CLAIMS, SYSTEM, disk);
    }
    delete(store, "pods", SYSTEM, "pageserver-0");
    until(store, "it is started again and again", |store| {
        let status = |pod: &serde_json::Value| pod["status"]["containerStatuses"][0].clone();
        pod(store, SYSTEM, "pageserver-0").is_some_and(|pod| {
            let status = status(&pod);
            status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
                && status["lastState"]["terminated"]["exitCode"] == 1
        })
    })
    .await;
    sandbox.stop().await;
}

/// Settings are read when a container starts, as from a pod's environment.
#[tokio::test(flavor = "multi_thread")]
async fn settings_can_change_while_the_cluster_runs() {
    let sandbox = bare("healthy").await;
    let store = sandbox.store();
    let settings = json!({"safekeeper-1": {"lag": 1000}}).to_string();
    let map = json!({"metadata": {}, "data": {"settings": settings}});
    store.create(Key::new("configmaps", SYSTEM, "storage-stand-in"), map, false).unwrap();
    assert_eq!(metric(&sandbox, "safekeeper-1", "safekeeper_flush_lsn").await, [WAL_END]);
    replace(store, SYSTEM, "safekeeper-1", &[]).await;
    assert_eq!(metric(&sandbox, "safekeeper-1", "safekeeper_flush_lsn").await, [WAL_END - 1000]);
    // Invalid settings prevent a container from starting, with a message.
    update(store, &Key::new("configmaps", SYSTEM, "storage-stand-in"), |map| map["data"]["settings"] = json!("{"));
    delete(store, "pods", SYSTEM, "safekeeper-1");
    let why = "Error: the settings of the storage stand-ins: EOF while parsing";
    until(store, "it does not start", |store| {
        events(store, SYSTEM, "safekeeper-1", "Failed").iter().any(|message| message.starts_with(why))
    })
    .await;
    sandbox.stop().await;
}
