//! The options of a connection: kubectl's own flags and the environment.

use std::ffi::OsString;
use std::fmt;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use crate::duration;
use crate::error::{Error, Result};

/// kubectl's global flags, as given; everything not given comes from the environment and the kubeconfig.
#[derive(Clone, Default)]
pub struct ConnectOptions {
    /// `--kubeconfig`: this file only, and it must exist.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// `--cluster`: another cluster entry than the context's.
    pub cluster: Option<String>,
    /// `--user`: another user entry than the context's.
    pub user: Option<String>,
    /// `--namespace`.
    pub namespace: Option<String>,
    /// `--server`.
    pub server: Option<String>,
    /// `--token`: a bearer token. Any other process of the machine can read it there; kubectl has it, so it is here.
    pub token: Option<String>,
    /// `--as`.
    pub as_user: Option<String>,
    /// `--as-uid`.
    pub as_uid: Option<String>,
    /// `--as-group`, any number of times.
    pub as_groups: Vec<String>,
    /// `--as-user-extra`, any number of times: `key=value`.
    pub as_extra: Vec<String>,
    /// `--request-timeout`, for every request; for watches and tunnels until they are open. Zero is no limit, `None` the
    /// default of each kind of request.
    pub request_timeout: Option<Duration>,
    /// `--tls-server-name`.
    pub tls_server_name: Option<String>,
    /// `--insecure-skip-tls-verify`.
    pub insecure_skip_tls_verify: bool,
    /// `--certificate-authority`.
    pub certificate_authority: Option<PathBuf>,
    /// `--client-certificate`.
    pub client_certificate: Option<PathBuf>,
    /// `--client-key`.
    pub client_key: Option<PathBuf>,
    /// `--proxy-url`.
    pub proxy_url: Option<String>,
    /// `--disable-compression`, like the cluster entry's `disable-compression`.
    pub disable_compression: bool,
    /// `--kuberc`: kubectl's preferences, of which only the policy for credential plugins counts.
    pub kuberc: Option<PathBuf>,
    /// `--cache-dir`: accepted because kubectl has it. kubectl caches discovery there; this plugin needs no discovery,
    /// so nothing is cached.
    pub cache_dir: Option<PathBuf>,
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("kubeconfig", &self.kubeconfig)
            .field("context", &self.context)
            .field("server", &self.server.as_deref().map(super::url::without_login))
            .field("token", &self.token.as_ref().map(|_| "…"))
            .finish_non_exhaustive()
    }
}

/// The parts of the process' environment that concern Kubernetes.
#[derive(Clone, Default)]
pub struct Environment {
    /// `KUBECONFIG`: files separated by `:` (`;` on Windows).
    pub kubeconfig: Option<OsString>,
    /// The home directory, for `.kube/config`.
    pub home: Option<PathBuf>,
    /// `HTTPS_PROXY` or `https_proxy`.
    pub https_proxy: Option<String>,
    /// `HTTP_PROXY` or `http_proxy`.
    pub http_proxy: Option<String>,
    /// `NO_PROXY` or `no_proxy`.
    pub no_proxy: Option<String>,
    /// `KUBERNETES_SERVICE_HOST`, set inside a pod.
    pub service_host: Option<String>,
    /// `KUBERNETES_SERVICE_PORT`, set inside a pod.
    pub service_port: Option<String>,
    /// `KUBERNETES_MASTER`: the server if the kubeconfig has none.
    pub master: Option<String>,
    /// `KUBERC`: the file of kubectl's preferences, or `off`.
    pub kuberc: Option<String>,
    /// Whether kubectl's preferences are turned off (`KUBECTL_KUBERC=false`).
    pub kuberc_disabled: bool,
    /// `POD_NAMESPACE`.
    pub pod_namespace: Option<String>,
    /// Where a pod's service account is mounted.
    pub service_account: PathBuf,
    /// Whether a credential plugin can prompt on the standard input.
    pub stdin_is_terminal: bool,
    /// Whether the messages of credential plugins are thrown away, as where nothing may be printed.
    pub plugins_are_silent: bool,
    /// Whether credential plugins are never run: a user who needs one has no credentials.
    pub no_plugins: bool,
}

impl Environment {
    /// Reads this process' environment.
    pub fn of_process() -> Self {
        let either = |upper: &str| {
            let not_empty = |text: &String| !text.is_empty();
            std::env::var(upper).ok().filter(not_empty).or_else(|| std::env::var(upper.to_lowercase()).ok())
        };
        Self {
            kubeconfig: std::env::var_os("KUBECONFIG"),
            home: std::env::home_dir(),
            https_proxy: either("HTTPS_PROXY"),
            http_proxy: either("HTTP_PROXY"),
            no_proxy: either("NO_PROXY"),
            service_host: std::env::var("KUBERNETES_SERVICE_HOST").ok(),
            service_port: std::env::var("KUBERNETES_SERVICE_PORT").ok(),
            master: std::env::var("KUBERNETES_MASTER").ok(),
            kuberc: std::env::var("KUBERC").ok(),
            kuberc_disabled: std::env::var("KUBECTL_KUBERC").is_ok_and(|value| value == "false"),
            pod_namespace: std::env::var("POD_NAMESPACE").ok(),
            service_account: PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount"),
            stdin_is_terminal: std::io::stdin().is_terminal(),
            plugins_are_silent: false,
            no_plugins: false,
        }
    }
}

/// Parses `--request-timeout` as kubectl does: `5` is seconds, otherwise Go's durations (`1m30s`, `1.5h`, `500ms`).
/// Zero means no limit.
///
/// # Errors
/// A usage error that lists the accepted forms.
pub fn parse_request_timeout(text: &str) -> Result<Duration> {
    let text = text.trim();
    let not_one = || {
        Error::usage(format!("{text} is not a valid --request-timeout"))
            .because("use seconds or a duration with units: 30, 5s, 1m30s, 2h; 0 means no limit")
    };
    duration::parse(text).map_err(|_| not_one())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_timeouts_are_read_as_kubectl_reads_them() {
        for (text, millis) in
            [("0", 0), ("5", 5000), ("30s", 30_000), ("1m30s", 90_000), ("1.5h", 5_400_000), ("500ms", 500), ("0s", 0)]
        {
            assert_eq!(parse_request_timeout(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for text in ["", "-5", "-5s", "abc", "5x", "5 s", "s", "1m30", "..s", "99999999999999999999h"] {
            let error = parse_request_timeout(text).unwrap_err();
            assert_eq!(error.exit, crate::error::Exit::Usage, "{text}");
        }
    }

    #[test]
    fn debug_text_has_no_secret() {
        let options = ConnectOptions { token: Some("hunter2".to_owned()), ..ConnectOptions::default() };
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
