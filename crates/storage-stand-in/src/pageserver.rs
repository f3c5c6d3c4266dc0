//! The state of a pageserver: its tenants, and the position to which it has ingested each timeline.

use crate::disk;
use crate::installation::{Installation, Ledger, Remote, TimelineId};
use crate::settings::{Bucket, Controller, Member};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Its file on the volume, with the identity and the attached tenants.
pub(crate) const FILE: &str = "pageserver.json";

/// A pageserver's state.
#[derive(Debug)]
pub(crate) struct Pageserver {
    file: Option<PathBuf>,
    tenants: BTreeMap<String, Timelines>,
    /// Tenants that still have to be attached.
    queue: VecDeque<String>,
    /// When the first of them is due.
    next: Instant,
    /// The number of tenants to attach at startup.
    scheduled: u64,
    /// Whether it started empty although it had tenants.
    pub(crate) loss_suspected: bool,
    /// Whether it waits for the controller forever.
    pub(crate) silent: bool,
    budget: f64,
    at: Instant,
    changed: bool,
}

type Timelines = BTreeMap<String, Ingested>;

/// Its progress on a timeline.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ingested {
    last_record: u64,
    remote: Remote,
}

/// The file.
#[derive(Serialize, Deserialize)]
struct File {
    id: u64,
    tenants: BTreeMap<String, Timelines>,
}

/// A timeline as seen by clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// The timeline.
    pub(crate) id: TimelineId,
    /// The position to which its WAL is ingested.
    pub(crate) last_record: u64,
    /// The position to which it is in remote storage.
    pub(crate) remote_consistent: u64,
    /// Its bytes in remote storage.
    pub(crate) remote_size: u64,
}

impl Pageserver {
    /// Reads the state from a volume. A new pageserver has served all tenants since computes began to write; another
    /// one with an empty volume has lost its disk, and gets them again from the controller and remote storage.
    ///
    /// # Errors
    /// Errors of the system; an invalid file.
    pub(crate) fn start(
        (own, volume): (&Member, Option<&Path>),
        (new, seen): (bool, usize),
        ledger: &Ledger,
        all: &Installation,
        now: Instant,
    ) -> io::Result<Pageserver> {
        let file = volume.map(|volume| volume.join(FILE));
        let found = file.as_deref().map(disk::read).transpose()?.flatten();
        let mut tenants = BTreeMap::new();
        let mut queue = VecDeque::new();
        let lost = found.is_none() && !new;
        match found {
            Some(bytes) => tenants = serde_json::from_slice::<File>(&bytes)?.tenants,
            None if new => {}
            None => {
                let named = own.attach.map_or(usize::MAX, |most| most as usize);
                queue = ledger.tenants().into_iter().take(named).map(str::to_owned).collect();
            }
        }
        // It has served later ones since their creation.
        for made in ledger.timelines().iter().skip(seen) {
            let remote = all.upload(&made.id, made.commit)?;
            let line = (made.id.timeline.clone(), Ingested { last_record: made.commit, remote });
            if !lost {
                tenants.entry(made.id.tenant.clone()).or_default().extend([line]);
            }
        }
        let scheduled = (tenants.len() + queue.len()) as u64;
        let next = now + wait(own);
        let silent = own.controller == Controller::Silent && !new;
        let (loss_suspected, changed) = (lost && !ledger.timelines().is_empty(), true);
        Ok(Pageserver { file, tenants, queue, next, scheduled, loss_suspected, silent, budget: 0.0, at: now, changed })
    }

    /// Advances to the present: attaches the tenants that are due, and ingests what safekeepers hold.
    ///
    /// # Errors
    /// Errors of the system, of remote storage.
    pub(crate) fn advance(
        &mut self,
        (own, name): (&Member, &str),
        ledger: &Ledger,
        all: &Installation,
        now: Instant,
    ) -> io::Result<()> {
        if self.silent {
            return Ok(());
        }
        while now >= self.next
            && let Some(tenant) = self.queue.pop_front()
        {
            let remote = if own.bucket == Bucket::Own { all.remote(&tenant)? } else { BTreeMap::new() };
            let attached =
                remote.into_iter().map(|(line, remote)| (line, Ingested { last_record: remote.lsn, remote }));
            self.tenants.insert(tenant, attached.collect());
            self.next += wait(own);
            self.changed = true;
        }
        let mut budget = self.allowance(own.rate, now);
        let holders = all.held_by_others(name);
        for written in ledger.timelines() {
            let timelines = self.tenants.get_mut(&written.id.tenant);
            let Some(line) = timelines.and_then(|lines| lines.get_mut(&written.id.timeline)) else { continue };
            if !holders.iter().any(|held| held.contains(&written.id)) {
                continue;
            }
            let step = written.commit.saturating_sub(line.last_record).min(budget);
            line.last_record += step;
            budget -= step;
            self.changed |= step > 0;
            if crate::uploaded(line.last_record) > line.remote.lsn {
                line.remote = all.upload(&written.id, line.last_record)?;
            }
        }
        Ok(())
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn allowance(&mut self, rate: Option<u64>, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.at);
        self.at = now;
        let Some(rate) = rate else { return u64::MAX };
        // The remainder is less than a byte, or was not needed.
        let bytes = self.budget + rate as f64 * passed.as_secs_f64();
        self.budget = bytes.fract();
        bytes as u64
    }

    /// Returns the number of attached tenants, and of those being attached.
    pub(crate) fn states(&self) -> (u64, u64) {
        (self.tenants.len() as u64, self.queue.len() as u64)
    }

    /// Returns the number of tenants to attach at startup, and of those that are done.
    pub(crate) fn startup(&self) -> (u64, u64) {
        (self.scheduled, self.scheduled - self.queue.len() as u64)
    }

    /// Returns the attached tenants.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = &str> {
        self.tenants.keys().map(String::as_str)
    }

    /// Returns the timelines of all tenants, or of the named one.
    pub(crate) fn view(&self, only: Option<&str>) -> Vec<View> {
        let tenants = self.tenants.iter().filter(|(tenant, _)| only.is_none_or(|only| only == *tenant));
        let lines = tenants.flat_map(|(tenant, lines)| {
            lines.iter().map(|(line, ingested)| View {
                id: TimelineId { tenant: tenant.clone(), timeline: line.clone() },
                last_record: ingested.last_record,
                remote_consistent: ingested.remote.lsn,
                remote_size: ingested.remote.size,
            })
        });
        lines.collect()
    }

    /// Writes changes to the volume.
    ///
    /// # Errors
    /// Errors of the system.
    pub(crate) fn save(&mut self, id: u64) -> io::Result<()> {
        let Some(file) = self.file.as_deref().filter(|_| self.changed) else { return Ok(()) };
        disk::write(file, &serde_json::to_vec(&File { id, tenants: self.tenants.clone() })?)?;
        self.changed = false;
        Ok(())
    }
}

/// Returns how long it takes to attach a tenant.
fn wait(own: &Member) -> Duration {
    Duration::try_from_secs_f64(own.attach_seconds).unwrap_or_default()
}
