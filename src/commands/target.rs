//! Which pod is the target: typed, or chosen from a list; never guessed.

use super::Context;
use super::confirm::ask;
use super::context::DEADLINE;
use crate::cluster::Cluster;
use crate::cluster::snapshot::{Read, Snapshot};
use crate::error::{Error, Exit, Result};
use crate::render::prompt;
use crate::suggestion::{kubectl, plugin};
use crate::topology::health::{not_looked_into, trouble};
use crate::topology::target::{TargetMatch, TargetName, match_target};
use crate::topology::{Member, Suspended, Topology};

/// The wording of a command that needs a target.
pub(super) struct Sought {
    /// The command for hints: `failover`.
    pub(super) verb: &'static str,
    /// The verb for sentences: `fail over`.
    pub(super) act: &'static str,
    /// The prompt above the list.
    pub(super) question: &'static str,
    /// The state of the cluster if no target is found.
    pub(super) so_far: Option<&'static str>,
}

/// Returns the pod that `typed` matches; without it the user chooses one.
///
/// # Errors
/// No pod matches, several match without a terminal, or none was chosen.
pub(super) async fn target(
    context: &Context,
    cluster: &Cluster,
    snapshot: &Snapshot,
    topology: &Topology,
    typed: Option<TargetName>,
    sought: &Sought,
) -> Result<Member> {
    let Some(typed) = typed else {
        let mut members: Vec<&Member> = topology.members().collect();
        // Pods with problems first; otherwise in the order of `status`.
        members.sort_by_key(|member| trouble(member).is_none());
        return choose(context, sought.question, &members, sought).await;
    };
    match match_target(topology, None, &typed.name) {
        TargetMatch::One(member) => Ok(member.clone()),
        TargetMatch::Many(members) if context.screen.interactive => {
            choose(context, &format!("{} is ambiguous. Select one:", typed.name), &members, sought).await
        }
        TargetMatch::Many(members) => {
            Err(several(&format!("{} is ambiguous ({} pods)", typed.name, members.len()), &members, sought))
        }
        TargetMatch::Suspended(suspended) => Err(nothing_runs(&suspended, sought)),
        TargetMatch::Stranger(namespace, Some(why)) => Err(Error::refused(format!(
            "{namespace}/{} has the name of a SynxDB pod but is not one: {why}",
            typed.name
        ))
        .because(sought.so_far.unwrap_or_default())
        .hint(kubectl("get pod").word(&typed.name).namespace(namespace).flag("-o", "yaml"))),
        TargetMatch::Stranger(namespace, None) => {
            Err(Error::refused(format!("{namespace}/{} is not a SynxDB component according to the layout", typed.name))
                .because(sought.so_far.unwrap_or_default())
                .hint(plugin("layout").of_no_cluster().note("to see it; --layout FILE uses another one")))
        }
        TargetMatch::None(near) => Err(nowhere(cluster, snapshot, &typed.name, &near, sought).await),
    }
}

/// Returns the error for a suspended target: it has no pod.
fn nothing_runs(suspended: &[Suspended], sought: &Sought) -> Error {
    let first = suspended.first();
    let what = first.map(Suspended::what).unwrap_or_default();
    let error = Error::refused(format!("{what} is suspended: there is no pod to {}", sought.act));
    let error = suspended.iter().fold(error, |error, one| error.because(format!("{}: {}", one.namespace, one.why())));
    let error = error.because(sought.so_far.unwrap_or_default());
    match first {
        Some(one) => error.hint(plugin("status").namespace(&one.namespace)),
        None => error,
    }
}

/// Returns the error for several matches without a terminal, with a command for each.
pub(super) fn several(what: &str, members: &[&Member], sought: &Sought) -> Error {
    let command = |member: &Member| plugin(sought.verb).word(member.path());
    members.iter().fold(Error::usage(what), |error, member| error.hint(command(member)))
}

/// Lets the user choose from a list.
///
/// # Errors
/// The list is empty, or none was chosen.
pub(super) async fn choose(context: &Context, question: &str, members: &[&Member], sought: &Sought) -> Result<Member> {
    if members.is_empty() {
        return Err(none(sought));
    }
    let items: Vec<String> = members
        .iter()
        .map(|member| match trouble(member) {
            Some(trouble) => format!("{} ({}): {}", member.path(), member.role, trouble.because),
            None => format!("{} ({})", member.path(), member.role),
        })
        .collect();
    let (screen, question) = (context.screen, question.to_owned());
    match ask(context, prompt::Before::list(screen), move || prompt::choose(screen, &question, &items)).await? {
        Some(index) => Ok(members[index].clone()),
        None => {
            let so_far = sought.so_far.map(|so_far| format!("; {so_far}")).unwrap_or_default();
            Err(Error::new(Exit::Declined, format!("no pod was chosen{so_far}")))
        }
    }
}

/// Returns the error for an empty list.
pub(super) fn none(sought: &Sought) -> Error {
    Error::failure(format!("no SynxDB pod to {}", sought.act)).hint(plugin("status -A"))
}

/// Returns the error for an unknown name: what could not be read, another namespace with such a pod, and similar names.
async fn nowhere(cluster: &Cluster, snapshot: &Snapshot, name: &str, near: &[String], sought: &Sought) -> Error {
    for objects in &snapshot.namespaces {
        if let Read::Unknown(part) = &objects.pods {
            return cluster.unreadable(part);
        }
    }
    let verb = sought.verb;
    if let Read::Known(pods) = cluster.find_pods(name, DEADLINE).await
        && let Some(namespace) = pods.first().and_then(|pod| pod.metadata.namespace.clone())
    {
        if snapshot.passed_over.contains(&namespace) {
            return Error::refused(format!("{namespace}/{name}: {}", not_looked_into(&namespace)))
                .because(sought.so_far.unwrap_or_default())
                .hint(plugin("status").namespace(&namespace));
        }
        let searched: Vec<&str> = snapshot.namespaces.iter().map(|objects| objects.namespace.as_str()).collect();
        if !searched.contains(&namespace.as_str()) {
            return Error::refused(format!("{name} is in {namespace}, not in {}", searched.join(", ")))
                .because(sought.so_far.unwrap_or_default())
                .hint(plugin(verb).word(name).namespace(&namespace));
        }
    }
    let error = Error::failure(format!("pod {name:?} not found"));
    match near.first() {
        Some(nearest) => error.because(format!("did you mean: {}", near.join(", "))).hint(plugin(verb).word(nearest)),
        None => error.hint(plugin("status").note("to list all pods")),
    }
}
