//! The practice cluster as a command: it starts, is used, and stops, and leaves no process and no folder, however it
//! ends. Leftovers are searched in /proc.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::machine::missing;
use crate::support::process::{LIMIT, Machine, Running, Signal, run, signal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Returns the IDs of all processes.
fn processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Returns the processes with a folder on their command line: its PostgreSQL servers.
fn servers_on(folder: &Path) -> Vec<u32> {
    let folder = folder.to_str().unwrap();
    let on = |process: &u32| {
        fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(folder))
    };
    processes().filter(on).collect()
}

/// Waits for the end of a process that is not a child.
fn wait_gone(process: u32) {
    let Some(id) = i32::try_from(process).ok().and_then(Pid::from_raw) else { return };
    let Ok(handle) = pidfd_open(id, PidfdFlags::empty()) else { return };
    let limit = Timespec { tv_sec: LIMIT.as_secs().cast_signed(), tv_nsec: 0 };
    let ended = poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&limit)).unwrap();
    assert_eq!(ended, 1, "process {process} still runs");
}

/// Returns the folder of a starting sandbox: the one in which its process holds a lock.
fn folder_of(sandbox: &Running) -> PathBuf {
    let end = Instant::now() + LIMIT;
    loop {
        for descriptor in fs::read_dir(format!("/proc/{}/fd", sandbox.pid())).into_iter().flatten().flatten() {
            if let Ok(lock) = fs::read_link(descriptor.path())
                && lock.file_name().is_some_and(|name| name == "lock")
            {
                return lock.parent().unwrap().to_owned();
            }
        }
        // No event signals that a process opens a file.
        assert!(Instant::now() < end, "the sandbox has no folder");
        std::thread::yield_now();
    }
}

fn left_nothing(folder: &Path, when: &str) {
    let servers = servers_on(folder);
    assert!(servers.is_empty(), "{when}: processes {servers:?} still run");
    assert!(!folder.exists(), "{when}: {} is left", folder.display());
}

/// Starts a sandbox that keeps running, and returns the folder that its first line of output names.
fn sandbox(machine: &Machine, arguments: &str) -> (Running, PathBuf) {
    let mut sandbox = Running::start(machine.plugin(&format!("sandbox {arguments}")));
    let line = sandbox.line_with("export KUBECONFIG=");
    let kubeconfig = PathBuf::from(line.strip_prefix("export KUBECONFIG=").unwrap_or_else(|| panic!("{line:?}")));
    assert!(kubeconfig.is_file(), "{line:?}");
    let line = sandbox.line_with("export PGPASSFILE=");
    let passfile = PathBuf::from(line.strip_prefix("export PGPASSFILE=").unwrap());
    // Only the owner can read the password in it.
    assert_eq!(fs::metadata(&passfile).unwrap().mode() & 0o777, 0o600, "{line:?}");
    (sandbox, kubeconfig.parent().unwrap().to_owned())
}

fn healthy(machine: &Machine, folder: &Path) {
    let mut command = machine.plugin("status");
    command.env("KUBECONFIG", folder.join("kubeconfig"));
    let status = run(command);
    assert_eq!(status.code, Some(0), "{}{}", status.out, status.err);
    assert!(status.out.starts_with("SynxDB is healthy: "), "{}", status.out);
}

#[test]
fn two_clusters_serve_until_a_signal_and_leave_nothing() {
    let machine = Machine::new();
    let (mut one, one_folder) = sandbox(&machine, "");
    let (mut two, two_folder) = sandbox(&machine, "--scenario no-quorum");
    one.line_with("Ready.");
    two.line_with("Ready.");
    assert_ne!(one_folder, two_folder);

    // PostgreSQL runs as a user other than root.
    let servers = servers_on(&one_folder);
    assert!(servers.len() >= 2, "{}: {servers:?}", missing("PostgreSQL", "postgresql"));
    for server in servers {
        let owner = fs::metadata(format!("/proc/{server}")).unwrap().uid();
        assert_ne!(owner, 0, "process {server} runs as root");
    }
    // Only the owner can read the key in it.
    assert_eq!(fs::metadata(one_folder.join("kubeconfig")).unwrap().mode() & 0o777, 0o600);

    healthy(&machine, &one_folder);
    // The end of one does not affect the other.
    two.signal(Signal::TERM);
    let ended = two.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    left_nothing(&two_folder, "SIGTERM");
    healthy(&machine, &one_folder);

    one.signal(Signal::INT);
    let ended = one.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.out.lines().count(), 2, "{}", ended.out);
    left_nothing(&one_folder, "SIGINT");
}

/// Its files are in /tmp, or in the user's folder.
#[test]
fn its_folder_is_set_by_the_variable() {
    let machine = Machine::new();
    let wanted = tempfile::tempdir_in("/tmp").unwrap();
    // PostgreSQL's user, if it is another one, must be able to traverse it.
    fs::set_permissions(wanted.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let own = PathBuf::from(format!("/tmp/kubectl-synxdb-{}", rustix::process::geteuid().as_raw()));
    for (variable, root) in [(wanted.path().to_str().unwrap(), wanted.path()), ("", &own)] {
        let mut command = machine.plugin("sandbox");
        command.env("KUBECTL_SYNXDB_SANDBOX_DIR", variable);
        let mut sandbox = Running::start(command);
        let line = sandbox.line_with("export KUBECONFIG=");
        let kubeconfig = PathBuf::from(line.strip_prefix("export KUBECONFIG=").unwrap());
        assert_eq!(kubeconfig.parent().unwrap().parent(), Some(root), "{line}");
        sandbox.signal(Signal::INT);
        assert_eq!(sandbox.end().code, Some(0));
        left_nothing(kubeconfig.parent().unwrap(), variable);
    }
}

#[test]
fn leftovers_of_a_killed_one_end_or_are_removed_by_the_next() {
    let machine = Machine::new();
    let (mut killed, folder) = sandbox(&machine, "");
    killed.line_with("Ready.");
    let servers = servers_on(&folder);
    assert!(!servers.is_empty(), "{}", missing("PostgreSQL", "postgresql"));
    killed.signal(Signal::KILL);
    assert_eq!(killed.end().signal, Some(9));
    for server in servers {
        wait_gone(server);
    }
    assert_eq!(servers_on(&folder), Vec::<u32>::new());

    let (next, next_folder) = sandbox(&machine, "");
    left_nothing(&folder, "the next start");
    // It may be stopped while it starts.
    next.signal(Signal::INT);
    let ended = next.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    left_nothing(&next_folder, "SIGINT while it starts");
}

#[test]
fn every_scenario_starts_and_is_listed() {
    let machine = Machine::new();
    let listed = run(machine.plugin("sandbox --list"));
    assert_eq!((listed.code, listed.err.as_str()), (Some(0), ""));
    let names: Vec<&str> = listed.out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for known in [
        "healthy",
        "slow-start",
        "stuck-claim",
        "local-disk",
        "no-quorum",
        "forbidden",
        "lost-node",
        "two-warehouses",
        "suspended-account",
        "catching-up",
    ] {
        assert!(names.contains(&known), "{known} is not in\n{}", listed.out);
    }
    for line in listed.out.lines() {
        assert!(line.split_whitespace().count() > 2, "nothing is said of {line:?}");
        assert!(line.len() <= 100, "{line:?}");
    }

    // Not all at the same time: each has three PostgreSQL servers.
    for names in names.chunks(6) {
        let started: Vec<(Running, PathBuf)> =
            names.iter().map(|name| sandbox(&machine, &format!("--scenario {name}"))).collect();
        for ((mut one, folder), name) in started.into_iter().zip(names) {
            one.line_with("Ready.");
            one.signal(Signal::INT);
            let ended = one.end();
            assert_eq!(ended.code, Some(0), "{name}: {}", ended.err);
            left_nothing(&folder, name);
        }
    }
}

#[test]
fn an_unknown_scenario_lists_the_known_ones() {
    let machine = Machine::new();
    for arguments in ["sandbox --scenario healthie", "--sandbox --scenario healthie status"] {
        let ended = run(machine.plugin(arguments));
        assert_ne!(ended.code, Some(0));
        assert_eq!(ended.out, "");
        for wanted in ["healthie", "healthy", "stuck-claim", "lost-node"] {
            assert!(ended.err.contains(wanted), "no {wanted:?} in {}", ended.err);
        }
    }
}

#[test]
fn a_failed_command_with_its_own_sandbox_leaves_nothing() {
    let machine = Machine::new();
    for (arguments, code) in [("--sandbox failover missing-0 --yes", 1), ("--sandbox failover wh9527-0", 4)] {
        let running = Running::start(machine.plugin(arguments));
        let folder = folder_of(&running);
        let ended = running.end();
        assert_eq!(ended.code, Some(code), "{arguments}: {}", ended.err);
        left_nothing(&folder, arguments);
    }
}

#[test]
fn a_signal_at_any_moment_of_a_failover_leaves_nothing() {
    let machine = Machine::new();
    let moments = [
        "",          // it has a folder, and starts
        "Checks",    // the plan is there
        "retain ",   // the first change
        "pod ",      // the pod is deleted
        "recreate ", // the new pod comes
        "ready ",    // it has come
    ];
    for (number, moment) in moments.iter().enumerate() {
        let mut running = Running::start(machine.plugin("--sandbox failover wh9527-0 --yes"));
        let folder = folder_of(&running);
        if !moment.is_empty() {
            running.line_that(&format!("a line of {moment:?}"), |line| line.starts_with(moment));
        }
        running.signal(if number % 2 == 0 { Signal::TERM } else { Signal::INT });
        let ended = running.end();
        assert_eq!(ended.code, Some(130), "{moment:?}: {}{}", ended.out, ended.err);
        left_nothing(&folder, moment);
    }
    // Too early for any output: the folder is removed as well.
    let running = Running::start(machine.plugin("--sandbox status"));
    let folder = folder_of(&running);
    signal(running.pid(), Signal::TERM);
    assert_ne!(running.end().code, Some(0));
    left_nothing(&folder, "at once");
}
