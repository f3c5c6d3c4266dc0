//! What the members of one installation share: a folder as object storage, what computes have written, and which
//! members are running.

use crate::disk;
use crate::settings::Computes;
use crate::{WAL_END, WAL_START, uploaded};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// The first tenant and timeline.
const TENANT: &str = "9ef87a5bf0d92544f6fafeeb3239695c";
const TIMELINE: &str = "b3b863fa45fa9e57e615f9f2d944e601";

/// Bytes of a timeline in remote storage; any number above zero would do.
const REMOTE_SIZE: u64 = 23_330_816;

/// A timeline, with its tenant: 32 hexadecimal digits each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimelineId {
    /// Tenant.
    pub tenant: String,
    /// Timeline.
    pub timeline: String,
}

/// Seconds from the end of the compute until a timeline is idle, on the first safekeeper, the second, and the others,
/// as observed on real ones.
const IDLE_AFTER: [f64; 3] = [32.0, 34.0, 46.0];

/// What computes have written of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The timeline.
    pub id: TimelineId,
    /// The end of its WAL, which is committed.
    pub commit: u64,
    /// The term of the compute that wrote last.
    pub term: u64,
}

/// What computes have written so far.
#[derive(Clone, Debug)]
pub struct Ledger {
    timelines: Vec<Written>,
    /// Seconds since the compute ended, if it has.
    ended: Option<f64>,
}

/// The compute whose WAL the safekeepers hold, from its file. Without a file, one has been running from the beginning.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Compute {
    /// The number of its starts.
    starts: u64,
    /// Milliseconds of its runtime, without the current run.
    ran: u64,
    /// When it was started, in milliseconds of Unix time, if it runs.
    since: Option<u64>,
    /// When it ended, if it does not run.
    ended: Option<u64>,
}

impl Ledger {
    /// Returns the timelines in the order of their creation.
    pub fn timelines(&self) -> &[Written] {
        &self.timelines
    }

    /// Whether timelines are idle on the safekeeper with that ID, for lack of a compute.
    pub(crate) fn idle(&self, id: u64) -> bool {
        let which = usize::try_from(id.saturating_sub(1)).unwrap_or(usize::MAX).min(IDLE_AFTER.len() - 1);
        self.ended.is_some_and(|seconds| seconds >= IDLE_AFTER[which])
    }

    /// Whether a compute runs: once it ends, none is connected, and its timelines become idle later.
    pub(crate) fn is_written(&self) -> bool {
        self.ended.is_none()
    }

    /// Returns each tenant once, in the order of their creation.
    pub fn tenants(&self) -> Vec<&str> {
        let mut tenants: Vec<&str> = self.timelines.iter().map(|written| written.id.tenant.as_str()).collect();
        tenants.dedup();
        tenants
    }
}

/// The members of one installation, and the folder that they share.
#[derive(Debug)]
pub struct Installation {
    folder: PathBuf,
    /// When the first member started, in milliseconds of Unix time.
    began: u64,
    /// Running safekeepers, and what each holds.
    running: Mutex<BTreeMap<String, Running>>,
}

#[derive(Debug)]
struct Running {
    /// Distinguishes a member from a later one of the same name.
    run: u64,
    holds: Arc<BTreeSet<TimelineId>>,
}

/// The part of a timeline in remote storage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Remote {
    /// The position that its layers reach.
    pub(crate) lsn: u64,
    /// Bytes of its layers.
    pub(crate) size: u64,
}

impl Installation {
    /// Opens the folder that an installation shares, and creates it if necessary.
    ///
    /// # Errors
    /// Errors of the system.
    pub fn open(folder: &Path) -> io::Result<Installation> {
        for part in ["members", "tenants"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let file = folder.join("began");
        // The first member writes the time, and later ones read it.
        disk::write_once(&file, now().to_string().as_bytes())?;
        let began = fs::read_to_string(&file)?.trim().parse().map_err(io::Error::other)?;
        Ok(Installation { folder: folder.to_owned(), began, running: Mutex::default() })
    }

    /// Returns what computes with these settings have written so far.
    pub fn ledger(&self, computes: &Computes) -> Ledger {
        let now = now();
        // Written atomically: a file that cannot be read does not exist.
        let compute = self.compute().ok().flatten();
        let (starts, milliseconds, ended) = match &compute {
            None => (1, now.saturating_sub(self.began), None),
            Some(compute) => {
                let running = compute.since.map_or(0, |since| now.saturating_sub(since));
                (compute.starts, compute.ran + running, compute.ended)
            }
        };
        let written = u128::from(computes.write_rate) * u128::from(milliseconds) / 1000;
        let commit = WAL_END.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        let term = computes.term + starts.saturating_sub(1);
        let ids = (0..computes.tenants).flat_map(|tenant| (0..computes.timelines).map(move |line| (tenant, line)));
        let timelines = ids.map(|(tenant, line)| Written { id: TimelineId::numbered(tenant, line), commit, term });
        let seconds = |ended: u64| Duration::from_millis(now.saturating_sub(ended)).as_secs_f64();
        Ledger { timelines: timelines.collect(), ended: ended.map(seconds) }
    }

    fn compute(&self) -> io::Result<Option<Compute>> {
        let bytes = disk::read(&self.folder.join("compute"))?;
        Ok(bytes.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
    }

    /// Records that a compute has started: it continues to write, in the next term.
    ///
    /// # Errors
    /// Errors of the system; an invalid file.
    pub fn compute_started(&self) -> io::Result<()> {
        let unknown = || Compute { starts: 0, ran: now().saturating_sub(self.began), since: None, ended: None };
        let before = self.compute()?.unwrap_or_else(unknown);
        // One that was cut off wrote until now.
        let running = before.since.map_or(0, |since| now().saturating_sub(since));
        let next = Compute { starts: before.starts + 1, ran: before.ran + running, since: Some(now()), ended: None };
        disk::write(&self.folder.join("compute"), &serde_json::to_vec(&next)?)
    }

    /// Records that it has ended: nothing more is written, and half a minute later its timelines are idle.
    ///
    /// # Errors
    /// Errors of the system; an invalid file.
    pub fn compute_ended(&self) -> io::Result<()> {
        let Some(Compute { starts, ran, since: Some(since), .. }) = self.compute()? else { return Ok(()) };
        let next = Compute { starts, ran: ran + now().saturating_sub(since), since: None, ended: Some(now()) };
        disk::write(&self.folder.join("compute"), &serde_json::to_vec(&next)?)
    }

    /// Whether a member of that name starts for the first time. Records its start.
    ///
    /// # Errors
    /// Errors of the system.
    pub(crate) fn is_new(&self, member: &str) -> io::Result<bool> {
        disk::write_once(&self.folder.join("members").join(member), b"0")
    }

    /// Returns how many timelines existed at a member's last start, and records that it has now seen all of them. Later
    /// ones were created while it was a member, so the compute delivered them.
    ///
    /// # Errors
    /// Errors of the system.
    pub(crate) fn seen_before(&self, member: &str, timelines: usize) -> io::Result<usize> {
        let file = self.folder.join("members").join(member);
        let text = String::from_utf8_lossy(&disk::read(&file)?.unwrap_or_default()).into_owned();
        let before = text.parse().unwrap_or(0);
        if timelines > before {
            disk::write(&file, timelines.to_string().as_bytes())?;
        }
        Ok(before)
    }

    /// Records that a safekeeper runs, and what it holds.
    pub fn runs(&self, member: &str, run: u64, holds: BTreeSet<TimelineId>) {
        self.running().insert(member.to_owned(), Running { run, holds: Arc::new(holds) });
    }

    /// Records that it no longer runs, unless a later one of its name does.
    pub fn ended(&self, member: &str, run: u64) {
        let mut running = self.running();
        if running.get(member).is_some_and(|known| known.run == run) {
            running.remove(member);
        }
    }

    /// Returns what the running safekeepers hold, except this one.
    pub(crate) fn held_by_others(&self, member: &str) -> Vec<Arc<BTreeSet<TimelineId>>> {
        let running = self.running();
        running.iter().filter(|(name, _)| *name != member).map(|(_, known)| known.holds.clone()).collect()
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the timelines of a tenant in remote storage.
    ///
    /// # Errors
    /// Errors of the system; an invalid index.
    pub(crate) fn remote(&self, tenant: &str) -> io::Result<BTreeMap<String, Remote>> {
        let entries = match fs::read_dir(self.folder.join("tenants").join(tenant)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            entries => entries?,
        };
        let mut found = BTreeMap::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Unfinished files are hidden.
            if !name.starts_with('.') {
                found.insert(name, serde_json::from_slice(&fs::read(entry.path())?)?);
            }
        }
        Ok(found)
    }

    /// Uploads the complete segments of a timeline.
    ///
    /// # Errors
    /// Errors of the system.
    pub(crate) fn upload(&self, id: &TimelineId, position: u64) -> io::Result<Remote> {
        let remote = Remote { lsn: uploaded(position).max(WAL_START), size: REMOTE_SIZE };
        let folder = self.folder.join("tenants").join(&id.tenant);
        fs::create_dir_all(&folder)?;
        disk::write(&folder.join(&id.timeline), &serde_json::to_vec(&remote)?)?;
        Ok(remote)
    }
}

/// Returns milliseconds of Unix time: the same in all processes.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

impl TimelineId {
    fn numbered(tenant: u32, timeline: u32) -> TimelineId {
        TimelineId { tenant: digits(TENANT, tenant, 0), timeline: digits(TIMELINE, tenant, timeline + 1) }
    }
}

/// Returns the known ID for the first one, and random-looking digits for others.
fn digits(first: &str, tenant: u32, timeline: u32) -> String {
    if tenant == 0 && timeline <= 1 {
        return first.to_owned();
    }
    let mut word = (u64::from(tenant) << 32) | u64::from(timeline);
    let mut next = || {
        // splitmix64: similar numbers give entirely different results.
        word = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    format!("{:016x}{:016x}", next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_distinct_and_the_first_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let installation = Installation::open(folder.path()).unwrap();
        let ledger = installation.ledger(&Computes { tenants: 60, timelines: 20, ..Computes::default() });
        let ids: BTreeSet<&TimelineId> = ledger.timelines().iter().map(|written| &written.id).collect();
        let lines: BTreeSet<&str> = ids.iter().map(|id| id.timeline.as_str()).collect();
        assert_eq!((ids.len(), lines.len(), ledger.tenants().len()), (1200, 1200, 60));
        assert!(ids.iter().all(|id| id.tenant.len() == 32 && id.timeline.len() == 32));
        assert_eq!(
            (ledger.timelines()[0].id.tenant.as_str(), ledger.timelines()[0].id.timeline.as_str()),
            (TENANT, TIMELINE)
        );
    }

    #[test]
    fn all_members_agree_on_what_a_compute_writes_while_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let one = Installation::open(folder.path()).unwrap();
        let other = Installation::open(folder.path()).unwrap();
        assert_eq!(one.began, other.began);
        let computes = Computes { write_rate: 1_000_000_000, ..Computes::default() };
        let moment = || std::thread::sleep(Duration::from_millis(2));
        let read = |by: &Installation| {
            moment();
            let ledger = by.ledger(&computes);
            (ledger.timelines()[0].commit, ledger.timelines()[0].term, ledger.ended.is_some())
        };
        let before = [&one, &other, &one].map(read);
        assert!(before[0].0 < before[1].0 && before[1].0 < before[2].0, "{before:?}");
        assert_eq!((before[0].1, before[0].2), (1, false));
        // The first recorded start is the first one.
        for expected in [1, 2, 3] {
            other.compute_started().unwrap();
            let (first, second) = (read(&one), read(&one));
            assert!(first.1 == expected && second.0 > first.0, "{first:?} {second:?}");
        }
        other.compute_ended().unwrap();
        let (first, second) = (read(&one), read(&one));
        assert!(first == second && first.2, "{first:?} {second:?}");
        other.compute_started().unwrap();
        let third = read(&one);
        assert!(third.0 > second.0 && third.1 == 4 && !third.2, "{third:?}");
    }

    /// As observed on real ones, after the compute stopped.
    #[test]
    fn timelines_go_idle_on_one_safekeeper_after_the_other() {
        let at = |seconds| Ledger { timelines: Vec::new(), ended: seconds };
        for (seconds, idle) in [
            (None, [false, false, false, false]),
            (Some(31.9), [false, false, false, false]),
            (Some(32.0), [true, false, false, false]),
            (Some(34.0), [true, true, false, false]),
            (Some(46.0), [true, true, true, true]),
        ] {
            assert_eq!([1, 2, 3, 4].map(|id| at(seconds).idle(id)), idle, "{seconds:?}");
        }
    }

    #[test]
    fn a_member_is_new_once_and_a_later_run_of_its_name_stays() {
        let folder = tempfile::tempdir().unwrap();
        let installation = Installation::open(folder.path()).unwrap();
        assert!(installation.is_new("safekeeper-0").unwrap());
        assert!(!installation.is_new("safekeeper-0").unwrap());
        installation.runs("safekeeper-0", 1, BTreeSet::new());
        installation.runs("safekeeper-0", 2, BTreeSet::new());
        installation.ended("safekeeper-0", 1);
        assert_eq!(installation.held_by_others("safekeeper-1").len(), 1);
        assert_eq!(installation.held_by_others("safekeeper-0").len(), 0);
        installation.ended("safekeeper-0", 2);
        assert_eq!(installation.held_by_others("safekeeper-1").len(), 0);
    }
}
