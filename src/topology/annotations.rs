//! Annotations that the plugin reads and writes.

/// How the annotations on a volume begin that hold the records of what was done with it: one a failover or undo, the
/// act's name at the end.
pub const RECORD_ANNOTATION: &str = "kubectl-synxdb/record-";
/// Annotation on a pod by which it says that SQL is not to be asked of it, and why.
pub const SQL_SKIPPED_ANNOTATION: &str = "kubectl-synxdb/sql-skipped";
