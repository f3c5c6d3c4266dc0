//! What one storage component reported about itself.

use super::facts::{PageFacts, PageserverFacts, SafekeeperFacts};

/// What one component reported about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Its pod.
    pub pod: String,
    /// What it reported, or why it did not respond.
    pub said: Result<PageFacts, String>,
}

impl Reading {
    /// Returns its status and its metrics, if these are a safekeeper's.
    pub fn safekeeper(&self) -> Option<(&PageFacts, &SafekeeperFacts)> {
        let facts = self.said.as_ref().ok()?;
        Some((facts, facts.safekeeper()?))
    }

    /// Returns its metrics, if these are a pageserver's.
    pub fn pageserver(&self) -> Option<&PageserverFacts> {
        self.said.as_ref().ok()?.pageserver()
    }

    /// Returns why its metrics are unknown; `None` if they are known, whatever the component.
    pub fn unread(&self) -> Option<String> {
        match &self.said {
            Err(why) => Some(why.clone()),
            Ok(PageFacts { metrics: Some(_), .. }) => None,
            Ok(PageFacts { unread, .. }) => Some(unread.clone().unwrap_or_else(|| "it serves no metrics".to_owned())),
        }
    }
}
