//! Discovery: `/version`, `/api`, `/apis`, and as much OpenAPI as kubectl requests.

use super::status::json_response;
use super::subresources::subresources;
use crate::resources::{RESOURCES, REVIEWS, Resource, VIEWS};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, header};
use serde_json::{Map, Value, json};

/// Verbs of every kept kind.
const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// Verbs of a kind that shows another.
const VIEW_VERBS: [&str; 5] = ["delete", "deletecollection", "get", "list", "watch"];

/// The reported version: that of the API whose behavior is reproduced, marked as the sandbox's.
const VERSION: (&str, &str, &str) = ("v1.37.0+sandbox", "1", "37");

/// The oldest minor version that it is compatible with.
const COMPATIBLE: &str = "36";

/// Answers a path that is about no object; `None` where nothing is served.
pub(super) fn answer(path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    let value = match segments.as_slice() {
        [] => json!({"paths": paths()}),
        ["version"] => version(),
        ["api"] => return Some(root(headers, "/api")),
        ["apis"] => return Some(root(headers, "/apis")),
        ["api", "v1"] => resource_list(""),
        ["apis", group] => group_of(group)?,
        ["apis", group, "v1"] => {
            group_of(group)?;
            resource_list(group)
        }
        ["openapi", "v2"] => return Some(openapi_v2(headers)),
        ["openapi", "v3"] => openapi_index(),
        ["openapi", "v3", "api", "v1"] => openapi(""),
        ["openapi", "v3", "apis", group, "v1"] => {
            group_of(group)?;
            openapi(group)
        }
        _ => return None,
    };
    Some(json_response(200, &value))
}

/// Whether a path lies where the API's router looks: below the core group, `/version` or a group that is served.
pub(super) fn is_routed(path: &str) -> bool {
    let mut segments = path.split('/').filter(|s| !s.is_empty());
    match segments.next() {
        Some("api" | "version") => true,
        Some("apis") => segments.next().is_some_and(|group| groups().contains(&group)),
        _ => false,
    }
}

/// Health checks: everything works as soon as it answers.
pub(super) fn health(path: &str) -> Option<Response<Body>> {
    let mut segments = path.split('/').filter(|s| !s.is_empty());
    if !matches!(segments.next(), Some("healthz" | "livez" | "readyz")) {
        return None;
    }
    let mut response = Response::new(Body::from("ok"));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Some(response)
}

fn version() -> Value {
    let (git, major, minor) = VERSION;
    json!({
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": COMPATIBLE,
        "gitVersion": git,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH)
    })
}

/// API groups other than core, in discovery's order.
fn groups() -> Vec<&'static str> {
    let mut groups: Vec<&str> = Vec::new();
    for group in ["apps", "authentication.k8s.io", "authorization.k8s.io"] {
        groups.push(group);
    }
    for resource in RESOURCES.into_iter().chain(VIEWS) {
        if !resource.group.is_empty() && !groups.contains(&resource.group) {
            groups.push(resource.group);
        }
    }
    groups
}

fn of_group(group: &str) -> impl Iterator<Item = &'static Resource> {
    RESOURCES.into_iter().chain(VIEWS).chain(REVIEWS).filter(move |resource| resource.group == group)
}

fn verbs(resource: &Resource) -> Vec<&'static str> {
    match () {
        () if REVIEWS.contains(&resource) => vec!["create"],
        () if VIEWS.contains(&resource) => VIEW_VERBS.to_vec(),
        () => VERBS.to_vec(),
    }
}

fn categories(resource: &Resource) -> &'static [&'static str] {
    if matches!(resource.plural, "pods" | "services" | "statefulsets") { &["all"] } else { &[] }
}

fn root(headers: &HeaderMap, path: &str) -> Response<Body> {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let aggregated = accept.split(',').find_map(|range| {
        let wants = |part: &str| range.split(';').any(|p| p.trim() == part);
        let v = ["v2", "v2beta1"].into_iter().find(|v| wants(&format!("v={v}")))?;
        (wants("as=APIGroupDiscoveryList") && wants("application/json")).then_some(v)
    });
    let Some(v) = aggregated else {
        let value = if path == "/api" {
            json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
        } else {
            let groups: Vec<Value> = groups().into_iter().map(|group| group_entry(group, false)).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        };
        return json_response(200, &value);
    };
    let listed = if path == "/api" { vec![""] } else { groups() };
    let items: Vec<Value> = listed.into_iter().map(aggregated_group).collect();
    let mut response = json_response(
        200,
        &json!({
            "kind": "APIGroupDiscoveryList",
            "apiVersion": format!("apidiscovery.k8s.io/{v}"),
            "metadata": {},
            "items": items
        }),
    );
    let kind = match v {
        "v2" => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        _ => "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

fn aggregated_group(group: &str) -> Value {
    let kind_of = |kind: (&str, &str, &str)| json!({"group": kind.0, "version": kind.1, "kind": kind.2});
    let resources: Vec<Value> = of_group(group)
        .map(|resource| {
            let own = (resource.group, resource.version, resource.kind);
            let mut entry = json!({
                "resource": resource.plural,
                "responseKind": kind_of(own),
                "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
                "singularResource": resource.singular,
                "verbs": verbs(resource)
            });
            if !resource.short_names.is_empty() {
                entry["shortNames"] = json!(resource.short_names);
            }
            if !categories(resource).is_empty() {
                entry["categories"] = json!(categories(resource));
            }
            let subresources: Vec<Value> = subresources(resource)
                .into_iter()
                .map(|sub| {
                    json!({
                        "subresource": sub.name,
                        "responseKind": kind_of(sub.kind.unwrap_or(own)),
                        "verbs": sub.verbs
                    })
                })
                .collect();
            if !subresources.is_empty() {
                entry["subresources"] = json!(subresources);
            }
            entry
        })
        .collect();
    let mut metadata = Map::new();
    if !group.is_empty() {
        metadata.insert("name".to_owned(), json!(group));
    }
    metadata.insert("creationTimestamp".to_owned(), Value::Null);
    json!({
        "metadata": metadata,
        "versions": [{"version": "v1", "resources": resources, "freshness": "Current"}]
    })
}

fn group_entry(group: &str, alone: bool) -> Value {
    let version = json!({"groupVersion": format!("{group}/v1"), "version": "v1"});
    let mut entry = json!({"name": group, "versions": [version], "preferredVersion": version});
    if alone {
        entry["kind"] = json!("APIGroup");
        entry["apiVersion"] = json!("v1");
    }
    entry
}

fn group_of(group: &str) -> Option<Value> {
    groups().contains(&group).then(|| group_entry(group, true))
}

fn resource_list(group: &str) -> Value {
    let mut resources = Vec::new();
    for resource in of_group(group) {
        let mut entry = json!({
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": verbs(resource)
        });
        if !resource.short_names.is_empty() {
            entry["shortNames"] = json!(resource.short_names);
        }
        if !categories(resource).is_empty() {
            entry["categories"] = json!(categories(resource));
        }
        resources.push(entry);
        for sub in subresources(resource) {
            let mut entry = json!({
                "name": format!("{}/{}", resource.plural, sub.name),
                "singularName": "",
                "namespaced": resource.namespaced
            });
            if let Some((group, version, _)) = sub.kind {
                entry["group"] = json!(group);
                entry["version"] = json!(version);
            }
            entry["kind"] = json!(sub.kind.map_or(resource.kind, |kind| kind.2));
            entry["verbs"] = json!(sub.verbs);
            resources.push(entry);
        }
    }
    let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources})
}

fn paths() -> Vec<String> {
    let mut paths: Vec<String> = ["/api", "/api/v1", "/apis"].map(str::to_owned).to_vec();
    for group in groups() {
        paths.push(format!("/apis/{group}"));
        paths.push(format!("/apis/{group}/v1"));
    }
    paths.extend(["/healthz", "/livez", "/openapi/v3", "/readyz", "/version"].map(str::to_owned));
    paths
}

/// A document without definitions: kubectl up to 1.28 reads it before it applies, and falls back on what it knows of
/// the built-in kinds.
fn openapi_v2(headers: &HeaderMap) -> Response<Body> {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !accept.contains("protobuf") {
        let info = json!({"title": "Kubernetes", "version": VERSION.0});
        return json_response(200, &json!({"swagger": "2.0", "info": info, "paths": {}}));
    }
    // openapi.v2.Document: swagger (1) is "2.0", info (2) and paths (8) are empty messages.
    let mut response = Response::new(Body::from(&b"\x0a\x032.0\x12\x00\x42\x00"[..]));
    let kind = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn openapi_index() -> Value {
    let mut index = Map::new();
    let mut add = |path: String| {
        let url = format!("/openapi/v3/{path}?hash=sandbox");
        index.insert(path, json!({"serverRelativeURL": url}));
    };
    add("api/v1".to_owned());
    for group in groups() {
        add(format!("apis/{group}/v1"));
    }
    json!({"paths": index})
}

/// No schemas, but what kubectl looks up before it creates or applies: which parameters a PATCH takes.
fn openapi(group: &str) -> Value {
    let parameter = |name: &str| json!({"name": name, "in": "query", "description": "", "schema": {"type": "string", "uniqueItems": true}});
    let mut paths = Map::new();
    for resource in of_group(group).filter(|resource| RESOURCES.contains(resource)) {
        let base = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{group}/v1") };
        let scope = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
        let patch = json!({
            "operationId": format!("patch{}", resource.kind),
            "parameters": [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")],
            "responses": {"200": {"description": "OK"}},
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": {"group": group, "version": "v1", "kind": resource.kind}
        });
        paths.insert(format!("{base}{scope}/{}/{{name}}", resource.plural), json!({"patch": patch}));
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION.0},
        "paths": paths,
        "components": {"schemas": {}}
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_listed_in_both_forms() {
        for resource in RESOURCES.into_iter().chain(VIEWS).chain(REVIEWS) {
            let legacy = resource_list(resource.group);
            let names = legacy["resources"].as_array().unwrap();
            assert!(names.iter().any(|r| r["name"] == resource.plural), "{}", resource.plural);
            let aggregated = aggregated_group(resource.group);
            let names = aggregated["versions"][0]["resources"].as_array().unwrap();
            assert!(names.iter().any(|r| r["resource"] == resource.plural), "{}", resource.plural);
        }
        assert!(groups().contains(&"policy") && groups().contains(&"coordination.k8s.io"));
    }

    #[test]
    fn unknown_paths_are_not_answered() {
        let headers = HeaderMap::new();
        for path in ["/metrics", "/apis/nope", "/apis/apps/v2", "/api/v2", "/openapi/v4"] {
            assert!(answer(path, &headers).is_none(), "{path}");
        }
        for path in
            ["/", "/version", "/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1", "/openapi/v3/apis/apps/v1"]
        {
            assert!(answer(path, &headers).is_some(), "{path}");
        }
        for (path, routed) in
            [("/api/v2", true), ("/apis/apps/v2/x", true), ("/apis/nope/v1", false), ("/metrics", false)]
        {
            assert_eq!(is_routed(path), routed, "{path}");
        }
        assert!(health("/readyz").is_some() && health("/readyzz").is_none());
    }
}
