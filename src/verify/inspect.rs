//! Queries all targets at the same time, each with a time limit. Other modules judge the answers.

use super::check::{CheckKind, Judgement, VerifyCheck, VerifyVerdict};
use super::evidence::Evidence;
use super::servers::{self, WriteTrial};
use super::status_pages::{self, Answered};
use super::targets::VerifyTarget;
use crate::cluster::Cluster;
use crate::probe::connector::Connector;
use crate::probe::digests::digests;
use crate::probe::http::{Deadlines, status_page};
use crate::probe::kernel::Kernel;
use crate::probe::no_page::{NoPage, NoPageKind};
use crate::probe::{Answer, Baseline, Canary, ContentsRequest, Login, PageAccess, Sql, SqlTarget};
use crate::storage::{Digests, Reading, Readings};
use crate::topology::layout::{SqlEndpoint, StatusEndpoint};
use crate::topology::{Endpoint, Member, Role, Topology, Warehouse};
use futures::StreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Time limit of one query, login and all statements.
pub(crate) const QUESTION: Duration = Duration::from_secs(10);
/// Servers and components queried at once.
const AT_ONCE: usize = 8;

/// How to query.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Password and TLS.
    pub login: Login,
    /// The access to storage components' status endpoints.
    pub page_token: PageAccess,
    /// Role to log in as, if it is not the layout's.
    pub user: Option<String>,
    /// Read only this database; it must exist.
    pub database: Option<String>,
    /// Name of the canary table's schema, unique to this run; `None` writes nothing.
    pub canary: Option<String>,
    /// Time limit of each query, login and all statements.
    pub deadline: Duration,
    /// What each member held before, by `namespace/pod`, if the answers are to be compared with it: what it lists is
    /// searched for by name, and what was counted is counted again.
    pub before: BTreeMap<String, Evidence>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inspection {
    /// In the order of the targets.
    pub checks: Vec<VerifyCheck>,
    /// What each responding member holds, by `namespace/pod`.
    pub evidence: BTreeMap<String, Evidence>,
    /// Those of them, by `namespace/pod`, that report only their catalog and nothing of any segment.
    pub catalog_only: BTreeSet<String>,
}

/// The result of querying one target.
enum Asked<'s> {
    /// All checks of the target.
    Judged(Inspection),
    /// The status endpoints of a component, to be judged together with the others'.
    Pages(AskedPages<'s>),
}

/// The status endpoints of a component, and how long each took.
struct AskedPages<'s> {
    namespace: &'s str,
    component: &'s str,
    role: Role,
    whole: bool,
    remote_storage: Option<bool>,
    pods: &'s [(String, bool)],
    endpoint: &'s StatusEndpoint,
    answers: Vec<(String, Answered, Duration)>,
    digests: Digests,
}

/// Queries all targets.
pub(crate) async fn inspect(cluster: &Cluster, subjects: &[VerifyTarget], options: &Options) -> Inspection {
    let asked = subjects.iter().map(|subject| async move {
        match subject {
            VerifyTarget::Server { namespace, pod, endpoint, exists, warehouse, answers_for, suspended } => {
                if !exists {
                    let judged = Judgement::failed("pod not found");
                    let check = judged.on(CheckKind::Connection, namespace, pod, Duration::ZERO);
                    return Asked::Judged(Inspection { checks: vec![check], ..Inspection::default() });
                }
                let account = Account { warehouse: warehouse.as_deref(), answers_for, suspended };
                Asked::Judged(server(cluster, namespace, pod, endpoint, account, options).await)
            }
            VerifyTarget::Pages { namespace, component, role, pods, endpoint, whole, remote_storage } => {
                let (role, whole, remote_storage) = (*role, *whole, *remote_storage);
                let answers = component_pages(cluster, namespace, pods, endpoint, options).await;
                let digests = Digests::default();
                Asked::Pages(AskedPages {
                    namespace,
                    component,
                    role,
                    whole,
                    remote_storage,
                    pods,
                    endpoint,
                    answers,
                    digests,
                })
            }
            VerifyTarget::Nodes { namespace, component, ready, waiting } => {
                let check = nodes(*ready, waiting).on(CheckKind::Nodes, namespace, component, Duration::ZERO);
                Asked::Judged(Inspection { checks: vec![check], ..Inspection::default() })
            }
            VerifyTarget::Unprovable { namespace, pod, reason } => {
                let judged = Judgement::skipped(format!("{reason}; only its pod is known to be Ready"));
                let check = judged.on(CheckKind::Connection, namespace, pod, Duration::ZERO);
                Asked::Judged(Inspection { checks: vec![check], ..Inspection::default() })
            }
            VerifyTarget::Suspended(suspended) => {
                let (kind, member) = match &suspended.warehouse {
                    Some(_) => (CheckKind::Nodes, suspended.sets.first().map(String::as_str).unwrap_or_default()),
                    None => (CheckKind::Namespace, ""),
                };
                let judged = Judgement::skipped(format!("suspended: {}", suspended.why()));
                let check = judged.on(kind, &suspended.namespace, member, Duration::ZERO);
                Asked::Judged(Inspection { checks: vec![check], ..Inspection::default() })
            }
            VerifyTarget::Unasked { namespace, pod, reason } => {
                let check =
                    Judgement::unknown(reason.clone()).on(CheckKind::Connection, namespace, pod, Duration::ZERO);
                Asked::Judged(Inspection { checks: vec![check], ..Inspection::default() })
            }
        }
    });
    // Not one by one: a server that hangs delays no other.
    let mut all: Vec<Asked<'_>> = futures::stream::iter(asked).buffered(AT_ONCE).collect().await;
    for at in 0..all.len() {
        let again = asked_again(cluster, at, &all, options).await;
        if let (Some(answers), Asked::Pages(pages)) = (again, &mut all[at]) {
            pages.answers = answers;
        }
        let digests = same_bytes(cluster, at, &all, options).await;
        if let (Some(digests), Asked::Pages(pages)) = (digests, &mut all[at]) {
            pages.digests = digests;
        }
    }
    let mut whole = Inspection::default();
    for one in &all {
        let found = match one {
            Asked::Judged(found) => found.clone(),
            Asked::Pages(pages) => judged(pages, &beside(pages, &all)),
        };
        whole.checks.extend(found.checks);
        whole.evidence.extend(found.evidence);
        whole.catalog_only.extend(found.catalog_only);
    }
    whole
}

/// Queries safekeepers again if one of them seems to lack WAL: while a compute writes, two readings of one moment
/// differ. What was committed at the first must be flushed at the second. `None` if that is not necessary.
async fn asked_again(
    cluster: &Cluster,
    at: usize,
    all: &[Asked<'_>],
    options: &Options,
) -> Option<Vec<(String, Answered, Duration)>> {
    let Asked::Pages(pages) = &all[at] else { return None };
    let first = beside(pages, all);
    if pages.role != Role::Safekeeper || !pages.whole || status_pages::wal(&first).verdict == VerifyVerdict::Passed {
        return None;
    }
    let second = component_pages(cluster, pages.namespace, pages.pods, pages.endpoint, options).await;
    Some(after(&first, second))
}

/// Requests digests of the WAL that several safekeepers have. `None` if there is nothing to request.
async fn same_bytes(cluster: &Cluster, at: usize, all: &[Asked<'_>], options: &Options) -> Option<Digests> {
    let Asked::Pages(pages) = &all[at] else { return None };
    if pages.role != Role::Safekeeper || !pages.whole {
        return None;
    }
    let token = options.page_token.with_secrets_or_reason(cluster, pages.namespace, options.deadline).await;
    let safekeepers: Vec<(&str, &StatusEndpoint)> =
        pages.pods.iter().map(|(pod, _)| (pod.as_str(), pages.endpoint)).collect();
    let readings = beside(pages, all);
    let readings: Vec<&Reading> = readings.safekeepers.iter().collect();
    Some(digests(cluster, pages.namespace, &safekeepers, &readings, Deadlines::default().metrics, &token).await)
}

/// Joins the second answers with the positions that were committed at the first.
fn after(first: &Readings, second: Vec<(String, Answered, Duration)>) -> Vec<(String, Answered, Duration)> {
    let readings = second.iter().map(|(pod, answered, _)| status_pages::reading(pod, answered)).collect();
    let joined = first.then(Readings { safekeepers: readings, ..Readings::default() });
    let answer = |((pod, answered, took), joined): ((String, Answered, Duration), Reading)| {
        (pod, answered.map(|facts| joined.said.unwrap_or(facts)), took)
    };
    second.into_iter().zip(joined.safekeepers).map(answer).collect()
}

/// Returns what the storage components of the same namespace reported.
fn beside(pages: &AskedPages<'_>, all: &[Asked<'_>]) -> Readings {
    let mut readings = Readings::default();
    for one in all {
        let Asked::Pages(other) = one else { continue };
        if other.namespace != pages.namespace {
            continue;
        }
        let read = other.answers.iter().map(|(pod, answered, _)| status_pages::reading(pod, answered));
        match other.role {
            Role::Safekeeper => {
                readings.safekeepers.extend(read);
                readings.digests = other.digests.clone();
            }
            Role::Pageserver => readings.pageservers.extend(read),
            _ => {}
        }
    }
    readings
}

/// Judges the status endpoints of a component, beside those of its namespace.
fn judged(pages: &AskedPages<'_>, beside: &Readings) -> Inspection {
    let AskedPages { namespace, component, role, whole, remote_storage, answers, .. } = pages;
    let mut found = Inspection::default();
    for (pod, answered, took) in answers {
        found.checks.push(status_pages::page(answered).on(CheckKind::Page, namespace, pod, *took));
        if *role == Role::Pageserver {
            let judged = status_pages::tenants(&status_pages::reading(pod, answered), beside, *remote_storage);
            found.checks.push(judged.on(CheckKind::Tenants, namespace, pod, Duration::ZERO));
        }
        if let Ok(facts) = answered {
            found.evidence.insert(format!("{namespace}/{pod}"), Evidence::Page(facts.clone()));
        }
    }
    if *role == Role::Safekeeper && *whole {
        let answers: Vec<_> = answers.iter().map(|(pod, answered, _)| (pod.clone(), answered.clone())).collect();
        found.checks.push(status_pages::majority(&answers).on(
            CheckKind::Majority,
            namespace,
            component,
            Duration::ZERO,
        ));
        found.checks.push(status_pages::wal(beside).on(CheckKind::Wal, namespace, component, Duration::ZERO));
    }
    found
}

fn nodes((ready, all): (usize, usize), waiting: &[String]) -> Judgement {
    let reason = format!("{ready} of {all} Ready");
    if waiting.is_empty() {
        return Judgement::passed(reason);
    }
    Judgement { lines: waiting.iter().map(|pod| format!("{pod} is not Ready")).collect(), ..Judgement::failed(reason) }
}

/// An answer, and how long it took.
async fn timed<T>(asked: impl Future<Output = T>) -> (T, Duration) {
    let started = Instant::now();
    (asked.await, started.elapsed())
}

/// What a server is asked about its account's warehouses.
#[derive(Clone, Copy)]
struct Account<'a> {
    /// The warehouse of its sessions.
    warehouse: Option<&'a str>,
    /// Those whose nodes are queried through it, by the component's name.
    answers_for: &'a [(String, Warehouse)],
    /// The suspended ones.
    suspended: &'a [String],
}

/// Queries a database server in a pod, and each warehouse behind it in a session of that warehouse.
async fn server(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    endpoint: &SqlEndpoint,
    account: Account<'_>,
    options: &Options,
) -> Inspection {
    let login = match options.login.clone().with_secrets(cluster, namespace, options.deadline).await {
        Ok(login) => login,
        Err(error) => {
            let judged = Judgement::unknown(format!("it was not queried: {error}"));
            let check = judged.on(CheckKind::Connection, namespace, pod, Duration::ZERO);
            return Inspection { checks: vec![check], ..Inspection::default() };
        }
    };
    let (first, mut otherwise) = endpoint.logins();
    otherwise.insert(0, first.clone());
    let target = SqlTarget {
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
        port: endpoint.port,
        user: options.user.clone().unwrap_or_else(|| endpoint.user.clone()),
        login,
        database: options.database.clone().unwrap_or(first),
        otherwise,
        warehouse: account.warehouse.map(str::to_owned),
    };
    let sql = Sql::over(cluster, target.clone());
    let path = format!("{namespace}/{pod}");
    let before = match options.before.get(&path) {
        Some(Evidence::Sql(before)) => Some(before),
        Some(Evidence::Page(_)) | None => None,
    };
    let of = |warehouse: &Warehouse| {
        Sql::over(cluster, SqlTarget { warehouse: Some(warehouse.name.clone()), ..target.clone() })
    };
    server_over(&sql, of, (namespace, pod), account, (&endpoint.database, before), options).await
}

/// Queries a server over any connector; `of` creates one whose sessions are in a warehouse. `must` is the database that
/// must exist, if no other is requested; `before` is what the answer is compared with.
async fn server_over<C: Connector>(
    sql: &Sql<C>,
    of: impl Fn(&Warehouse) -> Sql<C>,
    (namespace, pod): (&str, &str),
    account: Account<'_>,
    (must, before): (&str, Option<&Baseline>),
    options: &Options,
) -> Inspection {
    let check = |judged: Judgement, kind, took| judged.on(kind, namespace, pod, took);
    let (introduced, took) = timed(sql.introduction(options.deadline)).await;
    let connection = check(servers::connection(&introduced), CheckKind::Connection, took);
    // Without a login no other query is possible, and one reason is enough.
    let Answer::Yes(who) = introduced else {
        return Inspection { checks: vec![connection], ..Inspection::default() };
    };

    let mpp = who.kernel == Kernel::Mpp;
    let (answering, dispatched) = if mpp {
        let (answering, dispatched) = timed(sql.segments(options.deadline)).await;
        (Some(answering), dispatched)
    } else {
        (None, Duration::ZERO)
    };
    // Written rows are on segments.
    let nowhere = matches!(answering, Some(Answer::Yes(None)));
    let instances = async {
        if !mpp {
            return (None, Duration::ZERO);
        }
        let (instances, read) = timed(sql.instances(options.deadline)).await;
        (Some(instances), read)
    };
    let tried = async { if nowhere { None } else { trial(sql, mpp, options).await } };
    // One warehouse that hangs delays no other.
    let warehouses = account.answers_for.iter().map(|(component, warehouse)| {
        let sql = of(warehouse);
        async move {
            let (answer, took) =
                if mpp { timed(sql.segments(options.deadline)).await } else { (Answer::Yes(None), Duration::ZERO) };
            servers::warehouse(who.kernel, &answer, warehouse).on(CheckKind::Segments, namespace, component, took)
        }
    });
    let only = options.database.as_deref();
    let ((instances, read), (contents, looked), tried, warehouses) = futures::join!(
        instances,
        timed(sql.contents(ContentsRequest { only, before }, options.deadline)),
        timed(tried),
        futures::future::join_all(warehouses)
    );

    let mut checks = vec![connection];
    let judged = servers::tables(contents.as_ref(), only.unwrap_or(must));
    checks.extend(judged.into_iter().map(|judged| check(judged, CheckKind::Tables, looked)));
    // If its warehouses are queried one by one, each reports it.
    if account.answers_for.is_empty() || !mpp {
        checks.push(check(servers::segments(answering), CheckKind::Segments, dispatched));
    }
    checks.push(check(servers::mirrors(instances, account.suspended), CheckKind::Mirrors, read));
    match tried {
        (None, _) => {
            let why = if nowhere { servers::NO_WAREHOUSE } else { "--read-only was given" };
            let skipped = || Judgement::skipped(why);
            checks.push(check(skipped(), CheckKind::Write, Duration::ZERO));
            checks.push(check(skipped(), CheckKind::Spread, Duration::ZERO));
        }
        (Some((trial, spread)), wrote) => {
            checks.push(check(servers::write(&trial), CheckKind::Write, wrote));
            checks.push(check(servers::spread(who.kernel, &trial), CheckKind::Spread, spread));
        }
    }
    checks.extend(warehouses);
    let path = format!("{namespace}/{pod}");
    let evidence = match contents {
        Ok(baseline) => Some((path.clone(), Evidence::Sql(baseline))),
        Err(_) => None,
    };
    Inspection {
        checks,
        evidence: evidence.into_iter().collect(),
        catalog_only: Some(path).filter(|_| nowhere).into_iter().collect(),
    }
}

/// Writes the canary table, reads it back, checks its distribution, and drops it; also returns how long checking the
/// distribution took.
async fn trial<C: Connector>(sql: &Sql<C>, mpp: bool, options: &Options) -> Option<(WriteTrial, Duration)> {
    let canary = Canary::new(options.canary.as_deref()?);
    let canary = match &options.database {
        Some(database) => canary.in_database(database),
        None => canary,
    };
    let written = canary.write(sql, options.deadline).await;
    let mut trial = WriteTrial { written, read: None, spread: None, left: None };
    let mut took = Duration::ZERO;
    if trial.written.is_ok() {
        trial.read = Some(canary.check(sql, options.deadline).await);
        if mpp {
            let (spread, looked) = timed(canary.spread(sql, options.deadline)).await;
            trial.spread = Some(spread);
            took = looked;
        }
    }
    let may_be_there = trial.written.as_ref().map_or_else(|not| not.may_be_there, |_| true);
    if may_be_there && let Err(why) = canary.drop(sql, options.deadline).await {
        let may = if trial.written.is_ok() { "is" } else { "may be" };
        let database = canary.database(sql);
        trial.left = Some(format!("schema {} {may} left in database {database}: {why}", canary.schema()));
    }
    Some((trial, took))
}

/// Queries the status endpoints of a component, all at the same time.
async fn component_pages(
    cluster: &Cluster,
    namespace: &str,
    pods: &[(String, bool)],
    endpoint: &StatusEndpoint,
    options: &Options,
) -> Vec<(String, Answered, Duration)> {
    let token = &options.page_token.with_secrets_or_reason(cluster, namespace, options.deadline).await;
    let asked = pods.iter().map(|(pod, exists)| async move {
        if !exists {
            let reason = "pod not found".to_owned();
            return (pod.clone(), Err(NoPage { kind: NoPageKind::Refused, reason }), Duration::ZERO);
        }
        let (answered, took) = timed(status_page(cluster, namespace, pod, endpoint, Deadlines::default(), token)).await;
        (pod.clone(), answered, took)
    });
    futures::future::join_all(asked).await
}

/// A storage component to query.
#[derive(Clone, Debug)]
pub(crate) struct StoragePage {
    /// Its pod.
    pub pod: String,
    /// Its role.
    pub role: Role,
    /// Port and path, or why it cannot be queried.
    pub endpoint: Result<StatusEndpoint, String>,
}

/// Returns the storage components of a namespace.
pub(crate) fn storage_pages(topology: &Topology, namespace: &str) -> Vec<StoragePage> {
    let members = topology.space(namespace).into_iter().flat_map(|space| space.members());
    let storage = members.filter(|member| matches!(member.role, Role::Safekeeper | Role::Pageserver));
    let page = |member: &Member| {
        let endpoint = match topology.endpoint(member) {
            Endpoint::Page { endpoint, .. } if member.pod.is_some() => Ok(endpoint),
            Endpoint::Page { .. } => Err("pod not found".to_owned()),
            Endpoint::Sql { .. } => Err("the layout defines no status endpoint for it".to_owned()),
            Endpoint::Silent(reason) => Err(reason),
        };
        StoragePage { pod: member.name.clone(), role: member.role, endpoint }
    };
    storage.map(page).collect()
}

/// Queries storage components' status endpoints and metrics, all at the same time.
pub(crate) async fn read_storage(
    cluster: &Cluster,
    namespace: &str,
    pages: &[StoragePage],
    deadlines: Deadlines,
    token: &PageAccess,
) -> Readings {
    let asked = pages.iter().map(|page| async move {
        let said = match &page.endpoint {
            Ok(endpoint) => {
                status_page(cluster, namespace, &page.pod, endpoint, deadlines, token).await.map_err(|no| no.reason)
            }
            Err(why) => Err(why.clone()),
        };
        (page.role, Reading { pod: page.pod.clone(), said })
    });
    let mut readings = Readings::default();
    for (role, reading) in futures::future::join_all(asked).await {
        let list = if role == Role::Safekeeper { &mut readings.safekeepers } else { &mut readings.pageservers };
        list.push(reading);
    }
    readings
}

/// Requests digests from safekeepers, whose reports are `readings`, of the WAL that several of them have.
pub(crate) async fn read_bytes(
    cluster: &Cluster,
    namespace: &str,
    pages: &[StoragePage],
    readings: &[&Reading],
    token: &PageAccess,
) -> Digests {
    let safekeepers = pages.iter().filter(|page| page.role == Role::Safekeeper);
    let safekeepers: Vec<(&str, &StatusEndpoint)> =
        safekeepers.filter_map(|page| Some((page.pod.as_str(), page.endpoint.as_ref().ok()?))).collect();
    digests(cluster, namespace, &safekeepers, readings, Deadlines::default().metrics, token).await
}

#[cfg(test)]
#[cfg(unix)]
#[path = "inspect_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "inspect_storage_tests.rs"]
mod storage_tests;
