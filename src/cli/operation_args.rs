//! The flags that `failover` and `undo` share.

use super::output::{JSON, PATH, TEXT, Word, YAML, forms};
use super::overrides::{Allow, DryRun};
use super::{LoginArgs, Names, Output, PageArgs};
use crate::duration;
use clap::Args;
use std::time::Duration;

/// `json` is one object per line: the plan, each event, the result. The others have the result only.
const FORMS: &[Word] = &[TEXT, JSON, YAML, PATH];

const ASKING: &str = "Confirmation and overrides";
const PROOF: &str = "Waiting and verification";

/// Confirmation, waiting, verification and output of an operation.
#[derive(Args, Clone, Debug)]
pub struct OperationArgs {
    /// Skip the confirmation prompt (not for high-risk operations)
    #[arg(short, long, help_heading = ASKING)]
    pub yes: bool,
    /// Confirm a high-risk operation by the pod's name; --yes does not
    #[arg(long, value_name = "NAME", help_heading = ASKING)]
    pub confirm: Option<String>,
    /// Print the plan only (client), or validate each step on the server too (server)
    #[arg(long, value_enum, default_value_t, value_name = "STRATEGY", num_args = 0..=1, require_equals = true, default_missing_value = "client", help_heading = ASKING)]
    pub dry_run: DryRun,
    /// Maximum time to wait for recovery: 90s, 10m, 1h
    #[arg(long, default_value = "10m", value_parser = duration::parse, value_name = "TIME", help_heading = PROOF)]
    pub timeout: Duration,
    /// Time the new pod must then stay Ready without a restart; at least two periods of its readiness probe. 0s turns it
    /// off (its StatefulSet's minReadySeconds always counts)
    #[arg(long, default_value = "5s", value_parser = duration::parse, value_name = "TIME", help_heading = PROOF)]
    pub settle: Duration,
    /// Skip verification
    #[arg(long, help_heading = PROOF)]
    pub no_verify: bool,
    /// Accept that this is missing compared with an earlier baseline, named as in the report: DATABASE, DATABASE/SCHEMA.TABLE, or
    /// for storage a name such as active-tenants; may be repeated
    #[arg(long, value_name = "NAME", help_heading = PROOF)]
    pub accept_missing: Vec<String>,
    /// Override a failed check (high risk)
    #[arg(long, value_enum, value_name = "CHECK", help_heading = ASKING)]
    pub allow: Vec<Allow>,
    /// Database whose outage to measure; may be repeated [default: those that depend on the target]
    #[arg(long, value_name = "NAMESPACE/POD", conflicts_with = "no_probe", help_heading = PROOF, add = Names::Database)]
    pub probe: Vec<String>,
    /// Do not measure database outages
    #[arg(long, help_heading = PROOF)]
    pub no_probe: bool,
    /// Output format
    #[arg(short, long, value_parser = forms(FORMS), default_value = "text", value_name = "FORMAT")]
    pub output: Output,
    /// Database login.
    #[command(flatten)]
    pub login: LoginArgs,
    /// Access to storage pages.
    #[command(flatten)]
    pub pages: PageArgs,
}

#[cfg(test)]
mod tests {
    use crate::cli::{Cli, Command};
    use clap::Parser as _;
    use std::time::Duration;

    #[test]
    fn a_pod_must_stay_for_five_seconds_by_default() {
        let settle = |words: &[&str]| {
            let words = ["kubectl synxdb", "failover", "p-0"].iter().chain(words);
            let Command::Failover(args) = Cli::try_parse_from(words).unwrap().command else { unreachable!() };
            args.act.settle
        };
        assert_eq!(settle(&[]), Duration::from_secs(5));
        assert_eq!(settle(&["--settle", "0s"]), Duration::ZERO);
    }
}
