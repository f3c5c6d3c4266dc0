//! Files and folders that the sandbox creates for an untrusted user.
//!
//! A sandbox that root started runs its servers as another user, who may plant a link wherever that user
//! may write. So everything is created in folders that only this user may write to, through a descriptor of the folder,
//! and handed over through a descriptor of what was made: no path is resolved twice, and no link is followed. What is
//! there already is an error.

use crate::unprivileged::Unprivileged;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, fchmod, fchown, fstat, mkdirat, open, openat, renameat, statat,
};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

/// Mode of a folder through which the servers' user may pass, and which no other user may write to.
pub(crate) const PASSABLE: Mode = Mode::from_bits_retain(0o711);

/// Most of a file that a server wrote which is ever read, in bytes.
const LONGEST_READ: u64 = 4096;

/// An open folder that belongs to this process' user and to which no other user may write.
#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

impl Folder {
    /// Opens a folder; its last part may not be a link.
    ///
    /// # Errors
    /// It is no folder, belongs to another user, or others may write to it.
    pub(crate) fn open(path: &Path) -> io::Result<Folder> {
        let folder = open(path, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let about = fstat(&folder)?;
        if about.st_uid != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other(format!("{} belongs to user {}", path.display(), about.st_uid)));
        }
        if Mode::from_raw_mode(about.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
            return Err(io::Error::other(format!("others may write to {}", path.display())));
        }
        Ok(Folder(folder))
    }

    /// The folder that a path lies in, and the path's last part.
    ///
    /// # Errors
    /// As [`Folder::open`]; or the path has no last part.
    pub(crate) fn of(path: &Path) -> io::Result<(Folder, &Path)> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::other(format!("{} is no path of a file", path.display())));
        };
        Ok((Folder::open(parent)?, Path::new(name)))
    }

    /// Makes a folder in it, of this mode whatever the umask, and hands it over.
    ///
    /// # Errors
    /// The system's; something of this name is there already.
    pub(crate) fn make_folder(&self, name: &Path, mode: Mode, owner: Option<&Unprivileged>) -> io::Result<()> {
        mkdirat(&self.0, name, Mode::RWXU)?;
        let made = openat(&self.0, name, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        fchmod(&made, mode)?;
        hand_over(&made, owner)
    }

    /// Writes a new file of this mode whatever the umask.
    ///
    /// # Errors
    /// As [`Folder::make_folder`].
    pub(crate) fn write(&self, name: &Path, mode: Mode, content: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR)?;
        fchmod(&file, mode)?;
        File::from(file).write_all(content)
    }

    /// Writes a file of this mode in the place of one of its name, atomically: a reader gets either the old or the new
    /// content.
    ///
    /// # Errors
    /// As [`Folder::write`], of the file's name with a tilde behind it.
    pub(crate) fn replace(&self, name: &Path, mode: Mode, content: &[u8]) -> io::Result<()> {
        let mut new = name.as_os_str().to_owned();
        new.push("~");
        self.write(Path::new(&new), mode, content)?;
        Ok(renameat(&self.0, &new, &self.0, name)?)
    }

    /// Whether there is anything of this name, a link that leads nowhere included.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn has(&self, name: &Path) -> io::Result<bool> {
        match statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn hand_over(file: &OwnedFd, owner: Option<&Unprivileged>) -> io::Result<()> {
    let Some(owner) = owner else { return Ok(()) };
    Ok(fchown(file, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)))?)
}

/// The first bytes of a plain file that another user may have put there: no link is followed, and nothing that would
/// block is opened. With it the id of the user whose file it is.
pub(crate) fn read_foreign_file(folder: &Path, name: &str) -> Option<(String, u32)> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let folder = open(folder, flags | OFlags::DIRECTORY, Mode::empty()).ok()?;
    let file = openat(&folder, name, flags | OFlags::NONBLOCK, Mode::empty()).ok()?;
    let about = fstat(&file).ok()?;
    if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile {
        return None;
    }
    let mut text = String::new();
    File::from(file).take(LONGEST_READ).read_to_string(&mut text).ok()?;
    Some((text, about.st_uid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    const PRIVATE: Mode = Mode::RWXU;

    #[test]
    fn what_is_there_already_is_an_error_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        std::fs::write(&victim, "mine").unwrap();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        symlink(&victim, inner.join("file")).unwrap();
        symlink(folder.path(), inner.join("link")).unwrap();
        symlink("/nonexistent", inner.join("dangling")).unwrap();
        let open = Folder::open(&inner).unwrap();
        for name in ["file", "link", "dangling"] {
            let made = open.make_folder(Path::new(name), PRIVATE, None).unwrap_err();
            assert_eq!(made.kind(), io::ErrorKind::AlreadyExists, "{name}");
            let written = open.write(Path::new(name), PRIVATE, b"theirs").unwrap_err();
            assert_eq!(written.kind(), io::ErrorKind::AlreadyExists, "{name}");
            assert!(open.has(Path::new(name)).unwrap());
        }
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
        assert!(Folder::open(&inner.join("link")).is_err(), "a link to a folder is not opened");
        assert!(!open.has(Path::new("nothing")).unwrap());
    }

    #[test]
    fn modes_do_not_depend_on_the_umask() {
        let folder = tempfile::tempdir().unwrap();
        let open = Folder::open(folder.path()).unwrap();
        open.make_folder(Path::new("f"), Mode::from_raw_mode(0o711), None).unwrap();
        open.write(Path::new("x"), Mode::from_raw_mode(0o644), b"x").unwrap();
        let mode = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().mode() & 0o777;
        assert_eq!((mode("f"), mode("x")), (0o711, 0o644));
    }

    #[test]
    fn a_file_is_replaced_atomically() {
        let folder = tempfile::tempdir().unwrap();
        let open = Folder::open(folder.path()).unwrap();
        for content in ["first", "second"] {
            open.replace(Path::new("x"), Mode::from_raw_mode(0o644), content.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(folder.path().join("x")).unwrap(), content);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, used) in [(0o700, true), (0o711, true), (0o770, false), (0o777, false), (0o1777, false)] {
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Folder::open(folder.path()).is_ok(), used, "{mode:o}");
        }
    }

    #[test]
    fn only_a_plain_file_is_read_and_a_little_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("plain"), "x".repeat(10_000)).unwrap();
        symlink(at("plain"), at("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let read = read_foreign_file(folder.path(), "plain").unwrap();
        assert_eq!((read.0.len(), read.1), (4096, rustix::process::geteuid().as_raw()));
        // Opening a pipe without a writer would block.
        for name in ["link", "pipe", "nothing", "."] {
            assert_eq!(read_foreign_file(folder.path(), name), None, "{name}");
        }
    }
}
