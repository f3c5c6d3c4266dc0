//! Why a query got no answer, and what that says about the server.

use std::io;
use std::time::Duration;

use tokio_postgres::error::{DbError, SqlState};

use super::Answer;
use super::sqlstate::{Meaning, meaning};
use crate::cluster::{cut, error_text};
use crate::duration;
use crate::text::one_line;

/// A query that got no answer, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ProbeError {
    /// What that says about the server.
    pub meaning: Meaning,
    /// The reason in one line.
    pub reason: String,
    /// The server's SQLSTATE, if it sent one.
    pub code: Option<String>,
}

impl ProbeError {
    /// Creates an error with this meaning.
    pub fn new(meaning: Meaning, reason: impl Into<String>) -> Self {
        Self { meaning, reason: reason.into(), code: None }
    }

    /// Creates an error that says nothing about the server: the connection broke, or the response makes no sense.
    pub fn unsure(reason: impl Into<String>) -> Self {
        Self::new(Meaning::Unknown, reason)
    }

    /// Creates the error for a response that did not arrive within this time.
    pub fn late(after: Duration) -> Self {
        Self::new(Meaning::Late, format!("no response within {}", duration::format(rounded(after))))
    }

    pub(super) fn of(error: &tokio_postgres::Error) -> Self {
        if let Some(db) = error.as_db_error() {
            let code = db.code().code();
            return Self { code: Some(code.to_owned()), ..Self::new(meaning(code), error_text_of(db)) };
        }
        match std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>()) {
            Some(io) => Self::of_io(io),
            None if error.is_closed() => Self::unsure("the connection was closed"),
            None => Self::unsure(error_text(error)),
        }
    }

    pub(super) fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::new(Meaning::Down, error_text(error)),
            io::ErrorKind::UnexpectedEof => Self::unsure("the connection was closed"),
            _ => Self::unsure(error_text(error)),
        }
    }

    /// Returns whether the server sent this SQLSTATE.
    pub fn is(&self, state: &SqlState) -> bool {
        self.is_code(state.code())
    }

    pub(super) fn is_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Returns whether the client's time ran out.
    pub fn hung(&self) -> bool {
        self.meaning == Meaning::Late
    }

    /// Returns whether the server is there but rejects this login. Waiting does not change that.
    pub fn refuses_login(&self) -> bool {
        self.meaning == Meaning::LoginRefused
    }
}

impl<T> From<ProbeError> for Answer<T> {
    fn from(trouble: ProbeError) -> Self {
        if trouble.meaning.fails() { Self::No(trouble.reason) } else { Self::Unknown(trouble.reason) }
    }
}

/// Returns a time limit without what had passed of it already: to the nearest 50 ms.
fn rounded(limit: Duration) -> Duration {
    const STEP: u64 = 50;
    let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    if millis < STEP { limit } else { Duration::from_millis(millis.saturating_add(STEP / 2) / STEP * STEP) }
}

/// tokio-postgres' own text is only "db error".
fn error_text_of(error: &DbError) -> String {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let text = format!("{}{detail}", error.message());
    format!("{} (SQLSTATE {})", cut(&one_line(&text)), error.code().code())
}
