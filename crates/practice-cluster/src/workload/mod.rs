//! What runs in the practice cluster's pods: a real PostgreSQL server in a proxy, a stand-in with state in a
//! safekeeper or pageserver, and in a warehouse node a port that refuses clients as a segment does.
//!
//! The node's controller starts and stops a [`Running`] workload per pod; clients reach it through
//! [`Workloads::connect`], which is what a port-forward ends in.

mod component;
mod data_folder;
pub(crate) mod dialect;
pub(crate) mod installation;
mod logins;
mod marks;
pub(crate) mod postgres;
pub(crate) mod probe;
mod running;
pub(crate) mod seed;
mod server;
mod server_socket;
pub(crate) mod sql_gate;
mod sql_refusal;
mod sql_skipped;
pub(crate) mod sql_stream;
mod storage;
mod streams;
pub(crate) mod warehouses;
mod workloads;

pub(crate) use component::Component;
pub(crate) use logins::ADMINISTRATOR;
pub(crate) use running::Running;
pub(crate) use sql_skipped::{INSTALL_POSTGRESQL, SQL_SKIPPED};
pub(crate) use streams::Streams;
pub(crate) use workloads::Workloads;
