//! A label selector and a field selector together. Pure.

use super::terms::{FieldTerm, Operator, Requirement, field};
use super::{fields, labels};
use crate::resources::Resource;
use serde_json::Value;

/// A label selector and a field selector together; the default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<FieldTerm>,
}

impl Selector {
    /// Reads the two query parameters for objects of a kind.
    ///
    /// # Errors
    /// What is wrong, as the API server words it in a 400.
    pub(crate) fn parse(resource: &Resource, labels: Option<&str>, fields: Option<&str>) -> Result<Selector, String> {
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
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object is selected.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|requirement| requirement.matches(labels[&requirement.key].as_str()))
            && self.fields.iter().all(|term| (field(object, &term.path) == term.value) == term.equal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{EVENTS, NODES, PODS};
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
