//! Sentences within the width of a terminal.

use super::sanitize_line;

/// Text for people fits this many columns.
pub const COLUMNS: usize = 80;

/// A sentence under a lead, broken between words at [`COLUMNS`], its further lines indented like the first. What comes
/// from elsewhere is sanitized.
pub fn wrapped(lead: &str, sentence: &str) -> String {
    wrapped_at(lead, lead.chars().take_while(|c| *c == ' ').count() + 2, sentence)
}

/// The same with its further lines indented to a column.
pub fn wrapped_at(lead: &str, indent: usize, sentence: &str) -> String {
    let indent = " ".repeat(indent);
    let mut text = String::from(lead);
    let mut column = lead.chars().count();
    let mut first = true;
    for word in sanitize_line(sentence).split_whitespace() {
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
