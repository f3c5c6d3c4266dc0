//! kubectl's flags, and the other global ones.

use super::Names;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{ArgAction, Args, ColorChoice, ValueEnum, ValueHint};
use std::fmt;
use std::path::PathBuf;

/// A bearer token, which is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Returns the token, for a request.
    pub fn into_inner(self) -> String {
        self.0
    }
}

impl From<String> for Token {
    fn from(token: String) -> Self {
        Self(token)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// kubectl's flags, and the other global ones.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Run against a temporary practice cluster
    #[arg(long, global = true)]
    pub sandbox: bool,
    /// Scenario of the practice cluster (see `sandbox --list`)
    #[arg(long, global = true, value_name = "NAME", add = Names::Scenario)]
    pub scenario: Option<String>,
    /// Layout file that maps SynxDB's names [env: KUBECTL_SYNXDB_LAYOUT]
    #[arg(long, global = true, value_name = "FILE")]
    pub layout: Option<PathBuf>,
    /// Color the output: auto, always or never
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", hide_possible_values = true)]
    pub color: Color,
    /// Log verbosity; 6 and above log API requests, as in kubectl
    #[arg(
        short = 'v',
        long = "v",
        global = true,
        default_value_t = 0,
        value_name = "LEVEL",
        hide_default_value = true
    )]
    pub verbosity: u8,

    /// Namespace, or a unique prefix of one
    #[arg(short, long, global = true, value_name = "NAME", allow_hyphen_values = true, help_heading = KUBECTL, add = Names::Namespace)]
    pub namespace: Option<String>,
    /// Path to the kubeconfig file [env: KUBECONFIG]
    #[arg(long, global = true, value_name = "FILE", allow_hyphen_values = true, value_parser = any_path(), value_hint = ValueHint::FilePath, help_heading = KUBECTL)]
    pub kubeconfig: Option<PathBuf>,
    /// Kubeconfig context to use
    #[arg(long, global = true, value_name = "NAME", allow_hyphen_values = true, help_heading = KUBECTL, add = Names::Context)]
    pub context: Option<String>,
    /// Kubeconfig cluster to use
    #[arg(long, global = true, value_name = "NAME", allow_hyphen_values = true, help_heading = KUBECTL, add = Names::Cluster)]
    pub cluster: Option<String>,
    /// Kubeconfig user to use
    #[arg(long, global = true, value_name = "NAME", allow_hyphen_values = true, help_heading = KUBECTL, add = Names::User)]
    pub user: Option<String>,
    /// Address of the API server
    #[arg(short, long, global = true, value_name = "URL", allow_hyphen_values = true, help_heading = KUBECTL)]
    pub server: Option<String>,
    /// Bearer token
    #[arg(long, global = true, value_name = "TOKEN", allow_hyphen_values = true, help_heading = KUBECTL)]
    pub token: Option<Token>,
    /// User to impersonate
    #[arg(long = "as", global = true, value_name = "USER", allow_hyphen_values = true, help_heading = KUBECTL)]
    pub as_user: Option<String>,
    /// UID to impersonate
    #[arg(long, global = true, value_name = "UID", allow_hyphen_values = true, help_heading = KUBECTL)]
    pub as_uid: Option<String>,
    /// Group to impersonate; may be repeated
    #[arg(long, global = true, value_name = "GROUP", action = ArgAction::Append, allow_hyphen_values = true, help_heading = KUBECTL)]
    pub as_group: Vec<String>,
    /// More about the user to impersonate, as KEY=VALUE; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", action = ArgAction::Append, allow_hyphen_values = true, help_heading = KUBECTL)]
    pub as_user_extra: Vec<String>,
    /// Timeout for a single API request, such as 5s or 1m; 0 for no limit [default: 2s for status, 5s for what other
    /// commands read, 30s for changes]
    #[arg(long, global = true, value_name = "TIME", allow_hyphen_values = true, help_heading = KUBECTL)]
    pub request_timeout: Option<String>,
    /// Server name to verify the API server's certificate against
    #[arg(long, global = true, value_name = "NAME", allow_hyphen_values = true, help_heading = KUBECTL)]
    pub tls_server_name: Option<String>,
    /// Do not verify the API server's certificate
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_default_value = true, value_parser = go_bool, action = ArgAction::Set, value_name = "BOOL", help_heading = KUBECTL)]
    pub insecure_skip_tls_verify: bool,
    /// Certificate authority file
    #[arg(long, global = true, value_name = "FILE", allow_hyphen_values = true, value_parser = any_path(), value_hint = ValueHint::FilePath, help_heading = KUBECTL)]
    pub certificate_authority: Option<PathBuf>,
    /// Client certificate file
    #[arg(long, global = true, value_name = "FILE", allow_hyphen_values = true, value_parser = any_path(), value_hint = ValueHint::FilePath, help_heading = KUBECTL)]
    pub client_certificate: Option<PathBuf>,
    /// Client key file
    #[arg(long, global = true, value_name = "FILE", allow_hyphen_values = true, value_parser = any_path(), value_hint = ValueHint::FilePath, help_heading = KUBECTL)]
    pub client_key: Option<PathBuf>,
    /// Proxy to the API server: http, https or socks5
    #[arg(long, global = true, value_name = "URL", allow_hyphen_values = true, help_heading = KUBECTL)]
    pub proxy_url: Option<String>,
    /// Do not ask the API server for compressed responses
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_default_value = true, value_parser = go_bool, action = ArgAction::Set, value_name = "BOOL", help_heading = KUBECTL)]
    pub disable_compression: bool,
    /// File of kubectl's preferences: its policy for credential plugins applies [env: KUBERC]
    #[arg(long, global = true, value_name = "FILE", allow_hyphen_values = true, value_parser = any_path(), value_hint = ValueHint::FilePath, help_heading = KUBECTL)]
    pub kuberc: Option<PathBuf>,
    /// kubectl's flags without an effect here
    #[command(flatten)]
    pub ignored: Ignored,
    /// Ignored; accepted for compatibility with kubectl
    #[arg(long, global = true, hide = true, value_name = "DIR", allow_hyphen_values = true, value_parser = any_path(), value_hint = ValueHint::FilePath, help_heading = KUBECTL)]
    pub cache_dir: Option<PathBuf>,
}

impl Global {
    /// Returns the flags without those that are given as an empty string: as in kubectl, that is not set.
    #[must_use]
    pub fn without_empty(self) -> Self {
        let text = |value: Option<String>| value.filter(|value| !value.is_empty());
        let path = |value: Option<PathBuf>| value.filter(|value| !value.as_os_str().is_empty());
        Self {
            namespace: text(self.namespace),
            kubeconfig: path(self.kubeconfig),
            context: text(self.context),
            cluster: text(self.cluster),
            user: text(self.user),
            server: text(self.server),
            token: self.token.filter(|token| !token.0.is_empty()),
            as_user: text(self.as_user),
            as_uid: text(self.as_uid),
            request_timeout: text(self.request_timeout),
            tls_server_name: text(self.tls_server_name),
            certificate_authority: path(self.certificate_authority),
            client_certificate: path(self.client_certificate),
            client_key: path(self.client_key),
            proxy_url: text(self.proxy_url),
            kuberc: path(self.kuberc),
            ..self
        }
    }
}

const KUBECTL: &str = "Kubernetes client options";

/// kubectl's flags that are read as kubectl reads them, and have no effect: they are about kubectl itself. The help does not
/// show them; docs/connection.md does.
#[derive(Args, Clone, Debug, Default)]
pub struct Ignored {
    /// Would treat the server's warnings as errors; they are not shown here
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = ArgAction::Set, hide = true)]
    pub warnings_as_errors: bool,
    /// Would require the server to be of kubectl's version
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = ArgAction::Set, hide = true)]
    pub match_server_version: bool,
    /// Would write a profile of kubectl
    #[arg(long, global = true, allow_hyphen_values = true, value_parser = ["none", "cpu", "heap", "goroutine", "threadcreate", "block", "mutex", "trace"], hide = true)]
    pub profile: Option<String>,
    /// Where it would write it
    #[arg(long, global = true, allow_hyphen_values = true, hide = true)]
    pub profile_output: Option<String>,
    /// How often kubectl writes its log
    #[arg(long, global = true, allow_hyphen_values = true, value_parser = duration, hide = true)]
    pub log_flush_frequency: Option<std::time::Duration>,
    /// kubectl's log by source file
    #[arg(long, global = true, allow_hyphen_values = true, hide = true)]
    pub vmodule: Option<String>,
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    crate::duration::parse(text).map_err(|_| "use a duration with a unit: 5s, 1m30s".to_owned())
}

/// A flag's value as Go's `strconv.ParseBool` reads it.
fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("use true or false".to_owned()),
    }
}

/// A path that may be empty: as in kubectl, that is not set.
fn any_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// When to use color.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}
