//! Queries a component itself: by SQL for proxies and warehouse nodes, by status endpoint for safekeepers and
//! pageservers. Everything is limited in time and size; what is not known is [`Answer::Unknown`], never a pass.
//!
//! - `login`: role, password and TLS; `session`: a login that cannot hang, and its streams
//! - `statements`: all SQL that is sent; `sqlstate`: the meaning of a server's errors
//! - `sql`: whether it responds; `segments`: whether an MPP server's segments do; `contents` and `baseline`:
//!   what is in it
//! - `canary`: a small table written before and read after
//! - [`compare`]: what is missing afterwards (pure)
//! - `http`: status endpoints and metrics; `metrics`: their text; `mod@digests`: of safekeepers' WAL;
//!   `page_access`: their token and certificate authorities; `page_stream`: the connection to them

mod answer;
mod authentication;
pub(crate) mod baseline;
pub(crate) mod canary;
pub(crate) mod compare;
pub mod connector;
pub(crate) mod contents;
pub(crate) mod digests;
mod handshake;
pub mod http;
pub mod kernel;
pub mod login;
mod messages;
mod metrics;
pub mod no_page;
pub(crate) mod page_access;
mod page_stream;
mod password;
mod pgpass;
mod read_limit;
pub(crate) mod segments;
pub(crate) mod session;
pub(crate) mod sql;
pub(crate) mod sqlstate;
mod statements;
mod tls;
mod trouble;

#[cfg(test)]
#[cfg(unix)]
pub(crate) mod testing;

pub use answer::Answer;
pub use baseline::Baseline;
pub use canary::Canary;
pub use compare::{Comparison, Missing, compare};
pub use connector::SqlTarget;
pub use contents::ContentsRequest;
pub use login::Login;
pub use page_access::PageAccess;
pub use password::Password;
pub use sql::Sql;
pub use trouble::ProbeError;
