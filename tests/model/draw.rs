//! Draws a case from a seed.

use super::case::{
    Allow, Befalls, Case, Command, Denied, How, Kill, Knobs, Other, Refused, SYSTEM, Second, Storage, Topology, Trouble,
};
use super::scenario::account_name;
use practice_cluster::api::faults::{Fault, WatchEnd};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::time::Duration;

/// The maximum number of undos in a row.
const MOST_UNDOS: usize = 3;

impl Case {
    /// Returns the case of a seed, with at least this many undos.
    pub(crate) fn of(seed: u64, undos: usize) -> Case {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
        let (mut case, drawn) = case().new_tree(&mut runner).expect("no strategy here rejects").current();
        case.undos.truncate(drawn.max(undos));
        case
    }
}

/// Draws a case with the maximum number of undos, and the number to keep.
fn case() -> impl Strategy<Value = (Case, usize)> {
    let undos = prop_oneof![5 => Just(0_usize), 3 => Just(1), 2 => Just(2), 1 => Just(3)];
    topology().prop_flat_map(move |topology| {
        let parts = (command(&topology), Just(topology), knobs(), trouble(), vec(trouble(), MOST_UNDOS));
        (parts, undos.clone()).prop_map(|((command, topology, knobs, failover, undos), count)| {
            (Case { topology, knobs, command, failover, undos }, count)
        })
    })
}

fn topology() -> impl Strategy<Value = Topology> {
    let safekeepers = prop_oneof![1 => Just(1_u8), 3 => Just(3_u8), 1 => Just(5_u8)];
    let accounts = prop_oneof![3 => Just(vec![]), 1 => vec(1_u8..=2, 1..=2)];
    let storage = prop_oneof![
        4 => Just(Storage::Provisioned),
        1 => Just(Storage::Static),
        1 => Just(Storage::Local),
        1 => Just(Storage::Classless),
    ];
    let spare = prop_oneof![1 => 0_u8..=1, 4 => Just(8_u8)];
    let volumes = (storage, any::<bool>(), spare, prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    (safekeepers, (1_u8..=2, 1_u8..=2), accounts, any::<bool>(), volumes, weighted(0.2, 0_u8..5)).prop_map(
        |(safekeepers, claims, accounts, parallel, volumes, down)| {
            let (storage, retain, spare, ephemeral, data_on_volume) = volumes;
            Topology {
                safekeepers,
                claims,
                accounts,
                parallel,
                storage,
                retain,
                // Each on one of two nodes, and never the two of one pod on different nodes.
                spare: if storage == Storage::Local { 16 } else { spare },
                ephemeral,
                data_on_volume: data_on_volume && storage == Storage::Provisioned,
                down: down.map(|ordinal| ordinal % safekeepers),
            }
        },
    )
}

fn knobs() -> impl Strategy<Value = Knobs> {
    let denied = prop_oneof![Just(Denied::PatchVolumes), Just(Denied::DeleteClaims), Just(Denied::DeletePods)];
    let settle = prop_oneof![2 => Just(Some(0)), 2 => Just(Some(1)), 1 => Just(None)];
    let lag = prop_oneof![2 => Just(0.0), 1 => 0.05..1.0, 2 => 1.0..4.0];
    (0.0..1.5, settle, lag, any::<bool>(), any::<bool>(), weighted(0.1, denied)).prop_map(
        |(ready_after, settle, lag, race, recreate, denied)| Knobs { ready_after, settle, lag, race, recreate, denied },
    )
}

fn command(topology: &Topology) -> impl Strategy<Value = Command> + use<> {
    let mut members = vec![(SYSTEM.to_owned(), "pageserver-0".to_owned()); 2];
    members.extend((0..topology.safekeepers).map(|ordinal| (SYSTEM.to_owned(), format!("safekeeper-{ordinal}"))));
    for (account, nodes) in topology.accounts.iter().enumerate() {
        members.extend((0..*nodes).map(|node| (account_name(account), format!("wh1-{node}"))));
    }
    let confirm = prop_oneof![8 => Just(None), 6 => Just(Some(true)), 1 => Just(Some(false))];
    let allow = any::<(bool, bool, bool)>().prop_map(|(quorum_loss, unretained_volume, storage_class)| Allow {
        quorum_loss,
        unretained_volume,
        storage_class,
    });
    (select(members), prop::bool::weighted(0.2), allow, confirm)
        .prop_map(|((namespace, pod), keep_pvc, allow, confirm)| Command { namespace, pod, keep_pvc, allow, confirm })
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let faults = prop_oneof![1 => Just(vec![]), 1 => vec(fault(), 1..5)];
    let others = prop_oneof![2 => Just(vec![]), 1 => vec((1_u64..5, other()), 1..=2)];
    (faults, weighted(0.35, kill()), weighted(0.25, refused()), others, any::<bool>())
        .prop_map(|(faults, kill, refused, others, gives_up)| Trouble { faults, kill, refused, others, gives_up })
}

fn kill() -> impl Strategy<Value = Kill> {
    prop_oneof![
        3 => (1_u64..7, any::<bool>()).prop_map(|(n, answered)| Kill::AtMutation { n, answered }),
        1 => (0_u64..3000).prop_map(|ms| Kill::After(Duration::from_millis(ms))),
    ]
}

fn refused() -> impl Strategy<Value = Refused> {
    let steps = [("patch", "persistentvolumes"), ("delete", "persistentvolumeclaims"), ("delete", "pods")];
    let created = [("create", "persistentvolumeclaims"), ("create", "pods")];
    let row = |((verb, resource), how)| Refused { verb, resource, how };
    prop_oneof![
        2 => (select(steps.to_vec()), Just(How::Always)).prop_map(row),
        3 => (select(steps.to_vec()), (1_u64..4).prop_map(How::From)).prop_map(row),
        1 => (select(created.to_vec()), Just(How::Always)).prop_map(row),
    ]
}

fn other() -> impl Strategy<Value = Other> {
    let second = select(vec![Second::Failover, Second::NewFailover, Second::Undo, Second::Elsewhere]);
    prop_oneof![
        1 => Just(Other::DeletesPod),
        1 => Just(Other::DeletesClaims),
        1 => (0_u64..800).prop_map(|ms| Other::RestartsApi(Duration::from_millis(ms))),
        2 => (0_u64..5000).prop_map(|ms| Other::StopsManager(Duration::from_millis(ms))),
        2 => second.prop_map(Other::Runs),
    ]
}

/// Draws a fault of a request that changes an object.
fn of_changes() -> BoxedStrategy<Fault> {
    prop_oneof![
        (0_u64..300).prop_map(|ms| Fault::Delay(Duration::from_millis(ms))),
        Just(Fault::Drop),
        Just(Fault::LoseAnswer),
        Just(Fault::Twice),
        Just(Fault::CutAnswer),
        (0_u64..=1).prop_map(|wait| Fault::Refuse { code: 429, retry_after: Some(wait) }),
        select(vec![500, 502, 503, 504]).prop_map(|code| Fault::Refuse { code, retry_after: None }),
        select(vec![500, 502, 504]).prop_map(|code| Fault::Deny { code }),
    ]
    .boxed()
}

/// Draws a fault of a request that reads.
fn of_questions() -> BoxedStrategy<Fault> {
    prop_oneof![
        (0_u64..300).prop_map(|ms| Fault::Delay(Duration::from_millis(ms))),
        Just(Fault::Drop),
        Just(Fault::CutAnswer),
        Just(Fault::Refuse { code: 429, retry_after: Some(1) }),
        select(vec![500, 502, 503, 504]).prop_map(|code| Fault::Refuse { code, retry_after: None }),
    ]
    .boxed()
}

fn of_watches() -> BoxedStrategy<Fault> {
    prop_oneof![
        (0_usize..6).prop_map(|after| Fault::Expire { after }),
        (0_usize..6).prop_map(|after| Fault::CutWatch { after }),
        (0_u64..200).prop_map(|ms| Fault::Lag(Duration::from_millis(ms))),
        Just(Fault::Reorder),
        select(vec![WatchEnd::Empty, WatchEnd::NoContent, WatchEnd::Truncated]).prop_map(Fault::EndWatch),
        Just(Fault::Drop),
        select(vec![429, 500, 503]).prop_map(|code| Fault::Refuse { code, retry_after: None }),
    ]
    .boxed()
}

fn fault() -> impl Strategy<Value = Befalls> {
    let kinds = ["pods", "persistentvolumeclaims", "persistentvolumes"].to_vec();
    let changed =
        select(vec![("patch", "persistentvolumes"), ("delete", "persistentvolumeclaims"), ("delete", "pods")]);
    let asked = select(vec![
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
        4 => (changed, 1_u64..6, of_changes()).prop_map(row),
        2 => (asked, 1_u64..4, of_questions()).prop_map(row),
        3 => (select(kinds).prop_map(|kind| ("watch", kind)), 1_u64..4, of_watches()).prop_map(row),
    ]
}
