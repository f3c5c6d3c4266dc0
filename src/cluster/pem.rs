//! PEM as Go reads it: text around the blocks, blanks at line ends and CRLF are passed over, and so is a block that cannot
//! be decoded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// A block: `-----BEGIN LABEL-----`.
struct Block {
    label: String,
    /// Whether it has headers, as an encrypted key of openssl's older form has.
    headers: bool,
    der: Vec<u8>,
}

/// Why a text has no usable private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoKey {
    /// There is no block of a private key.
    #[error("it has no PEM private key")]
    Missing,
    /// It needs a passphrase, which kubectl does not ask for either.
    #[error("the key is encrypted; a key without a passphrase is needed")]
    Encrypted,
    /// A kind of key that is not known.
    #[error("the key is of an unknown kind")]
    Unknown,
}

fn blocks(pem: &[u8]) -> Vec<Block> {
    let text = String::from_utf8_lossy(pem);
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.trim_end().strip_suffix("-----"))
        else {
            continue;
        };
        let end = format!("-----END {label}-----");
        let (mut body, mut headers, mut ended) = (String::new(), false, false);
        let mut rest = lines.clone();
        for line in rest.by_ref() {
            if line.trim_end() == end {
                ended = true;
                break;
            }
            if line.starts_with("-----BEGIN ") {
                break;
            }
            if line.contains(':') {
                headers = true;
            } else {
                body.extend(line.chars().filter(|c| !c.is_ascii_whitespace()));
            }
        }
        if !ended {
            continue;
        }
        lines = rest;
        if let Ok(der) = STANDARD.decode(body) {
            found.push(Block { label: label.to_owned(), headers, der });
        }
    }
    found
}

/// Returns the certificates that can be decoded, in their order.
pub(super) fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    let certificates = blocks(pem).into_iter().filter(|block| block.label == "CERTIFICATE" && !block.headers);
    certificates.map(|block| block.der).filter(|der| Certificate::from_der(der).is_ok()).map(Into::into).collect()
}

/// Returns the first private key, whatever other blocks there are.
///
/// # Errors
/// There is none, or it cannot be used as it is.
pub(super) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, NoKey> {
    let mut keys = blocks(pem).into_iter().filter(|block| block.label.ends_with("PRIVATE KEY"));
    let block = keys.next().ok_or(NoKey::Missing)?;
    if block.headers || block.label == "ENCRYPTED PRIVATE KEY" {
        return Err(NoKey::Encrypted);
    }
    match block.label.as_str() {
        "PRIVATE KEY" => Ok(PrivatePkcs8KeyDer::from(block.der).into()),
        "RSA PRIVATE KEY" => Ok(PrivatePkcs1KeyDer::from(block.der).into()),
        "EC PRIVATE KEY" => Ok(PrivateSec1KeyDer::from(block.der).into()),
        _ => Err(NoKey::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_in_whatever_is_around_them() {
        let pem = "Bag Attributes: x\r\n-----BEGIN A-----\r\naGVs \r\n\tbG8=\r\n-----END A-----\r\n# end\n-----BEGIN B-----\n!\n-----END B-----\n\
            -----BEGIN C-----\naGVsbG8=\n-----BEGIN D-----\nProc-Type: 4,ENCRYPTED\n\naGVsbG8=\n-----END D-----";
        let found: Vec<_> =
            blocks(pem.as_bytes()).into_iter().map(|block| (block.label, block.headers, block.der)).collect();
        assert_eq!(found, [("A".to_owned(), false, b"hello".to_vec()), ("D".to_owned(), true, b"hello".to_vec())]);
    }

    #[test]
    fn a_key_is_found_behind_other_blocks_and_an_encrypted_one_is_named() {
        let block = |label: &str| format!("-----BEGIN {label}-----\naGVsbG8=\n-----END {label}-----\n");
        let key =
            private_key((block("CERTIFICATE REQUEST") + &block("EC PARAMETERS") + &block("EC PRIVATE KEY")).as_bytes());
        assert!(matches!(key, Ok(PrivateKeyDer::Sec1(_))), "{key:?}");
        for (label, expected) in [
            ("CERTIFICATE", NoKey::Missing),
            ("ENCRYPTED PRIVATE KEY", NoKey::Encrypted),
            ("OPENSSH PRIVATE KEY", NoKey::Unknown),
        ] {
            assert_eq!(private_key(block(label).as_bytes()).unwrap_err(), expected);
        }
        let sealed = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES,0\n\naGVsbG8=\n-----END RSA PRIVATE KEY-----";
        assert_eq!(private_key(sealed.as_bytes()).unwrap_err(), NoKey::Encrypted);
    }
}
