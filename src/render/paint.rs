//! Colors, if a stream supports them.

use super::sanitize::sanitize_line;
use owo_colors::{OwoColorize, Style};

/// Colors have meanings; no meaning is carried by color alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint(
    /// Whether to use colors.
    pub bool,
);

impl Paint {
    fn with(self, style: Style, text: impl AsRef<str>) -> String {
        // Painted text stays within a line.
        let text = sanitize_line(text.as_ref());
        if self.0 { text.style(style).to_string() } else { text }
    }

    /// Success.
    pub fn ok(self, text: impl AsRef<str>) -> String {
        self.with(Style::new().green(), text)
    }

    /// A warning.
    pub fn warn(self, text: impl AsRef<str>) -> String {
        self.with(Style::new().yellow(), text)
    }

    /// A failure.
    pub fn bad(self, text: impl AsRef<str>) -> String {
        self.with(Style::new().red().bold(), text)
    }

    /// A next command.
    pub fn hint(self, text: impl AsRef<str>) -> String {
        self.with(Style::new().cyan(), text)
    }

    /// The verdict, and headings.
    pub fn strong(self, text: impl AsRef<str>) -> String {
        self.with(Style::new().bold(), text)
    }
}
