//! The Kubernetes API that the practice cluster speaks: real HTTPS, so that kubectl and client libraries work
//! unchanged.
//!
//! A request's way: `server` (TLS, identity, permission) -> `request` (what is asked for) -> `read`, `watch`, `write`,
//! `delete` or a subresource -> `representation` (objects, metadata or a table). All of it works on the
//! [`Store`](crate::store::Store) and keeps nothing itself.

mod aggregate;
mod authentication;
mod authorization;
#[cfg(unix)]
mod bootstrap;
mod budgets;
mod call;
mod collector;
mod compression;
mod contents;
mod decode;
mod delete;
mod discovery;
mod eviction;
pub mod faults;
mod finalizers;
mod go_json;
#[cfg(unix)]
mod host;
mod issued_tokens;
mod names;
mod namespaces;
mod options;
mod pages;
mod patch;
mod path_match;
mod permission;
mod pod_streams;
mod protobuf;
mod rbac;
mod read;
mod representation;
mod request;
mod request_log;
mod review;
mod rules;
mod scale;
mod selector;
mod server;
mod state;
mod status;
mod strategic_merge;
mod streams;
mod subresources;
mod table;
mod tokens;
mod validate;
mod views;
mod watch;
mod write;
mod x509;

pub use authorization::{Attributes, Authorizer, Decision, MASTERS, READERS, User};
#[cfg(unix)]
pub(crate) use bootstrap::roles as bootstrap_roles;
#[cfg(unix)]
pub(crate) use host::{Host, Restarts};
pub use issued_tokens::IssuedTokens;
pub use pod_streams::{DuplexIo, PodStreams};
pub use rbac::Rbac;
pub use request_log::RequestLog;
pub use rules::{Rule, Rules};
#[cfg(unix)]
pub(crate) use selector::Selector;
pub use server::serve;
pub use state::ApiState;
