//! The node of the old pod, and nodes that could run the new one.

use super::{CheckContext, PlanCheck, PlanCheckId, overridable, pass, warn};
use crate::cli::Allow;
use crate::text::{are, counted};
use crate::topology::{Known, NodeFacts, Place, Volume};

pub(super) fn node(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let id = PlanCheckId::Node;
    let on = context.member.pod.as_ref().and_then(|pod| pod.node.as_ref());
    if let Some(node) = on.filter(|node| context.topology.lost_nodes.contains(node)) {
        checks.push(warn(
            id,
            format!(
                "node {node} is not Ready: the pod will stay Terminating until the node is back, or is marked \
                 out of service or deleted after its machine is verified to be off; nothing is force-deleted"
            ),
        ));
    }
    let Known::Is(nodes) = &context.topology.nodes else { return };
    if !context.deletes_pod() {
        return;
    }
    let usable = nodes.iter().filter(|node| node.usable()).count();
    if usable == 0 {
        let cordoned = nodes.iter().filter(|node| node.ready && node.cordoned).count();
        let why = format!(
            "0 of {} are Ready and schedulable ({cordoned} cordoned): the new pod could not start",
            counted(nodes.len(), "node")
        );
        return checks.push(overridable(context, id, why, Allow::UnusableNode));
    }
    // A volume in use is on the pod's node; the node of a retained one is unknown.
    let kept = context.kept_claims().filter_map(|claim| Some((claim.volume.as_known()?.as_ref()?, on)));
    for (volume, on) in kept.chain(context.returning.iter().map(|volume| (*volume, None))) {
        let name = &volume.name;
        match (&volume.place, on, nodes.as_slice()) {
            // With a single node it can only be that one.
            (Place::Folder, None, [_, _, ..]) => checks.push(warn(
                id,
                format!(
                    "volume {name} is a folder on an unknown node (hostPath): its data is there only if the new pod starts on \
                     that node"
                ),
            )),
            _ => {
                if let Some(why) = out_of_reach(volume, on, nodes) {
                    let why = format!("volume {name} {why}: the new pod could not start with it");
                    checks.push(overridable(context, id, why, Allow::UnusableNode));
                }
            }
        }
    }
    if let Some(node) = nodes.iter().find(|node| Some(&node.name) == on && node.ready && node.cordoned) {
        let others = if usable == 1 { "1 other node is" } else { &format!("{usable} other nodes are") };
        checks.push(pass(id, format!("node {} is cordoned; {others} schedulable", node.name)));
    }
}

/// Returns why no schedulable node has access to this volume; `None` if one has.
fn out_of_reach(volume: &Volume, on: Option<&String>, nodes: &[NodeFacts]) -> Option<String> {
    let (tied, tie) = match &volume.place {
        Place::Anywhere => return None,
        Place::Nodes(names) => (names.clone(), "is tied to"),
        Place::Folder => match on.or(nodes.first().map(|node| &node.name)) {
            Some(node) => (vec![node.clone()], "is a folder on"),
            None => return None,
        },
    };
    let at = |name: &String| nodes.iter().find(|node| node.name == *name);
    if tied.iter().any(|name| at(name).is_some_and(NodeFacts::usable)) {
        return None;
    }
    let state = |name: &String| match at(name) {
        None => format!("{name}, which no longer exists"),
        Some(node) if !node.ready => format!("{name}, which is not Ready"),
        Some(_) => format!("{name}, which is cordoned"),
    };
    Some(match tied.as_slice() {
        [] => "is tied by its node affinity to nodes that do not exist".to_owned(),
        [one] => format!("{tie} node {}", state(one)),
        many => {
            let names: Vec<&str> = many.iter().map(String::as_str).collect();
            format!("{tie} nodes of which none is schedulable ({} not Ready or cordoned)", are(&names))
        }
    })
}
