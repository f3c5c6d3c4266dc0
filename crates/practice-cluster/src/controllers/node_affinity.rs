//! Node selectors: which nodes they choose.

use crate::objects::name;
use crate::values::{items_at, text_at};
use serde_json::Value;

/// Whether a node matches one of a selector's terms; no selector matches all.
pub(super) fn matches_node(selector: &Value, node: &Value) -> bool {
    let matches = |expression: &Value, value: Option<&str>| {
        let values = items_at(expression, "/values");
        let listed = value.is_some_and(|value| values.iter().any(|known| known == value));
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
        let (left, right) = (number(value), number(values.first().and_then(Value::as_str)));
        match text_at(expression, "/operator") {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            "Gt" => left.zip(right).is_some_and(|(left, right)| left > right),
            "Lt" => left.zip(right).is_some_and(|(left, right)| left < right),
            _ => false,
        }
    };
    let terms = items_at(selector, "/nodeSelectorTerms");
    terms.is_empty()
        || terms.iter().any(|term| {
            let label = |e: &Value| matches(e, node["metadata"]["labels"][text_at(e, "/key")].as_str());
            let field = |e: &Value| matches(e, Some(name(node)));
            items_at(term, "/matchExpressions").iter().all(label) && items_at(term, "/matchFields").iter().all(field)
        })
}
