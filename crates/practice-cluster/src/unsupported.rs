//! Where there is no practice cluster (Windows): the same interface, and the reason.

use crate::error::SandboxError;
use crate::scenarios::{self, Scenario};
use std::convert::Infallible;
use std::path::{Path, PathBuf};

/// How to start a practice cluster.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Name of the scenario; empty for the default one.
    pub scenario: String,
    /// The folder in which its files would be kept.
    pub state_root: Option<PathBuf>,
}

/// A practice cluster: there is never one.
#[derive(Debug)]
pub struct Sandbox(Infallible);

impl Sandbox {
    /// Says that there is none.
    ///
    /// # Errors
    /// An unknown scenario; this system.
    #[allow(clippy::unused_async)] // as where there is one
    pub async fn start(options: Options) -> Result<Sandbox, SandboxError> {
        if !options.scenario.is_empty() {
            scenarios::find(&options.scenario)?;
        }
        Err(SandboxError::System)
    }

    /// Where its kubeconfig is.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        match self.0 {}
    }

    /// Where the password of its databases is.
    #[must_use]
    pub fn passfile(&self) -> &Path {
        match self.0 {}
    }

    /// What it is like.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        match self.0 {}
    }

    /// What the user should know.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        match self.0 {}
    }

    /// The folder of its state.
    #[must_use]
    pub fn folder(&self) -> &Path {
        match self.0 {}
    }

    /// Waits until all is ready.
    ///
    /// # Errors
    /// None.
    #[allow(clippy::unused_async)]
    pub async fn ready(&self) -> Result<(), SandboxError> {
        match self.0 {}
    }

    /// Ends it.
    #[allow(clippy::unused_async)]
    pub async fn stop(self) {
        match self.0 {}
    }
}
