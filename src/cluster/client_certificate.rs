//! The certificate with which this program identifies itself to the API server. It is not verified here, only sent: of
//! X.509 version 1, for example, it is as good as any. It may be replaced during a run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

use super::files;
use super::pem::{self, NoKey};

/// Where a certificate and its key come from.
#[derive(Clone)]
pub(super) enum Origin {
    /// PEM: certificate and key.
    Given(Vec<u8>, Vec<u8>),
    /// PEM of the certificate, and the key's file.
    GivenWithKeyFile(Vec<u8>, String),
    /// The certificate's file, and PEM of the key.
    FileWithGivenKey(String, Vec<u8>),
    /// Two files, which are read again for each connection.
    Files(String, String),
}

/// Why a certificate and key cannot be used. It repeats neither.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnusableCertificate {
    /// A file cannot be read.
    #[error("cannot read the {what} {path}: {reason}")]
    File { what: &'static str, path: String, reason: String },
    /// No certificate.
    #[error("the client certificate is no PEM certificate")]
    Certificate,
    /// No key.
    #[error("the client key cannot be used: {0}")]
    Key(#[from] NoKey),
    /// The TLS library cannot use the key.
    #[error("the client key cannot be used: {0}")]
    Unsupported(rustls::Error),
    /// They are not a pair.
    #[error("the client key does not belong to the client certificate")]
    NotAPair,
}

/// The current certificate, shared by all connections.
pub(super) struct ClientCertificate {
    provider: Arc<CryptoProvider>,
    origin: Option<Origin>,
    current: RwLock<Option<Arc<CertifiedKey>>>,
    /// How often it was replaced.
    replaced: AtomicU64,
    /// Whether the server is to be asked which certificates it accepts: a credential plugin may return one later.
    may_come: bool,
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCertificate").field("replaced", &self.replaced).finish_non_exhaustive()
    }
}

impl ClientCertificate {
    /// Reads the certificate, if there is one. `may_come`: a credential plugin may return one.
    ///
    /// # Errors
    /// It cannot be read, or used.
    pub(super) fn new(
        origin: Option<Origin>,
        may_come: bool,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, UnusableCertificate> {
        let current = origin.as_ref().map(|origin| read(origin, provider)).transpose()?;
        Ok(Self {
            provider: Arc::clone(provider),
            origin,
            current: RwLock::new(current),
            replaced: AtomicU64::new(0),
            may_come,
        })
    }

    /// Uses another one from now on, or none. Returns whether it is another.
    ///
    /// # Errors
    /// It cannot be used; the old one stays.
    pub(super) fn replace(&self, pair: Option<&(String, String)>) -> Result<bool, UnusableCertificate> {
        let origin = pair.map(|(certificate, key)| Origin::Given(certificate.clone().into(), key.clone().into()));
        let next = origin.map(|origin| read(&origin, &self.provider)).transpose()?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let same = current.as_ref().map(|key| &key.cert) == next.as_ref().map(|key| &key.cert);
        *current = next;
        if !same {
            self.replaced.fetch_add(1, Ordering::SeqCst);
        }
        Ok(!same)
    }

    /// Returns how often it was replaced: connections that were made before are of another identity.
    pub(super) fn replaced(&self) -> u64 {
        self.replaced.load(Ordering::SeqCst)
    }
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // Files may have been renewed since; while one of them is being written, the old pair is still good.
        if let Some(origin @ Origin::Files(..)) = &self.origin
            && let Ok(read) = read(origin, &self.provider)
        {
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(read);
        }
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn has_certs(&self) -> bool {
        self.may_come || self.current.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

fn read(origin: &Origin, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, UnusableCertificate> {
    let file = |path: &str, what| {
        files::read_limited(path.as_ref(), files::LARGEST).map_err(|error| UnusableCertificate::File {
            what,
            path: path.to_owned(),
            reason: super::failure::error_text(&error),
        })
    };
    let (certificate, key) = match origin {
        Origin::Given(certificate, key) => (certificate.clone(), key.clone()),
        Origin::GivenWithKeyFile(certificate, key) => (certificate.clone(), file(key, "client key")?),
        Origin::FileWithGivenKey(certificate, key) => (file(certificate, "client certificate")?, key.clone()),
        Origin::Files(certificate, key) => (file(certificate, "client certificate")?, file(key, "client key")?),
    };
    let chain = pem::certificates(&certificate);
    let Some(first) = chain.first() else { return Err(UnusableCertificate::Certificate) };
    let key = pem::private_key(&key)?;
    let key = provider.key_provider.load_private_key(key).map_err(UnusableCertificate::Unsupported)?;
    let own = Certificate::from_der(first).ok().and_then(|parsed| {
        let info = parsed.tbs_certificate.subject_public_key_info;
        info.to_der().ok()
    });
    if let Some(public) = key.public_key()
        && own.as_deref() != Some(public.as_ref())
    {
        return Err(UnusableCertificate::NotAPair);
    }
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}
