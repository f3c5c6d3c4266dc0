//! The selector of a StatefulSet.

use crate::api::selector::Selector;
use serde_json::Value;

/// Checks that a set's selector selects its own pods.
pub(super) fn unselected_template(spec: &Value) -> Option<(String, String)> {
    let chosen = Selector::from_label_selector(&spec["selector"]).matches(&spec["template"]);
    let labels = &spec["template"]["metadata"]["labels"];
    let message = format!("Invalid value: {labels}: `selector` does not match template `labels`");
    (!chosen).then(|| ("spec.template.metadata.labels".to_owned(), message))
}
