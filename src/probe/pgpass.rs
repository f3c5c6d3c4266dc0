//! Parses the password file as libpq does: `host:port:database:user:password` per line, `*` for any, `\:` and `\\` for
//! themselves; the first matching line counts (PostgreSQL's documentation, "The Password File").

use super::password::Password;

/// The lines of a password file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pgpass(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    host: Field,
    port: Field,
    database: Field,
    user: Field,
    password: Password,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    Any,
    Is(Vec<u8>),
}

impl Field {
    fn fits(&self, one: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Is(text) => text == one.as_bytes(),
        }
    }
}

impl Pgpass {
    /// Parses a file's text. An invalid line is skipped, as in libpq.
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(text.split(|byte| *byte == b'\n').filter_map(entry).collect())
    }

    /// Returns the password of the first line that matches one of these host names and the rest.
    pub(super) fn password(&self, hosts: &[&str], port: u16, database: &str, user: &str) -> Option<&Password> {
        let port = port.to_string();
        let fits = |entry: &&Entry| {
            hosts.iter().any(|host| entry.host.fits(host))
                && entry.port.fits(&port)
                && entry.database.fits(database)
                && entry.user.fits(user)
        };
        self.0.iter().find(fits).map(|entry| &entry.password)
    }
}

fn entry(line: &[u8]) -> Option<Entry> {
    let mut rest = line.strip_suffix(b"\r").unwrap_or(line);
    if rest.starts_with(b"#") {
        return None;
    }
    let mut field = || {
        let (field, after) = field(rest)?;
        rest = after;
        Some(field)
    };
    let (host, port, database, user) = (field()?, field()?, field()?, field()?);
    // The password is the rest of the line: a colon in it needs no escape.
    let (password, _) = unescaped(rest, None);
    Some(Entry { host, port, database, user, password: Password::new(password) })
}

/// Splits off a field at its colon.
fn field(text: &[u8]) -> Option<(Field, &[u8])> {
    if let Some(rest) = text.strip_prefix(b"*:") {
        return Some((Field::Any, rest));
    }
    let (field, rest) = unescaped(text, Some(b':'));
    rest.map(|rest| (Field::Is(field), rest))
}

/// Splits off the text up to `end`, taking escaped characters literally; and what follows the end, if there is one.
fn unescaped(text: &[u8], end: Option<u8>) -> (Vec<u8>, Option<&[u8]>) {
    let mut plain = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if Some(byte) == end {
            return (plain, Some(&text[at + 1..]));
        }
        let escaped = if byte == b'\\' { text.get(at + 1).copied() } else { None };
        at += if escaped.is_some() { 2 } else { 1 };
        plain.push(escaped.unwrap_or(byte));
    }
    (plain, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_counts() {
        let hosts = ["p-0", "p-0.a"];
        for (file, password) in [
            ("localhost:5432:postgres:gpadmin:one", None),
            ("p-0:5432:postgres:gpadmin:one", Some("one")),
            ("p-0.a:5432:postgres:gpadmin:one\r\n", Some("one")),
            ("*:*:*:*:any", Some("any")),
            ("elsewhere:5432:postgres:gpadmin:no\n*:*:*:gpadmin:second\n*:*:*:*:third", Some("second")),
            ("p-1:*:*:*:no", None),
            ("*:15432:*:*:no", None),
            ("*:*:template1:*:no", None),
            ("*:*:*:postgres:no", None),
            ("# *:*:*:*:comment\n#*:*:*:*:comment", None),
            ("*:*:*:*", None),
            ("not an entry\n\n*:*:*:*:after", Some("after")),
            ("*:*:*:*:a:b\\:c\\\\d\\e\\", Some("a:b:c\\de\\")),
            ("*:*:*:gp\\admin:escaped", Some("escaped")),
            ("*:*:*:*:  spaces  ", Some("  spaces  ")),
            ("*:*:*:*:", Some("")),
            ("**:*:*:*:no", None),
        ] {
            let found = Pgpass::parse(file.as_bytes());
            let found = found.password(&hosts, 5432, "postgres", "gpadmin");
            assert_eq!(found.map(Password::bytes), password.map(str::as_bytes), "{file}");
        }
    }

    #[test]
    fn names_with_colons_and_backslashes_are_escaped() {
        let found = Pgpass::parse(b"*:*:a\\:b:c\\\\d:pw");
        assert_eq!(found.password(&["p-0"], 5432, "a:b", "c\\d").map(Password::bytes), Some(&b"pw"[..]));
        assert_eq!(found.password(&["p-0"], 5432, "a", "b"), None);
        assert!(!format!("{found:?}").contains("pw"));
        assert_eq!(Pgpass::parse(&[b'*', b':', 0xff, b':']), Pgpass::default());
    }
}
