//! `sandbox`, and `sandbox --list`.

use serde::Serialize;
use std::path::Path;

/// A practice cluster that is ready, and stays until it is ended.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Sandbox<'a> {
    /// Its scenario.
    pub scenario: &'a str,
    /// File that says how to reach it: for KUBECONFIG.
    #[cfg_attr(test, schemars(with = "String"))]
    pub kubeconfig: &'a Path,
    /// File with the password of its databases: for PGPASSFILE.
    #[cfg_attr(test, schemars(with = "String"))]
    pub passfile: &'a Path,
}

/// The scenarios that there are.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Scenarios<'a> {
    /// Each of them.
    pub scenarios: Vec<Scenario<'a>>,
}

/// A scenario of the practice cluster.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Scenario<'a> {
    /// For --scenario.
    pub name: &'a str,
    /// What is different in it.
    pub description: &'a str,
}

impl<'a> Scenarios<'a> {
    /// Of names and descriptions.
    pub fn new(scenarios: &'a [(&'static str, String)]) -> Self {
        let scenario = |(name, description): &'a (&'static str, String)| Scenario { name, description };
        Self { scenarios: scenarios.iter().map(scenario).collect() }
    }
}
