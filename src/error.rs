//! Errors: what failed, why, and what to do next. No colors and no printing: `render` does that.

use crate::suggestion::Suggestion;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// How a command ended, and with which exit code. The codes are part of the interface: they are documented in `--help`
/// and tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: success.
    Yes,
    /// 1: other error.
    Error,
    /// 2: usage error.
    Usage,
    /// 4: blocked by a check, or the cluster changed.
    Refused,
    /// 5: declined by the user; nothing was changed.
    Declined,
    /// 6: timed out.
    TimedOut,
    /// 7: data is missing or damaged.
    VerificationFailed,
    /// 8: degraded, unverified, or something that should be known is not.
    Degraded,
    /// 130: ended by Ctrl-C or SIGTERM.
    Interrupted,
    /// The exit code of a program that replaced this process: psql.
    Program(u8),
}

impl Exit {
    /// All exit codes of the plugin itself.
    pub const ALL: [Self; 9] = [
        Self::Yes,
        Self::Error,
        Self::Usage,
        Self::Refused,
        Self::Declined,
        Self::TimedOut,
        Self::VerificationFailed,
        Self::Degraded,
        Self::Interrupted,
    ];

    /// Returns the process' exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Yes => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::Refused => 4,
            Self::Declined => 5,
            Self::TimedOut => 6,
            Self::VerificationFailed => 7,
            Self::Degraded => 8,
            Self::Interrupted => 130,
            Self::Program(code) => code,
        }
    }
}

/// An error as a user reads it: what, why, and the next command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Decides the exit code.
    pub exit: Exit,
    /// What failed, one line without a full stop at its end.
    pub what: String,
    /// Why, most general reason first; each on one line.
    pub why: Vec<String>,
    /// What to do next: commands and advice.
    pub hints: Vec<Suggestion>,
    /// The error of a library or of the system that caused it.
    pub source: Option<Source>,
}

/// An error of a library or of the system, with its own sources. For troubleshooting: no code depends on it, so all are
/// equal.
#[derive(Clone, Debug)]
pub struct Source(Arc<dyn StdError + Send + Sync>);

impl Source {
    /// Wraps an error.
    pub fn new(error: impl StdError + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    /// Returns the messages of the error and its sources, the outermost first, without repetitions.
    pub fn chain(&self) -> Vec<String> {
        let mut said: Vec<String> = Vec::new();
        let mut next: Option<&(dyn StdError + 'static)> = Some(&*self.0);
        // Limited: nothing forbids a chain with a cycle.
        for _ in 0..16 {
            let Some(link) = next else { break };
            let words = link.to_string();
            if said.last() != Some(&words) {
                said.push(words);
            }
            next = link.source();
        }
        said
    }
}

impl PartialEq for Source {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Source {}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Creates an error with this exit code.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), why: Vec::new(), hints: Vec::new(), source: None }
    }

    /// Creates an error with exit code 1.
    pub fn failure(what: impl Into<String>) -> Self {
        Self::new(Exit::Error, what)
    }

    /// Creates a usage error, exit code 2.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// Creates an error of a blocked operation, exit code 4.
    pub fn refused(what: impl Into<String>) -> Self {
        Self::new(Exit::Refused, what)
    }

    /// Adds a reason. A reason that `what` or an earlier reason already ends with is left out.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        let why = why.into();
        if !why.is_empty() && !self.what.contains(&why) && !self.why.iter().any(|known| known.contains(&why)) {
            self.why.push(why);
        }
        self
    }

    /// Adds the message of the error that caused it as a reason, and keeps the error.
    #[must_use]
    pub fn because_of(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.because(source.to_string()).caused_by(Source::new(source))
    }

    /// Keeps the error that caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Option<Source>>) -> Self {
        self.source = source.into().or(self.source);
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Suggestion>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for why in &self.why {
            write!(f, ": {why}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &*source.0 as &(dyn StdError + 'static))
    }
}
