//! What a failover or an undo will do, why it may, and how it will be verified: decided before anything is changed, as
//! data. Pure: no clock, no client, no async.
//!
//! The dry run, the text above the prompt, the run itself and the JSON output all read the same [`Plan`].

mod admission;
pub(crate) mod budget;
mod checks;
mod compared;
mod fits;
mod going_on;
#[cfg(test)]
mod going_tests;
pub(crate) mod history;
mod in_flight;
mod inputs;
mod kept_baseline;
mod make;
#[cfg(test)]
mod make_tests;
mod model;
#[cfg(test)]
mod plan_tests;
mod prior_actions;
pub(crate) mod probes;
mod record;
mod record_v1alpha1;
mod record_validation;
#[cfg(test)]
mod reservation_tests;
pub(crate) mod retained_state;
pub mod rights;
#[cfg(test)]
mod rights_tests;
mod settle;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod undo_tests;
mod unfinished;
mod way_back;

pub use admission::{Attempt, Quotas, Try, admission};
pub use checks::{PlanCheck, PlanCheckId, PlanVerdict, Resolution};
pub use compared::ComparedWith;
pub use in_flight::InFlight;
pub use inputs::Inputs;
pub use make::{misbound, plan, proof, reserved_since};
pub use model::{Before, Plan, Proof, ReplacedClaim, Request, Resumes, Risk, Step, Target};
pub use prior_actions::{left_open, newest, returning};
pub use probes::{ExpectedAvailability, NotMeasured, ProbeTarget, Probes};
pub use record::{
    Action, BaselineLoss, Inherited, Operation, RECORD_KIND, Record, RecordedClaim, RecordedOutcome, RecordedOwner,
    Returns, annotation, settled,
};
pub use rights::needed;
pub use settle::settle_time;
pub use unfinished::judge_unfinished;
pub use way_back::{WayBack, not_found_again, way_back};
