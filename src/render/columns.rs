//! Columns as kubectl prints them: two spaces between them, none after the last.

use tabled::builder::Builder;
use tabled::settings::{Padding, Style};

/// Renders rows below their headings, or without headings. A cell may have several lines. Without headings a program reads
/// the rows: an empty cell, which it would not see, is `<none>`.
pub(super) fn columns(head: &[&str], headings: bool, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut builder = Builder::default();
    if headings {
        builder.push_record(head.iter().copied());
    }
    for mut row in rows {
        if !headings {
            row.iter_mut().filter(|cell| cell.is_empty()).for_each(|cell| "<none>".clone_into(cell));
        }
        builder.push_record(row);
    }
    let mut table = builder.build();
    table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
    let text = table.to_string();
    text.lines().filter(|line| !line.is_empty()).map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect()
    }

    #[test]
    fn cells_stand_under_their_headings_however_wide_their_letters_and_whatever_their_colour() {
        let text = columns(
            &["NAME", "STATE", "AGE"],
            true,
            rows(&[&["データ-0", "\u{1b}[32mBound\u{1b}[39m", "3m"], &["a", "x\ny", ""], &["", "Terminating", "1h"]]),
        );
        let plain = text.replace("\u{1b}[32m", "").replace("\u{1b}[39m", "");
        assert_eq!(
            plain,
            "NAME      STATE        AGE\n\
             データ-0  Bound        3m\n\
             a         x\n          y\n          Terminating  1h\n"
        );
    }

    #[test]
    fn without_headings_every_row_has_as_many_words() {
        let text = columns(&["NAME", "STATE"], false, rows(&[&["a", ""], &["", "Bound"]]));
        assert_eq!(text, "a       <none>\n<none>  Bound\n");
        assert_eq!(columns(&["NAME"], false, Vec::new()), "");
    }
}
