//! Why a status endpoint did not respond as expected.

use super::Answer;
use super::trouble::ProbeError;
use crate::cluster::{PortError, error_text};
use std::time::Duration;

/// Why a status endpoint did not respond as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPage {
    /// What that means for the component.
    pub kind: NoPageKind,
    /// The reason in one line.
    pub reason: String,
}

/// What a missing status means for a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPageKind {
    /// Nothing listens.
    Refused,
    /// It is silent, or reports that it is not ready: it may be loading (both components listen before they have
    /// loaded).
    NotYet,
    /// The server is not verified: its certificate was rejected, and nothing was requested from it.
    Unverified,
    /// It responds with something else, or the connection broke.
    Other,
}

impl NoPage {
    pub(super) fn other(reason: impl Into<String>) -> Self {
        Self { kind: NoPageKind::Other, reason: reason.into() }
    }

    pub(super) fn late(after: Duration) -> Self {
        Self { kind: NoPageKind::NotYet, reason: ProbeError::late(after).reason }
    }

    /// The kubelet reports that nothing listens only once something is read, so it arrives as an error of the
    /// connection.
    pub(super) fn of(error: &hyper::Error) -> Self {
        let reason = error_text(error);
        if PortError::find_in(error) == Some(&PortError::NothingListens) {
            Self { kind: NoPageKind::Refused, reason }
        } else if error.is_incomplete_message() {
            Self::other("the connection was closed")
        } else {
            Self::other(reason)
        }
    }
}

impl<T> From<NoPage> for Answer<T> {
    fn from(no: NoPage) -> Self {
        match no.kind {
            NoPageKind::Refused => Self::No(no.reason),
            NoPageKind::NotYet | NoPageKind::Unverified | NoPageKind::Other => Self::Unknown(no.reason),
        }
    }
}
