//! The size of annotations.

use serde_json::Value;

/// Most bytes of all keys and values of an object's annotations together (`TotalAnnotationSizeLimitB` of
/// k8s.io/apimachinery).
const MOST_ANNOTATED: usize = 256 << 10;

/// Checks the total size of an object's annotations.
pub(super) fn annotations(object: &Value) -> Option<(String, String)> {
    let all = object["metadata"]["annotations"].as_object()?;
    let bytes: usize = all.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    let message = format!("Too long: may not be more than {MOST_ANNOTATED} bytes");
    (bytes > MOST_ANNOTATED).then(|| ("metadata.annotations".to_owned(), message))
}
