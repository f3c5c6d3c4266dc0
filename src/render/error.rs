//! Errors for people.

use super::{Paint, sanitize_line, suggestion};
use crate::error::Error;

/// Renders `error: what`, the reasons and the next commands, one per line.
pub fn error(error: &Error, paint: Paint) -> String {
    let mut text = format!("{} {}\n", paint.bad("error:"), sanitize_line(&error.what));
    for why in &error.why {
        text.push_str(&format!("  {}\n", sanitize_line(why)));
    }
    for hint in &error.hints {
        text.push_str(&suggestion(hint, paint));
    }
    text
}

/// Renders the causes of an error, one per line, for debugging.
pub fn sources(error: &Error) -> String {
    let chain = error.source.iter().flat_map(|source| source.chain());
    chain.map(|link| format!("  caused by: {}\n", sanitize_line(&link))).collect()
}
