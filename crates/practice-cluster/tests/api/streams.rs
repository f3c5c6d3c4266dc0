//! Port-forward and logs.

use crate::support::{Ask, Server};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use practice_cluster::store::{DeleteOptions, Key};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn bytes_go_both_ways_until_the_pod_goes() {
    let server = Server::start().await;
    server.running_pod("p", json!({}));
    let api: Api<Pod> = Api::default_namespaced(server.client("admin").await);
    let mut forward = api.portforward("p", &[7, 8]).await.unwrap();
    let error = forward.take_error(8).unwrap();
    let mut stream = forward.take_stream(7).unwrap();
    let sent: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
    let (mut reader, mut writer) = tokio::io::split(&mut stream);
    let mut got = vec![0; sent.len()];
    let (written, read) = tokio::join!(writer.write_all(&sent), reader.read_exact(&mut got));
    written.unwrap();
    read.unwrap();
    assert!(got == sent);
    assert_eq!(error.await.as_deref(), Some("nothing listens on port 8 of p"));

    // A terminating pod still runs, and can still be queried.
    let key = Key::new("pods", "ns", "p");
    server.state.store.delete(&key, &DeleteOptions::default()).unwrap();
    stream.write_all(b"still there").await.unwrap();
    let mut echo = [0; 11];
    stream.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"still there");
    let now = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
    server.state.store.delete(&key, &now).unwrap();
    let end = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut echo)).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "the stream is cut: {end:?}");
}

#[tokio::test]
async fn streams_that_cannot_be() {
    let server = Server::start_with("deny: [{resources: [pods], subresource: portforward, verbs: [create]}]").await;
    server.running_pod("p", json!({}));
    let api: Api<Pod> = Api::default_namespaced(server.client("admin").await);
    // `create` is denied, and opening a stream with GET needs it too.
    assert!(api.portforward("p", &[7]).await.is_err());

    let server = Server::start().await;
    server.running_pod("p", json!({}));
    let api: Api<Pod> = Api::default_namespaced(server.client("admin").await);
    assert!(api.portforward("none", &[7]).await.is_err());
    let (status, refused) = server.get("/api/v1/namespaces/ns/pods/none/portforward?ports=7").await;
    assert_eq!((status, refused["message"].as_str()), (404, Some("pods \"none\" not found")));
    let path = "/api/v1/namespaces/ns/pods/p/portforward";
    let (status, refused) = server.get(&format!("{path}?ports=7")).await;
    assert_eq!((status, refused["message"].as_str()), (400, Some("Upgrade request required")));
    let (status, refused) = server.get(&format!("{path}?ports=7,x")).await;
    let why = "cannot convert to []int32: strconv.ParseUint: parsing \"x\": invalid syntax";
    assert_eq!((status, refused["message"].as_str()), (400, Some(why)));
    // kubectl's own way: SPDY, inside a WebSocket or not.
    let headers = &[("connection", "Upgrade"), ("upgrade", "SPDY/3.1")][..];
    let (status, refused) = server.ask("admin", "POST", &format!("{path}?ports=7"), Ask { body: "", headers }).await;
    assert_eq!(status, 400);
    assert!(refused["message"].as_str().unwrap().contains("over WebSocket with v4.channel.k8s.io only"));
}

#[tokio::test]
async fn logs_are_the_workloads() {
    let server = Server::start().await;
    server.running_pod("p", json!({}));
    let api: Api<Pod> = Api::default_namespaced(server.client("admin").await);
    assert_eq!(api.logs("p", &LogParams::default()).await.unwrap(), "ns/p/-\n");
    let params = LogParams { container: Some("main".into()), ..LogParams::default() };
    assert_eq!(api.logs("p", &params).await.unwrap(), "ns/p/main\n");
}
