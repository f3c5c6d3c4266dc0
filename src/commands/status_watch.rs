//! `status -w`: judges again at each change. Does not poll.

use super::Context;
use super::namespaces::{Scope, among, of_context, reachable, scope};
use super::status_selection::{DEADLINE, is_everywhere, only, only_what_is_read, wanted};
use crate::cli::{Output, StatusArgs};
use crate::cluster::snapshot::{Read, Snapshot};
use crate::cluster::{Connection, Outage, Survey};
use crate::error::{Exit, Result};
use crate::plan::judge_unfinished;
use crate::render::live::Live;
use crate::render::status::verdict;
use crate::topology::health::{Health, Report, judge};
use crate::topology::{Gap, Part, build};
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// An outage that is shorter is not shown.
const MOMENTARY: Duration = Duration::from_secs(1);

/// How often ages are redrawn without a change.
const AGES: Duration = Duration::from_secs(5);

/// Watches until the user stops it; the exit code reflects the last state.
pub(super) async fn follow(context: &Context, args: &StatusArgs) -> Result<Exit> {
    let cluster = context.cluster_with_timeout(DEADLINE).await?;
    let typed = context.global.namespace.as_deref();
    let scope = scope(context, &cluster, typed, args.all_namespaces, DEADLINE);
    let mut scope = context.unless_interrupted(scope).await?.with_named_by(&args.targets, context.layout());
    let wide = !matches!(args.output, Output::Text | Output::Name);
    // As at the start: namespaces of other names that come later are not watched.
    let labelled_pods = scope.labelled_pods.clone();
    let stateful_sets = async {
        if is_everywhere(context, &cluster, args) {
            return Ok(cluster.stateful_sets_everywhere(DEADLINE).await);
        }
        Ok(Read::NotAsked)
    };
    scope.stateful_sets = context.unless_interrupted(stateful_sets).await?;
    let mut survey = cluster.survey(&scope.namespaces, false, true);
    let opened = async {
        survey.opened(DEADLINE).await;
        Ok(())
    };
    context.unless_interrupted(opened).await?;
    let first = seen(&survey, &scope);
    reachable(&cluster, &first)?;
    let wanted = wanted(&build(&first, context.layout()), context, &args.targets)?;

    let mut live = Live::new(context.screen, &args.output, (args.no_headers, args.all_members));
    let mut resized = Resized::new();
    let (mut outage, mut noted) = (Noticed::default(), false);
    loop {
        let mut snapshot = seen(&survey, &scope);
        if !wide {
            only_what_is_read(&mut snapshot);
        }
        let topology = only(build(&snapshot, context.layout()), wanted.as_deref());
        let mut report = judge(&topology);
        judge_unfinished(&mut report, &topology, Timestamp::now());
        let lasts = outage.lasts(survey.connection());
        if let Some(outage) = &lasts {
            outdated(&mut report, outage);
            if live.only_rows() && !noted {
                context.screen.note(&verdict(&report, context.screen.err));
            }
        }
        noted = lasts.is_some();
        if !live.show((&report, &topology), &args.output, Timestamp::now())? {
            return Ok(exit(&report));
        }
        let ages = async { if live.ages() { tokio::time::sleep(AGES).await } else { std::future::pending().await } };
        tokio::select! {
            biased;
            () = context.interrupt.cancelled() => return Ok(exit(&report)),
            changed = survey.changed() => changed?,
            () = resized.next() => {}
            () = ages => {}
            () = outage.due() => {}
        }
        // Accounts are added and removed, unless one was named.
        if typed.or(of_context(&cluster, args.all_namespaces)).is_none()
            && let Read::Known(all) = survey.namespaces()
        {
            let stateful_sets = scope.stateful_sets;
            let labelled_pods = labelled_pods.clone();
            scope = among(all, None, context.layout())?.with_named_by(&args.targets, context.layout());
            scope = Scope { stateful_sets, labelled_pods, ..scope };
            survey.follow(&scope.namespaces);
            // A new namespace is shown once it has been read.
            survey.opened(DEADLINE).await;
        }
    }
}

fn exit(report: &Report) -> Exit {
    match report.health {
        Health::Healthy | Health::Suspended => Exit::Yes,
        Health::Degraded | Health::Unknown | Health::Absent => Exit::Degraded,
    }
}

fn seen(survey: &Survey, scope: &Scope) -> Snapshot {
    Snapshot {
        namespace_names: scope.names.clone(),
        terminating: scope.terminating.clone(),
        passed_over: scope.passed_over.clone(),
        named: scope.named.clone(),
        labelled_pods: scope.labelled_pods.clone(),
        stateful_sets_everywhere: scope.stateful_sets.clone(),
        ..survey.snapshot()
    }
}

/// What was read last is not the current state: whatever that was, it is unknown now.
fn outdated(report: &mut Report, outage: &Outage) {
    report.health = Health::Unknown;
    let part = Part::Other("current state".into());
    report.gaps.insert(0, Gap { part, why: format!("{outage}; showing the last known state"), transient: true });
}

/// An outage, once it has lasted: a connection that is cut and opened again at once is none.
#[derive(Default)]
struct Noticed(Option<Instant>);

impl Noticed {
    /// Returns the outage if it has lasted.
    fn lasts(&mut self, connection: Connection) -> Option<Outage> {
        let Connection::Away(outage) = connection else {
            self.0 = None;
            return None;
        };
        let noticed = *self.0.get_or_insert_with(Instant::now);
        (noticed.elapsed() >= MOMENTARY).then_some(outage)
    }

    /// Waits until it has lasted.
    async fn due(&self) {
        match self.0.map(|noticed| MOMENTARY.saturating_sub(noticed.elapsed())) {
            Some(left) if !left.is_zero() => tokio::time::sleep(left).await,
            _ => std::future::pending().await,
        }
    }
}

/// Resizes of the terminal.
#[cfg(unix)]
struct Resized(Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Resized {
    fn new() -> Self {
        Self(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change()).ok())
    }

    async fn next(&mut self) {
        let event = match &mut self.0 {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if event.is_none() {
            std::future::pending().await
        }
    }
}

#[cfg(not(unix))]
struct Resized;

#[cfg(not(unix))]
impl Resized {
    fn new() -> Self {
        Self
    }

    async fn next(&mut self) {
        std::future::pending().await
    }
}
