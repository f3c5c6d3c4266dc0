//! The command line. The doc comments are the help. No I/O and no Kubernetes types.

use clap::{ArgAction, Args, ColorChoice, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

const EXIT_CODES: &str = "\
Exit codes:
  0    yes: healthy, recovered, done
  1    an error that is none of the others
  2    the command line was not understood
  4    refused by a check, or the cluster is not as planned
  5    declined at the prompt; nothing was changed
  6    not done within the time given
  7    verification failed: something that was there before is missing
  8    degraded, or something that should be known is not
  130  interrupted";

const TOP_EXAMPLES: &str = "\
Examples:
  # Is SynxDB well?
  kubectl synxdb status

  # Replace a warehouse node's pod and disk, and prove that its data is back
  kubectl synxdb failover wh9527-0

  # The same on a practice cluster inside this binary: no Kubernetes needed
  kubectl synxdb --sandbox failover wh9527-0 --yes";

/// Fail over SynxDB v4 components on Kubernetes, and prove that they and their data are back.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kubectl-synxdb",
    bin_name = "kubectl synxdb",
    display_name = "kubectl synxdb",
    version,
    disable_help_subcommand = true,
    disable_version_flag = true,
    arg_required_else_help = true,
    after_help = format!("{TOP_EXAMPLES}\n\n{EXIT_CODES}"),
    max_term_width = 100
)]
pub struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Show whether SynxDB is healthy, and each of its members
    #[command(after_help = "\
Examples:
  # The system namespace and every account you can see
  kubectl synxdb status

  # One account, named by the beginning of its namespace, with volumes and UIDs
  kubectl synxdb status -n cloud007 -o wide

  # For a script: exit code 0 is healthy, 8 is degraded or unknown
  kubectl synxdb status -o json

What cannot be read within 2 seconds is shown as <unknown>, with the reason.")]
    Status(StatusArgs),
    /// Replace a member's pod and its disk, wait until it is back, and prove it
    #[command(after_help = "\
Examples:
  # Replace a warehouse node's pod and disk
  kubectl synxdb failover wh9527-0

  # There is a cloudberry-proxy-0 in several namespaces: say which is meant
  kubectl synxdb failover synxdb-system/cloudberry-proxy-0
  kubectl synxdb failover cloudberry-proxy-0 -n cloud007

  # Replace the pod, keep its disk
  kubectl synxdb failover pageserver-0 --keep-pvc

  # See the plan and its checks; ask the server whether it would accept each step
  kubectl synxdb failover safekeeper-0 --dry-run=client
  kubectl synxdb failover safekeeper-0 --dry-run=server

  # In a script: no question is asked, one JSON object a line is printed
  kubectl synxdb failover wh9527-0 --yes -o json

Recovered means: the pod of that name has a new UID, is Ready and is not being
deleted; every replaced claim has a new UID and is Bound; the component answers
for itself; and what was there before is there after. Running is not recovered.

The old volume is retained, nothing is force-deleted, and no finalizer is
stripped. Interrupted, the same command finishes what was begun.")]
    Failover(FailoverArgs),
    /// Keep a practice cluster running, for this plugin and for plain kubectl
    #[command(after_help = "\
Examples:
  # Start it in one terminal, and paste the line it prints in another
  kubectl synxdb sandbox

  # A cluster that misbehaves
  kubectl synxdb sandbox --scenario stuck-claim

  # The scenarios
  kubectl synxdb sandbox --list

It serves the Kubernetes API on a loopback port and runs the machine's own
PostgreSQL behind it. Ctrl-C ends it and removes everything that it made.")]
    Sandbox(SandboxArgs),
    /// Print the layout: what SynxDB calls its namespaces, workloads and ports
    #[command(after_help = "\
Examples:
  # Start from the shipped layout, change it, and use it
  kubectl synxdb layout > synxdb.yaml
  kubectl synxdb --layout synxdb.yaml status")]
    Layout,
    /// Print a completion script for a shell
    #[command(after_help = "\
Examples:
  # bash, for this session
  source <(kubectl synxdb completion bash)

  # fish, for good
  kubectl synxdb completion fish > ~/.config/fish/completions/kubectl-synxdb.fish")]
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the plugin's version
    #[command(after_help = "\
Examples:
  kubectl synxdb version
  kubectl synxdb version -o json")]
    Version {
        /// Form of the output
        #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
        output: Form,
    },
}

/// `status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// Pods, NAMESPACE/POD, workloads or components to show [default: all]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Look at the system namespace and every account, whatever the context's namespace
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: StatusForm,
}

/// `failover`.
#[derive(Args, Clone, Debug)]
pub struct FailoverArgs {
    /// Pod, NAMESPACE/POD, or a workload or component that means one pod; on a terminal a list is offered
    #[arg(value_name = "TARGET")]
    pub target: Option<String>,
    /// Replace the pod only, and keep its PersistentVolumeClaims
    #[arg(long)]
    pub keep_pvc: bool,
    /// Answer the ordinary question with yes
    #[arg(short, long)]
    pub yes: bool,
    /// The pod's name, for a failover of high risk: what --yes does not answer
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Change nothing: show the plan (client), or have the server check each step (server)
    #[arg(long, value_enum, default_value_t, value_name = "WHO", num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    pub dry_run: DryRun,
    /// How long to wait until it is recovered: 90s, 10m, 1h
    #[arg(long, default_value = "10m", value_parser = duration, value_name = "TIME")]
    pub timeout: Duration,
    /// Do not ask the component whether it and its data are back
    #[arg(long)]
    pub no_verify: bool,
    /// Override this check, at high risk
    #[arg(long, value_enum, value_name = "CHECK")]
    pub allow: Vec<Allow>,
    /// Begin anew, where an earlier failover of the pod is unfinished and would be finished
    #[arg(long, conflicts_with = "pod_uid")]
    pub anew: bool,
    /// UID of the pod to replace: where it has been replaced already, only wait and prove
    #[arg(long, value_name = "UID")]
    pub pod_uid: Option<String>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Form,
}

/// `sandbox`.
#[derive(Args, Clone, Debug)]
pub struct SandboxArgs {
    /// List the scenarios
    #[arg(long)]
    pub list: bool,
}

/// kubectl's flags, and those of all commands here.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Use a private practice cluster that lives as long as the command
    #[arg(long, global = true)]
    pub sandbox: bool,
    /// What the practice cluster is like: see `sandbox --list`
    #[arg(long, global = true, value_name = "NAME")]
    pub scenario: Option<String>,
    /// File that says what SynxDB calls its namespaces and workloads [env: KUBECTL_SYNXDB_LAYOUT]
    #[arg(long, global = true, value_name = "FILE")]
    pub layout: Option<PathBuf>,
    /// Colour: auto, always or never
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", hide_possible_values = true)]
    pub color: Color,
    /// Show each request to the server from level 6, as kubectl does
    #[arg(
        short = 'v',
        long = "v",
        global = true,
        default_value_t = 0,
        value_name = "LEVEL",
        hide_default_value = true
    )]
    pub verbosity: u8,

    /// Namespace, or the beginning of one
    #[arg(short, long, global = true, value_name = "NAME", help_heading = KUBECTL)]
    pub namespace: Option<String>,
    /// Path of the kubeconfig file [env: KUBECONFIG]
    #[arg(long, global = true, value_name = "FILE", help_heading = KUBECTL)]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME", help_heading = KUBECTL)]
    pub context: Option<String>,
    /// Cluster of the kubeconfig
    #[arg(long, global = true, value_name = "NAME", help_heading = KUBECTL)]
    pub cluster: Option<String>,
    /// User of the kubeconfig
    #[arg(long, global = true, value_name = "NAME", help_heading = KUBECTL)]
    pub user: Option<String>,
    /// Address of the API server
    #[arg(short, long, global = true, value_name = "URL", help_heading = KUBECTL)]
    pub server: Option<String>,
    /// Bearer token
    #[arg(long, global = true, value_name = "TOKEN", help_heading = KUBECTL)]
    pub token: Option<String>,
    /// User to impersonate
    #[arg(long = "as", global = true, value_name = "USER", help_heading = KUBECTL)]
    pub as_user: Option<String>,
    /// UID to impersonate
    #[arg(long, global = true, value_name = "UID", help_heading = KUBECTL)]
    pub as_uid: Option<String>,
    /// Group to impersonate; may be repeated
    #[arg(long, global = true, value_name = "GROUP", action = ArgAction::Append, help_heading = KUBECTL)]
    pub as_group: Vec<String>,
    /// How long to wait for one answer of the server: 5s, 1m, 0 for no limit
    #[arg(long, global = true, value_name = "TIME", help_heading = KUBECTL)]
    pub request_timeout: Option<String>,
    /// Name to check the server's certificate against
    #[arg(long, global = true, value_name = "NAME", help_heading = KUBECTL)]
    pub tls_server_name: Option<String>,
    /// Do not check the server's certificate
    #[arg(long, global = true, help_heading = KUBECTL)]
    pub insecure_skip_tls_verify: bool,
    /// File of the certificate authority
    #[arg(long, global = true, value_name = "FILE", help_heading = KUBECTL)]
    pub certificate_authority: Option<PathBuf>,
    /// File of the client certificate
    #[arg(long, global = true, value_name = "FILE", help_heading = KUBECTL)]
    pub client_certificate: Option<PathBuf>,
    /// File of the client certificate's key
    #[arg(long, global = true, value_name = "FILE", help_heading = KUBECTL)]
    pub client_key: Option<PathBuf>,
    /// Accepted as kubectl's; nothing is cached, as no discovery is needed
    #[arg(long, global = true, value_name = "DIR", help_heading = KUBECTL)]
    pub cache_dir: Option<PathBuf>,
}

const KUBECTL: &str = "Options as kubectl has them";

/// When to colour.
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

/// Forms of most commands' output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people
    #[default]
    Text,
    /// JSON; of a failover, one object a line
    Json,
    /// YAML
    Yaml,
}

/// Forms of `status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum StatusForm {
    /// A table a namespace
    #[default]
    Table,
    /// With UIDs, volumes, reclaim policies and storage classes
    Wide,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// `pod/NAME` a line
    Name,
}

/// Who checks a failover that is not carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// It is carried out
    #[default]
    None,
    /// The plugin alone
    Client,
    /// The API server, step by step
    Server,
}

/// A check's block that may be overridden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Allow {
    /// Fewer safekeepers than a majority would be left
    QuorumLoss,
    /// An old volume cannot be retained: its data is lost with its claim
    UnretainedVolume,
    /// No controller would re-create the pod
    UnmanagedPod,
}

impl Allow {
    /// As it is written on the command line.
    pub fn flag(self) -> &'static str {
        match self {
            Self::QuorumLoss => "quorum-loss",
            Self::UnretainedVolume => "unretained-volume",
            Self::UnmanagedPod => "unmanaged-pod",
        }
    }
}

/// Reads a time as kubectl does: `90s`, `10m`, `1h30m`, `500ms`, or a bare number of seconds.
///
/// # Errors
/// In words, what was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("{text:?} is not a time such as 30s, 10m or 1h");
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(expected)?;
        let number: f64 = rest[..digits].parse().map_err(|_| expected())?;
        let unit_length = rest[digits..].find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len() - digits);
        let seconds = match &rest[digits..digits + unit_length] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(expected()),
        };
        total += Duration::try_from_secs_f64(number * seconds).map_err(|_| expected())?;
        rest = &rest[digits + unit_length..];
    }
    if text.is_empty() { Err(expected()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_of_kubectl_may_stand_anywhere_after_the_plugins_name() {
        for line in ["-n x status --context c", "status -n x --context c", "--context=c status -nx"] {
            let words = std::iter::once("kubectl-synxdb").chain(line.split(' '));
            let cli = Cli::try_parse_from(words).unwrap();
            assert_eq!(
                (cli.global.namespace.as_deref(), cli.global.context.as_deref()),
                (Some("x"), Some("c")),
                "{line}"
            );
        }
    }

    #[test]
    fn allow_is_written_as_the_parser_reads_it() {
        for allow in Allow::value_variants() {
            assert_eq!(allow.to_possible_value().unwrap().get_name(), allow.flag());
        }
    }

    #[test]
    fn times_are_read_as_kubectl_reads_them() {
        for (text, seconds) in
            [("10m", 600.0), ("90", 90.0), ("1h30m", 5400.0), ("500ms", 0.5), ("1.5s", 1.5), ("0", 0.0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "m", "10x", "-1s", "1s2", "s1"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
