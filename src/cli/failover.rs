//! `failover`.

use super::{Form, LoginArgs, duration};
use clap::{Args, ValueEnum};
use std::time::Duration;

/// `failover`.
#[derive(Args, Clone, Debug)]
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
    /// Measure how long this database is away, rather than those that depend on the target; may be repeated
    #[arg(long, value_name = "NAMESPACE/POD", conflicts_with = "no_probe")]
    pub probe: Vec<String>,
    /// Do not measure how long databases are away
    #[arg(long)]
    pub no_probe: bool,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Form,
    /// How it asks databases.
    #[command(flatten)]
    pub login: LoginArgs,
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
    /// Another failover is under way in the namespace, or could not be kept away
    ConcurrentFailover,
}

impl Allow {
    /// As it is written on the command line.
    pub fn flag(self) -> &'static str {
        match self {
            Self::QuorumLoss => "quorum-loss",
            Self::UnretainedVolume => "unretained-volume",
            Self::UnmanagedPod => "unmanaged-pod",
            Self::ConcurrentFailover => "concurrent-failover",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allow_is_written_as_the_parser_reads_it() {
        for allow in Allow::value_variants() {
            assert_eq!(allow.to_possible_value().unwrap().get_name(), allow.flag());
        }
    }
}
