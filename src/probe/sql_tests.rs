use super::*;
use crate::probe::baseline::{Baseline, Listing, Table};
use crate::probe::canary::Written;
use crate::probe::segments::Dispatched;
use crate::probe::sqlstate::Meaning;
use crate::probe::testing::{Elastic, LISTS_WAREHOUSES, Postgres, Socket, mpp, run, session, target};
use crate::probe::{Canary, ContentsRequest, compare};
use tokio::io::DuplexStream;

const SOON: Duration = Duration::from_secs(20);

async fn baseline<C: Connector>(sql: &Sql<C>) -> Baseline {
    match sql.baseline(SOON).await {
        Answer::Yes(baseline) => baseline,
        other => panic!("{other:?}"),
    }
}

async fn again<C: Connector>(sql: &Sql<C>, before: &Baseline) -> Baseline {
    sql.contents(ContentsRequest { only: None, before: Some(before) }, SOON).await.unwrap()
}

fn tables<'a>(baseline: &'a Baseline, database: &str) -> &'a [Table] {
    let found = baseline.databases.iter().find(|found| found.name == database).unwrap();
    let Listing::Known(tables) = &found.tables else { panic!("{:?}", found.tables) };
    &tables.tables
}

#[tokio::test]
async fn a_plain_server_says_who_it_is() {
    let postgres = Postgres::shared();
    let Answer::Yes(who) = postgres.sql("postgres").introduction(SOON).await else { panic!() };
    assert_eq!((who.kernel, who.in_recovery), (Kernel::PostgreSql, false));
    assert!(who.version.starts_with("PostgreSQL ") && !who.version.contains(" on "), "{}", who.version);
}

#[tokio::test]
async fn refusals_are_said_in_the_servers_words() {
    let postgres = Postgres::shared();
    let until = tokio::time::Instant::now() + SOON;
    let trouble = postgres.sql("no_such").line.open("no_such", Access::Read, until).await.err().unwrap();
    assert_eq!(trouble.reason, "database \"no_such\" does not exist (SQLSTATE 3D000)");
    // A rejected login says nothing about the server.
    let Answer::Unknown(reason) = postgres.sql_as("nobody", "postgres").introduction(SOON).await else { panic!() };
    assert!(reason.contains("role \"nobody\" does not exist"), "{reason}");
    let nowhere = Sql::with(Socket("/nowhere/socket".into()), target("a", "b"));
    assert!(matches!(nowhere.introduction(SOON).await, Answer::Unknown(_)));
}

#[tokio::test]
async fn a_ping_says_whether_sessions_are_taken() {
    let postgres = Postgres::shared();
    assert_eq!(postgres.sql("postgres").ping(SOON).await, Ok(Reached::Server));
    // One missing database says nothing about the server.
    assert_eq!(postgres.sql("no_such").ping(SOON).await, Ok(Reached::Server));
    let trouble = Sql::with(Socket("/nowhere/socket".into()), target("a", "b")).ping(SOON).await.unwrap_err();
    assert!(trouble.meaning == Meaning::Unknown, "{trouble:?}");
}

#[tokio::test]
async fn what_is_lost_between_two_baselines_is_named() {
    let postgres = Postgres::start();
    let sql = postgres.sql("postgres");
    run(&sql, "postgres", "CREATE DATABASE test_db").await;
    run(
        &sql,
        "test_db",
        "CREATE TABLE projects (id int); INSERT INTO projects SELECT generate_series(1, 3);
         CREATE SCHEMA \"Odd\"; CREATE TABLE \"Odd\".\"a \"\"b\" (id int);
         CREATE TABLE big AS SELECT repeat('x', 900) FROM generate_series(1, 6000);
         CREATE TABLE parts (id int) PARTITION BY RANGE (id);
         CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM (0) TO (10); INSERT INTO parts VALUES (1), (2);
         CREATE TABLE locked (id int); INSERT INTO locked VALUES (1);
         CREATE VIEW v AS SELECT 1; CREATE TEMP TABLE gone (id int)",
    )
    .await;
    let before = baseline(&sql).await;
    let counted: Vec<_> = tables(&before, "test_db").iter().map(|table| (table.qualified(), table.rows)).collect();
    let expected = [
        ("Odd.a \"b", Some(0)),
        ("public.big", None),
        ("public.locked", Some(1)),
        ("public.part_1", Some(2)),
        ("public.parts", None),
        ("public.projects", Some(3)),
        ("public.v", None),
    ];
    assert_eq!(counted, expected.map(|(name, rows)| (name.to_owned(), rows)));
    let text = serde_json::to_string(&before).unwrap();
    assert_eq!(serde_json::from_str::<Baseline>(&text).unwrap(), before);

    // One table is locked while it is read again: it is listed, it is not counted, and nothing waits for it.
    let mut holder = session(&postgres.sql("test_db"), "test_db").await;
    holder.run_text("BEGIN").await.unwrap();
    holder.run_text("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE").await.unwrap();
    run(
        &sql,
        "test_db",
        "DELETE FROM projects WHERE id > 1; DROP TABLE \"Odd\".\"a \"\"b\"; INSERT INTO parts VALUES (3)",
    )
    .await;
    let after = again(&sql, &before).await;
    drop(holder);
    let comparison = compare(&before, &after);
    let missing: Vec<_> = comparison.missing.iter().map(ToString::to_string).collect();
    let expected = ["test_db: table Odd.a \"b is missing (0 rows)", "test_db: table public.projects has 1 row, had 3"];
    assert_eq!(missing, expected);
    assert_eq!(
        comparison.unknown,
        [
            "test_db: rows of public.locked could not be counted again: canceling statement due to lock timeout (SQLSTATE 55P03)"
        ]
    );

    run(&postgres.sql("postgres"), "postgres", "DROP DATABASE test_db WITH (FORCE)").await;
    let comparison = compare(&before, &baseline(&postgres.sql("postgres")).await);
    assert_eq!(comparison.missing[0].to_string(), "database test_db is missing (6 tables)");
}

#[tokio::test]
async fn a_canary_is_written_found_missed_and_dropped() {
    let postgres = Postgres::shared();
    let sql = postgres.sql("postgres");
    let canary = Canary::new("Run-1");
    assert_eq!(canary.place(&sql), "postgres: table kubectl_synxdb_run_1.canary");
    assert!(matches!(canary.check(&sql, SOON).await, Answer::No(reason) if reason.ends_with("is missing")));
    assert_eq!(canary.write(&sql, SOON).await, Ok(Written { rows: 100 }));
    assert_eq!(canary.check(&sql, SOON).await, Answer::Yes(()));
    let not = canary.write(&sql, SOON).await.unwrap_err();
    assert!(not.reason.contains("already exists") && !not.may_be_there, "{not:?}");
    assert_eq!(tables(&baseline(&sql).await, "postgres"), []);
    for (damage, expected) in [
        ("UPDATE kubectl_synxdb_run_1.canary SET value = value + 1 WHERE id = 7", "differ from those written"),
        ("DELETE FROM kubectl_synxdb_run_1.canary WHERE id > 60", "has 60 rows; 100 were written"),
        ("DELETE FROM kubectl_synxdb_run_1.canary", "rows are missing"),
    ] {
        run(&sql, "postgres", damage).await;
        assert!(matches!(canary.check(&sql, SOON).await, Answer::No(reason) if reason.contains(expected)), "{damage}");
    }
    canary.drop(&sql, SOON).await.unwrap();
    canary.drop(&sql, SOON).await.unwrap();
    assert!(matches!(canary.check(&sql, SOON).await, Answer::No(_)));
}

#[tokio::test]
async fn a_canary_is_not_written_where_writing_is_refused() {
    let postgres = Postgres::shared();
    let sql = postgres.sql("postgres");
    run(
        &sql,
        "postgres",
        "CREATE ROLE reader LOGIN; CREATE ROLE careful LOGIN;
         ALTER ROLE careful SET default_transaction_read_only = on",
    )
    .await;
    let canary = Canary::new("refused");
    for (role, expected) in [("reader", "permission denied"), ("careful", "read-only")] {
        let not = canary.write(&postgres.sql_as(role, "postgres"), SOON).await.unwrap_err();
        // A role that may not write cannot tell whether the server accepts writes.
        assert_eq!((not.meaning, not.may_be_there), (Meaning::NotAllowed, false), "{not:?}");
        assert!(not.reason.contains(expected), "{not:?}");
    }
    assert!(matches!(canary.check(&sql, SOON).await, Answer::No(_)));
    let gone = Sql::with(Socket("/nowhere/socket".into()), target("a", "b"));
    assert!(matches!(canary.check(&gone, SOON).await, Answer::Unknown(_)), "not answering is not losing");
}

/// What a database with this `gp_dist_random` answers: to the query itself, and to a baseline.
async fn dispatched(
    postgres: &Postgres,
    name: &str,
    gp_dist_random: &str,
) -> (Answer<Option<usize>>, Answer<Baseline>) {
    let looks = mpp(postgres, name, gp_dist_random, "id % 2").await;
    let answered = looks.segments(SOON).await.map(|dispatched| dispatched.map(|dispatched| dispatched.answered));
    let answer = (answered, looks.baseline(SOON).await);
    run(&postgres.sql("postgres"), "postgres", &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    answer
}

#[tokio::test]
async fn an_mpp_server_answers_when_every_segment_does() {
    let postgres = Postgres::shared();
    let all = "RETURN QUERY SELECT g FROM generate_series(0, 1) g, generate_series(1, 5);";
    let (answering, Answer::Yes(baseline)) = dispatched(&postgres, "all_segments", all).await else { panic!() };
    assert_eq!((answering, baseline.kernel), (Answer::Yes(Some(2)), Kernel::Mpp));

    // A baseline is a proof, too: the catalog's list counts only while every segment responds.
    let (one, baseline) = dispatched(&postgres, "one_segment", "RETURN QUERY SELECT 0;").await;
    assert_eq!(one, Answer::No("1 of 2 segments responded".to_owned()));
    assert_eq!(baseline, Answer::No("1 of 2 segments responded".to_owned()));

    let raise = "RAISE EXCEPTION USING ERRCODE = '58M01', MESSAGE = 'failed to acquire resources', DETAIL = 'seg1';";
    let (Answer::No(reason), Answer::No(_)) = dispatched(&postgres, "no_segments", raise).await else { panic!() };
    assert_eq!(reason, "failed to acquire resources: seg1 (SQLSTATE 58M01)");

    // What is lost for a moment is queried again, on a new connection.
    let once = format!("IF public.try() = 1 THEN {raise} END IF; {all}");
    assert!(matches!(dispatched(&postgres, "once_more", &once).await, (Answer::Yes(_), Answer::Yes(_))));
    let later = format!("IF public.try() = 2 THEN {raise} END IF; {all}");
    assert!(matches!(dispatched(&postgres, "once_more_later", &later).await, (Answer::Yes(_), Answer::Yes(_))));
    let twice = format!("IF public.try() <= 2 THEN {raise} END IF; {all}");
    assert!(matches!(dispatched(&postgres, "not_twice", &twice).await.0, Answer::No(_)));
}

/// A server with two warehouses, of one segment each, in its catalog or not; `wh-2`'s does not answer.
async fn two_warehouses(postgres: &Postgres, name: &str, listed: bool) {
    let answering = "DECLARE warehouse text := current_setting('synxdb.warehouse', true); BEGIN
        IF warehouse = 'wh-1' THEN RETURN QUERY SELECT 0;
        ELSIF warehouse = 'wh-2' THEN
            RAISE EXCEPTION USING ERRCODE = '58M01', MESSAGE = 'failed to acquire resources', DETAIL = 'seg1';
        ELSE RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'no warehouse'; END IF; END;";
    let looks = mpp(postgres, name, answering, "id % 2").await;
    if listed {
        run(&looks, name, LISTS_WAREHOUSES).await;
    }
    let empty = format!("ALTER DATABASE {name} SET synxdb.warehouse = ''");
    run(&postgres.sql("postgres"), "postgres", &empty).await;
    run(&looks, name, "CREATE TABLE projects (id int); INSERT INTO projects VALUES (1); ANALYZE").await;
}

/// Queries it in a session of this warehouse.
fn in_warehouse(postgres: &Postgres, name: &str, warehouse: Option<&str>) -> Sql<Elastic> {
    let target = SqlTarget { warehouse: warehouse.map(str::to_owned), ..target("gpadmin", name) };
    Sql::with(Elastic::before(postgres), target)
}

/// Each in its own session, whatever another warehouse does.
#[tokio::test]
async fn the_segments_of_a_warehouse_are_asked_in_its_own_session() {
    let postgres = Postgres::start();
    for (name, listed, expected) in [("listed", true, Some(1)), ("unlisted", false, None)] {
        two_warehouses(&postgres, name, listed).await;
        let first = in_warehouse(&postgres, name, Some("wh-1"));
        let dispatched = Dispatched { answered: 1, expected, warehouse: Some("wh-1".to_owned()) };
        assert_eq!(first.segments(SOON).await, Answer::Yes(Some(dispatched.clone())));
        let (baseline, found) = first.contents_and_segments(ContentsRequest::default(), SOON).await.unwrap();
        assert_eq!(found, Some(dispatched));
        assert_eq!(tables(&baseline, name)[0].rows, Some(1));
        assert_eq!(first.ping(SOON).await, Ok(Reached::Segments));
        // Whether the server knows the setting at all is queried once, in a session that selects none.
        let chosen = first.line.connector().chosen.lock().unwrap().clone();
        assert_eq!(chosen.iter().filter(|warehouse| warehouse.is_none()).count(), 1, "{chosen:?}");

        let second = in_warehouse(&postgres, name, Some("wh-2"));
        let Answer::No(reason) = second.segments(SOON).await else { panic!() };
        assert_eq!(reason, "failed to acquire resources: seg1 (SQLSTATE 58M01)");
    }
}

/// Then only the catalog can be read: that is not the server's fault, and says nothing about the segments.
#[tokio::test]
async fn without_a_warehouse_nothing_is_dispatched() {
    let postgres = Postgres::start();
    two_warehouses(&postgres, "without", true).await;
    let sql = in_warehouse(&postgres, "without", None);
    assert_eq!(sql.segments(SOON).await, Answer::Yes(None));
    assert_eq!(sql.ping(SOON).await, Ok(Reached::Server));
    let (baseline, dispatched) = sql.contents_and_segments(ContentsRequest::default(), SOON).await.unwrap();
    assert_eq!((dispatched, baseline.kernel), (None, Kernel::Mpp));
    let projects = &tables(&baseline, "without")[0];
    assert_eq!((projects.name.as_str(), projects.rows, &projects.uncounted), ("projects", None, &None));
}

#[tokio::test]
async fn a_warehouse_that_is_none_of_the_servers_is_no_fault_of_the_server() {
    let postgres = Postgres::start();
    two_warehouses(&postgres, "none", true).await;
    let until = tokio::time::Instant::now() + SOON;
    let refused =
        in_warehouse(&postgres, "none", Some("nowhere")).line.open("none", Access::Read, until).await.err().unwrap();
    assert_eq!((refused.meaning, refused.meaning.fails()), (Meaning::NoWarehouse, false));
    assert!(refused.reason.starts_with("it accepts no session in warehouse nowhere: invalid value for"), "{refused:?}");
    // Its sessions accept it, but the catalog has no such warehouse.
    run(
        &postgres.sql("none"),
        "none",
        "SET allow_system_table_mods = on; DELETE FROM pg_catalog.gp_warehouse WHERE warehouse_name = 'wh-1'",
    )
    .await;
    let Answer::Unknown(reason) = in_warehouse(&postgres, "none", Some("wh-1")).segments(SOON).await else { panic!() };
    assert_eq!(reason, "its sessions use warehouse wh-1, which is not in its catalog");
}

/// Only a session that is confirmed to be in the selected warehouse counts.
#[tokio::test]
async fn a_choice_that_is_dropped_is_made_in_each_transaction() {
    let postgres = Postgres::start();
    two_warehouses(&postgres, "dropped", true).await;
    let target = SqlTarget { warehouse: Some("wh-1".to_owned()), ..target("gpadmin", "dropped") };
    let sql = Sql::with(Elastic::dropping(&postgres), target);
    let expected = Dispatched { answered: 1, expected: Some(1), warehouse: Some("wh-1".to_owned()) };
    assert_eq!(sql.segments(SOON).await, Answer::Yes(Some(expected)));
    let until = tokio::time::Instant::now() + SOON;
    let mut session = sql.line.open("dropped", Access::Read, until).await.unwrap();
    let rows = session.run_as_listed("SHOW warehouse").await.unwrap();
    assert_eq!(text(&rows[0][0], 0), "wh-1");
}

/// Greenplum, and PostgreSQL: nothing is selected if there is nothing to select from.
#[tokio::test]
async fn a_server_that_knows_no_warehouses_is_not_told_of_one() {
    let postgres = Postgres::start();
    let all = "RETURN QUERY SELECT g FROM generate_series(0, 1) g;";
    mpp(&postgres, "greenplum", all, "id % 2").await;
    let target = SqlTarget { warehouse: Some("wh-1".to_owned()), ..target("gpadmin", "greenplum") };
    let asked = Sql::with(postgres.socket(), target.clone());
    let expected = Dispatched { answered: 2, expected: Some(2), warehouse: None };
    assert_eq!(asked.segments(SOON).await, Answer::Yes(Some(expected)));
    let plain = Sql::with(postgres.socket(), SqlTarget { database: "postgres".to_owned(), ..target });
    assert_eq!(plain.ping(SOON).await, Ok(Reached::Server));
}

#[tokio::test]
async fn an_mpp_server_counts_only_what_was_analyzed_and_is_small() {
    let postgres = Postgres::shared();
    let all = "RETURN QUERY SELECT g FROM generate_series(0, 1) g;";
    let looks = mpp(&postgres, "counted", all, "id % 2").await;
    run(
        &looks,
        "counted",
        "CREATE TABLE known (id int); INSERT INTO known SELECT generate_series(1, 3); ANALYZE known;
         CREATE TABLE unknown (id int); INSERT INTO unknown VALUES (1);
         CREATE TABLE large AS SELECT repeat('x', 900) FROM generate_series(1, 6000); ANALYZE large",
    )
    .await;
    let baseline = baseline(&looks).await;
    let counted: Vec<_> = tables(&baseline, "counted").iter().map(|table| (table.name.as_str(), table.rows)).collect();
    assert_eq!(counted, [("known", Some(3)), ("large", None), ("unknown", None)]);
    run(&postgres.sql("postgres"), "postgres", "DROP DATABASE counted WITH (FORCE)").await;
}

#[tokio::test]
async fn a_statement_that_takes_too_long_ends_with_the_deadline() {
    let postgres = Postgres::shared();
    let answer = dispatched(&postgres, "slow_segments", "PERFORM pg_sleep(0.2); RETURN QUERY SELECT 0;").await;
    assert!(matches!(answer.0, Answer::No(_)));
    let sql = postgres.sql("postgres");
    let started = Instant::now();
    let mut session = sql
        .line
        .open("postgres", Access::Read, tokio::time::Instant::now() + Duration::from_millis(300))
        .await
        .unwrap();
    let trouble = session.run_text("SELECT pg_sleep(30)").await.err().unwrap();
    assert!(trouble.hung() || trouble.code.as_deref() == Some("57014"), "{trouble:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// Leads to a server that accepts connections and never responds.
struct Silent(std::sync::Mutex<Vec<DuplexStream>>);

impl Connector for Silent {
    type Stream = DuplexStream;

    async fn connect(&self, _: Duration) -> Result<DuplexStream, ProbeError> {
        let (ours, theirs) = tokio::io::duplex(1024);
        self.0.lock().unwrap().push(theirs);
        Ok(ours)
    }
}

#[tokio::test]
async fn a_login_that_hangs_ends_and_is_not_repeated_at_once() {
    let sql = Sql::with(Silent(std::sync::Mutex::default()), target("gpadmin", "postgres"));
    assert_eq!(sql.paused_until(), None);
    let short = Duration::from_millis(100);
    assert_eq!(sql.introduction(short).await, Answer::Unknown("no response within 100 ms".to_owned()));
    assert!(sql.paused_until().is_some());
    let Answer::Unknown(reason) = sql.introduction(short).await else { panic!() };
    assert!(reason.contains("the last login hung; pausing"), "{reason}");
    // Another database has not hung.
    let other = sql.line.open("other", Access::Read, tokio::time::Instant::now() + short).await.err().unwrap();
    assert!(other.hung(), "{other:?}");
}

#[tokio::test]
async fn a_database_has_one_attempt_at_a_time() {
    let silent = Silent(std::sync::Mutex::default());
    let sql = Sql::with(silent, target("gpadmin", "postgres"));
    let until = tokio::time::Instant::now() + Duration::from_millis(150);
    let (first, second) =
        tokio::join!(sql.line.open("postgres", Access::Read, until), sql.line.open("postgres", Access::Read, until));
    let reasons = [first.err().unwrap().reason, second.err().unwrap().reason];
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains("another attempt") || reason.contains("the last login hung; pausing")),
        "{reasons:?}"
    );
}
