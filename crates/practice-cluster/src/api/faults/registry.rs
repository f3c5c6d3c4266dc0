//! The active rules, and the faults that they plan for a request.

use super::fault::Fault;
use super::report::{Applied, Processed};
use super::rule::Rule;
use crate::api::authorization::Attributes;
use crate::api::request::{Query, Target};
use crate::sync::lock;
use axum::http::Method;
use axum::http::request::Parts;
use std::sync::{Mutex, MutexGuard};
use tokio::sync::mpsc;

/// The active rules.
#[derive(Debug, Default)]
pub struct Faults(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    applied: Vec<Applied>,
    listener: Option<mpsc::UnboundedSender<Processed>>,
    mutations: u64,
}

/// The faults planned for one request.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(super) asked: Attributes,
    pub(super) faults: Vec<Fault>,
    pub(super) listener: Option<mpsc::UnboundedSender<Processed>>,
}

impl Faults {
    /// Adds a rule. If several rules match a request, all their faults apply, in the order in which the rules were
    /// added.
    pub fn add(&self, rule: Rule) {
        self.lock().rules.push(rule);
    }

    /// Removes all rules; requests in progress keep their faults.
    pub fn clear(&self) {
        self.lock().rules.clear();
    }

    /// Returns the faults that were applied, oldest first.
    pub fn applied(&self) -> Vec<Applied> {
        self.lock().applied.clone()
    }

    /// Reports each change from now on to one listener: the answer to a change waits until its report is dropped.
    pub fn mutations(&self) -> mpsc::UnboundedReceiver<Processed> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.lock().listener = Some(sender);
        receiver
    }

    /// Plans the faults of a request; `None` if there are none and no listener wants a report.
    pub(crate) fn planned(&self, parts: &Parts, dry_run: bool) -> Option<Planned> {
        let mut state = self.lock();
        if state.rules.is_empty() && state.listener.is_none() {
            return None;
        }
        let query = Query::of(&parts.uri);
        let asked = Target::parse(parts.uri.path()).attributes(&parts.method, parts.uri.path(), &query);
        let mut faults = Vec::new();
        for rule in state.rules.iter_mut().filter(|rule| rule.is_about(&asked, dry_run)) {
            if rule.passing > 0 {
                rule.passing -= 1;
            } else if rule.times > 0 && applies(&rule.fault, &asked, &query) {
                rule.times -= 1;
                faults.push(rule.fault.clone());
            }
        }
        let (verb, name) = (&asked.verb, &asked.name);
        let applied = faults.iter().map(|fault| Applied {
            verb: verb.clone(),
            resource: asked.path_of_resource(),
            name: name.clone(),
            fault: fault.clone(),
        });
        state.applied.extend(applied);
        let listener = state.listener.clone().filter(|_| may_change(&asked, &parts.method));
        (!faults.is_empty() || listener.is_some()).then_some(Planned { asked, faults, listener })
    }

    pub(super) fn next_number(&self) -> u64 {
        let mut state = self.lock();
        state.mutations += 1;
        state.mutations
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

/// Whether a fault can apply to such a request: some are for watches only, some for everything else.
fn applies(fault: &Fault, asked: &Attributes, query: &Query) -> bool {
    let watches = asked.verb == "watch";
    match fault {
        Fault::CutWatch { .. } | Fault::EndWatch(_) | Fault::Silence { .. } | Fault::Lag(_) | Fault::Reorder => watches,
        Fault::Expire { .. } => {
            let past = query.get("resourceVersion").is_some_and(|version| version != "0");
            watches || (asked.verb == "list" && (past || query.has("continue")))
        }
        Fault::LoseAnswer | Fault::Twice | Fault::CutAnswer | Fault::Deny { .. } => !watches,
        Fault::Delay(_) | Fault::Drop | Fault::Refuse { .. } => true,
    }
}

/// Whether a request may change a stored object.
fn may_change(asked: &Attributes, method: &Method) -> bool {
    let streams = ["portforward", "exec", "attach"].contains(&asked.subresource.as_str());
    *method != Method::GET && asked.path.is_none() && !streams && !asked.resource.ends_with("reviews")
}
