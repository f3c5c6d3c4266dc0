//! Why a practice cluster could not be started: what failed, why, and what to do next.
//!
//! The crate does not depend on its callers, so it has its own errors; callers print them with
//! [`SandboxError::what`], [`SandboxError::why`] and [`SandboxError::hint`].

use std::path::PathBuf;

/// What can keep the practice cluster from starting.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", self.what(), self.why())]
pub enum SandboxError {
    /// There is no scenario of that name.
    UnknownScenario {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<&'static str>,
    },
    /// A scenario or a manifest cannot be read: a mistake in this program, not in its use.
    Scenario {
        /// File name.
        file: String,
        /// The parser's error.
        why: String,
    },
    /// The folder for the sandbox's state cannot be used.
    StateFolder {
        /// The folder.
        path: PathBuf,
        /// The error of the system or the check.
        why: String,
        /// What to do.
        hint: String,
    },
    /// PostgreSQL is there, but cannot be run.
    Postgres {
        /// What was tried.
        what: String,
        /// The error of PostgreSQL or the system.
        why: String,
    },
    /// No certificates could be made.
    Certificates(String),
    /// No port on the loopback address could be opened.
    Listen(std::io::Error),
    /// This system is not supported.
    System,
}

impl SandboxError {
    /// What failed, without its cause.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::UnknownScenario { name, .. } => format!("there is no sandbox scenario \"{name}\""),
            Self::Scenario { file, .. } => format!("the sandbox's {file} cannot be read"),
            Self::StateFolder { path, .. } => format!("the sandbox cannot keep its state in {}", path.display()),
            Self::Postgres { what, .. } => what.clone(),
            Self::Certificates(_) => "the sandbox's certificates cannot be made".to_owned(),
            Self::Listen(_) => "the sandbox cannot listen on 127.0.0.1".to_owned(),
            Self::System => "there is no practice cluster on this system".to_owned(),
        }
    }

    /// Why it failed.
    #[must_use]
    pub fn why(&self) -> String {
        match self {
            Self::UnknownScenario { known, .. } => format!("there are: {}", known.join(", ")),
            Self::Scenario { why, .. } | Self::StateFolder { why, .. } | Self::Postgres { why, .. } => why.clone(),
            Self::Certificates(why) => why.clone(),
            Self::Listen(error) => error.to_string(),
            Self::System => "it runs PostgreSQL as only Linux and macOS let it".to_owned(),
        }
    }

    /// What the user can do next, if anything.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownScenario { .. } => Some("kubectl synxdb sandbox --list says what each is like".to_owned()),
            Self::StateFolder { hint, .. } => Some(hint.clone()),
            Self::Postgres { .. } => Some("check that the PostgreSQL server of this machine can be started".to_owned()),
            Self::Scenario { .. } => Some("this is a defect of kubectl-synxdb: please report it".to_owned()),
            Self::Certificates(_) | Self::Listen(_) => None,
            Self::System => Some("wsl kubectl synxdb sandbox    (with the Linux build, in WSL)".to_owned()),
        }
    }

    /// A state folder that an I/O error spoiled.
    #[cfg(unix)]
    pub(crate) fn folder(path: &std::path::Path, error: &std::io::Error) -> SandboxError {
        SandboxError::StateFolder {
            path: path.to_owned(),
            why: error.to_string(),
            hint: format!("ls -ld {}", path.display()),
        }
    }
}
