//! The output streams.

use super::paint::Paint;
use super::sanitize;
use crate::cli::Color;
use std::io::{self, IsTerminal, Write};

/// The standard streams, and what they support.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Colors of standard output.
    pub out: Paint,
    /// Colors of standard error.
    pub err: Paint,
    /// Whether standard input and standard error are a terminal, so that a prompt is possible.
    pub interactive: bool,
    /// Whether standard error can be redrawn in place.
    pub live: bool,
    /// Whether standard output can be redrawn in place.
    pub redraws: bool,
    /// Columns of standard output, if it is a terminal.
    pub room: usize,
}

impl Screen {
    /// Detects the standard streams, NO_COLOR (<https://no-color.org>) and TERM.
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

    /// Writes a result to standard output. A closed pipe is not an error.
    pub fn result(&self, text: &str) {
        self.reaches(text);
    }

    /// Writes a result to standard output. Returns whether the reader is still there.
    pub fn reaches(&self, text: &str) -> bool {
        let mut out = io::stdout().lock();
        let text = sanitize::sanitize_text(text, self.out.0);
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
    }

    /// Writes progress, warnings and errors to standard error.
    pub fn note(&self, text: &str) {
        let mut err = io::stderr().lock();
        let text = sanitize::sanitize_text(text, self.err.0);
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    /// Shows the cursor again after a list has hidden it.
    pub(super) fn show_cursor(&self) {
        let mut err = io::stderr().lock();
        let _ = err.write_all(b"\x1b[?25h").and_then(|()| err.flush());
    }
}
