//! Errors of a failing server, or of a proxy before it, independent of the request.

use super::api_error::ApiError;
use axum::http::StatusCode;
use serde_json::json;

impl ApiError {
    /// 400, 403, 429, 503, 504; anything else is worded as 500.
    pub(crate) fn injected(code: u16, retry_after: Option<u64>) -> ApiError {
        let (code, reason, message) = match code {
            // What a dry run meets where an admission webhook has side effects.
            400 => (
                StatusCode::BAD_REQUEST,
                "BadRequest",
                "admission webhook \"guard.example.com\" does not support dry run",
            ),
            // A webhook that denies, as those of controller-runtime do.
            403 => (
                StatusCode::FORBIDDEN,
                "Forbidden",
                "admission webhook \"guard.example.com\" denied the request: not now",
            ),
            429 => (
                StatusCode::TOO_MANY_REQUESTS,
                "TooManyRequests",
                "the server has received too many requests and has asked us to try again later",
            ),
            503 => (
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "the server is currently unable to handle the request",
            ),
            504 => (
                StatusCode::GATEWAY_TIMEOUT,
                "Timeout",
                "Timeout: request did not complete within the allotted timeout",
            ),
            _ => return ApiError::internal("etcdserver: request timed out"),
        };
        let mut error = ApiError::new(code, reason, message);
        error.details = retry_after.map(|seconds| Box::new(json!({"retryAfterSeconds": seconds})));
        error
    }
}
