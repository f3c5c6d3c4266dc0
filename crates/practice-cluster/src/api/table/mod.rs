//! Tables: what the API server makes of objects for `kubectl get`. Pure: objects and the time in, cells out.
//!
//! Columns and words are those of `k8s.io/kubernetes/pkg/printers/internalversion`; columns of priority 1 are what
//! `-o wide` adds.

mod access;
mod cells;
mod cluster;
mod duration;
mod pods;
mod printer;
mod rows;
mod storage;
mod workloads;

pub(super) use rows::{columns, row};

#[cfg(test)]
mod tests;
