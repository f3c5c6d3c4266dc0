//! The baseline that is stored in the cluster: read before an operation, and stored after a successful verification.

use super::Context;
use super::login::note;
use crate::cluster::Cluster;
use crate::cluster::config_map::{Keeping, KeptText, Place};
use crate::duration::when;
use crate::error::Error;
use crate::plan::{Before, ComparedWith, Proof};
use crate::suggestion::plugin;
use crate::topology::Topology;
use crate::verify::stored::{KEY, Unusable, config_map};
use crate::verify::{Evidence, StoredBaseline, difference};
use futures::StreamExt;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Time limit for reading or writing a baseline.
const DEADLINE: Duration = Duration::from_secs(3);
/// Number of baselines that are stored concurrently.
const AT_ONCE: usize = 8;

/// The owner of a baseline: a namespace, and a name that stays the same when the pod is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BaselineOwner {
    namespace: String,
    member: String,
}

impl BaselineOwner {
    /// Returns the owner for a pod.
    pub(super) fn of_pod(topology: &Topology, namespace: &str, pod: &str) -> Self {
        Self { namespace: namespace.to_owned(), member: topology.lasting_name(namespace, pod) }
    }

    /// Returns the owner for the pod that answers for the target; `None` if verification is skipped.
    pub(super) fn of_proof(topology: &Topology, namespace: &str, proof: &Proof) -> Option<Self> {
        match proof {
            Proof::Sql { pod, .. } | Proof::Page { pod, .. } => Some(Self::of_pod(topology, namespace, pod)),
            Proof::Skipped { .. } => None,
        }
    }

    fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.member)
    }

    fn key(&self) -> (&str, &str) {
        (&self.namespace, &self.member)
    }
}

/// The result of reading a stored baseline.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stored {
    /// A usable one.
    Is(Box<StoredBaseline>),
    /// None; with the namespace.
    Nothing(String),
    /// An unusable one.
    Unusable(Unusable),
    /// Not readable, for this reason.
    Unread(String),
    /// Not requested.
    NotAsked,
}

/// Reads the stored baseline of an owner.
pub(super) async fn stored(cluster: &Cluster, owner: Option<&BaselineOwner>) -> Stored {
    let Some(owner) = owner else { return Stored::NotAsked };
    match read(cluster, owner).await {
        Err(error) => Stored::Unread(error.to_string()),
        Ok(found) => match found.as_ref().and_then(KeptText::text) {
            None => Stored::Nothing(owner.namespace.clone()),
            Some(text) => match StoredBaseline::parse(text, owner.key(), Timestamp::now()) {
                Ok(stored) => Stored::Is(Box::new(stored)),
                Err(why) => Stored::Unusable(why),
            },
        },
    }
}

impl Stored {
    /// Returns what a component that does not respond is compared with. A baseline that was taken at or after `before`, when
    /// the pod was replaced already, may be of an empty disk, and is not used.
    pub(super) fn compared(self, before: Option<Timestamp>, now: Timestamp) -> (Option<Evidence>, ComparedWith) {
        let nothing = |reason: String| (None, ComparedWith::Nothing { reason });
        match self {
            Self::Is(stored) if before.is_some_and(|before| stored.taken() >= before) => {
                let when = when(stored.taken(), now);
                nothing(format!("the stored one of {when} was taken after the pod was replaced"))
            }
            Self::Is(stored) => {
                let StoredBaseline { taken, content, .. } = *stored;
                let summary = content.summary();
                (Some(content), ComparedWith::Stored { taken, summary })
            }
            Self::Nothing(namespace) => nothing(format!(
                "none is stored ({} stores one while it is healthy)",
                plugin("verify").namespace(namespace)
            )),
            Self::Unusable(why) => nothing(format!("the stored one cannot be used: {why}")),
            Self::Unread(why) => nothing(format!("the stored one cannot be read: {why}")),
            Self::NotAsked => nothing("verification is skipped".into()),
        }
    }

    /// Returns the baseline of that time, which an interrupted run compared with.
    pub(super) fn of(self, taken: &str) -> (Option<Evidence>, ComparedWith) {
        match self {
            Self::Is(stored) if stored.taken == taken => Self::Is(stored).compared(None, Timestamp::MAX),
            Self::Unread(why) => {
                (None, ComparedWith::Nothing { reason: format!("the stored one cannot be read: {why}") })
            }
            _ => {
                let reason = format!("the one of {taken}, which the interrupted run used, is no longer stored");
                (None, ComparedWith::Nothing { reason })
            }
        }
    }
}

/// Returns what a component is compared with: its own state if it responded, otherwise the stored baseline.
pub(super) fn compared(
    (reported, evidence): (Before, Option<Evidence>),
    stored: Stored,
    now: Timestamp,
) -> (Before, Option<Evidence>, ComparedWith) {
    match evidence {
        Some(evidence) => (reported, Some(evidence), ComparedWith::Fresh { taken: now.to_string() }),
        None => {
            let (evidence, with) = stored.compared(None, now);
            (reported, evidence, with)
        }
    }
}

/// Stores the baselines of verified components. A failure is only reported.
pub(super) async fn store(
    cluster: &Cluster,
    found: impl IntoIterator<Item = (BaselineOwner, Evidence)>,
    taken: Timestamp,
) -> Kept {
    let context = cluster.context_name();
    let stored = found.into_iter().map(|(owner, content)| async move {
        let kept = store_one(cluster, &owner, &content, context, taken).await;
        (owner, kept)
    });
    let stored: Vec<_> = futures::stream::iter(stored).buffer_unordered(AT_ONCE).collect().await;
    let mut kept = Kept::default();
    for (owner, result) in stored {
        match result {
            Ok(less) => kept.less.extend(less.map(|less| (owner.path(), less))),
            Err(why) => kept.failed.push((owner.path(), why)),
        }
    }
    kept.failed.sort();
    kept
}

/// The result of storing baselines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// Those that were not stored, and why.
    failed: Vec<(String, String)>,
    /// What the previous baselines had in addition, by owner.
    less: BTreeMap<String, String>,
}

impl Kept {
    /// Returns a notice that a baseline was not stored; `None` if all were.
    fn failure(&self) -> Option<String> {
        let (member, why) = self.failed.first()?;
        let others = match self.failed.len() - 1 {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        Some(format!(
            "no baseline stored for {member}{others}: {why}; without one, data cannot be verified if it is down"
        ))
    }

    /// Prints that a baseline was not stored.
    pub(super) fn warn(&self, context: &Context) {
        if let Some(failure) = self.failure() {
            note(context, &failure);
        }
    }

    /// Prints that, and what is gone since the previous ones.
    pub(super) fn report(&self, context: &Context) {
        for (member, less) in &self.less {
            note(context, &format!("stored baseline of {member} replaced; gone since the previous one: {less}"));
        }
        self.warn(context);
    }
}

async fn read(cluster: &Cluster, owner: &BaselineOwner) -> Result<Option<KeptText>, Error> {
    let name = config_map(&owner.member);
    cluster.kept_text(Place { namespace: &owner.namespace, name: &name, key: KEY }, DEADLINE).await
}

/// Stores one baseline. Returns what the previous one had in addition.
async fn store_one(
    cluster: &Cluster,
    owner: &BaselineOwner,
    content: &Evidence,
    context: &str,
    taken: Timestamp,
) -> Result<Option<String>, String> {
    let text = match StoredBaseline::new(taken, context, owner.key(), content.clone()).to_text() {
        Ok(text) => text,
        // An empty baseline is not stored.
        Err(Unusable::NamesNothing) => return Ok(None),
        Err(why) => return Err(why.to_string()),
    };
    let found = read(cluster, owner).await.map_err(|error| error.to_string())?;
    let former = found.as_ref().and_then(KeptText::text);
    let former = former.and_then(|text| StoredBaseline::parse(text, owner.key(), taken).ok());
    // A slower run does not overwrite the result of a later one.
    if former.as_ref().is_some_and(|former| former.taken() > taken) {
        return Ok(None);
    }
    let name = config_map(&owner.member);
    let place = Place { namespace: &owner.namespace, name: &name, key: KEY };
    let keeping = cluster.keep_text(place, &text, found.as_ref(), DEADLINE).await.map_err(|error| error.to_string())?;
    let gone = match (keeping, former) {
        (Keeping::Kept, Some(former)) => difference(&former.content, content).missing,
        _ => Vec::new(),
    };
    Ok(gone.first().map(|first| match gone.len() - 1 {
        0 => first.clone(),
        others => format!("{first}, and {others} more"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::examples::ps;

    fn page() -> Evidence {
        Evidence::Page(ps(2).page())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn of(second: i64) -> Stored {
        Stored::Is(Box::new(StoredBaseline::new(at(second), "c", ("n", "m"), page())))
    }

    /// One that was taken after the pod was replaced may be of an empty disk.
    #[test]
    fn a_baseline_of_after_the_replacement_proves_nothing() {
        for (taken, before, used) in
            [(10, None, true), (10, Some(11), true), (11, Some(11), false), (12, Some(11), false)]
        {
            let (evidence, with) = of(taken).compared(before.map(at), at(20));
            assert_eq!(evidence.is_some(), used, "{taken} {before:?}");
            assert_eq!(with.stored().is_some(), used, "{with:?}");
        }
    }

    /// A resumed run compares with the baseline of its first run, or with nothing.
    #[test]
    fn a_resumed_run_compares_with_the_same_baseline() {
        let taken = at(10).to_string();
        assert_eq!(of(10).of(&taken).0, Some(page()));
        for other in [of(11), Stored::Nothing("n".into()), Stored::Unread("why".into())] {
            let (evidence, with) = other.clone().of(&taken);
            assert!(evidence.is_none() && matches!(with, ComparedWith::Nothing { .. }), "{other:?}");
        }
    }

    #[test]
    fn the_state_of_a_component_that_responds_comes_first() {
        let said = Before::Answered { summary: String::new(), lacks: Vec::new() };
        let (_, evidence, with) = compared((said, Some(page())), of(10), at(20));
        assert_eq!((evidence, with), (Some(page()), ComparedWith::Fresh { taken: at(20).to_string() }));
        let silent = || (Before::Silent { reason: "why".into() }, None);
        assert!(compared(silent(), of(10), at(20)).2.stored().is_some());
        for none in [
            Stored::Nothing("n".into()),
            Stored::Unusable(Unusable::TooLarge),
            Stored::Unread("why".into()),
            Stored::NotAsked,
        ] {
            let (_, evidence, with) = compared(silent(), none, at(20));
            assert!(evidence.is_none() && matches!(with, ComparedWith::Nothing { .. }));
        }
    }

    #[test]
    fn that_none_is_stored_is_one_line() {
        let failed = |members: &[&str]| Kept {
            failed: members.iter().map(|member| ((*member).to_owned(), "no right".to_owned())).collect(),
            less: BTreeMap::new(),
        };
        assert_eq!(failed(&[]).failure(), None);
        assert!(failed(&["a/b"]).failure().unwrap().starts_with("no baseline stored for a/b: no right"));
        assert!(
            failed(&["a/b", "a/c", "a/d"]).failure().unwrap().starts_with("no baseline stored for a/b and 2 more: ")
        );
    }
}
