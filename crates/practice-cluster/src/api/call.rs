//! A request that is allowed, on its way to its handler.

use super::authorization::User;
use super::representation::Format;
use super::request::Query;
use super::state::ApiState;
use axum::http::HeaderMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A request that is allowed, and what its handler needs to know.
pub(super) struct Call {
    pub(super) state: Arc<ApiState>,
    pub(super) user: User,
    pub(super) query: Query,
    pub(super) headers: HeaderMap,
    pub(super) format: Format,
    pub(super) shutdown: CancellationToken,
}
