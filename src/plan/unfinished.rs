//! Unfinished operations, for the health report: Ready is not recovered.

use super::{Action, Record, RecordedOutcome, newest};
use crate::suggestion::plugin;
use crate::topology::Topology;
use crate::topology::health::{Health, Remedy, Report, Trouble};
use jiff::Timestamp;

/// Adds each pod whose newest failover or undo is unfinished to a report, as far as volumes record it: its claims may be bound
/// to the wrong volume, and its data has not been verified.
pub fn judge_unfinished(report: &mut Report, topology: &Topology, now: Timestamp) {
    let records = Record::on_volumes(topology);
    for member in topology.members() {
        let Some(record) = newest(&records, topology, member).filter(|record| record.unfinished()) else { continue };
        // A record that the cluster contradicts is not resumed.
        if record.contradicted(topology, now).is_some() {
            continue;
        }
        let (what, finish) = match &record.act {
            Action::Failover => ("failover".to_owned(), plugin("failover").word(member.path())),
            Action::Undo(of) => (format!("undo of {of}"), plugin("undo").word(of)),
        };
        let state =
            if record.outcome == RecordedOutcome::CatchingUp { "was still catching up" } else { "is unfinished" };
        let because = format!("{what} ({}), started {}, {state}", record.id, record.started);
        let remedy = Remedy::Finish(finish);
        let known = |trouble: &&mut Trouble| trouble.namespace == member.namespace && trouble.member == member.name;
        match report.troubles.iter_mut().find(known) {
            Some(trouble) => {
                trouble.because = format!("{}; {because}", trouble.because);
                trouble.remedy = remedy;
            }
            None => report.troubles.push(Trouble {
                namespace: member.namespace.clone(),
                member: member.name.clone(),
                role: member.role,
                because,
                remedy,
            }),
        }
        report.health = Health::Degraded;
    }
    report.troubles.sort_by_key(|trouble| trouble.role);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{now, snapshot};
    use crate::topology::health::judge;
    use crate::topology::{Layout, build};

    const HEALTHY: &str = "
namespace: a
sets: [{name: cloudberry-proxy, replicas: 1, templates: [data]}]
pods: [{name: cloudberry-proxy-0, set: cloudberry-proxy, uid: p2, ready: true, claims: [data-cloudberry-proxy-0]}]
claims: [{name: data-cloudberry-proxy-0, uid: c2, volume: pv-2}]
volumes: [{name: pv-1, class: standard, reservedFor: data-cloudberry-proxy-0, releasedBy: c1, policy: Retain}]
records:
";
    const FAILOVER: &str = "- {id: f1, pod: cloudberry-proxy-0, podUid: p1, age: 300, set: set-cloudberry-proxy, claims: [{name: \
                            data-cloudberry-proxy-0, uid: c1, volume: pv-1, policy: Delete}]}\n";
    const UNDO: &str = "- {id: u1, pod: cloudberry-proxy-0, podUid: p2, age: 9, undo: f1, set: set-cloudberry-proxy, claims: [{name: \
                        data-cloudberry-proxy-0, uid: c2, volume: pv-2, policy: Delete, returns: pv-1}]}\n";

    fn judged(yaml: &str) -> Report {
        let topology = build(&snapshot(&[yaml]), &Layout::shipped().unwrap());
        let mut report = judge(&topology);
        judge_unfinished(&mut report, &topology, now());
        report
    }

    #[test]
    fn what_is_unfinished_is_not_healthy() {
        let finish = |verb, of: &str| Remedy::Finish(plugin(verb).word(of));
        let undo = "undo of f1 (u1), started 2026-01-01T00:10:21Z, is unfinished";
        let failover = "failover (f1), started 2026-01-01T00:05:30Z, is unfinished";
        let down = HEALTHY.replace("uid: p2, ready: true", "uid: p2");
        let finished = FAILOVER.replace("age: 300", "age: 300, took: 5");
        for (yaml, expected) in [
            (format!("{HEALTHY}{finished}"), None),
            (format!("{HEALTHY}{FAILOVER}"), Some((failover.to_owned(), finish("failover", "a/cloudberry-proxy-0")))),
            // The newest one counts.
            (format!("{HEALTHY}{FAILOVER}{UNDO}"), Some((undo.to_owned(), finish("undo", "f1")))),
            (format!("{HEALTHY}{FAILOVER}{}", UNDO.replace("age: 9", "age: 9, took: 5")), None),
            // Another one has recovered since; its record may be gone with its volumes.
            (format!("{HEALTHY}{}", FAILOVER.replace("age: 300", "age: 300, superseded: f2")), None),
            // From another StatefulSet that had this name.
            (format!("{HEALTHY}{}", FAILOVER.replace("set: set-cloudberry-proxy", "set: other")), None),
            // From the future: clock skew, or a forged record.
            (format!("{HEALTHY}{}", FAILOVER.replace("age: 300", "age: -4000")), None),
        ] {
            let report = judged(&yaml);
            let healthy = expected.is_none();
            assert_eq!(report.health == Health::Healthy, healthy, "{yaml}\n{report:?}");
            let seen = report.troubles.into_iter().next().map(|trouble| (trouble.because, trouble.remedy));
            assert_eq!(seen, expected, "{yaml}");
        }
        let report = judged(&format!("{down}{FAILOVER}"));
        let because = &report.troubles[0].because;
        assert!(report.troubles.len() == 1 && because.ends_with(&format!("; {failover}")), "{because}");
        assert_eq!(report.troubles[0].remedy, finish("failover", "a/cloudberry-proxy-0"));
    }

    /// Pods of one name in two namespaces, and others of the same namespace, are reported separately.
    #[test]
    fn only_the_unfinished_pod_is_reported() {
        let down =
            HEALTHY.replace("uid: p2, ready: true", "uid: p2").replace("sets: [", "sets: [{name: wh1, replicas: 1}, ");
        let down = down.replace("pods: [", "pods: [{name: wh1-0, set: wh1}, ");
        let elsewhere = "
namespace: 0-before-it
sets: [{name: cloudberry-proxy, replicas: 1}]
pods: [{name: cloudberry-proxy-0, set: cloudberry-proxy}]
";
        for spaces in [[elsewhere, &format!("{down}{FAILOVER}")], [&format!("{down}{FAILOVER}"), elsewhere]] {
            let topology = build(&snapshot(&spaces), &Layout::shipped().unwrap());
            let mut report = judge(&topology);
            judge_unfinished(&mut report, &topology, now());
            let mut told: Vec<_> = report
                .troubles
                .iter()
                .map(|it| (&*it.namespace, &*it.member, it.because.contains("is unfinished")))
                .collect();
            told.sort();
            assert_eq!(
                told,
                [
                    ("0-before-it", "cloudberry-proxy-0", false),
                    ("a", "cloudberry-proxy-0", true),
                    ("a", "wh1-0", false)
                ]
            );
        }
    }
}
