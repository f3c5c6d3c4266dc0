//! How fresh a response must be.

/// How fresh a response must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// From the API server's cache (`resourceVersion=0`): fast, and may be stale. Never before a destructive act: of
    /// containers, it only shows names, images, ports, and readiness probes.
    Cached,
    /// What is stored now.
    Consistent,
}
