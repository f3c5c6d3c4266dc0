//! Requests digests of the WAL that several safekeepers have in common, from those that get the token. The amount is
//! limited, since each of them has to read it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::http::body;
use super::page_access::{PageAccess, Shown};
use super::page_stream;
use super::trouble::ProbeError;
use crate::cluster::{Cluster, error_text};
use crate::duration::after;
use crate::storage::digests::{self, Digest, Digests, Extent, Stretch};
use crate::storage::words::lsn;
use crate::storage::{Reading, TimelineId, idle};
use crate::topology::layout::StatusEndpoint;

/// Largest response accepted, in bytes.
const LARGEST: usize = 64 << 10;

/// Requests the digests of the WAL that, according to their `readings`, several safekeepers have in common. Empty if
/// fewer than two of them get the token.
pub(crate) async fn digests(
    cluster: &Cluster,
    namespace: &str,
    safekeepers: &[(&str, &StatusEndpoint)],
    readings: &[&Reading],
    deadline: Duration,
    token: &PageAccess,
) -> Digests {
    let asked: Vec<Asked<'_>> = safekeepers
        .iter()
        .map(|(pod, endpoint)| Asked {
            cluster,
            namespace,
            pod,
            endpoint,
            access: token,
            shown: token.for_pod(namespace, pod),
        })
        .filter(|asked| matches!(asked.shown, Shown::Token(_)))
        .collect();
    let has = |pod: &str, id: &TimelineId| {
        let reading = readings.iter().find(|reading| reading.pod == pod);
        reading.and_then(|reading| reading.safekeeper()?.1.wal(id)).is_some()
    };
    let of_those: Vec<&Reading> =
        readings.iter().copied().filter(|reading| asked.iter().any(|asked| asked.pod == reading.pod)).collect();
    let (timelines, left_out) = digests::timelines(&of_those);
    if timelines.is_empty() {
        return Digests::default();
    }
    let deadline = cluster.lengthened(deadline);
    let until = after(Instant::now(), deadline);
    // Only its status tells where each begins.
    let extents = asked.iter().map(|asked| {
        let own = timelines.iter().filter(|id| has(asked.pod, id)).cloned().collect();
        asked.extents(own, until, deadline)
    });
    let extents = futures::future::join_all(extents).await;
    let mut found = Digests { left_out, ..Digests::default() };
    let mut known: BTreeMap<&TimelineId, BTreeMap<String, Extent>> = BTreeMap::new();
    for (asked, extents) in asked.iter().zip(extents) {
        for (id, extent) in extents {
            match (extent, timelines.iter().find(|known| **known == id)) {
                (Ok(Some(extent)), Some(id)) => {
                    known.entry(id).or_default().insert(asked.pod.to_owned(), extent);
                }
                (Err(why), Some(_)) => found.unknown.push((asked.pod.to_owned(), why)),
                // It was deleted in the meantime.
                (Ok(None), _) | (_, None) => {}
            }
        }
    }
    let stretches: Vec<Stretch> = known.iter().filter_map(|(id, extents)| digests::stretch(id, extents)).collect();
    let answers = asked.iter().map(|asked| {
        let own = stretches.iter().filter(|stretch| stretch.on.contains(asked.pod)).cloned().collect();
        asked.digests(own, until, deadline)
    });
    let mut answers: Vec<(&str, std::vec::IntoIter<Digest>)> = asked
        .iter()
        .map(|asked| asked.pod)
        .zip(futures::future::join_all(answers).await.into_iter().map(Vec::into_iter))
        .collect();
    found.answers = stretches
        .into_iter()
        .map(|stretch| {
            let of = answers.iter_mut().filter(|(pod, _)| stretch.on.contains(*pod));
            let told = of.filter_map(|(pod, digests)| Some(((*pod).to_owned(), digests.next()?))).collect();
            (stretch, told)
        })
        .collect();
    found
}

/// A safekeeper that gets the token.
struct Asked<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    pod: &'a str,
    endpoint: &'a StatusEndpoint,
    access: &'a PageAccess,
    shown: Shown,
}

impl Asked<'_> {
    /// Returns the WAL that it has of these timelines; `None` for one that it does not have.
    async fn extents(
        &self,
        timelines: BTreeSet<TimelineId>,
        until: Instant,
        deadline: Duration,
    ) -> Vec<(TimelineId, Result<Option<Extent>, String>)> {
        let paths: Vec<(TimelineId, String)> =
            timelines.into_iter().filter_map(|id| idle::path(&id).map(|path| (id, path))).collect();
        let pages = self.pages(paths.iter().map(|(_, path)| path.clone()).collect(), until, deadline).await;
        let extent = |((id, path), page): ((TimelineId, String), Result<Option<String>, String>)| {
            let extent = page.and_then(|page| match page.map(|text| idle::extent(&text)) {
                None => Ok(None),
                Some(Ok(Some(extent))) => Ok(Some(extent)),
                Some(Ok(None)) => Err(format!("{path} does not report which WAL it covers")),
                Some(Err(why)) => Err(format!("{path}: {why}")),
            });
            (id, extent)
        };
        paths.into_iter().zip(pages).map(extent).collect()
    }

    /// Returns the digests of these stretches, in their order.
    async fn digests(&self, stretches: Vec<Stretch>, until: Instant, deadline: Duration) -> Vec<Digest> {
        let path = |stretch: &Stretch| {
            let path = idle::path(&stretch.timeline).unwrap_or_default();
            format!("{path}/digest?from_lsn={}&until_lsn={}", lsn(stretch.from), lsn(stretch.until))
        };
        let pages = self.pages(stretches.iter().map(path).collect(), until, deadline).await;
        let digest = |page: Result<Option<String>, String>| match page.map(|page| page.map(|text| idle::digest(&text)))
        {
            Ok(Some(Ok(digest))) => Digest::Is(digest),
            Ok(Some(Err(malformed))) => Digest::Unknown(malformed.to_string()),
            Err(why) => Digest::Unknown(why),
            Ok(None) => Digest::NotServed,
        };
        pages.into_iter().map(digest).collect()
    }

    /// Reads these pages, one after the other over one connection; `None` for one that does not exist. Pages that
    /// cannot be requested any more get the reason.
    async fn pages(
        &self,
        paths: Vec<String>,
        until: Instant,
        deadline: Duration,
    ) -> Vec<Result<Option<String>, String>> {
        if paths.is_empty() {
            return Vec::new();
        }
        let mut read = Vec::new();
        let mut why = None;
        match tokio::time::timeout_at(until, self.connection(deadline)).await {
            Ok(Ok((mut sender, _driver))) => {
                for path in &paths {
                    let asked = body(&mut sender, (self.pod, &self.shown), path, LARGEST);
                    match tokio::time::timeout_at(until, asked).await {
                        // An error concerns only this page.
                        Ok(page) => read.push(page),
                        Err(_) => {
                            why = Some(ProbeError::late(deadline).reason);
                            break;
                        }
                    }
                }
            }
            Ok(Err(reason)) => why = Some(reason),
            Err(_) => why = Some(ProbeError::late(deadline).reason),
        }
        let why = why.unwrap_or_default();
        read.extend(paths[read.len()..].iter().map(|_| Err(why.clone())).collect::<Vec<_>>());
        read
    }

    async fn connection(
        &self,
        deadline: Duration,
    ) -> Result<(SendRequest<Empty<Bytes>>, AbortOnDropHandle<()>), String> {
        let opened =
            page_stream::open(self.cluster, (self.namespace, self.pod), self.endpoint, deadline, self.access).await;
        let stream = opened.map_err(|no| no.reason)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error_text(&error))?;
        let driver = tokio::spawn(async {
            // If the connection fails, so do the remaining requests over it.
            let _ = connection.await;
        });
        Ok((sender, AbortOnDropHandle::new(driver)))
    }
}
