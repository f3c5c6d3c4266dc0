//! Users with limited permissions.

use crate::member::Before;
use crate::support::Ran;
use crate::world::{Account, Rule, User, World, named};
use k8s_openapi::api::core::v1::PersistentVolume;
use serde_json::{Value, json};

const READ: &[&str] = &["get", "list", "watch"];
const FORWARD: Rule<'_> = Rule { namespace: None, resources: &["pods/portforward"], verbs: &["get", "create"] };

/// Returns the rights of a failover in its namespace, except for deleting claims.
fn inside(namespace: &str) -> Vec<Rule<'_>> {
    let within = |rule| Rule { namespace: Some(namespace), ..rule };
    let looked_at = &["pods", "persistentvolumeclaims", "statefulsets.apps", "events"];
    vec![
        within(Rule { namespace: None, resources: looked_at, verbs: READ }),
        within(Rule { namespace: None, resources: &["pods"], verbs: &["delete"] }),
        within(Rule {
            namespace: None,
            resources: &["leases.coordination.k8s.io"],
            verbs: &["get", "create", "update"],
        }),
        within(FORWARD),
    ]
}

fn run(account: &Account<'_>, user: &User<'_>, arguments: &[&str]) -> Ran {
    let mut command = account.plugin(arguments);
    command.env("KUBECONFIG", &user.kubeconfig);
    account.world.start_command(command).end()
}

#[test]
fn without_permission_to_delete_claims_nothing_is_changed() {
    let world = World::shared();
    let account = world.account("no-claim-delete", |_| {});
    let mut rules = inside(&account.namespace);
    rules.push(Rule { namespace: None, resources: &["namespaces", "nodes", "persistentvolumes"], verbs: READ });
    rules.push(Rule { namespace: None, resources: &["persistentvolumes"], verbs: &["patch"] });
    let user = world.user(&account.namespace, &rules);
    let before = Before::of(&world, &account.namespace, "wh9527-0");

    run(&account, &user, &["status"]).exits(0);
    let ran = run(&account, &user, &["failover", "wh9527-0", "--yes"]).exits(4).silent();
    let denied = format!("missing permission: delete persistentvolumeclaims in namespace {}", account.namespace);
    let next = format!("kubectl auth can-i delete persistentvolumeclaims -n {}", account.namespace);
    ran.warns(&[&denied, &next]);
    before.is_unchanged();

    // Replacing only the pod is permitted.
    let ran = run(&account, &user, &["failover", "wh9527-0", "--keep-pvc", "--yes"]).exits(0);
    ran.says(&["Recovered: wh9527-0"]);
    assert_ne!(world.pod(&account.namespace, "wh9527-0").metadata.uid, Some(before.uid.clone()));
    before.claims_are_unchanged();
}

/// A user of one namespace can read no volumes, nodes or other namespaces: whether the old disk can be retained is
/// unknown, and must be overridden.
#[test]
fn without_permission_to_read_volumes_the_possible_loss_must_be_confirmed() {
    let world = World::shared();
    let account = world.account("no-volumes", |_| {});
    let namespace = account.namespace.as_str();
    let mut rules = inside(namespace);
    rules.push(Rule { namespace: Some(namespace), resources: &["persistentvolumeclaims"], verbs: &["delete"] });
    let user = world.user(namespace, &rules);
    let before = Before::of(&world, namespace, "wh9527-0");

    let ran = run(&account, &user, &["failover", "wh9527-0", "--yes"]).exits(4).silent();
    let reason = "the old volume of claim data-wh9527-0 cannot be retained: volumes cannot be read: \
                  persistentvolumes is forbidden";
    let unknown =
        "unknown whether a node can run the new pod, whether the storage class of the new claims exists, whether one";
    ran.warns(&[reason, &user.name, "--allow unretained-volume overrides this check", unknown]);
    before.is_unchanged();
    let overridden = ["failover", "wh9527-0", "--allow", "unretained-volume"];
    let ran = run(&account, &user, &[&overridden[..], &["--yes"]].concat()).exits(4).silent();
    ran.warns(&["--confirm wh9527-0"]);
    before.is_unchanged();

    let ran = run(&account, &user, &[&overridden[..], &["--confirm", "wh9527-0"]].concat()).exits(0);
    ran.says(&["Recovered: wh9527-0"]).warns(&["High risk"]);
    before.is_replaced();
    // No volume has the record: it is on the user's machine.
    let journal = std::fs::read_dir(world.home().join(".local/state/kubectl-synxdb")).unwrap();
    let records: Vec<Value> = journal
        .map(|entry| serde_json::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap())
        .collect();
    let [record] = &records[..] else { panic!("{records:#?}") };
    assert_eq!(
        (&record["outcome"], &record["podUid"], &record["user"]),
        (&json!("recovered"), &json!(before.uid), &json!(user.name))
    );
    assert_eq!(record["claims"][0]["manifest"]["metadata"]["name"], "data-wh9527-0");
    let told = run(&account, &user, &["history"]).exits(8);
    told.says(&["1 operation, 0 can be undone", "unknown: volumes: ", record["id"].as_str().unwrap(), "recovered"]);
    // Its policy was Delete and stays so: it is lost, as announced.
    let volume = &before.claims["data-wh9527-0"].volume;
    world.until(&world.cluster_wide::<PersistentVolume>(), named(volume), "the old volume is gone", |all| {
        all.is_empty()
    });
}

/// `verify` needs only the right to forward, and those to read.
#[test]
fn without_permission_to_forward_databases_are_unknown() {
    let world = World::shared();
    let account = world.account("no-forward", |_| {});
    let namespace = account.namespace.as_str();
    let looks = || Rule {
        namespace: Some(namespace),
        resources: &["pods", "persistentvolumeclaims", "statefulsets.apps"],
        verbs: &["list"],
    };
    let user = world.user(namespace, &[looks()]);
    let ran = run(&account, &user, &["verify"]).exits(8);
    let ran = ran.says(&["Unverified: nothing failed, but 1 of 2 checks is unknown", "2 of 2 Ready"]);
    ran.says(&["not allowed to create pods/portforward cloudberry-proxy-0 in namespace"]);

    let create = Rule { namespace: Some(namespace), resources: &["pods/portforward"], verbs: &["get", "create"] };
    let user = world.user(namespace, &[looks(), create]);
    run(&account, &user, &["verify"]).exits(0);
}
