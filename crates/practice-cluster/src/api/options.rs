//! The options of lists and of writes, checked as
//! `k8s.io/apimachinery/pkg/apis/meta/v1/validation` checks them.

use super::call::Call;
use super::request::Query;
use super::status::ApiError;
use super::validate::Findings;
use serde_json::{Value, json};

/// The longest name of a field manager.
const MANAGER_LENGTH: usize = 128;

/// Checks the options in the query of a `create`, an `update` or a `patch`; `kind` is `CreateOptions`, `UpdateOptions`
/// or `PatchOptions`, and `ApplyOptions` for those of a server-side apply. Returns whether it is a dry run.
///
/// # Errors
/// 422 for invalid options.
pub(super) fn write(call: &Call, kind: &'static str) -> Result<bool, ApiError> {
    let query = &call.query;
    let mut findings = Findings::new();
    match kind {
        "ApplyOptions" if query.get("fieldManager").is_none() => {
            let message = "Required value: is required for apply patch";
            findings.push(("fieldManager".to_owned(), message.to_owned()));
        }
        "PatchOptions" if query.has("force") => {
            let message = "Forbidden: may not be specified for non-apply patch";
            findings.push(("force".to_owned(), message.to_owned()));
        }
        _ => {}
    }
    let kind = if kind == "ApplyOptions" { "PatchOptions" } else { kind };
    if query.get("fieldManager").is_some_and(|manager| manager.len() > MANAGER_LENGTH) {
        let message = format!("Too long: may not be more than {MANAGER_LENGTH} bytes");
        findings.push(("fieldManager".to_owned(), message));
    }
    let dry_run: Vec<&str> = query.all("dryRun").collect();
    findings.extend(dry_run_finding(&json!(dry_run)));
    if let Some(value) = query.get("fieldValidation").filter(|value| !matches!(*value, "Ignore" | "Strict" | "Warn")) {
        let message =
            format!("Unsupported value: {}: supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"", json!(value));
        findings.push(("fieldValidation".to_owned(), message));
    }
    if findings.is_empty() { Ok(!dry_run.is_empty()) } else { Err(ApiError::invalid_options(kind, &findings)) }
}

/// Returns the `DeleteOptions` of a deletion's body, or of its query if there is no body.
///
/// # Errors
/// 400 for invalid numbers, 422 for invalid options.
pub(super) fn delete(query: &Query, body: Option<Value>) -> Result<Value, ApiError> {
    let options = match body {
        Some(options) => options,
        None => {
            let mut options = json!({});
            if let Some(seconds) = query.integer("gracePeriodSeconds")? {
                options["gracePeriodSeconds"] = json!(seconds);
            }
            if query.has("orphanDependents") {
                options["orphanDependents"] = json!(query.flag("orphanDependents"));
            }
            if let Some(policy) = query.get("propagationPolicy") {
                options["propagationPolicy"] = json!(policy);
            }
            if query.has("dryRun") {
                options["dryRun"] = json!(query.all("dryRun").collect::<Vec<_>>());
            }
            options
        }
    };
    let mut findings = Findings::new();
    let policy = &options["propagationPolicy"];
    if !policy.is_null() && !options["orphanDependents"].is_null() {
        let why = "orphanDependents and deletionPropagation cannot be both set";
        findings.push(("propagationPolicy".to_owned(), format!("Invalid value: {policy}: {why}")));
    }
    if !policy.is_null() && !matches!(policy.as_str(), Some("Foreground" | "Background" | "Orphan")) {
        let supported = "\"Foreground\", \"Background\", \"Orphan\", \"nil\"";
        let message = format!("Unsupported value: {policy}: supported values: {supported}");
        findings.push(("propagationPolicy".to_owned(), message));
    }
    findings.extend(dry_run_finding(&options["dryRun"]));
    if findings.is_empty() { Ok(options) } else { Err(ApiError::invalid_options("DeleteOptions", &findings)) }
}

/// Checks the options of a list or a watch.
///
/// # Errors
/// 400 for invalid numbers, 422 for options that conflict.
pub(super) fn list(query: &Query, watch: bool) -> Result<(), ApiError> {
    for number in ["timeoutSeconds", "limit"] {
        query.integer(number)?;
    }
    let mut findings = Findings::new();
    let mut forbidden = |field: &str, why: &str| findings.push((field.to_owned(), format!("Forbidden: {why}")));
    let rule = query.get("resourceVersionMatch");
    let resumed = query.get("continue").is_some();
    let initial = query.has("sendInitialEvents");
    if watch {
        if initial && rule != Some("NotOlderThan") {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            forbidden("resourceVersionMatch", why);
        }
        if rule.is_some() && !initial {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            forbidden("resourceVersionMatch", why);
        }
    } else {
        if rule.is_some() && query.get("resourceVersion").is_none() {
            let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            forbidden("resourceVersionMatch", why);
        }
        if rule.is_some() && resumed {
            forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided");
        }
    }
    let supported = if watch { "\"NotOlderThan\"" } else { "\"Exact\", \"NotOlderThan\", \"\"" };
    if let Some(rule) = rule.filter(|rule| *rule != "NotOlderThan" && (watch || *rule != "Exact")) {
        let message = format!("Unsupported value: {}: supported values: {supported}", json!(rule));
        findings.push(("resourceVersionMatch".to_owned(), message));
    }
    let mut forbidden = |field: &str, why: &str| findings.push((field.to_owned(), format!("Forbidden: {why}")));
    if watch && rule.is_some() && resumed {
        forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided");
    }
    if !watch && rule == Some("Exact") && query.get("resourceVersion") == Some("0") {
        let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
        forbidden("resourceVersionMatch", why);
    }
    if !watch && initial {
        forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list");
    }
    if findings.is_empty() { Ok(()) } else { Err(ApiError::invalid_options("ListOptions", &findings)) }
}

/// `dryRun` is a list that may hold `All`.
fn dry_run_finding(values: &Value) -> Option<(String, String)> {
    let known = values.as_array().into_iter().flatten().all(|value| value == "All");
    let message = format!("Unsupported value: {values}: supported values: \"All\"");
    (!known).then(|| ("dryRun".to_owned(), message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::of(&format!("/?{text}").parse().unwrap())
    }

    fn message<T: std::fmt::Debug>(answer: Result<T, ApiError>) -> String {
        answer.unwrap_err().to_value()["message"].as_str().unwrap().to_owned()
    }

    #[test]
    fn options_of_a_deletion_are_the_bodys_or_the_querys() {
        let read = |text: &str, body| delete(&query(text), body).unwrap();
        assert_eq!(
            read("gracePeriodSeconds=-1&propagationPolicy=Orphan&dryRun=All", None),
            json!({"gracePeriodSeconds": -1, "propagationPolicy": "Orphan", "dryRun": ["All"]})
        );
        assert_eq!(read("gracePeriodSeconds=0&dryRun=All", Some(json!({}))), json!({}));
        for (text, why) in [
            ("gracePeriodSeconds=x", "strconv.ParseInt: parsing \"x\": invalid syntax"),
            (
                "dryRun=All&dryRun=Some",
                "DeleteOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"All\",\"Some\"]: supported \
                 values: \"All\"",
            ),
            (
                "propagationPolicy=Some",
                "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"Some\": supported \
                 values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
            ),
            (
                "propagationPolicy=Orphan&orphanDependents=true",
                "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Invalid value: \"Orphan\": \
                 orphanDependents and deletionPropagation cannot be both set",
            ),
        ] {
            assert_eq!(message(delete(&query(text), None)), why);
        }
    }

    #[test]
    fn conflicting_options_of_a_list_are_refused() {
        for (text, watch) in [
            ("resourceVersion=5&resourceVersionMatch=Exact", false),
            ("sendInitialEvents=false&resourceVersionMatch=NotOlderThan", true),
        ] {
            assert!(list(&query(text), watch).is_ok(), "{text}");
        }
        for (text, watch, why) in [
            ("limit=x", false, "strconv.ParseInt: parsing \"x\": invalid syntax"),
            (
                "resourceVersionMatch=Exact",
                false,
                "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is \
                 forbidden unless resourceVersion is provided",
            ),
            (
                "resourceVersionMatch=Exact&resourceVersion=0",
                false,
                "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch \
                 \"exact\" is forbidden for resourceVersion \"0\"",
            ),
            (
                "sendInitialEvents=true",
                true,
                "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires \
                 setting resourceVersionMatch to NotOlderThan",
            ),
            (
                "resourceVersionMatch=Exact",
                true,
                "ListOptions.meta.k8s.io \"\" is invalid: [resourceVersionMatch: Forbidden: resourceVersionMatch is \
                 forbidden for watch unless sendInitialEvents is provided, resourceVersionMatch: Unsupported value: \
                 \"Exact\": supported values: \"NotOlderThan\"]",
            ),
        ] {
            assert_eq!(message(list(&query(text), watch)), why);
        }
    }
}
