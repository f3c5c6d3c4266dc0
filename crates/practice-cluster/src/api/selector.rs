//! Label and field selectors: which objects a list or a watch is about. Pure.

mod fields;
mod labels;

use crate::resources::Resource;
use serde_json::Value;

/// A label selector and a field selector together; the default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<FieldTerm>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldTerm {
    path: String,
    value: String,
    equal: bool,
}

impl Selector {
    /// Reads the two query parameters for objects of a kind.
    ///
    /// # Errors
    /// What is wrong, as the API server words it in a 400.
    pub(super) fn parse(resource: &Resource, labels: Option<&str>, fields: Option<&str>) -> Result<Selector, String> {
        Ok(Selector {
            labels: labels::parse(labels.unwrap_or_default())?,
            fields: fields::parse(resource, fields.unwrap_or_default())?,
        })
    }

    /// A `LabelSelector` object (`matchLabels` and `matchExpressions`), as in a PodDisruptionBudget.
    pub(crate) fn from_label_selector(selector: &Value) -> Selector {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let mut labels = Vec::new();
        for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
            labels.push(Requirement { key: key.clone(), operator: Operator::In(vec![text(value)]) });
        }
        for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
            let values = || expression["values"].as_array().into_iter().flatten().map(text).collect();
            let operator = match expression["operator"].as_str() {
                Some("In") => Operator::In(values()),
                Some("NotIn") => Operator::NotIn(values()),
                Some("DoesNotExist") => Operator::Absent,
                _ => Operator::Exists,
            };
            labels.push(Requirement { key: text(&expression["key"]), operator });
        }
        Selector { labels, fields: Vec::new() }
    }

    /// Whether everything is selected.
    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object is selected.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|requirement| requirement.matches(labels[&requirement.key].as_str()))
            && self.fields.iter().all(|term| (field(object, &term.path) == term.value) == term.equal)
    }
}

impl Requirement {
    fn matches(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|v| v.parse::<i64>().ok());
        match &self.operator {
            Operator::In(values) => value.is_some_and(|value| values.iter().any(|v| v == value)),
            Operator::NotIn(values) => value.is_none_or(|value| values.iter().all(|v| v != value)),
            Operator::Exists => value.is_some(),
            Operator::Absent => value.is_none(),
            Operator::Greater(bound) => number().is_some_and(|n| n > *bound),
            Operator::Less(bound) => number().is_some_and(|n| n < *bound),
        }
    }
}

/// The value of a selectable field as text; an absent one is empty.
fn field(object: &Value, path: &str) -> String {
    let path = match path {
        // An Event's reporter may stand in either of two fields.
        "source" if object["source"]["component"].is_string() => "source.component",
        "source" => "reportingComponent",
        path => path,
    };
    let value = path.split('.').fold(object, |value, name| &value[name]);
    match value {
        Value::String(text) => text.clone(),
        Value::Null if path == "spec.unschedulable" || path == "spec.hostNetwork" => "false".to_owned(),
        // Lists are known by name, and never match a value.
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::resources::{EVENTS, NODES, PODS};
    use super::*;
    use serde_json::json;

    #[test]
    fn labels() {
        let object = json!({"metadata": {"labels": {"app": "wh", "a.io/tier": "hot", "n": "7"}}});
        for (selector, expected) in [
            ("", true),
            ("app=wh", true),
            ("app==wh,a.io/tier=hot", true),
            ("app=wh,a.io/tier=cold", false),
            ("app!=wh", false),
            ("other!=wh", true),
            ("app in (x, wh),n", true),
            ("app in (x)", false),
            ("app notin (x,y)", true),
            ("other notin (x)", true),
            ("app", true),
            ("other", false),
            ("!other", true),
            ("!app", false),
            ("n>6", true),
            ("n<7", false),
        ] {
            let parsed = Selector::parse(&PODS, Some(selector), None).unwrap();
            assert_eq!(parsed.matches(&object), expected, "{selector}");
        }
    }

    #[test]
    fn fields() {
        let pod = json!({"metadata": {"name": "a", "namespace": "n"}, "status": {"phase": "Running"}});
        for (selector, expected) in [
            ("metadata.name=a", true),
            ("metadata.name==a,metadata.namespace=n", true),
            ("status.phase!=Running", false),
            ("status.phase!=Succeeded,status.phase!=Failed", true),
            ("spec.nodeName=", true),
        ] {
            let parsed = Selector::parse(&PODS, None, Some(selector)).unwrap();
            assert_eq!(parsed.matches(&pod), expected, "{selector}");
        }
        let event = json!({"involvedObject": {"kind": "Pod"}, "reason": "Killing", "reportingComponent": "kubelet"});
        let parsed = Selector::parse(&EVENTS, None, Some("involvedObject.kind=Pod,source=kubelet")).unwrap();
        assert!(parsed.matches(&event));
        let cordoned = Selector::parse(&NODES, None, Some("spec.unschedulable=false")).unwrap();
        assert!(cordoned.matches(&json!({})) && !cordoned.matches(&json!({"spec": {"unschedulable": true}})));
    }

    #[test]
    fn label_selector_objects() {
        let selector = Selector::from_label_selector(&json!({
            "matchLabels": {"a": "1"},
            "matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["2"]}, {"key": "c", "operator": "Exists"}]
        }));
        assert!(selector.matches(&json!({"metadata": {"labels": {"a": "1", "c": ""}}})));
        assert!(!selector.matches(&json!({"metadata": {"labels": {"a": "1", "b": "2", "c": ""}}})));
        assert!(!selector.matches(&json!({"metadata": {"labels": {"a": "1"}}})));
    }
}
