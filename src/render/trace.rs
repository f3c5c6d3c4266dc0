//! Output for debugging.

use super::error;
use super::screen::Screen;
use std::io;
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

/// Prints a panic as an error: its message may contain foreign text, too.
pub fn on_panic(screen: Screen) {
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
        let error = crate::error::Error::failure(format!("internal error{place}"))
            .because(message)
            .hint("report this bug, with the command that you ran");
        screen.note(&error::error(&error, screen.err));
    }));
}
