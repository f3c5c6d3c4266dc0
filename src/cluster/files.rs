//! Files that a user names, which may be anything: a device that has no end, or as good as none.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Largest file of settings or certificates that is read, in bytes.
pub const LARGEST: u64 = 16 << 20;

/// All of a file, where it is no longer than `most` bytes. A pipe is read, too: shells make such of commands.
///
/// # Errors
/// The system's; it is longer.
pub fn read_limited(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it is larger than {} MiB", most >> 20)));
    }
    Ok(bytes)
}

/// The same as text.
///
/// # Errors
/// The system's; it is longer, or no text.
pub fn text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read_limited(path, most)?).map_err(|_| io::Error::other("it is not UTF-8 text"))
}

/// Whether a file, which somebody else's code reads, has an end: devices have none.
///
/// # Errors
/// The system's; it has none, or is larger than `most` bytes.
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
    // /dev/null is one, and a kubeconfig that says nothing.
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
