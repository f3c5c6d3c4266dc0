//! Lists of objects, each decoded as its bytes arrive, so that neither a page nor the list is kept as text.
//!
//! A consistent list, and one across namespaces, comes in pages, all of one version of the cluster. Any other cached list
//! is a single response: API servers ignore `limit` for `resourceVersion=0`, so that the first byte of a large one comes
//! late. What is read but not wanted is dropped at once.

use std::collections::BTreeSet;
use std::io;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::{AsyncBufRead, AsyncBufReadExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ListParams, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Cluster;
use super::body_limit::{LARGEST_ANSWER, LONGEST_LINE, MOST_OBJECTS, Share, TooLarge, objects_in};
use super::connect::REQUEST;
use super::failure::{self, Failure};
use super::freshness::Freshness;
use super::list_json::{ListFacts, Splitter, namespace_of};
use super::packed::Keep;
use super::transport::Streamed;

/// Objects per page of a consistent list.
const PAGE: u32 = 500;

/// Objects per page of a list across namespaces: a status of thousands of pods takes fewer than 20 requests.
const LARGE_PAGE: u32 = 1000;

/// Most pages of a list: a million objects.
const MOST_PAGES: usize = 2000;

/// Most bytes of objects that are kept of one list, as JSON: about 40,000 pods.
const MOST_KEPT: usize = 192 << 20;

/// An object takes at least so many bytes of memory, however small its JSON is, and each object in its arrays so many.
const LEAST: usize = 1 << 10;
const LEAST_INNER: usize = 1 << 8;

/// How often a list is read page by page if its pages expire; then it is read in one response.
const STARTS: usize = 2;

/// How often a page is read if the connection breaks in the middle of it.
const TRIES: usize = 2;

/// What to list, and how.
pub(super) struct Listing<'l> {
    pub(super) cluster: &'l Cluster,
    /// Path of the list.
    pub(super) url: &'l str,
    /// What the server selects.
    pub(super) selected: ListParams,
    pub(super) freshness: Freshness,
    /// Whether only metadata is needed.
    pub(super) metadata_only: bool,
    /// Objects of other namespaces are dropped.
    pub(super) namespaces: Option<&'l BTreeSet<&'l str>>,
    /// Without `--request-timeout`: the time until the first object, and for every 500 objects. While other lists
    /// respond, one that does not has no more than that for long.
    pub(super) deadline: Duration,
}

/// An object of which only the metadata was listed.
#[derive(Debug, Deserialize)]
pub(super) struct OnlyMetadata {
    pub(super) metadata: ObjectMeta,
}

impl Listing<'_> {
    /// Reads all objects; `each` sees each of them first.
    ///
    /// # Errors
    /// The server refused, did not respond in time, or its response is not a list.
    pub(super) async fn read<K: DeserializeOwned + Send, L: Keep<K>>(
        &self,
        each: impl FnMut(&mut K) + Send,
    ) -> Result<L, Failure> {
        let mut found = Decoded { objects: L::default(), each, size: 0, share: Share::default(), kind: PhantomData };
        let seen = AtomicU32::new(0);
        let limits = || self.limits(seen.load(Ordering::Relaxed));
        match self.cluster.tempo.limited(limits, self.collect(&mut found, &seen)).await {
            Ok(read) => read?,
            Err(after) => return Err(Failure::timed_out(after)),
        }
        found.objects.fit();
        Ok(found.objects)
    }

    /// Returns the time limits of the list after so many objects: without `--request-timeout`, and the one in force. A
    /// server that sends little at a time does not delay a command for long.
    fn limits(&self, seen: u32) -> (Duration, Duration) {
        let share = self.deadline.saturating_mul(1 + seen / PAGE).min(REQUEST.max(self.deadline));
        (share, self.cluster.limit(share))
    }

    async fn collect(&self, into: &mut dyn Collect, seen: &AtomicU32) -> Result<(), Failure> {
        let whole = match self.freshness {
            Freshness::Cached if self.namespaces.is_none() => self.selected.clone().at("0"),
            Freshness::Cached | Freshness::Consistent => {
                for _ in 0..STARTS {
                    match self.in_pages(into, seen).await {
                        Ok(true) => return Ok(()),
                        Ok(false) => into.truncate(0),
                        Err(failure) => return Err(failure),
                    }
                }
                self.selected.clone()
            }
        };
        self.page(&whole, into, seen).await.map(drop)
    }

    /// Reads page by page; returns whether all pages showed the same version. Pages expire on the server.
    async fn in_pages(&self, into: &mut dyn Collect, seen: &AtomicU32) -> Result<bool, Failure> {
        let mut next = self.selected.clone().limit(if self.namespaces.is_some() { LARGE_PAGE } else { PAGE });
        let mut first = None;
        for _ in 0..MOST_PAGES {
            let page = match self.page(&next, into, seen).await {
                Err(failure) if failure.code == 410 && next.continue_token.is_some() => return Ok(false),
                page => page?,
            };
            if *first.get_or_insert_with(|| page.version.clone()) != page.version {
                return Ok(false);
            }
            match page.resume {
                Some(token) => next = next.continue_token(&token),
                None => return Ok(true),
            }
        }
        Err(Failure::of(kube::Error::Service(Box::new(TooLarge::Bytes(MOST_KEPT)))))
    }

    /// Reads one response; once more if the connection breaks in the middle of it.
    async fn page(&self, params: &ListParams, into: &mut dyn Collect, seen: &AtomicU32) -> Result<ListFacts, Failure> {
        let before = into.count();
        let mut tries = 1;
        loop {
            match self.response(params, into, seen).await {
                Err(Interrupted::Broken(error)) if tries < TRIES && failure::broke(&error) => {
                    into.truncate(before);
                    tries += 1;
                }
                Err(Interrupted::Broken(error)) => return Err(Failure::of(kube::Error::Service(Box::new(error)))),
                Err(Interrupted::Failed(failure)) => return Err(failure),
                Ok(facts) => return Ok(facts),
            }
        }
    }

    async fn response(
        &self,
        params: &ListParams,
        into: &mut dyn Collect,
        seen: &AtomicU32,
    ) -> Result<ListFacts, Interrupted> {
        let list = Request::new(self.url);
        let request = if self.metadata_only { list.list_metadata(params) } else { list.list(params) };
        let mut request = request.map_err(|error| Failure::of(kube::Error::BuildRequest(error)))?;
        request.extensions_mut().insert(Streamed);

        let body = self.cluster.client().request_stream(request).await.map_err(Failure::of)?;
        let (mut body, mut splitter) = (pin!(body), Splitter::default());
        let (mut length, mut objects) = (0_usize, 0_usize);
        loop {
            let bytes = body.fill_buf().await?;
            if bytes.is_empty() {
                break;
            }
            length = length.saturating_add(bytes.len());
            if length > LARGEST_ANSWER {
                return Err(too_large(TooLarge::Bytes(LARGEST_ANSWER)));
            }
            splitter.feed(bytes, |object| {
                seen.fetch_add(1, Ordering::Relaxed);
                let wanted = self.namespaces.is_none_or(|wanted| {
                    namespace_of(object).is_some_and(|namespace| wanted.contains(namespace.as_str()))
                });
                let inner = if wanted { objects_in(object).map_err(too_large)? } else { 0 };
                objects = objects.saturating_add(inner).saturating_add(1);
                if objects > MOST_OBJECTS {
                    return Err(too_large(TooLarge::Objects(MOST_OBJECTS)));
                }
                if object.len() > LONGEST_LINE {
                    return Err(too_large(TooLarge::Bytes(LONGEST_LINE)));
                }
                if wanted { into.object(object, inner) } else { Ok(()) }
            })?;
            if splitter.kept() > LONGEST_LINE {
                return Err(too_large(TooLarge::Bytes(LONGEST_LINE)));
            }
            let count = bytes.len();
            body.as_mut().consume(count);
        }
        Ok(splitter.finish()?)
    }
}

/// Why a response was not read to its end.
enum Interrupted {
    Broken(io::Error),
    Failed(Failure),
}

impl From<Failure> for Interrupted {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<io::Error> for Interrupted {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<serde_json::Error> for Interrupted {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(Failure::of(kube::Error::SerdeError(error)))
    }
}

fn too_large(limit: TooLarge) -> Interrupted {
    Interrupted::Failed(Failure::of(kube::Error::Service(Box::new(limit))))
}

/// Where objects go. Behind a pointer, so that the reading is compiled once.
trait Collect: Send {
    /// Takes in an object, with so many objects in its arrays.
    fn object(&mut self, json: &[u8], inner: usize) -> Result<(), Interrupted>;
    fn count(&self) -> usize;
    fn truncate(&mut self, count: usize);
}

struct Decoded<K, L, F> {
    objects: L,
    each: F,
    /// Size of the objects as JSON.
    size: usize,
    /// The same, among all lists that are being read.
    share: Share,
    kind: PhantomData<fn() -> K>,
}

impl<K: DeserializeOwned + Send, L: Keep<K>, F: FnMut(&mut K) + Send> Collect for Decoded<K, L, F> {
    fn object(&mut self, json: &[u8], inner: usize) -> Result<(), Interrupted> {
        let size = json.len().max(LEAST).max(inner.saturating_mul(LEAST_INNER));
        self.size = self.size.saturating_add(size);
        if self.size > MOST_KEPT {
            return Err(too_large(TooLarge::Bytes(MOST_KEPT)));
        }
        self.share.add(size).map_err(too_large)?;
        let mut object = serde_json::from_slice(json)?;
        (self.each)(&mut object);
        self.objects.add(object)?;
        Ok(())
    }

    fn count(&self) -> usize {
        self.objects.count()
    }

    fn truncate(&mut self, count: usize) {
        self.objects.truncate(count);
        // What was dropped is part of the work, but a new start is not limited by it.
        if count == 0 {
            (self.size, self.share) = (0, Share::default());
        }
    }
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
