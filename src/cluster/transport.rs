//! What is done to every request alike: a deadline, credentials, a retry where that is safe, one
//! debug line. Watches and tunnels are bounded until they are answered, not after.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use http::header::{RETRY_AFTER, UPGRADE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use kube::Client;
use kube::client::Body;
use tokio::time::Instant;
use tower::BoxError;

use super::bounds::{LARGEST_ANSWER, LONGEST_LINE, Within, lines_within, whole};
use super::credential::Credential;

/// How long a watch or a tunnel may take to be answered where there is no `--request-timeout`.
const STREAM_ANSWER: Duration = Duration::from_secs(30);

/// The first pause before a retry.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause before a retry.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// No answer came in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {}", in_words(*.0))]
pub(super) struct DeadlinePassed(pub(super) Duration);

/// A duration as people write it: `250 ms`, `2 s`, `1m30s`.
pub(super) fn in_words(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    match seconds {
        0 => format!("{millis} ms"),
        1..=59 if millis > 0 => format!("{}.{} s", seconds, millis / 100),
        1..=59 => format!("{seconds} s"),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{}m{}s", seconds / 60, seconds % 60),
    }
}

/// The pause before the `attempt`-th retry (from 0): doubling, at most 2 s, and a random half to a whole of it, so
/// that several clients do not come back together.
pub(super) fn pause(attempt: u32) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << attempt.min(10)).min(LONGEST_PAUSE);
    let random = RandomState::new().build_hasher().finish() % 500;
    whole.mul_f64(0.5 + random as f64 / 1000.0)
}

/// Wraps a client: `limit` bounds every request (`None`: no limit), `credential` signs it.
pub(super) fn wrap(inner: Client, limit: Option<Duration>, credential: Option<Arc<Credential>>) -> Client {
    let namespace = inner.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (inner, credential) = (inner.clone(), credential.clone());
        async move { logged(inner, credential, limit, request).await }
    });
    Client::new(service, namespace)
}

async fn logged(
    inner: Client,
    credential: Option<Arc<Credential>>,
    limit: Option<Duration>,
    request: Request<Body>,
) -> Result<Response<Within>, BoxError> {
    let started = Instant::now();
    let (method, path) = (request.method().clone(), path_and_query(&request));
    let answer = bounded(inner, credential, limit, request).await;
    // Never headers: they hold credentials.
    let status = answer.as_ref().map_or(0, |response| response.status().as_u16());
    tracing::debug!(%method, path, status, ms = started.elapsed().as_millis() as u64, "request");
    answer
}

async fn bounded(
    inner: Client,
    credential: Option<Arc<Credential>>,
    limit: Option<Duration>,
    request: Request<Body>,
) -> Result<Response<Within>, BoxError> {
    let streams = is_stream(&request);
    let limit = if streams { Some(limit.unwrap_or(STREAM_ANSWER).max(STREAM_ANSWER)) } else { limit };
    let ends = limit.map(|limit| Instant::now() + limit);
    let work = async {
        let response = persistent(&inner, credential.as_deref(), ends, request).await?;
        if streams {
            // A tunnel's bytes are bounded by who asked for it.
            let watches = response.status() != StatusCode::SWITCHING_PROTOCOLS;
            let longest = if watches { LONGEST_LINE } else { usize::MAX };
            return Ok(response.map(|body| lines_within(body.map_err(BoxError::from), longest)));
        }
        // The body counts too: a server may stop in the middle of it.
        let (parts, body) = response.into_parts();
        let body = whole(body, LARGEST_ANSWER).await?;
        Ok(Response::from_parts(parts, Full::new(body).map_err(|never| match never {}).boxed_unsync()))
    };
    match limit {
        None => work.await,
        Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(DeadlinePassed(limit).into())),
    }
}

/// Retries what the server did not do: 429 for any request, 503 and 504 for one that changes nothing.
async fn persistent(
    inner: &Client,
    credential: Option<&Credential>,
    ends: Option<Instant>,
    request: Request<Body>,
) -> Result<Response<Body>, BoxError> {
    let mut attempt = 0;
    let mut request = request;
    loop {
        let again = copy(&request);
        let response = signed(inner, credential, request).await?;
        let Some(next) = again.filter(|next| may_retry(next.method(), response.status())) else {
            return Ok(response);
        };
        let wait = retry_after(&response).unwrap_or_else(|| pause(attempt));
        // An answer in hand is worth more than a deadline that passes while waiting.
        if attempt >= 4 || ends.is_some_and(|ends| Instant::now() + wait >= ends) {
            return Ok(response);
        }
        tokio::time::sleep(wait).await;
        attempt += 1;
        request = next;
    }
}

/// Adds the credential, and once a fresh one where the server does not accept it any more.
async fn signed(
    inner: &Client,
    credential: Option<&Credential>,
    mut request: Request<Body>,
) -> Result<Response<Body>, BoxError> {
    let Some(credential) = credential else {
        return Ok(inner.send(request).await?);
    };
    let again = copy(&request);
    let used = credential.sign(&mut request).await?;
    let response = inner.send(request).await?;
    if response.status() != StatusCode::UNAUTHORIZED {
        return Ok(response);
    }
    let Some(mut next) = again else { return Ok(response) };
    if !credential.renew(used.as_ref()).await? {
        return Ok(response);
    }
    credential.sign(&mut next).await?;
    Ok(inner.send(next).await?)
}

fn may_retry(method: &Method, status: StatusCode) -> bool {
    match status {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => method == Method::GET,
        _ => false,
    }
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let body = request.body().try_clone()?;
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

fn is_stream(request: &Request<Body>) -> bool {
    let watches = request.uri().query().unwrap_or("").split('&').any(|pair| pair == "watch=true" || pair == "watch=1");
    watches || request.headers().contains_key(UPGRADE)
}

fn path_and_query(request: &Request<Body>) -> String {
    request.uri().path_and_query().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{Answer, Server};

    fn get(path: &str) -> Request<Vec<u8>> {
        Request::get(path).body(Vec::new()).unwrap()
    }

    #[test]
    fn durations_are_words() {
        for (millis, words) in
            [(250, "250 ms"), (2000, "2 s"), (2500, "2.5 s"), (60_000, "1m"), (90_000, "1m30s"), (600_000, "10m")]
        {
            assert_eq!(in_words(Duration::from_millis(millis)), words);
        }
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        for attempt in [0, 3, 9, 31] {
            let whole = FIRST_PAUSE.saturating_mul(1 << attempt.min(10)).min(LONGEST_PAUSE);
            let pause = pause(attempt);
            assert!(pause >= whole / 2 && pause <= whole, "{attempt}: {pause:?}");
        }
    }

    #[tokio::test]
    async fn a_request_without_an_answer_ends_at_its_deadline() {
        let server = Server::new(|_| Answer::Never);
        let client = wrap(server.client(), Some(Duration::from_millis(30)), None);
        let error = client.request_text(get("/api/v1/pods")).await.unwrap_err();
        assert_eq!(super::super::failure::Failure::of(&error).reason, "no answer within 30 ms");
    }

    #[tokio::test]
    async fn too_many_requests_is_retried_after_what_the_server_says() {
        let server = Server::sequence(vec![
            Answer::status(429, "slow down").with_header("retry-after", "1"),
            Answer::json(200, serde_json::json!({"ok": true})),
        ]);
        let client = wrap(server.client(), Some(Duration::from_secs(30)), None);
        let started = Instant::now();
        assert!(client.request_text(get("/api/v1/pods")).await.unwrap().contains("ok"));
        assert!(started.elapsed() >= Duration::from_secs(1));
        assert_eq!(server.requests().len(), 2);
    }

    #[tokio::test]
    async fn a_write_is_not_repeated_after_a_503() {
        let server = Server::new(|_| Answer::status(503, "starting"));
        let client = wrap(server.client(), Some(Duration::from_secs(30)), None);
        let write = Request::delete("/api/v1/namespaces/a/pods/b").body(Vec::new()).unwrap();
        client.request_text(write).await.unwrap_err();
        assert_eq!(server.requests().len(), 1);
        client.request_text(get("/api/v1/pods")).await.unwrap_err();
        assert_eq!(server.requests().len(), 1 + 5);
    }

    #[tokio::test]
    async fn a_retry_that_would_pass_the_deadline_is_not_waited_for() {
        let server = Server::new(|_| Answer::status(429, "slow down").with_header("retry-after", "60"));
        let client = wrap(server.client(), Some(Duration::from_secs(3)), None);
        let error = client.request_text(get("/api/v1/pods")).await.unwrap_err();
        assert!(matches!(error, kube::Error::Api(status) if status.code == 429));
    }
}
