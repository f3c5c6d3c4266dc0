//! A pseudo-terminal of 80 columns that runs a program: its screen, its input, and its final state.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use super::process::LIMIT;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Keys, as a terminal sends them.
pub(crate) mod key {
    pub(crate) const ENTER: &str = "\r";
    pub(crate) const DOWN: &str = "\x1b[B";
    pub(crate) const UP: &str = "\x1b[A";
    pub(crate) const ESCAPE: &str = "\x1b";
    pub(crate) const CTRL_C: &str = "\x03";
    pub(crate) const CTRL_D: &str = "\x04";
}

/// Enough rows for everything that a command shows.
const ROWS: u16 = 200;
const COLUMNS: u16 = 80;

/// A program in a terminal. Killed when dropped.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    output: Receiver<Vec<u8>>,
    raw: Vec<u8>,
    started: Instant,
    times: Vec<(Duration, usize)>,
    screen: vt100::Parser,
    /// How much of its output (without escape sequences) has been waited for.
    seen: usize,
}

/// What a program left on the terminal.
pub(crate) struct Left {
    pub(crate) code: i32,
    /// Its entire output, including escape sequences.
    pub(crate) raw: String,
    /// Times of its writes, since it started, and the byte that each one reached.
    pub(crate) times: Vec<(Duration, usize)>,
    /// The screen, row by row.
    pub(crate) screen: String,
    /// The same, with wrapped lines joined.
    pub(crate) text: String,
    pub(crate) cursor_shown: bool,
    pub(crate) echo: bool,
}

impl Terminal {
    /// Starts a program. TERM is xterm-256color unless the command sets it.
    pub(crate) fn start(command: Command) -> Self {
        Self::start_sized(command, ROWS, COLUMNS)
    }

    /// The same in a terminal of another size.
    #[allow(unsafe_code)]
    pub(crate) fn start_sized(mut command: Command, rows: u16, columns: u16) -> Self {
        if !command.get_envs().any(|(name, _)| name == "TERM") {
            command.env("TERM", "xterm-256color");
        }
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        fcntl_setfd(&ours, FdFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let flags = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
        let theirs = File::options().read(true).write(true).custom_flags(flags).open(name).unwrap();
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&theirs, size).unwrap();
        command.stdin(theirs.try_clone().unwrap()).stdout(theirs.try_clone().unwrap()).stderr(theirs);
        // SAFETY: two system calls between fork and exec; nothing is allocated, no lock is taken.
        unsafe {
            command.pre_exec(|| {
                // A separate session with this terminal, so that only this process receives its Ctrl-C.
                rustix::process::setsid()?;
                Ok(rustix::process::ioctl_tiocsctty(std::io::stdin())?)
            });
        }
        let started = Instant::now();
        let child = command.spawn().unwrap();
        // The command holds its side of the terminal open: the end would never be seen.
        drop(command);
        let keyboard = File::from(ours);
        let mut display = keyboard.try_clone().unwrap();
        let (send, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // On Linux, the end is an error: the other side is closed.
            while let Ok(read @ 1..) = display.read(&mut buffer) {
                if send.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        let screen = vt100::Parser::new(rows.try_into().unwrap(), columns.try_into().unwrap(), 0);
        Self { child, keyboard, output, raw: Vec::new(), started, times: Vec::new(), screen, seen: 0 }
    }

    /// Waits until it has written a text, after the previous one.
    pub(crate) fn expect(&mut self, text: &str) {
        let end = Instant::now() + LIMIT;
        loop {
            let plain = plain(&self.raw);
            if let Some(at) = plain[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            if let Err(why) = self.receive(end) {
                panic!("no {text:?} ({why:?}); it wrote:\n{plain}");
            }
        }
    }

    /// Waits until the screen matches, and returns it, with wrapped lines joined.
    pub(crate) fn screen_that(&mut self, wanted: &str, is_wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            let text = self.screen.screen().contents();
            if is_wanted(&text) {
                return text;
            }
            if let Err(why) = self.receive(end) {
                panic!("no {wanted} ({why:?}); on the screen is:\n{text}");
            }
        }
    }

    pub(crate) fn send(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn signal(&self, signal: super::process::Signal) {
        super::process::signal(self.child.id(), signal);
    }

    fn receive(&mut self, end: Instant) -> Result<(), RecvTimeoutError> {
        let bytes = self.output.recv_timeout(end.saturating_duration_since(Instant::now()))?;
        self.screen.process(&bytes);
        self.raw.extend(bytes);
        self.times.push((self.started.elapsed(), self.raw.len()));
        Ok(())
    }

    /// Waits until it has ended.
    pub(crate) fn end(mut self) -> Left {
        let end = Instant::now() + LIMIT;
        loop {
            match self.receive(end) {
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it did not end; it wrote:\n{}", plain(&self.raw)),
            }
        }
        let status = self.child.wait().unwrap();
        let screen = self.screen.screen();
        let rows: Vec<String> = screen.rows(0, screen.size().1.get()).map(|row| row.trim_end().to_owned()).collect();
        Left {
            code: status.code().or_else(|| status.signal().map(|signal| -signal)).unwrap(),
            raw: String::from_utf8_lossy(&self.raw).into_owned(),
            times: std::mem::take(&mut self.times),
            screen: rows.join("\n"),
            text: screen.contents(),
            cursor_shown: !screen.hide_cursor(),
            echo: tcgetattr(&self.keyboard).unwrap().local_modes.contains(LocalModes::ECHO | LocalModes::ICANON),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a text without escape sequences.
pub(crate) fn plain(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let escape = regex::Regex::new("\x1b\\[[0-9;?]*[A-Za-z]").unwrap();
    escape.replace_all(&text, "").replace('\r', "")
}
