//! All workloads, as the API reaches them.

use super::workloads::Workloads;
use crate::api::{DuplexIo, PodStreams};
use futures::future::BoxFuture;
use std::sync::Arc;

/// All workloads, as the API reaches them.
pub(crate) struct Streams(pub(crate) Arc<Workloads>);

impl PodStreams for Streams {
    fn connect(&self, namespace: &str, pod: &str, port: u16) -> BoxFuture<'static, Result<Box<dyn DuplexIo>, String>> {
        let stream = self.0.connect(namespace, pod, port);
        Box::pin(async { stream.map(|stream| Box::new(stream) as Box<dyn DuplexIo>) })
    }

    fn log(&self, namespace: &str, pod: &str, _container: Option<&str>) -> String {
        self.0.log(namespace, pod).into_iter().map(|line| line + "\n").collect()
    }
}
