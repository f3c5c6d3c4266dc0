//! The `Authorization` of each request: fixed, from a file that may be replaced, or from a credential plugin.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use jiff::{SignedDuration, Timestamp};
use kube::client::Body;
use tokio::sync::Mutex;

use super::client_certificate::ClientCertificate;
use super::exec_plugin::{Issued, Plugin};
use super::files;
use super::identity::{Identity, bearer};
use super::request_errors::PluginFailed;

/// How long before its expiry a token is renewed.
const EARLY: SignedDuration = SignedDuration::from_secs(30);

/// A rejected token is not renewed more often than this: a plugin may take seconds, or prompt.
const RENEWAL: SignedDuration = SignedDuration::from_secs(10);

/// How often a token's file is read again, as in client-go.
const REREAD: SignedDuration = SignedDuration::from_secs(50);

/// Where the header comes from.
enum Source {
    Fixed,
    File(PathBuf),
    Plugin(Box<Plugin>),
}

/// The credential of all requests, renewed before it expires and when the server rejects it.
pub(super) struct Credential {
    source: Source,
    certificate: Arc<ClientCertificate>,
    current: Mutex<Current>,
}

#[derive(Clone)]
struct Current {
    header: Option<HeaderValue>,
    expires: Option<Timestamp>,
    since: Timestamp,
    /// Counts renewals.
    version: u64,
}

/// The credential that a request was sent with.
pub(super) struct Used(u64);

impl Credential {
    /// Returns the credential of an identity that needs no plugin. `certificate` is sent with it, if there is one.
    pub(super) fn of(identity: Identity, certificate: Arc<ClientCertificate>) -> Self {
        let (source, header) = match identity {
            Identity::Fixed(header) => (Source::Fixed, Some(header)),
            Identity::TokenFile(path, fallback) => {
                let header = from_file(&path).or(fallback);
                (Source::File(path), header)
            }
            Identity::None | Identity::Plugin(_) => (Source::Fixed, None),
        };
        let current = Mutex::new(Current { header, expires: None, since: Timestamp::now(), version: 0 });
        Self { source, certificate, current }
    }

    /// Runs a plugin, and returns its credential.
    ///
    /// # Errors
    /// The plugin failed, or returned what cannot be used.
    pub(super) async fn of_plugin(plugin: Plugin, certificate: Arc<ClientCertificate>) -> Result<Self, PluginFailed> {
        let current = Current { header: None, expires: None, since: Timestamp::now(), version: 0 };
        let this = Self { source: Source::Plugin(Box::new(plugin)), certificate, current: Mutex::new(current) };
        let mut current = this.current.lock().await;
        this.renewed(&mut current).await?;
        drop(current);
        Ok(this)
    }

    /// Adds `Authorization`, and returns what was added.
    ///
    /// # Errors
    /// The former credential has expired, and the plugin failed.
    pub(super) async fn sign(&self, request: &mut Request<Body>) -> Result<Used, PluginFailed> {
        let mut current = self.current.lock().await;
        let age = Timestamp::now().duration_since(current.since);
        let due = match self.source {
            Source::Fixed => false,
            Source::File(_) => age >= REREAD,
            // One that is always about to expire is not renewed for each request.
            Source::Plugin(_) => current.expires.is_some_and(|expires| {
                let now = Timestamp::now();
                now >= expires || (age >= RENEWAL && expires.duration_since(now) <= EARLY)
            }),
        };
        if due {
            self.renewed(&mut current).await?;
        }
        if let Some(header) = &current.header {
            request.headers_mut().insert(AUTHORIZATION, header.clone());
        }
        Ok(Used(current.version))
    }

    /// Returns whether there is another credential than the used one, which the server rejected. Reads the file again, or
    /// runs the plugin, unless another request just did.
    ///
    /// # Errors
    /// The plugin failed.
    pub(super) async fn renew(&self, used: &Used) -> Result<bool, PluginFailed> {
        let mut current = self.current.lock().await;
        if current.version != used.0 {
            return Ok(true);
        }
        let age = Timestamp::now().duration_since(current.since);
        match self.source {
            Source::Fixed => return Ok(false),
            Source::File(_) => {}
            Source::Plugin(_) if age < RENEWAL => return Ok(false),
            Source::Plugin(_) => {}
        }
        self.renewed(&mut current).await?;
        Ok(current.version != used.0)
    }

    async fn renewed(&self, current: &mut Current) -> Result<(), PluginFailed> {
        let (header, expires, changed) = match &self.source {
            Source::Fixed => return Ok(()),
            // While the file has no token, the former one is still good.
            Source::File(path) => (from_file(path).or_else(|| current.header.clone()), None, false),
            Source::Plugin(plugin) => {
                let issued = plugin.run().await?;
                let changed = self.certificate.replace(issued.certificate.as_ref());
                let changed = changed.map_err(|why| plugin.failed(&format!("its credential cannot be used: {why}")))?;
                (header_of(plugin, &issued)?, issued.expires, changed)
            }
        };
        let version = current.version + u64::from(changed || header != current.header);
        *current = Current { header, expires, since: Timestamp::now(), version };
        Ok(())
    }
}

/// Returns the token of a file, if it has one.
fn from_file(path: &std::path::Path) -> Option<HeaderValue> {
    let text = files::text(path, files::LARGEST).ok()?;
    Some(text.trim()).filter(|token| !token.is_empty()).and_then(|token| bearer(token).ok())
}

fn header_of(plugin: &Plugin, issued: &Issued) -> Result<Option<HeaderValue>, PluginFailed> {
    let header = issued.token.as_deref().map(bearer).transpose();
    header.map_err(|_| plugin.failed("its token contains a control character, which no token has"))
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::cluster::kubeconfig_file::ExecEntry;
    use crate::cluster::kuberc::PluginPolicy;

    fn certificate(may_come: bool) -> Arc<ClientCertificate> {
        Arc::new(ClientCertificate::new(None, may_come, &crate::cluster::client::provider()).unwrap())
    }

    fn plugin(script: String) -> Plugin {
        let entry = ExecEntry {
            api_version: "client.authentication.k8s.io/v1".to_owned(),
            command: "sh".to_owned(),
            args: vec!["-c".to_owned(), script],
            interactive_mode: "Never".to_owned(),
            ..ExecEntry::default()
        };
        Plugin::new(entry, None, PluginPolicy::AllowAll, &crate::cluster::Environment::default())
    }

    async fn sent(credential: &Credential) -> (String, Used) {
        let mut request = Request::new(Body::empty());
        let used = credential.sign(&mut request).await.ok().unwrap();
        let header = request.headers().get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
        (header.unwrap_or_default(), used)
    }

    #[tokio::test]
    async fn an_expired_token_is_renewed_before_it_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "echo x >> {0}; n=$(wc -l < {0}); echo '{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{{\"token\":\"t'$n'\",\"expirationTimestamp\":\"2020-01-01T00:00:00Z\"}}}}'",
            folder.path().join("count").display()
        );
        let credential = Credential::of_plugin(plugin(script), certificate(true)).await.ok().unwrap();
        assert_eq!(sent(&credential).await.0, "Bearer t2");
    }

    #[tokio::test]
    async fn a_files_token_is_read_again_when_it_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let write = |text: &str| std::fs::write(&file, text).unwrap();
        write("one\r\n");
        let identity = Identity::TokenFile(file.clone(), bearer("fallback").ok());
        let credential = Credential::of(identity, certificate(false));
        let (header, used) = sent(&credential).await;
        assert_eq!(header, "Bearer one");
        assert!(!credential.renew(&used).await.ok().unwrap(), "the same token is rejected again");
        write("two\n");
        assert!(credential.renew(&used).await.ok().unwrap());
        let (header, used) = sent(&credential).await;
        assert_eq!(header, "Bearer two");
        // While it is being written, the former one stays.
        write("\n");
        assert!(!credential.renew(&used).await.ok().unwrap());
        assert_eq!(sent(&credential).await.0, "Bearer two");
        write("to\nk");
        assert_eq!(sent(&credential).await.0, "Bearer two");
    }

    /// But not for each of many rejections: it may prompt.
    #[tokio::test]
    async fn a_plugin_runs_again_when_its_token_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "echo x >> {0}; n=$(wc -l < {0}); echo '{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{{\"token\":\"t'$n'\"}}}}'",
            folder.path().join("count").display()
        );
        let credential = Credential::of_plugin(plugin(script), certificate(true)).await.ok().unwrap();
        let (header, used) = sent(&credential).await;
        assert_eq!(header, "Bearer t1");
        assert!(!credential.renew(&used).await.ok().unwrap(), "it has just run");
        credential.current.lock().await.since -= RENEWAL;
        assert!(credential.renew(&used).await.ok().unwrap());
        assert_eq!(sent(&credential).await.0, "Bearer t2");
        assert!(credential.renew(&used).await.ok().unwrap(), "another request had it renewed");
        assert_eq!(sent(&credential).await.0, "Bearer t2");
    }

    #[tokio::test]
    async fn a_rotated_client_certificate_of_a_plugin_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let pair = |name: &str| {
            let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
            let status = serde_json::json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                "status": {"clientCertificateData": made.cert.pem(), "clientKeyData": made.signing_key.serialize_pem(),
                    "expirationTimestamp": "2020-01-01T00:00:00Z"}});
            std::fs::write(folder.path().join("status"), status.to_string()).unwrap();
            made.cert.der().to_vec()
        };
        let certificate = certificate(true);
        let now = || {
            use rustls::client::ResolvesClientCert;
            certificate.resolve(&[], &[]).map(|key| key.cert[0].to_vec())
        };
        let first = pair("one");
        let script = format!("cat {}", folder.path().join("status").display());
        let credential = Credential::of_plugin(plugin(script), Arc::clone(&certificate)).await.ok().unwrap();
        assert_eq!((now(), certificate.replaced()), (Some(first), 1));
        sent(&credential).await;
        assert_eq!(certificate.replaced(), 1, "the same certificate needs no new connections");
        let second = pair("two");
        let (_, used) = sent(&credential).await;
        assert_eq!((now(), certificate.replaced()), (Some(second), 2));
        assert_eq!(used.0, 2);
    }
}
