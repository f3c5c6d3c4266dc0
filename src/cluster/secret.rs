//! Reads one value of a Secret, which no text ever shows.

use crate::suggestion::kubectl;
use std::fmt;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;

use super::Cluster;
use super::failure::{Failure, Operation};
use super::snapshot::Cause;
use crate::error::{Error, Result};

/// The bytes of a Secret's key.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Vec<u8>);

impl SecretValue {
    /// Returns the bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Cluster {
    /// Returns the value of one key of a Secret.
    ///
    /// # Errors
    /// Not allowed (`get secrets`, exit code 4), no such Secret, no such key (the keys that are there are named, their
    /// values never), no response within `deadline`.
    pub async fn secret_value(
        &self,
        namespace: &str,
        name: &str,
        key: &str,
        deadline: Duration,
    ) -> Result<SecretValue> {
        let deadline = self.limit(deadline);
        let api: Api<Secret> = Api::namespaced(self.client(), namespace);
        let answer = match tokio::time::timeout(deadline, api.get(name)).await {
            Ok(answer) => answer.map_err(Failure::of),
            Err(_) => Err(Failure::timed_out(deadline)),
        };
        let secret = answer.map_err(|failure| {
            if failure.cause == Cause::NotFound {
                return Error::failure(format!("Secret {name} not found in namespace {namespace}"))
                    .hint(kubectl("get secrets").namespace(namespace));
            }
            self.error(
                Operation { verb: "get", resource: "secrets", namespace: Some(namespace), name: Some(name) },
                &failure,
            )
        })?;
        let mut data = secret.data.unwrap_or_default();
        data.remove(key).map(|value| SecretValue(value.0)).ok_or_else(|| {
            let keys: Vec<&str> = data.keys().map(String::as_str).collect();
            let why = if keys.is_empty() { "it has no keys".into() } else { format!("its keys: {}", keys.join(", ")) };
            Error::failure(format!("Secret {name} in namespace {namespace} has no key {key:?}"))
                .because(why)
                .hint(kubectl("describe secret").word(name).namespace(namespace))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{Reply, Server};
    use crate::error::Exit;
    use serde_json::json;

    const SOON: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_value_is_given_and_never_shown() {
        let server = Server::new(|asked| match asked.path.as_str() {
            "/api/v1/namespaces/a/secrets/db" => Reply::json(
                200,
                json!({"metadata": {"name": "db"}, "data": {"password": "czNjcmV0Cg==", "user": "Z3BhZG1pbg=="}}),
            ),
            "/api/v1/namespaces/a/secrets/empty" => Reply::json(200, json!({"metadata": {"name": "empty"}})),
            "/api/v1/namespaces/a/secrets/hidden" => Reply::status(403, "secrets \"hidden\" is forbidden"),
            "/api/v1/namespaces/a/secrets/slow" => Reply::Never,
            _ => Reply::status(404, "secrets \"gone\" not found"),
        });
        let cluster = server.cluster();
        let value = cluster.secret_value("a", "db", "password", SOON).await.unwrap();
        assert_eq!(format!("{value:?}"), "…");
        assert_eq!(value.into_bytes(), b"s3cret\n");

        let error = cluster.secret_value("a", "db", "pass", SOON).await.unwrap_err();
        assert_eq!(error.to_string(), "Secret db in namespace a has no key \"pass\": its keys: password, user");
        assert_eq!(error.exit, Exit::Error);
        let error = cluster.secret_value("a", "empty", "pass", SOON).await.unwrap_err();
        assert!(error.to_string().ends_with("it has no keys"), "{error}");
        let error = cluster.secret_value("a", "gone", "password", SOON).await.unwrap_err();
        assert_eq!((error.to_string(), error.exit), ("Secret gone not found in namespace a".into(), Exit::Error));
        let error = cluster.secret_value("a", "hidden", "password", SOON).await.unwrap_err();
        assert_eq!(error.exit, Exit::Refused);
        assert_eq!(error.what, "not allowed to get secrets hidden in namespace a");
        let error = cluster.secret_value("a", "slow", "password", Duration::from_millis(30)).await.unwrap_err();
        assert!(error.to_string().contains("no response within 30 ms"), "{error}");
    }
}
