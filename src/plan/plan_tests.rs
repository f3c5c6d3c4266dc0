//! What is read off a plan once it is made.

use super::checks::{pass, warn};
use super::undo_tests::{FAILED_OVER, planned, request, world};
use super::*;

fn a_plan() -> Plan {
    planned(&world(FAILED_OVER), None, &request(), &[])
}

/// Then `verify --save` may help; if it is not queried, or rejects the login, a baseline would not help.
#[test]
fn a_baseline_is_missed_where_one_could_be_compared_with() {
    let plan = a_plan();
    let nothing = || ComparedWith::Nothing { reason: String::new() };
    let fresh = || ComparedWith::Fresh { taken: String::new() };
    let skipped = || Proof::Skipped { reason: String::new() };
    let refused = || Before::LoginRefused { reason: String::new() };
    let silent = || Before::Silent { reason: String::new() };
    for (baseline, proof, before, expected) in [
        (nothing(), plan.proof.clone(), silent(), true),
        (nothing(), plan.proof.clone(), Before::NotAsked, true),
        (fresh(), plan.proof.clone(), silent(), false),
        (nothing(), skipped(), silent(), false),
        (nothing(), plan.proof.clone(), refused(), false),
        (fresh(), skipped(), refused(), false),
    ] {
        let plan = Plan { baseline, proof, before, ..plan.clone() };
        assert_eq!(plan.lacks_baseline(), expected, "{:?} {:?} {:?}", plan.baseline, plan.proof, plan.before);
    }
}

#[test]
fn a_plan_deletes_if_a_claim_or_a_pod_goes() {
    let plan = a_plan();
    let of = |which: fn(&Step) -> bool| {
        let steps = plan.steps.iter().filter(|step| which(step)).cloned().collect();
        Plan { steps, ..plan.clone() }.deletes()
    };
    assert!(plan.deletes());
    assert!(of(|step| matches!(step, Step::DeletePod { .. })));
    assert!(of(|step| matches!(step, Step::DeleteClaim { .. })));
    assert!(!of(|step| matches!(step, Step::Retain { .. })));
    assert!(!of(|_| false));
}

/// What dry runs find is part of the plan, and a refusal that the user overrode makes it one of high risk.
#[test]
fn what_dry_runs_find_counts_like_every_other_check() {
    let admitted = |check: PlanCheck| {
        let mut plan = a_plan();
        let before = plan.checks.len();
        plan.admit(vec![check]);
        assert_eq!(plan.checks.len(), before + 1);
        (plan.risk, plan.refusal().is_some())
    };
    let warned = || warn(PlanCheckId::Admission, "the guard says no".to_owned());
    assert_eq!(admitted(pass(PlanCheckId::Admission, "it takes every step")), (Risk::Ordinary, false));
    assert_eq!(admitted(warned()), (Risk::Ordinary, false));
    assert_eq!(admitted(PlanCheck { overridden: true, ..warned() }), (Risk::High, false));
    assert_eq!(admitted(PlanCheck { verdict: PlanVerdict::Block, ..warned() }), (Risk::Ordinary, true));
}
