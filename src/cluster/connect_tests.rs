//! What is really sent over a connection, seen by the test's own TLS server.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::cluster::Cluster;
use crate::cluster::snapshot::{Cause, Read};
use crate::error::Exit;

/// The host name in the server's certificate, which is not its address.
const NAME: &str = "api.inside";

struct Server {
    port: u16,
    /// The heads of the requests, in lower case.
    heads: Arc<Mutex<Vec<String>>>,
    authority: String,
}

impl Server {
    /// Serves an empty list to every client, over TLS.
    async fn start() -> Self {
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let acceptor = acceptor(&cert, &signing_key);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, &seen).await;
                    }
                });
            }
        });
        let authority = base64::engine::general_purpose::STANDARD.encode(cert.pem());
        Self { port, heads, authority }
    }

    fn kubeconfig(&self, cluster: serde_json::Value, user: serde_json::Value) -> serde_json::Value {
        let mut entry = json!({"server": format!("https://127.0.0.1:{}", self.port)});
        entry.as_object_mut().unwrap().extend(cluster.as_object().unwrap().clone());
        json!({"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": entry}], "users": [{"name": "u", "user": user}]})
    }

    fn trusted(&self, user: serde_json::Value) -> serde_json::Value {
        self.kubeconfig(json!({"certificate-authority-data": self.authority, "tls-server-name": NAME}), user)
    }

    fn only_head(&self) -> String {
        let heads = self.heads.lock().unwrap();
        assert_eq!(heads.len(), 1, "{heads:?}");
        heads[0].clone()
    }
}

fn acceptor(cert: &rcgen::Certificate, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn head<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&text).to_lowercase())
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, seen: &Mutex<Vec<String>>) {
    while let Some(head) = head(&mut stream).await {
        let rejected = head.contains("bearer rejected");
        seen.lock().unwrap().push(head);
        let body = match rejected {
            true => r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","code":401}"#,
            false => r#"{"kind":"List","apiVersion":"v1","metadata":{},"items":[]}"#,
        };
        let status = if rejected { "401 Unauthorized" } else { "200 OK" };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

struct Home(tempfile::TempDir);

impl Home {
    fn new(kubeconfig: &serde_json::Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config"), kubeconfig.to_string()).unwrap();
        Self(folder)
    }

    async fn connect(&self, options: ConnectOptions, environment: Environment) -> Result<Cluster> {
        let kubeconfig = Some(self.0.path().join("config"));
        Cluster::connect(&ConnectOptions { kubeconfig, ..options }, &environment).await
    }
}

async fn read(cluster: &Cluster) -> std::result::Result<usize, (Cause, String)> {
    match cluster.namespaces(Duration::from_secs(10)).await {
        Read::Known(names) => Ok(names.len()),
        Read::Unknown(why) => Err((why.cause, why.reason)),
        Read::NotAsked => unreachable!(),
    }
}

#[tokio::test]
async fn a_request_says_who_asks_with_what_and_as_whom() {
    let server = Server::start().await;
    let home = Home::new(&server.trusted(json!({"token": "tok"})));
    let flags = ConnectOptions {
        as_user: Some("eve".to_owned()),
        as_uid: Some("7".to_owned()),
        as_groups: vec!["a".to_owned(), "b".to_owned()],
        ..ConnectOptions::default()
    };
    let cluster = home.connect(flags, Environment::default()).await.unwrap();
    assert!(server.heads.lock().unwrap().is_empty(), "connecting asks nothing");
    assert_eq!(read(&cluster).await, Ok(0));
    let head = server.only_head();
    assert!(head.starts_with("get /api/v1/namespaces?"), "{head}");
    for line in [
        "authorization: bearer tok",
        concat!("user-agent: kubectl-synxdb/", env!("CARGO_PKG_VERSION")),
        "impersonate-user: eve",
        "impersonate-uid: 7",
        "impersonate-group: a",
        "impersonate-group: b",
    ] {
        assert!(head.lines().any(|found| found == line), "{line} is not in {head}");
    }
    assert!(!format!("{cluster:?}").contains("tok"));
}

#[tokio::test]
async fn a_plugin_is_run_once_and_its_token_is_sent() {
    let server = Server::start().await;
    let home = Home::new(&json!({}));
    let runs = home.0.path().join("runs");
    let script = format!(
        "echo x >> {}; echo '{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{{\"token\":\"fresh\"}}}}'",
        runs.display()
    );
    let exec = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script], "interactiveMode": "Never"}});
    let home = Home::new(&server.trusted(exec));
    let cluster = home.connect(ConnectOptions::default(), Environment::default()).await.unwrap();
    assert_eq!(read(&cluster).await, Ok(0));
    assert!(server.only_head().contains("authorization: bearer fresh"));
    assert_eq!(std::fs::read_to_string(runs).unwrap().lines().count(), 1);
}

/// A projected token is replaced while the program runs, and the former one is then rejected.
#[tokio::test]
async fn a_replaced_token_file_is_read_again_after_a_401() {
    let server = Server::start().await;
    let home = Home::new(&json!({}));
    let file = home.0.path().join("token");
    std::fs::write(&file, "rejected\n").unwrap();
    let home = Home::new(&server.trusted(json!({"tokenFile": file})));
    let cluster = home.connect(ConnectOptions::default(), Environment::default()).await.unwrap();
    assert_eq!(read(&cluster).await.unwrap_err().0, Cause::Unauthorized);
    std::fs::write(&file, "accepted\r\n").unwrap();
    assert_eq!(read(&cluster).await, Ok(0));
    let heads = server.heads.lock().unwrap();
    let tokens: Vec<_> = heads.iter().filter_map(|head| head.lines().find(|line| line.starts_with("auth"))).collect();
    assert_eq!(
        tokens,
        ["authorization: bearer rejected", "authorization: bearer rejected", "authorization: bearer accepted"]
    );
}

/// What a proxy answers, and one that is not there.
#[tokio::test]
async fn a_proxy_that_does_not_lead_to_the_server_is_named_without_its_password() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refusing = proxy.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = proxy.accept().await {
            if head(&mut client).await.is_some() {
                let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
            }
        }
    });
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let server = Server::start().await;
    for (proxy, address, expected) in [
        (format!("http://me:hunter2@{refusing}"), refusing, "it answered 403 Forbidden"),
        (format!("http://me:hunter2@{closed}"), closed, "connection refused"),
        (format!("socks5://me:hunter2@{closed}"), closed, "connection refused"),
    ] {
        let home = Home::new(&server.trusted(json!({"token": "t"})));
        let flags = ConnectOptions { proxy_url: Some(proxy.clone()), ..ConnectOptions::default() };
        let cluster = home.connect(flags, Environment::default()).await.unwrap();
        let (cause, reason) = read(&cluster).await.unwrap_err();
        let scheme = proxy.split(':').next().unwrap();
        assert_eq!((cause, reason), (Cause::Unreachable, format!("the proxy {scheme}://{address}: {expected}")));
    }
}

#[tokio::test]
async fn a_failing_plugin_is_named() {
    let server = Server::start().await;
    let exec = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
        "args": ["-c", "echo please log in >&2; exit 2"], "interactiveMode": "Never"}});
    let home = Home::new(&server.trusted(exec));
    let error = home.connect(ConnectOptions::default(), Environment::default()).await.unwrap_err();
    let expected = "no credentials for context c: credential plugin `sh -c …`: exit code 2; its own messages are above";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_wrong_certificate_is_said_in_words() {
    let server = Server::start().await;
    let stranger = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap().cert.pem();
    let stranger = base64::engine::general_purpose::STANDARD.encode(stranger);
    let data = "certificate-authority-data";
    let cases = [
        (json!({data: stranger, "tls-server-name": NAME}), Err("signed by an untrusted authority")),
        (json!({data: server.authority}), Err("the server's certificate is not valid for its name")),
        (json!({data: server.authority, "tls-server-name": NAME}), Ok(0)),
        (json!({"insecure-skip-tls-verify": true}), Ok(0)),
    ];
    for (cluster, expected) in cases {
        let home = Home::new(&server.kubeconfig(cluster.clone(), json!({"token": "t"})));
        let found = read(&home.connect(ConnectOptions::default(), Environment::default()).await.unwrap()).await;
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err((Cause::Unreachable, reason)), Err(expected)) => assert!(reason.contains(expected), "{reason}"),
            (found, expected) => panic!("{cluster}: {found:?} is not {expected:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_said_in_words() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let not_tls = plain.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let no_word = silent.local_addr().unwrap().port();
    let cases = [
        (format!("https://127.0.0.1:{closed}"), "connection refused"),
        ("https://no-such-host.invalid".to_owned(), "host name not found (DNS)"),
        (format!("https://127.0.0.1:{not_tls}"), "does not speak TLS"),
        (format!("https://127.0.0.1:{no_word}"), "connection timed out"),
    ];
    let home = Home::new(&json!({}));
    for (server, expected) in cases {
        let flags = ConnectOptions {
            server: Some(server.clone()),
            token: Some("t".to_owned()),
            insecure_skip_tls_verify: true,
            request_timeout: Some(Duration::from_millis(700)),
            ..ConnectOptions::default()
        };
        let started = Instant::now();
        let cluster = home.connect(flags, Environment::default()).await.unwrap();
        let (cause, reason) = read(&cluster).await.unwrap_err();
        // TLS without a response ends by either deadline.
        let late = expected == "connection timed out" && cause == Cause::TimedOut;
        assert!(late || (cause == Cause::Unreachable && reason.contains(expected)), "{server}: {cause:?} {reason}");
        assert!(started.elapsed() < Duration::from_secs(5));
        if let Read::Unknown(why) = cluster.namespaces(Duration::from_secs(5)).await {
            let error = cluster.unreadable(&why);
            assert!(error.exit == Exit::Error && error.what.contains(&server), "{error}");
        }
    }
    drop(silent);
}

#[tokio::test]
async fn the_environments_proxy_is_used_and_no_proxy_is_about_the_server() {
    let server = Server::start().await;
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy_port = proxy.local_addr().unwrap().port();
    let target = server.port;
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = proxy.accept().await {
            let Some(head) = head(&mut client).await else { continue };
            seen.lock().unwrap().push(head);
            let mut upstream = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut upstream).await });
        }
    });
    // A name that only the proxy can resolve.
    let server_url = Some(format!("https://{NAME}:6443"));
    let flags = || ConnectOptions {
        server: server_url.clone(),
        token: Some("t".to_owned()),
        insecure_skip_tls_verify: true,
        request_timeout: Some(Duration::from_secs(3)),
        ..ConnectOptions::default()
    };
    let home = Home::new(&json!({}));
    let environment = |no_proxy: &str| Environment {
        https_proxy: Some(format!("http://127.0.0.1:{proxy_port}")),
        no_proxy: Some(no_proxy.to_owned()),
        ..Environment::default()
    };
    let through = home.connect(flags(), environment("127.0.0.1")).await.unwrap();
    assert_eq!(read(&through).await, Ok(0));
    assert!(asked.lock().unwrap()[0].starts_with("connect api.inside:6443 "), "{asked:?}");

    let around = home.connect(flags(), environment(".inside")).await.unwrap();
    assert_eq!(read(&around).await.unwrap_err().0, Cause::Unreachable);
    assert_eq!(asked.lock().unwrap().len(), 1);
}
