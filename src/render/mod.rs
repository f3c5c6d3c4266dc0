//! Values in, text out. The only place that writes to the terminal, or checks whether there is one.

pub(crate) mod availability;
mod columns;
pub(crate) mod completion;
pub mod documents;
pub mod error;
pub(crate) mod forward;
pub(crate) mod history;
pub(crate) mod layout;
pub(crate) mod live;
mod opened;
pub(crate) mod outcome;
mod paint;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod prompt;
pub mod rbac;
pub(crate) mod release;
#[cfg(any(test, feature = "sandbox"))]
pub(crate) mod sandbox_documents;
mod sanitize;
#[cfg(test)]
mod sanitize_tests;
pub(crate) mod schema;
mod screen;
pub(crate) mod status;
pub(crate) mod structured;
mod suggestion;
mod terminal_settings;
#[cfg(test)]
mod tests;
mod trace;
#[cfg(test)]
mod undo_tests;
pub(crate) mod verify;
mod wrap;

pub use self::sanitize::{is_harmful, sanitize_line};
pub use paint::Paint;
pub use screen::Screen;
pub(crate) use suggestion::suggestion;
pub(crate) use trace::InProgress;
pub use trace::{is_traced, on_panic, trace};
pub use wrap::{COLUMNS, wrapped, wrapped_at};
