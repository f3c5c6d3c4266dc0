//! The connection to a pod's status endpoint: a tunnel, and TLS over it if the layout says HTTPS. Nothing is requested
//! from a server whose certificate is not verified.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::no_page::{NoPage, NoPageKind};
use super::page_access::PageAccess;
use super::tls::Tls;
use crate::cluster::{Cluster, PortError, error_text};
use crate::error::Exit;
use crate::topology::layout::{Scheme, StatusEndpoint};

/// A stream in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Opens the connection to a pod's status endpoint.
///
/// # Errors
/// Why there is none; a certificate that could not be verified says nothing about the component.
pub(super) async fn open(
    cluster: &Cluster,
    (namespace, pod): (&str, &str),
    endpoint: &StatusEndpoint,
    deadline: Duration,
    access: &PageAccess,
) -> Result<Box<dyn Stream>, NoPage> {
    let opened = async {
        let tunnel = cluster.tunnel(namespace, pod, endpoint.port, deadline);
        let tunnel = tunnel.await.map_err(|error| match error.exit {
            Exit::TimedOut => NoPage::late(deadline),
            _ => NoPage::other(error.to_string()),
        })?;
        match endpoint.scheme {
            Scheme::Http => Ok(Box::new(tunnel) as Box<dyn Stream>),
            Scheme::Https => {
                let tls = access.tls().map_err(|error| unverified(error.to_string()))?;
                secured(tunnel, tls, (namespace, pod)).await
            }
        }
    };
    tokio::time::timeout(deadline, opened).await.unwrap_or_else(|_| Err(NoPage::late(deadline)))
}

/// Secures a stream by TLS, to a server whose certificate is this pod's.
pub(super) async fn secured(
    stream: impl Stream + 'static,
    tls: &Tls,
    (namespace, pod): (&str, &str),
) -> Result<Box<dyn Stream>, NoPage> {
    let (config, name) = tls.client(namespace, pod).map_err(|error| unverified(error.to_string()))?;
    match TlsConnector::from(std::sync::Arc::new(config)).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(not_secured(&error, tls, (namespace, pod))),
    }
}

fn unverified(reason: String) -> NoPage {
    NoPage { kind: NoPageKind::Unverified, reason }
}

fn not_secured(error: &io::Error, tls: &Tls, (namespace, pod): (&str, &str)) -> NoPage {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        let words = tls.error_text(error, namespace, pod);
        return match error {
            rustls::Error::InvalidCertificate(_) => unverified(words),
            rustls::Error::InvalidMessage(_) => NoPage::other(format!("{words}; the layout expects HTTPS")),
            _ => NoPage::other(words),
        };
    }
    // The kubelet reports that nothing listens only once something is read.
    let reason = error_text(error);
    match error.kind() {
        _ if PortError::find_in(error) == Some(&PortError::NothingListens) => {
            NoPage { kind: NoPageKind::Refused, reason }
        }
        io::ErrorKind::UnexpectedEof => NoPage::other("the connection was closed during the TLS handshake"),
        _ => NoPage::other(reason),
    }
}

#[cfg(test)]
#[path = "page_stream_tests.rs"]
mod tests;
