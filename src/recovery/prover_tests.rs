//! When something counts as missing, or as permanently unknown.

use super::*;
use crate::cluster::{ConnectOptions, Environment};
use crate::probe::baseline::Listing;
use crate::probe::baseline::examples::{baseline, table, tables};
use crate::storage::StorageKind;
use crate::storage::examples::{Sk, ps, sk};
use crate::topology::Warehouse;

const MOMENT: Duration = Duration::from_millis(1);

/// A prover that compares and sends no query.
async fn silent() -> Prover {
    asking(Proof::Skipped { reason: "no query is sent".into() }).await
}

/// A prover for the nodes of a warehouse, or for the proxy whose sessions are in it.
async fn of_warehouse(proven: bool) -> Prover {
    let endpoint = SqlEndpoint { port: 5432, user: "u".into(), database: "postgres".into(), login_database: None };
    let warehouse = Some(Warehouse { name: "wh-1".into(), nodes: 2, only: false, proven });
    asking(Proof::Sql { pod: "proxy-0".into(), endpoint, warehouse, canary: None }).await
}

async fn asking(proof: Proof) -> Prover {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let text = "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], \
                clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}], users: [{name: u, user: {token: t}}]}";
    std::fs::write(&path, text).unwrap();
    let options = ConnectOptions { kubeconfig: Some(path), ..ConnectOptions::default() };
    let cluster = Cluster::connect(&options, &Environment::default()).await.unwrap();
    Prover::new(cluster, "a".into(), proof, Login::default())
}

fn server(names: &[&str]) -> Evidence {
    let known = tables(names.iter().map(|name| table(name, Some(1))).collect());
    Evidence::Sql(baseline(vec![("postgres", Listing::Known(known))]))
}

fn closed() -> Evidence {
    Evidence::Sql(baseline(vec![("postgres", Listing::Unknown("permission denied".into()))]))
}

/// A server that has just started may not list everything yet: until the settle time is over, nothing is missing.
#[tokio::test]
async fn what_is_not_there_yet_is_missing_only_after_the_time_to_settle() {
    let prover = silent().await;
    let (before, after) = (server(&["one", "two"]), server(&["one"]));
    for since in [Duration::ZERO, SETTLE - MOMENT, SETTLE] {
        let answer = prover.same(&before, &after, None, since).await;
        assert!(
            matches!(&answer, Confirmation::NotYet(why) if why.starts_with("incomplete: ")),
            "{since:?}: {answer:?}"
        );
    }
    let answer = prover.same(&before, &after, None, SETTLE + MOMENT).await;
    assert!(matches!(&answer, Confirmation::Missing(missing) if missing.len() == 1), "{answer:?}");
    assert!(matches!(prover.same(&before, &before, None, Duration::ZERO).await, Confirmation::Confirmed { .. }));
}

/// A safekeeper with this much of 0/64 (100).
fn at(position: u64) -> Sk {
    sk(1).timeline("aa/11", position, position, 1)
}

/// The results for a status endpoint at these seconds.
async fn over_time(before: Option<Sk>, seen: &[(u64, Sk)], others: &[Sk]) -> Vec<Confirmation> {
    let prover = silent().await;
    let before = before.map(Sk::page);
    let readings: Vec<Reading> = others.iter().cloned().map(Sk::reading).collect();
    let beside: Vec<&Reading> = readings.iter().collect();
    let begun = Instant::now();
    let answer = |(second, after): &(u64, Sk)| {
        let after = after.clone().page();
        let held = compared_pages(Some(StorageKind::Safekeeper), before.as_ref(), &after, &beside);
        prover.holds(before.as_ref(), after, held, begun + Duration::from_secs(*second))
    };
    seen.iter().map(answer).collect()
}

/// The settle time begins with the first response, and restarts with each progress: while bytes or timelines arrive,
/// nothing is missing.
#[tokio::test]
async fn what_moves_is_catching_up_and_never_missing() {
    let before = || Some(at(100));
    let catching =
        |answer: &Confirmation, left: &str| matches!(answer, Confirmation::CatchingUp(said) if said.contains(left));
    let answers =
        over_time(before(), &[(0, at(10)), (30, at(20)), (59, at(20)), (60, at(20)), (90, at(21))], &[]).await;
    assert!(matches!(&answers[0], Confirmation::NotYet(_)), "{:?}", answers[0]);
    assert!(catching(&answers[1], "80 bytes of 1 timeline left"), "{:?}", answers[1]);
    assert!(catching(&answers[2], "80 bytes") && catching(&answers[3], "80 bytes"), "{answers:?}");
    assert!(catching(&answers[4], "79 bytes"), "hours later, too: {:?}", answers[4]);

    let answers = over_time(before(), &[(0, at(10)), (5, at(20)), (36, at(20))], &[]).await;
    let line = "WAL of timeline aa/11 up to 0/64, committed before; it has 0/14 (80 bytes less)";
    assert_eq!(answers[2], Confirmation::Missing(vec![line.into()]));
    // Timelines arrive one by one.
    let some = |number| sk(1).total(number);
    let answers = over_time(Some(some(3)), &[(0, some(0)), (29, some(1)), (58, some(2)), (70, some(3))], &[]).await;
    assert!(catching(&answers[1], "2 timelines left (1 of 3 timelines present)"), "{:?}", answers[1]);
    assert!(catching(&answers[2], "1 timeline left"), "{:?}", answers[2]);
    assert!(
        matches!(&answers[3], Confirmation::Confirmed { proof, .. } if proof.contains("3 timelines, all idle")),
        "{answers:?}"
    );
    // Nothing ever arrived, however long it responds.
    let answers = over_time(Some(some(3)), &[(0, some(0)), (30, some(0)), (31, some(0))], &[]).await;
    assert!(
        matches!(&answers[1], Confirmation::NotYet(_)) && matches!(&answers[2], Confirmation::Missing(_)),
        "{answers:?}"
    );
    // What does not arrive by itself is not on its way, whatever else is.
    let other = |position| at(position).id(7);
    let answers = over_time(before(), &[(0, other(10)), (5, other(20))], &[]).await;
    assert!(matches!(&answers[1], Confirmation::NotYet(_)), "{answers:?}");
}

/// It was down, which is the usual reason for a failover: the others tell what it should have.
#[tokio::test]
async fn without_a_baseline_the_others_prove_it_and_no_other_proves_nothing() {
    let others = [at(100).id(2), at(100).id(3)];
    let answers = over_time(None, &[(0, at(40)), (1, at(60)), (2, at(100))], &others).await;
    assert!(matches!(&answers[1], Confirmation::CatchingUp(_)), "{answers:?}");
    let proof = "status endpoint OK: WAL of 1 timeline; compared with safekeeper-1, safekeeper-2";
    assert_eq!(answers[2], Confirmation::Confirmed { proof: proof.into(), whole: true });
    let answers = over_time(None, &[(0, at(100))], &[sk(2).down()]).await;
    assert!(
        matches!(&answers[0], Confirmation::Unknowable(why) if why.contains("nothing could be compared")),
        "{answers:?}"
    );
    let answers = over_time(Some(at(1).unread()), &[(0, at(100))], &[]).await;
    assert!(matches!(&answers[0], Confirmation::Unknowable(why) if why.contains("401")), "{answers:?}");
    let answers = over_time(Some(at(100)), &[(0, at(100).left_out(3)), (31, at(100).left_out(3))], &[]).await;
    assert!(
        matches!((&answers[0], &answers[1]), (Confirmation::NotYet(_), Confirmation::Unknowable(_))),
        "{answers:?}"
    );
}

/// What is accepted as missing since a stored baseline is not waited for.
#[tokio::test]
async fn what_is_accepted_is_not_waited_for() {
    let mut prover = silent().await;
    let accept = vec!["active-tenants".to_owned()];
    prover.compares_with(Stored { what: "the stored baseline".into(), accept });
    let (before, after) = (ps(2).page(), ps(1).page());
    let held = compared_pages(Some(StorageKind::Pageserver), Some(&before), &after, &[]);
    let answer = prover.holds(Some(&before), after, held, Instant::now());
    let accepted = "accepted: active tenants: 1 of 2 before";
    assert!(matches!(&answer, Confirmation::Confirmed { proof, .. } if proof.contains(accepted)), "{answer:?}");
}

/// The last tenant was deleted: the user's word counts if nothing speaks against it, and not otherwise.
#[tokio::test]
async fn that_nothing_is_left_is_accepted_if_the_safekeepers_have_nothing_either() {
    let mut prover = silent().await;
    let accept = ["active-tenants", "active-timelines", "timeline/11", "remote-storage"].map(str::to_owned).to_vec();
    prover.compares_with(Stored { what: "the stored baseline".into(), accept });
    let before = ps(1).timeline("aa/11", 70, 60).page();
    let empty = || ps(0).change(|facts| facts.remote_bytes = Some(0));
    let suspects = || empty().change(|facts| facts.data_loss_suspected = Some(true));
    let none = || [sk(1), sk(2), sk(3)];
    let has = [sk(1), sk(2).timeline("aa/11", 70, 70, 1), sk(3)];
    for (after, safekeepers, why) in [
        (empty(), none(), None),
        (suspects(), none(), Some("it may have lost its data")),
        (empty(), has, Some("no tenant is active, and safekeeper-1 has 1 timeline")),
        (empty(), [sk(1), sk(2).down(), sk(3)], Some("whether the safekeepers have timelines is unknown")),
        (empty(), [sk(1), sk(2).without_total(), sk(3)], Some("whether the safekeepers have timelines is unknown")),
    ] {
        let after = after.page();
        let readings: Vec<Reading> = safekeepers.into_iter().map(Sk::reading).collect();
        let beside: Vec<&Reading> = readings.iter().collect();
        let answer = |second| {
            let held = compared_pages(Some(StorageKind::Pageserver), Some(&before), &after, &beside);
            prover.holds(Some(&before), after.clone(), held, Instant::now() + Duration::from_secs(second))
        };
        *prover.lock_seen() = None;
        let (first, settled) = (answer(0), answer(40));
        match why {
            None => {
                let accepted = matches!(&first, Confirmation::Confirmed { proof, .. } if proof.contains("accepted: active tenants"));
                assert!(accepted, "{first:?}");
            }
            Some(why) => {
                assert!(matches!(&first, Confirmation::NotYet(said) if said.contains(why)), "{first:?}");
                assert!(matches!(&settled, Confirmation::Unknowable(said) if said.contains(why)), "{settled:?}");
            }
        }
    }
}

/// A silent one may be loading; one that refuses, or has no such endpoint, will never respond.
#[test]
fn a_page_that_never_was_is_looked_for_a_moment_and_one_that_loads_for_as_long_as_it_takes() {
    let no = |kind| NoPage { kind, reason: "why".into() };
    let later = LOOK_FOR_PAGE + MOMENT;
    for (never, kind, since, waits) in [
        (true, NoPageKind::Refused, LOOK_FOR_PAGE, true),
        (true, NoPageKind::Refused, later, false),
        (true, NoPageKind::Other, later, false),
        (true, NoPageKind::NotYet, later, true),
        (true, NoPageKind::Unverified, later, false),
        (false, NoPageKind::Unverified, later, true),
        (false, NoPageKind::Refused, later, true),
    ] {
        assert_eq!(matches!(silent_page(never, no(kind), since), Confirmation::NotYet(_)), waits, "{never} {kind:?}");
    }
}

/// The impossible is not waited for: a server that cannot be verified now will not be in an hour either.
#[tokio::test]
async fn a_server_that_cannot_be_verified_never_answered_despite_a_stored_baseline() {
    let mut prover = silent().await;
    let before = Evidence::Page(at(1).page());
    let no = |kind| NoPage { kind, reason: "why".into() };
    assert!(!prover.never_answered(Some(&before), &no(NoPageKind::Unverified)), "it was verified a moment ago");
    assert!(prover.never_answered(None, &no(NoPageKind::Refused)));
    prover.compares_with(Stored { what: "the stored baseline".into(), accept: Vec::new() });
    assert!(prover.never_answered(Some(&before), &no(NoPageKind::Unverified)));
    assert!(!prover.never_answered(Some(&before), &no(NoPageKind::Refused)));
}

/// The databases are as before, but the coordinator alone may have them: nodes are proven by a query that reached all
/// of them, in a session of their warehouse.
#[tokio::test]
async fn nodes_are_not_proven_by_what_did_not_reach_them() {
    let dispatched = |answered, warehouse: &str| {
        Some(Dispatched { answered, expected: Some(answered), warehouse: Some(warehouse.to_owned()) })
    };
    let whole = server(&["one"]);
    for (kernel, reached, proven) in [
        (Kernel::Mpp, dispatched(2, "wh-1"), true),
        (Kernel::Mpp, dispatched(1, "wh-1"), false),
        (Kernel::Mpp, dispatched(2, "wh-2"), false),
        (Kernel::Mpp, None, false),
        (Kernel::PostgreSql, None, false),
    ] {
        let prover = of_warehouse(true).await;
        *prover.reached() = Some((kernel, reached.clone()));
        let soon = prover.same(&whole, &whole, None, Duration::ZERO).await;
        let late = prover.same(&whole, &whole, None, SETTLE + MOMENT).await;
        if proven {
            let Confirmation::Confirmed { proof, .. } = &late else { panic!("{late:?}") };
            assert!(proof.starts_with("verified by SQL: "), "{proof}");
            assert!(proof.ends_with("; every segment of warehouse wh-1 responded"), "{proof}");
        } else {
            assert!(matches!(soon, Confirmation::NotYet(_)), "{reached:?}: {soon:?}");
            let said = "it responds, but whether the nodes of warehouse wh-1 respond is unknown: ";
            assert!(matches!(&late, Confirmation::Unknowable(why) if why.starts_with(said)), "{reached:?}: {late:?}");
        }
        // What is missing is missing all the same.
        let missing = prover.same(&server(&["one", "two"]), &whole, None, SETTLE + MOMENT).await;
        assert!(matches!(missing, Confirmation::Missing(_)), "{missing:?}");
        // The proxy is proven by its own answer.
        let proxy = of_warehouse(false).await;
        *proxy.reached() = Some((kernel, reached));
        let answer = proxy.same(&whole, &whole, None, Duration::ZERO).await;
        assert!(matches!(answer, Confirmation::Confirmed { .. }), "{answer:?}");
    }
}

/// The same for what could not be compared: it is permanently unknown only after it was tried for as long.
#[tokio::test]
async fn what_cannot_be_compared_is_tried_for_as_long() {
    let prover = silent().await;
    let (before, after) = (server(&["one"]), closed());
    for since in [Duration::ZERO, SETTLE] {
        let answer = prover.same(&before, &after, None, since).await;
        let why = "it responds, but not everything could be compared: ";
        assert!(matches!(&answer, Confirmation::NotYet(said) if said.starts_with(why)), "{since:?}: {answer:?}");
    }
    let answer = prover.same(&before, &after, None, SETTLE + MOMENT).await;
    assert!(matches!(answer, Confirmation::Unknowable(_)), "{answer:?}");
}
