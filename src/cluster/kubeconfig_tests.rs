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

/// What is sent, or the file that it is read from.
fn sent(resolved: &Resolved) -> String {
    match &resolved.identity {
        Identity::None => String::new(),
        Identity::Fixed(header) => header.to_str().unwrap().to_owned(),
        Identity::TokenFile(path, _) => path.display().to_string(),
        Identity::Plugin(plugin) => plugin.0.command.clone(),
    }
}

fn header(resolved: &Resolved, name: &str) -> Vec<String> {
    resolved.impersonation.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
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
    assert_eq!(resolved.server.to_string(), "https://one:6443/");
    assert_eq!(resolved.trust.server_name.as_deref(), Some("inside"));
    assert_eq!(sent(&resolved), "Bearer ann-token");
}

#[test]
fn flags_come_before_everything() {
    let home = Home::new();
    home.file(".kube/config", TWO);
    let flags = ConnectOptions { context: some("red"), namespace: some("here"), ..options() };
    let resolved = resolve(&flags, &home.environment()).unwrap();
    assert_eq!((resolved.context.as_str(), resolved.namespace.as_deref()), ("red", Some("here")));
    assert!(resolved.trust.insecure);
    assert_eq!(sent(&resolved), "Basic Ym9iOmJvYnM=");

    let flags = ConnectOptions { cluster: some("two"), user: some("ann"), ..options() };
    let resolved = resolve(&flags, &home.environment()).unwrap();
    assert_eq!(resolved.server.host(), Some("two"));
    assert_eq!(sent(&resolved), "Bearer ann-token");

    let flags = ConnectOptions { token: some("flag-token"), ..options() };
    assert_eq!(sent(&resolve(&flags, &home.environment()).unwrap()), "Bearer flag-token");
    // As in kubectl, a token does not take the place of a login.
    let flags = ConnectOptions { context: some("red"), token: some("flag-token"), ..options() };
    assert!(failed(&flags, &home.environment()).to_string().contains("both a token and a username"));
}

#[test]
fn another_server_puts_the_kubeconfigs_tls_name_out_of_force() {
    let home = Home::new();
    home.file(".kube/config", TWO);
    let flags = ConnectOptions { server: some("https://elsewhere"), ..options() };
    let resolved = resolve(&flags, &home.environment()).unwrap();
    assert_eq!(resolved.server.host(), Some("elsewhere"));
    assert_eq!(resolved.trust.server_name, None);
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
    assert_eq!(Path::new(&sent(&resolved)), home.folder.path().join("a/secrets/ann"));

    let reversed = resolve(&options(), &home.with(&[&second, &first])).unwrap();
    assert_eq!(sent(&reversed), "Bearer ann-token");
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
    for (address, expected) in [
        ("https://a:1", "https://a:1/"),
        ("a:1", "http://a:1/"),
        ("http://a:1/k8s/x", "http://a:1/k8s/x"),
        ("https://a:1/k8s/?x#y", "https://a:1/k8s/"),
        ("https://a/b%2Fc d", "https://a/b/c%20d"),
        ("HTTPS://me:hunter2@a:1", "https://a:1/"),
    ] {
        let flags = ConnectOptions { server: some(address), token: some("t"), ..options() };
        let resolved = resolve(&flags, &home.environment()).unwrap();
        assert_eq!((resolved.server.to_string().as_str(), resolved.context.as_str()), (expected, "--server"));
    }
    for address in ["ftp://me:hunter2@a", "https://", "https://me:hunter2@a:99999", "a:1/path", "https://a b"] {
        let error = failed(&ConnectOptions { server: some(address), ..options() }, &home.environment());
        assert!(error.to_string().contains("is not the address of an API server"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

/// kubectl would fall back to localhost:8080, and ask for a login.
#[test]
fn without_a_server_or_credentials_nothing_is_tried() {
    let home = Home::new();
    let config = |cluster: &str, user: &str| {
        let text = format!(
            "current-context: c\nclusters: [{{name: k, cluster: {{{cluster}}}}}]\n\
             contexts: [{{name: c, context: {{cluster: k, user: u}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
        );
        home.file("config", &text)
    };
    let error = |path: PathBuf| failed(&options(), &home.with(&[&path])).to_string();
    assert_eq!(error(config("", "token: t")), "cluster k in the kubeconfig has no server");
    let nobody = "no credentials: user u has no token, client certificate, login or plugin";
    for user in ["", "token: ''", "password: p", "tokenFile: ''", "exec: null"] {
        assert_eq!(error(config("server: 'https://a'", user)), nobody, "{user}");
    }
    let master = Environment { master: some("https://master"), ..home.with(&[&config("", "token: t")]) };
    assert_eq!(resolve(&options(), &master).unwrap().server.host(), Some("master"));
}

#[test]
fn credentials_are_not_sent_over_plain_http() {
    let home = Home::new();
    home.file(".kube/config", TWO);
    let flags = ConnectOptions { server: some("http://one"), as_user: some("root"), ..options() };
    let resolved = resolve(&flags, &home.environment()).unwrap();
    assert_eq!(sent(&resolved), "");
    assert_eq!(header(&resolved, "impersonate-user"), ["root"]);
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
    home.file("ca.crt", "x");
    let both =
        TWO.replace("insecure-skip-tls-verify: true", "insecure-skip-tls-verify: true, certificate-authority: ca.crt");
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
        as_extra: vec!["a/b=1".to_owned(), "a/b=2".to_owned(), "none".to_owned()],
        ..options()
    };
    let resolved = resolve(&flags, &home.environment()).unwrap();
    assert_eq!(header(&resolved, "impersonate-user"), ["eve"]);
    assert_eq!(header(&resolved, "impersonate-uid"), ["7"]);
    assert_eq!(header(&resolved, "impersonate-group"), ["a", "b"]);
    assert_eq!(header(&resolved, "impersonate-extra-a%2Fb"), ["1", "2"]);
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
    assert!(text.contains("users[0].user must be a map, not text (line 3)") && !text.contains("hunter2"), "{text}");

    home.file(".kube/config", TWO);
    let flags = ConnectOptions {
        client_certificate: Some("/nowhere/c.crt".into()),
        client_key: Some("/nowhere/c.key".into()),
        ..options()
    };
    let error = failed(&flags, &home.environment());
    assert_eq!(error.to_string(), "cannot read the client certificate /nowhere/c.crt: No such file or directory");
}

#[test]
fn inside_a_pod_the_service_account_is_used() {
    let home = Home::new();
    home.file("account/token", "pod-token\n");
    home.file("account/namespace", "of-account\n");
    let pod = Environment {
        service_host: some("fd00::1"),
        service_port: some("443"),
        service_account: home.folder.path().join("account"),
        ..home.environment()
    };
    let in_pod = |options: &ConnectOptions, environment: &Environment| {
        let resolved = resolve(options, environment).unwrap();
        assert_eq!(resolved.context, "in-cluster");
        assert_eq!(resolved.server.to_string(), "https://[fd00::1]:443/");
        (sent(&resolved), resolved.namespace.unwrap())
    };
    let token = home.folder.path().join("account/token").display().to_string();
    assert_eq!(in_pod(&options(), &pod), (token.clone(), "of-account".to_owned()));
    let flags = ConnectOptions { token: some("t"), namespace: some("here"), ..options() };
    assert_eq!(in_pod(&flags, &pod), ("Bearer t".to_owned(), "here".to_owned()));
    let named = Environment { pod_namespace: some("of-pod"), ..pod.clone() };
    assert_eq!(in_pod(&options(), &named).1, "of-pod");
    // So it is with a kubeconfig that does not say which cluster.
    for text in ["", "# nothing\n", &TWO.replace("current-context: blue", ""), "current-context: ''\n", "users: []\n"] {
        let file = home.file("config", text);
        assert_eq!(in_pod(&options(), &Environment { kubeconfig: Some(file.clone().into()), ..pod.clone() }).0, token);
        let flag = ConnectOptions { kubeconfig: Some(file), ..options() };
        assert_eq!(in_pod(&flag, &pod).0, token);
    }
    // A kubeconfig takes precedence over it; but the pod's namespace is the default.
    home.file(".kube/config", TWO);
    assert_eq!(resolve(&options(), &pod).unwrap().context, "blue");
    let red = ConnectOptions { context: some("red"), ..options() };
    assert_eq!(resolve(&red, &pod).unwrap().namespace.as_deref(), Some("of-account"));
    assert_eq!(resolve(&red, &home.environment()).unwrap().namespace, None);
    // Without its token, this is no pod.
    std::fs::remove_file(home.folder.path().join("account/token")).unwrap();
    std::fs::remove_file(home.folder.path().join(".kube/config")).unwrap();
    assert!(failed(&options(), &pod).to_string().starts_with("no kubeconfig found"));
}

#[test]
fn a_token_beats_a_plugin() {
    let home = Home::new();
    let file = home.file(
        "exec",
        &TWO.replace(
            "{token: ann-token}",
            "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./bin/login, interactiveMode: Never}}",
        ),
    );
    let resolved = resolve(&options(), &home.with(&[&file])).unwrap();
    assert_eq!(Path::new(&sent(&resolved)), home.folder.path().join("bin/login"));
    let flags = ConnectOptions { token: some("t"), ..options() };
    assert_eq!(sent(&resolve(&flags, &home.with(&[&file])).unwrap()), "Bearer t");
}
