//! Executes a plan. Everything that a run does is a method of [`Executor`](state::Executor) in this folder.

mod account;
mod answers;
mod baseline;
mod close;
mod record;
mod run;
mod state;
mod steps;
mod wait;

pub(crate) use run::run;
pub(crate) use state::Run;
