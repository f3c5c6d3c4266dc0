//! LimitRange: how large one container or one claim may be. Defaults are not set.

use super::change::{AdmissionRequest, List};
use crate::quantity::{parse, text};
use crate::values::items_at;
use serde_json::Value;

/// Returns the first limit that an object exceeds.
pub(super) fn refusal(asked: &AdmissionRequest<'_>, list: List<'_>) -> Option<String> {
    let kind = match asked.key.resource {
        "pods" => "Container",
        "persistentvolumeclaims" => "PersistentVolumeClaim",
        _ => return None,
    };
    let ranges = list("limitranges", Some(&asked.key.namespace));
    let limits: Vec<&Value> = ranges
        .iter()
        .flat_map(|range| items_at(range, "/spec/limits").iter())
        .filter(|limit| limit["type"] == kind)
        .collect();
    let parts: Vec<&Value> = match kind {
        "Container" => items_at(asked.object, "/spec/containers").iter().collect(),
        _ => vec![&asked.object["spec"]],
    };
    let each = limits.iter().flat_map(|limit| parts.iter().map(move |part| (*limit, *part)));
    each.into_iter().find_map(|(limit, part)| beyond(kind, limit, &part["resources"]))
}

fn beyond(kind: &str, limit: &Value, resources: &Value) -> Option<String> {
    let said = |bound: &str, name: &str| Some((parse(&limit[bound][name])?, name.to_owned()));
    let names = |bound: &str| limit[bound].as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let words = |number| text(number, true);
    for (bound, name) in names("max").filter_map(|name| said("max", &name)) {
        let (limit, request) = (parse(&resources["limits"][&name]), parse(&resources["requests"][&name]));
        // A claim has requests only.
        let (given, word) = if kind == "Container" { (limit, "limit") } else { (request, "request") };
        match given {
            None => {
                return Some(format!("maximum {name} usage per {kind} is {}.  No {word} is specified", words(bound)));
            }
            Some(given) if given > bound => {
                let (most, given) = (words(bound), words(given));
                return Some(format!("maximum {name} usage per {kind} is {most}, but {word} is {given}"));
            }
            Some(_) => {}
        }
    }
    names("min").filter_map(|name| said("min", &name)).find_map(|(bound, name)| {
        let given = parse(&resources["requests"][&name]);
        let (least, given) = match given {
            None => {
                return Some(format!("minimum {name} usage per {kind} is {}.  No request is specified", words(bound)));
            }
            Some(given) => (words(bound), (given < bound).then(|| words(given))),
        };
        given.map(|given| format!("minimum {name} usage per {kind} is {least}, but request is {given}"))
    })
}
