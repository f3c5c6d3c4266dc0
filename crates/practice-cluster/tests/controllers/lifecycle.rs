//! Starting and stopping: processes and folders, also after a kill.

use crate::support::*;
use practice_cluster::{Options, PostgresChoice, Sandbox};
use std::path::Path;

/// Returns the IDs of PostgreSQL servers with data below a folder.
fn postmasters(folder: &Path) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder.join("objects")).into_iter().flatten().flatten() {
        if let Ok(text) = std::fs::read_to_string(entry.path().join("postmaster.pid")) {
            found.extend(text.lines().next().and_then(|pid| pid.parse::<i32>().ok()));
        }
    }
    found
}

fn exists(pid: i32) -> bool {
    // A process that ended, but was not waited for yet, does not count.
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.is_empty() && !status.lines().any(|line| line.starts_with("State:") && line.contains('Z'))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_is_started_again_in_the_same_pod() {
    let sandbox = start("healthy").await;
    let store = sandbox.store();
    let before = pod(store, SYSTEM, "cloudberry-proxy-0").unwrap();
    let data = sandbox.folder().join("objects").join(format!("{SYSTEM}.cloudberry-proxy-0"));
    let pid = std::fs::read_to_string(data.join("postmaster.pid")).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.lines().next().unwrap().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    until(store, "the container is restarted", |store| {
        let now = pod(store, SYSTEM, "cloudberry-proxy-0").unwrap();
        now["status"]["containerStatuses"][0]["restartCount"] == 1 && is_ready(&now)
    })
    .await;
    let after = pod(store, SYSTEM, "cloudberry-proxy-0").unwrap();
    assert_eq!(uid(&after), uid(&before));
    let last = &after["status"]["containerStatuses"][0]["lastState"]["terminated"];
    assert_eq!((last["exitCode"].as_u64(), last["reason"].as_str()), (Some(137), Some("Error")));
    let meta = connect(&sandbox, SYSTEM, "cloudberry-proxy-0", "cloudmeta").await.unwrap();
    assert_eq!(query(&meta, "SELECT name FROM accounts").await, ["cloud007"]);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_leaves_no_process_and_no_folder() {
    for drop_it in [false, true] {
        let sandbox = start("healthy").await;
        let folder = sandbox.folder().to_owned();
        let servers = postmasters(&folder);
        assert_eq!(servers.len(), 2);
        assert!(servers.iter().all(|pid| exists(*pid)));
        if rustix::process::geteuid().is_root() {
            for pid in &servers {
                let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
                let ids = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
                assert!(ids.split_whitespace().skip(1).all(|id| id != "0"), "runs as root: {ids}");
            }
        }
        if drop_it {
            drop(sandbox);
        } else {
            sandbox.stop().await;
        }
        assert!(!folder.exists(), "{} is left", folder.display());
        assert!(!servers.iter().any(|pid| exists(*pid)), "a server is left");
    }
}

/// Runs a sandbox until it is killed: the next test starts this as another process, and reads its folder from a file.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a part of the test below"]
async fn a_sandbox_to_be_killed() {
    let Some(root) = std::env::var_os("SANDBOX_TEST_ROOT") else { return };
    let options = Options { state_root: Some(Path::new(&root).join("state")), ..Options::default() };
    let sandbox = start_with(options).await;
    let written = Path::new(&root).join("told");
    std::fs::write(&written, sandbox.folder().to_str().unwrap()).unwrap();
    std::fs::rename(written, Path::new(&root).join("folder")).unwrap();
    println!("ready");
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_sandbox_leaves_nothing_after_the_next_start() {
    let root = tempfile::tempdir_in("/tmp").unwrap();
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lifecycle::a_sandbox_to_be_killed", "--ignored", "--nocapture"])
        .env("SANDBOX_TEST_ROOT", root.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stdout.take().unwrap()));
    within("the other sandbox is ready", async {
        while lines.next_line().await.unwrap().expect("it ended too early") != "ready" {}
    })
    .await;
    let folder = std::fs::read_to_string(root.path().join("folder")).unwrap();
    let folder = Path::new(&folder);
    let servers = postmasters(folder);
    assert_eq!(servers.len(), 2);
    child.kill().await.unwrap();
    assert!(folder.exists());
    let options = Options { state_root: Some(root.path().join("state")), ..Options::default() };
    let next = Sandbox::start(options).await.unwrap();
    assert!(!folder.exists(), "{} is left", folder.display());
    assert!(!servers.iter().any(|pid| exists(*pid)), "a server is left");
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_does_not_work_is_reported() {
    use std::os::unix::fs::PermissionsExt as _;
    let bin = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(bin.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for (name, script) in [
        ("postgres", "#!/bin/sh\necho 'postgres (PostgreSQL) 17.1'\n"),
        ("initdb", "#!/bin/sh\necho 'initdb: error: no space left on device' >&2; exit 1\n"),
    ] {
        std::fs::write(bin.path().join(name), script).unwrap();
        std::fs::set_permissions(bin.path().join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let options = Options { postgres: PostgresChoice::Folder(bin.path().to_owned()), ..Options::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    let error = within("the failure is reported", sandbox.ready()).await.unwrap_err();
    assert_eq!(error.to_string(), "initdb failed: initdb: error: no space left on device");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_scenario_is_rejected_before_anything_is_created() {
    let root = tempfile::tempdir_in("/tmp").unwrap();
    let state_root = Some(root.path().join("state"));
    let options = Options { scenario: "helthy".to_owned(), state_root, ..Options::default() };
    let error = Sandbox::start(options).await.unwrap_err();
    assert!(error.why().contains("healthy"), "{}", error.why());
    assert!(!root.path().join("state").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_api_server_cuts_refuses_and_serves_again() {
    use futures::TryStreamExt as _;
    use k8s_openapi::api::core::v1::Pod;
    use tokio::io::AsyncReadExt as _;
    let sandbox = start_with(Options { postgres: PostgresChoice::None, ..Options::default() }).await;
    let client = kube(&sandbox).await;
    let pods: kube::Api<Pod> = kube::Api::namespaced(client.clone(), SYSTEM);
    let before = pods.get("safekeeper-0").await.unwrap().metadata;
    let since = before.resource_version.clone().unwrap();
    let watching = pods.watch(&Default::default(), &since).await.unwrap();
    let mut forward = pods.portforward("safekeeper-0", &[7676]).await.unwrap();
    let mut stream = forward.take_stream(7676).unwrap();
    let address = client_address(&sandbox);

    // Long enough that a busy machine looks while it is down.
    let restart = sandbox.restart_api(std::time::Duration::from_secs(3));
    let meanwhile = async {
        // How they end does not matter, only that they do.
        let _ = within("the watch is cut", watching.try_for_each(async |_| Ok(()))).await;
        let mut rest = Vec::new();
        let _ = within("the port-forward is cut", stream.read_to_end(&mut rest)).await;
        let refused = tokio::net::TcpStream::connect(&address).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    };
    within("the restart", async { tokio::join!(restart, meanwhile) }).await;

    // The same client, kubeconfig, objects and history.
    let after = pods.get("safekeeper-0").await.unwrap().metadata;
    assert_eq!(after, before);
    let watching = pods.watch(&Default::default(), &since).await.unwrap();
    tokio::pin!(watching);
    let old = delete(sandbox.store(), "pods", SYSTEM, "safekeeper-0");
    assert!(within("an event", watching.try_next()).await.unwrap().is_some());
    until_replaced(sandbox.store(), SYSTEM, "safekeeper-0", uid(&old)).await;
    // And again.
    within("the second restart", sandbox.restart_api(std::time::Duration::ZERO)).await;
    kube(&sandbox).await.apiserver_version().await.unwrap();
    sandbox.stop().await;
}

fn client_address(sandbox: &Sandbox) -> String {
    let kubeconfig = std::fs::read_to_string(sandbox.kubeconfig()).unwrap();
    let (_, rest) = kubeconfig.split_once("https://").unwrap();
    rest.split('"').next().unwrap().to_owned()
}
