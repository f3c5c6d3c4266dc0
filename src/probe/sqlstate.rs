//! Classifies a server's SQLSTATE by what it says about the server and its data. One table, pure.
//!
//! Only two meanings are a fault of the server: [`Meaning::Down`] and [`Meaning::Damaged`]. Everything else says that
//! the query was not answered, and is unknown: a full connection pool, a locked table or a read-only default proves
//! nothing about the data. Codes are those of PostgreSQL's documentation, appendix A, and of Greenplum 6.24 (58M01,
//! 57M02).

/// Why a query was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// Nothing listens, the server is shutting down, or a segment of an MPP server is unreachable.
    Down,
    /// The server responds, but its stored data cannot be read or written.
    Damaged,
    /// It is starting, or does not accept sessions yet.
    Starting,
    /// It has no capacity now: connections used up, locks, timeouts, conflicts with recovery.
    Busy,
    /// It rejects the role, the password, or the authentication method.
    LoginRefused,
    /// It denies the request: a missing right, a closed database, a read-only setting, a trigger that objects.
    NotAllowed,
    /// There is no database of this name.
    NoDatabase,
    /// The request does not fit this server: a protocol option, a setting, syntax.
    OurRequest,
    /// It accepts no session in the selected warehouse. No SQLSTATE says so by itself.
    NoWarehouse,
    /// No response came in time.
    Late,
    /// The connection broke, or the server returned a SQLSTATE that is not in the table.
    Unknown,
}

impl Meaning {
    /// Returns whether this is a fault of the server or of its data. Anything else is unknown, never a failure.
    pub fn fails(self) -> bool {
        matches!(self, Self::Down | Self::Damaged)
    }
}

/// Codes that differ from their class.
const CODES: [(&str, Meaning); 22] = [
    // A pooler rejects startup options with it, and uses it for most of its own errors.
    ("08P01", Meaning::OurRequest),
    ("08004", Meaning::Busy),
    // A setting that can be changed only at start, or a database that is closed or invalid.
    ("55000", Meaning::NotAllowed),
    ("55P03", Meaning::Busy),
    ("55006", Meaning::Busy),
    // The disk is full: nothing can be added.
    ("53100", Meaning::Damaged),
    ("57014", Meaning::Busy),
    ("57P01", Meaning::Down),
    ("57P02", Meaning::Down),
    ("57P03", Meaning::Starting),
    ("57P04", Meaning::NoDatabase),
    ("57P05", Meaning::Busy),
    // A standby coordinator.
    ("57M02", Meaning::Starting),
    // Segments: "failed to acquire resources on one or more segments".
    ("58M01", Meaning::Down),
    ("42501", Meaning::NotAllowed),
    ("25006", Meaning::NotAllowed),
    ("25P02", Meaning::OurRequest),
    ("3D000", Meaning::NoDatabase),
    ("22021", Meaning::OurRequest),
    ("72000", Meaning::Busy),
    ("P0000", Meaning::NotAllowed),
    ("40P01", Meaning::Busy),
];

/// Classes: the first two characters.
const CLASSES: [(&str, Meaning); 31] = [
    ("08", Meaning::Down),
    ("09", Meaning::NotAllowed),
    ("0A", Meaning::OurRequest),
    ("0L", Meaning::NotAllowed),
    ("0P", Meaning::LoginRefused),
    ("21", Meaning::OurRequest),
    ("22", Meaning::OurRequest),
    ("23", Meaning::OurRequest),
    ("24", Meaning::OurRequest),
    ("25", Meaning::OurRequest),
    ("26", Meaning::OurRequest),
    ("27", Meaning::NotAllowed),
    ("28", Meaning::LoginRefused),
    ("2B", Meaning::OurRequest),
    ("2D", Meaning::OurRequest),
    ("2F", Meaning::NotAllowed),
    ("34", Meaning::OurRequest),
    ("38", Meaning::NotAllowed),
    ("39", Meaning::NotAllowed),
    ("3B", Meaning::OurRequest),
    ("3F", Meaning::OurRequest),
    ("40", Meaning::Busy),
    ("42", Meaning::OurRequest),
    ("44", Meaning::OurRequest),
    ("53", Meaning::Busy),
    ("54", Meaning::OurRequest),
    ("55", Meaning::NotAllowed),
    ("57", Meaning::Busy),
    ("58", Meaning::Damaged),
    ("P0", Meaning::NotAllowed),
    ("XX", Meaning::Damaged),
];

/// Returns what a SQLSTATE means; [`Meaning::Unknown`] for one that is in neither table.
pub(crate) fn meaning(code: &str) -> Meaning {
    let of =
        |table: &[(&str, Meaning)], key: &str| table.iter().find(|(one, _)| *one == key).map(|(_, meaning)| *meaning);
    of(&CODES, code)
        .or_else(|| code.get(..2).filter(|_| code.len() == 5).and_then(|class| of(&CLASSES, class)))
        .unwrap_or(Meaning::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_code_has_the_meaning_that_a_dba_gives_it() {
        for (meaning_of, codes) in [
            (Meaning::Down, &["58M01", "57P01", "57P02", "08006", "08001", "08003"][..]),
            (Meaning::Damaged, &["58P01", "58030", "58000", "XX000", "XX001", "XX002", "53100"]),
            (Meaning::Starting, &["57P03", "57M02"]),
            (Meaning::Busy, &["53300", "53200", "57014", "55P03", "57P05", "40001", "40P01"]),
            (Meaning::LoginRefused, &["28000", "28P01"]),
            (Meaning::NotAllowed, &["42501", "55000", "25006", "P0001", "P0004", "38000"]),
            (Meaning::NoDatabase, &["3D000", "57P04"]),
            (Meaning::OurRequest, &["08P01", "42704", "42883", "42P01", "42804", "0A000", "22012", "3F000"]),
            (Meaning::Unknown, &["", "5", "Z0001", "HV000", "é0000", "580000"]),
        ] {
            for code in codes {
                assert_eq!(meaning(code), meaning_of, "{code}");
            }
        }
    }

    #[test]
    fn no_code_stands_twice() {
        let mut all: Vec<&str> = CODES.iter().chain(&CLASSES).map(|(code, _)| *code).collect();
        all.sort_unstable();
        let number = all.len();
        all.dedup();
        assert_eq!(all.len(), number);
    }

    proptest! {
        /// Only a fault of the server fails: of all codes there can be, those of storage, shutdown and segments.
        #[test]
        fn only_down_and_damaged_fail(code in "[0-9A-Z]{5}") {
            let storage = code.starts_with("58") || code.starts_with("XX") || code == "53100";
            let down = code.starts_with("08") && !["08P01", "08004"].contains(&code.as_str());
            let down = down || ["57P01", "57P02"].contains(&code.as_str());
            prop_assert_eq!(meaning(&code).fails(), storage || down);
        }

        #[test]
        fn any_text_has_a_meaning(code in ".*") {
            let _ = meaning(&code);
        }
    }
}
