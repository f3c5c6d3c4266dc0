//! Status pages of safekeepers and pageservers, as their Neon ancestors serve them: `GET /v1/status` needs no
//! credentials, `/metrics` is beside it. SynxDB is assumed to do the same, so every answer may be Unknown.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use futures::FutureExt;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Answer;
use super::session::Trouble;
use crate::cluster::{Cluster, said};
use crate::error::Exit;

/// Largest status page taken, in bytes.
const LARGEST_PAGE: usize = 64 << 10;

/// Most that is read of metrics, in bytes: a pageserver has megabytes of them, of which a few lines matter.
const MOST_METRICS: usize = 16 << 20;

/// Most states of tenants kept: there are a handful.
const MOST_STATES: usize = 100;

/// Most timelines kept.
const MOST_TIMELINES: usize = 1000;

/// A status page that says that all is well: HTTP 200 and a JSON object.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusPage {
    /// Always 200.
    pub status: u16,
    /// The page.
    pub body: String,
    /// What `/metrics` beside it says; Unknown with the reason where it does not.
    pub metrics: Answer<Metrics>,
}

/// What a component's metrics say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Metrics {
    /// A safekeeper's, by timeline.
    Safekeeper(BTreeMap<String, Wal>),
    /// A pageserver's.
    Pageserver {
        /// Tenants by state, such as `Active`.
        tenants: BTreeMap<String, u64>,
        /// Broken tenants. Null where it does not say.
        broken: Option<u64>,
    },
}

/// How far a safekeeper's timeline has got, in bytes of WAL (log sequence numbers). Null is what it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Wal {
    /// Flushed to its own disk.
    pub flush_lsn: Option<u64>,
    /// Flushed by a majority of safekeepers.
    pub commit_lsn: Option<u64>,
    /// Copied to object storage.
    pub backup_lsn: Option<u64>,
}

/// Asks for the page at `path` (`/v1/status`) on a pod's port, and for `/metrics` on the same connection.
///
/// Yes only for HTTP 200 with a whole JSON object; No where nobody listens; Unknown for everything else.
pub async fn status_page(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    port: u16,
    path: &str,
    deadline: Duration,
) -> Answer<StatusPage> {
    within(deadline, async {
        match cluster.tunnel(namespace, pod, port, deadline).await {
            Ok(tunnel) => page_over(tunnel, pod, path).await,
            Err(error) if error.exit == Exit::TimedOut => Trouble::late(deadline).into(),
            Err(error) => Answer::Unknown(error.to_string()),
        }
    })
    .await
}

async fn within(deadline: Duration, asked: impl Future<Output = Answer<StatusPage>>) -> Answer<StatusPage> {
    tokio::time::timeout(deadline, asked).await.unwrap_or_else(|_| Trouble::late(deadline).into())
}

/// The same over any stream.
pub(super) async fn page_over<S>(stream: S, host: &str, path: &str) -> Answer<StatusPage>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = match handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await {
        Ok(opened) => opened,
        Err(error) => return no_answer(&error),
    };
    // The connection is driven beside the questions and ends with them.
    let mut driver = tokio::spawn(connection);
    let (answer, ended) = {
        let mut asked = pin!(page(&mut sender, host, path));
        tokio::select! {
            biased;
            answer = &mut asked => (Some(answer), None),
            // A question that reaches the connection in the moment in which it ends may be lost with it: what has no
            // answer by then gets none.
            ended = &mut driver => (asked.as_mut().now_or_never(), Some(ended)),
        }
    };
    drop(sender);
    let unanswered = match &answer {
        None => true,
        Some(Err(error)) => error.is_canceled() || error.is_closed(),
        Some(Ok(_)) => false,
    };
    // The question only knows that there is no connection; why, the connection itself knows.
    let cause = match ended {
        _ if !unanswered => None,
        Some(ended) => ended.ok().and_then(Result::err),
        None => (&mut driver).await.ok().and_then(Result::err),
    };
    driver.abort();
    match (cause, answer) {
        (Some(cause), _) => no_answer(&cause),
        (None, Some(answer)) => answer.unwrap_or_else(|error| no_answer(&error)),
        (None, None) => Answer::Unknown("the connection was closed".to_owned()),
    }
}

async fn page(sender: &mut SendRequest<Empty<Bytes>>, host: &str, path: &str) -> hyper::Result<Answer<StatusPage>> {
    let response = get(sender, host, path).await?;
    let status = response.status();
    if status != StatusCode::OK {
        return Ok(Answer::Unknown(format!("{path} answers {status}")));
    }
    let body = match whole(response).await {
        Ok(body) => body,
        Err(reason) => return Ok(Answer::Unknown(format!("{path}: {reason}"))),
    };
    if !serde_json::from_str::<serde_json::Value>(&body).is_ok_and(|page| page.is_object()) {
        return Ok(Answer::Unknown(format!("{path} answers 200, but not with a JSON object")));
    }
    let metrics = metrics(sender, host).await;
    Ok(Answer::Yes(StatusPage { status: status.as_u16(), body, metrics }))
}

async fn metrics(sender: &mut SendRequest<Empty<Bytes>>, host: &str) -> Answer<Metrics> {
    if let Err(error) = sender.ready().await {
        return Answer::Unknown(format!("/metrics: {}", said(&error)));
    }
    let response = match get(sender, host, "/metrics").await {
        Ok(response) if response.status() == StatusCode::OK => response,
        Ok(response) => return Answer::Unknown(format!("/metrics answers {}", response.status())),
        Err(error) => return Answer::Unknown(format!("/metrics: {}", said(&error))),
    };
    match interesting_lines(response).await {
        Err(reason) => Answer::Unknown(format!("/metrics: {reason}")),
        Ok(lines) => match parse(lines.iter().map(String::as_str)) {
            Some(metrics) => Answer::Yes(metrics),
            None => Answer::Unknown("/metrics has no metric of a safekeeper or a pageserver".to_owned()),
        },
    }
}

async fn get(sender: &mut SendRequest<Empty<Bytes>>, host: &str, path: &str) -> hyper::Result<Response<Incoming>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = path.parse().unwrap_or_default();
    let host = http::HeaderValue::from_str(host).unwrap_or(http::HeaderValue::from_static("localhost"));
    request.headers_mut().insert(http::header::HOST, host);
    sender.send_request(request).await
}

/// The kubelet says that nobody listens only once something is read, so it comes as an error of the connection.
fn no_answer<T>(error: &hyper::Error) -> Answer<T> {
    let reason = said(error);
    if reason.starts_with("connection refused") {
        Answer::No(reason)
    } else if error.is_incomplete_message() {
        Answer::Unknown("the connection was closed".to_owned())
    } else {
        Answer::Unknown(reason)
    }
}

async fn whole(response: Response<Incoming>) -> Result<String, String> {
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("cut off: {}", said(&error)))?;
        bytes.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
        if bytes.len() > LARGEST_PAGE {
            return Err(format!("longer than {} KiB", LARGEST_PAGE >> 10));
        }
    }
    String::from_utf8(bytes).map_err(|_| "not text".to_owned())
}

/// The lines that [`parse`] understands, without keeping the others.
async fn interesting_lines(response: Response<Incoming>) -> Result<Vec<String>, String> {
    let mut body = response.into_body();
    let (mut rest, mut lines, mut total) = (Vec::new(), Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("cut off: {}", said(&error)))?;
        let data = frame.into_data().unwrap_or_default();
        total += data.len();
        if total > MOST_METRICS {
            return Err(format!("longer than {} MiB", MOST_METRICS >> 20));
        }
        for byte in data {
            if byte != b'\n' {
                rest.push(byte);
                continue;
            }
            if is_interesting(&rest) {
                lines.push(String::from_utf8_lossy(&rest).into_owned());
            }
            rest.clear();
        }
    }
    if is_interesting(&rest) {
        lines.push(String::from_utf8_lossy(&rest).into_owned());
    }
    Ok(lines)
}

const FLUSH: &str = "safekeeper_flush_lsn";
const COMMIT: &str = "safekeeper_commit_lsn";
const BACKUP: &str = "safekeeper_backup_lsn";
const TENANTS: &str = "pageserver_tenant_states_count";
const BROKEN: &str = "pageserver_broken_tenants_count";

fn is_interesting(line: &[u8]) -> bool {
    [FLUSH, COMMIT, BACKUP, TENANTS, BROKEN].iter().any(|name| line.starts_with(name.as_bytes()))
}

/// Prometheus' text format (<https://prometheus.io/docs/instrumenting/exposition_formats/>): `name{label="value"} 1`.
/// `None` where there is none of the metrics we know.
pub(super) fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Metrics> {
    let mut timelines: BTreeMap<String, Wal> = BTreeMap::new();
    let mut tenants: BTreeMap<String, u64> = BTreeMap::new();
    let mut broken = None;
    for (name, labels, value) in lines.filter_map(sample) {
        match name {
            FLUSH | COMMIT | BACKUP => {
                let timeline = label(labels, "timeline_id").unwrap_or_default();
                if timelines.len() >= MOST_TIMELINES && !timelines.contains_key(&timeline) {
                    continue;
                }
                let wal = timelines.entry(timeline).or_default();
                let field = match name {
                    FLUSH => &mut wal.flush_lsn,
                    COMMIT => &mut wal.commit_lsn,
                    _ => &mut wal.backup_lsn,
                };
                *field = Some(value);
            }
            TENANTS => {
                let state = label(labels, "state").unwrap_or_default();
                if tenants.len() >= MOST_STATES && !tenants.contains_key(&state) {
                    continue;
                }
                let number = tenants.entry(state).or_default();
                *number = number.saturating_add(value);
            }
            BROKEN => broken = Some(broken.unwrap_or(0u64).saturating_add(value)),
            _ => {}
        }
    }
    if !timelines.is_empty() {
        Some(Metrics::Safekeeper(timelines))
    } else if !tenants.is_empty() || broken.is_some() {
        Some(Metrics::Pageserver { tenants, broken })
    } else {
        None
    }
}

/// Name, labels, value. Values are floats in that format, and ours are counts.
fn sample(line: &str) -> Option<(&str, &str, u64)> {
    let line = line.trim();
    let (name, labels, rest) = match line.find('{') {
        Some(open) => {
            let close = line.rfind('}')?;
            (&line[..open], line.get(open + 1..close)?, &line[close + 1..])
        }
        None => {
            let (name, rest) = line.split_once(char::is_whitespace)?;
            (name, "", rest)
        }
    };
    // A time may follow the value.
    let text = rest.split_whitespace().next()?;
    let value = text.parse().ok().or_else(|| {
        let float: f64 = text.parse().ok()?;
        (float.is_finite() && float >= 0.0).then_some(float as u64)
    })?;
    Some((name, labels, value))
}

fn label(labels: &str, name: &str) -> Option<String> {
    let mut rest = labels;
    while let Some((key, after)) = rest.split_once("=\"") {
        let (mut value, mut end, mut escaped) = (String::new(), after.len(), false);
        for (at, c) in after.char_indices() {
            match c {
                _ if escaped => {
                    value.push(if c == 'n' { '\n' } else { c });
                    escaped = false;
                }
                '\\' => escaped = true,
                '"' => {
                    end = at + 1;
                    break;
                }
                _ => value.push(c),
            }
        }
        if key.trim_start_matches([',', ' ']) == name {
            return Some(value);
        }
        rest = &after[end..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const SAFEKEEPER: &str = r#"
# HELP safekeeper_flush_lsn Current flush_lsn
safekeeper_flush_lsn{tenant_id="t",timeline_id="one"} 24000000
safekeeper_commit_lsn{tenant_id="t",timeline_id="one"} 2.4e7
safekeeper_backup_lsn{tenant_id="t",timeline_id="one"} 23000000 1700000000
safekeeper_flush_lsn{tenant_id="t,\"=}",timeline_id="two"} 7
other_metric 1
"#;

    #[test]
    fn a_safekeepers_metrics_are_read_by_timeline() {
        let Some(Metrics::Safekeeper(timelines)) = parse(SAFEKEEPER.lines()) else { panic!() };
        let one = Wal { flush_lsn: Some(24_000_000), commit_lsn: Some(24_000_000), backup_lsn: Some(23_000_000) };
        assert_eq!(timelines["one"], one);
        assert_eq!(timelines["two"], Wal { flush_lsn: Some(7), ..Wal::default() });
    }

    #[test]
    fn a_pageservers_metrics_are_read_by_state() {
        let text = "pageserver_tenant_states_count{state=\"Active\"} 3\npageserver_tenant_states_count{state=\"Broken\"} 1\n\
                    pageserver_broken_tenants_count{tenant_id=\"a\"} 1\npageserver_broken_tenants_count{tenant_id=\"b\"} 0";
        let expected = BTreeMap::from([("Active".to_owned(), 3), ("Broken".to_owned(), 1)]);
        assert_eq!(parse(text.lines()), Some(Metrics::Pageserver { tenants: expected, broken: Some(1) }));
        let most = format!("{TENANTS}{{state=\"Active\"}} {0}\n{TENANTS}{{state=\"Active\"}} {0}", u64::MAX);
        let states: String = (0..200).map(|n| format!("{TENANTS}{{state=\"{n}\"}} 1\n")).collect();
        for (text, number, first) in [(most, 1, u64::MAX), (states, MOST_STATES, 1)] {
            let Some(Metrics::Pageserver { tenants, .. }) = parse(text.lines()) else { panic!() };
            assert_eq!((tenants.len(), tenants.values().next()), (number, Some(&first)));
        }
        assert_eq!(parse("up 1\nsafekeeper_flush_lsn NaN\nbroken{".lines()), None);
    }

    /// A server that answers each request with the next of these texts, then closes.
    async fn ask(answers: Vec<String>) -> Answer<StatusPage> {
        let (client, mut server) = duplex(1 << 20);
        let serving = tokio::spawn(async move {
            for answer in answers {
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    match server.read_u8().await {
                        Ok(byte) => asked.push(byte),
                        Err(_) => return,
                    }
                }
                let _ = server.write_all(answer.as_bytes()).await;
            }
        });
        let answer = page_over(client, "safekeeper-0", "/v1/status").await;
        serving.abort();
        answer
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn a_page_with_metrics_is_a_yes() {
        let Answer::Yes(page) = ask(vec![ok(r#"{"id":1}"#), ok(SAFEKEEPER)]).await else { panic!() };
        assert_eq!((page.status, page.body.as_str()), (200, r#"{"id":1}"#));
        assert!(matches!(page.metrics, Answer::Yes(Metrics::Safekeeper(timelines)) if timelines.len() == 2));

        let Answer::Yes(page) =
            ask(vec![ok("{}"), "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned()]).await
        else {
            panic!()
        };
        assert_eq!(page.metrics, Answer::Unknown("/metrics answers 404 Not Found".to_owned()));
    }

    /// Of metrics so much is read and no more, and of what they name so many.
    #[tokio::test]
    async fn metrics_without_end_are_cut_off() {
        let long = format!("#{}\n", "x".repeat(1 << 20)).repeat(17);
        let Answer::Yes(page) = ask(vec![ok("{}"), ok(&long)]).await else { panic!() };
        assert_eq!(page.metrics, Answer::Unknown("/metrics: longer than 16 MiB".to_owned()));

        let line = |timeline: usize, lsn: u64| format!("{FLUSH}{{timeline_id=\"{timeline:05}\"}} {lsn}\n");
        let most: String = (0..MOST_TIMELINES + 10).map(|number| line(number, 1)).collect();
        let text = most + &line(0, 2);
        let Some(Metrics::Safekeeper(timelines)) = parse(text.lines()) else { panic!() };
        assert_eq!(timelines.len(), MOST_TIMELINES);
        assert_eq!(timelines["00000"].flush_lsn, Some(2), "of those that are known more is learned");
    }

    /// A tunnel whose other end is reported as refused, whether that is known before the question or after it.
    struct Refused;

    impl AsyncRead for Refused {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            let reason = "connection refused: nothing listens on that port of the pod";
            std::task::Poll::Ready(Err(std::io::Error::new(std::io::ErrorKind::ConnectionRefused, reason)))
        }
    }

    impl AsyncWrite for Refused {
        fn poll_write(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            bytes: &[u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            std::task::Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn poll_shutdown(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nobody_listening_is_a_no_however_early_it_is_known() {
        for _ in 0..200 {
            let answer = page_over(Refused, "safekeeper-0", "/v1/status").await;
            let reason = "connection refused: nothing listens on that port of the pod";
            assert_eq!(answer, Answer::No(reason.to_owned()));
        }
    }

    #[tokio::test]
    async fn a_slow_page_is_unknown() {
        let deadline = Duration::from_millis(50);
        for begun in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{\"id"] {
            let (client, mut server) = duplex(1 << 10);
            let answering = async {
                let mut asked = [0; 4];
                server.read_exact(&mut asked).await.unwrap();
                server.write_all(begun.as_bytes()).await.unwrap();
                std::future::pending::<()>().await;
            };
            let answer = tokio::select! {
                answer = within(deadline, page_over(client, "safekeeper-0", "/v1/status")) => answer,
                () = answering => unreachable!(),
            };
            assert_eq!(answer, Answer::Unknown("no answer within 0.1 s".to_owned()), "{begun}");
        }
    }

    #[tokio::test]
    async fn anything_else_is_unknown_and_never_a_pass() {
        let cut_off = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":1}".to_owned();
        let cases = [
            (vec!["HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_owned()], "answers 503"),
            (vec![ok("<html>")], "not with a JSON object"),
            (vec![ok("[]")], "not with a JSON object"),
            (vec![ok(&format!("{{\"a\":\"{}\"}}", "x".repeat(LARGEST_PAGE)))], "longer than 64 KiB"),
            (vec![cut_off], "cut off"),
            (vec![], "closed"),
            (vec!["SSH-2.0-OpenSSH\r\n".to_owned()], "HTTP"),
        ];
        for (answers, expected) in cases {
            match ask(answers).await {
                Answer::Unknown(reason) => assert!(reason.contains(expected), "{reason} / {expected}"),
                other => panic!("{other:?} / {expected}"),
            }
        }
    }
}
