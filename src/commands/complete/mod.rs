//! Completion while the user types: from the command line itself at once, from the cluster within a quarter of a second, and
//! without error messages.

mod ask;

use self::ask::Question;
use crate::cli::Names;
use crate::commands::sandbox;
use crate::completion::{Candidate, CommandLine, Wanted, names};
use crate::duration;
use crate::render::Screen;
use crate::render::documents::Kind;
use std::ffi::OsString;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Time limit for all lookups: kubectl and the shell need their part of the 300 ms that a person notices.
const LIMIT: Duration = Duration::from_millis(230);

/// Environment variable with a longer limit, for a distant cluster or a slow credential plugin.
const LIMIT_VARIABLE: &str = "KUBECTL_SYNXDB_COMPLETION_TIMEOUT";

/// Part of that time for an orderly end: what was started, such as a credential plugin, is stopped.
const GIVING_UP: Duration = Duration::from_millis(15);

/// Answers a shell: see [`crate::cli::to_complete`]. There is always an answer, if only an empty one.
pub fn complete(screen: Screen, words: Vec<OsString>) {
    // A panic must not write over the prompt.
    std::panic::set_hook(Box::new(|_| {}));
    let line = CommandLine::new(words);
    let found = match line.wanted() {
        Some(Wanted::Names(names, begun)) => found(&line, names, begun),
        Some(Wanted::File) | None => Vec::new(),
    };
    screen.result(&line.offer(&found).to_string());
}

fn found(line: &CommandLine, names: Names, begun: String) -> Vec<Candidate> {
    let typed = line.typed();
    match names {
        Names::Scenario => {
            let all = sandbox::scenarios();
            return names::described(all.iter().map(|(name, about)| (*name, about.as_str())));
        }
        Names::Kind => return names::described(Kind::ALL.iter().map(|kind| (kind.name(), kind.description()))),
        _ => {}
    }
    if typed.global.sandbox {
        return ask::practice(&typed, names, &begun).unwrap_or_default();
    }
    let limit = std::env::var(LIMIT_VARIABLE).ok().and_then(|text| duration::parse(&text).ok()).unwrap_or(LIMIT);
    let deadline = limit.saturating_sub(GIVING_UP);
    with_timeout(limit, move || Question { typed: &typed, names, begun: &begun, deadline }.candidates())
        .unwrap_or_default()
}

/// Runs a lookup with a time limit: `None` if it takes longer, or panics.
fn with_timeout<T: Send + 'static>(limit: Duration, lookup: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(lookup()));
    receiver.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lookup_that_hangs_does_not_delay_the_answer() {
        assert_eq!(with_timeout(Duration::from_secs(60), || 1), Some(1));
        let forever = || loop {
            std::thread::park();
        };
        assert_eq!(with_timeout::<()>(Duration::from_millis(1), forever), None);
        assert_eq!(with_timeout::<()>(Duration::from_secs(60), || panic!("on purpose")), None);
    }
}
