//! What applies to every request: a deadline, credentials, a retry if that is safe, one debug line. Watches and tunnels
//! are limited until the response arrives, not after.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use http::header::{LOCATION, RETRY_AFTER, UPGRADE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, BodyStream, StreamBody};
use kube::Client;
use kube::client::Body;
use tokio::time::Instant;
use tower::BoxError;

use super::body_limit::{LARGEST_ANSWER, LONGEST_LINE, Within, collect_limited, lines_within};
use super::credential::Credential;
use super::failure;
use super::request_errors::{DeadlinePassed, Redirected};
use super::url::Address;
use crate::duration::after;

/// Longest time until a watch or a tunnel gets its response if there is no `--request-timeout`.
const STREAM_ANSWER: Duration = Duration::from_secs(30);

/// The first pause before a retry.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause before a retry.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long after its time a watch is given up.
const OVERDUE: Duration = Duration::from_secs(5);

/// The longest pause that a server may ask for. Whoever asks for more is not going to respond to this command: its
/// response is reported instead.
const LONGEST_REQUESTED: Duration = Duration::from_secs(60);

/// Retries if the server asks to try again later.
const BUSY: u32 = 4;

/// Retries of what may have been a momentary failure of a proxy or of one connection; the caller has a deadline.
const BROKEN: u32 = 1;

/// Marks a request whose response is read as it arrives, by a caller that limits its size and its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streamed;

/// Returns the pause before the `attempt`-th retry (from 0): doubling, at most 2 s, and randomly shortened by up to
/// half, so that several clients do not return together.
pub(super) fn pause(attempt: u32) -> Duration {
    varied(FIRST_PAUSE.saturating_mul(1 << attempt.min(10)).min(LONGEST_PAUSE))
}

/// Returns a pause that is randomly shortened by up to half.
pub(super) fn varied(whole: Duration) -> Duration {
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
    // Never headers: they contain credentials.
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
    let (streams, streamed) = (is_stream(&request), is_streamed(&request));
    let limit = if streams { Some(limit.unwrap_or(STREAM_ANSWER)) } else { limit };
    // Before the deadline begins: a credential plugin may wait for a person.
    let mut request = request;
    if let Some(credential) = &credential {
        credential.sign(&mut request).await?;
    }
    let ends = limit.map(|limit| after(Instant::now(), limit));
    let lives = lives(&request);
    let work = async {
        let response = persistent(&inner, credential.as_deref(), ends, request).await?;
        if streamed || !streams {
            return Ok(response.map(|body| body.map_err(BoxError::from).boxed_unsync()));
        }
        // A tunnel's bytes are limited by the caller.
        let watches = response.status() != StatusCode::SWITCHING_PROTOCOLS;
        let longest = if watches { LONGEST_LINE } else { usize::MAX };
        Ok(response.map(|body| lines_within(at_most(body, lives), longest)))
    };
    match limit {
        None => work.await,
        Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(DeadlinePassed(limit).into())),
    }
}

/// Retries what the server did not do: 429 for any request; for a read-only request also server errors and, once, a
/// broken connection.
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
        let answer = once(inner, credential, request).await;
        let Some(next) = again.filter(|next| attempt < retries(next, &answer)) else {
            return answer;
        };
        let asked = answer.as_ref().ok().and_then(retry_after);
        let wait = asked.unwrap_or_else(|| pause(attempt));
        // A response that has arrived is worth more than a deadline that passes while waiting.
        let until = after(Instant::now(), wait);
        if wait > LONGEST_REQUESTED || ends.is_some_and(|ends| until >= ends) {
            return answer;
        }
        tokio::time::sleep(wait).await;
        attempt += 1;
        request = next;
    }
}

/// Sends a request. The deadline includes the response's body, except for a stream: a server may stop in the middle of
/// it.
async fn once(
    inner: &Client,
    credential: Option<&Credential>,
    request: Request<Body>,
) -> Result<Response<Body>, BoxError> {
    let (streams, streamed) = (is_stream(&request), is_streamed(&request));
    let response = signed(inner, credential, request).await?;
    // A refusal is small, and is kept for a retry.
    if streams || (streamed && response.status().is_success()) {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = collect_limited(body, LARGEST_ANSWER).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// Adds the credential, and once a new one if the server rejects it. A redirection is not followed.
async fn signed(
    inner: &Client,
    credential: Option<&Credential>,
    mut request: Request<Body>,
) -> Result<Response<Body>, BoxError> {
    let Some(credential) = credential else {
        return answered(inner.send(request).await?);
    };
    let again = copy(&request);
    let used = credential.sign(&mut request).await?;
    let response = inner.send(request).await?;
    if response.status() != StatusCode::UNAUTHORIZED {
        return answered(response);
    }
    let Some(mut next) = again else { return Ok(response) };
    if !credential.renew(&used).await? {
        return Ok(response);
    }
    credential.sign(&mut next).await?;
    answered(inner.send(next).await?)
}

/// Passes a response on, unless it is a redirection.
fn answered(response: Response<Body>) -> Result<Response<Body>, BoxError> {
    let code = response.status();
    if !code.is_redirection() || code == StatusCode::NOT_MODIFIED {
        return Ok(response);
    }
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let target = match Address::parse(location) {
        Some(to) => format!("{}://{}", to.scheme, to.authority),
        None => "another path of itself".to_owned(),
    };
    Err(Redirected { code: code.as_u16(), target }.into())
}

/// Returns how often a request may be sent again after this response.
fn retries(request: &Request<Body>, answer: &Result<Response<Body>, BoxError>) -> u32 {
    match answer.as_ref().map(|response| response.status()) {
        Ok(StatusCode::TOO_MANY_REQUESTS) => BUSY,
        Ok(StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT) if changes_nothing(request) => BUSY,
        // A watch is restarted by its reader, which also reports it.
        _ if !changes_nothing(request) || is_watch(request) => 0,
        Ok(StatusCode::INTERNAL_SERVER_ERROR | StatusCode::BAD_GATEWAY) => BROKEN,
        Ok(_) => 0,
        // A request that was refused, unknown or not trusted would be so again.
        Err(error) if failure::broke(&**error) => BROKEN,
        Err(_) => 0,
    }
}

/// Permission reviews are creations that create nothing.
fn changes_nothing(request: &Request<Body>) -> bool {
    let reviews = request.method() == Method::POST && request.uri().path().ends_with("reviews");
    request.method() == Method::GET || reviews
}

/// Returns the pause that a response asks for, in either form of RFC 9110: seconds, however many, or a date. A date in
/// the past is no pause; anything else counts as absent.
fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(jiff::Timestamp::now())).unwrap_or_default())
}

fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let body = request.body().try_clone()?;
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    if is_streamed(request) {
        copy.extensions_mut().insert(Streamed);
    }
    Some(copy)
}

fn is_streamed(request: &Request<Body>) -> bool {
    request.extensions().get::<Streamed>().is_some()
}

fn is_stream(request: &Request<Body>) -> bool {
    is_watch(request) || request.headers().contains_key(UPGRADE)
}

pub(super) fn is_watch(request: &Request<Body>) -> bool {
    request.uri().query().unwrap_or("").split('&').any(|pair| pair == "watch=true" || pair == "watch=1")
}

/// Returns how long the response to a watch may last: the requested time, and a little more. A server ends it itself;
/// otherwise the connection has died unnoticed.
fn lives(request: &Request<Body>) -> Option<Duration> {
    let query = request.uri().query().filter(|_| is_stream(request))?;
    let seconds = query.split('&').find_map(|pair| pair.strip_prefix("timeoutSeconds="))?.parse().ok()?;
    Some(Duration::from_secs(seconds).saturating_add(OVERDUE))
}

/// A body that ends at the latest then, if there is a limit.
fn at_most(body: Body, time: Option<Duration>) -> Within {
    let Some(time) = time else { return body.map_err(BoxError::from).boxed_unsync() };
    let frames = BodyStream::new(body).take_until(Box::pin(tokio::time::sleep(time)));
    StreamBody::new(frames).map_err(BoxError::from).boxed_unsync()
}

fn path_and_query(request: &Request<Body>) -> String {
    request.uri().path_and_query().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{Reply, Server};
    use std::sync::atomic::{AtomicU32, Ordering};

    fn get(path: &str) -> Request<Vec<u8>> {
        Request::get(path).body(Vec::new()).unwrap()
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
        let server = Server::new(|_| Reply::Never);
        let client = wrap(server.client(), Some(Duration::from_millis(30)), None);
        let error = client.request_text(get("/api/v1/pods")).await.unwrap_err();
        assert_eq!(super::super::failure::Failure::of(error).reason, "no response within 30 ms");
    }

    #[tokio::test]
    async fn too_many_requests_is_retried_after_what_the_server_says() {
        let server = Server::sequence(vec![
            Reply::status(429, "slow down").with_header("retry-after", "1"),
            Reply::json(200, serde_json::json!({"ok": true})),
        ]);
        let client = wrap(server.client(), Some(Duration::from_secs(30)), None);
        let started = Instant::now();
        assert!(client.request_text(get("/api/v1/pods")).await.unwrap().contains("ok"));
        assert!(started.elapsed() >= Duration::from_secs(1));
        assert_eq!(server.requests().len(), 2);
    }

    /// Both forms of RFC 9110. No number and no date is too large, and what is neither counts as absent.
    #[test]
    fn a_requested_pause_is_seconds_or_a_date() {
        let read = |text: &[u8]| {
            let mut response = Response::new(Body::empty());
            response.headers_mut().insert(RETRY_AFTER, http::HeaderValue::from_bytes(text).unwrap());
            retry_after(&response)
        };
        for (text, expected) in [
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("99999999999999999999999999", Some(u64::MAX)),
            ("Fri, 31 Dec 1999 23:59:59 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("+5", None),
            ("", None),
            ("soon", None),
            ("Fri, 99 Dec 1999 23:59:59 GMT", None),
        ] {
            assert_eq!(read(text.as_bytes()), expected.map(Duration::from_secs), "{text}");
        }
        assert!(read(b"Thu, 30 Dec 9999 12:00:00 GMT").unwrap() > Duration::from_secs(86_400 * 365));
        let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(20);
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&soon).unwrap();
        let pause = read(date.as_bytes()).unwrap();
        assert!(pause > Duration::from_secs(10) && pause <= Duration::from_secs(20), "{date}: {pause:?}");
        assert_eq!(read(b"\xff\xfe"), None);
    }

    proptest::proptest! {
        /// Nothing that a server can send makes the program panic or wait longer than a minute for another attempt.
        #[test]
        fn no_header_is_waited_for_too_long(header in proptest::collection::vec(0x20u8..=0xff, 0..40), digits: u128) {
            for text in [header, digits.to_string().into_bytes(), format!("{}", u64::MAX).into_bytes()] {
                let Ok(value) = http::HeaderValue::from_bytes(&text) else { continue };
                let mut response = Response::new(Body::empty());
                response.headers_mut().insert(RETRY_AFTER, value);
                let pause = retry_after(&response);
                let until = after(Instant::now(), pause.unwrap_or_default());
                proptest::prop_assert!(until >= Instant::now() || pause.is_none_or(|pause| pause.is_zero()));
            }
        }
    }

    /// With and without a limit: a server that wants to be left alone for years is not waited for.
    #[tokio::test]
    async fn a_pause_of_years_is_an_answer() {
        for requested in ["18446744073709551615", "9223372036854775807", "61", "Thu, 30 Dec 9999 12:00:00 GMT"] {
            for limit in [None, Some(Duration::MAX), Some(Duration::from_secs(86_400))] {
                let server = Server::new(move |_| Reply::status(429, "later").with_header("retry-after", requested));
                let client = wrap(server.client(), limit, None);
                let error = client.request_text(get("/api/v1/pods")).await.unwrap_err();
                assert!(matches!(error, kube::Error::Api(status) if status.code == 429), "{requested}");
                assert_eq!(server.requests().len(), 1, "{requested}");
            }
        }
    }

    #[tokio::test]
    async fn a_write_is_not_repeated_after_a_503() {
        let server = Server::new(|_| Reply::status(503, "starting"));
        let client = wrap(server.client(), Some(Duration::from_secs(30)), None);
        let write = Request::delete("/api/v1/namespaces/a/pods/b").body(Vec::new()).unwrap();
        client.request_text(write).await.unwrap_err();
        assert_eq!(server.requests().len(), 1);
        client.request_text(get("/api/v1/pods")).await.unwrap_err();
        assert_eq!(server.requests().len(), 1 + 5);
    }

    /// A read-only request is retried after any failure; a request that may have been carried out is not retried here.
    #[tokio::test]
    async fn a_question_is_repeated_when_the_server_is_in_trouble_or_the_connection_breaks() {
        for trouble in [Reply::Broken, Reply::status(500, "etcd"), Reply::status(502, "<html>"), Reply::status(504, "")]
        {
            for (method, path, repeated) in [
                ("GET", "/api/v1/pods", true),
                ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", true),
                ("POST", "/api/v1/namespaces/a/pods", false),
                ("PATCH", "/api/v1/persistentvolumes/pv-1", false),
                ("DELETE", "/api/v1/namespaces/a/pods/b", false),
            ] {
                let fine = Reply::json(200, serde_json::json!({"ok": true}));
                let server = Server::sequence(vec![trouble.clone(), fine]);
                let client = wrap(server.client(), Some(Duration::from_secs(30)), None);
                let request = Request::builder().method(method).uri(path).body(Vec::new()).unwrap();
                let answer = client.request_text(request).await;
                assert_eq!(answer.is_ok(), repeated, "{method} {path}: {answer:?}");
                assert_eq!(server.requests().len(), if repeated { 2 } else { 1 }, "{method} {path}");
            }
        }
    }

    /// Its credentials would go along; and the page at its end is no answer.
    #[tokio::test]
    async fn a_redirection_is_named_and_not_followed() {
        for (location, target) in
            [("https://login.example/auth?state=s3cret", "https://login.example"), ("/login", "another path of itself")]
        {
            let server = Server::new(move |_| Reply::status(302, "").with_header("location", location));
            let client = wrap(server.client(), Some(Duration::from_secs(30)), None);
            let error = client.request_text(get("/api/v1/pods")).await.unwrap_err();
            let reason = super::super::failure::Failure::of(error).reason;
            assert!(reason.starts_with(&format!("the server redirects to {target} (status 302)")), "{reason}");
            assert!(!reason.contains("s3cret"));
            assert_eq!(server.requests().len(), 1);
        }
    }

    #[tokio::test]
    async fn a_refused_connection_is_not_retried() {
        let asked = Arc::new(AtomicU32::new(0));
        let counted = asked.clone();
        let service = tower::service_fn(move |_: Request<Body>| {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Err::<Response<Body>, _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)) }
        });
        let client = wrap(Client::new(service, "default"), Some(Duration::from_secs(30)), None);
        client.request_text(get("/api/v1/pods")).await.unwrap_err();
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    /// A connection that died unnoticed sends nothing and does not end.
    #[tokio::test]
    async fn a_watch_ends_a_little_after_its_time() {
        for (path, seconds) in [
            ("/api/v1/pods?watch=true&timeoutSeconds=30", Some(35)),
            ("/api/v1/pods?watch=true", None),
            ("/api/v1/pods?timeoutSeconds=30", None),
        ] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            assert_eq!(lives(&request), seconds.map(Duration::from_secs), "{path}");
        }
        let (_events, silent) = Reply::watch();
        let server = Server::sequence(vec![silent]);
        let answer = server.client().send(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        let body = at_most(answer.into_body(), Some(Duration::from_millis(30)));
        assert!(body.collect().await.unwrap().to_bytes().is_empty());
    }

    #[tokio::test]
    async fn a_retry_that_would_pass_the_deadline_is_not_waited_for() {
        let server = Server::new(|_| Reply::status(429, "slow down").with_header("retry-after", "60"));
        let client = wrap(server.client(), Some(Duration::from_secs(3)), None);
        let error = client.request_text(get("/api/v1/pods")).await.unwrap_err();
        assert!(matches!(error, kube::Error::Api(status) if status.code == 429));
    }
}
