//! Inspects a server's messages before they are processed: how many there are of each kind, how long each is, and in
//! which form it requests the password. A forbidden message is never delivered, so nothing responds to it.
//!
//! The format is PostgreSQL's (its documentation, "Message Formats"): one byte for the kind, four for the length of the
//! rest including themselves, and the rest.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

use super::authentication::Answers;
use super::read_limit::{CutOff, Stopped};

/// Most messages in one session: a row is one.
const MOST_MESSAGES: u32 = 50_000;
/// Most settings that a server reports: PostgreSQL has about 15.
const MOST_SETTINGS: u32 = 200;
/// Most columns of a row, or of its description: no query has a dozen.
const MOST_COLUMNS: u16 = 64;

/// A stream of messages that fails at the first forbidden one.
pub(super) struct Inspected<S> {
    stream: S,
    frames: Frames,
    cut_off: CutOff,
}

impl<S> Inspected<S> {
    /// Reads from `stream`, after decryption; `answers` tells how the password may be requested.
    pub(super) fn new(stream: S, answers: Answers, cut_off: CutOff) -> Self {
        Self { stream, frames: Frames::new(answers), cut_off }
    }
}

/// The position in the stream of messages.
struct Frames {
    answers: Answers,
    messages: u32,
    settings: u32,
    /// The beginning of the message, as far as it was read: kind, length, and four bytes of the rest.
    head: [u8; 9],
    read: usize,
    /// Bytes of the message after its length that have not been read.
    left: u32,
}

impl Frames {
    fn new(answers: Answers) -> Self {
        Self { answers, messages: 0, settings: 0, head: [0; 9], read: 0, left: 0 }
    }

    /// Advances by these bytes.
    ///
    /// # Errors
    /// One of the messages is forbidden.
    fn pass(&mut self, mut bytes: &[u8]) -> Result<(), Stopped> {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.read < 5 {
                self.head[self.read] = first;
                self.read += 1;
                bytes = rest;
                if self.read == 5 {
                    self.begun()?;
                }
            } else if self.read < self.head.len() {
                self.head[self.read] = first;
                self.read += 1;
                self.left -= 1;
                bytes = rest;
                self.looked_into()?;
            } else {
                let passed = bytes.len().min(self.left as usize);
                self.left -= u32::try_from(passed).unwrap_or(self.left);
                bytes = &bytes[passed..];
            }
            if self.read >= 5 && self.left == 0 {
                self.read = 0;
            }
        }
        Ok(())
    }

    /// Handles a message whose kind and length are known.
    fn begun(&mut self) -> Result<(), Stopped> {
        let [kind, length @ ..] = [self.head[0], self.head[1], self.head[2], self.head[3], self.head[4]];
        let too_much =
            |what: String| Err(Stopped::TooMuch(format!("the server's response was truncated after {what}")));
        self.left = match u32::from_be_bytes(length).checked_sub(4) {
            Some(left) => left,
            None => return Err(Stopped::TooMuch("the server does not speak the PostgreSQL protocol".into())),
        };
        self.messages += 1;
        if self.messages > MOST_MESSAGES {
            return too_much(format!("{MOST_MESSAGES} messages"));
        }
        if kind == b'S' {
            self.settings += 1;
            if self.settings > MOST_SETTINGS {
                return too_much(format!("{MOST_SETTINGS} settings"));
            }
        }
        Ok(())
    }

    /// Handles a message of which the first bytes are known.
    fn looked_into(&mut self) -> Result<(), Stopped> {
        match (self.head[0], self.read) {
            (b'R', 9) => {
                let code = [self.head[5], self.head[6], self.head[7], self.head[8]];
                self.answers.to(u32::from_be_bytes(code)).map_err(Stopped::Password)
            }
            (b'D' | b'T', 7) if u16::from_be_bytes([self.head[5], self.head[6]]) > MOST_COLUMNS => {
                Err(Stopped::TooMuch(format!(
                    "the server's response was truncated: a row has more than {MOST_COLUMNS} columns"
                )))
            }
            _ => Ok(()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Inspected<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let passed = self.frames.pass(&buf.filled()[before..]);
        Poll::Ready(passed.map_err(|why| self.cut_off.stop(why)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Inspected<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Inspected<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind][..], &length, body].concat()
    }

    /// At once, and byte by byte: the split makes no difference.
    #[track_caller]
    fn passes(answers: &Answers, bytes: &[u8]) -> Result<(), Stopped> {
        let whole = Frames::new(answers.clone()).pass(bytes);
        let mut frames = Frames::new(answers.clone());
        let one_by_one = bytes.iter().try_for_each(|byte| frames.pass(&[*byte]));
        assert_eq!(whole, one_by_one);
        whole
    }

    #[test]
    fn what_a_server_says_passes() {
        let said = [
            message(b'R', &[0, 0, 0, 10, b'S', 0, 0]),
            message(b'R', &[0, 0, 0, 0]),
            message(b'S', b"server_version\x0014\0"),
            message(b'I', b""),
            message(b'Z', b"I"),
            message(b'T', &[0, 64]),
            message(b'D', &[0, 1, 255, 255, 255, 255]),
        ];
        assert_eq!(passes(&Answers::scram_only("no"), &said.concat()), Ok(()));
    }

    #[test]
    fn floods_are_cut_off() {
        for (what, one, times) in [
            ("200 settings", message(b'S', b"k\0v\0"), MOST_SETTINGS + 1),
            ("50000 messages", message(b'D', &[0, 0]), MOST_MESSAGES + 1),
            ("50000 messages", message(b'N', b""), MOST_MESSAGES + 1),
            ("more than 64 columns", message(b'D', &[6, 128]), 1),
            ("more than 64 columns", message(b'T', &[0, 65]), 1),
        ] {
            let most = one.repeat(times as usize - 1);
            assert_eq!(passes(&Answers::scram_only("no"), &most), Ok(()), "{what}");
            match passes(&Answers::scram_only("no"), &one.repeat(times as usize)) {
                Err(Stopped::TooMuch(why)) => assert!(why.contains(what), "{why}"),
                other => panic!("{what}: {other:?}"),
            }
        }
        assert!(passes(&Answers::scram_only("no"), b"HTTP/1.1 200 OK\r\n\r\n").is_ok(), "it is a long message");
        assert!(passes(&Answers::scram_only("no"), b"X\0\0\0\x03").is_err());
    }

    /// The request itself is never delivered: nothing can respond to it.
    #[test]
    fn a_password_is_asked_for_as_is_allowed() {
        for (code, scram_only) in [(0, true), (3, false), (5, false), (10, true), (11, true), (12, true)] {
            let asked = message(b'R', &[0, 0, 0, code, 1, 2, 3, 4]);
            let refused = passes(&Answers::scram_only("no"), &asked);
            assert_eq!(refused.is_ok(), scram_only, "{code}: {refused:?}");
            if let Err(stopped) = refused {
                assert!(matches!(&stopped, Stopped::Password(why) if why.ends_with("no")), "{stopped:?}");
            }
            assert_eq!(passes(&Answers::any(), &asked), Ok(()), "{code}");
        }
        // Not at any other moment either.
        let later = [message(b'R', &[0; 4]), message(b'Z', b"I"), message(b'R', &[0, 0, 0, 3])].concat();
        assert!(passes(&Answers::scram_only("no"), &later).is_err());
    }
}
