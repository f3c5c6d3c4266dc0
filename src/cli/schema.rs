//! `schema`.

use clap::{Args, ValueEnum};

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
    #[arg(value_name = "KIND")]
    pub kind: Option<String>,
    /// Form of the output [default: table, or json with KIND]
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<SchemaForm>,
}

/// Forms of `schema`'s output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaForm {
    /// Columns, for people
    Table,
    /// JSON: the schema, or all of them in one document
    Json,
    /// The same in YAML
    Yaml,
    /// schema/KIND a line
    Name,
}
