//! The settings of the terminal on standard input, where the system has such.

#[cfg(unix)]
mod system {
    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
    use std::io;

    /// What the terminal is set to.
    #[derive(Debug)]
    pub(crate) struct Settings(Termios);

    impl Settings {
        /// Those of this moment; `None` where standard input is no terminal.
        pub(crate) fn now() -> Option<Self> {
            tcgetattr(io::stdin()).ok().map(Self)
        }

        /// Whether input comes by the line, and not by the key.
        pub(crate) fn lines(&self) -> bool {
            self.0.local_modes.contains(LocalModes::ICANON)
        }

        /// Sets the terminal to them again.
        pub(crate) fn put_back(&self) {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
        }
    }
}

/// Windows' console gives its modes back by itself when a program ends.
#[cfg(not(unix))]
mod system {
    /// None are known.
    #[derive(Debug)]
    pub(crate) enum Settings {}

    impl Settings {
        pub(crate) fn now() -> Option<Self> {
            None
        }

        pub(crate) fn lines(&self) -> bool {
            match *self {}
        }

        pub(crate) fn put_back(&self) {
            match *self {}
        }
    }
}

pub(super) use system::Settings;
