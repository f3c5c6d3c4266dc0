//! Database login: TLS, passwords, Secrets. The plan of a failover, which describes the database, shows whether the
//! login worked.

use crate::member::Before;
use crate::support::Ran;
use crate::support::machine::needs;
use crate::world::{Account, Authority, AwaitIn, Pair, Rule, Secured, World, named, stays_ready};
use kube::api::DeleteParams;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const PROXY: &str = "cloudberry-proxy-0";
/// No other output contains this.
const PASSWORD: &str = "0pen-S3same";
const WRONG: &str = "0pen-P0ppy";

/// Creates an account whose proxy requires passwords.
fn account<'w>(world: &'w World, case: &str) -> (Account<'w>, Secured<'w>) {
    let account = world.account(case, |_| {});
    let secured = world.secured((&account.namespace, PROXY), PASSWORD);
    (account, secured)
}

/// Runs the plugin with these variables and full output, and asserts that no password is in it, plain or encoded.
#[track_caller]
fn run(account: &Account<'_>, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = account.plugin(&[arguments, &["-v", "9"]].concat());
    command.env_remove("PGPASSFILE").envs(variables.iter().copied());
    watched(account, command)
}

#[track_caller]
fn watched(account: &Account<'_>, command: Command) -> Ran {
    let ran = account.world.start_command(command).end();
    for secret in [PASSWORD, WRONG, &encoded(PASSWORD), &encoded(WRONG)] {
        assert!(!ran.shown().contains(secret), "a password was printed\n{}", ran.shown());
    }
    ran
}

/// Returns base64 without the end, which depends on what follows.
fn encoded(text: &str) -> String {
    use base64::Engine;
    let all = base64::engine::general_purpose::STANDARD_NO_PAD.encode(text);
    all[..all.len() - 1].to_owned()
}

/// Returns what the database reported in the plan of a dry run.
#[track_caller]
fn before(account: &Account<'_>, flags: &[&str], variables: &[(&str, &str)]) -> Value {
    let dry_run = ["failover", "wh9527-0", "--dry-run=client", "-o", "json"];
    run(account, &[&dry_run[..], flags].concat(), variables).exits(0).json()["before"].take()
}

#[track_caller]
fn answers(account: &Account<'_>, flags: &[&str], variables: &[(&str, &str)]) {
    let before = before(account, flags, variables);
    assert_eq!(before["state"], "answered", "{flags:?}: {before:#}");
}

#[track_caller]
fn refused(account: &Account<'_>, flags: &[&str], variables: &[(&str, &str)], why: &str) {
    let before = before(account, flags, variables);
    assert_eq!(before["state"], "loginRejected", "{flags:?}: {before:#}");
    assert!(before["reason"].as_str().unwrap().contains(why), "{flags:?}: {before:#}");
}

const GIVEN: (&str, &str) = ("PGPASSWORD", PASSWORD);

#[test]
fn tls_is_verified_as_the_mode_requires() {
    let world = World::shared();
    let (account, server) = account(&world, "login-tls");
    let authority = Authority::new();
    let roots = world.file("ca.crt", &authority.certificate);
    let roots = roots.to_str().unwrap();

    let no_tls = "the server does not support TLS, which sslmode=require requires";
    refused(&account, &["--sslmode", "require"], &[GIVEN], no_tls);
    answers(&account, &[], &[GIVEN]);

    let pair = Pair::self_signed(PROXY);
    server.offers(&pair);
    answers(&account, &[], &[GIVEN]);
    answers(&account, &["--sslmode", "require"], &[GIVEN]);
    answers(&account, &["--sslmode", "disable"], &[GIVEN]);
    let full = ["--sslmode", "verify-full", "--sslrootcert", roots];
    refused(&account, &full, &[GIVEN], "sslmode=verify-full: its issuer is unknown: no authority in ");
    let itself = world.file("server.crt", &pair.certificate);
    answers(&account, &["--sslmode", "verify-full", "--sslrootcert", itself.to_str().unwrap()], &[GIVEN]);

    server.offers(&authority.signed(&format!("{PROXY}.{}", account.namespace)));
    answers(&account, &full, &[GIVEN]);
    answers(&account, &[], &[GIVEN, ("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", roots)]);
    let other = world.file("other.crt", &Authority::new().certificate);
    let unknown = ["--sslmode", "verify-ca", "--sslrootcert", other.to_str().unwrap()];
    refused(&account, &unknown, &[GIVEN], "its issuer is unknown");

    server.offers(&authority.signed("proxy.elsewhere.example"));
    refused(&account, &full, &[GIVEN], "it is valid for proxy.elsewhere.example, not for cloudberry-proxy-0 or ");
    answers(&account, &[&full[..], &["--sslservername", "proxy.elsewhere.example"]].concat(), &[GIVEN]);
    answers(&account, &["--sslmode", "verify-ca", "--sslrootcert", roots], &[GIVEN]);

    // Without the file, nothing can be verified: reported before the prompt.
    let ran = run(&account, &["failover", "wh9527-0", "--yes", "--sslmode", "verify-full"], &[GIVEN]).exits(2).silent();
    ran.warns(&["there is no file", ".postgresql/root.crt", "hint: --sslmode require does without"]);
}

/// The whole failover uses the same login, and a replaced proxy still requires it.
#[test]
fn a_failover_is_verified_over_tls_with_a_password_from_a_secret() {
    let world = World::shared();
    let (account, server) = account(&world, "login-failover");
    let authority = Authority::new();
    server.offers(&authority.signed(PROXY));
    let roots = world.file("ca.crt", &authority.certificate);
    world.create(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "superuser", "namespace": account.namespace},
        "stringData": {"password": format!("{PASSWORD}\n")},
    }));
    let was = Before::of(&world, &account.namespace, PROXY);
    let login = [
        "--sslmode",
        "verify-full",
        "--sslrootcert",
        roots.to_str().unwrap(),
        "--password-secret",
        "superuser/password",
    ];
    let ran = run(&account, &[&["failover", PROXY, "--yes"], &login[..]].concat(), &[]).exits(0);
    ran.says(&["Recovered: cloudberry-proxy-0", "canary table intact"]);
    was.is_recovered();
    let proxy = (account.namespace.as_str(), PROXY);
    world.query_as(proxy, ("gpadmin", None), "postgres", "select 1").expect_err("a login without a password");
    assert_eq!(server.query("show ssl"), ["on"]);
}

#[test]
fn a_password_comes_from_the_environment_a_file_or_a_secret() {
    let world = World::shared();
    let (account, _) = account(&world, "login-password");
    let unknown = "the server requires a password, and none is set (PGPASSWORD, ~/.pgpass, --password-secret)";
    refused(&account, &[], &[], unknown);
    answers(&account, &[], &[GIVEN]);
    let wrong =
        "password authentication failed for user \"gpadmin\" (SQLSTATE 28P01), with the password from PGPASSWORD";
    refused(&account, &[], &[("PGPASSWORD", WRONG)], wrong);

    // In the user's own home: one line for a forwarded port, one for the pod.
    let pgpass = world.file(".pgpass", &format!("localhost:15432:*:*:{WRONG}\n{PROXY}:5432:*:gpadmin:{PASSWORD}\n"));
    let mode = |mode| std::fs::set_permissions(&pgpass, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o600);
    answers(&account, &[], &[]);
    mode(0o644);
    let ran = run(&account, &["failover", "wh9527-0", "--dry-run"], &[]).exits(0);
    ran.warns(&["note: ignoring the password file", ": group or others can read it (fix: chmod 0600"]).says(&[unknown]);
    std::fs::remove_file(&pgpass).unwrap();
    let named = world.file("passwords", &format!("*:*:postgres:*:{PASSWORD}\n*:*:*:*:{PASSWORD}"));
    std::fs::set_permissions(&named, std::fs::Permissions::from_mode(0o600)).unwrap();
    answers(&account, &[], &[("PGPASSFILE", named.to_str().unwrap())]);

    world.create(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "superuser", "namespace": account.namespace},
        "stringData": {"password": PASSWORD, "other": WRONG},
    }));
    let secret = |named: &str, variables: &[(&str, &str)]| {
        run(&account, &["failover", "wh9527-0", "--dry-run", "--password-secret", named], variables)
    };
    answers(&account, &["--password-secret", "superuser/password"], &[("PGPASSWORD", WRONG)]);
    let whole = format!("{}/superuser/password", account.namespace);
    answers(&account, &["--password-secret", &whole], &[]);
    let from = format!("with the password from Secret {}/superuser", account.namespace);
    refused(&account, &["--password-secret", "superuser/other"], &[GIVEN], &from);
    let ran = secret("superuser/pass", &[GIVEN]).exits(1).silent();
    ran.warns(&["has no key \"pass\"", "its keys: other, password", "next: kubectl describe secret superuser"]);
    let ran = secret("missing/password", &[GIVEN]).exits(1).silent();
    ran.warns(&["Secret missing not found in namespace", "next: kubectl get secrets -n"]);

    // A user who may fail over need not be allowed to read Secrets.
    let looked_at = &["pods", "persistentvolumeclaims", "statefulsets.apps", "events"];
    let within = Some(account.namespace.as_str());
    let user = world.user(
        &account.namespace,
        &[
            Rule { namespace: within, resources: looked_at, verbs: &["get", "list", "watch", "delete"] },
            Rule { namespace: within, resources: &["pods/portforward"], verbs: &["get", "create"] },
        ],
    );
    let arguments = ["failover", "wh9527-0", "--keep-pvc", "--dry-run", "--password-secret", "superuser/password"];
    let mut command = account.plugin(&arguments);
    command.env("KUBECONFIG", &user.kubeconfig);
    let ran = watched(&account, command).exits(4).silent();
    ran.warns(&["not allowed to get secrets superuser in namespace", "next: kubectl auth can-i get secrets -n"]);

    // kubectl sees the same object as the plugin.
    let mut command = Command::new(needs("kubectl"));
    command.args(["get", "secret", "superuser", "-n", &account.namespace, "-o", "jsonpath={.data.password}"]);
    command.env("KUBECONFIG", world.kubeconfig());
    let output = command.output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with(&encoded(PASSWORD)), "{output:?}");
}

/// Without a baseline, and with a login that is never accepted, a failover that is forced to proceed ends as
/// unverified: promptly, with the server's message, and with a command that names the source of the password, not the
/// password.
#[test]
fn a_wrong_password_causes_a_warning_and_ends_as_unverified() {
    let world = World::shared();
    let (account, _) = account(&world, "login-wrong");
    run(&account, &["verify"], &[GIVEN]).exits(0);
    let was = Before::of(&world, &account.namespace, "wh9527-0");
    let wrong = "password authentication failed for user \"gpadmin\" (SQLSTATE 28P01)";
    let arguments = ["failover", "wh9527-0", "--yes", "-U", "gpadmin", "--sslmode", "prefer"];
    let ran = run(&account, &arguments, &[("PGPASSWORD", WRONG)]).exits(8);
    let ran = ran.warns(&["warn it rejects the login", wrong]);
    let ran = ran.says(&["Unverified: wh9527-0", "it responds, but rejects the login", wrong]);
    was.is_replaced();

    // With the right one, the same command verifies it by the stored baseline.
    let resume = ran.resume();
    let resume: Vec<&str> = resume.iter().map(String::as_str).collect();
    assert!(ran.out.contains(" --username gpadmin --sslmode prefer"), "{}", ran.shown());
    let mut command = world.plugin(&[&resume[..], &["--yes"]].concat());
    command.env("PGPASSWORD", PASSWORD);
    let ran = watched(&account, command).exits(0);
    ran.says(&["Recovered: wh9527-0", "compared with the stored baseline of"]);
}

/// A resumed run has the baseline of its first run; that the login fails now is reported as well.
#[test]
fn resuming_with_a_wrong_password_is_reported() {
    let world = World::shared();
    let account = world.account("login-finish", |objects| {
        objects.set("wh9527")["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    });
    world.secured((&account.namespace, PROXY), PASSWORD);
    let select = |nodes: Value| {
        account.patch_set("wh9527", &json!({"spec": {"template": {"spec": {"nodeSelector": nodes}}}}));
    };
    select(json!({"e2e.synxdb.io/no-such-node": "true"}));
    let old = world.pod(&account.namespace, "wh9527-0").metadata.uid;
    let ran = run(&account, &["failover", "wh9527-0", "--yes", "--timeout", "10s"], &[GIVEN]).exits(6);
    let resume = ran.resume();
    let resume: Vec<&str> = resume.iter().map(String::as_str).chain(["--dry-run"]).collect();
    // On a busy machine, the timeout may expire before the new pod exists.
    world.until(&account.pods(), named("wh9527-0"), "another wh9527-0 is there", |pods| {
        pods.get("wh9527-0").is_some_and(|pod| pod.metadata.uid != old)
    });
    select(Value::Null);
    account.pods().delete("wh9527-0", &DeleteParams::default()).await_in(&world).unwrap();
    world.until(&account.pods(), named("wh9527-0"), "wh9527-0 is Ready again", |pods| {
        pods.get("wh9527-0").is_some_and(stays_ready)
    });
    for (password, refused) in [(PASSWORD, false), (WRONG, true)] {
        let mut command = world.plugin(&resume);
        command.env("PGPASSWORD", password);
        let ran = watched(&account, command).exits(0).says(&["pass baseline: PostgreSQL"]);
        assert_eq!(ran.err.contains("note: the database rejects the login"), refused, "{}", ran.shown());
    }
}

#[test]
fn a_read_only_role_verifies_without_a_canary() {
    let world = World::shared();
    let (account, server) = account(&world, "login-reader");
    let proxy = (account.namespace.as_str(), PROXY);
    let gpadmin = ("gpadmin", Some(PASSWORD));
    server.query(&format!("create role reader login password '{WRONG}'"));
    // Apart from system tables, it sees what the product page's example created.
    world.query_as(proxy, gpadmin, "test_db", "grant select on all tables in schema public to reader").unwrap();
    let reader = [("PGPASSWORD", WRONG)];
    let ran = run(&account, &["failover", "wh9527-0", "--yes", "-U", "reader"], &reader).exits(0);
    let denied = "canary table not written: permission denied for database postgres";
    let ran = ran.says(&["Recovered: wh9527-0", "note:", denied]);
    ran.warns(&[":5432 as reader"]);
}

/// It is recognized as a server that does not answer, not as a wrong login.
#[test]
fn a_server_that_accepts_and_never_answers_ends_with_the_deadline() {
    let world = World::shared();
    let (account, server) = account(&world, "login-hangs");
    answers(&account, &[], &[GIVEN]);
    let hung = server.hangs();
    for mode in ["disable", "prefer", "require"] {
        let before = before(&account, &["--sslmode", mode], &[GIVEN]);
        assert_eq!(before, json!({"state": "notAnswered", "reason": "no response within 10 s"}), "{mode}");
    }
    drop(hung);
    answers(&account, &[], &[GIVEN]);
}
