//! A user with limited permissions: a service account with its own roles, and a kubeconfig for it.

use super::World;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Permissions of a user: `verbs` on `resources` (`pods/portforward`, `statefulsets.apps`), in one namespace or
/// everywhere.
pub(crate) struct Rule<'r> {
    pub(crate) namespace: Option<&'r str>,
    pub(crate) resources: &'r [&'r str],
    pub(crate) verbs: &'r [&'r str],
}

/// One permission of a user, on one object or on any.
pub(crate) struct Granted<'r> {
    pub(crate) namespace: Option<&'r str>,
    pub(crate) resource: &'r str,
    pub(crate) name: Option<&'r str>,
    pub(crate) verb: &'r str,
}

/// A user, until dropped.
pub(crate) struct User<'w> {
    world: &'w World,
    /// `system:serviceaccount:…`
    pub(crate) name: String,
    pub(crate) kubeconfig: PathBuf,
    /// Name of its cluster role and that role's binding, if there is one.
    role: Option<String>,
}

impl World {
    /// Creates a user whose service account is in `home`, with only these permissions.
    pub(crate) fn user(&self, home: &str, rules: &[Rule<'_>]) -> User<'_> {
        let name = format!("e2e-{}", uuid::Uuid::new_v4());
        let subject = json!([{"kind": "ServiceAccount", "name": name, "namespace": home}]);
        let account =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": home}});
        self.create(&account);
        let user = User {
            world: self,
            name: format!("system:serviceaccount:{home}:{name}"),
            kubeconfig: self.home().join(&name),
            role: Some(name.clone()),
        };
        let mut places: Vec<Option<&str>> = rules.iter().map(|rule| rule.namespace).collect();
        places.sort_unstable();
        places.dedup();
        for place in places {
            let kind = if place.is_some() { "Role" } else { "ClusterRole" };
            let metadata = match place {
                Some(namespace) => json!({"name": name, "namespace": namespace}),
                None => json!({"name": name}),
            };
            let here = rules.iter().filter(|rule| rule.namespace == place).flat_map(written);
            let group = "rbac.authorization.k8s.io";
            let version = format!("{group}/v1");
            self.create(&json!({
                "apiVersion": version, "kind": kind, "metadata": metadata, "rules": here.collect::<Vec<_>>(),
            }));
            self.create(&json!({
                "apiVersion": version, "kind": format!("{kind}Binding"), "metadata": metadata, "subjects": subject,
                "roleRef": {"apiGroup": group, "kind": kind, "name": name},
            }));
        }
        let token = self.token(home, &name);
        std::fs::write(&user.kubeconfig, self.kubeconfig_with(&token).to_string()).unwrap();
        self.until_known(&user, rules);
        user
    }

    fn token(&self, namespace: &str, name: &str) -> String {
        let accounts: Api<ServiceAccount> = self.within(namespace);
        let spec = TokenRequestSpec { expiration_seconds: Some(3600), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let answer = self.block_on(accounts.create_token_request(name, &PostParams::default(), &request));
        answer.unwrap().status.unwrap().token.unwrap()
    }

    /// Returns this world's kubeconfig with the user replaced by a token.
    pub(crate) fn kubeconfig_with(&self, token: &str) -> Value {
        let text = std::fs::read_to_string(self.kubeconfig()).unwrap();
        let ours: Value = serde_saphyr::from_str(&text).unwrap();
        let find = |list: &str, name: &Value| {
            let mut all = ours[list].as_array().into_iter().flatten();
            all.find(|entry| entry["name"] == *name).cloned().unwrap_or_else(|| panic!("{list} has no {name}"))
        };
        let context = find("contexts", &ours["current-context"]);
        let mut cluster = find("clusters", &context["context"]["cluster"]);
        // A path is relative to its file.
        if let Some(path) = cluster["cluster"]["certificate-authority"].as_str() {
            let path = self.kubeconfig().parent().unwrap().join(path);
            cluster["cluster"]["certificate-authority"] = json!(path);
        }
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "e2e", "clusters": [cluster],
            "users": [{"name": "e2e", "user": {"token": token}}],
            "contexts": [{"name": "e2e", "context": {"cluster": cluster["name"], "user": "e2e"}}],
        })
    }

    /// Waits until the authorizer knows the rules: it learns of a role a moment after it was created, and no event
    /// signals it.
    fn until_known(&self, user: &User<'_>, rules: &[Rule<'_>]) {
        let asked = async {
            let client = super::client(&user.kubeconfig).await;
            for rule in rules {
                for (resource, verb) in rule.resources.iter().flat_map(|r| rule.verbs.iter().map(move |v| (*r, *v))) {
                    let granted = Granted { namespace: rule.namespace, resource, name: None, verb };
                    while !may(&client, &granted).await {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        };
        self.in_time(asked).unwrap_or_else(|| panic!("{} still may not do what its roles allow", user.name));
    }

    /// The same after a role was changed.
    pub(crate) fn until_granted(&self, user: &User<'_>, granted: &Granted<'_>, allowed: bool) {
        let asked = async {
            let client = super::client(&user.kubeconfig).await;
            while may(&client, granted).await != allowed {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let what = || format!("{}: {} {} is still not {allowed}", user.name, granted.verb, granted.resource);
        self.in_time(asked).unwrap_or_else(|| panic!("{}", what()));
    }
}

/// Returns group, plural and subresource of a resource as RBAC's rules have them.
fn parts(resource: &str) -> (&str, &str) {
    let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
    (group, plural)
}

fn written<'r>(rule: &'r Rule<'r>) -> impl Iterator<Item = Value> + 'r {
    rule.resources.iter().map(|resource| {
        let (group, plural) = parts(resource);
        json!({"apiGroups": [group], "resources": [plural], "verbs": rule.verbs})
    })
}

async fn may(client: &Client, granted: &Granted<'_>) -> bool {
    let (group, plural) = parts(granted.resource);
    let (plural, subresource) = plural.split_once('/').unwrap_or((plural, ""));
    let attributes = ResourceAttributes {
        group: Some(group.to_owned()),
        resource: Some(plural.to_owned()),
        subresource: Some(subresource.to_owned()),
        verb: Some(granted.verb.to_owned()),
        namespace: granted.namespace.map(str::to_owned),
        name: granted.name.map(str::to_owned),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = api.create(&PostParams::default(), &review).await.unwrap();
    answer.status.is_some_and(|status| status.allowed)
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        // The rest is deleted with its namespace.
        if let Some(role) = self.role.take().filter(|_| self.world.is_real()) {
            let (roles, bindings) =
                (self.world.cluster_wide::<ClusterRole>(), self.world.cluster_wide::<ClusterRoleBinding>());
            self.world.block_on(async {
                let _ = bindings.delete(&role, &DeleteParams::default()).await;
                let _ = roles.delete(&role, &DeleteParams::default()).await;
            });
        }
    }
}
