//! What a shell asks while somebody types: the words' own meaning at once, the cluster's part within a quarter of a
//! second, and never a word of anything that went wrong.

mod ask;

use crate::cli::Names;
use crate::completion::{Candidate, Line, Wanted, names};
use crate::render::Screen;
use crate::sandbox;
use std::ffi::OsString;
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long it may take to learn what is offered, whatever that needs: kubectl and the shell want a part of the 300 ms
/// after which a person waits.
const LIMIT: Duration = Duration::from_millis(250);

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
    if names == Names::Scenario {
        return sandbox::scenarios().map(|all| names::scenarios(&all)).unwrap_or_default();
    }
    if typed.global.sandbox {
        return ask::practice(&typed, names, &begun).unwrap_or_default();
    }
    within(LIMIT, move || ask::ask(&typed, names, &begun)).unwrap_or_default()
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
