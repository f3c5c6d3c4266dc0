//! The subject of a client certificate, which TLS has verified before. A user's name and groups come from it.

use x509_cert::Certificate;
use x509_cert::der::asn1::Any;
use x509_cert::der::oid::db::rfc4519::{COMMON_NAME, ORGANIZATION_NAME};
use x509_cert::der::{Decode as _, Tag, Tagged as _};

/// The parts of a subject that identify a user.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CertSubject {
    /// CN; the last if there are several.
    pub(super) common_name: Option<String>,
    /// O, all of them.
    pub(super) organizations: Vec<String>,
}

/// Returns the subject of a DER-encoded certificate; `None` if the bytes are no certificate, or if a name is no text.
pub(super) fn subject(der: &[u8]) -> Option<CertSubject> {
    let certificate = Certificate::from_der(der).ok()?;
    let mut subject = CertSubject::default();
    for attribute in certificate.tbs_certificate.subject.0.iter().flat_map(|names| names.0.iter()) {
        if attribute.oid == COMMON_NAME {
            subject.common_name = Some(text(&attribute.value)?);
        } else if attribute.oid == ORGANIZATION_NAME {
            subject.organizations.push(text(&attribute.value)?);
        }
    }
    Some(subject)
}

fn text(value: &Any) -> Option<String> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::TeletexString => {
            String::from_utf8(value.value().to_vec()).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    #[test]
    fn a_subject_is_read_from_a_certificate() {
        let utf8 = |text: &str| DnValue::Utf8String(text.to_owned());
        let printable = |text: &str| DnValue::PrintableString(text.try_into().unwrap());
        for value in [utf8, printable] {
            let mut params = CertificateParams::new(vec![]).unwrap();
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::OrganizationName, value("system:masters"));
            params.distinguished_name.push(DnType::OrganizationalUnitName, value("other"));
            params.distinguished_name.push(DnType::CommonName, value("sandbox-admin"));
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            let expected =
                CertSubject { common_name: Some("sandbox-admin".into()), organizations: vec!["system:masters".into()] };
            assert_eq!(subject(certificate.der()), Some(expected));
            for end in 0..certificate.der().len() {
                assert_eq!(subject(&certificate.der()[..end]), None, "cut at {end}");
            }
        }
        assert_eq!(subject(b"\x30\x84\xff\xff\xff\xff"), None);
    }
}
