//! Applies the planned faults to one request, around its normal handling.

use super::fault::Fault;
use super::registry::Planned;
use super::report::{Mutation, Processed};
use super::watch_faults;
use crate::api::authorization::Attributes;
use crate::api::request::Query;
use crate::api::state::ApiState;
use crate::api::status::ApiError;
use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode, header, response};
use futures::{StreamExt as _, stream};
use serde_json::Value;
use std::io;
use tokio::sync::{mpsc, oneshot};

/// Answers a request with its planned faults; `process` is the normal handling. `None`: the connection must break.
pub(crate) async fn perform<P>(
    state: &ApiState,
    planned: Planned,
    parts: Parts,
    body: Bytes,
    process: impl Fn(Parts, Body) -> P,
) -> Option<Response<Body>>
where
    P: Future<Output = Response<Body>>,
{
    let Planned { asked, faults, listener } = planned;
    for fault in &faults {
        match fault {
            Fault::Delay(time) => tokio::time::sleep(*time).await,
            Fault::Drop => return None,
            Fault::Refuse { code, retry_after } => return Some(refusal(*code, *retry_after)),
            Fault::Expire { .. } if asked.verb == "list" => return Some(ApiError::list_expired().into_response()),
            _ => {}
        }
    }
    let once = || async {
        let since = state.store.version();
        let response = process(parts.clone(), Body::from(body.clone())).await;
        match &listener {
            Some(listener) => report(state, &asked, listener, since, (&parts, &body), response).await,
            None => response,
        }
    };
    for _ in faults.iter().filter(|fault| **fault == Fault::Twice) {
        drop(once().await);
    }
    let mut response = once().await;
    for fault in faults {
        response = match fault {
            Fault::LoseAnswer => return None,
            Fault::Deny { code } => refusal(code, None),
            Fault::CutAnswer => cut(response).await,
            Fault::EndWatch(how) if response.status() == StatusCode::OK => watch_faults::ended(how),
            // An answer that is no stream of events (a 403) is sent unchanged.
            Fault::Expire { .. } | Fault::CutWatch { .. } | Fault::Silence { .. } | Fault::Lag(_) | Fault::Reorder
                if response.status() == StatusCode::OK =>
            {
                response.map(|body| watch_faults::apply(body, fault))
            }
            _ => response,
        };
    }
    Some(response)
}

/// Reports what a request changed, if anything, and waits until its answer may be sent.
async fn report(
    state: &ApiState,
    asked: &Attributes,
    listener: &mpsc::UnboundedSender<Processed>,
    since: u64,
    (parts, request): (&Parts, &[u8]),
    response: Response<Body>,
) -> Response<Body> {
    let version = state.store.version();
    let (head, body) = response.into_parts();
    // Answers to changes are complete objects in memory.
    let answer = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    if !head.status.is_success() || is_dry_run(parts, request) {
        return Response::from_parts(head, Body::from(answer));
    }
    let said: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let text = |pointer: &str| said.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let or = |first: String, other: &str| if first.is_empty() { other.to_owned() } else { first };
    let mutation = Mutation {
        number: state.faults.next_number(),
        verb: asked.verb.clone(),
        resource: asked.path_of_resource(),
        namespace: asked.namespace.clone(),
        name: or(asked.name.clone(), &text("/metadata/name")),
        uid: or(text("/metadata/uid"), &text("/details/uid")),
        impersonated: parts.headers.get("impersonate-user").and_then(|name| name.to_str().ok()).map(str::to_owned),
        since,
        version,
    };
    let ((hold, held), (sent, answered)) = (oneshot::channel(), oneshot::channel());
    if listener.send(Processed { mutation, hold, answered }).is_ok() {
        // Released or dropped: both let the answer go.
        let _ = held.await;
    }
    signal_when_sent(head, answer, sent)
}

/// Whether a request is a dry run.
pub(crate) fn is_dry_run(parts: &Parts, request: &[u8]) -> bool {
    let options: Value = serde_json::from_slice(request).unwrap_or_default();
    Query::of(&parts.uri).has("dryRun") || options["dryRun"].as_array().is_some_and(|stages| !stages.is_empty())
}

/// An answer that tells when it has been taken.
fn signal_when_sent(mut head: response::Parts, answer: Bytes, sent: oneshot::Sender<()>) -> Response<Body> {
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(answer.len()));
    let body = stream::unfold((Some(answer), sent), |(answer, sent)| async move {
        // `sent` goes with the stream.
        Some((Ok::<_, io::Error>(answer?), (None, sent)))
    });
    Response::from_parts(head, Body::from_stream(body))
}

/// Cuts an answer after its first half.
async fn cut(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let answer = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(answer.len()));
    let half = answer.slice(..answer.len() / 2);
    Response::from_parts(head, Body::from_stream(stream::iter([Ok(half)]).chain(watch_faults::broken())))
}

/// Returns a refusal that does not depend on the request.
fn refusal(code: u16, retry_after: Option<u64>) -> Response<Body> {
    let mut response = if code == 502 {
        let mut page = Response::new(Body::from("<html><body><h1>502 Bad Gateway</h1></body></html>\n"));
        *page.status_mut() = StatusCode::BAD_GATEWAY;
        page.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        page
    } else {
        ApiError::injected(code, retry_after).into_response()
    };
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
