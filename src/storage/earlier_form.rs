//! The form that version 0.1 wrote on volumes, in ConfigMaps and in files: metrics only, of which a safekeeper's are
//! three positions by timeline, and a pageserver's are tenants by state.

use super::facts::{Metrics, PageFacts, PageserverFacts, SafekeeperFacts, TimelineId, Wal};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// Any form that [`PageFacts`] was written in.
#[derive(Deserialize)]
#[serde(untagged)]
enum AnyForm {
    // Its one field is the kind of component, which is not a field of the present form.
    Earlier(Earlier),
    Present(Present),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Earlier {
    Safekeeper(BTreeMap<TimelineId, Wal>),
    Pageserver { tenants: BTreeMap<String, u64>, broken: Option<u64> },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Present {
    id: Option<u64>,
    launched: Option<String>,
    // Always present, even if null: a document without it is something else.
    #[serde(deserialize_with = "Option::deserialize")]
    metrics: Option<Metrics>,
    // As v1alpha1 called it.
    #[serde(rename = "unreadReason", alias = "unread")]
    unread: Option<String>,
}

/// Reads this form, and that of records and baselines of version 0.1.
impl<'de> Deserialize<'de> for PageFacts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<AnyForm>::deserialize(deserializer)?.map(Self::from).unwrap_or_default())
    }
}

impl From<AnyForm> for PageFacts {
    fn from(form: AnyForm) -> Self {
        let metrics = match form {
            AnyForm::Present(Present { id, launched, metrics, unread }) => {
                return Self { id, launched, metrics, unread };
            }
            AnyForm::Earlier(Earlier::Safekeeper(timelines)) => {
                Metrics::Safekeeper(SafekeeperFacts { timelines, ..SafekeeperFacts::default() })
            }
            AnyForm::Earlier(Earlier::Pageserver { tenants, broken }) => {
                Metrics::Pageserver(PageserverFacts { tenants, broken, ..PageserverFacts::default() })
            }
        };
        Self { metrics: Some(metrics), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::facts::Idle;
    use serde_json::{from_value, json, to_value};

    /// As version 0.1 wrote them, word for word.
    #[test]
    fn what_an_older_version_wrote_is_read() {
        let safekeeper = json!({"safekeeper": {"b3b863fa45fa9e57e615f9f2d944e601":
            {"flushLsn": 44_654_232, "commitLsn": 44_654_232, "backupLsn": 33_554_432}}});
        let read: PageFacts = from_value(safekeeper).unwrap();
        let facts = read.safekeeper().unwrap();
        let id = TimelineId { tenant: None, timeline: "b3b863fa45fa9e57e615f9f2d944e601".into() };
        let wal = Wal {
            flush_lsn: Some(44_654_232),
            commit_lsn: Some(44_654_232),
            backup_lsn: Some(33_554_432),
            ..Wal::default()
        };
        assert_eq!(facts.timelines, BTreeMap::from([(id, wal)]));
        assert_eq!((read.id, facts.total, facts.active, facts.left_out), (None, None, None, 0));

        let read: PageFacts = from_value(json!({"safekeeper": {}})).unwrap();
        assert_eq!(read.safekeeper(), Some(&SafekeeperFacts::default()));

        let read: PageFacts = from_value(json!({"pageserver": {"tenants": {"Active": 2}, "broken": 0}})).unwrap();
        let facts = read.pageserver().unwrap();
        assert_eq!(
            (facts.active(), facts.broken, facts.active_timelines, facts.remote_bytes),
            (2, Some(0), None, None)
        );
        let read: PageFacts = from_value(json!({"pageserver": {"tenants": {}, "broken": null}})).unwrap();
        assert_eq!(read.pageserver(), Some(&PageserverFacts::default()));

        let read: PageFacts = from_value(serde_json::Value::Null).unwrap();
        assert_eq!(read, PageFacts::default());
    }

    #[test]
    fn the_present_form_is_read_as_it_was_written_and_nothing_else_is() {
        let timelines = BTreeMap::from([(TimelineId::new("aa", "11"), Wal { term: Some(3), ..Wal::default() })]);
        let safekeeper = SafekeeperFacts { timelines, total: Some(2), active: Some(1), ..SafekeeperFacts::default() };
        let idle = |idle| PageFacts {
            metrics: Some(Metrics::Safekeeper(SafekeeperFacts { idle, ..SafekeeperFacts::default() })),
            ..PageFacts::default()
        };
        for facts in [
            PageFacts::default(),
            PageFacts {
                unread: Some("/metrics returned 401 Unauthorized".into()),
                id: Some(1),
                ..PageFacts::default()
            },
            PageFacts { id: Some(7), metrics: Some(Metrics::Safekeeper(safekeeper)), ..PageFacts::default() },
            idle(Idle::Listed),
            idle(Idle::Unread("the token is refused".into())),
            PageFacts {
                launched: Some("1764230400".into()),
                metrics: Some(Metrics::Pageserver(PageserverFacts { left_out: 3, ..PageserverFacts::default() })),
                ..PageFacts::default()
            },
        ] {
            let written = to_value(&facts).unwrap();
            assert_eq!(from_value::<PageFacts>(written.clone()).unwrap(), facts, "{written}");
        }
        for nonsense in [json!("text"), json!([1]), json!({"safekeeper": 1}), json!({"metrics": {"other": {}}})] {
            assert!(from_value::<PageFacts>(nonsense.clone()).is_err(), "{nonsense}");
        }
    }
}
