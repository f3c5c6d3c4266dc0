//! Runs a plan: performs its steps, awaits its goals, and tells what happens. No printing.

pub mod events;
pub mod executor;
pub mod explain;
pub mod goal;
#[cfg(test)]
mod interleavings;
pub mod prober;
pub mod reach;
pub mod settle;
pub mod witness;

pub use events::{ClaimChange, Ending, Event, Outcome, Phase, PhaseEnd};
pub use reach::Reach;
