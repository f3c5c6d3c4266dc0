//! Values in, text out. The only place that writes to the terminal, or checks whether there is one.

pub mod availability;
mod columns;
pub mod completion;
pub mod documents;
pub mod error;
pub mod forward;
pub mod history;
pub mod layout;
pub mod live;
mod opened;
pub mod outcome;
mod paint;
pub mod plan;
pub mod progress;
pub mod prompt;
pub mod rbac;
mod sanitize;
#[cfg(test)]
mod sanitize_tests;
pub mod schema;
mod screen;
pub mod status;
pub mod structured;
mod terminal_settings;
#[cfg(test)]
mod tests;
mod trace;
#[cfg(test)]
mod undo_tests;
pub mod verify;
mod wrap;

pub use self::sanitize::{is_harmful, sanitize_line};
pub use paint::Paint;
pub use screen::Screen;
pub use trace::{is_traced, on_panic, trace};
pub use wrap::{COLUMNS, wrapped, wrapped_at};
