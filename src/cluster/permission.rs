//! Asks the API server what this user may do (SelfSubjectAccessReview), everything at the same time.

use std::fmt;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::{Api, PostParams};

use super::Cluster;
use super::failure::Failure;

/// Most reviews at once.
const AT_ONCE: usize = 16;

/// A permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// `delete`, `patch`, `create`, `watch`, …
    pub verb: String,
    /// API group, empty for the core group.
    pub group: String,
    /// Plural: `pods`.
    pub resource: String,
    /// Such as `portforward`.
    pub subresource: Option<String>,
    /// `None`: cluster-scoped, or in all namespaces.
    pub namespace: Option<String>,
    /// One object, or any.
    pub name: Option<String>,
}

impl Permission {
    /// Returns the permission to `verb` any `resource` of the core group, as in `Permission::new("delete",
    /// "pods").in_namespace("ns")`. A subresource is written as in RBAC: `pods/portforward`; another group as in
    /// kubectl: `statefulsets.apps`.
    pub fn new(verb: &str, resource: &str) -> Self {
        let (resource, subresource) = match resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            None => (resource, None),
        };
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        Self {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource,
            namespace: None,
            name: None,
        }
    }

    /// Restricts it to this namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Restricts it to this object.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }
}

/// `delete persistentvolumeclaims in namespace a`.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if let Some(subresource) = &self.subresource {
            write!(f, "/{subresource}")?;
        }
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => Ok(()),
        }
    }
}

/// The API server's response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// It is allowed.
    Yes,
    /// It is not allowed; the server's reason, possibly empty.
    No(String),
    /// The server did not respond, for this reason.
    Unknown(String),
}

impl Cluster {
    /// Returns the server's minor version: 37 of 1.37; `None` if it does not report one.
    pub async fn minor_version(&self, deadline: Duration) -> Option<u32> {
        let client = self.client();
        let info = tokio::time::timeout(self.limit(deadline), client.apiserver_version()).await.ok()?.ok()?;
        // Some providers add a plus.
        info.minor.trim_end_matches('+').parse().ok()
    }

    /// Returns who this user is to the API server (SelfSubjectReview, from Kubernetes 1.28); `None` if it does not
    /// report that.
    pub async fn who(&self, deadline: Duration) -> Option<String> {
        let api: Api<SelfSubjectReview> = Api::all(self.client());
        let asked = SelfSubjectReview::default();
        let params = PostParams::default();
        let answer = tokio::time::timeout(self.limit(deadline), api.create(&params, &asked)).await;
        answer.ok()?.ok()?.status?.user_info?.username.filter(|name| !name.is_empty())
    }

    /// Checks each permission, all at the same time; returns the results in the same order. `deadline` applies to each.
    pub async fn review(&self, permissions: &[Permission], deadline: Duration) -> Vec<(Permission, Allowed)> {
        let asked = permissions.iter().cloned().map(|permission| async move {
            let allowed = self.review_one(&permission, self.limit(deadline)).await;
            (permission, allowed)
        });
        stream::iter(asked).buffered(AT_ONCE).collect().await
    }

    async fn review_one(&self, permission: &Permission, deadline: Duration) -> Allowed {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    verb: Some(permission.verb.clone()),
                    group: Some(permission.group.clone()),
                    resource: Some(permission.resource.clone()),
                    subresource: permission.subresource.clone(),
                    namespace: permission.namespace.clone(),
                    name: permission.name.clone(),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let api: Api<SelfSubjectAccessReview> = Api::all(self.client());
        match tokio::time::timeout(deadline, api.create(&PostParams::default(), &review)).await {
            Err(_) => Allowed::Unknown(Failure::timed_out(deadline).reason),
            Ok(Err(error)) => Allowed::Unknown(Failure::of(error).reason),
            Ok(Ok(answer)) => match answer.status {
                Some(status) if status.allowed => Allowed::Yes,
                Some(status) => Allowed::No(status.reason.unwrap_or_default()),
                None => Allowed::Unknown("the response has no status".to_owned()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{Reply, Server};
    use serde_json::json;

    #[tokio::test]
    async fn each_answer_belongs_to_its_question() {
        let server = Server::new(|asked| {
            let what = &asked.body["spec"]["resourceAttributes"];
            let answer = |allowed: bool, reason: &str| {
                Reply::json(
                    201,
                    json!({"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
                    "metadata": {}, "spec": asked.body["spec"], "status": {"allowed": allowed, "reason": reason}}),
                )
            };
            match (what["resource"].as_str().unwrap(), what["subresource"].as_str()) {
                ("pods", None) => answer(true, "").after(Duration::from_millis(20)),
                ("pods", Some("portforward")) => answer(false, "RBAC: no rule"),
                ("nodes", None) => Reply::status(500, "broken"),
                _ => Reply::Never,
            }
        });
        let asked = [
            Permission::new("delete", "pods").in_namespace("a"),
            Permission::new("create", "pods/portforward").in_namespace("a").named("p-0"),
            Permission::new("list", "nodes"),
            Permission::new("get", "statefulsets.apps").in_namespace("a"),
        ];
        let answers = server.cluster().review(&asked, Duration::from_millis(100)).await;
        let (questions, answers): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
        assert_eq!(questions, asked);
        assert_eq!(
            answers,
            [
                Allowed::Yes,
                Allowed::No("RBAC: no rule".to_owned()),
                Allowed::Unknown("broken".to_owned()),
                Allowed::Unknown("no response within 100 ms".to_owned()),
            ]
        );
        assert_eq!(questions[1].to_string(), "create pods/portforward p-0 in namespace a");
        assert_eq!(questions[3].to_string(), "get statefulsets.apps in namespace a");
    }
}
