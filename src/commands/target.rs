//! Which member is meant: by what was typed, or chosen from a list; never by a guess.

use super::Context;
use super::confirm::asked;
use super::context::DEADLINE;
use crate::cli::quoted;
use crate::cluster::Cluster;
use crate::cluster::snapshot::{Read, Snapshot};
use crate::error::{Error, Exit, Result};
use crate::render::prompt;
use crate::topology::health::{not_looked_into, trouble};
use crate::topology::target::{TargetMatch, TargetName, match_target};
use crate::topology::{Member, Suspended, Topology};

/// What a command wants a member for, in its own words.
pub(super) struct Sought {
    /// The command, as hints name it: `failover`.
    pub(super) verb: &'static str,
    /// The same in a sentence: `fail over`.
    pub(super) act: &'static str,
    /// Asked above the list.
    pub(super) question: &'static str,
    /// What can be said of the cluster where no member is found.
    pub(super) so_far: Option<&'static str>,
}

/// The member that `typed` means; without it one of all is chosen.
///
/// # Errors
/// No such member, several of them where nobody can be asked, none chosen.
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
        // Those in trouble first; otherwise as `status` shows them.
        members.sort_by_key(|member| trouble(member).is_none());
        return choose(context, sought.question, &members, sought).await;
    };
    match match_target(topology, None, &typed.name) {
        TargetMatch::One(member) => Ok(member.clone()),
        TargetMatch::Many(members) if context.screen.interactive => {
            choose(context, &format!("{} may be any of these. Which?", typed.name), &members, sought).await
        }
        TargetMatch::Many(members) => {
            Err(several(&format!("{} may be any of {} pods", typed.name, members.len()), &members, sought))
        }
        TargetMatch::Suspended(suspended) => Err(nothing_runs(&suspended, sought)),
        TargetMatch::Stranger(namespace, Some(why)) => {
            Err(Error::refused(format!("{namespace}/{} has a member's name and is a stranger: {why}", typed.name))
                .because(sought.so_far.unwrap_or_default())
                .hint(format!("kubectl get pod {} -n {} -o yaml", quoted(&typed.name), quoted(namespace))))
        }
        TargetMatch::Stranger(namespace, None) => {
            Err(Error::refused(format!("{namespace}/{} is no SynxDB member, as far as the layout knows", typed.name))
                .because(sought.so_far.unwrap_or_default())
                .hint("kubectl synxdb layout shows what is; --layout FILE changes it"))
        }
        TargetMatch::None(near) => Err(nowhere(cluster, snapshot, &typed.name, &near, sought).await),
    }
}

/// What is suspended has no pod that anything could be done with; whoever suspended it resumes it.
fn nothing_runs(suspended: &[Suspended], sought: &Sought) -> Error {
    let first = suspended.first();
    let what = first.map(Suspended::what).unwrap_or_default();
    let error = Error::refused(format!("{what} is suspended: there is no pod to {}", sought.act));
    let error = suspended.iter().fold(error, |error, one| error.because(format!("{}: {}", one.namespace, one.why())));
    let error = error.because(sought.so_far.unwrap_or_default());
    match first {
        Some(one) => error.hint(format!("kubectl synxdb status -n {}", quoted(&one.namespace))),
        None => error,
    }
}

/// Several members where one is wanted and nobody can be asked: a command for each.
pub(super) fn several(what: &str, members: &[&Member], sought: &Sought) -> Error {
    let command = |member: &Member| format!("kubectl synxdb {} {}", sought.verb, quoted(&member.path()));
    members.iter().fold(Error::usage(what), |error, member| error.hint(command(member)))
}

/// Offers a list.
///
/// # Errors
/// The list is empty, or nothing was chosen from it.
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
    match asked(context, prompt::Before::list(screen), move || prompt::choose(screen, &question, &items)).await? {
        Some(index) => Ok(members[index].clone()),
        None => {
            let so_far = sought.so_far.map(|so_far| format!("; {so_far}")).unwrap_or_default();
            Err(Error::new(Exit::Declined, format!("no member was chosen{so_far}")))
        }
    }
}

/// There is nothing to choose from.
pub(super) fn none(sought: &Sought) -> Error {
    Error::failure(format!("there is no SynxDB member to {}", sought.act)).hint("kubectl synxdb status -A")
}

/// A name that no member carries: what could not be read, where such a pod is after all, and the nearest names.
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
                .hint(format!("kubectl synxdb status -n {}", quoted(&namespace)));
        }
        let looked_at = snapshot.namespaces.iter().any(|objects| objects.namespace == namespace);
        if !looked_at {
            return Error::refused(format!("{namespace}/{name} is not in a namespace that was looked at"))
                .because(sought.so_far.unwrap_or_default())
                .hint(format!("kubectl synxdb {verb} {} -n {}", quoted(name), quoted(&namespace)));
        }
    }
    let error = Error::failure(format!("there is no pod {name:?}"));
    match near.first() {
        Some(nearest) => error
            .because(format!("near it: {}", near.join(", ")))
            .hint(format!("kubectl synxdb {verb} {}", quoted(nearest))),
        None => error.hint("kubectl synxdb status shows all members"),
    }
}
