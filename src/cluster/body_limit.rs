//! Limits how much is read of a response: an API server, or something that pretends to be one, may send without end, or
//! little that takes much memory once parsed.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tower::BoxError;

/// Largest response that is read, in bytes: a list of 50,000 volumes, or of 10,000 nodes, is smaller. Documented in
/// docs/trouble.md.
pub(super) const LARGEST_ANSWER: usize = 128 << 20;

/// Most bytes of all responses that are read at the same time.
const MOST_AT_ONCE: usize = 256 << 20;

/// Most objects in arrays of one response: `{}` takes three bytes in a list of pods, and a thousand in memory.
pub(super) const MOST_OBJECTS: usize = 1_000_000;

/// Deepest nesting: more is not parsed anyway.
const DEEPEST: usize = 256;

/// Longest line of a watch, in bytes: an object is at most about 3 MiB.
pub(super) const LONGEST_LINE: usize = 16 << 20;

/// A response body with a limit.
pub(super) type Within = UnsyncBoxBody<Bytes, BoxError>;

/// A response that is larger than a limit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooLarge {
    #[error("the response is larger than {} MiB", .0 >> 20)]
    Bytes(usize),
    #[error("the responses together are larger than {} MiB", .0 >> 20)]
    Together(usize),
    #[error("the response has more than {0} objects")]
    Objects(usize),
    #[error("the response is nested too deeply")]
    Nested,
}

/// Bytes of the responses that are being read.
static AT_ONCE: AtomicUsize = AtomicUsize::new(0);

/// The part of [`AT_ONCE`] that one response has.
#[derive(Debug, Default)]
pub(super) struct Share(usize);

impl Share {
    /// Adds bytes that are read, or kept.
    ///
    /// # Errors
    /// All shares together are too large.
    pub(super) fn add(&mut self, bytes: usize) -> Result<(), TooLarge> {
        self.0 = self.0.saturating_add(bytes);
        let all = AT_ONCE.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if all > MOST_AT_ONCE { Err(TooLarge::Together(MOST_AT_ONCE)) } else { Ok(()) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        AT_ONCE.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// Counts the objects in arrays of a JSON text that comes in pieces. What is no JSON is for the parser to refuse.
#[derive(Default)]
struct Objects {
    /// For each open bracket, whether it is an array's.
    open: Vec<bool>,
    in_text: bool,
    escaped: bool,
    count: usize,
}

impl Objects {
    fn read(&mut self, piece: &[u8]) -> Result<(), TooLarge> {
        for byte in piece {
            match (self.in_text, byte) {
                (true, _) if self.escaped => self.escaped = false,
                (true, b'\\') => self.escaped = true,
                (_, b'"') => self.in_text = !self.in_text,
                (true, _) => {}
                (false, b'{' | b'[') => {
                    if self.open.last() == Some(&true) {
                        self.count = self.count.saturating_add(1);
                    }
                    self.open.push(*byte == b'[');
                    if self.open.len() > DEEPEST {
                        return Err(TooLarge::Nested);
                    }
                }
                (false, b'}' | b']') => drop(self.open.pop()),
                (false, _) => {}
            }
        }
        if self.count > MOST_OBJECTS { Err(TooLarge::Objects(MOST_OBJECTS)) } else { Ok(()) }
    }
}

/// Returns how many objects there are in arrays of a JSON text.
///
/// # Errors
/// Too many, or nested too deeply.
pub(super) fn objects_in(text: &[u8]) -> Result<usize, TooLarge> {
    let mut objects = Objects::default();
    objects.read(text).map(|()| objects.count)
}

/// Reads a body to its end.
pub(super) async fn collect_limited<B>(body: B, largest: usize) -> Result<Bytes, BoxError>
where
    B: hyper::body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    let mut body = std::pin::pin!(body);
    let (mut whole, mut share, mut objects) = (BytesMut::new(), Share::default(), Objects::default());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Into::into)?.into_data() else { continue };
        if data.len() > largest.saturating_sub(whole.len()) {
            return Err(TooLarge::Bytes(largest).into());
        }
        share.add(data.len())?;
        objects.read(&data)?;
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// A body that fails if one of its lines is longer than this: a watch keeps a line in memory until it ends.
pub(super) fn lines_within<B>(body: B, longest: usize) -> Within
where
    B: hyper::body::Body<Data = Bytes, Error = BoxError> + Send + 'static,
{
    let mut line = 0_usize;
    let mut objects = Objects::default();
    let frames = body.into_data_stream().map(move |chunk| {
        let chunk = chunk?;
        // A tunnel has no lines, and no limit.
        if longest == usize::MAX {
            return Ok(Frame::data(chunk));
        }
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            line = line.saturating_add(part.len());
            if line > longest {
                return Err(TooLarge::Bytes(longest).into());
            }
            objects.read(part)?;
            if part.ends_with(b"\n") {
                (line, objects) = (0, Objects::default());
            }
        }
        Ok(Frame::data(chunk))
    });
    StreamBody::new(frames).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    #[tokio::test]
    async fn an_answer_that_is_too_long_is_not_kept() {
        let body = |length| Full::new(Bytes::from(vec![b'x'; length]));
        assert_eq!(collect_limited(body(10), 10).await.unwrap().len(), 10);
        assert_eq!(
            collect_limited(body(3 << 20), 2 << 20).await.unwrap_err().to_string(),
            "the response is larger than 2 MiB"
        );
    }

    /// Three bytes each, however they are cut into pieces; text, and objects that are values of a map, do not count.
    #[tokio::test]
    async fn many_small_objects_are_too_many() {
        let read = |text: String| {
            let pieces: Vec<_> = text.as_bytes().chunks(1000).map(Bytes::copy_from_slice).collect();
            collect_limited(
                StreamBody::new(futures::stream::iter(
                    pieces.into_iter().map(|piece| Ok::<_, BoxError>(Frame::data(piece))),
                )),
                LARGEST_ANSWER,
            )
        };
        let list = |item: &str, times: usize| format!("{{\"items\":[{}{item}]}}", format!("{item},").repeat(times - 1));
        assert!(read(list("{}", MOST_OBJECTS)).await.is_ok());
        for text in [list("{}", MOST_OBJECTS + 1), format!("[{}]", list("[]", MOST_OBJECTS + 1))] {
            assert_eq!(read(text).await.unwrap_err().to_string(), "the response has more than 1000000 objects");
        }
        assert!(read(list(r#""{\"[{""#, MOST_OBJECTS + 1)).await.is_ok(), "text");
        let fields = format!("{{\"a\":{{{}\"z\":{{}}}}}}", "\"f\":{},".repeat(MOST_OBJECTS + 1));
        assert!(read(fields).await.is_ok(), "values of a map");
        assert_eq!(read("[".repeat(300)).await.unwrap_err().to_string(), "the response is nested too deeply");
        assert!(read("}]}]".repeat(300)).await.is_ok(), "for the parser to refuse");
    }

    /// Ten responses at the same time may not take ten times the memory of one.
    #[test]
    fn what_is_read_at_the_same_time_has_a_limit_together() {
        let mut shares: Vec<Share> = std::iter::repeat_with(Share::default).take(3).collect();
        // Other tests of this process read something, too.
        let half = MOST_AT_ONCE / 2 - (8 << 20);
        assert_eq!((shares[0].add(half), shares[1].add(half)), (Ok(()), Ok(())));
        assert_eq!(shares[2].add(half), Err(TooLarge::Together(MOST_AT_ONCE)));
        drop(shares);
        assert_eq!(Share::default().add(half), Ok(()));
    }

    #[tokio::test]
    async fn a_watch_may_be_long_and_its_lines_may_not() {
        let text_of = |lines: &[usize]| lines.iter().map(|length| "x".repeat(*length) + "\n").collect::<String>();
        for (lines, whole) in [(vec![9; 50], true), (vec![9, 9, 10], false), (vec![30], false)] {
            let text = text_of(&lines);
            let chunks = text.as_bytes().chunks(7).map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk))));
            let body = StreamBody::new(futures::stream::iter(chunks.collect::<Vec<_>>()));
            let read = lines_within(body, 10).collect().await;
            match read {
                Ok(read) => assert!(whole && read.to_bytes() == text, "{lines:?}"),
                Err(error) => {
                    let error = error.to_string();
                    assert!(!whole && error == "the response is larger than 0 MiB", "{lines:?}: {error}");
                }
            }
        }
    }
}
