//! One text in a ConfigMap that belongs to the plugin: read, and written only if it is still what was read.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};

use super::Cluster;
use super::failure::{Failure, Operation};
use super::snapshot::Read;
use crate::error::{Error, Result};

/// The label of everything that the plugin creates and keeps.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Its value, and the field manager.
const MANAGER: &str = "kubectl-synxdb";
const RESOURCE: &str = "configmaps";

/// The place of a text.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    /// Namespace of the ConfigMap.
    pub namespace: &'p str,
    /// Its name.
    pub name: &'p str,
    /// The text's key within it.
    pub key: &'p str,
}

/// A ConfigMap as it was read.
#[derive(Clone, Debug)]
pub struct KeptText {
    object: ConfigMap,
    key: String,
}

/// The result of storing a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// It is stored.
    Kept,
    /// Another run wrote at the same moment: its text is stored.
    OvertakenBy,
}

impl KeptText {
    /// Returns the text; `None` if the ConfigMap has no such key.
    pub fn text(&self) -> Option<&str> {
        self.object.data.as_ref()?.get(&self.key).map(String::as_str)
    }

    fn is_ours(&self) -> bool {
        let label = self.object.metadata.labels.as_ref().and_then(|labels| labels.get(MANAGED_BY));
        label.is_some_and(|value| value == MANAGER)
    }
}

impl Cluster {
    /// Reads the place of a text that a user may have written: `Known(None)` if there is no such ConfigMap.
    pub async fn text_of(&self, place: Place<'_>, deadline: Duration) -> Read<Option<KeptText>> {
        let api: Api<ConfigMap> = Api::namespaced(self.client(), place.namespace);
        match self.timed(api.get_opt(place.name), deadline).await {
            Ok(found) => Read::Known(found.map(|object| KeptText { object, key: place.key.to_owned() })),
            Err(failure) => Read::Unknown(failure.unreadable(RESOURCE, Some(place.namespace))),
        }
    }

    /// Reads the text; `None` if there is no such ConfigMap.
    ///
    /// # Errors
    /// Not allowed (`get configmaps`), no response within `deadline`.
    pub async fn kept_text(&self, place: Place<'_>, deadline: Duration) -> Result<Option<KeptText>> {
        let api: Api<ConfigMap> = Api::namespaced(self.client(), place.namespace);
        let found = self.timed(api.get_opt(place.name), deadline).await;
        let found = found.map_err(|failure| self.error(doing("get", place), &failure))?;
        Ok(found.map(|object| KeptText { object, key: place.key.to_owned() }))
    }

    /// Stores a text in place of what was `found`: creates the ConfigMap if there was none, and otherwise updates the
    /// version (resourceVersion) that was found.
    ///
    /// # Errors
    /// Not allowed (`create` or `update configmaps`), a ConfigMap of that name that the plugin did not create, no
    /// response within `deadline`.
    pub async fn keep_text(
        &self,
        place: Place<'_>,
        text: &str,
        found: Option<&KeptText>,
        deadline: Duration,
    ) -> Result<Keeping> {
        let api: Api<ConfigMap> = Api::namespaced(self.client(), place.namespace);
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let (verb, written) = match found {
            None => ("create", self.timed(api.create(&params, &object(place, text)), deadline).await),
            Some(found) if !found.is_ours() => {
                let Place { namespace, name, .. } = place;
                return Err(Error::refused(format!("refusing to overwrite ConfigMap {name} in namespace {namespace}"))
                    .because(format!("it does not have the label {MANAGED_BY}: {MANAGER}")));
            }
            Some(found) => {
                let mut object = found.object.clone();
                object.data.get_or_insert_default().insert(place.key.to_owned(), text.to_owned());
                ("update", self.timed(api.replace(place.name, &params, &object), deadline).await)
            }
        };
        match written {
            Ok(_) => Ok(Keeping::Kept),
            // AlreadyExists or Conflict. If it was deleted in the meantime, the next run stores the text.
            Err(failure) if matches!((verb, failure.code), (_, 409) | ("update", 404)) => Ok(Keeping::OvertakenBy),
            Err(failure) => Err(self.error(doing(verb, place), &failure)),
        }
    }

    async fn timed<T>(
        &self,
        asked: impl Future<Output = std::result::Result<T, kube::Error>>,
        deadline: Duration,
    ) -> std::result::Result<T, Failure> {
        let deadline = self.limit(deadline);
        match tokio::time::timeout(deadline, asked).await {
            Ok(answer) => answer.map_err(Failure::of),
            Err(_) => Err(Failure::timed_out(deadline)),
        }
    }
}

fn doing<'a>(verb: &'a str, place: Place<'a>) -> Operation<'a> {
    Operation { verb, resource: RESOURCE, namespace: Some(place.namespace), name: Some(place.name) }
}

fn object(place: Place<'_>, text: &str) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.name = Some(place.name.to_owned());
    object.metadata.labels = Some(BTreeMap::from([(MANAGED_BY.to_owned(), MANAGER.to_owned())]));
    object.data = Some(BTreeMap::from([(place.key.to_owned(), text.to_owned())]));
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{Reply, Server};
    use crate::error::Exit;
    use serde_json::{Value, json};

    const SOON: Duration = Duration::from_secs(5);
    const PLACE: Place<'_> = Place { namespace: "a", name: "b", key: "k" };

    fn kept(labels: &Value) -> Value {
        json!({"metadata": {"name": "b", "resourceVersion": "7", "labels": labels, "annotations": {"x": "y"}},
            "data": {"k": "old", "other": "stays"}})
    }

    fn ours() -> Value {
        json!({MANAGED_BY: MANAGER, "team": "dba"})
    }

    #[tokio::test]
    async fn what_is_not_there_is_created_with_the_label() {
        let server = Server::new(|asked| match asked.method.as_str() {
            "GET" => Reply::status(404, "configmaps \"b\" not found"),
            _ => Reply::json(201, asked.body.clone()),
        });
        let cluster = server.cluster();
        let found = cluster.kept_text(PLACE, SOON).await.unwrap();
        assert!(found.is_none());
        assert_eq!(cluster.keep_text(PLACE, "new", None, SOON).await.unwrap(), Keeping::Kept);
        let sent = server.requests().pop().unwrap();
        assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/api/v1/namespaces/a/configmaps"));
        assert_eq!(sent.body["metadata"]["labels"], json!({MANAGED_BY: MANAGER}));
        assert_eq!(sent.body["data"], json!({"k": "new"}));
    }

    #[tokio::test]
    async fn what_is_there_is_written_over_as_it_was_read() {
        let server = Server::new(|asked| match asked.method.as_str() {
            "GET" => Reply::json(200, kept(&ours())),
            _ => Reply::json(200, asked.body.clone()),
        });
        let cluster = server.cluster();
        let found = cluster.kept_text(PLACE, SOON).await.unwrap().unwrap();
        assert_eq!(found.text(), Some("old"));
        assert_eq!(cluster.keep_text(PLACE, "new", Some(&found), SOON).await.unwrap(), Keeping::Kept);
        let sent = server.requests().pop().unwrap();
        assert_eq!((sent.method.as_str(), sent.path.as_str()), ("PUT", "/api/v1/namespaces/a/configmaps/b"));
        // The precondition, and what other clients added.
        assert_eq!(sent.body["metadata"]["resourceVersion"], "7");
        assert_eq!(sent.body["metadata"]["labels"], ours());
        assert_eq!(sent.body["data"], json!({"k": "new", "other": "stays"}));
    }

    #[tokio::test]
    async fn another_run_at_the_same_moment_is_no_error() {
        for (there, code) in [(false, 409), (true, 409), (true, 404)] {
            let server = Server::new(move |asked| match (asked.method.as_str(), there) {
                ("GET", true) => Reply::json(200, kept(&ours())),
                ("GET", false) => Reply::status(404, "configmaps \"b\" not found"),
                _ => Reply::status(code, "it is another one by now"),
            });
            let cluster = server.cluster();
            let found = cluster.kept_text(PLACE, SOON).await.unwrap();
            let keeping = cluster.keep_text(PLACE, "new", found.as_ref(), SOON).await.unwrap();
            assert_eq!(keeping, Keeping::OvertakenBy, "{there} {code}");
        }
    }

    #[tokio::test]
    async fn what_is_not_ours_is_not_written_over() {
        for labels in [json!({}), json!({MANAGED_BY: "helm"}), Value::Null] {
            let server = Server::new(move |_| Reply::json(200, kept(&labels)));
            let cluster = server.cluster();
            let found = cluster.kept_text(PLACE, SOON).await.unwrap();
            let error = cluster.keep_text(PLACE, "new", found.as_ref(), SOON).await.unwrap_err();
            assert!(error.to_string().contains("refusing to overwrite ConfigMap"), "{error}");
            assert!(server.requests().iter().all(|asked| asked.method == "GET"));
        }
    }

    #[tokio::test]
    async fn what_may_not_be_done_is_named() {
        let server = Server::new(|_| Reply::status(403, "no rule"));
        let cluster = server.cluster();
        let error = cluster.kept_text(PLACE, SOON).await.unwrap_err();
        assert_eq!(
            (error.what.as_str(), error.exit),
            ("not allowed to get configmaps b in namespace a", Exit::Refused)
        );
        let error = cluster.keep_text(PLACE, "new", None, SOON).await.unwrap_err();
        assert_eq!(error.what, "not allowed to create configmaps b in namespace a");
        let silent = Server::new(|_| Reply::Never).cluster();
        let error = silent.kept_text(PLACE, Duration::from_millis(30)).await.unwrap_err();
        assert!(error.to_string().contains("no response within 30 ms"), "{error}");
    }
}
