//! Bad input through the real binary: what, why, and the next command in a few lines, with the documented exit code,
//! and nothing is deleted. Also covers kubectl's own flags.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{ACCOUNT, Cluster, RECORD, Ran, SYSTEM, bare};
use insta::assert_snapshot;
use practice_cluster::api::{MASTERS, READERS, Rule, User};
use practice_cluster::store::Key;
use practice_cluster::{CONTEXT, Options};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Runs a command that must not change anything.
#[track_caller]
fn refused(cluster: &Cluster, code: i32, arguments: &[&str]) -> Ran {
    refused_with(cluster, code, arguments, |_| {})
}

#[track_caller]
fn refused_with(cluster: &Cluster, code: i32, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Ran {
    let before = cluster.versions();
    let ran = cluster.run_with(arguments, change).exits(code).silent();
    assert_eq!(cluster.versions(), before, "something was changed\n{}", ran.shown());
    assert_eq!(cluster.writes(), Vec::<String>::new(), "{}", ran.shown());
    ran.error();
    ran
}

#[test]
fn unknown_and_ambiguous_targets() {
    let cluster = Cluster::read_only();
    let rows: [(&str, i32, &[&str]); 9] = [
        ("unknown-pod", 1, &["failover", "wh9572-0", "--yes"]),
        ("unknown-pod-like-none", 1, &["failover", "xyz", "--yes"]),
        ("unknown-namespace-of-a-target", 1, &["failover", "cloud008/wh9527-0", "--yes"]),
        ("unknown-namespace", 1, &["failover", "wh9527-0", "-n", "nowhere", "--yes"]),
        ("in-another-namespace", 4, &["failover", "wh9527-0", "-n", SYSTEM, "--yes"]),
        ("ambiguous", 2, &["failover", "cloudberry-proxy-0", "--yes"]),
        ("ambiguous-workload", 2, &["failover", "wh9527", "--yes"]),
        ("no-target", 2, &["failover"]),
        ("no-target-yes", 2, &["failover", "--yes"]),
    ];
    for (name, code, arguments) in rows {
        assert_snapshot!(name, refused(&cluster, code, arguments).snapshot());
    }
    // Each candidate's command works as printed.
    let candidates = refused(&cluster, 2, &["failover", "cloudberry-proxy-0", "--yes"]);
    let commands: Vec<&str> =
        candidates.err.lines().filter_map(|line| line.strip_prefix("next: kubectl synxdb ")).collect();
    assert_eq!(commands.len(), 2, "{}", candidates.shown());
    for command in commands {
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.push("--dry-run=client");
        cluster.run(&arguments).exits(0).says(&["cloudberry-proxy-0"]);
    }
}

#[test]
fn invalid_command_lines() {
    let cluster = Cluster::read_only();
    for (arguments, words) in [
        (&["status", "-o", "xml"][..], &["'xml'", "table", "wide", "json", "yaml", "name"][..]),
        (&["failover", "wh9527-0", "-o", "wide"], &["'wide'", "text", "json", "yaml"]),
        (&["failover", "wh9527-0", "--dry-run=maybe"], &["'maybe'", "client", "server"]),
        (&["failover", "wh9527-0", "--timeout", "soon"], &["soon", "30s"]),
        (&["failover", "wh9527-0", "--allow", "everything"], &["'everything'", "quorum-loss"]),
        (&["failovr"], &["'failovr'", "failover"]),
        (&["status", "--request-timeout", "soon"], &["soon", "5s"]),
        (&["--scenario", "slow-start", "status"], &["--scenario", "--sandbox"]),
        (&["--as-group", "dba", "status"], &["--as"]),
    ] {
        cluster.run(arguments).exits(2).silent().warns(words);
    }
    assert_snapshot!("unknown-form", cluster.run(&["status", "-o", "xml"]).exits(2).snapshot());
    let unknown = cluster.run(&["--sandbox", "--scenario", "rainy-day", "status"]).exits(1).silent();
    assert_snapshot!("unknown-scenario", unknown.snapshot());
}

#[test]
fn prompts_without_a_terminal() {
    let cluster = Cluster::read_only();
    let ran = refused(&cluster, 4, &["failover", "safekeeper-0"]).warns(&["--yes"]);
    assert_snapshot!("no-terminal", ran.snapshot());
    let mismatch = ["failover", "safekeeper-0", "--yes", "--confirm", "safekeeper-1"];
    let ran = refused(&cluster, 4, &mismatch).warns(&["safekeeper-1", "--confirm safekeeper-0"]);
    assert_snapshot!("confirm-mismatch", ran.snapshot());
}

/// A pod outside SynxDB, and one with a member's name that no StatefulSet owns.
#[test]
fn pods_that_cannot_be_failed_over() {
    let cluster = Cluster::start(bare("healthy"));
    let spec = json!({"containers": [{"name": "c", "image": "x"}], "volumes": [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-wh9527-1"}}]});
    let pod = |name: &str, spec: &Value| {
        let key = Key::new("pods", ACCOUNT, name);
        let object = json!({"apiVersion": "v1", "kind": "Pod", "spec": spec,
            "metadata": {"name": name, "namespace": ACCOUNT}});
        cluster.store().create(key, object, false).unwrap();
    };
    pod("grafana-0", &json!({"containers": [{"name": "c", "image": "x"}]}));
    let refuse = |arguments: &[&str]| {
        cluster.sandbox().requests().clear();
        let mut ran = cluster.run(arguments).exits(4).silent();
        assert_eq!(cluster.writes(), Vec::<String>::new());
        // The plan is printed before the error.
        ran.err = ran.err[ran.err.find("error: ").unwrap()..].to_owned();
        ran.error();
        ran
    };
    let ran = refuse(&["failover", "grafana-0", "-n", "cloud007", "--yes"]);
    assert_snapshot!("no-member", ran.snapshot());
    // The same without naming its namespace.
    refuse(&["failover", "grafana-0", "--yes"]).warns(&["is not a SynxDB component"]);

    // It also mounts another pod's claim.
    pod("wh1-0", &spec);
    let ran = refuse(&["failover", "wh1-0", "--yes"]);
    assert_snapshot!("no-controller", ran.snapshot());
    // Without an owner, its name alone does not make it a member, whatever is overridden.
    let overridden = ["failover", "wh1-0", "--keep-pvc", "--allow", "unmanaged-pod", "--confirm", "wh1-0"];
    refuse(&overridden).warns(&["has the name of a SynxDB pod but is not one: no controller owns it"]);
    refuse(&["failover", "wh9527-1", "--yes"]).warns(&["claim data-wh9527-1 is also mounted by wh1-0"]);
    assert!(cluster.get("pods", ACCOUNT, "wh1-0").is_some());
}

#[test]
fn unusable_kubeconfigs() {
    let cluster = Cluster::read_only();
    let missing = cluster.home().join("missing.yaml");
    let missing = missing.to_str().unwrap();
    let empty = cluster.file("empty.yaml", "");
    let empty = empty.to_str().unwrap();
    let broken = cluster.file("broken.yaml", "users:\n- user: {token: hunter2\n");
    let rows: [(&str, &[&str]); 4] = [
        ("kubeconfig-missing", &["--kubeconfig", missing, "status"]),
        ("kubeconfig-empty", &["--kubeconfig", empty, "status"]),
        ("kubeconfig-broken", &["--kubeconfig", broken.to_str().unwrap(), "status"]),
        ("unknown-context", &["--context", "production", "status"]),
    ];
    for (name, arguments) in rows {
        let ran = refused(&cluster, 1, arguments);
        assert!(!ran.err.contains("hunter2"), "a secret is shown\n{}", ran.shown());
        assert_snapshot!(name, ran.snapshot());
    }
    refused(&cluster, 1, &["--context", "production", "status"]).warns(&[CONTEXT]);
    refused(&cluster, 1, &["--cluster", "production", "status"]).warns(&[CONTEXT]);
    refused(&cluster, 1, &["--user", "production", "status"]).warns(&[CONTEXT]);
    // No KUBECONFIG, and a home without one.
    refused_with(&cluster, 1, &["status"], |command| {
        command.env_remove("KUBECONFIG");
    })
    .warns(&[".kube/config", "--sandbox"]);
}

#[test]
fn an_unreachable_server() {
    let cluster = Cluster::read_only();
    // A port that was free a moment ago.
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let server = format!("https://{free}");
    for command in [&["status"][..], &["failover", "wh9527-0", "--yes"]] {
        let mut arguments = vec!["--server", &server, "--request-timeout", "2s"];
        arguments.extend(command);
        let ran = refused(&cluster, 1, &arguments).warns(&["connection refused"]);
        assert!(ran.took < Duration::from_secs(20), "{:?}", ran.took);
        if command == ["status"] {
            assert_snapshot!("unreachable", ran.snapshot());
        }
    }
}

/// Returns a kubeconfig with this user instead of the cluster's own.
fn with_user(cluster: &Cluster, name: &str, user: Value) -> String {
    let mut config = cluster.kubeconfig();
    config["users"][0]["user"] = user;
    cluster.file(name, &config.to_string()).to_str().unwrap().to_owned()
}

fn tokens() -> Options {
    let user = |name: &str, group: &str| User { name: name.into(), groups: vec![group.into()], ..User::default() };
    let tokens =
        [("letmein", user("dba", MASTERS)), ("readonly", user("auditor", READERS)), ("none", user("joe", "x"))];
    Options { tokens: tokens.map(|(token, user)| (token.to_owned(), user)).into(), ..bare("healthy") }
}

#[test]
fn credentials_and_rights() {
    let cluster = Cluster::start(tokens());
    let without = with_user(&cluster, "without-credentials.yaml", json!({}));
    let expired = with_user(&cluster, "expired.yaml", json!({"token": "yesterday"}));
    for file in [&expired, &without] {
        let ran = refused(&cluster, 1, &["--kubeconfig", file, "status"]);
        if file == &expired {
            assert!(!ran.err.contains("yesterday"), "{}", ran.shown());
            assert_snapshot!("expired-credentials", ran.snapshot());
        }
        refused(&cluster, 1, &["--kubeconfig", file, "failover", "wh9527-0", "--yes"]);
    }

    // --token replaces missing and expired credentials.
    cluster.run(&["--kubeconfig", &without, "--token", "letmein", "status"]).exits(0);
    cluster.run(&["--kubeconfig", &expired, "--token", "readonly", "status"]).exits(0);
    // A user with read access learns before the prompt what she may not do.
    let mut ran = cluster.run(&["--kubeconfig", &without, "--token", "readonly", "failover", "safekeeper-0"]).exits(4);
    ran.err = ran.err[ran.err.find("error: ").unwrap()..].to_owned();
    assert_snapshot!("reader", ran.snapshot());
    assert_eq!(cluster.writes(), Vec::<String>::new());
    // A user without any permissions is told so, by name.
    let ran = cluster.run(&["--kubeconfig", &without, "--token", "none", "status"]);
    assert!(ran.code != Some(0) && ran.err.contains("joe") || ran.out.contains("joe"), "{}", ran.shown());

    // Impersonation uses the permissions of the impersonated user.
    let ran = cluster.run(&["--as", "jane", "status", "-n", SYSTEM]);
    assert!(ran.code != Some(0), "{}", ran.shown());
    let ran = ran.says(&[r#"User "jane" cannot list resource "pods""#]);
    assert_snapshot!("impersonated-without-rights", ran.snapshot());
    cluster.run(&["--as", "jane", "--as-group", READERS, "--as-group", "dba", "--as-uid", "7", "status"]).exits(0);
    let ran = cluster.run(&["--as", "jane", "--as-group", READERS, "failover", "safekeeper-0", "--yes"]).exits(4);
    ran.warns(&["missing permission: delete pods"]);
    // A user who may not impersonate is told so.
    let ran = cluster.run(&["--kubeconfig", &without, "--token", "readonly", "--as", "jane", "status"]);
    assert!(ran.code != Some(0), "{}", ran.shown());
    assert!(format!("{}{}", ran.out, ran.err).contains("impersonate"), "{}", ran.shown());
    assert_eq!(cluster.writes(), Vec::<String>::new());
}

#[test]
fn a_denied_permission_is_reported_before_the_prompt() {
    let deny = |verb: &str, resource: &str, subresource: Option<&str>| Rule {
        verbs: vec![verb.into()],
        resources: vec![resource.into()],
        namespaces: vec!["*".into()],
        subresource: subresource.map(str::to_owned),
    };
    for (rule, words) in [
        (deny("delete", "pods", None), "delete pods"),
        (deny("patch", "persistentvolumes", None), "patch persistentvolumes"),
        (deny("*", "pods", Some("portforward")), "pods/portforward"),
        (deny("watch", "pods", None), "watch pods"),
    ] {
        let cluster = Cluster::start(Options { deny: vec![rule], ..bare("healthy") });
        let before = cluster.versions();
        // Without --yes, it is refused before the prompt.
        let ran = cluster.run(&["failover", "safekeeper-0"]).exits(4).silent();
        let error = &ran.err[ran.err.find("error: ").unwrap()..];
        assert!(
            error.contains(words) && (error.contains("next: ") || error.contains("hint: ")),
            "{words}\n{}",
            ran.shown()
        );
        assert!(!error.contains("no terminal"), "{}", ran.shown());
        assert_eq!(cluster.versions(), before);
        assert_eq!(cluster.writes(), Vec::<String>::new());
    }
}

#[test]
fn several_files_contexts_clusters_and_users() {
    let cluster = Cluster::start(tokens());
    let whole = cluster.kubeconfig();
    // One file has the cluster, another the user, a third the contexts, and one listed file does not exist.
    let part = |name: &str, parts: Value| cluster.file(name, &parts.to_string()).to_str().unwrap().to_owned();
    let clusters = part(
        "clusters.yaml",
        json!({"clusters": [
        {"name": "real", "cluster": whole["clusters"][0]["cluster"]},
        {"name": "gone", "cluster": {"server": "https://127.0.0.1:9"}}]}),
    );
    let users = part(
        "users.yaml",
        json!({"users": [
        {"name": "admin", "user": whole["users"][0]["user"]},
        {"name": "expired", "user": {"token": "yesterday"}}]}),
    );
    let contexts = part(
        "contexts.yaml",
        json!({"current-context": "broken", "contexts": [
        {"name": "broken", "context": {"cluster": "gone", "user": "expired"}},
        {"name": "works", "context": {"cluster": "real", "user": "admin", "namespace": ACCOUNT}}]}),
    );
    let list = format!("{clusters}:{users}:{}:{contexts}", cluster.home().join("missing.yaml").display());
    let run = |arguments: &[&str]| {
        cluster.run_with(arguments, |command| {
            command.env("KUBECONFIG", &list);
        })
    };
    run(&["status", "--request-timeout", "2s"]).exits(1).warns(&["127.0.0.1:9"]);
    let ran = run(&["status", "--context", "works"]).exits(0).says(&["wh9527-0"]);
    assert!(!ran.out.contains("safekeeper-0"), "the context's namespace counts\n{}", ran.shown());
    run(&["status", "--cluster", "real"]).exits(1).warns(&["credentials of context broken"]);
    run(&["status", "--cluster", "real", "--user", "admin"]).exits(0).says(&["safekeeper-0"]);
    run(&["status", "--cluster", "real", "--token", "readonly"]).exits(0);
}

#[test]
fn server_and_certificates() {
    let cluster = Cluster::start(tokens());
    let whole = cluster.kubeconfig();
    let server = whole["clusters"][0]["cluster"]["server"].as_str().unwrap();
    let decode = |data: &Value| {
        use base64::Engine as _;
        String::from_utf8(base64::engine::general_purpose::STANDARD.decode(data.as_str().unwrap()).unwrap()).unwrap()
    };
    let authority = cluster.file("ca.pem", &decode(&whole["clusters"][0]["cluster"]["certificate-authority-data"]));
    let certificate = cluster.file("client.pem", &decode(&whole["users"][0]["user"]["client-certificate-data"]));
    let key = cluster.file("client.key", &decode(&whole["users"][0]["user"]["client-key-data"]));
    let [authority, certificate, key] = [&authority, &certificate, &key].map(|path| path.to_str().unwrap());
    // Only flags.
    let run = |arguments: &[&str]| {
        cluster.run_with(arguments, |command| {
            command.env_remove("KUBECONFIG");
        })
    };
    let token = ["--server", server, "--token", "readonly", "status"];
    run(&token).exits(1).warns(&["certificate"]);
    run(&[&token[..], &["--certificate-authority", authority]].concat()).exits(0);
    run(&[&token[..], &["--insecure-skip-tls-verify"]].concat()).exits(0);
    run(&[&token[..], &["--insecure-skip-tls-verify", "--certificate-authority", authority]].concat()).exits(2);
    let keys = ["--client-certificate", certificate, "--client-key", key];
    run(&[&["--server", server, "--certificate-authority", authority, "status"][..], &keys].concat()).exits(0);
    // The certificate covers only localhost and 127.0.0.1.
    run(&[&token[..], &["--certificate-authority", authority, "--tls-server-name", "localhost"]].concat()).exits(0);
    run(&[&token[..], &["--certificate-authority", authority, "--tls-server-name", "elsewhere.test"]].concat())
        .exits(1)
        .warns(&["certificate"]);
}

#[test]
fn credential_plugins() {
    let cluster = Cluster::start(tokens());
    let credential = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": "letmein"}});
    let script = |name: &str, text: &str| {
        let path = cluster.file(name, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let log = cluster.home().join("asked");
    let gives = script("gives", &format!("#!/bin/sh\necho \"$1 $WHO\" >> {}\necho '{credential}'\n", log.display()));
    let fails = script("fails", "#!/bin/sh\necho 'your session has expired: please log in' >&2\nexit 3\n");
    let plugin = |name: &str, command: &str| {
        let exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": command, "args": ["get-token"],
            "env": [{"name": "WHO", "value": "dba"}], "interactiveMode": "Never"});
        with_user(&cluster, name, json!({"exec": exec}))
    };
    let kubeconfig = plugin("gives.yaml", &gives);
    cluster.run(&["--kubeconfig", &kubeconfig, "status"]).exits(0);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "get-token dba\n", "asked once, with its own environment");
    // Through a port-forward, too.
    cluster.run(&["--kubeconfig", &kubeconfig, "failover", "safekeeper-0", "--dry-run=client"]).exits(0);
    // With a token on the command line, no other credentials are requested.
    let kubeconfig = plugin("fails.yaml", &fails);
    cluster.run(&["--kubeconfig", &kubeconfig, "--token", "letmein", "status"]).exits(0);
    let ran = refused(&cluster, 1, &["--kubeconfig", &kubeconfig, "failover", "safekeeper-0", "--yes"]);
    assert_snapshot!("credential-plugin-fails", ran.snapshot());
    let kubeconfig = plugin("missing.yaml", "no-such-credential-plugin");
    let ran = refused(&cluster, 1, &["--kubeconfig", &kubeconfig, "status"]).warns(&["no-such-credential-plugin"]);
    assert_snapshot!("credential-plugin-missing", ran.snapshot());
    // A program in the current folder is never run by its bare name, whatever PATH contains.
    let asked = std::fs::read_to_string(&log).unwrap();
    let kubeconfig = plugin("planted.yaml", "gives");
    for path in [":/usr/bin:/bin", ".:/usr/bin:/bin", "/usr/bin:/bin:"] {
        let arguments = ["--kubeconfig", &kubeconfig, "status"];
        refused_with(&cluster, 1, &arguments, |command| {
            command.env("PATH", path);
        })
        .warns(&["gives"]);
        assert_eq!(std::fs::read_to_string(&log).unwrap(), asked, "{path}");
    }
}

/// An HTTP proxy that connects every CONNECT to one port, and counts them.
struct Proxy {
    url: String,
    connects: Arc<AtomicUsize>,
}

impl Proxy {
    fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connects = Arc::new(AtomicUsize::new(0));
        let counter = connects.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let counter = counter.clone();
                std::thread::spawn(move || {
                    let client = client.unwrap();
                    let mut reader = BufReader::new(client.try_clone().unwrap());
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    assert!(line.starts_with("CONNECT api.synxdb.test:"), "{line}");
                    while line != "\r\n" {
                        line.clear();
                        reader.read_line(&mut line).unwrap();
                    }
                    counter.fetch_add(1, Ordering::SeqCst);
                    let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                    (&client).write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
                    let copy = |mut from: Box<dyn Read + Send>, to: TcpStream| {
                        std::thread::spawn(move || {
                            let _ = std::io::copy(&mut from, &mut &to);
                            let _ = to.shutdown(std::net::Shutdown::Both);
                        })
                    };
                    copy(Box::new(reader), server.try_clone().unwrap());
                    copy(Box::new(server), client);
                });
            }
        });
        Self { url, connects }
    }

    fn count(&self) -> usize {
        self.connects.swap(0, Ordering::SeqCst)
    }
}

/// Only the proxy can resolve this host, so an answer proves that the proxy was used.
#[test]
fn proxies() {
    let cluster = Cluster::read_only();
    let mut config = cluster.kubeconfig();
    let server = config["clusters"][0]["cluster"]["server"].as_str().unwrap().to_owned();
    let port: u16 = server.rsplit(':').next().unwrap().parse().unwrap();
    let proxy = Proxy::to(port);
    config["clusters"][0]["cluster"]["server"] = json!(format!("https://api.synxdb.test:{port}"));
    config["clusters"][0]["cluster"]["tls-server-name"] = json!("localhost");
    let file = cluster.file("behind-proxy.yaml", &config.to_string());
    let file = file.to_str().unwrap();
    for variable in ["HTTPS_PROXY", "https_proxy"] {
        cluster
            .run_with(&["--kubeconfig", file, "status"], |command| {
                command.env(variable, &proxy.url);
            })
            .exits(0);
        assert!(proxy.count() > 0, "{variable}");
    }
    let without = cluster.run_with(&["--kubeconfig", file, "status", "--request-timeout", "3s"], |command| {
        command.env("HTTPS_PROXY", &proxy.url).env("NO_PROXY", "synxdb.test");
    });
    assert_eq!((without.code, proxy.count()), (Some(1), 0), "{}", without.shown());
    // Like kubectl, it connects to an API server on loopback directly.
    cluster
        .run_with(&["status"], |command| {
            command.env("HTTPS_PROXY", &proxy.url);
        })
        .exits(0);
    assert_eq!(proxy.count(), 0);
    // The kubeconfig's own proxy applies to requests and to port-forwards.
    config["clusters"][0]["cluster"]["proxy-url"] = json!(proxy.url);
    let file = cluster.file("proxy-url.yaml", &config.to_string());
    let ran = cluster.run(&["--kubeconfig", file.to_str().unwrap(), "failover", "safekeeper-0", "--dry-run=client"]);
    ran.exits(0).says(&["baseline: status endpoint"]);
    assert!(proxy.count() >= 2, "one connection for requests, one for the port-forward");
}

/// The record's annotation is part of the interface: scripts may look for it.
#[test]
fn the_name_of_the_record() {
    assert_eq!(RECORD, kubectl_synxdb::topology::RECORD_ANNOTATION);
}

/// An endless file is read up to a limit, and the error names it.
#[cfg(target_os = "linux")]
#[test]
fn an_endless_file_is_rejected() {
    let cluster = Cluster::read_only();
    for (arguments, code) in [
        (&["status", "--kubeconfig", "/dev/zero"][..], 1),
        (&["status", "--layout", "/dev/zero"], 2),
        (&["status", "--certificate-authority", "/dev/zero"], 1),
        (&["verify", "--against", "/dev/zero"], 1),
        (&["verify", "--sslmode", "verify-full", "--sslrootcert", "/dev/zero"], 2),
    ] {
        let ran = cluster.run(arguments).exits(code);
        let known = ran.err.contains("it is larger than ") || ran.err.contains("it is a device");
        assert!(known && ran.err.contains("/dev/zero"), "{}", ran.shown());
        assert!(ran.took.as_secs() < 30, "{:?}", ran.took);
    }
}
