//! Errors that travel inside a library's own: whoever reads its chain of causes finds them again by their type.

use crate::duration;
use std::time::Duration;

/// A plugin that gave no credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("credential plugin `{command}`: {reason}")]
pub(super) struct PluginFailed {
    /// The command as it was run; its arguments too, as a person would type them, without what options were given.
    pub(super) command: String,
    /// What happened, with what the plugin itself said.
    pub(super) reason: String,
    /// The kubeconfig's `installHint`, where the command was not found.
    pub(super) install: Option<String>,
}

/// No answer came in time.
#[derive(Debug, thiserror::Error)]
#[error("no response within {}", duration::format(*.0))]
pub(super) struct DeadlinePassed(pub(super) Duration);
