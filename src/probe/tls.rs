//! TLS to a database, by rustls: libpq's modes, and the messages of its failures.
//!
//! A pod has no host name on the operator's side, so `verify-full` requires a certificate of the pod's own name, `POD`
//! or `POD.NAMESPACE`, unless `--sslservername` sets another: it proves that the server holds a certificate for that
//! name. `localhost` is not accepted automatically: every server may have a certificate for that.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::cli::SslMode;
use crate::cluster::{files, in_time, signed_by_key};
use crate::error::{Error, Result};

/// The source of the trusted authorities.
#[derive(Clone, Debug)]
pub(super) enum Roots {
    /// A file; `named` by flag or environment, or where libpq looks by default.
    File { path: PathBuf, named: bool },
    /// The operating system's.
    System,
    /// None.
    None,
}

/// Whether TLS is requested, and what happens if the server does not support it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// It is not requested.
    Never,
    /// Continue without TLS if the server does not support it, or it fails.
    IfOffered,
    /// Do not continue without TLS.
    Always,
}

/// What a TLS connection has verified of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// Nothing, or there is no TLS.
    Nothing,
    /// A trusted authority signed its certificate.
    Chain,
    /// That, and the certificate is for this server.
    Name,
}

/// How connections to databases are secured.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    want: Want,
    mode: SslMode,
    check: CertificateCheck,
    name: Option<ServerName<'static>>,
    flags: Flags,
}

/// The flags that an error message names.
#[derive(Clone, Copy, Debug)]
struct Flags {
    /// Sets the authorities.
    authorities: &'static str,
    /// Sets the server's name.
    server_name: &'static str,
    /// Disables verification, if a flag does: the end of a parenthesis.
    without: &'static str,
}

const DATABASES: Flags = Flags {
    authorities: "--sslrootcert FILE",
    server_name: "--sslservername NAME",
    without: "; --sslmode require accepts any",
};
const PAGES: Flags = Flags { authorities: "--page-ca-file FILE", server_name: "--page-server-name NAME", without: "" };

/// How a server's certificate is verified.
#[derive(Clone, Debug)]
enum CertificateCheck {
    Nothing,
    /// A trusted authority signed it.
    Chain(Trusted),
    /// That, and it is for the right name.
    Name(Trusted),
}

/// Verifies chains, with its source of authorities.
#[derive(Clone, Debug)]
struct Trusted {
    by: Arc<dyn ServerCertVerifier>,
    /// Certificates that were given one by one.
    named: Vec<CertificateDer<'static>>,
    from: String,
}

impl Trusted {
    /// Verifies the chain; a server's certificate that is itself trusted needs none, and neither does an authority's
    /// own (`openssl req -x509` creates such, and libpq accepts them).
    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if !self.named.contains(certificate) {
            return self.by.verify_server_cert(certificate, intermediates, name, ocsp, now);
        }
        in_time(certificate, now)?;
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        Ok(ServerCertVerified::assertion())
    }
}

impl Default for Tls {
    /// libpq's `prefer`.
    fn default() -> Self {
        Self {
            want: Want::IfOffered,
            mode: SslMode::Prefer,
            check: CertificateCheck::Nothing,
            name: None,
            flags: DATABASES,
        }
    }
}

/// Why no TLS connection can be set up.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum NoTlsClient {
    /// A certificate cannot carry the pod's name.
    #[error("{0} is not a valid certificate name")]
    Name(String),
    /// The TLS library rejects the configuration.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

impl Tls {
    /// Follows libpq: the system's roots are for `verify-full` only, which is then the default; `require` verifies the
    /// chain if a file of roots exists. `allow` is `prefer`: both take what the server offers and verify nothing, and
    /// `prefer` needs one login where `allow` may need two.
    ///
    /// # Errors
    /// Required roots that are missing or cannot be read; an invalid name.
    pub(super) fn resolve(mode: Option<SslMode>, roots: &Roots, name: Option<&str>) -> Result<Self> {
        let system = matches!(roots, Roots::System);
        let mode = mode.unwrap_or(if system { SslMode::VerifyFull } else { SslMode::Prefer });
        if system && !matches!(mode, SslMode::VerifyFull | SslMode::Disable) {
            return Err(Error::usage(format!("sslmode={} cannot be used with sslrootcert=system", mode.name()))
                .because("anyone can get a certificate from a public authority for a name they own")
                .hint("--sslmode verify-full"));
        }
        let (want, check) = match mode {
            SslMode::Disable => (Want::Never, CertificateCheck::Nothing),
            SslMode::Allow | SslMode::Prefer => (Want::IfOffered, CertificateCheck::Nothing),
            SslMode::Require => {
                (Want::Always, trusted(roots, mode)?.map_or(CertificateCheck::Nothing, CertificateCheck::Chain))
            }
            SslMode::VerifyCa => (Want::Always, CertificateCheck::Chain(needed(roots, mode)?)),
            SslMode::VerifyFull => (Want::Always, CertificateCheck::Name(needed(roots, mode)?)),
        };
        let name = name.map(|name| server_name(name, "--sslservername")).transpose()?;
        Ok(Self { want, mode, check, name, flags: DATABASES })
    }

    /// For status endpoints: the certificate is always verified, against these authorities (PEM; the operating system's
    /// if there are none); `from` tells where they come from.
    ///
    /// # Errors
    /// They are not certificates; the name is not a host name.
    pub(super) fn for_pages(authorities: Option<&[u8]>, from: &str, name: Option<&str>) -> Result<Self> {
        let trusted = match authorities {
            Some(pem) => of_pem(pem, from)?,
            None => system()?,
        };
        let name = name.map(|name| server_name(name, "--page-server-name")).transpose()?;
        Ok(Self {
            want: Want::Always,
            mode: SslMode::VerifyFull,
            check: CertificateCheck::Name(trusted),
            name,
            flags: PAGES,
        })
    }

    pub(super) fn want(&self) -> Want {
        self.want
    }

    /// Returns what a connection will have verified of the server.
    pub(super) fn checked(&self) -> Checked {
        match self.check {
            CertificateCheck::Nothing => Checked::Nothing,
            CertificateCheck::Chain(_) => Checked::Chain,
            CertificateCheck::Name(_) => Checked::Name,
        }
    }

    /// Returns the mode as libpq writes it.
    pub(super) fn mode(&self) -> &'static str {
        self.mode.name()
    }

    /// Returns what makes TLS connections to a pod, and the name that its certificate must have.
    ///
    /// # Errors
    /// The pod has no valid name, or rustls rejects the configuration.
    pub(super) fn connector(&self, namespace: &str, pod: &str) -> Result<(MakeRustlsConnect, String), NoTlsClient> {
        let (config, name) = self.client(namespace, pod)?;
        Ok((MakeRustlsConnect::new(config), name.to_str().into_owned()))
    }

    /// Returns the same for any protocol.
    ///
    /// # Errors
    /// The pod has no valid name, or rustls rejects the configuration.
    pub(super) fn client(
        &self,
        namespace: &str,
        pod: &str,
    ) -> Result<(ClientConfig, ServerName<'static>), NoTlsClient> {
        let provider = Arc::new(ring::default_provider());
        let names = self.names(namespace, pod);
        let Some(first) = names.first().cloned() else {
            return Err(NoTlsClient::Name(pod.to_owned()));
        };
        let verifier =
            Verifier { check: self.check.clone(), names, algorithms: provider.signature_verification_algorithms };
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
        // As with an address that has no name; a proxy that routes by name would look for an unknown one.
        config.enable_sni = self.name.is_some();
        Ok((config, first))
    }

    /// Returns the names of which a certificate must carry one.
    fn names(&self, namespace: &str, pod: &str) -> Vec<ServerName<'static>> {
        if let Some(name) = &self.name {
            return vec![name.clone()];
        }
        let own = [pod.to_owned(), format!("{pod}.{namespace}")];
        own.into_iter().filter_map(|name| ServerName::try_from(name).ok()).collect()
    }

    /// Returns why a handshake failed.
    pub(super) fn error_text(&self, error: &rustls::Error, namespace: &str, pod: &str) -> String {
        let rustls::Error::InvalidCertificate(certificate) = error else {
            return format!("TLS failed: {error}");
        };
        let from = match &self.check {
            CertificateCheck::Chain(trusted) | CertificateCheck::Name(trusted) => &*trusted.from,
            CertificateCheck::Nothing => "",
        };
        let Flags { authorities, without, .. } = self.flags;
        let what = match certificate {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
                "its issuer is unknown: no authority in {from} signed it ({authorities} sets the authority; for a \
                 self-signed certificate, the certificate itself{without})"
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".into(),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet".into(),
            CertificateError::NotValidForName => self.another_name(&[], namespace, pod),
            CertificateError::NotValidForNameContext { presented, .. } => self.another_name(presented, namespace, pod),
            CertificateError::Other(other) => match other.0.downcast_ref() {
                Some(webpki::Error::CaUsedAsEndEntity) => {
                    let without = without.trim_start_matches("; ");
                    let without = if without.is_empty() { String::new() } else { format!(" ({without})") };
                    format!("it is a CA certificate (CA:TRUE), not a server certificate signed by one{without}")
                }
                Some(webpki::Error::UnsupportedCertVersion) => {
                    "it is an X.509 version 1 certificate; version 3 is required (openssl: add extensions)".into()
                }
                _ => certificate.to_string(),
            },
            other => other.to_string(),
        };
        match self.flags.without {
            "" => format!("its certificate was rejected: {what}"),
            _ => format!("the server's certificate was rejected by sslmode={}: {what}", self.mode()),
        }
    }

    fn another_name(&self, presented: &[String], namespace: &str, pod: &str) -> String {
        let wanted: Vec<_> = self.names(namespace, pod).iter().map(|name| name.to_str().into_owned()).collect();
        let carried: Vec<&str> = presented
            .iter()
            .map(|name| name.strip_prefix("DnsName(\"").and_then(|name| name.strip_suffix("\")")).unwrap_or(name))
            .collect();
        let carried = match carried.as_slice() {
            [] => "valid for no name (subject alternative names count, the common name does not)".to_owned(),
            names => format!("valid for {}", names.join(", ")),
        };
        format!("it is {carried}, not for {} ({} sets the expected name)", wanted.join(" or "), self.flags.server_name)
    }
}

fn needed(roots: &Roots, mode: SslMode) -> Result<Trusted> {
    let missing = |why: String| {
        Error::usage(format!("sslmode={} requires trusted CA certificates", mode.name()))
            .because(why)
            .hint("--sslrootcert FILE names them, --sslrootcert system takes the operating system's (verify-full)")
            .hint("--sslmode require does without")
    };
    match (trusted(roots, mode)?, roots) {
        (Some(trusted), _) => Ok(trusted),
        (None, Roots::File { path, .. }) => Err(missing(format!("there is no file {}", path.display()))),
        (None, _) => Err(missing("no file is given, and there is no home directory to search".into())),
    }
}

/// Returns the roots, if they are there.
fn trusted(roots: &Roots, mode: SslMode) -> Result<Option<Trusted>> {
    let (path, named) = match roots {
        Roots::None => return Ok(None),
        Roots::System => return system().map(Some),
        Roots::File { path, named } => (path, *named),
    };
    match files::read_limited(path, files::LARGEST) {
        Ok(text) => of_pem(&text, &path.display().to_string()).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && (!named || mode != SslMode::Require) => Ok(None),
        Err(error) => Err(unusable(&path.display().to_string(), crate::cluster::error_text(&error))),
    }
}

fn unusable(from: &str, why: String) -> Error {
    Error::usage(format!("cannot use the certificates in {from}")).because(why)
}

/// Returns the operating system's authorities.
fn system() -> Result<Trusted> {
    let by = rustls_platform_verifier::Verifier::new(Arc::new(ring::default_provider()))
        .map_err(|error| Error::failure("cannot read the operating system's certificates").because_of(error))?;
    Ok(Trusted { by: Arc::new(by), named: Vec::new(), from: "the operating system's certificates".into() })
}

/// Parses the authorities in a text; `from` tells where it comes from.
fn of_pem(text: &[u8], from: &str) -> Result<Trusted> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let named = read.map_err(|error| unusable(from, error.to_string()))?;
    let mut store = RootCertStore::empty();
    for certificate in &named {
        store.add(certificate.clone()).map_err(|error| unusable(from, error.to_string()))?;
    }
    if store.is_empty() {
        return Err(unusable(from, "it contains no PEM certificate".into()));
    }
    let by = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::new(ring::default_provider())).build();
    let by = by.map_err(|error| unusable(from, error.to_string()))?;
    Ok(Trusted { by, named, from: from.to_owned() })
}

fn server_name(name: &str, flag: &str) -> Result<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).map_err(|_| {
        Error::usage(format!("{flag} {name:?} is not a host name")).because("certificates cannot contain it")
    })
}

/// Verifies a server's certificate as far as the mode requires. That the server holds the certificate's key is always
/// verified: the password exchange is bound to it (SCRAM-SHA-256-PLUS).
struct Verifier {
    check: CertificateCheck,
    names: Vec<ServerName<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("names", &self.names).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let (trusted, names) = match &self.check {
            CertificateCheck::Nothing => return Ok(ServerCertVerified::assertion()),
            CertificateCheck::Chain(trusted) => (trusted, None),
            CertificateCheck::Name(trusted) => (trusted, Some(&self.names)),
        };
        // The chain is verified first, then the name: a certificate of another name has a valid chain.
        let said = trusted.check(certificate, intermediates, name, ocsp, now);
        match (said, names) {
            (Err(error), None) if is_about_the_name(&error) => Ok(ServerCertVerified::assertion()),
            (Err(error), Some(names)) if is_about_the_name(&error) => {
                let parsed = ParsedCertificate::try_from(certificate)?;
                let fits = names.iter().any(|name| verify_server_name(&parsed, name).is_ok());
                if fits { Ok(ServerCertVerified::assertion()) } else { Err(error) }
            }
            (said, _) => said,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.check {
            CertificateCheck::Nothing => {
                signed_by_key(message, certificate, (signed.scheme, signed.signature()), &self.algorithms)
            }
            _ => rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.check {
            CertificateCheck::Nothing => {
                signed_by_key(message, certificate, (signed.scheme, signed.signature()), &self.algorithms)
            }
            _ => rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn is_about_the_name(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    )
}

#[cfg(test)]
#[cfg(unix)]
#[path = "tls_tests.rs"]
mod tests;
