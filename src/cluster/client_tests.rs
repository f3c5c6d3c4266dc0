use http::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::identity::Identity;
use super::super::options::Environment;
use super::super::proxy;
use super::*;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

async fn listen() -> (TcpListener, Uri) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address.parse().unwrap())
}

fn resolved(server: Uri, proxy_url: &str) -> Resolved {
    Resolved {
        context: "c".to_owned(),
        namespace: None,
        proxy: proxy::for_server(&server, proxy_url, &Environment::default()).unwrap(),
        server,
        trust: Trust::default(),
        certificate: None,
        identity: Identity::None,
        impersonation: HeaderMap::new(),
        disable_compression: false,
    }
}

fn no_certificate() -> Arc<ClientCertificate> {
    Arc::new(ClientCertificate::new(None, true, &provider()).unwrap())
}

fn replace(certificate: &ClientCertificate) {
    let pair = rcgen::generate_simple_self_signed(["c".to_owned()]).unwrap();
    assert!(certificate.replace(Some(&(pair.cert.pem(), pair.signing_key.serialize_pem()))).unwrap());
}

/// Sends a request in the background.
fn send(client: &Client) -> tokio::task::JoinHandle<kube::Result<String>> {
    let client = client.clone();
    tokio::spawn(async move { client.request_text(Request::get("/version").body(Vec::new()).unwrap()).await })
}

/// Answers one request; returns false if the connection ended without one.
async fn answered(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    stream.write_all(ANSWER).await.unwrap();
    true
}

/// They were opened with the former certificate.
#[tokio::test]
async fn spares_of_a_former_identity_are_not_used() {
    let (listener, server) = listen().await;
    let certificate = no_certificate();
    let (client, spares) = of(&resolved(server, ""), &certificate, None).unwrap();
    spares.keep(1);
    let (mut first, _) = listener.accept().await.unwrap();
    let sent = send(&client);
    assert!(answered(&mut first).await, "a spare is used");
    sent.await.unwrap().unwrap();
    let (mut former, _) = listener.accept().await.unwrap();

    replace(&certificate);
    let sent = send(&client);
    assert!(!answered(&mut former).await, "a spare of the former identity");
    assert!(!answered(&mut first).await, "a connection of the former identity");
    let opened = [listener.accept().await.unwrap().0, listener.accept().await.unwrap().0];
    let [mut one, mut other] = opened;
    tokio::select! {
        answered = answered(&mut one) => assert!(answered),
        answered = answered(&mut other) => assert!(answered),
    }
    sent.await.unwrap().unwrap();
}

/// The server's address is not the proxy's, and a proxy may count connections.
#[tokio::test]
async fn there_are_no_spares_through_a_proxy() {
    let (listener, proxy) = listen().await;
    let resolved = resolved(Uri::from_static("http://192.0.2.1:6443"), &proxy.to_string());
    let (client, spares) = of(&resolved, &no_certificate(), None).unwrap();
    spares.keep(2);
    let sent = send(&client);
    let (mut only, _) = listener.accept().await.unwrap();
    assert!(answered(&mut only).await, "the first connection is the request's");
    sent.await.unwrap().unwrap();
    assert!(!spares.discard());
}
