//! The command that goes on where a failover stopped.

use super::Context;
use crate::cli::{FailoverArgs, SslMode};
use crate::plan::Plan;

/// The command that finishes this failover: the same one, pinned to the pod that it was for.
pub(super) fn resume(context: &Context, args: &FailoverArgs, plan: &Plan) -> String {
    let global = &context.global;
    if global.sandbox {
        return "the private practice cluster ended with this command; kubectl synxdb sandbox keeps one".into();
    }
    let mut command = format!("kubectl synxdb failover {}", quoted(&plan.path()));
    let mut flag = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            command.push_str(&format!(" {name} {}", quoted(value)));
        }
    };
    flag("--context", global.context.as_deref());
    flag("--kubeconfig", global.kubeconfig.as_deref().and_then(|path| path.to_str()));
    flag("--cluster", global.cluster.as_deref());
    flag("--user", global.user.as_deref());
    flag("--server", global.server.as_deref());
    flag("--as", global.as_user.as_deref());
    flag("--as-uid", global.as_uid.as_deref());
    for group in &global.as_group {
        flag("--as-group", Some(group));
    }
    flag("--request-timeout", global.request_timeout.as_deref());
    flag("--tls-server-name", global.tls_server_name.as_deref());
    flag("--certificate-authority", global.certificate_authority.as_deref().and_then(|path| path.to_str()));
    flag("--client-certificate", global.client_certificate.as_deref().and_then(|path| path.to_str()));
    flag("--client-key", global.client_key.as_deref().and_then(|path| path.to_str()));
    flag("--layout", global.layout.as_deref().and_then(|path| path.to_str()));
    // Where the password is, never what it is.
    let secret = args.login.password_secret.as_ref().map(ToString::to_string);
    flag("--username", args.login.username.as_deref());
    flag("--password-secret", secret.as_deref());
    flag("--sslmode", args.login.sslmode.map(SslMode::name));
    flag("--sslrootcert", args.login.sslrootcert.as_deref().and_then(|path| path.to_str()));
    flag("--sslservername", args.login.sslservername.as_deref());
    for probe in &args.probe {
        flag("--probe", Some(probe));
    }
    flag("--pod-uid", Some(plan.target.uid.as_str()).filter(|uid| !uid.is_empty()));
    for (given, flag) in [
        (global.insecure_skip_tls_verify, " --insecure-skip-tls-verify"),
        // A token is a secret: that one is to be given, not which.
        (global.token.is_some(), " --token \"$TOKEN\""),
        (args.keep_pvc, " --keep-pvc"),
        (args.no_verify, " --no-verify"),
        (args.no_probe, " --no-probe"),
    ] {
        if given {
            command.push_str(flag);
        }
    }
    command
}

/// A word as a shell takes it whole.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
