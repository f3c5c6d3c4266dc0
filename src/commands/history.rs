//! `history`: past failovers and undos.

use super::Context;
use super::context::DEADLINE;
use super::namespaces::scope;
use crate::cli::{HistoryArgs, Output};
use crate::cluster::{Cluster, ReadRequest};
use crate::error::{Error, Exit, Result};
use crate::plan::Record;
use crate::plan::history::{Entry, history as entries};
use crate::render::{history as words, structured};
use crate::suggestion::plugin;
use crate::topology::target::{TargetName, without_mark};
use crate::topology::{Gap, Part, Topology, build, unread_pods_and_claims};
use jiff::Timestamp;

/// The topology, all recorded operations, and what could not be read.
pub(super) struct Past {
    pub(super) topology: Topology,
    pub(super) records: Vec<Record>,
    pub(super) gaps: Vec<Gap>,
}

pub(super) async fn read(context: &Context, cluster: &Cluster, namespace: Option<&str>, all: bool) -> Result<Past> {
    let scope = scope(context, cluster, namespace, all, DEADLINE).await?;
    let besides = ReadRequest { volumes: true, ..ReadRequest::default() };
    let snapshot = scope.read(cluster, besides).await?;
    let topology = build(&snapshot, context.layout());
    let (journal, unread) = context.journal.records();
    let mut gaps: Vec<Gap> = topology.unread_volumes().cloned().into_iter().collect();
    // Without them it is unknown which operations can be undone, and which volumes are in use.
    gaps.extend(unread_pods_and_claims(&snapshot));
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

pub(super) async fn history(context: &Context, args: &HistoryArgs) -> Result<Exit> {
    if let [verb, ids @ ..] = args.targets.as_slice()
        && verb == "release"
    {
        let command = ids.iter().fold(plugin("release"), |command, id| command.word(id));
        return Err(Error::usage("release is a command of its own").hint(command));
    }
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
    let mut entries = entries(&past.topology, &past.records);
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
    // These forms have no place for it.
    if args.output == Output::Name || (args.output.is_for_people() && args.no_headers) {
        context.screen.note(&words::unknown(&past.gaps));
    }
    Ok(if past.gaps.is_empty() { Exit::Yes } else { Exit::Degraded })
}
