//! Markers beside a data folder.

use crate::files::Folder;
use rustix::fs::Mode;
use std::path::{Path, PathBuf};

/// What is written beside a data folder, where no server may write: that it is complete, and that its databases have
/// been made. No pod's name has a plus sign.
pub(super) const MADE: &str = "+made";

pub(super) const FILLED: &str = "+filled";

/// Whether this is written beside a data folder.
pub(super) fn marked(data: &Path, mark: &str) -> Result<bool, String> {
    let (folder, name) = Folder::of(data).map_err(|error| error.to_string())?;
    folder.has(&beside(name, mark)).map_err(|error| error.to_string())
}

/// Writes this beside a data folder. There already, it stays.
pub(super) fn mark(data: &Path, mark: &str) -> Result<(), String> {
    let (folder, name) = Folder::of(data).map_err(|error| error.to_string())?;
    match folder.write(&beside(name, mark), Mode::RUSR | Mode::WUSR, b"") {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.to_string()),
        _ => Ok(()),
    }
}

fn beside(name: &Path, mark: &str) -> PathBuf {
    let mut name = name.as_os_str().to_owned();
    name.push(mark);
    PathBuf::from(name)
}
