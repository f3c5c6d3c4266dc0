//! Label and field selectors: which objects a list or a watch is about. Pure.

use serde_json::Value;

/// A label selector and a field selector together; the default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector {
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
    /// Reads the two query parameters for objects of kind `resource` (its plural).
    ///
    /// # Errors
    /// What is wrong, as the API server words it in a 400.
    pub(super) fn parse(resource: &str, labels: Option<&str>, fields: Option<&str>) -> Result<Selector, String> {
        let labels =
            parse_labels(labels.unwrap_or_default()).map_err(|why| format!("unable to parse requirement: {why}"))?;
        let fields = parse_fields(fields.unwrap_or_default())?;
        for term in &fields {
            if !field_is_known(resource, &term.path) {
                return Err(format!("field label not supported: {}", term.path));
            }
        }
        Ok(Selector { labels, fields })
    }

    /// A `LabelSelector` object (`matchLabels` and `matchExpressions`), as in a PodDisruptionBudget.
    pub(super) fn from_label_selector(selector: &Value) -> Selector {
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
    pub(super) fn matches(&self, object: &Value) -> bool {
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
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The fields that the API server can select on, per kind.
fn field_is_known(resource: &str, path: &str) -> bool {
    let known: &[&str] = match resource {
        "pods" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        "events" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        "nodes" => &["spec.unschedulable"],
        "namespaces" => &["status.phase"],
        "secrets" => &["type"],
        "services" => &["spec.clusterIP", "spec.type"],
        _ => &[],
    };
    matches!(path, "metadata.name" | "metadata.namespace") || known.contains(&path)
}

fn parse_fields(text: &str) -> Result<Vec<FieldTerm>, String> {
    text.split(',')
        .filter(|term| !term.trim().is_empty())
        .map(|term| {
            let (path, value, equal) = if let Some((path, value)) = term.split_once("!=") {
                (path, value, false)
            } else if let Some((path, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
                (path, value, true)
            } else {
                return Err(format!("invalid field selector: '{term}'; can't understand '{term}'"));
            };
            Ok(FieldTerm { path: path.trim().to_owned(), value: value.trim().to_owned(), equal })
        })
        .collect()
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, String> {
    split_outside_parentheses(text).into_iter().map(str::trim).filter(|t| !t.is_empty()).map(requirement).collect()
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0usize, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn requirement(term: &str) -> Result<Requirement, String> {
    let made = |key: &str, operator: Operator| {
        let key = key.trim();
        if !is_label_key(key) {
            return Err(format!(
                "<nil>: Invalid value: \"{key}\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
            ));
        }
        Ok(Requirement { key: key.to_owned(), operator })
    };
    if let Some(key) = term.strip_prefix('!') {
        return made(key, Operator::Absent);
    }
    for (word, negated) in [(" notin ", true), (" notin(", true), (" in ", false), (" in(", false)] {
        if let Some((key, values)) = term.split_once(word) {
            let values = values.trim().trim_start_matches('(');
            let Some(values) = values.strip_suffix(')') else {
                return Err(format!("found '', expected: ',', or ')' in '{term}'"));
            };
            let values = values.split(',').map(|v| v.trim().to_owned()).collect();
            return made(key, if negated { Operator::NotIn(values) } else { Operator::In(values) });
        }
    }
    if let Some((key, value)) = term.split_once("!=") {
        return made(key, Operator::NotIn(vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return made(key, Operator::In(vec![value.trim().to_owned()]));
    }
    for (sign, make) in [('>', Operator::Greater as fn(i64) -> Operator), ('<', Operator::Less)] {
        if let Some((key, value)) = term.split_once(sign) {
            let number = value.trim().parse().map_err(|_| {
                format!("values[0]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer")
            })?;
            return made(key, make(number));
        }
    }
    made(term, Operator::Exists)
}

fn is_label_key(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or_default();
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    name.len() <= 63
        && edge(name.chars().next())
        && edge(name.chars().last())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
}

#[cfg(test)]
mod tests {
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
            let parsed = Selector::parse("pods", Some(selector), None).unwrap();
            assert_eq!(parsed.matches(&object), expected, "{selector}");
        }
        for bad in ["app in (x", "=x", "a b", "app=x,,-"] {
            assert!(Selector::parse("pods", Some(bad), None).is_err(), "{bad}");
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
            let parsed = Selector::parse("pods", None, Some(selector)).unwrap();
            assert_eq!(parsed.matches(&pod), expected, "{selector}");
        }
        assert_eq!(Selector::parse("pods", None, Some("foo=bar")), Err("field label not supported: foo".to_owned()));
        assert!(Selector::parse("pods", None, Some("foo")).is_err());
        let event = json!({"involvedObject": {"kind": "Pod"}, "reason": "Killing", "reportingComponent": "kubelet"});
        let parsed = Selector::parse("events", None, Some("involvedObject.kind=Pod,source=kubelet")).unwrap();
        assert!(parsed.matches(&event));
        let cordoned = Selector::parse("nodes", None, Some("spec.unschedulable=false")).unwrap();
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
