//! A forward: what it leads to, the line to paste, and what happens to it.

use super::machine::API_VERSION;
use super::{Paint, harmless, wrapped, wrapped_at};
use crate::topology::Member;
use crate::topology::lead::Standing;
use serde_json::{Value, json};

/// A forward that is open.
#[derive(Clone, Debug)]
pub struct Opened<'f> {
    /// The member that was asked for.
    pub member: &'f Member,
    /// Where it leads at the moment.
    pub standing: &'f Standing,
    /// What a client connects to: `localhost`.
    pub host: &'f str,
    /// The local port.
    pub port: u16,
    /// The pod's port.
    pub remote_port: u16,
    /// The line to paste.
    pub line: &'f str,
    /// Whether that line runs psql.
    pub sql: bool,
}

/// What is said before the line: what it leads to, and where nowhere as yet, why.
pub fn leads(opened: &Opened<'_>, paint: Paint) -> String {
    let Opened { member, host, port, remote_port, .. } = opened;
    let host = if host.contains(':') { format!("[{host}]") } else { (*host).to_owned() };
    let to = format!("{host}:{port} leads to port {remote_port} of {}, a {}.", member.path(), member.role);
    let mut text = wrapped_at("", 2, &to);
    if let Standing::Nobody(why) = opened.standing {
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

/// The one line of JSON.
pub fn machine(opened: &Opened<'_>) -> String {
    let (pod, uid) = match opened.standing {
        Standing::Ready { pod, uid } => (pod, Value::from(uid.as_str())),
        Standing::Nobody(_) => (&opened.member.name, Value::Null),
    };
    let (psql, url) = if opened.sql { (Some(opened.line), None) } else { (None, Some(opened.line)) };
    let document = json!({
        "apiVersion": API_VERSION,
        "kind": "Forward",
        "namespace": opened.member.namespace,
        "pod": pod,
        "uid": uid,
        "address": opened.host,
        "port": opened.port,
        "remotePort": opened.remote_port,
        "psql": psql,
        "command": url,
    });
    format!("{document}\n")
}

/// The forward leads elsewhere, or nowhere: told when it changes.
pub fn standing(standing: &Standing, paint: Paint) -> String {
    match standing {
        Standing::Ready { pod, uid } => {
            let short: String = uid.chars().take(8).collect();
            format!("{} the forward leads to {} again (UID {}…)\n", paint.ok("note:"), harmless(pod), harmless(&short))
        }
        Standing::Nobody(why) => note(&format!("{why}; new connections wait for its successor"), paint),
    }
}

/// Something to know.
pub fn note(sentence: &str, paint: Paint) -> String {
    // Wrapped by what is seen, not by what colours it.
    wrapped("note: ", sentence).replacen("note:", &paint.warn("note:"), 1)
}
