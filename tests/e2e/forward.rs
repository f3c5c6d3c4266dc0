//! `forward`: a port that survives pod replacement, with many clients.

use crate::support::machine::needs;
use crate::support::terminal::{Terminal, key};
use crate::support::{Ran, Running, unwrapped};
use crate::world::{Account, AwaitIn, Rule, SYSTEM, World, named, stays_ready};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

const PROXY: &str = "cloudberry-proxy-0";

/// A running forward.
struct Forward {
    running: Running,
    told: Value,
    port: u16,
    login: Config,
}

impl Forward {
    /// Opens one to an account's proxy, and waits until it is ready.
    fn open(account: &Account<'_>) -> Self {
        Self::started(account.world, account.plugin(&["forward", "--port", "0", "-o", "json"]))
    }

    fn started(world: &World, command: std::process::Command) -> Self {
        // It stays open for the whole case; each step has its own limit.
        let mut running = Running::start_within(Duration::from_secs(1800), command);
        let told: Value = serde_json::from_str(&running.first_line()).unwrap();
        let port = told["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap();
        let mut login = Config::new();
        login.host("127.0.0.1").port(port).user("gpadmin").dbname("postgres");
        if let Some(password) = world.password() {
            login.password(password);
        }
        Self { running, told, port, login }
    }

    /// Stops it like Ctrl-C does.
    fn end(self) -> Ran {
        self.running.signal(Signal::INT);
        self.running.end()
    }

    async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = self.login.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Connects. A port is open, and its pod Ready, a moment before the database behind it has started: while it
    /// reports that it is starting, this tries again. Any other error fails.
    async fn connected(&self) -> Client {
        loop {
            match self.connect().await {
                Ok(client) => return client,
                Err(error) if error.code() == Some(&SqlState::CANNOT_CONNECT_NOW) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("no connection through the forward: {error:?}"),
            }
        }
    }

    /// Returns the answer on a new connection.
    fn answers(&self, world: &World, sql: &str) -> String {
        let asked = async { one(&self.connected().await, sql).await };
        world.in_time(asked).unwrap_or_else(|| panic!("no answer in time: {sql}")).unwrap()
    }
}

async fn one(client: &Client, sql: &str) -> Result<String, tokio_postgres::Error> {
    let messages = client.simple_query(sql).await?;
    let row = messages.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    Ok(row.unwrap_or_default())
}

/// The warning about a port on the loopback interface.
const OPEN_TO_ALL: &str =
    "note: every user of this machine can connect to this port; to restrict it to yourself, use --socket FILE";

/// Returns the plugin with psql on a forward to an account's proxy. Arguments after `--` are psql's, so nothing may be
/// added.
fn with_psql(account: &Account<'_>, target: &[&str], arguments: &[&str]) -> std::process::Command {
    needs("psql");
    let namespace = ["-n", &account.namespace, "forward", "--port", "0", "--psql"];
    account.world.plugin(&[&namespace[..], target, &["--", "-X"], arguments].concat())
}

fn uid(world: &World, namespace: &str) -> String {
    world.pod(namespace, PROXY).metadata.uid.unwrap()
}

#[test]
fn fifty_clients_get_their_own_answers_and_a_broken_one_affects_no_other() {
    let world = World::shared();
    let account = world.account("forward-many", |_| {});
    let forward = Forward::open(&account);
    assert_eq!(
        forward.told,
        json!({
            "apiVersion": "kubectl-synxdb/v1beta1", "kind": "Forward", "namespace": account.namespace, "pod": PROXY,
            "uid": uid(&world, &account.namespace), "address": "localhost", "port": forward.port, "remotePort": 5432,
            "socket": null, "psql": format!("psql -h localhost -p {} -U gpadmin -d postgres", forward.port), "command": null,
        })
    );
    let work = async {
        let clients = futures::future::join_all((0..50).map(|_| forward.connected())).await;
        let ask = |what: &'static str| {
            let clients = &clients;
            async move {
                let asked = clients.iter().enumerate().map(|(number, client)| async move {
                    // Every answer is longer than a frame, and takes a while.
                    let sql = format!("select repeat('{number} ', 20000) from pg_sleep(0.2)");
                    (number, one(client, &sql).await)
                });
                for (number, answer) in futures::future::join_all(asked).await {
                    assert!(number == 0 && what == "after" || answer.unwrap() == format!("{number} ").repeat(20000));
                }
            }
        };
        ask("before").await;
        // The server ends one; another disconnects abruptly, in the middle of an answer.
        let victim = one(&clients[0], "select pg_backend_pid()").await.unwrap();
        one(&clients[1], &format!("select pg_terminate_backend({victim})")).await.unwrap();
        assert!(one(&clients[0], "select 1").await.is_err(), "the session lives");
        rude(&forward).await;
        ask("after").await;
    };
    world.in_time(work).expect("they are answered in time");
    let ran = forward.end().exits(0);
    assert_eq!(ran.out.lines().count(), 1, "{}", ran.shown());
}

/// Disconnects while it receives a large answer.
async fn rude(forward: &Forward) {
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", forward.port)).await.unwrap();
    let (client, connection) = forward.login.connect_raw(stream, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let query = "select repeat('x', 1000) from generate_series(1, 1000000)";
    let mut rows = std::pin::pin!(client.simple_query_raw(query).await.unwrap());
    for _ in 0..1000 {
        futures::StreamExt::next(&mut rows).await.unwrap().unwrap();
    }
    connection.abort();
    assert!(connection.await.unwrap_err().is_cancelled(), "it was still being sent");
}

#[test]
fn a_forward_survives_repeated_failovers() {
    let world = World::shared();
    let account = world.account("forward-failovers", |_| {});
    let forward = Forward::open(&account);
    let mut last = uid(&world, &account.namespace);
    for round in 0..if world.is_real() { 10 } else { 100 } {
        // Sometimes the disk, too.
        let whole = ["failover", PROXY, "--yes", "--start-over"];
        let pod_only = ["failover", PROXY, "--yes", "--start-over", "--keep-pvc", "--no-verify"];
        account.run(if round % 10 == 9 { &whole } else { &pod_only }).exits(0);
        let now = uid(&world, &account.namespace);
        assert_ne!(now, last, "round {round}");
        last = now;
        assert_eq!(forward.answers(&world, &format!("select {round}")), round.to_string());
    }
    let ran = forward.end().exits(0);
    let short = last.split('-').next().unwrap();
    let ran = ran.warns(&[&format!("reconnected to {PROXY} (UID {short}…)")]);
    assert!(!ran.err.contains("a connection was closed"), "{}", ran.shown());
}

#[test]
fn a_connection_during_a_failover_waits_for_the_new_pod() {
    let world = World::shared();
    let account = world.account("forward-middle", |_| {});
    let mut forward = Forward::open(&account);
    let old = uid(&world, &account.namespace);
    account.pods().delete(PROXY, &DeleteParams::default()).await_in(&world).unwrap();
    world.until(&account.pods(), named(PROXY), "the old pod is gone", |pods| {
        pods.get(PROXY).is_none_or(|pod: &Pod| pod.metadata.uid.as_ref() != Some(&old))
    });
    // A pod that is already Ready would not be in the middle of a failover.
    assert!(account.pods().get_opt(PROXY).await_in(&world).unwrap().is_none_or(|pod| !stays_ready(&pod)));
    assert_eq!(forward.answers(&world, "select 'it waited'"), "it waited");
    let now = world.pod(&account.namespace, PROXY);
    assert!(stays_ready(&now) && now.metadata.uid.as_ref() != Some(&old));
    forward.running.until_warns("reconnected to ");
    forward.end().exits(0).warns(&["new connections wait for its replacement"]);
}

#[test]
fn a_taken_port_is_skipped_unless_it_was_requested() {
    let world = World::shared();
    let account = world.account("forward-port", |_| {});
    // It may be taken already, which is just as good.
    let _taken = TcpListener::bind(("127.0.0.1", 15432));
    let forward = Forward::started(&world, account.plugin(&["forward", PROXY, "-o", "json"]));
    assert!(forward.port > 15432 && forward.port <= 15532, "{}", forward.told);
    assert_eq!(forward.answers(&world, "select 2"), "2");
    let port = forward.port.to_string();
    let refused = account.run(&["forward", PROXY, "--port", &port]).exits(1).silent();
    refused.warns(&[&format!("local port {port} of localhost is in use"), "hint: --port 0"]).error();
    let ran = forward.end().exits(0);
    ran.warns(&[&format!("local port 15432 is in use; using {port}")]);
}

#[test]
fn the_line_to_paste_is_all_of_stdout_and_ctrl_c_ends_it() {
    let world = World::shared();
    let account = world.account("forward-line", |_| {});
    for (signal, target) in [(Signal::INT, PROXY), (Signal::TERM, "warehouse-proxy")] {
        let mut running = world.start_command(account.plugin(&["forward", target, "--port", "0"]));
        let line = running.first_line();
        let port =
            line.strip_prefix("psql -h localhost -p ").and_then(|rest| rest.strip_suffix(" -U gpadmin -d postgres"));
        let port: u16 = port.unwrap_or_else(|| panic!("{line}")).parse().unwrap();
        running.until_warns("Press Ctrl-C to stop");
        // By either address, if there are two.
        for host in ["127.0.0.1", "localhost"] {
            TcpStream::connect((host, port)).unwrap();
        }
        running.signal(signal);
        let ran = running.end().exits(0).warns(&[&account.namespace, PROXY]);
        assert_eq!(ran.out, format!("{line}\n"));
        TcpStream::connect(("127.0.0.1", port)).expect_err("the port is still open");
    }
}

#[test]
fn a_member_without_sql_has_its_page_or_names_its_proxy() {
    let world = World::shared();
    let account = world.account("forward-doors", |_| {});
    let proxy = format!("kubectl synxdb forward {}/{PROXY}", account.namespace);
    for verb in [&["forward", "wh9527-0"][..], &["forward", "wh9527-0", "--psql"]] {
        let ran = account.run(verb).exits(4).silent();
        ran.warns(&[
            "wh9527-0 does not accept connections",
            "connect through the warehouse proxy of its account",
            &proxy,
        ]);
    }
    let page = ["forward", "safekeeper-0", "-n", SYSTEM, "--port", "0"];
    world.run(&[&page[..], &["--psql"]].concat()).exits(2).silent().warns(&["safekeeper-0 does not accept SQL"]);

    let mut running = world.start_command(world.plugin(&page));
    let line = running.first_line();
    let port = line.strip_prefix("curl http://localhost:").and_then(|rest| rest.strip_suffix("/v1/status"));
    let mut stream =
        TcpStream::connect(("127.0.0.1", port.unwrap_or_else(|| panic!("{line}")).parse().unwrap())).unwrap();
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with('}'), "{answer}");
    running.signal(Signal::INT);
    running.end().exits(0);
}

/// The metadata proxy has a short name, independent of the current namespace.
#[test]
fn meta_is_the_metadata_proxy() {
    let world = World::shared();
    let account = world.account("forward-meta", |_| {});
    let ran = world.start_command(with_psql(&account, &["meta"], &["-Atc", "select current_database()"])).end();
    assert_eq!(ran.exits(0).out, "cloudmeta\n");
}

#[test]
fn psql_runs_on_it_and_its_exit_code_is_ours() {
    let world = World::shared();
    let account = world.account("forward-psql", |_| {});
    let psql = |arguments: &[&str]| world.start_command(with_psql(&account, &[], arguments)).end();
    let ran = psql(&["-Atc", "select 6 * 7", "-d", "template1"]).exits(0);
    assert_eq!(ran.out, "42\n");
    // All other output is psql's.
    assert_eq!(ran.err.matches("note:").count(), 1, "{}", ran.shown());
    ran.warns(&["note: every user of this machine can connect to this port"]);
    psql(&["-c", "selec"]).exits(1).silent().warns(&["syntax error"]);
    psql(&["-d", "nowhere", "-c", "select 1"]).exits(2).warns(&["database \"nowhere\" does not exist"]);
    psql(&["-v", "ON_ERROR_STOP=1", "-f", "/nowhere.sql"]).exits(1);

    let mut without = account.plugin(&["forward", "--psql"]);
    without.env("PATH", world.home());
    world.start_command(without).end().exits(1).silent().warns(&["psql is not installed", "postgresql-client"]);
}

/// As in the README: a session that loses its pod reconnects with `\c`, on the same port.
#[test]
fn psql_has_the_terminal_and_ctrl_c_and_reconnects_after_a_failover() {
    let world = World::shared();
    let account = world.account("forward-terminal", |_| {});
    assert_eq!(world.projects(&account.namespace).len(), 3);
    let mut terminal = Terminal::start(with_psql(&account, &[], &["-d", "test_db"]));
    terminal.expect("test_db=");
    terminal.send("select pg_sleep(600);\r");
    terminal.expect("pg_sleep(600);");
    let asleep = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
    while world.query((&account.namespace, PROXY), "postgres", asleep) != ["1"] {}
    terminal.send(key::CTRL_C);
    terminal.expect("canceling statement due to user request");
    terminal.expect("test_db=");
    terminal.send("select 'still' || ' here';\r");
    terminal.expect("still here");

    account.run(&["failover", PROXY, "--yes"]).exits(0);
    terminal.expect("reconnected to cloudberry-proxy-0");
    terminal.send("\\c\r");
    terminal.expect("You are now connected to database \"test_db\"");
    terminal.send("SELECT * FROM projects;\r");
    for row in ["Project Alpha", "Project Beta", "Project Gamma", "(3 rows)"] {
        terminal.expect(row);
    }
    terminal.send("\\q\r");
    let left = terminal.end();
    assert_eq!(left.code, 0, "{}", left.text);
    assert!(left.echo && left.cursor_shown, "{}", left.raw);
}

#[test]
fn a_missing_permission_to_forward_is_reported_before_it_listens() {
    let world = World::shared();
    let account = world.account("forward-rights", |_| {});
    let here = Some(&*account.namespace);
    let reads: [&str; 3] = ["pods", "persistentvolumeclaims", "statefulsets.apps"];
    let look = || Rule { namespace: here, resources: &reads, verbs: &["get", "list", "watch"] };
    let half = Rule { namespace: here, resources: &["pods/portforward"], verbs: &["get"] };
    for (rules, missing) in [(vec![look()], "get pods/portforward"), (vec![look(), half], "create pods/portforward")] {
        let user = world.user(&account.namespace, &rules);
        let mut command = account.plugin(&["forward", PROXY, "--port", "0"]);
        command.env("KUBECONFIG", &user.kubeconfig);
        let ran = world.start_command(command).end().exits(4).silent();
        ran.warns(&[
            &format!("missing permission: {missing} {PROXY} in namespace {}", account.namespace),
            &format!("next: kubectl auth can-i {missing} -n {}", account.namespace),
        ]);
    }
}

/// A private practice cluster runs as long as the forward to it.
#[test]
fn a_private_practice_cluster_can_be_reached() {
    needs("psql");
    let world = World::shared();
    let arguments = ["--sandbox", "forward", "--port", "0", "--psql", "--", "-XAt", "-d", "test_db", "-c"];
    let ran = world.run(&[&arguments[..], &["select count(*) from projects"]].concat()).exits(0);
    assert_eq!(ran.out, "3\n");
}

/// psql's own arguments are passed through: a database and a role by position, by option, in a connection string or in
/// a URI, always through the forward.
#[test]
fn psql_takes_its_own_arguments() {
    let world = World::shared();
    let account = world.account("forward-arguments", |_| {});
    account.world.projects(&account.namespace);
    let namespace = (account.namespace.as_str(), PROXY);
    world.as_superuser(namespace, "create role auditor login password 'open sesame'");
    let known = world.passfile().map(|passfile| std::fs::read_to_string(passfile).unwrap()).unwrap_or_default();
    let passfile = world.file("both-roles", &format!("{known}\n*:*:*:auditor:open sesame\n"));
    std::fs::set_permissions(&passfile, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let query = ["-XAtc", "select current_database(), current_user"];
    let psql = |target: &[&str], arguments: &[&str]| {
        let mut command = with_psql(&account, target, arguments);
        command.env("PGPASSFILE", &passfile);
        world.start_command(command).end()
    };
    for (arguments, expected) in [
        (&[][..], "postgres|gpadmin"),
        (&["test_db"], "test_db|gpadmin"),
        (&["test_db", "auditor"], "test_db|auditor"),
        (&["-d", "test_db"], "test_db|gpadmin"),
        (&["-d", "test_db", "auditor"], "test_db|auditor"),
        (&["-dtest_db", "-Uauditor"], "test_db|auditor"),
        (&["--dbname=test_db", "--user", "auditor"], "test_db|auditor"),
        (&["-qd", "test_db"], "test_db|gpadmin"),
        (&["-v", "a=b", "test_db"], "test_db|gpadmin"),
        (&["--", "test_db"], "test_db|gpadmin"),
        (&["dbname=test_db user=auditor"], "test_db|auditor"),
        (&["application_name=x"], "postgres|gpadmin"),
        (&["dbname = 'test_db' application_name='a b'", "auditor"], "test_db|auditor"),
        (&["postgresql:///test_db"], "test_db|gpadmin"),
        (&["postgresql://auditor@/test_db?application_name=x"], "test_db|auditor"),
        (&["postgres://auditor@"], "postgres|auditor"),
        (&["postgresql://?user=auditor&dbname=test_db"], "test_db|auditor"),
        // The name, port or address of another server leads here, too: that is the purpose of the forward.
        (&["-d", "postgresql://auditor@db.example.com:6543/test_db"], "test_db|auditor"),
        (&["host=db.example.com port=6543 hostaddr=192.0.2.1 dbname=test_db"], "test_db|gpadmin"),
        (&["-h", "/nowhere", "test_db"], "test_db|gpadmin"),
    ] {
        let ran = psql(&[], &[&query[..], arguments].concat());
        assert_eq!((ran.code, ran.out.trim_end()), (Some(0), expected), "{arguments:?}\n{}", ran.shown());
        assert_eq!(unwrapped(&ran.err), OPEN_TO_ALL, "{arguments:?}");
    }
    let ran = psql(&["--address", "::1"], &query).exits(0);
    assert_eq!(ran.out, "postgres|gpadmin\n");
    // Neither does the environment redirect it.
    let service = world.file("services", "[other]\nhost=db.example.com\nhostaddr=192.0.2.1\nport=6543\n");
    let mut command = with_psql(&account, &[], &query);
    command
        .env("PGSERVICEFILE", service)
        .env("PGSERVICE", "other")
        .env("PGHOSTADDR", "192.0.2.1")
        .env("PGPORT", "6543");
    assert_eq!(world.start_command(command).end().exits(0).out, "postgres|gpadmin\n");
    for port in [&["-p", "6543"][..], &["--port=6543"], &["-qp6543"]] {
        psql(&[], &[&query[..], port].concat())
            .exits(2)
            .warns(&["the forward sets the port", "put --port PORT before --"])
            .error();
    }
}

/// psql finds a password file's lines for the local port itself; the plugin finds those for the pod.
#[test]
fn psql_has_the_password_of_the_local_port_or_of_the_pod() {
    let world = World::shared();
    let account = world.account("forward-passwords", |_| {});
    let _secured = world.secured((&account.namespace, PROXY), "s3:cret");
    let query = ["-XAtwc", "select current_user"];
    let with = |line: &str, arguments: &[&str], password: Option<&str>| {
        let file = world.file("pgpass", &format!("{line}\n"));
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let mut command = with_psql(&account, &[], &[&query[..], arguments].concat());
        command.env("PGPASSFILE", file);
        if let Some(password) = password {
            command.env("PGPASSWORD", password);
        }
        world.start_command(command).end()
    };
    for (line, arguments) in [
        ("localhost:*:*:gpadmin:s3\\:cret", &[][..]),
        ("cloudberry-proxy-0:5432:postgres:gpadmin:s3\\:cret", &[]),
        ("cloudberry-proxy-0:*:template1:*:s3\\:cret", &["template1"]),
        ("cloudberry-proxy-0:*:template1:*:s3\\:cret", &["postgresql:///template%31?application_name=x"]),
        ("cloudberry-proxy-0:*:template1:gpadmin:s3\\:cret", &["dbname='template1' user=gpadmin"]),
    ] {
        let ran = with(line, arguments, None);
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), "gpadmin\n"), "{line} {arguments:?}\n{}", ran.shown());
    }
    // The environment and a connection string take precedence.
    with("cloudberry-proxy-0:*:*:*:wrong", &[], Some("s3:cret")).exits(0);
    with("cloudberry-proxy-0:*:*:*:wrong", &["password=s3:cret"], None).exits(0);
    with("cloudberry-proxy-0:*:*:auditor:s3\\:cret", &[], None).exits(2).warns(&["no password supplied"]);

    // A user who may not read the pod's owner sends no password: the name alone proves nothing.
    let here = Some(&*account.namespace);
    let pods = Rule { namespace: here, resources: &["pods"], verbs: &["get", "list", "watch"] };
    let forwards = Rule { namespace: here, resources: &["pods/portforward"], verbs: &["get", "create"] };
    let user = world.user(&account.namespace, &[pods, forwards]);
    let file = world.file("pgpass-of-a-pod", "cloudberry-proxy-0:*:*:*:s3\\:cret\n");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut command = with_psql(&account, &[PROXY], &query);
    command.env("PGPASSFILE", file).env("KUBECONFIG", &user.kubeconfig);
    let ran = world.start_command(command).end().exits(2);
    ran.warns(&["no password supplied", "do not send it a real password"]);
}

/// Only the kubelet's message distinguishes a port without a listener from a broken connection.
#[test]
fn a_kubelet_reports_that_nothing_listens() {
    let world = World::shared();
    let account = world.account("nothing-listens", |_| {});
    let pods = world.within::<Pod>(&account.namespace);
    let said = async {
        let mut forward = pods.portforward(PROXY, &[1]).await.unwrap();
        let mut stream = forward.take_stream(1).unwrap();
        // The order of the end and the error report is not defined.
        let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 1]).await;
        forward.take_error(1).unwrap().await.unwrap()
    };
    let said = world.in_time(said).expect("the kubelet reports");
    assert!(said.contains("connection refused"), "{said}");
}
