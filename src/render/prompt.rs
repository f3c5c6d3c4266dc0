//! Questions. The end of input is No, Ctrl-C is an interruption.

use super::Screen;
use crate::error::{Error, Exit, Result};
use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Confirm, Input, Select};

fn theme(screen: Screen) -> Box<dyn Theme> {
    if screen.err.0 { Box::new(ColorfulTheme::default()) } else { Box::new(SimpleTheme) }
}

/// dialoguer hands Ctrl-C on as an interrupted read, and the end of input as its end.
fn answer<T>(result: dialoguer::Result<T>, at_end: T) -> Result<T> {
    result.or_else(|dialoguer::Error::IO(error)| match error.kind() {
        std::io::ErrorKind::Interrupted => {
            Err(Error::new(Exit::Interrupted, "interrupted at the question; nothing was changed"))
        }
        std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::NotConnected => Ok(at_end),
        _ => Err(Error::failure("the answer cannot be read").because(error.to_string())),
    })
}

/// Yes or no; the default is No.
///
/// # Errors
/// Interrupted by Ctrl-C, or a terminal that cannot be read.
pub fn confirm(screen: Screen, question: &str) -> Result<bool> {
    let theme = theme(screen);
    let ask = Confirm::with_theme(theme.as_ref()).with_prompt(question).default(false);
    answer(ask.interact_opt(), None).map(|said| said == Some(true))
}

/// A name that must be typed out; the end of input is an empty one.
///
/// # Errors
/// Interrupted by Ctrl-C, or a terminal that cannot be read.
pub fn type_name(screen: Screen, question: &str) -> Result<String> {
    let theme = theme(screen);
    let ask = Input::<String>::with_theme(theme.as_ref()).with_prompt(question).allow_empty(true);
    answer(ask.interact_text(), String::new())
}

/// One of several; `None` where none was chosen (Esc, end of input).
///
/// # Errors
/// Interrupted by Ctrl-C, or a terminal that cannot be read.
pub fn choose(screen: Screen, question: &str, items: &[String]) -> Result<Option<usize>> {
    let theme = theme(screen);
    let ask = Select::with_theme(theme.as_ref()).with_prompt(question).items(items).default(0);
    answer(ask.interact_opt(), None)
}
