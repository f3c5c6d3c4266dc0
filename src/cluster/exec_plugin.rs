//! Credentials from a kubeconfig's `exec` plugin
//! (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>), as client-go
//! runs it: its messages go to this program's standard error as they come, since they may be the address to log in at; and
//! there is no time limit, since it may wait for a person.

use std::process::Stdio;

use jiff::Timestamp;
use serde::Serialize;
use tokio::io::AsyncReadExt;

use super::failure::error_text;
use super::identity::PluginCluster;
use super::kubeconfig_file::ExecEntry;
use super::kuberc::PluginPolicy;
use super::options::Environment;
use super::programs;
use super::request_errors::PluginFailed;
use super::yaml;

/// Most output of a plugin, in bytes: certificates and keys are a few thousand.
const MOST_PRINTED: u64 = 1 << 20;

/// A plugin, and whether it may prompt.
pub(super) struct Plugin {
    entry: ExecEntry,
    cluster: Option<PluginCluster>,
    policy: PluginPolicy,
    stdin_is_terminal: bool,
    silent: bool,
}

/// The credentials that a plugin returned.
#[derive(Default)]
pub(super) struct Issued {
    /// A bearer token.
    pub(super) token: Option<String>,
    /// Client certificate and key, PEM.
    pub(super) certificate: Option<(String, String)>,
    pub(super) expires: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Input<'a> {
    kind: &'static str,
    api_version: &'a str,
    spec: Spec<'a>,
}

#[derive(Serialize)]
struct Spec<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a PluginCluster>,
    interactive: bool,
}

impl Plugin {
    /// `cluster`: what it learns of the cluster, if the kubeconfig says so; `policy`: whether it may run.
    pub(super) fn new(
        entry: ExecEntry,
        cluster: Option<PluginCluster>,
        policy: PluginPolicy,
        environment: &Environment,
    ) -> Self {
        let (stdin_is_terminal, silent) = (environment.stdin_is_terminal, environment.plugins_are_silent);
        Self { entry, cluster, policy, stdin_is_terminal, silent }
    }

    /// Runs the plugin once.
    ///
    /// # Errors
    /// Not found, not allowed, failed, or printed no credential.
    pub(super) async fn run(&self) -> Result<Issued, PluginFailed> {
        let interactive = match self.entry.interactive_mode.as_str() {
            "Never" => false,
            "Always" if !self.stdin_is_terminal => {
                return Err(self.failed("it needs to prompt, but there is no terminal"));
            }
            _ => self.stdin_is_terminal,
        };
        let Some(program) = programs::find(&self.entry.command) else {
            return Err(self.not_started(&std::io::ErrorKind::NotFound.into()));
        };
        if let Some(why) = self.policy.forbids(&self.entry.command, &program) {
            return Err(self.failed(&why));
        }
        let mut command = tokio::process::Command::new(program);
        command.args(&self.entry.args);
        command.envs(self.entry.env.iter().map(|(name, value)| (name, value)));
        command.env("KUBERNETES_EXEC_INFO", self.input(interactive)?);
        command.stderr(if self.silent { Stdio::null() } else { Stdio::inherit() });
        command.stdout(Stdio::piped()).kill_on_drop(true);
        command.stdin(if interactive { Stdio::inherit() } else { Stdio::null() });
        let mut child = command.spawn().map_err(|error| self.not_started(&error))?;
        let mut printed = Vec::new();
        if let Some(out) = child.stdout.take() {
            let _ = out.take(MOST_PRINTED + 1).read_to_end(&mut printed).await;
        }
        if printed.len() as u64 > MOST_PRINTED {
            // It is not waited for: a process whose output is no longer read may never end, and is killed.
            return Err(self.failed(&format!("it printed more than {} KiB", MOST_PRINTED >> 10)));
        }
        let status = child.wait().await.map_err(|error| self.failed(&error_text(&error)))?;
        if !status.success() {
            let status = status.code().map_or("killed by a signal".to_owned(), |code| format!("exit code {code}"));
            return Err(self.failed(&format!("{status}; its own messages are above")));
        }
        self.parse(&printed)
    }

    fn input(&self, interactive: bool) -> Result<String, PluginFailed> {
        let input = Input {
            kind: "ExecCredential",
            api_version: &self.entry.api_version,
            spec: Spec { cluster: self.cluster.as_ref(), interactive },
        };
        serde_json::to_string(&input).map_err(|error| self.failed(&error.to_string()))
    }

    /// JSON according to the documentation; client-go accepts YAML, too. The output is a secret: no error repeats it.
    fn parse(&self, printed: &[u8]) -> Result<Issued, PluginFailed> {
        let output: serde_json::Value = match serde_json::from_slice(printed) {
            Ok(json) => json,
            Err(_) => std::str::from_utf8(printed)
                .ok()
                .and_then(|text| yaml::document(text).ok())
                .map(|node| node.value.to_json())
                .ok_or_else(|| self.failed("its output is not an ExecCredential"))?,
        };
        let version = &self.entry.api_version;
        // It may leave out its kind, but not its version.
        if !matches!(output["kind"].as_str().unwrap_or_default(), "" | "ExecCredential") || !output.is_object() {
            return Err(self.failed("its output is not an ExecCredential"));
        }
        if output["apiVersion"] != **version {
            return Err(self.failed(&format!("its ExecCredential is not of {version}, which the kubeconfig asks for")));
        }
        let status = output["status"].as_object().ok_or_else(|| self.failed("its ExecCredential has no status"))?;
        let text = |name: &str| match status.get(name) {
            None | Some(serde_json::Value::Null) => Ok(None),
            Some(serde_json::Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(_) => Err(self.failed(&format!("its {name} is not text"))),
        };
        let (token, certificate, key) = (text("token")?, text("clientCertificateData")?, text("clientKeyData")?);
        if certificate.is_some() != key.is_some() {
            return Err(self.failed("its ExecCredential has only one of a client certificate and its key"));
        }
        let certificate = certificate.zip(key);
        if token.is_none() && certificate.is_none() {
            return Err(self.failed("its ExecCredential has neither a token nor a client certificate and key"));
        }
        let expires = text("expirationTimestamp")?
            .map(|text| text.parse().map_err(|_| self.failed("its expirationTimestamp is not a valid time")))
            .transpose()?;
        Ok(Issued { token, certificate, expires })
    }

    /// Returns the error of this plugin for a reason.
    pub(super) fn failed(&self, reason: &str) -> PluginFailed {
        let mut command = self.entry.command.clone();
        let mut of_option = false;
        for argument in &self.entry.args {
            // An option's value may be a secret: `--oidc-client-secret=…`.
            let option = argument.starts_with('-');
            let shown = match argument.split_once('=') {
                Some((name, _)) if option => format!("{name}=…"),
                _ if of_option && !option => "…".to_owned(),
                _ => argument.clone(),
            };
            of_option = option && !argument.contains('=');
            command.push(' ');
            command.push_str(&shown);
        }
        PluginFailed { command, reason: reason.to_owned(), install: None }
    }

    fn not_started(&self, error: &std::io::Error) -> PluginFailed {
        let mut failed = self.failed(&error_text(error));
        if error.kind() == std::io::ErrorKind::NotFound {
            failed.reason = "command not found".to_owned();
            failed.install = Some(self.entry.install_hint.clone()).filter(|hint| !hint.is_empty());
        }
        failed
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    const VERSION: &str = "client.authentication.k8s.io/v1";

    fn plugin(script: &str, mode: &str) -> Plugin {
        let entry = ExecEntry {
            api_version: VERSION.to_owned(),
            command: "sh".to_owned(),
            args: vec!["-c".to_owned(), script.to_owned()],
            interactive_mode: mode.to_owned(),
            ..ExecEntry::default()
        };
        Plugin::new(entry, None, PluginPolicy::AllowAll, &Environment::default())
    }

    fn printing(status: &str) -> String {
        format!("echo '{{\"apiVersion\":\"{VERSION}\",\"kind\":\"ExecCredential\",\"status\":{status}}}'")
    }

    #[tokio::test]
    async fn a_token_is_taken_from_what_the_plugin_prints() {
        let issued = plugin(&printing(r#"{"token":"t1"}"#), "Never").run().await.ok().unwrap();
        assert_eq!(issued.token.as_deref(), Some("t1"));
        let yaml =
            "printf 'apiVersion: client.authentication.k8s.io/v1\\nkind: ExecCredential\\nstatus:\\n  token: t2\\n'";
        assert_eq!(plugin(yaml, "Never").run().await.ok().unwrap().token.as_deref(), Some("t2"));
    }

    #[tokio::test]
    async fn the_plugin_is_told_what_it_may_do_and_gets_no_input() {
        let script = r#"case "$KUBERNETES_EXEC_INFO" in *'"interactive":false'*) ;; *) exit 3;; esac
            read line && exit 4; "#;
        let issued = plugin(&format!("{script}{}", printing(r#"{"token":"t"}"#)), "Never").run().await;
        assert_eq!(issued.ok().unwrap().token.as_deref(), Some("t"));
    }

    #[tokio::test]
    async fn failures_name_the_command_and_never_what_was_printed() {
        let cases = [
            ("echo SECRET; exit 7", "exit code 7; its own messages are above"),
            ("echo SECRET", "its output is not an ExecCredential"),
            (
                "echo '{\"SECRET\":1}'",
                "its ExecCredential is not of client.authentication.k8s.io/v1, which the kubeconfig asks for",
            ),
            (
                "echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"SECRET\":1}'",
                "its ExecCredential has no status",
            ),
        ];
        for (script, reason) in cases {
            let failed = plugin(script, "Never").run().await.err().unwrap();
            assert_eq!(failed.reason, reason);
        }
        let failed = plugin("true", "Always").run().await.err().unwrap();
        assert!(failed.to_string().contains("no terminal"), "{failed}");
    }

    #[tokio::test]
    async fn one_that_prints_without_end_is_ended() {
        let failed = plugin("yes", "Never").run().await.err().unwrap();
        assert_eq!(failed.reason, "it printed more than 1024 KiB");
    }

    #[tokio::test]
    async fn one_that_is_not_allowed_is_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("ran");
        let script = format!("touch {}; {}", mark.display(), printing(r#"{"token":"t"}"#));
        for policy in [PluginPolicy::DenyAll, PluginPolicy::Allowlist(vec!["other".to_owned()])] {
            let denied = Plugin { policy, ..plugin(&script, "Never") };
            let failed = denied.run().await.err().unwrap();
            assert!(failed.reason.starts_with("not allowed: "), "{failed}");
            assert!(!mark.exists());
        }
        let allowed = Plugin { policy: PluginPolicy::Allowlist(vec!["sh".to_owned()]), ..plugin(&script, "Never") };
        assert!(allowed.run().await.is_ok() && mark.exists());
    }

    #[test]
    fn what_an_option_is_given_is_not_shown() {
        let mut with = plugin("", "Never");
        for (arguments, shown) in [
            (
                vec!["get-token", "--oidc-client-secret=S3CRET", "--token", "S3CRET", "last"],
                "get-token --oidc-client-secret=… --token … last",
            ),
            (vec!["-c", "S3CRET", "-v", "--x", "S3CRET=1"], "-c … -v --x …"),
        ] {
            with.entry.args = arguments.into_iter().map(str::to_owned).collect();
            assert_eq!(with.failed("").command, format!("sh {shown}"));
        }
    }

    #[tokio::test]
    async fn a_missing_command_repeats_the_install_hint() {
        let mut missing = plugin("", "Never");
        missing.entry.command = "no-such-credential-plugin".to_owned();
        missing.entry.install_hint = "apt install it".to_owned();
        let failed = missing.run().await.err().unwrap();
        assert_eq!((failed.reason.as_str(), failed.install.as_deref()), ("command not found", Some("apt install it")));
    }
}
