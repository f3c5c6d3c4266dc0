//! Colours, where a stream takes them.

use super::sanitize::sanitize_line;
use owo_colors::{OwoColorize, Style};

/// Colours have meanings; none is carried by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint(
    /// Whether to colour at all.
    pub bool,
);

impl Paint {
    fn with(self, style: Style, text: impl AsRef<str>) -> String {
        // What is painted is within a line.
        let text = sanitize_line(text.as_ref());
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
