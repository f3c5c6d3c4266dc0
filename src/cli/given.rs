//! The flags of a command line that the commands it suggests repeat.

use super::{Cli, Command, Global, LoginArgs, PageArgs, SslMode};
use crate::suggestion::{FlagList, GivenFlags};

impl Cli {
    /// Returns the flags that suggested commands repeat. Secrets are left out: a shell variable stands for each.
    pub(crate) fn given_flags(&self) -> GivenFlags {
        let (login, pages) = match &self.command {
            Command::Failover(args) => (Some(&args.act.login), Some(&args.act.pages)),
            Command::Undo(args) => (Some(&args.act.login), Some(&args.act.pages)),
            Command::Verify(args) => (Some(&args.login), Some(&args.pages)),
            Command::Status(args) => (None, Some(&args.pages)),
            _ => (None, None),
        };
        GivenFlags {
            connection: connection(&self.global.clone().without_empty()),
            plugin: plugin(&self.global),
            login: login.map(of_login).unwrap_or_default(),
            pages: pages.map(of_pages).unwrap_or_default(),
            temporary: self.global.sandbox,
        }
    }
}

/// Global flags that no suggested command repeats, each for a reason.
#[cfg(test)]
const NOT_REPEATED: &[&str] = &[
    // How this command prints.
    "--color",
    "--v",
    // A suggested command names its namespace itself.
    "--namespace",
    // They have no effect.
    "--cache-dir",
    "--warnings-as-errors",
    "--match-server-version",
    "--profile",
    "--profile-output",
    "--log-flush-frequency",
    "--vmodule",
];

fn connection(global: &Global) -> FlagList {
    let mut flags = FlagList::default();
    flags.value("--context", global.context.as_deref());
    flags.value("--kubeconfig", global.kubeconfig.as_deref());
    flags.value("--cluster", global.cluster.as_deref());
    flags.value("--user", global.user.as_deref());
    address(&mut flags, ("--server", "SERVER"), global.server.as_deref());
    flags.value("--as", global.as_user.as_deref());
    flags.value("--as-uid", global.as_uid.as_deref());
    for group in &global.as_group {
        flags.value("--as-group", Some(group));
    }
    for extra in &global.as_user_extra {
        flags.value("--as-user-extra", Some(extra));
    }
    flags.value("--request-timeout", global.request_timeout.as_deref());
    flags.value("--tls-server-name", global.tls_server_name.as_deref());
    flags.value("--certificate-authority", global.certificate_authority.as_deref());
    flags.value("--client-certificate", global.client_certificate.as_deref());
    flags.value("--client-key", global.client_key.as_deref());
    flags.switch("--insecure-skip-tls-verify", global.insecure_skip_tls_verify);
    flags.switch("--disable-compression", global.disable_compression);
    flags.secret("--token", "TOKEN", global.token.is_some());
    flags
}

/// Adds a URL, if it was given. One that may hold a password is a secret.
fn address(flags: &mut FlagList, (name, variable): (&'static str, &'static str), url: Option<&str>) {
    let secret = url.is_some_and(|url| url.contains('@'));
    flags.value(name, url.filter(|_| !secret));
    flags.secret(name, variable, secret);
}

fn plugin(global: &Global) -> FlagList {
    let mut flags = FlagList::default();
    // No kubectl takes the first, and only newer ones the second.
    address(&mut flags, ("--proxy-url", "PROXY_URL"), global.proxy_url.as_deref());
    flags.value("--kuberc", global.kuberc.as_deref());
    flags.switch("--sandbox", global.sandbox);
    flags.value("--scenario", global.scenario.as_deref());
    flags.value("--layout", global.layout.as_deref());
    flags
}

fn of_login(login: &LoginArgs) -> FlagList {
    let mut flags = FlagList::default();
    flags.value("--username", login.username.as_deref());
    // The password's location, never the password.
    flags.value("--password-secret", login.password_secret.as_ref().map(ToString::to_string));
    flags.value("--sslmode", login.sslmode.map(SslMode::name));
    flags.value("--sslrootcert", login.sslrootcert.as_deref());
    flags.value("--sslservername", login.sslservername.as_deref());
    flags.switch("--send-cleartext-password", login.send_cleartext_password);
    flags
}

fn of_pages(pages: &PageArgs) -> FlagList {
    let mut flags = FlagList::default();
    flags.value("--page-token-file", pages.page_token_file.as_deref());
    flags.value("--page-token-secret", pages.page_token_secret.as_ref().map(ToString::to_string));
    flags.value("--page-ca-file", pages.page_ca_file.as_deref());
    flags.value("--page-ca-secret", pages.page_ca_secret.as_ref().map(ToString::to_string));
    flags.value("--page-server-name", pages.page_server_name.as_deref());
    flags
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suggestion::{WITH_LOGIN, WITH_PAGES};
    use clap::{CommandFactory, Parser};

    /// Returns each flag of a command, with a value that it accepts.
    fn flags(arguments: &clap::Command) -> Vec<(String, Option<&'static str>)> {
        let flag = |argument: &clap::Arg| {
            let name = format!("--{}", argument.get_long()?);
            let value = match name.as_str() {
                "--sslmode" => "require",
                "--password-secret" | "--page-token-secret" | "--page-ca-secret" => "name/key",
                "--color" => "never",
                "--v" => "1",
                "--profile" => "none",
                _ => "5s",
            };
            let takes = argument.get_action().takes_values() && !argument.is_require_equals_set();
            Some((name, takes.then_some(value)))
        };
        arguments.get_arguments().filter_map(flag).collect()
    }

    fn given(verb: &str, (name, value): &(String, Option<&str>)) -> Vec<&'static str> {
        let flag = value.map_or_else(|| name.clone(), |value| format!("{name}={value}"));
        let given = Cli::try_parse_from(["kubectl synxdb", verb, &flag])
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .given_flags();
        [given.connection, given.plugin, given.login, given.pages].iter().flat_map(FlagList::names).collect()
    }

    /// A flag that is added to the command line is repeated, or has a reason not to be.
    #[test]
    fn every_global_flag_is_repeated_or_has_a_reason_not_to_be() {
        let of_top = Cli::command();
        for flag in flags(&of_top).iter().filter(|(name, _)| !["--help", "--version"].contains(&name.as_str())) {
            let known = NOT_REPEATED.contains(&flag.0.as_str());
            assert_eq!(given("history", flag).contains(&flag.0.as_str()), !known, "{}", flag.0);
        }
    }

    /// Login flags are repeated by the commands that take them, and by no other.
    #[test]
    fn flags_of_a_command_are_repeated_for_commands_that_take_them() {
        let top = Cli::command();
        for (taken_by, headings) in [(WITH_LOGIN.as_slice(), "Database login"), (&WITH_PAGES, "Storage pages")] {
            for command in top.get_subcommands() {
                let of_kind: Vec<&clap::Arg> =
                    command.get_arguments().filter(|one| one.get_help_heading() == Some(headings)).collect();
                assert_eq!(
                    !of_kind.is_empty(),
                    taken_by.contains(&command.get_name()),
                    "{} {headings}",
                    command.get_name()
                );
                for argument in of_kind {
                    let name = format!("--{}", argument.get_long().unwrap());
                    let flag = flags(command).into_iter().find(|(known, _)| *known == name).unwrap();
                    assert!(given(command.get_name(), &flag).contains(&name.as_str()), "{} {name}", command.get_name());
                }
            }
        }
    }
}
