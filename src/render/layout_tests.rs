//! What is printed as a layout is one, and fits what it was learned from.

use super::*;
use crate::cluster::snapshot::{NamespaceObjects, Read, Snapshot};
use crate::testing::observed::{another_release, observed};
use crate::topology::fit::fittings;
use crate::topology::layout::Recognized;
use crate::topology::learn::{propose, seen};
use crate::topology::{Role, build};
use std::collections::BTreeMap;

/// The proposed file, read back, recognizes every workload as what it was guessed to be.
#[test]
fn a_proposed_layout_fits_what_it_was_learned_from() {
    let observation = observed(another_release());
    let shipped = Layout::shipped().unwrap();
    let proposal = propose(&seen(&observation), &shipped);
    let from = Learned { context: "c", namespace: None, unread: &[] };
    let text = super::proposal(&proposal, &shipped, &from);
    let learned = Layout::parse(&text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    insta::assert_snapshot!("another-release", text);
    let namespaces = ["acme-core", "acme-prod-0badcafe"].map(|name| {
        let mine = |namespace: &Option<String>| namespace.as_deref() == Some(name);
        NamespaceObjects {
            pods: Read::Known(
                observation.pods.items().iter().filter(|pod| mine(&pod.metadata.namespace)).cloned().collect(),
            ),
            stateful_sets: Read::Known(
                observation.stateful_sets.items().iter().filter(|set| mine(&set.metadata.namespace)).cloned().collect(),
            ),
            ..NamespaceObjects::unread(name)
        }
    });
    let snapshot = Snapshot { namespaces: namespaces.to_vec(), ..Default::default() };
    let topology = build(&snapshot, &learned);
    let found: Vec<(&str, Option<Role>, Option<&str>)> = fittings(&topology)
        .into_iter()
        .map(|one| match one.fit {
            Fit::Member { role, warehouse, .. } => (one.name, Some(role), warehouse),
            _ => (one.name, None, None),
        })
        .collect();
    assert_eq!(
        found,
        [
            ("us-safekeeper-0", Some(Role::Safekeeper), None),
            ("us-pageserver-0", Some(Role::Pageserver), None),
            ("gateway-0", Some(Role::Coordinator), None),
            ("w-12-seg-0", Some(Role::WarehouseNode), Some("w-12")),
            ("w-7-seg-0", Some(Role::WarehouseNode), Some("w-7")),
            ("etcd-0", None, None),
        ]
    );
    // A third warehouse fits, too.
    let recognized = learned.recognize(SpaceKind::Account, "w-101-seg", &BTreeMap::new());
    assert!(matches!(recognized, Recognized::As(rule, _) if rule.role == Role::WarehouseNode), "{recognized:?}");
}
