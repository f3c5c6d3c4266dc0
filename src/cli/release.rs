//! `release`.

use super::output::{JSON, PATH, TEXT, Word, YAML, forms};
use super::{Names, Output};
use crate::duration;
use clap::Args;
use std::time::Duration;

const FORMS: &[Word] = &[TEXT, JSON, YAML, ("name", "`persistentvolume/NAME`, one per line"), PATH];

/// `release`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # Asks for the pod's name, because this cannot be undone
  kubectl synxdb release 3f2a91bc

  # Several operations; asks for the number of volumes
  kubectl synxdb release 3f2a91bc 51b2c9de

  # All that an account's operations of a week ago and earlier retained
  kubectl synxdb release --older-than 7d -n cloud007

  # In a script
  kubectl synxdb release 3f2a91bc --confirm cloudberry-proxy-0

The volumes get back the reclaim policy they had before they were retained, and
Kubernetes reclaims them. Blocked while the component has not recovered: while
its last failover or undo has not, its pod is not Ready or a claim is not Bound.
If one of several IDs is blocked, nothing is released; --older-than skips it.")]
pub struct ReleaseArgs {
    /// IDs of failovers or undos (see history)
    #[arg(value_name = "ID", required_unless_present = "older_than", add = Names::Kept)]
    pub ids: Vec<String>,
    /// Instead of IDs: every operation that ended this long ago or earlier, such as 12h or 7d
    #[arg(long, value_name = "AGE", value_parser = duration::parse_age, conflicts_with = "ids")]
    pub older_than: Option<Duration>,
    /// All SynxDB namespaces, with --older-than
    #[arg(short = 'A', long, requires = "older_than", conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// The answer to the prompt: the pod's name, or of several pods the number of volumes
    #[arg(long, value_name = "ANSWER")]
    pub confirm: Option<String>,
    /// Output format
    #[arg(short, long, value_parser = forms(FORMS), default_value = "text", value_name = "FORMAT")]
    pub output: Output,
}
