//! Why a status page was not served.

use super::Answer;
use super::trouble::ProbeError;
use crate::cluster::{PortError, error_text};
use std::time::Duration;

/// Why a status page was not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPage {
    /// What that says of the component.
    pub kind: NoPageKind,
    /// In words, one line.
    pub reason: String,
}

/// What it says of a component that it serves no status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPageKind {
    /// Nobody listens.
    Refused,
    /// It is silent, or says that it is not ready: it may be loading (both components listen before they have loaded).
    NotYet,
    /// Its server is not known to be it: its certificate could not be verified, and it was asked nothing.
    Unverified,
    /// It answers something else, or the way to it broke.
    Other,
}

impl NoPage {
    pub(super) fn other(reason: impl Into<String>) -> Self {
        Self { kind: NoPageKind::Other, reason: reason.into() }
    }

    pub(super) fn late(after: Duration) -> Self {
        Self { kind: NoPageKind::NotYet, reason: ProbeError::late(after).reason }
    }

    /// The kubelet says that nobody listens only once something is read, so it comes as an error of the connection.
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
