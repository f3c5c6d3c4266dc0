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

pub(crate) mod digests;
mod earlier_form;
pub(crate) mod facts;
pub(crate) mod found;
pub(crate) mod idle;
pub(crate) mod pace;
pub(crate) mod pageserver;
pub(crate) mod peers;
pub(crate) mod positions;
pub(crate) mod reading;
pub(crate) mod readings;
pub(crate) mod safekeeper;
pub(crate) mod terms;
pub(crate) mod words;

#[cfg(test)]
pub(crate) mod examples;

pub(crate) use digests::Digests;
pub(crate) use facts::{Idle, Listed, Metrics, PageFacts, SafekeeperFacts, StorageKind, TimelineId};
pub(crate) use found::Found;
pub(crate) use positions::{Position, Positions};
pub(crate) use reading::Reading;
pub(crate) use readings::Readings;
