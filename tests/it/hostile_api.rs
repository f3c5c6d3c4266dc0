//! API servers, and things that pretend to be one, that respond with everything but what was asked for: nothing crashes the
//! program, takes more than its time limit or much memory, or is called healthy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use crate::support::plugin;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The `--request-timeout` of each run, and how much longer than that a run may take in all: it asks several times in a row,
/// and machines are slow.
const TIMEOUT: &str = "2s";
const LIMIT: Duration = Duration::from_secs(40);
/// Most memory, in KiB.
const MOST: u64 = 420 << 10;
/// Most requests for a watch in one run.
const MOST_WATCHES: usize = 60;

/// A request: its method, and its path with the query.
struct Asked<'a> {
    method: &'a str,
    path: &'a str,
}

impl Asked<'_> {
    fn watches(&self) -> bool {
        self.path.contains("watch=true") || self.path.contains("watch=1")
    }
}

/// What a server does with a request.
type Answer = fn(&Asked<'_>, &mut TcpStream) -> std::io::Result<()>;

/// A server on a port of this machine.
struct Hostile {
    port: u16,
    watches: Arc<AtomicUsize>,
}

impl Hostile {
    fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let watches = Arc::new(AtomicUsize::new(0));
        let counted = watches.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let counted = counted.clone();
                std::thread::spawn(move || serve(stream, answer, &counted));
            }
        });
        Self { port, watches }
    }
}

/// Serves a connection until an answer fails. The body of each request is read first.
fn serve(mut stream: TcpStream, answer: Answer, watches: &AtomicUsize) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let mut words = first.split(' ');
        let asked = Asked { method: words.next().unwrap_or_default(), path: words.next().unwrap_or_default() };
        if asked.watches() {
            watches.fetch_add(1, Ordering::Relaxed);
        }
        if answer(&asked, &mut stream).is_err() {
            return;
        }
    }
}

fn send(to: &mut TcpStream, code: &str, headers: &str, body: &[u8]) -> std::io::Result<()> {
    write!(to, "HTTP/1.1 {code}\r\ncontent-length: {}\r\n{headers}\r\n", body.len())?;
    to.write_all(body)
}

fn json(to: &mut TcpStream, body: &str) -> std::io::Result<()> {
    send(to, "200 OK", "content-type: application/json\r\n", body.as_bytes())
}

fn status(to: &mut TcpStream, code: &str, headers: &str) -> std::io::Result<()> {
    let number = code.split(' ').next().unwrap();
    let body = format!(
        r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"as it is","reason":"","code":{number}}}"#
    );
    send(to, code, &format!("content-type: application/json\r\n{headers}"), body.as_bytes())
}

fn end() -> std::io::Result<()> {
    Err(std::io::ErrorKind::ConnectionReset.into())
}

/// Sends the same piece until nothing takes it any more.
fn endless(to: &mut TcpStream, piece: &[u8]) -> std::io::Result<()> {
    loop {
        to.write_all(piece)?;
    }
}

/// An empty list, as a server with nothing in it sends it.
const NONE: &str = r#"{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"5"},"items":[]}"#;
const HEAD: &str = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"5"},"items":["#;
const NAMESPACES: &str = r#"{"kind":"NamespaceList","apiVersion":"v1","metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"synxdb-system","uid":"u"},"status":{"phase":"Active"}}]}"#;

/// A server that lists a namespace of SynxDB without objects, for what is about watches.
fn lists(asked: &Asked<'_>, to: &mut TcpStream) -> std::io::Result<()> {
    let path = asked.path.split('?').next().unwrap();
    match (asked.method, path) {
        ("GET", "/api/v1/namespaces") => json(to, NAMESPACES),
        ("GET", _) => json(to, NONE),
        _ => status(to, "403 Forbidden", ""),
    }
}

/// A watch that is answered like this, by a server that is fine otherwise.
macro_rules! watch {
    ($answer:expr) => {{
        fn answer(asked: &Asked<'_>, to: &mut TcpStream) -> std::io::Result<()> {
            let respond: fn(&mut TcpStream) -> std::io::Result<()> = $answer;
            if asked.watches() { respond(to) } else { lists(asked, to) }
        }
        answer as Answer
    }};
}

/// Every request is answered like this.
macro_rules! all {
    ($answer:expr) => {{
        fn answer(_: &Asked<'_>, to: &mut TcpStream) -> std::io::Result<()> {
            let respond: fn(&mut TcpStream) -> std::io::Result<()> = $answer;
            respond(to)
        }
        answer as Answer
    }};
}

fn chunked(to: &mut TcpStream) -> std::io::Result<()> {
    to.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
}

fn event(to: &mut TcpStream, line: &str) -> std::io::Result<()> {
    write!(to, "{:x}\r\n{line}\n\r\n", line.len() + 1)
}

/// What servers do, and a name for each.
fn servers() -> Vec<(&'static str, Answer)> {
    vec![
        // Statuses.
        ("100 and nothing more", all!(|to| to.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").and_then(|()| wait()))),
        ("100 without end", all!(|to| endless(to, b"HTTP/1.1 100 Continue\r\n\r\n"))),
        (
            "103 and then 200",
            all!(|to| {
                to.write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")?;
                json(to, "{}")
            }),
        ),
        (
            "101 for everything",
            all!(|to| {
                to.write_all(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")
            }),
        ),
        ("204", all!(|to| to.write_all(b"HTTP/1.1 204 No Content\r\n\r\n"))),
        ("206", all!(|to| send(to, "206 Partial Content", "content-range: bytes 0-1/9\r\n", b"{}"))),
        ("301 to itself", all!(|to| send(to, "301 Moved Permanently", "location: /api/v1/pods\r\n", b""))),
        (
            "302 to a login page",
            all!(|to| { send(to, "302 Found", "location: https://login.example/?next=/\r\n", b"<html>log in</html>") }),
        ),
        ("304", all!(|to| to.write_all(b"HTTP/1.1 304 Not Modified\r\n\r\n"))),
        ("307 without a location", all!(|to| send(to, "307 Temporary Redirect", "", b""))),
        ("400", all!(|to| status(to, "400 Bad Request", ""))),
        ("401", all!(|to| status(to, "401 Unauthorized", ""))),
        (
            "402 as HTML",
            all!(|to| send(to, "402 Payment Required", "content-type: text/html\r\n", b"<html>pay</html>")),
        ),
        ("403", all!(|to| status(to, "403 Forbidden", ""))),
        ("404", all!(|to| status(to, "404 Not Found", ""))),
        ("404 as text", all!(|to| send(to, "404 Not Found", "content-type: text/plain\r\n", b"404 page not found\n"))),
        ("405", all!(|to| status(to, "405 Method Not Allowed", ""))),
        ("408", all!(|to| status(to, "408 Request Timeout", ""))),
        ("409", all!(|to| status(to, "409 Conflict", ""))),
        ("410 for everything", all!(|to| status(to, "410 Gone", ""))),
        ("418", all!(|to| status(to, "418 I'm a teapot", ""))),
        ("429 without end", all!(|to| status(to, "429 Too Many Requests", "retry-after: 0\r\n"))),
        ("429 for ever", all!(|to| status(to, "429 Too Many Requests", "retry-after: 18446744073709551615\r\n"))),
        (
            "429 beyond any number",
            all!(|to| { status(to, "429 Too Many Requests", "retry-after: 99999999999999999999999\r\n") }),
        ),
        (
            "429 until a date",
            all!(|to| { status(to, "429 Too Many Requests", "retry-after: Thu, 30 Dec 9999 12:00:00 GMT\r\n") }),
        ),
        ("431", all!(|to| status(to, "431 Request Header Fields Too Large", ""))),
        ("500", all!(|to| status(to, "500 Internal Server Error", ""))),
        ("501", all!(|to| status(to, "501 Not Implemented", ""))),
        ("502 as HTML", all!(|to| send(to, "502 Bad Gateway", "content-type: text/html\r\n", b"<html>bad</html>"))),
        ("503 for ever", all!(|to| status(to, "503 Service Unavailable", "retry-after: 9223372036854775807\r\n"))),
        ("504", all!(|to| status(to, "504 Gateway Timeout", ""))),
        ("599", all!(|to| send(to, "599 X", "", b"\0\0\0"))),
        ("999", all!(|to| send(to, "999 Beyond", "", b"{}"))),
        ("a success in a Status", all!(|to| json(to, r#"{"kind":"Status","apiVersion":"v1","status":"Success"}"#))),
        (
            "a failure with 200",
            all!(|to| json(to, r#"{"kind":"Status","apiVersion":"v1","status":"Failure","code":500}"#)),
        ),
        // Bodies.
        ("an empty body", all!(|to| json(to, ""))),
        (
            "HTML with 200",
            all!(|to| send(to, "200 OK", "content-type: text/html\r\n", b"<html><h1>welcome</h1></html>")),
        ),
        ("JSON as text/plain without anything", all!(|to| send(to, "200 OK", "content-type: text/plain\r\n", b"{}"))),
        ("no content type", all!(|to| send(to, "200 OK", "", b"[]"))),
        ("null", all!(|to| json(to, "null"))),
        ("a number", all!(|to| json(to, "7"))),
        ("a string", all!(|to| json(to, "\"SynxDB is healthy\""))),
        ("an empty object", all!(|to| json(to, "{}"))),
        ("null items", all!(|to| json(to, r#"{"kind":"PodList","apiVersion":"v1","metadata":{},"items":null}"#))),
        (
            "items that are null",
            all!(|to| json(to, r#"{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[null,null]}"#)),
        ),
        ("items that are numbers", all!(|to| json(to, r#"{"kind":"PodList","metadata":{},"items":[1,2]}"#))),
        ("items that are a map", all!(|to| json(to, r#"{"kind":"PodList","metadata":{},"items":{"a":{}}}"#))),
        ("no items", all!(|to| json(to, r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"5"}}"#))),
        ("no metadata", all!(|to| json(to, r#"{"kind":"PodList","apiVersion":"v1","items":[]}"#))),
        ("null metadata", all!(|to| json(to, r#"{"kind":"PodList","apiVersion":"v1","metadata":null,"items":[]}"#))),
        (
            "another kind",
            all!(|to| json(
                to,
                r#"{"kind":"Banana","apiVersion":"fruit/v9","metadata":{"resourceVersion":"5"},"items":[{"peel":true}]}"#
            )),
        ),
        (
            "items without a name",
            all!(|to| json(
                to,
                r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"5"},"items":[{},{"metadata":{}},{"metadata":{"name":""}}]}"#
            )),
        ),
        (
            "the same item twice",
            all!(|to| json(
                to,
                r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"synxdb-system"}},{"metadata":{"name":"synxdb-system"}}]}"#
            )),
        ),
        (
            "a resourceVersion that is a number",
            all!(|to| json(to, r#"{"kind":"PodList","metadata":{"resourceVersion":5},"items":[]}"#)),
        ),
        (
            "a resourceVersion beyond any number",
            all!(|to| json(
                to,
                r#"{"kind":"PodList","metadata":{"resourceVersion":"999999999999999999999999999999"},"items":[{"metadata":{"name":"synxdb-system"}}]}"#
            )),
        ),
        (
            "times of the year 9999 and numbers beyond any",
            all!(|to| json(
                to,
                r#"{"kind":"PodList","metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"synxdb-system","uid":"u","creationTimestamp":"9999-12-30T00:00:00Z","generation":9223372036854775807},"spec":{"replicas":2147483647,"minReadySeconds":2147483647,"leaseDurationSeconds":2147483647,"renewTime":"9999-12-30T00:00:00.000000Z","containers":[]},"status":{"phase":"Running","replicas":2147483647,"capacity":{"storage":"99999999999999999999E"},"containerStatuses":[{"name":"c","image":"i","imageID":"i","ready":true,"restartCount":2147483647}]}}]}"#
            )),
        ),
        (
            "times before all times",
            all!(|to| json(
                to,
                r#"{"kind":"PodList","metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"synxdb-system","uid":"u","creationTimestamp":"-009999-01-02T01:59:59Z"},"spec":{"replicas":-2147483648,"leaseDurationSeconds":-2147483648,"containers":[]},"status":{"replicas":-2147483648,"containerStatuses":[{"name":"c","image":"i","imageID":"i","ready":true,"restartCount":-2147483648}]}}]}"#
            )),
        ),
        (
            "numbers that do not fit",
            all!(|to| json(
                to,
                r#"{"kind":"PodList","metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"synxdb-system","generation":1e400},"spec":{"replicas":18446744073709551615}}]}"#
            )),
        ),
        (
            "a continue token without end",
            all!(|to| json(
                to,
                r#"{"kind":"PodList","metadata":{"resourceVersion":"5","continue":"again"},"items":[{"metadata":{"name":"synxdb-system"}}]}"#
            )),
        ),
        (
            "invalid UTF-8",
            all!(|to| send(
                to,
                "200 OK",
                "content-type: application/json\r\n",
                b"{\"kind\":\"\xff\xfe\",\"items\":[]}"
            )),
        ),
        ("UTF-16", all!(|to| send(to, "200 OK", "", b"\xff\xfe{\0}\0"))),
        (
            "control characters",
            all!(|to| send(
                to,
                "500 \x1b[2J",
                "",
                b"{\"kind\":\"Status\",\"message\":\"\\u001b[2JSynxDB is healthy\",\"code\":500}"
            )),
        ),
        ("deep nesting", all!(|to| json(to, &"[".repeat(100_000)))),
        ("deep nesting in an item", all!(|to| json(to, &format!("{HEAD}{}", "{\"a\":".repeat(100_000))))),
        // Connections.
        ("closes at once", all!(|_| end())),
        ("closes after the status", all!(|to| to.write_all(b"HTTP/1.1 200 OK\r\n").and_then(|()| end()))),
        (
            "closes in the middle of the body",
            all!(|to| {
                to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"kind\":").and_then(|()| end())
            }),
        ),
        ("never responds", all!(|_| wait())),
        (
            "stops in the middle of the headers",
            all!(|to| to.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").and_then(|()| wait())),
        ),
        (
            "stops in the middle of the body",
            all!(|to| {
                to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"kind\":").and_then(|()| wait())
            }),
        ),
        (
            "a byte now and then",
            all!(|to| {
                to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n")?;
                loop {
                    to.write_all(b" ")?;
                    std::thread::sleep(Duration::from_millis(200));
                }
            }),
        ),
        (
            "a header byte now and then",
            all!(|to| {
                to.write_all(b"HTTP/1.1 200 OK\r\nx: ")?;
                loop {
                    to.write_all(b"y")?;
                    std::thread::sleep(Duration::from_millis(200));
                }
            }),
        ),
        ("no HTTP", all!(|to| to.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").and_then(|()| end()))),
        ("TLS", all!(|to| to.write_all(b"\x15\x03\x01\x00\x02\x02\x46").and_then(|()| end()))),
        ("HTTP/2", all!(|to| to.write_all(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80").and_then(|()| wait()))),
        ("HTTP/1.0", all!(|to| to.write_all(b"HTTP/1.0 200 OK\r\n\r\n{}").and_then(|()| end()))),
        ("HTTP/0.9", all!(|to| to.write_all(b"{\"items\":[]}").and_then(|()| end()))),
        ("two responses to one request", all!(|to| json(to, "{}").and_then(|()| json(to, "{}")))),
        (
            "a gigantic header",
            all!(|to| {
                to.write_all(b"HTTP/1.1 200 OK\r\nx: ")?;
                endless(to, &[b'y'; 1 << 16])
            }),
        ),
        (
            "headers without end",
            all!(|to| {
                to.write_all(b"HTTP/1.1 200 OK\r\n")?;
                endless(to, &b"x: y\r\n".repeat(1 << 12))
            }),
        ),
        (
            "a content length beyond any",
            all!(|to| {
                to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n{}")
                    .and_then(|()| wait())
            }),
        ),
        (
            "a content length of exabytes",
            all!(|to| {
                to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9223372036854775807\r\n\r\n{}").and_then(|()| wait())
            }),
        ),
        (
            "two content lengths",
            all!(|to| {
                to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 7\r\n\r\n{}")
                    .and_then(|()| end())
            }),
        ),
        (
            "a chunk size beyond any",
            all!(|to| chunked(to).and_then(|()| to.write_all(b"fffffffffffffffff\r\n{}")).and_then(|()| end())),
        ),
        (
            "gzip that nothing asked for",
            all!(|to| send(to, "200 OK", "content-encoding: gzip\r\n", b"\x1f\x8b\x08\0\0\0\0\0")),
        ),
        // Without end.
        (
            "spaces without end",
            all!(|to| {
                chunked(to)?;
                let piece = [&b"10000\r\n"[..], &[b' '; 1 << 16], b"\r\n"].concat();
                endless(to, &piece)
            }),
        ),
        (
            "small items without end",
            all!(|to| {
                chunked(to)?;
                event(to, HEAD)?;
                let piece = [&b"c000\r\n"[..], &b"{},".repeat(1 << 14), b"\r\n"].concat();
                endless(to, &piece)
            }),
        ),
        (
            "large items without end",
            all!(|to| {
                chunked(to)?;
                event(to, HEAD)?;
                let item = format!("{{\"metadata\":{{\"name\":\"{}\"}}}},", "n".repeat(1 << 16));
                let piece = format!("{:x}\r\n{item}\r\n", item.len());
                endless(to, piece.as_bytes())
            }),
        ),
        (
            "a string without end",
            all!(|to| {
                chunked(to)?;
                event(to, "{\"kind\":\"")?;
                let piece = [&b"10000\r\n"[..], &[b'x'; 1 << 16], b"\r\n"].concat();
                endless(to, &piece)
            }),
        ),
        // Watches.
        ("a watch: closed at once", watch!(|_| end())),
        ("a watch: an empty body", watch!(|to| json(to, ""))),
        ("a watch: 204", watch!(|to| to.write_all(b"HTTP/1.1 204 No Content\r\n\r\n"))),
        ("a watch: truncated JSON", watch!(|to| json(to, r#"{"type":"MODIFIED","object":{"kind":"Po"#))),
        ("a watch: 500", watch!(|to| status(to, "500 Internal Server Error", ""))),
        (
            "a watch: 429 for ever",
            watch!(|to| status(to, "429 Too Many Requests", "retry-after: 18446744073709551615\r\n")),
        ),
        ("a watch: HTML", watch!(|to| send(to, "200 OK", "content-type: text/html\r\n", b"<html>\n</html>\n"))),
        ("a watch: redirected", watch!(|to| send(to, "302 Found", "location: /\r\n", b""))),
        (
            "a watch: 410 without end",
            watch!(|to| json(
                to,
                "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\",\"message\":\"too old\"}}\n"
            )),
        ),
        (
            "a watch: an odd error",
            watch!(|to| json(to, "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Banana\",\"code\":\"x\"}}\n")),
        ),
        ("a watch: an error without an object", watch!(|to| json(to, "{\"type\":\"ERROR\"}\n"))),
        (
            "a watch: an error of another code",
            watch!(|to| json(
                to,
                "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":500,\"message\":\"\"}}\n"
            )),
        ),
        ("a watch: an unknown type", watch!(|to| json(to, "{\"type\":\"PEELED\",\"object\":{}}\n"))),
        (
            "a watch: objects without metadata",
            watch!(|to| json(to, "{\"type\":\"ADDED\",\"object\":{}}\n{\"type\":\"DELETED\",\"object\":null}\n")),
        ),
        (
            "a watch: errors without end",
            watch!(|to| {
                chunked(to)?;
                loop {
                    event(to, "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":500}}")?;
                }
            }),
        ),
        (
            "a watch: bookmarks without end",
            watch!(|to| {
                chunked(to)?;
                loop {
                    event(
                        to,
                        "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"6\"}}}",
                    )?;
                }
            }),
        ),
        (
            "a watch: one bookmark each time",
            watch!(|to| json(
                to,
                "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"6\"}}}\n"
            )),
        ),
        (
            "a watch: a line without end",
            watch!(|to| {
                chunked(to)?;
                let piece = [&b"10000\r\n"[..], &[b'x'; 1 << 16], b"\r\n"].concat();
                endless(to, &piece)
            }),
        ),
        (
            "a watch: empty lines without end",
            watch!(|to| {
                chunked(to)?;
                let piece = [&b"10000\r\n"[..], &[b'\n'; 1 << 16], b"\r\n"].concat();
                endless(to, &piece)
            }),
        ),
    ]
}

/// Keeps the connection open, and sends nothing.
fn wait() -> std::io::Result<()> {
    std::thread::sleep(Duration::from_secs(120));
    end()
}

/// The commands, and whether each runs until it is interrupted.
const COMMANDS: [(&[&str], bool); 6] = [
    (&["status"], false),
    (&["status", "-A", "-o", "json"], false),
    (&["status", "-w"], true),
    (&["verify", "-n", "synxdb-system"], false),
    (&["history", "-n", "synxdb-system"], false),
    (&["failover", "synxdb-system/safekeeper-0", "--dry-run=client"], false),
];

/// Returns the peak memory of a process so far, in KiB.
fn peak(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Runs a command, and returns what is wrong with how it ended.
fn wrong(name: &str, answer: Answer, (arguments, endless): (&[&str], bool)) -> Vec<String> {
    let server = Hostile::start(answer);
    let home = tempfile::tempdir().unwrap();
    let address = format!("http://127.0.0.1:{}", server.port);
    let mut command = plugin(home.path(), &[arguments, &["--server", &address, "--request-timeout", TIMEOUT]].concat());
    let [out, err] = ["out", "err"].map(|name| home.path().join(name));
    let file = |path| Stdio::from(std::fs::File::create(path).unwrap());
    command.stdin(Stdio::null()).stdout(file(&out)).stderr(file(&err));
    let (started, mut most, mut interrupted) = (Instant::now(), 0, false);
    let mut child = command.spawn().unwrap();
    let ended = loop {
        most = most.max(peak(&child));
        if let Some(ended) = child.try_wait().unwrap() {
            break Some(ended);
        }
        if endless && !interrupted && started.elapsed() > Duration::from_secs(4) {
            let pid = rustix::process::Pid::from_child(&child);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
            interrupted = true;
        }
        if started.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let [out, err] = [out, err].map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned());
    let mut wrong = Vec::new();
    match ended {
        None => wrong.push(format!("not within {LIMIT:?}")),
        Some(ended) => match (ended.code(), ended.signal()) {
            (Some(1 | 4 | 6 | 8), _) => {}
            // A watch that is interrupted before anything was shown.
            (Some(130), _) if interrupted => {}
            other => wrong.push(format!("ended with {other:?}")),
        },
    }
    for words in
        ["panicked", "internal error", "is healthy", "\"healthy\"", "Recovered", "No operations recorded", "Verified"]
    {
        if out.contains(words) || (words.starts_with(['p', 'i']) && err.contains(words)) {
            wrong.push(format!("it says {words:?}"));
        }
    }
    if out.is_empty() && err.is_empty() && !interrupted {
        wrong.push("it says nothing".into());
    }
    if out.contains('\u{1b}') || err.contains('\u{1b}') {
        wrong.push("it controls the terminal".into());
    }
    println!("{most} KiB: {name}: {}", arguments.join(" "));
    if most > MOST {
        wrong.push(format!("it took {most} KiB"));
    }
    let watches = server.watches.load(Ordering::Relaxed);
    if watches > MOST_WATCHES {
        wrong.push(format!("it opened {watches} watches in {:?}", started.elapsed()));
    }
    let shown = |why| format!("{name}: {}: {why}\n{out}{err}", arguments.join(" "));
    wrong.into_iter().map(shown).collect()
}

#[test]
fn no_server_crashes_it_or_is_called_healthy() {
    let all: Vec<_> = servers().into_iter().flat_map(|server| COMMANDS.map(|command| (server, command))).collect();
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                while let Some(((name, answer), command)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let wrong = wrong(name, *answer, *command);
                    found.lock().unwrap().extend(wrong);
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    assert!(found.is_empty(), "{} of {}:\n{}", found.len(), all.len(), found.join("\n"));
}
