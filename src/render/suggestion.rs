//! What to do next, for people.

use super::{Paint, sanitize_line};
use crate::suggestion::Suggestion;

/// Renders `next: COMMAND` or `hint: ADVICE`, in one line.
pub(crate) fn suggestion(suggestion: &Suggestion, paint: Paint) -> String {
    let label = match suggestion {
        Suggestion::Command(_) => "next:",
        Suggestion::Advice(_) => "hint:",
    };
    format!("{} {}\n", paint.hint(label), sanitize_line(&suggestion.to_string()))
}
