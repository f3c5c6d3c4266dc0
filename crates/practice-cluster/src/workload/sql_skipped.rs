//! The annotation of a proxy's pod on a machine without PostgreSQL.

/// Annotation of a proxy's pod if there is no PostgreSQL on the machine.
pub(crate) const SQL_SKIPPED: &str = "kubectl-synxdb/sql-skipped";

/// The value of that annotation.
pub(crate) const INSTALL_POSTGRESQL: &str = "PostgreSQL is not installed here: sudo apt-get install -y postgresql";
