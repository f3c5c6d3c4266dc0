//! The answer of a component: unknown is an answer, and never a pass.

/// A component's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// It answered, with this.
    Yes(T),
    /// It definitely does not, for this reason: nothing listens, or it refused.
    No(String),
    /// Unknown, for this reason: no response in time, or no way to ask.
    Unknown(String),
}

impl<T> Answer<T> {
    /// Returns the same answer with its value converted.
    pub fn map<U>(self, to: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Yes(value) => Answer::Yes(to(value)),
            Self::No(reason) => Answer::No(reason),
            Self::Unknown(reason) => Answer::Unknown(reason),
        }
    }

    /// Returns why it is not a yes.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Yes(_) => None,
            Self::No(reason) | Self::Unknown(reason) => Some(reason),
        }
    }
}
