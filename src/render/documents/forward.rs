//! `forward`.

use crate::render::opened::{At, Opened};
use crate::topology::forward_target::ForwardState;
use serde::Serialize;
use std::borrow::Cow;

/// A local port that is open, and where it leads.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Forward<'a> {
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// The pod that it leads to, or will.
    pub pod: &'a str,
    /// UID of that pod. Null while it leads nowhere.
    pub uid: Option<&'a str>,
    /// What a client connects to: `localhost`, or the address that was given. Null with `--socket`.
    pub address: Option<&'a str>,
    /// The local port. Null with `--socket`.
    pub port: Option<u16>,
    /// The Unix socket. Null without `--socket`.
    pub socket: Option<Cow<'a, str>>,
    /// The port in the pod.
    pub remote_port: u16,
    /// The psql command to connect with. Null if it does not lead to a database, or psql cannot find the socket.
    pub psql: Option<&'a str>,
    /// The command to connect with where it does not lead to a database. Null otherwise.
    pub command: Option<&'a str>,
}

impl<'a> From<&Opened<'a>> for Forward<'a> {
    fn from(opened: &Opened<'a>) -> Self {
        let (pod, uid) = match opened.standing {
            ForwardState::Ready { pod, uid } => (pod.as_str(), Some(uid.as_str())),
            ForwardState::NotReady(_) => (opened.member.name.as_str(), None),
        };
        let (psql, command) = if opened.sql { (opened.line, None) } else { (None, opened.line) };
        let (address, port, socket) = match opened.at {
            At::Port { host, port } => (Some(host.as_str()), Some(*port), None),
            At::Socket(path) => (None, None, Some(path.to_string_lossy())),
        };
        Self {
            namespace: &opened.member.namespace,
            pod,
            uid,
            address,
            port,
            socket,
            remote_port: opened.remote_port,
            psql,
            command,
        }
    }
}
