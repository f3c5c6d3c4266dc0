//! What the tests use from their machine: its programs, its kubectl, and a folder in memory.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Installs what the tests start, and contains the list.
const SETUP: &str = include_str!("../../scripts/setup");

/// Returns each program (by name, or the path of a file) that `scripts/setup --tests` installs, and its Debian package.
pub fn installed() -> Vec<(&'static str, &'static str)> {
    let list = SETUP.split_once("<<TESTS\n").and_then(|(_, rest)| rest.split_once("\nTESTS\n")).unwrap().0;
    list.lines().map(|line| line.split_once(' ').unwrap()).collect()
}

/// Returns the path of a program that a test starts, or of a file that it reads. If it is missing, the test fails here,
/// with one line that names the package and the command to install it.
#[track_caller]
pub fn needs(program: &str) -> PathBuf {
    match find(program, &std::env::var_os("PATH").unwrap_or_default()) {
        Ok(path) => path,
        Err(why) => panic!("{why}"),
    }
}

/// Like [`needs`]; `path` is where to look up a name.
pub fn find(program: &str, path: &std::ffi::OsStr) -> Result<PathBuf, String> {
    let all = installed();
    let Some((_, package)) = all.iter().find(|(name, _)| *name == program) else {
        return Err(format!("scripts/setup --tests does not install {program}: add it to its list"));
    };
    let candidates: Vec<PathBuf> = match program.starts_with('/') {
        true => vec![program.into()],
        false => std::env::split_paths(path).map(|folder| folder.join(program)).collect(),
    };
    candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| missing(program, package))
}

/// Returns the line about a missing package.
pub fn missing(program: &str, package: &str) -> String {
    format!("this test needs {program} (Debian package {package}), which is not here: run scripts/setup --tests")
}

/// Requires PostgreSQL, which practice clusters run. `notices` are those of a practice cluster that has just started.
#[track_caller]
pub fn needs_postgresql(notices: &[String]) {
    assert!(notices.is_empty(), "{} ({})", missing("PostgreSQL", "postgresql"), notices.join("; "));
}

/// The first kubectl that completes its plugins.
pub const COMPLETES_PLUGINS: (u32, u32) = (1, 26);

/// Returns the major and minor version of the machine's kubectl.
pub fn kubectl_version() -> (u32, u32) {
    let output = Command::new(needs("kubectl")).args(["version", "--client", "-o", "json"]).output().unwrap();
    let version: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    // Its `major` and `minor` are empty unless the build set them: `v1.37.2`, `v1.32.4-dispatcher`.
    let text = version["clientVersion"]["gitVersion"].as_str().unwrap();
    let mut numbers = text.trim_start_matches('v').split('.').map(|part| part.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Prints a line that is visible even if the test passes: the test harness captures only `print!` and the like.
#[allow(clippy::explicit_write)]
pub fn notice(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}

/// Names the folder for the state of the practice clusters that a command starts.
pub const STATE_VARIABLE: &str = "KUBECTL_SYNXDB_SANDBOX_DIR";

/// The minimum free space in memory.
const ROOM: u64 = 1 << 30;

/// Returns where practice clusters keep their state during the tests: in memory, if this machine has a folder there
/// with enough space. Each PostgreSQL server has a thousand files that live for seconds: some file systems spend more
/// time on creating them than the tests spend on everything else.
pub fn state_root() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os(STATE_VARIABLE) {
        return Some(given.into());
    }
    let user = rustix::process::geteuid().as_raw();
    let root = PathBuf::from(format!("/dev/shm/kubectl-synxdb-tests-{user}"));
    // Another user may have created that folder first.
    let of_another = std::fs::symlink_metadata(&root).is_ok_and(|found| !found.is_dir() || found.uid() != user);
    (in_memory(Path::new("/dev/shm")) && !of_another).then_some(root)
}

#[cfg(target_os = "linux")]
fn in_memory(folder: &Path) -> bool {
    // TMPFS_MAGIC of linux/magic.h.
    let of_memory = rustix::fs::statfs(folder).is_ok_and(|found| found.f_type == 0x0102_1994);
    let room = rustix::fs::statvfs(folder).map(|found| found.f_bavail * found.f_frsize);
    of_memory && room.is_ok_and(|room| room >= ROOM)
}

#[cfg(not(target_os = "linux"))]
fn in_memory(_: &Path) -> bool {
    false
}
