//! Pods that have a member's name but are none: anyone who can create pods in a namespace can create one.

use crate::world::{AwaitIn, World, named, stays_ready};
use kube::api::DeleteParams;
use serde_json::json;

const FAKE: &str = "cloudberry-proxy-1";

/// It is listed as a stranger, counts as nothing, and no command queries or changes it.
#[test]
fn a_pod_without_an_owner_is_a_stranger_despite_its_name() {
    let world = World::shared();
    let account = world.account("stranger", |_| {});
    let set = account.sets().get("cloudberry-proxy").await_in(&world).unwrap();
    let image = set.spec.template.spec.unwrap().containers[0].image.clone();
    world.create(&json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": FAKE, "namespace": account.namespace},
        "spec": {"containers": [{"name": "main", "image": image}]},
    }));
    world.until(&account.pods(), named(FAKE), "the stranger is there", |pods| pods.contains_key(FAKE));

    let why = format!(
        "{}/{FAKE} is named like a warehouse proxy but is not SynxDB's: no controller owns it",
        account.namespace
    );
    let ran = account.run(&["status"]).exits(0).says(&["SynxDB is healthy: 3 of 3 pods ready", &why]);
    assert_eq!(ran.out.matches(FAKE).count(), 1, "{}", ran.shown());
    let status = account.run(&["status", "-o", "json"]).exits(0).json();
    let strangers = &status["namespaces"][0]["strangers"];
    assert_eq!(*strangers, json!([{"name": FAKE, "component": "warehouse-proxy", "reason": "no controller owns it"}]));

    let refused =
        format!("{}/{FAKE} has the name of a SynxDB pod but is not one: no controller owns it", account.namespace);
    let next = format!("next: kubectl get pod {FAKE} -n {}", account.namespace);
    for arguments in [
        &["failover", FAKE, "--yes"][..],
        &["failover", FAKE, "--yes", "--keep-pvc", "--allow", "unmanaged-pod", "--confirm", FAKE],
        &["forward", FAKE, "--port", "0"],
    ] {
        account.run(arguments).exits(4).silent().warns(&[&refused, &next]);
    }
    // The component's name stands for its member.
    let mut verify = account.plugin(&["verify", "--read-only", "-o", "json", "-v", "6"]);
    verify.env("PGPASSWORD", "open sesame").env_remove("PGPASSFILE");
    let ran = world.start_command(verify).end();
    assert!(ran.err.contains("/pods/cloudberry-proxy-0/portforward"), "{}", ran.shown());
    assert!(!ran.err.contains(&format!("/pods/{FAKE}/portforward")), "{}", ran.shown());
    account.run(&["failover", "cloudberry-proxy", "--yes"]).exits(0).says(&["Recovered: cloudberry-proxy-0"]);
    world.until(&account.pods(), named("cloudberry-proxy-0"), "the member is Ready", |pods| {
        pods.values().any(stays_ready)
    });
    account.pods().delete(FAKE, &DeleteParams::default()).await_in(&world).unwrap();
}
