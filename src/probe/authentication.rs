//! Who gets the password, and in which way: never more than the other end has shown itself to be worth.
//!
//! - A pod that the layout's workload is not known to own gets none, unless its certificate was checked for its name.
//! - SCRAM is answered: whoever asks learns nothing that logs him in elsewhere.
//! - The password itself, or its MD5 hash, which is as good, goes only over TLS whose certificate was checked, unless the
//!   user says so (`--send-cleartext-password`).

use super::connector::SqlTarget;
use super::login::{Given, Login};
use super::tls::Checked;
use crate::topology::Untrusted;

/// What is said to a server that asks for a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// There is none.
    None,
    /// This one.
    Given(Given),
    /// There is one, but this server does not get it, for this reason.
    Withheld(Untrusted),
}

impl Offer {
    /// The password for a database of a server; `checked` is what TLS has shown of it.
    pub(super) fn of(target: &SqlTarget, database: &str, checked: Checked) -> Self {
        let SqlTarget { namespace, pod, port, user, login, .. } = target;
        let Some(given) = login.password((namespace, pod), *port, database, user) else { return Self::None };
        match login.trusts(namespace, pod) {
            Err(why) if checked != Checked::Name => Self::Withheld(why),
            _ => Self::Given(given),
        }
    }

    /// The password that is given.
    pub(super) fn given(&self) -> Option<&Given> {
        match self {
            Self::Given(given) => Some(given),
            Self::None | Self::Withheld(_) => None,
        }
    }

    /// Why a server that asks gets none, in words.
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

/// In which ways a server may ask for the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answers {
    /// Why the password itself, and its MD5 hash, are not sent; `None` where they are.
    only_scram: Option<String>,
}

impl Answers {
    /// As the user and TLS allow.
    pub(super) fn of(login: &Login, checked: Checked) -> Self {
        if login.allows_cleartext() || checked != Checked::Nothing {
            return Self::any();
        }
        Self::scram_only(
            "it is sent only over TLS with a verified certificate (--sslmode verify-full, with --sslrootcert), \
             or with --send-cleartext-password",
        )
    }

    /// In any.
    pub(super) fn any() -> Self {
        Self { only_scram: None }
    }

    /// By SCRAM, or not at all.
    pub(super) fn scram_only(why: &str) -> Self {
        Self { only_scram: Some(why.to_owned()) }
    }

    /// Whether a server may send this authentication request.
    ///
    /// # Errors
    /// Why not, in words.
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
