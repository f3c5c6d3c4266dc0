//! What a request is answered with when it is refused: a `Status` object, worded as by a real API server.

mod api_error;
mod injected;
mod response;
mod stored;

pub(super) use api_error::ApiError;
pub(super) use response::json_response;
pub(super) use stored::deleted;
