use super::*;
use crate::probe::ProbeError;
use crate::probe::testing::{Postgres, mpp, run, target};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const SOON: Duration = Duration::from_secs(20);
const ALL: &str = "RETURN QUERY SELECT g FROM generate_series(0, 1) g;";

fn options(database: &str, canary: Option<&str>) -> Options {
    Options {
        database: Some(database.to_owned()),
        canary: canary.map(str::to_owned),
        deadline: SOON,
        login: Login::default(),
        page_token: PageAccess::default(),
        user: None,
        before: BTreeMap::new(),
    }
}

/// The result of each check, in a line: its kind, its verdict, its reason.
fn text_of(found: &Inspection) -> Vec<String> {
    let line = |check: &VerifyCheck| format!("{} {}: {}", check.kind.name(), check.verdict.name(), check.reason);
    found.checks.iter().map(line).collect()
}

async fn inspected<C: Connector>(sql: &Sql<C>, options: &Options) -> Inspection {
    inspected_for(sql, "postgres", options).await
}

/// The same if this database has to exist.
async fn inspected_for<C: Connector>(sql: &Sql<C>, must: &str, options: &Options) -> Inspection {
    let alone = Account { warehouse: None, answers_for: &[], suspended: &[] };
    let of = |_: &Warehouse| unreachable!("no warehouse is asked about");
    server_over(sql, of, ("a", "proxy-0"), alone, (must, None), options).await
}

fn one(found: &Inspection, kind: CheckKind) -> &VerifyCheck {
    found.checks.iter().find(|check| check.kind == kind).unwrap()
}

#[tokio::test]
async fn a_plain_server_is_whole_and_nothing_is_left_in_it() {
    let postgres = Postgres::start();
    let sql = postgres.sql("postgres");
    run(&sql, "postgres", "CREATE DATABASE test_db").await;
    run(&sql, "test_db", "CREATE TABLE projects (id int); INSERT INTO projects VALUES (1), (2), (3)").await;
    let whole = Options { database: None, ..options("", Some("verify_whole")) };
    let found = inspected_for(&sql, "test_db", &whole).await;
    let expected = [
        "tables passed: postgres: 0 tables",
        "tables passed: test_db: 1 table: projects (3 rows)",
        "segments skipped: plain PostgreSQL: no segments",
        "mirrors skipped: plain PostgreSQL: no segments",
        "write passed: 100 rows written, read, dropped",
        "spread skipped: plain PostgreSQL: no segments",
    ];
    assert_eq!(text_of(&found)[1..], expected);
    assert!(text_of(&found)[0].starts_with("connection passed: PostgreSQL "), "{:?}", text_of(&found));
    assert!(text_of(&found)[0].ends_with(", not in recovery"));
    run(&sql, "postgres", "DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM pg_namespace WHERE nspname ~ 'kubectl'); END $$")
        .await;

    let missed = inspected_for(&sql, "cloudmeta", &Options { canary: None, ..whole }).await;
    assert_eq!(text_of(&missed)[1], "tables failed: database cloudmeta does not exist");
    assert_eq!(one(&missed, CheckKind::Write).verdict, VerifyVerdict::Skipped);
    let missed = inspected(&postgres.sql("no_such"), &options("no_such", None)).await;
    assert_eq!(text_of(&missed)[1], "tables failed: database no_such does not exist");
}

#[tokio::test]
async fn who_may_not_write_cannot_tell_whether_the_server_takes_writes() {
    let postgres = Postgres::start();
    let sql = postgres.sql("postgres");
    run(&sql, "postgres", "CREATE ROLE reader LOGIN; CREATE ROLE careful LOGIN").await;
    run(&sql, "postgres", "ALTER ROLE careful SET default_transaction_read_only = on").await;
    for (role, verdict, reason) in [
        ("reader", VerifyVerdict::Unknown, "permission denied"),
        ("careful", VerifyVerdict::Unknown, "read-only transactions"),
    ] {
        let found = inspected(&postgres.sql_as(role, "postgres"), &options("postgres", Some("verify_role"))).await;
        let write = one(&found, CheckKind::Write);
        assert_eq!(write.verdict, verdict, "{write:?}");
        assert!(write.reason.contains(reason) && write.lines.is_empty(), "{write:?}");
        assert_eq!(one(&found, CheckKind::Connection).verdict, VerifyVerdict::Passed);
    }
}

/// A hot standby responds, and accepts no writes: that says nothing about its data.
#[tokio::test]
async fn a_hot_standby_is_asked_and_not_written_to() {
    let postgres = Postgres::standby();
    let found = inspected(&postgres.sql("postgres"), &options("postgres", Some("verify_standby"))).await;
    let connection = one(&found, CheckKind::Connection);
    assert_eq!(connection.verdict, VerifyVerdict::Passed);
    assert!(connection.reason.ends_with(", in recovery, read-only"), "{connection:?}");
    assert_eq!(one(&found, CheckKind::Tables).verdict, VerifyVerdict::Passed);
    let write = one(&found, CheckKind::Write);
    assert_eq!(write.verdict, VerifyVerdict::Unknown, "{write:?}");
    assert!(write.reason.contains("in recovery (read-only)"), "{write:?}");
}

/// A database that looks like an MPP server's: the result of `verify`.
async fn mpp_says(postgres: &Postgres, name: &str, gp_dist_random: &str, segment: &str, then: &str) -> Inspection {
    let sql = mpp(postgres, name, gp_dist_random, segment).await;
    run(&sql, name, then).await;
    let found = inspected(&postgres.sql(name), &options(name, Some("verify_mpp"))).await;
    run(&postgres.sql("postgres"), "postgres", &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    found
}

#[tokio::test]
async fn an_mpp_server_is_asked_through_every_primary() {
    let postgres = Postgres::start();
    let found = mpp_says(&postgres, "healthy", ALL, "id % 2", "").await;
    let expected = [
        "tables passed: healthy: 0 tables",
        "segments passed: 2 primary segments responded to a dispatched query",
        "mirrors passed: the catalog reports all 4 instances up and in sync",
        "write passed: 10000 rows written, read, dropped",
        "spread passed: rows on all 2 primary segments",
    ];
    assert_eq!(text_of(&found)[1..], expected);

    // The catalog says `u` while dispatch fails: only the latter is true.
    let raise = "RAISE EXCEPTION USING ERRCODE = '58M01', MESSAGE = 'failed to acquire resources', DETAIL = 'seg1';";
    let found = mpp_says(&postgres, "dead_segment", raise, "id % 2", "").await;
    assert_eq!(one(&found, CheckKind::Mirrors).verdict, VerifyVerdict::Passed);
    let reason = "failed to acquire resources: seg1 (SQLSTATE 58M01)";
    for kind in [CheckKind::Segments, CheckKind::Tables] {
        let check = one(&found, kind);
        assert_eq!((check.verdict, check.reason.as_str()), (VerifyVerdict::Failed, reason));
    }
    assert!(found.evidence.is_empty(), "what a dead segment held is no baseline");

    let found = mpp_says(&postgres, "skewed", ALL, "0 * id", "").await;
    let spread = one(&found, CheckKind::Spread);
    assert_eq!((spread.verdict, spread.reason.as_str()), (VerifyVerdict::Failed, "rows on 1 of 2 primary segments"));

    let down = "SET allow_system_table_mods = on;
        UPDATE pg_catalog.gp_segment_configuration SET status = 'd', mode = 'n' WHERE dbid = 4;
        UPDATE pg_catalog.gp_segment_configuration SET mode = 'n' WHERE dbid = 3";
    let found = mpp_says(&postgres, "mirror_down", ALL, "id % 2", down).await;
    let mirrors = one(&found, CheckKind::Mirrors);
    assert_eq!(mirrors.verdict, VerifyVerdict::Failed);
    assert_eq!(mirrors.lines, ["segment 1's mirror on s0 is down", "segment 1 is not in sync with its mirror"]);
}

#[tokio::test]
async fn a_write_that_blocks_is_unknown() {
    let postgres = Postgres::start();
    let sql = mpp(&postgres, "blocked", ALL, "id % 2").await;
    // With a mirror dead a write waited for 36 s, and then succeeded.
    let slow = "CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(36); END $$;
                CREATE EVENT TRIGGER slow ON ddl_command_start WHEN TAG IN ('CREATE SCHEMA') EXECUTE FUNCTION slow()";
    run(&sql, "blocked", slow).await;
    let canary = Canary::new("verify_slow").in_database("blocked");
    let not = canary.write(&sql, Duration::from_millis(300)).await.unwrap_err();
    assert!(!not.meaning.fails(), "{not:?}");
    let reason = not.reason;
    assert!(reason.contains("no response within 300 ms") || reason.contains("statement timeout"), "{reason}");
}

/// Leads to a server without TLS that sends this to a login, and then nothing more.
struct Saying(&'static [u8]);

impl Connector for Saying {
    type Stream = DuplexStream;

    async fn connect(&self, _: Duration) -> Result<DuplexStream, ProbeError> {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let words = self.0;
        tokio::spawn(async move {
            let mut asked = [0; 8];
            let _ = theirs.read_exact(&mut asked).await;
            let _ = theirs.write_all(b"N").await;
            let _ = theirs.write_all(words).await;
            let _ = theirs.read_to_end(&mut Vec::new()).await;
        });
        Ok(ours)
    }
}

#[tokio::test]
async fn a_server_that_starts_and_a_login_that_hangs_are_unknown() {
    let starting = b"E\0\0\0\x37SFATAL\0C57P03\0Mthe database system is starting up\0\0";
    let length = u32::from_be_bytes(starting[1..5].try_into().unwrap()) as usize;
    assert_eq!(length + 1, starting.len());
    let sql = Sql::with(Saying(starting), target("gpadmin", "postgres"));
    let found = inspected(&sql, &options("postgres", None)).await;
    assert_eq!(text_of(&found), ["connection unknown: the database system is starting up (SQLSTATE 57P03)"]);

    let sql = Sql::with(Saying(b""), target("gpadmin", "postgres"));
    let short = Options { deadline: Duration::from_millis(300), ..options("postgres", None) };
    assert_eq!(text_of(&inspected(&sql, &short).await), ["connection unknown: no response within 300 ms"]);
}

/// A compute keeps writing: later readings are further, and a quorum has what was committed before.
#[test]
fn safekeepers_that_are_written_to_are_read_twice() {
    use crate::storage::examples::{readings, sk};
    let at = |positions: [u64; 3]| {
        readings(positions.into_iter().zip(1..).map(|(at, id)| sk(id).timeline("aa/11", at, at, 1)))
    };
    let first = at([90, 95, 100]);
    assert_eq!(status_pages::wal(&first).verdict, VerifyVerdict::Failed);
    let second = at([150, 155, 160]).safekeepers.into_iter();
    let second = second.map(|one| (one.pod, Ok(one.said.unwrap()), Duration::ZERO)).collect();
    let joined: Vec<Reading> =
        after(&first, second).iter().map(|(pod, said, _)| status_pages::reading(pod, said)).collect();
    let joined = Readings { safekeepers: joined, ..Readings::default() };
    assert_eq!(status_pages::wal(&joined).verdict, VerifyVerdict::Passed);
}
