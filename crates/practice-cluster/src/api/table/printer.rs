//! How a kind is shown.

use jiff::Timestamp;
use serde_json::Value;

/// A column's heading and its priority (0: always, 1: wide).
pub(super) type Column = (&'static str, u8);

/// How a kind is shown: its columns, and a function from an object to its cells.
pub(super) struct Printer {
    pub(super) columns: &'static [Column],
    pub(super) cells: fn(&Value, Timestamp) -> Vec<Value>,
}
