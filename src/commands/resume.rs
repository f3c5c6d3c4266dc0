//! The commands that an operation suggests: to resume it, to undo it, to accept missing data.

use super::Context;
use crate::cli::OperationArgs;
use crate::suggestion::{SuggestedCommand, Suggestion, plugin};

/// Adds the flags of the operation that were given: its overrides, what it accepts and probes, and what it skips.
pub(super) fn resume(args: &OperationArgs, command: SuggestedCommand) -> SuggestedCommand {
    let allowed = args.allow.iter().map(|allow| ("--allow", allow.flag().to_owned()));
    let accepted = args.accept_missing.iter().map(|name| ("--accept-missing", name.clone()));
    let command = allowed.chain(accepted).fold(command, |command, (flag, value)| command.flag(flag, value));
    unhindered(args, command)
}

/// Returns the command that undoes an operation, without the overrides of that operation.
pub(super) fn undo(args: &OperationArgs, id: &str) -> SuggestedCommand {
    unhindered(args, plugin("undo").word(id))
}

/// Adds the flags of the operation that override and accept nothing.
fn unhindered(args: &OperationArgs, command: SuggestedCommand) -> SuggestedCommand {
    let command = args.probe.iter().fold(command, |command, probe| command.flag("--probe", probe));
    command.switch("--no-verify", args.no_verify).switch("--no-probe", args.no_probe)
}

/// Returns the command that resumes an operation and accepts missing data.
pub(super) fn accepting(resume: &SuggestedCommand, names: &[String]) -> SuggestedCommand {
    names.iter().fold(resume.clone(), |command, name| command.flag("--accept-missing", name))
}

/// Returns the command, or why there is nothing to run it on: the practice cluster of `--sandbox` ends with this command.
pub(super) fn or_ended(context: &Context, command: SuggestedCommand) -> Suggestion {
    if context.global.sandbox {
        "the temporary practice cluster ended with this command; `sandbox` keeps one running".into()
    } else {
        command.into()
    }
}
