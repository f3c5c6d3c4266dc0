use super::*;
use std::fs;
use tempfile::TempDir;

const TWO: &str = "
apiVersion: v1
kind: Config
current-context: blue
clusters:
- {name: one, cluster: {server: 'https://one:6443', tls-server-name: inside}}
- {name: two, cluster: {server: 'https://two:6443', insecure-skip-tls-verify: true}}
contexts:
- {name: blue, context: {cluster: one, user: ann, namespace: sea}}
- {name: red, context: {cluster: two, user: bob}}
users:
- {name: ann, user: {token: ann-token}}
- {name: bob, user: {username: bob, password: bobs}}
";

struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// `HOME` is this folder and nothing else is set.
    fn environment(&self) -> Environment {
        Environment { home: Some(self.folder.path().to_owned()), ..Environment::default() }
    }

    /// `KUBECONFIG` names these files.
    fn with(&self, files: &[&Path]) -> Environment {
        let list = std::env::join_paths(files).unwrap();
        Environment { kubeconfig: Some(list), ..self.environment() }
    }
}

fn options() -> ConnectOptions {
    ConnectOptions::default()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn token(resolved: &Resolved) -> String {
    // Serializing is the only way to see a secret.
    serde_json::to_value(&resolved.config.auth_info).unwrap()["token"].as_str().unwrap_or("").to_owned()
}

fn failed(options: &ConnectOptions, environment: &Environment) -> Error {
    resolve(options, environment).err().unwrap()
}

#[test]
fn the_home_files_current_context_is_the_default() {
    let home = Home::new();
    home.file(".kube/config", TWO);
    let resolved = resolve(&options(), &home.environment()).unwrap();
    assert_eq!(resolved.context, "blue");
    assert_eq!(resolved.namespace.as_deref(), Some("sea"));
    assert_eq!(resolved.config.cluster_url.to_string(), "https://one:6443/");
    assert_eq!(resolved.config.tls_server_name.as_deref(), Some("inside"));
    assert_eq!(token(&resolved), "ann-token");
}

#[test]
fn flags_come_before_everything() {
    let home = Home::new();
    home.file(".kube/config", TWO);
    let flags = ConnectOptions { context: some("red"), namespace: some("here"), ..options() };
    let resolved = resolve(&flags, &home.environment()).unwrap();
    assert_eq!((resolved.context.as_str(), resolved.namespace.as_deref()), ("red", Some("here")));
    assert!(resolved.config.accept_invalid_certs);
    assert_eq!(resolved.config.auth_info.username.as_deref(), Some("bob"));

    let flags = ConnectOptions { cluster: some("two"), user: some("ann"), ..options() };
    let resolved = resolve(&flags, &home.environment()).unwrap();
    assert_eq!(resolved.config.cluster_url.host(), Some("two"));
    assert_eq!(token(&resolved), "ann-token");

    let flags = ConnectOptions { context: some("red"), token: some("flag-token"), ..options() };
    let resolved = resolve(&flags, &home.environment()).unwrap();
    assert_eq!(token(&resolved), "flag-token");
    assert_eq!(resolved.config.auth_info.username, None);
}

#[test]
fn another_server_puts_the_kubeconfigs_tls_name_out_of_force() {
    let home = Home::new();
    home.file(".kube/config", TWO);
    let flags = ConnectOptions { server: some("https://elsewhere"), ..options() };
    let resolved = resolve(&flags, &home.environment()).unwrap();
    assert_eq!(resolved.config.cluster_url.host(), Some("elsewhere"));
    assert_eq!(resolved.config.tls_server_name, None);
}

#[test]
fn of_several_files_the_first_wins_per_entry_and_missing_ones_are_skipped() {
    let home = Home::new();
    let first = home.file(
        "a/first",
        "current-context: ''\nusers:\n- {name: ann, user: {tokenFile: secrets/ann}}\nclusters: null\ncontexts: []\n",
    );
    home.file("a/secrets/ann", "from-file");
    let second = home.file("b/second", TWO);
    let missing = home.folder.path().join("missing");
    home.file(".kube/config", "current-context: wrong\n");
    let resolved = resolve(&options(), &home.with(&[&missing, &first, &second])).unwrap();
    assert_eq!(resolved.context, "blue");
    // Relative to the file that contains it, not to the working directory.
    let file = resolved.config.auth_info.token_file.unwrap();
    assert_eq!(Path::new(&file), home.folder.path().join("a/secrets/ann"));

    let reversed = resolve(&options(), &home.with(&[&second, &first])).unwrap();
    assert_eq!(token(&reversed), "ann-token");
}

#[test]
fn the_flags_file_replaces_the_environments_and_must_exist() {
    let home = Home::new();
    let other = home.file("other", &TWO.replace("current-context: blue", "current-context: red"));
    let flags = ConnectOptions { kubeconfig: Some(other.clone()), ..options() };
    assert_eq!(resolve(&flags, &home.with(&[Path::new("/nowhere")])).unwrap().context, "red");
    let flags = ConnectOptions { kubeconfig: Some(home.folder.path().join("missing")), ..options() };
    let error = failed(&flags, &home.with(&[&other]));
    assert!(error.to_string().contains("cannot read kubeconfig") && error.to_string().contains("missing"), "{error}");
}

#[test]
fn what_does_not_exist_is_named_with_what_does() {
    let home = Home::new();
    home.file(".kube/config", TWO);
    let cases = [
        (
            ConnectOptions { context: some("green"), ..options() },
            "context green does not exist: available contexts: blue, red",
        ),
        (
            ConnectOptions { cluster: some("three"), ..options() },
            "cluster three does not exist in the kubeconfig: available clusters: one, two",
        ),
        (
            ConnectOptions { user: some("eve"), ..options() },
            "user eve does not exist in the kubeconfig: available users: ann, bob",
        ),
    ];
    for (flags, expected) in cases {
        assert_eq!(failed(&flags, &home.environment()).to_string(), expected);
    }
    let none = home.file("none", &TWO.replace("current-context: blue", ""));
    let error = failed(&options(), &home.with(&[&none]));
    assert!(error.to_string().starts_with("no current context") && error.to_string().contains("blue, red"), "{error}");
}

#[test]
fn without_any_kubeconfig_the_error_says_what_to_do() {
    let home = Home::new();
    let error = failed(&options(), &home.environment());
    assert!(error.to_string().contains(".kube/config"), "{error}");
    assert!(error.hints.iter().any(|hint| hint.to_string().contains("--sandbox")));
    let error = failed(&options(), &home.with(&[&home.folder.path().join("missing")]));
    assert!(error.to_string().contains("from KUBECONFIG"), "{error}");
}

#[test]
fn a_server_alone_is_enough() {
    let home = Home::new();
    for (address, expected) in
        [("https://a:1", "https://a:1/"), ("a:1", "http://a:1/"), ("http://a:1/k8s/x", "http://a:1/k8s/x")]
    {
        let flags = ConnectOptions { server: some(address), ..options() };
        let resolved = resolve(&flags, &home.environment()).unwrap();
        assert_eq!(
            (resolved.config.cluster_url.to_string().as_str(), resolved.context.as_str()),
            (expected, "--server")
        );
    }
    let flags = ConnectOptions { server: some("a:1"), insecure_skip_tls_verify: true, ..options() };
    let resolved = resolve(&flags, &home.environment()).unwrap();
    assert_eq!(resolved.config.cluster_url.to_string(), "https://a:1/");
}

#[test]
fn credentials_are_not_sent_over_plain_http() {
    let home = Home::new();
    home.file(".kube/config", TWO);
    let flags = ConnectOptions { server: some("http://one"), as_user: some("root"), ..options() };
    let resolved = resolve(&flags, &home.environment()).unwrap();
    assert_eq!(token(&resolved), "");
    assert_eq!(resolved.config.auth_info.impersonate.as_deref(), Some("root"));
}

#[test]
fn contradictions_are_refused() {
    let home = Home::new();
    home.file(".kube/config", TWO);
    let cases = [
        ConnectOptions { insecure_skip_tls_verify: true, certificate_authority: Some("ca.crt".into()), ..options() },
        ConnectOptions { as_uid: some("7"), ..options() },
        ConnectOptions { as_groups: vec!["admins".to_owned()], ..options() },
    ];
    for flags in cases {
        assert_eq!(failed(&flags, &home.environment()).exit, crate::error::Exit::Usage);
    }
    let both =
        TWO.replace("insecure-skip-tls-verify: true", "insecure-skip-tls-verify: true, certificate-authority: x");
    let file = home.file("both", &both);
    let flags = ConnectOptions { context: some("red"), ..options() };
    assert!(failed(&flags, &home.with(&[&file])).to_string().contains("is contradictory"));
}

#[test]
fn impersonation_is_taken_from_flags_and_file() {
    let home = Home::new();
    home.file(".kube/config", TWO);
    let flags = ConnectOptions {
        as_user: some("eve"),
        as_uid: some("7"),
        as_groups: vec!["a".to_owned(), "b".to_owned()],
        ..options()
    };
    let user = resolve(&flags, &home.environment()).unwrap().config.auth_info;
    assert_eq!((user.impersonate.as_deref(), user.impersonate_uid.as_deref()), (Some("eve"), Some("7")));
    assert_eq!(user.impersonate_groups.unwrap(), ["a", "b"]);
}

#[test]
fn unreadable_files_are_named_and_their_content_is_not_repeated() {
    let home = Home::new();
    let broken = home.file("broken", "users:\n- name: a\n  user: {token: [hunter2, {}}\n");
    let error = failed(&options(), &home.with(&[&broken]));
    let text = format!("{error:?}");
    assert!(text.contains("broken") && text.contains("line 3") && !text.contains("hunter2"), "{text}");

    let wrong = home.file("wrong", "users:\n- name: a\n  user: hunter2\n");
    let text = format!("{:?}", failed(&options(), &home.with(&[&wrong])));
    assert!(text.contains("not a kubeconfig") && !text.contains("hunter2"), "{text}");

    home.file(".kube/config", TWO);
    let flags = ConnectOptions { client_certificate: Some("/nowhere/c.crt".into()), ..options() };
    let error = failed(&flags, &home.environment());
    assert_eq!(error.to_string(), "cannot read the client certificate /nowhere/c.crt: No such file or directory");
}

#[test]
fn inside_a_pod_the_service_account_is_used() {
    let home = Home::new();
    home.file("account/token", "pod-token");
    home.file("account/namespace", "of-account\n");
    let pod = Environment {
        service_host: some("fd00::1"),
        service_port: some("443"),
        service_account: home.folder.path().join("account"),
        ..home.environment()
    };
    let resolved = resolve(&options(), &pod).unwrap();
    assert_eq!((resolved.context.as_str(), resolved.namespace.as_deref()), ("in-cluster", Some("of-account")));
    assert_eq!(resolved.config.cluster_url.to_string(), "https://[fd00::1]:443/");
    assert!(resolved.config.auth_info.token_file.is_some());

    // A kubeconfig takes precedence over it.
    home.file(".kube/config", TWO);
    assert_eq!(resolve(&options(), &pod).unwrap().context, "blue");
}

#[test]
fn a_token_beats_a_plugin() {
    let home = Home::new();
    let file = home.file(
        "exec",
        &TWO.replace(
            "{token: ann-token}",
            "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./bin/login}}",
        ),
    );
    let resolved = resolve(&options(), &home.with(&[&file])).unwrap();
    let command = resolved.exec.unwrap().command.unwrap();
    assert_eq!(Path::new(&command), home.folder.path().join("./bin/login"));
    let flags = ConnectOptions { token: some("t"), ..options() };
    assert!(resolve(&flags, &home.with(&[&file])).unwrap().exec.is_none());
}
