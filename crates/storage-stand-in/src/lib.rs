//! Stand-ins for the safekeeper and the pageserver: small servers with state on their volume, which answer over HTTP
//! like Neon's (read and run at 6a35a3e, 2026-03). Neon is the public ancestor of SynxDB's storage layer.
//!
//! Input: a member's identity ([`Identity`]), the settings that make it misbehave ([`Settings`]), its volume, and what
//! the members of one installation share ([`Installation`]). Output: [`StandIn`], which answers requests on any byte
//! stream. The practice cluster runs them in its own process; in each pod of a real Kubernetes, `main.rs` runs one.
//!
//! What they do, and how they are simpler than the real ones:
//!
//! - One compute writes all the WAL, at a constant rate while it runs ([`Ledger`]): the end of each timeline is a
//!   function of the time and of a file with its starts and ends, so that all members of an installation agree without
//!   communication, in one process or several. Nothing reads the WAL. Half a minute after the compute ends, its
//!   timelines are idle.
//! - With HTTPS, the same pages are also on another port, as in Neon, next to the plain ones, which kubelets use.
//! - A safekeeper stores its ID, and for each timeline the term and the flush position. One that starts on an empty
//!   disk, although it existed before, has no timelines, and fetches them one after the other from running peers that
//!   hold them, at a configurable rate.
//! - A pageserver attaches its tenants one after the other from remote storage, which is a folder.
//! - There are no elections: the term is the same on all members that are connected to the compute, and no WAL is ever
//!   lost with a short-lived quorum.

mod disk;
mod installation;
mod metrics;
mod pages;
mod pageserver;
mod prometheus;
mod safekeeper;
mod serve;
mod settings;
mod stand_in;
mod tls;
mod wal;

pub use installation::{Installation, Ledger, TimelineId, Written};
pub use pages::{PageRequest, PageResponse};
pub use settings::{
    Bucket, Computes, Controller, Digests, Https, Member, MetricsPage, MissingIdentity, Settings, SettingsError,
};
pub use stand_in::{Identity, Role, StandIn};

/// The end of the first timeline's WAL in a new installation: 0/2A55E98.
pub const WAL_END: u64 = 0x02A5_5E98;

/// The start of its WAL on a safekeeper's disk: earlier WAL is only in remote storage.
pub const WAL_START: u64 = 0x0100_0000;

/// Bytes of a WAL segment, the unit of upload.
pub const SEGMENT: u64 = 16 << 20;

/// Returns the last segment boundary before a position: WAL is uploaded in complete segments.
fn uploaded(position: u64) -> u64 {
    position & !(SEGMENT - 1)
}

/// Formats a position like PostgreSQL: `0/2A55E98`.
fn lsn(position: u64) -> String {
    format!("{:X}/{:X}", position >> 32, position & 0xFFFF_FFFF)
}
