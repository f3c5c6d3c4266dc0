//! What the API server would reject is found before anything is changed: by dry runs of each step, and of creating the
//! replacement.

use crate::member::Before;
use crate::world::{Account, AwaitIn, World, named};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, ResourceQuota};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

/// Creates an account whose warehouse nodes get a new template only when they are replaced, and terminate quickly.
fn account<'w>(world: &'w World, case: &str) -> Account<'w> {
    world.account(case, |objects| {
        let spec = &mut objects.set("wh9527")["spec"];
        spec["updateStrategy"] = json!({"type": "OnDelete"});
        spec["template"]["spec"]["terminationGracePeriodSeconds"] = json!(1);
    })
}

/// Asserts that it is blocked with exit code 4 and the server's message, and that nothing was changed.
#[track_caller]
fn is_refused(account: &Account<'_>, before: &Before<'_>, words: &[&str]) {
    account.run(&["failover", "wh9527-0", "--yes"]).exits(4).silent().warns(words);
    before.is_unchanged();
    account.run(&["failover", "wh9527-0", "--dry-run=server"]).exits(4).says(words);
    before.is_unchanged();
}

/// Waits until a quota's controller has counted its usage, and returns it.
fn counted(account: &Account<'_>, name: &str, resource: &str) -> String {
    let quotas = account.world.within::<ResourceQuota>(&account.namespace);
    let used = |quota: &ResourceQuota| {
        let used = quota.status.as_ref().and_then(|status| status.used.clone());
        used.and_then(|used| used.get(resource).map(|quantity| quantity.0.clone()))
    };
    let seen = account.world.until(&quotas, named(name), "the quota is counted", |quotas| {
        quotas.get(name).is_some_and(|quota| used(quota).is_some_and(|used| used != "0"))
    });
    used(&seen[name]).unwrap()
}

fn quota(account: &Account<'_>, hard: &Value) {
    account.world.create(&json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team", "namespace": account.namespace},
        "spec": {"hard": hard},
    }));
}

/// If the claim were deleted first, it would stay Terminating while the pod keeps running.
#[test]
fn a_pod_that_may_not_be_deleted_keeps_its_claim() {
    let world = World::shared();
    let account = account(&world, "denied");
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let policy = world.deny_deletion(&account.namespace, ("pods", "wh9527-0"), "false");
    is_refused(
        &account,
        &before,
        &["the API server rejects this step, pod/wh9527-0 deleted", "pods of this account stay"],
    );
    policy.lift();
    account.run(&["failover", "wh9527-0", "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    before.is_recovered();
}

/// A policy that denies only real requests, not dry runs: an operation that has begun can be resumed.
#[test]
fn a_denial_that_no_dry_run_shows_can_be_resumed() {
    let world = World::shared();
    let account = account(&world, "denied-later");
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let policy = world.deny_deletion(&account.namespace, ("pods", "wh9527-0"), "request.dryRun");
    let ran = account.run(&["failover", "wh9527-0", "--yes"]);
    assert!(!matches!(ran.code, Some(0 | 7 | 8)), "{}", ran.shown());
    let ran = ran.says(&["pods of this account stay", "claim data-wh9527-0 deleted", "next: kubectl synxdb failover"]);
    let claims = account.claims();
    let claim: PersistentVolumeClaim = world.get(&claims, "data-wh9527-0").unwrap();
    assert_eq!(claim.metadata.uid.as_ref(), Some(&before.claims["data-wh9527-0"].uid));

    policy.lift();
    let resume = ran.resume();
    let resume: Vec<&str> = resume.iter().map(String::as_str).collect();
    world.run(&[&resume[..], &["--yes"]].concat()).exits(0).says(&["Recovered: wh9527-0"]);
    before.is_recovered();
}

/// The old pod and claim fill it, which is no reason to block.
#[test]
fn an_exactly_full_quota_does_not_block() {
    let world = World::shared();
    let account = account(&world, "full-quota");
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    quota(&account, &json!({"pods": "3", "persistentvolumeclaims": "3"}));
    assert_eq!(counted(&account, "team", "pods"), "3");
    let ran = account.run(&["failover", "wh9527-0", "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    ran.warns(&[
        "pod/wh9527-0 created: quota team is full until the old one is gone (pods: 3 of 3 are used)",
        "persistentvolumeclaim/data-wh9527-0 created: quota team is full until the old one is gone",
    ]);
    before.is_recovered();
}

/// Its controller could not create the new pod: it is larger than what the old one frees.
#[test]
fn a_pod_that_exceeds_a_quota_blocks_before_the_deletion() {
    let world = World::shared();
    let account = account(&world, "small-quota");
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let set = world.get(&account.sets(), "wh9527").unwrap();
    let mut containers = serde_json::to_value(set.spec.template.spec.unwrap().containers).unwrap();
    containers[0]["resources"] = json!({"requests": {"memory": "64Mi"}});
    account.patch_set("wh9527", &json!({"spec": {"template": {"spec": {"containers": containers}}}}));
    quota(&account, &json!({"pods": "3", "requests.memory": "32Mi"}));
    assert_eq!(counted(&account, "team", "pods"), "3");
    is_refused(
        &account,
        &before,
        &[
            "the API server would reject a replacement object, pod/wh9527-0 created",
            "quota team has no room even after the old one is gone",
        ],
    );
}

#[test]
fn a_claim_that_exceeds_a_limit_range_blocks_before_the_deletion() {
    let world = World::shared();
    let account = account(&world, "limit-range");
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    world.create(&json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small", "namespace": account.namespace},
        "spec": {"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "1Mi"}}]},
    }));
    is_refused(
        &account,
        &before,
        &["persistentvolumeclaim/data-wh9527-0 created", "maximum storage usage per PersistentVolumeClaim is 1Mi"],
    );
}

/// The pod may be changed to fit, or only this user may be rejected, so the user may override it.
#[test]
fn a_namespace_that_rejects_the_pod_blocks_and_can_be_overridden() {
    let world = World::shared();
    let account = account(&world, "restricted");
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let label = |level: Value| {
        let patch = Patch::Merge(json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}}));
        let namespaces = world.cluster_wide::<Namespace>();
        namespaces.patch(&account.namespace, &PatchParams::default(), &patch).await_in(&world).unwrap();
    };
    label(json!("restricted"));
    let refused = ["pod/wh9527-0 created", "violates PodSecurity \"restricted:latest\"", "--allow refused-replacement"];
    is_refused(&account, &before, &refused);

    let overridden =
        ["failover", "wh9527-0", "--allow", "refused-replacement", "--confirm", "wh9527-0", "--timeout", "20s"];
    let ran = account.run(&overridden).exits(6);
    let ran = ran.says(&["violates PodSecurity \"restricted:latest\""]);
    label(Value::Null);
    let resume = ran.resume();
    let resume: Vec<&str> = resume.iter().map(String::as_str).collect();
    world.run(&[&resume[..], &["--confirm", "wh9527-0"]].concat()).exits(0).says(&["Recovered: wh9527-0"]);
    before.is_recovered();
}

/// The same dry runs, reported one by one.
#[test]
fn a_dry_run_reports_what_the_server_accepts() {
    let world = World::shared();
    let account = account(&world, "rehearsed");
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let volume = &before.claims["data-wh9527-0"].volume;
    account.run(&["failover", "wh9527-0", "--dry-run=server"]).exits(0).says(&[
        "the API server accepts every step and the replacement objects (dry run)",
        &format!("persistentvolume/{volume} retained (server dry run)"),
        "persistentvolumeclaim/data-wh9527-0 deleted (server dry run)",
        "pod/wh9527-0 deleted (server dry run)",
        "persistentvolumeclaim/data-wh9527-0 created (server dry run)",
        "pod/wh9527-0 created (server dry run)",
    ]);
    before.is_unchanged();
}
