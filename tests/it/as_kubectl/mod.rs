//! The plugin connects as kubectl does: the machine's own kubectl and the built plugin run on the same kubeconfig, flags
//! and environment, against servers that record who reached them. Either both reach the same server as the same
//! identity, in the same namespace, or both refuse.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod certificates;
mod servers;
mod shapes;
mod world;

use crate::support::machine::{kubectl_version, notice};
use crate::support::process::PLUGIN;
use servers::Recorded;
use std::process::{Command, Stdio};
use world::World;

/// A configuration that both programs are run with. Words in braces are filled in by [`World::fill`].
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    name: &'static str,
    /// The kubeconfig, in `~/.kube/config`.
    config: Option<String>,
    flags: Vec<String>,
    environment: Vec<(&'static str, String)>,
    /// More files: path below the home folder, contents.
    files: Vec<(&'static str, String)>,
    /// Where the plugin differs from kubectl on purpose, as docs/connection.md says.
    differs: Option<Differs>,
}

/// A documented difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Differs {
    /// kubectl connects, the plugin refuses.
    Refuses,
    /// kubectl refuses, the plugin connects.
    Connects,
    /// kubectl refuses before this minor version, and connects like the plugin since.
    ConnectsBefore(u32),
}

/// What kubeconfigs and flags have, and the minor version of kubectl that first reads it: an older one refuses it or
/// passes over it, so there is nothing to compare with.
const KNOWN_SINCE: [(&str, u32); 6] = [
    // https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
    ("client.authentication.k8s.io/v1,", 22),
    ("interactiveMode", 22),
    ("as-uid", 24),
    ("--disable-compression", 26),
    // https://kubernetes.io/docs/reference/kubectl/kuberc/
    ("kind: Preference", 35),
    // By its Go; measured: 1.20 does not, 1.32 does.
    ("socks5h", 32),
];

impl Shape {
    /// Whether a kubectl of this version reads everything that the shape has.
    fn is_known_to(&self, (major, minor): (u32, u32)) -> bool {
        let files = self.files.iter().map(|(_, text)| text);
        let texts = self.config.iter().chain(&self.flags).chain(self.environment.iter().map(|(_, value)| value));
        let texts = texts.chain(files);
        let newest = texts.flat_map(|text| KNOWN_SINCE.iter().filter(move |(word, _)| text.contains(word)));
        newest.map(|(_, since)| *since).max().is_none_or(|since| (major, minor) >= (1, since))
    }
}

/// What a program did.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Connected(Recorded),
    Refused,
}

/// Runs a program on a shape, and returns what it did and what it printed.
fn run(world: &World, shape: &Shape, program: &str, arguments: &[&str]) -> (Outcome, String) {
    let home = tempfile::tempdir().unwrap();
    let fill = |text: &str| world.fill(text).replace("{home}", &home.path().display().to_string());
    let write = |path: &str, text: &str| {
        let path = home.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, fill(text)).unwrap();
        if text.starts_with("#!") {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&path, mode).unwrap();
        }
    };
    world.files(home.path());
    if let Some(config) = &shape.config {
        write(".kube/config", config);
    }
    for (path, text) in &shape.files {
        write(path, text);
    }
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", home.path());
    command.envs(shape.environment.iter().map(|(name, value)| (name, fill(value))));
    command.args(arguments).args(shape.flags.iter().map(|flag| fill(flag)));
    command.current_dir(home.path()).stdin(Stdio::null());
    world.forget();
    let output = command.output().unwrap();
    let recorded = world.recorded();
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if program == PLUGIN {
        assert!(output.status.code().is_some_and(|code| code != 101), "{}: it crashed\n{printed}", shape.name);
    }
    if !recorded.namespaces.is_empty() {
        return (Outcome::Connected(recorded), printed);
    }
    assert!(!output.status.success(), "{}: {program} listed no pods, and succeeded\n{printed}", shape.name);
    (Outcome::Refused, printed)
}

/// Without a namespace kubectl asks for `default`, and the plugin for SynxDB's own.
fn with_same_default(mut outcome: Outcome) -> Outcome {
    if let Outcome::Connected(recorded) = &mut outcome
        && recorded.namespaces.remove("synxdb-system")
    {
        recorded.namespaces.insert("default".to_owned());
    }
    outcome
}

/// Compares both programs on a shape; returns what is wrong. A kubectl that does not know what the shape has is not
/// run: then the plugin must only not crash, be clear, and keep secrets.
fn compare(world: &World, shape: &Shape, version: (u32, u32)) -> Option<String> {
    let timeout = ["--request-timeout", "10s"];
    let theirs =
        shape.is_known_to(version).then(|| run(world, shape, "kubectl", &[&["get", "pods"], &timeout[..]].concat()));
    let (plugin, ours) = run(world, shape, PLUGIN, &[&["status"], &timeout[..]].concat());
    let plugin = with_same_default(plugin);
    let differs = match shape.differs {
        Some(Differs::ConnectsBefore(minor)) if version >= (1, minor) => None,
        differs => differs,
    };
    let as_expected = theirs.as_ref().is_none_or(|(kubectl, _)| match differs {
        None => plugin == *kubectl,
        Some(Differs::Refuses) => matches!((kubectl, &plugin), (Outcome::Connected(_), Outcome::Refused)),
        Some(Differs::Connects | Differs::ConnectsBefore(_)) => {
            matches!((kubectl, &plugin), (Outcome::Refused, Outcome::Connected(_)))
        }
    });
    let secret = ["hunter2", "s3cret"].into_iter().find(|word| ours.contains(word));
    let clear = plugin != Outcome::Refused || ours.contains("error: ");
    if as_expected && clear && secret.is_none() {
        return None;
    }
    let (kubectl, theirs) = theirs.unzip();
    Some(format!(
        "=== {} (expected: {:?}, secret: {secret:?})\nkubectl: {kubectl:?}\n{}\nplugin:  {plugin:?}\n{ours}",
        shape.name,
        shape.differs,
        theirs.unwrap_or_default()
    ))
}

fn check(shapes: Vec<Shape>) {
    let version @ (major, minor) = kubectl_version();
    let world = World::new();
    let only = std::env::var("AS_KUBECTL_ONLY").ok();
    let shapes: Vec<Shape> = shapes
        .into_iter()
        .filter(|shape| only.as_ref().is_none_or(|only| shape.name.contains(only.as_str())))
        .collect();
    let unknown = shapes.iter().filter(|shape| !shape.is_known_to(version)).count();
    if unknown > 0 {
        notice(&format!(
            "as_kubectl: kubectl {major}.{minor} is too old to compare {unknown} of {} shapes",
            shapes.len()
        ));
    }
    let wrong: Vec<String> = shapes.iter().filter_map(|shape| compare(&world, shape, version)).collect();
    assert!(wrong.is_empty(), "{} of {} shapes differ:\n{}", wrong.len(), shapes.len(), wrong.join("\n"));
}

#[test]
fn files_are_read_as_kubectl_reads_them() {
    check(shapes::files());
}

#[test]
fn servers_are_reached_as_kubectl_reaches_them() {
    check(shapes::servers());
}

#[test]
fn certificates_are_verified_as_kubectl_verifies_them() {
    check(shapes::certificates());
}

#[test]
fn users_are_who_they_are_for_kubectl() {
    check(shapes::users());
}

#[test]
fn plugins_are_run_as_kubectl_runs_them() {
    check(shapes::plugins());
}

#[test]
fn flags_are_read_as_kubectl_reads_them() {
    check(shapes::flags());
}

#[test]
fn proxies_are_used_as_kubectl_uses_them() {
    check(shapes::proxies());
}
