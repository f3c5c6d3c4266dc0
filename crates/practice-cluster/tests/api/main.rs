//! The sandbox's API server without controllers: the machine's kubectl and kube-rs must not be able to distinguish it
//! from a real one.
#![allow(clippy::unwrap_used, clippy::panic)]

mod access;
mod faults;
mod kubectl;
#[path = "../../../../tests/support/machine.rs"]
mod machine;
mod objects;
mod refusals;
mod streams;
mod support;
mod watches;
