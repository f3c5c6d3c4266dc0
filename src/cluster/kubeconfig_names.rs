//! Lists the names in a kubeconfig, for users who choose from them. Sends no request and reads no credential.

use super::kubeconfig;
use super::options::{ConnectOptions, Environment};
use super::url::without_login;
use crate::error::Result;

/// The names in a kubeconfig, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// Contexts.
    pub contexts: Vec<ContextEntry>,
    /// Clusters: name, and the server's address.
    pub clusters: Vec<(String, String)>,
    /// Users.
    pub users: Vec<String>,
}

/// A context of a kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextEntry {
    /// Its name.
    pub name: String,
    /// Its cluster's name.
    pub cluster: String,
    /// Its namespace, if it sets one.
    pub namespace: Option<String>,
    /// Whether it is the current one.
    pub current: bool,
}

impl Entries {
    /// Returns the names of the kubeconfig that flags and environment choose.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(options: &ConnectOptions, environment: &Environment) -> Result<Self> {
        let (_, kubeconfig) = kubeconfig::load(options, environment)?;
        let contexts = kubeconfig.contexts.iter().map(|(name, context)| ContextEntry {
            name: name.clone(),
            cluster: context.cluster.clone(),
            namespace: Some(context.namespace.clone()).filter(|name| !name.is_empty()),
            current: *name == kubeconfig.current_context,
        });
        let clusters = kubeconfig.clusters.iter().map(|(name, cluster)| (name.clone(), without_login(&cluster.server)));
        Ok(Self {
            contexts: contexts.collect(),
            clusters: clusters.collect(),
            users: kubeconfig.users.iter().map(|(name, _)| name.clone()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_all_files_with_the_current_context() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = home.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let first = write(
            "first",
            "current-context: prod\ncontexts:\n- {name: prod, context: {cluster: c1, user: u1, namespace: sea}}\n\
             clusters:\n- {name: c1, cluster: {server: 'https://c1:6443'}}\nusers:\n- {name: u1, user: {token: secret}}",
        );
        let second = write("second", "contexts:\n- {name: test, context: {cluster: c2, user: u1, namespace: ''}}");
        let environment = Environment {
            kubeconfig: Some(std::env::join_paths([first, second.clone()]).unwrap()),
            ..Environment::default()
        };
        let context = |name: &str, cluster: &str, namespace: Option<&str>, current| ContextEntry {
            name: name.to_owned(),
            cluster: cluster.to_owned(),
            namespace: namespace.map(str::to_owned),
            current,
        };
        let entries = Entries::read(&ConnectOptions::default(), &environment).unwrap();
        let expected = Entries {
            contexts: vec![context("prod", "c1", Some("sea"), true), context("test", "c2", None, false)],
            clusters: vec![("c1".to_owned(), "https://c1:6443".to_owned())],
            users: vec!["u1".to_owned()],
        };
        assert_eq!(entries, expected);
        // The flag takes precedence over the environment.
        let flag = ConnectOptions { kubeconfig: Some(second), ..ConnectOptions::default() };
        assert_eq!(Entries::read(&flag, &environment).unwrap().contexts.len(), 1);
        let absent = ConnectOptions { kubeconfig: Some(home.path().join("none")), ..ConnectOptions::default() };
        Entries::read(&absent, &environment).unwrap_err();
    }
}
