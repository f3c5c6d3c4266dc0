//! The Kubernetes API that the practice cluster speaks: real HTTPS, so that kubectl and client libraries need to know
//! nothing of it.
//!
//! A request's way: `server` (TLS, identity, permission) -> `request` (what is asked for) -> `read`, `watch`, `write`,
//! `delete` or a subresource -> `representation` (objects, metadata or a table). All of it works on the
//! [`Store`](crate::store::Store) and keeps nothing itself.

pub mod admission;
pub mod auth;
mod bootstrap;
mod budgets;
mod collector;
mod decode;
mod delete;
mod discovery;
pub mod faults;
mod host;
mod namespaces;
mod options;
mod pages;
mod patch;
mod protobuf;
mod rbac;
mod read;
mod representation;
mod request;
mod review;
mod scale;
mod selector;
mod server;
mod status;
mod strategic;
mod streams;
mod table;
mod tokens;
mod validate;
mod views;
mod watch;
mod write;
mod x509;

pub use auth::{Attributes, Authorizer, Decision, MASTERS, READERS, Rule, Rules, User};
pub use bootstrap::roles as bootstrap_roles;
pub use host::{Host, Restarts};
pub use rbac::Rbac;
#[cfg(unix)]
pub(crate) use selector::Selector;
pub use server::serve;
pub use tokens::IssuedTokens;

use crate::store::Store;
use axum::http::HeaderMap;
use faults::Faults;
use futures::future::BoxFuture;
use representation::Format;
use request::Query;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

/// What the API server works with.
pub struct ApiState {
    /// The objects.
    pub store: Arc<Store>,
    /// Decides who may do what.
    pub authorizer: Arc<dyn Authorizer>,
    /// What pods offer on their ports.
    pub streams: Arc<dyn PodStreams>,
    /// Bearer tokens and whose they are.
    pub tokens: HashMap<String, User>,
    /// Tokens of service accounts.
    pub issued: IssuedTokens,
    /// The latest requests.
    pub requests: RequestLog,
    /// What befalls requests on purpose.
    pub faults: Faults,
}

impl ApiState {
    /// Whose a bearer token is.
    fn bearer(&self, token: &str) -> Option<User> {
        self.tokens.get(token).cloned().or_else(|| self.issued.user(token, &self.store))
    }

    /// A server's state without bearer tokens and with an empty log.
    pub fn new(store: Arc<Store>, authorizer: Arc<dyn Authorizer>, streams: Arc<dyn PodStreams>) -> ApiState {
        let (tokens, issued, requests) = (HashMap::new(), IssuedTokens::default(), RequestLog::default());
        ApiState { store, authorizer, streams, tokens, issued, requests, faults: Faults::default() }
    }
}

/// Both directions of a connection to a pod's port.
pub trait DuplexIo: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> DuplexIo for T {}

/// What runs in the pods, as far as `portforward` and `log` reach it.
pub trait PodStreams: Send + Sync + 'static {
    /// Opens a connection to a pod's port. The error is told to the client on the port's error channel.
    fn connect(&self, namespace: &str, pod: &str, port: u16) -> BoxFuture<'static, Result<Box<dyn DuplexIo>, String>>;

    /// What a container (`None`: the pod's only or first one) has logged.
    fn log(&self, _namespace: &str, _pod: &str, _container: Option<&str>) -> String {
        String::new()
    }
}

/// The latest requests, oldest first, for tests that count them.
#[derive(Debug, Default)]
pub struct RequestLog(Mutex<VecDeque<(String, String)>>);

impl RequestLog {
    /// How many are kept.
    const KEPT: usize = 10_000;

    fn record(&self, method: &str, path: &str) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == Self::KEPT {
            log.pop_front();
        }
        log.push_back((method.to_owned(), path.to_owned()));
    }

    /// Method, and path with query, of each request since the last [`RequestLog::clear`].
    pub fn entries(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Forgets all requests.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A request that is allowed, and what its handler needs to know.
struct Call {
    state: Arc<ApiState>,
    user: User,
    query: Query,
    headers: HeaderMap,
    format: Format,
    shutdown: CancellationToken,
}
