//! Verifies that a component is back: the component itself is queried, by SQL or at its status endpoint, before and
//! after.

use crate::cluster::Cluster;
use crate::plan::Proof;
use crate::probe::http::{Deadlines, status_page};
use crate::probe::kernel::Kernel;
use crate::probe::no_page::{NoPage, NoPageKind};
use crate::probe::segments::Dispatched;
use crate::probe::sqlstate::Meaning;
use crate::probe::{Answer, Canary, ContentsRequest, Login, PageAccess, ProbeError, Sql, SqlTarget};
use crate::storage::pace::Pace;
use crate::storage::{Found as Held, PageFacts, Reading};
use crate::text::first_few;
use crate::topology::layout::{Role, SqlEndpoint, StatusEndpoint};
use crate::verify::inspect::{QUESTION, StoragePage, read_bytes, read_storage};
use crate::verify::servers::nodes_proven;
use crate::verify::stored::accepted;
use crate::verify::{Difference, Evidence, compared_pages, difference, storage_kind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A server that responds again may list its databases a moment later (a tenant that is being attached, a catalog that
/// is being recovered): only what is missing after this long counts as missing.
const SETTLE: Duration = Duration::from_secs(3);
/// The same for status endpoints, from the first response and from each progress on: tenants are attached one by one,
/// and WAL is fetched.
const SETTLE_PAGE: Duration = Duration::from_secs(30);
/// How long a status endpoint is retried that did not respond before either.
const LOOK_FOR_PAGE: Duration = Duration::from_secs(5);
/// How long a login is retried that never succeeded: a server that starts may read its roles a moment later.
const LOOK_FOR_LOGIN: Duration = Duration::from_secs(5);
/// Time limit for writing, reading or dropping the canary table: shorter than in `verify`, since a failover waits for
/// it.
const CANARY: Duration = Duration::from_secs(3);

/// Why there is no evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoEvidence {
    /// Querying it is switched off.
    NotAsked,
    /// It did not respond.
    Because(String),
    /// It responded, but rejected the login: role, password or TLS.
    LoginRefused(String),
    /// It responded, but accepts no session in the warehouse whose nodes are verified.
    NoWarehouse(String),
}

/// Whether the component is back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Confirmation {
    /// It responds, and its data is present.
    Confirmed {
        /// What was compared.
        proof: String,
        /// Whether that is everything that the baseline should contain.
        whole: bool,
    },
    /// It responds, and this is missing.
    Missing(Vec<String>),
    /// It may remain unknown, for this reason.
    Unknowable(String),
    /// It does not respond yet, for this reason.
    NotYet(String),
    /// It responds, and fetches what it lacks: what is left.
    CatchingUp(String),
}

/// An older baseline that was stored in the cluster or in a record.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// What it is, and when it was taken: `the stored baseline of 02:14 UTC yesterday (19h ago)`.
    pub what: String,
    /// What may be missing since.
    pub accept: Vec<String>,
}

/// What the last confirmation found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// What the component holds, once it was confirmed to be back.
    pub evidence: Option<Evidence>,
    /// What is missing since a stored baseline, by the names that accept it.
    pub missing: Vec<String>,
}

/// Verifies one component, in the way its plan says.
pub(crate) struct Prover {
    cluster: Cluster,
    namespace: String,
    proof: Proof,
    sql: Option<(Sql, SqlEndpoint)>,
    stored: Option<Stored>,
    found: Mutex<Found>,
    /// The access to storage components' status endpoints.
    page_token: PageAccess,
    /// The storage components that a status endpoint is compared with.
    beside: Vec<StoragePage>,
    /// What a status endpoint has shown so far, and since when.
    seen: Mutex<Option<(Instant, Pace)>>,
    /// The kernel that responded by SQL last, and how far its dispatched query reached.
    reached: Mutex<Option<(Kernel, Option<Dispatched>)>>,
}

impl Prover {
    /// Creates a prover; sends nothing yet. The role is the proof's, the rest of the login is `login`'s.
    pub(crate) fn new(cluster: Cluster, namespace: String, proof: Proof, login: Login) -> Self {
        let sql = match &proof {
            Proof::Sql { pod, endpoint, warehouse, .. } => {
                let (database, otherwise) = endpoint.logins();
                let target = SqlTarget {
                    namespace: namespace.clone(),
                    pod: pod.clone(),
                    port: endpoint.port,
                    user: endpoint.user.clone(),
                    login,
                    database,
                    otherwise,
                    warehouse: warehouse.as_ref().map(|warehouse| warehouse.name.clone()),
                };
                Some((Sql::over(&cluster, target), endpoint.clone()))
            }
            Proof::Page { .. } | Proof::Skipped { .. } => None,
        };
        Self {
            cluster,
            namespace,
            proof,
            sql,
            stored: None,
            found: Mutex::default(),
            page_token: PageAccess::default(),
            beside: Vec::new(),
            seen: Mutex::default(),
            reached: Mutex::default(),
        }
    }

    /// Uses this access for storage components' status endpoints.
    pub(crate) fn shows(&mut self, page_token: PageAccess) {
        self.page_token = page_token;
    }

    /// Compares a status endpoint with these components, too.
    pub(crate) fn stands_beside(&mut self, beside: Vec<StoragePage>) {
        self.beside = beside;
    }

    /// Compares with a stored baseline: what is missing may have been removed on purpose since, and whether this login
    /// ever worked is unknown.
    pub(crate) fn compares_with(&mut self, stored: Stored) {
        self.stored = Some(stored);
    }

    /// Returns what the last confirmation found.
    pub(crate) fn found(&self) -> Found {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reached(&self) -> MutexGuard<'_, Option<(Kernel, Option<Dispatched>)>> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns why the last response proves nothing about the nodes to verify; `None` if it does, if there was no
    /// response, and if no nodes are to be verified.
    pub(crate) fn unproven_nodes(&self) -> Option<String> {
        let Proof::Sql { warehouse: Some(warehouse), .. } = &self.proof else { return None };
        let reached = self.reached();
        let (kernel, dispatched) = reached.as_ref().filter(|_| warehouse.proven)?;
        nodes_proven(*kernel, dispatched.as_ref(), warehouse).err().map(|unproven| unproven.to_string())
    }

    /// Which segments answered, for the end of `verified by SQL`.
    fn segments(&self) -> String {
        match &*self.reached() {
            Some((_, Some(Dispatched { warehouse: Some(name), .. }))) => {
                format!("; every segment of warehouse {name} responded")
            }
            Some((_, Some(_))) => "; every segment responded".to_owned(),
            Some((_, None)) | None => String::new(),
        }
    }

    /// Returns why it is not queried, if it is not.
    pub(crate) fn skipped(&self) -> Option<String> {
        match &self.proof {
            Proof::Skipped { reason } => Some(reason.clone()),
            Proof::Sql { .. } | Proof::Page { .. } => None,
        }
    }

    /// Queries once. With earlier evidence to compare with, everything that lists or counts is searched for, whatever
    /// the limits.
    ///
    /// # Errors
    /// Why there is no evidence.
    pub(crate) async fn collect_evidence(
        &self,
        before: Option<&Evidence>,
        deadline: Duration,
    ) -> Result<Evidence, NoEvidence> {
        let said = match (&self.sql, &self.proof) {
            (Some((sql, _)), _) => {
                let before = match before {
                    Some(Evidence::Sql(before)) => Some(before),
                    Some(Evidence::Page(_)) | None => None,
                };
                let request = ContentsRequest { only: None, before };
                let looked = sql.contents_and_segments(request, deadline).await;
                if let Ok((baseline, dispatched)) = &looked {
                    *self.reached() = Some((baseline.kernel, dispatched.clone()));
                }
                return looked.map(|(baseline, _)| Evidence::Sql(baseline)).map_err(|trouble| {
                    if trouble.meaning == Meaning::NoWarehouse {
                        return NoEvidence::NoWarehouse(trouble.reason);
                    }
                    match trouble.refuses_login() {
                        true => NoEvidence::LoginRefused(trouble.reason),
                        false => NoEvidence::Because(trouble.reason),
                    }
                });
            }
            (None, Proof::Page { pod, endpoint, .. }) => {
                let deadlines = Deadlines::at_most(deadline);
                status_page(&self.cluster, &self.namespace, pod, endpoint, deadlines, &self.page_token).await
            }
            (None, _) => return Err(NoEvidence::NotAsked),
        };
        said.map(Evidence::Page).map_err(|no| NoEvidence::Because(no.reason))
    }

    /// Queries once whether it is back, `since` after the pod was Ready: it responds, the contents of `before` are
    /// present, and so is the canary table.
    pub(crate) async fn confirm(
        &self,
        before: Option<&Evidence>,
        canary: Option<&str>,
        since: Duration,
    ) -> Confirmation {
        if let Proof::Page { pod, role, endpoint } = &self.proof {
            return self.confirm_page(before, (pod, *role, endpoint), since).await;
        }
        let after = match self.collect_evidence(before, self.cluster.lengthened(QUESTION)).await {
            Ok(after) => after,
            Err(NoEvidence::NotAsked) => return Confirmation::Unknowable("it was not to be queried".into()),
            // Without a baseline, nothing shows that this login ever worked, and waiting does not help.
            Err(NoEvidence::LoginRefused(reason)) => {
                return if (before.is_none() || self.stored.is_some()) && since > LOOK_FOR_LOGIN {
                    Confirmation::Unknowable(format!("it responds, but rejects the login: {reason}"))
                } else {
                    Confirmation::NotYet(reason)
                };
            }
            // The same for a warehouse: its name is Kubernetes' name, and the server may use another.
            Err(NoEvidence::NoWarehouse(reason)) => {
                return if (before.is_none() || self.stored.is_some()) && since > LOOK_FOR_LOGIN {
                    Confirmation::Unknowable(format!("it responds, but whether its nodes do is unknown: {reason}"))
                } else {
                    Confirmation::NotYet(reason)
                };
            }
            Err(NoEvidence::Because(reason)) => return Confirmation::NotYet(reason),
        };
        let answer = match before {
            Some(before) => self.same(before, &after, canary, since).await,
            None => self.answers_at_all(&after, since),
        };
        if let Confirmation::Confirmed { .. } = answer {
            self.found.lock().unwrap_or_else(PoisonError::into_inner).evidence = Some(after);
        }
        answer
    }

    /// Nothing to compare with: it answers, and the database that makes it what it is, is there. That all else is, too,
    /// does not follow.
    fn answers_at_all(&self, after: &Evidence, since: Duration) -> Confirmation {
        if let (Evidence::Sql(after), Some((_, endpoint))) = (after, &self.sql)
            && !after.databases.iter().any(|database| database.name == endpoint.database)
        {
            return settled(vec![format!("database {} is missing", endpoint.database)], since, SETTLE);
        }
        Confirmation::Unknowable(format!(
            "it responds ({}), but there was no baseline to compare with",
            after.summary()
        ))
    }

    async fn same(&self, before: &Evidence, after: &Evidence, canary: Option<&str>, since: Duration) -> Confirmation {
        let mut found = difference(before, after);
        let compared = self.accept(&mut found);
        let mut table = "";
        if let (Some(schema), Some((sql, _))) = (canary, &self.sql) {
            let canary = canary_named(schema);
            match canary.check(sql, self.cluster.lengthened(CANARY)).await {
                Answer::Yes(()) => {
                    table = ", canary table intact";
                    // A row that was written before was read: that is a comparison.
                    found.nothing = None;
                }
                Answer::No(reason) => found.missing.push(format!("{}: {reason}", canary.place(sql))),
                Answer::Unknown(reason) => found.unknown.push(format!("the canary table: {reason}")),
            }
        }
        if !found.missing.is_empty() {
            return settled(found.missing, since, SETTLE);
        }
        if !found.unknown.is_empty() {
            let why = format!("it responds, but not everything could be compared: {}", first_few(&found.unknown));
            return if since > SETTLE { Confirmation::Unknowable(why) } else { Confirmation::NotYet(why) };
        }
        // Everything is as before, but the nodes need not be: the coordinator alone may have all of it.
        if let Some(why) = self.unproven_nodes() {
            let why = format!("it responds, but {why}{compared}");
            return if since > SETTLE { Confirmation::Unknowable(why) } else { Confirmation::NotYet(why) };
        }
        // Waiting does not complete a baseline.
        if let Some(why) = &found.nothing {
            return Confirmation::Unknowable(format!("it responds, but nothing could be compared: {why}{compared}"));
        }
        let there = &found.there;
        let beyond = found.not_compared();
        let segments = self.segments();
        let proof = format!("verified by SQL: {there}{table}{segments}{beyond}{compared}");
        Confirmation::Confirmed { proof, whole: found.beyond.is_empty() }
    }

    /// Removes what is accepted from what is missing since a stored baseline. Returns the comparison as the end of a
    /// sentence.
    fn accept(&self, found: &mut Difference) -> String {
        let Some(stored) = &self.stored else { return String::new() };
        let missing = accepted(found, &stored.accept);
        found.missing = missing.lines;
        self.found.lock().unwrap_or_else(PoisonError::into_inner).missing = missing.names;
        let mut compared = format!("; compared with {}", stored.what);
        if !missing.accepted.is_empty() {
            compared.push_str(&format!("; accepted: {}", missing.accepted.join(", ")));
        }
        compared
    }

    /// Queries a status endpoint once, and those of the other storage components right before it: what they had then,
    /// it must have afterwards.
    async fn confirm_page(
        &self,
        before: Option<&Evidence>,
        (pod, role, endpoint): (&str, Role, &StatusEndpoint),
        since: Duration,
    ) -> Confirmation {
        let token = &self.page_token;
        let ask = || status_page(&self.cluster, &self.namespace, pod, endpoint, Deadlines::default(), token);
        // The others are not queried while it does not respond.
        if self.lock_seen().is_none()
            && let Err(no) = ask().await
        {
            return silent_page(self.never_answered(before, &no), no, since);
        }
        let beside = read_storage(&self.cluster, &self.namespace, &self.beside, Deadlines::default(), token).await;
        let after = match ask().await {
            Ok(after) => after,
            Err(no) => return silent_page(self.never_answered(before, &no), no, since),
        };
        let before = match before {
            Some(Evidence::Page(before)) => Some(before),
            Some(Evidence::Sql(_)) => {
                return Confirmation::Unknowable("it is not queried in the same way as before".into());
            }
            None => None,
        };
        let safekeepers: Vec<&Reading> = beside.safekeepers.iter().collect();
        let mut held = compared_pages(storage_kind(role), before, &after, &safekeepers);
        // Digests are not requested while WAL is still missing.
        if role == Role::Safekeeper && held.short.is_empty() {
            let own = Reading { pod: pod.to_owned(), said: Ok(after.clone()) };
            let pages: Vec<StoragePage> = self
                .beside
                .iter()
                .cloned()
                .chain([StoragePage { pod: pod.to_owned(), role, endpoint: Ok(endpoint.clone()) }])
                .collect();
            let all: Vec<&Reading> = safekeepers.iter().copied().chain([&own]).collect();
            held.compare_bytes(pod, &read_bytes(&self.cluster, &self.namespace, &pages, &all, token).await);
        }
        self.holds(before, after, held, Instant::now())
    }

    /// Returns whether a status endpoint may never respond: it never did. A stored baseline's user may have been able
    /// to verify its server.
    fn never_answered(&self, before: Option<&Evidence>, no: &NoPage) -> bool {
        before.is_none() || self.stored.is_some() && no.kind == NoPageKind::Unverified
    }

    fn lock_seen(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Pace)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges what a status endpoint reports, now. Missing parts are on their way for as long as there is progress; the
    /// settle time begins with the first response, and restarts with each progress.
    fn holds(&self, before: Option<&PageFacts>, after: PageFacts, mut held: Held, now: Instant) -> Confirmation {
        let mut found = Difference::of_found(&held);
        let compared = self.accept(&mut found);
        // What is accepted may still be impossible.
        if found.missing.is_empty() && !held.short.is_empty() {
            found.unknown.extend(held.if_accepted.clone());
        }
        held.short.retain(|short| found.missing.contains(&short.line));
        let (still, moved, left) = {
            let mut seen = self.lock_seen();
            let (first, pace) = seen.get_or_insert_with(|| (now, Pace::default()));
            let at = now.duration_since(*first);
            pace.observe(&held, at);
            (pace.still_for(at), pace.moved(), pace.words(at))
        };
        let settled = still > SETTLE_PAGE;
        if !found.missing.is_empty() {
            return match (settled, moved && held.may_come()) {
                (true, _) => Confirmation::Missing(found.missing),
                (false, true) => Confirmation::CatchingUp(left),
                (false, false) => Confirmation::NotYet(format!("incomplete: {}", first_few(&found.missing))),
            };
        }
        if !found.unknown.is_empty() {
            let why = format!("it responds, but not everything could be compared: {}", first_few(&found.unknown));
            return if settled { Confirmation::Unknowable(why) } else { Confirmation::NotYet(why) };
        }
        if let Some(why) = &found.nothing {
            return Confirmation::Unknowable(format!(
                "it responds ({}), but nothing could be compared: {why}{compared}",
                found.there
            ));
        }
        let beside = match (&held.beside, before) {
            (Some(beside), None) => format!("; compared with {beside}"),
            _ => String::new(),
        };
        // A pageserver has more than safekeepers know of.
        let whole = before.is_some() || after.safekeeper().is_some();
        self.found.lock().unwrap_or_else(PoisonError::into_inner).evidence = Some(Evidence::Page(after));
        Confirmation::Confirmed { proof: format!("status endpoint OK: {}{beside}{compared}", found.there), whole }
    }

    /// Writes the canary table.
    ///
    /// # Errors
    /// Why it was not written, and what may remain of it.
    pub(crate) async fn write_canary(&self, schema: &str) -> Result<(), String> {
        let Some((sql, _)) = &self.sql else { return Err("it does not accept SQL".into()) };
        let canary = canary_named(schema);
        let Err(not) = canary.write(sql, CANARY).await else { return Ok(()) };
        if not.may_be_there && canary.drop(sql, CANARY).await.is_err() {
            return Err(format!("{}; schema {schema} may remain in database {}", not.reason, canary.database(sql)));
        }
        Err(not.reason)
    }

    /// Returns whether the canary table is known to be missing.
    pub(crate) async fn lacks_canary(&self, schema: &str) -> bool {
        let Some((sql, _)) = &self.sql else { return false };
        matches!(canary_named(schema).check(sql, CANARY).await, Answer::No(_))
    }

    /// Drops the canary table.
    ///
    /// # Errors
    /// Why it could not be dropped.
    pub(crate) async fn drop_canary(&self, schema: &str) -> Result<(), ProbeError> {
        let Some((sql, _)) = &self.sql else { return Ok(()) };
        canary_named(schema).drop(sql, CANARY).await
    }
}

/// Returns the canary whose schema a plan named.
fn canary_named(schema: &str) -> Canary {
    Canary::new(schema.strip_prefix(Canary::PREFIX).unwrap_or(schema))
}

/// Judges a status endpoint that does not respond. A silent one may be loading, which can take long; one that never
/// responded may not exist.
fn silent_page(never_did: bool, no: NoPage, since: Duration) -> Confirmation {
    if never_did && no.kind != NoPageKind::NotYet && since > LOOK_FOR_PAGE {
        Confirmation::Unknowable(no.reason)
    } else {
        Confirmation::NotYet(no.reason)
    }
}

fn settled(missing: Vec<String>, since: Duration, settle: Duration) -> Confirmation {
    if since > settle {
        Confirmation::Missing(missing)
    } else {
        Confirmation::NotYet(format!("incomplete: {}", missing.join(", ")))
    }
}

#[cfg(test)]
#[path = "prover_tests.rs"]
mod tests;
