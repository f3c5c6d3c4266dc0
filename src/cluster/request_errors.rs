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

/// The proxy to the API server did not lead there.
#[derive(Debug, thiserror::Error)]
#[error("the proxy {proxy}")]
pub(super) struct ProxyFailed {
    /// Its address, without its login.
    pub(super) proxy: String,
    /// What happened.
    #[source]
    pub(super) source: tower::BoxError,
}

/// The server sent a redirection, which is not followed: the credentials would go along.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the server redirects to {target} (status {code}): that is a login page or a proxy, not a Kubernetes API server"
)]
pub(super) struct Redirected {
    /// HTTP status.
    pub(super) code: u16,
    /// Scheme and host of where it leads; the rest may contain secrets.
    pub(super) target: String,
}
