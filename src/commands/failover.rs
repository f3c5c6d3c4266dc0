//! `failover`: replace a member's pod and its disk.

use super::Context;
use super::act::{Findings, Prepared, Sight, before, carry_out, find_out, look, recorded_baseline, request};
use super::login::note;
use super::resume::resume;
use super::scope::stays;
use super::target::{Sought, target};
use crate::cli::{FailoverArgs, quoted};
use crate::cluster::Cluster;
use crate::error::{Error, Exit, Result};
use crate::plan::{Act, Before, Inputs, Record, Request, needed, newest, plan, proof};
use crate::recovery::witness::Silence;
use crate::topology::Member;
use crate::topology::target::TargetName;
use crate::verify::Testimony;

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
    let (before, testimony) = baseline(context, &member, &request, unfinished, &mut findings);
    let plan = plan(Inputs {
        topology,
        member: &member,
        request: &request,
        rights: &findings.rights,
        before,
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

/// What was there before. The baseline of a failover that is being finished is the one that its first run took.
fn baseline(
    context: &Context,
    member: &Member,
    request: &Request,
    unfinished: Option<&Record>,
    findings: &mut Findings,
) -> (Before, Option<Testimony>) {
    let said = std::mem::replace(&mut findings.said, Err(Silence::NotAsked));
    let none_kept = || Before::Silent { reason: "the interrupted run kept no baseline".into() };
    if let Some(record) = unfinished {
        if let Err(Silence::LoginRefused(reason)) = &said {
            // The plan shows the baseline of the first run, and nothing of the login now.
            note(context, &format!("the database refuses the login, and nothing can be proven with it: {reason}"));
        }
        return match recorded_baseline(record) {
            Some(testimony) => (Before::Answered { summary: testimony.summary() }, Some(testimony)),
            None => (none_kept(), None),
        };
    }
    let standing = member.pod.as_ref().map(|pod| &pod.uid);
    let replaced_already = request.pod_uid.as_ref().is_some_and(|uid| standing != Some(uid));
    match before(said) {
        (Before::Answered { .. }, _) if replaced_already => (none_kept(), None),
        told => told,
    }
}
