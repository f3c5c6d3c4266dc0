//! HTTP as the client speaks it: which identity a request has, and on which connection it goes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::rt::TokioExecutor;
use kube::Client;
use kube::client::Body;
use kube::client::middleware::BaseUriLayer;
use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use tower::{BoxError, ServiceBuilder};
use tower_http::decompression::DecompressionLayer;

/// Bytes read of a response at once, and the largest head of a response. Without it, a server that sends `100 Continue`
/// without end keeps hyper busy for minutes, during which no time limit passes.
const READ_AT_ONCE: usize = 32 << 10;

use super::client_certificate::ClientCertificate;
use super::connector::Connector;
use super::kubeconfig::{Resolved, Trust};
use super::pem;
use super::proxy::Kind;
use super::server_certificate::Verifier;
use super::spares::{AGES, Spares, WithSpares, with_spares};
use crate::error::{Error, Result};
use crate::suggestion::kubectl;

/// The connections that are open, of one identity.
struct Connections {
    connector: WithSpares<Connector>,
    spares: Spares,
    certificate: Arc<ClientCertificate>,
    /// The pool, and how often the certificate had been replaced when it was made.
    pool: Mutex<(u64, Pool<WithSpares<Connector>, Body>)>,
}

impl Connections {
    fn new((connector, spares): (WithSpares<Connector>, Spares), certificate: Arc<ClientCertificate>) -> Self {
        let pool = Mutex::new((certificate.replaced(), pool(&connector)));
        Self { connector, spares, certificate, pool }
    }

    /// Sends a request. After the client certificate has changed, no connection of the former identity is used.
    async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, BoxError> {
        let pool = {
            let mut current = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
            let replaced = self.certificate.replaced();
            if current.0 != replaced {
                self.spares.discard();
                *current = (replaced, pool(&self.connector));
            }
            current.1.clone()
        };
        Ok(pool.request(request).await?)
    }
}

fn pool(connector: &WithSpares<Connector>) -> Pool<WithSpares<Connector>, Body> {
    Pool::builder(TokioExecutor::new()).http1_max_buf_size(READ_AT_ONCE).build(connector.clone())
}

/// Returns the cryptography that connections use.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Returns a client for what the kubeconfig says, without retries and without a request log, and its spare
/// connections: none through a proxy. `timeout` is for opening a connection.
///
/// # Errors
/// Certificates that cannot be used.
pub(super) fn of(
    resolved: &Resolved,
    certificate: &Arc<ClientCertificate>,
    timeout: Option<Duration>,
) -> Result<(Client, Spares)> {
    let provider = provider();
    let verifier = verifier(&resolved.trust, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Error::failure("cannot prepare TLS").because_of(error))?;
    let tls = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let tls = tls.with_client_cert_resolver(Arc::clone(certificate) as Arc<_>);
    let name = match &resolved.trust.server_name {
        None => None,
        Some(name) => Some(ServerName::try_from(name.clone()).map_err(|_| {
            Error::failure(format!("{name:?} is not a host name"))
                .because("the cluster's tls-server-name is what the server's certificate must be for")
        })?),
    };
    let connector = Connector::new(Arc::new(tls), name, resolved.proxy.clone(), timeout);
    let (connector, spares) = with_spares(connector, resolved.server.clone(), AGES);
    let connections = Connections::new((connector, spares.clone()), Arc::clone(certificate));
    let connections = Arc::new(connections);
    let headers = headers(resolved);
    let requests = tower::service_fn(move |mut request: Request<Body>| {
        for (name, value) in &headers {
            request.headers_mut().append(name, value.clone());
        }
        let connections = Arc::clone(&connections);
        async move { connections.send(request).await }
    });
    let service = ServiceBuilder::new()
        .layer(BaseUriLayer::new(resolved.server.clone()))
        // Outside of this, and so for every limit, a response has the size that it unpacks to.
        .layer(DecompressionLayer::new().gzip(!resolved.disable_compression))
        .service(requests);
    let client = Client::new(service, resolved.namespace.clone().unwrap_or_else(|| "default".to_owned()));
    Ok((client, if resolved.proxy.is_some() { Spares::default() } else { spares }))
}

/// Returns what every request carries.
fn headers(resolved: &Resolved) -> HeaderMap {
    let mut headers = resolved.impersonation.clone();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("kubectl-synxdb/", env!("CARGO_PKG_VERSION"))));
    let proxy = resolved.proxy.as_ref().filter(|proxy| proxy.kind != Kind::Socks);
    // A proxy that only passes bytes on got its login when the connection was opened.
    if resolved.server.scheme_str() == Some("http")
        && let Some(login) = proxy.and_then(|proxy| proxy.login.as_ref()).and_then(|login| login.basic())
    {
        headers.insert(PROXY_AUTHORIZATION, login);
    }
    headers
}

fn verifier(trust: &Trust, provider: &Arc<CryptoProvider>) -> Result<Verifier> {
    match (&trust.authorities, trust.insecure) {
        (_, true) => Ok(Verifier::of_nothing(provider)),
        (None, false) => Verifier::of_system(provider)
            .map_err(|error| Error::failure("cannot read the operating system's certificates").because_of(error)),
        (Some((pem, origin)), false) => {
            let certificates = pem::certificates(pem);
            if certificates.is_empty() {
                return Err(Error::failure(format!("no PEM certificate in {origin}"))
                    .hint(kubectl("config view --minify").of_kubeconfig()));
            }
            Ok(Verifier::of(certificates, provider))
        }
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
