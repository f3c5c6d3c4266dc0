//! HTTP/1.1 on any byte stream.

use crate::pages::{PageRequest, PageResponse};
use crate::stand_in::{Role, StandIn};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// The header that distinguishes processes of a pageserver.
const LAUNCHED: HeaderName = HeaderName::from_static("pageserver_launch_timestamp");

impl StandIn {
    /// Serves requests on a stream until the client closes it; calls `ready` for each.
    pub async fn serve(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        ready: impl Fn() -> bool + Send + 'static,
    ) {
        let service = service_fn(move |request: Request<Incoming>| {
            let response = self.respond(&PageRequest {
                path: request.uri().path(),
                query: request.uri().query().unwrap_or_default(),
                authorization: request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()),
                ready: ready(),
            });
            let response = self.http(response);
            async move {
                match response {
                    Some(response) => Ok::<_, Infallible>(response),
                    None => std::future::pending().await,
                }
            }
        });
        // Clients may disconnect at any time.
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    fn http(&self, response: PageResponse) -> Option<Response<Full<Bytes>>> {
        let PageResponse::Page { status, kind, body } = response else { return None };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if self.role() == Role::Pageserver
            && let Ok(launched) = jiff::Timestamp::try_from(self.launched)
            && let Ok(launched) = HeaderValue::from_str(&launched.to_string())
        {
            response.headers_mut().insert(LAUNCHED, launched);
        }
        Some(response)
    }
}
