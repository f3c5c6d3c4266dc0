//! A forward: what it leads to, the line to paste, and what happens to it.

use super::documents::{Forward, Kind, document};
pub use super::opened::{At, Opened};
use super::{Paint, sanitize_line, wrapped, wrapped_at};
use crate::topology::forward_target::ForwardState;
use serde_json::Value;

/// What is said before the line: what it leads to, and where nowhere as yet, why.
pub fn leads(opened: &Opened<'_>, paint: Paint) -> String {
    let Opened { member, at, remote_port, .. } = opened;
    let to = format!("{at} leads to port {remote_port} of {}, a {}.", member.path(), member.role);
    let mut text = wrapped_at("", 2, &to);
    if let ForwardState::NotReady(why) = opened.standing {
        text.push_str(&nobody(why, paint));
    }
    text
}

/// It leads nowhere as yet, and why.
pub fn nobody(why: &str, paint: Paint) -> String {
    note(&format!("{why}; connections wait until it is Ready"), paint)
}

/// What is said after the line.
pub const ENDS: &str = "It outlives the pod. Ctrl-C ends it.\n";

/// For programs.
pub fn machine(opened: &Opened<'_>) -> Value {
    document(Kind::Forward, &Forward::from(opened))
}

/// The forward leads elsewhere, or nowhere: told when it changes.
pub fn standing(standing: &ForwardState, paint: Paint) -> String {
    match standing {
        ForwardState::Ready { pod, uid } => {
            let short: String = uid.chars().take(8).collect();
            format!(
                "{} the forward leads to {} again (UID {}…)\n",
                paint.ok("note:"),
                sanitize_line(pod),
                sanitize_line(&short)
            )
        }
        ForwardState::NotReady(why) => note(&format!("{why}; new connections wait for its successor"), paint),
    }
}

/// Something to know.
pub fn note(sentence: &str, paint: Paint) -> String {
    // Wrapped by what is seen, not by what colours it.
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
        (leads(&opened, PLAIN), machine(&opened))
    }

    #[test]
    fn what_it_leads_to_fits_80_columns() {
        let ready = ForwardState::Ready { pod: "cloudberry-proxy-0".into(), uid: "0d044d8b-1".into() };
        let (text, document) = all(&ready, "localhost");
        assert_eq!(
            text,
            "localhost:15432 leads to port 5432 of\n  \
             cloud007-513d75d5-3033-4649-b913-07f6115ec41a/cloudberry-proxy-0, a warehouse\n  proxy.\n"
        );
        assert_eq!((&document["uid"], &document["address"]), (&json!("0d044d8b-1"), &json!("localhost")));
        let (text, document) = all(&ForwardState::NotReady("the pod is not Ready (Pending)".into()), "::1");
        assert!(text.starts_with("[::1]:15432 leads"), "{text}");
        assert!(
            text.ends_with("\nnote: the pod is not Ready (Pending); connections wait until it is Ready\n"),
            "{text}"
        );
        assert_eq!((&document["uid"], &document["pod"]), (&Value::Null, &json!("cloudberry-proxy-0")));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    /// Words of the cluster must not drive the terminal.
    #[test]
    fn what_changed_is_said_in_a_line() {
        let nobody = ForwardState::NotReady("the pod is not Ready (\u{1b}[2J)".into());
        let said = standing(&nobody, PLAIN);
        assert_eq!(said, "note: the pod is not Ready (\u{fffd}[2J); new connections wait for its successor\n");
        assert!(standing(&nobody, Paint(true)).starts_with("\u{1b}[33mnote:\u{1b}[0m the pod"), "{said:?}");
        let ready = ForwardState::Ready { pod: "p-0".into(), uid: "0d044d8b-513d".into() };
        assert_eq!(standing(&ready, PLAIN), "note: the forward leads to p-0 again (UID 0d044d8b…)\n");
    }
}
