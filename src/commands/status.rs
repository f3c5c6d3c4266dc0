//! `status`: one wave of requests after that of connecting, one judgement.

use super::Context;
use super::scope::{Scope, of_context, reachable, scope};
use crate::cli::{Output, StatusArgs, quoted};
use crate::cluster::snapshot::{Cause, Read, Snapshot};
use crate::cluster::{Cluster, ReadRequest};
use crate::error::{Error, Exit, Result};
use crate::plan::judge_unfinished;
use crate::probe::PageAccess;
use crate::probe::http::Deadlines;
use crate::render::{harmless, machine, status as text, wrapped};
use crate::storage::Positions;
use crate::storage::positions::positions;
use crate::topology::health::{Health, Report, judge, not_looked_into};
use crate::topology::target::{NamespaceMatch, TargetMatch, TargetName, match_namespace, match_target};
use crate::topology::{Component, Suspended, Topology, build};
use crate::verify::ask::{read_storage, storage_pages};
use jiff::Timestamp;
use std::time::Duration;

/// What each source may take: a dead node or a refused permission must not hang or hide the rest.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);

pub(super) async fn status(context: &Context, args: &StatusArgs) -> Result<Exit> {
    if args.watch {
        return super::live::follow(context, args).await;
    }
    context.unless_interrupted(once(context, args)).await
}

async fn once(context: &Context, args: &StatusArgs) -> Result<Exit> {
    let page_token = PageAccess::resolve(&args.pages)?;
    let cluster = context.cluster_within(DEADLINE).await?;
    let wide = !matches!(args.output, Output::Text | Output::Name);
    let mut scope =
        scope(context, &cluster, context.global.namespace.as_deref(), args.all_namespaces, DEADLINE).await?;
    scope = scope.and_named_by(&args.targets, context.layout());
    // All at the same time: what is in the namespaces, what belongs to none, and what looks like SynxDB's elsewhere.
    let request = ReadRequest { volumes: true, leases: true, deadline: DEADLINE, ..ReadRequest::default() };
    let within = ReadRequest { namespaces: scope.namespaces.clone(), deadline: DEADLINE, ..ReadRequest::default() };
    let (outside, inside, ()) = futures::join!(cluster.read(&request), cluster.read(&within), async {
        if is_everywhere(context, &cluster, args) {
            scope.stateful_sets = cluster.stateful_sets_everywhere(DEADLINE).await;
        }
    });
    let looked_at = scope.namespaces.len();
    let mut snapshot = together(scope, outside, inside);
    if !wide {
        only_what_is_read(&mut snapshot);
    }
    reachable(&cluster, &snapshot)?;
    let denied = snapshot
        .namespaces
        .iter()
        .find(|objects| matches!(&objects.pods, Read::Unknown(part) if part.cause == Cause::Forbidden));
    let denied = denied.map(|objects| objects.namespace.clone());

    let topology = build(&snapshot, context.layout());
    let wanted = wanted(&topology, context, &args.targets)?;
    let topology = only(topology, wanted.as_deref());
    let mut report = judge(&topology);
    judge_unfinished(&mut report, &topology, Timestamp::now());
    let positions = match args.output {
        Output::Wide => asked(&cluster, &topology, page_token.for_members_of(&topology)).await,
        _ => Positions::new(),
    };
    context.screen.result(&told(context, args, &report, (&topology, &positions))?);
    if let Some(namespace) = denied {
        let next = context.screen.err.hint("next:");
        context.screen.note(&format!(
            "{next} kubectl auth can-i --list -n {namespace} shows your rights\n",
            namespace = harmless(&quoted(&namespace))
        ));
    }
    Ok(match report.health {
        // Suspended is neither: nothing is wrong with it, and nothing is to be done.
        Health::Healthy | Health::Suspended => Exit::Yes,
        Health::Degraded | Health::Unknown => Exit::Degraded,
        Health::Absent => {
            let (looked, next) = text::absent(looked_at, cluster.context_name());
            let next = next.iter().map(|next| format!("{} {next}\n", context.screen.err.hint("next:")));
            context.screen.note(&format!("{}{}", wrapped("  ", &looked), next.collect::<String>()));
            Exit::Degraded
        }
    })
}

/// Whether it is about all of SynxDB, and nothing of it may be passed over.
pub(super) fn is_everywhere(context: &Context, cluster: &Cluster, args: &StatusArgs) -> bool {
    let narrowed = context.global.namespace.is_some() || of_context(cluster, args.all_namespaces).is_some();
    !narrowed && args.targets.is_empty()
}

/// Volumes are read for what is on record on them: who may not read them is shown all else as it is.
pub(super) fn only_what_is_read(snapshot: &mut Snapshot) {
    if let Read::Unknown(_) = snapshot.volumes {
        snapshot.volumes = Read::NotAsked;
    }
}

/// How far the storage components say they are. It is shown and no more: their health is what Kubernetes says.
async fn asked(cluster: &Cluster, topology: &Topology, page_token: PageAccess) -> Positions {
    let page_token = &page_token;
    let asked = topology.spaces.iter().map(|space| async move {
        let pages = storage_pages(topology, &space.namespace);
        if pages.is_empty() {
            return Positions::new();
        }
        let token = page_token.within_or_why(cluster, &space.namespace, DEADLINE).await;
        let readings = read_storage(cluster, &space.namespace, &pages, Deadlines::within(DEADLINE), &token).await;
        positions(&space.namespace, &readings)
    });
    futures::future::join_all(asked).await.into_iter().flatten().collect()
}

/// The answer in the form that was asked for.
fn told(
    context: &Context,
    args: &StatusArgs,
    report: &Report,
    (topology, positions): (&Topology, &Positions),
) -> Result<String> {
    let (wide, now, paint) = (args.output == Output::Wide, Timestamp::now(), context.screen.out);
    Ok(match &args.output {
        Output::Machine(form) => machine::document(form, &machine::status(report, topology))?,
        Output::Name => text::names(topology),
        Output::Text | Output::Wide if args.no_headers => text::rows((topology, positions), wide, now, paint),
        Output::Text | Output::Wide => {
            text::within(context.screen.room, report, (topology, positions), wide, now, paint)
        }
    })
}

fn together(scope: Scope, outside: Snapshot, inside: Snapshot) -> Snapshot {
    Snapshot {
        namespaces: inside.namespaces,
        namespace_names: scope.names,
        terminating: scope.terminating,
        passed_over: scope.passed_over,
        named: scope.named,
        labelled_pods: scope.labelled_pods,
        stateful_sets_everywhere: scope.stateful_sets,
        volumes: outside.volumes,
        nodes: outside.nodes,
        storage_classes: outside.storage_classes,
        leases: outside.leases,
    }
}

/// Only the members and StatefulSets of these paths, where some are wanted.
pub(super) fn only(mut topology: Topology, wanted: Option<&[String]>) -> Topology {
    let Some(wanted) = wanted else { return topology };
    for space in &mut topology.spaces {
        let namespace = &space.namespace;
        for component in &mut space.components {
            component.members.retain(|member| wanted.contains(&member.path()));
        }
        let named = |component: &Component| wanted.contains(&format!("{namespace}/{}", component.name));
        space.components.retain(|component| !component.members.is_empty() || named(component));
    }
    topology.spaces.retain(|space| !space.components.is_empty());
    topology.spaces.iter_mut().for_each(|space| space.unrecognized.clear());
    topology.unrecognized_elsewhere.clear();
    topology.by_names_alone = false;
    topology
}

/// Paths of the members that the targets mean, each of which may mean several, and of the StatefulSets that are suspended;
/// `None` where there are no targets.
pub(super) fn wanted(topology: &Topology, context: &Context, targets: &[String]) -> Result<Option<Vec<String>>> {
    if targets.is_empty() {
        return Ok(None);
    }
    let mut wanted = Vec::new();
    for typed in targets {
        let target = TargetName::parse(typed);
        let existing: Vec<String> = topology.spaces.iter().map(|space| space.namespace.clone()).collect();
        let namespace = match &target.namespace {
            None => None,
            Some(name) => match match_namespace(name, &existing, context.layout()) {
                NamespaceMatch::One(name) => Some(name),
                _ => return Err(Error::failure(format!("there is no SynxDB namespace {name:?}"))),
            },
        };
        match match_target(topology, namespace.as_deref(), &target.name) {
            TargetMatch::One(member) => wanted.push(member.path()),
            TargetMatch::Many(members) => wanted.extend(members.iter().map(|member| member.path())),
            TargetMatch::Suspended(suspended) => wanted.extend(suspended.iter().flat_map(paths)),
            TargetMatch::Stranger(..) | TargetMatch::None(_) => return Err(no_member(typed, topology)),
        }
    }
    Ok(Some(wanted))
}

/// What is suspended has no members: it is named by its StatefulSets.
fn paths(suspended: &Suspended) -> impl Iterator<Item = String> {
    suspended.sets.iter().map(move |set| format!("{}/{set}", suspended.namespace))
}

fn no_member(typed: &str, topology: &Topology) -> Error {
    let names: Vec<&str> = topology.members().map(|member| member.name.as_str()).collect();
    let near = crate::topology::target::nearest(typed, &names);
    let error = Error::failure(format!("there is no SynxDB member {typed:?}"));
    let error = if near.is_empty() { error } else { error.because(format!("near it: {}", near.join(", "))) };
    let error = topology.passed_over.iter().fold(error, |error, name| error.because(not_looked_into(name)));
    error.hint("kubectl synxdb status shows all of them")
}
