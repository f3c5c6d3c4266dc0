//! How safekeepers and pageservers behave, and what their pages say: in both worlds they are the programs of
//! crates/storage-stand-in, which read their settings from a ConfigMap when they start.

use super::{Kind, SYSTEM, World, named, stays_ready};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod};
use kube::api::{Api, DeleteParams};
use serde_json::{Value, json};

const MAP: &str = "storage-stand-in";

/// Settings of the storage members. In the end those that were started with them, which `restarts` names, get new disks
/// and start without them.
pub(crate) struct StorageSettings<'w> {
    world: &'w World,
    restarts: Vec<String>,
}

impl World {
    /// Has storage members behave so from their next start on; `touched` are the pods that this case will start.
    pub(crate) fn storage(&self, settings: &Value, touched: &[&str]) -> StorageSettings<'_> {
        let restarts = touched.iter().map(|pod| (*pod).to_owned()).collect();
        let settings = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": MAP, "namespace": SYSTEM},
            "data": {"settings": settings.to_string()},
        });
        self.create(&settings);
        StorageSettings { world: self, restarts }
    }

    /// Deletes a storage member's pod, with its claims if wanted, and waits until another is Ready.
    pub(crate) fn replace_storage(&self, pod: &str, claims: bool) {
        let pods: Api<Pod> = self.within(SYSTEM);
        let old = self.pod(SYSTEM, pod);
        let volumes = old.spec.and_then(|spec| spec.volumes).unwrap_or_default();
        let of_claims = volumes.into_iter().filter_map(|volume| volume.persistent_volume_claim);
        for claim in of_claims.filter(|_| claims) {
            let api: Api<PersistentVolumeClaim> = self.within(SYSTEM);
            self.block_on(api.delete(&claim.claim_name, &DeleteParams::default())).unwrap();
        }
        self.block_on(pods.delete(pod, &DeleteParams::default())).unwrap();
        self.until(&pods, named(pod), &format!("another {pod} is Ready"), |pods| {
            pods.get(pod).is_some_and(|new| new.metadata.uid != old.metadata.uid && stays_ready(new))
        });
    }

    /// What a storage member's page says: status code and body.
    pub(crate) fn page(&self, pod: &str, path: &str) -> (u16, String) {
        let port = if pod.starts_with("pageserver") { 9898 } else { 7676 };
        let asked = async {
            let pods: Api<Pod> = self.within(SYSTEM);
            let mut forward = pods.portforward(pod, &[port]).await.unwrap();
            let stream = TokioIo::new(forward.take_stream(port).unwrap());
            let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
            let connection = tokio::spawn(connection);
            let request = hyper::Request::get(path).header("host", pod).body(Empty::<Bytes>::new()).unwrap();
            let response = sender.send_request(request).await.unwrap();
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            connection.abort();
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        self.in_time(asked).unwrap_or_else(|| panic!("{pod}{path} does not answer"))
    }

    /// The values of a metric of a storage member; `name` may have labels.
    pub(crate) fn metric(&self, pod: &str, name: &str) -> Vec<u64> {
        let (status, text) = self.page(pod, "/metrics");
        assert_eq!(status, 200, "{text}");
        let value = |line: &str| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next().unwrap().parse().unwrap())
        };
        text.lines().filter_map(value).collect()
    }
}

impl Drop for StorageSettings<'_> {
    fn drop(&mut self) {
        let maps: Api<ConfigMap> = self.world.within(SYSTEM);
        // A practice cluster ends with its case, and a case that failed has said why already.
        if matches!(self.world.kind, Kind::Practice(_)) {
            return;
        }
        let removed = self.world.block_on(maps.delete(MAP, &DeleteParams::default()));
        if std::thread::panicking() {
            return;
        }
        removed.unwrap();
        for pod in &self.restarts {
            self.world.replace_storage(pod, true);
        }
    }
}
