//! Whether to go on: by flag, by terminal, or not at all.

use super::Context;
use crate::cli::{OperationArgs, quoted};
use crate::error::{Error, Exit, Result};
use crate::plan::{Action, Plan, Risk};
use crate::render::prompt::{self, Before};

/// Asks for what the plan's risk demands.
///
/// # Errors
/// Refused where nobody can be asked, declined where the answer is not yes.
pub(super) async fn confirm(context: &Context, args: &OperationArgs, plan: &Plan) -> Result<()> {
    if !plan.deletes() {
        return Ok(());
    }
    let pod = plan.target.pod.clone();
    let screen = context.screen;
    match (plan.risk, &args.confirm) {
        (_, Some(typed)) if *typed != pod => Err(Error::refused(format!("--confirm says {typed:?}, the pod is {pod}"))
            .because("nothing was changed")
            .hint(format!("--confirm {}", quoted(&pod)))),
        (Risk::High, Some(_)) => Ok(()),
        (Risk::High, None) if screen.interactive => {
            let question = format!("This is of high risk. Type the pod's name, {pod}, to go on");
            let typed = asked(context, Before::line(screen), move || prompt::type_name(screen, &question)).await?;
            if typed.trim() == pod { Ok(()) } else { Err(declined("the name is not the pod's")) }
        }
        (Risk::High, None) => Err(Error::refused("this is of high risk, and there is no terminal to ask on")
            .because("--yes does not answer it")
            .hint(format!("--confirm {}", quoted(&pod)))),
        (Risk::Ordinary, _) if args.yes => Ok(()),
        (Risk::Ordinary, _) if screen.interactive => {
            let question = match &plan.act {
                Action::Failover => format!("Fail over {}?", plan.path()),
                Action::Undo(of) => format!("Undo {of} of {}?", plan.path()),
            };
            if asked(context, Before::line(screen), move || prompt::confirm(screen, &question)).await? {
                Ok(())
            } else {
                Err(declined("the answer was no"))
            }
        }
        (Risk::Ordinary, _) => Err(Error::refused("there is no terminal to ask on")
            .because("nothing was changed")
            .hint("--yes answers the question")),
    }
}

fn declined(why: &str) -> Error {
    Error::new(Exit::Declined, "declined; nothing was changed").because(why)
}

/// Asks, until there is an answer or an interruption. The thread that reads the answer is left to itself: nothing can
/// end its read, and the program's end must not wait for it.
pub(super) async fn asked<T: Send + 'static>(
    context: &Context,
    // Whoever drops this future cuts the question short, too.
    before: Before,
    question: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (answer, mut answered) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || answer.send(question()));
    tokio::select! {
        biased;
        answer = &mut answered => {
            before.answered();
            answer.map_err(|_| Error::failure("the question ended early"))?
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
