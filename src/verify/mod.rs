//! Is an installation whole? Whom to ask, what to ask them, what the answers mean, and what is missing since a baseline.
//!
//! `verify` reports it; `failover` takes its baseline and its proof from the same testimonies.
//!
//! - [`subjects`]: a topology in, those to ask out
//! - [`ask`]: asks them
//! - [`servers`], [`pages`]: what their answers mean
//! - [`testimony`]: what a component holds, and what is missing of it afterwards; [`saved`]: the same in a file; [`stored`]:
//!   the same in the cluster
//! - [`mod@check`] has the verdicts

pub mod ask;
pub mod check;
pub mod pages;
pub mod saved;
pub mod servers;
pub mod stored;
pub mod subjects;
pub mod testimony;

pub use ask::{Inspection, Options, inspect};
pub use check::{Check, Judgement, Kind, Verdict, verdict};
pub use saved::{API_VERSION, Coverage, Saved};
pub use stored::StoredBaseline;
pub use subjects::{Subject, subjects};
pub use testimony::{Difference, Testimony, compared_pages, difference, storage_kind};
