//! Where `kubectl_complete-synxdb` belongs, and what of it may be touched. Folders of PATH in, a step out.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// The name by which kubectl finds it.
pub const FILE: &str = "kubectl_complete-synxdb";

/// A folder of PATH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// As PATH has it.
    pub path: PathBuf,
    /// Whether `kubectl-synxdb` is there, itself or as a link.
    pub has_plugin: bool,
    /// What is there of the file's name.
    pub found: Found,
    /// Whether files can be made in it.
    pub writable: bool,
    /// Whether it is the user's own.
    pub own: bool,
}

/// What is in the place of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// What this version would write.
    Same,
    /// What another version wrote, or somebody changed.
    Other,
    /// Something that is not ours to touch: another file, a link, a folder.
    Foreign,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write this file, which is not there.
    Write(PathBuf),
    /// Write this file anew: it is of another version.
    Renew(PathBuf),
    /// Remove this file.
    Remove(PathBuf),
    /// Nothing: it is there already.
    Present(PathBuf),
    /// Nothing: it is not there.
    Absent,
}

impl Folder {
    fn file(&self) -> PathBuf {
        self.path.join(FILE)
    }
}

/// What puts it on PATH: beside the plugin, or else in the first folder that is the user's own.
///
/// # Errors
/// Refused: the plugin is not on PATH, a file of another's making is in the way, or nowhere can be written.
pub fn to_install(path: &[Folder]) -> Result<Step> {
    let Some(plugin) = path.iter().find(|folder| folder.has_plugin) else {
        return Err(Error::refused("kubectl-synxdb is not on PATH")
            .because("kubectl finds neither the plugin nor its completion; nothing was changed")
            .hint("export PATH=FOLDER:$PATH, with the folder that kubectl-synxdb is in"));
    };
    let place = if plugin.writable { Some(plugin) } else { path.iter().find(|folder| folder.writable && folder.own) };
    let first = path.iter().find(|folder| folder.found != Found::Nothing);
    match (first, place) {
        (Some(first), _) if first.found == Found::Same => Ok(Step::Present(first.file())),
        (Some(first), _) if first.found == Found::Other && first.writable => Ok(Step::Renew(first.file())),
        (Some(first), _) if first.found == Found::Other => {
            Err(Error::refused(format!("{} is of another version and cannot be written", first.file().display()))
                .because("nothing was changed")
                .hint("run the same command as who can write there"))
        }
        // One that stands behind ours is of no effect.
        (Some(first), Some(place)) if stands_before(path, place, first) => Ok(Step::Write(place.file())),
        (Some(first), _) => Err(foreign(first)),
        (None, Some(place)) => Ok(Step::Write(place.file())),
        (None, None) => Err(Error::refused(format!("nothing can be written to {}", plugin.path.display()))
            .because("the plugin is there, and no other folder of PATH is yours; nothing was changed")
            .hint("mkdir -p ~/.local/bin; export PATH=~/.local/bin:$PATH; kubectl synxdb completion install")),
    }
}

/// What takes it from PATH again.
///
/// # Errors
/// Refused: the first one on PATH is of another's making, or cannot be removed.
pub fn to_uninstall(path: &[Folder]) -> Result<Step> {
    match path.iter().find(|folder| folder.found != Found::Nothing) {
        None => Ok(Step::Absent),
        Some(first) if first.found == Found::Foreign => Err(foreign(first)),
        Some(first) if first.writable => Ok(Step::Remove(first.file())),
        Some(first) => Err(Error::refused(format!("{} cannot be removed", first.file().display()))
            .because("its folder is not yours to change; nothing was changed")
            .hint("run the same command as who can write there")),
    }
}

fn stands_before(path: &[Folder], this: &Folder, other: &Folder) -> bool {
    let place = |of: &Path| path.iter().position(|folder| folder.path == of);
    place(&this.path) < place(&other.path)
}

fn foreign(folder: &Folder) -> Error {
    let file = folder.file();
    Error::refused(format!("{} is not of this plugin's making", file.display()))
        .because("it is left alone; nothing was changed")
        .hint(format!("ls -l {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `plugin ours other foreign locked theirs`, in words, a folder each.
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

    fn told(step: Result<Step>) -> String {
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
            // The first plugin is the one that kubectl runs.
            (vec![("/a", "plugin"), ("/b", "plugin")], "write /a/kubectl_complete-synxdb"),
            (vec![("/a", "plugin locked"), ("/b", "theirs"), ("/c", "")], "write /c/kubectl_complete-synxdb"),
            (vec![("/a", "plugin locked theirs"), ("/b", "theirs")], "nothing can be written to /a"),
            (vec![("/a", "")], "kubectl-synxdb is not on PATH"),
            (vec![], "kubectl-synxdb is not on PATH"),
            // What is there.
            (vec![("/a", "plugin same")], "present /a/kubectl_complete-synxdb"),
            (vec![("/a", "plugin"), ("/b", "same locked")], "present /b/kubectl_complete-synxdb"),
            (vec![("/a", "plugin"), ("/b", "other")], "renew /b/kubectl_complete-synxdb"),
            (
                vec![("/a", "plugin other locked")],
                "/a/kubectl_complete-synxdb is of another version and cannot be written",
            ),
            (vec![("/a", "plugin foreign")], "/a/kubectl_complete-synxdb is not of this plugin's making"),
            (vec![("/a", "foreign"), ("/b", "plugin")], "/a/kubectl_complete-synxdb is not of this plugin's making"),
            (vec![("/a", "plugin"), ("/b", "foreign")], "write /a/kubectl_complete-synxdb"),
        ] {
            assert_eq!(told(to_install(&path(&folders))), expected, "{folders:?}");
        }
    }

    #[test]
    fn only_what_is_ours_is_removed() {
        for (folders, expected) in [
            (vec![("/a", "plugin")], "absent"),
            (vec![("/a", "plugin"), ("/b", "same")], "remove /b/kubectl_complete-synxdb"),
            (vec![("/a", "other")], "remove /a/kubectl_complete-synxdb"),
            (vec![("/a", "same locked")], "/a/kubectl_complete-synxdb cannot be removed"),
            (vec![("/a", "foreign"), ("/b", "same")], "/a/kubectl_complete-synxdb is not of this plugin's making"),
        ] {
            assert_eq!(told(to_uninstall(&path(&folders))), expected, "{folders:?}");
        }
    }
}
