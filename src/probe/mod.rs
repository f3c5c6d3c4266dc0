//! Asks a component itself.
