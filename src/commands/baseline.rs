//! The baseline that is stored in the cluster: read before an act, and stored when a member was found to be whole.

use super::Context;
use super::login::note;
use crate::cluster::Cluster;
use crate::cluster::config_map::{Keeping, KeptText, Place};
use crate::duration::when;
use crate::error::Error;
use crate::plan::{Before, ComparedWith, Proof};
use crate::topology::Topology;
use crate::verify::stored::{KEY, Unusable, config_map};
use crate::verify::{Evidence, StoredBaseline, difference};
use futures::StreamExt;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Reading or writing one: nothing else waits longer for it.
const DEADLINE: Duration = Duration::from_secs(3);
/// Baselines that are stored at the same time.
const AT_ONCE: usize = 8;

/// Whose baseline it is: a namespace, and the name that stays when the pod is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    namespace: String,
    member: String,
}

impl Subject {
    /// Of the pod that is asked.
    pub(super) fn of_pod(topology: &Topology, namespace: &str, pod: &str) -> Self {
        Self { namespace: namespace.to_owned(), member: topology.lasting_name(namespace, pod) }
    }

    /// Of the pod that answers for what is failed over; `None` if none is asked.
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

/// What is stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stored {
    /// This.
    Is(Box<StoredBaseline>),
    /// None: it names the namespace.
    Nothing(String),
    /// One that is not used.
    Unusable(Unusable),
    /// It could not be read.
    Unread(String),
    /// It was not to be asked for.
    NotAsked,
}

/// Reads what is stored of a member.
pub(super) async fn stored(cluster: &Cluster, subject: Option<&Subject>) -> Stored {
    let Some(subject) = subject else { return Stored::NotAsked };
    match read(cluster, subject).await {
        Err(error) => Stored::Unread(error.to_string()),
        Ok(found) => match found.as_ref().and_then(KeptText::text) {
            None => Stored::Nothing(subject.namespace.clone()),
            Some(text) => match StoredBaseline::parse(text, subject.key(), Timestamp::now()) {
                Ok(stored) => Stored::Is(Box::new(stored)),
                Err(why) => Stored::Unusable(why),
            },
        },
    }
}

impl Stored {
    /// What a component that says nothing itself is compared with. A baseline that was taken at or after `before`, when
    /// the pod was replaced already, may be of an empty disk, and proves nothing.
    pub(super) fn compared(self, before: Option<Timestamp>, now: Timestamp) -> (Option<Evidence>, ComparedWith) {
        let nothing = |reason: String| (None, ComparedWith::Nothing { reason });
        match self {
            Self::Is(stored) if before.is_some_and(|before| stored.taken() >= before) => {
                let when = when(stored.taken(), now);
                nothing(format!("the stored one, of {when}, was taken after the pod was replaced"))
            }
            Self::Is(stored) => {
                let StoredBaseline { taken, content, .. } = *stored;
                let summary = content.summary();
                (Some(content), ComparedWith::Stored { taken, summary })
            }
            Self::Nothing(namespace) => nothing(format!(
                "none is stored (kubectl synxdb verify -n {namespace} stores one, while it is healthy)"
            )),
            Self::Unusable(why) => nothing(format!("the stored one is not used: {why}")),
            Self::Unread(why) => nothing(format!("a stored one cannot be read: {why}")),
            Self::NotAsked => nothing("it is not to be asked".into()),
        }
    }

    /// The one that was taken then, which an interrupted run compared with.
    pub(super) fn of(self, taken: &str) -> (Option<Evidence>, ComparedWith) {
        match self {
            Self::Is(stored) if stored.taken == taken => Self::Is(stored).compared(None, Timestamp::MAX),
            Self::Unread(why) => {
                (None, ComparedWith::Nothing { reason: format!("a stored one cannot be read: {why}") })
            }
            _ => {
                let reason =
                    format!("the one of {taken}, which the interrupted run compared with, is not stored any more");
                (None, ComparedWith::Nothing { reason })
            }
        }
    }
}

/// What a component is compared with that answered, or did not: its own word, or else what is stored.
pub(super) fn compared(
    (said, evidence): (Before, Option<Evidence>),
    stored: Stored,
    now: Timestamp,
) -> (Before, Option<Evidence>, ComparedWith) {
    match evidence {
        Some(evidence) => (said, Some(evidence), ComparedWith::Fresh { taken: now.to_string() }),
        None => {
            let (evidence, with) = stored.compared(None, now);
            (said, evidence, with)
        }
    }
}

/// Stores what members hold that were found to be whole. What cannot be stored is returned as one line; it changes
/// nothing else.
pub(super) async fn store(
    cluster: &Cluster,
    found: impl IntoIterator<Item = (Subject, Evidence)>,
    taken: Timestamp,
) -> Kept {
    let context = cluster.context_name();
    let stored = found.into_iter().map(|(subject, content)| async move {
        let kept = store_one(cluster, &subject, &content, context, taken).await;
        (subject, kept)
    });
    let stored: Vec<_> = futures::stream::iter(stored).buffer_unordered(AT_ONCE).collect().await;
    let mut kept = Kept::default();
    for (subject, result) in stored {
        match result {
            Ok(less) => kept.less.extend(less.map(|less| (subject.path(), less))),
            Err(why) => kept.failed.push((subject.path(), why)),
        }
    }
    kept.failed.sort();
    kept
}

/// What came of storing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// Of whom none was stored, and why.
    failed: Vec<(String, String)>,
    /// Whose former baseline had more: what is gone, by member.
    less: BTreeMap<String, String>,
}

impl Kept {
    /// That a baseline was not stored, in one line; `None` if all were.
    fn failure(&self) -> Option<String> {
        let (member, why) = self.failed.first()?;
        let others = match self.failed.len() - 1 {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        Some(format!("no baseline of {member}{others} is stored: {why}; were it down, nothing would say what it held"))
    }

    /// Tells that a baseline was not stored.
    pub(super) fn warn(&self, context: &Context) {
        if let Some(failure) = self.failure() {
            note(context, &failure);
        }
    }

    /// Tells that, and what is gone since the former ones.
    pub(super) fn tell(&self, context: &Context) {
        for (member, less) in &self.less {
            note(context, &format!("the stored baseline of {member} is replaced; gone since: {less}"));
        }
        self.warn(context);
    }
}

async fn read(cluster: &Cluster, subject: &Subject) -> Result<Option<KeptText>, Error> {
    let name = config_map(&subject.member);
    cluster.kept_text(Place { namespace: &subject.namespace, name: &name, key: KEY }, DEADLINE).await
}

/// Stores one; what the former one had that is gone.
async fn store_one(
    cluster: &Cluster,
    subject: &Subject,
    content: &Evidence,
    context: &str,
    taken: Timestamp,
) -> Result<Option<String>, String> {
    let text = match StoredBaseline::new(taken, context, subject.key(), content.clone()).to_text() {
        Ok(text) => text,
        // Nothing to store of what has nothing.
        Err(Unusable::NamesNothing) => return Ok(None),
        Err(why) => return Err(why.to_string()),
    };
    let found = read(cluster, subject).await.map_err(|error| error.to_string())?;
    let former = found.as_ref().and_then(KeptText::text);
    let former = former.and_then(|text| StoredBaseline::parse(text, subject.key(), taken).ok());
    // A slower run does not write over what a later one found.
    if former.as_ref().is_some_and(|former| former.taken() > taken) {
        return Ok(None);
    }
    let name = config_map(&subject.member);
    let place = Place { namespace: &subject.namespace, name: &name, key: KEY };
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

    /// One that was taken once the pod was replaced may be of an empty disk.
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

    /// A run that is finished compares with what it was begun with, or with nothing.
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
    fn what_a_component_says_itself_comes_first() {
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
        assert!(failed(&["a/b"]).failure().unwrap().starts_with("no baseline of a/b is stored: no right"));
        assert!(
            failed(&["a/b", "a/c", "a/d"]).failure().unwrap().starts_with("no baseline of a/b and 2 more is stored")
        );
    }
}
