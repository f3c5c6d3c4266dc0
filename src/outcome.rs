//! How an operation can end: the one table of the words that text, documents, history and the exit codes share.

use crate::error::Exit;
use serde::{Deserialize, Serialize};

/// How a failover or an undo ended, without the reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The pod is new and Ready, its claims are Bound, it answers, and what was there before is there.
    Recovered,
    /// The pod is new and Ready; verification was switched off (`--no-verify`).
    Replaced,
    /// The pod is new and Ready; whether the component and its data are back is unknown.
    Unverified,
    /// The pod is new and Ready; something that was there before is missing.
    DataMissing,
    /// The pod is new and Ready; its component was still fetching data when the time was up.
    CatchingUp,
    /// It has not recovered within the time given.
    TimedOut,
    /// The cluster was not as planned; nothing further was changed.
    ClusterChanged,
    /// A request failed for good.
    Failed,
    /// The user ended it.
    Interrupted,
    /// It has not ended: it is running, or was interrupted. Of records alone: a result never is.
    Unfinished,
}

/// A row of the table.
struct Row {
    /// The first words of the result in text; in lower case, the outcome in `history`.
    text: &'static str,
    /// The exit code; `None` if the error has its own, or the operation has not ended.
    exit: Option<Exit>,
}

impl Outcome {
    /// All of them, as the table has them.
    pub const ALL: [Self; 10] = [
        Self::Recovered,
        Self::Replaced,
        Self::Unverified,
        Self::DataMissing,
        Self::CatchingUp,
        Self::TimedOut,
        Self::ClusterChanged,
        Self::Failed,
        Self::Interrupted,
        Self::Unfinished,
    ];

    fn row(self) -> Row {
        let (text, exit) = match self {
            Self::Recovered => ("Recovered", Some(Exit::Yes)),
            Self::Replaced => ("Replaced", Some(Exit::Yes)),
            Self::Unverified => ("Unverified", Some(Exit::Degraded)),
            Self::DataMissing => ("Data missing", Some(Exit::VerificationFailed)),
            Self::CatchingUp => ("Catching up", Some(Exit::Degraded)),
            Self::TimedOut => ("Timed out", Some(Exit::TimedOut)),
            Self::ClusterChanged => ("Cluster changed", Some(Exit::Refused)),
            Self::Failed => ("Failed", None),
            Self::Interrupted => ("Interrupted", Some(Exit::Interrupted)),
            Self::Unfinished => ("Unfinished", None),
        };
        Row { text, exit }
    }

    /// Returns the outcome as the first words of a result: `Data missing`.
    pub fn text(self) -> &'static str {
        self.row().text
    }

    /// Returns the outcome within a line: `data missing`.
    pub fn lowercase(self) -> String {
        self.text().to_lowercase()
    }

    /// Returns the exit code of a command that ended so; `None` if the error that it failed with has its own, or the
    /// operation has not ended.
    pub fn exit(self) -> Option<Exit> {
        self.row().exit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The word of a document is the text in one word: who knows one knows the other.
    #[test]
    fn the_text_and_the_value_in_documents_are_one_word() {
        for outcome in Outcome::ALL {
            let value = serde_json::to_value(outcome).unwrap();
            let capital = outcome.text().split(' ').map(|word| {
                let (first, rest) = word.split_at(1);
                format!("{}{rest}", first.to_uppercase())
            });
            let pascal: String = capital.collect();
            let (first, rest) = pascal.split_at(1);
            assert_eq!(value, format!("{}{rest}", first.to_lowercase()), "{outcome:?}");
            assert_eq!(outcome.lowercase(), outcome.text().to_lowercase());
        }
    }

    /// Only what is known to be well, or was not to be verified, ends with 0.
    #[test]
    fn each_outcome_has_its_exit_code() {
        let codes = Outcome::ALL.map(|outcome| outcome.exit().map(Exit::code));
        let expected = [Some(0), Some(0), Some(8), Some(7), Some(8), Some(6), Some(4), None, Some(130), None];
        assert_eq!(codes, expected);
    }
}
