//! Several messages as one, as Go's `errors.Aggregate` of `k8s.io/apimachinery` prints them.

/// Returns a single message unchanged, several in brackets.
pub(super) fn aggregate(messages: &[String]) -> String {
    match messages {
        [only] => only.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}
