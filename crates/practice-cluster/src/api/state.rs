//! What the API server works with, the same for all requests.

use super::authorization::{Authorizer, User};
use super::faults::Faults;
use super::issued_tokens::IssuedTokens;
use super::pod_streams::PodStreams;
use super::request_log::RequestLog;
use crate::store::Store;
use std::collections::HashMap;
use std::sync::Arc;

/// What the API server works with.
pub struct ApiState {
    /// The objects.
    pub store: Arc<Store>,
    /// Decides who may do what.
    pub authorizer: Arc<dyn Authorizer>,
    /// What pods offer on their ports.
    pub streams: Arc<dyn PodStreams>,
    /// Bearer tokens and their users.
    pub tokens: HashMap<String, User>,
    /// Tokens of service accounts.
    pub issued: IssuedTokens,
    /// The latest requests.
    pub requests: Arc<RequestLog>,
    /// Injected faults.
    pub faults: Faults,
}

impl ApiState {
    /// Returns the user of a bearer token.
    pub(super) fn bearer(&self, token: &str) -> Option<User> {
        self.tokens.get(token).cloned().or_else(|| self.issued.user(token, &self.store))
    }

    /// A server's state without bearer tokens and with an empty log.
    pub fn new(store: Arc<Store>, authorizer: Arc<dyn Authorizer>, streams: Arc<dyn PodStreams>) -> ApiState {
        let (tokens, issued, requests) = (HashMap::new(), IssuedTokens::default(), Arc::<RequestLog>::default());
        ApiState { store, authorizer, streams, tokens, issued, requests, faults: Faults::default() }
    }
}
