//! psql's arguments: which of them say where to connect, so that psql connects to the forward and nowhere else. Pure.
//!
//! They are read as by psql 9.4 to 18: options by getopt_long; the first two positional ones are a database and a role unless
//! options name them; and a database may be a connection string or a URI, whose parts override options (PostgreSQL's
//! documentation, "psql" and "Connection Strings").

use std::ffi::{OsStr, OsString};

/// Short options with a value.
const WITH_VALUE: &str = "cdfFhLopPRTUv";
/// Long options, and whether they have a value.
const LONG: &[(&str, bool)] = &[
    ("echo-all", false),
    ("no-align", false),
    ("command", true),
    ("csv", false),
    ("dbname", true),
    ("echo-errors", false),
    ("echo-queries", false),
    ("echo-hidden", false),
    ("file", true),
    ("field-separator", true),
    ("field-separator-zero", false),
    ("host", true),
    ("html", false),
    ("list", false),
    ("log-file", true),
    ("no-readline", false),
    ("single-transaction", false),
    ("output", true),
    ("port", true),
    ("pset", true),
    ("quiet", false),
    ("record-separator", true),
    ("record-separator-zero", false),
    ("single-step", false),
    ("single-line", false),
    ("tuples-only", false),
    ("table-attr", true),
    ("username", true),
    ("set", true),
    ("variable", true),
    ("version", false),
    ("no-password", false),
    ("password", false),
    ("expanded", false),
    ("no-psqlrc", false),
    ("help", false),
];

/// psql's parsed arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    /// A database's name, a connection string or a URI.
    pub(super) database: Option<OsString>,
    /// A role.
    pub(super) user: Option<OsString>,
    /// Whether a port is named: the forward sets it.
    pub(super) port: bool,
    /// All others, unchanged.
    pub(super) others: Vec<OsString>,
}

/// The kind of an argument.
enum Word<'w> {
    /// A positional one: a database, a role or another.
    Positional,
    /// An option without a value, or with its value attached.
    Complete,
    /// An option of this letter, with this value, after other letters.
    Valued { letter: char, value: Option<OsString>, before: &'w str },
}

impl Arguments {
    /// Parses them.
    pub(super) fn read(arguments: &[OsString]) -> Self {
        let mut read = Self::default();
        let mut positional = Vec::new();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                positional.extend(words.by_ref().cloned());
                break;
            }
            match kind(word) {
                Word::Positional => positional.push(word.clone()),
                Word::Complete => read.others.push(word.clone()),
                Word::Valued { letter, value, before } => {
                    let value = value.or_else(|| words.next().cloned());
                    let known = matches!(letter, 'd' | 'U' | 'p');
                    if !known {
                        // Unchanged: in one word or two.
                        read.others.push(word.clone());
                        read.others.extend(value.filter(|_| takes_the_next(word)));
                        continue;
                    }
                    if !before.is_empty() {
                        read.others.push(format!("-{before}").into());
                    }
                    match (letter, value) {
                        ('d', Some(value)) => read.database = Some(value),
                        ('U', Some(value)) => read.user = Some(value),
                        ('p', Some(_)) => read.port = true,
                        // psql reports what is missing.
                        _ => read.others.push(word.clone()),
                    }
                }
            }
        }
        let mut positional = positional.into_iter();
        if read.database.is_none() {
            read.database = positional.next();
        }
        if read.user.is_none() {
            read.user = positional.next();
        }
        let rest: Vec<OsString> = positional.collect();
        if !rest.is_empty() {
            // psql warns about each.
            read.others.push("--".into());
            read.others.extend(rest);
        }
        read
    }
}

fn kind(word: &OsStr) -> Word<'_> {
    let Some(text) = word.to_str() else { return of_bytes(word) };
    if let Some(long) = text.strip_prefix("--") {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.into())),
            None => (long, None),
        };
        return match long_option(name) {
            Some((known, true)) => Word::Valued { letter: letter(known), value, before: "" },
            _ => Word::Complete,
        };
    }
    match text.strip_prefix('-') {
        None | Some("") => Word::Positional,
        Some(letters) => match letters.find(|letter| WITH_VALUE.contains(letter)) {
            None => Word::Complete,
            Some(at) => {
                let (before, rest) = letters.split_at(at);
                let mut characters = rest.chars();
                let letter = characters.next().unwrap_or_default();
                let value = Some(characters.as_str()).filter(|value| !value.is_empty()).map(OsString::from);
                Word::Valued { letter, value, before }
            }
        },
    }
}

/// Returns the kind of an argument that is not UTF-8: it may name a file or a database; only one with a dash is an option.
fn of_bytes(word: &OsStr) -> Word<'_> {
    if word.as_encoded_bytes().starts_with(b"-") { Word::Complete } else { Word::Positional }
}

/// Finds a long option by its name or a unique prefix.
fn long_option(typed: &str) -> Option<(&'static str, bool)> {
    let exact = LONG.iter().find(|(name, _)| *name == typed);
    let mut begin = LONG.iter().filter(|(name, _)| name.starts_with(typed));
    let only = begin.next().filter(|_| begin.next().is_none());
    exact.or(only).copied()
}

fn letter(long: &str) -> char {
    match long {
        "dbname" => 'd',
        "username" => 'U',
        "port" => 'p',
        _ => ' ',
    }
}

/// Returns whether an option's value is the next argument.
fn takes_the_next(word: &OsStr) -> bool {
    let text = word.to_str().unwrap_or_default();
    match text.strip_prefix("--") {
        Some(long) => !long.contains('='),
        None => text.chars().last().is_some_and(|last| {
            let letters = text.trim_start_matches('-');
            letters.find(|letter| WITH_VALUE.contains(letter)) == Some(letters.len() - last.len_utf8())
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Arguments {
        Arguments::read(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn a_database_and_a_role_are_found_wherever_they_stand() {
        for (words, database, user, others) in [
            (&[][..], None, None, &[][..]),
            (&["db"], Some("db"), None, &[]),
            (&["db", "role"], Some("db"), Some("role"), &[]),
            (&["db", "role", "more", "-q"], Some("db"), Some("role"), &["-q", "--", "more"]),
            (&["-d", "db", "role"], Some("db"), Some("role"), &[]),
            (&["-U", "role", "db"], Some("db"), Some("role"), &[]),
            (&["-d", "one", "-d", "two"], Some("two"), None, &[]),
            (&["-ddb", "-Urole"], Some("db"), Some("role"), &[]),
            (&["-XAtqd", "db"], Some("db"), None, &["-XAtq"]),
            (&["-XAtqddb"], Some("db"), None, &["-XAtq"]),
            (&["-c", "select 1", "db"], Some("db"), None, &["-c", "select 1"]),
            (&["-cselect 1", "db"], Some("db"), None, &["-cselect 1"]),
            (&["-Atc", "-d", "db"], Some("db"), None, &["-Atc", "-d"]),
            (
                &["-v", "d=x", "--set=a=b", "--set", "c=d", "db"],
                Some("db"),
                None,
                &["-v", "d=x", "--set=a=b", "--set", "c=d"],
            ),
            (&["--dbname=db", "--username", "role"], Some("db"), Some("role"), &[]),
            (&["--db", "db", "--user=role"], Some("db"), Some("role"), &[]),
            (&["--field-separator", "db"], None, None, &["--field-separator", "db"]),
            (&["--field-separator-zero", "db"], Some("db"), None, &["--field-separator-zero"]),
            (&["--help=commands", "db"], Some("db"), None, &["--help=commands"]),
            (&["--", "-d"], Some("-d"), None, &[]),
            (&["-", "role"], Some("-"), Some("role"), &[]),
            (&["-h", "host", "db"], Some("db"), None, &["-h", "host"]),
            (&["-?", "-l"], None, None, &["-?", "-l"]),
            // psql reports these errors.
            (&["-d"], None, None, &["-d"]),
            (&["--nonsense", "db"], Some("db"), None, &["--nonsense"]),
            (&["--s", "db"], Some("db"), None, &["--s"]),
        ] {
            let expected = Arguments {
                database: database.map(OsString::from),
                user: user.map(OsString::from),
                port: false,
                others: others.iter().map(OsString::from).collect(),
            };
            assert_eq!(read(words), expected, "{words:?}");
        }
    }

    #[test]
    fn a_port_is_seen() {
        for words in [&["-p", "1"][..], &["-p1"], &["-qp", "1"], &["--port", "1"], &["--port=1"], &["--po=1"]] {
            assert!(read(words).port, "{words:?}");
        }
        for words in [&["-c", "-p"][..], &["-P", "pager"], &["--pset=x=y"], &["--", "-p", "1"]] {
            assert!(!read(words).port, "{words:?}");
        }
    }
}
