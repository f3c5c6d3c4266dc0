//! Members of one installation on their own volumes, queried like by a client.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use storage_stand_in::{Identity, Installation, PageRequest, PageResponse, Role, Settings, StandIn, WAL_END};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

struct World {
    shared: TempDir,
    installation: Arc<Installation>,
    settings: Settings,
}

impl World {
    fn new(settings: &str) -> World {
        let shared = tempfile::tempdir().unwrap();
        let installation = Arc::new(Installation::open(shared.path()).unwrap());
        World { shared, installation, settings: Settings::read(settings).unwrap() }
    }

    /// Returns the same installation with other settings.
    fn with(self, settings: &str) -> World {
        World { settings: Settings::read(settings).unwrap(), ..self }
    }

    fn start(&self, name: &str, volume: &Path) -> Arc<StandIn> {
        let role = if name.starts_with("safekeeper") { Role::Safekeeper } else { Role::Pageserver };
        let identity = Identity { role, name: name.to_owned() };
        let member = self.settings.member(name).unwrap();
        let computes = self.settings.computes.clone();
        let started = StandIn::start(identity, (member, computes), Some(volume), self.installation.clone());
        Arc::new(started.unwrap())
    }

    /// Starts a member on a new disk.
    fn new_one(&self, name: &str) -> (Arc<StandIn>, TempDir) {
        let disk = tempfile::tempdir().unwrap();
        (self.start(name, disk.path()), disk)
    }

    fn safekeepers(&self) -> [(Arc<StandIn>, TempDir); 3] {
        ["safekeeper-0", "safekeeper-1", "safekeeper-2"].map(|name| self.new_one(name))
    }
}

fn page(member: &StandIn, path: &str) -> (u16, String) {
    match member.respond(&PageRequest::without_token(path, true)) {
        PageResponse::Page { status, body, .. } => (status, body),
        PageResponse::Silent => (0, String::new()),
    }
}

fn metrics(member: &StandIn) -> String {
    let (status, body) = page(member, "/metrics");
    assert_eq!(status, 200, "{body}");
    body
}

/// Returns the values of a metric, in order.
fn values(text: &str, name: &str) -> Vec<u64> {
    let of = |line: &str| {
        let rest = line.strip_prefix(name)?;
        (rest.starts_with(['{', ' '])).then(|| rest.rsplit(' ').next().unwrap().parse().unwrap())
    };
    text.lines().filter_map(of).collect()
}

fn value(member: &StandIn, name: &str) -> u64 {
    let text = metrics(member);
    let values = values(&text, name);
    assert_eq!(values.len(), 1, "{name} in\n{text}");
    values[0]
}

fn state(member: &StandIn, state: &str) -> u64 {
    value(member, &format!("pageserver_tenant_states_count{{state=\"{state}\"}}"))
}

fn json(member: &StandIn, path: &str) -> Value {
    let (status, body) = page(member, path);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// Waits until a condition holds that depends on a rate.
fn until(what: &str, holds: impl Fn() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(std::time::Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn healthy_members_agree() {
    let world = World::new("");
    let all = world.safekeepers();
    for (number, (member, _)) in all.iter().enumerate() {
        assert_eq!(page(member, "/v1/status"), (200, format!("{{\"id\":{}}}", number + 1)));
        for (name, expected) in [
            ("safekeeper_timelines", 1),
            ("safekeeper_active_timelines", 1),
            ("safekeeper_flush_lsn", WAL_END),
            ("safekeeper_commit_lsn", WAL_END),
            ("safekeeper_acceptor_term", 1),
        ] {
            assert_eq!(value(member, name), expected, "{name}");
        }
    }
    let (pageserver, _disk) = world.new_one("pageserver-0");
    assert_eq!(
        (state(&pageserver, "Active"), state(&pageserver, "Attaching"), state(&pageserver, "Broken")),
        (1, 0, 0)
    );
    assert_eq!(value(&pageserver, "pageserver_last_record_lsn"), WAL_END);
    assert_eq!(value(&pageserver, "pageserver_projected_remote_consistent_lsn"), 0x0200_0000);
    assert!(value(&pageserver, "pageserver_remote_physical_size_global") > 0);
    assert_eq!(value(&pageserver, "pageserver_local_data_loss_suspected"), 0);
    assert!(!metrics(&pageserver).contains("pageserver_broken_tenants_count"), "only while one is broken");
}

#[test]
fn a_wiped_disk_has_nothing_and_catches_up_from_peers_at_its_rate() {
    let world = World::new(r#"{"computes": {"timelines": 2}, "safekeeper-0": {"rate": 20000000}}"#);
    let [(first, _old), others @ ..] = world.safekeepers();
    first.end();
    for (member, _) in &others {
        member.end();
        // A late request to a member that has ended does not bring it back for others.
        metrics(member);
    }
    // No member holds what it lost.
    let (wiped, disk) = world.new_one("safekeeper-0");
    assert_eq!(value(&wiped, "safekeeper_timelines"), 0);
    assert!(!metrics(&wiped).contains("safekeeper_flush_lsn"), "no heading either");
    assert_eq!(json(&wiped, "/v1/tenant/timeline"), Value::Array(Vec::new()));

    let peer = world.start("safekeeper-1", others[0].1.path());
    until("the first of two", || value(&wiped, "safekeeper_timelines") == 1);
    let seen: Vec<u64> = values(&metrics(&wiped), "safekeeper_flush_lsn");
    assert!(seen.len() == 1 && seen[0] < WAL_END, "{seen:?}");
    assert_eq!(values(&metrics(&wiped), "safekeeper_commit_lsn").len(), 1);
    let text = metrics(&wiped);
    let (flush, commit) = (values(&text, "safekeeper_flush_lsn"), values(&text, "safekeeper_commit_lsn"));
    assert_eq!(flush, commit, "what is committed is told as far as it has it");
    // Ended in the middle, it continues where it was.
    wiped.end();
    let again = world.start("safekeeper-0", disk.path());
    let flush = values(&metrics(&again), "safekeeper_flush_lsn");
    assert!(flush[0] >= seen[0] && flush[0] < WAL_END, "{flush:?}");
    until("all of it", || values(&metrics(&again), "safekeeper_flush_lsn") == [WAL_END, WAL_END]);
    drop(peer);
}

#[test]
fn without_a_rate_it_has_caught_up_when_it_answers_and_at_rate_nought_never() {
    let world = World::new(r#"{"safekeeper-1": {"rate": 0}}"#);
    let members = world.safekeepers();
    members[0].0.end();
    members[1].0.end();
    let (wiped, _disk) = world.new_one("safekeeper-0");
    assert_eq!(value(&wiped, "safekeeper_flush_lsn"), WAL_END);
    let (never, _disk) = world.new_one("safekeeper-1");
    assert_eq!(value(&never, "safekeeper_timelines"), 0);
}

/// A pod that is restarted on its disk has its data, even if other members do not run.
#[test]
fn a_disk_that_is_kept_keeps_all() {
    let world = World::new("");
    let members = world.safekeepers();
    for (member, _) in &members {
        member.end();
    }
    let again = world.start("safekeeper-2", members[2].1.path());
    assert_eq!((value(&again, "safekeeper_timelines"), value(&again, "safekeeper_flush_lsn")), (1, WAL_END));
}

#[test]
fn one_that_lags_stays_behind_and_terms_go_up_with_computes() {
    let world = World::new(r#"{"safekeeper-1": {"lag": 5300000}}"#);
    let members = world.safekeepers();
    let behind = &members[1].0;
    assert_eq!(value(behind, "safekeeper_flush_lsn"), WAL_END - 5_300_000);
    assert_eq!(value(behind, "safekeeper_commit_lsn"), WAL_END - 5_300_000, "never beyond its own flush");
    for expected in [1, 2] {
        world.installation.compute_started().unwrap();
        for (member, _) in &members {
            assert_eq!(value(member, "safekeeper_acceptor_term"), expected);
        }
    }
}

/// An old disk has its old term until a compute connects, which happens at once.
#[test]
fn the_file_on_the_volume_has_the_term_and_the_position() {
    let world = World::new("");
    let (member, disk) = world.new_one("safekeeper-0");
    member.end();
    let read =
        || -> Value { serde_json::from_slice(&std::fs::read(disk.path().join("safekeeper.json")).unwrap()).unwrap() };
    let kept = read();
    assert_eq!((&kept["id"], &kept["timelines"][0]["term"]), (&Value::from(1), &Value::from(1)));
    assert_eq!(kept["timelines"][0]["flush"], WAL_END);
    for _ in 0..2 {
        world.installation.compute_started().unwrap();
    }
    assert_eq!(read(), kept, "no running member changes it");
    let again = world.start("safekeeper-0", disk.path());
    assert_eq!(value(&again, "safekeeper_acceptor_term"), 2);
}

#[test]
fn idle_timelines_are_counted_and_in_no_labeled_metric() {
    let world =
        World::new(r#"{"computes": {"timelines": 3}, "safekeeper-0": {"idle": 3}, "safekeeper-1": {"idle": 1}}"#);
    let [(idle, _a), (some, _b), (none, _c)] = world.safekeepers();
    for (member, active) in [(&idle, 0), (&some, 2), (&none, 3)] {
        let text = metrics(member);
        assert_eq!(values(&text, "safekeeper_timelines"), [3]);
        assert_eq!(values(&text, "safekeeper_active_timelines"), [active]);
        assert_eq!(values(&text, "safekeeper_flush_lsn").len() as u64, active);
        assert_eq!(json(member, "/v1/tenant/timeline").as_array().unwrap().len(), 3, "a list has idle ones, too");
    }
}

/// The compute ended 40 seconds ago: some safekeepers have noticed, one has not.
#[test]
fn a_timeline_leaves_the_metrics_of_one_safekeeper_after_the_other() {
    let world = World::new(r#"{"computes": {"writeRate": 1000000000}}"#);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    let file = serde_json::json!({"starts": 1, "ran": 5000, "since": null, "ended": now - 40_000});
    std::fs::write(world.shared.path().join("compute"), file.to_string()).unwrap();
    let members = world.safekeepers();
    let active = |member: &StandIn| values(&metrics(member), "safekeeper_flush_lsn");
    let seen: Vec<Vec<u64>> = members.iter().map(|(member, _)| active(member)).collect();
    let all = WAL_END + 5_000_000_000;
    assert_eq!(seen, [vec![], vec![], vec![all]], "what was written in five seconds, and no more");
    assert!(members.iter().all(|(member, _)| value(member, "safekeeper_timelines") == 1));
    world.installation.compute_started().unwrap();
    assert!(members.iter().all(|(member, _)| active(member).len() == 1), "all are active again");
    assert!(members.iter().all(|(member, _)| value(member, "safekeeper_acceptor_term") == 2));
}

#[test]
fn positions_move_while_computes_write() {
    let world = World::new(r#"{"computes": {"writeRate": 1000000000}}"#);
    let members = world.safekeepers();
    let (pageserver, _disk) = world.new_one("pageserver-0");
    let mut last = 0;
    let mut moves = |member: &StandIn, name: &str| {
        until(name, || value(member, name) > last);
        last = value(member, name);
    };
    for _ in 0..3 {
        for (member, _) in &members {
            moves(member, "safekeeper_flush_lsn");
        }
        moves(&pageserver, "pageserver_last_record_lsn");
    }
    let unsaved = || {
        let text = metrics(&pageserver);
        let record = values(&text, "pageserver_last_record_lsn")[0];
        record - values(&text, "pageserver_projected_remote_consistent_lsn")[0]
    };
    assert!(unsaved() < 16 << 20, "it is uploaded segment by segment");
}

const THREE: &str = r#""computes": {"tenants": 3, "timelines": 2}"#;

#[test]
fn a_wiped_pageserver_attaches_its_tenants_one_by_one_from_the_bucket() {
    let world = World::new(&format!(r#"{{{THREE}, "pageserver": {{"attachSeconds": 0.3}}}}"#));
    let safekeepers = world.safekeepers();
    let (before, _old) = world.new_one("pageserver-0");
    assert_eq!((state(&before, "Active"), values(&metrics(&before), "pageserver_last_record_lsn").len()), (3, 6));
    before.end();
    let began = std::time::Instant::now();
    let (wiped, disk) = world.new_one("pageserver-0");
    assert_eq!(page(&wiped, "/v1/status"), (200, r#"{"id":1}"#.to_owned()), "the status page says nothing of it");
    assert_eq!((state(&wiped, "Active"), state(&wiped, "Attaching")), (0, 3));
    assert_eq!(value(&wiped, "pageserver_startup_is_loading"), 1);
    assert_eq!(value(&wiped, "pageserver_tenant_startup_scheduled"), 3);
    assert_eq!(value(&wiped, "pageserver_local_data_loss_suspected"), 1);
    until("the first", || state(&wiped, "Active") > 0);
    assert!(state(&wiped, "Active") + state(&wiped, "Attaching") == 3);
    until("all", || state(&wiped, "Active") == 3);
    assert!(began.elapsed() >= Duration::from_millis(900), "one after the other: {:?}", began.elapsed());
    let text = metrics(&wiped);
    assert_eq!(values(&text, "pageserver_last_record_lsn"), [WAL_END; 6], "ingested from safekeepers");
    assert_eq!(values(&text, "pageserver_startup_is_loading"), [0]);
    assert_eq!(values(&text, "pageserver_tenant_startup_complete"), [3]);
    assert_eq!(values(&text, "pageserver_local_data_loss_suspected"), [1], "it stays so while the process runs");
    wiped.end();
    let again = world.start("pageserver-0", disk.path());
    assert_eq!((state(&again, "Active"), value(&again, "pageserver_local_data_loss_suspected")), (3, 0));
    drop(safekeepers);
}

/// WAL that was only on safekeepers is there again only if they hold it.
#[test]
fn without_safekeepers_a_wiped_pageserver_has_what_is_in_the_bucket() {
    let world = World::new("");
    let (before, _old) = world.new_one("pageserver-0");
    before.end();
    let (wiped, _disk) = world.new_one("pageserver-0");
    assert_eq!(value(&wiped, "pageserver_last_record_lsn"), 0x0200_0000);
    let _safekeepers = world.safekeepers();
    assert_eq!(value(&wiped, "pageserver_last_record_lsn"), WAL_END);
}

#[test]
fn a_bucket_that_is_empty_leaves_tenants_active_without_timelines() {
    let world = World::new(&format!(r#"{{{THREE}, "pageserver": {{"bucket": "empty"}}}}"#));
    let (before, _old) = world.new_one("pageserver-0");
    before.end();
    let (wiped, _disk) = world.new_one("pageserver-0");
    let text = metrics(&wiped);
    assert_eq!(state(&wiped, "Active"), 3);
    assert_eq!(values(&text, "pageserver_last_record_lsn"), Vec::<u64>::new());
    assert_eq!(values(&text, "pageserver_timeline_states_count{state=\"active\"}"), [0]);
    assert_eq!(values(&text, "pageserver_remote_physical_size_global"), [0]);

    // So does an empty bucket.
    let world = World::new(&format!(r#"{{{THREE}}}"#));
    let (before, _old) = world.new_one("pageserver-0");
    before.end();
    std::fs::remove_dir_all(world.shared.path().join("tenants")).unwrap();
    let (wiped, _disk) = world.new_one("pageserver-0");
    assert_eq!((state(&wiped, "Active"), value(&wiped, "pageserver_remote_physical_size_global")), (3, 0));
}

#[test]
fn a_controller_that_names_no_tenants_leaves_it_empty_and_one_that_is_silent_keeps_it_silent() {
    let world = World::new(&format!(r#"{{{THREE}, "pageserver": {{"attach": 0}}}}"#));
    let (before, _old) = world.new_one("pageserver-0");
    before.end();
    let (wiped, _disk) = world.new_one("pageserver-0");
    assert_eq!((state(&wiped, "Active"), state(&wiped, "Attaching")), (0, 0));
    assert_eq!(value(&wiped, "pageserver_local_data_loss_suspected"), 1);

    let world = World::new(&format!(r#"{{{THREE}, "pageserver": {{"controller": "silent"}}}}"#));
    let (before, disk) = world.new_one("pageserver-0");
    assert_eq!(state(&before, "Active"), 3, "the first start was with the controller");
    before.end();
    for disk in [disk, tempfile::tempdir().unwrap()] {
        let silent = world.start("pageserver-0", disk.path());
        for path in ["/v1/status", "/metrics", "/v1/tenant"] {
            assert_eq!(silent.respond(&PageRequest::without_token(path, true)), PageResponse::Silent, "{path}");
        }
        silent.end();
    }
}

#[test]
fn without_its_identity_file_a_pageserver_exits_where_nothing_writes_one() {
    let world = World::new(r#"{"pageserver": {"identity": "required"}}"#);
    let (before, disk) = world.new_one("pageserver-0");
    assert_eq!(before.exits(), None);
    before.end();
    assert_eq!(world.start("pageserver-0", disk.path()).exits(), None);
    let (wiped, disk) = world.new_one("pageserver-0");
    assert_eq!(wiped.exits(), Some(1));
    wiped.end();
    // And again at each start of its container.
    assert_eq!(world.start("pageserver-0", disk.path()).exits(), Some(1));
}

#[test]
fn with_tokens_two_pages_are_open_and_the_others_are_not() {
    let world = World::new(r#"{"safekeeper": {"token": "a.b.c"}, "pageserver": {"token": "a.b.c"}}"#);
    let (safekeeper, _a) = world.new_one("safekeeper-0");
    let (pageserver, _b) = world.new_one("pageserver-0");
    let missing = (401, r#"{"msg":"Unauthorized: missing authorization header"}"#.to_owned());
    let wrong = (403, r#"{"msg":"Forbidden: JWT authentication error"}"#.to_owned());
    let with = |member: &StandIn, path: &str, authorization: &str| {
        let request = PageRequest { authorization: Some(authorization), ..PageRequest::without_token(path, true) };
        match member.respond(&request) {
            PageResponse::Page { status, body, .. } => (status, body),
            PageResponse::Silent => panic!("{path} is silent"),
        }
    };
    for (member, closed) in [(&safekeeper, "/v1/tenant/timeline"), (&pageserver, "/v1/tenant")] {
        for open in ["/v1/status", "/metrics"] {
            assert_eq!(page(member, open).0, 200, "{open}");
        }
        assert_eq!(page(member, closed), missing);
        assert_eq!(page(member, "/v1/nowhere"), missing, "it is not told what there is");
        for given in ["Bearer a.b.d", "Bearer ", "a.b.c", "Basic a.b.c"] {
            assert_eq!(with(member, closed, given), wrong, "{given}");
        }
        assert_eq!(with(member, closed, "Bearer a.b.c").0, 200);
        assert_eq!(with(member, "/v1/nowhere", "Bearer a.b.c").0, 404);
    }
}

#[test]
fn metrics_can_be_closed_missing_or_hang() {
    let text = r#"{"safekeeper-0": {"metrics": "unauthorized"}, "safekeeper-1": {"metrics": "not-found"},
                   "safekeeper-2": {"metrics": "hanging"}}"#;
    let world = World::new(text);
    let members = world.safekeepers();
    let answers: Vec<u16> = members.iter().map(|(member, _)| page(member, "/metrics").0).collect();
    assert_eq!(answers, [401, 404, 0]);
    assert!(members.iter().all(|(member, _)| page(member, "/v1/status").0 == 200));
}

#[test]
fn a_timelines_state_and_digest_are_json_with_postgresqls_positions() {
    let world = World::new(r#"{"safekeeper-1": {"lag": 1000}}"#);
    let members = world.safekeepers();
    let listed = json(&members[0].0, "/v1/tenant/timeline");
    let (tenant, line) = (listed[0]["tenant_id"].as_str().unwrap(), listed[0]["timeline_id"].as_str().unwrap());
    let path = format!("/v1/tenant/{tenant}/timeline/{line}");
    let status = json(&members[0].0, &path);
    for (field, expected) in [("flush_lsn", "0/2A55E98"), ("commit_lsn", "0/2A55E98"), ("backup_lsn", "0/2000000")] {
        assert_eq!(status[field], expected, "{status:#}");
    }
    assert_eq!((&status["acceptor_state"]["term"], &status["tenant_id"]), (&Value::from(1), &Value::from(tenant)));
    assert_eq!(page(&members[0].0, &format!("/v1/tenant/{tenant}/timeline/{tenant}")).0, 404);

    let digest =
        |member: &StandIn, until: &str| page(member, &format!("{path}/digest?from_lsn=0/1000000&until_lsn={until}"));
    let [first, second, third] = [0, 1, 2].map(|number| digest(&members[number].0, "0/2000000"));
    assert!(first == second && second == third && first.0 == 200, "{first:?}");
    assert_ne!(digest(&members[0].0, "0/2000008"), first);
    assert_eq!(digest(&members[1].0, "0/2A55E98").0, 500, "it lacks the end of that");
    assert_eq!(page(&members[0].0, &format!("{path}/digest")).0, 400);
    assert_eq!(page(&members[0].0, &format!("{path}/digest?from_lsn=0/0&until_lsn=0/2000000")).0, 500);
}

/// Computes deliver what is created while members run; one that lost its disk afterwards gets it from its peers.
#[test]
fn timelines_that_are_made_later_are_on_all_that_start_again() {
    let world = World::new("");
    let mut members = world.safekeepers();
    let (pageserver, of_pageserver) = world.new_one("pageserver-0");
    let more = world.with(r#"{"computes": {"tenants": 2, "timelines": 3}}"#);
    pageserver.end();
    let pageserver = more.start("pageserver-0", of_pageserver.path());
    assert_eq!(
        (state(&pageserver, "Active"), values(&metrics(&pageserver), "pageserver_last_record_lsn").len()),
        (2, 6)
    );
    for (number, (member, disk)) in members.iter_mut().enumerate() {
        member.end();
        *member = more.start(&format!("safekeeper-{number}"), disk.path());
        assert_eq!(value(member, "safekeeper_timelines"), 6);
    }
    members[0].0.end();
    members[1].0.end();
    let (wiped, disk) = more.new_one("safekeeper-1");
    assert_eq!(value(&wiped, "safekeeper_timelines"), 6, "from safekeeper-2");
    wiped.end();
    members[2].0.end();
    let (alone, _disk) = more.new_one("safekeeper-0");
    assert_eq!(value(&alone, "safekeeper_timelines"), 0, "no member has them");
    drop(disk);
}

/// Positions do not show the bytes.
#[test]
fn wal_that_is_damaged_has_another_digest_at_the_same_positions() {
    let world = World::new(
        r#"{"safekeeper-0": {"damaged": 1000}, "safekeeper-1": {"digests": "not-found"},
            "safekeeper-2": {"digests": "failing"}}"#,
    );
    let members = world.safekeepers();
    let other = World::new("");
    let [(whole, _disk), ..] = other.safekeepers();
    let listed = json(&whole, "/v1/tenant/timeline");
    let (tenant, line) = (listed[0]["tenant_id"].as_str().unwrap(), listed[0]["timeline_id"].as_str().unwrap());
    let path = format!("/v1/tenant/{tenant}/timeline/{line}");
    let all = |path: &str| [&members[0].0, &members[1].0, &members[2].0, &whole].map(|member| page(member, path));
    let status = all(&path);
    assert!(status.iter().all(|page| *page == status[3]), "{status:?}");
    // 0/2A55E98 less 1,000.
    let around = all(&format!("{path}/digest?from_lsn=0/2A55AB0&until_lsn=0/2A55AB1"));
    assert_eq!(around.each_ref().map(|page| page.0), [200, 404, 500, 200]);
    assert_ne!(around[0], around[3]);
    let before = all(&format!("{path}/digest?from_lsn=0/2A00000&until_lsn=0/2A55AB0"));
    assert_eq!(before[0], before[3]);
}

/// Over a stream, with what only a client sees.
#[tokio::test]
async fn pages_are_served_over_any_stream() {
    let world = World::new("");
    let (pageserver, _a) = world.new_one("pageserver-0");
    let (safekeeper, _b) = world.new_one("safekeeper-1");
    let get = async |member: &Arc<StandIn>, path: &str| {
        let (mut client, server) = tokio::io::duplex(4096);
        tokio::spawn(member.clone().serve(server, || true));
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = get(&safekeeper, "/v1/status").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n{\"id\":2}"), "{answer}");
    assert!(answer.contains("content-type: application/json\r\n") && !answer.contains("launch"), "{answer}");
    let answer = get(&pageserver, "/v1/status").await;
    assert!(answer.contains("\r\npageserver_launch_timestamp: 20"), "{answer}");
    let answer = get(&pageserver, "/metrics").await;
    assert!(answer.contains("\npageserver_tenant_states_count{state=\"Active\"} 1\n"), "{answer}");
    assert!(get(&safekeeper, "/nowhere").await.starts_with("HTTP/1.1 404 Not Found\r\n"));
}

/// Its runner says that it is not ready, and it does not report what it has not loaded.
#[test]
fn one_that_is_not_ready_says_503_and_lags() {
    let world = World::new("");
    let (member, _disk) = world.new_one("safekeeper-0");
    let ask = |path| member.respond(&PageRequest::without_token(path, false));
    assert_eq!(ask("/v1/status").status(), Some(503));
    let PageResponse::Page { body, .. } = ask("/metrics") else { panic!() };
    assert_eq!(values(&body, "safekeeper_flush_lsn"), [WAL_END - 0x1_8000]);
}

/// The same pages on another port; an invalid certificate prevents its start.
#[tokio::test]
async fn pages_are_served_over_https_with_the_certificate_that_is_set() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["safekeeper-0".into()]).unwrap();
    let https = serde_json::json!({"certificate": cert.pem(), "key": signing_key.serialize_pem()});
    let world = World::new(&serde_json::json!({"safekeeper-0": {"https": https}}).to_string());
    let (member, _disk) = world.new_one("safekeeper-0");
    let (plain, _other) = world.new_one("safekeeper-1");
    assert!(member.has_https() && !plain.has_https());

    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let (client, server) = tokio::io::duplex(4096);
    tokio::spawn(member.clone().serve_https(server, || true));
    let name = rustls::pki_types::ServerName::try_from("safekeeper-0").unwrap();
    let mut client = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, client).await.unwrap();
    client.write_all(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // It closes the connection abruptly, as many servers do.
    let _ = client.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("{\"id\":1}"), "{answer}");

    let spoiled = World::new(r#"{"safekeeper-0": {"https": {"certificate": "x", "key": "y"}}}"#);
    let disk = tempfile::tempdir().unwrap();
    let own = (spoiled.settings.member("safekeeper-0").unwrap(), spoiled.settings.computes.clone());
    let identity = Identity { role: Role::Safekeeper, name: "safekeeper-0".into() };
    StandIn::start(identity, own, Some(disk.path()), spoiled.installation.clone()).unwrap_err();
}
