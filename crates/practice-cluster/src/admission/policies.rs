//! ValidatingAdmissionPolicy and its bindings. CEL is not evaluated: the expressions that tests need are recognized by
//! text, and a policy with another one is refused when it is created, so that it is never mistaken for one in force.

use super::change::{AdmissionRequest, List, Operation, Refusal, forbidden};
use crate::resources;
use crate::values::items_at;
use serde_json::Value;

/// Returns whether a known expression holds for a change or its dry run; `None` for an unknown expression.
fn holds(expression: &str, dry_run: bool) -> Option<bool> {
    match expression {
        "true" => Some(true),
        "false" => Some(false),
        "request.dryRun" => Some(dry_run),
        "!request.dryRun" => Some(!dry_run),
        _ => None,
    }
}

/// Returns a policy's first expression that is not known here.
pub(crate) fn unknown_expression(policy: &Value) -> Option<&str> {
    let mut expressions = items_at(policy, "/spec/validations").iter().filter_map(|one| one["expression"].as_str());
    expressions.find(|expression| holds(expression, false).is_none())
}

/// Returns the refusal of the first policy that denies a change.
pub(super) fn refusal(asked: &AdmissionRequest<'_>, list: List<'_>) -> Option<Refusal> {
    let bindings = list("validatingadmissionpolicybindings", None);
    if bindings.is_empty() {
        return None;
    }
    let policies = list("validatingadmissionpolicies", None);
    bindings.iter().find_map(|binding| {
        if !items_at(binding, "/spec/validationActions").iter().any(|action| action == "Deny") {
            return None;
        }
        let policy = policies.iter().find(|policy| policy["metadata"]["name"] == binding["spec"]["policyName"])?;
        let spec = &policy["spec"];
        let about = items_at(spec, "/matchConstraints/resourceRules").iter().any(|rule| concerns(rule, asked));
        let here = selects(&spec["matchConstraints"]["namespaceSelector"], asked, list)
            && selects(&binding["spec"]["matchResources"]["namespaceSelector"], asked, list);
        if !about || !here {
            return None;
        }
        let broken = items_at(spec, "/validations").iter().find(|one| {
            let expression = one["expression"].as_str().unwrap_or_default();
            holds(expression, asked.dry_run) == Some(false)
        })?;
        let expression = broken["expression"].as_str().unwrap_or_default();
        let said = broken["message"].as_str().map_or_else(|| format!("failed expression: {expression}"), str::to_owned);
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let why = format!(
            "ValidatingAdmissionPolicy '{}' with binding '{}' denied request: {said}",
            name(policy),
            name(binding)
        );
        let (code, reason) = match broken["reason"].as_str() {
            Some("Forbidden") => (403, "Forbidden"),
            // The default of a policy without a reason.
            _ => (422, "Invalid"),
        };
        Some(Refusal { code, reason, message: forbidden(asked.key, &why) })
    })
}

fn concerns(rule: &Value, asked: &AdmissionRequest<'_>) -> bool {
    let operation = match asked.operation {
        Operation::Create => "CREATE",
        Operation::Update => "UPDATE",
        Operation::Delete => "DELETE",
    };
    let group = resources::by_plural(asked.key.resource).map(|resource| resource.group).unwrap_or_default();
    let has = |field: &str, wanted: &str| {
        let mut listed = items_at(rule, field).iter().filter_map(Value::as_str);
        listed.any(|one| one == wanted || one == "*")
    };
    let named = items_at(rule, "/resourceNames").is_empty() || has("/resourceNames", &asked.key.name);
    named && has("/operations", operation) && has("/apiGroups", group) && has("/resources", asked.key.resource)
}

/// Whether a namespace selector selects the object's namespace; a cluster-scoped object is always selected.
fn selects(selector: &Value, asked: &AdmissionRequest<'_>, list: List<'_>) -> bool {
    let Some(wanted) = selector["matchLabels"].as_object() else { return true };
    if asked.key.namespace.is_empty() {
        return true;
    }
    let namespaces = list("namespaces", None);
    let namespace = namespaces.iter().find(|space| space["metadata"]["name"] == asked.key.namespace.as_str());
    namespace.is_some_and(|space| wanted.iter().all(|(name, value)| space["metadata"]["labels"][name] == *value))
}
