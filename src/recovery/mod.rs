//! Runs a plan: executes its steps, waits for its goals, and reports events. No printing.

pub mod availability;
pub mod events;
pub mod executor;
pub mod explain;
pub mod goal;
#[cfg(test)]
mod interleavings;
pub mod prober;
pub mod prover;
pub mod settle;

pub use availability::Availability;
pub use events::{ClaimChange, Ending, Event, Outcome, Phase, PhaseEnd};
