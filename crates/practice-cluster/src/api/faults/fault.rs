//! The kinds of fault.

use std::time::Duration;

/// How a watch ends that brings nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchEnd {
    /// 200 with an empty body.
    Empty,
    /// 204.
    NoContent,
    /// 200 with the beginning of an event, and a proper end of the body.
    Truncated,
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Processing is delayed by that time.
    Delay(Duration),
    /// The connection breaks before the request is processed.
    Drop,
    /// The request is processed, and the connection breaks instead of an answer.
    LoseAnswer,
    /// The request is processed twice, as by a proxy that retries; the second answer is sent.
    Twice,
    /// The request is processed, and the connection breaks in the middle of the answer (except for watches).
    CutAnswer,
    /// The request is not processed. 403 (a denying webhook), 429, 500, 503 and 504 are a `Status`, 502 a proxy's page.
    Refuse {
        /// HTTP status.
        code: u16,
        /// `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// The request is processed, yet answered as by [`Fault::Refuse`].
    Deny {
        /// HTTP status.
        code: u16,
    },
    /// 410: for a watch after that many events, for a list of a past resourceVersion immediately.
    Expire {
        /// Events that are sent first.
        after: usize,
    },
    /// The connection of a watch breaks in the middle of an event.
    CutWatch {
        /// Events that are sent first.
        after: usize,
    },
    /// A watch is accepted and ends at once, as behind a proxy that does not know watches.
    EndWatch(WatchEnd),
    /// A watch stays open and sends nothing more, like a connection that died unnoticed.
    Silence {
        /// Events that are sent first.
        after: usize,
    },
    /// The events of a watch are delayed by that time: watches of different kinds lag behind each other.
    Lag(Duration),
    /// Adjacent events of a watch swap places if they concern different objects; the events of one object keep their
    /// order.
    Reorder,
}
