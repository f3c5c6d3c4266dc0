//! `rbac`.

use super::Names;
use clap::{ArgGroup, Args, ValueEnum};

/// `rbac`.
#[derive(Args, Clone, Debug)]
#[command(
    group = ArgGroup::new("subject").multiple(true).args(["serviceaccount", "subject_user", "subject_group"]),
    after_help = "\
Examples:
  # Let group dba fail over in one account and in the system namespace
  kubectl synxdb rbac --for failover -n cloud007-513d75d5 -n synxdb-system \\
    --subject-group dba | kubectl apply -f -

  # A service account that monitors SynxDB, in each of its current namespaces
  kubectl synxdb rbac --for status,verify --serviceaccount monitoring:synxdb

  # Roles only, to bind by hand
  kubectl synxdb rbac --for forward

With -n each namespace gets its own Role. Without it there is one ClusterRole
for namespaced resources and a RoleBinding in each of SynxDB's current
namespaces, which are read from the cluster. --cluster-wide binds it in every
namespace, including other people's and future ones: the subject may then delete
any pod and any claim, and forward to any pod.

Cluster-scoped resources (volumes, nodes, namespaces) are in a second ClusterRole
whose name ends in -cluster. Volumes are cluster-scoped: a subject that may patch
them reaches the data of every tenant.

Optional rules say so in a comment and may be deleted. To apply this you need the
same rights, or `escalate` and `bind` on roles."
)]
pub struct RbacArgs {
    /// Commands to grant access for [default: all]
    #[arg(long = "for", value_enum, value_name = "COMMAND", value_delimiter = ',')]
    pub commands: Vec<RbacFor>,
    /// Namespace, by its full name; may be repeated [default: SynxDB's namespaces]
    // Replaces the global flag: full names only, and it may be repeated.
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
    /// Bind in every namespace of the cluster
    #[arg(long, conflicts_with = "namespace", requires = "subject")]
    pub cluster_wide: bool,
    /// Grant read access to this Secret, for --password-secret
    #[arg(long, value_name = "NAME")]
    pub secret: Vec<String>,
}

/// A command that needs rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum RbacFor {
    /// Check health
    Status,
    /// Verify components and data
    Verify,
    /// Connect to a database
    Forward,
    /// Replace a component's pod and volumes
    Failover,
    /// Restore retained volumes
    Undo,
    /// List past operations
    History,
    /// Delete retained volumes
    Release,
}

impl RbacArgs {
    /// Returns whether SynxDB's namespaces must be read: the roles are bound, and no namespace was named.
    pub fn reads_namespaces(&self) -> bool {
        let bound = !(self.serviceaccount.is_empty() && self.subject_user.is_empty() && self.subject_group.is_empty());
        bound && self.namespaces.is_empty() && !self.cluster_wide
    }
}

impl RbacFor {
    /// Returns its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Verify => "verify",
            Self::Forward => "forward",
            Self::Failover => "failover",
            Self::Undo => "undo",
            Self::History => "history",
            Self::Release => "release",
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

    /// Subjects without a namespace: bind in SynxDB's namespaces only.
    #[test]
    fn synxdbs_namespaces_are_the_default_for_subjects() {
        for (line, reads) in [
            ("rbac", false),
            ("rbac -n a", false),
            ("rbac --subject-group dba", true),
            ("rbac --subject-user alice", true),
            ("rbac --serviceaccount a:b", true),
            ("rbac --subject-group dba -n a", false),
            ("rbac --subject-group dba --cluster-wide", false),
        ] {
            let cli = Cli::try_parse_from(std::iter::once("kubectl-synxdb").chain(line.split(' '))).unwrap();
            let Command::Rbac(args) = cli.command else { panic!() };
            assert_eq!(args.reads_namespaces(), reads, "{line}");
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
        // For all others it is one: the last, as in kubectl.
        let cli = Cli::try_parse_from(["kubectl-synxdb", "-n", "a", "status", "-n", "b", "-n", "c"]).unwrap();
        assert_eq!(cli.global.namespace.as_deref(), Some("c"));
    }
}
