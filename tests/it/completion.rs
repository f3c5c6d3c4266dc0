//! Shell completion in real shells, by the program itself and through kubectl, on a practice cluster; messages without
//! a cluster; and `completion install`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::machine::{COMPLETES_PLUGINS, kubectl_version, needs, notice};
use crate::support::practice::{ACCOUNT, Practice};
use crate::support::process::{Machine, PLUGIN, Ran, run};
use crate::support::terminal::Terminal;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const FILE: &str = "kubectl_complete-synxdb";
const META: &str = "synxdb-system/cloudberry-proxy-0";

/// A user with the plugin on PATH, and a cluster.
struct User {
    machine: Machine,
    kubeconfig: PathBuf,
}

impl User {
    fn of(kubeconfig: &Path) -> Self {
        let user = Self { machine: Machine::new(), kubeconfig: kubeconfig.to_owned() };
        std::fs::create_dir(user.bin()).unwrap();
        symlink(PLUGIN, user.bin().join("kubectl-synxdb")).unwrap();
        user
    }

    fn bin(&self) -> PathBuf {
        self.machine.home().join("bin")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.machine.command(program);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(self.bin()).chain(std::env::split_paths(&path))).unwrap();
        // Response times are measured elsewhere; this machine may be busy.
        command.env("PATH", path).env("KUBECONFIG", &self.kubeconfig);
        command.env("KUBECTL_SYNXDB_COMPLETION_TIMEOUT", "30s");
        command
    }

    /// Returns the answer for these words, separated by blanks, with the cursor on the last one.
    fn asks(&self, words: &str) -> Ran {
        let mut command = self.command(PLUGIN);
        command.arg("__complete").args(words.split(' '));
        run(command)
    }

    /// Returns the offered values, with the long namespace as `NS`.
    fn offered(&self, words: &str) -> Vec<String> {
        let ended = self.asks(words);
        assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{words:?}");
        let value = |line: &str| line.split('\t').next().unwrap().replace(ACCOUNT, "NS");
        ended.out.lines().filter(|line| !line.starts_with(':')).map(value).collect()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.machine.home().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn completions() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").display().to_string()
}

/// A shell with a prompt to type at.
struct Prompt {
    terminal: Terminal,
}

const READY: &str = "ready>";

impl Prompt {
    /// Starts bash, zsh or fish, with the user's own completion of kubectl and the program's.
    fn of(user: &User, shell: &str) -> Self {
        needs(shell);
        let scripts = completions();
        let mut command = user.command(shell);
        command.current_dir(user.machine.home());
        match shell {
            "bash" => {
                let library = needs("/usr/share/bash-completion/bash_completion");
                let rc = format!(
                    "PS1='{READY} '\nbind 'set show-all-if-ambiguous on'\nbind 'set bell-style none'\n\
                     source {}\nsource <(kubectl completion bash)\nsource {scripts}/kubectl-synxdb.bash\n",
                    library.display()
                );
                command.arg("--noprofile").arg("--rcfile").arg(user.write("rc", &rc)).arg("-i");
            }
            "zsh" => {
                let rc = format!(
                    "PS1='{READY} '\nunsetopt beep prompt_sp list_ambiguous\nfpath=({scripts} $fpath)\nautoload -Uz compinit\ncompinit -u\n\
                     source <(kubectl completion zsh)\n"
                );
                user.write(".zshrc", &rc);
                command.args(["-d", "-i"]).env("ZDOTDIR", user.machine.home());
            }
            _ => {
                let rc = format!(
                    "set -g fish_greeting\nfunction fish_prompt; echo -n '{READY} '; end\nset -g fish_autosuggestion_enabled 0\n\
                     kubectl completion fish | source\nsource {scripts}/kubectl-synxdb.fish\n"
                );
                user.write(".config/fish/config.fish", &rc);
                // If this folder is missing, fish reads every man page of the machine, and continues after its own
                // exit.
                let made = user.machine.home().join(".local/share/fish/generated_completions");
                std::fs::create_dir_all(made).unwrap();
                command.arg("-i");
            }
        }
        let mut terminal = Terminal::start_sized(command, 60, 120);
        terminal.screen_that("prompt", |screen| screen.contains(READY));
        Self { terminal }
    }

    /// Types these words and TAB, and expects all of this on the screen, which was empty before. The long namespace is
    /// `NS`.
    fn completes(&mut self, typed: &str, expected: &[&str]) {
        self.terminal.send(EMPTY);
        self.terminal.screen_that("empty line", |screen| screen.trim() == READY);
        self.terminal.send(typed);
        self.terminal.send("\t");
        let shown = |screen: &str| {
            let screen = screen.replace(ACCOUNT, "NS");
            expected.iter().all(|text| screen.contains(text))
        };
        self.terminal.screen_that(&format!("{expected:?} after {typed:?} and TAB"), shown);
    }
}

/// Moves to the end of the line, deletes it, and clears the screen (Ctrl-E, Ctrl-U, Ctrl-L).
const EMPTY: &str = "\x05\x15\x0c";

/// What TAB does after some words, in every shell.
struct Tab {
    typed: &'static str,
    /// The line afterwards, as far as all candidates agree; $ is the name of the program. None: nothing is added.
    line: Option<&'static str>,
    /// What else is on the screen: the candidates, and their descriptions.
    shown: &'static [&'static str],
}

const fn tab(typed: &'static str, line: &'static str, shown: &'static [&'static str]) -> Tab {
    Tab { typed, line: Some(line), shown }
}

const TABS: [Tab; 11] = [
    tab("fail", "$ failover ", &[]),
    tab("failover wh", "$ failover wh9527-", &["wh9527-0", "wh9527-1", "warehouse node, Ready"]),
    tab("failover wh9527-0", "$ failover wh9527-0 ", &[]),
    tab("failover synxdb-system/cl", "$ failover synxdb-system/cloudberry-proxy-0 ", &[]),
    tab("status -n cl", "$ status -n NS ", &[]),
    tab("status --namespace=cl", "$ status --namespace=NS ", &[]),
    Tab { typed: "status -o ", line: None, shown: &["wide", "json", "yaml"] },
    tab("verify --output=y", "$ verify --output=yaml ", &[]),
    tab("failover --keep", "$ failover --keep-pvc ", &[]),
    // Both pods of an ambiguous name, with what distinguishes them.
    Tab {
        typed: "failover ",
        line: None,
        shown: &[META, "cloud007/cloudberry-proxy-0", "pageserver-0", "warehouse proxy, Ready"],
    },
    // The shell completes files itself: this one is in the home folder.
    tab("--kubeconfig clus", "$ --kubeconfig clusters-of-mine/", &[]),
];

/// Returns a user who has installed the completion, and has some files.
fn installed() -> (std::sync::Arc<Practice>, User) {
    let practice = Practice::shared();
    let user = User::of(practice.kubeconfig());
    user.write("clusters-of-mine/practice", "");
    let installed = run({
        let mut command = user.command(PLUGIN);
        command.args(["completion", "install", "--yes"]);
        command
    });
    assert_eq!(installed.code, Some(0), "{}{}", installed.out, installed.err);
    (practice, user)
}

/// Checks what TAB does in one shell, with the program called like this.
fn in_a_shell(shell: &str, called: &str) {
    needs(shell);
    needs("kubectl");
    let (_practice, user) = installed();
    let mut prompt = Prompt::of(&user, shell);
    for Tab { typed, line, shown } in &TABS {
        let line = line.map(|line| line.trim_end().replace('$', &format!("{READY} {called}")));
        let expected: Vec<&str> = line.as_deref().into_iter().chain(shown.iter().copied()).collect();
        prompt.completes(&format!("{called} {typed}"), &expected);
    }
}

/// Checks the same in a shell that asks kubectl. A kubectl that is too old to complete plugins never asks: then the
/// answer to a newer one's request is checked, without the shell.
fn through_kubectl(shell: &str) {
    needs(shell);
    let version @ (major, minor) = kubectl_version();
    if version >= COMPLETES_PLUGINS {
        return in_a_shell(shell, "kubectl synxdb");
    }
    let (first, second) = COMPLETES_PLUGINS;
    notice(&format!(
        "{shell}_completes_through_kubectl: kubectl {major}.{minor} completes no plugins ({first}.{second} does); \
         checked is what kubectl_complete-synxdb answers, not {shell}"
    ));
    let (_practice, user) = installed();
    for tab in &TABS {
        answers_kubectl(&user, tab);
    }
}

/// Answers as kubectl's completion asks a plugin: it runs `kubectl_complete-PLUGIN` from PATH with the words after the
/// plugin's name; the last one is under the cursor, and may be empty. Each line of the answer is a candidate and, after
/// a tab, its description. The last line is `:` and a number, the sum of cobra's directives.
fn answers_kubectl(user: &User, Tab { typed, line, shown }: &Tab) {
    const NO_SPACE: u32 = 2;
    const NO_FILES: u32 = 4;
    let words: Vec<&str> = typed.split(' ').collect();
    let mut command = user.command(FILE);
    command.args(&words);
    let ended = run(command);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{typed:?}");
    let answer = ended.out.replace(ACCOUNT, "NS");
    let (candidates, directive) = answer.trim_end().rsplit_once('\n').unwrap_or(("", answer.trim_end()));
    let directive: u32 = directive.strip_prefix(':').and_then(|number| number.parse().ok()).unwrap_or_else(|| {
        panic!("the answer to {typed:?} does not end with a directive:\n{answer}");
    });
    let values: Vec<&str> = candidates.lines().map(|line| line.split('\t').next().unwrap()).collect();
    if line.is_some_and(|line| line.ends_with('/')) {
        // The shell's own files: nothing is offered, and files are not excluded.
        assert_eq!((values.len(), directive & NO_FILES), (0, 0), "{typed:?}: {answer}");
        return;
    }
    assert_eq!(directive & NO_FILES, NO_FILES, "{typed:?}: {answer}");
    for text in *shown {
        assert!(candidates.contains(text), "no {text:?} in the answer to {typed:?}:\n{answer}");
    }
    let Some(line) = line else {
        assert!(values.len() > 1, "{typed:?}: {answer}");
        return;
    };
    // The last word of the expected line, or the value of `--flag=value`: all candidates begin with it. If a blank
    // follows, it is the only one.
    let last = line.trim_end().rsplit([' ', '=']).next().unwrap();
    assert!(!values.is_empty() && values.iter().all(|value| value.starts_with(last)), "{typed:?}: {answer}");
    if line.ends_with(' ') {
        assert_eq!((&values[..], directive & NO_SPACE), (&[last][..], 0), "{typed:?}: {answer}");
    } else {
        assert!(values.len() > 1, "{typed:?}: {answer}");
    }
}

#[test]
fn bash_completes_the_program() {
    in_a_shell("bash", "kubectl-synxdb");
}

#[test]
fn bash_completes_through_kubectl() {
    needs("/usr/share/bash-completion/bash_completion");
    through_kubectl("bash");
}

#[test]
fn zsh_completes_the_program() {
    in_a_shell("zsh", "kubectl-synxdb");
}

#[test]
fn zsh_completes_through_kubectl() {
    through_kubectl("zsh");
}

#[test]
fn fish_completes_the_program() {
    in_a_shell("fish", "kubectl-synxdb");
}

#[test]
fn fish_completes_through_kubectl() {
    through_kubectl("fish");
}

/// The same answers by the same table, whatever kubectl this machine has.
#[test]
fn kubectl_gets_the_answers_that_it_asks_for() {
    let (_practice, user) = installed();
    for tab in &TABS {
        answers_kubectl(&user, tab);
    }
}

#[test]
fn the_words_typed_so_far_select_the_cluster_and_the_query() {
    let practice = Practice::shared();
    let elsewhere = User::of(Path::new("/nowhere"));
    let kubeconfig = practice.kubeconfig().display();
    let home = elsewhere.machine.home().join(".kube");
    std::fs::create_dir(&home).unwrap();
    symlink(practice.kubeconfig(), home.join("practice")).unwrap();
    for words in
        [format!("--kubeconfig {kubeconfig} failover pag"), "failover --kubeconfig ~/.kube/practice pag".into()]
    {
        assert_eq!(elsewhere.offered(&words), ["pageserver-0"], "{words}");
    }
    assert_eq!(elsewhere.offered("failover pag"), [] as [&str; 0]);

    let user = User::of(practice.kubeconfig());
    for (words, expected) in [
        ("failover -n cloud007 ", &["cloudberry-proxy-0", "wh9527-0", "wh9527-1"][..]),
        ("-n synxdb-system failover cl", &["cloudberry-proxy-0"]),
        ("failover cloud007/w", &["cloud007/wh9527-0", "cloud007/wh9527-1"]),
        ("failover pod/pa", &["pod/pageserver-0"]),
        ("status wh9527-0 wh", &["wh9527-1", "wh9527"]),
        ("forward me", &["meta"]),
        ("failover wh9527-0 --probe ", &[META, "NS/cloudberry-proxy-0"]),
        ("status -n ", &["synxdb-system", "NS", "default", "kube-node-lease", "kube-public", "kube-system"]),
        // These need no cluster.
        ("status --context ", &[practice_cluster::CONTEXT]),
        ("--sandbox --scenario st", &["stuck-claim"]),
        ("--sandbox failover -n synxdb p", &["pageserver-0"]),
    ] {
        assert_eq!(user.offered(words), expected, "{words}");
    }
    let other_context = user.asks("failover --context other wh");
    assert_eq!((&*other_context.out, &*other_context.err), (":36\n", ""));
    // A layout that knows no warehouse.
    let layout =
        user.write("layout.yaml", "systemNamespace: synxdb-system\naccountNamespaces: []\nsystem: []\naccount: []\n");
    assert_eq!(user.offered(&format!("failover --layout {} ", layout.display())), [] as [&str; 0]);
}

#[test]
fn a_practice_cluster_is_not_started_to_complete_a_word() {
    let user = User::of(Path::new("/nowhere"));
    assert_eq!(user.offered("--sandbox failover wh"), ["wh9527-0", "wh9527-1"]);
    assert_eq!(user.offered("--sandbox status -n c"), ["NS"]);
    assert_eq!(user.asks("--sandbox failover pag").out, "pageserver-0\tpageserver\n:36\n");
    assert_eq!(user.offered("--sandbox --scenario none failover "), [] as [&str; 0]);
}

/// TAB is not consent: a server is asked for its databases, but if it requires a password, it gets none, and no Secret
/// is read.
#[test]
fn databases_are_completed_without_a_password() {
    let practice = Practice::start("healthy");
    let user = User::of(practice.kubeconfig());
    let offered = |words: &str| {
        let mut command = user.command(PLUGIN);
        command.arg("__complete").args(words.split(' '));
        command.env("PGPASSFILE", practice.passfile()).env("PGPASSWORD", practice.password());
        let ended = run(command);
        assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{words:?}");
        ended.out
    };
    for words in ["verify -d ", "verify --password-secret x/y -d ", "verify synxdb-system/cloudberry-proxy-0 -d cl"] {
        let before = practice.asked().len();
        assert_eq!(offered(words), ":36\n", "{words}");
        let asked = practice.asked().split_off(before);
        assert!(asked.iter().any(|path| path.contains("/portforward")), "{words}: {asked:?}");
        assert!(!asked.iter().any(|path| path.contains("/secrets")), "{words}: {asked:?}");
    }
    // This very password is accepted.
    let mut verify = user.command(PLUGIN);
    verify.args(["verify", "--read-only"]).env("PGPASSWORD", practice.password());
    let verify = run(verify);
    assert_eq!(verify.code, Some(0), "{}{}", verify.out, verify.err);
}

#[test]
fn past_failovers_are_offered_for_undo() {
    let practice = Practice::start("healthy");
    let user = User::of(practice.kubeconfig());
    assert_eq!(user.offered("undo "), [] as [&str; 0]);
    let mut failover = user.command(PLUGIN);
    failover.args(["failover", "wh9527-0", "--yes", "--no-probe"]).env("PGPASSFILE", practice.passfile());
    let failover = run(failover);
    assert_eq!(failover.code, Some(0), "{}{}", failover.out, failover.err);
    let answer = user.asks("undo ").out;
    let lines: Vec<&str> = answer.lines().collect();
    let (id, about) = lines[0].split_once('\t').unwrap();
    let mut history = user.command(PLUGIN);
    history.args(["history", "-o", "name"]);
    assert_eq!(run(history).out, format!("failover/{id}\n"));
    assert!(about.starts_with("failover of cloud007-513d75…/wh9527-0, "), "{about}");
    assert!(about.ends_with("s ago, recovered"), "{about}");
    assert!(lines[1].starts_with("wh9527-0\tlast: failover of "), "{answer}");
    assert_eq!(user.offered("release "), [id]);
}

/// Returns a kubeconfig with this server address and user.
fn kubeconfig(server: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: '{server}', insecure-skip-tls-verify: true}}}}]\n\
         users: [{{name: u, user: {user}}}]\n"
    )
}

#[test]
fn without_a_cluster_nothing_is_offered_or_printed() {
    // The system accepts its connections because it listens, but it never answers.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let user = User::of(Path::new("/nowhere"));
    let token = "{token: x}";
    let hangs =
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: sleep, args: ['600'], interactiveMode: Never}}";
    for (what, kubeconfig) in [
        ("no kubeconfig", None),
        ("a closed port", Some(kubeconfig(&format!("https://{closed}"), token))),
        ("a server that never answers", Some(kubeconfig(&format!("https://{}", mute.local_addr().unwrap()), token))),
        ("an address that leads nowhere", Some(kubeconfig("https://192.0.2.1:6443", token))),
        ("a credential plugin that hangs", Some(kubeconfig("https://127.0.0.1:1", hangs))),
        ("what is no kubeconfig", Some("{".to_owned())),
    ] {
        let path = kubeconfig.map(|text| user.write("kubeconfig", &text));
        for words in ["failover ", "status -n ", "undo ", "verify -d ", "release "] {
            let mut command = user.command(PLUGIN);
            command.env("KUBECONFIG", path.as_deref().unwrap_or(Path::new("/nowhere")));
            command.env_remove("KUBECTL_SYNXDB_COMPLETION_TIMEOUT").arg("__complete").args(words.split(' '));
            let ended = run(command);
            assert_eq!((ended.code, &*ended.out, &*ended.err), (Some(0), ":36\n", ""), "{what}: {words}");
        }
    }
}

/// A credential plugin prompts on the terminal itself, whatever its standard input is, so it must find no terminal.
#[test]
fn a_credential_plugin_cannot_prompt() {
    let user = User::of(Path::new("/nowhere"));
    let asks = user.write("asks", "#!/bin/sh\necho ran >>\"$HOME/ran\"\necho please log in >&2\n{ echo Password: >/dev/tty && echo asked >>\"$HOME/ran\"; } 2>/dev/null\n");
    std::fs::set_permissions(&asks, std::fs::Permissions::from_mode(0o755)).unwrap();
    let exec = format!(
        "{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: {}, interactiveMode: Never}}}}",
        asks.display()
    );
    let path = user.write("kubeconfig", &kubeconfig("https://127.0.0.1:1", &exec));
    let mut shell = user.command("sh");
    shell.args(["-c", &format!("'{PLUGIN}' __complete failover ''; echo ended")]).env("KUBECONFIG", path);
    let left = Terminal::start(shell).end();
    assert_eq!(left.text.trim(), ":36\nended");
    assert_eq!(std::fs::read_to_string(user.machine.home().join("ran")).unwrap(), "ran\n");
}

/// A machine with folders on PATH, and the plugin in one of them.
struct Folders {
    machine: Machine,
    path: Vec<PathBuf>,
}

impl Folders {
    fn with_plugin_in(plugin: &str) -> Self {
        let machine = Machine::new();
        let path: Vec<PathBuf> = ["first", "second"].iter().map(|name| machine.home().join(name)).collect();
        for folder in &path {
            std::fs::create_dir(folder).unwrap();
        }
        let folders = Self { machine, path };
        // As krew installs it: the binary in its store, and a link to it on PATH.
        symlink(PLUGIN, folders.machine.home().join(plugin).join("kubectl-synxdb")).unwrap();
        folders
    }

    fn command(&self, words: &str) -> Command {
        let mut command = self.machine.plugin(words);
        command.env("PATH", std::env::join_paths(&self.path).unwrap()).env("SHELL", "/bin/zsh");
        command
    }

    fn runs(&self, words: &str) -> Ran {
        run(self.command(words))
    }

    fn file(&self, folder: &str) -> PathBuf {
        self.machine.home().join(folder).join(FILE)
    }
}

#[test]
fn it_is_installed_next_to_the_plugin_and_removed_again() {
    let folders = Folders::with_plugin_in("second");
    let file = folders.file("second");
    let told = format!("Will write {}:", file.display());

    // No terminal for the prompt.
    let refused = folders.runs("completion install");
    assert_eq!((refused.code, file.exists()), (Some(4), false), "{}", refused.err);
    assert!(refused.err.contains("--yes"), "{}", refused.err);
    // Declined.
    let mut terminal = Terminal::start(folders.command("completion install"));
    terminal.expect("exec kubectl-synxdb __complete \"$@\"");
    terminal.expect("Continue? [y/N]");
    terminal.send("n\r");
    let left = terminal.end();
    assert_eq!((left.code, file.exists()), (5, false), "{}", left.text);
    assert!(left.text.contains("nothing was changed") && left.text.replace('\n', "").contains(&told), "{}", left.text);
    // Accepted.
    let mut terminal = Terminal::start(folders.command("completion install"));
    terminal.expect("Continue? [y/N]");
    terminal.send("y\r");
    let left = terminal.end();
    assert_eq!(left.code, 0, "{}", left.text);
    assert!(left.text.contains("source <(kubectl completion zsh)"), "{}", left.text);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), kubectl_synxdb::completion::scripts::THROUGH_KUBECTL);
    // It runs the plugin that is on PATH.
    let mut asks = folders.machine.command(file.to_str().unwrap());
    let shells: Vec<PathBuf> = folders.path.iter().cloned().chain(["/bin".into(), "/usr/bin".into()]).collect();
    asks.env("PATH", std::env::join_paths(shells).unwrap()).args(["fail"]);
    assert!(run(asks).out.starts_with("failover\t"));

    // Repeating it changes nothing; a file from another version is renewed.
    let again = folders.runs("completion install");
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert!(again.out.contains("Already installed"), "{}", again.out);
    let old = "#!/bin/sh\n# Of old (made by: kubectl synxdb completion install)\n";
    std::fs::write(&file, old).unwrap();
    let renewed = folders.runs("completion install --yes");
    assert_eq!(renewed.code, Some(0), "{}", renewed.err);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), kubectl_synxdb::completion::scripts::THROUGH_KUBECTL);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o755);
    let files = std::fs::read_dir(file.parent().unwrap()).unwrap();
    assert_eq!(files.count(), 2, "the plugin and the file");

    let refused = folders.runs("completion uninstall");
    assert_eq!((refused.code, file.exists()), (Some(4), true), "{}", refused.err);
    let removed = folders.runs("completion uninstall --yes");
    assert_eq!((removed.code, file.exists()), (Some(0), false), "{}", removed.err);
    assert_eq!(folders.runs("completion uninstall").code, Some(0));
}

#[test]
fn foreign_files_stay() {
    let folders = Folders::with_plugin_in("first");
    let file = folders.file("first");
    let target = folders.machine.home().join("target");
    let put: [(&str, &dyn Fn()); 4] = [
        ("a file", &|| std::fs::write(&file, "#!/bin/sh\nexec something else\n").unwrap()),
        ("a folder", &|| std::fs::create_dir(&file).unwrap()),
        ("a link that leads nowhere", &|| symlink("/nowhere", &file).unwrap()),
        ("a link", &|| {
            std::fs::write(&target, "#!/bin/sh\n# (made by: kubectl synxdb completion install)\n").unwrap();
            symlink(&target, &file).unwrap();
        }),
    ];
    let is = || {
        let there = std::fs::symlink_metadata(&file).unwrap();
        (there.file_type(), there.len(), there.modified().unwrap())
    };
    for (what, put) in put {
        put();
        let before = is();
        for words in ["completion install --yes", "completion uninstall --yes"] {
            let refused = folders.runs(words);
            assert_eq!(refused.code, Some(4), "{what}: {words}: {}{}", refused.out, refused.err);
            assert!(refused.err.contains("nothing was changed"), "{what}: {}", refused.err);
            assert_eq!(is(), before, "{what}: {words}");
        }
        if before.0.is_dir() { std::fs::remove_dir(&file).unwrap() } else { std::fs::remove_file(&file).unwrap() }
    }
}

#[test]
fn without_the_plugin_on_path_nothing_is_installed() {
    let mut folders = Folders::with_plugin_in("first");
    folders.path.remove(0);
    let refused = folders.runs("completion install --yes");
    assert_eq!(refused.code, Some(4), "{}", refused.err);
    assert!(refused.err.contains("kubectl-synxdb is not on PATH"), "{}", refused.err);
    assert_eq!(std::fs::read_dir(&folders.path[0]).unwrap().count(), 0);
}
