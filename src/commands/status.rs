//! `status`: reads everything in one round of requests, and judges it.

use super::Context;
use super::namespaces::{Scope, reachable, scope};
use super::status_selection::{DEADLINE, is_everywhere, only, only_what_is_read, wanted};
use crate::cli::{Output, StatusArgs};
use crate::cluster::snapshot::{Cause, Snapshot};
use crate::cluster::{Cluster, ReadRequest};
use crate::error::{Exit, Result};
use crate::plan::judge_unfinished;
use crate::probe::PageAccess;
use crate::probe::http::Deadlines;
use crate::render::status::Detail;
use crate::render::{status as text, structured, suggestion, wrapped};
use crate::storage::Positions;
use crate::storage::positions::positions;
use crate::suggestion::kubectl;
use crate::topology::health::{Health, Report, judge};
use crate::topology::{Topology, build};
use crate::verify::inspect::{read_storage, storage_pages};
use jiff::Timestamp;

pub(super) async fn status(context: &Context, args: &StatusArgs) -> Result<Exit> {
    if args.watch {
        return super::status_watch::follow(context, args).await;
    }
    context.unless_interrupted(once(context, args)).await
}

async fn once(context: &Context, args: &StatusArgs) -> Result<Exit> {
    let page_token = PageAccess::resolve(&args.pages)?;
    let cluster = context.cluster_with_timeout(DEADLINE).await?;
    let wide = !matches!(args.output, Output::Text | Output::Name);
    let mut scope =
        scope(context, &cluster, context.global.namespace.as_deref(), args.all_namespaces, DEADLINE).await?;
    scope = scope.with_named_by(&args.targets, context.layout());
    // Concurrently: namespaced objects, cluster-scoped ones, and what looks like SynxDB elsewhere.
    let request = ReadRequest { volumes: true, leases: true, deadline: DEADLINE, ..ReadRequest::default() };
    let within = ReadRequest {
        namespaces: scope.namespaces.clone(),
        other_namespaces: scope.others(),
        packed: true,
        deadline: DEADLINE,
        ..ReadRequest::default()
    };
    let (outside, inside, ()) = futures::join!(cluster.read(&request), cluster.read(&within), async {
        if is_everywhere(context, &cluster, args) {
            scope.stateful_sets = cluster.stateful_sets_everywhere(DEADLINE).await;
        }
    });
    let searched = scope.namespaces.len();
    let mut snapshot = together(scope, outside, inside);
    if !wide {
        only_what_is_read(&mut snapshot);
    }
    reachable(&cluster, &snapshot)?;
    let mut unread = snapshot.unread_pods().flatten();
    let denied = unread.find(|part| part.cause == Cause::Forbidden).and_then(|part| part.namespace.clone());

    let topology = build(&snapshot, context.layout());
    let wanted = wanted(&topology, context, &args.targets)?;
    let topology = only(topology, wanted.as_deref());
    let mut report = judge(&topology);
    judge_unfinished(&mut report, &topology, Timestamp::now());
    let positions = match args.output {
        Output::Wide => read_positions(&cluster, &topology, page_token.for_members_of(&topology)).await,
        _ => Positions::new(),
    };
    context.screen.result(&render(context, args, &report, (&topology, &positions))?);
    if let Some(namespace) = denied {
        let rights = kubectl("auth can-i --list").namespace(namespace).into();
        context.screen.note(&suggestion(&rights, context.screen.err));
    }
    Ok(match report.health {
        // Suspended counts as success: nothing is wrong, and there is nothing to do.
        Health::Healthy | Health::Suspended => Exit::Yes,
        Health::Degraded | Health::Unknown => Exit::Degraded,
        Health::Absent => {
            let (searched, next) = text::absent(searched, cluster.context_name());
            let next = next.iter().map(|next| suggestion(next, context.screen.err));
            context.screen.note(&format!("{}{}", wrapped("  ", &searched), next.collect::<String>()));
            Exit::Degraded
        }
    })
}

/// Renders the status in the requested format.
fn render(
    context: &Context,
    args: &StatusArgs,
    report: &Report,
    (topology, positions): (&Topology, &Positions),
) -> Result<String> {
    let (wide, now, paint) = (args.output == Output::Wide, Timestamp::now(), context.screen.out);
    Ok(match &args.output {
        Output::Machine(form) => structured::document(form, &structured::status(report, topology))?,
        Output::Name => text::names(topology),
        Output::Text | Output::Wide if args.no_headers => text::rows((topology, positions), wide, now, paint),
        Output::Text | Output::Wide => {
            let detail = Detail::of(&args.output, args.all_members);
            text::status(context.screen.room, report, (topology, positions), detail, now, paint)
        }
    })
}

fn together(scope: Scope, outside: Snapshot, inside: Snapshot) -> Snapshot {
    Snapshot {
        namespaces: inside.namespaces,
        packed: inside.packed,
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

/// Reads the positions of the storage components. They are only shown: health is judged by Kubernetes' state.
async fn read_positions(cluster: &Cluster, topology: &Topology, page_token: PageAccess) -> Positions {
    let page_token = &page_token;
    let asked = topology.spaces.iter().map(|space| async move {
        let pages = storage_pages(topology, &space.namespace);
        if pages.is_empty() {
            return Positions::new();
        }
        let token = page_token.with_secrets_or_reason(cluster, &space.namespace, DEADLINE).await;
        let readings = read_storage(cluster, &space.namespace, &pages, Deadlines::at_most(DEADLINE), &token).await;
        positions(&space.namespace, &readings)
    });
    futures::future::join_all(asked).await.into_iter().flatten().collect()
}
