//! Identifies this process so that another one can find out whether it still runs.

use serde::{Deserialize, Serialize};

/// A process: where, and which one. What a system does not report is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// The machine's name.
    pub host: String,
    /// The process' number.
    pub pid: u32,
    /// The machine's start, on Linux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// The PID namespace, on Linux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_namespace: Option<String>,
    /// When it was started, in ticks since the machine's start, on Linux: numbers are reused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
}

impl Process {
    /// Returns this process.
    pub fn own() -> Self {
        let pid = std::process::id();
        Self { host: host(), pid, boot: boot(), pid_namespace: pid_namespace(), started: started(pid).ok().flatten() }
    }

    /// Returns whether it is known to have ended: this machine would list it, and does not.
    pub fn is_gone(&self) -> bool {
        let here = self.boot.is_some()
            && self.pid_namespace.is_some()
            && (&self.host, &self.boot, &self.pid_namespace) == (&host(), &boot(), &pid_namespace());
        here && match started(self.pid) {
            // Another process may have its number by now.
            Ok(Some(started)) => self.started.is_some_and(|own| own != started),
            Ok(None) => false,
            // Another user's process may run without being listed.
            Err(error) => error.kind() == std::io::ErrorKind::NotFound && no_such(self.pid),
        }
    }
}

#[cfg(unix)]
fn no_such(pid: u32) -> bool {
    use rustix::process::{Pid, test_kill_process};
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

#[cfg(not(unix))]
fn no_such(_: u32) -> bool {
    false
}

#[cfg(unix)]
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

fn pid_namespace() -> Option<String> {
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(namespace.to_string_lossy().into_owned())
}

/// Returns when a process was started; 0 if it has ended and its parent has not reaped it; `None` if the system's data
/// cannot be parsed.
///
/// # Errors
/// There is none with this number (`NotFound`), or it cannot be read.
fn started(pid: u32) -> std::io::Result<Option<u64>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in brackets, which may contain brackets and spaces.
    let after = stat.rsplit_once(')').map(|(_, after)| after);
    let fields = after.map(|after| after.split_whitespace().collect::<Vec<_>>());
    let field = |index: usize| fields.as_ref().and_then(|fields| fields.get(index).copied());
    if field(0) == Some("Z") {
        return Ok(Some(0));
    }
    Ok(field(19).and_then(|ticks| ticks.parse().ok()))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn one_that_ended_is_known_to_be_gone_and_nothing_is_known_of_another_machines() {
        let own = Process::own();
        assert!(!own.is_gone(), "{own:?}");
        assert!(!own.host.is_empty() && own.started.is_some());
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let running = Process { pid: child.id(), started: started(child.id()).unwrap(), ..own.clone() };
        assert!(!running.is_gone());
        child.kill().unwrap();
        // Its end is noticed before its parent reaps it, which may never happen.
        while !running.is_gone() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(running.is_gone());
        // Its number was reused.
        assert!(Process { started: Some(1), ..own.clone() }.is_gone());
        for elsewhere in [
            Process { host: "elsewhere".into(), ..running.clone() },
            Process { boot: Some("earlier".into()), ..running.clone() },
            Process { pid_namespace: Some("pid:[1]".into()), ..running.clone() },
            Process { boot: None, ..running.clone() },
        ] {
            assert!(!elsewhere.is_gone(), "{elsewhere:?}");
        }
    }
}
