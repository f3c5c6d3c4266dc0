//! Clients of a forward; the server's end of each tunnel plays the pod.

use super::super::snapshot::Cause;
use super::*;
use crate::cluster::tunnel::settings;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio::io::{DuplexStream, duplex};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

type End = WebSocketStream<DuplexStream>;

/// What is awaited comes soon, or never.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), work).await.expect("it does not come")
}

/// Passes the server's end of each tunnel to the test, with the name of its pod.
struct Pretended(mpsc::UnboundedSender<(String, End)>);

impl Way for Pretended {
    type Socket = End;

    async fn open(&self, pod: &str) -> Result<Open<End>, Failure> {
        if pod.starts_with("gone") {
            let reason = format!("pods \"{pod}\" not found");
            return Err(Failure {
                cause: Cause::NotFound,
                code: 404,
                kind: "NotFound".into(),
                fields: Vec::new(),
                reason,
                source: None,
            });
        }
        let (ours, theirs) = duplex(1 << 12);
        let client = WebSocketStream::from_raw_socket(ours, Role::Client, Some(settings())).await;
        let server = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
        self.0.send((pod.to_owned(), server)).unwrap();
        Ok(Open::over(client, 5432))
    }
}

/// One client of a forward.
struct Scene {
    client: DuplexStream,
    to: watch::Sender<Option<Destination>>,
    opened: mpsc::UnboundedReceiver<(String, End)>,
    carried: tokio::task::JoinHandle<Result<(), String>>,
}

fn scene(first: Option<&str>, speaks: Speaks, limits: Limits) -> Scene {
    let (tell, opened) = mpsc::unbounded_channel();
    let (to, led) = watch::channel(first.map(pod));
    let route = Route { way: Pretended(tell), to: led, port: 5432, speaks, limits };
    let (client, ours) = duplex(1 << 12);
    let carried = tokio::spawn(async move {
        let (mut reader, mut writer) = tokio::io::split(ours);
        route.carry(&mut reader, &mut writer).await
    });
    Scene { client, to, opened, carried }
}

fn sql(first: Option<&str>) -> Scene {
    scene(first, Speaks::Sql, LIMITS)
}

fn pod(name: &str) -> Destination {
    Destination { pod: name.to_owned(), uid: format!("uid of {name}") }
}

impl Scene {
    /// The next tunnel that is opened.
    async fn tunnel(&mut self) -> (String, End) {
        let (pod, mut server) = soon(self.opened.recv()).await.expect("it was given up");
        for greeting in [[0, 0x38, 0x15], [1, 0x38, 0x15]] {
            say(&mut server, &greeting).await;
        }
        (pod, server)
    }

    async fn reads(&mut self, expected: &[u8]) {
        let mut read = vec![0; expected.len()];
        soon(self.client.read_exact(&mut read)).await.unwrap();
        assert_eq!(read, expected);
    }
}

async fn say(server: &mut End, bytes: &[u8]) {
    server.send(Message::Binary(Bytes::copy_from_slice(bytes))).await.unwrap();
}

/// Reads as many bytes as the client has sent.
async fn heard(server: &mut End, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        match soon(server.next()).await.unwrap().unwrap() {
            Message::Binary(bytes) => all.extend_from_slice(&bytes[1..]),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
    all
}

const REFUSED_REPORT: &[u8] = b"\x01error forwarding port 5432: connect: connection refused ";

#[tokio::test]
async fn a_client_without_a_pod_waits_for_one() {
    let mut scene = sql(None);
    scene.client.write_all(b"startup").await.unwrap();
    scene.to.send_replace(Some(pod("p-0")));
    let (name, mut server) = scene.tunnel().await;
    assert_eq!(name, "p-0");
    assert_eq!(heard(&mut server, 7).await, b"startup");
    say(&mut server, b"\0welcome").await;
    scene.reads(b"welcome").await;
    // And on, both ways.
    scene.client.write_all(b"query").await.unwrap();
    assert_eq!(heard(&mut server, 5).await, b"query");
    say(&mut server, b"\0rows").await;
    scene.reads(b"rows").await;
    server.close(None).await.unwrap();
    assert_eq!(soon(scene.client.read(&mut [0; 8])).await.unwrap(), 0);
    assert_eq!(soon(scene.carried).await.unwrap(), Ok(()));
}

#[tokio::test]
async fn one_that_has_waited_long_enough_is_told_of() {
    let scene = scene(None, Speaks::Sql, Limits { wait: Duration::from_millis(20), ..LIMITS });
    let why = soon(scene.carried).await.unwrap().unwrap_err();
    assert_eq!(why, "no pod is Ready (a client waited 20 ms)");
}

#[tokio::test]
async fn one_that_leaves_while_it_waits_is_forgotten() {
    let scene = sql(None);
    drop(scene.client);
    assert_eq!(soon(scene.carried).await.unwrap(), Ok(()));
}

/// By refusal, by the pod's absence, and by breaking in the middle of a failover.
#[tokio::test]
async fn before_the_first_answer_the_successor_is_told_all_again() {
    for broken in ["refused", "gone", "closed"] {
        let mut scene = sql(Some(if broken == "gone" { "gone-0" } else { "p-0" }));
        scene.client.write_all(b"startup").await.unwrap();
        if broken != "gone" {
            let (_, mut server) = scene.tunnel().await;
            assert_eq!(heard(&mut server, 7).await, b"startup", "{broken}");
            scene.client.write_all(b", more").await.unwrap();
            assert_eq!(heard(&mut server, 6).await, b", more", "{broken}");
            match broken {
                "refused" => say(&mut server, REFUSED_REPORT).await,
                _ => server.close(None).await.unwrap(),
            }
        }
        scene.to.send_replace(None);
        scene.to.send_replace(Some(pod("p-1")));
        let (name, mut server) = loop {
            // A pod that refused may be tried again before its deletion is known.
            let (name, server) = scene.tunnel().await;
            if name == "p-1" {
                break (name, server);
            }
        };
        assert_eq!(name, "p-1");
        let expected: &[u8] = if broken == "gone" { b"startup" } else { b"startup, more" };
        assert_eq!(heard(&mut server, expected.len()).await, expected, "{broken}");
        say(&mut server, b"\0welcome").await;
        scene.reads(b"welcome").await;
    }
}

#[tokio::test]
async fn after_the_first_answer_nothing_is_said_again() {
    let mut scene = sql(Some("p-0"));
    scene.client.write_all(b"startup").await.unwrap();
    let (_, mut server) = scene.tunnel().await;
    say(&mut server, b"\0welcome").await;
    scene.reads(b"welcome").await;
    scene.client.write_all(b"insert").await.unwrap();
    drop(server);
    scene.to.send_replace(Some(pod("p-1")));
    assert_eq!(soon(scene.client.read(&mut [0; 8])).await.unwrap(), 0);
    assert_eq!(soon(scene.carried).await.unwrap(), Ok(()));
    assert!(scene.opened.try_recv().is_err(), "another tunnel was opened");
}

/// PostgreSQL closes silently after a CancelRequest, or if it does not understand: sent again, the first would cancel a
/// later statement.
#[tokio::test]
async fn a_pod_that_closes_without_an_answer_and_stays_is_not_asked_again() {
    for (speaks, text, lost) in [
        (Speaks::Sql, &b"nonsense"[..], false),
        (Speaks::Sql, b"\0\0\0\x10\x04\xd2\x16\x2e12345678", true),
        (Speaks::Other, b"POST /", true),
    ] {
        let limits = Limits { news: Duration::from_millis(20), ..LIMITS };
        let mut scene = scene(Some("p-0"), speaks, limits);
        scene.client.write_all(text).await.unwrap();
        let (_, mut server) = scene.tunnel().await;
        assert_eq!(heard(&mut server, text.len()).await, text);
        if lost {
            scene.to.send_replace(Some(pod("p-1")));
        }
        server.close(None).await.unwrap();
        assert_eq!(soon(scene.carried).await.unwrap(), Ok(()));
        assert!(scene.opened.try_recv().is_err(), "another tunnel was opened");
    }
}

#[tokio::test]
async fn a_pod_that_is_ready_and_refuses_is_given_up() {
    let mut scene = scene(Some("p-0"), Speaks::Sql, Limits { refused: Duration::from_millis(300), ..LIMITS });
    scene.client.write_all(b"startup").await.unwrap();
    // Until the forward stops trying.
    let mut asked = 0;
    while let Some((_, mut server)) = soon(scene.opened.recv()).await {
        say(&mut server, &[1, 0x38, 0x15]).await;
        say(&mut server, REFUSED_REPORT).await;
        asked += 1;
    }
    assert!(asked > 1, "it was asked once");
    let why = soon(scene.carried).await.unwrap().unwrap_err();
    assert_eq!(why, "pod p-0, port 5432: connection refused: nothing is listening on that port of the pod");
}

/// More than is kept is passed on, and not sent again.
#[tokio::test]
async fn a_client_that_says_much_at_first_is_not_held_up() {
    let mut scene = sql(Some("p-0"));
    let much: Vec<u8> = (0..3 * KEPT).map(|at| at as u8).collect();
    let (_, mut server) = scene.tunnel().await;
    let (sent, heard) = tokio::join!(scene.client.write_all(&much), heard(&mut server, much.len()));
    sent.unwrap();
    assert!(heard == much);
    say(&mut server, b"\0ok").await;
    scene.reads(b"ok").await;
}

/// A client that closes its sending side still gets what the pod sends.
#[tokio::test]
async fn a_client_that_has_sent_all_is_answered() {
    let mut scene = sql(Some("p-0"));
    scene.client.write_all(b"GET /").await.unwrap();
    scene.client.shutdown().await.unwrap();
    let (_, mut server) = scene.tunnel().await;
    assert_eq!(heard(&mut server, 5).await, b"GET /");
    for part in [b"\0page", b"\0rest"] {
        say(&mut server, part).await;
        scene.reads(&part[1..]).await;
    }
    // The pod sends nothing more: it is closed.
    assert_eq!(soon(scene.client.read(&mut [0; 8])).await.unwrap(), 0);
    assert!(matches!(server.next().await, Some(Ok(Message::Close(_)))));
}

/// A client that does not read makes the pod wait, and does not fill this program's memory.
#[tokio::test]
async fn a_slow_client_holds_the_pod_up() {
    let mut scene = sql(Some("p-0"));
    scene.client.write_all(b"startup").await.unwrap();
    let (_, mut server) = scene.tunnel().await;
    let mut message = vec![7; 32 * 1024];
    message[0] = 0;
    let mut said = 0;
    // The buffers of both pipes, of the tunnel, and one message on its way.
    while tokio::time::timeout(Duration::from_millis(200), say(&mut server, &message)).await.is_ok() {
        said += message.len() - 1;
        assert!(said < 1 << 20, "it takes more and more");
    }
    // Everything arrives.
    let mut read = vec![0; said];
    soon(scene.client.read_exact(&mut read)).await.unwrap();
    assert!(read.iter().all(|byte| *byte == 7));
}
