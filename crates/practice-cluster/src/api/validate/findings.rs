//! What a validation finds.

/// Findings: (field, message).
pub(crate) type Findings = Vec<(String, String)>;
