//! Permissions in a new cluster, and in each namespace.

use crate::support::*;
use practice_cluster::store::{DeleteOptions, Key};
use practice_cluster::{Options, PostgresChoice};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn every_namespace_has_a_default_account_and_the_cluster_its_roles() {
    let sandbox = start_with(Options { postgres: PostgresChoice::None, ..Options::default() }).await;
    let store = sandbox.store();
    for role in ["cluster-admin", "admin", "edit", "view"] {
        assert!(store.get(&Key::new("clusterroles", "", role)).is_some(), "{role}");
    }
    store.create(Key::new("namespaces", "", "new"), json!({}), false).unwrap();
    let account = |namespace: &str| Key::new("serviceaccounts", namespace, "default");
    for namespace in ["default", SYSTEM, ACCOUNT, "new"] {
        until(store, "the account is there", |store| store.get(&account(namespace)).is_some()).await;
    }
    let first = delete(store, "serviceaccounts", "new", "default");
    let again = |made: &serde_json::Value| uid(made) != uid(&first);
    until(store, "it is made again", |store| store.get(&account("new")).is_some_and(|made| again(&made))).await;
    // But not while its namespace is terminating.
    store.delete(&Key::new("namespaces", "", "new"), &DeleteOptions::default()).unwrap();
    until(store, "the namespace is gone", |store| store.get(&Key::new("namespaces", "", "new")).is_none()).await;
    assert!(store.get(&account("new")).is_none());
    sandbox.stop().await;
}
