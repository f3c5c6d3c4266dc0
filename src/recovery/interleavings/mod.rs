//! Every interleaving of failovers and undos with what Kubernetes does at the same time, within bounds, by a model
//! checker ([stateright](https://www.stateright.rs)).
//!
//! The plugin's moves are its own: each plan is made by [`crate::plan::plan`] of a real [`crate::topology::Topology`] with
//! real records on it, and each wait is ended by the predicates of [`super::goal`]. [`model`] carries out a plan's steps as
//! `recovery::executor` does, each with its precondition, and a run may be killed before and after each. What Kubernetes does is
//! in [`kubernetes`]: a StatefulSet controller, a scheduler, a kubelet, claim protection, a provisioner, and a volume
//! controller whose copy of a volume may be an old one.
//!
//! In every state that can be reached:
//!
//! 1. no pod runs on a volume that is recorded as retained, unless an undo restores it;
//! 2. no volume with data has the policy Delete without a claim;
//! 3. the verdict of a finished operation is true;
//! 4. once the cause of the trouble is gone, the commands that the plugin suggests lead to a good end;
//! 5. an undisturbed run does not wait in vain, and does not end on a volume that it must not have.
//!
//! What the model excludes:
//!
//! - There is one pod with one claim. Its set creates it whenever it is missing; sizes, classes, nodes and access modes
//!   always fit.
//! - A volume is bound as soon as a claim wants it (`Immediate`), which includes what `WaitForFirstConsumer` allows.
//! - The plugin sees the cluster as it is; only the volume controller is behind. A change without a response from the
//!   API server counts as made or as not made. Without rights, a step that is denied is the same as a kill.
//! - A component responds as soon as its pod runs, and reports truthfully whether the volume has the original data. The
//!   canary table, probes and baselines are excluded.
//! - Every run reads the journal.
//! - An operation other than the unfinished one begins only when the controllers have nothing left to do. The command
//!   that an ending suggests runs at any moment.
//! - `--keep-pvc`, `--allow` and `release` are never used, and volumes are not edited by hand.

mod facts;
mod kubernetes;
mod model;
mod world;

use model::{A_WAY_ON, Interleavings, Mishap};
use stateright::{Checker, HasDiscoveries, Model};

/// Far more states than there are. Without a rule there may be infinitely many.
const MOST: usize = 2_000_000;

/// Checks everything. A fault is reported by the shortest way to it.
#[track_caller]
fn check(model: Interleavings) {
    let checker = model.checker().finish_when(HasDiscoveries::AnyFailures).target_state_count(MOST).spawn_bfs().join();
    let mut wrong = Vec::new();
    for property in checker.model().properties() {
        let found = checker.discovery(property.name);
        let Some(path) = found.filter(|_| property.expectation.discovery_is_failure()) else {
            if !property.expectation.discovery_is_failure() && checker.discovery(property.name).is_none() {
                wrong.push(format!("never: {}", property.name));
            }
            continue;
        };
        let last = *path.last_state();
        let actions: Vec<String> = path.into_actions().iter().map(|action| format!("  {action:?}")).collect();
        let after = if property.name == A_WAY_ON { checker.model().tale(&last) } else { String::new() };
        wrong.push(format!("not always: {}\n{}\n  {last:?}\n  {after}", property.name, actions.join("\n")));
    }
    assert!(checker.state_count() < MOST, "there is no end of states");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// In any order of operations, and killed at any point.
#[test]
fn three_operations_of_a_component_that_loses_its_data() {
    check(Interleavings { operations: 3, ..Interleavings::new() });
}

#[test]
fn three_operations_of_a_component_that_gets_its_data_from_elsewhere() {
    check(Interleavings { operations: 3, elsewhere: true, ..Interleavings::new() });
}

/// Exactly when an undo is needed.
#[test]
fn no_new_volume_can_be_made() {
    check(Interleavings { operations: 3, provisions: false, ..Interleavings::new() });
}

/// The Lease keeps them apart, unless one of them fails to renew it.
#[test]
fn two_operators_at_the_same_time() {
    check(Interleavings { operations: 2, operators: 2, ..Interleavings::new() });
    check(Interleavings { operations: 2, operators: 2, mishap: Some(Mishap::Stall), ..Interleavings::new() });
}

#[test]
fn a_pod_is_made_on_a_claim_that_is_being_deleted() {
    check(Interleavings { operations: 2, mishap: Some(Mishap::Race), ..Interleavings::new() });
}

#[test]
fn another_client_deletes_the_pod() {
    check(Interleavings { operations: 2, mishap: Some(Mishap::PodDeleted), ..Interleavings::new() });
}

#[test]
fn another_client_deletes_the_claim() {
    check(Interleavings { operations: 1, mishap: Some(Mishap::ClaimDeleted), ..Interleavings::new() });
}
