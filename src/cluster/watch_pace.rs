//! How often a stream opens its watch. A server, or a proxy before it, may end every watch at once: with an empty body,
//! without a body, in the middle of an object. None of these is an error to a client, which would open the next one
//! thousands of times a second. So a watch that ends soon is opened again after a pause that grows (client-go does the
//! same since Kubernetes 1.36, kubernetes#138552), and if it happens again, everything is listed again: where watches do
//! not work, lists may.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as HttpBody, Bytes, Frame};
use kube::Client;
use kube::client::Body;
use tower::BoxError;

use super::body_limit::Within;
use super::liveness::StreamLiveness;
use super::transport::is_watch;

/// A watch that lasts less than this is short.
const SHORT: Duration = Duration::from_secs(1);

/// The pause after the first short watch, which may be a proxy's accident.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The pause after the second; it doubles from then on.
const SECOND_PAUSE: Duration = Duration::from_millis(400);

/// The longest pause after watches that brought nothing.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The longest pause after watches that brought something: it is a connection that is cut often.
const LONGEST_PAUSE_WITH_NEWS: Duration = Duration::from_secs(1);

/// After this many short watches in a row everything is listed again.
const LISTED_AFTER: u32 = 3;

/// What a stream's watches were like so far.
#[derive(Debug, Default)]
struct Past {
    /// Short watches in a row.
    short: u32,
    /// Whether the last one brought a complete line.
    brought: bool,
    /// Whether everything was listed since the last watch.
    listed: bool,
}

impl Past {
    /// Records the end of a watch.
    fn ended(&mut self, lived: Duration, brought: bool) {
        self.short = if lived < SHORT { self.short.saturating_add(1) } else { 0 };
        (self.brought, self.listed) = (brought, false);
    }

    /// Returns the pause before the next watch, without the random part.
    fn pause(&self) -> Duration {
        let longest = if self.brought { LONGEST_PAUSE_WITH_NEWS } else { LONGEST_PAUSE };
        match self.short {
            0 => Duration::ZERO,
            1 => FIRST_PAUSE,
            more => SECOND_PAUSE.saturating_mul(1 << (more - 2).min(10)).min(longest),
        }
    }

    /// Returns whether everything should be listed instead of another watch.
    fn lists(&self) -> bool {
        self.short >= LISTED_AFTER && !self.brought && !self.listed
    }
}

/// Paces the watches of one stream that are opened through this client, and reports whether they work.
pub(super) fn paced(inner: Client, liveness: StreamLiveness) -> Client {
    let namespace = inner.default_namespace().to_owned();
    let past = Arc::new(Mutex::new(Past::default()));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (inner, liveness, past) = (inner.clone(), liveness.clone(), past.clone());
        let sent = async move {
            let watches = is_watch(&request);
            if watches {
                let (pause, lists) = {
                    let past = locked(&past);
                    (past.pause(), past.lists())
                };
                // Not all streams at the same moment.
                tokio::time::sleep(super::transport::varied(pause)).await;
                if lists {
                    liveness.fails("the server ends each watch at once");
                    locked(&past).listed = true;
                    return Ok(expired());
                }
            }
            let answer = inner.send(request).await;
            liveness.answered(&answer, watches);
            answer.map(|response| {
                let timed = watches && response.status().is_success();
                response.map(|body| match timed {
                    true => Timed { body, opened: Instant::now(), brought: false, past, liveness }.boxed_unsync(),
                    false => body.map_err(BoxError::from).boxed_unsync(),
                })
            })
        };
        Box::pin(sent)
    });
    Client::new(service, namespace)
}

fn locked(past: &Mutex<Past>) -> MutexGuard<'_, Past> {
    past.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an API server sends if a watch cannot go on from where it was: the reader lists everything again.
fn expired() -> Response<Within> {
    const EVENT: &str = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","message":"the watch ended at once","reason":"Expired","code":410}}"#;
    let body = Full::new(Bytes::from(format!("{EVENT}\n"))).map_err(|never| match never {});
    Response::new(body.boxed_unsync())
}

/// A watch's body that records its end.
struct Timed {
    body: Body,
    opened: Instant,
    brought: bool,
    past: Arc<Mutex<Past>>,
    liveness: StreamLiveness,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx).map_err(BoxError::from);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && frame.data_ref().is_some_and(|data| data.contains(&b'\n'))
        {
            self.brought = true;
            self.liveness.works();
        }
        polled
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        let lived = self.opened.elapsed();
        locked(&self.past).ended(lived, self.brought);
        if lived >= SHORT {
            self.liveness.works();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(watches: &[(u64, bool)]) -> Past {
        let mut past = Past::default();
        for (millis, brought) in watches {
            past.ended(Duration::from_millis(*millis), *brought);
        }
        past
    }

    #[test]
    fn short_watches_in_a_row_are_opened_less_and_less_often() {
        let pauses: Vec<u128> = (0..9).map(|short| after(&vec![(3, false); short]).pause().as_millis()).collect();
        assert_eq!(pauses, [0, 50, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        // A handful in ten seconds.
        let in_ten_seconds = pauses.iter().scan(0, |total, pause| {
            *total += pause;
            Some(*total)
        });
        assert_eq!(in_ten_seconds.filter(|at| *at <= 10_000).count(), 6);
        assert_eq!(after(&[(3, false); 40]).pause(), LONGEST_PAUSE);
        // With news, a second at most: the next news are waited for.
        assert_eq!(after(&[(3, true); 40]).pause(), LONGEST_PAUSE_WITH_NEWS);
        // One that lasted starts over.
        assert_eq!(after(&[(3, false), (3, false), (1000, false)]).pause(), Duration::ZERO);
    }

    #[test]
    fn where_watches_do_not_work_everything_is_listed() {
        assert!(!after(&[(3, false); 2]).lists() && after(&[(3, false); 3]).lists());
        assert!(!after(&[(3, true); 9]).lists() && !after(&[(3000, false); 9]).lists());
        // Once for each watch.
        let mut past = after(&[(3, false); 3]);
        past.listed = true;
        assert!(!past.lists());
        past.ended(Duration::ZERO, false);
        assert!(past.lists());
    }
}
