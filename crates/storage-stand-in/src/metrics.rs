//! The content of `/metrics`. Names, labels and conditions are Neon's; unused families are included so that the size is
//! right: 5.7 kB for a fresh safekeeper, 57.6 kB for a pageserver without tenants, 20 kB more for each tenant, and 17.6
//! kB for each further timeline.

use crate::prometheus::{Families, labels};
use crate::{pageserver, safekeeper, uploaded};

/// Buckets of the latencies of a disk or a network, in seconds.
const SECONDS: [&str; 17] = [
    "0.000001", "0.00001", "0.00005", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025",
    "0.05", "0.1", "0.25", "0.5", "1", "2.5",
];

/// Buckets of sizes, in bytes.
const BYTES: [&str; 8] = ["1", "10", "100", "1024", "8192", "131072", "1048576", "10485760"];

/// Adds the metrics of every process.
fn process(all: &mut Families, build: &str) {
    all.family("libmetrics_build_info", "Build/version information", "gauge").sample(build, 1);
    all.gauge("libmetrics_maxrss_kb", "Memory usage (Maximum Resident Set Size)", 61_440);
    all.counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", 1);
    all.gauge("process_max_fds", "Maximum number of open file descriptors.", 1_048_576);
    all.gauge("process_open_fds", "Number of open file descriptors.", 34);
    all.gauge("process_resident_memory_bytes", "Resident memory size in bytes.", 62_914_560);
    all.gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", 1_767_225_600);
    all.gauge("process_threads", "Number of OS threads in the process.", 12);
    all.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", 1_073_741_824);
}

/// A metric of a safekeeper's timelines: name, help, value.
type OfTimeline = (&'static str, &'static str, fn(&safekeeper::View) -> u64);

/// The metrics of active timelines.
const OF_TIMELINES: [OfTimeline; 14] = [
    ("safekeeper_acceptor_term", "Current consensus term", |line| line.term),
    ("safekeeper_backup_lsn", "Current backup_lsn, up to which WAL is backed up, grouped by timeline", |line| {
        line.backup
    }),
    ("safekeeper_commit_lsn", "Current commit_lsn (not necessarily persisted to disk), grouped by timeline", |line| {
        line.commit
    }),
    ("safekeeper_connected_computes", "Number of active compute connections", |line| line.computes),
    ("safekeeper_disk_usage_bytes", "Estimated disk space used to store WAL segments", |line| {
        line.flush.saturating_sub(crate::WAL_START)
    }),
    (
        "safekeeper_epoch_start_lsn",
        "Point since which compute generates new WAL in the current consensus term",
        |line| uploaded(crate::WAL_END).min(line.flush),
    ),
    ("safekeeper_flush_lsn", "Current flush_lsn, grouped by timeline", |line| line.flush),
    ("safekeeper_peer_horizon_lsn", "LSN of the most lagging safekeeper", |line| line.backup),
    ("safekeeper_ps_corruption_detected", "1 where the pageserver found damage in the timeline, 0 otherwise", |_| 0),
    ("safekeeper_ps_last_received_lsn", "Last LSN received by the pageserver, acknowledged in the feedback", |line| {
        line.commit
    }),
    ("safekeeper_remote_consistent_lsn", "LSN which is persisted to the remote storage in pageserver", |line| {
        uploaded(line.commit)
    }),
    ("safekeeper_timeline_active", "Reports 1 for active timelines, 0 for inactive", |_| 1),
    ("safekeeper_wal_backup_active", "Reports 1 for timelines with active WAL backup, 0 otherwise", |_| 1),
    ("safekeeper_written_wal_bytes_total", "Number of WAL bytes written to disk, grouped by timeline", |line| {
        line.flush.saturating_sub(crate::WAL_START)
    }),
];

/// Returns a safekeeper's metrics: labeled ones of active timelines only, and the number that it holds.
pub(crate) fn of_safekeeper(lines: &[safekeeper::View]) -> String {
    let mut all = Families::default();
    process(&mut all, "build_tag=\"stand-in\",revision=\"git:stand-in\"");
    all.histogram("safekeeper_write_wal_bytes", "Bytes written to WAL in a single request", &none(), &BYTES);
    for (name, help) in [
        ("safekeeper_write_wal_seconds", "Seconds spent writing and syncing WAL to a disk in a single request"),
        ("safekeeper_flush_wal_seconds", "Seconds spent syncing WAL to a disk"),
        ("safekeeper_persist_control_file_seconds", "Seconds to persist and sync control file"),
    ] {
        all.histogram(name, help, &none(), &SECONDS[3..13]);
    }
    all.counter("safekeeper_remove_wal_runs_total", "Runs that removed WAL segments", 0);
    all.counter("safekeeper_removed_wal_segments_total", "Number of WAL segments removed", 0);
    all.counter("safekeeper_backed_up_segments_total", "Number of WAL segments backed up to the S3", 2);
    all.counter("safekeeper_backup_errors_total", "Number of errors during backup", 0);
    all.counter("safekeeper_broker_pulled_updates_total", "Number of timeline updates pulled and processed", 0);
    all.counter("safekeeper_broker_pushed_updates_total", "Number of timeline updates pushed to the broker", 0);
    all.gauge("safekeeper_collect_timeline_metrics_seconds", "Time spent collecting timeline metrics", 0);
    let active: Vec<&safekeeper::View> = lines.iter().filter(|line| line.active).collect();
    all.gauge("safekeeper_timelines", "Total number of timelines loaded in-memory", lines.len() as u64);
    all.gauge("safekeeper_active_timelines", "Total number of active timelines", active.len() as u64);
    if !active.is_empty() {
        for (name, help, value) in OF_TIMELINES {
            let family = all.family(name, help, "gauge");
            for line in &active {
                let id = &line.id;
                let labels = labels(&[("tenant_id", id.tenant.as_str()), ("timeline_id", id.timeline.as_str())]);
                family.sample(&labels, value(line));
            }
        }
    }
    all.text()
}

/// Returns the labels of a histogram without labels.
fn none() -> [String; 1] {
    [String::new()]
}

/// The state of a pageserver's start and its tenants.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfPageserver {
    /// Names of the attached tenants.
    pub(crate) tenants: Vec<String>,
    /// The number of tenants being attached.
    pub(crate) attaching: u64,
    /// Tenants to attach at startup, and those that are done.
    pub(crate) startup: (u64, u64),
    /// Whether it started empty although it had tenants.
    pub(crate) loss_suspected: bool,
    /// Its timelines.
    pub(crate) lines: Vec<pageserver::View>,
}

/// Returns a pageserver's metrics.
pub(crate) fn of_pageserver(of: &OfPageserver) -> String {
    let mut all = Families::default();
    process(&mut all, "build_tag=\"stand-in\",revision=\"git:stand-in\"");
    let attached = of.tenants.len() as u64;
    let states = all.family("pageserver_tenant_states_count", "Count of tenants per state", "gauge");
    let counts = [("Activating", 0), ("Active", attached), ("Attaching", of.attaching), ("Broken", 0), ("Stopping", 0)];
    for (state, count) in counts {
        states.sample(&labels(&[("state", state)]), count);
    }
    let lines = of.lines.len() as u64;
    let states = all.family("pageserver_timeline_states_count", "Count of timelines per state", "gauge");
    for (state, count) in [("active", lines), ("broken", 0), ("loading", 0), ("stopping", 0)] {
        states.sample(&labels(&[("state", state)]), count);
    }
    let help = "How many slots currently exist, including all attached, secondary and in-progress operations";
    let slots = all.family("pageserver_tenant_manager_slots", help, "gauge");
    for (mode, count) in [("attached", attached), ("inprogress", of.attaching), ("secondary", 0)] {
        slots.sample(&labels(&[("mode", mode)]), count);
    }
    let help = "1 while in initial startup load of tenants, 0 at other times";
    all.gauge("pageserver_startup_is_loading", help, u64::from(of.attaching > 0));
    let help = "Number of tenants included in pageserver startup (doesn't count tenants attached later)";
    all.counter("pageserver_tenant_startup_scheduled", help, of.startup.0);
    let help = "Number of tenants that have completed warm-up, or activated on-demand during initial startup";
    all.counter("pageserver_tenant_startup_complete", help, of.startup.1);
    let help = "Whether the pageserver came up without local state although it had tenants";
    all.gauge("pageserver_local_data_loss_suspected", help, u64::from(of.loss_suspected));
    let help = "Like `pageserver_remote_physical_size`, but without tenant/timeline dimensions.";
    let size = of.lines.iter().map(|line| line.remote_size).sum();
    all.gauge("pageserver_remote_physical_size_global", help, size);
    everywhere(&mut all);
    of_tenants(&mut all, &of.tenants);
    of_timelines(&mut all, &of.lines);
    all.text()
}

/// Adds the histograms that every pageserver has, whatever the number of tenants.
fn everywhere(all: &mut Families) {
    let of =
        |name: &str, values: &[&str]| -> Vec<String> { values.iter().map(|value| labels(&[(name, value)])).collect() };
    let requests = ["get_rel_exists", "get_rel_size", "get_page_at_lsn", "get_db_size", "get_slru_segment"];
    let name = "pageserver_smgr_query_seconds_global";
    all.histogram(
        name,
        "Like pageserver_smgr_query_seconds, but aggregated to instance level.",
        &of("smgr_query_type", &requests),
        &SECONDS,
    );
    let operations = ["compact", "create images", "find gc cutoffs", "gc", "layer flush", "logical size"];
    let name = "pageserver_storage_operations_seconds_global";
    all.histogram(name, "Time spent on storage operations", &of("operation", &operations), &SECONDS);
    let operations = ["close", "fsync", "metadata", "open", "read", "write"];
    all.histogram(
        "pageserver_io_operations_seconds",
        "Time spent in IO operations",
        &of("operation", &operations),
        &SECONDS,
    );
    let mut operations = Vec::new();
    for kind in ["index", "layer"] {
        for operation in ["delete", "download", "upload"] {
            for status in ["failure", "success"] {
                operations.push(labels(&[("file_kind", kind), ("op_kind", operation), ("status", status)]));
            }
        }
    }
    all.histogram(
        "pageserver_remote_operation_seconds",
        "Time spent on remote storage operations.",
        &operations,
        &SECONDS,
    );
}

/// Adds the metrics of each tenant.
fn of_tenants(all: &mut Families, tenants: &[String]) {
    if tenants.is_empty() {
        return;
    }
    let throttled = ["count_accounted_finish", "count_accounted_start", "count_throttled", "wait_usecs_sum"];
    let family = all.family("pageserver_tenant_throttling", "Requests that were throttled, of each kind", "counter");
    for tenant in tenants {
        for kind in ["aux_file_size", "pagestream"] {
            for counted in throttled {
                let pairs =
                    [("counted", counted), ("kind", kind), ("shard_id", "0000"), ("tenant_id", tenant.as_str())];
                family.sample(&labels(&pairs), 0);
            }
        }
    }
    for (name, help) in [
        ("pageserver_tenant_synthetic_cached_size_bytes", "Synthetic size of each tenant in bytes"),
        ("pageserver_tenant_synthetic_size_errors", "Times that a tenant's synthetic size could not be calculated"),
    ] {
        let family = all.family(name, help, "gauge");
        for tenant in tenants {
            family.sample(&labels(&[("tenant_id", tenant.as_str())]), 0);
        }
    }
    let family =
        all.family("pageserver_tenant_offload_seconds", "Seconds that it took to offload a tenant", "histogram");
    for tenant in tenants {
        family.buckets(&labels(&[("tenant_id", tenant.as_str())]), &SECONDS[8..13]);
    }
}

/// Adds the metrics of each timeline.
fn of_timelines(all: &mut Families, lines: &[pageserver::View]) {
    if lines.is_empty() {
        return;
    }
    let of = |line: &pageserver::View, more: &[(&str, &str)]| {
        let mut pairs = vec![
            ("shard_id", "0000"),
            ("tenant_id", line.id.tenant.as_str()),
            ("timeline_id", line.id.timeline.as_str()),
        ];
        pairs.extend_from_slice(more);
        pairs.sort_unstable();
        labels(&pairs)
    };
    type Gauge = (&'static str, &'static str, fn(&pageserver::View) -> u64);
    let gauges: [Gauge; 10] = [
        ("pageserver_archive_size", "Timeline's logical size if it is considered eligible for archival", |_| 0),
        ("pageserver_aux_file_estimated_size", "The size of all aux files for a timeline", |_| 0),
        ("pageserver_current_logical_size", "Current logical size grouped by timeline", |_| 29_384_704),
        ("pageserver_disk_consistent_lsn", "Disk consistent LSN grouped by timeline", |line| line.remote_consistent),
        ("pageserver_last_record_lsn", "Last record LSN grouped by timeline", |line| line.last_record),
        ("pageserver_pitr_history_size", "Data written since PITR cutoff on this timeline", |_| 0),
        ("pageserver_projected_remote_consistent_lsn", "Projected remote consistent LSN grouped by timeline", |line| {
            line.remote_consistent
        }),
        ("pageserver_remote_physical_size", "The size of the layer files present in the remote storage", |line| {
            line.remote_size
        }),
        (
            "pageserver_resident_physical_size",
            "The size of the layer files present in the pageserver's filesystem",
            |line| line.remote_size,
        ),
        ("pageserver_standby_horizon", "Standby apply LSN for which GC is hold off, by timeline.", |_| 0),
    ];
    for (name, help, value) in gauges {
        let family = all.family(name, help, "gauge");
        for line in lines {
            family.sample(&of(line, &[]), value(line));
        }
    }
    let family =
        all.family("pageserver_smgr_query_seconds", "Time spent handling smgr queries, by timeline", "histogram");
    for line in lines {
        for request in ["get_db_size", "get_page_at_lsn", "get_rel_exists", "get_rel_size"] {
            family.buckets(&of(line, &[("smgr_query_type", request)]), &SECONDS);
        }
    }
    let family = all.family(
        "pageserver_storage_operations_seconds_count_total",
        "Count of storage operations with operation, tenant and timeline dimensions",
        "counter",
    );
    for line in lines {
        for operation in ["compact", "gc", "layer flush", "logical size"] {
            family.sample(&of(line, &[("operation", operation)]), 0);
        }
    }
    let family = all.family(
        "pageserver_remote_timeline_client_calls_started_total",
        "Number of started calls to remote timeline client.",
        "counter",
    );
    for line in lines {
        family.sample(&of(line, &[("file_kind", "layer"), ("op_kind", "upload")]), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::installation::TimelineId;

    fn id(tenant: usize, line: usize) -> TimelineId {
        TimelineId { tenant: format!("{tenant:032x}"), timeline: format!("{line:032x}") }
    }

    /// Returns the length of a pageserver's metrics with this many tenants, and timelines each.
    fn size(tenants: usize, timelines: usize) -> usize {
        let all = (0..tenants).flat_map(|tenant| (0..timelines).map(move |line| id(tenant, line)));
        let lines = all.map(|id| pageserver::View {
            id,
            last_record: crate::WAL_END,
            remote_consistent: uploaded(crate::WAL_END),
            remote_size: 1,
        });
        let of = OfPageserver {
            tenants: (0..tenants).map(|tenant| id(tenant, 0).tenant).collect(),
            lines: lines.collect(),
            ..OfPageserver::default()
        };
        of_pageserver(&of).len()
    }

    /// As measured on real ones.
    #[test]
    fn sizes_are_those_of_the_real_ones() {
        let near = |size: usize, expected: usize, what: &str| {
            assert!(size.abs_diff(expected) * 50 <= expected, "{what}: {size} bytes, of the real one {expected}");
        };
        near(of_safekeeper(&[]).len(), 5_700, "a fresh safekeeper");
        near(size(0, 0), 57_600, "a pageserver without tenants");
        // Headers of families that appear with the first one do not count.
        near(size(3, 1) - size(2, 1), 20_000, "a tenant");
        near(size(1, 3) - size(1, 2), 17_600, "a timeline");
    }
}
