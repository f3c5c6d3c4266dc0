//! A server without controllers, and the two clients for it.

use crate::machine;
use futures::FutureExt;
use futures::future::BoxFuture;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use practice_cluster::api::{self, ApiState, DuplexIo, PodStreams, Rbac, Rules, User};
use practice_cluster::store::{Key, Store};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A running server, stopped when dropped.
pub(crate) struct Server {
    pub(crate) state: Arc<ApiState>,
    pub(crate) url: String,
    pub(crate) ca: String,
    folder: tempfile::TempDir,
    serving: tokio::task::JoinHandle<()>,
    end: DropGuard,
}

/// The parts of a request besides method and path.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ask<'a> {
    pub(crate) body: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
}

/// Port 7 of every pod echoes; any other refuses.
pub(crate) struct Echo;

impl PodStreams for Echo {
    fn connect(&self, _: &str, pod: &str, port: u16) -> BoxFuture<'static, Result<Box<dyn DuplexIo>, String>> {
        let pod = pod.to_owned();
        async move {
            if port != 7 {
                return Err(format!("nothing listens on port {port} of {pod}"));
            }
            let (near, mut far) = tokio::io::duplex(64 * 1024);
            tokio::spawn(async move {
                let mut buffer = vec![0; 4096];
                while let Ok(count @ 1..) = far.read(&mut buffer).await {
                    if far.write_all(&buffer[..count]).await.is_err() {
                        break;
                    }
                }
            });
            Ok(Box::new(near) as Box<dyn DuplexIo>)
        }
        .boxed()
    }

    fn log(&self, namespace: &str, pod: &str, container: Option<&str>) -> String {
        format!("{namespace}/{pod}/{}\n", container.unwrap_or("-"))
    }
}

fn named(common_name: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name
}

impl Server {
    /// Starts a server whose authorizer has these `deny` rules (YAML of `Rules`).
    pub(crate) async fn start_with(rules: &str) -> Server {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = named("test-ca", None);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let server_key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap().signed_by(&server_key, &ca).unwrap();
        let client_key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = named("admin", Some(api::MASTERS));
        let client = params.signed_by(&client_key, &ca).unwrap();

        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()
            .unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![server.der().clone()], key)
            .unwrap();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let rules: Rules = serde_saphyr::from_str(rules).unwrap();
        let store = Store::new();
        let mut state = ApiState::new(store.clone(), Arc::new(Rbac::new(rules, store)), Arc::new(Echo));
        let user = |name: &str, group: &str| User { name: name.into(), groups: vec![group.into()], ..User::default() };
        state.tokens.insert("reader-token".into(), user("reader", api::READERS));
        state.tokens.insert("guest-token".into(), user("guest", "guests"));
        let state = Arc::new(state);
        for namespace in ["default", "ns"] {
            state.store.create(Key::new("namespaces", "", namespace), json!({}), false).unwrap();
        }
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(api::serve(listener, Arc::new(tls), state.clone(), shutdown.clone()));

        let folder = tempfile::tempdir().unwrap();
        let server = Server { state, url, ca: ca.pem(), folder, serving, end: shutdown.drop_guard() };
        let certificate = json!({"client-certificate-data": base64(&client.pem()),
                                 "client-key-data": base64(&client_key.serialize_pem())});
        server.write_kubeconfig("admin", certificate);
        server.write_kubeconfig("reader", json!({"token": "reader-token"}));
        server.write_kubeconfig("guest", json!({"token": "guest-token"}));
        server.write_kubeconfig("stranger", json!({"token": "made-up"}));
        server.write_kubeconfig("anonymous", json!({}));
        server
    }

    pub(crate) async fn start() -> Server {
        Server::start_with("{}").await
    }

    /// Stops the server and waits until it has stopped.
    pub(crate) async fn stop(self) {
        drop(self.end);
        self.serving.await.unwrap();
    }

    pub(crate) fn write_kubeconfig(&self, user: &str, credentials: Value) {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url, "certificate-authority-data": base64(&self.ca)}}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user, "namespace": "ns"}}]
        });
        std::fs::write(self.kubeconfig(user), config.to_string()).unwrap();
    }

    pub(crate) fn kubeconfig(&self, user: &str) -> PathBuf {
        self.folder.path().join(user)
    }

    /// Returns a kube-rs client of that user.
    pub(crate) async fn client(&self, user: &str) -> Client {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig(user)).unwrap();
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        // The tests want to see a 429 or 504, not to wait until it is over.
        config.default_retry = false;
        Client::try_from(config).unwrap()
    }

    /// Sends a request as that user and returns HTTP status and body.
    pub(crate) async fn ask(&self, user: &str, method: &str, path: &str, more: Ask<'_>) -> (u16, Value) {
        let client = self.client(user).await;
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in more.headers {
            request = request.header(*name, *value);
        }
        let response = client.send(request.body(more.body.to_string().into_bytes().into()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(axum::body::Body::new(response.into_body()), usize::MAX).await.unwrap();
        let value = serde_json::from_slice(&body);
        (status, value.unwrap_or_else(|_| json!(String::from_utf8_lossy(&body))))
    }

    /// Sends `GET` as the administrator.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.ask("admin", "GET", path, Ask::default()).await
    }

    /// Sends a request with a JSON body as the administrator.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let body = body.to_string();
        self.ask("admin", method, path, Ask { body: &body, headers: &[("content-type", kind)] }).await
    }

    /// Returns a kubectl command of that user, with its own discovery cache.
    pub(crate) fn command(&self, user: &str, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(machine::needs("kubectl"));
        command.arg("--cache-dir").arg(self.folder.path().join("cache")).args(arguments);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.folder.path()).env("KUBECONFIG", self.kubeconfig(user));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs kubectl to its end, and returns success, stdout and stderr.
    pub(crate) async fn kubectl_as(&self, user: &str, arguments: &[&str]) -> (bool, String, String) {
        let output = self.command(user, arguments).output().await;
        let Output { status, stdout, stderr } = output.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (status.success(), text(stdout), text(stderr))
    }

    /// Runs kubectl as the administrator; it must succeed. Returns stdout.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> String {
        let (success, stdout, stderr) = self.kubectl_as("admin", arguments).await;
        assert!(success, "kubectl {arguments:?}\n{stdout}{stderr}");
        stdout
    }

    /// Returns kubectl's minor version. Debian 12's is 20: tests send what it has no command for with `--raw`.
    pub(crate) async fn kubectl_minor(&self) -> u32 {
        let version: Value = serde_json::from_str(&self.kubectl(&["version", "--client", "-o", "json"]).await).unwrap();
        let minor = version["clientVersion"]["minor"].as_str().unwrap().trim_end_matches('+');
        minor.parse().unwrap()
    }

    /// Runs kubectl as the administrator; it must fail. Returns stderr.
    pub(crate) async fn kubectl_fails(&self, arguments: &[&str]) -> String {
        let (success, stdout, stderr) = self.kubectl_as("admin", arguments).await;
        assert!(!success, "kubectl {arguments:?}\n{stdout}{stderr}");
        stderr
    }

    /// Creates a pod in namespace `ns` as if it were running.
    pub(crate) fn running_pod(&self, name: &str, labels: Value) -> Arc<Value> {
        let pod = json!({
            "metadata": {"labels": labels},
            "spec": {"nodeName": "node-1", "containers": [{"name": "main", "image": "example/image:1"}]},
            "status": {
                "phase": "Running", "podIP": "10.0.0.7", "startTime": "2026-01-01T00:00:00Z",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "main", "ready": true, "restartCount": 0, "image": "example/image:1",
                                       "imageID": "x", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]
            }
        });
        self.state.store.create(Key::new("pods", "ns", name), pod, false).unwrap()
    }
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}
