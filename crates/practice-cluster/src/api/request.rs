//! What a request asks for, read from its method, path and query: the API server's `RequestInfo`.

use super::authorization::Attributes;
use super::status::ApiError;
use crate::resources::{self, Resource};
use axum::http::{Method, Uri};
use std::num::IntErrorKind;

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Objects, one object or a subresource.
    Objects {
        /// The kind.
        resource: &'static Resource,
        /// Empty: all namespaces, or a cluster-scoped kind.
        namespace: String,
        /// Empty: the collection.
        name: String,
        /// Empty: the object itself.
        subresource: String,
    },
    /// A kind that can only be created and is not kept: the answer is the object itself (`selfsubjectaccessreviews`).
    Review(&'static Resource),
    /// A path below a group and a version that leads to nothing; permission is asked for all the same.
    Nothing {
        /// The group.
        group: String,
        /// The segment at the place of a kind's plural.
        resource: String,
        /// As of objects.
        namespace: String,
        /// As of objects.
        name: String,
        /// As of objects.
        subresource: String,
    },
    /// Everything else: discovery, health, version.
    Path,
}

/// Query parameters in order; keys may repeat.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// The parameters of a URI.
    pub(super) fn of(uri: &Uri) -> Query {
        Query(axum::extract::Query::try_from_uri(uri).map(|q| q.0).unwrap_or_default())
    }

    /// The first value of a parameter that is not empty.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, v)| k == key && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// Every value of a parameter.
    pub(super) fn all<'q>(&'q self, key: &'q str) -> impl Iterator<Item = &'q str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// Whether a parameter is present, even if empty.
    pub(super) fn has(&self, key: &str) -> bool {
        self.all(key).next().is_some()
    }

    /// Whether a parameter is present and neither `false` nor `0`.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.all(key).next().is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }

    /// A parameter that is a number.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.get(key).and_then(|v| v.parse().ok())
    }

    /// Returns a parameter that must be a number if present.
    ///
    /// # Errors
    /// 400, in Go's words.
    pub(super) fn integer(&self, key: &str) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.all(key).next() else { return Ok(None) };
        let wrong = |error: std::num::ParseIntError| {
            let why = match error.kind() {
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            ApiError::bad_request(format!("strconv.ParseInt: parsing {value:?}: {why}"))
        };
        value.parse().map(Some).map_err(wrong)
    }
}

impl Target {
    /// What the path leads to.
    pub(super) fn parse(path: &str) -> Target {
        let segments: Vec<String> = path.split('/').filter(|s| !s.is_empty()).map(decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Target::Path,
        };
        let (namespace, rest) = match rest {
            [] => return Target::Path,
            ["namespaces", _, "status" | "finalize"] | ["namespaces"] | ["namespaces", _] => ("", rest),
            ["namespaces", namespace, rest @ ..] => (*namespace, rest),
            rest => ("", rest),
        };
        let part = |at: usize| rest.get(at).map(|part| (*part).to_owned()).unwrap_or_default();
        let (plural, namespace, name, subresource) = (part(0), namespace.to_owned(), part(1), part(2));
        if let Some(review) = resources::find_review(group, version, &plural)
            && namespace.is_empty()
            && name.is_empty()
        {
            return Target::Review(review);
        }
        match resources::find(group, version, &plural) {
            // A namespaced object needs its namespace; a cluster-scoped one has none.
            Some(resource)
                if rest.len() <= 3
                    && (resource.namespaced || namespace.is_empty())
                    && (!resource.namespaced || !namespace.is_empty() || name.is_empty()) =>
            {
                Target::Objects { resource, namespace, name, subresource }
            }
            _ => Target::Nothing { group: group.to_owned(), resource: plural, namespace, name, subresource },
        }
    }

    /// What the authorizer is asked.
    pub(super) fn attributes(&self, method: &Method, path: &str, query: &Query) -> Attributes {
        match self {
            Target::Path => Attributes {
                verb: method.as_str().to_lowercase(),
                path: Some(path.to_owned()),
                ..Attributes::default()
            },
            Target::Review(resource) => Attributes {
                verb: verb(method, "", query).to_owned(),
                group: resource.group.to_owned(),
                resource: resource.plural.to_owned(),
                ..Attributes::default()
            },
            Target::Objects { resource, namespace, name, subresource } => {
                let is_collection = name.is_empty();
                // A list that asks for one name is judged as one about that object.
                let name = if name.is_empty() { named(query).unwrap_or_default() } else { name.clone() };
                let verb = verb(method, if is_collection { "" } else { &name }, query);
                let namespace = match (resource.plural, namespace.as_str()) {
                    ("namespaces", _) => name.clone(),
                    (_, namespace) => namespace.to_owned(),
                };
                Attributes {
                    verb: verb.to_owned(),
                    group: resource.group.to_owned(),
                    resource: resource.plural.to_owned(),
                    subresource: subresource.clone(),
                    namespace,
                    name,
                    path: None,
                }
            }
            Target::Nothing { group, resource, namespace, name, subresource } => Attributes {
                verb: verb(method, name, query).to_owned(),
                group: group.clone(),
                resource: resource.clone(),
                subresource: subresource.clone(),
                namespace: namespace.clone(),
                name: name.clone(),
                path: None,
            },
        }
    }
}

fn verb(method: &Method, name: &str, query: &Query) -> &'static str {
    match (method, name.is_empty()) {
        (&Method::POST, _) => "create",
        (&Method::PUT, _) => "update",
        (&Method::PATCH, _) => "patch",
        (&Method::DELETE, true) => "deletecollection",
        (&Method::DELETE, false) => "delete",
        (_, false) => "get",
        (_, true) if query.flag("watch") => "watch",
        (_, true) => "list",
    }
}

/// The name in `fieldSelector=metadata.name=x`.
fn named(query: &Query) -> Option<String> {
    query
        .get("fieldSelector")?
        .split(',')
        .find_map(|term| term.strip_prefix("metadata.name=").map(|name| name.trim_start_matches('=').to_owned()))
}

/// Percent-decoding of one path segment.
fn decode(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = (*byte == b'%').then(|| segment.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(path: &str) -> (String, String, String, String) {
        match Target::parse(path) {
            Target::Objects { resource, namespace, name, subresource } => {
                (resource.plural.to_owned(), namespace, name, subresource)
            }
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn paths_lead_to_objects() {
        let row = |a: &str, b: &str, c: &str, d: &str| (a.to_owned(), b.to_owned(), c.to_owned(), d.to_owned());
        for (path, expected) in [
            ("/api/v1/pods", row("pods", "", "", "")),
            ("/api/v1/namespaces/ns/pods/", row("pods", "ns", "", "")),
            ("/api/v1/namespaces/ns/pods/a%2Db", row("pods", "ns", "a-b", "")),
            ("/api/v1/namespaces/ns/pods/a/eviction", row("pods", "ns", "a", "eviction")),
            ("/api/v1/namespaces", row("namespaces", "", "", "")),
            ("/api/v1/namespaces/ns", row("namespaces", "", "ns", "")),
            ("/api/v1/namespaces/ns/finalize", row("namespaces", "", "ns", "finalize")),
            ("/api/v1/nodes/n1/status", row("nodes", "", "n1", "status")),
            ("/apis/apps/v1/namespaces/ns/statefulsets/s/scale", row("statefulsets", "ns", "s", "scale")),
        ] {
            assert_eq!(objects(path), expected, "{path}");
        }
        for path in ["/api/v1/pods/a", "/api/v1/foos", "/apis/apps/v1/pods", "/api/v1/namespaces/a/nodes/b"] {
            assert!(matches!(Target::parse(path), Target::Nothing { .. }), "{path}");
        }
        for path in ["/", "/version", "/api/v1", "/apis/apps/v1", "/openapi/v2"] {
            assert_eq!(Target::parse(path), Target::Path, "{path}");
        }
    }

    #[test]
    fn verbs_follow_method_and_query() {
        let ask = |method: Method, path: &str| {
            let uri: Uri = path.parse().unwrap();
            let request = Target::parse(uri.path()).attributes(&method, uri.path(), &Query::of(&uri));
            (request.verb, request.namespace, request.name)
        };
        let row = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(ask(Method::GET, "/api/v1/pods?watch=1"), row("watch", "", ""));
        assert_eq!(ask(Method::GET, "/api/v1/pods?watch=false"), row("list", "", ""));
        assert_eq!(
            ask(Method::GET, "/api/v1/namespaces/n/pods?fieldSelector=metadata.name%3Dx"),
            row("list", "n", "x")
        );
        assert_eq!(ask(Method::DELETE, "/api/v1/namespaces/n/pods"), row("deletecollection", "n", ""));
        assert_eq!(ask(Method::DELETE, "/api/v1/namespaces/n"), row("delete", "n", "n"));
        assert_eq!(ask(Method::GET, "/version"), row("get", "", ""));
        assert_eq!(ask(Method::GET, "/api/v1/namespaces/n/foos"), row("list", "n", ""));
        assert_eq!(ask(Method::PATCH, "/api/v1/namespaces/n/foos/a/b/c"), row("patch", "n", "a"));
    }
}
