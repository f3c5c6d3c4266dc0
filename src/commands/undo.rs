//! `undo`: restores the volumes that an operation retained.

use super::Context;
use super::baseline::Stored;
use super::carry_out::{Commands, carry_out};
use super::confirm::ask;
use super::findings::Findings;
use super::namespaces::not_terminating;
use super::prepared::{Intended, Prepared, prepare, request};
use super::recorded::of_undo;
use super::resume::{or_ended, resume};
use super::sight::{Sight, read};
use super::target::{Sought, target};
use crate::cli::UndoArgs;
use crate::cluster::Cluster;
use crate::cluster::snapshot::Read;
use crate::error::{Error, Exit, Result};
use crate::plan::history::{Entry, history, without_type};
use crate::plan::{Action, Record, RecordedOutcome, Request, WayBack, newest, way_back};
use crate::recovery::prover::NoEvidence;
use crate::render::{history as text, prompt};
use crate::suggestion::plugin;
use crate::topology::Member;
use crate::topology::target::{TargetMatch, TargetName, match_target};

const SOUGHT: Sought =
    Sought { verb: "undo", act: "undo", question: "Undo what?", so_far: Some("nothing was changed") };

pub(super) async fn undo(context: &Context, args: &UndoArgs) -> Result<Exit> {
    context.also_in_json(&args.act.output, act(context, args).await)
}

async fn act(context: &Context, args: &UndoArgs) -> Result<Exit> {
    let cluster = context.cluster().await?;
    let (prepared, of) = context.unless_interrupted(planned(context, &cluster, args)).await?;
    let command = or_ended(context, resume(&args.act, plugin("undo").word(of)));
    let commands = Commands { again: command.clone(), resume: command };
    carry_out(context, &cluster, &args.act, prepared, &commands).await
}

/// Returns everything needed for the undo, and the ID of the operation to undo.
async fn planned(context: &Context, cluster: &Cluster, args: &UndoArgs) -> Result<(Prepared, String)> {
    let Wanted { sight, member, of, passed_over } = wanted(context, cluster, args).await?;
    not_terminating(&sight.topology, &member.namespace)?;
    let Sight { topology, records, .. } = &sight;
    let request = Request { passed_over, ..request(&args.act) };
    // An unverified undo is verified if it is run again: everything else is done.
    let unfinished = newest(records, topology, &member).filter(|record| {
        let open = record.unfinished() || record.outcome == RecordedOutcome::Unverified;
        open && record.act == Action::Undo(of.id.clone())
    });
    let intended = Intended { sight: &sight, member: &member, request: &request, undoes: Some(&of), unfinished };
    let compare = |findings: &mut Findings| {
        let reported = std::mem::replace(&mut findings.reported, Err(NoEvidence::NotAsked));
        let stored = std::mem::replace(&mut findings.stored, Stored::NotAsked);
        of_undo(&of, unfinished, reported, (stored, findings.now))
    };
    let prepared = prepare(context, cluster, &args.act, intended, compare).await?;
    Ok((prepared, of.id))
}

/// The operation to undo, and its pod.
struct Wanted {
    sight: Sight,
    member: Member,
    of: Record,
    /// Newer operations, and why each was skipped; empty if the operation was named.
    passed_over: Vec<String>,
}

async fn wanted(context: &Context, cluster: &Cluster, args: &UndoArgs) -> Result<Wanted> {
    let typed = args.what.as_deref().map(without_type);
    if typed.is_none() && !context.screen.interactive {
        return Err(
            Error::usage("ID or TARGET is required without a terminal").hint(plugin("history").note("to list them"))
        );
    }
    let name = typed.map(TargetName::parse);
    let named = name.as_ref().and_then(|name| name.namespace.clone()).or_else(|| context.global.namespace.clone());
    let mut sight = read(context, cluster, named.as_deref()).await?;
    let by_id = typed.and_then(|id| sight.records.iter().find(|record| record.id == id).cloned());
    let chosen = match (by_id, &name) {
        (Some(record), _) => Some(record),
        (None, Some(_)) => None,
        (None, None) => Some(choose(context, cluster, args, &sight).await?),
    };
    let Some(record) = chosen else {
        if let Some(name) = name.as_ref().filter(|name| is_no_pod(&sight, &name.name)) {
            let what = format!("pod {:?} not found, and IDs cannot be looked up", name.name);
            unread(context, cluster, args, (&sight, what))?;
        }
        let member = target(context, cluster, &sight.snapshot, &sight.topology, name, &SOUGHT).await?;
        let Some(WayBack { of, passed_over }) = way_back(&sight.topology, &sight.records, &member) else {
            let path = member.path();
            unread(context, cluster, args, (&sight, format!("unknown what can be undone for {path}")))?;
            return Err(Error::refused(format!("nothing to undo for {path}"))
                .because("it has no retained volume on record")
                .hint(plugin("history").namespace(&member.namespace)));
        };
        let of = of.clone();
        return Ok(Wanted { sight, member, of, passed_over });
    };
    if sight.topology.space(&record.namespace).is_none() {
        sight = read(context, cluster, Some(&record.namespace)).await?;
    }
    let Some(member) = sight.topology.member(&record.namespace, &record.pod).cloned() else {
        return Err(Error::refused(format!("{}/{} no longer exists", record.namespace, record.pod))
            .because("its claims would not be recreated; nothing was changed")
            .hint(plugin("status").namespace(&record.namespace)));
    };
    Ok(Wanted { sight, member, of: record, passed_over: Vec::new() })
}

/// Returns whether all pods were read, and none has this name.
fn is_no_pod(sight: &Sight, name: &str) -> bool {
    let read = sight.snapshot.namespaces.iter().all(|objects| matches!(objects.pods, Read::Known(_)));
    read && matches!(match_target(&sight.topology, None, name), TargetMatch::None(_))
}

/// Checks that volumes were read: they carry the records of what can be undone.
///
/// # Errors
/// They were not: `what` is the consequence, and the next command is the same one if a retry may succeed.
fn unread(context: &Context, cluster: &Cluster, args: &UndoArgs, (sight, what): (&Sight, String)) -> Result<()> {
    let Read::Unknown(part) = &sight.snapshot.volumes else { return Ok(()) };
    let Error { exit, what: why, why: reasons, hints, source } = cluster.unreadable(part);
    let error = Error::new(exit, what).because(format!("volumes carry the records: {why}"));
    let error = reasons.into_iter().fold(error, Error::because).because("nothing was changed").caused_by(source);
    if !part.cause.is_transient() {
        return Err(hints.into_iter().fold(error, Error::hint));
    }
    let again = args.what.iter().fold(plugin("undo"), |command, typed| command.word(typed));
    let again = again.optional("-n", context.global.namespace.as_deref());
    Err(error.hint(or_ended(context, resume(&args.act, again))))
}

/// Lets the user choose what to undo.
async fn choose(context: &Context, cluster: &Cluster, args: &UndoArgs, sight: &Sight) -> Result<Record> {
    let entries: Vec<Entry> = history(&sight.topology, &sight.records)
        .into_iter()
        .filter(|entry| entry.can_be_undone() && sight.topology.space(&entry.record.namespace).is_some())
        .collect();
    if entries.is_empty() {
        unread(context, cluster, args, (sight, "unknown what can be undone".to_owned()))?;
        return Err(Error::refused("nothing to undo")
            .because("no retained volume is on record")
            .hint(plugin("history -A")));
    }
    let items: Vec<String> = entries.iter().map(text::item).collect();
    let screen = context.screen;
    let before = prompt::Before::list(screen);
    match ask(context, before, move || prompt::choose(screen, SOUGHT.question, &items)).await? {
        Some(index) => Ok(entries[index].record.clone()),
        None => Err(Error::new(Exit::Declined, "nothing was chosen; nothing was changed")),
    }
}
