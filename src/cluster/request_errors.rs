//! Errors inside a library's own error: code that walks the chain of causes finds them by their type.

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
#[error("no response within {}", format_duration(*.0))]
pub(super) struct DeadlinePassed(pub(super) Duration);

/// A duration as people write it: `250 ms`, `2 s`, `1m30s`.
pub(super) fn format_duration(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    match seconds {
        0 => format!("{millis} ms"),
        1..=59 if millis > 0 => format!("{}.{} s", seconds, millis / 100),
        1..=59 => format!("{seconds} s"),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{}m{}s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_words() {
        for (millis, words) in
            [(250, "250 ms"), (2000, "2 s"), (2500, "2.5 s"), (60_000, "1m"), (90_000, "1m30s"), (600_000, "10m")]
        {
            assert_eq!(format_duration(Duration::from_millis(millis)), words);
        }
    }
}
