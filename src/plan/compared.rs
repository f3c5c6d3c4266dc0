//! What a component is compared with once it is back.

use serde::Serialize;

/// What a component is compared with once it is back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "source", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ComparedWith {
    /// What it said itself before the first change.
    Fresh {
        /// When it said so, RFC 3339.
        #[cfg_attr(test, schemars(extend("format" = "date-time")))]
        taken: String,
    },
    /// The last good baseline, which is stored in the cluster: it says nothing itself.
    Stored {
        /// When it was taken, RFC 3339.
        #[cfg_attr(test, schemars(extend("format" = "date-time")))]
        taken: String,
        /// What it holds, in words: `PostgreSQL 15.18: 2 databases, 1 table`.
        summary: String,
    },
    /// The baseline of an earlier act of the pod, which did not find all of it again.
    Inherited {
        /// The act that recorded it.
        from: String,
        /// When it was taken, RFC 3339.
        #[cfg_attr(test, schemars(extend("format" = "date-time")))]
        taken: String,
        /// What it holds, in words: `PostgreSQL 15.18: 2 databases, 1 table`.
        summary: String,
    },
    /// Nothing: whether its data is back cannot be proven.
    Nothing {
        /// Why, in words.
        reason: String,
    },
}

impl ComparedWith {
    /// When a stored baseline was taken, RFC 3339.
    pub fn stored(&self) -> Option<&str> {
        match self {
            Self::Stored { taken, .. } => Some(taken),
            Self::Fresh { .. } | Self::Inherited { .. } | Self::Nothing { .. } => None,
        }
    }

    /// What it is, as words that follow "compared with", and when it was taken, RFC 3339; `None` if it was taken just now,
    /// or there is none. What is missing of such a one may have been removed on purpose since.
    pub fn earlier(&self) -> Option<(String, &str)> {
        match self {
            Self::Stored { taken, .. } => Some(("the stored baseline".to_owned(), taken)),
            Self::Inherited { from, taken, .. } => Some((format!("the recorded baseline ({from})"), taken)),
            Self::Fresh { .. } | Self::Nothing { .. } => None,
        }
    }
}
