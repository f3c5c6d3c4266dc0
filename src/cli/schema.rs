//! `schema`.

use super::output::{PATH, TABLE, Word, YAML, forms};
use super::{Names, Output};
use clap::Args;

const FORMS: &[Word] = &[
    TABLE,
    ("json", "The schema, or all of them in one document"),
    YAML,
    ("name", "`schema/KIND`, one per line"),
    PATH,
];

/// `schema`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  # List the kinds of document and the command that prints each
  kubectl synxdb schema

  # Print one schema, to validate a saved status
  kubectl synxdb schema Status > Status.json

  # Print all of them in one document
  kubectl synxdb schema -o json

Documents printed with -o json and -o yaml carry apiVersion and kind. Within one
apiVersion fields may be added; none is renamed or removed.")]
pub struct SchemaArgs {
    /// Kind whose schema to print, such as Status or FailoverPlan [default: list all]
    #[arg(value_name = "KIND", add = Names::Kind)]
    pub kind: Option<String>,
    /// Output format [default: table, or json with KIND]
    #[arg(short, long, value_parser = forms(FORMS), value_name = "FORMAT")]
    pub output: Option<Output>,
}
