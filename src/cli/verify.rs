//! `verify`.

use super::output::{JSON, PATH, TABLE, Word, YAML, forms};
use super::{LoginArgs, Names, Output};
use clap::Args;
use std::path::PathBuf;

const FORMS: &[Word] = &[TABLE, ("wide", "A line a check, however long"), JSON, YAML, PATH];

/// `verify`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # Is everything there that you can see?
  kubectl synxdb verify

  # One account, without writing anything
  kubectl synxdb verify -n cloud007 --read-only

  # Before and after maintenance: what is missing is named, exit code 7
  kubectl synxdb verify --save before.json
  kubectl synxdb verify --against before.json

  # One database of one server, for a script
  kubectl synxdb verify cloud007/cloudberry-proxy-0 -d test_db -o json

Each check is passed, failed, skipped (it does not apply here, or was not asked
for), or unknown (nobody can say), with its reason. Exit code 0: nothing failed
and all that should be known is; 7: something failed; 8: something is unknown.

The write check makes a table in a schema of its own, kubectl_synxdb_verify_*,
in database postgres (or the one that -d names), reads it back and drops it.
Rows are counted only in tables of a few MB; of others the catalog's estimate
is shown. Every statement has a timeout.")]
pub struct VerifyArgs {
    /// Pods, NAMESPACE/POD, workloads or components to verify [default: all]
    #[arg(value_name = "TARGET", add = Names::Targets)]
    pub targets: Vec<String>,
    /// Look at the system namespace and every account, whatever the context's namespace
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Look into this database only; it must be there
    #[arg(short, long, value_name = "DB", add = Names::Catalog)]
    pub database: Option<String>,
    /// Write nothing
    #[arg(long)]
    pub read_only: bool,
    /// Save what is there as a baseline; the file must not exist
    #[arg(long, value_name = "FILE", conflicts_with_all = ["against", "database"])]
    pub save: Option<PathBuf>,
    /// Compare with a baseline of --save
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Form of the output
    #[arg(short, long, value_parser = forms(FORMS), default_value = "table", value_name = "FORMAT")]
    pub output: Output,
    /// Print no headings, and nothing but the rows
    #[arg(long)]
    pub no_headers: bool,
    /// How it asks databases.
    #[command(flatten)]
    pub login: LoginArgs,
}
