//! The certificates of the comparison's servers and clients.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
};
use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_cert::der::asn1::BitString;
use x509_cert::der::{Decode, Encode};

/// The host name in the servers' certificates, besides the loopback addresses.
pub(super) const NAME: &str = "api.inside";

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Pair {
    pub(super) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }

    pub(super) fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }
}

/// An authority that signs.
pub(super) struct Authority {
    pub(super) pair: Pair,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(super) fn with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        let certificate = params.self_signed(&key).unwrap();
        let pair = Pair { certificate: certificate.pem(), key: key.serialize_pem() };
        Self { pair, issuer: Issuer::new(params, key) }
    }

    /// Signs a certificate for these names.
    pub(super) fn signs(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    pub(super) fn server(&self) -> Pair {
        self.signs(&["127.0.0.1", "localhost", NAME], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        })
    }

    pub(super) fn client(&self) -> Pair {
        self.signs(&[], |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth])
    }
}

/// A certificate that no authority signed.
pub(super) fn self_signed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    change(&mut params);
    Pair { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

/// The same as X.509 version 1, without extensions, signed by its own key: as `openssl x509 -req` makes it without an
/// extension file, and MicroK8s its clients' certificates.
pub(super) fn version_1(pair: &Pair) -> Pair {
    let mut certificate = x509_cert::Certificate::from_der(&pair.der()).unwrap();
    certificate.tbs_certificate.version = x509_cert::certificate::Version::V1;
    certificate.tbs_certificate.extensions = None;
    let key =
        rustls::crypto::CryptoProvider::get_default().unwrap().key_provider.load_private_key(pair.key_der()).unwrap();
    let signer = key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]).unwrap();
    let signature = signer.sign(&certificate.tbs_certificate.to_der().unwrap()).unwrap();
    certificate.signature = BitString::from_bytes(&signature).unwrap();
    Pair { certificate: pem("CERTIFICATE", &certificate.to_der().unwrap()), key: pair.key.clone() }
}

/// Encodes a block as PEM does.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", wrapped(&STANDARD.encode(der), 64))
}

/// Breaks a text into lines.
pub(super) fn wrapped(text: &str, width: usize) -> String {
    let lines: Vec<&str> = text.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join("\n")
}

/// The key in the older form of openssl's `ec` command.
pub(super) fn sec1(pair: &Pair) -> String {
    let PrivateKeyDer::Pkcs8(pkcs8) = pair.key_der() else { panic!("rcgen writes PKCS #8") };
    let der = PrivatePkcs8KeyDer::from(pkcs8.secret_pkcs8_der().to_vec());
    // PKCS #8 wraps it in its only octet string.
    let bytes = der.secret_pkcs8_der();
    let at =
        bytes.windows(2).position(|two| two[0] == 0x04 && two[1] as usize + 2 <= bytes.len() && two[1] > 0x40).unwrap();
    let mut inner = bytes[at + 2..at + 2 + bytes[at + 1] as usize].to_vec();
    // Without the curve, which PKCS #8 names outside, it is incomplete.
    let curve = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let after_key = 2 + 3 + 2 + 32;
    inner.splice(after_key..after_key, curve);
    inner[1] += u8::try_from(curve.len()).unwrap();
    pem("EC PRIVATE KEY", &inner)
}
