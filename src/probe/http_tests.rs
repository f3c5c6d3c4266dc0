//! Judging what a server responds, or does not.

use super::*;
use crate::probe::Answer;
use crate::storage::facts::TimelineId;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

const SAFEKEEPER: &str = "safekeeper_timelines 2\nsafekeeper_flush_lsn{tenant_id=\"aa\",timeline_id=\"11\"} 24000000\n";

/// A server that responds to each request with the next of these texts, then closes.
async fn fetched(answers: Vec<String>) -> Result<PageFacts, NoPage> {
    fetched_showing(&Shown::Nothing, answers).await.0
}

/// The same, with this token; also returns the requests.
async fn fetched_showing(shown: &Shown, answers: Vec<String>) -> (Result<PageFacts, NoPage>, Vec<String>) {
    let requests = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = requests.clone();
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
            heard.lock().unwrap().push(String::from_utf8(asked).unwrap());
            let _ = server.write_all(answer.as_bytes()).await;
        }
    });
    let answer = page_over(client, "safekeeper-0", "/v1/status", Deadlines::default(), shown).await;
    serving.abort();
    let requests = requests.lock().unwrap().clone();
    (answer, requests)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_page_with_its_metrics_is_read() {
    let page = fetched(vec![ok(r#"{"id":1}"#), ok(SAFEKEEPER)]).await.unwrap();
    let facts = page.safekeeper().unwrap();
    assert_eq!((page.id, facts.total, facts.timelines.len(), &page.unread), (Some(1), Some(2), 1, &None));
    assert_eq!(facts.timelines[&TimelineId::new("aa", "11")].flush_lsn, Some(24_000_000));

    let launched =
        "HTTP/1.1 200 OK\r\npageserver_launch_timestamp: 2026-11-27\r\ncontent-length: 2\r\n\r\n{}".to_owned();
    let page = fetched(vec![launched, ok("")]).await.unwrap();
    assert_eq!((page.id, page.launched.as_deref()), (None, Some("2026-11-27")));
}

/// The status and the metrics are separate: each has its own time limit and its own reason.
#[tokio::test]
async fn metrics_that_cannot_be_read_are_unknown_and_the_page_stands() {
    let closed = "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\nsafekeeper_timelines 2\n".to_owned();
    for (metrics, expected) in [
        ("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n".to_owned(), "/metrics returned 401 Unauthorized"),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(), "/metrics returned 404 Not Found"),
        (ok("up 1\n"), "/metrics has no safekeeper or pageserver metrics"),
        (closed, "/metrics: truncated"),
        (String::new(), "/metrics: "),
    ] {
        let page = fetched(vec![ok(r#"{"id":1}"#), metrics]).await.unwrap();
        assert_eq!((page.id, &page.metrics), (Some(1), &None));
        assert!(page.unread.as_ref().is_some_and(|why| why.contains(expected)), "{page:?} / {expected}");
    }
    // Silent, or without an end.
    for begun in ["", "HTTP/1.1 200 OK\r\n\r\nsafekeeper_timelines 2\n"] {
        let (client, mut server) = duplex(1 << 16);
        let serving = async {
            for answer in [ok(r#"{"id":1}"#).as_str(), begun] {
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    asked.push(server.read_u8().await.unwrap());
                }
                server.write_all(answer.as_bytes()).await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        let deadlines = Deadlines { metrics: Duration::from_millis(50), ..Deadlines::default() };
        let page = tokio::select! {
            page = page_over(client, "safekeeper-0", "/v1/status", deadlines, &Shown::Nothing) => page.unwrap(),
            () = serving => unreachable!(),
        };
        assert_eq!(page.unread.as_deref(), Some("/metrics: no response within 50 ms"), "{begun}");
    }
}

/// Size is no verdict: 40 MiB with the lines that matter at the end.
#[tokio::test]
async fn large_metrics_are_read_to_the_end() {
    let long = format!("#{}\n", "x".repeat(1 << 16)).repeat(640);
    let page = fetched(vec![ok("{}"), ok(&format!("{long}{SAFEKEEPER}"))]).await.unwrap();
    assert_eq!(page.safekeeper().unwrap().total, Some(2), "{:?}", page.unread);
}

/// A tunnel whose other end is reported as refused, whether that is known before the request or after it.
struct Refused;

impl AsyncRead for Refused {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let report = crate::cluster::PortError::NothingListens;
        std::task::Poll::Ready(Err(std::io::Error::new(std::io::ErrorKind::ConnectionRefused, report)))
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
async fn a_closed_port_is_a_no_however_early_it_is_known() {
    for _ in 0..200 {
        let answer = page_over(Refused, "safekeeper-0", "/v1/status", Deadlines::default(), &Shown::Nothing).await;
        let reason = "connection refused: nothing is listening on that port of the pod".to_owned();
        assert_eq!(answer, Err(NoPage { kind: NoPageKind::Refused, reason }));
    }
}

#[tokio::test]
async fn a_slow_page_is_unknown() {
    let deadlines = Deadlines { page: Duration::from_millis(50), ..Deadlines::default() };
    for begun in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{\"id"] {
        let (client, mut server) = duplex(1 << 10);
        let answering = async {
            let mut asked = [0; 4];
            server.read_exact(&mut asked).await.unwrap();
            server.write_all(begun.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        };
        let answer = tokio::select! {
            answer = page_over(client, "safekeeper-0", "/v1/status", deadlines, &Shown::Nothing) => answer,
            () = answering => unreachable!(),
        };
        let reason = "no response within 50 ms".to_owned();
        assert_eq!(answer, Err(NoPage { kind: NoPageKind::NotYet, reason }), "{begun}");
    }
}

#[tokio::test]
async fn anything_else_is_unknown_and_never_a_pass() {
    let cut_off = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":1}".to_owned();
    let status = |line: &str| vec![format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n")];
    let cases = [
        (status("503 Service Unavailable"), NoPageKind::NotYet, "returned 503"),
        (status("404 Not Found"), NoPageKind::Other, "returned 404"),
        (status("401 Unauthorized"), NoPageKind::Other, "returned 401"),
        (vec![ok("<html>")], NoPageKind::Other, "but not a JSON object"),
        (vec![ok("[]")], NoPageKind::Other, "but not a JSON object"),
        (vec![ok(&format!("{{\"a\":\"{}\"}}", "x".repeat(LARGEST_PAGE)))], NoPageKind::Other, "larger than 64 KiB"),
        (vec![cut_off], NoPageKind::Other, "truncated"),
        (vec![], NoPageKind::Other, "closed"),
        (vec!["SSH-2.0-OpenSSH\r\n".to_owned()], NoPageKind::Other, "HTTP"),
    ];
    for (answers, kind, expected) in cases {
        let no = fetched(answers).await.unwrap_err();
        assert!(no.kind == kind && no.reason.contains(expected), "{no:?} / {expected}");
        assert!(matches!(Answer::<()>::from(no), Answer::Unknown(_)));
    }
}

fn token() -> Shown {
    Shown::Token(http::HeaderValue::from_static("Bearer abc"))
}

const LIST: &str = r#"[{"tenant_id":"aa","timeline_id":"11"},{"tenant_id":"bb","timeline_id":"22"}]"#;
const STATUS: &str = r#"{"tenant_id":"bb","timeline_id":"22","acceptor_state":{"term":3,"epoch":3,"term_history":[]},
    "flush_lsn":"0/2DDEA48","commit_lsn":"0/2DDEA48","backup_lsn":"0/2000000","remote_consistent_lsn":"0/2000000"}"#;

/// Its metrics give the active one, and its status the idle one; each request shows the token.
#[tokio::test]
async fn with_a_token_idle_timelines_are_read() {
    let answers = || vec![ok(r#"{"id":1}"#), ok(SAFEKEEPER), ok(LIST), ok(STATUS)];
    let (page, requests) = fetched_showing(&token(), answers()).await;
    let page = page.unwrap();
    let facts = page.safekeeper().unwrap();
    assert_eq!((facts.total, facts.timelines.len(), &facts.idle), (Some(2), 2, &Idle::Listed));
    let idle = facts.timelines[&TimelineId::new("bb", "22")];
    assert_eq!((idle.flush_lsn, idle.term), (Some(0x2DD_EA48), Some(3)));
    let paths: Vec<&str> = requests.iter().filter_map(|request| request.split(' ').nth(1)).collect();
    assert_eq!(paths, ["/v1/status", "/metrics", "/v1/tenant/timeline", "/v1/tenant/bb/timeline/22"]);
    assert!(requests.iter().all(|request| request.contains("authorization: Bearer abc\r\n")), "{requests:?}");

    for shown in [Shown::Nothing, Shown::Withheld("why".into())] {
        let (page, requests) = fetched_showing(&shown, answers()).await;
        let facts = page.unwrap();
        let expected = if matches!(shown, Shown::Nothing) { Idle::Unasked } else { Idle::Unread("why".into()) };
        assert_eq!(facts.safekeeper().unwrap().idle, expected);
        assert_eq!(requests.len(), 2);
        assert!(!requests.concat().contains("authorization"), "{requests:?}");
    }
}

/// Whatever replaces the list or a status, it is unknown whether all are listed.
#[tokio::test]
async fn a_refused_token_is_said_and_never_a_pass() {
    let status = |line: &str| format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n");
    for (answers, expected) in [
        (vec![status("403 Forbidden")], "/v1/tenant/timeline returned 403 Forbidden: token rejected"),
        (vec![status("401 Unauthorized")], "/v1/tenant/timeline returned 401 Unauthorized: token rejected"),
        (vec![status("404 Not Found")], "/v1/tenant/timeline returned 404 Not Found"),
        (vec![ok("{}")], "/v1/tenant/timeline: it is not a list of timelines"),
        (vec![ok(LIST), status("403 Forbidden")], "/v1/tenant/bb/timeline/22 returned 403 Forbidden: token rejected"),
        (vec![ok(LIST), ok("[]")], "/v1/tenant/bb/timeline/22: it is not the status of a timeline"),
        (vec![], "/v1/tenant/timeline: "),
    ] {
        let (page, _) = fetched_showing(&token(), [vec![ok("{}"), ok(SAFEKEEPER)], answers].concat()).await;
        let page = page.unwrap();
        let Idle::Unread(why) = &page.safekeeper().unwrap().idle else { panic!("{page:?}") };
        assert!(why.starts_with(expected), "{why} / {expected}");
    }
    // One that was deleted in the meantime does not count.
    let (page, _) = fetched_showing(&token(), vec![ok("{}"), ok(SAFEKEEPER), ok(LIST), status("404 Not Found")]).await;
    let page = page.unwrap();
    let facts = page.safekeeper().unwrap();
    assert_eq!((facts.timelines.len(), &facts.idle), (1, &Idle::Listed));
    // Older releases require it before they return their metrics.
    let (page, _) = fetched_showing(&token(), vec![ok("{}"), status("403 Forbidden")]).await;
    assert_eq!(page.unwrap().unread.as_deref(), Some("/metrics returned 403 Forbidden: token rejected"));
    let (no, _) = fetched_showing(&token(), vec![status("403 Forbidden")]).await;
    assert_eq!(no.unwrap_err().reason, "/v1/status returned 403 Forbidden: token rejected");
}
