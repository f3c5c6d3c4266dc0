//! Shows a plan, asks, acts, proves and tells.

use super::Context;
use super::baseline::store;
use super::confirm::confirm;
use super::findings::Findings;
use super::lease::lease;
use super::prepared::Prepared;
use super::tries::Trials;
use crate::cli::{DryRun, Machine, OperationArgs, Output};
use crate::cluster::{Cluster, Tried};
use crate::error::{Exit, Result};
use crate::plan::{Action, ComparedWith, Plan};
use crate::recovery::executor::{Run, run};
use crate::recovery::prover::Stored;
use crate::recovery::{Availability, Ending, Outcome, Phase, PhaseEnd};
use crate::render::progress::Progress;
use crate::render::{outcome as account, plan as planned, structured};
use crate::topology::Role;
use crate::topology::when::when;
use jiff::Timestamp;

/// Most names of what is missing in one command: more were not removed on purpose one by one.
const MOST_ACCEPTED: usize = 20;

/// The commands that a run names.
pub(super) struct Commands {
    /// Goes on where this run stops.
    pub(super) resume: String,
    /// Asks for the same once more: nothing was begun.
    pub(super) again: String,
}

/// Shows the plan, asks, acts and tells.
pub(super) async fn carry_out(
    context: &Context,
    cluster: &Cluster,
    args: &OperationArgs,
    prepared: Prepared,
    commands: &Commands,
) -> Result<Exit> {
    let resume = commands.resume.as_str();
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
        DryRun::Server => return rehearsed(context, args, &plan, &trials),
        DryRun::None => {}
    }
    context.unless_interrupted(confirm(context, args, &plan)).await?;

    watch.catch_up();
    let lease = context.unless_interrupted(lease(context, cluster, &plan, &watch, (seen, who))).await?;
    let mut progress = Progress::new(context.screen, &args.output, &plan.act);
    watch.catch_up();
    prober.begin();
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
    outcome.notices.extend(lease.release().await.err());
    let pod_is_back = matches!(
        outcome.ending,
        Ending::Recovered | Ending::Replaced | Ending::Unverified(_) | Ending::DataMissing(_) | Ending::CatchingUp(_)
    );
    outcome.reachability = prober.end(pod_is_back, &context.interrupt).await;
    outcome.reachability.extend(plan.probes.not_measured.iter().cloned().map(Availability::from));
    let (found, taken) = (prover.found(), Timestamp::now());
    // Of an undo there is nothing left to be proven.
    if matches!((&outcome.ending, &plan.act), (Ending::DataMissing(_), Action::Failover)) {
        outcome.accept = accept(context, resume, &found.missing);
    }
    // A safekeeper's old disk could vote twice: that one is never the advice.
    if does_not_come_up(&outcome) && plan.target.role != Role::Safekeeper {
        outcome.undo = Some(super::resume::undo(context, args, &plan.id).text()).filter(|_| !context.global.sandbox);
    }
    progress.end();
    // What it lacks the others have, and its old disk could vote twice.
    let fetches = plan.target.role == Role::Safekeeper && plan.act == Action::Failover;
    let next = match &outcome.ending {
        Ending::DataMissing(_) if fetches => resume.to_owned(),
        // What an earlier act did not find again is not on the disk that this one set aside.
        Ending::DataMissing(_) if matches!(plan.baseline, ComparedWith::Inherited { .. }) => {
            super::resume::undo(context, args, &plan.path()).text()
        }
        Ending::DataMissing(_) => super::resume::undo(context, args, &account::undoes(&plan, &outcome)).text(),
        Ending::Unverified(_) if plan.lacks_baseline() => {
            super::resume::verify(context, args, &plan.target.namespace).text()
        }
        _ => resume.to_owned(),
    };
    let finished = match &outcome.ending {
        Ending::DataMissing(_) => !fetches,
        ending => matches!(ending, Ending::Recovered | Ending::Replaced),
    };
    if matches!(outcome.ending, Ending::DataMissing(_)) && !fetches && account::can_be_put_back(&plan, &outcome) {
        outcome.undo = Some(next.clone()).filter(|_| !context.global.sandbox);
    }
    tell(context, args, &plan, &outcome, (&next, (!finished).then_some(resume)))?;
    // Only now: what is told is true at this moment, and waits for nothing.
    if let (Ending::Recovered, Some(whose), Some(evidence)) = (&outcome.ending, whose, found.evidence) {
        store(cluster, [(whose, evidence)], taken).await.warn(context);
    }
    Ok(account::exit(&outcome.ending))
}

/// Whether the new pod was there in time, on new claims, and not for good; and something was set aside that can be put back.
fn does_not_come_up(outcome: &Outcome) -> bool {
    let replaced = |(phase, end): &(Phase, PhaseEnd)| *phase == Phase::Replaced && matches!(end, PhaseEnd::After(..));
    matches!(outcome.ending, Ending::TimedOut(_))
        && outcome.phases.iter().any(replaced)
        && outcome.claims.iter().any(|claim| claim.retained_volume.is_some())
}

/// The command that accepts what is missing since a stored baseline; `None` if nothing can be accepted.
fn accept(context: &Context, resume: &str, names: &[String]) -> Option<String> {
    let few = (1..=MOST_ACCEPTED).contains(&names.len()) && !context.global.sandbox;
    few.then(|| super::resume::accepting(resume, names))
}

/// Tells what the server said to each step and to what is created afterwards. Nothing was changed.
fn rehearsed(context: &Context, args: &OperationArgs, plan: &Plan, trials: &Trials) -> Result<Exit> {
    if args.output.is_for_people() {
        context.screen.result("\n");
    }
    if let Some(error) = trials.moot() {
        return Err(error);
    }
    for one in trials.tries.iter().filter(|one| one.tried == Tried::Accepted) {
        let told = || format!("{} (server dry run)\n", crate::render::sanitize_line(&one.what));
        match &args.output {
            Output::Machine(Machine::Json) => {
                context.screen.result(&structured::line(&structured::rehearsed(plan, &one.what)));
            }
            // The plan is the document.
            Output::Machine(_) => context.screen.note(&told()),
            _ => context.screen.result(&told()),
        }
    }
    Ok(Exit::Yes)
}

/// `next` is what people do next, `resume` the command that goes on, if there is something to go on with.
fn tell(
    context: &Context,
    args: &OperationArgs,
    plan: &Plan,
    outcome: &Outcome,
    (next, resume): (&str, Option<&str>),
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
