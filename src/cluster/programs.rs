//! Finds programs by name.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Returns the program of this name on PATH. An empty or relative entry of PATH is the current folder, which may belong
/// to anyone: it is skipped, as Go's `exec` does for kubectl. A name with a slash is already a path and is returned as
/// it is.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    find_on(&std::env::var_os("PATH").unwrap_or_default(), name)
}

fn find_on(path: &OsStr, name: &str) -> Option<PathBuf> {
    if Path::new(name).components().nth(1).is_some() || name.contains(std::path::is_separator) {
        return Some(PathBuf::from(name));
    }
    let name = if cfg!(windows) && Path::new(name).extension().is_none() {
        format!("{name}{}", std::env::consts::EXE_SUFFIX)
    } else {
        name.to_owned()
    };
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(&name))
        .find(|file| file.is_file() && may_be_run(file))
}

#[cfg(unix)]
fn may_be_run(file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(file).is_ok_and(|about| about.mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn may_be_run(_: &Path) -> bool {
    true
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn only_absolute_entries_of_path_are_searched() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        for (folder, mode) in [(&first, 0o644), (&second, 0o755)] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("tool"), "#!/bin/sh\n").unwrap();
            std::fs::set_permissions(folder.join("tool"), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let both = std::env::join_paths([&first, &second]).unwrap();
        assert_eq!(find_on(&both, "tool"), Some(second.join("tool")), "what cannot be run is passed over");
        // A program in the folder that tests run in is found by its absolute entry alone.
        let here = std::env::current_dir().unwrap();
        let planted = tempfile::Builder::new().prefix(".on-path-").tempfile_in(&here).unwrap();
        std::fs::set_permissions(planted.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let name = planted.path().file_name().unwrap().to_str().unwrap();
        assert_eq!(find_on(here.as_os_str(), name), Some(here.join(name)));
        let up = format!("../{}", here.file_name().unwrap().to_str().unwrap());
        for path in ["", ".", ":", "./", "..:.", "::", &up] {
            assert_eq!(find_on(OsStr::new(path), name), None, "{path:?}");
        }
        assert_eq!(find_on(&both, "./tool"), Some(PathBuf::from("./tool")));
        assert_eq!(find_on(&both, "/opt/tool"), Some(PathBuf::from("/opt/tool")));
        assert_eq!(find_on(&both, "none"), None);
    }
}
