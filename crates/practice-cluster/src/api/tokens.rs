//! Issuing tokens of service accounts (`serviceaccounts/NAME/token`). A token has the form of a JWT.

use super::authorization::{User, account_groups};
use super::call::Call;
use super::issued_tokens::Issued;
use super::path_match::check_namespace;
use super::status::{ApiError, json_response};
use super::{decode, options};
use crate::resources::{self, Resource, SERVICE_ACCOUNTS};
use crate::store::{Key, Store, seconds};
use crate::values::text;
use axum::body::Body;
use axum::http::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// Lifetime of a token if its request does not give one, in seconds.
const LIFETIME: i64 = 3600;

static TOKEN_REQUEST: Resource = Resource {
    group: "authentication.k8s.io",
    version: "v1",
    plural: "tokenrequests",
    singular: "tokenrequest",
    kind: "TokenRequest",
    short_names: &[],
    namespaced: true,
};

/// `POST serviceaccounts/NAME/token`.
pub(super) fn create(call: &Call, key: &Key, body: &[u8]) -> Result<Response<Body>, ApiError> {
    options::write(call, "CreateOptions")?;
    let mut request = decode::stored_object(call, body, &TOKEN_REQUEST)?;
    check_namespace(key, &request)?;
    let said = text(&request["metadata"]["name"]);
    if !said.is_empty() && said != key.name {
        let message = format!("Invalid value: \"{said}\": must match the service account name if specified");
        return Err(ApiError::invalid(&TOKEN_REQUEST, &key.name, &[("metadata.name".to_owned(), message)]));
    }
    let store = &call.state.store;
    let account = store.get(key).ok_or_else(|| ApiError::not_found(&SERVICE_ACCOUNTS, &key.name))?;
    let uid = text(&account["metadata"]["uid"]).to_owned();
    let said = text(&request["metadata"]["uid"]);
    if !said.is_empty() && said != uid {
        let why =
            format!("the UID in the token request ({said}) does not match the UID of the service account ({uid})");
        return Err(ApiError::conflict(&TOKEN_REQUEST, TOKEN_REQUEST.kind, &key.name, &why));
    }
    let lifetime = request["spec"]["expirationSeconds"].as_i64().unwrap_or(LIFETIME);
    let wrong = match lifetime {
        ..600 => Some("may not specify a duration less than 10 minutes"),
        600..=0x1_0000_0000 => None,
        _ => Some("may not specify a duration larger than 2^32 seconds"),
    };
    if let Some(why) = wrong {
        let finding = ("spec.expirationSeconds".to_owned(), format!("Invalid value: {lifetime}: {why}"));
        return Err(ApiError::invalid(&TOKEN_REQUEST, "", &[finding]));
    }
    if request["spec"]["audiences"].as_array().is_none_or(Vec::is_empty) {
        request["spec"]["audiences"] = json!([ISSUER]);
    }
    let mut needs = vec![(key.clone(), uid.clone())];
    needs.extend(bound(store, key, &request["spec"]["boundObjectRef"])?);
    let now = Timestamp::now();
    let expires = now.saturating_add(SignedDuration::from_secs(lifetime)).unwrap_or(Timestamp::MAX);
    let id = uuid::Uuid::new_v4().to_string();
    let user = user(key, &uid, &id);
    let claims = json!({
        "aud": request["spec"]["audiences"], "exp": expires.as_second(), "iat": now.as_second(), "iss": ISSUER,
        "jti": id,
        "kubernetes.io": {"namespace": key.namespace, "serviceaccount": {"name": key.name, "uid": uid}},
        "nbf": now.as_second(), "sub": user.name,
    });
    let token = token(&claims);
    // A token for another audience is issued, but not accepted here.
    let ours = request["spec"]["audiences"].as_array().is_some_and(|list| list.iter().any(|a| a == ISSUER));
    if ours {
        let issued = Issued { user, needs, expires };
        call.state.issued.add(token.clone(), issued);
    }
    let mut spec = json!({"audiences": request["spec"]["audiences"], "expirationSeconds": lifetime});
    spec["boundObjectRef"] = request["spec"]["boundObjectRef"].take();
    let answer = json!({
        "kind": "TokenRequest", "apiVersion": TOKEN_REQUEST.api_version(),
        "metadata": {"name": key.name, "namespace": key.namespace, "uid": uid, "creationTimestamp": seconds(now)},
        "spec": spec,
        "status": {"token": token, "expirationTimestamp": seconds(expires)},
    });
    Ok(json_response(201, &answer))
}

/// Returns the account as a user.
fn user(key: &Key, uid: &str, id: &str) -> User {
    User {
        name: format!("system:serviceaccount:{}:{}", key.namespace, key.name),
        uid: Some(uid.to_owned()),
        groups: account_groups(&key.namespace),
        extra: BTreeMap::from([("authentication.kubernetes.io/credential-id".to_owned(), vec![format!("JTI={id}")])]),
    }
}

/// Returns the object that a token is bound to: the token is valid while it exists.
fn bound(store: &Store, account: &Key, reference: &Value) -> Result<Option<(Key, String)>, ApiError> {
    if !reference.is_object() {
        return Ok(None);
    }
    let (version, kind, name) = (text(&reference["apiVersion"]), text(&reference["kind"]), text(&reference["name"]));
    let (resource, namespace): (&'static Resource, &str) = match (version, kind) {
        ("v1", "Pod") => (&resources::PODS, &account.namespace),
        ("v1", "Secret") => (&resources::SECRETS, &account.namespace),
        ("v1", "Node") => (&resources::NODES, ""),
        _ => {
            let message = format!("cannot bind token to object of type /{version}, Kind={kind}");
            return Err(ApiError::bad_request(message));
        }
    };
    let key = Key::new(resource.plural, namespace, name);
    let object = store.get(&key).ok_or_else(|| ApiError::not_found(resource, name))?;
    if kind == "Pod" && text(&object["spec"]["serviceAccountName"]) != account.name {
        return Err(ApiError::bad_request(format!(
            "cannot bind token for serviceaccount \"{}\" to pod running with different serviceaccount name.",
            account.name
        )));
    }
    let (wanted, found) = (text(&reference["uid"]), text(&object["metadata"]["uid"]));
    if !wanted.is_empty() && wanted != found {
        let why = format!(
            "the UID in the bound object reference ({wanted}) does not match the UID in record. The object might have \
             been deleted and then recreated"
        );
        return Err(ApiError::conflict(resource, kind, name, &why));
    }
    Ok(Some((key, found.to_owned())))
}

/// Returns a token with a JWT's three parts, the last one random.
fn token(claims: &Value) -> String {
    let header = json!({"alg": "RS256", "kid": "sandbox"});
    let signature: Vec<u8> = (0..16).flat_map(|_| *uuid::Uuid::new_v4().as_bytes()).collect();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    format!(
        "{}.{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.to_string().as_bytes()),
        encode(&signature)
    )
}
