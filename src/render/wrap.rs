//! Sentences within the width of a terminal.

use super::sanitize_line;

/// Columns that text for people fits into.
pub const COLUMNS: usize = 80;

/// Wraps a sentence after a lead at [`COLUMNS`], with further lines indented like the first. The sentence is sanitized.
pub fn wrapped(lead: &str, sentence: &str) -> String {
    wrapped_at(lead, lead.chars().take_while(|c| *c == ' ').count() + 2, sentence)
}

/// Wraps a sentence after a lead, with further lines indented to a column.
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
