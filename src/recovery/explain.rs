//! Explains a long wait: the newest Warning of Kubernetes' own controllers about the objects in question.

use crate::cluster::snapshot::NamespaceObjects;
use crate::duration::after;
use crate::topology::pod_status::{one_line, without_preemption};
use k8s_openapi::api::core::v1::Event;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// A wait is long from here on: earlier Warnings may explain it.
const LONG_WAIT: Duration = Duration::from_secs(5);

pub(super) const STATEFUL_SET: &str = "StatefulSet";
pub(super) const POD: &str = "Pod";
pub(super) const CLAIM: &str = "PersistentVolumeClaim";

/// The Events that were present before, by UID and count: the server's clock is not compared with this machine's.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeenEvents(HashSet<(String, i32)>);

/// An object that a wait may be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WaitTarget {
    /// Its kind: a Service has its StatefulSet's name.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its UID, if the failover created it: then every Event about it belongs to the failover, even if it came during
    /// an earlier run.
    pub new_uid: Option<String>,
    /// Whether it is a pod with a node: the scheduler's earlier Warnings no longer apply.
    pub scheduled: bool,
}

impl SeenEvents {
    /// Returns the current Events.
    pub(crate) fn of(objects: &NamespaceObjects) -> Self {
        Self(objects.events.items().iter().map(identity).collect())
    }

    /// Returns the newest Warning about the target since then, as `Reason: message`.
    pub(crate) fn newest_warning(&self, objects: &NamespaceObjects, subject: &WaitTarget) -> Option<String> {
        let is_new = |event: &&Event| !self.0.contains(&identity(event));
        warnings(objects, subject).filter(is_new).max_by_key(|event| version(event)).map(warning_text)
    }
}

/// Returns the Warning that explains a wait for `subjects`, the cause before its consequences.
///
/// A Warning since the wait began (`since_wait`) explains it at once. A wait that has lasted is also explained by
/// earlier ones: for a new object during all its life, and for any other since the run began (`since_run`).
pub(super) fn explanation(
    subjects: &[WaitTarget],
    objects: &NamespaceObjects,
    since_wait: &SeenEvents,
    since_run: Option<&SeenEvents>,
) -> Option<String> {
    let recent = |subject| since_wait.newest_warning(objects, subject);
    // A claim's Warning may have come before there was a pod to wait for, and is not repeated for a while: what the
    // scheduler reports about its pod in the meantime is no better.
    let told = |subject| since_run.and_then(|_| newest_of_its_life(objects, subject));
    let earlier = |subject| since_run.and_then(|known| known.newest_warning(objects, subject));
    let of_each = subjects.iter().find_map(|subject| recent(subject).or_else(|| told(subject)));
    of_each.or_else(|| subjects.iter().find_map(earlier))
}

/// Returns the newest Warning about a new object, whenever it came.
fn newest_of_its_life(objects: &NamespaceObjects, subject: &WaitTarget) -> Option<String> {
    let uid = subject.new_uid.as_ref()?;
    let of_it = |event: &&Event| event.involved_object.uid.as_ref() == Some(uid);
    warnings(objects, subject).filter(of_it).max_by_key(|event| version(event)).map(warning_text)
}

/// Returns the Warnings about an object of that kind and name; about a new one, none that concern its predecessor.
fn warnings<'o>(objects: &'o NamespaceObjects, subject: &'o WaitTarget) -> impl Iterator<Item = &'o Event> {
    let about = |event: &&Event| {
        let object = &event.involved_object;
        let same = |uid: &String| object.uid.as_ref().is_none_or(|other| other == uid);
        let named = object.kind.as_deref() == Some(subject.kind) && object.name.as_ref() == Some(&subject.name);
        named && subject.new_uid.as_ref().is_none_or(same)
    };
    let over = |event: &&Event| subject.scheduled && event.reason.as_deref() == Some("FailedScheduling");
    let of_it = objects.events.items().iter().filter(about);
    of_it.filter(|event| event.type_.as_deref() == Some("Warning")).filter(move |event| !over(event))
}

fn warning_text(event: &Event) -> String {
    let reason = event.reason.as_deref().unwrap_or("Warning");
    match event.message.as_deref().map(one_line) {
        Some(message) if !message.is_empty() => format!("{reason}: {}", without_preemption(&message)),
        _ => reason.to_owned(),
    }
}

fn identity(event: &Event) -> (String, i32) {
    let count = event.series.as_ref().and_then(|series| series.count).or(event.count).unwrap_or(1);
    (event.metadata.uid.clone().unwrap_or_default(), count)
}

/// Only the order matters: resourceVersions of one server grow (and are numbers since Kubernetes 1.35, KEP-5504).
fn version(event: &Event) -> u64 {
    event.metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// A wait in progress.
#[derive(Clone, Debug)]
pub(super) struct Wait {
    pub(super) what: String,
    pub(super) since: Instant,
    /// Events from before it.
    pub(super) known: SeenEvents,
}

impl Wait {
    /// Returns when more Events can explain it; `None` once that time has passed.
    pub(super) fn turns_long(&self) -> Option<Instant> {
        (!self.is_long()).then(|| after(self.since, LONG_WAIT))
    }

    pub(super) fn is_long(&self) -> bool {
        self.since.elapsed() >= LONG_WAIT
    }
}

/// Returns whether a wait's own text already contains a Warning (`Reason: message`).
pub(super) fn repeats(waits: &str, warning: &str) -> bool {
    // A kubelet's `Error: ErrImagePull` adds nothing to the container's own state.
    let message = warning.split_once(": ").map(|(_, message)| message.strip_prefix("Error: ").unwrap_or(message));
    message.is_some_and(|message| waits.contains(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::snapshot::Read;
    use crate::testing::snapshot;

    fn event(uid: &str, version: u32, kind: &str, (name, of): (&str, &str), count: i32, message: &str) -> Event {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": uid, "namespace": "n", "uid": uid, "resourceVersion": version.to_string()},
            "involvedObject": {"kind": "Pod", "name": name, "uid": of}, "type": kind, "reason": "FailedScheduling",
            "message": message, "count": count,
        }))
        .unwrap()
    }

    fn subject(new_uid: Option<&str>) -> WaitTarget {
        WaitTarget { kind: POD, name: "wh-0".into(), new_uid: new_uid.map(str::to_owned), scheduled: false }
    }

    #[test]
    fn only_a_new_warning_about_the_object_explains_a_wait() {
        let mut objects = snapshot(&["namespace: n"]).namespaces.remove(0);
        objects.events = Read::Known(vec![event("a", 5, "Warning", ("wh-0", "u"), 1, "old")]);
        let known = SeenEvents::of(&objects);
        assert_eq!(known.newest_warning(&objects, &subject(None)), None);
        objects.events = Read::Known(vec![
            event("a", 9, "Warning", ("wh-0", "u"), 2, "no node.\n"),
            event("b", 10, "Warning", ("other", "v"), 1, "x"),
            event("c", 11, "Normal", ("wh-0", "u"), 1, "Pulled"),
            event("d", 8, "Warning", ("wh-0", "u"), 1, "earlier"),
            event("e", 12, "Warning", ("wh-0", "w"), 1, "no endpoints"),
        ]);
        let Read::Known(events) = &mut objects.events else { unreachable!() };
        events[4].involved_object.kind = Some("Service".into());
        assert_eq!(known.newest_warning(&objects, &subject(None)), Some("FailedScheduling: no node".into()));
    }

    #[test]
    fn what_a_wait_says_itself_is_not_said_again() {
        let waits = "container pg is in ErrImageNeverPull: Container image \"i\" is not present";
        for said in ["ErrImageNeverPull: Container image \"i\" is not present", "Failed: Error: ErrImageNeverPull"] {
            assert!(repeats(waits, said), "{said}");
        }
        assert!(!repeats(waits, "FailedMount: no such volume"));
    }

    /// A run that resumes an earlier one starts with all Events known.
    #[test]
    fn a_warning_about_a_new_object_explains_a_wait_whenever_it_came() {
        let mut objects = snapshot(&["namespace: n"]).namespaces.remove(0);
        objects.events = Read::Known(vec![
            event("a", 5, "Warning", ("wh-0", "new"), 1, "no such class"),
            event("b", 6, "Warning", ("wh-0", "old"), 1, "of its predecessor"),
        ]);
        let new = subject(Some("new"));
        assert_eq!(SeenEvents::of(&objects).newest_warning(&objects, &new), None);
        assert_eq!(newest_of_its_life(&objects, &new), Some("FailedScheduling: no such class".into()));
        assert_eq!(newest_of_its_life(&objects, &subject(None)), None);
        assert_eq!(newest_of_its_life(&objects, &WaitTarget { scheduled: true, ..new }), None);
    }

    /// The claim's Warning came while there was no pod yet: the order observed on Kubernetes 1.37.
    #[test]
    fn a_cause_that_was_said_before_the_wait_is_named_before_its_consequence() {
        let mut objects = snapshot(&["namespace: n"]).namespaces.remove(0);
        let of = |kind: &str, mut event: Event| {
            event.involved_object.kind = Some(kind.to_owned());
            event
        };
        let set = of(STATEFUL_SET, event("a", 4, "Warning", ("wh", "s"), 1, "claim is being deleted"));
        let claim = of(CLAIM, event("b", 5, "Warning", ("data-wh-0", "new"), 1, "no such class"));
        let pod = event("c", 6, "Warning", ("wh-0", "p"), 1, "unbound claims");
        let new = |kind, name: &str, uid: &str| WaitTarget {
            kind,
            name: name.to_owned(),
            new_uid: Some(uid.to_owned()),
            scheduled: false,
        };
        let subjects = [new(CLAIM, "data-wh-0", "new"), new(POD, "wh-0", "p")];
        objects.events = Read::Known(vec![set.clone(), claim.clone()]);
        let (nothing, since_wait) = (SeenEvents::default(), SeenEvents::of(&objects));
        let text_of = |objects: &NamespaceObjects, subjects: &[WaitTarget], run| {
            explanation(subjects, objects, &since_wait, run).map(|said| said.rsplit_once(": ").unwrap().1.to_owned())
        };
        assert_eq!(text_of(&objects, &subjects, None), None, "it may be over");
        objects.events = Read::Known(vec![set.clone(), claim.clone(), pod.clone()]);
        assert_eq!(text_of(&objects, &subjects, None).as_deref(), Some("unbound claims"), "at first");
        assert_eq!(text_of(&objects, &subjects, Some(&nothing)).as_deref(), Some("no such class"));

        // Earlier Events may concern something else, and give way to new ones.
        let unowned = |kind, name: &str| WaitTarget { kind, name: name.to_owned(), new_uid: None, scheduled: false };
        let subjects = [unowned(STATEFUL_SET, "wh"), unowned(POD, "wh-0")];
        assert_eq!(text_of(&objects, &subjects, Some(&nothing)).as_deref(), Some("unbound claims"));
        objects.events = Read::Known(vec![set, claim]);
        assert_eq!(text_of(&objects, &subjects, Some(&nothing)).as_deref(), Some("claim is being deleted"));
        assert_eq!(text_of(&objects, &subjects, None), None);
    }
}
