//! Who says that a component is back: the component itself, asked by SQL or for its status page, before and after.

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

/// A server that answers again may show its databases a moment later (a tenant that is being attached, a catalog that
/// is being recovered): only what is missing after this long is called missing.
const SETTLE: Duration = Duration::from_secs(3);
/// The same for pages, from the first answer and from each progress on: tenants are attached one by one, and WAL is
/// fetched.
const SETTLE_PAGE: Duration = Duration::from_secs(30);
/// How long a page that was not served before either is looked for.
const LOOK_FOR_PAGE: Duration = Duration::from_secs(5);
/// How long a login that was never taken is tried: a server that starts may read its roles a moment later.
const LOOK_FOR_LOGIN: Duration = Duration::from_secs(5);
/// Writing, reading or dropping the canary table: less than `verify` takes, since a failover waits for it.
const CANARY: Duration = Duration::from_secs(3);

/// Why there is no evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoEvidence {
    /// It was not to be asked.
    NotAsked,
    /// It did not answer.
    Because(String),
    /// It answered, and let nobody in as we asked: role, password or TLS.
    LoginRefused(String),
    /// It answered, and takes no session in the warehouse whose nodes are asked about.
    NoWarehouse(String),
}

/// Whether the component is back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// It answers, and what was there is there.
    Confirmed {
        /// What was compared, in words.
        proof: String,
        /// Whether that is all that the baseline should have.
        whole: bool,
    },
    /// It answers, and this is missing.
    Missing(Vec<String>),
    /// It may never be known, for this reason.
    Unknowable(String),
    /// It does not answer yet, for this reason.
    NotYet(String),
    /// It answers, and fetches what it lacks: what is left, in words.
    CatchingUp(String),
}

/// That the baseline is an older one, which was stored in the cluster or is on record.
#[derive(Clone, Debug)]
pub struct Stored {
    /// What it is, and when it was taken, in words: `the stored baseline of 02:14 UTC yesterday (19h ago)`.
    pub what: String,
    /// What may be missing since.
    pub accept: Vec<String>,
}

/// What came of the last question whether it is back.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What it holds, once it was confirmed that it is back.
    pub evidence: Option<Evidence>,
    /// What is missing since a stored baseline, by the names that accept it.
    pub missing: Vec<String>,
}

/// Asks one component, in the way its plan says.
pub struct Prover {
    cluster: Cluster,
    namespace: String,
    proof: Proof,
    sql: Option<(Sql, SqlEndpoint)>,
    stored: Option<Stored>,
    found: Mutex<Found>,
    /// What storage pages are shown.
    page_token: PageAccess,
    /// The storage components that a page is compared with.
    beside: Vec<StoragePage>,
    /// What was seen of a page so far, and since when.
    seen: Mutex<Option<(Instant, Pace)>>,
    /// The kernel that answered SQL last, and how far its dispatched question went.
    reached: Mutex<Option<(Kernel, Option<Dispatched>)>>,
}

impl Prover {
    /// A prover for this proof; nothing is asked yet. The role is the proof's, the rest of the login is `login`'s.
    pub fn new(cluster: Cluster, namespace: String, proof: Proof, login: Login) -> Self {
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

    /// Shows this token to storage pages.
    pub fn shows(&mut self, page_token: PageAccess) {
        self.page_token = page_token;
    }

    /// Compares a status page with those of these components, too.
    pub fn stands_beside(&mut self, beside: Vec<StoragePage>) {
        self.beside = beside;
    }

    /// Compares with a stored baseline: what is missing may have been removed on purpose since, and that this login ever
    /// fitted is not known.
    pub fn compares_with(&mut self, stored: Stored) {
        self.stored = Some(stored);
    }

    /// What came of the last question whether it is back.
    pub fn found(&self) -> Found {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reached(&self) -> MutexGuard<'_, Option<(Kernel, Option<Dispatched>)>> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why what was answered last proves nothing of the nodes that it is asked for; `None` where it does, where nothing was
    /// answered, and where no nodes are asked for.
    pub fn unproven_nodes(&self) -> Option<String> {
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

    /// Why it is not asked, where it is not.
    pub fn skipped(&self) -> Option<String> {
        match &self.proof {
            Proof::Skipped { reason } => Some(reason.clone()),
            Proof::Sql { .. } | Proof::Page { .. } => None,
        }
    }

    /// Asks once. With earlier evidence to compare the answer with, what that lists and counted is looked for, whatever the
    /// bounds.
    ///
    /// # Errors
    /// Why there is no evidence.
    pub async fn collect_evidence(
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

    /// Asks once whether it is back, `since` after the pod was Ready: it answers, what `before` says is there, and the
    /// canary table is.
    pub async fn confirm(&self, before: Option<&Evidence>, canary: Option<&str>, since: Duration) -> Confirmation {
        if let Proof::Page { pod, role, endpoint } = &self.proof {
            return self.confirm_page(before, (pod, *role, endpoint), since).await;
        }
        let after = match self.collect_evidence(before, QUESTION).await {
            Ok(after) => after,
            Err(NoEvidence::NotAsked) => return Confirmation::Unknowable("it was not to be queried".into()),
            // Without a baseline nothing says that this login ever fitted, and waiting does not mend it.
            Err(NoEvidence::LoginRefused(reason)) => {
                return if (before.is_none() || self.stored.is_some()) && since > LOOK_FOR_LOGIN {
                    Confirmation::Unknowable(format!("it responds, but rejects the login: {reason}"))
                } else {
                    Confirmation::NotYet(reason)
                };
            }
            // The same of a warehouse: its name is Kubernetes' for it, and the server may have another.
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
            match canary.check(sql, CANARY).await {
                Answer::Yes(()) => {
                    table = ", canary table intact";
                    // A row that was written before was read: that is something compared.
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
        // Everything is as before, and yet the nodes need not be: what has all of it may be the coordinator alone.
        if let Some(why) = self.unproven_nodes() {
            let why = format!("it responds, but {why}{compared}");
            return if since > SETTLE { Confirmation::Unknowable(why) } else { Confirmation::NotYet(why) };
        }
        // Waiting gives a baseline nothing that it lacks.
        if let Some(why) = &found.nothing {
            return Confirmation::Unknowable(format!("it responds, but nothing could be compared: {why}{compared}"));
        }
        let there = &found.there;
        let beyond = found.not_compared();
        let segments = self.segments();
        let proof = format!("verified by SQL: {there}{table}{segments}{beyond}{compared}");
        Confirmation::Confirmed { proof, whole: found.beyond.is_empty() }
    }

    /// Takes what is accepted out of what is missing since a stored baseline. Returns what it is compared with, for the end
    /// of a sentence.
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

    /// Asks a status page once, and those of the other storage components right before it: what they had then, it must
    /// have afterwards.
    async fn confirm_page(
        &self,
        before: Option<&Evidence>,
        (pod, role, endpoint): (&str, Role, &StatusEndpoint),
        since: Duration,
    ) -> Confirmation {
        let token = &self.page_token;
        let ask = || status_page(&self.cluster, &self.namespace, pod, endpoint, Deadlines::default(), token);
        // Nobody else is asked for one that does not answer.
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
        // What is still coming is not read meanwhile.
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

    /// Whether a page may never be served: there never was one. What a stored baseline says of it was read by one who may
    /// have been able to verify its server.
    fn never_answered(&self, before: Option<&Evidence>, no: &NoPage) -> bool {
        before.is_none() || self.stored.is_some() && no.kind == NoPageKind::Unverified
    }

    fn lock_seen(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Pace)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What follows from what a page holds, now. What is not there is on its way for as long as it moves; the time to settle
    /// begins with the first answer, and anew with each progress.
    fn holds(&self, before: Option<&PageFacts>, after: PageFacts, mut held: Held, now: Instant) -> Confirmation {
        let mut found = Difference::of_found(&held);
        let compared = self.accept(&mut found);
        // What is accepted may still be what cannot be.
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
                (false, false) => Confirmation::NotYet(format!("still missing: {}", first_few(&found.missing))),
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
    /// Why it was not written, and what may be left of it.
    pub async fn write_canary(&self, schema: &str) -> Result<(), String> {
        let Some((sql, _)) = &self.sql else { return Err("it does not accept SQL".into()) };
        let canary = canary_named(schema);
        let Err(not) = canary.write(sql, CANARY).await else { return Ok(()) };
        if not.may_be_there && canary.drop(sql, CANARY).await.is_err() {
            return Err(format!("{}; schema {schema} may remain in database {}", not.reason, canary.database(sql)));
        }
        Err(not.reason)
    }

    /// Whether the canary table is known not to be there.
    pub async fn lacks_canary(&self, schema: &str) -> bool {
        let Some((sql, _)) = &self.sql else { return false };
        matches!(canary_named(schema).check(sql, CANARY).await, Answer::No(_))
    }

    /// Drops the canary table.
    ///
    /// # Errors
    /// Why it is still there.
    pub async fn drop_canary(&self, schema: &str) -> Result<(), ProbeError> {
        let Some((sql, _)) = &self.sql else { return Ok(()) };
        canary_named(schema).drop(sql, CANARY).await
    }
}

/// The canary whose schema a plan named.
fn canary_named(schema: &str) -> Canary {
    Canary::new(schema.strip_prefix(Canary::PREFIX).unwrap_or(schema))
}

/// What follows from it that no page is served. One that is silent may be loading, which can take long; one of which there
/// never was a page may have none.
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
        Confirmation::NotYet(format!("still missing: {}", missing.join(", ")))
    }
}

#[cfg(test)]
#[path = "prover_tests.rs"]
mod tests;
