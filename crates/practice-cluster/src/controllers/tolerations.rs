//! Which taints a pod tolerates.

use crate::values::{items_at, text_at};
use serde_json::Value;

/// Whether a pod tolerates a taint.
pub(crate) fn tolerates(pod: &Value, taint: &Value) -> bool {
    items_at(pod, "/spec/tolerations").iter().any(|toleration| tolerated_by(toleration, taint))
}

/// Whether a toleration is about a taint.
pub(crate) fn tolerated_by(toleration: &Value, taint: &Value) -> bool {
    let given = |field: &str| text_at(toleration, field);
    (given("/key").is_empty() || toleration["key"] == taint["key"])
        && (given("/effect").is_empty() || toleration["effect"] == taint["effect"])
        && (toleration["operator"] == "Exists" || given("/value") == text_at(taint, "/value"))
}
