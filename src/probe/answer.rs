//! What a component says when it is asked: unknown is an answer, and never a pass.

/// What a component answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// It answered, with this.
    Yes(T),
    /// It definitely does not, for this reason: nobody listens, or it refused.
    No(String),
    /// Nobody can say, for this reason: no answer in time, no way to ask.
    Unknown(String),
}

impl<T> Answer<T> {
    /// The same answer with another content.
    pub fn map<U>(self, to: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Yes(value) => Answer::Yes(to(value)),
            Self::No(reason) => Answer::No(reason),
            Self::Unknown(reason) => Answer::Unknown(reason),
        }
    }

    /// Why not, where it is not a yes.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Yes(_) => None,
            Self::No(reason) | Self::Unknown(reason) => Some(reason),
        }
    }
}
