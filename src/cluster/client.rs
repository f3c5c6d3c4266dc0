//! HTTP as the client speaks it.
//!
//! kube's own stack leaves Nagle's algorithm on: a request that follows another closely waits for the acknowledgement of
//! the first, which a real API server's machine delays by some 40 ms (measured: `status` 66 ms with it, 28 ms without).
//! So the same layers are put on connections without that delay.

use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder};

/// Bytes read of a response at once, and the largest head of a response. Without it, a server that sends `100 Continue`
/// without end keeps hyper busy for minutes, during which no time limit passes.
const READ_AT_ONCE: usize = 32 << 10;

/// Returns a client for the cluster that `config` names, without retries and without a request log.
///
/// # Errors
/// Certificates or credentials that cannot be used.
pub(super) fn of(config: Config) -> kube::Result<Client> {
    if config.proxy_url.is_some() {
        return Ok(ClientBuilder::try_from(config)?.build());
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(tcp)?);
    connector.set_connect_timeout(config.connect_timeout);
    let requests = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .http1_max_buf_size(READ_AT_ONCE)
        .build::<_, Body>(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(requests);
    Ok(Client::new(service, config.default_namespace))
}
