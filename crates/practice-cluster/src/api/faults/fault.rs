//! The kinds of fault.

use std::time::Duration;

/// What befalls a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is processed that much later.
    Delay(Duration),
    /// The connection breaks before it is processed.
    Drop,
    /// It is processed, and the connection breaks instead of an answer.
    LoseAnswer,
    /// It is processed twice, as by a proxy that tries again; the second answer is sent.
    Twice,
    /// It is processed, and the connection breaks in the middle of the answer (not of a watch's).
    CutAnswer,
    /// It is not processed. 403 (a webhook that denies), 429, 500, 503 and 504 come as a `Status`, 502 as a proxy's page.
    Refuse {
        /// HTTP status.
        code: u16,
        /// `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// It is processed, and answered as by [`Fault::Refuse`] all the same.
    Deny {
        /// HTTP status.
        code: u16,
    },
    /// 410: a watch is told so after that many events; a list of a past resourceVersion at once.
    Expire {
        /// Events that are sent before.
        after: usize,
    },
    /// The connection of a watch breaks in the middle of an event.
    CutWatch {
        /// Events that are sent before.
        after: usize,
    },
    /// A watch stays open and says nothing any more, as on a connection that died unnoticed.
    Silence {
        /// Events that are sent before.
        after: usize,
    },
    /// The events of a watch come that much later: watches of several kinds lag behind each other.
    Lag(Duration),
    /// Events of a watch that are about different objects change places; those about one object never do.
    Reorder,
}
