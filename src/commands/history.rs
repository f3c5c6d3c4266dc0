//! `history`: past failovers and undos; `history release`: releases retained volumes.

use super::Context;
use super::confirm::ask;
use super::context::DEADLINE;
use super::login::note;
use super::namespaces::scope;
use crate::cli::{HistoryArgs, HistoryCommand, Output, ReleaseArgs};
use crate::cluster::write::Written;
use crate::cluster::{Cluster, ReadRequest};
use crate::error::{Error, Exit, Result};
use crate::plan::Record;
use crate::plan::history::{Entry, Release, history, may_not_be_released, to_release, without_type};
use crate::render::{history as words, prompt, structured};
use crate::suggestion::{plugin, quoted};
use crate::topology::target::{TargetName, without_mark};
use crate::topology::{Gap, Part, Topology, build};
use jiff::Timestamp;

pub(super) async fn run(context: &Context, args: &HistoryArgs) -> Result<Exit> {
    match &args.command {
        None => show(context, args).await,
        Some(HistoryCommand::Release(release)) => {
            context.also_in_json(&release.output, self::release(context, release).await)
        }
    }
}

/// The topology, all recorded operations, and what could not be read.
struct Past {
    topology: Topology,
    records: Vec<Record>,
    gaps: Vec<Gap>,
}

async fn read(context: &Context, cluster: &Cluster, namespace: Option<&str>, all: bool) -> Result<Past> {
    let scope = scope(context, cluster, namespace, all, DEADLINE).await?;
    let besides = ReadRequest { volumes: true, ..ReadRequest::default() };
    let topology = build(&scope.read(cluster, besides).await?, context.layout());
    let (journal, unread) = context.journal.records();
    let mut gaps: Vec<Gap> = topology.unread_volumes().cloned().into_iter().collect();
    gaps.extend(unread.into_iter().map(|why| Gap {
        part: Part::Other("a record of the local journal".into()),
        why,
        transient: false,
    }));
    // The journal has the operations of all clusters: only those that this one knows are its own.
    let on_volumes = Record::on_volumes(&topology);
    let ours = journal.into_iter().filter(|record| {
        let member = topology.member(&record.namespace, &record.pod);
        member.is_some_and(|member| record.is_of_member(&topology, member))
    });
    Ok(Past { records: Record::merged(on_volumes.into_iter().chain(ours)), topology, gaps })
}

async fn show(context: &Context, args: &HistoryArgs) -> Result<Exit> {
    let cluster = context.cluster().await?;
    let typed: Vec<TargetName> = args.targets.iter().map(|typed| TargetName::parse(typed)).collect();
    let named = typed.iter().find_map(|typed| typed.namespace.clone()).or_else(|| context.global.namespace.clone());
    let past = context
        .unless_interrupted(read(context, &cluster, named.as_deref().filter(|_| typed.len() <= 1), args.all_namespaces))
        .await?;
    let looked_at = |entry: &Entry| args.all_namespaces || past.topology.space(&entry.record.namespace).is_some();
    let wanted = |entry: &Entry| {
        let of = |typed: &TargetName| {
            let begins = |namespace: &String| entry.record.namespace.starts_with(without_mark(namespace));
            typed.name == entry.record.pod && typed.namespace.as_ref().is_none_or(begins)
        };
        typed.is_empty() || typed.iter().any(of)
    };
    let mut entries = history(&past.topology, &past.records);
    entries.retain(|entry| looked_at(entry) && wanted(entry));
    let (now, paint) = (Timestamp::now(), context.screen.out);
    let wide = args.output == Output::Wide;
    let text = match &args.output {
        Output::Machine(form) => structured::document(form, &structured::history(&entries, &past.gaps))?,
        Output::Name => words::names(&entries),
        _ if args.no_headers => words::rows(&entries, wide, false, now, paint),
        Output::Wide => words::wide(&entries, &past.gaps, now, paint),
        Output::Text => words::history(&entries, &past.gaps, now, paint),
    };
    context.screen.result(&text);
    Ok(if past.gaps.is_empty() { Exit::Yes } else { Exit::Degraded })
}

async fn release(context: &Context, args: &ReleaseArgs) -> Result<Exit> {
    let cluster = context.cluster().await?;
    let (past, entry) = context.unless_interrupted(find(context, &cluster, &args.id)).await?;
    let record = &entry.record;
    let refused = |why: String| {
        Error::refused(format!("release of {} blocked", record.id))
            .because(why)
            .hint(plugin("history").namespace(&record.namespace))
    };
    if let Some(why) = may_not_be_released(&past.topology, &past.records, &entry) {
        return Err(refused(why));
    }
    if args.output.is_for_people() {
        context.screen.note(&words::release(&entry, context.screen.err));
    }
    context.unless_interrupted(confirm(context, args, &record.pod)).await?;
    let mut released = Vec::new();
    for Release { volume, uid, released_by, reclaim_policy } in to_release(&past.topology, &past.records, &entry) {
        match cluster.release_volume(&volume, &uid, &released_by, &reclaim_policy).await? {
            Written::Done { .. } => released.push((volume, reclaim_policy)),
            Written::Gone => note(context, &format!("volume {volume} no longer exists")),
            Written::Changed { message, .. } => return Err(refused(format!("volume {volume}: {message}"))),
        }
    }
    context.journal.forget(&record.id)?;
    let text = match &args.output {
        Output::Machine(form) => structured::document(form, &structured::released(record, &released))?,
        Output::Name => words::released_names(&released),
        Output::Text | Output::Wide => words::released(&entry, &released, context.screen.out),
    };
    context.screen.result(&text);
    Ok(Exit::Yes)
}

async fn find(context: &Context, cluster: &Cluster, typed: &str) -> Result<(Past, Entry)> {
    let id = without_type(typed);
    let find = |past: &Past| history(&past.topology, &past.records).into_iter().find(|entry| entry.record.id == id);
    let mut past = read(context, cluster, context.global.namespace.as_deref(), false).await?;
    let mut found = find(&past);
    if let Some(namespace) = found.as_ref().map(|entry| entry.record.namespace.clone())
        && past.topology.space(&namespace).is_none()
    {
        past = read(context, cluster, Some(&namespace), false).await?;
        found = find(&past);
    }
    let Some(entry) = found else {
        let error = Error::failure(format!("no failover or undo with ID {id}"));
        let why = past.gaps.first().map(|gap| format!("{} cannot be read: {}", gap.part, gap.why));
        return Err(error.because(why.unwrap_or_default()).hint(plugin("history -A").note("to list them")));
    };
    Ok((past, entry))
}

/// Asks for the pod's name, typed or as a flag: releasing cannot be undone.
async fn confirm(context: &Context, args: &ReleaseArgs, pod: &str) -> Result<()> {
    let screen = context.screen;
    let typed = match &args.confirm {
        Some(given) => given.clone(),
        None if screen.interactive => {
            let question = format!("Type {pod} to continue");
            ask(context, prompt::Before::line(screen), move || prompt::type_name(screen, &question)).await?
        }
        None => {
            return Err(Error::refused("releasing cannot be undone, and there is no terminal for the prompt")
                .hint(format!("--confirm {}", quoted(pod))));
        }
    };
    if typed.trim() == pod {
        return Ok(());
    }
    if args.confirm.is_some() {
        return Err(Error::refused(format!("--confirm {typed:?} does not match the pod {pod}"))
            .because("nothing was changed")
            .hint(format!("--confirm {}", quoted(pod))));
    }
    Err(Error::new(Exit::Declined, "declined; nothing was changed").because("name does not match"))
}
