//! Output for debugging.

use super::error;
use super::screen::Screen;
use crate::error::Error;
use crate::suggestion::Suggestion;
use std::io;
use std::sync::{Mutex, PoisonError};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

/// Returns whether this verbosity logs requests and the causes of errors.
pub fn is_traced(level: u8) -> bool {
    level >= 6
}

/// Logs requests to standard error from `-v 6` on.
pub fn trace(level: u8) {
    if !is_traced(level) {
        return;
    }
    // Only our own lines, which never contain headers or bodies: those of libraries might.
    let ours = Targets::new().with_target("kubectl_synxdb", tracing::Level::DEBUG);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| super::sanitize::Sanitized(io::stderr()))
        .with_target(false)
        .with_ansi(false);
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(ours).with(lines));
}

/// Prints a panic as an error: its message may contain foreign text, too. In the middle of an operation the command that
/// finishes it comes with it.
pub fn on_panic(screen: Screen) {
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
        screen.note(&error::error(&internal_error(&place, message, in_progress()), screen.err));
    }));
}

fn internal_error(place: &str, message: &str, resume: Option<Suggestion>) -> Error {
    let error = Error::failure(format!("internal error{place}")).because(message);
    let error = match resume {
        Some(resume) => error
            .because(
                "the operation is unfinished: some of its changes may have been made; the command below finishes it",
            )
            .hint(resume),
        None => error,
    };
    error.hint("report this bug, with the command that you ran")
}

/// The command that finishes the operation in progress.
static IN_PROGRESS: Mutex<Option<Suggestion>> = Mutex::new(None);

/// Returns it. The panic may have come while it was set: then it is not waited for.
fn in_progress() -> Option<Suggestion> {
    IN_PROGRESS.try_lock().ok().and_then(|resume| resume.clone())
}

/// An operation in progress. If the program panics before it is dropped, the command that finishes it is printed.
pub(crate) struct InProgress(());

impl InProgress {
    /// Begins an operation; `resume` is the command that finishes it.
    pub(crate) fn begin(resume: &Suggestion) -> Self {
        *IN_PROGRESS.lock().unwrap_or_else(PoisonError::into_inner) = Some(resume.clone());
        Self(())
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        // A panic that unwinds drops this, too: after it was printed.
        *IN_PROGRESS.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Paint;
    use crate::suggestion::plugin;

    #[test]
    fn a_panic_in_an_operation_prints_the_command_that_finishes_it() {
        let printed =
            |resume: Option<Suggestion>| error::error(&internal_error(" (src/x.rs:1)", "why", resume), Paint(false));
        let resume = plugin("failover").word("a/p-0").flag("--pod-uid", "u");
        assert_eq!(
            printed(Some(resume.into())),
            "error: internal error (src/x.rs:1)\n  why\n  the operation is unfinished: some of its changes may have been \
             made; the command below finishes it\nnext: kubectl synxdb failover a/p-0 --pod-uid u\nhint: report this \
             bug, with the command that you ran\n"
        );
        assert!(!printed(None).contains("unfinished"));
    }

    #[test]
    fn the_command_is_known_while_the_operation_is_in_progress() {
        let operation = InProgress::begin(&"finish it".into());
        assert_eq!(in_progress(), Some("finish it".into()));
        drop(operation);
        assert_eq!(in_progress(), None);
    }
}
