//! Tests against a server's end of the same WebSocket, in memory.

use super::*;
use crate::cluster::tunnel::settings;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

type End = WebSocketStream<DuplexStream>;

/// A port's halves, and the server's end.
async fn port(capacity: usize) -> ((Reader<End>, Writer<End>), End) {
    let (ours, theirs) = duplex(capacity);
    let client = WebSocketStream::from_raw_socket(ours, Role::Client, Some(settings())).await;
    (halves(client, 5432), WebSocketStream::from_raw_socket(theirs, Role::Server, None).await)
}

fn binary(bytes: &[u8]) -> Message {
    Message::Binary(Bytes::copy_from_slice(bytes))
}

/// 5432, as both channels begin.
const GREETING: [[u8; 3]; 2] = [[0, 0x38, 0x15], [1, 0x38, 0x15]];

async fn greet(server: &mut End) {
    for greeting in GREETING {
        server.send(binary(&greeting)).await.unwrap();
    }
}

#[tokio::test]
async fn the_pods_bytes_are_those_of_channel_0_after_the_port() {
    let ((mut reader, _writer), mut server) = port(1 << 16).await;
    greet(&mut server).await;
    for message in [&b"\0hello"[..], b"\0", b"", b"\0 world"] {
        server.send(binary(message)).await.unwrap();
    }
    server.send(Message::Ping(Bytes::from_static(b"?"))).await.unwrap();
    server.send(binary(b"\0!")).await.unwrap();
    server.close(None).await.unwrap();
    assert_eq!(reader.fill_buf().await.unwrap(), b"hello");
    let mut text = String::new();
    reader.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello world!");
}

#[tokio::test]
async fn what_came_before_a_report_is_read_before_it() {
    let ((mut reader, _writer), mut server) = port(1 << 16).await;
    greet(&mut server).await;
    server.send(binary(b"\0last words")).await.unwrap();
    let report = "\u{1}error forwarding port 5432: dial tcp4 127.0.0.1:5432: connect: connection refused ";
    server.send(binary(report.as_bytes())).await.unwrap();
    let mut words = [0; 10];
    reader.read_exact(&mut words).await.unwrap();
    assert_eq!(&words, b"last words");
    let error = reader.read(&mut words).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(error.to_string(), "connection refused: nothing is listening on that port of the pod");
}

#[tokio::test]
async fn another_port_or_channel_is_an_error() {
    for wrong in [&[0, 0x39, 0x15][..], &[0, 0x38], &[2, 0x38, 0x15]] {
        let ((mut reader, _writer), mut server) = port(1 << 16).await;
        server.send(binary(wrong)).await.unwrap();
        assert_eq!(reader.fill_buf().await.unwrap_err().kind(), io::ErrorKind::InvalidData, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_an_error_and_not_an_end() {
    let ((mut reader, _writer), mut server) = port(1 << 16).await;
    greet(&mut server).await;
    drop(server);
    assert_eq!(reader.fill_buf().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn each_write_is_a_message_on_channel_0_and_closing_says_so() {
    let ((_reader, mut writer), mut server) = port(1 << 20).await;
    writer.write_all(b"select").await.unwrap();
    writer.flush().await.unwrap();
    writer.write_all(&vec![b'x'; LARGEST + 1]).await.unwrap();
    writer.ping().await.unwrap();
    writer.shutdown().await.unwrap();
    let mut sizes = Vec::new();
    while let Some(Ok(message)) = server.next().await {
        match message {
            Message::Binary(bytes) => {
                assert_eq!(bytes[0], DATA);
                sizes.push(bytes.len() - 1);
            }
            Message::Ping(_) => sizes.push(0),
            Message::Close(_) => sizes.push(usize::MAX),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(sizes, [6, LARGEST, 1, 0, usize::MAX]);
}

/// Nothing more is accepted than the server reads, however much there is to send.
#[tokio::test]
async fn a_slow_reader_holds_the_writer_up() {
    let ((_reader, mut writer), server) = port(1 << 10).await;
    let mut taken = 0;
    let chunk = vec![0; LARGEST];
    // One on its way, one behind it.
    while let Some(Ok(written)) = futures::FutureExt::now_or_never(writer.write(&chunk)) {
        taken += written;
        assert!(taken <= 4 * LARGEST, "it takes more and more");
        let _ = futures::FutureExt::now_or_never(writer.flush());
    }
    assert!(taken >= LARGEST);
    drop(server);
}

#[test]
fn the_kubelets_message_is_shortened() {
    let long = "error forwarding port 5432 to pod 3f2a, uid : failed to execute portforward in network namespace \
                \"/var/run/netns/cni-1\": failed to connect to localhost:5432 inside namespace \"3f2a\", IPv4: \
                dial tcp4 127.0.0.1:5432: connect: connection refused IPv6 dial tcp6 [::1]:5432: connect: \
                connection refused ";
    assert_eq!(PortError::of(long), PortError::NothingListens);
    assert_eq!(
        PortError::NothingListens.to_string(),
        "connection refused: nothing is listening on that port of the pod"
    );
    assert_eq!(PortError::of("pod not\nfound"), PortError::Other("pod not found".into()));
}
