//! Stand-ins for the safekeeper and the pageserver: small servers whose state lies on their volume, and which answer
//! over HTTP as Neon's do (read and run at 6a35a3e, 2026-03). Neon is the public ancestor of SynxDB's storage layer.
//!
//! In: who a member is ([`Identity`]), the settings that make it misbehave ([`Settings`]), its volume, and what the
//! members of one installation share ([`Installation`]). Out: [`StandIn`], which answers requests on any byte stream.
//! The practice cluster holds them in its own process; in each pod of a real Kubernetes `main.rs` runs one.
//!
//! What they do, and where they are simpler than the real thing:
//!
//! - One compute writes all the WAL, at a steady rate while it runs ([`Ledger`]): where each timeline ends is a function of
//!   the time and of a file that tells of its starts and ends, so that all members of an installation, in one process or
//!   in many, agree without a conversation. Nothing reads the WAL. Half a minute after it ended its timelines are idle.
//! - With HTTPS the same pages are on another port as well, as Neon has them beside those in the clear; a kubelet asks these.
//! - A safekeeper keeps its id, and of each timeline the term and the flush position. One that starts on an empty disk,
//!   though it was there before, has no timelines, and takes them one after the other from peers that run and hold them,
//!   at a rate that can be set.
//! - A pageserver attaches its tenants one after the other from remote storage, which is a folder.
//! - There are no elections: the term is the same for all who are in touch with the compute, and no WAL is ever lost to a
//!   short majority.

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

/// Where the first timeline's WAL ends when the installation is new: 0/2A55E98.
pub const WAL_END: u64 = 0x02A5_5E98;

/// Where its WAL begins on a safekeeper's disk: what was before is in remote storage alone.
pub const WAL_START: u64 = 0x0100_0000;

/// Bytes of a WAL segment, the unit of upload.
pub const SEGMENT: u64 = 16 << 20;

/// The last segment boundary before a position: WAL is uploaded by whole segments.
fn uploaded(position: u64) -> u64 {
    position & !(SEGMENT - 1)
}

/// A position as PostgreSQL writes it: `0/2A55E98`.
fn lsn(position: u64) -> String {
    format!("{:X}/{:X}", position >> 32, position & 0xFFFF_FFFF)
}
