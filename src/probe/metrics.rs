//! Reads metrics in Prometheus' text format (<https://prometheus.io/docs/instrumenting/exposition_formats/>) as they
//! arrive: `name{label="value"} 1`. A pageserver has megabytes of them, of which a few lines matter; only these are
//! kept, and nothing is read after them.

use std::collections::BTreeMap;

use crate::storage::facts::{Metrics, PageserverFacts, SafekeeperFacts, TimelineId};

/// Longest line, in bytes: another server's line may have no end.
const LONGEST_LINE: usize = 64 << 10;

/// Most states of tenants kept: there are a handful.
const MOST_STATES: usize = 100;

/// Most timelines kept of a component. Further ones are counted, and make the comparison unknown.
pub(super) const MOST_TIMELINES: usize = 20_000;

/// The metrics that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Flush,
    Commit,
    Backup,
    RemoteConsistent,
    Term,
    EpochStart,
    Computes,
    Timelines,
    ActiveTimelines,
    TenantStates,
    BrokenTenants,
    TimelineStates,
    LastRecord,
    Projected,
    RemoteSize,
    Loading,
    Scheduled,
    Complete,
    LossSuspected,
}

use Family::{
    ActiveTimelines, Backup, BrokenTenants, Commit, Complete, Computes, EpochStart, Flush, LastRecord, Loading,
    LossSuspected, Projected, RemoteConsistent, RemoteSize, Scheduled, TenantStates, Term, TimelineStates, Timelines,
};

const FAMILIES: [(&str, Family); 19] = [
    ("safekeeper_flush_lsn", Flush),
    ("safekeeper_commit_lsn", Commit),
    ("safekeeper_backup_lsn", Backup),
    ("safekeeper_remote_consistent_lsn", RemoteConsistent),
    ("safekeeper_acceptor_term", Term),
    ("safekeeper_epoch_start_lsn", EpochStart),
    ("safekeeper_connected_computes", Computes),
    ("safekeeper_timelines", Timelines),
    ("safekeeper_active_timelines", ActiveTimelines),
    ("pageserver_tenant_states_count", TenantStates),
    // Only while one is broken.
    ("pageserver_broken_tenants_count", BrokenTenants),
    ("pageserver_timeline_states_count", TimelineStates),
    ("pageserver_last_record_lsn", LastRecord),
    ("pageserver_projected_remote_consistent_lsn", Projected),
    ("pageserver_remote_physical_size_global", RemoteSize),
    ("pageserver_startup_is_loading", Loading),
    ("pageserver_tenant_startup_scheduled", Scheduled),
    ("pageserver_tenant_startup_complete", Complete),
    ("pageserver_local_data_loss_suspected", LossSuspected),
];

/// What every safekeeper with an active timeline has.
const OF_SAFEKEEPER: [Family; 9] =
    [Flush, Commit, Backup, RemoteConsistent, Term, EpochStart, Computes, Timelines, ActiveTimelines];
/// What every pageserver with a timeline has.
const OF_PAGESERVER: [Family; 9] =
    [TenantStates, TimelineStates, LastRecord, Projected, RemoteSize, Loading, Scheduled, Complete, LossSuspected];

/// Reads metrics piece by piece.
#[derive(Default)]
pub(super) struct Reader {
    line: Vec<u8>,
    /// Whether the line is too long, and skipped to its end.
    too_long: bool,
    /// The metric that the last line was of, if it matters.
    family: Option<Family>,
    /// Metrics whose lines were all read: a metric's lines are contiguous.
    ended: Vec<Family>,
    safekeeper: SafekeeperFacts,
    pageserver: PageserverFacts,
    is_safekeeper: bool,
    is_pageserver: bool,
    /// Lines by metric of a timeline or a state past the limits.
    beyond: BTreeMap<usize, u64>,
}

impl Reader {
    /// Reads the next piece. Returns whether all that matters was read: the order of metrics is not fixed (Neon's are
    /// of two registries, one after the other), so that is known only once each of them has ended.
    pub(super) fn push(&mut self, piece: &[u8]) -> bool {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match part.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (part, false),
            };
            if self.line.len() + text.len() > LONGEST_LINE {
                self.too_long = true;
                self.line.clear();
            } else if !self.too_long {
                self.line.extend_from_slice(text);
            }
            if ends {
                self.end_line();
                if self.is_complete() {
                    return true;
                }
            }
        }
        false
    }

    /// Returns what was read; `None` if there was no known metric.
    pub(super) fn finish(mut self) -> Option<Metrics> {
        self.end_line();
        let left_out = self.beyond.values().max().copied().unwrap_or(0);
        if self.is_safekeeper {
            Some(Metrics::Safekeeper(SafekeeperFacts { left_out, ..self.safekeeper }))
        } else if self.is_pageserver {
            Some(Metrics::Pageserver(PageserverFacts { left_out, ..self.pageserver }))
        } else {
            None
        }
    }

    fn is_complete(&self) -> bool {
        let ended = |all: &[Family]| all.iter().all(|family| self.ended.contains(family));
        ended(&OF_SAFEKEEPER) || ended(&OF_PAGESERVER)
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.too_long) {
            return;
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        let name = match line.strip_prefix('#') {
            Some(comment) => comment.split_whitespace().nth(1).unwrap_or_default(),
            None => line.split(|c: char| c == '{' || c.is_whitespace()).next().unwrap_or_default(),
        };
        let family = FAMILIES.iter().find(|(known, _)| *known == name).map(|(_, family)| *family);
        if family != self.family {
            self.ended.extend(self.family.take());
            self.family = family.filter(|_| !line.starts_with('#'));
        }
        if let (Some(family), Some((labels, value))) = (self.family, sample(line)) {
            self.take(family, labels, value);
        }
    }

    fn take(&mut self, family: Family, labels: &str, value: u64) {
        let of_safekeeper = OF_SAFEKEEPER.contains(&family);
        self.is_safekeeper |= of_safekeeper;
        self.is_pageserver |= !of_safekeeper;
        let (sk, ps) = (&mut self.safekeeper, &mut self.pageserver);
        let fits = match family {
            Timelines => set(&mut sk.total, value),
            ActiveTimelines => set(&mut sk.active, value),
            Flush | Commit | Backup | RemoteConsistent | Term | EpochStart | Computes => {
                bounded(&mut sk.timelines, timeline(labels), MOST_TIMELINES).is_some_and(|wal| {
                    set(
                        match family {
                            Flush => &mut wal.flush_lsn,
                            Commit => &mut wal.commit_lsn,
                            Backup => &mut wal.backup_lsn,
                            RemoteConsistent => &mut wal.remote_consistent_lsn,
                            Term => &mut wal.term,
                            EpochStart => &mut wal.epoch_start_lsn,
                            _ => &mut wal.computes,
                        },
                        value,
                    )
                })
            }
            LastRecord | Projected => {
                bounded(&mut ps.timelines, timeline(labels), MOST_TIMELINES).is_some_and(|layers| {
                    let last = family == LastRecord;
                    set(if last { &mut layers.last_record_lsn } else { &mut layers.remote_consistent_lsn }, value)
                })
            }
            TenantStates => {
                let state = label(labels, "state").unwrap_or_default();
                bounded(&mut ps.tenants, state, MOST_STATES).is_some_and(|number| {
                    *number = number.saturating_add(value);
                    true
                })
            }
            BrokenTenants => add(&mut ps.broken, value),
            TimelineStates => match label(labels, "state").as_deref() {
                Some("active") => add(&mut ps.active_timelines, value),
                _ => true,
            },
            RemoteSize => add(&mut ps.remote_bytes, value),
            Loading => set_flag(&mut ps.loading, value),
            Scheduled => set(&mut ps.startup_scheduled, value),
            Complete => set(&mut ps.startup_complete, value),
            LossSuspected => set_flag(&mut ps.data_loss_suspected, value),
        };
        if !fits {
            *self.beyond.entry(family as usize).or_default() += 1;
        }
    }
}

fn set(field: &mut Option<u64>, value: u64) -> bool {
    *field = Some(value);
    true
}

fn add(field: &mut Option<u64>, value: u64) -> bool {
    *field = Some(field.unwrap_or(0).saturating_add(value));
    true
}

fn set_flag(field: &mut Option<bool>, value: u64) -> bool {
    *field = Some(value != 0);
    true
}

/// Returns the entry of a key, which is created unless there are too many.
fn bounded<K: Ord, V: Default>(map: &mut BTreeMap<K, V>, key: K, most: usize) -> Option<&mut V> {
    if map.len() >= most && !map.contains_key(&key) { None } else { Some(map.entry(key).or_default()) }
}

/// Returns the timeline of a line; a shard of a tenant is named as Neon names it (`TENANT-SHARD`, and `0000` is all of
/// an unsharded one).
fn timeline(labels: &str) -> TimelineId {
    let tenant = label(labels, "tenant_id").map(|tenant| match label(labels, "shard_id") {
        Some(shard) if shard != "0000" && !shard.is_empty() => format!("{tenant}-{shard}"),
        _ => tenant,
    });
    TimelineId { tenant, timeline: label(labels, "timeline_id").unwrap_or_default() }
}

/// Parses labels and value of a sample. Values are floats in that format, and the ones read here are counts.
fn sample(line: &str) -> Option<(&str, u64)> {
    let (labels, rest) = match line.find('{') {
        Some(open) => {
            let close = line.rfind('}')?;
            (line.get(open + 1..close)?, &line[close + 1..])
        }
        None => ("", line.split_once(char::is_whitespace)?.1),
    };
    // A timestamp may follow the value.
    let text = rest.split_whitespace().next()?;
    let value = text.parse().ok().or_else(|| {
        let float: f64 = text.parse().ok()?;
        (float.is_finite() && float >= 0.0).then_some(float as u64)
    })?;
    Some((labels, value))
}

fn label(labels: &str, name: &str) -> Option<String> {
    let mut rest = labels;
    while let Some((key, after)) = rest.split_once("=\"") {
        let (mut value, mut end, mut escaped) = (String::new(), after.len(), false);
        for (at, c) in after.char_indices() {
            match c {
                _ if escaped => {
                    value.push(if c == 'n' { '\n' } else { c });
                    escaped = false;
                }
                '\\' => escaped = true,
                '"' => {
                    end = at + 1;
                    break;
                }
                _ => value.push(c),
            }
        }
        if key.trim_start_matches([',', ' ']) == name {
            return Some(value);
        }
        rest = &after[end..];
    }
    None
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
