//! `verify`.

use super::output::{JSON, PATH, TABLE, Word, YAML, forms};
use super::{LoginArgs, Names, Output, PageArgs};
use clap::Args;
use std::path::PathBuf;

const FORMS: &[Word] = &[TABLE, ("wide", "One line per check, unwrapped"), JSON, YAML, PATH];

/// `verify`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # Verify everything you have access to
  kubectl synxdb verify

  # One account, without writing to it
  kubectl synxdb verify -n cloud007 --read-only

  # Before and after maintenance: lists what is missing, exit code 7
  kubectl synxdb verify --save before.json
  kubectl synxdb verify --against before.json

  # One database of one server, in a script
  kubectl synxdb verify cloud007/cloudberry-proxy-0 -d test_db -o json

Each check is passed, failed, skipped (not applicable, or not requested) or
unknown (could not be determined), with its reason. Exit code 0: nothing failed
and nothing is unknown; 7: something failed; 8: something is unknown.

The write check creates a table in its own schema, kubectl_synxdb_verify_*, in
database postgres (or the one given with -d), reads it back and drops it. Rows
are counted only in tables of a few MB; for larger ones the catalog's estimate
is shown. Every statement has a timeout.")]
pub struct VerifyArgs {
    /// Pods, NAMESPACE/POD, workloads or components to verify [default: all]
    #[arg(value_name = "TARGET", add = Names::Targets)]
    pub targets: Vec<String>,
    /// All SynxDB namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Verify only this database; it must exist
    #[arg(short, long, value_name = "DB", add = Names::Catalog)]
    pub database: Option<String>,
    /// Do not write anything
    #[arg(long)]
    pub read_only: bool,
    /// Save the current state as a baseline; the file must not exist
    #[arg(long, value_name = "FILE", conflicts_with_all = ["against", "database"])]
    pub save: Option<PathBuf>,
    /// Compare with a baseline saved by --save
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Output format
    #[arg(short, long, value_parser = forms(FORMS), default_value = "table", value_name = "FORMAT")]
    pub output: Output,
    /// Omit headers and the summary
    #[arg(long)]
    pub no_headers: bool,
    /// Database login.
    #[command(flatten)]
    pub login: LoginArgs,
    /// Access to storage pages.
    #[command(flatten)]
    pub pages: PageArgs,
}
