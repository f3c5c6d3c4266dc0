//! Storage components that require a token (JWT), and what they report with it: idle timelines, and whether safekeepers
//! have the same bytes of the same WAL.

use crate::member::Before;
use crate::world::{SYSTEM, World, is_not_relied_on};
use serde_json::{Value, json};

const SAFEKEEPERS: [&str; 3] = ["safekeeper-0", "safekeeper-1", "safekeeper-2"];
const ALL: [&str; 4] = ["safekeeper-0", "safekeeper-1", "safekeeper-2", "pageserver-0"];
const TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.e30.cHJhY3RpY2U";
const WRONG: &str = "eyJhbGciOiJFZERTQSJ9.e30.d3Jvbmc";

/// Returns a file with this token.
fn token_file(world: &World, token: &str) -> String {
    let path = world.home().join(token.rsplit('.').next().unwrap());
    std::fs::write(&path, format!("{token}\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Idle timelines have no position in the metrics; with the token, the timelines' own pages report it.
#[test]
fn with_a_token_idle_timelines_are_verified() {
    let world = World::alone();
    let idle = json!({"token": TOKEN, "idle": 1});
    let lagging = json!({"token": TOKEN, "idle": 1, "lag": 5_300_000});
    let settings = json!({"safekeeper-0": idle, "safekeeper-1": lagging, "safekeeper-2": idle});
    let mut behaving = world.storage_now(&settings, &SAFEKEEPERS);
    behaving.secret("page-token", &json!({"token": format!("{TOKEN}\n")}));
    let (right, wrong) = (token_file(&world, TOKEN), token_file(&world, WRONG));
    let verify = |token: &[&str]| world.run(&[&["verify", "-v", "9"], &SAFEKEEPERS[..], token].concat());
    let failover = |token: &[&str]| {
        world.run(&[&["failover", "safekeeper-0", "--yes", "--start-over", "--dry-run=client"], token].concat())
    };
    let behind = "5,300,000 bytes behind on timeline ";

    // Only their number is known.
    let ran = verify(&[]).says(&["1 timeline, all idle"]);
    assert!(!ran.out.contains(behind), "{}", ran.shown());
    failover(&[]).exits(0);
    for token in [["--page-token-file", &right], ["--page-token-secret", "page-token/token"]] {
        let ran = verify(&token).exits(0).says(&["safekeeper-1 is 5,300,000 bytes behind on timeline "]);
        assert!(!format!("{}{}", ran.out, ran.err).contains(TOKEN), "{}", ran.shown());
        let ran = failover(&token).exits(4);
        assert!(ran.error().contains(&format!("safekeeper-1 lacks WAL: {behind}")), "{}", ran.shown());
    }
    let wide = world.run(&["status", "-n", SYSTEM, "-o", "wide", "--page-token-file", &right]).exits(0);
    let row = wide.out.lines().find(|row| row.contains(" safekeeper-1 ")).unwrap();
    assert_eq!(row.split_whitespace().next_back(), Some("5300000"), "{}", wide.shown());

    // A rejected or unavailable token is reported, and nothing passes in its place.
    let ran = verify(&["--page-token-file", &wrong]).exits(8);
    let ran = ran.says(&["/v1/tenant/timeline returned 403 Forbidden: token rejected"]);
    assert!(!format!("{}{}", ran.out, ran.err).contains(WRONG), "{}", ran.shown());
    // If another one just got a new disk, unknown state counts against it.
    let all_the_same = ["--page-token-file", &wrong, "--allow", "quorum-loss", "--confirm", "safekeeper-0"];
    is_not_relied_on(&failover(&all_the_same).exits(0).out);
    let ran = verify(&["--page-token-secret", "page-token/other"]).exits(8);
    ran.says(&["the token could not be read: Secret page-token in namespace synxdb-system has no key"]);
}

/// As with JWT before 2023-10-10: without a token nothing is known, with it everything is.
#[test]
fn members_that_require_a_token_report_everything_with_it() {
    let world = World::alone();
    let secret = json!({"token": TOKEN, "metrics": "unauthorized"});
    let settings = json!({"safekeeper": secret, "pageserver": secret});
    let _behaving = world.storage_now(&settings, &ALL);
    let (right, wrong) = (token_file(&world, TOKEN), token_file(&world, WRONG));
    for (pod, path) in
        [("safekeeper-0", "/v1/tenant/timeline"), ("pageserver-0", "/v1/tenant"), ("safekeeper-0", "/metrics")]
    {
        assert_eq!(world.page(pod, path).0, 401, "{pod}{path}");
        assert_eq!(world.page_with(pod, path, Some(WRONG)).0, 403, "{pod}{path}");
        assert_eq!(world.page_with(pod, path, Some(TOKEN)).0, 200, "{pod}{path}");
    }
    assert_eq!(world.page("pageserver-0", "/v1/status").0, 200);

    let verify = |token: &[&str]| world.run(&[&["verify"], &ALL[..], token].concat());
    verify(&[]).exits(8).says(&["/metrics returned 401 Unauthorized", "no safekeeper's metrics can be read"]);
    verify(&["--page-token-file", &wrong]).exits(8).says(&["/metrics returned 403 Forbidden: token rejected"]);
    let token = ["--page-token-file", right.as_str()];
    verify(&token).exits(0).says(&["1 timeline flushed by a quorum", "bytes of 1 timeline are identical everywhere"]);
    // The pageserver's number of timelines in remote storage depends on earlier cases.
    for (pod, there) in [("safekeeper-0", "match safekeeper-1, safekeeper-2"), ("pageserver-0", "1 active tenant, ")] {
        let before = Before::of(&world, SYSTEM, pod);
        let ran = world.run(&[&["failover", pod, "--yes", "--start-over"], &token[..]].concat()).exits(0);
        ran.says(&["Recovered: ", there]);
        before.is_recovered();
    }
}

/// The same positions with one different byte: only a digest shows it.
#[test]
fn safekeepers_with_different_bytes_of_the_same_wal_fail() {
    let world = World::alone();
    let token = |more: Value| {
        let mut settings = json!({"token": TOKEN});
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        settings
    };
    let settings = json!({"safekeeper": token(json!({})), "safekeeper-1": token(json!({"damaged": 1000}))});
    let damaged = world.storage_now(&settings, &SAFEKEEPERS);
    let right = token_file(&world, TOKEN);
    let shown = ["--page-token-file", right.as_str()];
    let verify = |shown: &[&str]| world.run(&[&["verify"], &SAFEKEEPERS[..], shown].concat());
    let flush = SAFEKEEPERS.map(|pod| world.metric(pod, "safekeeper_flush_lsn"));
    assert!(flush.iter().all(|positions| *positions == flush[0]), "{flush:?}");
    verify(&[]).exits(0);
    let ran = verify(&shown).exits(7).says(&["safekeepers have different bytes of the same WAL"]);
    ran.says(&["safekeeper-1 has different bytes of timeline ", "than safekeeper-0, safekeeper-2"]);
    // It does not count towards the quorum when another one is replaced, and its own failover proves that it has the
    // right bytes afterwards.
    let ran = world.run(&[&["failover", "safekeeper-0", "--yes", "--start-over"], &shown[..]].concat()).exits(4);
    assert!(ran.error().contains("safekeeper-1 lacks WAL: has different bytes of timeline "), "{}", ran.shown());
    let before = Before::of(&world, SYSTEM, "safekeeper-1");
    let again = [&["failover", "safekeeper-1", "--yes", "--start-over", "--timeout", "90s"], &shown[..]].concat();
    let ran = world.run(&again).exits(7);
    assert!(ran.out.starts_with("Data missing: safekeeper-1 is Ready after "), "{}", ran.shown());
    ran.says(&["it has different bytes of timeline ", "than safekeeper-0, safekeeper-2"]);
    before.is_kept("dataMissing");
    damaged.end();

    // If a safekeeper cannot read its WAL, the result is unknown; if a release serves no digests, nothing is claimed.
    let settings = json!({"safekeeper": token(json!({})), "safekeeper-2": token(json!({"digests": "failing"}))});
    let failing = world.storage_now(&settings, &SAFEKEEPERS);
    verify(&shown)
        .exits(8)
        .says(&["safekeeper-2: whether its bytes of timeline ", "returned 500 Internal Server Error"]);
    failing.end();
    let settings = json!({"safekeeper": token(json!({"digests": "not-found"}))});
    let _older = world.storage_now(&settings, &SAFEKEEPERS);
    let ran = verify(&shown).exits(0).says(&["this release serves no digests"]);
    assert!(!ran.out.contains("identical everywhere"), "{}", ran.shown());
}
