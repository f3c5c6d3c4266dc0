//! The documents of `sandbox`.

use super::documents::{Kind, Sandbox, Scenarios, document};
use serde_json::Value;
use std::path::Path;

/// `sandbox`: a practice cluster that is ready.
pub(crate) fn sandbox(scenario: &str, kubeconfig: &Path, passfile: &Path) -> Value {
    document(Kind::Sandbox, &Sandbox { scenario, kubeconfig, passfile })
}

/// `sandbox --list`: each scenario's name and description.
pub(crate) fn scenarios(scenarios: &[(&'static str, String)]) -> Value {
    document(Kind::Scenarios, &Scenarios::new(scenarios))
}
