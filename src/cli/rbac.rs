//! `rbac`.

use super::Names;
use clap::{ArgGroup, Args, ValueEnum};

/// `rbac`.
#[derive(Args, Clone, Debug)]
#[command(
    group = ArgGroup::new("subject").multiple(true).args(["serviceaccount", "subject_user", "subject_group"]),
    after_help = "\
Examples:
  # Let the group dba fail over in one account and in the system namespace
  kubectl synxdb rbac --for failover -n cloud007-513d75d5 -n synxdb-system \\
    --subject-group dba | kubectl apply -f -

  # A service account that watches over SynxDB in all namespaces
  kubectl synxdb rbac --for status,verify --serviceaccount monitoring:synxdb

  # Roles alone, to be bound by hand
  kubectl synxdb rbac --for forward

It reads nothing of the cluster. With -n each namespace gets a Role of its own;
without it there is one ClusterRole for what lies in namespaces, which a
RoleBinding grants in one and a ClusterRoleBinding in all, those to come
included. What lies in no namespace (volumes, nodes, the list of namespaces) is
in a second ClusterRole, whose name ends with -cluster.

Rules that a command can go on without say so in a comment; they may be deleted.
Whoever applies this must have these rights, or `escalate` and `bind` on roles."
)]
pub struct RbacArgs {
    /// The commands that are to work [default: all]
    #[arg(long = "for", value_enum, value_name = "COMMAND", value_delimiter = ',')]
    pub commands: Vec<RbacFor>,
    /// Namespace, by its whole name; may be repeated [default: all namespaces]
    // The flag of all commands, which for this one is no beginning of a name, and may be several.
    #[arg(id = "namespace", short, long, value_name = "NAME", action = clap::ArgAction::Append, add = Names::Namespace)]
    pub namespaces: Vec<String>,
    /// Bind the roles to this service account
    #[arg(long, value_name = "NAMESPACE:NAME")]
    pub serviceaccount: Vec<String>,
    /// Bind the roles to this user
    #[arg(long, value_name = "NAME")]
    pub subject_user: Vec<String>,
    /// Bind the roles to this group
    #[arg(long, value_name = "NAME")]
    pub subject_group: Vec<String>,
    /// Let it read this Secret, as --password-secret of the other commands does
    #[arg(long, value_name = "NAME")]
    pub secret: Vec<String>,
}

/// A command that takes rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum RbacFor {
    /// See whether all is well
    Status,
    /// Ask every component
    Verify,
    /// Reach a database
    Forward,
    /// Replace a member
    Failover,
    /// Bring back what was set aside
    Undo,
    /// See what was done, and release what is kept
    History,
}

impl RbacFor {
    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Verify => "verify",
            Self::Forward => "forward",
            Self::Failover => "failover",
            Self::Undo => "undo",
            Self::History => "history",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    #[test]
    fn commands_are_written_as_the_parser_reads_them() {
        for command in RbacFor::value_variants() {
            assert_eq!(command.to_possible_value().unwrap().get_name(), command.name());
        }
    }

    #[test]
    fn namespaces_may_be_several_and_stand_anywhere() {
        for (line, expected) in [
            ("rbac", &[][..]),
            ("rbac -n a --for status --namespace b", &["a", "b"]),
            ("rbac -na -nb", &["a", "b"]),
            ("-n a rbac --for status", &["a"]),
        ] {
            let cli = Cli::try_parse_from(std::iter::once("kubectl-synxdb").chain(line.split(' '))).unwrap();
            let Command::Rbac(args) = cli.command else { panic!() };
            assert_eq!(args.namespaces, expected, "{line}");
        }
        // One namespace is enough for all others.
        assert!(Cli::try_parse_from(["kubectl-synxdb", "status", "-n", "a", "-n", "b"]).is_err());
    }
}
