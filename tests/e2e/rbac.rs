//! The roles that `rbac` prints: each command works with exactly these, and with any one right taken away it says which.

use crate::member::Before;
use crate::run::{Ran, Running};
use crate::world::{Account, AwaitIn, Granted, User, World};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kubectl_synxdb::cli::RbacFor;
use kubectl_synxdb::plan::rights::{self, Place, Right};
use rustix::process::Signal;
use serde_json::{Value, json};

/// The roles of a command in an account's namespace, and the user who has them, until they are dropped.
struct Roles<'w> {
    account: &'w Account<'w>,
    user: User<'w>,
    /// The manifests, under names of this case's own where they lie in no namespace.
    all: Vec<Value>,
}

impl<'w> Roles<'w> {
    /// What the program prints, applied.
    fn of(account: &'w Account<'w>, command: RbacFor) -> Self {
        let world = account.world;
        let user = world.user(&account.namespace, &[]);
        let name = user.name.rsplit(':').next().unwrap().to_owned();
        let subject = format!("{}:{name}", account.namespace);
        let ran = account.run(&["rbac", "--for", command.name(), "--serviceaccount", &subject]).exits(0);
        assert_eq!(ran.err, "", "{}", ran.shown());
        let mut all: Vec<Value> = serde_saphyr::from_multiple(&ran.out).unwrap();
        for manifest in &mut all {
            let cluster_wide = manifest["metadata"]["namespace"].is_null();
            for pointer in ["/metadata/name", "/roleRef/name"] {
                if let Some(Value::String(text)) = manifest.pointer_mut(pointer).filter(|_| cluster_wide) {
                    text.push_str(&format!("-{name}"));
                }
            }
        }
        let roles = Self { account, user, all };
        roles.all.iter().for_each(|manifest| world.create(manifest));
        for right in rights::of(command) {
            roles.until_known(&right, true);
        }
        roles
    }

    /// Waits until the API server has learned of a change.
    fn until_known(&self, right: &Right, allowed: bool) {
        let namespace = (right.place == Place::Namespaces).then_some(self.account.namespace.as_str());
        let granted = Granted { namespace, resource: right.resource, name: right.name, verb: right.verb };
        self.account.world.until_granted(&self.user, &granted, allowed);
    }

    fn role(&self, place: Place) -> &Value {
        let kind = if place == Place::Namespaces { "Role" } else { "ClusterRole" };
        self.all.iter().find(|manifest| manifest["kind"] == kind).unwrap()
    }

    fn set(&self, place: Place, rules: &Value) {
        let world = self.account.world;
        let name = self.role(place)["metadata"]["name"].as_str().unwrap();
        let (how, patch) = (PatchParams::default(), Patch::Merge(json!({"rules": rules})));
        match place {
            Place::Namespaces => {
                let roles: Api<Role> = world.within(&self.account.namespace);
                roles.patch(name, &how, &patch).await_in(world).map(|_| ()).unwrap();
            }
            Place::Cluster => {
                let roles: Api<ClusterRole> = world.cluster_wide();
                roles.patch(name, &how, &patch).await_in(world).map(|_| ()).unwrap();
            }
        }
    }

    /// Does something with all of the rights but this one.
    fn without<T>(&self, right: &Right, work: impl FnOnce() -> T) -> T {
        let all = &self.role(right.place)["rules"];
        let mut rules = all.clone();
        let (resource, group) = right.resource.split_once('.').unwrap_or((right.resource, ""));
        let mut found = 0;
        for rule in rules.as_array_mut().unwrap() {
            let named = rule["resourceNames"].is_array() == right.name.is_some();
            let about = |field: &str, value: &str| rule[field].as_array().unwrap().contains(&json!(value));
            if !(named && about("apiGroups", group) && about("resources", resource) && about("verbs", right.verb)) {
                continue;
            }
            // The other rights of the same rule stay.
            let others: Vec<Value> = rule["resources"].as_array().unwrap().clone();
            let others: Vec<Value> = others.into_iter().filter(|other| other != resource).collect();
            let mut this = rule.clone();
            this["resources"] = json!([resource]);
            this["verbs"].as_array_mut().unwrap().retain(|verb| verb != right.verb);
            rule["resources"] = json!(others);
            found += 1;
            *rule = json!([rule, this]);
        }
        assert_eq!(found, 1, "{right:?} is in one rule\n{all:#}");
        let flat: Vec<Value> = rules
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|rule| match rule {
                Value::Array(two) => two.clone(),
                one => vec![one.clone()],
            })
            .collect();
        let some = |rule: &Value, field: &str| !rule[field].as_array().unwrap().is_empty();
        let kept: Vec<&Value> = flat.iter().filter(|rule| some(rule, "resources") && some(rule, "verbs")).collect();
        self.set(right.place, &json!(kept));
        self.until_known(right, false);
        let done = work();
        self.set(right.place, all);
        self.until_known(right, true);
        done
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.account.plugin(arguments);
        command.env("KUBECONFIG", &self.user.kubeconfig);
        self.account.world.start_command(command)
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.start(arguments).end()
    }
}

impl Drop for Roles<'_> {
    fn drop(&mut self) {
        let world = self.account.world;
        if !world.is_real() {
            return;
        }
        // What lies in the namespace goes with it.
        for manifest in self.all.iter().filter(|manifest| manifest["metadata"]["namespace"].is_null()) {
            let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
            let how = DeleteParams::default();
            if manifest["kind"] == "ClusterRole" {
                let _ = world.block_on(world.cluster_wide::<ClusterRole>().delete(name, &how));
            } else {
                let _ = world.block_on(world.cluster_wide::<ClusterRoleBinding>().delete(name, &how));
            }
        }
    }
}

#[test]
fn explore() {
    let world = World::shared();
    let account = world.account("explore", |_| {});
    let mut text = String::new();
    for (command, lines) in [
        (RbacFor::Status, &["status", "status -o wide"][..]),
        (RbacFor::Verify, &["verify"][..]),
        (RbacFor::Failover, &["failover wh9527-0 --dry-run=client"][..]),
    ] {
        let roles = Roles::of(&account, command);
        for line in lines {
            let arguments: Vec<&str> = line.split(' ').collect();
            text += &format!("######## {command:?} with all\n{}\n", roles.run(&arguments).shown());
            for right in rights::of(command) {
                let ran = roles.without(&right, || roles.run(&arguments));
                text += &format!("######## {command:?} without {right:?}\n{}\n", ran.shown());
            }
        }
    }
    let roles = Roles::of(&account, RbacFor::Forward);
    for right in rights::of(RbacFor::Forward) {
        let ran = roles.without(&right, || {
            let running = roles.start(&["forward", "--port", "0"]);
            std::thread::sleep(std::time::Duration::from_millis(1500));
            running.signal(Signal::INT);
            running.end()
        });
        text += &format!("######## Forward without {right:?}\n{}\n", ran.shown());
    }
    std::fs::write(std::env::temp_dir().join(if world.is_real() { "explore-real" } else { "explore" }), text).unwrap();
    let _ = Before::of(&world, &account.namespace, "wh9527-0");
}
