//! Prompts. The end of input means no, Ctrl-C is an interruption.
//!
//! The answer is a line, read as the terminal delivers it: Ctrl-D, Ctrl-C and backspace work as usual. A list reads keys, and
//! is a numbered one if the terminal cannot redraw it.

use super::terminal_settings::Settings;
use super::{Screen, sanitize_line};
use crate::error::{Error, Exit, Result};
use dialoguer::Select;
use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use std::io;
use std::time::{Duration, Instant};

/// Asks yes or no; the default is no.
///
/// # Errors
/// The terminal cannot be read.
pub(crate) fn confirm(screen: Screen, question: &str) -> Result<bool> {
    screen.note(&format!("{} [y/N] ", screen.err.strong(question)));
    let answer = line(screen)?.unwrap_or_default();
    Ok(["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes)))
}

/// Asks for a name that must be typed; the end of input is an empty one.
///
/// # Errors
/// The terminal cannot be read.
pub(crate) fn type_name(screen: Screen, question: &str) -> Result<String> {
    screen.note(&format!("{}: ", screen.err.strong(question)));
    Ok(line(screen)?.unwrap_or_default())
}

/// Asks for one of several items; `None` if none was chosen (Esc, end of input).
///
/// # Errors
/// Interrupted by Ctrl-C, or the terminal cannot be read.
pub(crate) fn choose(screen: Screen, question: &str, items: &[String]) -> Result<Option<usize>> {
    // A library draws the list.
    let question = &sanitize_line(question);
    let items = &items.iter().map(|item| sanitize_line(item)).collect::<Vec<_>>();
    if !screen.live {
        for (number, item) in (1..).zip(items) {
            screen.note(&format!("{number:>3}  {item}\n"));
        }
        screen.note(&format!("{question} [1-{}] ", items.len()));
        let number = line(screen)?.and_then(|answer| answer.trim().parse::<usize>().ok());
        return Ok(number.and_then(|number| number.checked_sub(1)).filter(|index| *index < items.len()));
    }
    let theme: Box<dyn Theme> = if screen.err.0 { Box::new(ColorfulTheme::default()) } else { Box::new(SimpleTheme) };
    let ask = Select::with_theme(theme.as_ref()).with_prompt(question).items(items).default(0);
    ask.interact_opt().or_else(|dialoguer::Error::IO(error)| {
        // The library hides the cursor, and shows it again only after an answer.
        screen.show_cursor();
        match error.kind() {
            io::ErrorKind::Interrupted => Err(interrupted()),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::NotConnected => Ok(None),
            _ => Err(unreadable(error)),
        }
    })
}

/// Reads a line of standard input without its end; `None` at the end of input.
fn line(screen: Screen) -> Result<Option<String>> {
    let mut text = String::new();
    match io::stdin().read_line(&mut text) {
        Ok(0) => {
            screen.note("\n");
            Ok(None)
        }
        Ok(_) => Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned())),
        Err(error) => Err(unreadable(error)),
    }
}

fn unreadable(error: io::Error) -> Error {
    Error::failure("cannot read the answer").because_of(error)
}

/// Returns the error for Ctrl-C or a signal at a prompt.
pub(crate) fn interrupted() -> Error {
    Error::new(Exit::Interrupted, "interrupted at the prompt; nothing was changed")
}

/// The terminal's state before a prompt: restored if the prompt is interrupted.
#[derive(Debug)]
pub(crate) struct Before {
    screen: Screen,
    settings: Option<Settings>,
    /// Whether the prompt switches the terminal to reading keys.
    keys: bool,
    answered: bool,
}

/// How long a list may take to start reading keys.
const LIST_BEGINS: Duration = Duration::from_secs(1);

impl Before {
    /// Saves the state before a prompt whose answer is a line.
    pub(crate) fn line(screen: Screen) -> Self {
        Self::question(screen, false)
    }

    /// Saves the state before a list.
    pub(crate) fn list(screen: Screen) -> Self {
        Self::question(screen, screen.live)
    }

    fn question(screen: Screen, keys: bool) -> Self {
        Self { screen, settings: Settings::now(), keys, answered: false }
    }

    /// Waits until a list has switched the terminal to reading keys: a switch after the state was restored would stay. Polls,
    /// because a terminal does not report changes of its settings.
    pub(crate) async fn taken(&self) {
        let began = Instant::now();
        while self.keys && Settings::now().is_some_and(|now| now.lines()) && began.elapsed() < LIST_BEGINS {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Discards the state after an answer.
    pub(crate) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        if let Some(settings) = &self.settings {
            settings.restore();
        }
        if self.screen.live {
            self.screen.show_cursor();
        }
        self.screen.note("\n");
    }
}

/// The terminal's state before another program used it: restored on drop, in case that program did not.
#[derive(Debug)]
pub(crate) struct Lent(Option<Settings>);

impl Lent {
    /// Saves the state.
    pub(crate) fn now() -> Self {
        Self(Settings::now())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(settings) = &self.0 {
            settings.restore();
        }
    }
}
