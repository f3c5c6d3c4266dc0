//! How safekeepers and pageservers behave, and what they report: on both kinds of cluster they are the programs of
//! crates/storage-stand-in, which read their settings from a ConfigMap when they start.

use super::{Kind, SYSTEM, World, named, stays_ready};
use crate::support::unwrapped;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret};
use kube::api::{Api, DeleteParams};
use serde_json::{Value, json};

const MAP: &str = "storage-stand-in";
/// All members of the storage layer.
const MEMBERS: [&str; 4] = ["safekeeper-0", "safekeeper-1", "safekeeper-2", "pageserver-0"];

/// Settings of the storage members. At the end, even if the case failed, the members that it touched get new disks and
/// start without these settings, for later cases.
pub(crate) struct StorageSettings<'w> {
    world: &'w World,
    touched: Vec<String>,
    secrets: Vec<&'static str>,
    ended: bool,
}

impl World {
    /// Sets the behavior of storage members from their next start on; `touched` are the pods that this case starts.
    pub(crate) fn storage(&self, settings: &Value, touched: &[&str]) -> StorageSettings<'_> {
        self.create(&json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": MAP, "namespace": SYSTEM},
            "data": {"settings": settings.to_string()},
        }));
        let touched = touched.iter().map(|pod| (*pod).to_owned()).collect();
        StorageSettings { world: self, touched, secrets: Vec::new(), ended: false }
    }

    /// The same, and restarts them now with these settings, on their current disks.
    pub(crate) fn storage_now(&self, settings: &Value, touched: &[&str]) -> StorageSettings<'_> {
        let settings = self.storage(settings, touched);
        touched.iter().for_each(|pod| self.replace_storage(pod, false));
        settings
    }

    /// Removes what a killed case has left.
    pub(super) fn no_storage_settings(&self) {
        if self.get(&self.within::<ConfigMap>(SYSTEM), MAP).is_some() {
            let touched = MEMBERS.map(str::to_owned).to_vec();
            StorageSettings { world: self, touched, secrets: Vec::new(), ended: false }.clean_up();
        }
    }

    /// Deletes a storage member's pod, with its claims if requested, and waits until a new one is Ready.
    pub(crate) fn replace_storage(&self, pod: &str, claims: bool) {
        let pods: Api<Pod> = self.within(SYSTEM);
        let old = self.get(&pods, pod);
        let volumes = old.iter().flat_map(|old| &old.spec).flat_map(|spec| spec.volumes.iter().flatten());
        for claim in volumes.filter_map(|volume| volume.persistent_volume_claim.as_ref()).filter(|_| claims) {
            self.delete::<PersistentVolumeClaim>(&claim.claim_name);
        }
        self.delete::<Pod>(pod);
        let old = old.and_then(|old| old.metadata.uid);
        self.until(&pods, named(pod), &format!("another {pod} is Ready"), |pods| {
            pods.get(pod).is_some_and(|new| new.metadata.uid != old && stays_ready(new))
        });
    }

    /// Deletes an object of the system namespace, if it exists.
    fn delete<K>(&self, name: &str)
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let api: Api<K> = self.within(SYSTEM);
        match self.block_on(api.delete(name, &DeleteParams::default())) {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            deleted => drop(deleted.unwrap()),
        }
    }

    /// Returns status code and body of a storage member's page.
    pub(crate) fn page(&self, pod: &str, path: &str) -> (u16, String) {
        self.page_with(pod, path, None)
    }

    /// The same with a token.
    pub(crate) fn page_with(&self, pod: &str, path: &str, token: Option<&str>) -> (u16, String) {
        let port = if pod.starts_with("pageserver") { 9898 } else { 7676 };
        let asked = async {
            let pods: Api<Pod> = self.within(SYSTEM);
            let mut forward = pods.portforward(pod, &[port]).await.unwrap();
            let stream = TokioIo::new(forward.take_stream(port).unwrap());
            let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
            let connection = tokio::spawn(connection);
            let mut request = hyper::Request::get(path).header("host", pod);
            if let Some(token) = token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            connection.abort();
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        self.in_time(asked).unwrap_or_else(|| panic!("{pod}{path} does not answer"))
    }

    /// Returns the values of a storage member's metric; `name` may have labels.
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

impl StorageSettings<'_> {
    /// Creates a Secret that is removed with the settings.
    pub(crate) fn secret(&mut self, name: &'static str, data: &Value) {
        self.world.create(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": SYSTEM}, "stringData": data,
        }));
        self.secrets.push(name);
    }

    /// Removes the settings: members start normally from now on; running ones are not affected.
    pub(crate) fn lift(&self) {
        self.world.delete::<ConfigMap>(MAP);
    }

    /// Removes the settings, and returns once the touched members are restored.
    pub(crate) fn end(mut self) {
        self.ended = true;
        self.clean_up();
    }

    fn clean_up(&self) {
        self.lift();
        self.secrets.iter().for_each(|name| self.world.delete::<Secret>(name));
        self.touched.iter().for_each(|pod| self.world.replace_storage(pod, true));
    }
}

impl Drop for StorageSettings<'_> {
    fn drop(&mut self) {
        // A practice cluster ends with its case.
        if self.ended || matches!(self.world.kind, Kind::Practice(_)) {
            return;
        }
        // A failed case is panicking, and a second panic in its cleanup would abort the whole program: in a separate
        // thread, it is only reported.
        let cleaned = std::thread::scope(|scope| scope.spawn(|| self.clean_up()).join());
        if let (Err(failed), false) = (cleaned, std::thread::panicking()) {
            std::panic::resume_unwind(failed);
        }
    }
}

/// Asserts that the plan does not rely on a safekeeper that does not report its state. The reason depends on the age of
/// its disk, and all cases share a real cluster.
#[track_caller]
pub(crate) fn is_not_relied_on(plan: &str) {
    let plan = unwrapped(plan);
    let why = ["all committed WAL: ", "and may still be catching up"];
    assert!(why.iter().any(|why| plan.contains(why)), "{plan}");
}
