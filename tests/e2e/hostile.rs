//! A database whose names and messages try to control the terminal.

use crate::support::Ran;
use crate::world::World;
use std::fs;

/// As PostgreSQL writes it in quotes, and what it is.
const WRITTEN: &str = r#"U&"x\001B[2J\000AVerified: all\0009\009B1A\202Ey""#;
const NAME: &str = "x\u{1b}[2J\nVerified: all\t\u{9b}1A\u{202e}y";

/// Asserts that it is shown, controls nothing, and does not start a line of its own.
#[track_caller]
fn harmless(ran: Ran) -> Ran {
    let shown = format!("{}{}", ran.out, ran.err);
    assert!(!shown.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{:?}", ran.shown());
    assert!(
        shown.contains("x\u{fffd}[2J") || shown.contains("x\\u001b[2J") || shown.contains("x\\e[2J"),
        "{}",
        ran.shown()
    );
    assert!(shown.lines().filter(|line| line.starts_with("Verified: all")).count() == 0, "{}", ran.shown());
    ran
}

#[test]
fn names_and_messages_of_a_database_cannot_control_the_terminal() {
    let world = World::shared();
    let account = world.account("hostile", |_| {});
    let proxy = (account.namespace.as_str(), "cloudberry-proxy-0");
    world.query(proxy, "postgres", &format!("create database {WRITTEN}"));
    assert_eq!(world.query(proxy, "postgres", "select datname from pg_database where datname like 'x%'"), [NAME]);
    world.query(proxy, NAME, &format!("create table {WRITTEN} (id int); insert into {WRITTEN} values (1)"));

    harmless(account.run(&["verify"]).exits(0));
    let told = harmless(account.run(&["verify", "-o", "json"]).exits(0)).json();
    let reason = |check: &serde_json::Value| check["reason"].as_str().unwrap().contains(NAME);
    assert!(told["checks"].as_array().unwrap().iter().any(reason), "JSON tells it as it is: {told:#}");
    let yaml = harmless(account.run(&["verify", "-o", "yaml"]).exits(0));
    let read: serde_json::Value = serde_saphyr::from_str(&yaml.out).unwrap();
    assert!(read["checks"].as_array().unwrap().iter().any(reason), "and so does YAML");

    // Missing objects are named, in a verdict and in an error of the server itself.
    let file = world.home().join("before.json");
    let path = file.to_str().unwrap();
    account.run(&["verify", "--save", path]).exits(0);
    assert!(!fs::read_to_string(&file).unwrap().contains('\u{1b}'));
    world.query(proxy, NAME, &format!("drop table {WRITTEN}"));
    harmless(account.run(&["verify", "--against", path]).exits(7));
    world.as_superuser(
        proxy,
        "create function refuse() returns event_trigger language plpgsql as \
             $$ begin raise E'x\\x1b[2J\\nVerified: all\\r%', U&'\\009B\\202E'; end $$; \
         create event trigger refuse on ddl_command_start when tag in ('CREATE SCHEMA') execute function refuse()",
    );
    // A trigger that fails proves nothing about the data: unknown, not failed.
    harmless(account.run(&["verify", "-d", "postgres"]).exits(8));
    let ran = account.run(&["failover", "cloudberry-proxy-0", "--yes", "--keep-pvc"]);
    assert!(ran.out.contains("x\u{fffd}[2J") || ran.err.contains("x\u{fffd}[2J"), "{}", ran.shown());
    harmless(ran);
}
