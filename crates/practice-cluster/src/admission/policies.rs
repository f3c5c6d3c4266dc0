//! ValidatingAdmissionPolicy and its bindings. No CEL is evaluated: the expressions that tests need are known by their text,
//! and a policy with another one is refused when it is created, so that nobody takes it for one that is in force.

use super::change::{AdmissionRequest, List, Operation, Refusal, forbidden};
use crate::resources;
use crate::values::items_at;
use serde_json::Value;

/// Whether an expression holds, of those that are known: a change must not be made, or only tried.
fn holds(expression: &str, dry_run: bool) -> Option<bool> {
    match expression {
        "true" => Some(true),
        "false" => Some(false),
        "request.dryRun" => Some(dry_run),
        "!request.dryRun" => Some(!dry_run),
        _ => None,
    }
}

/// An expression of a policy that is not known here.
pub(crate) fn unknown_expression(policy: &Value) -> Option<&str> {
    let mut expressions = items_at(policy, "/spec/validations").iter().filter_map(|one| one["expression"].as_str());
    expressions.find(|expression| holds(expression, false).is_none())
}

/// Which policy denies a change.
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
            // What a policy says that does not say.
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

/// Whether a namespace selector chooses the object's namespace; what lies in none is always chosen.
fn selects(selector: &Value, asked: &AdmissionRequest<'_>, list: List<'_>) -> bool {
    let Some(wanted) = selector["matchLabels"].as_object() else { return true };
    if asked.key.namespace.is_empty() {
        return true;
    }
    let namespaces = list("namespaces", None);
    let namespace = namespaces.iter().find(|space| space["metadata"]["name"] == asked.key.namespace.as_str());
    namespace.is_some_and(|space| wanted.iter().all(|(name, value)| space["metadata"]["labels"][name] == *value))
}
