//! `status`.

use super::Names;
use clap::{Args, ValueEnum};

/// `status`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # The system namespace and every account you can see
  kubectl synxdb status

  # One account, named by the beginning of its namespace, with volumes and UIDs
  kubectl synxdb status -n cloud007 -o wide

  # For a script: exit code 0 is healthy, 8 is degraded or unknown
  kubectl synxdb status -o json

What cannot be read within 2 seconds is shown as <unknown>, with the reason.")]
pub struct StatusArgs {
    /// Pods, NAMESPACE/POD, workloads or components to show [default: all]
    #[arg(value_name = "TARGET", add = Names::Targets)]
    pub targets: Vec<String>,
    /// Look at the system namespace and every account, whatever the context's namespace
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: StatusForm,
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
