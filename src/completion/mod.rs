//! Shell completion of an unfinished command line. Pure: words and what is known about the cluster in, candidates out.
//!
//! - [`line`]: the words, what the one under the cursor names, and the answer in the format that shells read
//! - `members`, `acts`, `names`: the candidates
//! - `install`: where to install `kubectl_complete-synxdb`
//! - [`scripts`]: the shell scripts

pub(crate) mod acts;
mod candidate;
pub(crate) mod install;
pub(crate) mod line;
pub(crate) mod members;
pub(crate) mod names;
pub mod scripts;

pub use candidate::Candidate;
use candidate::short;
pub use line::{CommandLine, Offer, Wanted};
