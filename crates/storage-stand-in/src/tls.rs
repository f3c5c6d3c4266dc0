//! HTTPS, if configured.

use crate::settings::Https;
use crate::stand_in::StandIn;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, crypto::ring};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

/// Returns a server configuration with this certificate.
///
/// # Errors
/// It is not a certificate with its key.
pub(crate) fn server(https: &Https) -> io::Result<Arc<ServerConfig>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(https.certificate.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(https.key.as_bytes()).map_err(io::Error::other)?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let config = builder.with_no_client_auth().with_single_cert(chain.map_err(io::Error::other)?, key);
    config.map(Arc::new).map_err(io::Error::other)
}

impl StandIn {
    /// Serves requests over HTTPS on a stream until the client closes it; calls `ready` for each. A member without
    /// HTTPS closes it at once.
    pub async fn serve_https(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        ready: impl Fn() -> bool + Send + 'static,
    ) {
        let Some(config) = self.tls.clone() else { return };
        // A client that does not trust the certificate disconnects.
        if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
            self.serve(stream, ready).await;
        }
    }
}
