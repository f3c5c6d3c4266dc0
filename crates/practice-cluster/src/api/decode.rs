//! Decodes a request's body: an object of the path's kind, as JSON, YAML or (a few kinds) protobuf.

use super::call::Call;
use super::go_json::{json_error, type_of};
use super::protobuf;
use super::status::ApiError;
use crate::resources::{RESOURCES, REVIEWS, Resource, VIEWS};
use crate::values::text;
use axum::http::header;
use serde_json::Value;

/// The source position of the real server's scheme, which its messages contain.
const SCHEME: &str = "pkg/api/legacyscheme/scheme.go:30";

/// Kinds that a real server knows but this one does not serve; each has a list kind, too.
const OTHER_KINDS: [(&str, &[&str]); 7] = [
    ("v1", &["Binding", "LimitRange", "PodTemplate", "ReplicationController", "ResourceQuota"]),
    ("apps/v1", &["DaemonSet", "Deployment", "ReplicaSet"]),
    ("authentication.k8s.io/v1", &["TokenRequest", "TokenReview"]),
    ("autoscaling/v1", &["HorizontalPodAutoscaler", "Scale"]),
    ("batch/v1", &["CronJob", "Job"]),
    ("networking.k8s.io/v1", &["Ingress", "IngressClass", "NetworkPolicy"]),
    ("policy/v1", &["Eviction"]),
];

/// A kind that a body may be of: apiVersion and kind.
pub(super) type Kind<'a> = (&'a str, &'a str);

/// The request's content type as it was sent.
pub(super) fn content_type(call: &Call) -> &str {
    call.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The object in a request's body, of that kind or of none.
///
/// # Errors
/// 415 for a type that is not understood, 400 for a body that cannot be read, or is of another kind.
pub(super) fn object(call: &Call, body: &[u8], (api_version, kind): Kind<'_>) -> Result<Value, ApiError> {
    let object = value(call, body).map_err(|unread| match unread {
        DecodeError::Type => ApiError::unsupported_media_type(),
        DecodeError::Body(why) => ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): {why} ({})",
            summary(body)
        )),
    })?;
    check(&object, api_version, kind)?;
    Ok(object)
}

/// Returns the [`object`] of a stored kind.
///
/// # Errors
/// As there.
pub(super) fn stored_object(call: &Call, body: &[u8], resource: &Resource) -> Result<Value, ApiError> {
    object(call, body, (&resource.api_version(), resource.kind))
}

/// Options in a request's body.
///
/// # Errors
/// 415 for a type that is not understood, 400 for a body that cannot be read.
pub(super) fn options(call: &Call, body: &[u8]) -> Result<Value, ApiError> {
    value(call, body).map_err(|unread| match unread {
        DecodeError::Type => ApiError::unsupported_media_type(),
        DecodeError::Body(why) => ApiError::bad_request(why),
    })
}

/// Why a body could not be decoded.
enum DecodeError {
    Type,
    Body(String),
}

fn value(call: &Call, body: &[u8]) -> Result<Value, DecodeError> {
    let value: Value = match content_type(call).split(';').next().unwrap_or_default().trim() {
        "" | "application/json" => serde_json::from_slice(body).map_err(|e| {
            DecodeError::Body(format!("couldn't get version/kind; json parse error: {}", json_error(body, &e)))
        })?,
        "application/yaml" => std::str::from_utf8(body)
            .map_err(|e| e.to_string())
            .and_then(|body| serde_saphyr::from_str(body).map_err(|e| e.to_string()))
            .map_err(|why| DecodeError::Body(format!("error converting YAML to JSON: yaml: {why}")))?,
        "application/vnd.kubernetes.protobuf" => protobuf::decode(body).ok_or(DecodeError::Type)?,
        _ => return Err(DecodeError::Type),
    };
    if value.is_object() {
        return Ok(value);
    }
    Err(DecodeError::Body(format!(
        "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type struct {{ APIVersion \
         string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}",
        type_of(&value)
    )))
}

/// Returns the beginning of a body that could not be read.
fn summary(body: &[u8]) -> String {
    const SHOWN: usize = 30;
    let shown = &body[..body.len().min(SHOWN)];
    let more = if body.len() > SHOWN { " ..." } else { "" };
    match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(shown)),
        Some(_) => shown.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + more,
    }
}

/// Checks that an object is of the expected kind.
///
/// # Errors
/// 400 for one of another kind.
pub(super) fn check(object: &Value, right_version: &str, right_kind: &str) -> Result<(), ApiError> {
    let or = |said: &Value, right: &str| Some(text(said)).filter(|said| !said.is_empty()).unwrap_or(right).to_owned();
    let (api_version, kind) = (or(&object["apiVersion"], right_version), or(&object["kind"], right_kind));
    if (api_version.as_str(), kind.as_str()) == (right_version, right_kind) {
        return Ok(());
    }
    let (group, version) = split(&api_version);
    let (right_group, _) = split(right_version);
    let older = matches!((group, version), ("apps", "v1beta1" | "v1beta2") | ("policy", "v1beta1"));
    if older && group == right_group && kind == right_kind {
        return Err(ApiError::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({right_version})"
        )));
    }
    let why = if is_registered(&api_version, &kind) {
        // The packages of the real server's own types are called after the group's first word.
        let package = match right_group.split('.').next() {
            None | Some("") => "core",
            Some(word) => word,
        };
        format!("converting ({version}.{kind}) to ({package}.{right_kind}): unknown conversion")
    } else {
        format!("no kind \"{kind}\" is registered for version \"{api_version}\" in scheme \"{SCHEME}\"")
    };
    Err(ApiError::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {right_kind}: {why}")))
}

fn is_registered(api_version: &str, kind: &str) -> bool {
    let singular = kind.strip_suffix("List").unwrap_or(kind);
    let served = RESOURCES.iter().chain(&REVIEWS).chain(&VIEWS);
    served.into_iter().any(|resource| resource.api_version() == api_version && resource.kind == singular)
        || OTHER_KINDS.iter().any(|(version, kinds)| *version == api_version && kinds.contains(&singular))
}

/// Group and version.
fn split(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_of_another_kind_is_refused_by_its_kind() {
        let checked = |object: Value, version: &str, kind: &str| {
            check(&object, version, kind).map_err(|e| e.to_value()["message"].as_str().unwrap().to_owned())
        };
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim"});
        assert_eq!(checked(claim.clone(), "v1", "PersistentVolumeClaim"), Ok(()));
        assert_eq!(checked(json!({}), "apps/v1", "StatefulSet"), Ok(()));
        for (object, version, kind, why) in [
            (
                claim,
                "apps/v1",
                "StatefulSet",
                "PersistentVolumeClaim in version \"v1\" cannot be handled as a StatefulSet: converting \
                 (v1.PersistentVolumeClaim) to (apps.StatefulSet): unknown conversion",
            ),
            (
                json!({"kind": "PodList"}),
                "v1",
                "ConfigMap",
                "PodList in version \"v1\" cannot be handled as a ConfigMap: converting (v1.PodList) to (core.ConfigMap): \
                 unknown conversion",
            ),
            (
                json!({"apiVersion": "apps/v1"}),
                "v1",
                "ConfigMap",
                "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: no kind \"ConfigMap\" is registered for \
                 version \"apps/v1\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
            ),
            (
                json!({"apiVersion": "apps/v1beta1", "kind": "StatefulSet"}),
                "apps/v1",
                "StatefulSet",
                "the API version in the data (apps/v1beta1) does not match the expected API version (apps/v1)",
            ),
        ] {
            assert_eq!(checked(object, version, kind), Err(why.to_owned()));
        }
    }
}
