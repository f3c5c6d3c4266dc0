//! Learning a layout from a cluster keeps what is known.

use super::*;
use crate::testing::observed::{observed, set};
use serde_json::json;

/// What the current layout knows is kept as it is there.
#[test]
fn what_is_known_is_kept() {
    let app = |name: &str| json!({"app": name});
    let sets = vec![
        set("synxdb-system", "cloudberry-proxy", app("m"), ("cloudberry-proxy", "synxdb/cloudberry-proxy:4"), &[5432]),
        set("synxdb-system", "safekeeper", app("s"), ("safekeeper", "synxdb/safekeeper:4"), &[7676]),
        set("synxdb-system", "pageserver", app("p"), ("pageserver", "synxdb/pageserver:4"), &[]),
        set("cloud007-513d75d5-3033-4649-b913-07f6115ec41a", "cloudberry-proxy", app("a"), ("x", "x"), &[5432]),
        set("cloud007-513d75d5-3033-4649-b913-07f6115ec41a", "wh9527", app("w"), ("x", "x"), &[5432]),
    ];
    let shipped = Layout::shipped().unwrap();
    let proposal = propose(&seen(&observed(sets)), &shipped);
    assert_eq!(proposal.system_namespace.as_deref(), Some("synxdb-system"));
    assert!(proposal.accounts.iter().all(|account| account.in_force) && proposal.labels.is_none(), "{proposal:?}");
    let rules: Vec<_> = proposal.rules.iter().map(|rule| (rule.role, rule.pattern_in_force, rule.page)).collect();
    assert_eq!(
        rules,
        [
            (Role::MetadataProxy, true, None),
            (Role::Safekeeper, true, Some((7676, true))),
            // Nothing shows this port: it is kept, and marked as a guess.
            (Role::Pageserver, true, Some((9898, false))),
            (Role::WarehouseProxy, true, None),
            (Role::WarehouseNode, true, None),
        ]
    );
    assert!(proposal.left.is_empty(), "{proposal:?}");
}

/// Words are parts between dashes: a `whisper` is not a warehouse.
#[test]
fn words_are_parts_of_names() {
    for (text, word, expected) in [
        ("wh-1-segment", "wh", true),
        ("wh9527", "wh", true),
        ("my_segment", "segment", true),
        ("whisper-1", "wh", false),
        ("oldwh-1", "wh", false),
        ("cloudberry-proxy", "cloudberry-proxy", true),
        ("discoordinator", "coordinator", false),
    ] {
        assert_eq!(has_word(text, word), expected, "{text} {word}");
    }
}
