//! A relay between the plugin and an API server: it slows everything down, freezes (accepts connections and carries
//! nothing), or cuts all connections.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// A relay on a port of this machine. Cuts its connections when dropped.
pub(crate) struct Relay {
    port: u16,
    state: Arc<State>,
}

struct State {
    mode: Mutex<Mode>,
    changed: Condvar,
    /// Each way, in addition to what the network takes.
    delay: Duration,
    open: Mutex<Vec<TcpStream>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Carries,
    Frozen,
    Cuts,
}

impl Relay {
    /// Starts one to this address, `https://127.0.0.1:PORT`, that delays everything by half of `round_trip` each way.
    pub(crate) fn to(server: &str, round_trip: Duration) -> Self {
        let target = server.trim_start_matches("https://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            mode: Mutex::new(Mode::Carries),
            changed: Condvar::new(),
            delay: round_trip / 2,
            open: Mutex::default(),
        });
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if *shared.mode.lock().unwrap() == Mode::Cuts {
                    continue;
                }
                let Ok(server) = TcpStream::connect(&target) else { continue };
                // A TCP handshake is a round trip, too: nothing is carried before it would have ended.
                let opened = Instant::now() + 2 * shared.delay;
                for (from, to) in [(&client, &server), (&server, &client)] {
                    shared.open.lock().unwrap().push(from.try_clone().unwrap());
                    let _ = from.set_nodelay(true);
                    carry(from.try_clone().unwrap(), to.try_clone().unwrap(), opened, shared.clone());
                }
            }
        });
        Self { port, state }
    }

    /// Returns its address.
    pub(crate) fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Carries nothing from now on; connections are still accepted, and stay open.
    pub(crate) fn freeze(&self) {
        self.set(Mode::Frozen);
    }

    /// Carries everything again, also what has waited.
    pub(crate) fn thaw(&self) {
        self.set(Mode::Carries);
    }

    /// Cuts all connections, and each new one, until [`Relay::thaw`].
    pub(crate) fn cut(&self) {
        self.set(Mode::Cuts);
        for open in self.state.open.lock().unwrap().drain(..) {
            let _ = open.shutdown(Shutdown::Both);
        }
    }

    fn set(&self, mode: Mode) {
        *self.state.mode.lock().unwrap() = mode;
        self.state.changed.notify_all();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cut();
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, opened: Instant, state: Arc<State>) {
    let (sender, pieces) = channel::<(Instant, Vec<u8>)>();
    let delay = state.delay;
    std::thread::spawn(move || {
        let mut piece = [0; 16 * 1024];
        loop {
            let Ok(read @ 1..) = from.read(&mut piece) else { return };
            let due = (Instant::now() + delay).max(opened);
            if sender.send((due, piece[..read].to_vec())).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        for (due, piece) in pieces {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let mode = state.mode.lock().unwrap();
            let mode = state.changed.wait_while(mode, |mode| *mode == Mode::Frozen).unwrap();
            let cut = *mode == Mode::Cuts;
            drop(mode);
            if cut || to.write_all(&piece).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
