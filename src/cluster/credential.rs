//! Credentials from a kubeconfig's `exec` plugin
//! (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>).
//!
//! kube can run a plugin, too, but it runs it twice at each start, and passes it the terminal's input even if there is
//! no terminal; so it is done here.

use std::fmt;
use std::process::{Output, Stdio};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use jiff::{SignedDuration, Timestamp};
use kube::client::Body;
use kube::config::{ExecConfig, ExecInteractiveMode};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::Mutex;

use super::failure::error_text;
use super::programs;
use super::request_errors::PluginFailed;

/// Longest time for a plugin that cannot prompt.
const UNATTENDED: Duration = Duration::from_secs(60);

/// Most output of a plugin, in bytes: certificates and keys are a few thousand.
const MOST_PRINTED: u64 = 1 << 20;

/// How much of a plugin's error output is kept: the end, which holds the reason.
const LAST_SAID: usize = 64 << 10;

/// How long before its expiry a token is renewed.
const EARLY: SignedDuration = SignedDuration::from_secs(30);

/// A rejected token is not renewed more often than this: a plugin may take seconds, or prompt.
const RENEWAL: SignedDuration = SignedDuration::from_secs(10);

/// A plugin, and whether it may prompt.
pub(super) struct Plugin {
    config: ExecConfig,
    stdin_is_terminal: bool,
}

/// The credentials that a plugin returned.
#[derive(Default)]
pub(super) struct Issued {
    /// A bearer token.
    pub(super) token: Option<String>,
    /// Client certificate and key, PEM.
    pub(super) certificate: Option<(String, String)>,
    expires: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Input<'a> {
    api_version: &'a str,
    kind: &'static str,
    spec: Spec<'a>,
}

#[derive(Serialize)]
struct Spec<'a> {
    interactive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a kube::config::ExecAuthCluster>,
}

#[derive(Deserialize)]
struct Printed {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<String>,
}

impl Plugin {
    /// Returns `config` with its `cluster` filled in if `provideClusterInfo` requests it.
    pub(super) fn new(config: ExecConfig, stdin_is_terminal: bool) -> Self {
        Self { config, stdin_is_terminal }
    }

    /// Runs the plugin once.
    ///
    /// # Errors
    /// Not found, failed, took more than 60 s without a terminal, or printed no credential.
    pub(super) async fn run(&self) -> Result<Issued, PluginFailed> {
        let Some(program) = self.config.command.as_deref().filter(|command| !command.is_empty()) else {
            return Err(self.failed("the kubeconfig specifies no command"));
        };
        let interactive = match self.config.interactive_mode {
            Some(ExecInteractiveMode::Never) => false,
            Some(ExecInteractiveMode::Always) if !self.stdin_is_terminal => {
                return Err(self.failed("it needs to prompt, but there is no terminal"));
            }
            _ => self.stdin_is_terminal,
        };
        let Some(program) = programs::find(program) else {
            return Err(self.not_started(&std::io::ErrorKind::NotFound.into()));
        };
        let mut command = tokio::process::Command::new(program);
        command.args(self.config.args.iter().flatten());
        for variable in self.config.env.iter().flatten() {
            if let (Some(name), Some(value)) = (variable.get("name"), variable.get("value")) {
                command.env(name, value);
            }
        }
        command.env("KUBERNETES_EXEC_INFO", self.input(interactive)?);
        command.stdout(Stdio::piped()).kill_on_drop(true);
        if interactive {
            command.stdin(Stdio::inherit()).stderr(Stdio::inherit());
        } else {
            command.stdin(Stdio::null()).stderr(Stdio::piped());
        }
        let run = self.output(command);
        let output = if interactive {
            run.await?
        } else {
            tokio::time::timeout(UNATTENDED, run)
                .await
                .unwrap_or_else(|_| Err(self.failed("no response within 60 s")))?
        };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
            let status =
                output.status.code().map_or("killed by a signal".to_owned(), |code| format!("exit code {code}"));
            let reason = if last.is_empty() { status } else { format!("{status}: {last}") };
            return Err(self.failed(&reason));
        }
        self.parse(&output.stdout)
    }

    /// Runs it to its end, or until it prints more than a credential can be.
    async fn output(&self, mut command: tokio::process::Command) -> Result<Output, PluginFailed> {
        let mut child = command.spawn().map_err(|error| self.not_started(&error))?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let printed = async {
            let mut printed = Vec::new();
            if let Some(out) = out {
                let _ = out.take(MOST_PRINTED + 1).read_to_end(&mut printed).await;
            }
            if printed.len() as u64 > MOST_PRINTED {
                return Err(self.failed(&format!("it printed more than {} KiB", MOST_PRINTED >> 10)));
            }
            Ok(printed)
        };
        let ended = async {
            let said = last_of(err).await;
            Ok((child.wait().await.map_err(|error| self.failed(&error_text(&error)))?, said))
        };
        // If one fails, the other is not awaited: a process whose output is no longer read may never end, and is
        // killed.
        let (stdout, (status, stderr)) = futures::try_join!(printed, ended)?;
        Ok(Output { status, stdout, stderr })
    }

    fn input(&self, interactive: bool) -> Result<String, PluginFailed> {
        let input = Input {
            api_version: self.config.api_version.as_deref().unwrap_or("client.authentication.k8s.io/v1"),
            kind: "ExecCredential",
            spec: Spec {
                interactive,
                cluster: self.config.cluster.as_ref().filter(|_| self.config.provide_cluster_info),
            },
        };
        serde_json::to_string(&input).map_err(|error| self.failed(&error.to_string()))
    }

    /// JSON according to the documentation; client-go accepts YAML, too. The output is a secret: no error repeats it.
    fn parse(&self, printed: &[u8]) -> Result<Issued, PluginFailed> {
        let output: Printed = serde_json::from_slice(printed)
            .ok()
            .or_else(|| serde_saphyr::from_slice(printed).ok())
            .ok_or_else(|| self.failed("its output is not an ExecCredential"))?;
        let status = output.status.ok_or_else(|| self.failed("its ExecCredential has no status"))?;
        let certificate = status.client_certificate_data.zip(status.client_key_data);
        if status.token.is_none() && certificate.is_none() {
            return Err(self.failed("its ExecCredential has neither a token nor a client certificate and key"));
        }
        let expires = status
            .expiration_timestamp
            .map(|text| text.parse().map_err(|_| self.failed("its expirationTimestamp is not a valid time")))
            .transpose()?;
        Ok(Issued { token: status.token, certificate, expires })
    }

    fn failed(&self, reason: &str) -> PluginFailed {
        let mut command = self.config.command.clone().unwrap_or_default();
        let mut of_option = false;
        for argument in self.config.args.iter().flatten() {
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
            failed.install = self.config.install_hint.clone();
        }
        failed
    }
}

/// The bearer token of a plugin, renewed before it expires and when the server rejects it. A client certificate of a
/// plugin is used until the end: a new one would need new connections.
pub(super) struct Credential {
    plugin: Plugin,
    current: Mutex<Current>,
}

struct Current {
    header: Option<HeaderValue>,
    expires: Option<Timestamp>,
    issued_at: Timestamp,
}

impl Credential {
    /// Starts with the credentials that a plugin returned first.
    ///
    /// # Errors
    /// A token that cannot be a header value.
    pub(super) fn new(plugin: Plugin, issued: &Issued) -> Result<Self, PluginFailed> {
        let current = current(&plugin, issued)?;
        Ok(Self { plugin, current: Mutex::new(current) })
    }

    /// Adds `Authorization`, and returns what was added.
    pub(super) async fn sign(&self, request: &mut Request<Body>) -> Result<Option<HeaderValue>, PluginFailed> {
        let mut current = self.current.lock().await;
        if current.expires.is_some_and(|expires| expires.duration_since(Timestamp::now()) <= EARLY) {
            self.run(&mut current).await?;
        }
        if let Some(header) = &current.header {
            request.headers_mut().insert(AUTHORIZATION, header.clone());
        }
        Ok(current.header.clone())
    }

    /// Returns whether there is a newer token than `used`, which the server rejected. Runs the plugin unless another
    /// request just did.
    pub(super) async fn renew(&self, used: Option<&HeaderValue>) -> Result<bool, PluginFailed> {
        let mut current = self.current.lock().await;
        if current.header.is_none() {
            return Ok(false);
        }
        if current.header.as_ref() != used {
            return Ok(true);
        }
        if Timestamp::now().duration_since(current.issued_at) < RENEWAL {
            return Ok(false);
        }
        self.run(&mut current).await?;
        Ok(current.header.as_ref() != used)
    }

    async fn run(&self, to: &mut Current) -> Result<(), PluginFailed> {
        *to = current(&self.plugin, &self.plugin.run().await?)?;
        Ok(())
    }
}

/// Reads to the end and keeps only the last bytes.
async fn last_of(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let (mut said, mut chunk) = (Vec::new(), [0; 4096]);
    let Some(mut stream) = stream else { return said };
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        said.extend_from_slice(&chunk[..read]);
        if said.len() > 2 * LAST_SAID {
            said.drain(..said.len() - LAST_SAID);
        }
    }
    said
}

fn current(plugin: &Plugin, issued: &Issued) -> Result<Current, PluginFailed> {
    let header = match &issued.token {
        None => None,
        Some(token) => {
            let mut header = HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|_| plugin.failed("its token contains invalid characters"))?;
            header.set_sensitive(true);
            Some(header)
        }
    };
    Ok(Current { header, expires: issued.expires, issued_at: Timestamp::now() })
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn plugin(script: &str, mode: Option<ExecInteractiveMode>) -> Plugin {
        let config = ExecConfig {
            api_version: Some("client.authentication.k8s.io/v1".to_owned()),
            command: Some("sh".to_owned()),
            args: Some(vec!["-c".to_owned(), script.to_owned()]),
            interactive_mode: mode,
            ..ExecConfig::default()
        };
        Plugin::new(config, false)
    }

    fn printing(status: &str) -> String {
        format!("echo '{{\"kind\":\"ExecCredential\",\"status\":{status}}}'")
    }

    #[tokio::test]
    async fn a_token_is_taken_from_what_the_plugin_prints() {
        let issued = plugin(&printing(r#"{"token":"t1"}"#), None).run().await.ok().unwrap();
        assert_eq!(issued.token.as_deref(), Some("t1"));
        let yaml = "printf 'kind: ExecCredential\\nstatus:\\n  token: t2\\n'";
        assert_eq!(plugin(yaml, None).run().await.ok().unwrap().token.as_deref(), Some("t2"));
    }

    #[tokio::test]
    async fn the_plugin_is_told_what_it_may_do_and_gets_no_input() {
        let script = r#"case "$KUBERNETES_EXEC_INFO" in *'"interactive":false'*) ;; *) exit 3;; esac
            read line && exit 4; "#;
        let issued = plugin(&format!("{script}{}", printing(r#"{"token":"t"}"#)), None).run().await;
        assert_eq!(issued.ok().unwrap().token.as_deref(), Some("t"));
    }

    #[tokio::test]
    async fn failures_name_the_command_and_never_what_was_printed() {
        let cases = [
            ("echo SECRET; echo first >&2; echo 'login expired' >&2; exit 7", "exit code 7: login expired"),
            ("echo SECRET", "its output is not an ExecCredential"),
            ("echo '{\"SECRET\":1}'", "its ExecCredential has no status"),
        ];
        for (script, reason) in cases {
            let failed = plugin(script, None).run().await.err().unwrap();
            assert_eq!(failed.reason, reason);
        }
        let failed = plugin("true", Some(ExecInteractiveMode::Always)).run().await.err().unwrap();
        assert!(failed.to_string().contains("no terminal"), "{failed}");
    }

    /// Long before its time limit.
    #[tokio::test]
    async fn one_that_prints_without_end_is_ended() {
        let started = std::time::Instant::now();
        let failed = plugin("yes", None).run().await.err().unwrap();
        assert_eq!(failed.reason, "it printed more than 1024 KiB");
        let failed = plugin("yes | head -c 9000000 >&2; echo the reason >&2; exit 1", None).run().await.err().unwrap();
        assert_eq!(failed.reason, "exit code 1: the reason");
        assert!(started.elapsed() < UNATTENDED, "{:?}", started.elapsed());
    }

    #[test]
    fn what_an_option_is_given_is_not_shown() {
        let mut with = plugin("", None);
        for (arguments, shown) in [
            (
                vec!["get-token", "--oidc-client-secret=S3CRET", "--token", "S3CRET", "last"],
                "get-token --oidc-client-secret=… --token … last",
            ),
            (vec!["-c", "S3CRET", "-v", "--x", "S3CRET=1"], "-c … -v --x …"),
        ] {
            with.config.args = Some(arguments.into_iter().map(str::to_owned).collect());
            assert_eq!(with.failed("").command, format!("sh {shown}"));
        }
    }

    #[tokio::test]
    async fn a_missing_command_repeats_the_install_hint() {
        let mut missing = plugin("", None);
        missing.config.command = Some("no-such-credential-plugin".to_owned());
        missing.config.install_hint = Some("apt install it".to_owned());
        let failed = missing.run().await.err().unwrap();
        assert_eq!((failed.reason.as_str(), failed.install.as_deref()), ("command not found", Some("apt install it")));
    }

    #[tokio::test]
    async fn an_expired_token_is_renewed_before_it_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let script = format!(
            "echo x >> {0}; n=$(wc -l < {0}); echo '{{\"status\":{{\"token\":\"t'$n'\",\"expirationTimestamp\":\"2020-01-01T00:00:00Z\"}}}}'",
            count.display()
        );
        let plugin = plugin(&script, None);
        let issued = plugin.run().await.ok().unwrap();
        let credential = Credential::new(plugin, &issued).ok().unwrap();
        let mut request = Request::new(Body::empty());
        credential.sign(&mut request).await.ok().unwrap();
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer t2");
    }
}
