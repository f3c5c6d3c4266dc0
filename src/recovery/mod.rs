//! Runs a plan: executes its steps, waits for its goals, and reports events. No printing.

pub(crate) mod availability;
pub(crate) mod events;
pub(crate) mod executor;
pub(crate) mod explain;
pub(crate) mod goal;
#[cfg(test)]
mod interleavings;
pub(crate) mod prober;
pub(crate) mod prover;
pub(crate) mod settle;

pub(crate) use availability::Availability;
pub(crate) use events::{ClaimChange, Ending, Event, Phase, PhaseEnd, RunResult};
