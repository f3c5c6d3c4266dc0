//! `failover`: look, plan, ask, act, prove.

use super::Context;
use super::confirm::{asked, confirm};
use super::login::{login, note};
use super::reachability::{logins, may_be_asked, probes};
use super::scope::scope;
use super::status::reachable;
use crate::cli::{DryRun, FailoverArgs, Form, SslMode};
use crate::cluster::snapshot::{Read, Snapshot};
use crate::cluster::write::Written;
use crate::cluster::{Cluster, Freshness, ReadRequest, Watch, WatchRequest};
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
use crate::render::{machine, outcome as account, plan as planned, prompt};
use crate::topology::health::trouble;
use crate::topology::target::{TargetMatch, TargetName, match_target};
use crate::topology::{Member, RECORD_ANNOTATION, Topology, build};
use crate::verify::Testimony;
use jiff::Timestamp;
use std::time::Duration;

/// What each read before a destructive act may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);
/// What the component may take to say how it is before the act.
const BASELINE_DEADLINE: Duration = Duration::from_secs(10);

pub(super) async fn failover(context: &Context, args: &FailoverArgs) -> Result<Exit> {
    let told = act(context, args).await;
    if let (Err(error), Form::Json) = (&told, args.output) {
        context.screen.result(&format!("{}\n", machine::error(error)));
    }
    told
}

async fn act(context: &Context, args: &FailoverArgs) -> Result<Exit> {
    let cluster = context.cluster().await?;
    let prepared = context.unless_interrupted(prepare(context, &cluster, args)).await?;
    let Prepared { plan, mut watch, witness, before, unfinished, mut prober } = prepared;

    let carried_out = args.dry_run == DryRun::None;
    match args.output {
        Form::Json => context.screen.result(&format!("{}\n", machine::plan(&plan))),
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
    let request = ReadRequest {
        namespaces: scope.namespaces.clone(),
        volumes: true,
        nodes: true,
        freshness: Freshness::Consistent,
        deadline: DEADLINE,
        ..ReadRequest::default()
    };
    let snapshot = Snapshot { namespace_names: scope.names, ..cluster.read(&request).await };
    reachable(cluster, &snapshot)?;
    let topology = build(&snapshot, &context.layout);
    let member = target(context, cluster, &snapshot, &topology, typed).await?;

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

async fn target(
    context: &Context,
    cluster: &Cluster,
    snapshot: &Snapshot,
    topology: &Topology,
    typed: Option<TargetName>,
) -> Result<Member> {
    let Some(typed) = typed else {
        let mut members: Vec<&Member> = topology.members().collect();
        // Those in trouble first; otherwise as `status` shows them.
        members.sort_by_key(|member| trouble(member).is_none());
        return choose(context, "Fail over which member?", &members).await;
    };
    match match_target(topology, None, &typed.name) {
        TargetMatch::One(member) => Ok(member.clone()),
        TargetMatch::Many(members) if context.screen.interactive => {
            choose(context, &format!("{} may be any of these. Which?", typed.name), &members).await
        }
        TargetMatch::Many(members) => {
            let error = Error::usage(format!("{} may be any of {} pods", typed.name, members.len()));
            Err(members
                .iter()
                .fold(error, |error, member| error.hint(format!("kubectl synxdb failover {}", member.path()))))
        }
        TargetMatch::Stranger(namespaces) => Err(Error::refused(format!(
            "{}/{} is no SynxDB member, as far as the layout knows",
            namespaces[0], typed.name
        ))
        .because("nothing was changed")
        .hint("kubectl synxdb layout shows what is; --layout FILE changes it")),
        TargetMatch::None(near) => Err(nowhere(cluster, snapshot, &typed.name, &near).await),
    }
}

async fn choose(context: &Context, question: &str, members: &[&Member]) -> Result<Member> {
    if members.is_empty() {
        return Err(Error::failure("there is no SynxDB member to fail over").hint("kubectl synxdb status -A"));
    }
    let items: Vec<String> = members
        .iter()
        .map(|member| match trouble(member) {
            Some(trouble) => format!("{} ({}): {}", member.path(), member.role, trouble.because),
            None => format!("{} ({})", member.path(), member.role),
        })
        .collect();
    let (screen, question) = (context.screen, question.to_owned());
    match asked(context, prompt::Before::list(screen), move || prompt::choose(screen, &question, &items)).await? {
        Some(index) => Ok(members[index].clone()),
        None => Err(Error::new(Exit::Declined, "no member was chosen; nothing was changed")),
    }
}

/// A name that no member carries: what could not be read, where such a pod is after all, and the nearest names.
async fn nowhere(cluster: &Cluster, snapshot: &Snapshot, name: &str, near: &[String]) -> Error {
    for objects in &snapshot.namespaces {
        if let Read::Unknown(part) = &objects.pods {
            return cluster.unreadable(part);
        }
    }
    if let Read::Known(pods) = cluster.find_pods(name, DEADLINE).await
        && let Some(namespace) = pods.first().and_then(|pod| pod.metadata.namespace.clone())
    {
        let looked_at = snapshot.namespaces.iter().any(|objects| objects.namespace == namespace);
        if !looked_at {
            return Error::refused(format!("{namespace}/{name} is not in a namespace that was looked at"))
                .because("nothing was changed")
                .hint(format!("kubectl synxdb failover {name} -n {namespace}"));
        }
    }
    let error = Error::failure(format!("there is no pod {name:?}"));
    match near.first() {
        Some(nearest) => {
            error.because(format!("near it: {}", near.join(", "))).hint(format!("kubectl synxdb failover {nearest}"))
        }
        None => error.hint("kubectl synxdb status shows all members"),
    }
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
                    Form::Json => format!("{}\n", machine::rehearsed(&what)),
                    Form::Text | Form::Yaml => format!("{what} (server dry run)\n"),
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
        Form::Json => format!("{}\n", document()),
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

/// The command that finishes this failover: the same one, pinned to the pod that it was for.
fn resume(context: &Context, args: &FailoverArgs, plan: &Plan) -> String {
    let global = &context.global;
    if global.sandbox {
        return "the private practice cluster ended with this command; kubectl synxdb sandbox keeps one".into();
    }
    let mut command = format!("kubectl synxdb failover {}", plan.path());
    let mut flag = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            command.push_str(&format!(" {name} {}", quoted(value)));
        }
    };
    flag("--context", global.context.as_deref());
    flag("--kubeconfig", global.kubeconfig.as_deref().and_then(|path| path.to_str()));
    flag("--cluster", global.cluster.as_deref());
    flag("--user", global.user.as_deref());
    flag("--server", global.server.as_deref());
    flag("--as", global.as_user.as_deref());
    flag("--as-uid", global.as_uid.as_deref());
    for group in &global.as_group {
        flag("--as-group", Some(group));
    }
    flag("--request-timeout", global.request_timeout.as_deref());
    flag("--tls-server-name", global.tls_server_name.as_deref());
    flag("--certificate-authority", global.certificate_authority.as_deref().and_then(|path| path.to_str()));
    flag("--client-certificate", global.client_certificate.as_deref().and_then(|path| path.to_str()));
    flag("--client-key", global.client_key.as_deref().and_then(|path| path.to_str()));
    flag("--layout", global.layout.as_deref().and_then(|path| path.to_str()));
    // Where the password is, never what it is.
    let secret = args.login.password_secret.as_ref().map(ToString::to_string);
    flag("--username", args.login.username.as_deref());
    flag("--password-secret", secret.as_deref());
    flag("--sslmode", args.login.sslmode.map(SslMode::name));
    flag("--sslrootcert", args.login.sslrootcert.as_deref().and_then(|path| path.to_str()));
    flag("--sslservername", args.login.sslservername.as_deref());
    for probe in &args.probe {
        flag("--probe", Some(probe));
    }
    flag("--pod-uid", Some(plan.target.uid.as_str()).filter(|uid| !uid.is_empty()));
    for (given, flag) in [
        (global.insecure_skip_tls_verify, " --insecure-skip-tls-verify"),
        // A token is a secret: that one is to be given, not which.
        (global.token.is_some(), " --token \"$TOKEN\""),
        (args.keep_pvc, " --keep-pvc"),
        (args.no_verify, " --no-verify"),
        (args.no_probe, " --no-probe"),
    ] {
        if given {
            command.push_str(flag);
        }
    }
    command
}

/// A word as a shell takes it whole.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A name for this failover: short, and unlikely to be given twice.
fn id() -> String {
    uuid::Uuid::new_v4().simple().to_string().chars().take(8).collect()
}
