//! Verifies the API server's certificate as Go's TLS does. rustls' own verification is stricter in one way and laxer in
//! another: it does not accept a server whose certificate is itself the trusted one, unless that is signed by its own key
//! and no authority's; and it accepts an authority that has expired.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::ExtendedKeyUsage;

const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const ANY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// The authority that would verify the server is no longer, or not yet, valid.
#[derive(Debug, thiserror::Error)]
#[error("the trusted certificate authority has expired")]
pub(super) struct AuthorityExpired;

/// How the server's certificate is verified.
#[derive(Debug)]
enum Check {
    /// Not at all.
    Nothing,
    /// By the operating system's authorities.
    System(rustls_platform_verifier::Verifier),
    /// By these.
    Given {
        trusted: Vec<CertificateDer<'static>>,
        /// By those of them that are valid now; none if none is.
        chains: Option<Arc<WebPkiServerVerifier>>,
        /// Whether some are not valid now.
        expired: bool,
    },
}

/// Verifies the API server.
#[derive(Debug)]
pub(super) struct Verifier {
    check: Check,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// Accepts every certificate; the server must still hold its key.
    pub(super) fn of_nothing(provider: &CryptoProvider) -> Self {
        Self { check: Check::Nothing, algorithms: provider.signature_verification_algorithms }
    }

    /// Trusts the operating system's authorities.
    ///
    /// # Errors
    /// There are none.
    pub(super) fn of_system(provider: &Arc<CryptoProvider>) -> Result<Self, rustls::Error> {
        let system = rustls_platform_verifier::Verifier::new(Arc::clone(provider))?;
        Ok(Self { check: Check::System(system), algorithms: provider.signature_verification_algorithms })
    }

    /// Trusts these certificates: authorities, or the server's own.
    pub(super) fn of(trusted: Vec<CertificateDer<'static>>, provider: &Arc<CryptoProvider>) -> Self {
        let now = UnixTime::now();
        let (valid, expired): (Vec<_>, Vec<_>) =
            trusted.iter().partition(|certificate| in_time(certificate, now).is_ok());
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(valid.into_iter().cloned());
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build().ok();
        let expired = !expired.is_empty();
        let algorithms = provider.signature_verification_algorithms;
        Self { check: Check::Given { trusted, chains, expired }, algorithms }
    }
}

/// Verifies that a certificate is valid now.
///
/// # Errors
/// It cannot be read; it is not valid yet, or no longer.
pub(crate) fn in_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), CertificateError> {
    let parsed = Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let validity = parsed.tbs_certificate.validity;
    let time = |seconds: u64| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let (begins, ends) =
        (validity.not_before.to_unix_duration().as_secs(), validity.not_after.to_unix_duration().as_secs());
    if now.as_secs() < begins {
        return Err(CertificateError::NotValidYetContext { time: now, not_before: time(begins) });
    }
    if now.as_secs() > ends {
        return Err(CertificateError::ExpiredContext { time: now, not_after: time(ends) });
    }
    Ok(())
}

/// Verifies a server's certificate that is itself trusted: no chain is needed, but all the rest.
fn trusted_itself(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, rustls::Error> {
    in_time(certificate, now)?;
    // A certificate of X.509 version 1 is not parsed; it has no names, so it is for no server.
    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
    if !serves(certificate) {
        return Err(CertificateError::InvalidPurpose.into());
    }
    Ok(ServerCertVerified::assertion())
}

/// Returns whether a certificate is for servers, or for anything.
fn serves(certificate: &CertificateDer<'_>) -> bool {
    let Ok(parsed) = Certificate::from_der(certificate) else { return false };
    match parsed.tbs_certificate.get::<ExtendedKeyUsage>() {
        Ok(None) => true,
        Ok(Some((_, usage))) => usage.0.contains(&SERVER_AUTH) || usage.0.contains(&ANY_USAGE),
        Err(_) => false,
    }
}

/// Verifies that the server holds the key in the certificate, whatever else the certificate is: of X.509 version 1, for
/// example, which certificate verification does not accept.
///
/// # Errors
/// It does not, or the certificate cannot be read.
pub(crate) fn signed_by_key(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    (scheme, signature): (SignatureScheme, &[u8]),
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let unreadable = || rustls::Error::InvalidCertificate(CertificateError::BadEncoding);
    let parsed = Certificate::from_der(certificate).map_err(|_| unreadable())?;
    let info = parsed.tbs_certificate.subject_public_key_info;
    let kind = info.algorithm.to_der().map_err(|_| unreadable())?;
    let key = info.subject_public_key.raw_bytes();
    let of_scheme = algorithms.mapping.iter().filter(|(known, _)| *known == scheme);
    let mut possible = of_scheme.flat_map(|(_, algorithms)| *algorithms);
    // The identifier is the contents of the sequence: its tag and length, which is short, come before.
    let fits = |algorithm: &dyn SignatureVerificationAlgorithm| {
        kind.get(2..) == Some(algorithm.public_key_alg_id().as_ref())
            && algorithm.verify_signature(key, message, signature).is_ok()
    };
    if possible.any(|algorithm| fits(*algorithm)) {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(rustls::Error::InvalidCertificate(CertificateError::BadSignature))
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
        let (trusted, chains, expired) = match &self.check {
            Check::Nothing => return Ok(ServerCertVerified::assertion()),
            Check::System(system) => return system.verify_server_cert(certificate, intermediates, name, ocsp, now),
            Check::Given { trusted, chains, expired } => (trusted, chains, *expired),
        };
        if trusted.contains(certificate) {
            return trusted_itself(certificate, name, now);
        }
        let found = match chains {
            Some(chains) => chains.verify_server_cert(certificate, intermediates, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        match found {
            // An authority of the same name, or another.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            )) if expired => Err(CertificateError::Other(OtherError(Arc::new(AuthorityExpired))).into()),
            found => found,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.check {
            Check::Nothing => {
                signed_by_key(message, certificate, (signed.scheme, signed.signature()), &self.algorithms)
            }
            _ => verify_tls12_signature(message, certificate, signed, &self.algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.check {
            Check::Nothing => {
                signed_by_key(message, certificate, (signed.scheme, signed.signature()), &self.algorithms)
            }
            _ => verify_tls13_signature(message, certificate, signed, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

    const NAME: &str = "api.inside";

    fn params(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        change(&mut params);
        params
    }

    fn self_signed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        params(names, change).self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn authority(params: &mut CertificateParams) {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }

    fn expired(params: &mut CertificateParams) {
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 1, 1));
    }

    /// An authority, and a server's certificate that it signed.
    fn signed(
        change: impl FnOnce(&mut CertificateParams),
        of_server: impl FnOnce(&mut CertificateParams),
    ) -> (CertificateDer<'static>, CertificateDer<'static>) {
        let (key, own) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let authority = params(&[], |params| {
            authority(params);
            change(params);
        });
        let root = authority.self_signed(&key).unwrap().der().clone();
        let leaf = params(&[NAME], of_server).signed_by(&own, &Issuer::new(authority, key)).unwrap().der().clone();
        (root, leaf)
    }

    /// A server whose certificate is itself trusted needs no chain; but its name, time and purpose count all the same.
    #[test]
    fn what_is_trusted_itself_must_still_be_right() {
        let provider = crate::cluster::client::provider();
        let verify = |trusted: &[CertificateDer<'static>], leaf: &CertificateDer<'static>| {
            let verifier = Verifier::of(trusted.to_vec(), &provider);
            let name = ServerName::try_from(NAME).unwrap();
            match verifier.verify_server_cert(leaf, &[], &name, &[], UnixTime::now()) {
                Ok(_) => "accepted".to_owned(),
                Err(rustls::Error::InvalidCertificate(error)) => {
                    let text = format!("{error:?}");
                    text.split([' ', '{', '(']).next().unwrap().to_owned()
                }
                Err(error) => error.to_string(),
            }
        };
        let own = self_signed(&[NAME], authority);
        let of_clients = self_signed(&[NAME], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        });
        let old = self_signed(&[NAME], |params| {
            authority(params);
            expired(params);
        });
        let other = self_signed(&["other.example"], authority);
        let (root, leaf) = signed(|_| (), |_| ());
        let (old_root, of_old_root) = signed(expired, |_| ());
        let stranger = self_signed(&[NAME], authority);
        let cases = [
            (&own, &own, "accepted"),
            (&leaf, &leaf, "accepted"),
            (&root, &leaf, "accepted"),
            (&old, &old, "ExpiredContext"),
            (&other, &other, "NotValidForNameContext"),
            (&of_clients, &of_clients, "InvalidPurpose"),
            (&own, &stranger, "Other"),
            (&stranger, &leaf, "BadSignature"),
            (&leaf, &own, "Other"),
            (&old_root, &of_old_root, "Other"),
        ];
        let found = cases.map(|(trusted, certificate, _)| verify(std::slice::from_ref(trusted), certificate));
        assert_eq!(found, cases.map(|(_, _, expected)| expected));
        // One that is good is enough, whatever else is in the bundle.
        assert_eq!(verify(&[old_root, root], &leaf), "accepted");
    }
}
