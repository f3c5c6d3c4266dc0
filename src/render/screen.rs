//! Where output goes.

use super::paint::Paint;
use super::sanitize;
use crate::cli::Color;
use std::io::{self, IsTerminal, Write};

/// The terminal, or what stands in its place.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Colours of standard output.
    pub out: Paint,
    /// Colours of standard error.
    pub err: Paint,
    /// Whether standard input and standard error are a terminal, so that a question can be asked.
    pub interactive: bool,
    /// Whether standard error can be redrawn in place.
    pub live: bool,
    /// Whether standard output can.
    pub redraws: bool,
    /// How many columns standard output has, where it is a terminal.
    pub room: usize,
}

impl Screen {
    /// Looks at the standard streams, at NO_COLOR (<https://no-color.org>) and at TERM.
    pub fn new(color: Color) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let paint = |terminal: bool| {
            Paint(match color {
                Color::Always => true,
                Color::Never => false,
                Color::Auto => terminal && !dumb && !no_color,
            })
        };
        let out_terminal = io::stdout().is_terminal();
        let err_terminal = io::stderr().is_terminal();
        Self {
            out: paint(out_terminal),
            err: paint(err_terminal),
            interactive: io::stdin().is_terminal() && err_terminal,
            live: err_terminal && !dumb,
            redraws: out_terminal && !dumb,
            room: console::Term::stdout().size_checked().map_or(usize::MAX, |(_, columns)| usize::from(columns)),
        }
    }

    /// Writes a result to standard output. A reader that has gone away is not an error.
    pub fn result(&self, text: &str) {
        self.reaches(text);
    }

    /// The same; whether somebody still reads it.
    pub fn reaches(&self, text: &str) -> bool {
        let mut out = io::stdout().lock();
        let text = sanitize::sanitize_text(text, self.out.0);
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
    }

    /// Writes what is not a result (progress, warnings, errors) to standard error.
    pub fn note(&self, text: &str) {
        let mut err = io::stderr().lock();
        let text = sanitize::sanitize_text(text, self.err.0);
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    /// Shows the cursor again that a list has hidden.
    pub(super) fn show_cursor(&self) {
        let mut err = io::stderr().lock();
        let _ = err.write_all(b"\x1b[?25h").and_then(|()| err.flush());
    }
}
