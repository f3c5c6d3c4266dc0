//! What the shell is offered.

/// Something that may stand for the word under the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The whole value.
    pub value: String,
    /// What it is, on one short line; may be empty.
    pub about: String,
}

impl Candidate {
    /// A value, and what it is.
    pub fn new(value: impl Into<String>, about: impl Into<String>) -> Self {
        Self { value: value.into(), about: about.into() }
    }
}

/// A namespace in a description: an account's has a UUID in it, and a line is soon full.
pub(super) fn short(namespace: &str) -> String {
    const LONGEST: usize = 20;
    if namespace.chars().count() <= LONGEST {
        return namespace.to_owned();
    }
    let first: String = namespace.chars().take(LONGEST - 5).collect();
    format!("{}…", first.trim_end_matches('-'))
}
