//! What a shell may offer for an unfinished command line. Pure: words and what is known of the cluster in, candidates out.
//!
//! - [`line`]: the words, what the one under the cursor names, and the answer in the form that shells read
//! - [`members`], [`acts`], [`names`]: what there is, as candidates
//! - [`install`]: where `kubectl_complete-synxdb` belongs
//! - [`scripts`]: what the shells themselves run

pub mod acts;
mod candidate;
pub mod install;
pub mod line;
pub mod members;
pub mod names;
pub mod scripts;

pub use candidate::Candidate;
use candidate::short;
pub use line::{Line, Offer, Wanted};
