//! Asks a component itself: by SQL for proxies and warehouse nodes, by its status page for safekeepers and
//! pageservers. Everything is bounded in time and in size; what is not known is [`Answer::Unknown`], never a pass.
//!
//! - [`login`]: role, password and TLS; [`session`]: a login that cannot hang, and the streams it goes over
//! - [`statements`]: all SQL that is sent; [`sqlstate`]: what a server's errors mean
//! - [`sql`]: does it answer? [`segments`]: do those of an MPP server? [`contents`]: what is in it? [`baseline`]: that, as
//!   values
//! - [`canary`]: a small table written before and read after
//! - [`compare`]: what is missing afterwards (pure)
//! - [`http`]: status pages and metrics; `metrics`: their text, read as it comes; [`mod@digests`]: of safekeepers' WAL;
//!   [`page_access`]: the token that they are shown, and who signs their certificates; `page_stream`: the way to them

mod answer;
mod authentication;
pub mod baseline;
pub mod canary;
pub mod compare;
pub mod connector;
pub mod contents;
pub mod digests;
mod handshake;
pub mod http;
pub mod kernel;
pub mod login;
mod messages;
mod metrics;
pub mod no_page;
pub mod page_access;
mod page_stream;
mod password;
mod pgpass;
mod read_limit;
pub mod segments;
pub mod session;
pub mod sql;
pub mod sqlstate;
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
