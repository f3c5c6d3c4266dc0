//! Starting, signalling and outliving operating system processes.
//!
//! Processes of the sandbox must never outlive it: they are started by one thread that lives exactly as long as the
//! sandbox, and on Linux the kernel ends them when that thread is gone, for whatever reason.

use crate::files::read_foreign_file;
use rustix::process::{Pid, Signal};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

type Request = (Command, oneshot::Sender<io::Result<Child>>);

/// The thread that starts processes.
#[derive(Clone)]
pub(crate) struct Spawner {
    requests: mpsc::Sender<Request>,
}

impl Spawner {
    /// Starts the thread; it ends with the last clone of this value, and the processes with it (Linux).
    pub(crate) fn new(runtime: Handle) -> io::Result<Spawner> {
        let (requests, inbox) = mpsc::channel::<Request>();
        std::thread::Builder::new().name("sandbox-parent".to_owned()).spawn(move || {
            let _runtime = runtime.enter();
            while let Ok((mut command, reply)) = inbox.recv() {
                end_with_parent(&mut command);
                // If the caller no longer waits, the child is dropped, and ends at the latest with this thread.
                let _ = reply.send(command.spawn());
            }
        })?;
        Ok(Spawner { requests })
    }

    /// Starts a process in a process group of its own, so that a terminal's Ctrl-C does not reach it.
    pub(crate) async fn spawn(&self, mut command: Command) -> io::Result<Child> {
        command.process_group(0);
        let (reply, answer) = oneshot::channel();
        let gone = || io::Error::other("the sandbox is being stopped");
        self.requests.send((command, reply)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// Has the kernel send SIGQUIT (PostgreSQL's immediate shutdown) when the thread that starts the process ends.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn end_with_parent(command: &mut Command) {
    let parent = std::process::id();
    // SAFETY: the closure runs between fork and exec and makes system calls that are async-signal-safe; it allocates
    // nothing and takes no lock.
    unsafe {
        command.pre_exec(move || {
            // A shell has what it starts in the background ignore SIGQUIT, and that is inherited.
            if libc::signal(libc::SIGQUIT, libc::SIG_DFL) == libc::SIG_ERR {
                return Err(io::Error::last_os_error());
            }
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGQUIT) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have died before the line above.
            if libc::getppid().cast_unsigned() != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }
}

/// On other systems the next start of a sandbox ends what a killed one left.
#[cfg(not(target_os = "linux"))]
fn end_with_parent(_command: &mut Command) {}

/// Sends a signal; a process that is gone already is no error.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Whether a process of that id exists.
pub(crate) fn exists(pid: u32) -> bool {
    i32::try_from(pid).ok().and_then(Pid::from_raw).is_some_and(|pid| {
        // EPERM: it exists and is another user's.
        !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
    })
}

/// The command line of a process, its arguments separated by blanks; `None` when it is gone.
fn command_line(pid: u32) -> Option<String> {
    if cfg!(target_os = "linux") {
        let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        return Some(String::from_utf8_lossy(&bytes).replace('\0', " "));
    }
    let output = std::process::Command::new("/bin/ps").args(["-o", "args=", "-p", &pid.to_string()]).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The user that a process belongs to; `None` when it is gone.
fn owner(pid: u32) -> Option<u32> {
    if cfg!(target_os = "linux") {
        return std::fs::metadata(format!("/proc/{pid}")).ok().map(|about| about.uid());
    }
    let output = std::process::Command::new("/bin/ps").args(["-o", "uid=", "-p", &pid.to_string()]).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// The id of the server process that runs on a PostgreSQL data folder, from its `postmaster.pid` (first line the
/// process, second the folder). `None` unless that process exists, belongs to the user who wrote the file, and its
/// command line names this very folder: ids are used again, and the file may be forged.
pub(crate) fn postmaster(data: &Path) -> Option<u32> {
    let (text, writer) = read_foreign_file(data, "postmaster.pid")?;
    let mut lines = text.lines();
    let pid: u32 = lines.next()?.trim().parse().ok()?;
    let folder = lines.next()?.trim();
    let ours = folder == data.to_string_lossy()
        && owner(pid)? == writer
        && command_line(pid)?.split(' ').any(|word| word == folder);
    ours.then_some(pid)
}

/// Ends the server on a data folder, if one runs there, and waits until it is gone (at most a few seconds).
/// Blocks: for start-up and for `Drop`.
pub(crate) fn end_postmaster(data: &Path) {
    let Some(pid) = postmaster(data) else { return };
    signal(pid, Signal::QUIT);
    if !wait_gone(pid, Duration::from_secs(6)) {
        signal(pid, Signal::KILL);
        wait_gone(pid, Duration::from_secs(2));
    }
}

/// Waits until a process is gone, through its descriptor.
#[cfg(target_os = "linux")]
fn wait_gone(pid: u32, limit: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let Some(id) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return true };
    let Ok(process) = rustix::process::pidfd_open(id, rustix::process::PidfdFlags::empty()) else {
        return !exists(pid);
    };
    let limit = Timespec { tv_sec: limit.as_secs().cast_signed(), tv_nsec: i64::from(limit.subsec_nanos()) };
    // It turns readable when the process ends; reaping it is its parent's part.
    matches!(poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit)), Ok(1))
}

/// Without process descriptors, by looking again and again.
#[cfg(not(target_os = "linux"))]
fn wait_gone(pid: u32, limit: Duration) -> bool {
    let end = std::time::Instant::now() + limit;
    while exists(pid) {
        if std::time::Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// Whether a test that needs root (to be two users) can run; if not, it prints a line past the capture of the test's
/// output.
#[cfg(test)]
pub(crate) fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root && let Ok(mut terminal) = std::fs::OpenOptions::new().append(true).open("/dev/stderr") {
        let _ = io::Write::write_all(&mut terminal, format!("NOT RUN: {test}: it takes root\n").as_bytes());
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_is_never_taken_for_a_postmaster() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("{}\n{}\n", std::process::id(), folder.path().display());
        std::fs::write(folder.path().join("postmaster.pid"), text).unwrap();
        assert_eq!(postmaster(folder.path()), None);
    }

    /// A server's user may write what he likes into his own file: he ends no process but his own by it.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_forged_file_ends_no_process_of_another_user() {
        if !is_root("a_forged_file_ends_no_process_of_another_user") {
            return;
        }
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let data = folder.path().to_str().unwrap().to_owned();
        // The folder is on its command line, as on a server's.
        let mut shell = std::process::Command::new("sh");
        let mut victim =
            shell.args(["-c", "read wait", "sh", &data]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        // Its command line is there a moment after it runs.
        while command_line(victim.id()).is_none_or(|line| !line.contains(&data)) {
            std::thread::yield_now();
        }
        let file = folder.path().join("postmaster.pid");
        std::fs::write(&file, format!("{}\n{data}\n", victim.id())).unwrap();
        assert_eq!(postmaster(folder.path()), Some(victim.id()));
        std::os::unix::fs::chown(&file, Some(65534), Some(65534)).unwrap();
        assert_eq!(postmaster(folder.path()), None);
        victim.kill().unwrap();
        victim.wait().unwrap();
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn processes_end_with_their_spawner() {
        let spawner = Spawner::new(Handle::current()).unwrap();
        let mut command = Command::new("sleep");
        command.arg("600");
        let mut child = spawner.spawn(command).await.unwrap();
        drop(spawner);
        use std::os::unix::process::ExitStatusExt as _;
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGQUIT));
    }
}
