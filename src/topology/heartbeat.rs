//! Finds nodes that went silent recently: their pods still look Ready, and the node controller waits for most of a
//! minute before it changes that. Pure.

use k8s_openapi::api::coordination::v1::Lease;
use std::collections::BTreeMap;

/// Namespace of the Leases that kubelets renew.
const NODE_LEASES: &str = "kube-node-lease";
/// Namespace of the control plane's Leases.
const CONTROL_PLANE: &str = "kube-system";
/// A kubelet renews its Lease this many times during its validity (`nodeLeaseRenewIntervalFraction`).
const RENEWALS: f64 = 4.0;
/// One and a half intervals: a slightly late renewal is not silence.
const MISSED: f64 = 1.5;
/// Validity of a Lease that names none, in seconds.
const DURATION: i32 = 40;

/// Returns the nodes that have missed a renewal, with the seconds since their last one. The newest renewal of a node or
/// of the control plane counts as now: this machine's clock is not compared with theirs. So a single node, in a cluster
/// with no other Lease, is never silent.
pub(super) fn silent(leases: &[Lease]) -> BTreeMap<String, i64> {
    let renewed = |lease: &Lease| lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref()).map(|time| time.0);
    let within = |namespace: &'static str| {
        leases.iter().filter(move |lease| lease.metadata.namespace.as_deref() == Some(namespace))
    };
    let of_nodes = within(NODE_LEASES);
    let Some(newest) = of_nodes.clone().chain(within(CONTROL_PLANE)).filter_map(renewed).max() else {
        return BTreeMap::new();
    };
    let silent = of_nodes.filter_map(|lease| {
        let since = newest.duration_since(renewed(lease)?);
        let valid = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or(DURATION);
        let missed = since.as_secs_f64() > f64::from(valid) / RENEWALS * MISSED;
        Some((lease.metadata.name.clone()?, since.as_secs())).filter(|_| missed)
    });
    silent.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_that_missed_a_renewal_is_silent() {
        let lease = |namespace: &str, name: &str, second: i64| -> Lease {
            let renewed = jiff::Timestamp::from_second(1_000_000 + second).unwrap().strftime("%Y-%m-%dT%H:%M:%S%.6fZ");
            serde_json::from_value(json!({"metadata": {"namespace": namespace, "name": name},
                "spec": {"leaseDurationSeconds": 40, "renewTime": renewed.to_string()}}))
            .unwrap()
        };
        let node = |name: &str, second| lease(NODE_LEASES, name, second);
        for (leases, expected) in [
            (vec![], vec![]),
            (vec![node("a", 0)], vec![]),
            // They are renewed every ten seconds.
            (vec![node("a", 0), node("b", 10)], vec![]),
            (vec![node("a", 0), node("b", 15)], vec![]),
            (vec![node("a", 0), node("b", 16)], vec![("a", 16)]),
            // The API server's own Lease is the clock of a cluster with one node.
            (vec![node("a", 0), lease("kube-system", "apiserver-x", 20)], vec![("a", 20)]),
            (vec![node("a", 20), lease("kube-system", "scheduler", 0)], vec![]),
            // Its clock is unknown: a failover's Lease is written by its user's machine.
            (vec![node("a", 0), lease("synxdb-system", "kubectl-synxdb", 99)], vec![]),
        ] {
            let found = silent(&leases);
            let found: Vec<(&str, i64)> = found.iter().map(|(name, seconds)| (name.as_str(), *seconds)).collect();
            assert_eq!(found, expected, "{leases:?}");
        }
    }
}
