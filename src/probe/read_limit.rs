//! A stream with a limit on what a server may send: endless rows, notices and errors fill no memory. Bytes are counted
//! here, before TLS; messages in [`messages`](super::messages), after it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most bytes that a server may send in one session: the largest baseline is a tenth of it, and a message takes up to
/// seven times its length once parsed.
pub(super) const MOST_SAID: u64 = 4 << 20;

/// Why reading from a server stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// It sent too much.
    TooMuch(String),
    /// It requested the password in a forbidden form.
    Password(String),
}

/// Whether a server was cut off.
#[derive(Clone, Debug, Default)]
pub(super) struct CutOff(Arc<OnceLock<Stopped>>);

impl CutOff {
    /// Returns why reading stopped, if the limit was the reason.
    pub(super) fn why(&self) -> Option<&Stopped> {
        self.0.get()
    }

    /// Stops reading: every later read fails. The first reason stays.
    pub(super) fn stop(&self, why: Stopped) -> io::Error {
        let (Stopped::TooMuch(words) | Stopped::Password(words)) = self.0.get_or_init(|| why);
        io::Error::other(words.clone())
    }
}

fn too_much() -> String {
    format!("the server's response was truncated after {} MiB", MOST_SAID >> 20)
}

/// A stream that fails once the other end has sent too much.
pub(super) struct Bounded<S> {
    stream: S,
    left: u64,
    cut_off: CutOff,
}

impl<S> Bounded<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, left: MOST_SAID, cut_off: CutOff::default() }
    }

    pub(super) fn cut_off(&self) -> CutOff {
        self.cut_off.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let read = (buf.filled().len() - before) as u64;
        match self.left.checked_sub(read) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Ok(()))
            }
            None => {
                self.left = 0;
                Poll::Ready(Err(self.cut_off.stop(Stopped::TooMuch(too_much()))))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
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

#[cfg(test)]
mod tests {
    use super::super::connector::Connector;
    use super::super::session::Connection;
    use super::super::statements::Access;
    use super::super::testing::target;
    use super::super::trouble::ProbeError;
    use super::super::{Answer, sql::Sql};
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    /// What a server with PostgreSQL's protocol sends after the TLS request and the startup message, after the first
    /// query if it waits for one, and then repeatedly.
    #[derive(Clone, Default)]
    struct Lying {
        login: Vec<u8>,
        answer: Vec<u8>,
        then: Vec<u8>,
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind][..], &length, body].concat()
    }

    fn report(kind: u8, severity: &str, code: &str, words: &str) -> Vec<u8> {
        message(kind, format!("S{severity}\0V{severity}\0C{code}\0M{words}\0\0").as_bytes())
    }

    /// Logged in, and ready.
    fn welcome() -> Vec<u8> {
        [message(b'R', &[0, 0, 0, 0]), message(b'Z', b"I")].concat()
    }

    impl Connector for Lying {
        type Stream = DuplexStream;

        async fn connect(&self, _: Duration) -> Result<DuplexStream, ProbeError> {
            let (ours, mut theirs) = duplex(1 << 16);
            let Self { login, answer, then } = self.clone();
            tokio::spawn(async move {
                let mut asked = [0; 8];
                theirs.read_exact(&mut asked).await.unwrap();
                theirs.write_all(b"N").await.unwrap();
                let mut startup = vec![0; theirs.read_u32().await.unwrap() as usize - 4];
                theirs.read_exact(&mut startup).await.unwrap();
                theirs.write_all(&login).await.unwrap();
                if !answer.is_empty() {
                    assert_eq!(theirs.read_u8().await.unwrap(), b'Q');
                    let mut query = vec![0; theirs.read_u32().await.unwrap() as usize - 4];
                    theirs.read_exact(&mut query).await.unwrap();
                    theirs.write_all(&answer).await.unwrap();
                }
                while !then.is_empty() && theirs.write_all(&then).await.is_ok() {}
                // Stays open, and sends no more.
                let _ = theirs.read_to_end(&mut Vec::new()).await;
            });
            Ok(ours)
        }
    }

    #[track_caller]
    fn unknown<T: std::fmt::Debug>(answer: Answer<T>) -> String {
        match answer {
            Answer::Unknown(why) => why,
            other => panic!("{other:?}"),
        }
    }

    /// Exactly as many bytes as the limit says are read.
    #[tokio::test]
    async fn so_much_is_read_and_no_more() {
        let mut stream = super::Bounded::new(tokio::io::repeat(b'x'));
        let (mut read, mut part) = (0, [0; 1000]);
        let error = loop {
            match stream.read(&mut part).await {
                Ok(bytes) => read += bytes,
                Err(error) => break error,
            }
        };
        assert_eq!(read, (4 << 20) / 1000 * 1000);
        assert_eq!(error.to_string(), "the server's response was truncated after 4 MiB");
        assert!(stream.read(&mut part).await.is_err(), "it stays truncated");
    }

    /// Long before its deadline.
    #[tokio::test]
    async fn who_never_ends_is_cut_off() {
        let cut_off = "the server's response was truncated after 4 MiB";
        let notice = report(b'N', "NOTICE", "00000", &"x".repeat(1 << 15));
        let row = message(b'D', &[&[0, 1, 0, 1, 0, 0][..], &vec![b'x'; 1 << 16]].concat());
        let column = message(b'T', b"\0\x01?column?\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0");
        let none = Vec::new;
        for (what, login, answer, then) in [
            ("notices before it is ready", message(b'R', &[0; 4]), none(), notice.clone()),
            ("notices after that", welcome(), none(), notice),
            ("rows", welcome(), column, row),
            // The beginning of an error of 1 GiB.
            ("an error", welcome(), b"E\x40\0\0\0SERROR\0M".to_vec(), vec![b'x'; 1 << 16]),
        ] {
            let sql = Sql::with(Lying { login, answer, then }, target("gpadmin", "postgres"));
            let asked = sql.introduction(Duration::from_secs(60));
            let answer = tokio::time::timeout(Duration::from_secs(50), asked).await.expect(what);
            assert_eq!(unknown(answer), cut_off, "{what}");
        }
    }

    #[tokio::test]
    async fn an_error_of_a_megabyte_is_shown_in_part() {
        let words = "no ".repeat(1 << 19);
        for (code, refusal) in [("28P01", true), ("57P03", false)] {
            let login = report(b'E', "FATAL", code, &words);
            let line = Connection::new(Lying { login, ..Lying::default() }, target("gpadmin", "postgres"));
            let until = tokio::time::Instant::now() + Duration::from_secs(60);
            let trouble = line.open("postgres", Access::Read, until).await.err().unwrap();
            assert_eq!((trouble.refuses_login(), trouble.code.as_deref()), (refusal, Some(code)));
            let shown = trouble.reason;
            assert!(
                shown.starts_with("no no no") && shown.ends_with(&format!(" of 1572863 characters) (SQLSTATE {code})")),
                "{shown}"
            );
            assert!(shown.chars().count() < 1100, "{}", shown.chars().count());
        }
    }
}
