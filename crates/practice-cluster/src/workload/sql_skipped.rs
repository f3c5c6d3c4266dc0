//! How a proxy's pod says that this machine has no PostgreSQL.

/// Annotation of a proxy's pod if there is no PostgreSQL on the machine.
pub(crate) const SQL_SKIPPED: &str = "kubectl-synxdb/sql-skipped";

/// What that annotation says.
pub(crate) const INSTALL_POSTGRESQL: &str = "PostgreSQL is not installed here: sudo apt-get install -y postgresql";
