//! Limits how much is read of a response: an API server, or something that pretends to be one, may send without end.

use bytes::Bytes;
use futures::StreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, LengthLimitError, Limited, StreamBody};
use hyper::body::Frame;
use tower::BoxError;

/// Largest response that is read, in bytes: a list of all pods of the largest clusters is smaller.
pub(super) const LARGEST_ANSWER: usize = 512 << 20;

/// Longest line of a watch, in bytes: an object is at most about 3 MiB.
pub(super) const LONGEST_LINE: usize = 16 << 20;

/// A response body with a limit.
pub(super) type Within = UnsyncBoxBody<Bytes, BoxError>;

/// A response that is larger than the limit.
#[derive(Debug, thiserror::Error)]
#[error("the response is larger than {} MiB", .0 >> 20)]
pub(super) struct TooLarge(pub(super) usize);

/// Reads a body to its end.
pub(super) async fn collect_limited<B>(body: B, largest: usize) -> Result<Bytes, BoxError>
where
    B: hyper::body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    match Limited::new(body, largest).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(TooLarge(largest).into()),
        Err(error) => Err(error),
    }
}

/// A body that fails if one of its lines is longer than this: a watch keeps a line in memory until it ends.
pub(super) fn lines_within<B>(body: B, longest: usize) -> Within
where
    B: hyper::body::Body<Data = Bytes, Error = BoxError> + Send + 'static,
{
    let mut line = 0;
    let frames = body.into_data_stream().map(move |chunk| {
        let chunk = chunk?;
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            line += part.len();
            if line > longest {
                return Err(TooLarge(longest).into());
            }
            if part.ends_with(b"\n") {
                line = 0;
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
