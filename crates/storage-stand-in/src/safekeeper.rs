//! The state of a safekeeper: the term and the flush position of each timeline.

use crate::disk;
use crate::installation::{Installation, Ledger, TimelineId, Written};
use crate::settings::Member;
use crate::{WAL_START, uploaded};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Its file on the volume.
const FILE: &str = "safekeeper.json";

/// A safekeeper's state.
#[derive(Debug)]
pub(crate) struct Safekeeper {
    /// Its file; without a volume, the state is only in memory.
    file: Option<PathBuf>,
    kept: BTreeMap<TimelineId, Kept>,
    /// The unused part of its rate, in bytes.
    budget: f64,
    /// The time to which it has advanced.
    at: Instant,
    changed: bool,
}

/// What it has of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// The term of its last vote.
    term: u64,
    /// The end of the WAL on its disk.
    flush: u64,
}

/// A timeline as it is in the file.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    id: TimelineId,
    #[serde(flatten)]
    kept: Kept,
}

/// The file.
#[derive(Serialize, Deserialize)]
struct File {
    id: u64,
    timelines: Vec<Line>,
}

/// A timeline as seen by clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// The timeline.
    pub(crate) id: TimelineId,
    /// Current term.
    pub(crate) term: u64,
    /// Flushed on its own disk.
    pub(crate) flush: u64,
    /// Flushed by a quorum, as far as it knows: never beyond its own flush.
    pub(crate) commit: u64,
    /// Uploaded.
    pub(crate) backup: u64,
    /// Whether a compute writes to it, or something is left to upload: others have no labeled metrics.
    pub(crate) active: bool,
    /// Connected computes.
    pub(crate) computes: u64,
}

impl Safekeeper {
    /// Reads the state from a volume. Without one, a new safekeeper has existed since computes began to write, and
    /// another one has lost its disk. It has seen `seen` of the timelines before, and has existed since the others were
    /// created. One that always lags starts as if it had been down.
    ///
    /// # Errors
    /// Errors of the system; an invalid file.
    pub(crate) fn start(
        (own, volume): (&Member, Option<&Path>),
        seen: usize,
        ledger: &Ledger,
        now: Instant,
    ) -> io::Result<Safekeeper> {
        let file = volume.map(|volume| volume.join(FILE));
        let found = file.as_deref().map(disk::read).transpose()?.flatten();
        let mut kept: BTreeMap<TimelineId, Kept> = match found {
            Some(bytes) => {
                let file: File = serde_json::from_slice(&bytes)?;
                file.timelines.into_iter().map(|line| (line.id, line.kept)).collect()
            }
            None => BTreeMap::new(),
        };
        for made in ledger.timelines().iter().skip(seen) {
            kept.entry(made.id.clone()).or_insert(Kept { term: made.term, flush: made.commit });
        }
        for written in ledger.timelines().iter().filter(|_| own.lag > 0) {
            if let Some(kept) = kept.get_mut(&written.id) {
                kept.flush = kept.flush.min(limit(own, written));
            }
        }
        Ok(Safekeeper { file, kept, budget: 0.0, at: now, changed: true })
    }

    /// Advances to the present: fetches what it lacks, limited by its rate, one timeline after the other.
    pub(crate) fn advance(&mut self, (own, name): (&Member, &str), ledger: &Ledger, all: &Installation, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        self.at = now;
        let mut budget = self.allowance(own.rate, passed);
        let others = all.held_by_others(name);
        for written in ledger.timelines() {
            let limit = limit(own, written);
            if !self.kept.contains_key(&written.id) {
                // A compute has only the newest WAL: older WAL comes from a peer.
                if budget == 0 || !others.iter().any(|held| held.contains(&written.id)) {
                    continue;
                }
                self.kept.insert(written.id.clone(), Kept { term: written.term, flush: WAL_START });
                self.changed = true;
            }
            let Some(kept) = self.kept.get_mut(&written.id) else { continue };
            let before = *kept;
            let step = limit.saturating_sub(kept.flush).min(budget);
            kept.flush += step;
            budget -= step;
            kept.term = kept.term.max(written.term);
            self.changed |= *kept != before;
        }
        if own.rate.is_some() && budget > 0 {
            // An unused rate does not accumulate.
            self.budget = 0.0;
        }
    }

    /// Returns the number of bytes that it may fetch now.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn allowance(&mut self, rate: Option<u64>, passed: Duration) -> u64 {
        let Some(rate) = rate else { return u64::MAX };
        self.budget += rate as f64 * passed.as_secs_f64();
        let whole = self.budget.floor();
        self.budget -= whole;
        whole as u64
    }

    /// Returns the timelines that it holds, complete or not.
    pub(crate) fn holds(&self) -> BTreeSet<TimelineId> {
        self.kept.keys().cloned().collect()
    }

    /// Returns its timelines as seen by clients, in the order of their creation; `hidden` bytes are not loaded yet.
    pub(crate) fn view(&self, (own, id): (&Member, u64), ledger: &Ledger, hidden: u64) -> Vec<View> {
        let lines = ledger.timelines().iter().enumerate();
        let lines = lines.filter_map(|(number, written)| {
            let kept = self.kept.get(&written.id)?;
            let active = number >= own.idle as usize && !ledger.idle(id);
            let flush = kept.flush.saturating_sub(hidden);
            let backup = if active { uploaded(flush) } else { flush };
            let commit = written.commit.min(flush);
            let computes = u64::from(number >= own.suspended as usize && ledger.is_written());
            Some(View { id: written.id.clone(), term: kept.term, flush, commit, backup, active, computes })
        });
        lines.collect()
    }

    /// Writes changes to the volume.
    ///
    /// # Errors
    /// Errors of the system.
    pub(crate) fn save(&mut self, id: u64) -> io::Result<()> {
        let Some(file) = self.file.as_deref().filter(|_| self.changed) else { return Ok(()) };
        let timelines = self.kept.iter().map(|(id, kept)| Line { id: id.clone(), kept: *kept }).collect();
        disk::write(file, &serde_json::to_vec(&File { id, timelines })?)?;
        self.changed = false;
        Ok(())
    }
}

/// Returns the maximum position that it reaches on a timeline.
fn limit(own: &Member, written: &Written) -> u64 {
    written.commit.saturating_sub(own.lag).max(WAL_START)
}
