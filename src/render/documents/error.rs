//! An error.

use crate::error::Error as Failure;
use serde::Serialize;

/// Why a command failed. The last document, where documents are one a line.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Error<'a> {
    /// The exit code.
    #[cfg_attr(test, schemars(extend("enum" = [1, 2, 4, 5, 6, 7, 8, 130])))]
    pub exit_code: u8,
    /// What went wrong.
    pub message: &'a str,
    /// Why: the causes, the outermost first.
    pub reasons: &'a [String],
    /// What to do next: commands, flags or advice.
    pub next: &'a [String],
}

impl<'a> From<&'a Failure> for Error<'a> {
    fn from(error: &'a Failure) -> Self {
        Self { exit_code: error.exit.code(), message: &error.what, reasons: &error.why, next: &error.hints }
    }
}
