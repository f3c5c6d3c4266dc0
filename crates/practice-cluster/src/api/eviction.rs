//! Evictions (`pods/NAME/eviction`), which obey PodDisruptionBudgets.

use super::budgets::{BUDGETS, count};
use super::call::Call;
use super::path_match::check_namespace;
use super::selector::Selector;
use super::status::{ApiError, json_response};
use super::{decode, delete, options};
use crate::objects::is_terminating;
use crate::resources::PODS;
use crate::store::Key;
use crate::values::text;
use axum::body::Body;
use axum::http::Response;
use serde_json::json;

/// `POST pods/NAME/eviction`: deletes the pod unless a budget forbids it.
pub(super) fn evict(call: &Call, key: &Key, body: &[u8]) -> Result<Response<Body>, ApiError> {
    let dry_run = options::write(call, "CreateOptions")?;
    let eviction = decode::object(call, body, ("policy/v1", "Eviction"))?;
    check_namespace(key, &eviction)?;
    if text(&eviction["metadata"]["name"]) != key.name {
        return Err(ApiError::bad_request("name in URL does not match name in Eviction object"));
    }
    let store = &call.state.store;
    let pod = store.get(key).ok_or_else(|| ApiError::not_found(&PODS, &key.name))?;
    // A pod that does not run, or is already going, disrupts nothing.
    let harmless = is_terminating(&pod) || matches!(text(&pod["status"]["phase"]), "Pending" | "Succeeded" | "Failed");
    if !harmless {
        let budgets = store.list(BUDGETS, Some(&key.namespace)).0;
        let mut covering =
            budgets.iter().filter(|b| Selector::from_label_selector(&b["spec"]["selector"]).matches(&pod));
        if let Some(budget) = covering.next() {
            if covering.next().is_some() {
                let why =
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                return Err(ApiError::internal_without_reason(why));
            }
            let count = count(store, budget);
            if count.allowed() == 0 {
                let name = text(&budget["metadata"]["name"]);
                return Err(ApiError::disruption_budget(name, count.healthy, count.desired));
            }
        }
    }
    let mut options = eviction["deleteOptions"].clone();
    if dry_run {
        options["dryRun"] = json!(["All"]);
    }
    delete::evict(call, key, &options)?;
    Ok(json_response(
        201,
        &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
    ))
}
