//! How a command that asks by SQL logs in.

use super::Context;
use crate::cli::LoginArgs;
use crate::error::Result;
use crate::probe::Login;
use crate::probe::login::{Environment, Resolved};
use crate::render::wrapped;

/// From flags, environment and files; what its user should know of it is said at once. A password in a Secret is read
/// later, for the pod that it is for: [`Login::within`]. On a practice cluster of the command's own, the passwords are its
/// own, too.
///
/// # Errors
/// A mode that does not exist, root certificates that are needed and not there.
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

/// Says something about the login that its user should know.
pub(super) fn note(context: &Context, text: &str) {
    let lead = context.screen.err.warn("note:");
    context.screen.note(&wrapped("note: ", text).replacen("note:", &lead, 1));
}
