//! A case: what cluster, what is asked of the plugin, and what goes wrong meanwhile. Data, drawn by proptest from one
//! seed.

use proptest::prelude::*;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use std::time::Duration;

use practice_cluster::api::faults::{Fault, Rule};

pub(crate) const SYSTEM: &str = "synxdb-system";

/// What there is.
#[derive(Clone, Debug)]
pub(crate) struct Topology {
    pub(crate) safekeepers: u8,
    /// Claims of each safekeeper, and of the pageserver.
    pub(crate) claims: (u8, u8),
    /// Accounts, each with so many warehouse nodes; no PostgreSQL runs in them.
    pub(crate) accounts: Vec<u8>,
    pub(crate) parallel: bool,
    /// Reclaim policy of the storage class.
    pub(crate) retain: bool,
    /// Whether a pageserver loses its tenants with its first disk.
    pub(crate) data_on_volume: bool,
    /// A safekeeper that never becomes Ready.
    pub(crate) down: Option<u8>,
}

/// How the cluster behaves.
#[derive(Clone, Debug)]
pub(crate) struct Knobs {
    /// From Running to Ready, for a pod that replaces another.
    pub(crate) ready_after: f64,
    /// A replacement pod is created on a claim that is being deleted.
    pub(crate) race: bool,
    /// Missing claims of Pending pods are made again.
    pub(crate) recreate: bool,
    /// What the user may not do.
    pub(crate) denied: Option<Denied>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    PatchVolumes,
    DeleteClaims,
    DeletePods,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) keep_pvc: bool,
    /// Overrides given: quorum-loss, unretained-volume.
    pub(crate) allow: (bool, bool),
    /// The name typed: none, the right one, another one.
    pub(crate) confirm: Option<bool>,
}

/// A fault, on the n-th such request.
#[derive(Clone, Debug)]
pub(crate) struct Befalls {
    pub(crate) verb: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) nth: u64,
    pub(crate) fault: Fault,
}

/// When the plugin is killed.
#[derive(Clone, Debug)]
pub(crate) enum Kill {
    /// When its n-th change was made, before or after the answer to it.
    AtMutation { n: u64, answered: bool },
    /// That long after its start.
    After(Duration),
}

/// What somebody else does at the moment of the plugin's n-th change.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Other {
    DeletesPod,
    DeletesClaims,
    /// The API server restarts, and is away so long.
    RestartsApi(Duration),
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) topology: Topology,
    pub(crate) knobs: Knobs,
    pub(crate) command: Command,
    pub(crate) faults: Vec<Befalls>,
    pub(crate) kill: Option<Kill>,
    pub(crate) other: Option<(u64, Other)>,
    /// Whether it is undone afterwards, and what goes wrong with that.
    pub(crate) undo: Option<Undo>,
}

/// What goes wrong with an undo.
#[derive(Clone, Debug)]
pub(crate) struct Undo {
    pub(crate) faults: Vec<Befalls>,
    pub(crate) kill: Option<Kill>,
}

impl Case {
    /// The case of a seed.
    pub(crate) fn of(seed: u64) -> Case {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
        case().new_tree(&mut runner).expect("no strategy here rejects").current()
    }

    /// The name of the pod that never becomes Ready.
    pub(crate) fn down(&self) -> Option<String> {
        self.topology.down.map(|ordinal| format!("safekeeper-{ordinal}"))
    }

    /// Whether the pod that is asked for can never become Ready, or never be.
    pub(crate) fn in_vain(&self) -> bool {
        let ordinal = self.command.pod.strip_prefix("safekeeper-").and_then(|ordinal| ordinal.parse::<u8>().ok());
        let behind = |down: u8, ordinal: u8| down == ordinal || (!self.topology.parallel && down < ordinal);
        self.topology.down.zip(ordinal).is_some_and(|(down, ordinal)| behind(down, ordinal))
    }

    /// The plugin's arguments.
    pub(crate) fn arguments(&self, timeout: u64) -> Vec<String> {
        let command = &self.command;
        let target = format!("{}/{}", command.namespace, command.pod);
        let mut words = self.act("failover", &target, timeout);
        words.extend(command.keep_pvc.then(|| "--keep-pvc".to_owned()));
        words
    }

    /// The arguments of the undo of that failover.
    pub(crate) fn undo_arguments(&self, id: &str, timeout: u64) -> Vec<String> {
        self.act("undo", id, timeout)
    }

    fn act(&self, verb: &str, what: &str, timeout: u64) -> Vec<String> {
        let command = &self.command;
        let mut words = [verb, what, "--yes", "-o", "json"].map(str::to_owned).to_vec();
        words.push(format!("--timeout={timeout}s"));
        for (given, flag) in [(command.allow.0, "--allow=quorum-loss"), (command.allow.1, "--allow=unretained-volume")]
        {
            words.extend(given.then(|| flag.to_owned()));
        }
        let name = |right| if right { command.pod.clone() } else { format!("{}0", command.pod) };
        words.extend(command.confirm.map(|right| format!("--confirm={}", name(right))));
        words
    }

    /// The scenario, as its file would be.
    pub(crate) fn scenario(&self) -> Value {
        let (topology, knobs) = (&self.topology, &self.knobs);
        let mut objects = vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})];
        let policy = if topology.retain { "Retain" } else { "Delete" };
        objects.push(json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "disks"},
            "provisioner": "disk.sandbox.synxdb.io", "reclaimPolicy": policy,
            "volumeBindingMode": "WaitForFirstConsumer",
        }));
        let parallel = topology.parallel;
        let (of_safekeepers, of_pageserver) = topology.claims;
        objects.push(set(SYSTEM, ("safekeeper", "safekeeper"), topology.safekeepers, of_safekeepers, parallel));
        objects.push(set(SYSTEM, ("pageserver", "pageserver"), 1, of_pageserver, parallel));
        for (account, nodes) in topology.accounts.iter().enumerate() {
            let namespace = account_name(account);
            objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
            objects.push(set(&namespace, ("cloudberry-proxy", "warehouse-proxy"), 1, 1, parallel));
            objects.push(set(&namespace, ("wh1", "warehouse"), *nodes, 1, parallel));
        }
        let deny = knobs.denied.map(|denied| {
            let (verb, resource) = match denied {
                Denied::PatchVolumes => ("patch", "persistentvolumes"),
                Denied::DeleteClaims => ("delete", "persistentvolumeclaims"),
                Denied::DeletePods => ("delete", "pods"),
            };
            json!({"verbs": [verb], "resources": [resource], "namespaces": ["*"]})
        });
        json!({
            "name": "model", "description": "one of many", "manifests": ["cluster.yaml"], "moreObjects": objects,
            "replacedPodReadySeconds": knobs.ready_after,
            "createPodsOnTerminatingClaims": if knobs.race { "once" } else { "never" },
            "recreateMissingClaims": knobs.recreate,
            "dataOnVolume": topology.data_on_volume,
            "neverReady": self.down().map(|pod| json!({"namespace": SYSTEM, "pod": pod})).into_iter().collect::<Vec<_>>(),
            "deny": deny.into_iter().collect::<Vec<_>>(),
        })
    }
}

fn account_name(account: usize) -> String {
    format!("org{account}-513d75d5-3033-4649-b913-07f6115ec41a")
}

fn set(namespace: &str, (name, component): (&str, &str), replicas: u8, claims: u8, parallel: bool) -> Value {
    let labels = json!({"app.kubernetes.io/name": name, "app.kubernetes.io/component": component});
    let (port, probe) = match component {
        "safekeeper" => (7676, json!({"httpGet": {"path": "/v1/status", "port": "main"}, "periodSeconds": 1})),
        "pageserver" => (9898, json!({"httpGet": {"path": "/v1/status", "port": "main"}, "periodSeconds": 1})),
        _ => (5432, Value::Null),
    };
    let mut container = json!({
        "name": name, "image": format!("synxdb/{name}:4.0.0"), "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "main", "containerPort": port, "protocol": "TCP"}],
        "volumeMounts": (0..claims).map(|n| json!({"name": disk(n), "mountPath": format!("/disk{n}")})).collect::<Vec<_>>(),
    });
    if !probe.is_null() {
        container["readinessProbe"] = probe;
    }
    let template = |n: u8| {
        json!({"metadata": {"name": disk(n)}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "disks",
            "resources": {"requests": {"storage": "1Gi"}}}})
    };
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "serviceName": name, "replicas": replicas,
            "podManagementPolicy": if parallel { "Parallel" } else { "OrderedReady" },
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": {"metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 5, "containers": [container]}},
            "volumeClaimTemplates": (0..claims).map(template).collect::<Vec<_>>(),
        },
    })
}

fn disk(n: u8) -> &'static str {
    ["data", "cache"][usize::from(n)]
}

fn topology() -> impl Strategy<Value = Topology> {
    let safekeepers = prop_oneof![1 => Just(1_u8), 3 => Just(3_u8), 1 => Just(5_u8)];
    let accounts = prop_oneof![3 => Just(vec![]), 1 => proptest::collection::vec(1_u8..=2, 1..=2)];
    let down = proptest::option::weighted(0.2, 0_u8..5);
    (safekeepers, (1_u8..=2, 1_u8..=2), accounts, any::<bool>(), any::<bool>(), proptest::bool::weighted(0.2), down)
        .prop_map(|(safekeepers, claims, accounts, parallel, retain, data_on_volume, down)| Topology {
            safekeepers,
            claims,
            accounts,
            parallel,
            retain,
            data_on_volume,
            down: down.map(|ordinal| ordinal % safekeepers),
        })
}

fn knobs() -> impl Strategy<Value = Knobs> {
    let denied = prop_oneof![Just(Denied::PatchVolumes), Just(Denied::DeleteClaims), Just(Denied::DeletePods)];
    (0.0..1.5, any::<bool>(), any::<bool>(), proptest::option::weighted(0.15, denied))
        .prop_map(|(ready_after, race, recreate, denied)| Knobs { ready_after, race, recreate, denied })
}

fn command(topology: &Topology) -> impl Strategy<Value = Command> + use<> {
    let mut members = vec![(SYSTEM.to_owned(), "pageserver-0".to_owned()); 2];
    members.extend((0..topology.safekeepers).map(|ordinal| (SYSTEM.to_owned(), format!("safekeeper-{ordinal}"))));
    for (account, nodes) in topology.accounts.iter().enumerate() {
        members.extend((0..*nodes).map(|node| (account_name(account), format!("wh1-{node}"))));
    }
    let confirm = prop_oneof![8 => Just(None), 6 => Just(Some(true)), 1 => Just(Some(false))];
    (proptest::sample::select(members), proptest::bool::weighted(0.25), any::<(bool, bool)>(), confirm)
        .prop_map(|((namespace, pod), keep_pvc, allow, confirm)| Command { namespace, pod, keep_pvc, allow, confirm })
}

/// What befalls something that changes an object.
fn of_changes() -> BoxedStrategy<Fault> {
    prop_oneof![
        (0_u64..300).prop_map(|ms| Fault::Delay(Duration::from_millis(ms))),
        Just(Fault::Drop),
        Just(Fault::LoseAnswer),
        Just(Fault::Twice),
        Just(Fault::CutAnswer),
        (0_u64..=1).prop_map(|wait| Fault::Refuse { code: 429, retry_after: Some(wait) }),
        proptest::sample::select(vec![500, 502, 503, 504]).prop_map(|code| Fault::Refuse { code, retry_after: None }),
        proptest::sample::select(vec![500, 502, 504]).prop_map(|code| Fault::Deny { code }),
    ]
    .boxed()
}

/// What befalls a question.
fn of_questions() -> BoxedStrategy<Fault> {
    prop_oneof![
        (0_u64..300).prop_map(|ms| Fault::Delay(Duration::from_millis(ms))),
        Just(Fault::Drop),
        Just(Fault::CutAnswer),
        Just(Fault::Refuse { code: 429, retry_after: Some(1) }),
        proptest::sample::select(vec![500, 502, 503, 504]).prop_map(|code| Fault::Refuse { code, retry_after: None }),
    ]
    .boxed()
}

fn of_watches() -> BoxedStrategy<Fault> {
    prop_oneof![
        (0_usize..6).prop_map(|after| Fault::Expire { after }),
        (0_usize..6).prop_map(|after| Fault::CutWatch { after }),
        (0_u64..200).prop_map(|ms| Fault::Lag(Duration::from_millis(ms))),
        Just(Fault::Reorder),
        Just(Fault::Drop),
        proptest::sample::select(vec![429, 500, 503]).prop_map(|code| Fault::Refuse { code, retry_after: None }),
    ]
    .boxed()
}

fn fault() -> impl Strategy<Value = Befalls> {
    let kinds = ["pods", "persistentvolumeclaims", "persistentvolumes"].to_vec();
    let changed = proptest::sample::select(vec![
        ("patch", "persistentvolumes"),
        ("delete", "persistentvolumeclaims"),
        ("delete", "pods"),
    ]);
    let asked = proptest::sample::select(vec![
        ("list", "pods"),
        ("list", "persistentvolumeclaims"),
        ("list", "persistentvolumes"),
        ("list", "statefulsets"),
        ("list", "namespaces"),
        ("get", "pods/portforward"),
        ("create", "selfsubjectaccessreviews"),
    ]);
    let row = |((verb, resource), nth, fault)| Befalls { verb, resource, nth, fault };
    prop_oneof![
        4 => (changed, 1_u64..4, of_changes()).prop_map(row),
        2 => (asked, 1_u64..4, of_questions()).prop_map(row),
        3 => (proptest::sample::select(kinds).prop_map(|kind| ("watch", kind)), 1_u64..4, of_watches()).prop_map(row),
    ]
}

impl Befalls {
    pub(crate) fn rule(&self) -> Rule {
        Rule::on(self.verb, self.resource, self.fault.clone()).nth(self.nth)
    }
}

fn case() -> impl Strategy<Value = Case> {
    let kill = prop_oneof![
        3 => (1_u64..7, any::<bool>()).prop_map(|(n, answered)| Kill::AtMutation { n, answered }),
        1 => (0_u64..3000).prop_map(|ms| Kill::After(Duration::from_millis(ms))),
    ];
    let other = prop_oneof![
        Just(Other::DeletesPod),
        Just(Other::DeletesClaims),
        (0_u64..800).prop_map(|ms| Other::RestartsApi(Duration::from_millis(ms))),
    ];
    topology().prop_flat_map(move |topology| {
        (
            command(&topology),
            Just(topology),
            knobs(),
            proptest::collection::vec(fault(), 0..5),
            proptest::option::weighted(0.5, kill.clone()),
            proptest::option::weighted(0.3, (1_u64..4, other.clone())),
            proptest::option::weighted(
                0.25,
                (proptest::collection::vec(fault(), 0..3), proptest::option::weighted(0.5, kill.clone()))
                    .prop_map(|(faults, kill)| Undo { faults, kill }),
            ),
        )
            .prop_map(|(command, topology, knobs, faults, kill, other, undo)| Case {
                topology,
                knobs,
                command,
                faults,
                kill,
                other,
                undo,
            })
    })
}
