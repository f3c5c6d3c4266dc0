//! `undo`: bring back the volumes that an act set aside.

use super::Context;
use super::baseline::Stored;
use super::carry_out::{Commands, carry_out};
use super::confirm::asked;
use super::findings::Findings;
use super::namespaces::stays;
use super::prepared::{Intended, Prepared, prepare, request};
use super::recorded::of_undo;
use super::resume::resume;
use super::sight::{Sight, look};
use super::target::{Sought, target};
use crate::cli::{UndoArgs, quoted};
use crate::cluster::Cluster;
use crate::cluster::snapshot::Read;
use crate::error::{Error, Exit, Result};
use crate::plan::history::{Entry, history, without_type};
use crate::plan::{Action, Outcome, Record, Request, WayBack, newest, way_back};
use crate::recovery::prover::Silence;
use crate::render::{history as words, prompt};
use crate::topology::Member;
use crate::topology::target::{TargetMatch, TargetName, match_target};

const SOUGHT: Sought =
    Sought { verb: "undo", act: "undo anything of", question: "Undo what?", so_far: Some("nothing was changed") };

pub(super) async fn undo(context: &Context, args: &UndoArgs) -> Result<Exit> {
    context.also_in_json(&args.act.output, act(context, args).await)
}

async fn act(context: &Context, args: &UndoArgs) -> Result<Exit> {
    let cluster = context.cluster().await?;
    let (prepared, of) = context.unless_interrupted(planned(context, &cluster, args)).await?;
    let command = resume(context, &args.act, &format!("undo {of}")).text();
    let commands = Commands { again: command.clone(), resume: command };
    carry_out(context, &cluster, &args.act, prepared, &commands).await
}

/// Everything needed to act, and the name of what is undone.
async fn planned(context: &Context, cluster: &Cluster, args: &UndoArgs) -> Result<(Prepared, String)> {
    let Wanted { sight, member, of, passed_over } = wanted(context, cluster, args).await?;
    stays(&sight.topology, &member.namespace)?;
    let Sight { topology, records, .. } = &sight;
    let request = Request { passed_over, ..request(&args.act) };
    // One that was not proven is proven, if it is run again: all else of it is done.
    let unfinished = newest(records, topology, &member).filter(|record| {
        let open = record.unfinished() || record.outcome == Outcome::Unverified;
        open && record.act == Action::Undo(of.id.clone())
    });
    let intended = Intended { sight: &sight, member: &member, request: &request, undoes: Some(&of), unfinished };
    let compare = |findings: &mut Findings| {
        let said = std::mem::replace(&mut findings.said, Err(Silence::NotAsked));
        let stored = std::mem::replace(&mut findings.stored, Stored::NotAsked);
        of_undo(&of, unfinished, said, (stored, findings.now))
    };
    let prepared = prepare(context, cluster, &args.act, intended, compare).await?;
    Ok((prepared, of.id))
}

/// The act that is meant, and the member that it is of.
struct Wanted {
    sight: Sight,
    member: Member,
    of: Record,
    /// Newer acts, and why each is not the one; empty if the act was named.
    passed_over: Vec<String>,
}

async fn wanted(context: &Context, cluster: &Cluster, args: &UndoArgs) -> Result<Wanted> {
    let typed = args.what.as_deref().map(without_type);
    if typed.is_none() && !context.screen.interactive {
        return Err(Error::usage("undo takes an ID or a target where there is no terminal to choose on")
            .hint("kubectl synxdb history shows them"));
    }
    let name = typed.map(TargetName::parse);
    let named = name.as_ref().and_then(|name| name.namespace.clone()).or_else(|| context.global.namespace.clone());
    let mut sight = look(context, cluster, named.as_deref()).await?;
    let by_id = typed.and_then(|id| sight.records.iter().find(|record| record.id == id).cloned());
    let chosen = match (by_id, &name) {
        (Some(record), _) => Some(record),
        (None, Some(_)) => None,
        (None, None) => Some(choose(context, cluster, args, &sight).await?),
    };
    let Some(record) = chosen else {
        if let Some(name) = name.as_ref().filter(|name| is_no_pod(&sight, &name.name)) {
            let what = format!("there is no pod {:?}, and whether it is an ID cannot be looked up", name.name);
            unread(context, cluster, args, (&sight, what))?;
        }
        let member = target(context, cluster, &sight.snapshot, &sight.topology, name, &SOUGHT).await?;
        let Some(WayBack { of, passed_over }) = way_back(&sight.topology, &sight.records, &member) else {
            let path = member.path();
            unread(context, cluster, args, (&sight, format!("what can be undone of {path} is unknown")))?;
            return Err(Error::refused(format!("there is nothing to undo of {path}"))
                .because("no volume of it is on record as set aside")
                .hint(format!("kubectl synxdb history -n {}", quoted(&member.namespace))));
        };
        let of = of.clone();
        return Ok(Wanted { sight, member, of, passed_over });
    };
    if sight.topology.space(&record.namespace).is_none() {
        sight = look(context, cluster, Some(&record.namespace)).await?;
    }
    let Some(member) = sight.topology.member(&record.namespace, &record.pod).cloned() else {
        return Err(Error::refused(format!("{}/{} is not there any more", record.namespace, record.pod))
            .because("its claims would not be created again; nothing was changed")
            .hint(format!("kubectl synxdb status -n {}", quoted(&record.namespace))));
    };
    Ok(Wanted { sight, member, of: record, passed_over: Vec::new() })
}

/// Whether all pods were read, and none is called that.
fn is_no_pod(sight: &Sight, name: &str) -> bool {
    let read = sight.snapshot.namespaces.iter().all(|objects| matches!(objects.pods, Read::Known(_)));
    read && matches!(match_target(&sight.topology, None, name), TargetMatch::None(_))
}

/// Checks that volumes were read: they carry the records, and without them nothing is known of what can be undone.
///
/// # Errors
/// They were not: `what` follows from that, and the next command is the same one if it may well succeed then.
fn unread(context: &Context, cluster: &Cluster, args: &UndoArgs, (sight, what): (&Sight, String)) -> Result<()> {
    let Read::Unknown(part) = &sight.snapshot.volumes else { return Ok(()) };
    let Error { exit, what: why, why: reasons, hints, source } = cluster.unreadable(part);
    let error = Error::new(exit, what).because(format!("volumes carry the records: {why}"));
    let error = reasons.into_iter().fold(error, Error::because).because("nothing was changed").caused_by(source);
    if !part.cause.is_transient() {
        return Err(hints.into_iter().fold(error, Error::hint));
    }
    let typed = args.what.as_deref().map(|typed| format!(" {}", quoted(typed))).unwrap_or_default();
    Err(error.hint(resume(context, &args.act, &format!("undo{typed}")).text()))
}

/// Offers what can be undone.
async fn choose(context: &Context, cluster: &Cluster, args: &UndoArgs, sight: &Sight) -> Result<Record> {
    let entries: Vec<Entry> = history(&sight.topology, &sight.records)
        .into_iter()
        .filter(|entry| entry.can_be_undone() && sight.topology.space(&entry.record.namespace).is_some())
        .collect();
    if entries.is_empty() {
        unread(context, cluster, args, (sight, "what can be undone is unknown".to_owned()))?;
        return Err(Error::refused("there is nothing to undo")
            .because("no volume is on record as set aside")
            .hint("kubectl synxdb history -A"));
    }
    let items: Vec<String> = entries.iter().map(words::item).collect();
    let screen = context.screen;
    let before = prompt::Before::list(screen);
    match asked(context, before, move || prompt::choose(screen, SOUGHT.question, &items)).await? {
        Some(index) => Ok(entries[index].record.clone()),
        None => Err(Error::new(Exit::Declined, "nothing was chosen; nothing was changed")),
    }
}
