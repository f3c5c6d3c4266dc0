//! What pods and claims take of a namespace's ResourceQuotas, in numbers. Pure.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, ResourceQuota};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;

/// Suffixes of quantities and what they stand for, in thousandths; the longer ones first.
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

/// A Kubernetes quantity in thousandths; `None` where it is none that is known here.
pub fn thousandths(quantity: &str) -> Option<i128> {
    let suffix = SUFFIXES.iter().find_map(|(suffix, factor)| Some((quantity.strip_suffix(suffix)?, *factor)));
    let (number, factor) = suffix.unwrap_or((quantity, 1000));
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{part}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
    Some(digits.checked_mul(factor)? / scale)
}

/// What several objects take together, by the names that quotas have for it, in thousandths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage(BTreeMap<String, i128>);

/// A quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Its name.
    pub name: String,
    /// Each bound: what it is of, the most, and what is taken, in thousandths and as the server writes them.
    bounds: Vec<Bound>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    of: String,
    hard: (i128, String),
    used: (i128, String),
}

/// Whether a quota has room for what comes, once what goes is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is room now.
    Now,
    /// There is none now, and there will be: which bound is full, with its numbers.
    Then(String),
    /// There will be none: which bound, with its numbers.
    Never(String),
}

impl Usage {
    /// What a pod takes.
    pub fn of_pod(pod: &Pod) -> Self {
        let mut usage = Self::default();
        usage.add_pod(pod);
        usage
    }

    /// What a claim takes.
    pub fn of_claim(claim: &PersistentVolumeClaim) -> Self {
        let mut usage = Self::default();
        usage.add_claim(claim);
        usage
    }

    /// Adds a pod.
    pub fn add_pod(&mut self, pod: &Pod) {
        self.add("pods", 1000);
        self.add("count/pods", 1000);
        for container in pod.spec.iter().flat_map(|spec| &spec.containers) {
            let Some(resources) = &container.resources else { continue };
            // A limit is the request where none is given.
            let mut requests = resources.limits.clone().unwrap_or_default();
            requests.extend(resources.requests.clone().unwrap_or_default());
            for (name, quantity) in &requests {
                self.add_quantity(&format!("requests.{name}"), quantity);
                self.add_quantity(name, quantity);
            }
            for (name, quantity) in resources.limits.iter().flatten() {
                self.add_quantity(&format!("limits.{name}"), quantity);
            }
        }
    }

    /// Adds a claim.
    pub fn add_claim(&mut self, claim: &PersistentVolumeClaim) {
        let spec = claim.spec.as_ref();
        let of_class = spec.and_then(|spec| spec.storage_class_name.as_ref());
        let prefixes = [String::new()].into_iter();
        let prefixes = prefixes.chain(of_class.map(|class| format!("{class}.storageclass.storage.k8s.io/")));
        let size = spec.and_then(|spec| spec.resources.as_ref()?.requests.as_ref()?.get("storage"));
        self.add("count/persistentvolumeclaims", 1000);
        for prefix in prefixes {
            self.add(&format!("{prefix}persistentvolumeclaims"), 1000);
            if let Some(size) = size {
                self.add_quantity(&format!("{prefix}requests.storage"), size);
            }
        }
    }

    fn add_quantity(&mut self, name: &str, quantity: &Quantity) {
        self.add(name, thousandths(&quantity.0).unwrap_or(0));
    }

    fn add(&mut self, name: &str, number: i128) {
        *self.0.entry(name.to_owned()).or_default() += number;
    }

    fn of(&self, name: &str) -> i128 {
        self.0.get(name).copied().unwrap_or(0)
    }
}

/// The quotas as facts; what a quota says in a way that is not known here is left out.
pub fn quotas(objects: &[ResourceQuota]) -> Vec<Quota> {
    let quota = |object: &ResourceQuota| {
        let status = object.status.as_ref();
        let said = |list: Option<&BTreeMap<String, Quantity>>, name: &str| {
            let quantity = list?.get(name)?;
            Some((thousandths(&quantity.0)?, quantity.0.clone()))
        };
        let hard = object.spec.as_ref().and_then(|spec| spec.hard.as_ref());
        let used = status.and_then(|status| status.used.as_ref());
        let bounds = hard.into_iter().flatten().filter_map(|(of, _)| {
            let (hard, used) = (said(hard, of)?, said(used, of)?);
            Some(Bound { of: of.clone(), hard, used })
        });
        Quota { name: object.metadata.name.clone().unwrap_or_default(), bounds: bounds.collect() }
    };
    objects.iter().map(quota).collect()
}

impl Quota {
    /// Whether it has room for `one` of those that come: by the bounds that it takes of, with all that goes and comes.
    pub fn room(&self, one: &Usage, goes: &Usage, comes: &Usage) -> Room {
        let full = |bound: &&Bound, goes: i128| {
            one.of(&bound.of) > 0 && bound.used.0 - goes + comes.of(&bound.of) > bound.hard.0
        };
        let words = |bound: &Bound| format!("{}: {} of {} are used", bound.of, bound.used.1, bound.hard.1);
        if let Some(bound) = self.bounds.iter().find(|bound| full(bound, goes.of(&bound.of))) {
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
            ("2M", Some(2_000_000_000)),
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

    fn pods(memory: &[&str]) -> Usage {
        let mut usage = Usage::default();
        for memory in memory {
            let container = json!({"name": "c", "resources": {"limits": {"memory": memory}}});
            usage.add_pod(&serde_json::from_value(json!({"spec": {"containers": [container]}})).unwrap());
        }
        usage
    }

    /// What goes makes room for what comes; a quota that is exactly full is no reason to refuse.
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
            // Of another kind: it may be over-full, and has nothing to do with this.
            ("services", "1", "2", pods(&["1Gi"]), pods(&["1Gi"]), Room::Now),
        ] {
            let object =
                json!({"metadata": {"name": "q"}, "spec": {"hard": {of: hard}}, "status": {"used": {of: used}}});
            let found = quotas(&[serde_json::from_value(object).unwrap()]);
            assert_eq!(found[0].room(&comes, &goes, &comes), expected, "{of} {hard} {used}");
        }
    }
}
