//! The settings of the terminal on standard input, where the system has such.

#[cfg(unix)]
mod system {
    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
    use std::io;

    /// What the terminal is set to.
    #[derive(Debug)]
    pub(in crate::render) struct Settings(Termios);

    impl Settings {
        /// Those of this moment; `None` where standard input is no terminal.
        pub(in crate::render) fn now() -> Option<Self> {
            tcgetattr(io::stdin()).ok().map(Self)
        }

        /// Whether input comes by the line, and not by the key.
        pub(in crate::render) fn lines(&self) -> bool {
            self.0.local_modes.contains(LocalModes::ICANON)
        }

        /// Sets the terminal to them again.
        pub(in crate::render) fn put_back(&self) {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
        }
    }
}

/// Windows' console gives its modes back by itself when a program ends.
#[cfg(not(unix))]
mod system {
    /// None are known.
    #[derive(Debug)]
    pub(in crate::render) enum Settings {}

    impl Settings {
        pub(in crate::render) fn now() -> Option<Self> {
            None
        }

        pub(in crate::render) fn lines(&self) -> bool {
            match *self {}
        }

        pub(in crate::render) fn put_back(&self) {
            match *self {}
        }
    }
}

pub(super) use system::Settings;
