//! Failures of machines and the API server: by the sandbox itself or, on a real cluster, by the program in
//! `SYNXDB_E2E_FAULTS` (`tests/kubernetes/fault` by default).

use super::{Kind, World, named};
use k8s_openapi::api::core::v1::Node;
use kube::api::Api;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long the practice cluster's API server is down.
const DOWN_FOR: Duration = Duration::from_secs(2);
const FAULTS: &str = "SYNXDB_E2E_FAULTS";

/// A lost node. A real one is brought back when this is dropped, at the latest.
pub(crate) struct LostNode<'w> {
    world: &'w World,
    name: String,
    returned: bool,
}

impl World {
    /// Makes a node stop answering, and waits until the cluster knows.
    pub(crate) fn lose_node(&self, name: &str) -> LostNode<'_> {
        match &self.kind {
            Kind::Practice(sandbox) => sandbox.as_ref().unwrap().lose_node(name),
            Kind::Real => fault(&["lose-node", name]).unwrap_or_else(|why| panic!("{why}")),
        }
        let lost = LostNode { world: self, name: name.to_owned(), returned: false };
        let nodes: Api<Node> = self.cluster_wide();
        self.until(&nodes, named(name), &format!("node {name} is not Ready"), |nodes| !is_ready(&nodes[&lost.name]));
        lost
    }

    /// Stops the API server with all its connections, and returns when it serves again.
    pub(crate) fn restart_api_server(&self) {
        match &self.kind {
            Kind::Practice(sandbox) => self.block_on(sandbox.as_ref().unwrap().restart_api(DOWN_FOR)),
            Kind::Real => fault(&["restart-apiserver"]).unwrap_or_else(|why| panic!("{why}")),
        }
    }
}

/// A stopped controller manager. It continues when this is dropped.
pub(crate) struct Stopped<'w>(&'w World);

impl World {
    /// Stops the controller manager, as if overloaded or restarting: nothing is created, bound or finished.
    pub(crate) fn stop_controller_manager(&self) -> Stopped<'_> {
        match &self.kind {
            Kind::Practice(sandbox) => sandbox.as_ref().unwrap().stop_controller_manager(true),
            Kind::Real => fault(&["stop-controller-manager"]).unwrap_or_else(|why| panic!("{why}")),
        }
        Stopped(self)
    }
}

impl Drop for Stopped<'_> {
    #[allow(clippy::print_stderr)]
    fn drop(&mut self) {
        match &self.0.kind {
            Kind::Practice(sandbox) => sandbox.as_ref().unwrap().stop_controller_manager(false),
            Kind::Real => {
                if let Err(why) = fault(&["continue-controller-manager"]) {
                    eprintln!("{why}");
                }
            }
        }
    }
}

impl LostNode<'_> {
    /// Brings the node back, and waits until the cluster knows.
    pub(crate) fn comes_back(mut self) {
        self.returned = true;
        match &self.world.kind {
            Kind::Practice(sandbox) => sandbox.as_ref().unwrap().return_node(&self.name),
            Kind::Real => fault(&["return-node", &self.name]).unwrap_or_else(|why| panic!("{why}")),
        }
        let nodes: Api<Node> = self.world.cluster_wide();
        let what = format!("node {} is Ready again", self.name);
        self.world.until(&nodes, named(&self.name), &what, |nodes| nodes.get(&self.name).is_some_and(is_ready));
    }
}

impl Drop for LostNode<'_> {
    #[allow(clippy::print_stderr)]
    fn drop(&mut self) {
        if self.world.is_real()
            && !self.returned
            && let Err(why) = fault(&["return-node", &self.name])
        {
            eprintln!("{why}");
        }
    }
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|one| one.type_ == "Ready" && one.status == "True")
}

/// Runs the real cluster's own program.
fn fault(arguments: &[&str]) -> Result<(), String> {
    let program = std::env::var_os(FAULTS).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubernetes/fault"),
        |program| std::path::absolute(PathBuf::from(program)).unwrap(),
    );
    let what = || format!("{} {}", program.display(), arguments.join(" "));
    // The output goes to a file, because a program that it leaves behind may keep a pipe open.
    let said = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new(&program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said.reopen().unwrap());
    let status = command.status().map_err(|error| format!("{}: {error}", what()))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{}: {status}\n{}", what(), std::fs::read_to_string(said.path()).unwrap_or_default()))
}
