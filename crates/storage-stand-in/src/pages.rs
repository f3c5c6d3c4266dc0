//! Requests and their answers: paths, status codes and bodies.

use crate::metrics::{self, OfPageserver};
use crate::settings::{Digests, Member, MetricsPage};
use crate::stand_in::{StandIn, State};
use crate::{WAL_START, lsn, pageserver, safekeeper, uploaded, wal};
use serde_json::{Value, json};
use std::io;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; version=0.0.4";

/// Bytes of WAL that a safekeeper that is not ready has not loaded yet.
const NOT_LOADED: u64 = 0x1_8000;

/// A request for a page.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest<'a> {
    /// Path, without the query.
    pub path: &'a str,
    /// Query, without its `?`.
    pub query: &'a str,
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
    /// Whether the member may be ready, as set by its runner.
    pub ready: bool,
}

impl<'a> PageRequest<'a> {
    /// Returns the request for a path, without a token.
    pub fn without_token(path: &'a str, ready: bool) -> PageRequest<'a> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        PageRequest { path, query, authorization: None, ready }
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        self.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageResponse {
    /// No answer, ever.
    Silent,
    /// A page.
    Page {
        /// Status code.
        status: u16,
        /// Content type.
        kind: &'static str,
        /// Body.
        body: String,
    },
}

impl PageResponse {
    fn json(status: u16, body: &Value) -> PageResponse {
        PageResponse::Page { status, kind: JSON, body: body.to_string() }
    }

    fn error(status: u16, message: &str) -> PageResponse {
        Self::json(status, &json!({"msg": message}))
    }

    /// Returns the status code, unless it is silent.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Silent => None,
            Self::Page { status, .. } => Some(*status),
        }
    }
}

impl StandIn {
    /// Answers a request.
    pub fn respond(&self, request: &PageRequest<'_>) -> PageResponse {
        match self.answer(request) {
            Ok(response) => response,
            Err(error) => PageResponse::error(500, &format!("Internal server error: {error}")),
        }
    }

    fn answer(&self, request: &PageRequest<'_>) -> io::Result<PageResponse> {
        let state = self.state()?;
        if matches!(&*state, State::Pageserver(pageserver) if pageserver.silent) {
            return Ok(PageResponse::Silent);
        }
        let refused = self.refusal(request);
        match request.path {
            "/v1/status" if !request.ready => {
                return Ok(PageResponse::error(503, "not ready: waiting for the timelines to be loaded"));
            }
            "/v1/status" => return Ok(PageResponse::json(200, &json!({"id": self.id}))),
            "/metrics" => match self.own.metrics {
                MetricsPage::Hanging => return Ok(PageResponse::Silent),
                MetricsPage::NotFound => return Ok(PageResponse::error(404, "page not found")),
                MetricsPage::Unauthorized if refused.is_some() || self.own.token.is_none() => {
                    return Ok(refused.unwrap_or_else(missing));
                }
                MetricsPage::Open | MetricsPage::Unauthorized => {
                    let body = self.metrics(&state, request.ready);
                    return Ok(PageResponse::Page { status: 200, kind: TEXT, body });
                }
            },
            _ => {}
        }
        if let Some(refused) = refused {
            return Ok(refused);
        }
        let parts: Vec<&str> = request.path.split('/').skip(1).collect();
        Ok(match &*state {
            State::Safekeeper(safekeeper) => {
                let lines = self.lines(safekeeper, request.ready);
                of_safekeeper(&parts, request, (&lines, &self.own))
            }
            State::Pageserver(pageserver) => of_pageserver(&parts, pageserver),
        })
    }

    /// Returns the refusal of a request without the right token, if one is required.
    fn refusal(&self, request: &PageRequest<'_>) -> Option<PageResponse> {
        let token = self.own.token.as_deref()?;
        match request.authorization {
            None => Some(missing()),
            Some(given) if given.strip_prefix("Bearer ") == Some(token) => None,
            Some(_) => Some(PageResponse::error(403, "Forbidden: JWT authentication error")),
        }
    }

    fn lines(&self, safekeeper: &safekeeper::Safekeeper, ready: bool) -> Vec<safekeeper::View> {
        let ledger = self.installation.ledger(&self.computes);
        safekeeper.view((&self.own, self.id), &ledger, if ready { 0 } else { NOT_LOADED })
    }

    fn metrics(&self, state: &State, ready: bool) -> String {
        match state {
            State::Safekeeper(safekeeper) => metrics::of_safekeeper(&self.lines(safekeeper, ready)),
            State::Pageserver(pageserver) => metrics::of_pageserver(&OfPageserver {
                tenants: pageserver.tenants().map(str::to_owned).collect(),
                attaching: pageserver.states().1,
                startup: pageserver.startup(),
                loss_suspected: pageserver.loss_suspected,
                lines: pageserver.view(None),
            }),
        }
    }
}

fn missing() -> PageResponse {
    PageResponse::error(401, "Unauthorized: missing authorization header")
}

fn unknown() -> PageResponse {
    PageResponse::error(404, "page not found")
}

/// Answers with the lists and states of a safekeeper's timelines, including idle ones.
fn of_safekeeper(
    parts: &[&str],
    request: &PageRequest<'_>,
    (lines, own): (&[safekeeper::View], &Member),
) -> PageResponse {
    let (tenant, timeline, digest) = match parts {
        ["v1", "tenant", "timeline"] => {
            let all = lines.iter().map(|line| json!({"tenant_id": line.id.tenant, "timeline_id": line.id.timeline}));
            return PageResponse::json(200, &all.collect());
        }
        ["v1", "tenant", tenant, "timeline", timeline] => (*tenant, *timeline, false),
        ["v1", "tenant", tenant, "timeline", timeline, "digest"] => (*tenant, *timeline, true),
        _ => return unknown(),
    };
    let Some(line) = lines.iter().find(|line| line.id.tenant == tenant && line.id.timeline == timeline) else {
        return PageResponse::error(
            404,
            &format!("NotFound: timeline {tenant}/{timeline} was not found in global map"),
        );
    };
    if digest {
        return match own.digests {
            Digests::Served => digest_of(request, line, own),
            Digests::NotFound => unknown(),
            Digests::Failing => PageResponse::error(500, "failed to read WAL"),
        };
    }
    PageResponse::json(
        200,
        &json!({
            "tenant_id": tenant,
            "timeline_id": timeline,
            "mconf": {"generation": 0, "members": [], "new_members": null},
            "acceptor_state": {
                "term": line.term,
                "epoch": line.term,
                "term_history": [{"term": line.term, "lsn": lsn(uploaded(crate::WAL_END).min(line.flush))}],
            },
            "flush_lsn": lsn(line.flush),
            "timeline_start_lsn": lsn(WAL_START),
            "local_start_lsn": lsn(WAL_START),
            "commit_lsn": lsn(line.commit),
            "backup_lsn": lsn(line.backup),
            "peer_horizon_lsn": lsn(line.backup),
            "remote_consistent_lsn": lsn(uploaded(line.commit)),
            "peers": [],
            "walsenders": [],
            "walreceivers": [],
        }),
    )
}

/// Answers with the digest of a range of WAL: equal on all safekeepers with the same bytes.
fn digest_of(request: &PageRequest<'_>, line: &safekeeper::View, own: &Member) -> PageResponse {
    let position = |name: &str| {
        let bad = || PageResponse::error(400, &format!("Bad request: {name} is required"));
        request.parameter(name).and_then(parsed).ok_or_else(bad)
    };
    let (from, until) = match (position("from_lsn"), position("until_lsn")) {
        (Ok(from), Ok(until)) => (from, until),
        (Err(bad), _) | (_, Err(bad)) => return bad,
    };
    if from > until {
        return PageResponse::error(500, "from_lsn is greater than until_lsn");
    }
    if from < WAL_START {
        return PageResponse::error(500, "requested LSN is before the start of the timeline");
    }
    if until > line.flush {
        return PageResponse::error(500, "wal_reader.read returned 0 bytes");
    }
    let damaged = own.damaged.map(|back| crate::WAL_END.saturating_sub(back));
    let digest: String =
        wal::digest(&line.id, (from, until), damaged).iter().map(|byte| format!("{byte:02x}")).collect();
    PageResponse::json(200, &json!({"sha256": digest}))
}

/// Parses a position in PostgreSQL's format, also with `%2F` for its slash.
fn parsed(text: &str) -> Option<u64> {
    let text = text.replace("%2F", "/").replace("%2f", "/");
    let (high, low) = text.split_once('/')?;
    Some((u64::from_str_radix(high, 16).ok()? << 32) | u64::from(u32::from_str_radix(low, 16).ok()?))
}

/// Answers with the lists of a pageserver's tenants and timelines.
fn of_pageserver(parts: &[&str], pageserver: &pageserver::Pageserver) -> PageResponse {
    match parts {
        ["v1", "tenant"] => {
            let all = pageserver.tenants().map(|tenant| {
                json!({"id": tenant, "state": {"slug": "Active"}, "attachment_status": {"slug": "attached"}, "generation": 1})
            });
            PageResponse::json(200, &all.collect())
        }
        ["v1", "tenant", tenant, "timeline"] => {
            if !pageserver.tenants().any(|known| known == *tenant) {
                return PageResponse::error(404, &format!("NotFound: tenant {tenant}"));
            }
            let lines = pageserver.view(Some(tenant)).into_iter().map(|line| {
                json!({
                    "tenant_id": line.id.tenant,
                    "timeline_id": line.id.timeline,
                    "ancestor_timeline_id": null,
                    "last_record_lsn": lsn(line.last_record),
                    "disk_consistent_lsn": lsn(line.remote_consistent),
                    "remote_consistent_lsn": lsn(line.remote_consistent),
                    "remote_consistent_lsn_visible": lsn(line.remote_consistent),
                    "state": "Active",
                })
            });
            PageResponse::json(200, &lines.collect())
        }
        _ => unknown(),
    }
}
