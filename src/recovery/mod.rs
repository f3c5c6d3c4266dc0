//! Runs a plan: performs its steps, awaits its goals, and tells what happens. No printing.

mod account;
mod answers;
pub mod events;
pub mod explain;
pub mod goal;
#[cfg(test)]
mod interleavings;
pub mod prober;
pub mod reach;
mod record;
pub mod run;
pub mod settle;
pub mod witness;

pub use events::{ClaimChange, Ending, Event, Outcome, Phase, PhaseEnd};
pub use reach::Reach;
