//! `verify`: reads the cluster, queries every component, and reports the result.

use super::Context;
use super::baseline::{BaselineOwner, store};
use super::context::DEADLINE;
use super::login::{login, note};
use super::namespaces::scope;
use super::status_selection::wanted;
use crate::cli::{Output, VerifyArgs};
use crate::cluster::snapshot::{Read, Snapshot};
use crate::cluster::{Cluster, ReadRequest, files};
use crate::error::{Error, Exit, Result};
use crate::probe::PageAccess;
use crate::render::progress::Waiting;
use crate::render::{structured, verify as text};
use crate::suggestion::plugin;
use crate::topology::health::{BY_NAMES_ALONE, not_looked_into, not_recognized};
use crate::topology::{Space, Topology, build};
use crate::verify::inspect::QUESTION;
use crate::verify::{
    CheckKind, Coverage, Inspection, Judgement, Options, Saved, VerifyCheck, VerifyTarget, VerifyVerdict, inspect,
    subjects, verdict,
};
use jiff::Timestamp;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time until the progress line is shown.
const SHOWN_AFTER: Duration = Duration::from_millis(500);
/// Maximum bytes of a baseline file: 50 servers of 50 databases are less.
const LARGEST_BASELINE: u64 = 256 << 20;

pub(super) async fn verify(context: &Context, args: &VerifyArgs) -> Result<Exit> {
    // Before any query: read the baseline, and check that the new file does not exist.
    let against = args.against.as_deref().map(read_baseline).transpose()?;
    if let Some(path) = &args.save {
        not_existing(path)?;
    }
    let login = login(context, &args.login)?;
    let page_token = PageAccess::resolve(&args.pages)?;
    let cluster = context.cluster().await?;
    let Observed { topology, everything, gaps, going } = observe(context, &cluster, args).await?;
    let wanted = wanted(&topology, context, &args.targets)?;
    let among = |path: String| wanted.as_ref().is_none_or(|wanted| wanted.contains(&path));
    let asked =
        subjects(&topology, |member| among(member.path()), |namespace, set| among(format!("{namespace}/{set}")));
    let options = Options {
        user: login.user().map(str::to_owned),
        login: login.for_members_of(&topology),
        page_token: page_token.for_members_of(&topology),
        database: args.database.clone(),
        canary: (!args.read_only).then(|| format!("verify_{}", uuid::Uuid::new_v4().simple())),
        deadline: cluster.lengthened(QUESTION),
        before: against.as_ref().map(|saved| saved.members.clone()).unwrap_or_default(),
    };
    let Inspection { mut checks, evidence, catalog_only } = query(context, &cluster, &asked, &options).await;
    if let Some(saved) = against {
        let saved = match &args.database {
            Some(database) => saved.of_database(database),
            None => saved,
        };
        if let Some(path) = &args.against {
            context.screen.note(&text::compared(path, &saved, cluster.context_name()));
        }
        let covered = |path: &str| covered(path, &topology, everything, wanted.as_deref());
        checks.extend(saved.compared(&evidence, covered));
    }
    checks.extend(gaps);
    checks.extend(going);

    let now = Timestamp::now();
    let saved = Saved::new(now.to_string(), cluster.context_name(), evidence);
    if let Some(path) = &args.save {
        save(path, &saved)?;
        context.screen.note(&text::saved(path, &saved));
    }
    let paint = context.screen.out;
    let out = match &args.output {
        Output::Machine(form) => structured::document(form, &structured::verification(&checks, &saved.members))?,
        _ if args.no_headers => text::rows(&checks, false, paint),
        Output::Wide => text::wide(&checks, paint),
        _ => text::verify(&checks, paint),
    };
    context.screen.result(&out);
    let verdict = verdict(&checks);
    // One database is not the whole server.
    if verdict == VerifyVerdict::Passed && !args.read_only && args.database.is_none() {
        // A baseline from the catalog only does not replace one with counted rows.
        let counted = saved.members.iter().filter(|(path, _)| !catalog_only.contains(*path));
        let verified = counted.filter_map(|(path, evidence)| {
            let (namespace, pod) = path.split_once('/')?;
            Some((BaselineOwner::of_pod(&topology, namespace, pod), evidence.clone()))
        });
        store(&cluster, verified.collect::<Vec<_>>(), now).await.report(context);
    }
    Ok(match verdict {
        VerifyVerdict::Passed => Exit::Yes,
        VerifyVerdict::Failed => Exit::VerificationFailed,
        VerifyVerdict::Skipped | VerifyVerdict::Unknown => Exit::Degraded,
    })
}

/// Queries the targets; shows on a terminal what it waits for.
async fn query(context: &Context, cluster: &Cluster, asked: &[VerifyTarget], options: &Options) -> Inspection {
    let answers = inspect(cluster, asked, options);
    tokio::pin!(answers);
    tokio::select! {
        found = &mut answers => return found,
        () = tokio::time::sleep(SHOWN_AFTER) => {}
    }
    let _line = Waiting::begin(context.screen, &text::progress(asked));
    answers.await
}

/// What Kubernetes reports.
struct Observed {
    topology: Topology,
    /// Whether all SynxDB namespaces were read.
    everything: bool,
    /// What could not be read.
    gaps: Vec<VerifyCheck>,
    /// Which namespaces are terminating.
    going: Vec<VerifyCheck>,
}

async fn observe(context: &Context, cluster: &Cluster, args: &VerifyArgs) -> Result<Observed> {
    let typed = context.global.namespace.as_deref();
    let scope = scope(context, cluster, typed, args.all_namespaces, DEADLINE).await?;
    let scope = scope.with_named_by(&args.targets, context.layout());
    // Without the right to list namespaces there may be accounts that were not read.
    let narrowed =
        typed.is_some() || (!args.all_namespaces && cluster.namespace().is_some_and(|name| name != "default"));
    let mut gaps = Vec::new();
    if let (Read::Unknown(part), false) = (&scope.names, narrowed) {
        let judged = Judgement::unknown(format!("unknown which accounts exist: {}", part.reason));
        gaps.push(judged.on(CheckKind::Members, "", "namespaces", Duration::ZERO));
    }
    let everywhere = async {
        if narrowed || !args.targets.is_empty() {
            return Read::NotAsked;
        }
        cluster.stateful_sets_everywhere(DEADLINE).await
    };
    let (snapshot, sets) = futures::join!(scope.read(cluster, ReadRequest::default()), everywhere);
    let snapshot = Snapshot { stateful_sets_everywhere: sets, ..snapshot? };
    for objects in &snapshot.namespaces {
        let pods = if let Read::Unknown(part) = &objects.pods { Some(part) } else { None };
        let sets = if let Read::Unknown(part) = &objects.stateful_sets { Some(part) } else { None };
        gaps.extend([pods, sets].into_iter().flatten().map(|part| {
            let judged = Judgement::unknown(part.reason.clone());
            judged.on(CheckKind::Members, &objects.namespace, part.resource, Duration::ZERO)
        }));
    }
    let topology = build(&snapshot, context.layout());
    let passed_over = topology.passed_over.iter().map(|name| (name, "skipped (terminating)"));
    let going = topology.spaces.iter().filter(|space| space.terminating);
    let going: Vec<VerifyCheck> = going
        .map(|space| (&space.namespace, "terminating"))
        .chain(passed_over)
        .map(|(name, why)| Judgement::skipped(why).on(CheckKind::Namespace, name, "", Duration::ZERO))
        .collect();
    let everything = !narrowed && gaps.is_empty();
    let wanted_all = args.targets.is_empty();
    gaps.extend(topology.unrecognized().filter(|_| wanted_all).map(|one| {
        let what = one.pods.first().unwrap_or(&one.workload);
        let judged = Judgement::unknown(not_recognized(one).why);
        judged.on(CheckKind::Members, &one.namespace, what, Duration::ZERO)
    }));
    if let (Read::Unknown(part), false) = (&snapshot.labelled_pods, topology.by_names_alone || narrowed) {
        let judged = Judgement::unknown(format!("unknown which accounts exist: {}", part.reason));
        gaps.push(judged.on(CheckKind::Members, "", "pods", Duration::ZERO));
    }
    if topology.by_names_alone && wanted_all {
        note(context, BY_NAMES_ALONE);
    }
    let suspended = topology.spaces.iter().any(|space| !space.suspensions().is_empty());
    if gaps.is_empty() && topology.members().next().is_none() && !suspended {
        let (searched, next) = crate::render::status::absent(snapshot.namespaces.len(), cluster.context_name());
        let error = Error::new(Exit::Degraded, "no SynxDB component to verify").because(searched);
        let error = next.into_iter().fold(error, Error::hint);
        return Err(topology.passed_over.iter().fold(error, |error, name| error.because(not_looked_into(name))));
    }
    Ok(Observed { topology, everything, gaps, going })
}

/// Returns whether this run covers a component of a baseline.
fn covered(path: &str, topology: &Topology, everything: bool, wanted: Option<&[String]>) -> Coverage {
    let (namespace, _) = path.split_once('/').unwrap_or(("", path));
    let here = topology.members().any(|member| member.path() == path);
    match wanted {
        Some(wanted) if !wanted.iter().any(|wanted| wanted == path) => Coverage::Outside,
        _ if topology.space(namespace).is_some_and(Space::suspended) => Coverage::Suspended,
        _ if here => Coverage::Asked,
        _ if topology.passed_over.iter().any(|name| name == namespace) => Coverage::PassedOver,
        _ if everything || topology.space(namespace).is_some_and(|space| space.gaps.is_empty()) => Coverage::Gone,
        _ => Coverage::Outside,
    }
}

fn read_baseline(path: &Path) -> Result<Saved> {
    let cannot = |why: String| Error::failure(format!("cannot read the baseline {}", path.display())).because(why);
    let text = files::text(path, LARGEST_BASELINE).map_err(|error| cannot(error.to_string()))?;
    Saved::parse(&text)
}

/// Checks that the file does not exist: a baseline is valuable once data is missing, so it is never overwritten.
fn not_existing(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(Error::refused(format!("{} exists already", path.display()))
            .because("refusing to overwrite; nothing was checked")
            .hint(plugin("verify --save FILE").note("to save it to another file")));
    }
    Ok(())
}

/// Writes the file atomically, readable by its owner only: table names are confidential.
fn save(path: &Path, saved: &Saved) -> Result<()> {
    let text = saved.to_text()?;
    let half = half_written(path);
    let written = private(&half).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // A link, unlike a rename, does not replace another file.
        fs::hard_link(&half, path)
    });
    let _ = fs::remove_file(&half);
    written.map_err(|error| Error::failure(format!("cannot write the baseline {}", path.display())).because_of(error))
}

fn half_written(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}", std::process::id()));
    path.with_file_name(name)
}

fn private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}
