//! `failover`: replace a member's pod and its disk.

use super::Context;
use super::act::{Findings, Prepared, Sight, before, carry_out, find_out, look, recorded_baseline, request};
use super::baseline::{Stored, compared};
use super::login::note;
use super::resume::{quoted, resume};
use super::scope::stays;
use super::target::{Sought, target};
use crate::cli::FailoverArgs;
use crate::cluster::Cluster;
use crate::error::{Error, Exit, Result};
use crate::plan::{Act, Before, ComparedWith, Inputs, Outcome, Record, Request, needed, newest, plan, proof};
use crate::recovery::witness::Silence;
use crate::topology::Member;
use crate::topology::target::TargetName;
use crate::verify::Testimony;
use jiff::Timestamp;

const SOUGHT: Sought = Sought {
    verb: "failover",
    act: "fail over",
    question: "Fail over which member?",
    so_far: Some("nothing was changed"),
};

pub(super) async fn failover(context: &Context, args: &FailoverArgs) -> Result<Exit> {
    context.also_in_json(&args.act.output, act(context, args).await)
}

async fn act(context: &Context, args: &FailoverArgs) -> Result<Exit> {
    let cluster = context.cluster().await?;
    let prepared = context.unless_interrupted(prepare(context, &cluster, args)).await?;
    let mut command = resume(context, &args.act, &format!("failover {}", quoted(&prepared.plan.path())));
    command.flag("--pod-uid", Some(prepared.plan.target.uid.as_str()).filter(|uid| !uid.is_empty()));
    command.switch("--keep-pvc", args.keep_pvc);
    carry_out(context, &cluster, &args.act, prepared, &command.text()).await
}

async fn prepare(context: &Context, cluster: &Cluster, args: &FailoverArgs) -> Result<Prepared> {
    let typed = args.target.as_deref().map(TargetName::parse);
    if typed.is_none() && !context.screen.interactive {
        return Err(Error::usage("failover takes a target where there is no terminal to choose on")
            .hint("kubectl synxdb status shows them"));
    }
    let namespace =
        typed.as_ref().and_then(|typed| typed.namespace.clone()).or_else(|| context.global.namespace.clone());
    let sight = look(context, cluster, namespace.as_deref()).await?;
    let Sight { snapshot, topology, records } = &sight;
    let member = target(context, cluster, snapshot, topology, typed, &SOUGHT).await?;
    stays(topology, &member.namespace)?;

    let request =
        Request { keep_claims: args.keep_pvc, pod_uid: args.pod_uid.clone(), anew: args.anew, ..request(&args.act) };
    let unfinished = newest(records, topology, &member)
        .filter(|record| record.unfinished() && record.act == Act::Failover && !args.anew);
    let proof = proof(topology, &member, &request);
    let needed = needed(&member, &request);
    let mut findings = find_out(context, cluster, &args.act, &sight, &member, proof, &needed).await?;
    let (before, testimony, compared) = baseline(context, &member, &request, (records, unfinished), &mut findings);
    let plan = plan(Inputs {
        topology,
        member: &member,
        request: &request,
        rights: &findings.rights,
        before,
        baseline: compared,
        undoes: None,
        unfinished,
        records,
        now: findings.now,
        probes: std::mem::take(&mut findings.probes),
        journal: context.journal_of(unfinished.map_or(&request.id, |record| &record.id)),
        in_flight: std::mem::take(&mut findings.in_flight),
    });
    Prepared::new(cluster, &sight, findings, plan, testimony, unfinished)
}

/// What was there before. The baseline of a failover that is being finished is the one that its first run compared with.
fn baseline(
    context: &Context,
    member: &Member,
    request: &Request,
    (records, unfinished): (&[Record], Option<&Record>),
    findings: &mut Findings,
) -> (Before, Option<Testimony>, ComparedWith) {
    let said = std::mem::replace(&mut findings.said, Err(Silence::NotAsked));
    let stored = std::mem::replace(&mut findings.stored, Stored::NotAsked);
    if let Some(record) = unfinished {
        if let Err(Silence::LoginRefused(reason)) = &said {
            // The plan shows the baseline of the first run, and nothing of the login now.
            note(context, &format!("the database refuses the login, and nothing can be proven with it: {reason}"));
        }
        return recorded(record, stored, findings.now);
    }
    let standing = member.pod.as_ref();
    let replaced_already = request.pod_uid.as_ref().is_some_and(|uid| standing.map(|pod| &pod.uid) != Some(uid));
    match before(said) {
        (Before::Answered { .. }, _) if replaced_already => {
            // What it says now is what is to be proven. Once it was, what is stored since is of whole data.
            let proven = |record: &Record| {
                let of =
                    record.is_of(&member.namespace, &member.name) && Some(&record.pod_uid) == request.pod_uid.as_ref();
                of && record.outcome == Outcome::Recovered
            };
            let since = standing.and_then(|pod| pod.created).unwrap_or(Timestamp::MIN);
            let (testimony, with) = stored.compared(Some(since).filter(|_| !records.iter().any(proven)), findings.now);
            (Before::NotAsked, testimony, with)
        }
        said => compared(said, stored, findings.now),
    }
}

/// What the first run of a failover compared with.
fn recorded(record: &Record, stored: Stored, now: Timestamp) -> (Before, Option<Testimony>, ComparedWith) {
    match (recorded_baseline(record), &record.stored_baseline) {
        (Some(testimony), Some(taken)) => {
            let with = ComparedWith::Stored { taken: taken.clone(), summary: testimony.summary() };
            (Before::NotAsked, Some(testimony), with)
        }
        (Some(testimony), None) => {
            let with = ComparedWith::Fresh { taken: record.started.clone() };
            (Before::Answered { summary: testimony.summary() }, Some(testimony), with)
        }
        // It was too large for the record.
        (None, Some(taken)) => {
            let (testimony, with) = stored.of(taken);
            (Before::NotAsked, testimony, with)
        }
        (None, None) => {
            let begun = record.started.parse().unwrap_or(Timestamp::MIN);
            let (testimony, with) = stored.compared(Some(begun), now);
            (Before::NotAsked, testimony, with)
        }
    }
}
