//! Holding the Lease of a namespace: taken before the first change, renewed until the end, given back then. Every write
//! of it is pinned to the version that was seen, so that of two who want it one gets it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, GetParams, PostParams};
use kube::core::Request;
use serde_json::Value;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::Cluster;
use super::failure::{Failure, Operation};
use super::lease::{HOLDER, Holder, LASTS, LEASE, LeaseState, Next, Tenure, holder, judge};
use super::patience::Patience;
use super::process::Process;
use super::snapshot::{Cause, Read};
use crate::cli::quoted;
use crate::duration;
use crate::error::{Error, Result};

/// How often the Lease is renewed, and how long one that may have ended is asked for.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// It is renewed this often.
    renewed: Duration,
    /// A renewal that failed is repeated after this time.
    again: Duration,
    /// One that was renewed this recently lasts until the next change is made.
    fresh: Duration,
    /// One that may have ended is asked for so long before a change is given up.
    persistence: Duration,
}

const PACE: Pace = Pace {
    renewed: Duration::from_secs(3),
    again: Duration::from_secs(1),
    fresh: Duration::from_secs(7),
    persistence: Duration::from_secs(20),
};

impl Pace {
    /// When it is renewed next, after a renewal that was answered or not.
    fn next(&self, answered: bool) -> Duration {
        if answered { self.renewed } else { self.again }
    }
}

/// What each request for it may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Most Leases asked for at once.
const AT_ONCE: usize = 16;

/// A Lease as it was read, or that there was none; and when.
#[derive(Clone, Debug)]
pub struct ObservedLease {
    lease: Option<Lease>,
    at: Instant,
}

impl ObservedLease {
    fn now(lease: Option<Lease>) -> Self {
        Self { lease, at: Instant::now() }
    }

    /// What it says.
    pub fn standing(&self, now: Timestamp) -> LeaseState {
        judge(self.lease.as_ref(), now, Process::is_gone)
    }

    fn version(&self) -> Option<&str> {
        self.lease.as_ref().and_then(|lease| lease.metadata.resource_version.as_deref())
    }
}

/// What somebody who wants the Lease says.
pub struct LeaseRequest<'c> {
    /// In which namespace.
    pub namespace: &'c str,
    /// Who.
    pub holder: Holder,
    /// Goes on without it where it cannot be had.
    pub insist: bool,
    /// Tells the time that is written on it.
    pub clock: fn() -> Timestamp,
}

/// The Lease while it is held; or that one goes on without. Stops renewing it when dropped.
pub struct LeaseGuard {
    pace: Pace,
    kept: Option<Arc<Mutex<Kept>>>,
    lost: watch::Receiver<Option<LeaseLost>>,
    renewal: Option<JoinHandle<()>>,
}

impl Cluster {
    /// Reads the Lease of a namespace, consistently.
    pub async fn lease(&self, namespace: &str, deadline: Duration) -> Read<ObservedLease> {
        match read(&self.leases(namespace), self.at_most(deadline)).await {
            Ok(lease) => Read::Known(ObservedLease::now(lease)),
            Err(failure) => Read::Unknown(failure.unreadable("leases", Some(namespace))),
        }
    }

    /// Reads the Leases of several namespaces at the same time.
    pub async fn leases_of(&self, namespaces: &[String], deadline: Duration) -> Vec<(String, Read<ObservedLease>)> {
        use futures::StreamExt;
        let asked = namespaces.iter().map(async |name| (name.clone(), self.lease(name, deadline).await));
        futures::stream::iter(asked).buffered(AT_ONCE).collect().await
    }

    /// Takes the Lease, where nobody else has it; waits for one that seems to be gone, and tells so.
    ///
    /// # Errors
    /// Somebody else holds it, or it may not be taken: nothing was changed.
    pub async fn hold(
        &self,
        claim: LeaseRequest<'_>,
        seen: Option<ObservedLease>,
        tell: &mut (dyn FnMut(String) + Send),
    ) -> Result<LeaseGuard> {
        self.hold_at(PACE, claim, seen, tell).await
    }

    async fn hold_at(
        &self,
        pace: Pace,
        claim: LeaseRequest<'_>,
        seen: Option<ObservedLease>,
        tell: &mut (dyn FnMut(String) + Send),
    ) -> Result<LeaseGuard> {
        let insists = claim.insist;
        match self.take(pace, claim, seen, tell).await {
            Ok(kept) => Ok(LeaseGuard::renewing(pace, kept)),
            Err(error) if insists => {
                tell(format!("continuing without the Lease {LEASE}: {error}"));
                Ok(LeaseGuard::without())
            }
            Err(error) => Err(error),
        }
    }

    async fn take(
        &self,
        pace: Pace,
        claim: LeaseRequest<'_>,
        seen: Option<ObservedLease>,
        tell: &mut (dyn FnMut(String) + Send),
    ) -> Result<Kept> {
        let leases = self.leases(claim.namespace);
        let (mut seen, mut in_doubt, started) = (seen, false, Instant::now());
        let mut patience = Patience::of(pace.persistence);
        loop {
            let sighting = match seen.take() {
                Some(sighting) => sighting,
                None => match read(&leases, self.at_most(DEADLINE)).await {
                    Ok(lease) => ObservedLease::now(lease),
                    Err(failure) => {
                        self.again(&claim, "get", &failure, &mut patience).await?;
                        continue;
                    }
                },
            };
            // A try of ours that got no answer was made all the same.
            if let Some(lease) = sighting.lease.as_ref().filter(|lease| in_doubt && held_by(lease, &claim.holder)) {
                return Ok(Kept::of(leases, lease.clone(), claim, started));
            }
            match sighting.standing((claim.clock)()).next(&claim.holder.id, sighting.at.elapsed()) {
                Next::Refused(tenure) => return Err(under_way(&claim, &tenure)),
                Next::Wait(left, tenure) => {
                    tell(format!(
                        "waiting {} for it to expire: {tenure}",
                        duration::format(Duration::from_secs(left.as_secs_f64().ceil() as u64))
                    ));
                    sleep(left).await;
                    let now = ObservedLease::now(self.read_lease(pace, &leases, &claim).await?);
                    // What was waited for is asked for as long as what was free.
                    patience = Patience::of(pace.persistence);
                    if now.version() == sighting.version() {
                        seen = Some(sighting);
                        continue;
                    }
                    // It was renewed, or somebody else has it: that one is at work. Whoever gave it back is not.
                    match now.standing((claim.clock)()) {
                        LeaseState::Held(tenure) => return Err(under_way(&claim, &tenure)),
                        _ => seen = Some(now),
                    }
                }
                Next::Take => {
                    let at = Instant::now();
                    match write(&leases, &claim.taken(sighting.lease.as_ref()), self.at_most(DEADLINE)).await {
                        Ok(lease) => return Ok(Kept::of(leases, lease, claim, at)),
                        // Somebody was faster: who, is read.
                        Err((_, failure)) if is_conflict(&failure) => {}
                        Err((verb, failure)) => {
                            in_doubt |= failure.code != 429;
                            self.again(&claim, verb, &failure, &mut patience).await?;
                        }
                    }
                }
            }
        }
    }

    async fn read_lease(&self, pace: Pace, leases: &Api<Lease>, claim: &LeaseRequest<'_>) -> Result<Option<Lease>> {
        let mut patience = Patience::of(pace.persistence);
        loop {
            match read(leases, self.at_most(DEADLINE)).await {
                Ok(lease) => return Ok(lease),
                Err(failure) => self.again(claim, "get", &failure, &mut patience).await?,
            }
        }
    }

    /// Pauses before another try, where one is worth it.
    async fn again(
        &self,
        claim: &LeaseRequest<'_>,
        verb: &str,
        failure: &Failure,
        patience: &mut Patience,
    ) -> Result<()> {
        let Some(pause) = patience.pause().filter(|_| failure.is_transient()) else {
            let (resource, namespace) = ("leases.coordination.k8s.io", Some(claim.namespace));
            return Err(self.error(Operation { verb, resource, namespace, name: Some(LEASE) }, failure));
        };
        sleep(pause).await;
        Ok(())
    }

    fn leases(&self, namespace: &str) -> Api<Lease> {
        Api::namespaced(self.client(), namespace)
    }
}

impl LeaseRequest<'_> {
    /// The Lease as it is when this claim holds it, made of what was there.
    fn taken(&self, before: Option<&Lease>) -> Lease {
        let mut lease = before.cloned().unwrap_or_default();
        lease.metadata.name = Some(LEASE.to_owned());
        let annotation = serde_json::to_string(&self.holder).unwrap_or_default();
        lease.metadata.annotations.get_or_insert_default().insert(HOLDER.to_owned(), annotation);
        let now = MicroTime((self.clock)());
        let transitions = before.map(|lease| lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or(0));
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.holder.to_string()),
            lease_duration_seconds: i32::try_from(LASTS.as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(transitions.map_or(0, |number| number.saturating_add(1))),
            ..LeaseSpec::default()
        });
        lease
    }
}

impl LeaseGuard {
    /// None is held: the user insisted on going on.
    pub fn without() -> Self {
        Self { pace: PACE, kept: None, lost: watch::channel(None).1, renewal: None }
    }

    fn renewing(pace: Pace, kept: Kept) -> Self {
        let lost = kept.lost.subscribe();
        let kept = Arc::new(Mutex::new(kept));
        let renewal = tokio::spawn(renew(pace, kept.clone()));
        Self { pace, kept: Some(kept), lost, renewal: Some(renewal) }
    }

    /// Asked before each change: whether nobody else can have begun since. Renews it where it was not for too long.
    ///
    /// # Errors
    /// Why not, and who has.
    pub async fn stands(&self) -> std::result::Result<(), LeaseLost> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let mut kept = kept.lock().await;
        let mut patience = Patience::of(self.pace.persistence);
        loop {
            if let Some(why) = kept.lost.borrow().clone() {
                return Err(why);
            }
            if kept.renewed.elapsed() < self.pace.fresh {
                return Ok(());
            }
            if let Err(failure) = kept.renew().await {
                let Some(pause) = patience.pause() else {
                    return Err(LeaseLost::NotRenewed(failure.reason));
                };
                sleep(pause).await;
            }
        }
    }

    /// That somebody else has it, where that is known.
    pub fn lost(&self) -> Option<LeaseLost> {
        self.lost.borrow().clone()
    }

    /// Gives it back. It stays, held by nobody, which takes no right to delete it and is all that the next one needs.
    ///
    /// # Errors
    /// Why it is still there; it ends by itself.
    pub async fn release(mut self) -> std::result::Result<(), NotReleased> {
        if let Some(renewal) = self.renewal.take() {
            renewal.abort();
        }
        let Some(kept) = self.kept.take() else { return Ok(()) };
        let mut kept = kept.lock().await;
        if kept.lost.borrow().is_some() {
            return Ok(());
        }
        kept.give_back().await.map_err(|failure| NotReleased { reason: failure.reason })
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        if let Some(renewal) = &self.renewal {
            renewal.abort();
        }
    }
}

/// Why a Lease no longer protects a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseLost {
    /// Another holder has taken it over, described here.
    #[error("the Lease {LEASE} was not renewed in time and was taken over: {0}")]
    TakenOver(String),
    /// Another client took it over and has released it since.
    #[error("another client acquired and released the Lease {LEASE}")]
    TakenAndReleased,
    /// It could not be renewed in time, for this reason.
    #[error("the Lease {LEASE} could not be renewed in time: {0}")]
    NotRenewed(String),
}

/// A Lease that could not be released; it expires on its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Lease {LEASE} was not released and expires in {} s: {reason}", LASTS.as_secs())]
pub struct NotReleased {
    /// Why it could not be released.
    pub reason: String,
}

/// Renews it until it is lost.
async fn renew(pace: Pace, kept: Arc<Mutex<Kept>>) {
    let mut pause = pace.renewed;
    loop {
        sleep(pause).await;
        let mut kept = kept.lock().await;
        let renewed = kept.renew().await;
        if kept.lost.borrow().is_some() {
            return;
        }
        pause = pace.next(renewed.is_ok());
    }
}

/// A Lease that is held, as it was written last.
struct Kept {
    leases: Api<Lease>,
    lease: Lease,
    holder: Holder,
    clock: fn() -> Timestamp,
    /// When the last renewal that was answered was sent.
    renewed: Instant,
    lost: watch::Sender<Option<LeaseLost>>,
}

impl Kept {
    fn of(leases: Api<Lease>, lease: Lease, claim: LeaseRequest<'_>, at: Instant) -> Self {
        let LeaseRequest { holder, clock, .. } = claim;
        Self { leases, lease, holder, clock, renewed: at, lost: watch::channel(None).0 }
    }

    /// Renews it once. That it is lost is no error, and is noted.
    async fn renew(&mut self) -> std::result::Result<(), Failure> {
        let now = MicroTime((self.clock)());
        self.lease.spec.get_or_insert_default().renew_time = Some(now);
        self.put().await
    }

    /// Gives it back. One that somebody else has is theirs.
    async fn give_back(&mut self) -> std::result::Result<(), Failure> {
        if let Some(annotations) = &mut self.lease.metadata.annotations {
            annotations.remove(HOLDER);
        }
        let now = MicroTime((self.clock)());
        let spec = self.lease.spec.get_or_insert_default();
        (spec.holder_identity, spec.renew_time) = (None, Some(now));
        self.put().await
    }

    async fn put(&mut self) -> std::result::Result<(), Failure> {
        let at = Instant::now();
        let failure = match write(&self.leases, &self.lease, DEADLINE).await {
            Ok(lease) => return self.has(lease, at),
            Err((_, failure)) => failure,
        };
        if !is_conflict(&failure) && failure.cause != Cause::NotFound {
            return Err(failure);
        }
        match read(&self.leases, DEADLINE).await? {
            // Ours, as a try that got no answer left it, or with something else changed by somebody.
            Some(found) if held_by(&found, &self.holder) => {
                self.lease.metadata = found.metadata;
                if self.lease.spec.as_ref().is_some_and(|spec| spec.holder_identity.is_none())
                    && let Some(annotations) = &mut self.lease.metadata.annotations
                {
                    annotations.remove(HOLDER);
                }
            }
            // Somebody deleted it; nobody else has it.
            None => {
                let annotations = self.lease.metadata.annotations.take();
                self.lease.metadata = kube::core::ObjectMeta {
                    name: Some(LEASE.to_owned()),
                    annotations,
                    ..kube::core::ObjectMeta::default()
                };
            }
            Some(found) => {
                self.lost.send_replace(Some(taken_by(&found, (self.clock)())));
                return Ok(());
            }
        }
        let lease = write(&self.leases, &self.lease, DEADLINE).await.map_err(|(_, failure)| failure)?;
        self.has(lease, at)
    }

    fn has(&mut self, lease: Lease, at: Instant) -> std::result::Result<(), Failure> {
        (self.lease, self.renewed) = (lease, at);
        Ok(())
    }
}

fn held_by(lease: &Lease, one: &Holder) -> bool {
    holder(lease).is_some_and(|found| found == *one)
}

fn taken_by(lease: &Lease, now: Timestamp) -> LeaseLost {
    match judge(Some(lease), now, |_| false) {
        LeaseState::Held(tenure) | LeaseState::Left(tenure) | LeaseState::Expired(tenure) => {
            LeaseLost::TakenOver(tenure.to_string())
        }
        LeaseState::Free => LeaseLost::TakenAndReleased,
    }
}

/// Somebody else is at work.
fn under_way(claim: &LeaseRequest<'_>, tenure: &Tenure) -> Error {
    let namespace = claim.namespace;
    let what = if tenure.id.as_ref() == Some(&claim.holder.id) {
        format!("this {} is already running", claim.holder.act)
    } else {
        "another failover is in progress".to_owned()
    };
    Error::refused(format!("{what} in namespace {namespace}: {tenure}"))
        .because("nothing was changed")
        .hint(format!("kubectl get lease {LEASE} -n {} -o yaml", quoted(namespace)))
        .hint("try again when it is over, or --allow concurrent-failover")
}

fn is_conflict(failure: &Failure) -> bool {
    failure.code == 409
}

async fn read(leases: &Api<Lease>, deadline: Duration) -> std::result::Result<Option<Lease>, Failure> {
    let request = Request::new(leases.resource_url()).get(LEASE, &GetParams::default());
    let read = async {
        let mut request = request.map_err(kube::Error::BuildRequest)?;
        request.extensions_mut().insert("get");
        leases.clone().into_client().request::<Value>(request).await
    };
    match timeout(deadline, read).await {
        Ok(Ok(value)) => Ok(Some(lease_of(value))),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(None),
        Ok(Err(error)) => Err(Failure::of(error)),
        Err(_) => Err(Failure::timed_out(deadline)),
    }
}

/// A Lease, whatever somebody wrote into it: a time that is none, such as one that lies beyond what can be counted, becomes
/// the last there is, and of a specification that makes no sense only who holds it is left.
fn lease_of(mut value: Value) -> Lease {
    for time in ["acquireTime", "renewTime"] {
        if let Some(time) = value.pointer_mut(&format!("/spec/{time}")).filter(|time| !time.is_null())
            && serde_json::from_value::<MicroTime>(time.clone()).is_err()
        {
            *time = serde_json::to_value(MicroTime(Timestamp::MAX)).unwrap_or_default();
        }
    }
    if let Ok(lease) = serde_json::from_value(value.clone()) {
        return lease;
    }
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let metadata = serde_json::from_value(value["metadata"].clone()).unwrap_or_else(|_| kube::core::ObjectMeta {
        name: Some(LEASE.to_owned()),
        resource_version: text("/metadata/resourceVersion"),
        ..kube::core::ObjectMeta::default()
    });
    // Unknown is not free.
    let holder =
        text("/spec/holderIdentity").unwrap_or_else(|| "unknown holder (invalid lease specification)".to_owned());
    Lease { metadata, spec: Some(LeaseSpec { holder_identity: Some(holder), ..LeaseSpec::default() }) }
}

/// Creates it, or writes it over the version that it has. With a failure comes what was tried.
async fn write(
    leases: &Api<Lease>,
    lease: &Lease,
    deadline: Duration,
) -> std::result::Result<Lease, (&'static str, Failure)> {
    let params = PostParams { field_manager: Some("kubectl-synxdb".to_owned()), ..PostParams::default() };
    let exists = lease.metadata.resource_version.is_some();
    let verb = if exists { "update" } else { "create" };
    let written = async {
        if exists { leases.replace(LEASE, &params, lease).await } else { leases.create(&params, lease).await }
    };
    match timeout(deadline, written).await {
        Ok(answer) => answer.map_err(|error| (verb, Failure::of(error))),
        Err(_) => Err((verb, Failure::timed_out(deadline))),
    }
}

#[cfg(test)]
#[path = "lease_lock_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "lease_lock_renewal_tests.rs"]
mod renewal_tests;
