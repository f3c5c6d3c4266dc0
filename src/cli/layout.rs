//! `layout`, `layout learn` and `layout check`.

use super::Output;
use super::output::{JSON, PATH, TABLE, Word, YAML, forms};
use clap::{Args, Subcommand};

const CHECKED: &[Word] = &[TABLE, JSON, YAML, PATH];

/// `layout`.
#[derive(Args, Clone, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  # Start from the layout in force, change it, and use it
  kubectl synxdb layout > synxdb.yaml
  kubectl synxdb --layout synxdb.yaml status

  # Share it with everyone who works on this cluster
  kubectl create configmap kubectl-synxdb-layout -n synxdb-system --from-file=layout.yaml=synxdb.yaml

The first of these that exists is in force: --layout, $KUBECTL_SYNXDB_LAYOUT,
~/.config/kubectl-synxdb/layout.yaml, the ConfigMap kubectl-synxdb-layout in
namespace synxdb-system (key layout.yaml), the one shipped with the plugin."
)]
pub struct LayoutArgs {
    /// What to do with layouts
    #[command(subcommand)]
    pub command: Option<LayoutCommand>,
}

/// Subcommands of `layout`.
#[derive(Clone, Debug, Subcommand)]
pub enum LayoutCommand {
    /// Propose a layout from what runs in the cluster, with a comment for each guess
    #[command(after_help = "\
Examples:
  # Propose a layout for another release of SynxDB, read it, and try it
  kubectl synxdb layout learn > synxdb.yaml
  kubectl synxdb --layout synxdb.yaml layout check

  # From one namespace, if you may not read them all
  kubectl synxdb layout learn -n hashdata-fe-team-07e5674f

It reads labels, StatefulSets and other owners, containers, ports and Services.
It changes nothing, and what it proposes is a guess: read its comments.")]
    Learn,
    /// Show which pods the layout recognizes as which component, and which fit no rule
    Check(CheckArgs),
}

/// `layout check`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # Check that the layout in force recognizes all of SynxDB
  kubectl synxdb layout check

  # Check another layout
  kubectl synxdb --layout synxdb.yaml layout check

  # For a script: exit code 8 if something fits no rule
  kubectl synxdb layout check -o json")]
pub struct CheckArgs {
    /// All SynxDB namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Output format
    #[arg(short, long, value_parser = forms(CHECKED), default_value = "table", value_name = "FORMAT")]
    pub output: Output,
    /// Omit headers and the summary
    #[arg(long)]
    pub no_headers: bool,
}
