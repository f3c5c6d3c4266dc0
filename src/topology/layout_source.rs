//! The source of the current layout.

use std::fmt;
use std::path::PathBuf;

/// The source of the current layout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LayoutSource {
    /// A file set by `--layout`.
    Flag(PathBuf),
    /// A file set by `$KUBECTL_SYNXDB_LAYOUT`.
    Environment(PathBuf),
    /// The user's own, in the settings directory.
    File(PathBuf),
    /// The cluster's own.
    ConfigMap {
        /// Namespace of the ConfigMap.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The one that ships with the plugin.
    #[default]
    Shipped,
}

impl fmt::Display for LayoutSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(path) => write!(f, "--layout {}", path.display()),
            Self::Environment(path) => write!(f, "$KUBECTL_SYNXDB_LAYOUT, {}", path.display()),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::ConfigMap { namespace, name } => write!(f, "ConfigMap {namespace}/{name}"),
            Self::Shipped => f.write_str("shipped with the plugin"),
        }
    }
}
