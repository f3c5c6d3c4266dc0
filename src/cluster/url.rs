//! Addresses as Go reads them, with a login in front: `https://user:password@host`. No error repeats one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};

/// A scheme, a login, and what is to be reached.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// In lower case.
    pub(super) scheme: String,
    pub(super) login: Option<Login>,
    /// `host`, `host:port` or `[address]:port`.
    pub(super) authority: String,
    /// From the first slash on; may be empty.
    pub(super) path: String,
}

/// A user and perhaps a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

impl Login {
    /// Returns the value of an `Authorization` or `Proxy-Authorization` header.
    pub(super) fn basic(&self) -> Option<HeaderValue> {
        let mut value =
            HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password))))
                .ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login")
    }
}

impl Address {
    /// Takes an address apart; none if it is no `scheme://host…`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(plain) {
            return None;
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (login, authority) = match authority.rsplit_once('@') {
            Some((login, authority)) => (Some(login), authority),
            None => (None, authority),
        };
        let login = login.map(|login| {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            Login { user: decoded(user), password: decoded(password) }
        });
        // As in Go, an empty port is none.
        let authority = authority.strip_suffix(':').unwrap_or(authority);
        Some(Self {
            scheme: scheme.to_ascii_lowercase(),
            login: login.filter(|login| !login.user.is_empty() || !login.password.is_empty()),
            authority: authority.to_owned(),
            path: path.to_owned(),
        })
    }

    /// Returns it as an address for HTTP, without its login.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn uri(&self) -> Result<Uri, String> {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        let uri: Uri = format!("{}://{}{}", self.scheme, self.authority, path)
            .parse()
            .map_err(|error: http::uri::InvalidUri| error.to_string())?;
        if uri.host().is_none_or(str::is_empty) {
            return Err("it has no host".to_owned());
        }
        let has_port = uri.authority().is_some_and(|authority| authority.as_str() != authority.host());
        match has_port && uri.port_u16().is_none() {
            true => Err("its port is not valid".to_owned()),
            false => Ok(uri),
        }
    }
}

/// Replaces what an address has in place of the login, in a text that may be none.
pub(super) fn without_login(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + 3);
    let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |at| start + at);
    match text[start..end].rfind('@') {
        Some(at) => format!("{}{}", &text[..start], &text[start + at + 1..]),
        None => text.to_owned(),
    }
}

/// Decodes `%40`.
pub(super) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut found = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                found.push(byte);
                at += 3;
            }
            None => {
                found.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&found).into_owned()
}

/// Encodes a path as Go's `URL.EscapedPath` does.
pub(super) fn encoded_path(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@!'()*[]".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_as_in_go() {
        let parse = |text: &str| {
            let address = Address::parse(text)?;
            let login = address.login.clone().map(|login| format!("{}:{}", login.user, login.password));
            Some((address.scheme, login.unwrap_or_default(), address.authority, address.path))
        };
        let of = |scheme: &str, login: &str, authority: &str, path: &str| {
            Some((scheme.to_owned(), login.to_owned(), authority.to_owned(), path.to_owned()))
        };
        assert_eq!(parse("HTTPS://h:1/x"), of("https", "", "h:1", "/x"));
        assert_eq!(parse("http://m%40e:p%3Aw@h"), of("http", "m@e:p:w", "h", ""));
        assert_eq!(parse("http://me@[::1]:5/a@b"), of("http", "me:", "[::1]:5", "/a@b"));
        assert_eq!(parse("socks5://h:"), of("socks5", "", "h", ""));
        assert_eq!(parse("h:1"), None);
        assert_eq!(parse("1x://h"), None);
    }

    #[test]
    fn a_login_is_never_shown() {
        for (text, expected) in [
            ("https://me:hunter2@h:1/x", "https://h:1/x"),
            ("me:hunter2@h:1", "h:1"),
            ("https://h/x@y", "https://h/x@y"),
            ("h:1", "h:1"),
        ] {
            assert_eq!(without_login(text), expected);
        }
        let address = Address::parse("https://me:hunter2@h:1").unwrap();
        assert!(!format!("{:?}", address.login).contains("hunter2"));
    }

    #[test]
    fn wrong_ports_and_hosts_are_refused() {
        let uri = |text: &str| Address::parse(text).unwrap().uri();
        assert!(uri("https://h:65535/x").is_ok());
        for text in ["https://h:99999", "https://h:x", "https://", "https://a b"] {
            assert!(uri(text).is_err(), "{text}");
        }
    }
}
