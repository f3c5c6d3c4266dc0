//! The kinds of document: which there are, what prints each, and its JSON Schema.

use serde::Serialize;

/// Each kind with the command that prints it, and what it is.
macro_rules! kinds {
    ($($kind:ident, $printed_by:literal, $description:literal;)+) => {
        /// A kind of document.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum Kind {
            $(#[doc = $description] $kind,)+
        }

        impl Kind {
            /// All of them, in the order of the commands.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// As `kind` has it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => stringify!($kind),)+
                }
            }

            /// The command that prints it, or where it is kept.
            pub fn printed_by(self) -> &'static str {
                match self {
                    $(Self::$kind => $printed_by,)+
                }
            }

            /// What it is, in one sentence.
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$kind => $description,)+
                }
            }

            /// The same, parsed: a file of ours, which a test holds to be JSON.
            pub fn parsed_schema(self) -> serde_json::Value {
                serde_json::from_str(self.schema()).unwrap_or_default()
            }

            /// Its JSON Schema: schema/KIND.json.
            pub fn schema(self) -> &'static str {
                match self {
                    $(Self::$kind => include_str!(concat!("../../../schema/", stringify!($kind), ".json")),)+
                }
            }
        }
    };
}

kinds! {
    Status, "status", "The health of SynxDB, and each of its members.";
    FailoverPlan, "failover, first", "What a failover will do, what was checked, and how the recovery will be verified.";
    FailoverEvent, "failover, while it runs", "Something that happened in a failover.";
    FailoverResult, "failover, last", "How a failover ended.";
    UndoPlan, "undo, first", "What an undo will do, what was checked, and how the recovery will be verified.";
    UndoEvent, "undo, while it runs", "Something that happened in an undo.";
    UndoResult, "undo, last", "How an undo ended.";
    History, "history", "The failovers and undos on record, and the volumes they retained.";
    Release, "release", "The volumes that were released, so that Kubernetes may remove them.";
    Verification, "verify", "Whether each component responds and its data is intact.";
    Forward, "forward", "A local port that is open, and where it leads.";
    LayoutCheck, "layout check", "Which pods the layout recognizes, and which fit no rule.";
    Sandbox, "sandbox, when it is ready", "A practice cluster, and how to reach it.";
    Scenarios, "sandbox --list", "The scenarios of the practice cluster.";
    Version, "version", "The plugin's version.";
    SchemaList, "schema", "Every kind of document, with its JSON Schema.";
    Error, "failover, undo, release or forward, last, where it fails",
        "Why a command failed, and what to do next.";
    Baseline, "verify --save FILE, into that file", "What an installation held at one moment, to be compared with later.";
    StoredBaseline, "verify, failover or undo, in a ConfigMap of each member",
        "What a member held when it was last verified: what it is compared with if it is down before a failover.";
    Record, "failover or undo, on each volume, or in the local journal",
        "A failover or an undo on record: all that it takes to resume and to undo it.";
}

impl Kind {
    /// The kind that is meant by this word: `FailoverPlan`, `failoverplan`, `failover-plan`, `schema/FailoverPlan`.
    pub fn parse(typed: &str) -> Option<Self> {
        let bare = |word: &str| word.replace(['-', '_'], "").to_ascii_lowercase();
        let typed = bare(typed.strip_prefix("schema/").unwrap_or(typed));
        Self::ALL.iter().copied().find(|kind| bare(kind.name()) == typed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_however_it_is_written() {
        for kind in Kind::ALL {
            let name = kind.name();
            for typed in [name.to_owned(), name.to_lowercase(), name.to_uppercase(), format!("schema/{name}")] {
                assert_eq!(Kind::parse(&typed), Some(*kind), "{typed}");
            }
        }
        assert_eq!(Kind::parse("failover-plan"), Some(Kind::FailoverPlan));
        assert_eq!((Kind::parse("failover"), Kind::parse("")), (None, None));
    }
}
