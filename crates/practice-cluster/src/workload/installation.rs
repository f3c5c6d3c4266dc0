//! Finding the machine's own PostgreSQL.

use crate::unprivileged::Unprivileged;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

/// Which PostgreSQL the sandbox runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PostgresChoice {
    /// The newest found on PATH, by `pg_config`, or in the usual folders.
    #[default]
    Find,
    /// None, as on a machine without PostgreSQL.
    None,
    /// The one whose `postgres` and `initdb` are in this folder.
    Folder(PathBuf),
}

/// A PostgreSQL installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Installation {
    /// Folder of `postgres` and `initdb`.
    pub(crate) bin: PathBuf,
    /// Major and minor version; `(15, 18)`.
    pub(crate) version: (u32, u32),
}

impl Installation {
    /// Looks for PostgreSQL; the highest version wins. Blocks for some milliseconds. What is found is run as `user`,
    /// which is given if this process runs as root; then only programs that only root can change are considered.
    pub(crate) fn find(choice: &PostgresChoice, user: Option<&Unprivileged>) -> Option<Installation> {
        match choice {
            PostgresChoice::None => None,
            PostgresChoice::Folder(folder) => Self::in_folder(folder, user),
            PostgresChoice::Find => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                Self::newest(folders(&path, user), user)
            }
        }
    }

    fn newest(folders: Vec<PathBuf>, user: Option<&Unprivileged>) -> Option<Installation> {
        let mut seen = HashSet::new();
        let folders = folders.into_iter().filter_map(|folder| folder.canonicalize().ok());
        folders
            .filter(|folder| seen.insert(folder.clone()))
            .filter_map(|folder| Self::in_folder(&folder, user))
            .max_by_key(|found| found.version)
    }

    fn in_folder(folder: &Path, user: Option<&Unprivileged>) -> Option<Installation> {
        let programs = ["initdb", "postgres"].map(|name| folder.join(name));
        if !programs.iter().all(|program| program.is_file() && (user.is_none() || of_root_alone(program))) {
            return None;
        }
        let output = run(&folder.join("postgres"), "--version", user)?;
        Some(Installation { bin: folder.to_owned(), version: version(&output)? })
    }
}

/// What a program prints, run as that user.
fn run(program: &Path, argument: &str, user: Option<&Unprivileged>) -> Option<String> {
    let mut command = std::process::Command::new(program);
    command.arg(argument).stdin(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid).current_dir("/");
    }
    let output = command.output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether only root can change what a path leads to: the file and every folder on the way.
fn of_root_alone(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    path.ancestors().all(|part| {
        std::fs::metadata(part).is_ok_and(|about| {
            // In a folder with the sticky bit, other users cannot move root's files.
            let closed = about.mode() & 0o022 == 0 || (about.is_dir() && about.mode() & 0o1000 != 0);
            about.uid() == 0 && closed
        })
    })
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, also `17devel`.
fn version(text: &str) -> Option<(u32, u32)> {
    let number = text.trim().strip_prefix("postgres (PostgreSQL) ")?.split_whitespace().next()?;
    let mut parts = number.split(|character: char| !character.is_ascii_digit());
    let major = parts.next()?.parse().ok()?;
    Some((major, parts.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)))
}

/// Where `postgres` may be: PATH, what the `pg_config` there says, and where distributions and installers put it. An
/// empty or relative entry of PATH is the folder that one happens to be in, which may belong to any user.
fn folders(path: &OsStr, user: Option<&Unprivileged>) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::split_paths(path).filter(|path| path.is_absolute()).collect();
    let mut configs = folders.iter().map(|folder| folder.join("pg_config"));
    let config = configs.find(|config| config.is_file() && (user.is_none() || of_root_alone(config)));
    if let Some(said) = config.and_then(|config| run(&config, "--bindir", user)) {
        folders.push(PathBuf::from(said.trim()));
    }
    // Debian and Ubuntu; the PostgreSQL project's RPMs; Homebrew on both kinds of Mac; Postgres.app.
    for (parent, prefix, rest) in [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/opt/homebrew/opt", "postgresql", "bin"),
        ("/usr/local/opt", "postgresql", "bin"),
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ] {
        for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                folders.push(entry.path().join(rest));
            }
        }
    }
    folders.push(PathBuf::from("/usr/local/pgsql/bin"));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_other_kernels_are_not_postgresql() {
        assert_eq!(version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some((15, 18)));
        assert_eq!(version("postgres (PostgreSQL) 19devel"), Some((19, 0)));
        assert_eq!(version("postgres (Greenplum Database) 6.24.3 build 0"), None);
    }

    #[test]
    fn none_is_none_and_an_empty_folder_holds_none() {
        assert_eq!(Installation::find(&PostgresChoice::None, None), None);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Installation::find(&PostgresChoice::Folder(folder.path().to_owned()), None), None);
    }

    /// Programs that say who runs them, and that they are the newest.
    fn planted(folder: &Path) -> PathBuf {
        let log = folder.join("ran");
        for name in ["postgres", "initdb", "pg_config"] {
            let text = format!("#!/bin/sh\nid -u >> {}\necho 'postgres (PostgreSQL) 99.1'\n", log.display());
            std::fs::write(folder.join(name), text).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(folder.join(name), mode).unwrap();
        }
        log
    }

    #[test]
    fn relative_and_empty_entries_of_path_are_passed_over() {
        for path in ["", ".", ":", "bin", "./bin::"] {
            let looked_at = folders(OsStr::new(path), None);
            assert!(looked_at.iter().all(|folder| folder.is_absolute()), "{path:?}: {looked_at:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        let log = planted(folder.path());
        folders(folder.path().as_os_str(), None);
        assert!(log.exists(), "pg_config of an absolute entry is asked");
    }

    /// Root runs nothing that another user can change, and nothing at all as root.
    #[test]
    fn root_uses_what_is_roots_alone_and_runs_it_as_another() {
        if !crate::processes::is_root("root_uses_what_is_roots_alone_and_runs_it_as_another") {
            return;
        }
        let user = Unprivileged { name: "another".into(), uid: 65533, gid: 65533 };
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(folder.path(), mode(0o755)).unwrap();
        let log = planted(folder.path());
        std::fs::write(&log, "").unwrap();
        std::os::unix::fs::chown(&log, Some(user.uid), None).unwrap();
        let find = || {
            let folders = folders(folder.path().as_os_str(), Some(&user));
            Installation::newest(folders, Some(&user)).filter(|found| found.version == (99, 1))
        };
        assert!(find().is_some());
        let ran = std::fs::read_to_string(&log).unwrap();
        assert!(!ran.is_empty() && ran.lines().all(|uid| uid == "65533"), "{ran:?}");
        std::fs::write(&log, "").unwrap();
        for owner in [folder.path().to_owned(), folder.path().join("postgres")] {
            std::os::unix::fs::chown(&owner, Some(65534), None).unwrap();
            assert_eq!(find(), None, "{} is another user's", owner.display());
            std::os::unix::fs::chown(&owner, Some(0), None).unwrap();
        }
        std::fs::set_permissions(folder.path().join("initdb"), mode(0o777)).unwrap();
        assert_eq!(find(), None, "all users may write to it");
        std::os::unix::fs::chown(folder.path().join("pg_config"), Some(65534), None).unwrap();
        std::fs::write(&log, "").unwrap();
        find();
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "", "nothing of it was run");
    }
}
