//! Plurals, lists and text on one line. Pure.

use std::fmt::Display;

/// Most items of a list that are named.
const NAMED: usize = 3;

/// Returns a number with its noun: `1 table`, `2 tables`.
pub(crate) fn counted<N: Display + PartialEq + From<u8>>(number: N, noun: &str) -> String {
    let ending = plural(number == N::from(1));
    format!("{number} {noun}{ending}")
}

/// Returns the noun for so many things, without the number: `volume`, `volumes`.
pub(crate) fn noun(number: usize, noun: &str) -> String {
    format!("{noun}{}", plural(number == 1))
}

fn plural(is_one: bool) -> &'static str {
    if is_one { "" } else { "s" }
}

/// Returns names with their verb: `a is`, `a, b are`.
pub(crate) fn are(names: &[&str]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// Returns the first three items, and how many more there are: `a; b; c and 2 more`.
pub(crate) fn first_few(items: &[String]) -> String {
    let shown = items.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
    match items.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Returns a text on one line: each run of white space becomes a single space.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns whether a character does more than show itself: controls (C0, DEL, C1), line and paragraph separators, marks that
/// change the direction of text, characters without width, tags.
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_singular_and_every_other_number_plural() {
        assert_eq!([0_u64, 1, 2].map(|number| counted(number, "row")), ["0 rows", "1 row", "2 rows"]);
        assert_eq!([0_usize, 1, 2].map(|number| counted(number, "pod")), ["0 pods", "1 pod", "2 pods"]);
        assert_eq!([0, 1, 2].map(|number| noun(number, "volume")), ["volumes", "volume", "volumes"]);
        assert_eq!((are(&["a"]), are(&["a", "b"])), ("a is".to_owned(), "a, b are".to_owned()));
    }

    #[test]
    fn a_long_list_says_how_many_more_there_are() {
        let items: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).into();
        assert_eq!(
            [0, 1, 3, 4, 5].map(|length| first_few(&items[..length])),
            ["", "a", "a; b; c", "a; b; c and 1 more", "a; b; c and 2 more"]
        );
    }

    #[test]
    fn white_space_of_every_kind_is_one_space() {
        assert_eq!(one_line("  a\n\tb\r\n  c "), "a b c");
    }
}
