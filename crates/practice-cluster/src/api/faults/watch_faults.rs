//! Faults in the events of a watch, one event per line.

use super::fault::{Fault, WatchEnd};
use crate::api::representation;
use crate::api::status::ApiError;
use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode};
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use serde_json::Value;
use std::io;
use std::time::Duration;

/// How long an event waits for another one to swap places with.
const COMPANY: Duration = Duration::from_millis(50);

type Lines = BoxStream<'static, io::Result<Bytes>>;

/// Applies a fault to the body of a watch.
pub(super) fn apply(body: Body, fault: Fault) -> Body {
    // Each of the stream's frames is a line: `watch` makes them so.
    let lines = body.into_data_stream().map(|line| line.map_err(io::Error::other)).boxed();
    Body::from_stream(match fault {
        Fault::Expire { after } => lines.take(after).chain(stream::iter([Ok(expired())])).boxed(),
        Fault::Silence { after } => lines.take(after).chain(stream::pending()).boxed(),
        Fault::CutWatch { after } => cut(lines, after),
        Fault::Lag(time) => {
            let late = move |line| tokio::time::sleep(time).map(move |()| line);
            // Each delay counts from the event's arrival.
            lines.map(late).buffered(usize::MAX).boxed()
        }
        Fault::Reorder => reordered(lines),
        _ => lines,
    })
}

/// A watch that ends at once.
pub(super) fn ended(how: WatchEnd) -> Response<Body> {
    let body = match how {
        WatchEnd::Empty | WatchEnd::NoContent => Body::empty(),
        WatchEnd::Truncated => Body::from(r#"{"type":"MODIFIED","object":{"kind":"Pod","apiVer"#),
    };
    let mut response = Response::new(body);
    if how == WatchEnd::NoContent {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response
}

/// A broken connection.
pub(super) fn broken() -> Lines {
    let breaks = async {
        // Yields, so that earlier data is sent first: the server flushes when nothing is left to write.
        tokio::task::yield_now().await;
        Err(io::ErrorKind::ConnectionReset.into())
    };
    breaks.into_stream().boxed()
}

fn expired() -> Bytes {
    Bytes::from(representation::plain_event("ERROR", &ApiError::too_old(1, 2).to_value()))
}

fn cut(lines: Lines, after: usize) -> Lines {
    let halved = lines.enumerate().map(move |(number, line)| match line {
        Ok(line) if number == after => Ok(line.slice(..line.len() / 2)),
        line => line,
    });
    halved.take(after + 1).chain(broken()).boxed()
}

/// Swaps two adjacent events of different objects and sends both in one piece: a client that has seen only the
/// later one would resume after it.
fn reordered(lines: Lines) -> Lines {
    stream::unfold(lines, |mut lines| async move {
        let first = match lines.next().await? {
            Ok(first) => first,
            broken => return Some((broken, lines)),
        };
        let Some(about) = subject(&first) else { return Some((Ok(first), lines)) };
        let second = match tokio::time::timeout(COMPANY, lines.next()).await {
            Ok(Some(Ok(second))) => second,
            // The end, or nothing else soon.
            Ok(None) | Err(_) => return Some((Ok(first), lines)),
            Ok(Some(broken)) => {
                let rest = stream::iter([broken]).chain(lines).boxed();
                return Some((Ok(first), rest));
            }
        };
        let swaps = subject(&second).is_some_and(|other| other != about);
        let pair = if swaps { [second, first].concat() } else { [first, second].concat() };
        Some((Ok(Bytes::from(pair)), lines))
    })
    .boxed()
}

/// Returns the UID of an event's object; none for a bookmark or an error, which no event may overtake.
fn subject(line: &[u8]) -> Option<String> {
    let event: Value = serde_json::from_slice(line).ok()?;
    let is_change = ["ADDED", "MODIFIED", "DELETED"].contains(&event["type"].as_str()?);
    let metadata = &event["object"]["metadata"];
    is_change.then(|| metadata["uid"].as_str().map(str::to_owned)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(kind: &str, uid: &str, version: u64) -> Bytes {
        let object = json!({"metadata": {"uid": uid, "resourceVersion": version.to_string()}});
        Bytes::from(format!("{}\n", json!({"type": kind, "object": object})))
    }

    /// Versions, in the order in which a client sees them; `!` where the stream breaks.
    async fn seen(fault: Fault, events: Vec<Bytes>) -> String {
        let body = apply(Body::from_stream(stream::iter(events.into_iter().map(Ok::<_, io::Error>))), fault);
        let mut stream = body.into_data_stream();
        let (mut text, mut broke) = (Vec::new(), "");
        while let Some(frame) = stream.next().await {
            match frame {
                Ok(frame) => text.extend(frame),
                Err(_) => broke = " !",
            }
        }
        let versions: Vec<String> = String::from_utf8(text)
            .unwrap()
            .lines()
            .map(|line| match serde_json::from_str::<Value>(line) {
                Ok(event) if event["type"] == "ERROR" => event["object"]["code"].to_string(),
                Ok(event) => event["object"]["metadata"]["resourceVersion"].as_str().unwrap().to_owned(),
                Err(_) => "half".to_owned(),
            })
            .collect();
        versions.join(" ") + broke
    }

    #[tokio::test]
    async fn events_change_places_only_with_those_of_other_objects() {
        let several =
            || ["a", "b", "b", "b", "a", "c"].iter().zip(1..).map(|(uid, version)| event("MODIFIED", uid, version));
        assert_eq!(seen(Fault::Reorder, several().collect()).await, "2 1 3 4 6 5");
        let mut bookmarked: Vec<Bytes> = several().collect();
        bookmarked.insert(1, event("BOOKMARK", "z", 9));
        assert_eq!(seen(Fault::Reorder, bookmarked).await, "1 9 2 3 5 4 6");
    }

    #[tokio::test]
    async fn a_watch_expires_breaks_or_lags_after_so_many_events() {
        let several = || (1..4).map(|version| event("ADDED", "a", version)).collect::<Vec<_>>();
        for (fault, expected) in [
            (Fault::Expire { after: 0 }, "410"),
            (Fault::Expire { after: 2 }, "1 2 410"),
            (Fault::CutWatch { after: 0 }, "half !"),
            (Fault::CutWatch { after: 1 }, "1 half !"),
            (Fault::Lag(Duration::from_millis(20)), "1 2 3"),
        ] {
            assert_eq!(seen(fault.clone(), several()).await, expected, "{fault:?}");
        }
        let silent = seen(Fault::Silence { after: 1 }, several());
        assert!(tokio::time::timeout(2 * COMPANY, silent).await.is_err());
    }
}
