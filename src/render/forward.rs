//! A port forward: its destination, the line to paste, and its changes.

use super::documents::{Forward, Kind, document};
pub(crate) use super::opened::{At, Opened};
use super::{Paint, sanitize_line, wrapped, wrapped_at};
use crate::topology::forward_target::ForwardState;
use serde_json::Value;

/// Renders the destination, for above the line to paste, and why it is not available yet.
pub(crate) fn destination(opened: &Opened<'_>, paint: Paint) -> String {
    let Opened { member, at, remote_port, .. } = opened;
    let to = format!("Forwarding {at} -> {}:{remote_port} ({})", member.path(), member.role);
    let mut text = wrapped_at("", 2, &to);
    if let ForwardState::NotReady(why) = opened.standing {
        text.push_str(&unavailable(why, paint));
    }
    text
}

/// Renders why the destination is not available.
pub(crate) fn unavailable(why: &str, paint: Paint) -> String {
    note(&format!("{why}; connections wait until it is Ready"), paint)
}

/// Text below the line to paste.
pub(crate) const ENDS: &str = "Survives pod replacement. Press Ctrl-C to stop.\n";

/// Returns the machine-readable document.
pub(crate) fn machine(opened: &Opened<'_>) -> Value {
    document(Kind::Forward, &Forward::from(opened))
}

/// Renders a change of the destination.
pub(crate) fn changed(standing: &ForwardState, paint: Paint) -> String {
    match standing {
        ForwardState::Ready { pod, uid } => {
            let short: String = uid.chars().take(8).collect();
            format!("{} reconnected to {} (UID {}…)\n", paint.ok("note:"), sanitize_line(pod), sanitize_line(&short))
        }
        ForwardState::NotReady(why) => note(&format!("{why}; new connections wait for its replacement"), paint),
    }
}

/// Renders a note.
pub(crate) fn note(sentence: &str, paint: Paint) -> String {
    // Wrapped by visible width, without colors.
    wrapped("note: ", sentence).replacen("note:", &paint.warn("note:"), 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ACCOUNT, snapshot};
    use crate::topology::{Layout, build};
    use serde_json::{Value, json};

    const PLAIN: Paint = Paint(false);

    fn all(standing: &ForwardState, host: &str) -> (String, Value) {
        let topology = build(&snapshot(&[ACCOUNT]), &Layout::shipped().unwrap());
        let opened = Opened {
            member: topology.members().next().unwrap(),
            standing,
            at: &At::Port { host: host.to_owned(), port: 15432 },
            remote_port: 5432,
            line: Some("psql -h localhost -p 15432 -U gpadmin -d postgres"),
            sql: true,
        };
        (destination(&opened, PLAIN), machine(&opened))
    }

    #[test]
    fn the_destination_fits_80_columns() {
        let ready = ForwardState::Ready { pod: "cloudberry-proxy-0".into(), uid: "0d044d8b-1".into() };
        let (text, document) = all(&ready, "localhost");
        assert_eq!(
            text,
            "Forwarding localhost:15432 ->\n  \
             cloud007-513d75d5-3033-4649-b913-07f6115ec41a/cloudberry-proxy-0:5432\n  (warehouse proxy)\n"
        );
        assert_eq!((&document["uid"], &document["address"]), (&json!("0d044d8b-1"), &json!("localhost")));
        let (text, document) = all(&ForwardState::NotReady("the pod is not Ready (Pending)".into()), "::1");
        assert!(text.starts_with("Forwarding [::1]:15432 ->"), "{text}");
        assert!(
            text.ends_with("\nnote: the pod is not Ready (Pending); connections wait until it is Ready\n"),
            "{text}"
        );
        assert_eq!((&document["uid"], &document["pod"]), (&Value::Null, &json!("cloudberry-proxy-0")));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    /// Text from the cluster must not control the terminal.
    #[test]
    fn a_change_is_one_line() {
        let gone = ForwardState::NotReady("the pod is not Ready (\u{1b}[2J)".into());
        let text = changed(&gone, PLAIN);
        assert_eq!(text, "note: the pod is not Ready (\u{fffd}[2J); new connections wait for its replacement\n");
        assert!(changed(&gone, Paint(true)).starts_with("\u{1b}[33mnote:\u{1b}[0m the pod"), "{text:?}");
        let ready = ForwardState::Ready { pod: "p-0".into(), uid: "0d044d8b-513d".into() };
        assert_eq!(changed(&ready, PLAIN), "note: reconnected to p-0 (UID 0d044d8b…)\n");
    }
}
