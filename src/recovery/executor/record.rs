//! The record of a run, written on its volumes within the size limit of their annotations.

use super::state::Executor;
use crate::cluster::Written;
use crate::cluster::annotations::{Annotated, Target};
use crate::error::Error;
use crate::plan::budget::{self, Fit, fit};
use crate::plan::{Record, annotation, settled};
use crate::suggestion::kubectl;
use std::collections::BTreeMap;

impl Executor<'_, '_> {
    /// Writes the record on a volume, with its reclaim policy in the same request if one is given. If there is no room
    /// otherwise, older records on it are shortened, but only if no client changed the volume since it was read.
    ///
    /// # Errors
    /// Not allowed, no response, or no room: other annotations fill the volume's limit.
    pub(super) async fn write_record(
        &mut self,
        volume: &str,
        uid: &str,
        policy: Option<&str>,
    ) -> Result<Written, Error> {
        let cluster = self.run.cluster;
        let record = Record { healed: self.healed, ..self.run.record.clone() };
        let seen = self.annotated(uid).unwrap_or_default();
        let mut fitted = None;
        let mut compose = |annotations: &BTreeMap<String, String>| {
            let fit = fit(&record, volume, annotations).map_err(|full| no_room(volume, full))?;
            let changes = fit.changes.clone();
            fitted = Some(fit);
            Ok(changes)
        };
        let written = cluster.change_annotations(Target { volume, uid, policy }, seen, &mut compose).await?;
        if let (Written::Done { .. }, Some(fitted)) = (&written, fitted) {
            self.note_fit(volume, &fitted);
        }
        Ok(written)
    }

    /// Marks an earlier operation's record as settled by this one. A record that is gone is settled.
    ///
    /// # Errors
    /// Not allowed, or no response.
    pub(super) async fn settle_record(&mut self, volume: &str, uid: &str, id: &str) -> Result<Written, Error> {
        let by = self.run.record.id.clone();
        let seen = self.annotated(uid).unwrap_or_default();
        let mut compose = |annotations: &BTreeMap<String, String>| {
            let key = annotation(id);
            let settled = annotations.get(&key).and_then(|text| settled(text, &by));
            Ok(settled.map(|text| (key, Some(text))).into_iter().collect())
        };
        let target = Target { volume, uid, policy: None };
        self.run.cluster.change_annotations(target, seen, &mut compose).await
    }

    /// Returns the annotations of a volume as they are watched; `None` if it is not watched.
    fn annotated(&self, uid: &str) -> Option<Annotated> {
        let volumes = self.watch.snapshot().volumes.items();
        volumes.iter().find(|volume| volume.metadata.uid.as_deref() == Some(uid)).map(Annotated::from)
    }

    /// Reports at once what is not stored, each once.
    fn note_fit(&mut self, volume: &str, fitted: &Fit) {
        if let Some(notice) = fitted.trimmed.notice(volume) {
            self.notice(notice);
        }
        if fitted.lost {
            self.note_loss(&format!("volume {volume}"));
        }
    }

    /// Reports that the baseline is not stored there.
    pub(super) fn note_loss(&mut self, place: &str) {
        let text = format!(
            "the baseline is too large to store on {place}: this run uses it, but a resumed run or an undo has \
             nothing to compare with"
        );
        if !self.notices.contains(&text) {
            self.notice(text);
        }
    }
}

fn no_room(volume: &str, full: budget::Full) -> Error {
    Error::refused(format!("volume {volume} has no room for the record"))
        .because(format!("its annotations would have {} bytes; the limit is {}", full.bytes, budget::MOST))
        .hint(kubectl("get pv").word(volume).flag("-o", "yaml").note("to see them"))
}
