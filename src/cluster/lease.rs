//! The Lease that one failover holds in a namespace, so that no other begins there: its contents, and what they mean.
//! Pure; [`super::lease_lock`] reads and writes it.
//!
//! Clocks of two machines differ. A time that another machine wrote is therefore used in two cases only: if it is so
//! long ago that no clock is that wrong ([`SKEW`]), and in messages. In all other cases a holder counts as gone only
//! after its Lease was *seen* unchanged for its whole duration, by this machine's clock. A renewal in that time changes
//! its resourceVersion, to which every write is pinned: then the Lease is held.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use serde::{Deserialize, Serialize};

use super::process::Process;
use crate::duration::age_of;

/// The Lease's name, in the namespace of the target.
pub const LEASE: &str = "kubectl-synxdb";

/// The annotation that describes the holder to programs.
pub(super) const HOLDER: &str = "kubectl-synxdb/holder";

/// How long a Lease lasts without a renewal.
pub(super) const LASTS: Duration = Duration::from_secs(10);

/// A larger difference than clocks have: certificates and tokens would not work either.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// Longest time to wait for a holder that seems to be gone.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Longest identity that is shown, in characters: any client may have written it.
const LONGEST_IDENTITY: usize = 200;

/// The holder of the Lease, or the process that wants to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The operation in one word: `failover`.
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

/// The current or last holder of a Lease, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// The holder's identity as it was written.
    pub holder: String,
    /// The operation's ID, if it is known.
    pub id: Option<String>,
    /// How long ago it was renewed, by the holder's clock and this one; negative if they differ.
    pub renewed: Option<jiff::SignedDuration>,
    /// How long it lasts without being renewed.
    pub lasts: Duration,
}

/// Whether a Lease is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// It has no holder.
    Free,
    /// Its holder was a process of this machine that has ended.
    Left(Tenure),
    /// Its holder has not renewed it for so long that no clock is that wrong.
    Expired(Tenure),
    /// It is held, or was a moment ago.
    Held(Tenure),
}

/// What to do to acquire a Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Take it, at the resourceVersion that was seen.
    Take,
    /// Wait this long, and take it unless it is renewed.
    Wait(Duration, Tenure),
    /// Give up: it is held.
    Refused(Tenure),
}

/// Judges a Lease, or its absence.
pub(crate) fn judge(lease: Option<&Lease>, now: Timestamp, is_gone: impl Fn(&Process) -> bool) -> LeaseState {
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

/// Returns the holder's description for programs; `None` if `holderIdentity` belongs to another holder.
pub(super) fn holder(lease: &Lease) -> Option<Holder> {
    let text = lease.metadata.annotations.as_ref()?.get(HOLDER)?;
    let holder: Holder = serde_json::from_str(text).ok()?;
    let identity = lease.spec.as_ref()?.holder_identity.as_deref()?;
    (holder.to_string() == identity).then_some(holder)
}

impl Tenure {
    /// Returns how far the holder's clock is ahead of this one, if that is more than clocks differ: the time is wrong,
    /// or forged.
    fn skew(&self) -> Option<Duration> {
        let ahead = Duration::try_from(self.renewed?.checked_neg()?).ok()?;
        (ahead > SKEW).then_some(ahead)
    }

    /// Returns how long ago it expired, by the two clocks.
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
    /// Decides what to do to acquire it for `id` after it was seen unchanged for some time.
    pub fn next(&self, id: &str, unchanged: Duration) -> Next {
        let tenure = match self {
            Self::Free | Self::Left(_) | Self::Expired(_) => return Next::Take,
            Self::Held(tenure) => tenure,
        };
        let left = tenure.lasts.saturating_sub(unchanged);
        if left.is_zero() {
            return Next::Take;
        }
        // An earlier run of the same operation, or a holder that seems to be gone, or whose time proves nothing: it
        // does not renew.
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
