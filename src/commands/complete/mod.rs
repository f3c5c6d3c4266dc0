//! What a shell asks while somebody types: the words' own meaning at once, the cluster's part within a quarter of a
//! second, and never a word of anything that went wrong.

mod ask;

use self::ask::Question;
use crate::cli::Names;
use crate::commands::sandbox;
use crate::completion::{Candidate, Line, Wanted, names};
use crate::duration;
use crate::render::Screen;
use crate::render::documents::Kind;
use std::ffi::OsString;
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long it may take to learn what is offered, whatever that needs: kubectl and the shell want their part of the 300 ms
/// after which a person waits.
const LIMIT: Duration = Duration::from_millis(230);

/// Environment variable that gives it longer, for a cluster that is far away or a credential plugin that is slow.
const LIMIT_VARIABLE: &str = "KUBECTL_SYNXDB_COMPLETION_TIMEOUT";

/// Of that time, what is left for giving up in good order: what was begun is ended, a credential plugin too.
const GIVING_UP: Duration = Duration::from_millis(15);

/// Answers a shell: see [`crate::cli::to_complete`]. There is always an answer, which may be that nothing is known.
pub fn complete(screen: Screen, words: Vec<OsString>) {
    // An error of ours is nothing that a prompt should be written over with.
    std::panic::set_hook(Box::new(|_| {}));
    let line = Line::new(words);
    let found = match line.wanted() {
        Some(Wanted::Names(names, begun)) => found(&line, names, begun),
        Some(Wanted::File) | None => Vec::new(),
    };
    screen.result(&line.offer(&found).to_string());
}

fn found(line: &Line, names: Names, begun: String) -> Vec<Candidate> {
    let typed = line.typed();
    match names {
        Names::Scenario => {
            let all = sandbox::scenarios();
            return names::told(all.iter().map(|(name, about)| (*name, about.as_str())));
        }
        Names::Kind => return names::told(Kind::ALL.iter().map(|kind| (kind.name(), kind.description()))),
        _ => {}
    }
    if typed.global.sandbox {
        return ask::practice(&typed, names, &begun).unwrap_or_default();
    }
    let limit = std::env::var(LIMIT_VARIABLE).ok().and_then(|text| duration::parse(&text).ok()).unwrap_or(LIMIT);
    let deadline = limit.saturating_sub(GIVING_UP);
    within(limit, move || Question { typed: &typed, names, begun: &begun, deadline }.ask()).unwrap_or_default()
}

/// The answer to a question that may have none: after this time nobody waits for it any longer, whatever it is doing.
fn within<T: Send + 'static>(limit: Duration, question: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (say, said) = channel();
    std::thread::spawn(move || say.send(question()));
    said.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_without_an_answer_holds_nobody_up() {
        assert_eq!(within(Duration::from_secs(60), || 1), Some(1));
        let for_ever = || loop {
            std::thread::park();
        };
        assert_eq!(within::<()>(Duration::from_millis(1), for_ever), None);
        assert_eq!(within::<()>(Duration::from_secs(60), || panic!("on purpose")), None);
    }
}
