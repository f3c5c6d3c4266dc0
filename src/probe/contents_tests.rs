use super::super::compare::{Comparison, compare};
use super::super::sql::Reached;
use super::super::testing::{Bouncer, Pooling, Postgres, mpp, run, session, target};
use super::super::{Canary, baseline::examples};
use super::*;
use std::path::PathBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const SOON: Duration = Duration::from_secs(60);
const ALL: &str = "RETURN QUERY SELECT g FROM generate_series(0, 1) g;";

async fn first<C: Connector>(sql: &Sql<C>) -> Baseline {
    sql.contents(ContentsRequest::default(), SOON).await.unwrap()
}

/// Reads again, and compares.
async fn again<C: Connector>(sql: &Sql<C>, before: &Baseline) -> Comparison {
    let after = sql.contents(ContentsRequest { only: None, before: Some(before) }, SOON).await.unwrap();
    compare(before, &after)
}

fn missing(comparison: &Comparison) -> Vec<String> {
    comparison.missing.iter().map(ToString::to_string).collect()
}

fn known<'b>(baseline: &'b Baseline, name: &str) -> &'b Tables {
    baseline.database(name).and_then(Database::known).unwrap_or_else(|| panic!("{name} is not known: {baseline:?}"))
}

/// The first value of the first row of the last statement.
async fn value(postgres: &Postgres, database: &str, text: &str) -> String {
    let mut session = session(&postgres.sql(database), database).await;
    let rows = session.run_text(text).await.unwrap();
    session.close().await;
    super::super::session::text(&rows.last().unwrap()[0], 0).to_owned()
}

#[tokio::test]
async fn a_relation_file_that_is_gone_is_damage_in_the_servers_words() {
    let postgres = Postgres::start();
    let sql = postgres.sql("postgres");
    run(&sql, "postgres", "CREATE TABLE kept (id int); CREATE TABLE gone (id int); INSERT INTO gone VALUES (1)").await;
    run(&sql, "postgres", "CHECKPOINT").await;
    let before = first(&sql).await;
    assert_eq!(before.database("postgres").unwrap().damage(), [""; 0]);

    let file = "SELECT current_setting('data_directory') || '/' || pg_relation_filepath('gone')";
    std::fs::remove_file(PathBuf::from(value(&postgres, "postgres", file).await)).unwrap();
    let after = first(&sql).await;
    let damage = after.database("postgres").unwrap().damage();
    assert_eq!(damage.len(), 1);
    assert!(
        damage[0].starts_with("postgres: table public.gone: could not open file")
            && damage[0].ends_with("(SQLSTATE 58P01)"),
        "{damage:?}"
    );
    let comparison = again(&sql, &before).await;
    let lines = missing(&comparison);
    assert!(lines.len() == 1 && lines[0].starts_with("postgres: table public.gone cannot be read: "), "{lines:?}");
    // Nor is it complete if it was so before.
    assert_eq!(missing(&again(&sql, &after).await), lines);
}

#[tokio::test]
async fn what_lies_beyond_the_list_is_compared_by_totals_and_names() {
    let postgres = Postgres::start();
    let sql = postgres.sql("postgres");
    let make = |names: &str| {
        format!("DO $$ BEGIN FOR i IN {names} LOOP EXECUTE 'CREATE TABLE t' || 10000 + i || ' ()'; END LOOP; END $$")
    };
    run(&sql, "postgres", &make("1..1500")).await;
    let before = first(&sql).await;
    assert_eq!((known(&before, "postgres").tables.len(), known(&before, "postgres").total), (MOST_TABLES, 1500));
    let same = again(&sql, &before).await;
    assert_eq!((same.tables, same.is_complete(), same.unknown.len()), (1500, true, 0), "{same:?}");

    // More is fine, even if it pushes listed ones out of the list.
    run(&sql, "postgres", "DO $$ BEGIN FOR i IN 1..50 LOOP EXECUTE 'CREATE TABLE a' || i || ' ()'; END LOOP; END $$")
        .await;
    let more = again(&sql, &before).await;
    assert_eq!((more.tables, more.is_complete(), more.unknown.len()), (1500, true, 0), "{more:?}");

    // One of the unlisted is gone; the total shows nothing, since there are others now.
    run(&sql, "postgres", "DROP TABLE t11400").await;
    let other = again(&sql, &before).await;
    assert!(other.is_complete() && other.unknown.len() == 1, "{other:?}");
    assert!(other.unknown[0].contains("only 1000 of 1500 tables and other relations were listed before"), "{other:?}");

    run(&sql, "postgres", "DO $$ BEGIN FOR i IN 1..50 LOOP EXECUTE 'DROP TABLE a' || i; END LOOP; END $$").await;
    assert_eq!(missing(&again(&sql, &before).await), ["postgres: 1499 tables, 1500 before"]);
    run(&sql, "postgres", "DROP TABLE t10007").await;
    let named = missing(&again(&sql, &before).await);
    assert_eq!(named, ["postgres: table public.t10007 is missing (0 rows)", "postgres: 1498 tables, 1500 before"]);
}

#[tokio::test]
async fn what_was_counted_is_counted_again() {
    let postgres = Postgres::start();
    let sql = postgres.sql("postgres");
    run(&sql, "postgres", "CREATE TABLE m (id int); INSERT INTO m SELECT generate_series(1, 100)").await;
    let before = first(&sql).await;
    // A hundred others sort first and are small; and it has grown past the limit.
    let others = "DO $$ BEGIN FOR i IN 1..120 LOOP EXECUTE 'CREATE TABLE a' || i || ' ()'; END LOOP; END $$";
    run(&sql, "postgres", others).await;
    run(&sql, "postgres", "INSERT INTO m SELECT generate_series(1, 200000)").await;
    let comparison = again(&sql, &before).await;
    assert_eq!(
        (comparison.counted, comparison.unknown.len(), comparison.is_complete()),
        (1, 0, true),
        "{comparison:?}"
    );
    run(&sql, "postgres", "DELETE FROM m WHERE ctid NOT IN (SELECT ctid FROM m LIMIT 7)").await;
    assert_eq!(missing(&again(&sql, &before).await), ["postgres: table public.m has 7 rows, had 100"]);
}

#[tokio::test]
async fn a_template_is_compared_and_an_unlogged_table_by_name_alone() {
    let postgres = Postgres::start();
    let sql = postgres.sql("postgres");
    // As on Greenplum 6 and Cloudberry.
    run(
        &sql,
        "postgres",
        "SET allow_system_table_mods = on; UPDATE pg_database SET datistemplate = true WHERE datname = 'postgres';
         CREATE TABLE logged (id int); INSERT INTO logged VALUES (1);
         CREATE UNLOGGED TABLE unlogged (id int); INSERT INTO unlogged VALUES (1)",
    )
    .await;
    let before = first(&sql).await;
    let names: Vec<&str> = before.databases.iter().map(|database| database.name.as_str()).collect();
    assert_eq!(names, ["postgres"]);
    run(&sql, "postgres", "TRUNCATE unlogged").await;
    let comparison = again(&sql, &before).await;
    assert_eq!((comparison.tables, comparison.counted, comparison.is_complete()), (2, 1, true), "{comparison:?}");
    run(&sql, "postgres", "DROP TABLE unlogged; TRUNCATE logged").await;
    let expected = ["postgres: table public.logged has 0 rows, had 1", "postgres: table public.unlogged is missing"];
    assert_eq!(missing(&again(&sql, &before).await), expected);
}

#[tokio::test]
async fn names_of_all_kinds_of_relation_are_compared() {
    let postgres = Postgres::start();
    let sql = postgres.sql("postgres");
    run(
        &sql,
        "postgres",
        "CREATE SCHEMA pgdata; ALTER DATABASE postgres SET standard_conforming_strings = off;
         CREATE TABLE pgdata.hidden (id int); CREATE SEQUENCE s; CREATE VIEW v AS SELECT 1;
         CREATE MATERIALIZED VIEW m AS SELECT 1; CREATE TABLE p (id int) PARTITION BY RANGE (id);
         CREATE FOREIGN DATA WRAPPER w; CREATE SERVER f FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE ft (id int) SERVER f",
    )
    .await;
    let before = first(&sql).await;
    let rows: Vec<_> = known(&before, "postgres").tables.iter().filter(|table| table.rows.is_some()).collect();
    let counted: Vec<&str> = rows.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(counted, ["hidden", "m"], "a foreign table, a view or a sequence is not read");
    run(
        &sql,
        "postgres",
        "DROP SCHEMA pgdata CASCADE; DROP SEQUENCE s; DROP VIEW v; DROP MATERIALIZED VIEW m; DROP TABLE p;
         DROP FOREIGN TABLE ft",
    )
    .await;
    let expected = [
        "postgres: table pgdata.hidden is missing (0 rows)",
        "postgres: foreign table public.ft is missing",
        "postgres: materialized view public.m is missing (1 row)",
        "postgres: partitioned table public.p is missing",
        "postgres: sequence public.s is missing",
        "postgres: view public.v is missing",
    ];
    assert_eq!(missing(&again(&sql, &before).await), expected);
}

#[tokio::test]
async fn a_name_that_is_not_utf_8_is_shown_and_its_database_is_not_mistaken_for_another() {
    let postgres = Postgres::start();
    let sql = postgres.sql("postgres");
    run(&sql, "postgres", "CREATE TABLE mine (id int)").await;
    run(&sql, "postgres", "CREATE DATABASE odd").await;
    run(&sql, "postgres", "CREATE DATABASE plain ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        .await;
    run(
        &postgres.sql("plain"),
        "plain",
        "SET allow_system_table_mods = on;
         UPDATE pg_database SET datname = convert_from(decode('636166e9', 'hex'), 'SQL_ASCII')::name WHERE datname = 'odd'",
    )
    .await;
    let found = first(&sql).await;
    let names: Vec<&str> = found.databases.iter().map(|database| database.name.as_str()).collect();
    assert_eq!(names, ["caf\\xe9", "plain", "postgres"]);
    assert!(
        matches!(&found.databases[0].tables, Listing::Unknown(why) if why.contains("not valid UTF-8")),
        "{found:?}"
    );
}

/// Behind a pooler, whether or not it rejects startup options, everything is as without one.
#[tokio::test]
async fn a_pooler_is_asked_as_a_server_is() {
    let postgres = Postgres::start();
    let direct = postgres.sql("postgres");
    run(&direct, "postgres", "CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2)").await;
    let expected = known(&first(&direct).await, "postgres").clone();
    for (pooling, ignored) in [
        (Pooling::Session, ""),
        (Pooling::Transaction, ""),
        (Pooling::Session, "options"),
        (Pooling::Transaction, "options"),
    ] {
        let bouncer = Bouncer::before(&postgres, pooling, ignored);
        let sql = bouncer.sql("postgres");
        assert_eq!(sql.ping(SOON).await, Ok(Reached::Server));
        assert_eq!(known(&first(&sql).await, "postgres"), &expected);
        let canary = Canary::new("pooled");
        assert!(canary.write(&sql, SOON).await.is_ok());
        assert_eq!(canary.check(&sql, SOON).await, Answer::Yes(()));
        canary.drop(&sql, SOON).await.unwrap();
    }
}

/// A pooler that leads a name to another database does not make the plugin mistake one for the other.
#[tokio::test]
async fn another_database_behind_a_name_is_unknown() {
    let postgres = Postgres::start();
    run(&postgres.sql("postgres"), "postgres", "CREATE DATABASE other").await;
    let bouncer = Bouncer::leading(&postgres, "other = dbname=postgres", Pooling::Session);
    let found = first(&bouncer.sql("postgres")).await;
    let other = found.database("other").unwrap();
    assert_eq!(other.tables, Listing::Unknown("its name now belongs to another database".to_owned()));
}

/// The login's database may be missing, closed or full: queries about the server run in another.
#[tokio::test]
async fn a_database_that_takes_no_login_is_gone_round() {
    let postgres = Postgres::start();
    run(&postgres.sql("postgres"), "postgres", "CREATE DATABASE cloudmeta").await;
    run(&postgres.sql("postgres"), "postgres", "CREATE ROLE dba LOGIN").await;
    for (change, user) in [
        ("ALTER DATABASE postgres CONNECTION LIMIT 0", "dba"),
        ("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC", "dba"),
        ("ALTER DATABASE postgres ALLOW_CONNECTIONS false", "gpadmin"),
        ("ALTER DATABASE postgres ALLOW_CONNECTIONS true", "gpadmin"),
        ("ALTER DATABASE postgres RENAME TO renamed", "gpadmin"),
    ] {
        run(&postgres.sql("cloudmeta"), "cloudmeta", change).await;
        let mut target = target(user, "postgres");
        target.otherwise = vec!["cloudmeta".to_owned()];
        let sql = Sql::with(postgres.socket(), target);
        assert_eq!(sql.ping(SOON).await, Ok(Reached::Server), "{change}");
        let found = first(&sql).await;
        assert!(found.database("cloudmeta").is_some_and(|found| found.known().is_some()), "{change}: {found:?}");
    }
    let mut target = target("gpadmin", "postgres");
    target.otherwise = vec!["cloudmeta".to_owned()];
    let sql = Sql::with(postgres.socket(), target);
    let canary = Canary::new("elsewhere");
    canary.write(&sql, SOON).await.unwrap();
    assert_eq!(canary.place(&sql), "cloudmeta: table kubectl_synxdb_elsewhere.canary");
    // A later run does not know where it is.
    let mut target = super::super::testing::target("gpadmin", "postgres");
    target.otherwise = vec!["cloudmeta".to_owned()];
    let later = Sql::with(postgres.socket(), target);
    assert_eq!(canary.check(&later, SOON).await, Answer::Yes(()));
    canary.drop(&later, SOON).await.unwrap();
    assert!(matches!(canary.check(&later, SOON).await, Answer::No(_)));
}

/// Connections used up, an event trigger that objects: the server is there, and its data is unknown.
#[tokio::test]
async fn a_server_that_has_no_room_is_not_down() {
    let postgres = Postgres::start();
    let sql = postgres.sql("postgres");
    let mut held = Vec::new();
    let full = loop {
        let until = Instant::now() + SOON;
        match postgres.sql("postgres").line.open("postgres", Access::Read, until).await {
            Ok(session) => held.push(session),
            Err(trouble) => break trouble,
        }
    };
    assert_eq!((full.meaning, full.code.as_deref()), (Meaning::Busy, Some("53300")));
    let trouble = sql.contents(ContentsRequest::default(), SOON).await.unwrap_err();
    assert_eq!(trouble.meaning, Meaning::Busy);
    drop(held);
    // The server notices one by one that they have left.
    let ends = Instant::now() + Duration::from_secs(20);
    let session = loop {
        match sql.line.open("postgres", Access::Read, ends).await {
            Err(trouble) if trouble.meaning == Meaning::Busy && Instant::now() < ends => {}
            opened => break opened.unwrap(),
        }
    };
    session.close().await;

    run(
        &sql,
        "postgres",
        "CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no DDL here'; END $$;
         CREATE EVENT TRIGGER no ON ddl_command_start EXECUTE FUNCTION no()",
    )
    .await;
    let not = Canary::new("objected").write(&sql, SOON).await.unwrap_err();
    assert_eq!((not.meaning, not.may_be_there), (Meaning::NotAllowed, false), "{not:?}");
}

/// A segment that returned with an empty disk: in `postgres` a dispatched query succeeds, in the users' database it
/// does not.
#[tokio::test]
async fn a_segment_with_an_empty_disk_is_damage() {
    let postgres = Postgres::start();
    mpp(&postgres, "users", ALL, "id % 2").await;
    let sql = postgres.sql("users");
    run(&sql, "users", "CREATE TABLE t (id int); INSERT INTO t VALUES (1); ANALYZE t").await;
    mpp(&postgres, "other", ALL, "id % 2").await;
    let before = first(&sql).await;
    known(&before, "users");

    let raise =
        "RAISE EXCEPTION USING ERRCODE = '3D000', MESSAGE = 'database \"users\" does not exist', DETAIL = 'seg1';";
    let lost = format!(
        "CREATE OR REPLACE FUNCTION public.answering() RETURNS TABLE (segment int) LANGUAGE plpgsql AS $$ BEGIN {raise} END $$"
    );
    let none_of_its_tables = "SET allow_system_table_mods = on;
        CREATE OR REPLACE FUNCTION pg_catalog.gp_dist_random(text)
            RETURNS TABLE (gp_segment_id int, oid oid, relkind \"char\", relpersistence \"char\")
            LANGUAGE sql AS $$ SELECT a.segment, c.oid, c.relkind, c.relpersistence
                FROM public.answering() AS a, pg_catalog.pg_class AS c WHERE a.segment = 0 OR c.oid < 16384 $$";
    for (change, why) in [
        (none_of_its_tables, "1 of 2 segments have none of the 2 tables in their catalog"),
        (lost.as_str(), "database \"users\" does not exist: seg1 (SQLSTATE 3D000)"),
    ] {
        run(&sql, "users", change).await;
        // Logged in elsewhere, as `verify` is.
        let elsewhere = postgres.sql("other");
        let after = first(&elsewhere).await;
        assert_eq!(after.database("users").unwrap().tables, Listing::Damaged(why.to_owned()));
        let lines = missing(&again(&elsewhere, &before).await);
        assert!(lines.contains(&format!("database users cannot be read: {why}")), "{lines:?}");
    }
}

#[tokio::test]
async fn a_ping_of_an_mpp_server_asks_every_segment() {
    let postgres = Postgres::start();
    let sql = mpp(&postgres, "pinged", ALL, "id % 2").await;
    assert_eq!(sql.ping(SOON).await, Ok(Reached::Segments));
    let raise = "CREATE OR REPLACE FUNCTION public.answering() RETURNS TABLE (segment int) LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION USING ERRCODE = '58M01', MESSAGE = 'failed to acquire resources'; END $$";
    run(&sql, "pinged", raise).await;
    assert_eq!(sql.ping(SOON).await.unwrap_err().meaning, Meaning::Down);
}

/// A server that accepts a login and never responds to a statement; it records what else is sent.
struct Hanging(tokio::sync::mpsc::UnboundedSender<Vec<u8>>);

impl Connector for Hanging {
    type Stream = DuplexStream;

    async fn connect(&self, _: Duration) -> Result<DuplexStream, ProbeError> {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let heard = self.0.clone();
        tokio::spawn(async move {
            // Each begins with its length and a code.
            loop {
                let length = theirs.read_u32().await.unwrap() as usize;
                let mut message = vec![0; length - 4];
                theirs.read_exact(&mut message).await.unwrap();
                match &message[..4] {
                    // SSLRequest: no TLS here.
                    [0x04, 0xd2, 0x16, 0x2f] => theirs.write_all(b"N").await.unwrap(),
                    // CancelRequest.
                    [0x04, 0xd2, 0x16, 0x2e] => drop(heard.send(message)),
                    _ => break,
                }
            }
            // Logged in; process 7 with key 9; ready. It responds to the check of the settings, and then to nothing.
            let welcome = b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x07\0\0\0\x09Z\0\0\0\x05I";
            theirs.write_all(welcome).await.unwrap();
            assert_eq!(theirs.read_u8().await.unwrap(), b'Q');
            let mut question = vec![0; theirs.read_u32().await.unwrap() as usize - 4];
            theirs.read_exact(&mut question).await.unwrap();
            theirs.write_all(b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I").await.unwrap();
            let _ = theirs.read_to_end(&mut Vec::new()).await;
        });
        Ok(ours)
    }
}

#[tokio::test]
async fn a_statement_that_hangs_is_cancelled() {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let sql = Sql::with(Hanging(told), target("gpadmin", "postgres"));
    let trouble = sql.ping(Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(trouble.meaning, Meaning::Late, "{trouble:?}");
    let key = [&80_877_102_u32.to_be_bytes()[..], &[0, 0, 0, 7, 0, 0, 0, 9]].concat();
    assert_eq!(tokio::time::timeout(SOON, heard.recv()).await, Ok(Some(key)));
}

/// Random changes to a database, its baseline before, and what a server would report afterwards.
mod comparison {
    use super::*;
    use proptest::prelude::*;

    /// Most relations listed here.
    const LISTED: usize = 4;

    #[derive(Clone, Debug)]
    struct Relation {
        oid: u32,
        rows: u64,
    }

    type World = BTreeMap<String, Relation>;

    #[derive(Clone, Debug)]
    enum Change {
        Create(u8),
        Drop(u8),
        Insert(u8),
        Delete(u8),
        Rename(u8, u8),
    }

    fn change() -> impl Strategy<Value = Change> {
        let name = 0..12_u8;
        prop_oneof![
            name.clone().prop_map(Change::Create),
            name.clone().prop_map(Change::Drop),
            name.clone().prop_map(Change::Insert),
            name.clone().prop_map(Change::Delete),
            (name.clone(), name).prop_map(|(from, to)| Change::Rename(from, to)),
        ]
    }

    fn apply(world: &mut World, next: &mut u32, change: &Change) {
        let name = |number: &u8| format!("t{number:02}");
        match change {
            Change::Create(number) => {
                *next += 1;
                world.entry(name(number)).or_insert(Relation { oid: *next, rows: 2 });
            }
            Change::Drop(number) => drop(world.remove(&name(number))),
            Change::Insert(number) => {
                if let Some(relation) = world.get_mut(&name(number)) {
                    relation.rows += 1;
                }
            }
            Change::Delete(number) => {
                if let Some(relation) = world.get_mut(&name(number)) {
                    relation.rows = relation.rows.saturating_sub(1);
                }
            }
            Change::Rename(from, to) => {
                if let (Some(relation), false) = (world.get(&name(from)).cloned(), world.contains_key(&name(to))) {
                    world.remove(&name(from));
                    world.insert(name(to), relation);
                }
            }
        }
    }

    /// As [`list`] and [`count`] do.
    fn listed(world: &World, before: Option<&Tables>) -> Tables {
        let listed = world.iter().take(LISTED).map(|(name, relation)| examples::table(name, Some(relation.rows)));
        let mut listed: Vec<Table> = listed.collect();
        let truncated = world.len() > LISTED;
        for table in before.map(|before| before.tables.as_slice()).unwrap_or_default() {
            if let Some(relation) = world.get(&table.name).filter(|_| listed.iter().all(|one| one.name != table.name)) {
                listed.push(examples::table(&table.name, Some(relation.rows)));
            }
        }
        let digest = |newest| {
            let old = world.iter().filter(|(_, relation)| relation.oid <= newest);
            let names: Vec<&str> = old.map(|(name, _)| name.as_str()).collect();
            Digest { newest, relations: names.len() as u64, names: names.join(",") }
        };
        let newest = world.values().map(|relation| relation.oid).max().unwrap_or(0);
        let then = before.and_then(|before| before.digest.as_ref());
        let all = world.len() as u64;
        Tables {
            total: all,
            totals: BTreeMap::from([(RelationKind::Table, all)]),
            truncated,
            digest: Some(digest(newest)),
            digest_then: then.map(|then| digest(then.newest)),
            sought: before.is_some(),
            ..examples::tables(listed)
        }
    }

    fn baseline(tables: Tables) -> Baseline {
        examples::baseline(vec![("db", Listing::Known(tables))])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Something gone is never "as before"; nothing gone is never "missing".
        #[test]
        fn is_right_after_any_changes(
            begun in proptest::collection::vec(change(), 0..20),
            then in proptest::collection::vec(change(), 0..8),
        ) {
            let (mut world, mut next) = (World::new(), 100);
            begun.iter().for_each(|change| apply(&mut world, &mut next, change));
            let (before, was) = (listed(&world, None), world.clone());
            then.iter().for_each(|change| apply(&mut world, &mut next, change));
            let after = listed(&world, Some(&before));
            let compared = compare(&baseline(before.clone()), &baseline(after));

            let counted = |name: &str| before.tables.iter().any(|table| table.name == name);
            let gone = was.iter().any(|(name, relation)| match world.get(name) {
                None => true,
                Some(now) => counted(name) && now.rows < relation.rows,
            });
            prop_assert!(compared.missing.is_empty() || gone, "{compared:?}");
            prop_assert!(!gone || !compared.missing.is_empty() || !compared.unknown.is_empty(), "{compared:?}");
        }
    }
}

#[test]
fn names_are_bytes() {
    assert_eq!(unhex("c3a45c"), Some(vec![0xc3, 0xa4, b'\\']));
    for odd in ["", "a", "zz", "abc"] {
        assert_eq!(unhex(odd), None, "{odd}");
    }
    assert_eq!(escaped(b"caf\xe9\\"), "caf\\xe9\\x5c");
}

#[test]
fn only_time_locks_and_rights_excuse_a_count_that_fails() {
    let of = |code: &str| {
        let meaning = super::super::sqlstate::meaning(code);
        uncounted(&ProbeError { code: Some(code.to_owned()), ..ProbeError::new(meaning, "why") })
    };
    for code in ["57014", "55P03", "42501", "42P01", "53300", "40001"] {
        assert_eq!(of(code), Uncounted::Unknown("why".to_owned()), "{code}");
    }
    for code in ["58P01", "XX001", "58030", "XX000", "42704", "22P02", "57P02", "58M01"] {
        assert_eq!(of(code), Uncounted::Damaged("why".to_owned()), "{code}");
    }
    assert_eq!(uncounted(&ProbeError::unsure("closed")), Uncounted::Unknown("closed".to_owned()));
}
