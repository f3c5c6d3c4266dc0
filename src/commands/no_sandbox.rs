//! A build without the practice cluster (feature `sandbox`): the same commands, and the reason.

use super::Context;
use crate::cli::Output;
use crate::error::{Error, Exit, Result};
use serde_json::Value;

fn absent() -> Error {
    Error::usage("this build of kubectl synxdb has no practice cluster")
        .because("it was built without the feature sandbox")
        .hint("cargo build --release    (with the default features)")
}

/// Runs a command on the cluster that the kubeconfig names.
pub(super) async fn around(context: &mut Context, command: impl AsyncFnOnce(&Context) -> Result<Exit>) -> Result<Exit> {
    if context.global.sandbox || context.global.scenario.is_some() {
        return Err(absent());
    }
    command(context).await
}

/// Says that there is none.
pub(super) async fn stay(_: &Context, _: &Output) -> Result<Exit> {
    Err(absent())
}

/// Says that there are none.
pub(super) fn list(_: &Output) -> Result<String> {
    Err(absent())
}

/// No scenarios.
pub(super) fn scenarios() -> Vec<(&'static str, String)> {
    Vec::new()
}

/// No StatefulSets.
pub(super) fn stateful_sets(_: Option<&str>) -> Option<Vec<Value>> {
    None
}
