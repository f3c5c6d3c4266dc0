//! Foreign text on its way to a terminal. Names, messages and values come from other machines: they must not control the
//! terminal, hide or reorder text beside them, or imitate lines of ours.
//!
//! In two places: text that is put into a line goes through [`sanitize_line`], so that it stays within the line; and everything
//! that is written passes [`sanitize_text`], which removes all terminal control except the colors of [`Paint`](super::Paint).

pub use crate::text::is_harmful;
use std::borrow::Cow;
use std::io::{self, Write};

/// Returns whether a character is a tab or a line end of any kind.
fn is_break(c: char) -> bool {
    matches!(c, '\t'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Returns text that is safe to show within a line, with the same number of characters.
pub fn sanitize_line(text: &str) -> String {
    let shown = |c| match c {
        _ if is_break(c) => ' ',
        _ if is_harmful(c) => '\u{fffd}',
        _ => c,
    };
    text.chars().map(shown).collect()
}

/// Returns text that is safe to write: lines, and colors if these are on, without other terminal control.
pub(super) fn sanitize_text(text: &str, colours: bool) -> Cow<'_, str> {
    if !text.contains(|c| is_harmful(c) && c != '\n' && c != '\t') {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match colour(rest).filter(|_| colours) {
            Some(length) => {
                safe.push_str(&rest[..length]);
                rest = &rest[length..];
                continue;
            }
            None if is_harmful(c) && c != '\n' && c != '\t' => safe.push('\u{fffd}'),
            None => safe.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    Cow::Owned(safe)
}

/// Returns the length of the color code that a text begins with: only bold, dim, italic, underline, one of six colors, or a
/// reset. Nothing that hides text: no background, no conceal, no black.
fn colour(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("\u{1b}[")?;
    let parameters = &rest[..rest.find(|c: char| !c.is_ascii_digit() && c != ';')?];
    let ours = |code: &str| {
        matches!(code, "" | "0" | "1" | "2" | "3" | "4" | "22" | "23" | "24" | "39")
            || matches!(code.parse(), Ok(31..=36))
    };
    let length = "\u{1b}[".len() + parameters.len() + 1;
    (rest[parameters.len()..].starts_with('m') && parameters.split(';').all(ours)).then_some(length)
}

/// Returns JSON text with the same meaning and with harmful characters escaped: JSON itself requires that for C0 controls only.
pub(super) fn escaped(json: &str) -> Cow<'_, str> {
    let harmful = |c| is_harmful(c) && c != '\n';
    if !json.contains(harmful) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if harmful(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(c);
        }
    }
    Cow::Owned(text)
}

/// A writer that applies [`sanitize_text`], without colors.
#[derive(Debug)]
pub(super) struct Sanitized<W>(pub(super) W);

impl<W: Write> Write for Sanitized<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(sanitize_text(&String::from_utf8_lossy(bytes), false).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_stands_in_its_place() {
        for (text, expected) in [
            ("wh9527-0 ist fällig – 日本", "wh9527-0 ist fällig – 日本"),
            ("a\nb\r\nc\td", "a b  c d"),
            ("\u{1b}[2J\u{7}\u{7f}\u{9b}31m", "\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}31m"),
            ("a\u{85}b\u{2028}c\u{2029}d\u{b}e\u{c}f", "a b c d e f"),
            ("\u{202e}txt\u{2066}\u{200f}\u{61c}", "\u{fffd}txt\u{fffd}\u{fffd}\u{fffd}"),
            ("a\u{200b}\u{200d}\u{feff}\u{ad}\u{e0041}b", "a\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}b"),
        ] {
            let shown = sanitize_line(text);
            assert_eq!(shown, expected);
            assert_eq!(shown.chars().count(), text.chars().count());
        }
    }

    #[test]
    fn colors_pass_and_no_other_terminal_control() {
        for (text, coloured, plain) in [
            ("a\n\tb", "a\n\tb", "a\n\tb"),
            ("\u{1b}[31;1mx\u{1b}[0m", "\u{1b}[31;1mx\u{1b}[0m", "\u{fffd}[31;1mx\u{fffd}[0m"),
            ("\u{1b}[mx", "\u{1b}[mx", "\u{fffd}[mx"),
            ("\u{1b}[8mx", "\u{fffd}[8mx", "\u{fffd}[8mx"),
            ("\u{1b}[31;40mx", "\u{fffd}[31;40mx", "\u{fffd}[31;40mx"),
            ("\u{1b}[30m", "\u{fffd}[30m", "\u{fffd}[30m"),
            ("\u{1b}[2J\u{1b}[1;1H", "\u{fffd}[2J\u{fffd}[1;1H", "\u{fffd}[2J\u{fffd}[1;1H"),
            ("\u{1b}]0;t\u{7}\u{1b}[31", "\u{fffd}]0;t\u{fffd}\u{fffd}[31", "\u{fffd}]0;t\u{fffd}\u{fffd}[31"),
            ("a\rb\u{2028}\u{9b}1m", "a\u{fffd}b\u{fffd}\u{fffd}1m", "a\u{fffd}b\u{fffd}\u{fffd}1m"),
        ] {
            assert_eq!((&*sanitize_text(text, true), &*sanitize_text(text, false)), (coloured, plain), "{text:?}");
        }
    }

    #[test]
    fn escaped_json_means_the_same() {
        let value = serde_json::json!({"a\u{9b}": "\n\t\u{1b}\u{7f}\u{85}\u{202e}\u{200b}\u{feff}\u{e0041}ü"});
        for text in [value.to_string(), format!("{value:#}")] {
            let escaped = escaped(&text);
            assert!(!escaped.contains(|c| is_harmful(c) && c != '\n'), "{escaped:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
        }
    }

    #[test]
    fn a_writer_lets_no_color_through() {
        let mut seen = Vec::new();
        Sanitized(&mut seen).write_all("a\u{1b}[31m\n".as_bytes()).unwrap();
        assert_eq!(String::from_utf8(seen).unwrap(), "a\u{fffd}[31m\n");
    }
}
