//! Who says that a component is back: the component itself, asked by SQL or for its status page, before and after.

use crate::cluster::Cluster;
use crate::plan::Proof;
use crate::probe::baseline::Listing;
use crate::probe::canary::Outcome as Written;
use crate::probe::http::{Metrics, status_page};
use crate::probe::sql::Kernel;
use crate::probe::{Answer as Said, Baseline, Canary, Login, Sql, SqlTarget, compare};
use crate::topology::layout::{PageDoor, SqlDoor};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A server that answers again may show its databases a moment later (a tenant that is being attached, a catalog that
/// is being recovered): only what is missing after this long is called missing.
const SETTLE: Duration = Duration::from_secs(3);
/// The same for pages: tenants are attached one by one.
const SETTLE_PAGE: Duration = Duration::from_secs(30);
/// How long a page that was not served before either is looked for.
const LOOK_FOR_PAGE: Duration = Duration::from_secs(5);
/// How long a login that was never taken is tried: a server that starts may read its roles a moment later.
const LOOK_FOR_LOGIN: Duration = Duration::from_secs(5);
/// One question, login and all statements.
const QUESTION: Duration = Duration::from_secs(10);
/// Writing, reading and dropping one row.
const CANARY: Duration = Duration::from_secs(3);
/// The database that every PostgreSQL server has, and in which nobody keeps data.
const MAINTENANCE: &str = "postgres";

/// What a component said of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", content = "said", rename_all = "camelCase")]
pub enum Testimony {
    /// What is in the server.
    Sql(Baseline),
    /// Its status page answered; what its metrics say beside it, where they do.
    Page(Option<Metrics>),
}

/// Why there is no testimony.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// It was not to be asked.
    NotAsked,
    /// It did not answer.
    Because(String),
    /// It answered, and let nobody in as we asked: role, password or TLS.
    LoginRefused(String),
}

/// Whether the component is back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It answers, and what was there is there: in words.
    Confirmed(String),
    /// It answers, and this is missing.
    Missing(Vec<String>),
    /// It may never be known, for this reason.
    Unknowable(String),
    /// It does not answer yet, for this reason.
    NotYet(String),
}

/// Asks one component, in the way its plan says.
pub struct Witness {
    cluster: Cluster,
    namespace: String,
    proof: Proof,
    sql: Option<(Sql, SqlDoor)>,
}

impl Witness {
    /// A witness for this proof; nothing is asked yet. The role is the proof's, the rest of the login is `login`'s.
    pub fn new(cluster: Cluster, namespace: String, proof: Proof, login: Login) -> Self {
        let sql = match &proof {
            Proof::Sql { pod, door, .. } => {
                let target = SqlTarget {
                    namespace: namespace.clone(),
                    pod: pod.clone(),
                    port: door.port,
                    user: door.user.clone(),
                    login,
                    database: MAINTENANCE.into(),
                };
                Some((Sql::over(&cluster, target), door.clone()))
            }
            Proof::Page { .. } | Proof::Skipped { .. } => None,
        };
        Self { cluster, namespace, proof, sql }
    }

    /// Why it is not asked, where it is not.
    pub fn skipped(&self) -> Option<String> {
        match &self.proof {
            Proof::Skipped { reason } => Some(reason.clone()),
            Proof::Sql { .. } | Proof::Page { .. } => None,
        }
    }

    /// Asks once.
    ///
    /// # Errors
    /// Why there is no testimony.
    pub async fn testify(&self, deadline: Duration) -> Result<Testimony, Silence> {
        let said = match (&self.sql, &self.proof) {
            (Some((sql, _)), _) => {
                return sql.try_baseline(deadline).await.map(Testimony::Sql).map_err(|trouble| match trouble.login {
                    true => Silence::LoginRefused(trouble.reason),
                    false => Silence::Because(trouble.reason),
                });
            }
            (None, Proof::Page { pod, door }) => self.page(pod, door, deadline).await.map(Testimony::Page),
            (None, _) => return Err(Silence::NotAsked),
        };
        match said {
            Said::Yes(testimony) => Ok(testimony),
            Said::No(reason) | Said::Unknown(reason) => Err(Silence::Because(reason)),
        }
    }

    async fn page(&self, pod: &str, door: &PageDoor, deadline: Duration) -> Said<Option<Metrics>> {
        let page = status_page(&self.cluster, &self.namespace, pod, door.port, &door.path, deadline).await;
        page.map(|page| match page.metrics {
            Said::Yes(metrics) => Some(metrics),
            Said::No(_) | Said::Unknown(_) => None,
        })
    }

    /// Asks once whether it is back, `since` after the pod was Ready: it answers, what `before` says is there, and the
    /// canary row is.
    pub async fn confirm(&self, before: Option<&Testimony>, canary: Option<&str>, since: Duration) -> Answer {
        let after = match self.testify(QUESTION).await {
            Ok(after) => after,
            Err(Silence::NotAsked) => return Answer::Unknowable("it was not to be asked".into()),
            // Without a baseline nothing says that this login ever fitted, and waiting does not mend it.
            Err(Silence::LoginRefused(reason)) => {
                return if before.is_none() && since > LOOK_FOR_LOGIN {
                    Answer::Unknowable(format!("it answers, and refuses the login: {reason}"))
                } else {
                    Answer::NotYet(reason)
                };
            }
            Err(Silence::Because(reason)) => {
                let never_did = before.is_none() && matches!(self.proof, Proof::Page { .. });
                return if never_did && since > LOOK_FOR_PAGE {
                    Answer::Unknowable(reason)
                } else {
                    Answer::NotYet(reason)
                };
            }
        };
        match (before, &after) {
            (Some(Testimony::Sql(before)), Testimony::Sql(after)) => self.same(before, after, canary, since).await,
            (Some(Testimony::Page(before)), Testimony::Page(after)) => {
                same_page(before.as_ref(), after.as_ref(), since)
            }
            _ => self.answers_at_all(&after, since),
        }
    }

    /// Nothing to compare with: it answers, and the database that makes it what it is, is there.
    fn answers_at_all(&self, after: &Testimony, since: Duration) -> Answer {
        if let (Testimony::Sql(after), Some((_, door))) = (after, &self.sql)
            && !after.databases.iter().any(|database| database.name == door.database)
        {
            return settled(vec![format!("database {} is missing", door.database)], since, SETTLE);
        }
        Answer::Confirmed(format!("it answers ({}); there was no baseline to compare with", after.summary()))
    }

    async fn same(&self, before: &Baseline, after: &Baseline, canary: Option<&str>, since: Duration) -> Answer {
        let comparison = compare(before, after);
        let mut missing: Vec<String> = comparison.missing.iter().map(ToString::to_string).collect();
        let mut unknown = comparison.unknown.clone();
        let mut row = "";
        if let (Some(schema), Some((sql, _))) = (canary, &self.sql) {
            let canary = canary_named(schema);
            match canary.check(sql, CANARY).await {
                Said::Yes(()) => row = ", and the canary row",
                Said::No(_) => missing.push(format!("{}: the canary row is missing", canary.place())),
                Said::Unknown(reason) => unknown.push(format!("the canary row: {reason}")),
            }
        }
        if !missing.is_empty() {
            return settled(missing, since, SETTLE);
        }
        if let Some(first) = unknown.first() {
            let why = format!("it answers, and not all could be compared: {first}");
            return if since > SETTLE { Answer::Unknowable(why) } else { Answer::NotYet(why) };
        }
        let mut there = vec![counted(comparison.databases, "database"), counted(comparison.tables, "table")];
        if comparison.counted > 0 {
            there.push(format!("the rows of {}", counted(comparison.counted, "table")));
        }
        let beyond = match comparison.beyond.as_slice() {
            [] => String::new(),
            [first, ..] => format!(" (not compared: {first})"),
        };
        let segments = if after.kernel == Kernel::Mpp { ", and so does every segment" } else { "" };
        Answer::Confirmed(format!("it answers SQL{segments}; {}{row} are there as before{beyond}", there.join(", ")))
    }

    /// Writes the canary row.
    ///
    /// # Errors
    /// Why it was not written; nothing is left then.
    pub async fn write_canary(&self, schema: &str) -> Result<(), String> {
        let Some((sql, _)) = &self.sql else { return Err("it takes no SQL".into()) };
        match canary_named(schema).write(sql, CANARY).await {
            Written::Written => Ok(()),
            Written::NotWritten(reason) => Err(reason),
        }
    }

    /// Drops the canary row.
    ///
    /// # Errors
    /// Why it is still there.
    pub async fn drop_canary(&self, schema: &str) -> Result<(), String> {
        let Some((sql, _)) = &self.sql else { return Ok(()) };
        canary_named(schema).drop(sql, CANARY).await
    }
}

/// The canary whose schema a plan named.
fn canary_named(schema: &str) -> Canary {
    Canary::new(schema.strip_prefix(Canary::PREFIX).unwrap_or(schema))
}

fn settled(missing: Vec<String>, since: Duration, settle: Duration) -> Answer {
    if since > settle {
        Answer::Missing(missing)
    } else {
        Answer::NotYet(format!("not there yet: {}", missing.join(", ")))
    }
}

/// A page that says less than before: a pageserver whose tenants are not attached holds nothing (Neon #12667), and a
/// safekeeper that has not fetched the committed WAL again does not count towards the majority.
fn same_page(before: Option<&Metrics>, after: Option<&Metrics>, since: Duration) -> Answer {
    let less = match (before, after) {
        (None, _) => Vec::new(),
        (Some(_), None) => vec!["its metrics, which it served before".to_owned()],
        (Some(before), Some(after)) => less_than(before, after),
    };
    if !less.is_empty() {
        return settled(less, since, SETTLE_PAGE);
    }
    Answer::Confirmed(match after {
        Some(metrics) => format!("its status page answers: {}", metrics_in_words(metrics)),
        None => "its status page answers; it serves no metrics that could be compared".into(),
    })
}

fn less_than(before: &Metrics, after: &Metrics) -> Vec<String> {
    match (before, after) {
        (Metrics::Safekeeper(before), Metrics::Safekeeper(after)) => before
            .iter()
            .filter_map(|(timeline, wal)| {
                let committed = wal.commit_lsn?;
                let flushed = after.get(timeline).and_then(|wal| wal.flush_lsn).unwrap_or(0);
                (flushed < committed).then(|| {
                    format!("WAL of timeline {timeline} up to {committed}, committed before; it has {flushed}")
                })
            })
            .collect(),
        (Metrics::Pageserver { tenants: before, broken: b }, Metrics::Pageserver { tenants: after, broken: a }) => {
            let active =
                |tenants: &std::collections::BTreeMap<String, u64>| tenants.get("Active").copied().unwrap_or(0);
            let mut less = Vec::new();
            if active(after) < active(before) {
                less.push(format!("active tenants: {} of {} before", active(after), active(before)));
            }
            if a.unwrap_or(0) > b.unwrap_or(0) {
                less.push(format!("{} broken tenants, {} before", a.unwrap_or(0), b.unwrap_or(0)));
            }
            less
        }
        _ => vec!["metrics of the same kind as before".into()],
    }
}

fn metrics_in_words(metrics: &Metrics) -> String {
    match metrics {
        Metrics::Safekeeper(timelines) => format!("WAL of {}", counted(timelines.len(), "timeline")),
        Metrics::Pageserver { tenants, .. } => {
            let active = tenants.get("Active").copied().unwrap_or(0);
            crate::probe::compare::counted(active, "active tenant")
        }
    }
}

/// A list's length is what is counted here.
fn counted(number: usize, noun: &str) -> String {
    crate::probe::compare::counted(number as u64, noun)
}

impl Testimony {
    /// In words: `PostgreSQL 15.18: 2 databases, 1 table`.
    pub fn summary(&self) -> String {
        match self {
            Self::Sql(baseline) => {
                let tables = baseline.databases.iter().map(|database| match &database.tables {
                    Listing::Known(tables) => usize::try_from(tables.total).unwrap_or(usize::MAX),
                    Listing::Unknown(_) => 0,
                });
                let kernel = if baseline.kernel == Kernel::Mpp { ", MPP" } else { "" };
                let version = &baseline.version;
                let databases = counted(baseline.databases.len(), "database");
                format!("{version}{kernel}: {databases}, {}", counted(tables.sum(), "table"))
            }
            Self::Page(Some(metrics)) => format!("status page, {}", metrics_in_words(metrics)),
            Self::Page(None) => "status page, no metrics".into(),
        }
    }
}
