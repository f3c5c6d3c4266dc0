//! Safekeepers and pageservers for tests.

use super::facts::{Idle, Layers, Metrics, PageFacts, PageserverFacts, SafekeeperFacts, TimelineId, Wal};
use super::reading::Reading;
use super::readings::Readings;

/// A safekeeper.
#[derive(Clone)]
pub(crate) struct Sk(Reading);

/// One of this identity, without a timeline.
pub(crate) fn sk(id: u64) -> Sk {
    let facts = SafekeeperFacts { total: Some(0), active: Some(0), ..SafekeeperFacts::default() };
    let said = PageFacts { id: Some(id), metrics: Some(Metrics::Safekeeper(facts)), ..PageFacts::default() };
    Sk(Reading { pod: format!("safekeeper-{}", id - 1), said: Ok(said) })
}

impl Sk {
    pub(crate) fn change(mut self, change: impl FnOnce(&mut SafekeeperFacts)) -> Self {
        if let Ok(PageFacts { metrics: Some(Metrics::Safekeeper(facts)), .. }) = &mut self.0.said {
            change(facts);
        }
        self
    }

    pub(crate) fn id(mut self, id: u64) -> Self {
        if let Ok(page) = &mut self.0.said {
            page.id = Some(id);
        }
        self
    }

    pub(crate) fn without_id(mut self) -> Self {
        if let Ok(page) = &mut self.0.said {
            page.id = None;
        }
        self
    }

    /// With this active timeline, or with it as it is now.
    pub(crate) fn timeline(self, id: &str, flush: u64, commit: u64, term: u64) -> Self {
        self.change(|facts| {
            let wal = Wal { flush_lsn: Some(flush), commit_lsn: Some(commit), term: Some(term), ..Wal::default() };
            if facts.timelines.insert(TimelineId::from(id.to_owned()), wal).is_none() {
                facts.total = facts.total.map(|total| total + 1);
                facts.active = facts.active.map(|active| active + 1);
            }
        })
    }

    /// With this timeline idle.
    pub(crate) fn without(self, id: &str) -> Self {
        self.change(|facts| {
            if facts.timelines.remove(&TimelineId::from(id.to_owned())).is_some() {
                facts.active = facts.active.map(|active| active - 1);
            }
        })
    }

    pub(crate) fn forget(self, id: &str, forget: impl FnOnce(&mut Wal)) -> Self {
        self.change(|facts| forget(facts.timelines.get_mut(&TimelineId::from(id.to_owned())).unwrap()))
    }

    pub(crate) fn computes(self, id: &str, computes: u64) -> Self {
        self.forget(id, |wal| wal.computes = Some(computes))
    }

    pub(crate) fn total(self, total: u64) -> Self {
        self.change(|facts| facts.total = Some(total))
    }

    pub(crate) fn without_total(self) -> Self {
        self.change(|facts| facts.total = None)
    }

    /// The result of using a token.
    pub(crate) fn idle(self, idle: Idle) -> Self {
        self.change(|facts| facts.idle = idle)
    }

    pub(crate) fn left_out(self, number: u64) -> Self {
        self.change(|facts| facts.left_out = number)
    }

    pub(crate) fn down(mut self) -> Self {
        self.0.said = Err("connection refused".into());
        self
    }

    pub(crate) fn unread(mut self) -> Self {
        if let Ok(page) = &mut self.0.said {
            page.metrics = None;
            page.unread = Some("/metrics returned 401 Unauthorized".into());
        }
        self
    }

    pub(crate) fn page(self) -> PageFacts {
        self.0.said.unwrap()
    }

    /// Named by its identity, if it has one.
    pub(crate) fn reading(self) -> Reading {
        let id = self.0.said.as_ref().ok().and_then(|page| page.id);
        let pod = id.map_or(self.0.pod, |id| format!("safekeeper-{}", id - 1));
        Reading { pod, said: self.0.said }
    }
}

/// All safekeepers there are, named by their order.
pub(crate) fn readings(safekeepers: impl IntoIterator<Item = Sk>) -> Readings {
    let named = |(number, Sk(reading)): (usize, Sk)| Reading { pod: format!("safekeeper-{number}"), ..reading };
    Readings { safekeepers: safekeepers.into_iter().enumerate().map(named).collect(), ..Readings::default() }
}

/// A pageserver.
#[derive(Clone)]
pub(crate) struct Ps(PageFacts);

/// One with so many active tenants, all of it in remote storage.
pub(crate) fn ps(active: u64) -> Ps {
    let facts = PageserverFacts {
        tenants: [("Active".to_owned(), active), ("Broken".to_owned(), 0)].into(),
        active_timelines: Some(0),
        remote_bytes: Some(1 << 30),
        data_loss_suspected: Some(false),
        ..PageserverFacts::default()
    };
    Ps(PageFacts { id: Some(1), metrics: Some(Metrics::Pageserver(facts)), ..PageFacts::default() })
}

impl Ps {
    pub(crate) fn change(mut self, change: impl FnOnce(&mut PageserverFacts)) -> Self {
        if let Some(Metrics::Pageserver(facts)) = &mut self.0.metrics {
            change(facts);
        }
        self
    }

    /// With this active timeline, or with it as it is now.
    pub(crate) fn timeline(self, id: &str, last_record: u64, remote: u64) -> Self {
        self.change(|facts| {
            let layers = Layers { last_record_lsn: Some(last_record), remote_consistent_lsn: Some(remote) };
            if facts.timelines.insert(TimelineId::from(id.to_owned()), layers).is_none() {
                facts.active_timelines = facts.active_timelines.map(|active| active + 1);
            }
        })
    }

    pub(crate) fn page(self) -> PageFacts {
        self.0
    }

    pub(crate) fn reading(self) -> Reading {
        Reading { pod: "pageserver-0".into(), said: Ok(self.0) }
    }
}
