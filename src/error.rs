//! What went wrong, why, and what to do next. No colours and no printing: `render` does that.

use std::fmt;

/// How a command ended, and with which exit code. The codes are part of the interface:
/// they are documented in `--help` and tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: the answer is yes.
    Yes,
    /// 1: an error that is none of the others.
    Error,
    /// 2: the command line was not understood.
    Usage,
    /// 4: refused by a check; nothing was changed.
    Refused,
    /// 5: the user said no; nothing was changed.
    Declined,
    /// 6: not done within the time given.
    TimedOut,
    /// 7: something that was there before is missing.
    VerificationFailed,
    /// 8: degraded, or something that should be known is not.
    Degraded,
    /// 130: ended by Ctrl-C or SIGTERM.
    Interrupted,
    /// The code of a program that was run in our place: psql.
    Program(u8),
}

impl Exit {
    /// All that are the plugin's own.
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

    /// The process' exit code.
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
    /// What could not be done, one line without a full stop at its end.
    pub what: String,
    /// Why, most general reason first; each on one line.
    pub why: Vec<String>,
    /// What to do next, usually a command; several lines are several commands.
    pub hints: Vec<String>,
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of this kind.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), why: Vec::new(), hints: Vec::new() }
    }

    /// An error with exit code 1.
    pub fn failure(what: impl Into<String>) -> Self {
        Self::new(Exit::Error, what)
    }

    /// A misunderstood command line, exit code 2.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// Refused by a check, exit code 4.
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

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
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

impl std::error::Error for Error {}
