//! What is learned about a component before a failover or an undo, concurrently.

use super::Context;
use super::availability::{logins, permitted, probes};
use super::baseline::{BaselineOwner, Stored, stored};
use super::context::DEADLINE;
use super::lease::{in_flight, others};
use super::login::login;
use super::sight::Sight;
use crate::cli::{DryRun, OperationArgs};
use crate::cluster::permission::{Allowed, Permission};
use crate::cluster::snapshot::Read;
use crate::cluster::{Cluster, ObservedLease, Watch, WatchRequest};
use crate::error::{Error, Result};
use crate::plan::{Before, InFlight, Probes, Proof};
use crate::probe::http::Deadlines;
use crate::probe::{Login, PageAccess};
use crate::recovery::prober::Prober;
use crate::recovery::prover::{NoEvidence, Prover};
use crate::storage::peers::{Peer, PeerState, peers};
use crate::storage::{Reading, Readings};
use crate::topology::{Member, Role};
use crate::verify::Evidence;
use crate::verify::inspect::{StoragePage, read_bytes, read_storage, storage_pages};
use jiff::Timestamp;
use std::time::Duration;

/// Time limit for taking the baseline before the operation.
const BASELINE_DEADLINE: Duration = Duration::from_secs(10);

/// What was learned about a component.
pub(super) struct Findings {
    pub(super) rights: Vec<(Permission, Allowed)>,
    pub(super) reported: Result<Evidence, NoEvidence>,
    /// The stored baseline of the pod that answers.
    pub(super) stored: Stored,
    pub(super) whose: Option<BaselineOwner>,
    pub(super) probes: Probes,
    pub(super) now: Timestamp,
    pub(super) in_flight: InFlight,
    /// The Lease of the namespace, if it could be read.
    pub(super) seen: Option<ObservedLease>,
    pub(super) watch: Watch,
    pub(super) opened: Result<()>,
    pub(super) prover: Prover,
    pub(super) prober: Prober,
    pub(super) who: Option<String>,
    /// What the other storage components report, if the target is one of them.
    pub(super) storage: Readings,
}

/// Reads permissions, the component's state and the probed databases concurrently, and opens the watch.
pub(super) async fn gather(
    context: &Context,
    cluster: &Cluster,
    args: &OperationArgs,
    sight: &Sight,
    member: &Member,
    proof: Proof,
    permissions: &[Permission],
) -> Result<Findings> {
    // Without SQL, a broken password file or root certificate does not matter.
    let resolved = login(context, &args.login).map(|login| login.for_members_of(&sight.topology));
    let login = match &proof {
        Proof::Sql { .. } => resolved.clone()?.with_secrets(cluster, &member.namespace, DEADLINE).await?,
        Proof::Page { .. } | Proof::Skipped { .. } => Login::default(),
    };
    let whose = BaselineOwner::of_proof(&sight.topology, &member.namespace, &proof);
    let beside = match member.role {
        Role::Safekeeper | Role::Pageserver => storage_pages(&sight.topology, &member.namespace),
        _ => Vec::new(),
    };
    let page_token = match beside.as_slice() {
        [] => PageAccess::default(),
        _ => PageAccess::resolve(&args.pages)?.with_secrets(cluster, &member.namespace, DEADLINE).await?,
    };
    let page_token = page_token.for_members_of(&sight.topology);
    let mut prover = Prover::new(cluster.clone(), member.namespace.clone(), proof, login);
    prover.shows(page_token.clone());
    prover.stands_beside(beside.iter().filter(|page| page.pod != member.name).cloned().collect());
    // The first probes run concurrently with the rest.
    let measured = async {
        let (mut probes, all) = probes(context, cluster, args, &sight.snapshot, member).await?;
        let resolved = resolved.clone().map(|login| login.for_members_of(&all));
        let logins = logins(cluster, &resolved, &mut probes).await;
        let asked = if args.dry_run == DryRun::None { probes.clone() } else { Probes::default() };
        let mut prober = Prober::over(cluster, &asked, &logins);
        let (probes, ()) = futures::join!(permitted(cluster, &probes), prober.first());
        prober.keep(&probes);
        Ok::<_, Error>((probes, prober))
    };
    // Permissions, watch and baseline concurrently: none waits for another.
    let mut watch = cluster.watch(watch_request(sight, member));
    let others = others(context.layout(), member, &sight.snapshot.namespace_names);
    let (rights, opened, reported, stored, measured, who, here, elsewhere, storage) = futures::join!(
        cluster.review(permissions, DEADLINE),
        watch.opened(DEADLINE),
        prover.collect_evidence(None, cluster.lengthened(BASELINE_DEADLINE)),
        stored(cluster, whose.as_ref()),
        measured,
        cluster.who(DEADLINE),
        cluster.lease(&member.namespace, DEADLINE),
        cluster.leases_of(&others, DEADLINE),
        storage_before(cluster, member, &beside, &page_token),
    );
    let (probes, prober) = measured?;
    let now = Timestamp::now();
    let in_flight = in_flight(&here, &elsewhere, now);
    let seen = match here {
        Read::Known(seen) => Some(seen),
        Read::Unknown(_) | Read::NotAsked => None,
    };
    Ok(Findings {
        rights,
        reported,
        stored,
        whose,
        probes,
        now,
        in_flight,
        seen,
        watch,
        opened,
        prover,
        prober,
        who,
        storage,
    })
}

/// Reads the storage components before one of them is replaced. If one seems to lag, all are read again: while a compute writes,
/// two readings differ.
async fn storage_before(cluster: &Cluster, member: &Member, pages: &[StoragePage], access: &PageAccess) -> Readings {
    let ask = || read_storage(cluster, &member.namespace, pages, Deadlines::default(), access);
    let first = ask().await;
    if member.role != Role::Safekeeper {
        return first;
    }
    let behind = |peer: &Peer| matches!(peer.standing, PeerState::Short(_));
    let readings = if peers(&member.name, &first).iter().any(behind) { first.then(ask().await) } else { first };
    let safekeepers: Vec<&Reading> = readings.safekeepers.iter().collect();
    let digests = read_bytes(cluster, &member.namespace, pages, &safekeepers, access).await;
    Readings { digests, ..readings }
}

impl Findings {
    /// Adds to the baseline why such an answer would not verify the component's nodes afterwards.
    pub(super) fn with_doubt(&self, before: Before) -> Before {
        match (before, self.prover.unproven_nodes()) {
            (Before::Answered { summary, mut lacks }, Some(doubt)) => {
                let summary = format!("{summary}; {doubt}");
                lacks.push(doubt);
                Before::Answered { summary, lacks }
            }
            (before, _) => before,
        }
    }
}

/// Returns the watch of the target: the volumes of its claims, and those of its earlier operations.
fn watch_request(sight: &Sight, member: &Member) -> WatchRequest {
    let mut volumes: Vec<String> = member.claims.iter().filter_map(|claim| claim.volume_name.clone()).collect();
    // Their claims may change.
    volumes.extend(member.claims.iter().filter_map(|claim| Some(claim.not_its.as_ref()?.volume.clone())));
    let of_this = sight.records.iter().filter(|record| record.is_of(&member.namespace, &member.name));
    for claim in of_this.flat_map(|record| &record.claims) {
        volumes.extend(claim.volume.clone());
        volumes.extend(claim.returns.as_ref().map(|returns| returns.volume.clone()));
    }
    volumes.retain(|name| sight.snapshot.volumes.items().iter().any(|one| one.metadata.name.as_ref() == Some(name)));
    volumes.sort();
    volumes.dedup();
    WatchRequest { namespace: member.namespace.clone(), volumes, events: true, nodes: false }
}

/// Returns what a component reported, as the plan shows it.
pub(super) fn answered(evidence: &Evidence) -> Before {
    Before::Answered { summary: evidence.summary(), lacks: evidence.lacks() }
}

/// Returns what a component reported or why it did not, as the plan shows it.
pub(super) fn before(reported: Result<Evidence, NoEvidence>) -> (Before, Option<Evidence>) {
    match reported {
        Ok(evidence) => (answered(&evidence), Some(evidence)),
        Err(NoEvidence::NotAsked) => (Before::NotAsked, None),
        Err(NoEvidence::Because(reason) | NoEvidence::NoWarehouse(reason)) => (Before::Silent { reason }, None),
        Err(NoEvidence::LoginRefused(reason)) => (Before::LoginRefused { reason }, None),
    }
}
