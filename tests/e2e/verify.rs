//! `verify`: what it queries and reports, and that it leaves nothing behind.

use crate::support::Ran;
use crate::world::{ACCOUNT, Account, Authority, Pair, SYSTEM, World};
use serde_json::Value;
use std::fs;

/// Returns the checks of a report, as `namespace/member check: result`, each once.
#[track_caller]
fn results(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    assert_eq!(
        (report["apiVersion"].as_str(), report["kind"].as_str()),
        (Some("kubectl-synxdb/v1beta1"), Some("Verification"))
    );
    let text = |check: &Value, field: &str| check[field].as_str().unwrap().to_owned();
    let line = |check: &Value| format!("{} {}: {}", text(check, "member"), text(check, "check"), text(check, "result"));
    let mut lines: Vec<String> = report["checks"].as_array().unwrap().iter().map(line).collect();
    lines.dedup();
    lines
}

/// Returns the reason of the first such check.
#[track_caller]
fn reason(ran: &Ran, check: &str, result: &str) -> String {
    let report = ran.json();
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|found| found["check"] == check && found["result"] == result);
    found.unwrap_or_else(|| panic!("no {check} is {result}\n{}", ran.shown()))["reason"].as_str().unwrap().to_owned()
}

/// Asserts that no schema of the plugin is left in a database.
#[track_caller]
fn nothing_is_left(world: &World, namespace: &str, database: &str) {
    let ours = "select nspname from pg_namespace where nspname like 'kubectl_synxdb%'";
    assert_eq!(world.query((namespace, "cloudberry-proxy-0"), database, ours), Vec::<String>::new());
}

/// Creates a database with three rows in a table in the account.
fn with_projects(account: &Account<'_>) {
    assert_eq!(account.world.projects(&account.namespace).len(), 3);
}

#[test]
fn a_healthy_installation_is_verified() {
    let world = World::alone();
    world.cloudmeta();
    world.projects(ACCOUNT);
    let ran = world.run(&["verify"]).exits(0);
    assert!(ran.out.starts_with("Verified: "), "{}", ran.shown());
    for line in ran.out.lines() {
        assert!(line.chars().count() <= 80, "longer than 80 columns: {line}");
    }
    let ran = ran.says(&["projects (3 rows)", "cloudmeta: ", "3 of 3 respond (quorum is 2)", "none broken"]);
    ran.says(&["100 rows written, read, dropped", "plain PostgreSQL: no segments", "2 of 2 Ready"]);
    let expected = [
        "cloudberry-proxy-0 connection: passed",
        "cloudberry-proxy-0 tables: passed",
        "cloudberry-proxy-0 segments: skipped",
        "cloudberry-proxy-0 mirrors: skipped",
        "cloudberry-proxy-0 write: passed",
        "cloudberry-proxy-0 spread: skipped",
    ];
    let system = world.run(&["verify", "-n", SYSTEM, "-o", "json"]).exits(0);
    assert_eq!(results(&system)[..6], expected);
    assert!(system.err.is_empty(), "{}", system.shown());
    let pages: Vec<String> = results(&system).split_off(6);
    let expected = [
        "safekeeper-0 endpoint: passed",
        "safekeeper-1 endpoint: passed",
        "safekeeper-2 endpoint: passed",
        "safekeeper majority: passed",
        "safekeeper wal: passed",
        "pageserver-0 endpoint: passed",
        "pageserver-0 tenants: passed",
    ];
    assert_eq!(pages, expected);
    nothing_is_left(&world, SYSTEM, "postgres");
    nothing_is_left(&world, ACCOUNT, "postgres");
}

#[test]
fn what_is_missing_since_a_baseline_is_listed() {
    let world = World::shared();
    let account = world.account("baseline", |_| ());
    with_projects(&account);
    let proxy = (account.namespace.as_str(), "cloudberry-proxy-0");
    world.query(proxy, "test_db", "create table extra (id int); insert into extra values (1), (2); analyze extra");
    let file = world.home().join("before.json");
    let path = file.to_str().unwrap();
    account.run(&["verify", "--save", path]).exits(0).warns(&["baseline of 1 component saved to "]);
    // A baseline is never overwritten.
    let again = account.run(&["verify", "--save", path]).exits(4);
    assert!(again.error().contains("exists already"), "{}", again.shown());
    account.run(&["verify", "--against", path]).exits(0).says(&["as before: 2 databases, 2 tables (rows counted)"]);

    // More is fine, and so is a failover.
    world.query(proxy, "test_db", "insert into extra values (3)");
    account.run(&["failover", "cloudberry-proxy-0", "--yes"]).exits(0);
    account.run(&["verify", "--against", path]).exits(0);

    world.query(proxy, "test_db", "drop table extra");
    world.query(proxy, "test_db", "delete from projects where project_id > 1");
    let ran = account.run(&["verify", "--against", path]).exits(7);
    let ran = ran.says(&["Verification failed: 1 of ", "test_db: table public.extra is missing (2 rows)"]);
    ran.says(&["test_db: table public.projects has 1 row, had 3"]);
    // Limited to another database, nothing is missing.
    account.run(&["verify", "-d", "postgres", "--against", path]).exits(0);
    world.query(proxy, "postgres", "drop database test_db");
    account.run(&["verify", "--against", path]).exits(7).says(&["database test_db is missing (2 tables)"]);

    // A baseline of another cluster names members that do not exist here; members that do not exist are missing.
    let text = fs::read_to_string(&file).unwrap();
    let other = world.home().join("other.json");
    fs::write(&other, text.replace("cloudberry-proxy-0", "cloudberry-proxy-7")).unwrap();
    let ran = account.run(&["verify", "--against", other.to_str().unwrap()]).exits(7);
    ran.says(&["cloudberry-proxy-7 baseline: it is in the baseline, but not in the cluster"]);
    fs::write(&other, "{}").unwrap();
    account.run(&["verify", "--against", other.to_str().unwrap()]).exits(1).silent();
}

#[test]
fn read_only_writes_nothing_and_a_role_without_rights_verifies_nothing() {
    let world = World::shared();
    let account = world.account("roles", |_| ());
    let proxy = (account.namespace.as_str(), "cloudberry-proxy-0");
    world.as_superuser(
        proxy,
        "create function refuse() returns event_trigger language plpgsql as \
             $$ begin raise 'nothing is created here'; end $$; \
         create event trigger refuse on ddl_command_start when tag in ('CREATE SCHEMA') execute function refuse()",
    );
    account.run(&["verify", "--read-only"]).exits(0).says(&["--read-only was given"]);
    let ran = account.run(&["verify", "-o", "json"]).exits(8);
    let said = reason(&ran, "write", "unknown");
    assert!(said.contains("nothing is created here"), "{said}");

    let reader = format!("drop event trigger refuse; create role reader login password '{PASSWORD}'");
    world.as_superuser(proxy, &reader);
    let ran = with_password(&account, PASSWORD, &["-U", "reader"], &[]).exits(8);
    let said = reason(&ran, "write", "unknown");
    assert!(said.contains("permission denied"), "{said}");
    nothing_is_left(&world, &account.namespace, "postgres");
}

#[test]
fn a_database_that_is_not_there_and_one_that_may_not_be_entered() {
    let world = World::shared();
    let account = world.account("databases", |_| ());
    with_projects(&account);
    let ran = account.run(&["verify", "-d", "no_such", "-o", "json"]).exits(7);
    assert_eq!(reason(&ran, "tables", "failed"), "database no_such does not exist");
    let ran = account.run(&["verify", "cloudberry-proxy-0", "-d", "test_db", "-o", "json"]).exits(0);
    assert_eq!(reason(&ran, "tables", "passed"), "test_db: 1 table: projects (3 rows)");
    nothing_is_left(&world, &account.namespace, "test_db");

    let proxy = (account.namespace.as_str(), "cloudberry-proxy-0");
    let guest =
        format!("create role guest login password '{PASSWORD}'; revoke connect on database test_db from public");
    world.as_superuser(proxy, &guest);
    let ran = with_password(&account, PASSWORD, &["-U", "guest", "--read-only"], &[]).exits(8);
    let said = reason(&ran, "tables", "unknown");
    assert!(said.starts_with("test_db: ") && said.contains("permission denied for database"), "{said}");
}

/// The password of roles created here.
const PASSWORD: &str = "0pen-S3same";

/// Runs `verify` on the account with a password.
#[track_caller]
fn with_password(account: &Account<'_>, password: &str, flags: &[&str], more: &[&str]) -> Ran {
    let mut command = account.plugin(&[&["verify", "-o", "json"], flags, more].concat());
    command.env("PGPASSWORD", password);
    let ran = account.world.start_command(command).end();
    assert!(!ran.shown().contains(password), "a password was printed\n{}", ran.shown());
    ran
}

/// A rejected login says nothing about the data, so it neither passes nor fails.
#[test]
fn a_rejected_login_is_unknown() {
    let world = World::shared();
    let account = world.account("verify-login", |_| ());
    let server = world.secured((&account.namespace, "cloudberry-proxy-0"), "0pen-S3same");
    with_password(&account, "0pen-S3same", &["--read-only"], &[]).exits(0);
    let ran = with_password(&account, "0pen-P0ppy", &["--read-only"], &[]).exits(8);
    let said = reason(&ran, "connection", "unknown");
    assert!(said.contains("password authentication failed for user \"gpadmin\""), "{said}");

    let pair = Pair::self_signed("cloudberry-proxy-0");
    server.offers(&pair);
    with_password(&account, "0pen-S3same", &["--read-only"], &["--sslmode", "require"]).exits(0);
    let roots = world.file("ca.crt", &Authority::new().certificate);
    let full = ["--sslmode", "verify-full", "--sslrootcert", roots.to_str().unwrap()];
    let ran = with_password(&account, "0pen-S3same", &["--read-only"], &full).exits(8);
    let said = reason(&ran, "connection", "unknown");
    assert!(said.contains("its issuer is unknown"), "{said}");
}

/// The server accepts the connection, and never answers.
#[test]
fn a_login_that_hangs_ends_with_its_deadline() {
    let world = World::shared();
    let account = world.account("verify-hang", |_| ());
    let server = world.secured((&account.namespace, "cloudberry-proxy-0"), "0pen-S3same");
    let hung = server.hangs();
    let ran = with_password(&account, "0pen-S3same", &["--read-only"], &[]).exits(8);
    assert_eq!(reason(&ran, "connection", "unknown"), "no response within 10 s");
    drop(hung);
    with_password(&account, "0pen-S3same", &["--read-only"], &[]).exits(0);
}

/// The layout names another service's port: what it serves is not a safekeeper's status page.
#[test]
fn a_page_of_another_service_is_unknown() {
    let world = World::shared();
    let layout = world.run(&["layout"]).exits(0).out;
    let page = |port: u16, path: &str| format!("    page: {{ port: {port}, path: {path} }}");
    for (page_now, said) in [
        (page(7676, "/metrics"), "returned 200, but not a JSON object"),
        (page(7676, "/nowhere"), "returned 404"),
        (page(7699, "/v1/status"), ""),
    ] {
        let changed = layout.replacen(&page(7676, "/v1/status"), &page_now, 1);
        assert_ne!(changed, layout);
        let file = world.home().join("layout.yaml");
        fs::write(&file, changed).unwrap();
        let arguments = ["--layout", file.to_str().unwrap(), "verify", "safekeeper-0", "-o", "json"];
        if said.is_empty() {
            let ran = world.run(&arguments).exits(7);
            assert!(reason(&ran, "endpoint", "failed").contains("connection refused"), "{}", ran.shown());
        } else {
            let ran = world.run(&arguments).exits(8);
            assert!(reason(&ran, "endpoint", "unknown").contains(said), "{}", ran.shown());
        }
    }
}

#[test]
fn a_node_that_is_not_there_fails_and_so_does_its_account() {
    let world = World::shared();
    let account = world.account_started("nodes", |objects| {
        objects.set("wh9527")["spec"]["template"]["spec"]["nodeSelector"] =
            serde_json::json!({"kubectl-synxdb/no-such-node": "yes"});
    });
    let ran = account.run(&["verify", "wh9527", "-o", "json"]).exits(7);
    assert_eq!(reason(&ran, "nodes", "failed"), "0 of 2 Ready");
}
