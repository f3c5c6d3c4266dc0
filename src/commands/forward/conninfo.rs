//! The connection string for psql: the user's own, or a database's name, redirected to the forward. Pure.
//!
//! In a connection string the last value of a keyword counts, and in a URI a parameter overrides earlier parts, so that what
//! is appended decides (libpq's documentation, "Connection Strings").

use std::net::IpAddr;

/// Where the forward listens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'p> {
    /// On a port of this address.
    Address(IpAddr),
    /// On a socket in this folder, named as libpq names it.
    Folder(&'p str),
}

/// Where the forward listens, and which database it is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way<'w> {
    /// The address or the folder.
    pub(super) place: Place<'w>,
    /// The local port.
    pub(super) port: u16,
    /// The default database.
    pub(super) database: &'w str,
}

/// The parts of a connection string that identify the login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// The database.
    pub(super) database: Option<String>,
    /// The role.
    pub(super) user: Option<String>,
    /// Whether it has a password or a password file.
    pub(super) password: bool,
    /// Whether it names several hosts.
    several: bool,
}

/// Returns a connection string that connects to the forward.
pub(super) fn through(way: Way<'_>, database: Option<&str>) -> String {
    let Way { place, port, database: otherwise } = way;
    // An empty address counts as none: a socket is found by the host only.
    let (host, address) = match place {
        Place::Address(address) => (None, address.to_string()),
        Place::Folder(folder) => (Some(folder), String::new()),
    };
    let word = if address.is_empty() { "''" } else { address.as_str() };
    match database {
        Some(uri) if is_uri(uri) => {
            let parts = of_uri(uri);
            let mut text = uri.to_owned();
            let mut add = |parameter: &str| {
                if !text.ends_with(['?', '&']) {
                    text.push(if text.contains('?') { '&' } else { '?' });
                }
                text.push_str(parameter);
            };
            if parts.database.is_none() {
                add(&format!("dbname={}", encoded(otherwise)));
            }
            if let Some(host) = host.or(parts.several.then_some("localhost")) {
                add(&format!("host={}", encoded(host)));
            }
            add(&format!("hostaddr={}", encoded(&address)));
            add(&format!("port={port}"));
            text
        }
        Some(keywords) if keywords.contains('=') => {
            let host = host.or(parts(keywords).several.then_some("localhost"));
            let host = host.map(|host| format!("host={} ", quoted(host))).unwrap_or_default();
            // Two spaces: a backslash at its end takes one.
            format!("dbname={} {keywords}  {host}hostaddr={word} port={port}", quoted(otherwise))
        }
        name => {
            let host = host.map(|host| format!("host={} ", quoted(host))).unwrap_or_default();
            format!("dbname={} {host}hostaddr={word} port={port}", quoted(name.unwrap_or(otherwise)))
        }
    }
}

/// Parses a database's name, a connection string or a URI.
pub(super) fn parts(text: &str) -> Parts {
    if is_uri(text) {
        return of_uri(text);
    }
    if !text.contains('=') {
        return Parts { database: Some(text.to_owned()), ..Parts::default() };
    }
    let mut parts = Parts::default();
    let mut rest = text;
    while let Some((keyword, value, after)) = pair(rest) {
        parts.take(keyword, value);
        rest = after;
    }
    parts
}

impl Parts {
    fn take(&mut self, keyword: &str, value: String) {
        match keyword {
            "dbname" => self.database = Some(value),
            "user" => self.user = Some(value),
            "password" | "passfile" => self.password = true,
            "host" => self.several = value.contains(','),
            _ => {}
        }
    }
}

fn is_uri(text: &str) -> bool {
    text.starts_with("postgresql://") || text.starts_with("postgres://")
}

/// Returns a keyword, its value, and the rest; `None` at the end, and if libpq will report an error.
fn pair(text: &str) -> Option<(&str, String, &str)> {
    let (keyword, rest) = text.split_once('=')?;
    let rest = rest.trim_start();
    let (quote, rest) = match rest.strip_prefix('\'') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let mut value = String::new();
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quote => return Some((keyword.trim(), value, &rest[at + 1..])),
            _ if !quote && character.is_ascii_whitespace() => return Some((keyword.trim(), value, &rest[at..])),
            _ => value.push(character),
        }
    }
    (!quote).then_some((keyword.trim(), value, ""))
}

fn of_uri(uri: &str) -> Parts {
    let mut parts = Parts::default();
    let rest = uri.split_once("://").map_or("", |(_, rest)| rest);
    let rest = match rest.find(['@', '/']).filter(|at| rest[*at..].starts_with('@')) {
        Some(at) => {
            let (user, password) = match rest[..at].split_once(':') {
                Some((user, _)) => (user, true),
                None => (&rest[..at], false),
            };
            parts.user = Some(decoded(user)).filter(|user| !user.is_empty());
            parts.password = password;
            &rest[at + 1..]
        }
        None => rest,
    };
    let (before, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let (hosts, database) = before.split_once('/').unwrap_or((before, ""));
    parts.several = hosts.contains(',');
    parts.database = Some(decoded(database)).filter(|database| !database.is_empty());
    for (keyword, value) in parameters.split('&').filter_map(|parameter| parameter.split_once('=')) {
        parts.take(&decoded(keyword), decoded(value));
    }
    parts
}

/// Decodes `%XX`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        match code.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Encodes a value for a URI.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Quotes a value for a connection string.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: Way<'_> =
        Way { place: Place::Address(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)), port: 15432, database: "cloud'meta" };

    /// What is appended comes last, and so counts.
    #[test]
    fn every_way_of_naming_a_database_leads_to_the_forward() {
        let at = "hostaddr=127.0.0.1 port=15432";
        for (database, expected) in [
            (None, format!("dbname='cloud\\'meta' {at}")),
            (Some("test_db"), format!("dbname='test_db' {at}")),
            (Some("a b\\c"), format!("dbname='a b\\\\c' {at}")),
            (Some("port=1 hostaddr=192.0.2.1"), format!("dbname='cloud\\'meta' port=1 hostaddr=192.0.2.1  {at}")),
            (Some("dbname=x\\"), format!("dbname='cloud\\'meta' dbname=x\\  {at}")),
            (Some("host=a,b"), format!("dbname='cloud\\'meta' host=a,b  host='localhost' {at}")),
            (Some("postgresql://"), "postgresql://?dbname=cloud%27meta&hostaddr=127.0.0.1&port=15432".into()),
            (Some("postgres://u@h:1/db"), "postgres://u@h:1/db?hostaddr=127.0.0.1&port=15432".into()),
            (
                Some("postgresql://a:1,b:2/db?port=3"),
                "postgresql://a:1,b:2/db?port=3&host=localhost&hostaddr=127.0.0.1&port=15432".into(),
            ),
            (Some("postgresql:///db?"), "postgresql:///db?hostaddr=127.0.0.1&port=15432".into()),
            (Some("postgresql:///?dbname=x&"), "postgresql:///?dbname=x&hostaddr=127.0.0.1&port=15432".into()),
        ] {
            assert_eq!(through(WAY, database), expected);
        }
        let six = Way { place: Place::Address(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)), ..WAY };
        assert_eq!(through(six, Some("postgresql:///x")), "postgresql:///x?hostaddr=%3A%3A1&port=15432");
    }

    /// A socket has no address: one that the user names would connect elsewhere.
    #[test]
    fn every_way_leads_to_a_socket_too() {
        let socket = Way { place: Place::Folder("/run/it's"), port: 5432, ..WAY };
        for (database, expected) in [
            (Some("db"), "dbname='db' host='/run/it\\'s' hostaddr='' port=5432"),
            (
                Some("hostaddr=192.0.2.1"),
                "dbname='cloud\\'meta' hostaddr=192.0.2.1  host='/run/it\\'s' hostaddr='' port=5432",
            ),
            (
                Some("postgresql://h:1/db?hostaddr=192.0.2.1"),
                "postgresql://h:1/db?hostaddr=192.0.2.1&host=%2Frun%2Fit%27s&hostaddr=&port=5432",
            ),
        ] {
            assert_eq!(through(socket, database), expected);
        }
    }

    #[test]
    fn what_it_says_is_read_as_libpq_does() {
        for (text, database, user, password) in [
            ("test_db", Some("test_db"), None, false),
            ("dbname=a user=b", Some("a"), Some("b"), false),
            ("user = 'it\\'s' dbname='a b' password=x", Some("a b"), Some("it's"), true),
            ("dbname=a dbname=b", Some("b"), None, false),
            ("user=a\\ b passfile=x", None, Some("a b"), true),
            ("application_name=x", None, None, false),
            ("dbname='x", None, None, false),
            ("postgresql://", None, None, false),
            ("postgresql://u@h/db", Some("db"), Some("u"), false),
            ("postgresql://u:p@h:1/db?dbname=x", Some("x"), Some("u"), true),
            ("postgresql://h/d%2Fb?user=a%40b&password=x", Some("d/b"), Some("a@b"), true),
            ("postgresql://@/%zz", Some("%zz"), None, false),
        ] {
            let read = parts(text);
            assert_eq!(
                (read.database.as_deref(), read.user.as_deref(), read.password),
                (database, user, password),
                "{text}"
            );
        }
    }
}
