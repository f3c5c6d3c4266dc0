//! Values in, text out. The only place that writes to the terminal, and the only one that asks whether it is one.

pub mod age;
mod columns;
pub mod completion;
pub mod documents;
pub mod error;
pub mod forward;
mod harmless;
pub mod history;
#[cfg(test)]
mod hostile;
pub mod layout;
pub mod live;
pub mod machine;
pub mod outcome;
pub mod plan;
pub mod progress;
pub mod prompt;
pub mod rbac;
pub mod reach;
pub mod schema;
mod settings;
pub mod status;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod undo_tests;
pub mod verify;

pub use self::harmless::{harmless, is_harmful};
use crate::cli::Color;
use owo_colors::{OwoColorize, Style};
use std::io::{self, IsTerminal, Write};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

/// Colours have meanings; none is carried by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint(
    /// Whether to colour at all.
    pub bool,
);

impl Paint {
    fn with(self, style: Style, text: impl AsRef<str>) -> String {
        // What is painted is within a line.
        let text = harmless(text.as_ref());
        if self.0 { text.style(style).to_string() } else { text }
    }

    /// All is well.
    pub fn ok(self, text: impl AsRef<str>) -> String {
        self.with(Style::new().green(), text)
    }

    /// Something to know.
    pub fn warn(self, text: impl AsRef<str>) -> String {
        self.with(Style::new().yellow(), text)
    }

    /// Something is wrong.
    pub fn bad(self, text: impl AsRef<str>) -> String {
        self.with(Style::new().red().bold(), text)
    }

    /// What to do next.
    pub fn hint(self, text: impl AsRef<str>) -> String {
        self.with(Style::new().cyan(), text)
    }

    /// The verdict, and headings.
    pub fn strong(self, text: impl AsRef<str>) -> String {
        self.with(Style::new().bold(), text)
    }
}

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
        let text = harmless::passed(text, self.out.0);
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
    }

    /// Writes what is not a result (progress, warnings, errors) to standard error.
    pub fn note(&self, text: &str) {
        let mut err = io::stderr().lock();
        let text = harmless::passed(text, self.err.0);
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    /// Shows the cursor again that a list has hidden.
    fn show_cursor(&self) {
        let mut err = io::stderr().lock();
        let _ = err.write_all(b"\x1b[?25h").and_then(|()| err.flush());
    }
}

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
        .with_writer(|| harmless::Passed(io::stderr()))
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

/// Text for people fits this many columns.
pub const COLUMNS: usize = 80;

/// A sentence under a lead, broken between words at [`COLUMNS`], its further lines indented like the first. What comes
/// from elsewhere is made harmless.
pub fn wrapped(lead: &str, sentence: &str) -> String {
    wrapped_at(lead, lead.chars().take_while(|c| *c == ' ').count() + 2, sentence)
}

/// The same with its further lines indented to a column.
pub fn wrapped_at(lead: &str, indent: usize, sentence: &str) -> String {
    let indent = " ".repeat(indent);
    let mut text = String::from(lead);
    let mut column = lead.chars().count();
    let mut first = true;
    for word in harmless(sentence).split_whitespace() {
        let length = word.chars().count();
        if !first && column + 1 + length > COLUMNS {
            text.push('\n');
            text.push_str(&indent);
            column = indent.len();
        } else if !first {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
        first = false;
    }
    text.push('\n');
    text
}

/// `1 table`, `2 tables`.
pub fn count(number: usize, noun: &str) -> String {
    crate::probe::compare::counted(number as u64, noun)
}
