//! Ctrl-C and SIGTERM.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// Returns a token that Ctrl-C and SIGTERM cancel; Ctrl-C only while no other program uses the terminal.
pub(super) fn interruption(lent: Arc<AtomicBool>) -> CancellationToken {
    let token = CancellationToken::new();
    let set = token.clone();
    tokio::spawn(async move {
        signalled(&lent).await;
        set.cancel();
    });
    token
}

#[cfg(unix)]
async fn signalled(lent: &AtomicBool) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut term) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        () = ctrl_c(lent) => {}
        _ = term.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signalled(lent: &AtomicBool) {
    ctrl_c(lent).await;
}

async fn ctrl_c(lent: &AtomicBool) {
    loop {
        if tokio::signal::ctrl_c().await.is_err() {
            return std::future::pending().await;
        }
        if !lent.load(Ordering::SeqCst) {
            return;
        }
    }
}
