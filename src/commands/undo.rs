//! `undo`: bring back the volumes that an act set aside.

use super::Context;
use super::act::{Prepared, Sight, before, carry_out, find_out, look, recorded_baseline, request};
use super::baseline::{Stored, compared};
use super::confirm::asked;
use super::resume::resume;
use super::scope::stays;
use super::target::{Sought, target};
use crate::cli::{UndoArgs, quoted};
use crate::cluster::Cluster;
use crate::error::{Error, Exit, Result};
use crate::plan::history::{Entry, history, without_type};
use crate::plan::{Act, Before, ComparedWith, Inputs, Outcome, Record, needed, newest, plan, proof};
use crate::recovery::witness::Silence;
use crate::render::{history as words, prompt};
use crate::topology::target::TargetName;
use crate::topology::{Member, Topology};
use crate::verify::Testimony;
use jiff::Timestamp;

const SOUGHT: Sought =
    Sought { verb: "undo", act: "undo anything of", question: "Undo what?", so_far: Some("nothing was changed") };

pub(super) async fn undo(context: &Context, args: &UndoArgs) -> Result<Exit> {
    context.also_in_json(&args.act.output, act(context, args).await)
}

async fn act(context: &Context, args: &UndoArgs) -> Result<Exit> {
    let cluster = context.cluster().await?;
    let (prepared, of) = context.unless_interrupted(prepare(context, &cluster, args)).await?;
    let command = resume(context, &args.act, &format!("undo {of}"));
    carry_out(context, &cluster, &args.act, prepared, &command.text()).await
}

/// Everything needed to act, and the name of what is undone.
async fn prepare(context: &Context, cluster: &Cluster, args: &UndoArgs) -> Result<(Prepared, String)> {
    let (sight, member, of) = wanted(context, cluster, args).await?;
    stays(&sight.topology, &member.namespace)?;
    let Sight { topology, records, .. } = &sight;
    let request = request(&args.act);
    let unfinished = newest(records, topology, &member)
        .filter(|record| record.unfinished() && record.act == Act::Undo(of.id.clone()));
    let mut proof = proof(topology, &member, &request);
    if let crate::plan::Proof::Sql { canary, .. } = &mut proof {
        canary.clone_from(&of.canary);
    }
    let needed = needed(&member, &request);
    let mut findings = find_out(context, cluster, &args.act, &sight, &member, proof, &needed).await?;
    let said = std::mem::replace(&mut findings.said, Err(Silence::NotAsked));
    let stored = std::mem::replace(&mut findings.stored, Stored::NotAsked);
    let (before, testimony, compared) = baseline(&of, unfinished, said, (stored, findings.now));
    let plan = plan(Inputs {
        topology,
        member: &member,
        request: &request,
        rights: &findings.rights,
        before,
        baseline: compared,
        undoes: Some(&of),
        unfinished,
        records,
        now: findings.now,
        probes: std::mem::take(&mut findings.probes),
        journal: context.journal_of(unfinished.map_or(&request.id, |record| &record.id)),
        in_flight: std::mem::take(&mut findings.in_flight),
    });
    let prepared = Prepared::new(cluster, &sight, findings, plan, testimony, unfinished)?;
    let prepared = prepared.tried(cluster, &sight, &member, (&args.act, &request)).await?;
    Ok((prepared, of.id))
}

/// What must be there afterwards: what the act was compared with, where it did not find all of it again; otherwise what is
/// there now; otherwise what is stored.
fn baseline(
    of: &Record,
    unfinished: Option<&Record>,
    said: Result<Testimony, Silence>,
    (stored, now): (Stored, Timestamp),
) -> (Before, Option<Testimony>, ComparedWith) {
    let from = match unfinished {
        Some(record) => Some(record),
        None => Some(of).filter(|of| of.outcome != Outcome::Recovered),
    };
    let kept = from.and_then(|record| Some((recorded_baseline(record)?, record)));
    match (kept, said) {
        (_, Err(Silence::NotAsked)) => {
            (Before::NotAsked, None, ComparedWith::Nothing { reason: "it is not to be asked".into() })
        }
        (Some((testimony, record)), _) => {
            let summary = testimony.summary();
            match &record.stored_baseline {
                Some(taken) => {
                    let with = ComparedWith::Stored { taken: taken.clone(), summary };
                    (Before::NotAsked, Some(testimony), with)
                }
                None => {
                    let with = ComparedWith::Fresh { taken: record.started.clone() };
                    let summary = format!("{summary}, as {} found it", of.id);
                    let before = Before::Answered { summary, lacks: testimony.lacks() };
                    (before, Some(testimony), with)
                }
            }
        }
        (None, _) if let Some(record) = unfinished => {
            let (testimony, with) = match &record.stored_baseline {
                Some(taken) => stored.of(taken),
                None => stored.compared(Some(record.started.parse().unwrap_or(Timestamp::MIN)), now),
            };
            (Before::NotAsked, testimony, with)
        }
        (None, said) => compared(before(said), stored, now),
    }
}

/// The act that is meant, and the member that it is of.
async fn wanted(context: &Context, cluster: &Cluster, args: &UndoArgs) -> Result<(Sight, Member, Record)> {
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
        let of = last(&sight.topology, &sight.records, &member)?;
        return Ok((sight, member, of));
    };
    if sight.topology.space(&record.namespace).is_none() {
        sight = look(context, cluster, Some(&record.namespace)).await?;
    }
    let Some(member) = sight.topology.member(&record.namespace, &record.pod).cloned() else {
        return Err(Error::refused(format!("{}/{} is not there any more", record.namespace, record.pod))
            .because("its claims would not be created again; nothing was changed")
            .hint(format!("kubectl synxdb status -n {}", quoted(&record.namespace))));
    };
    Ok((sight, member, record))
}

/// The act that is taken back where only the member is named: an unfinished undo is finished, otherwise it is the
/// newest act that set something aside.
fn last(topology: &Topology, records: &[Record], member: &Member) -> Result<Record> {
    if let Some(Record { act: Act::Undo(of), outcome: Outcome::InProgress, .. }) = newest(records, topology, member)
        && let Some(of) = records.iter().find(|record| record.id == *of)
    {
        return Ok(of.clone());
    }
    let mut of_it = records.iter().rev().filter(|record| record.is_of_member(topology, member));
    of_it.find(|record| record.claims.iter().any(|claim| claim.volume.is_some())).cloned().ok_or_else(|| {
        let none = "no volume of it is on record as set aside".to_owned();
        Error::refused(format!("there is nothing to undo of {}", member.path()))
            .because(unread(topology).unwrap_or(none))
            .hint(format!("kubectl synxdb history -n {}", quoted(&member.namespace)))
    })
}

/// That volumes, and what is on record there, cannot be read: then nothing is known of what could be undone.
fn unread(topology: &Topology) -> Option<String> {
    let gap = topology.gaps.iter().find(|gap| gap.what == "volumes")?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::RECORD_VERSION;
    use crate::probe::Baseline;
    use crate::probe::baseline::examples::baseline as held;
    use serde_json::{Value, json};

    fn server(version: &str) -> Testimony {
        Testimony::Sql(Baseline { version: version.into(), ..held(Vec::new()) })
    }

    fn record(id: &str, outcome: Outcome, baseline: Option<&Testimony>) -> Record {
        let baseline: Value = json!(baseline);
        let (started, finished) = ("2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z");
        let finished = (outcome != Outcome::InProgress).then_some(finished);
        let text = json!({"version": RECORD_VERSION, "id": id, "started": started, "finished": finished,
            "outcome": outcome, "context": "", "namespace": "a", "pod": "p-0", "podUid": "", "keepClaims": false, "claims": [], "baseline": baseline});
        Record::parse(&text.to_string()).unwrap()
    }

    /// What must be there in the end is what the act lost; where it lost nothing it is what is there now; and of an
    /// undo that is finished what its first run found.
    #[test]
    fn what_must_be_there_afterwards() {
        let (then, now) = (server("then"), server("now"));
        let found = |of: Outcome,
                     kept: Option<&Testimony>,
                     unfinished: Option<Option<&Testimony>>,
                     said: Result<Testimony, Silence>| {
            let of = record("f1", of, kept);
            let unfinished = unfinished.map(|baseline| record("u1", Outcome::InProgress, baseline));
            let none = (Stored::Nothing("n".into()), Timestamp::UNIX_EPOCH);
            let (before, testimony, _) = baseline(&of, unfinished.as_ref(), said, none);
            let words = match before {
                Before::Answered { summary, .. } => summary,
                Before::Silent { reason } | Before::LoginRefused { reason } => format!("silent: {reason}"),
                Before::NotAsked => "not asked".into(),
            };
            (words, testimony)
        };
        let silent = || Err(Silence::Because("it is down".into()));
        let as_found = format!("{}, as f1 found it", then.summary());
        for (of, kept, unfinished, said, expected) in [
            (Outcome::DataMissing, Some(&then), None, Ok(now.clone()), (as_found.clone(), Some(&then))),
            (Outcome::DataMissing, Some(&then), None, silent(), (as_found.clone(), Some(&then))),
            (Outcome::InProgress, Some(&then), None, silent(), (as_found.clone(), Some(&then))),
            (Outcome::Unproven, None, None, Ok(now.clone()), (now.summary(), Some(&now))),
            (Outcome::Recovered, Some(&then), None, Ok(now.clone()), (now.summary(), Some(&now))),
            (Outcome::Recovered, None, None, silent(), ("silent: it is down".into(), None)),
            (Outcome::DataMissing, Some(&now), Some(Some(&then)), Ok(now.clone()), (as_found.clone(), Some(&then))),
            (Outcome::DataMissing, Some(&now), Some(None), Ok(now.clone()), ("not asked".into(), None)),
            (Outcome::DataMissing, Some(&then), None, Err(Silence::NotAsked), ("not asked".into(), None)),
        ] {
            let (words, testimony) = found(of, kept, unfinished, said);
            assert_eq!((words, testimony.as_ref()), expected, "{of:?} {unfinished:?}");
        }
    }
}
