//! Holds the Lease of a namespace: takes it before the first change, renews it until the end, and releases it then.
//! Every write is pinned to the version that was seen, so that of two processes only one gets it.

use crate::suggestion::kubectl;
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
use crate::duration;
use crate::error::{Error, Result};

/// How often the Lease is renewed, and how long an uncertain one is retried.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Interval of renewals.
    renewed: Duration,
    /// Pause after a failed renewal.
    again: Duration,
    /// A Lease that was renewed this recently is good for the next change.
    fresh: Duration,
    /// How long an uncertain Lease is retried before a change is given up.
    persistence: Duration,
}

const PACE: Pace = Pace {
    renewed: Duration::from_secs(3),
    again: Duration::from_secs(1),
    fresh: Duration::from_secs(7),
    persistence: Duration::from_secs(20),
};

impl Pace {
    /// Returns when to renew next, after a renewal with or without a response.
    fn next(&self, answered: bool) -> Duration {
        if answered { self.renewed } else { self.again }
    }
}

/// Longest time for each request.
const DEADLINE: Duration = Duration::from_secs(5);

/// Most Leases read at once.
const AT_ONCE: usize = 16;

/// A Lease as it was read, or its absence; and when.
#[derive(Clone, Debug)]
pub struct ObservedLease {
    lease: Option<Lease>,
    at: Instant,
}

impl ObservedLease {
    fn now(lease: Option<Lease>) -> Self {
        Self { lease, at: Instant::now() }
    }

    /// Returns its contents.
    pub fn standing(&self, now: Timestamp) -> LeaseState {
        judge(self.lease.as_ref(), now, Process::is_gone)
    }

    fn version(&self) -> Option<&str> {
        self.lease.as_ref().and_then(|lease| lease.metadata.resource_version.as_deref())
    }
}

/// A request for the Lease.
pub struct LeaseRequest<'c> {
    /// The namespace.
    pub namespace: &'c str,
    /// The holder to be.
    pub holder: Holder,
    /// Continues without the Lease if it cannot be taken.
    pub insist: bool,
    /// The clock for the time that is written.
    pub clock: fn() -> Timestamp,
}

/// The Lease while it is held, or the fact that the run continues without it. Stops renewing it when dropped.
pub struct LeaseGuard {
    pace: Pace,
    kept: Option<Arc<Mutex<Kept>>>,
    lost: watch::Receiver<Option<LeaseLost>>,
    renewal: Option<JoinHandle<()>>,
}

impl Cluster {
    /// Reads the Lease of a namespace, consistently.
    pub async fn lease(&self, namespace: &str, deadline: Duration) -> Read<ObservedLease> {
        match read(&self.leases(namespace), self.limit(deadline)).await {
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

    /// Takes the Lease if no other process holds it; waits for a holder that seems to be gone, and reports the wait.
    ///
    /// # Errors
    /// Another process holds it, or it may not be taken: nothing was changed.
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
                None => match read(&leases, self.limit(DEADLINE)).await {
                    Ok(lease) => ObservedLease::now(lease),
                    Err(failure) => {
                        self.again(&claim, "get", &failure, &mut patience).await?;
                        continue;
                    }
                },
            };
            // An earlier attempt without a response succeeded.
            if let Some(lease) = sighting.lease.as_ref().filter(|lease| in_doubt && held_by(lease, &claim.holder)) {
                return Ok(Kept::of((leases, self.renewal()), lease.clone(), claim, started));
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
                    // After a wait, requests are retried for as long as for a free Lease.
                    patience = Patience::of(pace.persistence);
                    if now.version() == sighting.version() {
                        seen = Some(sighting);
                        continue;
                    }
                    // It was renewed, or another process has it, which is therefore at work. A holder that released it
                    // is not.
                    match now.standing((claim.clock)()) {
                        LeaseState::Held(tenure) => return Err(under_way(&claim, &tenure)),
                        _ => seen = Some(now),
                    }
                }
                Next::Take => {
                    let at = Instant::now();
                    match write(&leases, &claim.taken(sighting.lease.as_ref()), self.limit(DEADLINE)).await {
                        Ok(lease) => return Ok(Kept::of((leases, self.renewal()), lease, claim, at)),
                        // Another process was faster: read it again.
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
            match read(leases, self.limit(DEADLINE)).await {
                Ok(lease) => return Ok(lease),
                Err(failure) => self.again(claim, "get", &failure, &mut patience).await?,
            }
        }
    }

    /// Pauses before another attempt if one is worthwhile.
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

    /// Returns the time limit of a renewal's requests: one that ends after the Lease does is of no use.
    fn renewal(&self) -> Duration {
        self.lengthened(DEADLINE).min(LASTS.saturating_sub(Duration::from_secs(1)))
    }

    fn leases(&self, namespace: &str) -> Api<Lease> {
        Api::namespaced(self.client(), namespace)
    }
}

impl LeaseRequest<'_> {
    /// Returns the Lease that this request would write, based on the one that was read.
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
    /// Holds nothing: the user insisted on continuing.
    pub fn without() -> Self {
        Self { pace: PACE, kept: None, lost: watch::channel(None).1, renewal: None }
    }

    fn renewing(pace: Pace, kept: Kept) -> Self {
        let lost = kept.lost.subscribe();
        let kept = Arc::new(Mutex::new(kept));
        let renewal = tokio::spawn(renew(pace, kept.clone()));
        Self { pace, kept: Some(kept), lost, renewal: Some(renewal) }
    }

    /// Checks before each change that no other process can have taken the Lease. Renews it if it was not renewed
    /// recently.
    ///
    /// # Errors
    /// Why it no longer protects the run.
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

    /// Returns why the Lease was lost, if that is known.
    pub fn lost(&self) -> Option<LeaseLost> {
        self.lost.borrow().clone()
    }

    /// Releases the Lease. It stays without a holder: that needs no right to delete it, and lets the next run take it.
    ///
    /// # Errors
    /// Why it is still held; it expires on its own.
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

/// Renews the Lease until it is lost.
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
    /// Longest time for each request of a renewal.
    deadline: Duration,
    /// When the last successful renewal was sent.
    renewed: Instant,
    lost: watch::Sender<Option<LeaseLost>>,
}

impl Kept {
    fn of((leases, deadline): (Api<Lease>, Duration), lease: Lease, claim: LeaseRequest<'_>, at: Instant) -> Self {
        let LeaseRequest { holder, clock, .. } = claim;
        Self { leases, lease, holder, clock, deadline, renewed: at, lost: watch::channel(None).0 }
    }

    /// Renews it once. Losing it is not an error, and is recorded.
    async fn renew(&mut self) -> std::result::Result<(), Failure> {
        let now = MicroTime((self.clock)());
        self.lease.spec.get_or_insert_default().renew_time = Some(now);
        self.put().await
    }

    /// Releases it, unless another process has taken it over.
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
        let failure = match write(&self.leases, &self.lease, self.deadline).await {
            Ok(lease) => return self.has(lease, at),
            Err((_, failure)) => failure,
        };
        if !is_conflict(&failure) && failure.cause != Cause::NotFound {
            return Err(failure);
        }
        match read(&self.leases, self.deadline).await? {
            // Still this run's: left by an attempt without a response, or changed in other fields by another client.
            Some(found) if held_by(&found, &self.holder) => {
                self.lease.metadata = found.metadata;
                if self.lease.spec.as_ref().is_some_and(|spec| spec.holder_identity.is_none())
                    && let Some(annotations) = &mut self.lease.metadata.annotations
                {
                    annotations.remove(HOLDER);
                }
            }
            // It was deleted; no other process holds it.
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
        let lease = write(&self.leases, &self.lease, self.deadline).await.map_err(|(_, failure)| failure)?;
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

/// The error when another process holds the Lease.
fn under_way(claim: &LeaseRequest<'_>, tenure: &Tenure) -> Error {
    let namespace = claim.namespace;
    let what = if tenure.id.as_ref() == Some(&claim.holder.id) {
        format!("this {} is already running", claim.holder.act)
    } else {
        "another failover is in progress".to_owned()
    };
    Error::refused(format!("{what} in namespace {namespace}: {tenure}"))
        .because("nothing was changed")
        .hint(kubectl("get lease").word(LEASE).namespace(namespace).flag("-o", "yaml"))
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

/// A Lease as it is stored, whatever a client wrote into it: an invalid time, such as one beyond the range of
/// timestamps, becomes the latest possible one, and of an invalid specification only the holder is kept.
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

/// Creates it, or updates the version that was read. A failure comes with the verb that was attempted.
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
