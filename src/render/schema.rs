//! `schema`: the kinds of document, for people.

use super::documents::Kind;
use tabled::builder::Builder;
use tabled::settings::{Padding, Style};

/// All kinds, and what prints each.
pub fn table() -> String {
    rows(Kind::ALL)
}

/// One of them.
pub fn row(kind: Kind) -> String {
    rows(&[kind])
}

/// `schema/Status`.
pub fn name(kind: Kind) -> String {
    format!("schema/{}\n", kind.name())
}

fn rows(kinds: &[Kind]) -> String {
    let mut builder = Builder::default();
    builder.push_record(["KIND", "PRINTED BY"]);
    for kind in kinds {
        builder.push_record([kind.name(), kind.printed_by()]);
    }
    let mut table = builder.build();
    table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
    table.to_string().lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_80_columns_for_each_kind() {
        insta::assert_snapshot!("schema", table());
        assert!(table().lines().all(|line| line.chars().count() <= super::super::COLUMNS));
    }
}
