//! Rules: which requests get which fault.

use super::fault::Fault;
use crate::api::authorization::Attributes;

/// Selects requests, and names the fault that they get.
#[derive(Clone, Debug)]
pub struct Rule {
    verb: String,
    resource: String,
    namespace: Option<String>,
    name: Option<String>,
    /// Matching requests that pass unharmed first.
    pub(super) passing: u64,
    pub(super) times: u64,
    /// Only dry runs, or only real changes; `None`: both.
    dry_run: Option<bool>,
    pub(super) fault: Fault,
}

impl Rule {
    /// Every request of that verb (`get`, `list`, `watch`, `create`, `update`, `patch`, `delete`) on that resource
    /// (`pods`, `pods/portforward`); empty matches any.
    pub fn on(verb: &str, resource: &str, fault: Fault) -> Rule {
        let (verb, resource) = (verb.to_owned(), resource.to_owned());
        Rule { verb, resource, namespace: None, name: None, passing: 0, times: u64::MAX, dry_run: None, fault }
    }

    /// Only those in that namespace.
    #[must_use]
    pub fn within(self, namespace: &str) -> Rule {
        Rule { namespace: Some(namespace.to_owned()), ..self }
    }

    /// Only those for an object of that name.
    #[must_use]
    pub fn named(self, name: &str) -> Rule {
        Rule { name: Some(name.to_owned()), ..self }
    }

    /// Only real requests, no dry runs.
    #[must_use]
    pub fn real(self) -> Rule {
        Rule { dry_run: Some(false), ..self }
    }

    /// Only dry runs.
    #[must_use]
    pub fn rehearsed(self) -> Rule {
        Rule { dry_run: Some(true), ..self }
    }

    /// Only the n-th such request from now on, counted from 1.
    #[must_use]
    pub fn nth(self, n: u64) -> Rule {
        Rule { passing: n.saturating_sub(1), times: 1, ..self }
    }

    /// At most that many of them.
    #[must_use]
    pub fn times(self, times: u64) -> Rule {
        Rule { times, ..self }
    }

    pub(super) fn is_about(&self, asked: &Attributes, dry_run: bool) -> bool {
        let word = |wanted: &str, said: &str| wanted.is_empty() || wanted == said;
        let given = |wanted: &Option<String>, said: &str| wanted.as_ref().is_none_or(|wanted| wanted == said);
        asked.path.is_none()
            && self.dry_run.is_none_or(|only| only == dry_run)
            && word(&self.verb, &asked.verb)
            && word(&self.resource, &asked.path_of_resource())
            && given(&self.namespace, &asked.namespace)
            && given(&self.name, &asked.name)
    }
}
