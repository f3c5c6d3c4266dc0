//! The issued tokens of service accounts, and their users.
//!
//! A token is recognized because it was issued here, not by its signature.

use super::authorization::User;
use crate::store::{Key, Store};
use crate::sync::lock;
use crate::values::text;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Mutex;

/// The tokens that were issued.
#[derive(Debug, Default)]
pub struct IssuedTokens(Mutex<HashMap<String, Issued>>);

/// An issued token.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    /// The service account as a user.
    pub(super) user: User,
    /// Objects that must still exist with that UID: the account, and the object that the token is bound to.
    pub(super) needs: Vec<(Key, String)>,
    /// When it expires.
    pub(super) expires: Timestamp,
}

impl IssuedTokens {
    /// Whose token it is, while it holds.
    pub(super) fn user(&self, token: &str, store: &Store) -> Option<User> {
        let issued = lock(&self.0).get(token).cloned()?;
        let there = |(key, uid): &(Key, String)| store.get(key).is_some_and(|o| text(&o["metadata"]["uid"]) == uid);
        (Timestamp::now() < issued.expires && issued.needs.iter().all(there)).then_some(issued.user)
    }

    /// Adds a token, and forgets those that have expired.
    pub(super) fn add(&self, token: String, issued: Issued) {
        let now = Timestamp::now();
        let mut all = lock(&self.0);
        all.retain(|_, issued| now < issued.expires);
        all.insert(token, issued);
    }
}
