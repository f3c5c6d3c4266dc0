//! The settings of the terminal on standard input, if the system has them.

#[cfg(unix)]
mod system {
    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
    use std::io;

    /// The terminal's settings.
    #[derive(Debug)]
    pub(crate) struct Settings(Termios);

    impl Settings {
        /// Returns the current settings; `None` if standard input is not a terminal.
        pub(crate) fn now() -> Option<Self> {
            tcgetattr(io::stdin()).ok().map(Self)
        }

        /// Returns whether input is read by line, and not by key.
        pub(crate) fn lines(&self) -> bool {
            self.0.local_modes.contains(LocalModes::ICANON)
        }

        /// Restores the settings.
        pub(crate) fn restore(&self) {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
        }
    }
}

/// Windows' console restores its modes when a program ends.
#[cfg(not(unix))]
mod system {
    /// No settings are known.
    #[derive(Debug)]
    pub(crate) enum Settings {}

    impl Settings {
        pub(crate) fn now() -> Option<Self> {
            None
        }

        pub(crate) fn lines(&self) -> bool {
            match *self {}
        }

        pub(crate) fn restore(&self) {
            match *self {}
        }
    }
}

pub(super) use system::Settings;
