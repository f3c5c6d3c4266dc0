//! Evaluates label selectors: of pods, and of nodes.

use k8s_openapi::api::core::v1::{Node, NodeSelector, NodeSelectorRequirement};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use std::collections::BTreeMap;

/// Returns whether a selector matches an object with these labels; an empty one matches all.
pub(super) fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    let mut expressions = selector.match_expressions.iter().flatten();
    equal
        && expressions.all(|wanted| {
            let value = labels.get(&wanted.key).map(String::as_str);
            holds(value, &wanted.operator, wanted.values.as_deref().unwrap_or_default())
        })
}

/// Returns whether a node selector matches a node: one of its terms does completely. A term without a requirement
/// matches none.
pub(super) fn admits(selector: &NodeSelector, node: &Node) -> bool {
    let label = |key: &str| node.metadata.labels.as_ref().and_then(|labels| labels.get(key)).map(String::as_str);
    // The only field that Kubernetes knows here.
    let field = |key: &str| node.metadata.name.as_deref().filter(|_| key == "metadata.name");
    selector.node_selector_terms.iter().any(|term| {
        let (labels, fields) = (term.match_expressions.as_deref(), term.match_fields.as_deref());
        let (labels, fields) = (labels.unwrap_or_default(), fields.unwrap_or_default());
        let holds_of = |wanted: &NodeSelectorRequirement, value: Option<&str>| {
            holds(value, &wanted.operator, wanted.values.as_deref().unwrap_or_default())
        };
        !(labels.is_empty() && fields.is_empty())
            && labels.iter().all(|wanted| holds_of(wanted, label(&wanted.key)))
            && fields.iter().all(|wanted| holds_of(wanted, field(&wanted.key)))
    })
}

fn holds(value: Option<&str>, operator: &str, wanted: &[String]) -> bool {
    let among = || value.is_some_and(|value| wanted.iter().any(|one| one == value));
    let numbers = || Some((value?.parse::<i64>().ok()?, wanted.first()?.parse::<i64>().ok()?));
    match operator {
        "In" => among(),
        "NotIn" => !among(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers().is_some_and(|(value, bound)| value > bound),
        "Lt" => numbers().is_some_and(|(value, bound)| value < bound),
        // An operator of a later Kubernetes: it cannot be evaluated here, so it does not match.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_chosen_as_kubernetes_does() {
        let labels: BTreeMap<String, String> = serde_saphyr::from_str("{app: safekeeper, tier: storage}").unwrap();
        for (selector, expected) in [
            ("{}", true),
            ("{matchLabels: {app: safekeeper}}", true),
            ("{matchLabels: {app: safekeeper, tier: sql}}", false),
            ("{matchLabels: {zone: a}}", false),
            ("{matchExpressions: [{key: app, operator: In, values: [pageserver, safekeeper]}]}", true),
            ("{matchExpressions: [{key: app, operator: In, values: [pageserver]}]}", false),
            ("{matchExpressions: [{key: app, operator: NotIn, values: [safekeeper]}]}", false),
            ("{matchExpressions: [{key: zone, operator: NotIn, values: [a]}]}", true),
            ("{matchExpressions: [{key: tier, operator: Exists}]}", true),
            ("{matchExpressions: [{key: tier, operator: DoesNotExist}]}", false),
            ("{matchLabels: {app: safekeeper}, matchExpressions: [{key: zone, operator: Exists}]}", false),
            ("{matchExpressions: [{key: app, operator: Resembles, values: [safekeeper]}]}", false),
        ] {
            let read: LabelSelector = serde_saphyr::from_str(selector).unwrap();
            assert_eq!(selects(&read, &labels), expected, "{selector}");
        }
    }

    #[test]
    fn nodes_are_chosen_as_kubernetes_does() {
        let node: Node = serde_saphyr::from_str("{metadata: {name: node-1, labels: {zone: a, cores: '8'}}}").unwrap();
        for (terms, expected) in [
            ("[{matchExpressions: [{key: zone, operator: In, values: [a, b]}]}]", true),
            ("[{matchExpressions: [{key: zone, operator: In, values: [b]}]}]", false),
            // One term is enough, but completely.
            (
                "[{matchExpressions: [{key: zone, operator: In, values: [b]}]}, {matchExpressions: [{key: cores, operator: Exists}]}]",
                true,
            ),
            ("[{matchExpressions: [{key: zone, operator: Exists}, {key: disk, operator: Exists}]}]", false),
            ("[{matchExpressions: [{key: cores, operator: Gt, values: ['4']}]}]", true),
            ("[{matchExpressions: [{key: cores, operator: Lt, values: ['4']}]}]", false),
            ("[{matchFields: [{key: metadata.name, operator: In, values: [node-1]}]}]", true),
            ("[{matchFields: [{key: metadata.name, operator: In, values: [node-2]}]}]", false),
            ("[{}]", false),
        ] {
            let selector: NodeSelector = serde_saphyr::from_str(&format!("nodeSelectorTerms: {terms}")).unwrap();
            assert_eq!(admits(&selector, &node), expected, "{terms}");
        }
    }
}

#[cfg(test)]
#[path = "selector_tests.rs"]
mod more_tests;
