//! Files of a volume, written completely or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Writes a file atomically: concurrent readers see the old content.
///
/// # Errors
/// Errors of the system.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    fs::rename(unfinished(path, content)?, path)
}

/// Creates a file atomically. Returns false if it exists already.
///
/// # Errors
/// Errors of the system.
pub(crate) fn write_once(path: &Path, content: &[u8]) -> io::Result<bool> {
    let unfinished = unfinished(path, content)?;
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished)?;
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns the content of a file, if it exists.
///
/// # Errors
/// Errors of the system.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        content => content.map(Some),
    }
}

/// Writes the content to a hidden file next to its place, under a unique name: in pods all writers have the same
/// process ID.
fn unfinished(path: &Path, content: &[u8]) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    loop {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let unfinished = path.with_file_name(format!(".{name}.{}", now.as_nanos()));
        match fs::OpenOptions::new().write(true).create_new(true).open(&unfinished) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            file => {
                file?.write_all(content)?;
                return Ok(unfinished);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_is_once_and_nothing_unfinished_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        assert_eq!(read(&file).unwrap(), None);
        assert!(write_once(&file, b"one").unwrap());
        assert!(!write_once(&file, b"two").unwrap());
        assert_eq!(read(&file).unwrap().unwrap(), b"one");
        write(&file, b"three").unwrap();
        assert_eq!(read(&file).unwrap().unwrap(), b"three");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
