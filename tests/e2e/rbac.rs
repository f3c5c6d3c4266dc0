//! The roles that `rbac` prints: each command works with exactly these, and without any one right it names that right.

use crate::member::Before;
use crate::support::machine::needs;
use crate::support::{Ran, unwrapped};
use crate::world::{ACCOUNT, Account, AwaitIn, Granted, SYSTEM, User, World};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kubectl_synxdb::cli::RbacFor;
use kubectl_synxdb::plan::rights::{self, Place, Right};
use kubectl_synxdb::topology::layout::CONFIG_MAP;
use serde_json::{Value, json};

/// A command's roles in an account's namespace, and the user who has them, until dropped.
struct Roles<'w> {
    account: &'w Account<'w>,
    user: User<'w>,
    /// The manifests; cluster-scoped ones are renamed for this case.
    all: Vec<Value>,
}

impl<'w> Roles<'w> {
    /// Applies what the program prints.
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

    /// Waits until the API server knows of a change.
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

    /// Does something with all rights except this one.
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

    fn run(&self, arguments: &[&str]) -> Ran {
        // Arguments after `--` belong to another program.
        let (own, others) =
            arguments.split_at(arguments.iter().position(|word| *word == "--").unwrap_or(arguments.len()));
        let mut command = self.account.plugin(own);
        command.args(others).env("KUBECONFIG", &self.user.kubeconfig);
        self.account.world.start_command(command).end()
    }
}

impl Drop for Roles<'_> {
    fn drop(&mut self) {
        let world = self.account.world;
        if !world.is_real() {
            return;
        }
        // Objects in the namespace are deleted with it.
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

/// Whether a command names a missing right, in its own words or the server's: verb, resource and place.
fn names(ran: &Ran, right: &Right, namespace: &str) -> bool {
    let (resource, group) = right.resource.split_once('.').unwrap_or((right.resource, ""));
    let (own_place, place) = match right.place {
        Place::Namespaces => (format!(" in namespace {namespace}"), format!("in the namespace \"{namespace}\"")),
        Place::Cluster => (String::new(), "at the cluster scope".to_owned()),
    };
    // The name of the object may be between the resource and the place.
    let own = format!(
        "(missing permission:|not allowed to) {} {}( [a-z0-9-]+)?{own_place}",
        right.verb,
        regex::escape(right.resource)
    );
    let server = format!("cannot {} resource \"{resource}\" in API group \"{group}\" {place}", right.verb);
    let said = unwrapped(&format!("{} {}", ran.out, ran.err));
    regex::Regex::new(&own).unwrap().is_match(&said) || said.contains(&server)
}

/// Rights for events that do not happen here: a namespace prefix, a concurrent change, a first baseline, a full quota.
fn is_for_something_else(right: &Right) -> bool {
    // The cluster's own layout is in the system namespace, and only -v reports whether there is one.
    if right.name == Some(CONFIG_MAP) {
        return true;
    }
    let object = right.name.is_none() && !right.resource.contains('/') && right.resource != "configmaps";
    let first = [("list", "namespaces"), ("create", "configmaps"), ("list", "resourcequotas")];
    first.contains(&(right.verb, right.resource)) || (right.verb == "get" && object)
}

/// Runs a command without each of its rights in turn, and collects unexpected results.
fn one_by_one(roles: &Roles<'_>, command: RbacFor, applies: impl Fn(&Right) -> bool, run: impl Fn(&Right) -> Ran) {
    let mut wrong = Vec::new();
    for right in rights::of(command).into_iter().filter(applies) {
        let ran = roles.without(&right, || run(&right));
        let told = is_for_something_else(&right) || names(&ran, &right, &roles.account.namespace);
        let ended = match (ran.code, right.without, right.goes_on) {
            (Some(0), ..) if is_for_something_else(&right) => true,
            // Which of the two a forward needs depends on the server: the other one may be enough.
            (Some(0), Some(_), false) if right.resource == "pods/portforward" => true,
            (Some(0 | 8), Some(_), true) => true,
            (Some(4), _, false) | (Some(8), None, false) => true,
            _ => false,
        };
        if !told || !ended {
            wrong.push(format!(
                "{} without {right:?}: told {told}, ended as it should {ended}\n{}",
                command.name(),
                ran.shown()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn read_only_commands() {
    let world = World::shared();
    let account = world.account("rbac-look", |_| {});
    let outside = |right: &Right| right.resource == "persistentvolumes";
    let roles = Roles::of(&account, RbacFor::Status);
    roles.run(&["status"]).exits(0);
    roles.run(&["status", "-o", "wide"]).exits(0);
    one_by_one(&roles, RbacFor::Status, |right| !outside(right), |_| roles.run(&["status"]));
    one_by_one(&roles, RbacFor::Status, outside, |_| roles.run(&["status", "-o", "wide"]));

    let roles = Roles::of(&account, RbacFor::Verify);
    roles.run(&["verify"]).exits(0);
    one_by_one(&roles, RbacFor::Verify, |_| true, |_| roles.run(&["verify"]));
}

#[test]
fn commands_that_forward() {
    needs("psql");
    let world = World::shared();
    let account = world.account("rbac-way", |_| {});
    let roles = Roles::of(&account, RbacFor::Forward);
    let arguments = ["forward", "--psql", "--", "-Atc", "select 40 + 2"];
    roles.run(&arguments).exits(0).says(&["42"]);
    one_by_one(&roles, RbacFor::Forward, |_| true, |_| roles.run(&arguments));
}

#[test]
fn commands_that_change_the_cluster() {
    let world = World::shared();
    let account = world.account("rbac-act", |_| {});
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let roles = Roles::of(&account, RbacFor::Failover);
    let plan = ["failover", "wh9527-0", "--dry-run=client"];
    one_by_one(&roles, RbacFor::Failover, |_| true, |_| roles.run(&plan));
    before.is_unchanged();
    // With all of them, it succeeds.
    let ran = roles.run(&["failover", "wh9527-0", "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    assert!(!ran.err.contains("missing permission") && !ran.err.contains("cannot"), "{}", ran.shown());
    before.is_recovered();

    // The volume that it retained is restored by an undo, and the one that the undo retained is released, each with its
    // own rights.
    let undo = Roles::of(&account, RbacFor::Undo);
    let plan = ["undo", "wh9527-0", "--dry-run=client"];
    one_by_one(&undo, RbacFor::Undo, |_| true, |_| undo.run(&plan));
    undo.run(&["undo", "wh9527-0", "--yes"]).exits(0);
    let history = Roles::of(&account, RbacFor::History);
    history.run(&["history"]).exits(0).says(&["wh9527-0"]);
    one_by_one(&history, RbacFor::History, |_| true, |_| history.run(&["history"]));
    let acts = history.run(&["history", "-o", "json"]).exits(0).json();
    let acts = acts["operations"].as_array().unwrap_or_else(|| panic!("{acts:#}"));
    let id = acts.iter().find(|act| act["operation"] != "failover").unwrap_or_else(|| panic!("{acts:#?}"))["id"]
        .as_str()
        .unwrap();
    let release = ["release", id, "--confirm", "wh9527-0"];
    // What only reads releases nothing.
    history.run(&release).exits(4);
    let releases = Roles::of(&account, RbacFor::Release);
    // Without the others it is done.
    one_by_one(
        &releases,
        RbacFor::Release,
        |right| !right.goes_on && !is_for_something_else(right),
        |_| releases.run(&release),
    );
    releases.run(&release).exits(0);
}

/// It binds everywhere only on request: a forward into kube-system must not be possible by accident.
#[test]
fn without_a_namespace_it_binds_in_synxdbs_own() {
    let world = World::shared();
    let arguments = ["rbac", "--for", "failover", "--subject-group", "dba"];
    let manifests = |more: &[&str]| -> Vec<Value> {
        let ran = world.run(&[&arguments[..], more].concat()).exits(0);
        serde_saphyr::from_multiple(&ran.out).unwrap()
    };
    // Returns where the manifests grant namespaced rights.
    let bound = |manifests: &[Value]| -> Vec<Option<String>> {
        let of_it = manifests.iter().filter(|one| one["roleRef"]["name"] == "kubectl-synxdb-failover");
        of_it.map(|one| one["metadata"]["namespace"].as_str().map(str::to_owned)).collect()
    };
    let own = bound(&manifests(&[]));
    for namespace in [SYSTEM, ACCOUNT] {
        assert!(own.contains(&Some(namespace.to_owned())), "{own:?}");
    }
    assert!(own.iter().all(|place| place.as_ref().is_some_and(|name| !name.starts_with("kube-"))), "{own:?}");
    assert_eq!(bound(&manifests(&["--cluster-wide"])), [None]);
    let ran = world.run(&[&arguments[..], &["--cluster-wide"]].concat()).exits(0);
    ran.says(&["in EVERY namespace", "kube-system", "volumes are cluster-scoped"]);

    // A user who may not list namespaces learns how to name them, and nothing is bound.
    let user = world.user("default", &[]);
    let mut command = world.plugin(&arguments);
    command.env("KUBECONFIG", &user.kubeconfig);
    let ran = world.start_command(command).end().exits(4).silent();
    ran.warns(&["not allowed to list namespaces", "rbac -n NAMESPACE", "--cluster-wide"]);
}
