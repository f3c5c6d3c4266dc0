//! Status endpoints of safekeepers and pageservers, as in Neon: `GET /v1/status` needs no credentials, and `/metrics`
//! is beside it. SynxDB is assumed to have the same, so every answer may be unknown.

use std::pin::pin;
use std::time::Duration;

use futures::FutureExt;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::metrics::Reader;
use super::no_page::{NoPage, NoPageKind};
use super::page_access::{PageAccess, Shown};
use super::page_stream;
use super::trouble::ProbeError;
use crate::cluster::{Cluster, error_text};
use crate::duration::after;
use crate::storage::{self, Idle, Listed, Metrics, PageFacts, SafekeeperFacts};
use crate::topology::layout::StatusEndpoint;

/// Largest status response accepted, in bytes.
const LARGEST_PAGE: usize = 64 << 10;
/// Largest list of timelines accepted, in bytes: 20,000 of them are smaller.
const LARGEST_LIST: usize = 4 << 20;
/// Most idle timelines that are queried one by one.
const MOST_IDLE: usize = 1000;
/// Longest launch time accepted, in bytes.
const LONGEST_LAUNCH: usize = 64;
/// When a pageserver's process was launched.
const LAUNCHED: &str = "pageserver_launch_timestamp";

/// Time limits of the two requests. Metrics are megabytes with many timelines; the status is a few bytes.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// The status endpoint, including the connection to it.
    pub page: Duration,
    /// The metrics, and with a token the timelines after them, counted from the status response.
    pub metrics: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { page: Duration::from_secs(5), metrics: Duration::from_secs(15) }
    }
}

impl Deadlines {
    /// Returns the defaults, reduced to at most this time each.
    pub fn at_most(most: Duration) -> Self {
        let all = Self::default();
        Self { page: all.page.min(most), metrics: all.metrics.min(most) }
    }

    /// Returns them, lengthened for a slow API server.
    fn over(self, cluster: &Cluster) -> Self {
        Self { page: cluster.lengthened(self.page), metrics: cluster.lengthened(self.metrics) }
    }
}

/// Requests the status endpoint on a pod's port, and `/metrics` on the same connection; with a token also a
/// safekeeper's timelines or a pageserver's tenants.
///
/// # Errors
/// Why there is no status: anything but HTTP 200 with a complete JSON object. Metrics that cannot be read are not an
/// error; the facts tell why.
pub async fn status_page(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    endpoint: &StatusEndpoint,
    deadlines: Deadlines,
    token: &PageAccess,
) -> Result<PageFacts, NoPage> {
    let deadlines = deadlines.over(cluster);
    let stream = page_stream::open(cluster, (namespace, pod), endpoint, deadlines.page, token).await?;
    page_over(stream, pod, &endpoint.path, deadlines, &token.for_pod(namespace, pod)).await
}

/// Requests them over any stream.
pub(super) async fn page_over<S>(
    stream: S,
    host: &str,
    path: &str,
    deadlines: Deadlines,
    shown: &Shown,
) -> Result<PageFacts, NoPage>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shaken = tokio::time::timeout(deadlines.page, handshake::<_, Empty<Bytes>>(TokioIo::new(stream))).await;
    let (mut sender, connection) = match shaken {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => return Err(NoPage::of(&error)),
        Err(_) => return Err(NoPage::late(deadlines.page)),
    };
    // The connection is driven beside the requests and ends with them.
    let mut driver = tokio::spawn(connection);
    let (answer, ended) = {
        let mut asked = pin!(page(&mut sender, (host, shown), path, deadlines.page));
        tokio::select! {
            biased;
            answer = &mut asked => (Some(answer), None),
            // A request that reaches the connection while it ends may be lost with it: without a response by then,
            // there will be none.
            ended = &mut driver => (asked.as_mut().now_or_never(), Some(ended)),
        }
    };
    let unanswered = match &answer {
        None => true,
        Some(Err(error)) => error.is_canceled() || error.is_closed(),
        Some(Ok(_)) => false,
    };
    let mut facts = match answer {
        Some(Ok(answer)) if !unanswered => answer.map(Box::new),
        answer => {
            drop(sender);
            // The request knows only that there is no connection; the connection itself knows why.
            let cause = match ended {
                _ if !unanswered => None,
                Some(ended) => ended.ok().and_then(Result::err),
                None => (&mut driver).await.ok().and_then(Result::err),
            };
            driver.abort();
            return Err(match (cause, answer) {
                (Some(cause), _) => NoPage::of(&cause),
                (None, Some(Err(error))) => NoPage::of(&error),
                (None, _) => NoPage::other("the connection was closed"),
            });
        }
    }?;
    let until = after(Instant::now(), deadlines.metrics);
    let asked = {
        let mut asked = pin!(tokio::time::timeout_at(until, metrics(&mut sender, (host, shown))));
        tokio::select! {
            biased;
            answer = &mut asked => answer,
            _ = &mut driver, if ended.is_none() => {
                let closed = || Ok(Err("/metrics: the connection was closed".to_owned()));
                asked.as_mut().now_or_never().unwrap_or_else(closed)
            }
        }
    };
    match asked {
        Ok(Ok(metrics)) => facts.metrics = Some(metrics),
        Ok(Err(why)) => facts.unread = Some(why),
        Err(_) => facts.unread = Some(format!("/metrics: {}", ProbeError::late(deadlines.metrics).reason)),
    }
    if let Some(Metrics::Safekeeper(of)) = &mut facts.metrics {
        let asked = async {
            match tokio::time::timeout_at(until, idle(&mut sender, (host, shown), of)).await {
                Ok(idle) => idle,
                Err(_) => Idle::Unread(ProbeError::late(deadlines.metrics).reason),
            }
        };
        // A connection that ends fails what is asked over it.
        of.idle = asked.await;
    }
    if let Some(Metrics::Pageserver(of)) = &mut facts.metrics {
        let asked = tokio::time::timeout_at(until, tenants(&mut sender, (host, shown)));
        of.listed = asked.await.unwrap_or_else(|_| Listed::Unread(ProbeError::late(deadlines.metrics).reason));
    }
    driver.abort();
    Ok(*facts)
}

async fn page(
    sender: &mut SendRequest<Empty<Bytes>>,
    (host, shown): (&str, &Shown),
    path: &str,
    deadline: Duration,
) -> hyper::Result<Result<PageFacts, NoPage>> {
    tokio::time::timeout(deadline, async {
        let response = get(sender, (host, shown), path).await?;
        let status = response.status();
        if status != StatusCode::OK {
            let kind = if status.is_server_error() { NoPageKind::NotYet } else { NoPageKind::Other };
            return Ok(Err(NoPage { kind, reason: answers(path, status, shown) }));
        }
        let launched = response.headers().get(LAUNCHED).and_then(|value| value.to_str().ok());
        let launched = launched.filter(|value| value.len() <= LONGEST_LAUNCH).map(str::to_owned);
        let body = match read_body(response, LARGEST_PAGE).await {
            Ok(body) => body,
            Err(reason) => return Ok(Err(NoPage::other(format!("{path}: {reason}")))),
        };
        match serde_json::from_str::<serde_json::Value>(&body) {
            Ok(page) if page.is_object() => {
                Ok(Ok(PageFacts { id: page["id"].as_u64(), launched, ..PageFacts::default() }))
            }
            _ => Ok(Err(NoPage::other(format!("{path} returned 200, but not a JSON object")))),
        }
    })
    .await
    .unwrap_or_else(|_| Ok(Err(NoPage::late(deadline))))
}

/// What the metrics say, or why they were not read, in words.
async fn metrics(sender: &mut SendRequest<Empty<Bytes>>, (host, shown): (&str, &Shown)) -> Result<Metrics, String> {
    let broke = |error: &hyper::Error| format!("/metrics: {}", error_text(error));
    sender.ready().await.map_err(|error| broke(&error))?;
    let response = get(sender, (host, shown), "/metrics").await.map_err(|error| broke(&error))?;
    if response.status() != StatusCode::OK {
        return Err(answers("/metrics", response.status(), shown));
    }
    let mut body = response.into_body();
    let mut reader = Reader::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("/metrics: truncated: {}", error_text(&error)))?;
        if frame.data_ref().is_some_and(|data| reader.push(data)) {
            break;
        }
    }
    reader.finish().ok_or_else(|| "/metrics has no safekeeper or pageserver metrics".to_owned())
}

/// The tenants that a pageserver lists.
async fn tenants(sender: &mut SendRequest<Empty<Bytes>>, (host, shown): (&str, &Shown)) -> Listed {
    match shown {
        Shown::Nothing => return Listed::Unasked,
        Shown::Withheld(why) => return Listed::Unread(why.clone()),
        Shown::Token(_) => {}
    }
    let path = "/v1/tenant";
    let listed = match body(sender, (host, shown), path, LARGEST_LIST).await {
        Ok(Some(text)) => storage::idle::tenants(&text).map_err(|why| format!("{path}: {why}")),
        Ok(None) => Err(format!("{path} returned 404 Not Found")),
        Err(why) => Err(why),
    };
    listed.map_or_else(Listed::Unread, Listed::Tenants)
}

/// Reads the timelines that a safekeeper lists, and the status of each that its metrics do not give. What was read
/// stays, even if the rest fails. Returns whether that is all.
async fn idle(
    sender: &mut SendRequest<Empty<Bytes>>,
    (host, shown): (&str, &Shown),
    facts: &mut SafekeeperFacts,
) -> Idle {
    match shown {
        Shown::Nothing => return Idle::Unasked,
        Shown::Withheld(why) => return Idle::Unread(why.clone()),
        Shown::Token(_) => {}
    }
    let listed = match body(sender, (host, shown), "/v1/tenant/timeline", LARGEST_LIST).await {
        Ok(Some(text)) => storage::idle::list(&text).map_err(|why| format!("/v1/tenant/timeline: {why}")),
        Ok(None) => Err("/v1/tenant/timeline returned 404 Not Found".to_owned()),
        Err(why) => Err(why),
    };
    let mut listed = match listed {
        Ok(listed) => listed,
        Err(why) => return Idle::Unread(why),
    };
    facts.total.get_or_insert(listed.len() as u64);
    listed.retain(|id| facts.wal(id).is_none());
    let more = listed.len().saturating_sub(MOST_IDLE);
    for id in listed.into_iter().take(MOST_IDLE) {
        let Some(path) = storage::idle::path(&id) else { continue };
        let read = match body(sender, (host, shown), &path, LARGEST_PAGE).await {
            Ok(Some(text)) => storage::idle::status(&text).map_err(|why| format!("{path}: {why}")),
            // It was deleted in the meantime.
            Ok(None) => continue,
            Err(why) => Err(why),
        };
        match read {
            Ok(wal) => facts.timelines.insert(id, wal),
            Err(why) => return Idle::Unread(why),
        };
    }
    match more {
        0 => Idle::Listed,
        more => Idle::Unread(format!("{more} were not queried: too many")),
    }
}

/// Returns the body of a response; `None` if the path does not exist (404).
pub(super) async fn body(
    sender: &mut SendRequest<Empty<Bytes>>,
    (host, shown): (&str, &Shown),
    path: &str,
    most: usize,
) -> Result<Option<String>, String> {
    let broke = |error: &hyper::Error| format!("{path}: {}", error_text(error));
    sender.ready().await.map_err(|error| broke(&error))?;
    let response = get(sender, (host, shown), path).await.map_err(|error| broke(&error))?;
    let status = response.status();
    let body = read_body(response, most).await.map_err(|why| format!("{path}: {why}"));
    match status {
        StatusCode::OK => body.map(Some),
        StatusCode::NOT_FOUND => body.map(|_| None),
        status => Err(answers(path, status, shown)),
    }
}

/// `/metrics returned 401 Unauthorized`, and what that says of the token.
fn answers(path: &str, status: StatusCode, shown: &Shown) -> String {
    let denied = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    match shown {
        Shown::Token(_) if denied => format!("{path} returned {status}: token rejected"),
        Shown::Withheld(why) if denied => format!("{path} returned {status}; {why}"),
        _ => format!("{path} returned {status}"),
    }
}

async fn get(
    sender: &mut SendRequest<Empty<Bytes>>,
    (host, shown): (&str, &Shown),
    path: &str,
) -> hyper::Result<Response<Incoming>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = path.parse().unwrap_or_default();
    let host = http::HeaderValue::from_str(host).unwrap_or(http::HeaderValue::from_static("localhost"));
    request.headers_mut().insert(http::header::HOST, host);
    if let Some(token) = shown.authorization() {
        request.headers_mut().insert(http::header::AUTHORIZATION, token.clone());
    }
    sender.send_request(request).await
}

async fn read_body(response: Response<Incoming>, most: usize) -> Result<String, String> {
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("truncated: {}", error_text(&error)))?;
        bytes.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
        if bytes.len() > most {
            return Err(format!("larger than {} KiB", most >> 10));
        }
    }
    String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned())
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
