//! A completion candidate.

/// A candidate for the word under the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The complete value.
    pub value: String,
    /// A short description; may be empty.
    pub about: String,
}

impl Candidate {
    /// Creates a candidate from a value and its description.
    pub fn new(value: impl Into<String>, about: impl Into<String>) -> Self {
        Self { value: value.into(), about: about.into() }
    }
}

/// Shortens a namespace for a description: an account's has a long UUID.
pub(super) fn short(namespace: &str) -> String {
    const LONGEST: usize = 20;
    if namespace.chars().count() <= LONGEST {
        return namespace.to_owned();
    }
    let first: String = namespace.chars().take(LONGEST - 5).collect();
    format!("{}…", first.trim_end_matches('-'))
}
