//! Faults on purpose: what a network, a proxy or an API server in trouble does to requests, and word of each change
//! that was made, so that a client can be ended right there.
//!
//! A [`Rule`] says which requests, and what befalls them. Nothing here knows who asks: a client under test meets what
//! any client would.

mod fault;
mod perform;
mod registry;
mod report;
mod rule;
mod watch_faults;

pub use fault::Fault;
pub(super) use perform::{is_dry_run, perform};
pub use registry::Faults;
pub use report::{Applied, Mutation, Processed};
pub use rule::Rule;
