//! `layout`: prints the one in force; `layout learn`: proposes one for the cluster; `layout check`: shows what fits no rule.

use super::Context;
use super::context::DEADLINE;
use super::login::note;
use super::namespaces::{among, of_context, scope};
use super::surroundings::Surroundings;
use crate::cli::{CheckArgs, LayoutArgs, LayoutCommand, Output};
use crate::cluster::snapshot::{Read, Snapshot};
use crate::cluster::{Cluster, Environment, ReadRequest};
use crate::error::{Exit, Result};
use crate::render::{layout as text, structured};
use crate::suggestion::plugin;
use crate::topology::fit::fittings;
use crate::topology::health::judge;
use crate::topology::learn::{propose, seen};
use crate::topology::{LayoutSource, build};
use std::time::Duration;

/// Time limit for a cluster that may have its own layout, before the local one is printed.
const SOON: Duration = Duration::from_secs(2);

pub(super) async fn run(context: &Context, args: &LayoutArgs) -> Result<Exit> {
    match &args.command {
        None => show(context).await,
        Some(LayoutCommand::Learn) => learn(context).await,
        Some(LayoutCommand::Check(args)) => context.unless_interrupted(check(context, args)).await,
    }
}

/// Prints the layout in force, and its source to standard error.
async fn show(context: &Context) -> Result<Exit> {
    let (chosen, unread) = match context.chosen.source() {
        LayoutSource::Shipped => clusters_own(context).await?,
        _ => (context.chosen.clone(), None),
    };
    note(context, &text::from(chosen.source(), unread.as_deref()));
    context.screen.result(&chosen.text);
    Ok(Exit::Yes)
}

/// Returns the cluster's own layout or the shipped one, and why it is unknown whether the cluster has its own.
async fn clusters_own(context: &Context) -> Result<(super::surroundings::Chosen, Option<String>)> {
    let connected = Cluster::connect(&super::context::options(&context.global)?, &Environment::of_process()).await;
    let cluster = match connected {
        Ok(cluster) => cluster,
        Err(error) => return Ok((context.chosen.clone(), Some(error.what))),
    };
    let look = Surroundings::read(context.chosen.clone(), &cluster, SOON);
    let found = context.unless_interrupted(look).await?;
    Ok((found.chosen, found.clusters_own_unread))
}

async fn learn(context: &Context) -> Result<Exit> {
    let cluster = context.cluster().await?;
    let typed = context.global.namespace.as_deref().or(of_context(&cluster, false));
    let namespace = match (typed, context.surroundings.get()) {
        (Some(typed), Some(around)) => match around.namespaces(&cluster, DEADLINE).await {
            Read::Known(all) => among(all, Some(typed), context.layout())?.namespaces.pop(),
            Read::Unknown(_) | Read::NotAsked => Some(typed.to_owned()),
        },
        _ => None,
    };
    let observed = async { Ok(cluster.observe(namespace.as_deref(), DEADLINE).await) };
    let observed = context.unless_interrupted(observed).await?;
    if let Read::Unknown(part) = &observed.pods {
        let error = cluster.unreadable(part);
        return Err(match namespace {
            None => error.hint(plugin("layout learn -n NAMESPACE").note("if you may not read all namespaces")),
            Some(_) => error,
        });
    }
    let mut unread = Vec::new();
    for part in [unread_part(&observed.stateful_sets), unread_part(&observed.services)].into_iter().flatten() {
        unread.push(part);
    }
    let proposal = propose(&seen(&observed), context.layout());
    let from = text::Learned { context: cluster.context_name(), namespace: namespace.as_deref(), unread: &unread };
    context.screen.result(&text::proposal(&proposal, context.layout(), &from));
    Ok(Exit::Yes)
}

fn unread_part<T>(read: &Read<T>) -> Option<String> {
    match read {
        Read::Unknown(part) => Some(format!("{} could not be read: {}", part.resource, part.reason)),
        Read::Known(_) | Read::NotAsked => None,
    }
}

async fn check(context: &Context, args: &CheckArgs) -> Result<Exit> {
    let cluster = context.cluster().await?;
    let typed = context.global.namespace.as_deref();
    let scope = scope(context, &cluster, typed, args.all_namespaces, DEADLINE).await?;
    let narrowed = typed.or(of_context(&cluster, args.all_namespaces)).is_some();
    let everywhere = async { if narrowed { Read::NotAsked } else { cluster.stateful_sets_everywhere(DEADLINE).await } };
    let (snapshot, sets) = futures::join!(scope.read(&cluster, ReadRequest::default()), everywhere);
    let snapshot = Snapshot { stateful_sets_everywhere: sets, ..snapshot? };
    let topology = build(&snapshot, context.layout());
    let (fittings, report) = (fittings(&topology), judge(&topology));
    let source = &topology.layout;
    let known = report.gaps.is_empty() && !fittings.is_empty();
    context.screen.result(&match &args.output {
        Output::Machine(form) => structured::document(form, &structured::layout_check(source, &fittings, &report))?,
        _ if args.no_headers => text::rows(&fittings),
        _ => text::check(source, &fittings, &report, context.screen.out),
    });
    Ok(if known { Exit::Yes } else { Exit::Degraded })
}
