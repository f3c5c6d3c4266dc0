//! The Kubernetes API that the practice cluster speaks.

pub mod admission;
