//! Reads many namespaces by one list of each kind across all namespaces, if the user may: three requests rather than
//! three for each. The server leaves out the namespaces that are not wanted, as far as a selector can name them; what
//! comes nevertheless is dropped as it arrives.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use kube::api::{Api, ListParams};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::failure::Failure;
use super::lean::Lean;
use super::packed::{OfNamespace, Packed};
use super::snapshot::{Cause, PackedNamespace, Read};
use super::wave::Wave;

/// Up to so many namespaces, each is read by itself: those requests are few, and return nothing that is not wanted.
const FEW: usize = 4;

/// Up to so many, if there are more other namespaces than a selector can name.
const FEW_AMONG_MANY: usize = 32;

/// Longest selector, in bytes: the limit of a request line is 8 KiB in many proxies.
const LONGEST_SELECTOR: usize = 3000;

/// The namespaces of one wave.
pub(super) struct Wanted<'n> {
    names: &'n [String],
    set: BTreeSet<&'n str>,
    /// Leaves out other namespaces on the server.
    selector: Option<String>,
}

impl<'n> Wanted<'n> {
    /// Returns how to read these namespaces by lists across all; `None` if each is to be read by itself. `others` are
    /// the other namespaces that are known to exist.
    pub(super) fn across(names: &'n [String], others: &[String]) -> Option<Self> {
        let (selector, all) = without(others);
        let few = if all { FEW } else { FEW_AMONG_MANY };
        (names.len() > few).then(|| Self { names, set: names.iter().map(String::as_str).collect(), selector })
    }
}

/// Returns a field selector that leaves out these namespaces, and whether it names all of them.
fn without(others: &[String]) -> (Option<String>, bool) {
    let mut selector = String::new();
    for name in others {
        let term = format!("{}metadata.namespace!={name}", if selector.is_empty() { "" } else { "," });
        if selector.len() + term.len() > LONGEST_SELECTOR {
            return (Some(selector), false);
        }
        selector.push_str(&term);
    }
    ((!selector.is_empty()).then_some(selector), true)
}

impl Wave<'_> {
    /// Reads the pods, claims, StatefulSets and, if requested, disruption budgets of these namespaces.
    pub(super) async fn across(&self, wanted: &Wanted<'_>, disruption_budgets: bool) -> Vec<PackedNamespace> {
        let budgets = async {
            if !disruption_budgets {
                return BTreeMap::new();
            }
            self.kind("poddisruptionbudgets", wanted).await
        };
        let (mut pods, mut claims, mut sets, mut budgets) = futures::join!(
            self.kind("pods", wanted),
            self.kind("persistentvolumeclaims", wanted),
            self.kind("statefulsets", wanted),
            budgets,
        );
        let objects = |name: &String| PackedNamespace {
            namespace: name.clone(),
            pods: pods.remove(name).unwrap_or_default(),
            claims: claims.remove(name).unwrap_or_default(),
            stateful_sets: sets.remove(name).unwrap_or_default(),
            disruption_budgets: budgets.remove(name).unwrap_or_default(),
        };
        wanted.names.iter().map(objects).collect()
    }

    /// Reads one kind, and sorts the objects by namespace. If the user may not list it across namespaces, or the server
    /// does not understand the selector, or is too slow for large pages, each namespace is read by itself.
    async fn kind<K>(&self, resource: &'static str, wanted: &Wanted<'_>) -> BTreeMap<String, Read<OfNamespace<K>>>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Serialize + Lean + Send,
    {
        let selected = ListParams { field_selector: wanted.selector.clone(), ..ListParams::default() };
        let names = || wanted.names.iter().cloned();
        let unread = |failure: Failure, name: &str| Read::Unknown(failure.unreadable(resource, Some(name)));
        match self.objects::<K, Packed<K>>(&Api::all(self.client()), selected, Some(&wanted.set)).await {
            Ok(objects) => {
                let found = objects.by_namespace(names());
                found.into_iter().map(|(name, objects)| (name, Read::Known(objects))).collect()
            }
            Err(failure) if may_work_one_by_one(&failure) => {
                let each = names().map(|name| async move {
                    let api = Api::namespaced(self.client(), &name);
                    let read = match self.objects::<K, Packed<K>>(&api, ListParams::default(), None).await {
                        Ok(objects) => Read::Known(objects.all()),
                        Err(failure) => unread(failure, &name),
                    };
                    (name, read)
                });
                join_all(each).await.into_iter().collect()
            }
            Err(failure) => names().map(|name| (name.clone(), unread(failure.clone(), &name))).collect(),
        }
    }
}

fn may_work_one_by_one(failure: &Failure) -> bool {
    matches!(failure.cause, Cause::Forbidden | Cause::TimedOut) || failure.code == 400
}

#[cfg(test)]
#[path = "across_tests.rs"]
mod tests;
