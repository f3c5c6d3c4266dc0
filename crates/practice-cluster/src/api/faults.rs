//! Faults on purpose: what a network, a proxy or an API server in trouble does to requests, and word of each change
//! that was made, so that a client can be ended right there.
//!
//! A [`Rule`] says which requests, and what befalls them. Nothing here knows who asks: a client under test meets what
//! any client would.

mod act;
mod lines;

use super::auth::Attributes;
use super::request::{Query, Target};
use axum::http::Method;
use axum::http::request::Parts;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

pub(super) use act::{is_rehearsed, perform};

/// What befalls a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is processed that much later.
    Delay(Duration),
    /// The connection breaks before it is processed.
    Drop,
    /// It is processed, and the connection breaks instead of an answer.
    LoseAnswer,
    /// It is processed twice, as by a proxy that tries again; the second answer is sent.
    Twice,
    /// It is processed, and the connection breaks in the middle of the answer (not of a watch's).
    CutAnswer,
    /// It is not processed. 403 (a webhook that denies), 429, 500, 503 and 504 come as a `Status`, 502 as a proxy's page.
    Refuse {
        /// HTTP status.
        code: u16,
        /// `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// It is processed, and answered as by [`Fault::Refuse`] all the same.
    Deny {
        /// HTTP status.
        code: u16,
    },
    /// 410: a watch is told so after that many events; a list of a past resourceVersion at once.
    Expire {
        /// Events that are sent before.
        after: usize,
    },
    /// The connection of a watch breaks in the middle of an event.
    CutWatch {
        /// Events that are sent before.
        after: usize,
    },
    /// A watch stays open and says nothing any more, as on a connection that died unnoticed.
    Silence {
        /// Events that are sent before.
        after: usize,
    },
    /// The events of a watch come that much later: watches of several kinds lag behind each other.
    Lag(Duration),
    /// Events of a watch that are about different objects change places; those about one object never do.
    Reorder,
}

/// Which requests, and what befalls them.
#[derive(Clone, Debug)]
pub struct Rule {
    verb: String,
    resource: String,
    namespace: Option<String>,
    name: Option<String>,
    /// Matching requests that pass first.
    passing: u64,
    times: u64,
    /// Whether only dry runs, or only others; `None`: both.
    rehearsed: Option<bool>,
    fault: Fault,
}

impl Rule {
    /// Every request of that verb (`get`, `list`, `watch`, `create`, `update`, `patch`, `delete`) on that resource
    /// (`pods`, `pods/portforward`); an empty word is any.
    pub fn on(verb: &str, resource: &str, fault: Fault) -> Rule {
        let (verb, resource) = (verb.to_owned(), resource.to_owned());
        Rule { verb, resource, namespace: None, name: None, passing: 0, times: u64::MAX, rehearsed: None, fault }
    }

    /// Only those in that namespace.
    #[must_use]
    pub fn within(self, namespace: &str) -> Rule {
        Rule { namespace: Some(namespace.to_owned()), ..self }
    }

    /// Only those about an object of that name.
    #[must_use]
    pub fn named(self, name: &str) -> Rule {
        Rule { name: Some(name.to_owned()), ..self }
    }

    /// Only those that change something, and no dry run.
    #[must_use]
    pub fn real(self) -> Rule {
        Rule { rehearsed: Some(false), ..self }
    }

    /// Only dry runs.
    #[must_use]
    pub fn rehearsed(self) -> Rule {
        Rule { rehearsed: Some(true), ..self }
    }

    /// Only the n-th such request from now on, counted from 1.
    #[must_use]
    pub fn nth(self, n: u64) -> Rule {
        Rule { passing: n.saturating_sub(1), times: 1, ..self }
    }

    /// That many of them, and no more.
    #[must_use]
    pub fn times(self, times: u64) -> Rule {
        Rule { times, ..self }
    }

    fn is_about(&self, asked: &Attributes, rehearsed: bool) -> bool {
        let word = |wanted: &str, said: &str| wanted.is_empty() || wanted == said;
        let given = |wanted: &Option<String>, said: &str| wanted.as_ref().is_none_or(|wanted| wanted == said);
        asked.path.is_none()
            && self.rehearsed.is_none_or(|only| only == rehearsed)
            && word(&self.verb, &asked.verb)
            && word(&self.resource, &resource(asked))
            && given(&self.namespace, &asked.namespace)
            && given(&self.name, &asked.name)
    }
}

/// A change that a client made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// Which one, counted from 1.
    pub number: u64,
    /// `create`, `update`, `patch` or `delete`.
    pub verb: String,
    /// Plural, with the subresource.
    pub resource: String,
    /// Namespace; empty where the kind has none.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID of the object that was changed.
    pub uid: String,
    /// Whom the client impersonated, where it did: several clients of one kubeconfig are told apart by it.
    pub impersonated: Option<String>,
    /// Version of the store just before.
    pub since: u64,
    /// Version of the store when it was done; changes of others may be in it.
    pub version: u64,
}

/// Word of a [`Mutation`]. Its answer waits until this is let go of.
#[derive(Debug)]
pub struct Processed {
    /// What was done.
    pub mutation: Mutation,
    hold: oneshot::Sender<()>,
    answered: oneshot::Receiver<()>,
}

impl Processed {
    /// Lets the answer go, and resolves when it has been handed to the connection (or was lost on purpose).
    pub async fn answered(self) {
        drop(self.hold);
        // The other end goes with the answer.
        let _ = self.answered.await;
    }
}

/// A fault that befell a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The request's verb.
    pub verb: String,
    /// Plural, with the subresource.
    pub resource: String,
    /// Name; empty for a collection.
    pub name: String,
    /// What befell it.
    pub fault: Fault,
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct Faults(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    applied: Vec<Applied>,
    listener: Option<mpsc::UnboundedSender<Processed>>,
    mutations: u64,
}

/// What is to befall one request.
#[derive(Debug)]
pub(super) struct Planned {
    asked: Attributes,
    faults: Vec<Fault>,
    listener: Option<mpsc::UnboundedSender<Processed>>,
}

impl Faults {
    /// Adds a rule. Where several are about one request, all of them befall it, in the order in which they came.
    pub fn add(&self, rule: Rule) {
        self.lock().rules.push(rule);
    }

    /// Ends all rules; requests that one has befallen already go on as they are.
    pub fn clear(&self) {
        self.lock().rules.clear();
    }

    /// What has befallen whom, oldest first.
    pub fn applied(&self) -> Vec<Applied> {
        self.lock().applied.clone()
    }

    /// Word of each change from now on, for one listener: the answer to each waits until its word is let go of.
    pub fn mutations(&self) -> mpsc::UnboundedReceiver<Processed> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.lock().listener = Some(sender);
        receiver
    }

    /// What is to befall a request; `None`: nothing, and nobody wants word of it.
    pub(super) fn planned(&self, parts: &Parts, rehearsed: bool) -> Option<Planned> {
        let mut state = self.lock();
        if state.rules.is_empty() && state.listener.is_none() {
            return None;
        }
        let query = Query::of(&parts.uri);
        let asked = Target::parse(parts.uri.path()).attributes(&parts.method, parts.uri.path(), &query);
        let mut faults = Vec::new();
        for rule in state.rules.iter_mut().filter(|rule| rule.is_about(&asked, rehearsed)) {
            if rule.passing > 0 {
                rule.passing -= 1;
            } else if rule.times > 0 && concerns(&rule.fault, &asked, &query) {
                rule.times -= 1;
                faults.push(rule.fault.clone());
            }
        }
        let (verb, name) = (&asked.verb, &asked.name);
        let applied = faults.iter().map(|fault| Applied {
            verb: verb.clone(),
            resource: resource(&asked),
            name: name.clone(),
            fault: fault.clone(),
        });
        state.applied.extend(applied);
        let listener = state.listener.clone().filter(|_| changes(&asked, &parts.method));
        (!faults.is_empty() || listener.is_some()).then_some(Planned { asked, faults, listener })
    }

    fn next_number(&self) -> u64 {
        let mut state = self.lock();
        state.mutations += 1;
        state.mutations
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a fault can befall such a request: some are a watch's alone, some everything else's.
fn concerns(fault: &Fault, asked: &Attributes, query: &Query) -> bool {
    let watches = asked.verb == "watch";
    match fault {
        Fault::CutWatch { .. } | Fault::Silence { .. } | Fault::Lag(_) | Fault::Reorder => watches,
        Fault::Expire { .. } => {
            let past = query.get("resourceVersion").is_some_and(|version| version != "0");
            watches || (asked.verb == "list" && (past || query.has("continue")))
        }
        Fault::LoseAnswer | Fault::Twice | Fault::CutAnswer | Fault::Deny { .. } => !watches,
        Fault::Delay(_) | Fault::Drop | Fault::Refuse { .. } => true,
    }
}

/// `pods`, `pods/portforward`.
fn resource(asked: &Attributes) -> String {
    match asked.subresource.as_str() {
        "" => asked.resource.clone(),
        subresource => format!("{}/{subresource}", asked.resource),
    }
}

/// Whether a request may change an object that is kept.
fn changes(asked: &Attributes, method: &Method) -> bool {
    let streams = ["portforward", "exec", "attach"].contains(&asked.subresource.as_str());
    *method != Method::GET && asked.path.is_none() && !streams && !asked.resource.ends_with("reviews")
}
