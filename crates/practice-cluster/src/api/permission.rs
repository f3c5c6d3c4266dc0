//! Permissions that a request needs.

use super::authorization::{Attributes, Authorizer, User};
use super::status::ApiError;

/// Checks that a user may do something.
///
/// # Errors
/// 403 with the authorizer's reason.
pub(super) fn check(authorizer: &dyn Authorizer, user: &User, request: &Attributes) -> Result<(), ApiError> {
    let decision = authorizer.decide(user, request);
    if decision.allowed { Ok(()) } else { Err(ApiError::forbidden(user, request, &decision.reason)) }
}
