//! Carries out a plan: shows it, asks for confirmation, runs it and reports the result.

use super::Context;
use super::baseline::store;
use super::confirm::confirm;
use super::findings::Findings;
use super::lease::lease;
use super::prepared::Prepared;
use super::resume::{accepting, or_ended, undo};
use super::tries::Trials;
use crate::cli::{DryRun, Machine, OperationArgs, Output};
use crate::cluster::{Cluster, Tried};
use crate::duration::when;
use crate::error::{Exit, Result};
use crate::plan::{Action, ComparedWith, Plan};
use crate::recovery::executor::{Run, run};
use crate::recovery::prover::Stored;
use crate::recovery::{Availability, Ending, Phase, PhaseEnd, RunResult};
use crate::render::progress::Progress;
use crate::render::{InProgress, outcome as account, plan as planned, structured};
use crate::suggestion::{SuggestedCommand, Suggestion, plugin};
use crate::topology::Role;
use jiff::Timestamp;

/// Maximum number of missing names in one command: more were not removed on purpose one by one.
const MOST_ACCEPTED: usize = 20;

/// The commands that a run suggests.
pub(super) struct Commands {
    /// Resumes this run.
    pub(super) resume: Suggestion,
    /// Retries this run, if nothing was begun.
    pub(super) again: Suggestion,
}

/// Shows the plan, asks for confirmation, runs it and reports the result.
pub(super) async fn carry_out(
    context: &Context,
    cluster: &Cluster,
    args: &OperationArgs,
    prepared: Prepared,
    commands: &Commands,
) -> Result<Exit> {
    let resume = &commands.resume;
    let Prepared { plan, before, record, superseded, left_open, trials, findings } = prepared;
    let Findings { mut watch, mut prover, mut prober, seen, who, whose, now, .. } = findings;
    if let Some((what, taken)) = plan.baseline.earlier() {
        let when = taken.parse().map_or_else(|_| taken.to_owned(), |taken| when(taken, now));
        prover.compares_with(Stored { what: format!("{what} of {when}"), accept: plan.accept_missing.clone() });
    }
    let carried_out = args.dry_run == DryRun::None;
    match &args.output {
        Output::Machine(Machine::Json) => context.screen.result(&structured::line(&structured::plan(&plan))),
        Output::Machine(form) if !carried_out => {
            context.screen.result(&structured::document(form, &structured::plan(&plan))?)
        }
        _ if !carried_out => context.screen.result(&planned::plan(&plan, context.screen.out)),
        _ => context.screen.note(&format!("{}\n", planned::plan(&plan, context.screen.err))),
    }
    if let Some(refusal) = plan.refused(&commands.again) {
        return Err(refusal);
    }
    match args.dry_run {
        DryRun::Client => return Ok(Exit::Yes),
        DryRun::Server => return report_dry_run(context, args, &plan, &trials),
        DryRun::None => {}
    }
    context.unless_interrupted(confirm(context, args, &plan)).await?;

    watch.catch_up();
    let lease = context.unless_interrupted(lease(context, cluster, &plan, &watch, (seen, who))).await?;
    let mut progress = Progress::new(context.screen, &args.output, &plan.act);
    watch.catch_up();
    prober.begin();
    let in_progress = InProgress::begin(resume);
    let mut outcome = run(
        Run {
            plan: &plan,
            cluster,
            layout: context.layout(),
            prover: &prover,
            before,
            record,
            superseded,
            left_open,
            journal: &context.journal,
            timeout: args.timeout,
            settle: args.settle,
            interrupt: context.interrupt.clone(),
            lease: &lease,
        },
        &mut watch,
        &mut |event| progress.show(&event),
    )
    .await;
    outcome.notices.extend(lease.release().await.err().map(|error| error.to_string()));
    let pod_is_back = matches!(
        outcome.ending,
        Ending::Recovered | Ending::Replaced | Ending::Unverified(_) | Ending::DataMissing(_) | Ending::CatchingUp(_)
    );
    outcome.reachability = prober.end(pod_is_back, &context.interrupt).await;
    outcome.reachability.extend(plan.probes.not_measured.iter().cloned().map(Availability::from));
    let (found, taken) = (prover.found(), Timestamp::now());
    // After an undo nothing is left to verify.
    if matches!((&outcome.ending, &plan.act), (Ending::DataMissing(_), Action::Failover)) {
        outcome.accept = accept(resume, &found.missing);
    }
    // A safekeeper's old disk could vote twice: restoring it is never advised.
    if never_started(&outcome) && plan.target.role != Role::Safekeeper {
        outcome.undo = or_ended(context, undo(args, &plan.id)).command().cloned();
    }
    progress.end();
    // The others have what it lacks, and its old disk could vote twice.
    let fetches = plan.target.role == Role::Safekeeper && plan.act == Action::Failover;
    let next = match &outcome.ending {
        Ending::DataMissing(_) if fetches => resume.clone(),
        // What an earlier operation did not find again is not on the volume that this one retained.
        Ending::DataMissing(_) if matches!(plan.baseline, ComparedWith::Inherited { .. }) => {
            or_ended(context, undo(args, &plan.path()))
        }
        Ending::DataMissing(_) => or_ended(context, undo(args, &account::undoes(&plan, &outcome))),
        Ending::Unverified(_) if plan.lacks_baseline() => {
            or_ended(context, plugin("verify").namespace(&plan.target.namespace))
        }
        _ => resume.clone(),
    };
    let finished = match &outcome.ending {
        Ending::DataMissing(_) => !fetches,
        ending => matches!(ending, Ending::Recovered | Ending::Replaced),
    };
    if matches!(outcome.ending, Ending::DataMissing(_)) && !fetches && account::can_be_restored(&plan, &outcome) {
        outcome.undo = next.command().cloned();
    }
    report(context, args, &plan, &outcome, (&next, (!finished).then_some(resume)))?;
    drop(in_progress);
    // Only now: the result is current, and does not wait for this.
    if let (Ending::Recovered, Some(whose), Some(evidence)) = (&outcome.ending, whose, found.evidence) {
        store(cluster, [(whose, evidence)], taken).await.warn(context);
    }
    Ok(account::exit(&outcome.ending))
}

/// Returns whether a new pod was created on new claims, but never recovered, and a volume was retained that can be restored.
fn never_started(outcome: &RunResult) -> bool {
    let replaced = |(phase, end): &(Phase, PhaseEnd)| *phase == Phase::Recreate && matches!(end, PhaseEnd::After(..));
    matches!(outcome.ending, Ending::TimedOut(_))
        && outcome.phases.iter().any(replaced)
        && outcome.claims.iter().any(|claim| claim.retained_volume.is_some())
}

/// Returns the command that accepts data missing compared with a stored baseline; `None` if nothing can be accepted.
fn accept(resume: &Suggestion, names: &[String]) -> Option<SuggestedCommand> {
    let resume = resume.command().filter(|_| (1..=MOST_ACCEPTED).contains(&names.len()));
    resume.map(|resume| accepting(resume, names))
}

/// Reports how the server judged each step and the replacement objects. Nothing was changed.
fn report_dry_run(context: &Context, args: &OperationArgs, plan: &Plan, trials: &Trials) -> Result<Exit> {
    if args.output.is_for_people() {
        context.screen.result("\n");
    }
    if let Some(error) = trials.moot() {
        return Err(error);
    }
    for one in trials.tries.iter().filter(|one| one.tried == Tried::Accepted) {
        let line = || format!("{} (server dry run)\n", crate::render::sanitize_line(&one.what));
        match &args.output {
            Output::Machine(Machine::Json) => {
                context.screen.result(&structured::line(&structured::rehearsed(plan, &one.what)));
            }
            // The plan is the document.
            Output::Machine(_) => context.screen.note(&line()),
            _ => context.screen.result(&line()),
        }
    }
    Ok(Exit::Yes)
}

/// Reports the result. `next` is the next command for people, `resume` the command to resume, if there is something to resume.
fn report(
    context: &Context,
    args: &OperationArgs,
    plan: &Plan,
    outcome: &RunResult,
    (next, resume): (&Suggestion, Option<&Suggestion>),
) -> Result<()> {
    let document = || structured::outcome(plan, outcome, &reasons(&outcome.ending), resume);
    let text = match &args.output {
        Output::Machine(Machine::Json) => structured::line(&document()),
        Output::Machine(form) => structured::document(form, &document())?,
        _ => account::outcome(plan, outcome, next, context.screen.out),
    };
    context.screen.result(&text);
    Ok(())
}

fn reasons(ending: &Ending) -> Vec<String> {
    match ending {
        Ending::Recovered | Ending::Replaced | Ending::Interrupted => Vec::new(),
        Ending::Unverified(why) | Ending::TimedOut(why) | Ending::ClusterChanged(why) | Ending::CatchingUp(why) => {
            vec![why.clone()]
        }
        Ending::DataMissing(missing) => missing.clone(),
        Ending::Failed(error) => vec![error.to_string()],
    }
}
