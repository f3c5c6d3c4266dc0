//! Each operator at its bounds, as the API's own documentation has them (`LabelSelectorRequirement`,
//! `NodeSelectorRequirement`).

use super::*;

#[test]
fn each_operator_holds_as_kubernetes_has_it() {
    for (value, operator, wanted, expected) in [
        (Some("a"), "In", &["a"][..], true),
        (Some("a"), "In", &["b", "a"], true),
        (Some("a"), "In", &["b"], false),
        (Some("a"), "In", &[], false),
        (None, "In", &["a"], false),
        (Some("a"), "NotIn", &["a"], false),
        (Some("a"), "NotIn", &["b"], true),
        // A missing label is in no list.
        (None, "NotIn", &["a"], true),
        (Some(""), "Exists", &[], true),
        (None, "Exists", &[], false),
        (Some(""), "DoesNotExist", &[], false),
        (None, "DoesNotExist", &[], true),
        (Some("8"), "Gt", &["7"], true),
        (Some("8"), "Gt", &["8"], false),
        (Some("8"), "Gt", &["9"], false),
        (Some("8"), "Lt", &["9"], true),
        (Some("8"), "Lt", &["8"], false),
        (Some("8"), "Lt", &["7"], false),
        // Compared as numbers, not as text.
        (Some("10"), "Gt", &["9"], true),
        (Some("10"), "Lt", &["9"], false),
        (Some("many"), "Gt", &["1"], false),
        (Some("many"), "Lt", &["1"], false),
        (Some("8"), "Gt", &["few"], false),
        (Some("8"), "Gt", &[], false),
        (None, "Gt", &["1"], false),
        (None, "Lt", &["1"], false),
        // An operator of a later Kubernetes.
        (Some("a"), "Resembles", &["a"], false),
        (None, "Resembles", &[], false),
    ] {
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        assert_eq!(holds(value, operator, &wanted), expected, "{value:?} {operator} {wanted:?}");
    }
}

#[test]
fn all_of_a_term_holds_or_none_of_it() {
    let node: Node = serde_saphyr::from_str("{metadata: {name: node-1, labels: {zone: a}}}").unwrap();
    let nameless: Node = serde_saphyr::from_str("{metadata: {}}").unwrap();
    for (terms, expected) in [
        ("[]", false),
        ("[{matchExpressions: []}]", false),
        ("[{matchFields: [{key: metadata.name, operator: In, values: [node-1]}]}, {}]", true),
        (
            "[{matchExpressions: [{key: zone, operator: In, values: [a]}], matchFields: [{key: metadata.name, operator: In, \
             values: [node-2]}]}]",
            false,
        ),
        (
            "[{matchExpressions: [{key: zone, operator: In, values: [b]}], matchFields: [{key: metadata.name, operator: In, \
             values: [node-1]}]}]",
            false,
        ),
        (
            "[{matchExpressions: [{key: zone, operator: In, values: [a]}], matchFields: [{key: metadata.name, operator: In, \
             values: [node-1]}]}]",
            true,
        ),
        ("[{matchFields: [{key: metadata.name, operator: NotIn, values: [node-1]}]}]", false),
        // No field but the name is known.
        ("[{matchFields: [{key: metadata.namespace, operator: In, values: [node-1]}]}]", false),
        ("[{matchExpressions: [{key: disk, operator: DoesNotExist}]}]", true),
    ] {
        let selector: NodeSelector = serde_saphyr::from_str(&format!("nodeSelectorTerms: {terms}")).unwrap();
        assert_eq!(admits(&selector, &node), expected, "{terms}");
    }
    let named = "nodeSelectorTerms: [{matchFields: [{key: metadata.name, operator: Exists}]}]";
    let named: NodeSelector = serde_saphyr::from_str(named).unwrap();
    assert!(admits(&named, &node) && !admits(&named, &nameless));
}
