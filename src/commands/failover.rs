//! `failover`: replace a component's pod and volumes.

use super::Context;
use super::baseline::{Stored, compared};
use super::carry_out::{Commands, carry_out};
use super::findings::{Findings, before};
use super::login::note;
use super::namespaces::not_terminating;
use super::prepared::{Intended, Prepared, prepare, request};
use super::recorded::{Basis, TakenOver, of_first_run, taken_over};
use super::resume::{or_ended, resume};
use super::sight::{Sight, read};
use super::target::{Sought, target};
use crate::cli::FailoverArgs;
use crate::cluster::Cluster;
use crate::error::{Error, Exit, Result};
use crate::plan::{Action, Before, Record, RecordedOutcome, Request, newest, not_found_again};
use crate::recovery::prover::NoEvidence;
use crate::suggestion::plugin;
use crate::topology::Member;
use crate::topology::target::TargetName;
use jiff::Timestamp;

const SOUGHT: Sought = Sought {
    verb: "failover",
    act: "fail over",
    question: "Fail over which pod?",
    so_far: Some("nothing was changed"),
};

pub(super) async fn failover(context: &Context, args: &FailoverArgs) -> Result<Exit> {
    context.also_in_json(&args.act.output, act(context, args).await)
}

async fn act(context: &Context, args: &FailoverArgs) -> Result<Exit> {
    let cluster = context.cluster().await?;
    let prepared = context.unless_interrupted(planned(context, &cluster, args)).await?;
    let command = |pod_uid: Option<&str>, start_over: bool| {
        let command = plugin("failover").word(prepared.plan.path()).optional("--pod-uid", pod_uid);
        let command = command.switch("--keep-pvc", args.keep_pvc).switch("--start-over", start_over);
        or_ended(context, resume(&args.act, command))
    };
    let goes = Some(prepared.plan.target.uid.as_str()).filter(|uid| !uid.is_empty());
    let commands = Commands { resume: command(goes, false), again: command(args.pod_uid.as_deref(), args.start_over) };
    carry_out(context, &cluster, &args.act, prepared, &commands).await
}

async fn planned(context: &Context, cluster: &Cluster, args: &FailoverArgs) -> Result<Prepared> {
    let typed = args.target.as_deref().map(TargetName::parse);
    if typed.is_none() && !context.screen.interactive {
        return Err(
            Error::usage("TARGET is required without a terminal").hint(plugin("status").note("to list targets"))
        );
    }
    let namespace =
        typed.as_ref().and_then(|typed| typed.namespace.clone()).or_else(|| context.global.namespace.clone());
    let sight = read(context, cluster, namespace.as_deref()).await?;
    let Sight { snapshot, topology, records } = &sight;
    let member = target(context, cluster, snapshot, topology, typed, &SOUGHT).await?;
    not_terminating(topology, &member.namespace)?;

    let request = Request {
        keep_claims: args.keep_pvc,
        pod_uid: args.pod_uid.clone(),
        start_over: args.start_over,
        ..request(&args.act)
    };
    let unfinished = newest(records, topology, &member)
        .filter(|record| record.unfinished() && record.act == Action::Failover && !args.start_over);
    let open = not_found_again(topology, records, &member);
    let intended = Intended { sight: &sight, member: &member, request: &request, undoes: None, unfinished };
    let compare = |findings: &mut Findings| baseline(context, &member, &request, (records, unfinished, open), findings);
    prepare(context, cluster, &args.act, intended, compare).await
}

/// Returns the baseline. A resumed failover uses that of its first run; `open` is an earlier operation whose baseline was not
/// found again.
fn baseline(
    context: &Context,
    member: &Member,
    request: &Request,
    (records, unfinished, open): (&[Record], Option<&Record>, Option<&Record>),
    findings: &mut Findings,
) -> Basis {
    let reported = std::mem::replace(&mut findings.reported, Err(NoEvidence::NotAsked));
    let mut stored = std::mem::replace(&mut findings.stored, Stored::NotAsked);
    if let Some(record) = unfinished {
        if let Err(NoEvidence::LoginRefused(reason)) = &reported {
            // The plan shows the baseline of the first run, and not the current login.
            note(context, &format!("the database rejects the login, so nothing can be verified with it: {reason}"));
        }
        return of_first_run(record, (stored, findings.now));
    }
    // A state that lacks data does not replace a baseline that was not found again.
    if let Some(first) = open {
        match taken_over(first, &reported, (stored, findings.now)) {
            TakenOver::Is(evidence, with) => return (before(reported).0, *evidence, with),
            TakenOver::Nothing((not_used, _)) => stored = not_used,
        }
    }
    let standing = member.pod.as_ref();
    let replaced_already = request.pod_uid.as_ref().is_some_and(|uid| standing.map(|pod| &pod.uid) != Some(uid));
    match before(reported) {
        (Before::Answered { .. }, _) if replaced_already => {
            // Its current state is what must be verified.
            let (evidence, with) = stored.compared(replaced(records, request, member), findings.now);
            (Before::NotAsked, evidence, with)
        }
        reported => compared(reported, stored, findings.now),
    }
}

/// Returns when a pod that is known by its UID was replaced: a baseline stored since may be of an empty disk. `None` if the
/// recovery was verified, so that a baseline stored since has all data.
fn replaced(records: &[Record], request: &Request, member: &Member) -> Option<Timestamp> {
    let of_it = |record: &&Record| {
        record.is_of(&member.namespace, &member.name) && request.pod_uid.as_ref() == Some(&record.pod_uid)
    };
    let mut acts = records.iter().filter(of_it);
    if acts.clone().any(|record| record.outcome == RecordedOutcome::Recovered) {
        return None;
    }
    // A record is more precise than the pod's creation time in seconds.
    let begun = acts.find_map(|record| record.started.parse().ok());
    let created = || member.pod.as_ref().and_then(|pod| pod.created);
    Some(begun.or_else(created).unwrap_or(Timestamp::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_version::API_VERSION;
    use crate::plan::RECORD_KIND;
    use crate::testing::{ACCOUNT, snapshot};
    use crate::topology::{Layout, build};
    use serde_json::json;

    /// A baseline stored since has all data only if that was verified.
    #[test]
    fn since_when_a_stored_baseline_may_be_of_an_empty_disk() {
        let topology = build(&snapshot(&[ACCOUNT]), &Layout::shipped().unwrap());
        let member = topology.members().find(|member| member.name == "wh9527-0").unwrap();
        let created = member.pod.as_ref().unwrap().created;
        let started = "2026-01-01T00:00:00.25Z";
        let record = |uid: &str, outcome: RecordedOutcome| {
            let text = json!({"apiVersion": API_VERSION, "kind": RECORD_KIND, "operation": "failover", "id": "a1", "started": started, "finished": started,
                "outcome": outcome,
                "context": "", "namespace": member.namespace, "pod": member.name, "podUid": uid, "keepClaims": false,
                "claims": []});
            Record::parse(&text.to_string()).unwrap()
        };
        let request = Request { pod_uid: Some("old".into()), ..Request::default() };
        for (records, expected) in [
            (vec![], created),
            (vec![record("other", RecordedOutcome::Recovered)], created),
            (vec![record("old", RecordedOutcome::Unverified)], started.parse().ok()),
            (vec![record("old", RecordedOutcome::DataMissing)], started.parse().ok()),
            (vec![record("old", RecordedOutcome::Unverified), record("old", RecordedOutcome::Recovered)], None),
        ] {
            assert_eq!(replaced(&records, &request, member), expected, "{records:?}");
        }
    }
}
