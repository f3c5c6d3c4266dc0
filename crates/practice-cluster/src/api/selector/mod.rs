//! Label and field selectors: which objects a list or a watch is about. Pure.

mod fields;
mod labels;
mod object_selector;
mod terms;

pub(crate) use object_selector::Selector;
