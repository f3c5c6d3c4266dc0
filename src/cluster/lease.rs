//! The Lease that one failover holds in a namespace, so that no other begins there: what it says, and what follows from
//! that. Pure; [`super::lease_lock`] asks and writes.
//!
//! Clocks of two machines differ, so that a time that another one wrote is believed in two cases only: where it is so long
//! ago that no clock is that wrong ([`SKEW`]), and for what people are told. In all others a holder counts as gone once
//! its Lease was *seen* to stay as it is for as long as it lasts, by our own clock. One that renews it meanwhile changes its
//! resourceVersion, which every write of ours is pinned to: then it is held.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use serde::{Deserialize, Serialize};

use super::process::Process;
use crate::duration::age_of;

/// The Lease's name, in the namespace of what is failed over.
pub const LEASE: &str = "kubectl-synxdb";

/// The annotation that tells machines who holds it.
pub(super) const HOLDER: &str = "kubectl-synxdb/holder";

/// How long a Lease lasts that is not renewed.
pub(super) const LASTS: Duration = Duration::from_secs(10);

/// More than two clocks are apart: certificates and tokens would not work either.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// Longest time for which one waits for a holder that seems to be gone.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Longest identity that is shown, in characters: anybody may have written it.
const LONGEST_IDENTITY: usize = 200;

/// Who holds the Lease, or wants to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// What is done, in one word: `failover`.
    pub act: String,
    /// Its id.
    pub id: String,
    /// The pod.
    pub pod: String,
    /// The user.
    pub who: String,
    /// The process.
    #[serde(flatten)]
    pub process: Process,
}

/// As `holderIdentity` has it: `failover 3f2a91bc of cloudberry-proxy-0 by alice at host/4711`.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { act, id, pod, who, process } = self;
        write!(f, "{act} {id} of {pod} by {who} at {}/{}", process.host, process.pid)
    }
}

/// Somebody who holds a Lease, as far as one can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// Who, as it is written.
    pub holder: String,
    /// Id of what is done, where that is known.
    pub id: Option<String>,
    /// How long ago it was renewed, by the holder's clock and ours; negative where these differ.
    pub renewed: Option<jiff::SignedDuration>,
    /// How long it lasts without being renewed.
    pub lasts: Duration,
}

/// Whether a Lease is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// By nobody.
    Free,
    /// By a process of this machine that is no more.
    Left(Tenure),
    /// By somebody who has not renewed it for so long that no clock is that wrong.
    Expired(Tenure),
    /// It is, or was a moment ago.
    Held(Tenure),
}

/// What somebody does who wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It may be taken, at the resourceVersion that was seen.
    Take,
    /// It may be taken after this time, unless it is renewed.
    Wait(Duration, Tenure),
    /// It is held.
    Refused(Tenure),
}

/// Judges a Lease, or that there is none.
pub fn judge(lease: Option<&Lease>, now: Timestamp, is_gone: impl Fn(&Process) -> bool) -> LeaseState {
    let Some(spec) = lease.and_then(|lease| lease.spec.as_ref()) else { return LeaseState::Free };
    let Some(identity) = spec.holder_identity.as_deref().filter(|holder| !holder.trim().is_empty()) else {
        return LeaseState::Free;
    };
    let holder = lease.and_then(holder);
    let lasts = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let tenure = Tenure {
        holder: shortened(identity),
        id: holder.as_ref().map(|holder| holder.id.clone()),
        renewed: spec.renew_time.as_ref().map(|time| now.duration_since(time.0)),
        lasts: lasts.map_or(LASTS, Duration::from_secs),
    };
    if holder.is_some_and(|holder| is_gone(&holder.process)) {
        return LeaseState::Left(tenure);
    }
    if tenure.since_end().is_some_and(|ago| ago > SKEW) {
        LeaseState::Expired(tenure)
    } else {
        LeaseState::Held(tenure)
    }
}

/// The holder as machines are told; `None` where `holderIdentity` is somebody else's by now.
pub(super) fn holder(lease: &Lease) -> Option<Holder> {
    let text = lease.metadata.annotations.as_ref()?.get(HOLDER)?;
    let holder: Holder = serde_json::from_str(text).ok()?;
    let identity = lease.spec.as_ref()?.holder_identity.as_deref()?;
    (holder.to_string() == identity).then_some(holder)
}

impl Tenure {
    /// By how much the holder's clock is ahead of ours, where that is more than two clocks are apart: the time is wrong, or
    /// a lie.
    fn skew(&self) -> Option<Duration> {
        let ahead = Duration::try_from(-self.renewed?).ok()?;
        (ahead > SKEW).then_some(ahead)
    }

    /// How long ago it ended, by the two clocks.
    fn since_end(&self) -> Option<Duration> {
        Duration::try_from(self.renewed?).ok()?.checked_sub(self.lasts)
    }
}

/// `failover 3f2a91bc of cloudberry-proxy-0 by alice at host/4711, last renewed 2s ago`
impl fmt::Display for Tenure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.holder)?;
        match self.renewed {
            None => f.write_str(", never renewed"),
            Some(ago) => match Duration::try_from(ago) {
                Ok(_) => write!(f, ", last renewed {} ago", age_of(ago.as_secs())),
                Err(_) if self.skew().is_some() => {
                    f.write_str(", last renewed in the future (clock skew between the two machines)")
                }
                Err(_) => f.write_str(", last renewed just now (its clock is ahead of this machine's)"),
            },
        }
    }
}

impl LeaseState {
    /// What one does who wants it for `id`, and has seen it unchanged for so long.
    pub fn next(&self, id: &str, unchanged: Duration) -> Next {
        let tenure = match self {
            Self::Free | Self::Left(_) | Self::Expired(_) => return Next::Take,
            Self::Held(tenure) => tenure,
        };
        let left = tenure.lasts.saturating_sub(unchanged);
        if left.is_zero() {
            return Next::Take;
        }
        // An earlier run of the same, or one that seems to be gone, or whose time says nothing: it shows by not renewing.
        let may_be_gone = tenure.id.as_deref() == Some(id) || tenure.since_end().is_some() || tenure.skew().is_some();
        if may_be_gone && left <= LONGEST_WAIT {
            Next::Wait(left, tenure.clone())
        } else {
            Next::Refused(tenure.clone())
        }
    }
}

fn shortened(identity: &str) -> String {
    match identity.char_indices().nth(LONGEST_IDENTITY) {
        Some((at, _)) => format!("{}…", &identity[..at]),
        None => identity.to_owned(),
    }
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
