//! Decides whether a server gets the password, and in which form: never more than it has proven to be trusted with.
//!
//! - A pod that is not known to belong to the layout's workload gets none, unless its certificate was verified for its
//!   name.
//! - SCRAM is always answered: the server learns nothing that can be used to log in elsewhere.
//! - The password itself, or its MD5 hash, which is equivalent, is sent only over TLS with a verified certificate,
//!   unless the user allows it (`--send-cleartext-password`).

use super::connector::SqlTarget;
use super::login::{Given, Login};
use super::tls::Checked;
use crate::topology::Untrusted;

/// What a server gets that requires a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// There is none.
    None,
    /// This password.
    Given(Given),
    /// There is one, but this server does not get it, for this reason.
    Withheld(Untrusted),
}

impl Offer {
    /// Returns the password for a database of a server; `checked` is what TLS has verified.
    pub(super) fn of(target: &SqlTarget, database: &str, checked: Checked) -> Self {
        let SqlTarget { namespace, pod, port, user, login, .. } = target;
        let Some(given) = login.password((namespace, pod), *port, database, user) else { return Self::None };
        match login.trusts(namespace, pod) {
            Err(why) if checked != Checked::Name => Self::Withheld(why),
            _ => Self::Given(given),
        }
    }

    /// Returns the password that is given.
    pub(super) fn given(&self) -> Option<&Given> {
        match self {
            Self::Given(given) => Some(given),
            Self::None | Self::Withheld(_) => None,
        }
    }

    /// Returns why a server that requires a password gets none.
    pub(super) fn missing(&self) -> String {
        match self {
            Self::Withheld(why) => format!(
                "the server requires a password, but none is sent to it: {why} (--sslmode verify-full verifies the server)"
            ),
            Self::None | Self::Given(_) => "the server requires a password, and none is set (PGPASSWORD, ~/.pgpass, \
                                            --password-secret)"
                .into(),
        }
    }
}

/// The forms in which a server may request the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answers {
    /// Why the password itself, and its MD5 hash, are not sent; `None` if they are.
    only_scram: Option<String>,
}

impl Answers {
    /// Returns the forms that the user and TLS allow.
    pub(super) fn of(login: &Login, checked: Checked) -> Self {
        if login.allows_cleartext() || checked != Checked::Nothing {
            return Self::any();
        }
        Self::scram_only(
            "it is sent only over TLS with a verified certificate (--sslmode verify-full, with --sslrootcert), \
             or with --send-cleartext-password",
        )
    }

    /// Allows any form.
    pub(super) fn any() -> Self {
        Self { only_scram: None }
    }

    /// Allows SCRAM only.
    pub(super) fn scram_only(why: &str) -> Self {
        Self { only_scram: Some(why.to_owned()) }
    }

    /// Checks whether a server may send this authentication request.
    ///
    /// # Errors
    /// Why it may not.
    pub(super) fn to(&self, code: u32) -> Result<(), String> {
        let asked = match code {
            3 => "in cleartext",
            5 => "as an MD5 hash",
            _ => return Ok(()),
        };
        match &self.only_scram {
            None => Ok(()),
            Some(why) => Err(format!("the server requests the password {asked}: {why}")),
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
#[path = "authentication_tests.rs"]
mod tests;
