//! What a recovered component is compared with.

use serde::Serialize;

/// What a recovered component is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "source", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ComparedWith {
    /// The baseline that the component gave itself before the first change.
    Fresh {
        /// When it was taken, RFC 3339.
        #[cfg_attr(test, schemars(extend("format" = "date-time")))]
        taken: String,
    },
    /// The last good baseline, stored in the cluster: the component did not respond itself.
    Stored {
        /// When it was taken, RFC 3339.
        #[cfg_attr(test, schemars(extend("format" = "date-time")))]
        taken: String,
        /// What it holds: `PostgreSQL 15.18: 2 databases, 1 table`.
        summary: String,
    },
    /// The baseline of an earlier operation on the pod, which did not find all of it again.
    Inherited {
        /// The operation that recorded it.
        from: String,
        /// When it was taken, RFC 3339.
        #[cfg_attr(test, schemars(extend("format" = "date-time")))]
        taken: String,
        /// What it holds: `PostgreSQL 15.18: 2 databases, 1 table`.
        summary: String,
    },
    /// Nothing: its data cannot be verified.
    #[serde(rename = "none")]
    Nothing {
        /// The reason.
        reason: String,
    },
}

impl ComparedWith {
    /// Returns when a stored baseline was taken, RFC 3339.
    pub fn stored(&self) -> Option<&str> {
        match self {
            Self::Stored { taken, .. } => Some(taken),
            Self::Fresh { .. } | Self::Inherited { .. } | Self::Nothing { .. } => None,
        }
    }

    /// Returns an earlier baseline, as text that follows "compared with", and when it was taken, RFC 3339; `None` if it was
    /// taken just now or there is none. Data missing since an earlier one may have been removed on purpose.
    pub fn earlier(&self) -> Option<(String, &str)> {
        match self {
            Self::Stored { taken, .. } => Some(("the stored baseline".to_owned(), taken)),
            Self::Inherited { from, taken, .. } => Some((format!("the recorded baseline ({from})"), taken)),
            Self::Fresh { .. } | Self::Nothing { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A comparison with an older baseline says so; one that was taken just now needs no name.
    #[test]
    fn only_an_older_baseline_is_named() {
        let taken = || "2026-01-01T00:00:00Z".to_owned();
        let summary = String::new;
        let stored = ComparedWith::Stored { taken: taken(), summary: summary() };
        let inherited = ComparedWith::Inherited { from: "f1".into(), taken: taken(), summary: summary() };
        let fresh = ComparedWith::Fresh { taken: taken() };
        let nothing = ComparedWith::Nothing { reason: String::new() };
        let time = taken();
        for (with, is_stored, earlier) in [
            (stored, Some(time.as_str()), Some("the stored baseline")),
            (inherited, None, Some("the recorded baseline (f1)")),
            (fresh, None, None),
            (nothing, None, None),
        ] {
            assert_eq!(with.stored(), is_stored, "{with:?}");
            assert_eq!(with.earlier(), earlier.map(|what| (what.to_owned(), time.as_str())), "{with:?}");
        }
    }
}
