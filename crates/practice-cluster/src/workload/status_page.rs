//! The status pages of safekeepers and pageservers: `/v1/status` and `/metrics`, as the Neon line of components serves
//! them. In: what the component would know. Out: an HTTP/1.1 answer on any byte stream.

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use tokio::io::{AsyncRead, AsyncWrite};

/// The one tenant and timeline of the practice cluster.
const TENANT: &str = "9ef87a5bf0d92544f6fafeeb3239695c";
const TIMELINE: &str = "b3b863fa45fa9e57e615f9f2d944e601";

/// Where the write-ahead log ends: 0/2A55E98, the same on every safekeeper that is caught up.
const FLUSH_LSN: u64 = 0x02A5_5E98;
/// Up to where it has been uploaded: a segment's boundary before that.
const BACKUP_LSN: u64 = 0x0200_0000;

/// What a status page tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatusPage {
    /// A safekeeper.
    Safekeeper {
        /// Its id: ordinal + 1.
        id: u64,
    },
    /// A pageserver.
    Pageserver {
        /// Its id: ordinal + 1.
        id: u64,
        /// Tenants that it serves: none after it lost its disk with nothing to load them from.
        tenants: u64,
    },
    /// One of these that serves no metrics.
    Mute {
        /// Its id: ordinal + 1.
        id: u64,
        /// Its port.
        port: u16,
    },
}

impl StatusPage {
    /// The same without metrics.
    pub(crate) fn mute(self) -> StatusPage {
        let (Self::Safekeeper { id } | Self::Pageserver { id, .. } | Self::Mute { id, .. }) = self;
        Self::Mute { id, port: self.port() }
    }

    /// Answers a path: status, content type, body. One that is not ready answers 503, and a safekeeper lags behind.
    fn answer(self, path: &str, ready: bool) -> (StatusCode, &'static str, String) {
        let (Self::Safekeeper { id } | Self::Pageserver { id, .. } | Self::Mute { id, .. }) = self;
        match path {
            "/v1/status" if !ready => {
                let body = r#"{"msg":"not ready: waiting for the timelines to be loaded"}"#;
                (StatusCode::SERVICE_UNAVAILABLE, "application/json", body.to_owned())
            }
            "/v1/status" => (StatusCode::OK, "application/json", format!(r#"{{"id":{id}}}"#)),
            "/metrics" if !matches!(self, Self::Mute { .. }) => {
                (StatusCode::OK, "text/plain; version=0.0.4", self.metrics(ready))
            }
            _ => (StatusCode::NOT_FOUND, "application/json", r#"{"msg":"page not found"}"#.to_owned()),
        }
    }

    /// Its port.
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::Safekeeper { .. } => 7676,
            Self::Pageserver { .. } => 9898,
            Self::Mute { port, .. } => port,
        }
    }

    /// The status of an answer.
    pub(crate) fn status(self, path: &str, ready: bool) -> StatusCode {
        self.answer(path.split('?').next().unwrap_or_default(), ready).0
    }

    /// Prometheus text.
    fn metrics(self, ready: bool) -> String {
        let mut text = String::new();
        let mut metric = |name: &str, help: &str, labels: &str, value: u64| {
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name}{labels} {value}\n"));
        };
        match self {
            Self::Safekeeper { .. } => {
                let labels = format!("{{tenant_id=\"{TENANT}\",timeline_id=\"{TIMELINE}\"}}");
                let lag = if ready { 0 } else { 0x1_8000 };
                metric("safekeeper_flush_lsn", "Current flush_lsn", &labels, FLUSH_LSN - lag);
                metric("safekeeper_commit_lsn", "Current commit_lsn", &labels, FLUSH_LSN - lag);
                metric("safekeeper_backup_lsn", "Current backup_lsn", &labels, BACKUP_LSN);
            }
            Self::Pageserver { tenants, .. } => {
                let help = "Count of tenants per state";
                metric("pageserver_tenant_states_count", help, "{state=\"Active\"}", tenants);
                metric("pageserver_broken_tenants_count", "Count of broken tenants", "", 0);
            }
            Self::Mute { .. } => {}
        }
        text
    }

    /// Serves requests on a stream until the client closes it.
    pub(crate) async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        ready: impl Fn() -> bool + Send + 'static,
    ) {
        let service = service_fn(move |request: Request<Incoming>| {
            let (status, kind, body) = self.answer(request.uri().path(), ready());
            let mut response = Response::new(axum::body::Body::from(body));
            *response.status_mut() = status;
            response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
            async move { Ok::<_, Infallible>(response) }
        });
        // A client that goes away in the middle is its own affair.
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    async fn get(page: StatusPage, ready: bool, path: &str) -> String {
        let (mut client, server) = tokio::io::duplex(4096);
        tokio::spawn(page.serve(server, move || ready));
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn status_and_metrics_are_served() {
        let answer = get(StatusPage::Safekeeper { id: 2 }, true, "/v1/status").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with(r#"{"id":2}"#), "{answer}");
        let answer = get(StatusPage::Pageserver { id: 1, tenants: 1 }, true, "/metrics").await;
        assert!(answer.contains("pageserver_tenant_states_count{state=\"Active\"} 1\n"), "{answer}");
        assert!(answer.contains("pageserver_broken_tenants_count 0\n"), "{answer}");
        let mute = StatusPage::Pageserver { id: 1, tenants: 1 }.mute();
        assert!(get(mute, true, "/v1/status").await.ends_with(r#"{"id":1}"#));
        assert!(get(mute, true, "/metrics").await.starts_with("HTTP/1.1 404"));
    }

    #[tokio::test]
    async fn a_safekeeper_that_is_not_ready_says_503_and_lags() {
        let page = StatusPage::Safekeeper { id: 2 };
        assert!(get(page, false, "/v1/status").await.starts_with("HTTP/1.1 503"));
        assert_ne!(page.metrics(false), page.metrics(true));
    }
}
