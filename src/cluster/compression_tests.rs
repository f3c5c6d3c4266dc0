//! Compressed responses, as they come over a connection.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::snapshot::Read;
use super::{Cluster, ConnectOptions, Environment};

const SOON: Duration = Duration::from_secs(20);

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Answers every request with this body; returns the server's address and the heads of the requests.
async fn server(body: Vec<u8>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            seen.lock().unwrap().push(String::from_utf8(head).unwrap().to_lowercase());
            let start = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\nconnection: close\r\n\
                 content-length: {}\r\n\r\n",
                body.len()
            );
            // A client may refuse to read all of it.
            let _ = stream.write_all(start.as_bytes()).await;
            let _ = stream.write_all(&body).await;
        }
    });
    (address, heads)
}

async fn cluster(server: &str, disable_compression: bool) -> Cluster {
    let options = ConnectOptions { server: Some(server.to_owned()), disable_compression, ..ConnectOptions::default() };
    Cluster::connect(&options, &Environment::default()).await.unwrap()
}

fn list(names: usize) -> Vec<u8> {
    let items: Vec<_> = (0..names).map(|name| json!({"metadata": {"name": format!("n{name}")}})).collect();
    json!({"metadata": {}, "items": items}).to_string().into_bytes()
}

#[tokio::test]
async fn lists_and_objects_are_requested_compressed_and_unpacked() {
    let (address, heads) = server(gzip(&list(5000))).await;
    let Read::Known(names) = cluster(&address, false).await.namespaces(SOON).await else { panic!() };
    assert_eq!(names.len(), 5000);
    assert!(heads.lock().unwrap()[0].contains("accept-encoding: gzip\r\n"), "{heads:?}");
    let (address, _) = server(gzip(br#"{"metadata": {"name": "there"}}"#)).await;
    let found = cluster(&address, false).await.namespace_named("there", SOON).await;
    assert!(matches!(&found, Read::Known(Some(found)) if found.name == "there"), "{found:?}");
}

#[tokio::test]
async fn compression_can_be_disabled() {
    let (address, heads) = server(list(1)).await;
    cluster(&address, true).await.namespaces(SOON).await;
    assert!(!heads.lock().unwrap()[0].contains("accept-encoding"), "{heads:?}");
}

/// 64 MiB in 64 KiB: what is read is limited by its size after it was unpacked.
#[tokio::test]
async fn a_small_response_that_unpacks_to_a_large_one_is_refused() {
    let start = br#"{"metadata":{},"items":[{"metadata":{"name":""#;
    let bomb = gzip(&[&start[..], &vec![b'x'; 64 << 20]].concat());
    assert!(bomb.len() < 100 << 10, "{}", bomb.len());
    let (address, _) = server(bomb).await;
    let Read::Unknown(part) = cluster(&address, false).await.namespaces(SOON).await else { panic!() };
    assert_eq!(part.reason, "the response is larger than 16 MiB");
}

/// Neither half a stream nor the first of two is taken for the whole.
#[tokio::test]
async fn a_damaged_response_is_an_error() {
    let whole = gzip(&list(5000));
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    let text = list(5000);
    let two = [gzip(&text[..5000]), gzip(&text[5000..])].concat();
    for (what, body, may_be_read) in
        [("half", whole[..middle].to_vec(), false), ("damaged", damaged, false), ("two streams", two, true)]
    {
        let (address, _) = server(body).await;
        match cluster(&address, false).await.namespaces(SOON).await {
            Read::Known(names) => assert!(may_be_read && names.len() == 5000, "{what}: {}", names.len()),
            Read::Unknown(_) => {}
            Read::NotAsked => panic!("{what}"),
        }
    }
}
