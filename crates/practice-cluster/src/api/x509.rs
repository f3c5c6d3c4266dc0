//! The subject of a certificate, read from its DER. TLS has verified the certificate before; this only finds two
//! names in it (RFC 5280, section 4.1), which is too little to bring in a parser for.

/// What is read from a subject.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Subject {
    /// CN (2.5.4.3), the last where there are several.
    pub(super) common_name: Option<String>,
    /// O (2.5.4.10), all of them.
    pub(super) organizations: Vec<String>,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_ID: u8 = 0x06;
const EXPLICIT_VERSION: u8 = 0xa0;
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ORGANIZATION: [u8; 3] = [0x55, 0x04, 0x0a];

/// The subject of a DER-encoded certificate; `None` where it is not one.
pub(super) fn subject(der: &[u8]) -> Option<Subject> {
    let mut certificate = Elements(expect(&mut Elements(der), SEQUENCE)?);
    let mut tbs = Elements(expect(&mut certificate, SEQUENCE)?);
    if tbs.0.first() == Some(&EXPLICIT_VERSION) {
        tbs.next()?;
    }
    // serialNumber, signature, issuer, validity
    for _ in 0..4 {
        tbs.next()?;
    }
    let mut subject = Subject::default();
    for (tag, set) in Elements(expect(&mut tbs, SEQUENCE)?) {
        if tag != SET {
            return None;
        }
        for (_, attribute) in Elements(set) {
            let mut attribute = Elements(attribute);
            let id = expect(&mut attribute, OBJECT_ID)?;
            let (_, value) = attribute.next()?;
            let value = String::from_utf8(value.to_vec()).ok()?;
            if id == COMMON_NAME {
                subject.common_name = Some(value);
            } else if id == ORGANIZATION {
                subject.organizations.push(value);
            }
        }
    }
    Some(subject)
}

fn expect<'a>(elements: &mut Elements<'a>, tag: u8) -> Option<&'a [u8]> {
    elements.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
}

/// The elements of a DER structure, one after the other: tag and content.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = if *first < 0x80 {
            (usize::from(*first), rest)
        } else {
            let count = usize::from(*first & 0x7f);
            let bytes = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), &rest[count..])
        };
        let content = rest.get(..length)?;
        self.0 = &rest[length..];
        Some((*tag, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    #[test]
    fn names_are_found_in_a_certificate() {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "system:masters");
        params.distinguished_name.push(DnType::CommonName, "sandbox-admin");
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        assert_eq!(
            subject(certificate.der()),
            Some(Subject { common_name: Some("sandbox-admin".into()), organizations: vec!["system:masters".into()] })
        );
        for end in 0..60 {
            assert_eq!(subject(&certificate.der()[..end]), None, "cut at {end}");
        }
        assert_eq!(subject(b"\x30\x84\xff\xff\xff\xff"), None);
    }
}
