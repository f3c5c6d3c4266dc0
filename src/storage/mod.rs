//! What safekeepers and pageservers report about themselves, and what that means for the data. Pure: takes what was
//! read ([`facts`]) and returns comparisons as values; sends nothing, and reads no clock.
//!
//! Each fact may be unknown (`None`), and an unknown fact is never a pass.
//!
//! - [`facts`]: what one component reported; [`earlier_form`]: the form of older baselines; [`idle`]: what a safekeeper
//!   reports to a client with a token
//! - [`readings`]: what all components of a namespace reported
//! - [`digests`]: whether they have the same bytes of the same WAL
//! - [`peers`]: whether the other safekeepers hold all committed WAL, before one of them is replaced
//! - [`safekeeper`], [`pageserver`]: whether a component that came back holds what it should; [`found`]: the result
//! - [`pace`]: how fast it catches up
//! - [`positions`]: the position of each, for a table
//! - [`terms`]: whether an old safekeeper disk could vote twice
//! - [`words`]: positions, bytes and rates as text

pub mod digests;
mod earlier_form;
pub mod facts;
pub mod found;
pub mod idle;
pub mod pace;
pub mod pageserver;
pub mod peers;
pub mod positions;
pub mod reading;
pub mod readings;
pub mod safekeeper;
pub mod terms;
pub mod words;

#[cfg(test)]
pub(crate) mod examples;

pub use digests::Digests;
pub use facts::{
    Idle, Layers, Listed, Metrics, PageFacts, PageserverFacts, SafekeeperFacts, StorageKind, TimelineId, Wal,
};
pub use found::{Found, Left};
pub use positions::{Position, Positions};
pub use reading::Reading;
pub use readings::Readings;
