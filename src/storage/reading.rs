//! What one storage component said of itself.

use super::facts::{PageFacts, PageserverFacts, SafekeeperFacts};

/// What one component said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Its pod.
    pub pod: String,
    /// What it said, or why it said nothing, in words.
    pub said: Result<PageFacts, String>,
}

impl Reading {
    /// What its page and its metrics say, if these are a safekeeper's.
    pub fn safekeeper(&self) -> Option<(&PageFacts, &SafekeeperFacts)> {
        let facts = self.said.as_ref().ok()?;
        Some((facts, facts.safekeeper()?))
    }

    /// What its metrics say, if these are a pageserver's.
    pub fn pageserver(&self) -> Option<&PageserverFacts> {
        self.said.as_ref().ok()?.pageserver()
    }

    /// Why its metrics are not known, in words; `None` if they are, of whichever component.
    pub fn unread(&self) -> Option<String> {
        match &self.said {
            Err(why) => Some(why.clone()),
            Ok(PageFacts { metrics: Some(_), .. }) => None,
            Ok(PageFacts { unread, .. }) => Some(unread.clone().unwrap_or_else(|| "it serves no metrics".to_owned())),
        }
    }
}
