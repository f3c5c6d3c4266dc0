//! The database login of a command.

use super::Context;
use crate::cli::LoginArgs;
use crate::error::Result;
use crate::probe::Login;
use crate::probe::login::{Environment, Resolved};
use crate::render::wrapped;

/// Resolves the login from flags, environment and files, and prints notices. A password in a Secret is read later, for its
/// pod: [`Login::within`]. On the command's own practice cluster the passwords are that cluster's.
///
/// # Errors
/// An unknown TLS mode, or root certificates that are needed and missing.
pub(super) fn login(context: &Context, args: &LoginArgs) -> Result<Login> {
    let of_process = Environment::of_process();
    let environment = match &context.practice_passfile {
        Some(passfile) => Environment { password: None, passfile: Some(passfile.clone()), ..of_process },
        None => of_process,
    };
    let Resolved { login, notices } = Login::resolve(args, &environment)?;
    notices.iter().for_each(|notice| note(context, notice));
    Ok(login)
}

/// Prints a note.
pub(super) fn note(context: &Context, text: &str) {
    let lead = context.screen.err.warn("note:");
    context.screen.note(&wrapped("note: ", text).replacen("note:", &lead, 1));
}
