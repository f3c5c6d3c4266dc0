//! Reads files that a user names. A file may be anything, such as a device without an end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::Error;
use crate::suggestion::kubectl;

/// Largest file of settings or certificates that is read, in bytes.
pub(crate) const LARGEST: u64 = 16 << 20;

/// Reads a file of at most `most` bytes. Accepts a pipe: shells make one for a command's output.
///
/// # Errors
/// The system's error; the file is larger.
pub(crate) fn read_limited(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it is larger than {} MiB", most >> 20)));
    }
    Ok(bytes)
}

/// Reads a file that the kubeconfig or a flag names.
///
/// # Errors
/// It cannot be read; `what` it is.
pub(super) fn named(path: &str, what: &str) -> Result<Vec<u8>, Error> {
    read_limited(Path::new(path), LARGEST).map_err(|error| unreadable(path, what, &error))
}

/// Checks that a file that the kubeconfig or a flag names can be opened.
///
/// # Errors
/// It cannot be; `what` it is.
pub(super) fn readable(path: &str, what: &str) -> Result<(), Error> {
    File::open(path).map(drop).map_err(|error| unreadable(path, what, &error))
}

fn unreadable(path: &str, what: &str, error: &io::Error) -> Error {
    Error::failure(format!("cannot read the {what} {path}"))
        .because(super::failure::error_text(error))
        .hint(kubectl("config view --minify").of_kubeconfig())
}

/// Reads a file as text.
///
/// # Errors
/// The system's error; the file is larger, or is not text.
pub(crate) fn text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read_limited(path, most)?).map_err(|_| io::Error::other("it is not UTF-8 text"))
}

/// Checks that a file that a library reads has an end: devices have none.
///
/// # Errors
/// The system's error; the file has no end, or is larger than `most` bytes.
pub(super) fn ends(path: &Path, most: u64) -> io::Result<()> {
    let about = std::fs::metadata(path)?;
    if about.len() > most {
        return Err(io::Error::other(format!("it is larger than {} MiB", most >> 20)));
    }
    if is_device(&about) {
        return Err(io::Error::other("it is a device"));
    }
    Ok(())
}

#[cfg(unix)]
fn is_device(about: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    // /dev/null is a device, and an empty kubeconfig.
    let kind = about.file_type();
    let null = std::fs::metadata("/dev/null").map(|null| std::os::unix::fs::MetadataExt::rdev(&null));
    let same = null.is_ok_and(|null| null == std::os::unix::fs::MetadataExt::rdev(about));
    (kind.is_char_device() || kind.is_block_device()) && !same
}

#[cfg(not(unix))]
fn is_device(_: &std::fs::Metadata) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_end_is_read_so_far_and_no_further() {
        let zero = Path::new("/dev/zero");
        assert_eq!(read_limited(zero, 1 << 20).unwrap_err().to_string(), "it is larger than 1 MiB");
        assert_eq!(text(zero, 1 << 20).unwrap_err().to_string(), "it is larger than 1 MiB");
        assert_eq!(ends(zero, 1 << 20).unwrap_err().to_string(), "it is a device");
        assert!(ends(Path::new("/dev/null"), 1).is_ok());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, vec![b'x'; 1 << 20]).unwrap();
        assert_eq!(read_limited(&path, 1 << 20).unwrap().len(), 1 << 20);
        assert!(read_limited(&path, (1 << 20) - 1).is_err() && ends(&path, (1 << 20) - 1).is_err());
    }
}
