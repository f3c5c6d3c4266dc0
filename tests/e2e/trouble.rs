//! Pods that cannot start again: the failover ends in time, and reports the cause as Kubernetes states it.

use crate::member::Before;
use crate::support::Ran;
use crate::world::{Account, AwaitIn, World, named};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};

/// Creates an account whose warehouse nodes get a new template only when they are replaced, and terminate quickly.
pub(crate) fn account<'w>(world: &'w World, case: &str) -> Account<'w> {
    world.account(case, |objects| {
        let spec = &mut objects.set("wh9527")["spec"];
        spec["updateStrategy"] = json!({"type": "OnDelete"});
        spec["template"]["spec"]["terminationGracePeriodSeconds"] = json!(1);
    })
}

/// Returns the containers of wh9527's template.
pub(crate) fn containers(account: &Account<'_>) -> Value {
    let set = account.world.get(&account.sets(), "wh9527").unwrap();
    serde_json::to_value(set.spec.template.spec.unwrap().containers).unwrap()
}

pub(crate) fn with_containers(containers: &Value) -> Value {
    json!({"spec": {"template": {"spec": {"containers": containers}}}})
}

/// Asserts that the failover of wh9527-0 times out with this reason, and can be resumed.
#[track_caller]
fn times_out(account: &Account<'_>, before: &Before<'_>, reasons: &[&str]) -> Ran {
    times_out_with(account, before, &["--yes"], reasons)
}

#[track_caller]
fn times_out_with(account: &Account<'_>, before: &Before<'_>, flags: &[&str], reasons: &[&str]) -> Ran {
    let ran = account.run(&[&["failover", "wh9527-0", "--timeout", "15s"], flags].concat()).exits(6);
    assert!(ran.out.starts_with("Timed out: wh9527-0 has not recovered after 15"), "{}", ran.shown());
    // The reason is directly below the verdict, not only somewhere in the output.
    let verdict = ran.out.split_once("\n\n").map(|(verdict, _)| crate::support::unwrapped(verdict)).unwrap();
    for reason in reasons {
        assert!(verdict.contains(reason), "no {reason:?} under the verdict\n{}", ran.shown());
    }
    let volume = &before.claims["data-wh9527-0"].volume;
    let ran = ran.says(&[
        "Done so far:",
        "claim data-wh9527-0 deleted",
        "pod wh9527-0 deleted",
        &format!("volume {volume} retained"),
        &format!("old UID {}", before.uid),
        &format!("--pod-uid {}", before.uid),
    ]);
    before.is_kept("unfinished");
    ran
}

/// Once the cause is fixed, the printed command completes it: it replaces the pod that cannot start, which nothing else
/// would do if the template applies on deletion only.
#[track_caller]
fn recovers(account: &Account<'_>, before: &Before<'_>, ran: &Ran) {
    let resume = ran.resume();
    let resume: Vec<&str> = resume.iter().map(String::as_str).collect();
    account.world.run(&[&resume[..], &["--yes"]].concat()).exits(0).says(&["Recovered: wh9527-0"]);
    before.is_recovered();
}

/// Deletes a pod, so that it is recreated from the current template.
fn delete_the_pod(account: &Account<'_>) {
    account.pods().delete("wh9527-0", &DeleteParams::default()).await_in(account.world).unwrap();
}

#[test]
fn an_image_that_does_not_exist() {
    let world = World::shared();
    let account = account(&world, "no-image");
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let good = containers(&account);
    let mut bad = good.clone();
    bad[0]["image"] = json!("synxdb/no-such-image:0");
    bad[0]["imagePullPolicy"] = json!("Never");
    account.patch_set("wh9527", &with_containers(&bad));
    let reason = "Container image \"synxdb/no-such-image:0\" is not present with pull policy of Never";
    let ran = times_out(&account, &before, &["ErrImageNeverPull", reason]);
    account.patch_set("wh9527", &with_containers(&good));
    recovers(&account, &before, &ran);
}

#[test]
fn a_readiness_probe_that_fails() {
    let world = World::shared();
    let account = account(&world, "no-readiness");
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let good = containers(&account);
    let mut bad = good.clone();
    bad[0]["readinessProbe"] = json!({"tcpSocket": {"port": 1}, "periodSeconds": 1, "timeoutSeconds": 1});
    account.patch_set("wh9527", &with_containers(&bad));
    let ran = times_out(&account, &before, &["Readiness probe failed: dial tcp ", ":1: connect: connection refused"]);
    account.patch_set("wh9527", &with_containers(&good));
    recovers(&account, &before, &ran);
}

#[test]
fn a_node_selector_that_no_node_matches() {
    let world = World::shared();
    let account = account(&world, "no-node");
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let select = |nodes: Value| json!({"spec": {"template": {"spec": {"nodeSelector": nodes}}}});
    account.patch_set("wh9527", &select(json!({"e2e.synxdb.io/no-such-node": "true"})));
    let ran = times_out(&account, &before, &["node(s) didn't match Pod's node affinity/selector"]);
    account.patch_set("wh9527", &select(Value::Null));
    recovers(&account, &before, &ran);
}

/// A StorageClass of this case, removed when dropped.
pub(crate) struct OwnClass<'w> {
    world: &'w World,
    class: StorageClass,
}

impl<'w> OwnClass<'w> {
    /// Creates a copy of the default class that provisions volumes immediately.
    pub(crate) fn new(world: &'w World) -> Self {
        let all = world.cluster_wide::<StorageClass>().list(&ListParams::default()).await_in(world).unwrap().items;
        let is_default = |class: &StorageClass| {
            let annotations = class.metadata.annotations.as_ref();
            annotations
                .and_then(|all| all.get("storageclass.kubernetes.io/is-default-class"))
                .is_some_and(|v| v == "true")
        };
        let mut class = all.into_iter().find(is_default).expect("the cluster has a default StorageClass");
        let name = format!("e2e-{}", uuid::Uuid::new_v4());
        class.metadata = kube::core::ObjectMeta { name: Some(name), ..Default::default() };
        class.volume_binding_mode = Some("Immediate".to_owned());
        Self { world, class }
    }

    pub(crate) fn name(&self) -> &str {
        self.class.metadata.name.as_deref().unwrap()
    }

    pub(crate) fn create(&self) {
        let classes = self.world.cluster_wide::<StorageClass>();
        classes.create(&PostParams::default(), &self.class).await_in(self.world).unwrap();
    }

    pub(crate) fn delete(&self) {
        let classes = self.world.cluster_wide::<StorageClass>();
        classes.delete(self.name(), &DeleteParams::default()).await_in(self.world).unwrap();
    }
}

impl Drop for OwnClass<'_> {
    fn drop(&mut self) {
        let classes = self.world.cluster_wide::<StorageClass>();
        // It may be gone already.
        let _ = classes.delete(self.name(), &DeleteParams::default()).await_in(self.world);
    }
}

/// Templates of claims cannot change, but what they refer to can disappear.
#[test]
fn a_storage_class_that_is_gone() {
    let world = World::shared();
    let class = OwnClass::new(&world);
    class.create();
    let account = world.account("no-class", |objects| {
        let spec = &mut objects.set("wh9527")["spec"];
        spec["template"]["spec"]["terminationGracePeriodSeconds"] = json!(1);
        spec["volumeClaimTemplates"][0]["spec"]["storageClassName"] = json!(class.name());
    });
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    class.delete();
    let ran = account.run(&["failover", "wh9527-0", "--yes"]).exits(4).silent();
    let missing = format!("storage class {} does not exist", class.name());
    ran.warns(&[&missing, "--allow storage-class overrides this check"]);
    before.is_unchanged();

    let reason = format!("storageclass.storage.k8s.io \"{}\" not found", class.name());
    let all_the_same = ["--allow", "storage-class", "--confirm", "wh9527-0"];
    let ran = times_out_with(&account, &before, &all_the_same, &["claim data-wh9527-0 is Pending", &reason]);

    class.create();
    recovers(&account, &before, &ran);
}

/// Without any fault: a pod is replaced while another one of its ordered set is not Ready.
fn three_in_order<'w>(world: &'w World, case: &str) -> Account<'w> {
    world.account(case, |objects| {
        let spec = &mut objects.set("wh9527")["spec"];
        spec["replicas"] = json!(3);
        spec["podManagementPolicy"] = json!("OrderedReady");
        spec["updateStrategy"] = json!({"type": "OnDelete"});
        spec["template"]["spec"]["terminationGracePeriodSeconds"] = json!(1);
    })
}

#[test]
fn the_middle_one_of_three_recovers() {
    let world = World::shared();
    let account = three_in_order(&world, "middle-one");
    let others = ["wh9527-0", "wh9527-2"].map(|pod| Before::of(&world, &account.namespace, pod));
    let before = Before::of(&world, &account.namespace, "wh9527-1");
    account.run(&["failover", "wh9527-1", "--yes"]).exits(0).says(&["Recovered: wh9527-1"]);
    before.is_recovered();
    others.iter().for_each(Before::is_unchanged);
}

/// An ordered set creates no pod while one of a lower ordinal is not Ready: a deleted pod would not come back.
#[test]
fn nothing_is_deleted_that_a_lower_ordinal_would_not_let_return() {
    let world = World::shared();
    let account = three_in_order(&world, "lower-one");
    // The proxy accepts no connections while a node is not Ready, so the baseline is stored before.
    account.run(&["verify"]).exits(0);
    let good = containers(&account);
    let mut bad = good.clone();
    bad[0]["readinessProbe"] = json!({"tcpSocket": {"port": 1}, "periodSeconds": 1, "timeoutSeconds": 1});
    account.patch_set("wh9527", &with_containers(&bad));
    let old = world.pod(&account.namespace, "wh9527-0").metadata.uid;
    delete_the_pod(&account);
    world.until(&account.pods(), named("wh9527-0"), "wh9527-0 runs again and is not Ready", |pods| {
        let running = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
        pods.get("wh9527-0").is_some_and(|pod| pod.metadata.uid != old && running(pod))
    });
    account.patch_set("wh9527", &with_containers(&good));

    let before = Before::of(&world, &account.namespace, "wh9527-2");
    let ran = account.run(&["failover", "wh9527-2", "--yes"]).exits(4).silent();
    let next = format!("next: kubectl synxdb failover {}/wh9527-0", account.namespace);
    ran.warns(&["StatefulSet wh9527 creates its pods in order, and wh9527-0 is not Ready", &next]);
    before.is_unchanged();

    // In the order of the set, both come back.
    account.run(&["failover", "wh9527-0", "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    account.run(&["failover", "wh9527-2", "--yes"]).exits(0).says(&["Recovered: wh9527-2"]);
    before.is_recovered();
}
