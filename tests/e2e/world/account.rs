//! A case's own account: the namespace of the manifests under another name, with the changes of the case.

use super::World;
use crate::support::Ran;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Event, Namespace, PersistentVolumeClaim, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::Value;
use std::process::Command;

const MANIFEST: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/crates/practice-cluster/src/scenarios/manifests/account-cloud007.yaml"
));

/// The name prefix of every account that a case created.
pub(super) const PREFIX: &str = "e2e-";

/// An account that is removed at the end of its case.
pub(crate) struct Account<'w> {
    pub(crate) world: &'w World,
    pub(crate) namespace: String,
}

/// The objects of an account before they are created.
pub(crate) struct Objects(Vec<Value>);

impl Objects {
    /// Returns the StatefulSet of this name.
    pub(crate) fn set(&mut self, name: &str) -> &mut Value {
        let found =
            self.0.iter_mut().find(|object| object["kind"] == "StatefulSet" && object["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("the manifest has no StatefulSet {name}"))
    }
}

impl Objects {
    /// Copies the Service and the StatefulSet of this name under another name.
    pub(crate) fn copied(&mut self, name: &str, copy: &str) {
        let of_name = |object: &&Value| object["metadata"]["name"] == name;
        let copies: Vec<Value> = self.0.iter().filter(of_name).map(|object| renamed(object, name, copy)).collect();
        assert_eq!(copies.len(), 2, "the manifest has no Service and StatefulSet {name}");
        self.0.extend(copies);
    }
}

/// Replaces one text with another, wherever it is an entire value.
fn renamed(value: &Value, from: &str, to: &str) -> Value {
    match value {
        Value::String(text) if text == from => Value::from(to),
        Value::Array(all) => all.iter().map(|one| renamed(one, from, to)).collect(),
        Value::Object(all) => all.iter().map(|(key, one)| (key.clone(), renamed(one, from, to))).collect(),
        other => other.clone(),
    }
}

impl World {
    /// The manifests of the account of another release.
    pub(crate) const FE_TEAM_MANIFEST: &str = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/crates/practice-cluster/src/scenarios/manifests/account-fe-team.yaml"
    ));

    /// Creates an empty namespace of this name.
    pub(crate) fn empty_account(&self, namespace: &str) -> Account<'_> {
        assert!(namespace.starts_with(PREFIX), "{namespace}");
        let account = Account { world: self, namespace: namespace.to_owned() };
        self.create(&serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
        account
    }

    /// Creates an account and waits until all its pods are Ready.
    pub(crate) fn account(&self, case: &str, change: impl FnOnce(&mut Objects)) -> Account<'_> {
        let account = self.account_started(case, change);
        let sets = self.block_on(account.sets().list(&ListParams::default())).unwrap();
        self.members_ready(&account.namespace, &sets.items, "before the case");
        account
    }

    /// Creates an account whose pods may not be Ready yet, or ever.
    pub(crate) fn account_started(&self, case: &str, change: impl FnOnce(&mut Objects)) -> Account<'_> {
        let namespace = format!("{PREFIX}{case}-{}", uuid::Uuid::new_v4());
        let mut objects = Objects(serde_saphyr::from_multiple(MANIFEST).unwrap());
        for object in &mut objects.0 {
            let field = if object["kind"] == "Namespace" { "name" } else { "namespace" };
            object["metadata"][field] = Value::from(namespace.clone());
        }
        change(&mut objects);
        // From here on, it is always removed.
        let account = Account { world: self, namespace };
        for object in &objects.0 {
            self.create(object);
        }
        account
    }
}

impl Account<'_> {
    pub(crate) fn pods(&self) -> Api<Pod> {
        self.world.within(&self.namespace)
    }

    pub(crate) fn claims(&self) -> Api<PersistentVolumeClaim> {
        self.world.within(&self.namespace)
    }

    pub(crate) fn sets(&self) -> Api<StatefulSet> {
        self.world.within(&self.namespace)
    }

    /// Returns the plugin, in this account's namespace.
    pub(crate) fn plugin(&self, arguments: &[&str]) -> Command {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["-n", &self.namespace]).collect();
        self.world.plugin(&arguments)
    }

    /// Runs the plugin in this account's namespace to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.with_disks_printed(arguments, || self.world.start_command(self.plugin(arguments)).end())
    }

    /// Changes a StatefulSet by a merge patch.
    pub(crate) fn patch_set(&self, name: &str, patch: &Value) {
        let patched = self.sets().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await_in(self.world);
        patched.unwrap();
    }

    /// Waits until the pods of these sets are Ready.
    pub(crate) fn ready(&self, sets: &[StatefulSet]) {
        self.world.members_ready(&self.namespace, sets, "before the case");
    }

    /// Deletes its namespace, on the practice cluster, too.
    pub(crate) fn end(self) {
        let namespaces: Api<Namespace> = self.world.cluster_wide();
        namespaces.delete(&self.namespace, &DeleteParams::default()).await_in(self.world).unwrap();
    }

    /// Returns its content, for a case that failed.
    fn shown(&self) -> String {
        self.world.block_on(async {
            let all = ListParams::default();
            let mut text = format!("namespace {}\n", self.namespace);
            for pod in self.pods().list(&all).await.into_iter().flatten() {
                let status = serde_json::to_value(&pod.status).unwrap_or_default();
                text += &format!("pod {} {status}\n", pod.metadata.name.unwrap_or_default());
            }
            for claim in self.claims().list(&all).await.into_iter().flatten() {
                let status = serde_json::to_value(&claim.status).unwrap_or_default();
                let going = if claim.metadata.deletion_timestamp.is_some() { " Terminating" } else { "" };
                text += &format!("claim {}{going} {status}\n", claim.metadata.name.unwrap_or_default());
            }
            for event in self.world.within::<Event>(&self.namespace).list(&all).await.into_iter().flatten() {
                text += &format!(
                    "event {} {}: {}\n",
                    event.involved_object.name.unwrap_or_default(),
                    event.reason.unwrap_or_default(),
                    event.message.unwrap_or_default()
                );
            }
            text
        })
    }
}

impl Drop for Account<'_> {
    #[allow(clippy::print_stderr)]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.shown());
        }
        if self.world.is_real() {
            let namespaces: Api<Namespace> = self.world.cluster_wide();
            // No case waits for it, and it may be gone already.
            let _ = self.world.block_on(namespaces.delete(&self.namespace, &DeleteParams::default()));
            self.world.reclaim(&self.namespace, false);
        }
    }
}

/// `work.await_in(world)` reads from left to right if a case does one thing after the other.
pub(crate) trait AwaitIn: Future + Sized {
    fn await_in(self, world: &World) -> Self::Output {
        world.block_on(self)
    }
}

impl<F: Future> AwaitIn for F {}
