//! Finding the machine's own PostgreSQL.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Which PostgreSQL the sandbox runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PostgresChoice {
    /// The newest found on PATH, by `pg_config`, or in the usual folders.
    #[default]
    Find,
    /// None, as on a machine where it is not installed.
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
    /// Looks for PostgreSQL; the highest version wins. Blocks for some milliseconds.
    pub(crate) fn find(choice: &PostgresChoice) -> Option<Installation> {
        match choice {
            PostgresChoice::None => None,
            PostgresChoice::Folder(folder) => Self::in_folder(folder),
            PostgresChoice::Find => {
                let mut seen = HashSet::new();
                let folders = folders().into_iter().filter_map(|folder| folder.canonicalize().ok());
                folders
                    .filter(|folder| seen.insert(folder.clone()))
                    .filter_map(|folder| Self::in_folder(&folder))
                    .max_by_key(|found| found.version)
            }
        }
    }

    fn in_folder(folder: &Path) -> Option<Installation> {
        if !folder.join("initdb").is_file() || !folder.join("postgres").is_file() {
            return None;
        }
        let output = std::process::Command::new(folder.join("postgres")).arg("--version").output().ok()?;
        let version = version(&String::from_utf8_lossy(&output.stdout))?;
        Some(Installation { bin: folder.to_owned(), version })
    }
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, also `17devel`.
fn version(text: &str) -> Option<(u32, u32)> {
    let number = text.trim().strip_prefix("postgres (PostgreSQL) ")?.split_whitespace().next()?;
    let mut parts = number.split(|character: char| !character.is_ascii_digit());
    let major = parts.next()?.parse().ok()?;
    Some((major, parts.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)))
}

/// Where `postgres` may be: PATH, what `pg_config` says, and where distributions and installers put it.
fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("PATH").iter().flat_map(std::env::split_paths).filter(|path| path.is_absolute()).collect();
    if let Ok(output) = std::process::Command::new("pg_config").arg("--bindir").output() {
        folders.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
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
        assert_eq!(Installation::find(&PostgresChoice::None), None);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Installation::find(&PostgresChoice::Folder(folder.path().to_owned())), None);
    }
}
