//! A baseline in a file: taken before, compared afterwards. Pure; the caller reads and writes the file.

use super::check::{CheckKind, Judgement, VerifyCheck};
use super::evidence::{Difference, Evidence, difference};
use crate::api_version::{API_VERSION, V1ALPHA1};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Kind of the document.
const KIND: &str = "Baseline";

/// The contents of an installation at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Saved {
    /// Version of this form.
    pub api_version: String,
    /// Always `Baseline`.
    pub kind: String,
    /// When it was taken, RFC 3339.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub taken: String,
    /// The kubeconfig context it was taken in.
    pub context: String,
    /// The contents of each member, by `namespace/pod`.
    pub members: BTreeMap<String, Evidence>,
}

/// How far the present command covers a member of the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coverage {
    /// It was to be queried.
    Asked,
    /// It would have been queried, but does not exist.
    Gone,
    /// Its namespace is being deleted, and was skipped.
    PassedOver,
    /// It is suspended.
    Suspended,
    /// It was not queried: the command was for others.
    Outside,
}

impl Saved {
    /// Creates a baseline of this moment.
    pub(crate) fn new(taken: String, context: &str, members: BTreeMap<String, Evidence>) -> Self {
        Self { api_version: API_VERSION.into(), kind: KIND.into(), taken, context: context.to_owned(), members }
    }

    /// Parses a file's text, of this version or of v1alpha1.
    ///
    /// # Errors
    /// It is not such a document, or has a later version.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let not = |why: String| Error::failure("not a baseline file").because(why);
        let saved: Self = serde_json::from_str(text).map_err(|error| not(error.to_string()))?;
        if saved.kind != KIND || ![API_VERSION, V1ALPHA1].contains(&saved.api_version.as_str()) {
            return Err(not(format!(
                "it is {} of {}; expected {KIND} of {API_VERSION}",
                saved.kind, saved.api_version
            )));
        }
        Ok(Self { api_version: API_VERSION.into(), ..saved })
    }

    /// Returns it as a file's text.
    ///
    /// # Errors
    /// None in practice: it is plain data.
    pub(crate) fn to_text(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::failure("cannot serialize the baseline").because_of(error))?;
        Ok(format!("{text}\n"))
    }

    /// Returns the part about one database.
    pub(crate) fn of_database(self, name: &str) -> Self {
        let members = self.members.into_iter().map(|(path, evidence)| (path, evidence.of_database(name))).collect();
        Self { members, ..self }
    }

    /// Compares it with the present state: one check for each member of either.
    pub(crate) fn compared(
        &self,
        now: &BTreeMap<String, Evidence>,
        covered: impl Fn(&str) -> Coverage,
    ) -> Vec<VerifyCheck> {
        let check = |path: &str, judged: Judgement| {
            let (namespace, pod) = path.split_once('/').unwrap_or(("", path));
            judged.on(CheckKind::Baseline, namespace, pod, Duration::ZERO)
        };
        let mut checks: Vec<VerifyCheck> = self
            .members
            .iter()
            .map(|(path, before)| {
                let judged = match (now.get(path), covered(path)) {
                    (Some(after), _) => judged(&difference(before, after)),
                    (None, Coverage::Asked) => Judgement::unknown("it does not answer, and cannot be compared"),
                    (None, Coverage::Gone) => Judgement {
                        lines: vec![before.summary()],
                        ..Judgement::failed("it is in the baseline, but not in the cluster")
                    },
                    (None, Coverage::PassedOver) => {
                        let why = "it is in the baseline, but its namespace is skipped (terminating)";
                        Judgement::unknown(why)
                    }
                    (None, Coverage::Suspended) => {
                        Judgement::unknown("it is in the baseline, but suspended: nothing could be compared")
                    }
                    (None, Coverage::Outside) => Judgement::skipped("it is in the baseline, and was not looked at"),
                };
                check(path, judged)
            })
            .collect();
        let new = now.keys().filter(|path| !self.members.contains_key(*path));
        checks.extend(new.map(|path| check(path, Judgement::skipped("it is not in the baseline"))));
        checks
    }
}

fn judged(difference: &Difference) -> Judgement {
    let Difference { missing, unknown, nothing, there, beyond, .. } = difference;
    if !missing.is_empty() {
        return Judgement { lines: missing.clone(), ..Judgement::failed("data present before is missing") };
    }
    if !unknown.is_empty() {
        return Judgement { lines: unknown.clone(), ..Judgement::unknown("not everything could be compared") };
    }
    if let Some(why) = nothing {
        return Judgement { lines: beyond.clone(), ..Judgement::unknown(format!("nothing could be compared: {why}")) };
    }
    Judgement { lines: beyond.clone(), ..Judgement::passed(format!("as before: {there}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::PageFacts;
    use crate::storage::examples::ps;
    use crate::verify::check::VerifyVerdict;

    fn page(active: u64) -> Evidence {
        Evidence::Page(ps(active).page())
    }

    fn members(list: &[(&str, u64)]) -> BTreeMap<String, Evidence> {
        list.iter().map(|(path, active)| ((*path).to_owned(), page(*active))).collect()
    }

    #[test]
    fn what_is_gone_is_told_apart_from_what_was_not_looked_at() {
        let saved = Saved::new(
            "t".into(),
            "c",
            members(&[("a/gone-0", 1), ("a/less-0", 2), ("a/mute-0", 1), ("a/same-0", 1), ("b/x-0", 1), ("c/x-0", 1)]),
        );
        let now = members(&[("a/less-0", 1), ("a/new-0", 1), ("a/same-0", 1)]);
        let checks = saved.compared(&now, |path| match path {
            "a/gone-0" => Coverage::Gone,
            "b/x-0" => Coverage::Outside,
            "c/x-0" => Coverage::PassedOver,
            _ => Coverage::Asked,
        });
        let said: Vec<_> = checks.iter().map(|check| (check.member.as_str(), check.verdict)).collect();
        let expected = [
            ("gone-0", VerifyVerdict::Failed),
            ("less-0", VerifyVerdict::Failed),
            ("mute-0", VerifyVerdict::Unknown),
            ("same-0", VerifyVerdict::Passed),
            ("x-0", VerifyVerdict::Skipped),
            ("x-0", VerifyVerdict::Unknown),
            ("new-0", VerifyVerdict::Skipped),
        ];
        assert_eq!(said, expected);
        assert_eq!(checks[1].lines, ["active tenants: 1 of 2 before"]);
    }

    /// A comparison of nothing is never "as before".
    #[test]
    fn a_baseline_that_names_nothing_is_no_pass() {
        let empty =
            BTreeMap::from([("a/p-0".to_owned(), Evidence::Page(PageFacts::default())), ("a/q-0".to_owned(), page(0))]);
        let saved = Saved::new("t".into(), "c", empty.clone());
        let checks = saved.compared(&empty, |_| Coverage::Asked);
        let expected = [
            "nothing could be compared: its status endpoint served no metrics before",
            "nothing could be compared: its metrics named no active tenant before",
        ];
        assert_eq!(checks.iter().map(|check| check.reason.as_str()).collect::<Vec<_>>(), expected);
        assert!(checks.iter().all(|check| check.verdict == VerifyVerdict::Unknown));
    }

    #[test]
    fn a_file_is_read_as_it_was_written_and_anything_else_is_refused() {
        let saved = Saved::new("2026-01-01T00:00:00Z".into(), "c", members(&[("a/b-0", 1)]));
        let text = saved.to_text().unwrap();
        assert_eq!(Saved::parse(&text).unwrap(), saved);
        let later = text.replace("v1beta1", "v9");
        for (text, why) in [("", "EOF"), ("{}", "missing field"), (later.as_str(), "v9")] {
            let error = Saved::parse(text).unwrap_err();
            assert!(error.why[0].contains(why), "{error:?}");
        }
    }

    /// Each judgement has the lines of its kind.
    #[test]
    fn a_judgement_names_what_it_is_about() {
        let lines = |text: &str| vec![text.to_owned()];
        let all = Difference {
            missing: lines("table a is gone"),
            unknown: lines("table b is locked"),
            nothing: Some("it was empty".into()),
            there: "1 table".into(),
            beyond: lines("2 of 9 databases"),
            ..Difference::default()
        };
        let unknown = Difference { missing: vec![], ..all.clone() };
        let nothing = Difference { unknown: vec![], ..unknown.clone() };
        let there = Difference { nothing: None, ..nothing.clone() };
        for (difference, verdict, reason, line) in [
            (all, VerifyVerdict::Failed, "data present before is missing", "table a is gone"),
            (unknown, VerifyVerdict::Unknown, "not everything could be compared", "table b is locked"),
            (nothing, VerifyVerdict::Unknown, "nothing could be compared: it was empty", "2 of 9 databases"),
            (there, VerifyVerdict::Passed, "as before: 1 table", "2 of 9 databases"),
        ] {
            let judged = judged(&difference);
            assert_eq!((judged.verdict, &*judged.reason, judged.lines), (verdict, reason, lines(line)));
        }
        // A member that is gone, with what it held.
        let saved = Saved::new("t".into(), "c", members(&[("a/gone-0", 1)]));
        let checks = saved.compared(&BTreeMap::new(), |_| Coverage::Gone);
        assert_eq!(checks[0].lines, [page(1).summary()]);
    }
}
