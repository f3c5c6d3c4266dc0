//! What is told to whoever looks for a fault.

use super::error;
use super::screen::Screen;
use std::io;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

/// Whether requests, and where errors come from, are told at this verbosity.
pub fn is_traced(level: u8) -> bool {
    level >= 6
}

/// Where the request lines of `-v 6` go: standard error, as everything that is not a result.
pub fn trace(level: u8) {
    if !is_traced(level) {
        return;
    }
    // Our own lines only, which never hold headers or bodies: those of the libraries might.
    let ours = Targets::new().with_target("kubectl_synxdb", tracing::Level::DEBUG);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| super::sanitize::Sanitized(io::stderr()))
        .with_target(false)
        .with_ansi(false);
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(ours).with(lines));
}

/// Has a panic told as an error is: what it says may be from elsewhere, too.
pub fn on_panic(screen: Screen) {
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload_as_str().unwrap_or("it cannot be said how");
        let place = panic.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
        let error = crate::error::Error::failure(format!("an error in the program itself{place}"))
            .because(said)
            .hint("tell its keepers, with the command that was run");
        screen.note(&error::error(&error, screen.err));
    }));
}
