//! Annotations that the plugin reads and writes.

/// Prefix of the annotations on a volume that hold the records of operations: one per failover or undo, with the
/// operation's ID at the end.
pub const RECORD_ANNOTATION: &str = "kubectl-synxdb/record-";
/// Annotation of a pod that disables SQL to it, with the reason.
pub const SQL_SKIPPED_ANNOTATION: &str = "kubectl-synxdb/sql-skipped";
