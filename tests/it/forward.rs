//! `forward`: the connections to the API server that it opens before a client comes.

use crate::support::{Cluster, Running, SYSTEM, bare};
use rustix::process::Signal;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Longest wait for an event.
const LIMIT: Duration = Duration::from_secs(60);

/// Asks the status page of a pageserver through a local port, on a connection of its own.
fn page(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Waits until so many connections are open on which nothing was sent.
fn unused(cluster: &Cluster, count: u64) {
    let waited = async { tokio::time::timeout(LIMIT, cluster.sandbox().requests().unused(count)).await };
    cluster.block_on(waited).unwrap_or_else(|_| panic!("there are never {count} spare connections"));
}

fn forwards(cluster: &Cluster) -> usize {
    let entries = cluster.sandbox().requests().entries();
    entries.iter().filter(|(_, path)| path.contains("/portforward")).count()
}

#[test]
fn two_connections_wait_for_clients_and_the_pod_sees_none_of_them() {
    let cluster = Cluster::start(bare("healthy"));
    let target = format!("{SYSTEM}/pageserver-0");
    let mut forward = Running::start(cluster.plugin(&["forward", &target, "--port", "0", "-o", "json"]));
    let opened: serde_json::Value = serde_json::from_str(&forward.first_line()).unwrap();
    let port = opened["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap();
    unused(&cluster, 2);
    assert_eq!(forwards(&cluster), 0);
    for clients in 1..=3 {
        assert!(page(port).starts_with("HTTP/1.1 200"));
        // One was used, and another one opened.
        unused(&cluster, 2);
        assert_eq!(forwards(&cluster), clients);
    }
    // The API server ends all connections, also the spare ones: a client does not notice.
    cluster.block_on(cluster.sandbox().restart_api(Duration::ZERO));
    assert!(page(port).starts_with("HTTP/1.1 200"));
    assert_eq!(forwards(&cluster), 4);
    unused(&cluster, 2);
    forward.signal(Signal::INT);
    forward.end();
    unused(&cluster, 0);
}
