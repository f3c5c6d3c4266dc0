//! `undo`: bring back the volumes that an act set aside.

use super::Context;
use super::baseline::Stored;
use super::carry_out::carry_out;
use super::confirm::asked;
use super::findings::Findings;
use super::prepared::{Intended, Prepared, prepare, request};
use super::recorded::of_undo;
use super::resume::resume;
use super::scope::stays;
use super::sight::{Sight, look};
use super::target::{Sought, target};
use crate::cli::{UndoArgs, quoted};
use crate::cluster::Cluster;
use crate::error::{Error, Exit, Result};
use crate::plan::history::{Entry, history, without_type};
use crate::plan::{Act, Outcome, Record, Request, WayBack, newest, way_back};
use crate::recovery::witness::Silence;
use crate::render::{history as words, prompt};
use crate::topology::target::TargetName;
use crate::topology::{Member, Topology};

const SOUGHT: Sought =
    Sought { verb: "undo", act: "undo anything of", question: "Undo what?", so_far: Some("nothing was changed") };

pub(super) async fn undo(context: &Context, args: &UndoArgs) -> Result<Exit> {
    context.also_in_json(&args.act.output, act(context, args).await)
}

async fn act(context: &Context, args: &UndoArgs) -> Result<Exit> {
    let cluster = context.cluster().await?;
    let (prepared, of) = context.unless_interrupted(planned(context, &cluster, args)).await?;
    let command = resume(context, &args.act, &format!("undo {of}"));
    carry_out(context, &cluster, &args.act, prepared, &command.text()).await
}

/// Everything needed to act, and the name of what is undone.
async fn planned(context: &Context, cluster: &Cluster, args: &UndoArgs) -> Result<(Prepared, String)> {
    let Wanted { sight, member, of, passed_over } = wanted(context, cluster, args).await?;
    stays(&sight.topology, &member.namespace)?;
    let Sight { topology, records, .. } = &sight;
    let request = Request { passed_over, ..request(&args.act) };
    // One that was not proven is proven, if it is run again: all else of it is done.
    let unfinished = newest(records, topology, &member).filter(|record| {
        let open = record.unfinished() || record.outcome == Outcome::Unproven;
        open && record.act == Act::Undo(of.id.clone())
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
        (None, None) => Some(choose(context, &sight).await?),
    };
    let Some(record) = chosen else {
        let member = target(context, cluster, &sight.snapshot, &sight.topology, name, &SOUGHT).await?;
        let (of, passed_over) = last(&sight.topology, &sight.records, &member)?;
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

/// The act that is taken back where only the member is named, and why newer ones are not.
fn last(topology: &Topology, records: &[Record], member: &Member) -> Result<(Record, Vec<String>)> {
    let found = way_back(topology, records, member).map(|WayBack { of, passed_over }| (of.clone(), passed_over));
    found.ok_or_else(|| {
        let none = "no volume of it is on record as set aside".to_owned();
        Error::refused(format!("there is nothing to undo of {}", member.path()))
            .because(unread(topology).unwrap_or(none))
            .hint(format!("kubectl synxdb history -n {}", quoted(&member.namespace)))
    })
}

/// That volumes, and what is on record there, cannot be read: then nothing is known of what could be undone.
fn unread(topology: &Topology) -> Option<String> {
    let gap = topology.unread_volumes()?;
    Some(format!("what is on record on volumes is not known, they cannot be read: {}", gap.why))
}

/// Offers what can be undone.
async fn choose(context: &Context, sight: &Sight) -> Result<Record> {
    let entries: Vec<Entry> = history(&sight.topology, &sight.records)
        .into_iter()
        .filter(|entry| entry.can_be_undone() && sight.topology.space(&entry.record.namespace).is_some())
        .collect();
    if entries.is_empty() {
        return Err(Error::refused("there is nothing to undo")
            .because(unread(&sight.topology).unwrap_or_else(|| "no volume is on record as set aside".to_owned()))
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
