//! Computes what pods and claims use of a namespace's ResourceQuotas. Pure.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, ResourceQuota, ResourceQuotaSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;

/// Suffixes of quantities and their values, in thousandths; the longer ones first.
const SUFFIXES: [(&str, i128); 13] = [
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("Pi", 1000 << 50),
    ("Ei", 1000 << 60),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
];

/// Parses a Kubernetes quantity into thousandths; `None` if its form is unknown.
pub(crate) fn thousandths(quantity: &str) -> Option<i128> {
    let suffix = SUFFIXES.iter().find_map(|(suffix, factor)| Some((quantity.strip_suffix(suffix)?, *factor)));
    let (number, factor) = suffix.unwrap_or((quantity, 1000));
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{part}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
    Some(digits.checked_mul(factor)? / scale)
}

/// The beginning of messages of the quota admission plugin (k8s.io/apiserver, plugin/resourcequota/controller.go). They
/// name one quota, though several may be full, so nothing else is parsed from them.
const EXCEEDED: &str = "exceeded quota: ";

/// Returns whether a refusal is a quota's. Quotas are checked last, after all other admission.
pub(crate) fn refused_by_quota(words: &str) -> bool {
    words.contains(EXCEEDED)
}

/// What several objects use together, by quota names, in thousandths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage(Vec<Taken>);

/// What one object uses, and what decides whether a quota with scopes counts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Taken {
    amounts: BTreeMap<String, i128>,
    /// `None` for a claim: no known scope is about claims.
    pod: Option<PodScopes>,
}

/// What scopes check of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PodScopes {
    /// It has an `activeDeadlineSeconds`.
    has_deadline: bool,
    /// It requests no CPU and no memory.
    best_effort: bool,
    priority_class: Option<String>,
}

/// A quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Its name.
    pub name: String,
    /// Each limit: its name, its value, and what is used, in thousandths and as the server writes them.
    bounds: Vec<Bound>,
    /// It counts only objects in all of these scopes.
    scopes: Vec<Scope>,
}

/// A scope of a quota (kubernetes.io, "Resource Quotas", "Quota scopes").
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scope {
    Terminating(bool),
    BestEffort(bool),
    /// The operator, and its subject.
    PriorityClass(String, Vec<String>),
    /// Whether it counts an object is unknown.
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    of: String,
    hard: (i128, String),
    used: (i128, String),
}

/// Whether a quota has room for the new objects, once the old ones are deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is room now.
    Now,
    /// There is none now, but there will be: which limit is full, with its numbers.
    Then(String),
    /// There will be none: which limit, with its numbers.
    Never(String),
}

impl Usage {
    /// Returns what a pod uses.
    pub fn of_pod(pod: &Pod) -> Self {
        let mut usage = Self::default();
        usage.add_pod(pod);
        usage
    }

    /// Returns what a claim uses.
    pub fn of_claim(claim: &PersistentVolumeClaim) -> Self {
        let mut usage = Self::default();
        usage.add_claim(claim);
        usage
    }

    /// Adds a pod.
    pub fn add_pod(&mut self, pod: &Pod) {
        let mut taken = Taken { pod: Some(PodScopes::of(pod)), ..Taken::default() };
        taken.add("pods", 1000);
        taken.add("count/pods", 1000);
        for container in pod.spec.iter().flat_map(|spec| &spec.containers) {
            let Some(resources) = &container.resources else { continue };
            // The limit is the default of the request.
            let mut requests = resources.limits.clone().unwrap_or_default();
            requests.extend(resources.requests.clone().unwrap_or_default());
            for (name, quantity) in &requests {
                taken.add_quantity(&format!("requests.{name}"), quantity);
                taken.add_quantity(name, quantity);
            }
            for (name, quantity) in resources.limits.iter().flatten() {
                taken.add_quantity(&format!("limits.{name}"), quantity);
            }
        }
        self.0.push(taken);
    }

    /// Adds a claim.
    pub fn add_claim(&mut self, claim: &PersistentVolumeClaim) {
        let mut taken = Taken::default();
        let spec = claim.spec.as_ref();
        let of_class = spec.and_then(|spec| spec.storage_class_name.as_ref());
        let prefixes = [String::new()].into_iter();
        let prefixes = prefixes.chain(of_class.map(|class| format!("{class}.storageclass.storage.k8s.io/")));
        let size = spec.and_then(|spec| spec.resources.as_ref()?.requests.as_ref()?.get("storage"));
        taken.add("count/persistentvolumeclaims", 1000);
        for prefix in prefixes {
            taken.add(&format!("{prefix}persistentvolumeclaims"), 1000);
            if let Some(size) = size {
                taken.add_quantity(&format!("{prefix}requests.storage"), size);
            }
        }
        self.0.push(taken);
    }

    /// Returns how much of a resource a quota with these scopes counts.
    fn of(&self, name: &str, scopes: &[Scope]) -> i128 {
        let counted = self.0.iter().filter(|taken| scopes.iter().all(|scope| scope.may_count(taken)));
        counted.filter_map(|taken| taken.amounts.get(name)).sum()
    }
}

impl Taken {
    fn add_quantity(&mut self, name: &str, quantity: &Quantity) {
        self.add(name, thousandths(&quantity.0).unwrap_or(0));
    }

    fn add(&mut self, name: &str, number: i128) {
        let amount = self.amounts.entry(name.to_owned()).or_default();
        *amount = amount.saturating_add(number);
    }
}

impl PodScopes {
    fn of(pod: &Pod) -> Self {
        let spec = pod.spec.as_ref();
        let containers =
            spec.into_iter().flat_map(|spec| spec.containers.iter().chain(spec.init_containers.iter().flatten()));
        let asks = containers.filter_map(|container| container.resources.as_ref()).any(|resources| {
            let mut named = resources.requests.iter().chain(&resources.limits).flat_map(BTreeMap::keys);
            named.any(|name| name == "cpu" || name == "memory")
        });
        Self {
            has_deadline: spec.is_some_and(|spec| spec.active_deadline_seconds.is_some()),
            best_effort: !asks,
            priority_class: spec.and_then(|spec| spec.priority_class_name.clone()),
        }
    }
}

impl Scope {
    /// Returns the scopes of a quota, from either of its two fields.
    fn all_of(spec: Option<&ResourceQuotaSpec>) -> Vec<Self> {
        let named = spec.and_then(|spec| spec.scopes.as_ref()).into_iter().flatten();
        let named = named.map(|name| Self::of(name, "Exists", &[]));
        let selector = spec.and_then(|spec| spec.scope_selector.as_ref()?.match_expressions.as_ref());
        let selected = selector.into_iter().flatten();
        let selected =
            selected.map(|one| Self::of(&one.scope_name, &one.operator, one.values.as_deref().unwrap_or_default()));
        named.chain(selected).collect()
    }

    fn of(name: &str, operator: &str, values: &[String]) -> Self {
        match name {
            "Terminating" => Self::Terminating(true),
            "NotTerminating" => Self::Terminating(false),
            "BestEffort" => Self::BestEffort(true),
            "NotBestEffort" => Self::BestEffort(false),
            "PriorityClass" => Self::PriorityClass(operator.to_owned(), values.to_vec()),
            _ => Self::Other,
        }
    }

    /// Returns whether it may count an object: an unknown scope counts, so that it excuses nothing.
    fn may_count(&self, taken: &Taken) -> bool {
        let Some(pod) = &taken.pod else { return true };
        match self {
            Self::Terminating(deadline) => pod.has_deadline == *deadline,
            Self::BestEffort(nothing) => pod.best_effort == *nothing,
            Self::PriorityClass(operator, values) => {
                // Admission may have set a default class.
                let Some(class) = &pod.priority_class else { return true };
                match operator.as_str() {
                    "In" => values.contains(class),
                    "NotIn" => !values.contains(class),
                    "DoesNotExist" => false,
                    _ => true,
                }
            }
            Self::Other => true,
        }
    }
}

/// Returns the quotas as facts; parts of a quota in an unknown form are left out.
pub(crate) fn quotas(objects: &[ResourceQuota]) -> Vec<Quota> {
    let quota = |object: &ResourceQuota| {
        let status = object.status.as_ref();
        let text_of = |list: Option<&BTreeMap<String, Quantity>>, name: &str| {
            let quantity = list?.get(name)?;
            Some((thousandths(&quantity.0)?, quantity.0.clone()))
        };
        let hard = object.spec.as_ref().and_then(|spec| spec.hard.as_ref());
        let used = status.and_then(|status| status.used.as_ref());
        let bounds = hard.into_iter().flatten().filter_map(|(of, _)| {
            let (hard, used) = (text_of(hard, of)?, text_of(used, of)?);
            Some(Bound { of: of.clone(), hard, used })
        });
        let (name, scopes) = (object.metadata.name.clone(), Scope::all_of(object.spec.as_ref()));
        Quota { name: name.unwrap_or_default(), bounds: bounds.collect(), scopes }
    };
    objects.iter().map(quota).collect()
}

impl Quota {
    /// Returns whether it has room for `one` of the new objects: by the limits that it uses, with everything that is
    /// deleted and created.
    pub fn room(&self, one: &Usage, goes: &Usage, comes: &Usage) -> Room {
        let amount = |usage: &Usage, bound: &Bound| usage.of(&bound.of, &self.scopes);
        let full = |bound: &&Bound, goes: i128| {
            amount(one, bound) > 0
                && bound.used.0.saturating_sub(goes).saturating_add(amount(comes, bound)) > bound.hard.0
        };
        let words = |bound: &Bound| format!("{}: {} of {} are used", bound.of, bound.used.1, bound.hard.1);
        if let Some(bound) = self.bounds.iter().find(|bound| full(bound, amount(goes, bound))) {
            return Room::Never(words(bound));
        }
        self.bounds.iter().find(|bound| full(bound, 0)).map_or(Room::Now, |bound| Room::Then(words(bound)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (text, expected) in [
            ("3", Some(3000)),
            ("250m", Some(250)),
            ("1.5", Some(1500)),
            ("1Ki", Some(1_024_000)),
            ("1.5Gi", Some(1_610_612_736_000)),
            ("2Mi", Some(2_097_152_000)),
            ("1Ti", Some(1_099_511_627_776_000)),
            ("1Pi", Some(1_125_899_906_842_624_000)),
            ("1Ei", Some(1_152_921_504_606_846_976_000)),
            ("3k", Some(3_000_000)),
            ("2M", Some(2_000_000_000)),
            ("4G", Some(4_000_000_000_000)),
            ("5T", Some(5_000_000_000_000_000)),
            ("6P", Some(6_000_000_000_000_000_000)),
            ("7E", Some(7_000_000_000_000_000_000_000)),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(thousandths(text), expected, "{text}");
        }
    }

    fn claims(sizes: &[&str]) -> Usage {
        let mut usage = Usage::default();
        for size in sizes {
            let claim = json!({"spec": {"storageClassName": "fast", "resources": {"requests": {"storage": size}}}});
            usage.add_claim(&serde_json::from_value(claim).unwrap());
        }
        usage
    }

    #[test]
    fn one_object_takes_what_it_adds() {
        let claim = json!({"spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}}});
        assert_eq!(Usage::of_claim(&serde_json::from_value(claim).unwrap()), claims(&["1Gi"]));
        let pod = json!({"spec": {"containers": [{"name": "c", "resources": {"limits": {"memory": "1Gi"}}}]}});
        assert_eq!(Usage::of_pod(&serde_json::from_value(pod).unwrap()), pods(&["1Gi"]));
        assert_ne!(claims(&["1Gi"]), Usage::default());
    }

    fn pods(memory: &[&str]) -> Usage {
        let mut usage = Usage::default();
        for memory in memory {
            let container = json!({"name": "c", "resources": {"limits": {"memory": memory}}});
            usage.add_pod(&serde_json::from_value(json!({"spec": {"containers": [container]}})).unwrap());
        }
        usage
    }

    /// Deleted objects make room for new ones; a quota that is exactly full is not a reason to refuse.
    #[test]
    fn room_is_counted_with_what_goes() {
        for (of, hard, used, goes, comes, expected) in [
            ("pods", "3", "2", pods(&["1Gi"]), pods(&["1Gi"]), Room::Now),
            ("pods", "3", "3", pods(&["1Gi"]), pods(&["1Gi"]), Room::Then("pods: 3 of 3 are used".into())),
            ("pods", "3", "3", pods(&[]), pods(&["1Gi"]), Room::Never("pods: 3 of 3 are used".into())),
            (
                "limits.memory",
                "2Gi",
                "2Gi",
                pods(&["1Gi"]),
                pods(&["1Gi"]),
                Room::Then("limits.memory: 2Gi of 2Gi are used".into()),
            ),
            (
                "requests.memory",
                "2Gi",
                "2Gi",
                pods(&["1Gi"]),
                pods(&["1025Mi"]),
                Room::Never("requests.memory: 2Gi of 2Gi are used".into()),
            ),
            (
                "requests.storage",
                "4Gi",
                "4Gi",
                claims(&["1Gi", "1Gi"]),
                claims(&["2Gi"]),
                Room::Then("requests.storage: 4Gi of 4Gi are used".into()),
            ),
            (
                "fast.storageclass.storage.k8s.io/requests.storage",
                "1Gi",
                "1Gi",
                claims(&["1Gi"]),
                claims(&["2Gi"]),
                Room::Never("fast.storageclass.storage.k8s.io/requests.storage: 1Gi of 1Gi are used".into()),
            ),
            // Of another kind: it may be over-full without affecting this.
            ("services", "1", "2", pods(&["1Gi"]), pods(&["1Gi"]), Room::Now),
        ] {
            let object =
                json!({"metadata": {"name": "q"}, "spec": {"hard": {of: hard}}, "status": {"used": {of: used}}});
            let found = quotas(&[serde_json::from_value(object).unwrap()]);
            assert_eq!(found[0].room(&comes, &goes, &comes), expected, "{of} {hard} {used}");
        }
    }
    /// A quota with scopes counts the pods that are in all of them, and no others.
    #[test]
    fn a_quota_with_scopes_counts_only_what_is_in_them() {
        let pod = |spec: serde_json::Value| Usage::of_pod(&serde_json::from_value(json!({"spec": spec})).unwrap());
        let plain = || pod(json!({"containers": [{"name": "c"}]}));
        let with = |of: &str| pod(json!({"containers": [{"name": "c", "resources": {"requests": {of: "1"}}}]}));
        let initial = pod(json!({"containers": [{"name": "c"}],
            "initContainers": [{"name": "i", "resources": {"limits": {"memory": "1Gi"}}}]}));
        let deadline = || pod(json!({"containers": [], "activeDeadlineSeconds": 60}));
        let class = |name: &str| pod(json!({"containers": [], "priorityClassName": name}));
        let of_class = |operator: &str, values: &[&str]| {
            json!({"scopeSelector": {"matchExpressions": [
                {"scopeName": "PriorityClass", "operator": operator, "values": values}]}})
        };
        let scopes = |names: &[&str]| json!({"scopes": names});
        for (scoped, usage, counts) in [
            (json!({}), plain(), true),
            (scopes(&["Terminating"]), plain(), false),
            (scopes(&["Terminating"]), deadline(), true),
            (scopes(&["NotTerminating"]), plain(), true),
            (scopes(&["NotTerminating"]), deadline(), false),
            (scopes(&["BestEffort"]), plain(), true),
            (scopes(&["BestEffort"]), with("cpu"), false),
            (scopes(&["BestEffort"]), with("memory"), false),
            (scopes(&["BestEffort"]), with("ephemeral-storage"), true),
            (scopes(&["BestEffort"]), initial, false),
            (scopes(&["NotBestEffort"]), plain(), false),
            (scopes(&["NotBestEffort"]), with("cpu"), true),
            (scopes(&["BestEffort", "Terminating"]), plain(), false),
            (scopes(&["BestEffort", "Terminating"]), deadline(), true),
            (of_class("In", &["high", "low"]), class("high"), true),
            (of_class("In", &["high"]), class("low"), false),
            (of_class("NotIn", &["high"]), class("high"), false),
            (of_class("NotIn", &["high"]), class("low"), true),
            (of_class("Exists", &[]), class("low"), true),
            (of_class("DoesNotExist", &[]), class("low"), false),
            // It may get a default class; and an unknown scope may be about it.
            (of_class("In", &["high"]), plain(), true),
            (scopes(&["PriorityClass"]), plain(), true),
            (scopes(&["CrossNamespacePodAffinity"]), plain(), true),
        ] {
            let mut object = json!({"metadata": {"name": "q"}, "spec": scoped, "status": {"used": {"pods": "4"}}});
            object["spec"]["hard"] = json!({"pods": "3"});
            let found = quotas(&[serde_json::from_value(object).unwrap()]);
            let never = matches!(found[0].room(&usage, &usage, &usage), Room::Never(_));
            assert_eq!(never, counts, "{scoped} {usage:?}");
        }
        // A deleted object makes room only in a quota that counted it.
        let object =
            json!({"spec": {"hard": {"pods": "1"}, "scopes": ["NotTerminating"]}, "status": {"used": {"pods": "1"}}});
        let found = quotas(&[serde_json::from_value(object).unwrap()]);
        assert!(matches!(found[0].room(&plain(), &plain(), &plain()), Room::Then(_)));
        assert!(matches!(found[0].room(&plain(), &deadline(), &plain()), Room::Never(_)));
    }

    #[test]
    fn a_quotas_refusal_is_told_from_anothers() {
        for (words, expected) in [
            ("pods \"p-0\" is forbidden: exceeded quota: team, requested: pods=1, used: pods=3, limited: pods=3", true),
            ("admission webhook \"quota.example.com\" denied the request: the team's quota says no", false),
            ("pods \"p-0\" is forbidden: failed quota: team: must specify limits.memory for: main", false),
        ] {
            assert_eq!(refused_by_quota(words), expected, "{words}");
        }
    }
}
