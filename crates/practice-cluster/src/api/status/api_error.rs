//! Failures as a Kubernetes API server words them: a `Status` object with reason, code and details.
//!
//! The wording follows `k8s.io/apimachinery/pkg/api/errors` and `k8s.io/apiserver/pkg/registry`, because people
//! search for these sentences and scripts match them.

use super::response::json_response;
use crate::api::aggregate::aggregate;
use crate::api::authorization::{Attributes, User};
use crate::resources::{self, Resource};
use crate::store::Refusal;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde_json::{Map, Value, json};

/// What a real server reads and writes.
const MEDIA_TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// The message of a 409 for a stale resourceVersion.
const MODIFIED: &str = "the object has been modified; please apply your changes to the latest version and try again";

/// A refusal on its way to the client.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    code: u16,
    reason: &'static str,
    message: String,
    /// Boxed: most calls succeed, and their results should stay small.
    pub(super) details: Option<Box<Value>>,
    /// `metadata.continue` of an expired page: where an inconsistent list could go on.
    resume: Option<String>,
}

impl ApiError {
    pub(super) fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> ApiError {
        ApiError { code: code.as_u16(), reason, message: message.into(), details: None, resume: None }
    }

    fn about(mut self, resource: &Resource, name: &str) -> ApiError {
        self.details = Some(Box::new(details(resource.group, name, resource.plural)));
        self
    }

    /// 404: no object of that name.
    pub(crate) fn not_found(resource: &Resource, name: &str) -> ApiError {
        let message = format!("{} \"{name}\" not found", qualified(resource));
        ApiError::new(StatusCode::NOT_FOUND, "NotFound", message).about(resource, name)
    }

    /// A plugin's refusal, in its words.
    pub(crate) fn refused(refusal: Refusal, resource: &Resource, name: &str) -> ApiError {
        let code = StatusCode::from_u16(refusal.code).unwrap_or(StatusCode::FORBIDDEN);
        ApiError::new(code, refusal.reason, refusal.message).about(resource, name)
    }

    /// 409: the name is taken.
    pub(crate) fn already_exists(resource: &Resource, name: &str) -> ApiError {
        let message = format!("{} \"{name}\" already exists", qualified(resource));
        ApiError::new(StatusCode::CONFLICT, "AlreadyExists", message).about(resource, name)
    }

    /// 409: the object does not match a precondition. `what` precedes the name, and is the kind in the details: `pods`,
    /// or `Pod` where a real server uses the kind.
    pub(crate) fn conflict(resource: &Resource, what: &str, name: &str, why: &str) -> ApiError {
        let dot = if resource.group.is_empty() { "" } else { "." };
        let message = format!("Operation cannot be fulfilled on {what}{dot}{} \"{name}\": {why}", resource.group);
        let mut error = ApiError::new(StatusCode::CONFLICT, "Conflict", message);
        error.details = Some(Box::new(details(resource.group, name, what)));
        error
    }

    /// 422: a change without a resourceVersion; a real server names the plural here.
    pub(crate) fn version_needed(resource: &'static Resource, name: &str) -> ApiError {
        let named = Resource { kind: resource.plural, ..*resource };
        let message = "Invalid value: 0: must be specified for an update".to_owned();
        ApiError::invalid(&named, name, &[("metadata.resourceVersion".to_owned(), message)])
    }

    /// The same refusal, with words before its message.
    pub(crate) fn prefixed(mut self, words: &str) -> ApiError {
        self.message.insert_str(0, words);
        self
    }

    /// 409: the object was changed since it was read.
    pub(crate) fn modified(resource: &Resource, name: &str) -> ApiError {
        ApiError::conflict(resource, resource.plural, name, MODIFIED)
    }

    /// 422: fields that cannot be; one (field, message) each, the message starting with `Invalid value`,
    /// `Required value`, `Forbidden`, … as in Kubernetes' field errors.
    pub(crate) fn invalid(resource: &Resource, name: &str, fields: &[(String, String)]) -> ApiError {
        let kind = resources::qualified(resource.kind, resource.group);
        let listed: Vec<String> = fields.iter().map(|(field, message)| format!("{field}: {message}")).collect();
        let listed = aggregate(&listed);
        let causes: Vec<Value> = fields
            .iter()
            .map(|(field, message)| json!({"reason": cause(message), "message": message, "field": field}))
            .collect();
        let message = format!("{kind} \"{name}\" is invalid: {listed}");
        let mut error = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message);
        let mut about = details(resource.group, name, resource.kind);
        about["causes"] = json!(causes);
        error.details = Some(Box::new(about));
        error
    }

    /// 422: options that do not exist or do not go together; `kind` is `ListOptions`, `DeleteOptions`, ….
    pub(crate) fn invalid_options(kind: &'static str, fields: &[(String, String)]) -> ApiError {
        let options = Resource {
            group: "meta.k8s.io",
            version: "v1",
            plural: "",
            singular: "",
            kind,
            short_names: &[],
            namespaced: false,
        };
        ApiError::invalid(&options, "", fields)
    }

    /// 422: a patch that cannot be applied; the reason is not given.
    pub(crate) fn unprocessable_patch() -> ApiError {
        let message = "the server rejected our request due to an error in our request";
        ApiError::generic(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
    }

    /// An answer that is about no object: its details are there and empty.
    fn generic(code: StatusCode, reason: &'static str, message: impl Into<String>) -> ApiError {
        let mut error = ApiError::new(code, reason, message);
        error.details = Some(Box::new(json!({})));
        error
    }

    /// 403: the user may not; the authorizer's reason is mostly empty.
    pub(crate) fn forbidden(user: &User, request: &Attributes, reason: &str) -> ApiError {
        let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        if let Some(path) = &request.path {
            let message = format!("forbidden: User \"{}\" cannot {} path \"{path}\"{why}", user.name, request.verb);
            return ApiError::generic(StatusCode::FORBIDDEN, "Forbidden", message);
        }
        let group = &request.group;
        let qualified = resources::qualified(&request.resource, group);
        let full = request.path_of_resource();
        let subject = if request.name.is_empty() { qualified } else { format!("{qualified} \"{}\"", request.name) };
        let scope = if request.namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace \"{}\"", request.namespace)
        };
        let message = format!(
            "{subject} is forbidden: User \"{}\" cannot {} resource \"{full}\" in API group \"{group}\" {scope}{why}",
            user.name, request.verb
        );
        let mut error = ApiError::new(StatusCode::FORBIDDEN, "Forbidden", message);
        error.details = Some(Box::new(details(group, &request.name, &request.resource)));
        error
    }

    /// 403: refused to all users.
    pub(crate) fn forbidden_because(resource: &Resource, name: &str, why: &str) -> ApiError {
        let message = format!("{} \"{name}\" is forbidden: {why}", qualified(resource));
        ApiError::new(StatusCode::FORBIDDEN, "Forbidden", message).about(resource, name)
    }

    /// 403: nothing can be created in a terminating namespace.
    pub(crate) fn namespace_terminating(resource: &Resource, name: &str, namespace: &str) -> ApiError {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut error = ApiError::forbidden_because(resource, name, &why);
        if let Some(details) = &mut error.details {
            let message = format!("namespace {namespace} is being terminated");
            details["causes"] =
                json!([{"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}]);
        }
        error
    }

    /// 401.
    pub(crate) fn unauthorized() -> ApiError {
        ApiError::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    /// 400.
    pub(crate) fn bad_request(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 500 without a reason: a real server's answer to an error that it does not map to a status.
    pub(crate) fn internal_without_reason(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "", message)
    }

    /// 405.
    pub(crate) fn method_not_allowed() -> ApiError {
        let message = "the server does not allow this method on the requested resource";
        ApiError::generic(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    /// 404: no kind, or no path below an object, of that name.
    pub(crate) fn no_such_route() -> ApiError {
        let message = "the server could not find the requested resource";
        ApiError::generic(StatusCode::NOT_FOUND, "NotFound", message)
    }

    /// 406: `Accept` names types that are known, but asks them for what they cannot do.
    pub(crate) fn not_acceptable() -> ApiError {
        let message = format!("only the following media types are accepted: {MEDIA_TYPES}");
        ApiError::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    /// 406: `Accept` names no type that is known.
    pub(crate) fn not_available(collection: bool) -> ApiError {
        let streams = ", application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
        let streams = if collection { streams } else { "" };
        let message = format!("406: Not Acceptable\n\nAvailable representations: {MEDIA_TYPES}{streams}");
        ApiError::generic(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    /// 413.
    pub(crate) fn too_large() -> ApiError {
        let message = "Request entity too large: limit is 3145728";
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }

    /// 415: a body of a type that is not understood.
    pub(crate) fn unsupported_media_type() -> ApiError {
        let message =
            format!("the body of the request was in an unknown format - accepted media types include: {MEDIA_TYPES}");
        ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    /// 415: a patch of a type that the path does not take.
    pub(crate) fn unsupported_patch_type() -> ApiError {
        let message = "415: Unsupported Media Type";
        ApiError::generic(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    /// 410: the resourceVersion is older than the history kept.
    pub(crate) fn too_old(asked: u64, oldest: u64) -> ApiError {
        ApiError::new(StatusCode::GONE, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    /// 410: a list as it was longer ago than history reaches back.
    pub(crate) fn list_expired() -> ApiError {
        let message = "The resourceVersion for the provided list is too old.";
        ApiError::new(StatusCode::GONE, "Expired", message)
    }

    /// 410: the list that a `continue` token belongs to is no longer known; `resume` continues on today's objects.
    pub(crate) fn continue_expired(resume: String) -> ApiError {
        let message = "The provided continue parameter is too old to display a consistent list result. You can start \
             a new list without the continue parameter, or use the continue token in this response to retrieve the \
             remainder of the results. Continuing with the provided token results in an inconsistent list - objects \
             that were created, modified, or deleted between the time the first chunk was returned and now may show \
             up in the list.";
        let mut error = ApiError::new(StatusCode::GONE, "Expired", message);
        error.resume = Some(resume);
        error
    }

    /// 504: a resourceVersion that is still to come.
    pub(crate) fn too_large_version(asked: u64, current: u64) -> ApiError {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let mut error = ApiError::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message);
        error.details = Some(Box::new(json!({
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1
        })));
        error
    }

    /// 429: evicting the pod would break its budget.
    pub(crate) fn disruption_budget(budget: &str, healthy: i64, desired: i64) -> ApiError {
        let message = "Cannot evict pod as it would violate the pod's disruption budget.";
        let mut error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message);
        let why = format!("The disruption budget {budget} needs {desired} healthy pods and has {healthy} currently");
        error.details = Some(Box::new(json!({"causes": [{"reason": "DisruptionBudget", "message": why}]})));
        error
    }

    /// 500.
    pub(crate) fn internal(why: &str) -> ApiError {
        let message = format!("Internal error occurred: {why}");
        let mut error = ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message);
        error.details = Some(Box::new(json!({"causes": [{"message": why}]})));
        error
    }

    /// HTTP status.
    pub(crate) fn code(&self) -> u16 {
        self.code
    }

    /// The `Status` object.
    pub(crate) fn to_value(&self) -> Value {
        let mut metadata = Map::new();
        if let Some(resume) = &self.resume {
            metadata.insert("continue".to_owned(), json!(resume));
        }
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": metadata,
            "status": "Failure",
            "message": self.message,
        });
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if let Some(details) = &self.details {
            status["details"] = (**details).clone();
        }
        status["code"] = json!(self.code);
        status
    }

    /// The HTTP answer.
    pub(crate) fn into_response(self) -> Response<Body> {
        json_response(self.code, &self.to_value())
    }
}

/// Returns `statefulsets.apps`, `pods`.
fn qualified(resource: &Resource) -> String {
    resources::qualified(resource.plural, resource.group)
}

pub(super) fn details(group: &str, name: &str, kind: &str) -> Value {
    let mut details = Map::new();
    if !name.is_empty() {
        details.insert("name".to_owned(), json!(name));
    }
    if !group.is_empty() {
        details.insert("group".to_owned(), json!(group));
    }
    if !kind.is_empty() {
        details.insert("kind".to_owned(), json!(kind));
    }
    Value::Object(details)
}

/// The cause's reason, which Kubernetes' field errors also begin their message with.
fn cause(message: &str) -> &'static str {
    const CAUSES: [(&str, &str); 6] = [
        ("Required value", "FieldValueRequired"),
        ("Forbidden", "FieldValueForbidden"),
        ("Unsupported value", "FieldValueNotSupported"),
        ("Duplicate value", "FieldValueDuplicate"),
        ("Not found", "FieldValueNotFound"),
        ("Too long", "FieldValueTooLong"),
    ];
    CAUSES.iter().find(|(start, _)| message.starts_with(start)).map_or("FieldValueInvalid", |(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{PODS, STATEFUL_SETS};

    #[test]
    fn statuses_are_worded_as_by_a_real_server() {
        let message = |e: ApiError| e.to_value()["message"].as_str().unwrap().to_owned();
        assert_eq!(message(ApiError::not_found(&PODS, "x")), r#"pods "x" not found"#);
        assert_eq!(message(ApiError::already_exists(&STATEFUL_SETS, "x")), r#"statefulsets.apps "x" already exists"#);
        let user = User { name: "u".into(), ..Default::default() };
        let mut request = Attributes { verb: "delete".into(), resource: "pods".into(), ..Default::default() };
        (request.namespace, request.name) = ("ns".into(), "x".into());
        assert_eq!(
            message(ApiError::forbidden(&user, &request, "")),
            r#"pods "x" is forbidden: User "u" cannot delete resource "pods" in API group "" in the namespace "ns""#
        );
        request = Attributes {
            verb: "list".into(),
            group: "apps".into(),
            resource: "statefulsets".into(),
            ..Default::default()
        };
        assert_eq!(
            message(ApiError::forbidden(&user, &request, "RBAC: no")),
            r#"statefulsets.apps is forbidden: User "u" cannot list resource "statefulsets" in API group "apps" at the cluster scope: RBAC: no"#
        );
    }

    #[test]
    fn invalid_objects_name_each_cause() {
        let one = ("spec.a".to_owned(), "Required value".to_owned());
        let two = ("spec.b".to_owned(), "Forbidden: no".to_owned());
        let status = ApiError::invalid(&STATEFUL_SETS, "x", &[one, two]).to_value();
        assert_eq!(
            status["message"],
            r#"StatefulSet.apps "x" is invalid: [spec.a: Required value, spec.b: Forbidden: no]"#
        );
        assert_eq!(
            status["details"],
            json!({"name": "x", "group": "apps", "kind": "StatefulSet", "causes": [
                {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.a"},
                {"reason": "FieldValueForbidden", "message": "Forbidden: no", "field": "spec.b"}]})
        );
        assert_eq!(status["code"], 422);
    }
}
