//! `failover`: look, plan, ask, act, prove.

use super::Context;
use super::confirm::confirm;
use super::login::{login, note};
use super::reachability::{logins, may_be_asked, probes};
use super::resume::resume;
use super::scope::{DEADLINE, scope, stays};
use super::target::{Sought, target};
use crate::cli::{DryRun, FailoverArgs, Form};
use crate::cluster::write::Written;
use crate::cluster::{Cluster, ReadRequest, Watch, WatchRequest};
use crate::error::{Error, Exit, Result};
use crate::plan::{
    Before, Inputs, Outcome as Recorded, Plan, Probes, Proof, RECORD_VERSION, Record, RecordedClaim, Request, Step,
    needed, plan, proof,
};
use crate::probe::Login;
use crate::recovery::prober::Prober;
use crate::recovery::run::{Run, run};
use crate::recovery::witness::{Silence, Witness};
use crate::recovery::{Ending, Outcome, Reach};
use crate::render::progress::Progress;
use crate::render::{harmless, machine, outcome as account, plan as planned};
use crate::topology::target::TargetName;
use crate::topology::{Member, RECORD_ANNOTATION, Topology, build};
use crate::verify::Testimony;
use jiff::Timestamp;
use std::time::Duration;

/// What the component may take to say how it is before the act.
const BASELINE_DEADLINE: Duration = Duration::from_secs(10);
const SOUGHT: Sought = Sought {
    verb: "failover",
    act: "fail over",
    question: "Fail over which member?",
    so_far: Some("nothing was changed"),
};

pub(super) async fn failover(context: &Context, args: &FailoverArgs) -> Result<Exit> {
    let told = act(context, args).await;
    if let (Err(error), Form::Json) = (&told, args.output) {
        context.screen.result(&machine::line(&machine::error(error)));
    }
    told
}

async fn act(context: &Context, args: &FailoverArgs) -> Result<Exit> {
    let cluster = context.cluster().await?;
    let prepared = context.unless_interrupted(prepare(context, &cluster, args)).await?;
    let Prepared { plan, mut watch, witness, before, unfinished, mut prober } = prepared;

    let carried_out = args.dry_run == DryRun::None;
    match args.output {
        Form::Json => context.screen.result(&machine::line(&machine::plan(&plan))),
        Form::Yaml if !carried_out => context.screen.result(&machine::yaml(&machine::plan(&plan))?),
        Form::Text if !carried_out => context.screen.result(&planned::plan(&plan, context.screen.out)),
        Form::Text | Form::Yaml => context.screen.note(&format!("{}\n", planned::plan(&plan, context.screen.err))),
    }
    if let Some(refusal) = plan.refusal() {
        return Err(refusal);
    }
    match args.dry_run {
        DryRun::Client => return Ok(Exit::Yes),
        DryRun::Server => return rehearse(context, &cluster, args, &plan).await,
        DryRun::None => {}
    }
    context.unless_interrupted(confirm(context, args, &plan)).await?;

    let record = record(&cluster, &plan, unfinished, before.as_ref());
    let mut progress = Progress::new(context.screen, args.output);
    watch.catch_up();
    prober.begin();
    let mut outcome = run(
        Run {
            plan: &plan,
            cluster: &cluster,
            layout: &context.layout,
            witness: &witness,
            before,
            record,
            timeout: args.timeout,
            interrupt: context.interrupt.clone(),
        },
        &mut watch,
        &mut |event| progress.show(&event),
    )
    .await;
    let pod_is_back = matches!(
        outcome.ending,
        Ending::Recovered | Ending::NotVerified | Ending::Unproven(_) | Ending::DataMissing(_)
    );
    outcome.reachability = prober.end(pod_is_back, &context.interrupt).await;
    outcome.reachability.extend(plan.probes.not_measured.iter().cloned().map(Reach::from));
    progress.end();
    tell(context, args, &plan, &outcome)?;
    Ok(account::exit(&outcome.ending))
}

/// All that is needed to ask and to act.
struct Prepared {
    plan: Plan,
    watch: Watch,
    witness: Witness,
    before: Option<Testimony>,
    unfinished: Option<Record>,
    prober: Prober,
}

async fn prepare(context: &Context, cluster: &Cluster, args: &FailoverArgs) -> Result<Prepared> {
    let typed = args.target.as_deref().map(TargetName::parse);
    if typed.is_none() && !context.screen.interactive {
        return Err(Error::usage("failover takes a target where there is no terminal to choose on")
            .hint("kubectl synxdb status shows them"));
    }
    let namespace =
        typed.as_ref().and_then(|typed| typed.namespace.clone()).or_else(|| context.global.namespace.clone());
    let scope = scope(context, cluster, namespace.as_deref(), false, DEADLINE).await?;
    let besides = ReadRequest { volumes: true, nodes: true, ..ReadRequest::default() };
    let snapshot = scope.read(cluster, besides).await?;
    let topology = build(&snapshot, &context.layout);
    // Where it was named, whether or not anything is left in it.
    if let [only] = topology.spaces.as_slice() {
        stays(&topology, &only.namespace)?;
    }
    let member = target(context, cluster, &snapshot, &topology, typed, &SOUGHT).await?;
    stays(&topology, &member.namespace)?;

    let request = Request {
        id: id(),
        keep_claims: args.keep_pvc,
        verify: !args.no_verify,
        allow: args.allow.clone(),
        pod_uid: args.pod_uid.clone(),
        user: args.login.username.clone(),
    };
    let unfinished = Record::unfinished(&topology, &member.namespace, &member.name).filter(|_| !args.anew);
    let proof = proof(&topology, &member, &request);
    // What asks no database is not kept from it by a password file or root certificates.
    let resolved = login(context, &args.login);
    let login = match &proof {
        Proof::Sql { .. } => resolved.clone()?.within(cluster, &member.namespace, DEADLINE).await?,
        Proof::Page { .. } | Proof::Skipped { .. } => Login::default(),
    };
    let witness = Witness::new(cluster.clone(), member.namespace.clone(), proof, login);
    // Databases are asked from here on: the first answers take no time of their own.
    let measured = async {
        let mut probes = probes(context, cluster, args, &snapshot, &member).await?;
        let logins = logins(cluster, &resolved, &mut probes).await;
        let asked = if args.dry_run == DryRun::None { probes.clone() } else { Probes::default() };
        let mut prober = Prober::over(cluster, &asked, &logins);
        let (probes, ()) = futures::join!(may_be_asked(cluster, &probes), prober.first());
        prober.keep(&probes);
        Ok::<_, Error>((probes, prober))
    };
    // Permission, watch and baseline at the same time: none waits for another.
    let mut watch = cluster.watch(watch_request(&topology, &member));
    let permissions = needed(&member, &request);
    let (rights, opened, said, measured) = futures::join!(
        cluster.review(&permissions, DEADLINE),
        watch.opened(DEADLINE),
        witness.testify(BASELINE_DEADLINE),
        measured
    );
    let (probes, prober) = measured?;
    if let (Err(Silence::LoginRefused(reason)), Some(_)) = (&said, &unfinished) {
        // The plan shows the baseline of the first run, and nothing of the login now.
        note(context, &format!("the database refuses the login, and nothing can be proven with it: {reason}"));
    }
    let standing = member.pod.as_ref().map(|pod| &pod.uid);
    let replaced_already = request.pod_uid.as_ref().is_some_and(|uid| standing != Some(uid));
    let (before, testimony) = match (said, &unfinished) {
        // The baseline of a failover that is being finished is the one its first run took.
        (_, Some(record)) => match record.baseline.clone().and_then(|value| serde_json::from_value(value).ok()) {
            Some(testimony) => (Before::Answered { summary: Testimony::summary(&testimony) }, Some(testimony)),
            None => (Before::Silent { reason: "the interrupted run kept no baseline".into() }, None),
        },
        (Ok(testimony), None) if !replaced_already => {
            (Before::Answered { summary: testimony.summary() }, Some(testimony))
        }
        (Ok(_), None) => (Before::Silent { reason: "the interrupted run kept no baseline".into() }, None),
        (Err(Silence::NotAsked), None) => (Before::NotAsked, None),
        (Err(Silence::Because(reason)), None) => (Before::Silent { reason }, None),
        (Err(Silence::LoginRefused(reason)), None) => (Before::LoginRefused { reason }, None),
    };
    let plan = plan(Inputs {
        topology: &topology,
        member: &member,
        request: &request,
        rights: &rights,
        before,
        unfinished: unfinished.as_ref(),
        probes,
    });
    // A watch that may not be opened is a denied permission: the plan's own check says it better.
    if plan.refusal().is_none() {
        opened?;
    }
    Ok(Prepared { plan, watch, witness, before: testimony, unfinished, prober })
}

/// The volumes of the member's claims, and those that tell of its earlier failovers.
fn watch_request(topology: &Topology, member: &Member) -> WatchRequest {
    let mut volumes: Vec<String> = member.claims.iter().filter_map(|claim| claim.volume_name.clone()).collect();
    volumes.extend(topology.recorded.iter().filter_map(|volume| {
        let record = Record::parse(volume.record.as_ref()?)?;
        let of_this = record.namespace == member.namespace && record.pod == member.name;
        (of_this && record.outcome == Recorded::InProgress).then(|| volume.name.clone())
    }));
    volumes.sort();
    volumes.dedup();
    WatchRequest { namespace: member.namespace.clone(), volumes, events: true, nodes: false }
}

/// Has the server check each step, and changes nothing.
async fn rehearse(context: &Context, cluster: &Cluster, args: &FailoverArgs, plan: &Plan) -> Result<Exit> {
    let namespace = &plan.target.namespace;
    if args.output == Form::Text {
        context.screen.result("\n");
    }
    for step in &plan.steps {
        let (what, written) = match step {
            Step::Retain { volume, uid, .. } => (
                format!("persistentvolume/{volume} retained"),
                cluster.retain_volume(volume, uid, (RECORD_ANNOTATION, ""), true).await,
            ),
            Step::DeleteClaim { claim, uid } => (
                format!("persistentvolumeclaim/{claim} deleted"),
                cluster.delete_claim(namespace, claim, uid, true).await,
            ),
            Step::DeletePod { pod, uid } => {
                (format!("pod/{pod} deleted"), cluster.delete_pod(namespace, pod, uid, true).await)
            }
        };
        match written? {
            Written::Done { .. } => {
                let line = match args.output {
                    Form::Json => machine::line(&machine::rehearsed(&what)),
                    Form::Text | Form::Yaml => format!("{} (server dry run)\n", harmless(&what)),
                };
                context.screen.result(&line);
            }
            Written::Gone => return Err(Error::refused(format!("{what}: it is gone")).because("nothing was changed")),
            Written::Changed { message, .. } => {
                return Err(Error::refused(format!("{what}: {message}")).because("nothing was changed"));
            }
        }
    }
    Ok(Exit::Yes)
}

fn record(cluster: &Cluster, plan: &Plan, unfinished: Option<Record>, before: Option<&Testimony>) -> Record {
    if let Some(record) = unfinished {
        return record;
    }
    let volume = |claim: &str| {
        plan.steps.iter().find_map(|step| match step {
            Step::Retain { volume, claim: of, policy, .. } if of == claim => Some((volume.clone(), policy.clone())),
            _ => None,
        })
    };
    let claims = plan.replaced_claims.iter().map(|claim| {
        let (volume, policy) = volume(&claim.name).unzip();
        RecordedClaim { name: claim.name.clone(), uid: claim.uid.clone(), volume, reclaim_policy: policy }
    });
    Record {
        version: RECORD_VERSION,
        id: plan.id.clone(),
        started: Timestamp::now().to_string(),
        finished: None,
        outcome: Recorded::InProgress,
        context: cluster.context_name().to_owned(),
        namespace: plan.target.namespace.clone(),
        pod: plan.target.pod.clone(),
        pod_uid: plan.target.uid.clone(),
        keep_claims: plan.keep_claims,
        claims: claims.collect(),
        healed: 0,
        canary: None,
        baseline: before.and_then(|before| serde_json::to_value(before).ok()),
    }
}

fn tell(context: &Context, args: &FailoverArgs, plan: &Plan, outcome: &Outcome) -> Result<()> {
    let resume = resume(context, args, plan);
    let finished = matches!(outcome.ending, Ending::Recovered | Ending::NotVerified | Ending::DataMissing(_));
    let document = || machine::outcome(plan, outcome, &reasons(&outcome.ending), (!finished).then_some(&*resume));
    let text = match args.output {
        Form::Text => account::outcome(plan, outcome, &resume, context.screen.out),
        Form::Json => machine::line(&document()),
        Form::Yaml => machine::yaml(&document())?,
    };
    context.screen.result(&text);
    Ok(())
}

fn reasons(ending: &Ending) -> Vec<String> {
    match ending {
        Ending::Recovered | Ending::NotVerified | Ending::Interrupted => Vec::new(),
        Ending::Unproven(why) | Ending::TimedOut(why) | Ending::Changed(why) => vec![why.clone()],
        Ending::DataMissing(missing) => missing.clone(),
        Ending::Failed(error) => vec![error.to_string()],
    }
}

/// A name for this failover: short, and unlikely to be given twice.
fn id() -> String {
    uuid::Uuid::new_v4().simple().to_string().chars().take(8).collect()
}
