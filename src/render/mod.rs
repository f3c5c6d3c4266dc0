//! Values in, text out. The only place that writes to the terminal, and the only one that asks whether it is one.

pub mod age;
mod columns;
pub mod completion;
pub mod documents;
pub mod error;
pub mod forward;
mod harmless;
pub mod history;
#[cfg(test)]
mod hostile;
pub mod layout;
pub mod live;
pub mod machine;
pub mod outcome;
mod paint;
pub mod plan;
pub mod progress;
pub mod prompt;
pub mod rbac;
pub mod reach;
pub mod schema;
mod screen;
mod settings;
pub mod status;
#[cfg(test)]
mod tests;
mod trace;
#[cfg(test)]
mod undo_tests;
pub mod verify;
mod wrap;

pub use self::harmless::{harmless, is_harmful};
pub use paint::Paint;
pub use screen::Screen;
pub use trace::{is_traced, on_panic, trace};
pub use wrap::{COLUMNS, count, wrapped, wrapped_at};
