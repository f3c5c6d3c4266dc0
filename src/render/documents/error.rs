//! An error.

use crate::error::Error as Failure;
use crate::suggestion::Suggestion;
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
    /// What to do next: complete commands, with the connection flags that were given.
    pub next: Vec<String>,
    /// What to do next, in words.
    pub hints: Vec<&'a str>,
}

impl<'a> From<&'a Failure> for Error<'a> {
    fn from(error: &'a Failure) -> Self {
        let (mut next, mut hints) = (Vec::new(), Vec::new());
        for suggestion in &error.hints {
            match suggestion {
                Suggestion::Command(command) => next.push(command.command_line()),
                Suggestion::Advice(words) => hints.push(words.as_str()),
            }
        }
        Self { exit_code: error.exit.code(), message: &error.what, reasons: &error.why, next, hints }
    }
}
