//! A field selector's text, and which fields of a kind can be selected on: `k8s.io/apimachinery/pkg/fields` and the
//! conversions of field labels that each kind registers. Pure.

use super::terms::FieldTerm;
use crate::resources::{EVENTS_V1, Resource};

/// Kinds with selectable fields of their own.
const KNOWN: [(&str, &[&str]); 6] = [
    (
        "pods",
        &[
            "metadata.name",
            "metadata.namespace",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
    ),
    (
        "events",
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
            "metadata.namespace",
            "metadata.name",
        ],
    ),
    ("nodes", &["metadata.name", "spec.unschedulable"]),
    ("namespaces", &["status.phase", "metadata.name"]),
    ("secrets", &["type", "metadata.namespace", "metadata.name"]),
    ("services", &["metadata.namespace", "metadata.name", "spec.clusterIP", "spec.type"]),
];

/// Reads a selector for objects of that kind.
///
/// # Errors
/// What cannot be read, or selected on.
pub(super) fn parse(resource: &Resource, text: &str) -> Result<Vec<FieldTerm>, String> {
    let mut terms = split(text);
    terms.sort_unstable();
    let mut read = Vec::new();
    for term in terms.into_iter().filter(|term| !term.is_empty()) {
        let operator = |at: &usize| term[*at..].starts_with("!=") || term[*at..].starts_with('=');
        let Some(at) = term.char_indices().map(|(at, _)| at).find(operator) else {
            return Err(format!("invalid selector: '{text}'; can't understand '{term}'"));
        };
        let (path, rest) = term.split_at(at);
        let (value, equal) = match rest.strip_prefix("!=") {
            Some(value) => (value, false),
            None => (rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')).unwrap_or_default(), true),
        };
        read.push((path, unescaped(value)?, equal));
    }
    read.into_iter()
        .map(|(path, value, equal)| Ok(FieldTerm { path: stored_path(resource, path)?, value, equal }))
        .collect()
}

/// Splits at commas, except those after a backslash.
fn split(text: &str) -> Vec<&str> {
    let (mut terms, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

fn unescaped(value: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                other => {
                    let sequence: String = std::iter::once('\\').chain(other).collect();
                    return Err(format!("invalid field selector: invalid escape sequence: {sequence}"));
                }
            },
            ',' | '=' => {
                let code = u32::from(c);
                return Err(format!("invalid field selector: unescaped character in value: {code}"));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

/// Returns the name of a field in stored objects.
fn stored_path(resource: &Resource, path: &str) -> Result<String, String> {
    let unsupported = || format!("field label not supported: {path}");
    if *resource == EVENTS_V1 {
        let own = match path {
            "reportingController" => "reportingComponent".to_owned(),
            "reason" | "type" | "metadata.name" | "metadata.namespace" => path.to_owned(),
            path => format!("involvedObject.{}", path.strip_prefix("regarding.").ok_or_else(unsupported)?),
        };
        let known = KNOWN.iter().any(|(plural, fields)| *plural == "events" && fields.contains(&own.as_str()));
        return if known { Ok(own) } else { Err(unsupported()) };
    }
    match KNOWN.iter().find(|(plural, _)| *plural == resource.plural) {
        Some((_, fields)) if fields.contains(&path) => Ok(path.to_owned()),
        // The name that old clients use.
        Some(("pods", _)) if path == "spec.host" => Ok("spec.nodeName".to_owned()),
        Some(_) => Err(unsupported()),
        None if matches!(path, "metadata.name" | "metadata.namespace") => Ok(path.to_owned()),
        None => Err(format!("{path:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{CLAIMS, NODES, PODS};

    #[test]
    fn unsupported_fields_are_refused_as_by_a_real_server() {
        for (resource, text, why) in [
            (&PODS, "foo=bar", "field label not supported: foo"),
            (&PODS, "z=1,metadata.name=a,foo=1", "field label not supported: foo"),
            (&PODS, "metadata.name = a", "field label not supported: metadata.name "),
            (&NODES, "metadata.namespace=a", "field label not supported: metadata.namespace"),
            (
                &CLAIMS,
                "status.phase=Bound",
                "\"status.phase\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
            ),
            (&PODS, "foo", "invalid selector: 'foo'; can't understand 'foo'"),
            (&PODS, "a=1,foo!", "invalid selector: 'a=1,foo!'; can't understand 'foo!'"),
            (&PODS, "metadata.name=a=b", "invalid field selector: unescaped character in value: 61"),
            (&PODS, "metadata.name=a\\b", "invalid field selector: invalid escape sequence: \\b"),
            (&EVENTS_V1, "involvedObject.name=a", "field label not supported: involvedObject.name"),
            (&EVENTS_V1, "regarding.none=a", "field label not supported: regarding.none"),
        ] {
            assert_eq!(parse(resource, text), Err(why.to_owned()), "{text}");
        }
    }

    #[test]
    fn fields_get_their_stored_names() {
        let path = |resource: &Resource, text: &str| parse(resource, text).unwrap().remove(0).path;
        assert_eq!(path(&PODS, "spec.host=a"), "spec.nodeName");
        assert_eq!(path(&EVENTS_V1, "regarding.name=a"), "involvedObject.name");
        assert_eq!(path(&EVENTS_V1, "reportingController=a"), "reportingComponent");
        let terms = parse(&PODS, "status.phase!=Running,metadata.name==a\\,b,").unwrap();
        let term = |path: &str, value: &str, equal| FieldTerm { path: path.to_owned(), value: value.to_owned(), equal };
        assert_eq!(terms, [term("metadata.name", "a,b", true), term("status.phase", "Running", false)]);
    }
}
