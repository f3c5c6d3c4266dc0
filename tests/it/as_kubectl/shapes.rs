//! The table: kubeconfigs, flags and environments.

use super::{Differs, Shape};

const EXEC: &str = "client.authentication.k8s.io/v1";

/// A kubeconfig with one cluster `k`, one user `u` and the current context `c`: the fields of the entries, in braces.
fn plain(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         clusters:\n- name: k\n  cluster: {{{cluster}}}\n\
         contexts:\n- name: c\n  context: {{cluster: k, user: u, namespace: sea}}\n\
         users:\n- name: u\n  user: {{{user}}}\n"
    )
}

/// The cluster that is used where a shape is about something else.
const ONE: &str = "server: '{at-one}', certificate-authority-data: '{ca}'";

fn shape(name: &'static str, config: String) -> Shape {
    Shape { name, config: Some(config), ..Shape::default() }
}

fn cluster(name: &'static str, cluster: &str) -> Shape {
    shape(name, plain(cluster, "token: tok"))
}

fn user(name: &'static str, user: &str) -> Shape {
    shape(name, plain(ONE, user))
}

/// The usual kubeconfig, with flags separated by blanks.
fn flagged(name: &'static str, flags: &str) -> Shape {
    user(name, "token: tok").flags(flags)
}

impl Shape {
    fn flags(mut self, flags: &str) -> Self {
        self.flags.extend(flags.split_whitespace().map(str::to_owned));
        self
    }

    /// One flag or value as it is, with its blanks.
    fn word(mut self, word: &str) -> Self {
        self.flags.push(word.to_owned());
        self
    }

    fn env(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    fn file(mut self, path: &'static str, text: &str) -> Self {
        self.files.push((path, text.to_owned()));
        self
    }

    fn differs(mut self, how: Differs) -> Self {
        self.differs = Some(how);
        self
    }
}

/// A part of the file replaced.
fn edited(name: &'static str, from: &str, to: &str) -> Shape {
    let config = plain(ONE, "token: tok");
    assert!(config.contains(from), "{name}: {from}");
    shape(name, config.replace(from, to))
}

pub(super) fn files() -> Vec<Shape> {
    let whole = plain(ONE, "token: tok");
    let more = |name, text: &str| shape(name, format!("{}{text}", plain(ONE, "token: tok")));
    let users = "users:\n- name: u\n  user: {token: tok}\n";
    vec![
        shape("plain", whole.clone()),
        shape("CRLF line endings", whole.replace('\n', "\r\n")),
        shape("byte order mark", format!("\u{feff}{whole}")),
        shape("tab after a colon", whole.replace("kind: Config", "kind:\tConfig")),
        shape("tab as indentation", whole.replace("  cluster:", "\tcluster:")),
        shape("document start", format!("---\n{whole}")),
        shape("comments", format!("# mine\n{}", whole.replace("kind: Config", "kind: Config # mine"))),
        shape("second document", format!("{whole}---\ncurrent-context: other\n")),
        shape("second document is broken", format!("{whole}---\n{{[")),
        shape("document end and rubbish", format!("{whole}...\n]]]\n")),
        shape("YAML directive", format!("%YAML 1.1\n---\n{whole}")),
        shape("no kind", whole.replace("kind: Config\n", "")),
        shape("no apiVersion", whole.replace("apiVersion: v1\n", "")),
        shape("neither kind nor apiVersion", whole.replace("kind: Config\n", "").replace("apiVersion: v1\n", "")),
        shape("another kind", whole.replace("kind: Config", "kind: Pod")),
        shape("another apiVersion", whole.replace("apiVersion: v1", "apiVersion: v2")),
        shape("empty kind", whole.replace("kind: Config", "kind: ''")),
        shape("null kind", whole.replace("kind: Config", "kind: null")),
        shape("kind is a number", whole.replace("kind: Config", "kind: 5")),
        more("unknown fields", "colors: [1, {a: b}]\n"),
        more("preferences", "preferences: {colors: true}\n"),
        more("preferences are null", "preferences: null\n"),
        more("preferences are a list", "preferences: []\n"),
        more("extensions", "extensions:\n- name: x\n  extension: {a: 1}\n"),
        more("extensions are null", "extensions: null\n"),
        more("duplicate key", users),
        more("duplicate key with another value", "users:\n- name: u\n  user: {token: second}\n"),
        more("duplicate current-context", "current-context: none\n"),
        edited("duplicate key in an entry", "token: tok", "token: first, token: second"),
        edited("duplicate entry", "users:\n", "users:\n- name: u\n  user: {token: first}\n"),
        edited("duplicate cluster", "clusters:\n", "clusters:\n- name: k\n  cluster: {server: 'https://x'}\n"),
        edited("duplicate context", "contexts:\n", "contexts:\n- name: c\n  context: {cluster: x}\n"),
        edited("another context without cluster", "contexts:\n", "contexts:\n- name: d\n  context: {user: u}\n"),
        edited("another context without anything", "contexts:\n", "contexts:\n- name: d\n"),
        edited("another context is null", "contexts:\n", "contexts:\n- name: d\n  context: null\n"),
        edited("an entry is null", "contexts:\n", "contexts:\n- null\n"),
        edited("an entry is empty", "contexts:\n", "contexts:\n- {}\n"),
        edited("an entry without a name", "users:\n", "users:\n- user: {token: x}\n"),
        edited("another context is text", "contexts:\n", "contexts:\n- name: d\n  context: text\n"),
        edited("another user is a list", "users:\n", "users:\n- name: v\n  user: []\n"),
        edited("another cluster without server", "clusters:\n", "clusters:\n- name: l\n  cluster: {}\n"),
        edited("another cluster with broken data", "clusters:\n", "clusters:\n- name: l\n  cluster: {certificate-authority-data: '!'}\n"),
        edited("another cluster with wrong certificates", "clusters:\n", "clusters:\n- name: l\n  cluster: {certificate-authority-data: aGVsbG8=}\n"),
        edited("another cluster contradicts itself", "clusters:\n", "clusters:\n- name: l\n  cluster: {server: x, insecure-skip-tls-verify: true, certificate-authority: /no}\n"),
        edited("another user has an auth-provider without config", "users:\n", "users:\n- name: v\n  user: {auth-provider: {name: gcp, config: null}}\n"),
        edited("another user has an empty auth-provider", "users:\n", "users:\n- name: v\n  user: {auth-provider: {}}\n"),
        edited("another user has a null exec", "users:\n", "users:\n- name: v\n  user: {exec: null}\n"),
        edited("another user has an odd exec", "users:\n", "users:\n- name: v\n  user: {exec: {provideClusterInfo: null, args: null, env: null}}\n"),
        edited("another user has an unknown mode", "users:\n", "users:\n- name: v\n  user: {exec: {command: x, interactiveMode: Perhaps}}\n"),
        edited("another user has text for true", "users:\n", "users:\n- name: v\n  user: {exec: {provideClusterInfo: 'true'}}\n"),
        edited("another user's name is a number", "users:\n", "users:\n- name: 123\n  user: {token: x}\n"),
        edited("another user's token is a number", "users:\n", "users:\n- name: v\n  user: {token: 123}\n"),
        edited("another user's token is yes", "users:\n", "users:\n- name: v\n  user: {token: yes}\n"),
        edited("another user's token is y", "users:\n", "users:\n- name: v\n  user: {token: y}\n"),
        edited("another user's token is a date", "users:\n", "users:\n- name: v\n  user: {token: 2020-01-01}\n"),
        edited("another user's token is like a time", "users:\n", "users:\n- name: v\n  user: {token: 12:30:45}\n"),
        edited("another user's token is octal", "users:\n", "users:\n- name: v\n  user: {token: 0o17}\n"),
        edited("another user's token is a float", "users:\n", "users:\n- name: v\n  user: {token: 1e3}\n"),
        edited("another user's token is like a float", "users:\n", "users:\n- name: v\n  user: {token: 1_000}\n"),
        edited("another user's token is a version", "users:\n", "users:\n- name: v\n  user: {token: 1.2.3}\n"),
        edited("another user's token is infinite", "users:\n", "users:\n- name: v\n  user: {token: .inf}\n"),
        edited("another user's token is tilde", "users:\n", "users:\n- name: v\n  user: {token: ~}\n"),
        edited("another user's token has the tag of text", "users:\n", "users:\n- name: v\n  user: {token: !!str 123}\n"),
        edited("another user's token is binary", "users:\n", "users:\n- name: v\n  user: {token: !!binary aGVsbG8=}\n"),
        edited("another user's token has a tag", "users:\n", "users:\n- name: v\n  user: {token: !secret x}\n"),
        edited("names that are numbers", "name: c\n", "name: 1\n"),
        edited("a key that is a number", "kind: Config\n", "kind: Config\n5: five\n"),
        edited("insecure is the text true", "server: '{at-one}'", "insecure-skip-tls-verify: 'false', server: '{at-one}'"),
        edited("insecure is no", "server: '{at-one}'", "insecure-skip-tls-verify: no, server: '{at-one}'"),
        edited("insecure is off", "server: '{at-one}'", "insecure-skip-tls-verify: Off, server: '{at-one}'"),
        edited("insecure is null", "server: '{at-one}'", "insecure-skip-tls-verify: null, server: '{at-one}'"),
        edited("insecure is 0", "server: '{at-one}'", "insecure-skip-tls-verify: 0, server: '{at-one}'"),
        edited("capitals in a key", "server: '{at-one}'", "Server: '{at-two}', server: '{at-one}'"),
        edited("only capitals in a key", "server: '{at-one}'", "Server: '{at-one}'"),
        shape("anchors", whole.replace("{token: tok}", "&u {token: tok}") + "x: *u\n"),
        shape(
            "merged maps",
            "current-context: c\nbase: &base {certificate-authority-data: '{ca}', server: 'https://other'}\n\
             clusters:\n- name: k\n  cluster:\n    <<: *base\n    server: '{at-one}'\n\
             contexts:\n- name: c\n  context: {cluster: k, user: u}\nusers:\n- name: u\n  user: {token: tok}\n"
                .to_owned(),
        ),
        shape(
            "merged list of maps",
            "current-context: c\nbase: &a {certificate-authority-data: '{ca}'}\nmore: &b {server: '{at-one}'}\n\
             clusters:\n- name: k\n  cluster:\n    <<: [*a, *b]\n\
             contexts:\n- name: c\n  context: {cluster: k, user: u}\nusers:\n- name: u\n  user: {token: tok}\n"
                .to_owned(),
        ),
        edited("alias before its anchor", "token: tok", "token: *none"),
        shape(
            "JSON",
            r#"{"apiVersion":"v1","kind":"Config","current-context":"c","clusters":[{"name":"k","cluster":{"server":"{at-one}","certificate-authority-data":"{ca}"}}],"contexts":[{"name":"c","context":{"cluster":"k","user":"u","namespace":"sea"}}],"users":[{"name":"u","user":{"token":"tok\u0031"}}]}"#.to_owned(),
        ),
        shape(
            "JSON with tabs",
            "{\n\t\"current-context\":\t\"c\",\n\t\"clusters\": [{\"name\":\"k\",\"cluster\":{\"server\":\"{at-one}\",\"certificate-authority-data\":\"{ca}\"}}],\n\t\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":\"k\",\"user\":\"u\"}}],\n\t\"users\":[{\"name\":\"u\",\"user\":{\"token\":\"t\"}}]\n}\n".to_owned(),
        ),
        shape("clusters are null", whole.replace("clusters:\n- name: k\n  cluster: {server: '{at-one}', certificate-authority-data: '{ca}'}\n", "clusters: null\n")),
        shape("lists are maps", whole.replace("users:\n- name: u\n  user: {token: tok}\n", "users: {}\n")),
        shape("empty", String::new()),
        shape("blank", "\n\n".to_owned()),
        shape("only a comment", "# nothing\n".to_owned()),
        shape("only a document start", "---\n".to_owned()),
        shape("null", "null\n".to_owned()),
        shape("text", "hello\n".to_owned()),
        shape("a list", "- a\n".to_owned()),
        shape("a number", "5\n".to_owned()),
        shape("not YAML", "a: [\n".to_owned()),
        shape("not UTF-8 is refused", "a: \u{7}\n".to_owned()),
        Shape { name: "no file", ..Shape::default() },
        edited("no current context", "current-context: c\n", ""),
        edited("empty current context", "current-context: c\n", "current-context: ''\n"),
        edited("null current context", "current-context: c\n", "current-context: null\n"),
        edited("unknown current context", "current-context: c\n", "current-context: none\n"),
        edited("context without cluster", "{cluster: k, user: u", "{user: u").env("KUBERNETES_MASTER", ""),
        edited("context without cluster, and KUBERNETES_MASTER", "{cluster: k, user: u", "{user: u").env("KUBERNETES_MASTER", "{plain}"),
        edited("no current context, and KUBERNETES_MASTER", "current-context: c\n", "").env("KUBERNETES_MASTER", "{plain}"),
        edited("a server, and KUBERNETES_MASTER", "kind: Config\n", "").env("KUBERNETES_MASTER", "{plain}"),
        edited("unknown cluster", "cluster: k", "cluster: none"),
        edited("unknown user", "user: u", "user: none"),
        edited("no user", ", user: u", ""),
        edited("no namespace", ", namespace: sea", ""),
        edited("empty namespace", "namespace: sea", "namespace: ''"),
        edited("null namespace", "namespace: sea", "namespace: null"),
        edited("namespace default", "namespace: sea", "namespace: default"),
        edited("namespace is a number", "namespace: sea", "namespace: 5"),
        edited("context's name with blanks", "name: c\n", "name: 'c'\n"),
        shape("path with a colon in the name", whole.replace("name: c\n", "name: 'a:b/c@d'\n").replace("current-context: c", "current-context: 'a:b/c@d'")),
        // Several files.
        shape("two files", whole.replace("{at-one}", "{at-two}"))
            .env("KUBECONFIG", "{home}/first:{home}/.kube/config")
            .file("first", "users:\n- name: u\n  user: {token: of-first}\n"),
        shape("two files, the first sets the context", whole.clone())
            .env("KUBECONFIG", "{home}/first:{home}/.kube/config")
            .file("first", "current-context: d\ncontexts:\n- name: d\n  context: {cluster: k, user: u, namespace: sky}\n"),
        shape("a missing file first", whole.clone()).env("KUBECONFIG", "{home}/none:{home}/.kube/config"),
        shape("only missing files", whole.clone()).env("KUBECONFIG", "{home}/none:{home}/none2"),
        shape("empty entries", whole.clone()).env("KUBECONFIG", "::{home}/.kube/config:"),
        shape("only empty entries", whole.clone()).env("KUBECONFIG", ":"),
        shape("the same file twice", whole.clone()).env("KUBECONFIG", "{home}/.kube/config:{home}/.kube/config"),
        shape("an empty file first", whole.clone()).env("KUBECONFIG", "{home}/empty:{home}/.kube/config"),
        shape("a broken file first", whole.clone()).env("KUBECONFIG", "{home}/broken:{home}/.kube/config").file("broken", "a: ["),
        shape("a broken file last", whole.clone()).env("KUBECONFIG", "{home}/.kube/config:{home}/broken").file("broken", "a: ["),
        shape("a folder", whole.clone()).env("KUBECONFIG", "{home}/sub:{home}/.kube/config"),
        shape("empty KUBECONFIG", whole.clone()).env("KUBECONFIG", ""),
        shape("relative KUBECONFIG", whole.clone()).env("KUBECONFIG", ".kube/config"),
        shape("relative KUBECONFIG with relative paths", whole)
            .env("KUBECONFIG", "sub/kc")
            .file("sub/kc", "current-context: c\nclusters:\n- name: k\n  cluster: {server: '{at-one}', certificate-authority: ca.crt}\ncontexts:\n- name: c\n  context: {cluster: k, user: u}\nusers:\n- name: u\n  user: {tokenFile: token}\n"),
    ]
}

pub(super) fn servers() -> Vec<Shape> {
    let ca = "certificate-authority-data: '{ca}'";
    let at = |name, server: &str| cluster(name, &format!("server: '{server}', {ca}"));
    vec![
        at("https", "{at-one}"),
        at("another server", "{at-two}"),
        at("trailing slash", "{at-one}/"),
        at("two trailing slashes", "{at-one}//"),
        at("path", "{at-one}/k8s/clusters/c-1"),
        at("path with trailing slash", "{at-one}/k8s/clusters/c-1/"),
        at("path with a query", "{at-one}/k8s?x=1"),
        at("query", "{at-one}?x=1"),
        at("path with a fragment", "{at-one}/k8s#x"),
        at("escaped path", "{at-one}/a%2Fb"),
        at("blank in the path", "{at-one}/a b"),
        at("capital scheme", "HTTPS://127.0.0.1:{port-one}"),
        at("host name", "https://localhost:{port-one}"),
        at("capital host name", "https://LOCALHOST:{port-one}"),
        at("host name with a final dot", "https://localhost.:{port-one}"),
        at("IPv6 address", "https://[::1]:{port-one}"),
        at("no scheme", "127.0.0.1:{plainport}"),
        at("no scheme, and TLS", "127.0.0.1:{port-one}"),
        at("host name without scheme", "localhost:{plainport}"),
        at("no scheme, with a slash", "127.0.0.1:{plainport}/"),
        at("no scheme, with a path", "127.0.0.1:{plainport}/x"),
        at("two slashes and no scheme", "//127.0.0.1:{plainport}"),
        at("http", "{plain}"),
        at("http with a path", "{plain}/x/y/"),
        at("ftp", "ftp://127.0.0.1:{plainport}"),
        at("only a scheme", "https://"),
        at("blank at the end", "{at-one} "),
        at("blank at the beginning", " {at-one}"),
        at("newline at the end", "{at-one}\n\n"),
        at("bad port", "https://127.0.0.1:99999"),
        at("port is no number", "https://127.0.0.1:abc"),
        at("empty port", "https://127.0.0.1:"),
        at("nothing listens", "https://127.0.0.1:{closed}"),
        at("a user in the address", "https://me:hunter2@127.0.0.1:{port-one}"),
        at("a user without password in the address", "https://me@127.0.0.1:{port-one}"),
        at("an escaped user in the address", "https://m%40e:hunter2%21@127.0.0.1:{port-one}"),
        at("TLS to a plain server", "https://127.0.0.1:{plainport}"),
        at("a password and a wrong port", "https://me:hunter2@127.0.0.1:99999/"),
        shape(
            "a user in the address and a certificate",
            plain(
                "server: 'https://me:hunter2@127.0.0.1:{port-one}', certificate-authority-data: '{ca}'",
                "client-certificate-data: '{cert}', client-key-data: '{key}'",
            ),
        ),
        shape(
            "a user in the address and none in the file",
            plain("server: 'https://me:hunter2@127.0.0.1:{port-one}', certificate-authority-data: '{ca}'", ""),
        ),
        shape("a user in an http address", plain("server: 'http://me:hunter2@127.0.0.1:{plainport}'", "token: tok")),
        shape("a user in an address without scheme", plain("server: 'me:hunter2@127.0.0.1:{plainport}'", "token: tok")),
        cluster("no server", ca),
        cluster("empty server", "server: ''"),
        cluster("null server", "server: null"),
        cluster("server is a number", "server: 5"),
        cluster(
            "empty authority",
            "server: '{at-one}', insecure-skip-tls-verify: true, certificate-authority-data: ''",
        ),
        cluster(
            "empty authority file",
            "server: '{at-one}', insecure-skip-tls-verify: true, certificate-authority: ''",
        ),
        cluster(
            "null authority",
            "server: '{at-one}', insecure-skip-tls-verify: true, certificate-authority-data: null",
        ),
        cluster("empty authority without insecure", "server: '{at-one}', certificate-authority-data: ''"),
        cluster("insecure", "server: '{at-one}', insecure-skip-tls-verify: true"),
        cluster(
            "insecure and an authority",
            "server: '{at-one}', insecure-skip-tls-verify: true, certificate-authority-data: '{ca}'",
        ),
        cluster(
            "insecure and an authority's file",
            "server: '{at-one}', insecure-skip-tls-verify: true, certificate-authority: '{home}/ca.crt'",
        ),
        cluster(
            "insecure and an authority over http",
            "server: '{plain}', insecure-skip-tls-verify: true, certificate-authority-data: '{ca}'",
        ),
        cluster("authority's file", "server: '{at-one}', certificate-authority: '{home}/ca.crt'"),
        cluster("authority's relative file", "server: '{at-one}', certificate-authority: ../ca.crt"),
        cluster("authority's file with dots", "server: '{at-one}', certificate-authority: ./x/../../sub/ca.crt"),
        cluster("missing authority's file", "server: '{at-one}', certificate-authority: /no/ca.crt"),
        cluster("missing authority's file over http", "server: '{plain}', certificate-authority: /no/ca.crt"),
        cluster("empty authority's file", "server: '{at-one}', certificate-authority: '{home}/empty'"),
        cluster("folder as authority", "server: '{at-one}', certificate-authority: '{home}/sub'"),
        cluster(
            "data and file",
            "server: '{at-one}', certificate-authority: '{home}/foreign.crt', certificate-authority-data: '{ca}'",
        ),
        cluster(
            "tls-server-name",
            "server: '{at-one}', certificate-authority-data: '{ca}', tls-server-name: api.inside",
        ),
        cluster("empty tls-server-name", "server: '{at-one}', certificate-authority-data: '{ca}', tls-server-name: ''"),
        cluster(
            "wrong tls-server-name",
            "server: '{at-one}', certificate-authority-data: '{ca}', tls-server-name: elsewhere",
        ),
        cluster(
            "tls-server-name is an address",
            "server: 'https://localhost:{port-one}', certificate-authority-data: '{ca}', tls-server-name: 127.0.0.1",
        ),
        cluster(
            "tls-server-name and insecure",
            "server: '{at-one}', insecure-skip-tls-verify: true, tls-server-name: elsewhere",
        ),
        cluster(
            "extensions",
            "server: '{at-one}', certificate-authority-data: '{ca}', extensions: [{name: a, extension: {x: 1}}]",
        ),
        cluster(
            "extension without a name",
            "server: '{at-one}', certificate-authority-data: '{ca}', extensions: [{extension: text}]",
        ),
        cluster(
            "extension is null",
            "server: '{at-one}', certificate-authority-data: '{ca}', extensions: [{name: a, extension: null}]",
        ),
        cluster(
            "disable-compression",
            "server: '{at-one}', certificate-authority-data: '{ca}', disable-compression: true",
        ),
        cluster("api-version", "server: '{at-one}', certificate-authority-data: '{ca}', api-version: v1"),
        cluster("unknown field", "server: '{at-one}', certificate-authority-data: '{ca}', colour: blue"),
    ]
}

pub(super) fn certificates() -> Vec<Shape> {
    let with = |name, server: &str, data: &str| {
        cluster(name, &format!("server: '{{at-{server}}}', certificate-authority-data: '{{{data}}}'"))
    };
    let client = |name, certificate: &str, key: &str| {
        user(name, &format!("client-certificate-data: '{{{certificate}}}', client-key-data: '{{{key}}}'"))
    };
    let block = |name, cluster: &str, user: &str| {
        shape(
            name,
            format!(
                "current-context: c\nclusters:\n- name: k\n  cluster:\n    server: '{{at-one}}'\n{cluster}\
                 contexts:\n- name: c\n  context: {{cluster: k, user: u}}\nusers:\n- name: u\n  user:\n{user}"
            ),
        )
    };
    vec![
        with("signed", "one", "ca"),
        with("signed by another", "foreign", "ca"),
        with("another's is trusted", "one", "foreignca"),
        with("both are trusted", "one", "caboth"),
        with("for another name", "wrongname", "ca"),
        with("for a common name only", "nameless", "ca"),
        with("expired", "expired", "ca"),
        with("not valid yet", "early", "ca"),
        with("for clients only", "clientonly", "ca"),
        with("expired authority", "oldca", "oldca"),
        with("self-signed authority", "ownca", "ownca"),
        with("self-signed authority, expired", "owncaold", "owncaold"),
        with("self-signed authority for another name", "owncaother", "owncaother"),
        with("self-signed authority that is not trusted", "ownca", "ca"),
        with("self-signed authority that another trusts", "ownca", "foreignca"),
        with("self-signed", "own", "own"),
        with("self-signed that is not trusted", "own", "ownca"),
        with("pinned", "pinned", "pinned"),
        with("pinned, but another", "foreign", "pinned"),
        with("version 1", "v1", "v1"),
        cluster("version 1, insecure", "server: '{at-v1}', insecure-skip-tls-verify: true"),
        cluster("expired, insecure", "server: '{at-expired}', insecure-skip-tls-verify: true"),
        with("one is broken", "one", "cabroken"),
        with("only a broken one", "one", "onlybroken"),
        with("comments around", "one", "cacomment"),
        cluster("not base64", "server: '{at-one}', certificate-authority-data: '!!!'"),
        cluster("base64 of no certificate", "server: '{at-one}', certificate-authority-data: aGVsbG8="),
        cluster("base64 with blanks", "server: '{at-one}', certificate-authority-data: 'aGVs bG8='"),
        cluster("base64 without padding", "server: '{at-one}', certificate-authority-data: aGVsbG8"),
        cluster("PEM without base64", "server: '{at-one}', certificate-authority-data: '-----BEGIN CERTIFICATE-----'"),
        block("wrapped authority", "    certificate-authority-data: |\n{cawrapped}", "    token: tok\n"),
        block("wrapped authority, folded", "    certificate-authority-data: >-\n{cawrapped}", "    token: tok\n"),
        block(
            "wrapped key",
            "    certificate-authority-data: '{ca}'\n",
            "    client-certificate-data: '{cert}'\n    client-key-data: |\n{keywrapped}",
        ),
        client("client", "cert", "key"),
        client("client of version 1", "certv1", "key"),
        client("client with another's key", "cert", "keyother"),
        client("client of version 1 with another's key", "certv1", "keyother"),
        client("key as openssl's ec writes it", "cert", "keysec1"),
        client("key after its parameters", "cert", "keyparameters"),
        client("key after a request", "cert", "keyrequest"),
        client("key after its certificate", "keyboth", "keyboth"),
        client("encrypted key", "cert", "keyencrypted"),
        client("key with a passphrase", "cert", "keyprotected"),
        client("certificate as key", "cert", "cert"),
        client("key as certificate", "key", "key"),
        client("chain", "certchain", "key"),
        client("CRLF", "certcrlf", "keycrlf"),
        client("text before the certificate", "certtext", "key"),
        client("client is not base64", "cert", "!!"),
        user("client's files", "client-certificate: '{home}/client.crt', client-key: '{home}/client.key'"),
        user("client's relative files", "client-certificate: ../sub/client.crt, client-key: ../sub/client.key"),
        user("client's data and file", "client-certificate-data: '{cert}', client-key: '{home}/client.key'"),
        user("one file for both", "client-certificate: '{home}/client.p12.pem', client-key: '{home}/client.p12.pem'"),
        user("missing client's file", "client-certificate: /no/client.crt, client-key: '{home}/client.key'"),
        user("missing key's file", "client-certificate-data: '{cert}', client-key: /no/client.key"),
        user("certificate without key", "client-certificate-data: '{cert}'"),
        user("key without certificate", "client-key-data: '{key}', token: tok"),
        user("missing key's file without certificate", "client-key: /no/client.key, token: tok"),
        user(
            "two certificates",
            "client-certificate-data: '{cert}', client-certificate: '{home}/client.crt', client-key-data: '{key}'",
        ),
        user(
            "two keys",
            "client-certificate-data: '{cert}', client-key-data: '{key}', client-key: '{home}/client.key'",
        ),
        user("empty certificate", "client-certificate-data: '', client-key-data: '', token: tok"),
        user("empty certificate's file", "client-certificate: '', client-key: '', token: tok"),
        user("certificate and token", "client-certificate-data: '{cert}', client-key-data: '{key}', token: tok"),
        user("certificate and empty token", "client-certificate-data: '{cert}', client-key-data: '{key}', token: ''"),
        user(
            "certificate and login",
            "client-certificate-data: '{cert}', client-key-data: '{key}', username: me, password: s3cret",
        ),
    ]
}

pub(super) fn users() -> Vec<Shape> {
    let block = |name, user: &str| {
        shape(
            name,
            format!(
                "current-context: c\nclusters:\n- name: k\n  cluster: {{server: '{{at-one}}', certificate-authority-data: '{{ca}}'}}\n\
                 contexts:\n- name: c\n  context: {{cluster: k, user: u}}\nusers:\n- name: u\n  user:\n{user}"
            ),
        )
    };
    let bob = "token: tok, as: bob";
    vec![
        user("token", "token: tok"),
        user("token with blanks inside", "token: 'a b'"),
        user("token with blanks around", "token: ' tok '"),
        user("token that is blank", "token: ' '"),
        user("token with a tab", "token: \"a\\tb\""),
        user("token with a newline", "token: \"tok\\n\"").differs(Differs::Connects),
        user("token with CRLF", "token: \"tok\\r\\n\"").differs(Differs::Connects),
        user("token with a newline inside", "token: \"to\\nk\""),
        user("token with a control character", "token: \"to\\x01k\""),
        user("token with a null character", "token: \"to\\0k\""),
        user("token beyond ASCII", "token: 'tök'"),
        block("token as a block", "    token: |\n      tok\n").differs(Differs::Connects),
        user("long token", &format!("token: {}", "abcdefgh".repeat(500))),
        user("empty token", "token: ''"),
        user("null token", "token: null"),
        user("no credentials", ""),
        user("null user", "token: null, exec: null"),
        user("token file", "tokenFile: ../token"),
        user("token file with newline", "tokenFile: '{home}/t'").file("t", "tok\n"),
        user("token file with CRLF", "tokenFile: '{home}/t'").file("t", "tok\r\n"),
        user("token file with blanks", "tokenFile: '{home}/t'").file("t", "\n  tok \n\n"),
        user("token file with a newline inside", "tokenFile: '{home}/t'").file("t", "tok\nkot\n"),
        user("token file with a control character", "tokenFile: '{home}/t'").file("t", "to\u{1}k"),
        user("empty token file", "tokenFile: '{home}/empty'"),
        user("blank token file", "tokenFile: '{home}/t'").file("t", "\n"),
        user("missing token file", "tokenFile: /no/token"),
        user("folder as token file", "tokenFile: '{home}/sub'"),
        user("token and token file", "token: tok, tokenFile: '{home}/token'"),
        user("token and missing token file", "token: tok, tokenFile: /no/token"),
        user("token and empty token file", "token: tok, tokenFile: '{home}/empty'"),
        user("empty token and token file", "token: '', tokenFile: '{home}/token'"),
        user("token and empty name of a token file", "token: tok, tokenFile: ''"),
        user(
            "token file and certificate",
            "tokenFile: '{home}/token', client-certificate-data: '{cert}', client-key-data: '{key}'",
        ),
        user("login", "username: me, password: s3cret"),
        user("login without password", "username: me"),
        user("password without login", "password: s3cret"),
        user("login with a colon", "username: 'm:e', password: 's3cret:x'"),
        user("login beyond ASCII", "username: mé, password: s3crét"),
        user("login and token", "username: me, password: s3cret, token: tok"),
        user("login and token file", "username: me, password: s3cret, tokenFile: '{home}/token'"),
        user("empty login and token", "username: '', password: '', token: tok"),
        user("impersonation", bob),
        user("impersonated groups", &format!("{bob}, as-groups: [a, 'b c']")),
        user("impersonated UID", &format!("{bob}, as-uid: '7'")),
        user("impersonated extra", &format!("{bob}, as-user-extra: {{why: [x, z], 'a/b': [z]}}")),
        user("impersonated extra beyond ASCII", &format!("{bob}, as-user-extra: {{'é%': [z], 'A_b': [w]}}")),
        user("groups without user", "token: tok, as-groups: [a]"),
        user("UID without user", "token: tok, as-uid: '7'"),
        user("extra without user", "token: tok, as-user-extra: {a: [b]}"),
        user("empty impersonation", "token: tok, as: '', as-groups: [], as-uid: ''"),
        user("null groups", &format!("{bob}, as-groups: null, as-user-extra: null")),
        user("groups are text", &format!("{bob}, as-groups: a")),
        user("UID is a number", &format!("{bob}, as-uid: 7")),
        user("impersonation with a newline", "token: tok, as: \"bob\\n\""),
        shape("impersonation over http", plain("server: '{plain}'", "token: tok, as: bob, as-groups: [a]")),
        shape("credentials over http", plain("server: '{plain}'", "token: tok, username: a")),
        shape("credentials in files over http", plain("server: '{plain}'", "tokenFile: /no/token")),
        shape(
            "certificate over http",
            plain("server: '{plain}'", "client-certificate-data: '{cert}', client-key-data: '{key}'"),
        ),
        shape(
            "plugin over http",
            plain(
                "server: '{plain}'",
                "exec: {apiVersion: client.authentication.k8s.io/v1, command: /no, interactiveMode: Never}",
            ),
        ),
        shape("nothing over http", plain("server: '{plain}'", "")),
        user("auth-provider", "auth-provider: {name: gcp}"),
        user("auth-provider with config", "auth-provider: {name: azure, config: {a: b}}"),
        user("auth-provider without config", "auth-provider: {name: gcp, config: null}"),
        user("unknown auth-provider and token", "auth-provider: {name: gcp}, token: tok"),
        user("null auth-provider", "auth-provider: null, token: tok"),
        user(
            "OpenID Connect",
            "auth-provider: {name: oidc, config: {idp-issuer-url: 'https://127.0.0.1:{closed}', client-id: c, id-token: eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln}}",
        ),
        user(
            "OpenID Connect, expired",
            "auth-provider: {name: oidc, config: {idp-issuer-url: 'https://127.0.0.1:{closed}', client-id: c, id-token: eyJhbGciOiJub25lIn0.eyJleHAiOjEwMH0.c2ln, refresh-token: s3cret}}",
        ),
        user(
            "OpenID Connect, no token",
            "auth-provider: {name: oidc, config: {idp-issuer-url: 'https://127.0.0.1:{closed}', client-id: c}}",
        ),
        user(
            "OpenID Connect, no issuer",
            "auth-provider: {name: oidc, config: {client-id: c, id-token: eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln}}",
        ),
        user(
            "OpenID Connect and token",
            "token: tok, auth-provider: {name: oidc, config: {idp-issuer-url: 'https://127.0.0.1:{closed}', client-id: c, id-token: eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln}}",
        ),
        user(
            "OpenID Connect and exec",
            "exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/true, interactiveMode: Never}, auth-provider: {name: oidc, config: {}}",
        ),
    ]
}

pub(super) fn plugins() -> Vec<Shape> {
    let script = |name, body: &str, fields: &str| {
        user(name, &format!("exec: {{apiVersion: {EXEC}, command: '{{home}}/login', interactiveMode: Never{fields}}}"))
            .file("login", &format!("#!/bin/sh\n{body}\n"))
    };
    let gives = |name, status: &str, fields: &str| {
        script(name, &format!(r#"echo '{{"apiVersion":"{EXEC}","kind":"ExecCredential","status":{status}}}'"#), fields)
    };
    let token = r#"{"token":"of-plugin"}"#;
    let prints = |name, printed: &str| script(name, &format!("cat <<'END'\n{printed}\nEND"), "");
    let beta = |name, fields: &str| {
        user(name, &format!("exec: {{apiVersion: client.authentication.k8s.io/v1beta1, command: '{{home}}/login'{fields}}}"))
            .file("login", "#!/bin/sh\necho '{\"apiVersion\":\"client.authentication.k8s.io/v1beta1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"beta\"}}'\n")
    };
    // The plugin sends what it was given, as its token.
    let echo = "printf '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"%s\"}}' \"$(printf %s \"$SAYS\" | base64 -w0)\"";
    let says = |name, what: &str, fields: &str| script(name, &format!("SAYS={what}\n{echo}"), fields);
    let info = r#""$(printf %s "$KUBERNETES_EXEC_INFO" | sed 's/,/\n/g' | tr -d '{}' | sort)""#;
    let bare = |name, fields: &str| {
        user(name, &format!("exec: {{{fields}}}")).file("login", "#!/bin/sh\necho '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"bare\"}}'\n")
    };
    let command = "command: '{home}/login'";
    // kubectl's preferences, about a plugin that works.
    let kuberc = |name, fields: &str| {
        gives(name, token, "")
            .file(".kube/kuberc", &format!("apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n{fields}\n"))
    };
    let allowlist = |name, commands: &str| {
        kuberc(name, &format!("credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: {commands}"))
    };
    vec![
        kuberc("preferences without a policy", ""),
        kuberc("all plugins are allowed", "credentialPluginPolicy: AllowAll"),
        kuberc("no plugin is allowed", "credentialPluginPolicy: DenyAll"),
        kuberc("an unknown policy", "credentialPluginPolicy: Perhaps"),
        kuberc("an allowlist without a policy", "credentialPluginAllowlist: [{command: login}]"),
        kuberc("a policy without its allowlist", "credentialPluginPolicy: Allowlist"),
        allowlist("the path is allowed", "[{command: '{home}/login'}]"),
        allowlist("another path is allowed", "[{command: /opt/login}]"),
        allowlist("another name is allowed", "[{command: aws}]"),
        allowlist("an empty allowlist", "[]"),
        allowlist("an allowlist with a path that is not normal", "[{command: ./login}]"),
        allowlist("the second is allowed", "[{command: aws}, {command: '{home}/login'}]"),
        kuberc("preferences are turned off", "credentialPluginPolicy: DenyAll").env("KUBERC", "off"),
        kuberc("preferences of another file", "credentialPluginPolicy: DenyAll")
            .file("prefs", "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\ncredentialPluginPolicy: AllowAll\n")
            .flags("--kuberc {home}/prefs"),
        kuberc("preferences of the environment's file", "credentialPluginPolicy: DenyAll")
            .file("prefs", "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\ncredentialPluginPolicy: AllowAll\n")
            .env("KUBERC", "{home}/prefs"),
        gives("token of a plugin", token, ""),
        prints("token of a plugin with a newline", &format!(r#"{{"apiVersion":"{EXEC}","kind":"ExecCredential","status":{{"token":"tok\n"}}}}"#)).differs(Differs::Connects),
        prints("token of a plugin with a control character", &format!(r#"{{"apiVersion":"{EXEC}","kind":"ExecCredential","status":{{"token":"to\u0001k"}}}}"#)),
        gives("empty token of a plugin", r#"{"token":""}"#, ""),
        gives("nothing of a plugin", "{}", ""),
        gives("null of a plugin", "null", ""),
        gives("expiry", r#"{"token":"t","expirationTimestamp":"2090-01-01T00:00:00Z"}"#, ""),
        gives("expiry with a zone", r#"{"token":"t","expirationTimestamp":"2090-01-01T00:00:00+02:00"}"#, ""),
        gives("expiry with fractions", r#"{"token":"t","expirationTimestamp":"2090-01-01T00:00:00.123Z"}"#, ""),
        gives("expiry in the past", r#"{"token":"t","expirationTimestamp":"2001-01-01T00:00:00Z"}"#, ""),
        gives("expiry is null", r#"{"token":"t","expirationTimestamp":null}"#, ""),
        gives("expiry is no time", r#"{"token":"t","expirationTimestamp":"soon"}"#, ""),
        gives("only a certificate", r#"{"clientCertificateData":"x"}"#, ""),
        gives("certificate that is none", r#"{"clientCertificateData":"x","clientKeyData":"y"}"#, ""),
        script("certificate of a plugin", "c=$(awk '{printf \"%s\\\\n\", $0}' \"$HOME/client.crt\"); k=$(awk '{printf \"%s\\\\n\", $0}' \"$HOME/client.key\"); printf '%s' '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"clientCertificateData\":\"'\"$c\"'\",\"clientKeyData\":\"'\"$k\"'\"}}'", ""),
        script("certificate and token of a plugin", "c=$(awk '{printf \"%s\\\\n\", $0}' \"$HOME/client.crt\"); k=$(awk '{printf \"%s\\\\n\", $0}' \"$HOME/client.key\"); printf '%s' '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"both\",\"clientCertificateData\":\"'\"$c\"'\",\"clientKeyData\":\"'\"$k\"'\"}}'", ""),
        prints("YAML of a plugin", &format!("apiVersion: {EXEC}\nkind: ExecCredential\nstatus:\n  token: yaml")),
        prints("no version of a plugin", r#"{"kind":"ExecCredential","status":{"token":"t"}}"#),
        prints("no kind of a plugin", &format!(r#"{{"apiVersion":"{EXEC}","status":{{"token":"t"}}}}"#)),
        prints("another version of a plugin", r#"{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential","status":{"token":"t"}}"#),
        prints("another kind of a plugin", &format!(r#"{{"apiVersion":"{EXEC}","kind":"Pod","status":{{"token":"t"}}}}"#)),
        prints("more fields of a plugin", &format!(r#"{{"apiVersion":"{EXEC}","kind":"ExecCredential","x":1,"spec":{{"interactive":false}},"status":{{"token":"t","y":2}}}}"#)),
        prints("rubbish of a plugin", "hello"),
        prints("nothing at all", ""),
        script("a plugin that fails", "echo please log in >&2; exit 3", ""),
        script("a plugin that talks and works", &format!("echo hello >&2; echo '{{\"apiVersion\":\"{EXEC}\",\"kind\":\"ExecCredential\",\"status\":{token}}}'"), ""),
        user("missing plugin", &format!("exec: {{apiVersion: {EXEC}, command: no-such-plugin, interactiveMode: Never, installHint: get it}}")),
        gives("arguments and environment are null", token, ", args: null, env: null"),
        says("arguments", "\"$*\"", ", args: [a, 'b c', '']"),
        says("environment", "\"$ONE $TWO\"", ", env: [{name: ONE, value: '1 1'}, {name: TWO, value: ''}]"),
        says("environment twice", "\"$ONE\"", ", env: [{name: ONE, value: a}, {name: ONE, value: b}]"),
        says("environment without value", "\"$ONE\"", ", env: [{name: ONE}]"),
        says("environment without name", "\"$ONE\"", ", env: [{value: x}]"),
        says("environment is a map", "\"$ONE\"", ", env: {ONE: x}"),
        says("environment with more fields", "\"$ONE\"", ", env: [{name: ONE, value: x, more: y}]"),
        says("environment's value is a number", "\"$ONE\"", ", env: [{name: ONE, value: 5}]"),
        says("input", info, ""),
        says("input with the cluster", info, ", provideClusterInfo: true"),
        says("no cluster", info, ", provideClusterInfo: false"),
        says("provideClusterInfo is null", info, ", provideClusterInfo: null"),
        says("standard input is empty", "\"$(cat)\"", ""),
        shape(
            "input with all of the cluster",
            plain(
                "server: '{at-one}/x/', certificate-authority: '{home}/ca.crt', tls-server-name: localhost, disable-compression: true, extensions: [{name: client.authentication.k8s.io/exec, extension: {b: 1, a: [x, true]}}, {name: other, extension: {}}]",
                &format!("exec: {{apiVersion: {EXEC}, command: '{{home}}/login', interactiveMode: Never, provideClusterInfo: true}}"),
            ),
        )
        .file("login", &format!("#!/bin/sh\nSAYS={info}\n{echo}\n")),
        shape(
            "input with an insecure cluster",
            plain(
                "server: '{at-one}', insecure-skip-tls-verify: true",
                &format!("exec: {{apiVersion: {EXEC}, command: '{{home}}/login', interactiveMode: Never, provideClusterInfo: true}}"),
            ),
        )
        .file("login", &format!("#!/bin/sh\nSAYS={info}\n{echo}\n")),
        beta("beta", ""),
        beta("beta with a mode", ", interactiveMode: Never"),
        beta("beta with an unknown mode", ", interactiveMode: Sometimes"),
        beta("beta with a mode that needs a terminal", ", interactiveMode: Always"),
        bare("no mode", &format!("apiVersion: {EXEC}, {command}")),
        bare("mode IfAvailable", &format!("apiVersion: {EXEC}, {command}, interactiveMode: IfAvailable")),
        bare("mode Always", &format!("apiVersion: {EXEC}, {command}, interactiveMode: Always")),
        bare("mode is null", &format!("apiVersion: {EXEC}, {command}, interactiveMode: null")),
        bare("no version", &format!("{command}, interactiveMode: Never")),
        bare("alpha version", &format!("apiVersion: client.authentication.k8s.io/v1alpha1, {command}, interactiveMode: Never")),
        bare("unknown version", &format!("apiVersion: v1, {command}, interactiveMode: Never")),
        bare("no command", &format!("apiVersion: {EXEC}, interactiveMode: Never")),
        bare("empty command", &format!("apiVersion: {EXEC}, command: '', interactiveMode: Never")),
        bare("relative command", &format!("apiVersion: {EXEC}, command: ../login, interactiveMode: Never")),
        bare("command in the current folder", &format!("apiVersion: {EXEC}, command: login, interactiveMode: Never")),
        bare("empty plugin", ""),
        gives("plugin and token", token, "").flags("--token tok"),
        user("plugin and token in the file", &format!("token: tok, exec: {{apiVersion: {EXEC}, command: /no, interactiveMode: Never}}")),
        user("plugin and token file", &format!("tokenFile: '{{home}}/token', exec: {{apiVersion: {EXEC}, command: /no, interactiveMode: Never}}")),
        user("plugin and login", &format!("username: me, exec: {{apiVersion: {EXEC}, command: /no, interactiveMode: Never}}")),
        user("plugin and certificate", &format!("client-certificate-data: '{{cert}}', client-key-data: '{{key}}', exec: {{apiVersion: {EXEC}, command: /no, interactiveMode: Never}}")),
        user("plugin and token without a command", &format!("token: tok, exec: {{apiVersion: {EXEC}, interactiveMode: Never}}")),
        gives("plugin and impersonation", token, "}, as: bob, x: {"),
        user("plugin on PATH", &format!("exec: {{apiVersion: {EXEC}, command: login, interactiveMode: Never}}"))
            .env("PATH", "{home}/bin:/usr/bin:/bin")
            .file("bin/login", &format!("#!/bin/sh\necho '{{\"apiVersion\":\"{EXEC}\",\"kind\":\"ExecCredential\",\"status\":{token}}}'\n")),
        user("plugin that is a shell", &format!("exec: {{apiVersion: {EXEC}, command: sh, interactiveMode: Never, args: ['-c', 'echo \"{{\\\"apiVersion\\\":\\\"{EXEC}\\\",\\\"kind\\\":\\\"ExecCredential\\\",\\\"status\\\":{{\\\"token\\\":\\\"sh\\\"}}}}\"']}}")),
    ]
}

pub(super) fn flags() -> Vec<Shape> {
    let two = || {
        shape(
            "",
            "current-context: c\n\
             clusters:\n- name: k\n  cluster: {server: '{at-one}', certificate-authority-data: '{ca}', tls-server-name: localhost}\n- name: l\n  cluster: {server: '{at-two}', insecure-skip-tls-verify: true}\n\
             contexts:\n- name: c\n  context: {cluster: k, user: u, namespace: sea}\n- name: d\n  context: {cluster: l, user: v}\n\
             users:\n- name: u\n  user: {token: tok}\n- name: v\n  user: {username: vera, password: s3cret}\n- name: w\n  user: {client-certificate-data: '{cert}', client-key-data: '{key}'}\n- name: x\n  user: {tokenFile: ../token}\n"
                .to_owned(),
        )
    };
    let with = |name, flags: &str| Shape { name, ..two() }.flags(flags);
    vec![
        with("context", "--context d"),
        with("context with =", "--context=d"),
        with("context twice", "--context none --context d"),
        with("empty context", "--context="),
        with("empty context as a word", "--context").word(""),
        with("unknown context", "--context e"),
        with("cluster", "--cluster l"),
        with("empty cluster", "--cluster="),
        with("unknown cluster", "--cluster m"),
        with("cluster twice", "--cluster m --cluster l"),
        with("user", "--user w"),
        with("empty user", "--user="),
        with("unknown user", "--user z"),
        with("namespace", "--namespace sky"),
        with("short namespace", "-n sky"),
        with("short namespace with =", "-n=sky"),
        with("short namespace together", "-nsky"),
        with("namespace twice", "-n sea -n sky"),
        with("empty namespace", "--namespace="),
        with("server", "--server {at-two} --insecure-skip-tls-verify"),
        with("short server", "-s {plain}"),
        with("server of another name", "--server {at-two}"),
        with("empty server", "--server="),
        with("server twice", "-s {at-one} -s {plain}"),
        with("server and cluster", "--server {plain} --cluster none"),
        with("server and context", "--server {plain} --context d"),
        with("server without scheme", "--server localhost:{plainport}"),
        with("server and a server name", "--server {at-two} --tls-server-name api.inside"),
        with("server name", "--tls-server-name api.inside"),
        with("empty server name", "--tls-server-name="),
        with("insecure", "--insecure-skip-tls-verify"),
        with("insecure=true", "--insecure-skip-tls-verify=true"),
        with("insecure=1", "--insecure-skip-tls-verify=1"),
        with("insecure=T", "--insecure-skip-tls-verify=T"),
        with("insecure=false", "--insecure-skip-tls-verify=false"),
        with("insecure=false of an insecure cluster", "--context d --insecure-skip-tls-verify=false"),
        with("insecure=yes", "--insecure-skip-tls-verify=yes"),
        with("insecure twice", "--insecure-skip-tls-verify --insecure-skip-tls-verify"),
        with("insecure and authority", "--insecure-skip-tls-verify --certificate-authority {home}/ca.crt"),
        with("insecure=false and authority", "--insecure-skip-tls-verify=false --certificate-authority {home}/ca.crt"),
        with("authority", "--certificate-authority {home}/foreign.crt"),
        with("authority of an insecure cluster", "--context d --certificate-authority {home}/foreign.crt"),
        with("relative authority", "--certificate-authority ca.crt"),
        with("missing authority", "--certificate-authority /no/ca"),
        with("empty authority", "--certificate-authority="),
        with("token", "--token other"),
        with("empty token", "--token="),
        with("token that begins with a dash", "--token -x"),
        with("token of a user with a login", "--user v --token other"),
        with("token of a user with a file", "--user x --token other"),
        with("token of a user with a certificate", "--user w --token other"),
        with("token twice", "--token one --token other"),
        with("token with a newline", "--token").word("tok\n").differs(Differs::Connects),
        with("token with a control character", "--token").word("to\u{1}k"),
        with("login", "--user w --username me --password s3cret").differs(Differs::Refuses),
        with("login of a user with a token", "--username me --password s3cret"),
        with("login of a user with a login", "--user v --username me").differs(Differs::Refuses),
        with("login of nobody", "--user= --username me --password s3cret"),
        with("empty login", "--username= --password=").differs(Differs::Refuses),
        with("certificate", "--client-certificate {home}/client.crt --client-key {home}/client.key"),
        with(
            "certificate of a user with one",
            "--user w --client-certificate {home}/client.crt --client-key {home}/client.key",
        )
        .differs(Differs::ConnectsBefore(35)),
        with("certificate without key", "--client-certificate {home}/client.crt"),
        with("key without certificate", "--client-key {home}/client.key"),
        with("empty certificate", "--client-certificate= --client-key="),
        with("relative certificate", "--client-certificate sub/client.crt --client-key sub/client.key"),
        with("impersonation", "--as bob"),
        with("impersonation twice", "--as al --as bob"),
        with("empty impersonation", "--as="),
        with("groups", "--as bob --as-group a --as-group b,c"),
        with("groups without user", "--as-group a"),
        with("UID", "--as bob --as-uid 7"),
        with("UID without user", "--as-uid 7"),
        with("empty group", "--as bob --as-group="),
        with("impersonation of a service account", "--as system:serviceaccount:a:b"),
        with("kubeconfig", "--kubeconfig {home}/.kube/config"),
        with("empty kubeconfig", "--kubeconfig="),
        with("missing kubeconfig", "--kubeconfig /no/config"),
        with("kubeconfig twice", "--kubeconfig /no/config --kubeconfig .kube/config"),
        with("empty kubeconfig's file", "--kubeconfig {home}/empty"),
        with("kubeconfig before the environment", "--kubeconfig .kube/config").env("KUBECONFIG", "/no"),
        with("empty kubeconfig and the environment", "--kubeconfig=").env("KUBECONFIG", "{home}/.kube/config"),
        with("cache", "--cache-dir {home}/cache"),
        with("disable-compression", "--disable-compression"),
        with("disable-compression=false", "--disable-compression=false"),
        with("warnings-as-errors", "--warnings-as-errors"),
        with("warnings-as-errors=false", "--warnings-as-errors=false"),
        with("match-server-version=false", "--match-server-version=false"),
        with("profile", "--profile none --profile-output x"),
        with("unknown profile", "--profile colour"),
        with("log-flush-frequency", "--log-flush-frequency 5s"),
        with("log-flush-frequency is no time", "--log-flush-frequency soon"),
        with("vmodule", "--vmodule x=5"),
        with("verbosity", "--v=2"),
        with("request timeout 0", "--request-timeout 0"),
        with("request timeout without unit", "--request-timeout 20"),
        with("empty request timeout", "--request-timeout="),
        with("request timeout is no time", "--request-timeout soon"),
        with("unknown flag", "--no-such-flag"),
        Shape { name: "no file, only a server", ..Shape::default() }.flags("--server {plain}"),
        Shape { name: "no file, a server and a token", ..Shape::default() }
            .flags("--server {at-one} --certificate-authority ca.crt --token tok"),
        Shape { name: "no file, a server and nothing else", ..Shape::default() }
            .flags("--server {at-one} --insecure-skip-tls-verify"),
        Shape { name: "no file, an insecure server and a token", ..Shape::default() }
            .flags("--server {at-one} --insecure-skip-tls-verify --token tok"),
        Shape { name: "no file, a context", ..Shape::default() }.flags("--server {plain} --context c"),
        Shape { name: "no file, a user", ..Shape::default() }.flags("--server {plain} --user u"),
        flagged(
            "extra of impersonation",
            "--as bob --as-user-extra a=1 --as-user-extra a=2 --as-user-extra b/c=3 --as-user-extra none",
        )
        .differs(Differs::ConnectsBefore(35)),
        flagged("extra without user", "--as-user-extra a=1"),
        flagged("proxy", "--proxy-url http://{httpproxy}").differs(Differs::ConnectsBefore(37)),
    ]
}

pub(super) fn proxies() -> Vec<Shape> {
    let through = |name, proxy: &str| cluster(name, &format!("{ONE}, proxy-url: '{proxy}'"));
    let plain_through = |name, proxy: &str| cluster(name, &format!("server: '{{plain}}', proxy-url: '{proxy}'"));
    let inside = |name| cluster(name, "server: 'https://api.inside:{port-one}', certificate-authority-data: '{ca}'");
    vec![
        through("http proxy", "http://{httpproxy}"),
        through("http proxy with a slash", "http://{httpproxy}/"),
        through("http proxy with a login", "http://me:s3cret@{httpproxy}"),
        through("http proxy with a user only", "http://me@{httpproxy}"),
        through("http proxy with an empty password", "http://me:@{httpproxy}"),
        through("http proxy with an escaped login", "http://m%40e:s3cret%3A%2F@{httpproxy}"),
        through("https proxy", "https://{httpsproxy}"),
        through("https proxy with a login", "https://me:s3cret@{httpsproxy}"),
        through("https proxy of a foreign authority", "https://{httpsforeign}"),
        through("https proxy of another name", "https://{httpswrong}"),
        plain_through("https proxy for http", "https://{httpsproxy}"),
        cluster(
            "https proxy and no verification",
            "server: '{at-one}', insecure-skip-tls-verify: true, proxy-url: 'https://{httpsforeign}'",
        ),
        cluster(
            "https proxy and server name",
            &format!("{ONE}, tls-server-name: localhost, proxy-url: 'https://{{httpsproxy}}'"),
        ),
        shape(
            "https proxy and client certificate",
            plain(
                &format!("{ONE}, proxy-url: 'https://{{httpsproxy}}'"),
                "client-certificate-data: '{cert}', client-key-data: '{key}'",
            ),
        ),
        inside("HTTPS_PROXY is https").env("HTTPS_PROXY", "https://{httpsproxy}"),
        through("socks proxy", "socks5://{socks}"),
        through("socks proxy with a login", "socks5://me:s3cret@{sockslogin}"),
        through("socks proxy with an escaped login", "socks5://m%40e:s3cret%21@{sockslogin}"),
        through("socks proxy with a login that it does not want", "socks5://me:s3cret@{socks}"),
        through("socks proxy without the login that it wants", "socks5://{sockslogin}"),
        through("socks5h proxy", "socks5h://{socks}"),
        through("capital scheme", "HTTP://{httpproxy}"),
        through("empty proxy", ""),
        through("proxy without scheme", "{httpproxy}"),
        through("ftp proxy", "ftp://{httpproxy}"),
        through("proxy without host", "http://"),
        through("dead proxy", "http://127.0.0.1:{closed}"),
        through("dead proxy with a login", "http://me:hunter2@127.0.0.1:{closed}"),
        through("dead socks proxy", "socks5://me:hunter2@127.0.0.1:{closed}"),
        plain_through("http proxy for http", "http://{httpproxy}"),
        plain_through("http proxy for http with a login", "http://me:s3cret@{httpproxy}"),
        plain_through("socks proxy for http", "socks5://{socks}"),
        inside("HTTPS_PROXY").env("HTTPS_PROXY", "http://{httpproxy}"),
        inside("https_proxy").env("https_proxy", "http://{httpproxy}"),
        inside("HTTPS_PROXY without scheme").env("HTTPS_PROXY", "{httpproxy}"),
        inside("HTTPS_PROXY with a login").env("HTTPS_PROXY", "http://me:s3cret@{httpproxy}"),
        inside("HTTPS_PROXY and NO_PROXY").env("HTTPS_PROXY", "http://{httpproxy}").env("NO_PROXY", ".inside"),
        inside("HTTPS_PROXY is socks").env("HTTPS_PROXY", "socks5://{socks}"),
        inside("HTTPS_PROXY is socks with a login").env("HTTPS_PROXY", "socks5://me:s3cret@{sockslogin}"),
        inside("HTTPS_PROXY is socks5h").env("HTTPS_PROXY", "socks5h://{socks}"),
        inside("HTTP_PROXY for https").env("HTTP_PROXY", "http://{httpproxy}"),
        inside("ALL_PROXY").env("ALL_PROXY", "http://{httpproxy}"),
        inside("empty HTTPS_PROXY").env("HTTPS_PROXY", "").env("https_proxy", "http://{httpproxy}"),
        cluster("HTTP_PROXY for http", "server: 'http://api.inside:{plainport}'")
            .env("HTTP_PROXY", "http://{httpproxy}"),
        cluster("HTTP_PROXY for http with a login", "server: 'http://api.inside:{plainport}'")
            .env("HTTP_PROXY", "http://me:s3cret@{httpproxy}"),
        flagged("loopback is not proxied", "").env("HTTPS_PROXY", "http://127.0.0.1:{closed}"),
        through("the kubeconfig's before the environment's", "http://{httpproxy}")
            .env("HTTPS_PROXY", "http://127.0.0.1:{closed}"),
        cluster(
            "proxy and server name",
            "server: 'https://api.inside:{port-one}', certificate-authority-data: '{ca}', tls-server-name: localhost, proxy-url: 'http://{httpproxy}'",
        ),
    ]
}
