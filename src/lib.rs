//! `kubectl synxdb`: fail over SynxDB v4 components on Kubernetes, and prove that they are back.
//!
//! The crate's map, in the order in which data flows; a module imports modules above it only:
//!
//! - [`error`]: what went wrong, why, and what to do next
//! - [`cluster`]: the only code that talks to Kubernetes
//! - [`probe`]: asks a component itself, by SQL or by its status page
//!
//! and beside them, importing none of them and imported by none of them:
//!
//! - [`sandbox`]: the practice cluster inside the binary

pub mod cluster;
pub mod error;
pub mod probe;
pub mod sandbox;
