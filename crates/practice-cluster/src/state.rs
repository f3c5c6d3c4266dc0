//! A sandbox's state folder, and cleaning up after killed sandboxes.
//!
//! Below one root per user, each sandbox has a folder of its own, whose `lock` file it holds for life. The lock ends
//! with the process, however that ends; a folder whose lock is free is therefore a leftover, and the next start removes
//! it. The root is `/tmp/kubectl-synxdb-<uid>`; if another user has made that first, it is one with a random suffix.

use crate::error::SandboxError;
use crate::files::Folder;
use crate::processes;
use crate::unprivileged::Unprivileged;
use rustix::fs::{FlockOperation, Mode, OFlags, fchmod, flock, fstat};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Unix socket addresses hold 108 bytes on Linux and 104 on macOS, the final NUL included.
const LONGEST_SOCKET: usize = 103;

/// One sandbox's folder.
#[derive(Debug)]
pub(crate) struct StateFolder {
    path: PathBuf,
    /// Held for as long as the folder is in use.
    _lock: File,
}

impl StateFolder {
    /// Removes what killed sandboxes left under `root` (their PostgreSQL servers ended first), then makes a new
    /// folder there. Blocks. Without a root: one in /tmp, because paths must be short for sockets.
    pub(crate) fn create(root: Option<&Path>, user: Option<&Unprivileged>) -> Result<StateFolder, SandboxError> {
        match root {
            Some(root) => {
                let root = std::path::absolute(root).map_err(|error| SandboxError::folder(root, &error))?;
                Self::create_in(&root, user)
            }
            None => Self::create_below(Path::new("/tmp"), user),
        }
    }

    /// In a root below a folder that is writable for all users.
    fn create_below(shared: &Path, user: Option<&Unprivileged>) -> Result<StateFolder, SandboxError> {
        let name = format!("kubectl-synxdb-{}", rustix::process::geteuid().as_raw());
        let usual = shared.join(&name);
        // What was left below roots with a random end; one that another user made under such a name is passed over.
        for root in further_roots(shared, &format!("{name}-")) {
            let _ = sweep(&root);
            remove_root(&root);
        }
        match root_of_ours(&usual) {
            Ok(true) => Self::create_in(&usual, user),
            Ok(false) => {
                let random = uuid::Uuid::new_v4().simple().to_string();
                Self::create_in(&shared.join(format!("{name}-{}", &random[..8])), user)
            }
            Err(error) => Err(SandboxError::folder(&usual, &error)),
        }
    }

    fn create_in(root: &Path, user: Option<&Unprivileged>) -> Result<StateFolder, SandboxError> {
        let wrong = |error: io::Error| SandboxError::folder(root, &error);
        // Another user must be able to pass through to his servers' data, and to see nothing else.
        let mode = Mode::from_raw_mode(if user.is_some() { 0o711 } else { 0o700 });
        // A sweep must not find a folder that is created but not locked yet.
        let _gate = loop {
            prepare_root(root, mode)?;
            let path = root.join(".lock");
            let gate = open_lock(&path).map_err(wrong)?;
            flock(&gate, FlockOperation::LockExclusive).map_err(|error| wrong(error.into()))?;
            // A sandbox that ended in between may have removed the file that was waited for.
            let inode = gate.metadata().map_err(wrong)?.ino();
            if std::fs::metadata(&path).is_ok_and(|metadata| metadata.ino() == inode) {
                break gate;
            }
        };
        sweep(root).map_err(wrong)?;
        let id = uuid::Uuid::new_v4().simple().to_string();
        let path = root.join(&id[..6]);
        Folder::open(root).and_then(|root| root.make_folder(Path::new(&id[..6]), mode, None)).map_err(wrong)?;
        let lock = open_lock(&path.join("lock")).map_err(wrong)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| wrong(error.into()))?;
        let folder = StateFolder { path, _lock: lock };
        if let Err(error) = folder.check(user) {
            folder.remove();
            return Err(error);
        }
        Ok(folder)
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the socket of the n-th PostgreSQL server goes.
    pub(crate) fn socket_folder(&self, number: u32) -> PathBuf {
        self.path.join("run").join(number.to_string())
    }

    /// Removes the folder, ending whatever server still runs on it. Blocks.
    pub(crate) fn remove(&self) {
        end_servers(&self.path, 4);
        let _ = remove_tree(&self.path);
        if let Some(root) = self.path.parent() {
            remove_root(root);
        }
    }

    fn check(&self, user: Option<&Unprivileged>) -> Result<(), SandboxError> {
        let refuse = |why: String| SandboxError::StateFolder {
            path: self.path.clone(),
            why,
            hint: format!("ls -ld {}", self.path.display()),
        };
        let socket = self.socket_folder(9999).join(".s.PGSQL.65535");
        if socket.as_os_str().len() > LONGEST_SOCKET {
            return Err(refuse(format!(
                "its name is too long for a socket ({LONGEST_SOCKET} bytes with what follows)"
            )));
        }
        if let Some(user) = user
            && let Some(blocked) = self.path.ancestors().find(|folder| !passable(folder, user))
        {
            return Err(refuse(format!(
                "PostgreSQL runs as user {}, who may not pass through {}",
                user.name,
                blocked.display()
            )));
        }
        Ok(())
    }
}

/// Removes a root when no sandbox is in it; its lock file stays otherwise.
fn remove_root(root: &Path) {
    if let Ok(gate) = open_lock(&root.join(".lock"))
        && flock(&gate, FlockOperation::NonBlockingLockExclusive).is_ok()
        && others(root).is_ok_and(|others| others.is_empty())
    {
        let _ = std::fs::remove_file(root.join(".lock"));
        let _ = std::fs::remove_dir(root);
    }
}

/// Whether a root can be this user's: it is, or nothing is there yet.
fn root_of_ours(root: &Path) -> io::Result<bool> {
    match std::fs::symlink_metadata(root) {
        Ok(metadata) => Ok(metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// This user's own folders of that beginning.
fn further_roots(shared: &Path, beginning: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(shared).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(beginning));
    named.map(|entry| entry.path()).filter(|path| root_of_ours(path).unwrap_or(false)).collect()
}

/// Creates the root, or checks that it is this user's own: /tmp is writable for all users.
fn prepare_root(root: &Path, mode: Mode) -> Result<(), SandboxError> {
    let wrong = |error: io::Error| SandboxError::folder(root, &error);
    std::fs::create_dir_all(root).map_err(wrong)?;
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::open(root, flags, Mode::empty()).map_err(|error| wrong(error.into()))?;
    if fstat(&folder).map_err(|error| wrong(error.into()))?.st_uid != rustix::process::geteuid().as_raw() {
        return Err(SandboxError::StateFolder {
            path: root.to_owned(),
            why: "it belongs to another user".to_owned(),
            hint: format!("ls -ld {}", root.display()),
        });
    }
    fchmod(&folder, mode).map_err(|error| wrong(error.into()))
}

fn open_lock(path: &Path) -> io::Result<File> {
    let options = &mut OpenOptions::new();
    let no_link = OFlags::NOFOLLOW.bits().cast_signed();
    options.create(true).truncate(false).write(true).mode(0o600).custom_flags(no_link).open(path)
}

/// Whether a user can pass through a folder on the way to one below.
fn passable(folder: &Path, user: &Unprivileged) -> bool {
    std::fs::metadata(folder).is_ok_and(|metadata| {
        let bit = if metadata.uid() == user.uid {
            0o100
        } else if metadata.gid() == user.gid {
            0o010
        } else {
            0o001
        };
        metadata.mode() & bit != 0
    })
}

/// Sandbox folders under a root.
fn others(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Removes the folders of sandboxes that ended.
fn sweep(root: &Path) -> io::Result<()> {
    for folder in others(root)? {
        // Only what a sandbox made: a folder with a lock file.
        let Ok(lock) = OpenOptions::new().write(true).open(folder.join("lock")) else { continue };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        end_servers(&folder, 4);
        remove_tree(&folder)?;
    }
    Ok(())
}

/// Removes a folder, its lock last, so that a removal cut short is still recognised and finished next time. A server
/// that is just ending may still write: then it is tried again.
fn remove_tree(folder: &Path) -> io::Result<()> {
    let mut result = Ok(());
    for _ in 0..3 {
        result = std::fs::read_dir(folder).and_then(|entries| {
            for entry in entries {
                let entry = entry?;
                if entry.file_name() == "lock" {
                    continue;
                }
                let path = entry.path();
                if entry.file_type()?.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }?;
            }
            std::fs::remove_dir_all(folder)
        });
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Ends the PostgreSQL servers whose data lies below a folder.
fn end_servers(folder: &Path, depth: usize) {
    processes::end_postmaster(folder);
    // A data folder has no other within it, and what is another user's is not searched.
    let ours = root_of_ours(folder).unwrap_or(false);
    if depth == 0 || !ours || folder.join("PG_VERSION").exists() {
        return;
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            end_servers(&entry.path(), depth - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_use_stays_and_a_leftover_goes() {
        let root = tempfile::tempdir_in("/tmp").unwrap();
        let used = StateFolder::create(Some(root.path()), None).unwrap();
        let left = StateFolder::create(Some(root.path()), None).unwrap();
        let left_path = left.path().to_owned();
        std::fs::create_dir(left_path.join("objects")).unwrap();
        drop(left); // the lock is free now, as after SIGKILL
        let next = StateFolder::create(Some(root.path()), None).unwrap();
        assert!(used.path().exists() && next.path().exists());
        assert!(!left_path.exists());
    }

    #[test]
    fn a_strange_folder_is_left_alone() {
        let root = tempfile::tempdir_in("/tmp").unwrap();
        let strange = root.path().join("mine");
        std::fs::create_dir(&strange).unwrap();
        let _folder = StateFolder::create(Some(root.path()), None).unwrap();
        assert!(strange.exists());
    }

    #[test]
    fn the_last_one_out_removes_the_root() {
        let parent = tempfile::tempdir_in("/tmp").unwrap();
        let root = parent.path().join("r");
        let one = StateFolder::create(Some(&root), None).unwrap();
        let two = StateFolder::create(Some(&root), None).unwrap();
        one.remove();
        assert!(two.path().exists());
        two.remove();
        assert!(!root.exists());
    }

    #[test]
    fn only_the_user_himself_sees_what_is_inside() {
        let root = tempfile::tempdir_in("/tmp").unwrap();
        let folder = StateFolder::create(Some(root.path()), None).unwrap();
        assert_eq!(std::fs::metadata(folder.path()).unwrap().mode() & 0o777, 0o700);
        assert_eq!(std::fs::metadata(folder.path().join("lock")).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_folder_that_the_server_cannot_reach_is_refused_by_name() {
        let parent = tempfile::tempdir_in("/tmp").unwrap();
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(parent.path(), closed).unwrap();
        let user = Unprivileged { name: "postgres".to_owned(), uid: 99_999, gid: 99_999 };
        let error = StateFolder::create(Some(&parent.path().join("r")), Some(&user)).unwrap_err();
        assert!(error.why().contains(&parent.path().display().to_string()), "{}", error.why());
        assert!(
            std::fs::read_dir(parent.path().join("r"))
                .map_or(true, |mut left| left.all(|e| e.unwrap().file_name() == ".lock"))
        );
    }

    /// Another user may create the usual folder first, or make it a link: that stops no sandbox.
    #[test]
    fn a_root_that_is_not_ours_is_passed_by() {
        let shared = tempfile::tempdir_in("/tmp").unwrap();
        let name = format!("kubectl-synxdb-{}", rustix::process::geteuid().as_raw());
        let usual = StateFolder::create_below(shared.path(), None).unwrap();
        assert_eq!(usual.path().parent().unwrap(), shared.path().join(&name));
        usual.remove();
        let elsewhere = tempfile::tempdir_in("/tmp").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), shared.path().join(&name)).unwrap();
        let one = StateFolder::create_below(shared.path(), None).unwrap();
        let root = one.path().parent().unwrap().to_owned();
        let random = format!("{}/{name}-", shared.path().display());
        assert!(root.to_string_lossy().starts_with(&random), "{}", root.display());
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
        // What a killed one left there goes with the next start, one that is used stays.
        let left = StateFolder::create_below(shared.path(), None).unwrap();
        let left_path = left.path().to_owned();
        drop(left);
        let two = StateFolder::create_below(shared.path(), None).unwrap();
        assert!(one.path().exists() && two.path().exists() && !left_path.exists());
        one.remove();
        two.remove();
        assert_eq!(std::fs::read_dir(shared.path()).unwrap().count(), 1, "only the link is left");
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused() {
        let parent = tempfile::tempdir_in("/tmp").unwrap();
        let error = StateFolder::create(Some(&parent.path().join("x".repeat(80))), None).unwrap_err();
        assert!(error.why().contains("too long"), "{}", error.why());
    }
}
