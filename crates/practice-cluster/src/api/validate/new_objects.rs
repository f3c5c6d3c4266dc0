//! What is wrong with a new object. Pure.

use super::annotations::annotations;
use super::findings::Findings;
use super::roles;
use super::set_selector::unselected_template;
use crate::admission::unknown_expression;
use crate::api::names::{LABEL, SUBDOMAIN, is_label, is_subdomain};
use serde_json::Value;

/// What is wrong with a new object of kind `resource` (its plural).
pub(crate) fn creation(resource: &str, object: &Value) -> Findings {
    let given = |field: &str| object["metadata"][field].as_str().filter(|name| !name.is_empty());
    let mut findings: Findings = annotations(object).into_iter().collect();
    if given("name").is_none() {
        let message = "Required value: name or generateName is required";
        findings.push(("metadata.name".to_owned(), message.to_owned()));
    }
    if roles::is_one(resource) {
        findings.extend(roles::creation(resource, object));
        return findings;
    }
    let mut found = |field: &str, message: &str| findings.push((field.to_owned(), message.to_owned()));
    for field in ["generateName", "name"] {
        let Some(name) = given(field) else { continue };
        // A generated name continues after the dash.
        let beginning = name.strip_suffix('-').filter(|_| field == "generateName").unwrap_or(name);
        let (valid, rule) = match resource {
            "namespaces" | "services" => (is_label(beginning), LABEL),
            _ => (is_subdomain(beginning), SUBDOMAIN),
        };
        if !valid {
            found(&format!("metadata.{field}"), &format!("Invalid value: \"{name}\": {rule}"));
        }
    }
    let spec = &object["spec"];
    let empty = |value: &Value| value.as_array().is_none_or(Vec::is_empty);
    match resource {
        "pods" if empty(&spec["containers"]) => found("spec.containers", "Required value"),
        "persistentvolumeclaims" => {
            if empty(&spec["accessModes"]) {
                found("spec.accessModes", "Required value: at least 1 access mode is required");
            }
            if spec["resources"]["requests"]["storage"].is_null() {
                found("spec.resources[storage]", "Required value");
            }
        }
        "persistentvolumes" => {
            if empty(&spec["accessModes"]) {
                found("spec.accessModes", "Required value");
            }
            if spec["capacity"]["storage"].is_null() {
                found("spec.capacity", "Required value");
            }
        }
        "statefulsets" => {
            if spec["selector"].is_null() {
                found("spec.selector", "Required value");
            }
            if empty(&spec["template"]["spec"]["containers"]) {
                found("spec.template.spec.containers", "Required value");
            }
            findings.extend(unselected_template(spec));
        }
        "storageclasses" if object["provisioner"].is_null() => found("provisioner", "Required value"),
        "validatingadmissionpolicies" => {
            if let Some(expression) = unknown_expression(object) {
                let why = "the practice cluster evaluates true, false, request.dryRun and !request.dryRun only";
                found("spec.validations[0].expression", &format!("Invalid value: \"{expression}\": {why}"));
            }
        }
        _ => {}
    }
    findings
}
