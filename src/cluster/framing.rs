//! One port of a pod over a WebSocket, framed as `v4.channel.k8s.io`: the first byte of each binary message is its
//! channel, 0 for data and 1 for errors that the kubelet reports about the port, and the first message on each channel
//! holds the port, two bytes, little endian. There is no message for "end of input": a side that closes closes both
//! ways.
//!
//! Source: k8s.io/kubelet `pkg/cri/streaming/portforward/websocket.go`.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures::stream::{FusedStream, SplitSink, SplitStream};
use futures::{Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::foreign::KnownMessage;
use crate::text::one_line;

/// Channel of the port's bytes.
const DATA: u8 = 0;
/// Channel of errors about the port.
const REPORT: u8 = 1;

/// Most bytes in one message to the pod.
const LARGEST: usize = 64 * 1024;

/// What this module needs of a WebSocket.
pub(super) trait Socket:
    Stream<Item = Result<Message, WsError>> + Sink<Message, Error = WsError> + Unpin
{
}

impl<S: Stream<Item = Result<Message, WsError>> + Sink<Message, Error = WsError> + Unpin> Socket for S {}

/// Both halves of a port's stream.
pub(super) fn halves<S: Socket>(socket: S, port: u16) -> (Reader<S>, Writer<S>) {
    let (sink, stream) = socket.split();
    let reader = Reader { stream: stream.fuse(), port, greeted: [false; 2], current: Bytes::new() };
    (reader, Writer { sink })
}

/// What the pod sends.
#[derive(Debug)]
pub(super) struct Reader<S> {
    stream: futures::stream::Fuse<SplitStream<S>>,
    port: u16,
    /// Whether the port has arrived on each channel.
    greeted: [bool; 2],
    /// The rest of the message that is being read.
    current: Bytes,
}

/// What is sent to the pod.
#[derive(Debug)]
pub(super) struct Writer<S> {
    sink: SplitSink<S, Message>,
}

impl<S: Socket> Reader<S> {
    /// Reads until there are bytes of the pod; none means the end.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.current.is_empty() {
            if self.stream.is_terminated() {
                return Poll::Ready(Ok(()));
            }
            match ready!(self.stream.poll_next_unpin(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.take_in(bytes)?,
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                // The library responds to pings.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(broken(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn take_in(&mut self, mut bytes: Bytes) -> io::Result<()> {
        let invalid = |what: String| Err(io::Error::new(io::ErrorKind::InvalidData, what));
        if bytes.is_empty() {
            return Ok(());
        }
        let channel = bytes.get_u8();
        let Some(greeted) = self.greeted.get_mut(usize::from(channel)) else {
            return invalid(format!("the server sent unexpected data on channel {channel}"));
        };
        if bytes.is_empty() {
            return Ok(());
        }
        if !*greeted {
            *greeted = true;
            return match <[u8; 2]>::try_from(&*bytes) {
                Ok(port) if u16::from_le_bytes(port) == self.port => Ok(()),
                _ => invalid(format!("the server opened channel {channel} for another port")),
            };
        }
        match channel {
            DATA => self.current = bytes,
            // After an error, the port is unusable.
            REPORT => {
                let text = String::from_utf8_lossy(&bytes);
                return Err(io::Error::new(io::ErrorKind::ConnectionRefused, PortError::of(&text)));
            }
            // There are two channels.
            _ => {}
        }
        Ok(())
    }
}

/// A connection that ended without a close frame; one that was already closed has simply ended.
fn broken(error: WsError) -> io::Result<()> {
    match error {
        WsError::ConnectionClosed | WsError::AlreadyClosed => Ok(()),
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) | WsError::Io(_) => {
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed"))
        }
        other => Err(io::Error::other(other)),
    }
}

/// An error that the kubelet reports about a port to forward to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PortError {
    /// Nothing listens on that port of the pod.
    NothingListens,
    /// Something else, in the kubelet's words, on one line.
    Other(String),
}

impl PortError {
    /// Parses the kubelet's message, which ends with the cause: `error forwarding port 5432 to pod …, uid : failed to …
    /// 5432: connect: connection refused`.
    pub(crate) fn of(text: &str) -> Self {
        if KnownMessage::NothingListens.is_in(text) {
            return Self::NothingListens;
        }
        Self::Other(one_line(text))
    }

    /// Returns the port error at the bottom of an error chain, if there is one.
    pub(crate) fn find_in<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Self> {
        super::failure::chain(error).into_iter().find_map(|link| link.downcast_ref())
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingListens => f.write_str("connection refused: nothing is listening on that port of the pod"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

impl std::error::Error for PortError {}

impl<S: Socket> AsyncBufRead for Reader<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_message(cx))?;
        Poll::Ready(Ok(&this.current))
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        self.current.advance(amount);
    }
}

impl<S: Socket> AsyncRead for Reader<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_message(cx))?;
        let amount = self.current.len().min(buf.remaining());
        buf.put_slice(&self.current.split_to(amount));
        Poll::Ready(Ok(()))
    }
}

impl<S: Socket> Writer<S> {
    /// Sends a keep-alive, so that nothing on the way takes the connection for idle.
    pub(super) async fn ping(&mut self) -> io::Result<()> {
        self.sink.send(Message::Ping(Bytes::new())).await.map_err(unwritten)
    }
}

impl<S: Socket> AsyncWrite for Writer<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // The previous keep-alive must have been sent: nothing piles up for a slow pod.
        ready!(self.sink.poll_ready_unpin(cx)).map_err(unwritten)?;
        let amount = buf.len().min(LARGEST);
        let mut message = BytesMut::with_capacity(1 + amount);
        message.extend_from_slice(&[DATA]);
        message.extend_from_slice(&buf[..amount]);
        self.sink.start_send_unpin(Message::Binary(message.freeze())).map_err(unwritten)?;
        Poll::Ready(Ok(amount))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sink.poll_flush_unpin(cx).map_err(unwritten)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sink.poll_close_unpin(cx).map_err(unwritten)
    }
}

fn unwritten(error: WsError) -> io::Error {
    match error {
        WsError::Io(error) => error,
        WsError::ConnectionClosed | WsError::AlreadyClosed => io::ErrorKind::BrokenPipe.into(),
        other => io::Error::other(other),
    }
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
