//! Access to storage components' status endpoints: the token, which no text ever shows and which only pods that would
//! be given a password get, and how their servers are verified over HTTPS.

use super::tls::Tls;
use crate::cli::{PageArgs, SecretKey};
use crate::cluster::{Cluster, error_text, files};
use crate::error::{Error, Result};
use crate::topology::{Topology, Untrusted};
use http::HeaderValue;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Largest file of a token, in bytes.
const LARGEST: u64 = 64 << 10;

/// The token for status endpoints, if one was given, and the authorities of their certificates.
#[derive(Clone, Debug, Default)]
pub struct PageAccess {
    given: Given,
    authorities: Authorities,
    /// The name that certificates must carry; the pod's own if none is given.
    server_name: Option<String>,
    /// Which pods are trusted, by namespace and name; a pod that is absent is unknown.
    pods: Arc<BTreeMap<(String, String), std::result::Result<(), Untrusted>>>,
}

#[derive(Clone, Debug, Default)]
enum Given {
    /// None.
    #[default]
    Nothing,
    /// As the header `Authorization`. It is marked as sensitive, so that its `Debug` does not show it.
    Token(HeaderValue),
    /// In a Secret, which is not read yet.
    Secret(SecretKey),
    /// One was named but could not be read, for this reason.
    Unread(String),
}

/// The authorities that may sign the endpoints' certificates.
#[derive(Clone, Debug, Default)]
enum Authorities {
    /// None: nothing is requested over HTTPS.
    #[default]
    Missing,
    /// These.
    Known(Box<Tls>),
    /// Those in a Secret, which is not read yet.
    Secret(SecretKey),
    /// Some were named but could not be read, for this reason.
    Unread(String),
}

/// What one pod gets.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Nothing: no token was given.
    Nothing,
    /// This header `Authorization`.
    Token(HeaderValue),
    /// Nothing although a token was given, for this reason.
    Withheld(String),
}

/// Why a server with HTTPS cannot be verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAuthorities {
    /// None are configured.
    #[error("it uses HTTPS, and no certificate authority is configured (--page-ca-file FILE or --page-ca-secret)")]
    Missing,
    /// Their Secret was not read.
    #[error("the certificate authorities were not read")]
    NotRead,
    /// Their Secret could not be read, for this reason.
    #[error("the certificate authorities could not be read: {0}")]
    Unreadable(String),
}

impl PageAccess {
    /// Reads the files that are named; sends no request.
    ///
    /// # Errors
    /// A file that cannot be read, or that contains no token or no certificates; an invalid server name (exit code 2).
    pub fn resolve(args: &PageArgs) -> Result<Self> {
        let given = match (&args.page_token_file, &args.page_token_secret) {
            (Some(path), _) => Given::Token(of_file(path)?),
            (None, Some(secret)) => Given::Secret(secret.clone()),
            (None, None) => Given::Nothing,
        };
        let name = args.page_server_name.as_deref();
        let authorities = match (&args.page_ca_file, &args.page_ca_secret) {
            (Some(path), _) => Authorities::Known(Box::new(authorities_of(path, name)?)),
            (None, Some(secret)) => Authorities::Secret(secret.clone()),
            (None, None) => Authorities::Missing,
        };
        Ok(Self { given, authorities, server_name: args.page_server_name.clone(), pods: Arc::default() })
    }

    /// Returns the access with the contents of the named Secrets: read now, from this namespace unless the flag names
    /// another.
    ///
    /// # Errors
    /// As [`Cluster::secret_value`]; a Secret without a token, or without certificates (exit code 2).
    pub async fn with_secrets(&self, cluster: &Cluster, namespace: &str, deadline: Duration) -> Result<Self> {
        let mut read = self.clone();
        if let Given::Secret(secret) = &self.given {
            let (value, whence) = secret_value(cluster, namespace, secret, deadline).await?;
            read.given = Given::Token(bearer(value, &whence)?);
        }
        if let Authorities::Secret(secret) = &self.authorities {
            let (value, whence) = secret_value(cluster, namespace, secret, deadline).await?;
            let tls = Tls::for_pages(Some(&value), &whence, self.server_name.as_deref())?;
            read.authorities = Authorities::Known(Box::new(tls));
        }
        Ok(read)
    }

    /// Returns the access with the contents of the Secrets; one that cannot be read becomes the reason.
    pub async fn with_secrets_or_reason(&self, cluster: &Cluster, namespace: &str, deadline: Duration) -> Self {
        // Separately: one does not depend on the other.
        let (token, rest) = (
            Self { authorities: Authorities::Missing, ..self.clone() },
            Self { given: Given::Nothing, ..self.clone() },
        );
        let (token, rest) = futures::join!(
            token.with_secrets(cluster, namespace, deadline),
            rest.with_secrets(cluster, namespace, deadline)
        );
        Self {
            given: token.map_or_else(|error| Given::Unread(error.to_string()), |token| token.given),
            authorities: rest.map_or_else(|error| Authorities::Unread(error.to_string()), |rest| rest.authorities),
            ..self.clone()
        }
    }

    /// Returns how a server with HTTPS is verified.
    ///
    /// # Errors
    /// Why it cannot be verified.
    pub(super) fn tls(&self) -> Result<&Tls, NoAuthorities> {
        match &self.authorities {
            Authorities::Known(tls) => Ok(tls),
            Authorities::Missing => Err(NoAuthorities::Missing),
            Authorities::Secret(_) => Err(NoAuthorities::NotRead),
            Authorities::Unread(why) => Err(NoAuthorities::Unreadable(why.clone())),
        }
    }

    /// Returns the access with the trust in the members of a topology: only a pod that would be given a password gets
    /// the token.
    #[must_use]
    pub fn for_members_of(self, topology: &Topology) -> Self {
        let trusted = |member| topology.trusted(member);
        let pods = topology.members().map(|member| ((member.namespace.clone(), member.name.clone()), trusted(member)));
        Self { pods: Arc::new(pods.collect()), ..self }
    }

    /// Returns what this pod gets.
    pub fn for_pod(&self, namespace: &str, pod: &str) -> Shown {
        let token = match &self.given {
            Given::Nothing => return Shown::Nothing,
            Given::Token(token) => token,
            Given::Secret(_) => return Shown::Withheld("the token was not read".to_owned()),
            Given::Unread(why) => return Shown::Withheld(format!("the token could not be read: {why}")),
        };
        match self.pods.get(&(namespace.to_owned(), pod.to_owned())) {
            Some(Ok(())) => Shown::Token(token.clone()),
            Some(Err(why)) => Shown::Withheld(format!("the token is withheld: {why}")),
            None => Shown::Withheld(format!("the token is withheld: {}", Untrusted::OwnerUnknown)),
        }
    }
}

impl Shown {
    /// Returns the header `Authorization`, if the pod gets one.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        match self {
            Self::Token(token) => Some(token),
            Self::Nothing | Self::Withheld(_) => None,
        }
    }
}

/// Returns the value of a key of a Secret, and its place for messages.
async fn secret_value(
    cluster: &Cluster,
    namespace: &str,
    SecretKey { namespace: named, name, key }: &SecretKey,
    deadline: Duration,
) -> Result<(Vec<u8>, String)> {
    let namespace = named.as_deref().unwrap_or(namespace);
    let value = cluster.secret_value(namespace, name, key, deadline).await?;
    Ok((value.into_bytes(), format!("key {key:?} of Secret {namespace}/{name}")))
}

/// Reads the authorities in a file; `system` means the operating system's.
fn authorities_of(path: &Path, name: Option<&str>) -> Result<Tls> {
    if path == Path::new("system") {
        return Tls::for_pages(None, "", name);
    }
    let shown = path.display().to_string();
    let read = files::read_limited(path, files::LARGEST);
    let text =
        read.map_err(|error| Error::usage(format!("cannot read the file {shown}")).because(error_text(&error)))?;
    Tls::for_pages(Some(&text), &shown, name)
}

fn of_file(path: &Path) -> Result<HeaderValue> {
    let shown = format!("the file {}", path.display());
    let read = files::read_limited(path, LARGEST);
    bearer(read.map_err(|error| Error::usage(format!("cannot read {shown}")).because(error_text(&error)))?, &shown)
}

/// Returns the header for the contents of a file or a Secret. Editors end files with a line break, which is not part of
/// the token.
fn bearer(mut value: Vec<u8>, whence: &str) -> Result<HeaderValue> {
    if value.last() == Some(&b'\n') {
        value.pop();
        if value.last() == Some(&b'\r') {
            value.pop();
        }
    }
    // The contents may be another secret, and are not shown.
    let none = || Error::usage(format!("{whence} contains no token")).because("a token is one line of visible ASCII");
    if value.is_empty() || !value.iter().all(u8::is_ascii_graphic) {
        return Err(none());
    }
    let mut header = HeaderValue::from_bytes(&[b"Bearer ", &*value].concat()).map_err(|_| none())?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
#[path = "page_access_tests.rs"]
mod tests;
