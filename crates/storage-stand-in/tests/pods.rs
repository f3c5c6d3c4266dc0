//! The program as pods run it: processes with their own addresses, which find each other by the folder that they share.
//! Linux has an entire network of loopback addresses; other systems have one.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const WAL_END: u64 = storage_stand_in::WAL_END;

struct Pods {
    folder: TempDir,
    settings: &'static str,
    /// The first three parts of the addresses, unique to this case.
    network: String,
}

struct Pod {
    child: Child,
    address: String,
    port: u16,
}

impl Pods {
    fn new(case: u8, settings: &'static str) -> Pods {
        let folder = tempfile::tempdir().unwrap();
        let id = std::process::id();
        let network = format!("127.{}.{}", 64 + (id >> 8) % 128, (id & 0xFF) as u8 ^ case);
        Pods { folder, settings, network }
    }

    fn disk(&self, pod: &str) -> PathBuf {
        self.folder.path().join("disks").join(pod)
    }

    /// Starts a pod on its disk, or on a new one.
    fn start(&self, name: &str) -> Pod {
        let (role, ordinal) = name.split_once('-').unwrap();
        let (port, base) = if role == "safekeeper" { (7676, 1) } else { (9898, 100) };
        let address = format!("{}.{}", self.network, base + ordinal.parse::<u8>().unwrap());
        let disk = self.disk(name);
        std::fs::create_dir_all(&disk).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_storage-stand-in"))
            .arg(role)
            .env_clear()
            .envs([
                ("POD_NAME", name),
                ("POD_NAMESPACE", "ns"),
                ("POD_IP", &address),
                ("STORAGE_SETTINGS", self.settings),
            ])
            .env("LISTEN", &address)
            .env("DATA", disk)
            .env("OBJECTS", self.folder.path().join("objects"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Pod { child, address, port }
    }
}

impl Pod {
    /// Waits until it answers.
    fn ready(mut self) -> Pod {
        let end = Instant::now() + Duration::from_secs(30);
        while self.get("/v1/status").is_none() {
            assert_eq!(self.child.try_wait().unwrap(), None, "it ended");
            assert!(Instant::now() < end, "it does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
        self
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect((self.address.as_str(), self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        Some(answer)
    }

    fn value(&self, name: &str) -> Option<u64> {
        let text = self.get("/metrics")?;
        let line =
            text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// Ends it like a kubelet, and returns the exit code.
    fn end(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }

    /// Returns the output and exit code of one that exits by itself.
    fn refuses(mut self) -> (Option<i32>, String) {
        let end = Instant::now() + Duration::from_secs(30);
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "it stays");
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // A test may have ended it already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_wiped_disk_is_filled_by_peers_before_the_pod_answers() {
    let pods = Pods::new(1, "");
    let [first, second, third] = ["safekeeper-0", "safekeeper-1", "safekeeper-2"].map(|name| pods.start(name).ready());
    let pageserver = pods.start("pageserver-0").ready();
    assert_eq!((first.value("safekeeper_flush_lsn"), second.value("safekeeper_timelines")), (Some(WAL_END), Some(1)));
    assert_eq!(pageserver.value("pageserver_tenant_states_count{state=\"Active\"}"), Some(1));
    assert!(pageserver.get("/v1/status").unwrap().contains("\r\npageserver_launch_timestamp: 20"));
    assert_eq!(first.end(), Some(0), "told to end, it ends well");
    std::fs::remove_dir_all(pods.disk("safekeeper-0")).unwrap();
    let again = pods.start("safekeeper-0").ready();
    assert_eq!((again.value("safekeeper_timelines"), again.value("safekeeper_flush_lsn")), (Some(1), Some(WAL_END)));

    pageserver.end();
    std::fs::remove_dir_all(pods.disk("pageserver-0")).unwrap();
    let pageserver = pods.start("pageserver-0").ready();
    assert_eq!(pageserver.value("pageserver_local_data_loss_suspected"), Some(1));
    assert_eq!(pageserver.value("pageserver_last_record_lsn"), Some(WAL_END));
    for pod in [second, third, again, pageserver] {
        assert_eq!(pod.end(), Some(0));
    }
}

#[test]
fn without_peers_a_wiped_disk_stays_empty_until_one_comes() {
    let pods = Pods::new(2, "");
    let [first, second] = ["safekeeper-0", "safekeeper-1"].map(|name| pods.start(name).ready());
    for pod in [first, second] {
        pod.end();
    }
    std::fs::remove_dir_all(pods.disk("safekeeper-0")).unwrap();
    let wiped = pods.start("safekeeper-0").ready();
    assert_eq!((wiped.value("safekeeper_timelines"), wiped.value("safekeeper_flush_lsn")), (Some(0), None));
    let _peer = pods.start("safekeeper-1").ready();
    let end = Instant::now() + Duration::from_secs(30);
    while wiped.value("safekeeper_flush_lsn") != Some(WAL_END) {
        assert!(Instant::now() < end, "its peer has it");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_pods_error_is_reported() {
    let (code, said) = Pods::new(3, r#"{"safekeeper": {"rat": 1}}"#).start("safekeeper-0").refuses();
    assert!(code == Some(1) && said.contains("unknown field `rat`"), "{code:?}: {said}");
    let pods = Pods::new(4, r#"{"pageserver": {"identity": "required"}}"#);
    pods.start("pageserver-0").ready().end();
    std::fs::remove_dir_all(pods.disk("pageserver-0")).unwrap();
    assert_eq!(pods.start("pageserver-0").refuses().0, Some(1));
}
