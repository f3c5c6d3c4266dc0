//! Questions. The end of input is No, Ctrl-C is an interruption.
//!
//! A question is a line, read as the terminal hands it over: Ctrl-D, Ctrl-C and backspace do what they do everywhere. A
//! list reads keys, and is a numbered one where the terminal cannot redraw it.

use super::terminal_settings::Settings;
use super::{Screen, sanitize_line};
use crate::error::{Error, Exit, Result};
use dialoguer::Select;
use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use std::io;
use std::time::{Duration, Instant};

/// Yes or no; the default is No.
///
/// # Errors
/// A terminal that cannot be read.
pub fn confirm(screen: Screen, question: &str) -> Result<bool> {
    screen.note(&format!("{} [y/N] ", screen.err.strong(question)));
    let answer = line(screen)?.unwrap_or_default();
    Ok(["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes)))
}

/// A name that must be typed out; the end of input is an empty one.
///
/// # Errors
/// A terminal that cannot be read.
pub fn type_name(screen: Screen, question: &str) -> Result<String> {
    screen.note(&format!("{}: ", screen.err.strong(question)));
    Ok(line(screen)?.unwrap_or_default())
}

/// One of several; `None` where none was chosen (Esc, end of input).
///
/// # Errors
/// Interrupted by Ctrl-C, or a terminal that cannot be read.
pub fn choose(screen: Screen, question: &str, items: &[String]) -> Result<Option<usize>> {
    // A list is drawn by others.
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
        // It hides the cursor, and shows it again only where it was answered.
        screen.show_cursor();
        match error.kind() {
            io::ErrorKind::Interrupted => Err(interrupted()),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::NotConnected => Ok(None),
            _ => Err(unreadable(error)),
        }
    })
}

/// A line of standard input without its end; `None` at the end of input.
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
    Error::failure("the answer cannot be read").because_of(error)
}

/// What Ctrl-C or a signal at a question means.
pub fn interrupted() -> Error {
    Error::new(Exit::Interrupted, "interrupted at the question; nothing was changed")
}

/// The terminal as it was before a question: put back where the question is cut short.
#[derive(Debug)]
pub struct Before {
    screen: Screen,
    settings: Option<Settings>,
    /// Whether the question takes the terminal over to read keys.
    keys: bool,
    answered: bool,
}

/// How long a list may take to begin reading keys.
const LIST_BEGINS: Duration = Duration::from_secs(1);

impl Before {
    /// Remembers it before a question whose answer is a line.
    pub fn line(screen: Screen) -> Self {
        Self::question(screen, false)
    }

    /// Remembers it before a list.
    pub fn list(screen: Screen) -> Self {
        Self::question(screen, screen.live)
    }

    fn question(screen: Screen, keys: bool) -> Self {
        Self { screen, settings: Settings::now(), keys, answered: false }
    }

    /// Resolves when a list has taken the terminal over: what it takes after that was given back would stay taken. The
    /// terminal tells nobody of its settings' change, so that it is asked.
    pub async fn taken(&self) {
        let until = Instant::now() + LIST_BEGINS;
        while self.keys && Settings::now().is_some_and(|now| now.lines()) && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// There is an answer, and nothing to put back.
    pub fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        if let Some(settings) = &self.settings {
            settings.put_back();
        }
        if self.screen.live {
            self.screen.show_cursor();
        }
        self.screen.note("\n");
    }
}

/// The terminal as it was before another program had it: put back when this is dropped, should that program not have.
#[derive(Debug)]
pub struct Lent(Option<Settings>);

impl Lent {
    /// Remembers it.
    pub fn now() -> Self {
        Self(Settings::now())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(settings) = &self.0 {
            settings.put_back();
        }
    }
}
