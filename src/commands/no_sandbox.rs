//! A build without the practice cluster (feature `sandbox`): the same commands, with an error.

use super::Context;
use crate::cli::Output;
use crate::error::{Error, Exit, Result};
use serde_json::Value;

fn absent() -> Error {
    Error::usage("this build of kubectl synxdb has no practice cluster")
        .because("it was built without the feature sandbox")
        .hint("build it with the default features")
}

/// Runs a command on the cluster of the kubeconfig.
pub(super) async fn around(context: &mut Context, command: impl AsyncFnOnce(&Context) -> Result<Exit>) -> Result<Exit> {
    if context.global.sandbox || context.global.scenario.is_some() {
        return Err(absent());
    }
    command(context).await
}

/// Returns the error.
pub(super) async fn stay(_: &Context, _: &Output) -> Result<Exit> {
    Err(absent())
}

/// Returns the error.
pub(super) fn list(_: &Output) -> Result<String> {
    Err(absent())
}

/// Returns no scenarios.
pub(super) fn scenarios() -> Vec<(&'static str, String)> {
    Vec::new()
}

/// Returns no StatefulSets.
pub(super) fn stateful_sets(_: Option<&str>) -> Option<Vec<Value>> {
    None
}
