//! Confirmation: by flag, or on a terminal.

use super::Context;
use crate::cli::OperationArgs;
use crate::error::{Error, Exit, Result};
use crate::plan::{Action, Plan, Risk};
use crate::render::prompt::{self, Before};
use crate::suggestion::quoted;

/// Asks for the confirmation that the plan's risk requires.
///
/// # Errors
/// Blocked without a terminal, declined if the answer is not yes.
pub(super) async fn confirm(context: &Context, args: &OperationArgs, plan: &Plan) -> Result<()> {
    if !plan.deletes() {
        return Ok(());
    }
    let pod = plan.target.pod.clone();
    let screen = context.screen;
    match (plan.risk, &args.confirm) {
        (_, Some(typed)) if *typed != pod => {
            Err(Error::refused(format!("--confirm {typed:?} does not match the pod {pod}"))
                .because("nothing was changed")
                .hint(format!("--confirm {}", quoted(&pod))))
        }
        (Risk::High, Some(_)) => Ok(()),
        (Risk::High, None) if screen.interactive => {
            let question = format!("High risk. Type {pod} to continue");
            let typed = ask(context, Before::line(screen), move || prompt::type_name(screen, &question)).await?;
            if typed.trim() == pod { Ok(()) } else { Err(declined("name does not match")) }
        }
        (Risk::High, None) => Err(Error::refused("high risk, and no terminal for the prompt")
            .because("--yes is not enough for a high-risk operation")
            .hint(format!("--confirm {}", quoted(&pod)))),
        (Risk::Ordinary, _) if args.yes => Ok(()),
        (Risk::Ordinary, _) if screen.interactive => {
            let question = match &plan.act {
                Action::Failover => format!("Fail over {}?", plan.path()),
                Action::Undo(of) => format!("Undo {of} for {}?", plan.path()),
            };
            if ask(context, Before::line(screen), move || prompt::confirm(screen, &question)).await? {
                Ok(())
            } else {
                Err(declined("cancelled"))
            }
        }
        (Risk::Ordinary, _) => Err(Error::refused("no terminal for the prompt")
            .because("nothing was changed")
            .hint("to skip the prompt, add --yes")),
    }
}

fn declined(why: &str) -> Error {
    Error::new(Exit::Declined, "declined; nothing was changed").because(why)
}

/// Asks, and waits for an answer or an interruption. The thread that reads the answer is detached: nothing can end its read,
/// and the program must not wait for it at its end.
pub(super) async fn ask<T: Send + 'static>(
    context: &Context,
    // Dropping this future also interrupts the prompt.
    before: Before,
    question: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (answer, mut answered) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || answer.send(question()));
    tokio::select! {
        biased;
        answer = &mut answered => {
            before.answered();
            answer.map_err(|_| Error::failure("the prompt ended early"))?
        }
        () = context.interrupt.cancelled() => {
            tokio::select! {
                _ = &mut answered => {}
                () = before.taken() => {}
            }
            Err(prompt::interrupted())
        }
    }
}
