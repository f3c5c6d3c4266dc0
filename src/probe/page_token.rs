//! The token for storage pages, which no text ever shows, and whom it may be shown to: the pods that would be given a
//! password.

use crate::cli::{PageTokenArgs, SecretKey};
use crate::cluster::{Cluster, files, said};
use crate::error::{Error, Result};
use crate::topology::Topology;
use http::HeaderValue;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Largest file of a token, in bytes.
const LARGEST: u64 = 64 << 10;

/// The token for storage pages, if one was given.
#[derive(Clone, Debug, Default)]
pub struct PageToken {
    given: Given,
    /// Whether pods are who they seem to be, by namespace and name; of all others nothing is known.
    pods: Arc<BTreeMap<(String, String), std::result::Result<(), String>>>,
}

#[derive(Clone, Debug, Default)]
enum Given {
    /// None.
    #[default]
    Nothing,
    /// As the header `Authorization` has it. It is marked as sensitive, so that its `Debug` does not show it.
    Token(HeaderValue),
    /// In a Secret, which is not read yet.
    Secret(SecretKey),
    /// One was named and cannot be had, for this reason.
    Unread(String),
}

/// What one pod is shown.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Nothing: no token was given.
    Nothing,
    /// This header `Authorization`.
    Token(HeaderValue),
    /// Nothing although a token was given, for this reason.
    Withheld(String),
}

impl PageToken {
    /// Reads the file, where one is named; asks nobody.
    ///
    /// # Errors
    /// The file cannot be read, or holds no token (exit code 2).
    pub fn resolve(args: &PageTokenArgs) -> Result<Self> {
        let given = match (&args.page_token_file, &args.page_token_secret) {
            (Some(path), _) => Given::Token(of_file(path)?),
            (None, Some(secret)) => Given::Secret(secret.clone()),
            (None, None) => Given::Nothing,
        };
        Ok(Self { given, pods: Arc::default() })
    }

    /// The same, with the token of `--page-token-secret` where one was named: read now, of this namespace unless the flag
    /// names another.
    ///
    /// # Errors
    /// As [`Cluster::secret_value`]; what it holds is no token (exit code 2).
    pub async fn within(&self, cluster: &Cluster, namespace: &str, deadline: Duration) -> Result<Self> {
        let Given::Secret(SecretKey { namespace: named, name, key }) = &self.given else { return Ok(self.clone()) };
        let namespace = named.as_deref().unwrap_or(namespace);
        let value = cluster.secret_value(namespace, name, key, deadline).await?.into_bytes();
        let token = bearer(value, &format!("key {key:?} of Secret {namespace}/{name}"))?;
        Ok(Self { given: Given::Token(token), pods: self.pods.clone() })
    }

    /// The same; a Secret that cannot be read leaves no token, and the reason.
    pub async fn within_or_why(&self, cluster: &Cluster, namespace: &str, deadline: Duration) -> Self {
        let read = self.within(cluster, namespace, deadline).await;
        read.unwrap_or_else(|error| Self { given: Given::Unread(error.to_string()), pods: self.pods.clone() })
    }

    /// The same, with what is known of the members of a topology: only one that would be given a password is shown it.
    #[must_use]
    pub fn for_members_of(self, topology: &Topology) -> Self {
        let trusted = |member| topology.trusted(member);
        let pods = topology.members().map(|member| ((member.namespace.clone(), member.name.clone()), trusted(member)));
        Self { pods: Arc::new(pods.collect()), ..self }
    }

    /// What this pod is shown.
    pub fn for_pod(&self, namespace: &str, pod: &str) -> Shown {
        let token = match &self.given {
            Given::Nothing => return Shown::Nothing,
            Given::Token(token) => token,
            Given::Secret(_) => return Shown::Withheld("the token was not read".to_owned()),
            Given::Unread(why) => return Shown::Withheld(format!("the token was not read: {why}")),
        };
        match self.pods.get(&(namespace.to_owned(), pod.to_owned())) {
            Some(Ok(())) => Shown::Token(token.clone()),
            Some(Err(why)) => Shown::Withheld(format!("it is not shown the token: {why}")),
            None => Shown::Withheld("it is not shown the token: it is not known who owns its pod".to_owned()),
        }
    }
}

impl Shown {
    /// The header `Authorization`, if it is shown any.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        match self {
            Self::Token(token) => Some(token),
            Self::Nothing | Self::Withheld(_) => None,
        }
    }
}

fn of_file(path: &Path) -> Result<HeaderValue> {
    let shown = format!("the file {}", path.display());
    let read = files::whole(path, LARGEST);
    bearer(read.map_err(|error| Error::usage(format!("{shown} cannot be read")).because(said(&error)))?, &shown)
}

/// The header for what a file or a Secret holds. Editors end files with a line break, which is not the token's.
fn bearer(mut value: Vec<u8>, whence: &str) -> Result<HeaderValue> {
    if value.last() == Some(&b'\n') {
        value.pop();
        if value.last() == Some(&b'\r') {
            value.pop();
        }
    }
    // What it holds instead may be a secret as well, and is not said.
    let none = || Error::usage(format!("{whence} holds no token")).because("a token is one line of visible ASCII");
    if value.is_empty() || !value.iter().all(u8::is_ascii_graphic) {
        return Err(none());
    }
    let mut header = HeaderValue::from_bytes(&[b"Bearer ", &*value].concat()).map_err(|_| none())?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
#[path = "page_token_tests.rs"]
mod tests;
