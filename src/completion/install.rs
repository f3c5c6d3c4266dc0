//! Where to install `kubectl_complete-synxdb`, and which file may be changed. Folders of PATH in, a step out.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// The file name that kubectl looks for.
pub(crate) const FILE: &str = "kubectl_complete-synxdb";

/// A folder of PATH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folder {
    /// Its path.
    pub path: PathBuf,
    /// Whether it contains `kubectl-synxdb`, as a file or a link.
    pub has_plugin: bool,
    /// What has the file's name.
    pub found: Found,
    /// Whether files can be created in it.
    pub writable: bool,
    /// Whether the user owns it.
    pub own: bool,
}

/// What exists under the file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// The file of this version.
    Same,
    /// The file of another version, or a modified one.
    Other,
    /// Something foreign: another file, a link, a folder.
    Foreign,
}

/// The step to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Create this file.
    Write(PathBuf),
    /// Replace this file: it is of another version.
    Renew(PathBuf),
    /// Remove this file.
    Remove(PathBuf),
    /// Nothing: it is installed already.
    Present(PathBuf),
    /// Nothing: it is not installed.
    Absent,
}

impl Folder {
    fn file(&self) -> PathBuf {
        self.path.join(FILE)
    }
}

/// Returns the step that installs it: beside the plugin, or else in the first folder that the user owns.
///
/// # Errors
/// The plugin is not on PATH, a foreign file is in the way, or no folder is writable.
pub(crate) fn to_install(path: &[Folder]) -> Result<Step> {
    let Some(plugin) = path.iter().find(|folder| folder.has_plugin) else {
        return Err(Error::refused("kubectl-synxdb is not on PATH")
            .because("kubectl would find neither the plugin nor its completion; nothing was changed")
            .hint("add the folder of kubectl-synxdb: export PATH=FOLDER:$PATH"));
    };
    let place = if plugin.writable { Some(plugin) } else { path.iter().find(|folder| folder.writable && folder.own) };
    let first = path.iter().find(|folder| folder.found != Found::Nothing);
    match (first, place) {
        (Some(first), _) if first.found == Found::Same => Ok(Step::Present(first.file())),
        (Some(first), _) if first.found == Found::Other && first.writable => Ok(Step::Renew(first.file())),
        (Some(first), _) if first.found == Found::Other => {
            Err(Error::refused(format!("{} is of another version and cannot be written", first.file().display()))
                .because("nothing was changed")
                .hint("rerun the command as a user who can write there"))
        }
        // One after ours on PATH has no effect.
        (Some(first), Some(place)) if stands_before(path, place, first) => Ok(Step::Write(place.file())),
        (Some(first), _) => Err(foreign(first)),
        (None, Some(place)) => Ok(Step::Write(place.file())),
        (None, None) => Err(Error::refused(format!("no write access to {}", plugin.path.display()))
            .because("the plugin is there, and you own no other folder on PATH; nothing was changed")
            .hint("mkdir -p ~/.local/bin; export PATH=~/.local/bin:$PATH; kubectl synxdb completion install")),
    }
}

/// Returns the step that removes it.
///
/// # Errors
/// The first one on PATH is foreign, or cannot be removed.
pub(crate) fn to_uninstall(path: &[Folder]) -> Result<Step> {
    match path.iter().find(|folder| folder.found != Found::Nothing) {
        None => Ok(Step::Absent),
        Some(first) if first.found == Found::Foreign => Err(foreign(first)),
        Some(first) if first.writable => Ok(Step::Remove(first.file())),
        Some(first) => Err(Error::refused(format!("{} cannot be removed", first.file().display()))
            .because("no write access to its folder; nothing was changed")
            .hint("rerun the command as a user who can write there")),
    }
}

fn stands_before(path: &[Folder], this: &Folder, other: &Folder) -> bool {
    let place = |of: &Path| path.iter().position(|folder| folder.path == of);
    place(&this.path) < place(&other.path)
}

fn foreign(folder: &Folder) -> Error {
    let file = folder.file();
    Error::refused(format!("{} was not created by this plugin", file.display()))
        .because("it was left unchanged; nothing was changed")
        .hint(format!("ls -l {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds folders from keywords: plugin, same, other, foreign, locked, theirs.
    fn path(folders: &[(&str, &str)]) -> Vec<Folder> {
        let folder = |(path, words): &(&str, &str)| {
            let has = |word: &str| words.split(' ').any(|known| known == word);
            let found = match () {
                () if has("same") => Found::Same,
                () if has("other") => Found::Other,
                () if has("foreign") => Found::Foreign,
                () => Found::Nothing,
            };
            let path = PathBuf::from(path);
            Folder { path, has_plugin: has("plugin"), found, writable: !has("locked"), own: !has("theirs") }
        };
        folders.iter().map(folder).collect()
    }

    fn outcome(step: Result<Step>) -> String {
        match step {
            Ok(Step::Write(path)) => format!("write {}", path.display()),
            Ok(Step::Renew(path)) => format!("renew {}", path.display()),
            Ok(Step::Remove(path)) => format!("remove {}", path.display()),
            Ok(Step::Present(path)) => format!("present {}", path.display()),
            Ok(Step::Absent) => "absent".to_owned(),
            Err(error) => {
                assert_eq!(error.exit, crate::error::Exit::Refused, "{error}");
                assert!(error.to_string().contains("nothing was changed") && !error.hints.is_empty(), "{error}");
                error.what
            }
        }
    }

    #[test]
    fn it_belongs_beside_the_plugin_or_to_the_users_own() {
        for (folders, expected) in [
            (vec![("/a", ""), ("/b", "plugin")], "write /b/kubectl_complete-synxdb"),
            // kubectl runs the first plugin.
            (vec![("/a", "plugin"), ("/b", "plugin")], "write /a/kubectl_complete-synxdb"),
            (vec![("/a", "plugin locked"), ("/b", "theirs"), ("/c", "")], "write /c/kubectl_complete-synxdb"),
            (vec![("/a", "plugin locked theirs"), ("/b", "theirs")], "no write access to /a"),
            (vec![("/a", "")], "kubectl-synxdb is not on PATH"),
            (vec![], "kubectl-synxdb is not on PATH"),
            // Existing files.
            (vec![("/a", "plugin same")], "present /a/kubectl_complete-synxdb"),
            (vec![("/a", "plugin"), ("/b", "same locked")], "present /b/kubectl_complete-synxdb"),
            (vec![("/a", "plugin"), ("/b", "other")], "renew /b/kubectl_complete-synxdb"),
            (
                vec![("/a", "plugin other locked")],
                "/a/kubectl_complete-synxdb is of another version and cannot be written",
            ),
            (vec![("/a", "plugin foreign")], "/a/kubectl_complete-synxdb was not created by this plugin"),
            (vec![("/a", "foreign"), ("/b", "plugin")], "/a/kubectl_complete-synxdb was not created by this plugin"),
            (vec![("/a", "plugin"), ("/b", "foreign")], "write /a/kubectl_complete-synxdb"),
        ] {
            assert_eq!(outcome(to_install(&path(&folders))), expected, "{folders:?}");
        }
    }

    #[test]
    fn only_what_is_ours_is_removed() {
        for (folders, expected) in [
            (vec![("/a", "plugin")], "absent"),
            (vec![("/a", "plugin"), ("/b", "same")], "remove /b/kubectl_complete-synxdb"),
            (vec![("/a", "other")], "remove /a/kubectl_complete-synxdb"),
            (vec![("/a", "same locked")], "/a/kubectl_complete-synxdb cannot be removed"),
            (vec![("/a", "foreign"), ("/b", "same")], "/a/kubectl_complete-synxdb was not created by this plugin"),
        ] {
            assert_eq!(outcome(to_uninstall(&path(&folders))), expected, "{folders:?}");
        }
    }
}
