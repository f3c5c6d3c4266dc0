//! The command that resumes an operation.

use super::Context;
use crate::cli::{OperationArgs, SslMode, quoted};

/// A command line.
pub(super) struct Command {
    words: Vec<String>,
    /// Text to print instead, if there will be nothing to resume.
    instead: Option<&'static str>,
}

impl Command {
    /// Adds a flag with its value, if there is one.
    pub(super) fn flag(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.words.push(format!("{name} {}", quoted(value)));
        }
    }

    /// Adds a flag without a value, if it was given.
    pub(super) fn switch(&mut self, name: &str, given: bool) {
        if given {
            self.words.push(name.to_owned());
        }
    }

    /// Returns the command line.
    pub(super) fn text(&self) -> String {
        self.instead.map_or_else(|| self.words.join(" "), str::to_owned)
    }
}

/// Returns `kubectl synxdb <verb>` with the connection and operation flags that were given.
pub(super) fn resume(context: &Context, args: &OperationArgs, verb: &str) -> Command {
    let global = &context.global;
    let ended = "the temporary practice cluster ended with this command; kubectl synxdb sandbox keeps one running";
    let mut command =
        Command { words: vec![format!("kubectl synxdb {verb}")], instead: global.sandbox.then_some(ended) };
    command.flag("--context", global.context.as_deref());
    command.flag("--kubeconfig", global.kubeconfig.as_deref().and_then(|path| path.to_str()));
    command.flag("--cluster", global.cluster.as_deref());
    command.flag("--user", global.user.as_deref());
    command.flag("--server", global.server.as_deref());
    command.flag("--as", global.as_user.as_deref());
    command.flag("--as-uid", global.as_uid.as_deref());
    for group in &global.as_group {
        command.flag("--as-group", Some(group));
    }
    command.flag("--request-timeout", global.request_timeout.as_deref());
    command.flag("--tls-server-name", global.tls_server_name.as_deref());
    command.flag("--certificate-authority", global.certificate_authority.as_deref().and_then(|path| path.to_str()));
    command.flag("--client-certificate", global.client_certificate.as_deref().and_then(|path| path.to_str()));
    command.flag("--client-key", global.client_key.as_deref().and_then(|path| path.to_str()));
    command.flag("--layout", global.layout.as_deref().and_then(|path| path.to_str()));
    // The password's location, never the password.
    let secret = args.login.password_secret.as_ref().map(ToString::to_string);
    command.flag("--username", args.login.username.as_deref());
    command.flag("--password-secret", secret.as_deref());
    command.flag("--sslmode", args.login.sslmode.map(SslMode::name));
    command.flag("--sslrootcert", args.login.sslrootcert.as_deref().and_then(|path| path.to_str()));
    command.flag("--sslservername", args.login.sslservername.as_deref());
    let secret = args.pages.page_token_secret.as_ref().map(ToString::to_string);
    command.flag("--page-token-file", args.pages.page_token_file.as_deref().and_then(|path| path.to_str()));
    command.flag("--page-token-secret", secret.as_deref());
    let secret = args.pages.page_ca_secret.as_ref().map(ToString::to_string);
    command.flag("--page-ca-file", args.pages.page_ca_file.as_deref().and_then(|path| path.to_str()));
    command.flag("--page-ca-secret", secret.as_deref());
    command.flag("--page-server-name", args.pages.page_server_name.as_deref());
    for allow in &args.allow {
        command.flag("--allow", Some(allow.flag()));
    }
    for name in &args.accept_missing {
        command.flag("--accept-missing", Some(name));
    }
    for probe in &args.probe {
        command.flag("--probe", Some(probe));
    }
    command.switch("--send-cleartext-password", args.login.send_cleartext_password);
    command.switch("--insecure-skip-tls-verify", global.insecure_skip_tls_verify);
    command.switch("--disable-compression", global.disable_compression);
    // A token is a secret: only a placeholder is printed.
    command.switch("--token \"$TOKEN\"", global.token.is_some());
    command.switch("--no-verify", args.no_verify);
    command.switch("--no-probe", args.no_probe);
    command
}

/// Returns the command that undoes an operation, without the overrides of that operation.
pub(super) fn undo(context: &Context, args: &OperationArgs, id: &str) -> Command {
    let asked = OperationArgs { allow: Vec::new(), accept_missing: Vec::new(), ..args.clone() };
    resume(context, &asked, &format!("undo {}", quoted(id)))
}

/// Returns the command that stores baselines for a namespace, while it is healthy.
pub(super) fn verify(context: &Context, args: &OperationArgs, namespace: &str) -> Command {
    let asked = OperationArgs {
        allow: Vec::new(),
        accept_missing: Vec::new(),
        probe: Vec::new(),
        no_verify: false,
        no_probe: false,
        ..args.clone()
    };
    resume(context, &asked, &format!("verify -n {}", quoted(namespace)))
}

/// Returns the command that resumes an operation and accepts missing data.
pub(super) fn accepting(resume: &str, names: &[String]) -> String {
    names.iter().fold(resume.to_owned(), |command, name| format!("{command} --accept-missing {}", quoted(name)))
}
