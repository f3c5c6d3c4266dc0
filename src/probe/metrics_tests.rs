//! Metrics as components serve them.

use super::*;
use crate::storage::facts::{Layers, Listed, Wal};

/// As a safekeeper with an active and an idle timeline serves them: the numbers of the second registry come after those
/// of the first.
pub(crate) const SAFEKEEPER: &str = r#"# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 1
# HELP safekeeper_timelines Number of timelines loaded in the process
# TYPE safekeeper_timelines gauge
safekeeper_timelines 2
# HELP wal_storage_operation_seconds Seconds
# TYPE wal_storage_operation_seconds histogram
wal_storage_operation_seconds_bucket{operation="flush",le="+Inf"} 3
# HELP safekeeper_acceptor_term Current consensus term
# TYPE safekeeper_acceptor_term gauge
safekeeper_acceptor_term{tenant_id="aa",timeline_id="11"} 3
# HELP safekeeper_active_timelines Total number of active timelines
# TYPE safekeeper_active_timelines gauge
safekeeper_active_timelines 1
# HELP safekeeper_backup_lsn Current backup_lsn, up to which WAL is backed up
# TYPE safekeeper_backup_lsn gauge
safekeeper_backup_lsn{tenant_id="aa",timeline_id="11"} 23000000 1700000000
# HELP safekeeper_commit_lsn Current commit_lsn
# TYPE safekeeper_commit_lsn gauge
safekeeper_commit_lsn{tenant_id="aa",timeline_id="11"} 2.4e7
# HELP safekeeper_connected_computes Number of active compute connections
# TYPE safekeeper_connected_computes gauge
safekeeper_connected_computes{tenant_id="aa",timeline_id="11"} 1
# HELP safekeeper_epoch_start_lsn Point since which compute generates new WAL in the current consensus term
# TYPE safekeeper_epoch_start_lsn gauge
safekeeper_epoch_start_lsn{tenant_id="aa",timeline_id="11"} 22000000
# HELP safekeeper_flush_lsn Current flush_lsn
# TYPE safekeeper_flush_lsn gauge
safekeeper_flush_lsn{tenant_id="aa",timeline_id="11"} 24000001
# HELP safekeeper_remote_consistent_lsn LSN which is persisted to the remote storage in pageserver
# TYPE safekeeper_remote_consistent_lsn gauge
safekeeper_remote_consistent_lsn{tenant_id="aa",timeline_id="11"} 21000000
# HELP safekeeper_timeline_active Reports 1 for active timelines, 0 for inactive
# TYPE safekeeper_timeline_active gauge
safekeeper_timeline_active{tenant_id="aa",timeline_id="11"} 1
"#;

/// As a pageserver with one tenant serves them.
const PAGESERVER: &str = r#"# HELP pageserver_last_record_lsn Last record LSN grouped by timeline
# TYPE pageserver_last_record_lsn gauge
pageserver_last_record_lsn{shard_id="0000",tenant_id="aa",timeline_id="11"} 24000000
pageserver_last_record_lsn{shard_id="0102",tenant_id="bb",timeline_id="22"} 7
# HELP pageserver_local_data_loss_suspected Non-zero value indicates that pageserver local data loss is suspected.
# TYPE pageserver_local_data_loss_suspected gauge
pageserver_local_data_loss_suspected 0
# HELP pageserver_projected_remote_consistent_lsn Projected remote consistent LSN
# TYPE pageserver_projected_remote_consistent_lsn gauge
pageserver_projected_remote_consistent_lsn{shard_id="0000",tenant_id="aa",timeline_id="11"} 21000000
# HELP pageserver_remote_physical_size_global Remote physical size of all timelines.
# TYPE pageserver_remote_physical_size_global gauge
pageserver_remote_physical_size_global 30000000
# HELP pageserver_startup_is_loading 1 while in initial startup load of tenants, 0 at other times
# TYPE pageserver_startup_is_loading gauge
pageserver_startup_is_loading 0
# HELP pageserver_tenant_startup_complete Number of tenants that have completed warm-up
# TYPE pageserver_tenant_startup_complete counter
pageserver_tenant_startup_complete 2
# HELP pageserver_tenant_startup_scheduled Number of tenants included in initial startup
# TYPE pageserver_tenant_startup_scheduled counter
pageserver_tenant_startup_scheduled 2
# HELP pageserver_tenant_states_count Count of tenants per state
# TYPE pageserver_tenant_states_count gauge
pageserver_tenant_states_count{state="Activating"} 0
pageserver_tenant_states_count{state="Active"} 2
pageserver_tenant_states_count{state="Broken"} 0
# HELP pageserver_timeline_states_count Count of timelines per state
# TYPE pageserver_timeline_states_count gauge
pageserver_timeline_states_count{state="active"} 3
pageserver_timeline_states_count{state="stopping"} 9
"#;

/// Returns what is read, and how many bytes of it, if it arrives in pieces of this size.
fn read_in(text: &str, size: usize) -> (Option<Metrics>, usize) {
    let (mut reader, mut taken) = (Reader::default(), 0);
    for piece in text.as_bytes().chunks(size) {
        taken += piece.len();
        if reader.push(piece) {
            break;
        }
    }
    (reader.finish(), taken)
}

fn read(text: &str) -> Option<Metrics> {
    read_in(text, text.len().max(1)).0
}

fn safekeeper(text: &str) -> SafekeeperFacts {
    match read(text) {
        Some(Metrics::Safekeeper(facts)) => facts,
        other => panic!("{other:?}"),
    }
}

fn pageserver(text: &str) -> PageserverFacts {
    match read(text) {
        Some(Metrics::Pageserver(facts)) => facts,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_safekeepers_metrics_are_read_by_timeline() {
    let facts = safekeeper(SAFEKEEPER);
    let wal = Wal {
        flush_lsn: Some(24_000_001),
        commit_lsn: Some(24_000_000),
        backup_lsn: Some(23_000_000),
        remote_consistent_lsn: Some(21_000_000),
        term: Some(3),
        epoch_start_lsn: Some(22_000_000),
        computes: Some(1),
    };
    let timelines = BTreeMap::from([(TimelineId::new("aa", "11"), wal)]);
    assert_eq!(facts, SafekeeperFacts { timelines, total: Some(2), active: Some(1), ..SafekeeperFacts::default() });
    // A fresh or wiped one.
    let facts = safekeeper("safekeeper_timelines 0\nsafekeeper_active_timelines 0\n");
    assert_eq!((facts.total, facts.active, facts.timelines.len()), (Some(0), Some(0), 0));
    // Labels contain text.
    let facts =
        safekeeper("safekeeper_flush_lsn{tenant_id=\"t,\\\"=}\",timeline_id=\"two\"} 7\nsafekeeper_flush_lsn NaN");
    let wal = Wal { flush_lsn: Some(7), ..Wal::default() };
    assert_eq!(facts.timelines, BTreeMap::from([(TimelineId::new("t,\"=}", "two"), wal)]));
}

#[test]
fn a_pageservers_metrics_are_read() {
    let facts = pageserver(PAGESERVER);
    let of = |last, remote| Layers { last_record_lsn: last, remote_consistent_lsn: remote };
    let expected = PageserverFacts {
        tenants: [("Activating", 0), ("Active", 2), ("Broken", 0)].map(|(state, n)| (state.to_owned(), n)).into(),
        broken: None,
        active_timelines: Some(3),
        timelines: BTreeMap::from([
            (TimelineId::new("aa", "11"), of(Some(24_000_000), Some(21_000_000))),
            (TimelineId::new("bb-0102", "22"), of(Some(7), None)),
        ]),
        listed: Listed::Unasked,
        remote_bytes: Some(30_000_000),
        loading: Some(false),
        startup_scheduled: Some(2),
        startup_complete: Some(2),
        data_loss_suspected: Some(false),
        left_out: 0,
    };
    assert_eq!(facts, expected);
    assert_eq!(facts.layers(&TimelineId::new("bb", "22")), Some(of(Some(7), None)), "a shard is a part of its tenant");
    let facts = pageserver(
        "pageserver_broken_tenants_count{tenant_id=\"a\"} 1\npageserver_broken_tenants_count{tenant_id=\"b\"} 1",
    );
    assert_eq!((facts.broken(), facts.active_timelines), (2, None));
    let most = format!("pageserver_tenant_states_count{{state=\"Active\"}} {0}\n", u64::MAX).repeat(2);
    assert_eq!(pageserver(&most).active(), u64::MAX);
    assert_eq!(read("up 1\nsafekeeper_flush_lsn NaN\npageserver_broken_tenants_count{\n"), None);
    assert_eq!(read(""), None);
}

/// However it is split: in the middle of a name, of a number, of a line.
#[test]
fn pieces_do_not_matter() {
    for text in [SAFEKEEPER, PAGESERVER] {
        for size in [1, 2, 3, 7, 100, 4096] {
            assert_eq!(read_in(text, size).0, read(text), "{size}");
        }
    }
    assert_eq!(read(SAFEKEEPER.trim_end()), read(SAFEKEEPER), "the last line need not end");
}

/// What follows the last line that matters is not read, however much it is; what precedes it is.
#[test]
fn reading_stops_when_all_is_there() {
    let more = "zzz_metric{a=\"b\"} 1\n".repeat(100_000);
    for text in [SAFEKEEPER, PAGESERVER] {
        let (metrics, taken) = read_in(&format!("{text}{more}"), 100);
        assert_eq!(metrics, read(text));
        assert!(taken < text.len() + 200, "{taken}");
        let (metrics, _) = read_in(&format!("{more}{text}"), 4096);
        assert_eq!(metrics, read(text));
    }
    // Without one of them there may be more to come.
    let without = SAFEKEEPER.replace("safekeeper_acceptor_term{", "other{");
    let (_, taken) = read_in(&format!("{without}{more}"), 100);
    assert!(taken >= without.len() + more.len(), "{taken}");
}

/// Endless input is kept only up to a limit, and what is excluded is counted.
#[test]
fn what_lies_beyond_the_bounds_is_counted() {
    let line = |timeline: usize, lsn: u64| format!("safekeeper_flush_lsn{{timeline_id=\"{timeline:06}\"}} {lsn}\n");
    let many: String = (0..MOST_TIMELINES + 10).map(|number| line(number, 1)).collect();
    let commits = many.replace("flush", "commit");
    let facts = safekeeper(&(many + &line(0, 2) + &commits));
    assert_eq!((facts.timelines.len(), facts.left_out), (MOST_TIMELINES, 10));
    let first = TimelineId { tenant: None, timeline: "000000".into() };
    assert_eq!(facts.timelines[&first].flush_lsn, Some(2), "of those that are known more is learned");
    let states: String =
        (0..MOST_STATES + 5).map(|n| format!("pageserver_tenant_states_count{{state=\"{n}\"}} 1\n")).collect();
    let facts = pageserver(&states);
    assert_eq!((facts.tenants.len(), facts.left_out), (MOST_STATES, 5));
    let endless = format!("#{}\n{SAFEKEEPER}", "x".repeat(LONGEST_LINE * 3));
    for size in [1000, LONGEST_LINE * 4] {
        assert_eq!(read_in(&endless, size).0, read(SAFEKEEPER));
    }
}
