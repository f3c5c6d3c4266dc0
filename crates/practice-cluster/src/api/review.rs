//! Questions that a user asks about herself: who am I, may I, what may I.

use super::authorization::{Attributes, User};
use super::call::Call;
use super::status::{ApiError, json_response};
use super::subresources::subresources;
use super::{decode, options};
use crate::resources::{RESOURCES, REVIEWS, Resource};
use crate::values::text;
use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// Answers a review: the object that was sent, with its status.
pub(super) fn create(call: &Call, resource: &Resource, body: &[u8]) -> Result<Response<Body>, ApiError> {
    options::write(call, "CreateOptions")?;
    let mut review = decode::stored_object(call, body, resource)?;
    review["apiVersion"] = json!(resource.api_version());
    review["kind"] = json!(resource.kind);
    if !review["metadata"].is_object() {
        review["metadata"] = json!({});
    }
    review["status"] = match resource.kind {
        "SelfSubjectReview" => json!({"userInfo": user_info(&call.user)}),
        "SelfSubjectRulesReview" if text(&review["spec"]["namespace"]).is_empty() => {
            return Err(ApiError::bad_request("no namespace on request"));
        }
        "SelfSubjectRulesReview" => rules(call, text(&review["spec"]["namespace"])),
        _ => access(call, &review["spec"])?,
    };
    Ok(json_response(201, &review))
}

fn user_info(user: &User) -> Value {
    let mut info = json!({"username": user.name});
    if let Some(uid) = &user.uid {
        info["uid"] = json!(uid);
    }
    info["groups"] = json!(user.groups);
    if !user.extra.is_empty() {
        info["extra"] = json!(user.extra);
    }
    info
}

fn access(call: &Call, spec: &Value) -> Result<Value, ApiError> {
    let (about, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let own = |value: &Value| text(value).to_owned();
    let request = if about.is_object() {
        Attributes {
            verb: own(&about["verb"]),
            group: own(&about["group"]),
            resource: own(&about["resource"]),
            subresource: own(&about["subresource"]),
            namespace: own(&about["namespace"]),
            name: own(&about["name"]),
            path: None,
        }
    } else if path.is_object() {
        Attributes { verb: own(&path["verb"]), path: Some(own(&path["path"])), ..Attributes::default() }
    } else {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        // The real server has forgotten the kind by then.
        let nameless = Resource { kind: "", ..*REVIEWS[1] };
        return Err(ApiError::invalid(&nameless, "", &[("spec".to_owned(), format!("Invalid value: null: {why}"))]));
    };
    let decision = call.state.authorizer.decide(&call.user, &request);
    let mut status = json!({"allowed": decision.allowed});
    // Mostly none for a no: kubectl would print it.
    if !decision.reason.is_empty() {
        status["reason"] = json!(decision.reason);
    }
    Ok(status)
}

/// Everything that the authorizer allows in a namespace: the rules of the user's roles, or else what it says when asked
/// about each kind and verb.
fn rules(call: &Call, namespace: &str) -> Value {
    if let Some(granted) = call.state.authorizer.granted(&call.user, namespace) {
        let about_paths = |rule: &Value| rule["nonResourceURLs"].as_array().is_some_and(|urls| !urls.is_empty());
        let (paths, resources): (Vec<Value>, Vec<Value>) = granted.into_iter().partition(about_paths);
        return json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false});
    }
    let allows = |resource: &Resource, subresource: &str, verb: &str| {
        let request = Attributes {
            verb: verb.to_owned(),
            group: resource.group.to_owned(),
            resource: resource.plural.to_owned(),
            subresource: subresource.to_owned(),
            namespace: if resource.namespaced { namespace.to_owned() } else { String::new() },
            ..Attributes::default()
        };
        call.state.authorizer.allows(&call.user, &request)
    };
    let mut listed = Vec::new();
    let mut everything = true;
    for resource in RESOURCES {
        let verbs: Vec<&str> = VERBS.into_iter().filter(|verb| allows(resource, "", verb)).collect();
        everything &= verbs.len() == VERBS.len();
        if !verbs.is_empty() {
            listed.push(json!({"verbs": verbs, "apiGroups": [resource.group], "resources": [resource.plural]}));
        }
        for sub in subresources(resource) {
            let verbs: Vec<&&str> = sub.verbs.iter().filter(|verb| allows(resource, sub.name, verb)).collect();
            everything &= verbs.len() == sub.verbs.len();
            if !verbs.is_empty() {
                let name = format!("{}/{}", resource.plural, sub.name);
                listed.push(json!({"verbs": verbs, "apiGroups": [resource.group], "resources": [name]}));
            }
        }
    }
    if everything {
        listed = vec![json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})];
    }
    listed.extend(
        REVIEWS
            .into_iter()
            .map(|review| json!({"verbs": ["create"], "apiGroups": [review.group], "resources": [review.plural]})),
    );
    let paths =
        ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version"];
    json!({
        "resourceRules": listed,
        "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": paths}],
        "incomplete": false
    })
}
