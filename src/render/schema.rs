//! `schema`: the document kinds, for people.

use super::columns::columns;
use super::documents::Kind;

/// Renders all kinds, and the command that prints each.
pub(crate) fn table() -> String {
    rows(Kind::ALL)
}

/// Renders one kind.
pub(crate) fn row(kind: Kind) -> String {
    rows(&[kind])
}

/// Renders `schema/Status`.
pub(crate) fn name(kind: Kind) -> String {
    format!("schema/{}\n", kind.name())
}

fn rows(kinds: &[Kind]) -> String {
    let row = |kind: &Kind| vec![kind.name().to_owned(), kind.printed_by().to_owned()];
    columns(&["KIND", "PRINTED BY"], true, kinds.iter().map(row))
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
