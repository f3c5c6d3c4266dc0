//! What a request asks for, read from its method, path and query: the API server's `RequestInfo`.

use super::super::resources::{self, Resource};
use super::auth::Attributes;
use axum::http::{Method, Uri};

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

    /// Whether a parameter is `true` or `1`, as Go's `ParseBool` reads it.
    pub(super) fn flag(&self, key: &str) -> bool {
        matches!(self.get(key), Some("true" | "1" | "t" | "T" | "TRUE" | "True"))
    }

    /// A parameter that is a number.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.get(key).and_then(|v| v.parse().ok())
    }
}

impl Target {
    /// What the path leads to; `None` where nothing is served (404).
    pub(super) fn parse(path: &str) -> Option<Target> {
        let segments: Vec<String> = path.split('/').filter(|s| !s.is_empty()).map(decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Some(Target::Path),
        };
        let (namespace, rest) = match rest {
            [] => return Some(Target::Path),
            ["namespaces", _, "status" | "finalize"] | ["namespaces"] | ["namespaces", _] => ("", rest),
            ["namespaces", namespace, rest @ ..] => (*namespace, rest),
            rest => ("", rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (*plural, "", ""),
            [plural, name] => (*plural, *name, ""),
            [plural, name, subresource] => (*plural, *name, *subresource),
            _ => return None,
        };
        if let Some(review) = resources::find_review(group, version, plural) {
            return (namespace.is_empty() && name.is_empty()).then_some(Target::Review(review));
        }
        let resource = resources::find(group, version, plural)?;
        // A namespaced object needs its namespace; a cluster-scoped one has none.
        if (!resource.namespaced && !namespace.is_empty())
            || (resource.namespaced && namespace.is_empty() && !name.is_empty())
        {
            return None;
        }
        Some(Target::Objects {
            resource,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
        })
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
                // A list that asks for one name is judged as one about that object.
                let name = if name.is_empty() { named(query).unwrap_or_default() } else { name.clone() };
                let verb = verb(method, if self.is_collection() { "" } else { &name }, query);
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
        }
    }

    fn is_collection(&self) -> bool {
        matches!(self, Target::Objects { name, .. } if name.is_empty())
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
            Some(Target::Objects { resource, namespace, name, subresource }) => {
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
            assert_eq!(Target::parse(path), None, "{path}");
        }
        for path in ["/", "/version", "/api/v1", "/apis/apps/v1", "/openapi/v2"] {
            assert_eq!(Target::parse(path), Some(Target::Path), "{path}");
        }
    }

    #[test]
    fn verbs_follow_method_and_query() {
        let ask = |method: Method, path: &str| {
            let uri: Uri = path.parse().unwrap();
            let request = Target::parse(uri.path()).unwrap().attributes(&method, uri.path(), &Query::of(&uri));
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
    }
}
