//! `schema`.

use super::output::{PATH, TABLE, Word, YAML, forms};
use super::{Names, Output};
use clap::Args;

const FORMS: &[Word] =
    &[TABLE, ("json", "The schema, or all of them in one document"), YAML, ("name", "`schema/KIND` a line"), PATH];

/// `schema`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # Which kinds of document there are, and what prints each
  kubectl synxdb schema

  # The schema of one, to check a saved status with
  kubectl synxdb schema Status > Status.json

  # All of them, in one document
  kubectl synxdb schema -o json

The documents of -o json and -o yaml carry apiVersion and kind. In one apiVersion, fields
may be added; none is renamed or dropped.")]
pub struct SchemaArgs {
    /// The kind whose schema to print, such as Status or FailoverPlan [default: a list of all]
    #[arg(value_name = "KIND", add = Names::Kind)]
    pub kind: Option<String>,
    /// Form of the output [default: table, or json with KIND]
    #[arg(short, long, value_parser = forms(FORMS), value_name = "FORMAT")]
    pub output: Option<Output>,
}
