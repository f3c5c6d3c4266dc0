//! kubectl's flags, and the other global ones.

use super::Names;
use clap::{ArgAction, Args, ColorChoice, ValueEnum};
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
    #[arg(short, long, global = true, value_name = "NAME", help_heading = KUBECTL, add = Names::Namespace)]
    pub namespace: Option<String>,
    /// Path to the kubeconfig file [env: KUBECONFIG]
    #[arg(long, global = true, value_name = "FILE", help_heading = KUBECTL)]
    pub kubeconfig: Option<PathBuf>,
    /// Kubeconfig context to use
    #[arg(long, global = true, value_name = "NAME", help_heading = KUBECTL, add = Names::Context)]
    pub context: Option<String>,
    /// Kubeconfig cluster to use
    #[arg(long, global = true, value_name = "NAME", help_heading = KUBECTL, add = Names::Cluster)]
    pub cluster: Option<String>,
    /// Kubeconfig user to use
    #[arg(long, global = true, value_name = "NAME", help_heading = KUBECTL, add = Names::User)]
    pub user: Option<String>,
    /// Address of the API server
    #[arg(short, long, global = true, value_name = "URL", help_heading = KUBECTL)]
    pub server: Option<String>,
    /// Bearer token
    #[arg(long, global = true, value_name = "TOKEN", help_heading = KUBECTL)]
    pub token: Option<Token>,
    /// User to impersonate
    #[arg(long = "as", global = true, value_name = "USER", help_heading = KUBECTL)]
    pub as_user: Option<String>,
    /// UID to impersonate
    #[arg(long, global = true, value_name = "UID", help_heading = KUBECTL)]
    pub as_uid: Option<String>,
    /// Group to impersonate; may be repeated
    #[arg(long, global = true, value_name = "GROUP", action = ArgAction::Append, help_heading = KUBECTL)]
    pub as_group: Vec<String>,
    /// Timeout for a single API request, such as 5s or 1m; 0 for no limit [default: 2s for status, 5s for what other
    /// commands read, 30s for changes]
    #[arg(long, global = true, value_name = "TIME", help_heading = KUBECTL)]
    pub request_timeout: Option<String>,
    /// Server name to verify the API server's certificate against
    #[arg(long, global = true, value_name = "NAME", help_heading = KUBECTL)]
    pub tls_server_name: Option<String>,
    /// Do not verify the API server's certificate
    #[arg(long, global = true, help_heading = KUBECTL)]
    pub insecure_skip_tls_verify: bool,
    /// Certificate authority file
    #[arg(long, global = true, value_name = "FILE", help_heading = KUBECTL)]
    pub certificate_authority: Option<PathBuf>,
    /// Client certificate file
    #[arg(long, global = true, value_name = "FILE", help_heading = KUBECTL)]
    pub client_certificate: Option<PathBuf>,
    /// Client key file
    #[arg(long, global = true, value_name = "FILE", help_heading = KUBECTL)]
    pub client_key: Option<PathBuf>,
    /// Ignored; accepted for compatibility with kubectl
    #[arg(long, global = true, value_name = "DIR", help_heading = KUBECTL)]
    pub cache_dir: Option<PathBuf>,
}

const KUBECTL: &str = "Kubernetes client options";

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
