//! What `failover` and `undo` have in common.

use super::failover::{Allow, DryRun};
use super::output::{JSON, PATH, TEXT, Word, YAML, forms};
use super::{LoginArgs, Names, Output, duration};
use clap::Args;
use std::time::Duration;

/// `json` is an object a line: the plan, each event, the result. The others are of the result alone.
const FORMS: &[Word] = &[TEXT, JSON, YAML, PATH];

const ASKING: &str = "What is asked, and what is overridden";
const PROOF: &str = "Waiting and proof";

/// How a change is asked about, carried out, proven and told.
#[derive(Args, Clone, Debug)]
pub struct ActArgs {
    /// Answer the ordinary question with yes
    #[arg(short, long, help_heading = ASKING)]
    pub yes: bool,
    /// The pod's name, for what is of high risk: what --yes does not answer
    #[arg(long, value_name = "NAME", help_heading = ASKING)]
    pub confirm: Option<String>,
    /// Change nothing: show the plan (client), or have the server check each step (server)
    #[arg(long, value_enum, default_value_t, value_name = "WHO", num_args = 0..=1, require_equals = true, default_missing_value = "client", help_heading = ASKING)]
    pub dry_run: DryRun,
    /// How long to wait until it is recovered: 90s, 10m, 1h
    #[arg(long, default_value = "10m", value_parser = duration, value_name = "TIME", help_heading = PROOF)]
    pub timeout: Duration,
    /// How long the new pod must then stay Ready, without a restart; two periods of its readiness probe if these are
    /// longer. 0s: not at all (its StatefulSet's minReadySeconds always counts)
    #[arg(long, default_value = "5s", value_parser = duration, value_name = "TIME", help_heading = PROOF)]
    pub settle: Duration,
    /// Do not ask the component whether it and its data are back
    #[arg(long, help_heading = PROOF)]
    pub no_verify: bool,
    /// What may be missing since an earlier baseline, as the list of what is missing names it: DATABASE or
    /// DATABASE/SCHEMA.TABLE; may be repeated
    #[arg(long, value_name = "NAME", help_heading = PROOF)]
    pub accept_missing: Vec<String>,
    /// Override this check, at high risk
    #[arg(long, value_enum, value_name = "CHECK", help_heading = ASKING)]
    pub allow: Vec<Allow>,
    /// Measure how long this database is away, rather than those that depend on the target; may be repeated
    #[arg(long, value_name = "NAMESPACE/POD", conflicts_with = "no_probe", help_heading = PROOF, add = Names::Database)]
    pub probe: Vec<String>,
    /// Do not measure how long databases are away
    #[arg(long, help_heading = PROOF)]
    pub no_probe: bool,
    /// Form of the output
    #[arg(short, long, value_parser = forms(FORMS), default_value = "text", value_name = "FORMAT")]
    pub output: Output,
    /// How it asks databases.
    #[command(flatten)]
    pub login: LoginArgs,
}

#[cfg(test)]
mod tests {
    use crate::cli::{Cli, Command};
    use clap::Parser as _;
    use std::time::Duration;

    #[test]
    fn a_pod_must_stay_for_five_seconds_unless_something_else_is_said() {
        let settle = |words: &[&str]| {
            let words = ["kubectl synxdb", "failover", "p-0"].iter().chain(words);
            let Command::Failover(args) = Cli::try_parse_from(words).unwrap().command else { unreachable!() };
            args.act.settle
        };
        assert_eq!(settle(&[]), Duration::from_secs(5));
        assert_eq!(settle(&["--settle", "0s"]), Duration::ZERO);
    }
}
