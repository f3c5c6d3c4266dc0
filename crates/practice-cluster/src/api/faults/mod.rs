//! Fault injection: what a network, a proxy or an overloaded API server does to requests, and a report of each change
//! that was made, so that a test can kill a client at that point.
//!
//! A [`Rule`] selects requests and names their fault. Faults do not depend on the client: a client under test sees what
//! every client would.

mod fault;
mod perform;
mod registry;
mod report;
mod rule;
mod watch_faults;

pub use fault::{Fault, WatchEnd};
pub(super) use perform::{is_dry_run, perform};
pub use registry::Faults;
pub use report::{Applied, Mutation, Processed};
pub use rule::Rule;
