//! Lists of objects, each decoded as its bytes arrive, so that neither a page nor the list is kept as text.
//!
//! A consistent list, and one across namespaces, comes in pages, all of one version of the cluster. Any other cached list
//! is a single response: API servers ignore `limit` for `resourceVersion=0`, so that the first byte of a large one comes
//! late. What is read but not wanted is dropped at once.

use std::collections::BTreeSet;
use std::io;
use std::pin::pin;
use std::time::Duration;

use futures::{AsyncBufRead, AsyncBufReadExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{ListParams, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::body_limit::{LONGEST_LINE, TooLarge};
use super::failure::{self, Failure};
use super::freshness::Freshness;
use super::list_json::{ListFacts, Splitter, namespace_of};
use super::transport::Streamed;

/// Objects per page of a consistent list.
const PAGE: u32 = 500;

/// Objects per page of a list across namespaces: a status of thousands of pods takes fewer than 20 requests.
const LARGE_PAGE: u32 = 1000;

/// Most pages of a list: a million objects.
const MOST_PAGES: usize = 2000;

/// Most objects in one response, wanted or not.
const MOST_SEEN: u32 = 1_000_000;

/// Most bytes of objects that are kept of one list, as JSON: about 50,000 pods.
const MOST_KEPT: usize = 256 << 20;

/// An object takes at least so many bytes of memory, however small its JSON is.
const LEAST: usize = 1 << 10;

/// How often a list is read page by page if its pages expire; then it is read in one response.
const STARTS: usize = 2;

/// How often a page is read if the connection breaks in the middle of it.
const TRIES: usize = 2;

/// What to list, and how.
pub(super) struct Listing<'l> {
    pub(super) client: Client,
    /// Path of the list.
    pub(super) url: &'l str,
    /// What the server selects.
    pub(super) selected: ListParams,
    pub(super) freshness: Freshness,
    /// Whether only metadata is needed.
    pub(super) metadata_only: bool,
    /// Objects of other namespaces are dropped.
    pub(super) namespaces: Option<&'l BTreeSet<&'l str>>,
    /// Time until the first object, and for every 500 objects.
    pub(super) deadline: Duration,
    /// Longest time of one response.
    pub(super) longest: Option<Duration>,
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
    pub(super) async fn read<K: DeserializeOwned + Send>(
        &self,
        each: impl FnMut(&mut K) + Send,
    ) -> Result<Vec<K>, Failure> {
        let mut found = Decoded { objects: Vec::new(), each, size: 0 };
        self.collect(&mut found).await?;
        found.objects.shrink_to_fit();
        Ok(found.objects)
    }

    async fn collect(&self, into: &mut dyn Collect) -> Result<(), Failure> {
        let whole = match self.freshness {
            Freshness::Cached if self.namespaces.is_none() => self.selected.clone().at("0"),
            Freshness::Cached | Freshness::Consistent => {
                for _ in 0..STARTS {
                    match self.in_pages(into).await {
                        Ok(true) => return Ok(()),
                        Ok(false) => into.truncate(0),
                        Err(failure) => return Err(failure),
                    }
                }
                self.selected.clone()
            }
        };
        self.page(&whole, into).await.map(drop)
    }

    /// Reads page by page; returns whether all pages showed the same version. Pages expire on the server.
    async fn in_pages(&self, into: &mut dyn Collect) -> Result<bool, Failure> {
        let mut next = self.selected.clone().limit(if self.namespaces.is_some() { LARGE_PAGE } else { PAGE });
        let mut first = None;
        for _ in 0..MOST_PAGES {
            let page = match self.page(&next, into).await {
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
        Err(too_large(MOST_KEPT))
    }

    /// Reads one response; once more if the connection breaks in the middle of it.
    async fn page(&self, params: &ListParams, into: &mut dyn Collect) -> Result<ListFacts, Failure> {
        let before = into.count();
        let mut tries = 1;
        loop {
            match self.response(params, into).await {
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

    async fn response(&self, params: &ListParams, into: &mut dyn Collect) -> Result<ListFacts, Interrupted> {
        let list = Request::new(self.url);
        let request = if self.metadata_only { list.list_metadata(params) } else { list.list(params) };
        let mut request = request.map_err(|error| Failure::of(kube::Error::BuildRequest(error)))?;
        request.extensions_mut().insert(Streamed);

        let clock = Clock { started: Instant::now(), deadline: self.deadline, longest: self.longest };
        let answer = timeout_at(clock.until(0), self.client.request_stream(request));
        let body = answer.await.map_err(|_| clock.passed(0))?.map_err(Failure::of)?;
        let (mut body, mut splitter, mut seen) = (pin!(body), Splitter::default(), 0);
        loop {
            let bytes = timeout_at(clock.until(seen), body.fill_buf()).await.map_err(|_| clock.passed(seen))??;
            if bytes.is_empty() {
                break;
            }
            splitter.feed(bytes, |object| {
                seen += 1;
                let wanted = self.namespaces.is_none_or(|wanted| {
                    namespace_of(object).is_some_and(|namespace| wanted.contains(namespace.as_str()))
                });
                if seen > MOST_SEEN {
                    return Err(too_large(MOST_KEPT).into());
                }
                if object.len() > LONGEST_LINE {
                    return Err(too_large(LONGEST_LINE).into());
                }
                if wanted { into.object(object) } else { Ok(()) }
            })?;
            if splitter.kept() > LONGEST_LINE {
                return Err(too_large(LONGEST_LINE).into());
            }
            let count = bytes.len();
            body.as_mut().consume(count);
        }
        Ok(splitter.finish()?)
    }
}

/// The time that a response may take: a server that sends little at a time does not delay a command for long.
struct Clock {
    started: Instant,
    deadline: Duration,
    longest: Option<Duration>,
}

impl Clock {
    fn allowed(&self, seen: u32) -> Duration {
        let allowed = self.deadline.saturating_mul(1 + seen / PAGE);
        self.longest.map_or(allowed, |longest| allowed.min(longest))
    }

    fn until(&self, seen: u32) -> Instant {
        self.started.checked_add(self.allowed(seen)).unwrap_or(self.started + Duration::from_secs(86_400))
    }

    fn passed(&self, seen: u32) -> Failure {
        Failure::timed_out(self.allowed(seen))
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

fn too_large(limit: usize) -> Failure {
    Failure::of(kube::Error::Service(Box::new(TooLarge(limit))))
}

/// Where objects go. Behind a pointer, so that the reading is compiled once.
trait Collect: Send {
    fn object(&mut self, json: &[u8]) -> Result<(), Interrupted>;
    fn count(&self) -> usize;
    fn truncate(&mut self, count: usize);
}

struct Decoded<K, F> {
    objects: Vec<K>,
    each: F,
    /// Size of the objects as JSON.
    size: usize,
}

impl<K: DeserializeOwned + Send, F: FnMut(&mut K) + Send> Collect for Decoded<K, F> {
    fn object(&mut self, json: &[u8]) -> Result<(), Interrupted> {
        self.size += json.len().max(LEAST);
        if self.size > MOST_KEPT {
            return Err(too_large(MOST_KEPT).into());
        }
        let mut object = serde_json::from_slice(json)?;
        (self.each)(&mut object);
        self.objects.push(object);
        Ok(())
    }

    fn count(&self) -> usize {
        self.objects.len()
    }

    fn truncate(&mut self, count: usize) {
        self.objects.truncate(count);
        // What was dropped is part of the work, but a new start is not limited by it.
        if count == 0 {
            self.size = 0;
        }
    }
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
