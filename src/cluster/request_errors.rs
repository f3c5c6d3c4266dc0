//! Errors inside a library's own error: code that walks the chain of causes finds them by their type.

use crate::duration;
use std::time::Duration;

/// A credential plugin that returned no credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("credential plugin `{command}`: {reason}")]
pub(super) struct PluginFailed {
    /// The command as it was run, with its arguments but without the values of options.
    pub(super) command: String,
    /// What happened, with the plugin's own message.
    pub(super) reason: String,
    /// The kubeconfig's `installHint`, if the command was not found.
    pub(super) install: Option<String>,
}

/// No answer came in time.
#[derive(Debug, thiserror::Error)]
#[error("no response within {}", duration::format(*.0))]
pub(super) struct DeadlinePassed(pub(super) Duration);
