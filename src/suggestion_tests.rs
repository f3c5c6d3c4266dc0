use super::*;
use std::process::Command;

/// Names that mean something to a shell.
const WORDS: [&str; 22] = [
    "",
    "plain-0",
    "a b",
    "$(touch x)",
    "`x`",
    "; touch x",
    "ctx;touch x",
    "$(id)",
    "it's",
    "-n",
    "~",
    "*",
    "a\nb",
    "\"",
    "\\",
    "=ls",
    "#",
    "!x",
    "a\tb",
    "\u{202e}txt",
    "\u{1b}[31m",
    "é",
];

/// A shell reads a quoted word as the word: each of those that are installed.
#[test]
fn a_shell_reads_the_word_again() {
    let mut shells = 0;
    for shell in ["bash", "zsh"] {
        for word in WORDS {
            let line = format!("printf %s {}", quoted(word));
            let Ok(output) = Command::new(shell).env("LC_ALL", "C.UTF-8").args(["-c", &line]).output() else { break };
            assert_eq!(String::from_utf8_lossy(&output.stdout), word, "{shell}: {line}");
            shells += 1;
        }
    }
    assert!(shells >= WORDS.len(), "no shell was found");
    assert_eq!(quoted("synxdb-system/safekeeper-0"), "synxdb-system/safekeeper-0");
}

/// What was quoted shows nothing that a terminal would hide: it is printed as it is.
#[test]
fn a_quoted_word_is_printed_as_it_is() {
    for word in WORDS {
        assert!(!quoted(word).contains(is_hidden), "{word:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_path_that_is_no_text_is_not_left_out() {
    use std::os::unix::ffi::OsStrExt;
    let path = OsStr::from_bytes(b"/tmp/k\xff'x");
    let output = Command::new("bash").args(["-c", &format!("printf %s {}", quoted_os(path))]).output().unwrap();
    assert_eq!(output.stdout, path.as_encoded_bytes());
}

fn given() -> GivenFlags {
    let mut given = GivenFlags::default();
    given.connection.value("--context", Some("prod; touch x"));
    given.connection.value("--kubeconfig", Some("/etc/k 8s"));
    given.connection.value("--as", Some("-me"));
    given.connection.secret("--token", "TOKEN", true);
    given.plugin.value("--layout", Some("l.yaml"));
    given.login.value("--sslmode", Some("require"));
    given.pages.value("--page-ca-file", Some("ca.pem"));
    given
}

/// A command carries the flags that it takes, and those that it sets itself only once.
#[test]
fn a_command_carries_the_flags_that_it_takes() {
    const CONNECTION: &str = "--context 'prod; touch x' --kubeconfig '/etc/k 8s' --as=-me --token \"$TOKEN\"";
    for (command, expected) in [
        (
            plugin("undo").word("d3be"),
            format!("synxdb undo d3be {CONNECTION} --layout l.yaml --sslmode require --page-ca-file ca.pem"),
        ),
        (plugin("status -n x"), format!("synxdb status -n x {CONNECTION} --layout l.yaml --page-ca-file ca.pem")),
        (
            plugin("history -A").note("to list them"),
            format!("synxdb history -A {CONNECTION} --layout l.yaml    (to list them)"),
        ),
        (kubectl("delete pv").word("pv 1"), format!("delete pv 'pv 1' {CONNECTION}")),
        (kubectl("config get-contexts").of_kubeconfig(), "config get-contexts --kubeconfig '/etc/k 8s'".to_owned()),
        (plugin("status --sandbox").of_no_cluster(), "synxdb status --sandbox".to_owned()),
        (
            plugin("history --context other"),
            format!(
                "synxdb history --context other {} --layout l.yaml",
                CONNECTION.split_once(" --kube").map(|(_, rest)| format!("--kube{rest}")).unwrap()
            ),
        ),
    ] {
        assert_eq!(command.text(&given()), format!("kubectl {expected}"));
    }
}

/// The cluster of `--sandbox` ends with the command: what is pasted acts on another such cluster, or on none.
#[test]
fn no_command_of_a_practice_cluster_acts_on_another_cluster() {
    let mut flags = GivenFlags { temporary: true, ..GivenFlags::default() };
    flags.plugin.switch("--sandbox", true);
    flags.plugin.value("--scenario", Some("odd"));
    let text = |command: SuggestedCommand| command.text(&flags);
    assert_eq!(text(plugin("failover").word("a/p-0")), "kubectl synxdb failover a/p-0 --sandbox --scenario odd");
    assert_eq!(text(kubectl("delete pv").word("pv-1")), "kubectl delete pv pv-1 --kubeconfig FILE");
}
