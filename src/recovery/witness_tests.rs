//! From which moment on something counts as missing, or as never to be known.

use super::*;
use crate::cluster::{ConnectOptions, Environment};
use crate::probe::baseline::Listing;
use crate::probe::baseline::examples::{baseline, table, tables};
use crate::probe::http::{Metrics, Wal};
use std::collections::BTreeMap;

const MOMENT: Duration = Duration::from_millis(1);

/// One that compares and asks nobody.
async fn silent() -> Witness {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let text = "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], \
                clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}], users: [{name: u, user: {}}]}";
    std::fs::write(&path, text).unwrap();
    let options = ConnectOptions { kubeconfig: Some(path), ..ConnectOptions::default() };
    let cluster = Cluster::connect(&options, &Environment::default()).await.unwrap();
    let proof = Proof::Skipped { reason: "nobody is asked".into() };
    Witness::new(cluster, "a".into(), proof, Login::default())
}

fn server(names: &[&str]) -> Testimony {
    let known = tables(names.iter().map(|name| table(name, Some(1))).collect());
    Testimony::Sql(baseline(vec![("postgres", Listing::Known(known))]))
}

fn closed() -> Testimony {
    Testimony::Sql(baseline(vec![("postgres", Listing::Unknown("permission denied".into()))]))
}

fn page(committed: u64) -> Testimony {
    let wal = Wal { flush_lsn: Some(committed), commit_lsn: Some(committed), backup_lsn: None };
    Testimony::Page(Some(Metrics::Safekeeper(BTreeMap::from([("t".to_owned(), wal)]))))
}

/// A server that has just started may not show all yet: until the time to settle is over, nothing is missing.
#[tokio::test]
async fn what_is_not_there_yet_is_missing_only_after_the_time_to_settle() {
    let witness = silent().await;
    for (before, after, settle) in
        [(server(&["one", "two"]), server(&["one"]), SETTLE), (page(9), page(6), SETTLE_PAGE)]
    {
        for since in [Duration::ZERO, settle - MOMENT, settle] {
            let answer = witness.same(&before, &after, None, since).await;
            assert!(
                matches!(&answer, Answer::NotYet(why) if why.starts_with("not there yet: ")),
                "{since:?}: {answer:?}"
            );
        }
        let answer = witness.same(&before, &after, None, settle + MOMENT).await;
        assert!(matches!(&answer, Answer::Missing(missing) if missing.len() == 1), "{answer:?}");
        assert!(matches!(witness.same(&before, &before, None, Duration::ZERO).await, Answer::Confirmed { .. }));
    }
}

/// The same of what could not be compared: it is not known for good only once it was tried for as long.
#[tokio::test]
async fn what_cannot_be_compared_is_tried_for_as_long() {
    let witness = silent().await;
    let (before, after) = (server(&["one"]), closed());
    for since in [Duration::ZERO, SETTLE] {
        let answer = witness.same(&before, &after, None, since).await;
        let why = "it answers, and not all could be compared: ";
        assert!(matches!(&answer, Answer::NotYet(said) if said.starts_with(why)), "{since:?}: {answer:?}");
    }
    let answer = witness.same(&before, &after, None, SETTLE + MOMENT).await;
    assert!(matches!(answer, Answer::Unknowable(_)), "{answer:?}");
}
