//! Judges a database server's answers. Pure.

use super::check::Judgement;
use crate::probe::ProbeError;
use crate::probe::baseline::{Database, Listing, Table, Uncounted};
use crate::probe::canary::{NotWritten, Spread, Written};
use crate::probe::kernel::Kernel;
use crate::probe::segments::{Dispatched, Instance};
use crate::probe::sql::Introduction;
use crate::probe::{Answer, Baseline};
use crate::text::counted;
use crate::topology::Warehouse;
use std::collections::{BTreeMap, BTreeSet};

/// Most tables of a database that are named in its line.
const NAMED: usize = 4;
/// Most instances that are named.
const NAMED_INSTANCES: usize = 5;

/// Why checks of segments are skipped on a server without any.
pub(crate) const NOT_MPP: &str = "plain PostgreSQL: no segments";

/// Why checks of data on segments are skipped on a server whose sessions have no warehouse.
pub(crate) const NO_WAREHOUSE: &str = "no warehouse of the account is up: only the catalog is queried";

/// Judges the login and the server's version.
pub(crate) fn connection(answer: &Answer<Introduction>) -> Judgement {
    match answer {
        Answer::Yes(who) => {
            let kernel = if who.kernel == Kernel::Mpp { ", MPP" } else { "" };
            let recovery = if who.in_recovery { "in recovery, read-only" } else { "not in recovery" };
            Judgement::passed(format!("{}{kernel}, {recovery}", who.version))
        }
        Answer::No(reason) => Judgement::failed(reason.clone()),
        Answer::Unknown(reason) => Judgement::unknown(reason.clone()),
    }
}

/// Judges whether every primary segment responds to a dispatched query; `None` if there are no segments.
pub(crate) fn segments(answer: Option<Answer<Option<Dispatched>>>) -> Judgement {
    let Some(answer) = answer else { return Judgement::skipped(NOT_MPP) };
    match answer {
        Answer::Yes(None) => Judgement::skipped(NO_WAREHOUSE),
        Answer::Yes(Some(Dispatched { answered: 0, .. })) => Judgement::failed("no primary segment responded"),
        Answer::Yes(Some(dispatched)) => Judgement::passed(dispatched_in_words(&dispatched)),
        Answer::No(reason) => Judgement::failed(reason),
        Answer::Unknown(reason) => Judgement::unknown(reason),
    }
}

/// `2 primary segments responded to a dispatched query in warehouse wh-1`.
fn dispatched_in_words(dispatched: &Dispatched) -> String {
    let all = counted(dispatched.answered as u64, "primary segment");
    let within = dispatched.warehouse.as_ref().map(|name| format!(" in warehouse {name}")).unwrap_or_default();
    format!("{all} responded to a dispatched query{within}")
}

/// The nodes of a warehouse are not proven to respond.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("whether the nodes of warehouse {warehouse} respond is unknown: {why}")]
pub(crate) struct NodesUnproven {
    /// The warehouse.
    pub warehouse: String,
    /// Why.
    #[source]
    pub why: NoDispatch,
}

/// Why a query that was dispatched proves nothing about the nodes of a warehouse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoDispatch {
    /// The server has no segments.
    #[error("the server is plain PostgreSQL and has no segments")]
    PlainPostgreSql,
    /// The server's sessions have no warehouse.
    #[error("its sessions have no warehouse")]
    NoWarehouse,
    /// The session was in another warehouse, of this name.
    #[error("the session was in warehouse {0}")]
    OtherWarehouse(String),
    /// The server does not name a warehouse, and there are several.
    #[error("the server knows no warehouses, but the account has more than this one")]
    AnyWarehouse,
    /// Fewer segments responded than there are nodes.
    #[error("{} responded, but it has {}", counted(*.segments as u64, "segment"), counted(*.nodes as u64, "node"))]
    TooFew {
        /// Segments that responded.
        segments: usize,
        /// Nodes of the warehouse.
        nodes: usize,
    },
}

/// Returns how the nodes of a warehouse are proven to respond, by a query that was dispatched in a session of that
/// warehouse and in no other, through the endpoint of its account. A query that reached the coordinator alone, another
/// warehouse, or fewer segments than there are nodes proves nothing about them.
///
/// # Errors
/// Why they are not proven to respond.
pub(crate) fn nodes_proven(
    kernel: Kernel,
    dispatched: Option<&Dispatched>,
    warehouse: &Warehouse,
) -> Result<String, NodesUnproven> {
    let Warehouse { name, nodes, only, .. } = warehouse;
    let unknown = |why| Err(NodesUnproven { warehouse: name.clone(), why });
    let dispatched = match (kernel, dispatched) {
        (Kernel::PostgreSql, _) => return unknown(NoDispatch::PlainPostgreSql),
        (Kernel::Mpp, None) => return unknown(NoDispatch::NoWarehouse),
        (Kernel::Mpp, Some(dispatched)) => dispatched,
    };
    match &dispatched.warehouse {
        Some(other) if other != name => return unknown(NoDispatch::OtherWarehouse(other.clone())),
        None if !only => {
            return unknown(NoDispatch::AnyWarehouse);
        }
        Some(_) | None => {}
    }
    if dispatched.answered < *nodes {
        return unknown(NoDispatch::TooFew { segments: dispatched.answered, nodes: *nodes });
    }
    Ok(dispatched_in_words(dispatched))
}

/// Returns the same as a judgement of an answer.
pub(crate) fn warehouse(kernel: Kernel, answer: &Answer<Option<Dispatched>>, warehouse: &Warehouse) -> Judgement {
    match answer {
        Answer::Yes(dispatched) => match nodes_proven(kernel, dispatched.as_ref(), warehouse) {
            Ok(how) => Judgement::passed(how),
            Err(why) => Judgement::unknown(why.to_string()),
        },
        Answer::No(reason) => Judgement::failed(reason.clone()),
        Answer::Unknown(reason) => Judgement::unknown(reason.clone()),
    }
}

/// Judges whether the catalog reports an instance as down, and, if mirrors exist, whether they are in sync and each
/// instance is in its role; `None` if there are no segments. A cluster without mirrors is healthy in mode `n`. That all
/// are up proves nothing: the catalog is late. Instances of `suspended` warehouses do not count.
pub(crate) fn mirrors(answer: Option<Answer<Vec<Instance>>>, suspended: &[String]) -> Judgement {
    let instances = match answer {
        None => return Judgement::skipped(NOT_MPP),
        Some(Answer::Yes(instances)) => instances,
        Some(Answer::No(reason)) => return Judgement::failed(reason),
        Some(Answer::Unknown(reason)) => return Judgement::unknown(reason),
    };
    let counts = |instance: &&Instance| instance.warehouse.as_ref().is_none_or(|name| !suspended.contains(name));
    let instances: Vec<&Instance> = instances.iter().filter(counts).collect();
    // Each warehouse may number its segments from 0.
    let mut contents: BTreeMap<(i32, Option<&str>), Vec<&Instance>> = BTreeMap::new();
    for instance in &instances {
        contents.entry((instance.content, instance.warehouse.as_deref())).or_default().push(instance);
    }
    let several = contents.keys().filter_map(|(_, warehouse)| *warehouse).collect::<BTreeSet<_>>().len() > 1;
    let mut troubles = Vec::new();
    let mut mirrored = 0;
    for ((content, warehouse), instances) in &contents {
        let name = match (content, warehouse) {
            (..0, _) => "the coordinator".to_owned(),
            (_, Some(warehouse)) if several => format!("segment {content} of warehouse {warehouse}"),
            (_, _) => format!("segment {content}"),
        };
        let has_mirror = instances.iter().any(|instance| instance.preferred_role == "m");
        mirrored += usize::from(has_mirror);
        for instance in instances {
            let what = if instance.preferred_role == "m" { format!("{name}'s mirror") } else { name.clone() };
            let host = &instance.host;
            if instance.status != "u" {
                troubles.push(format!("{what} on {host} is down"));
            } else if has_mirror && instance.role != instance.preferred_role {
                let role = if instance.role == "p" { "primary" } else { "mirror" };
                troubles.push(format!("{what} on {host} acts as {role}"));
            }
        }
        let primary = instances.iter().find(|instance| instance.role == "p");
        if has_mirror && primary.is_some_and(|primary| primary.mode != "s") {
            troubles.push(format!("{name} is not in sync with its mirror"));
        }
    }
    if !troubles.is_empty() {
        let more = troubles.len().saturating_sub(NAMED_INSTANCES);
        let number = troubles.len() as u64;
        troubles.truncate(NAMED_INSTANCES);
        if more > 0 {
            troubles.push(format!("and {more} more"));
        }
        let failed = Judgement::failed(format!("the catalog reports {}", counted(number, "problem")));
        return Judgement { lines: troubles, ..failed };
    }
    let up = format!("the catalog reports all {} up", counted(instances.len() as u64, "instance"));
    Judgement::passed(if mirrored == 0 { format!("{up}; there are no mirrors") } else { format!("{up} and in sync") })
}

/// Judges each database: whether it accepts connections, and its contents. `must` has to exist.
pub(crate) fn tables(contents: Result<&Baseline, &ProbeError>, must: &str) -> Vec<Judgement> {
    let baseline = match contents {
        Ok(baseline) => baseline,
        Err(trouble) => {
            let reason = trouble.reason.clone();
            return vec![if trouble.meaning.fails() { Judgement::failed(reason) } else { Judgement::unknown(reason) }];
        }
    };
    let mut judged = Vec::new();
    if !baseline.databases.iter().any(|database| database.name == must) && !beyond(baseline, must) {
        judged.push(Judgement::failed(format!("database {must} does not exist")));
    }
    judged.extend(baseline.databases.iter().map(contents_of));
    if baseline.truncated {
        let listed = baseline.databases.len();
        let all = baseline.total.map(|total| format!(" of {total}")).unwrap_or_default();
        judged.push(Judgement::skipped(format!("only the first {listed}{all} databases were checked")));
    }
    judged
}

/// Judges a database's contents. A table that the server cannot read fails, with the server's message; one whose rows
/// could not be counted is unknown; one that was not to be counted is neither.
fn contents_of(database: &Database) -> Judgement {
    let tables = match &database.tables {
        Listing::Known(tables) => tables,
        Listing::Unknown(reason) => return Judgement::unknown(format!("{}: {reason}", database.name)),
        Listing::Damaged(reason) => return Judgement::failed(format!("{}: {reason}", database.name)),
    };
    let all = format!("{}: {}", database.name, counted(tables.total, "table"));
    let damaged = database.damage();
    if !damaged.is_empty() {
        let reason = format!("{all}, {} cannot be read", damaged.len());
        return Judgement { lines: damaged, ..Judgement::failed(reason) };
    }
    let uncounted: Vec<String> = tables
        .tables
        .iter()
        .filter_map(|table| match &table.uncounted {
            Some(Uncounted::Unknown(why)) => Some(format!("{}: {why}", table.qualified())),
            Some(Uncounted::Damaged(_)) | None => None,
        })
        .collect();
    if !uncounted.is_empty() {
        let number = uncounted.len();
        let mut lines = uncounted;
        lines.truncate(NAMED);
        return Judgement { lines, ..Judgement::unknown(format!("{all}; the rows of {number} could not be counted")) };
    }
    Judgement::passed(match named(database) {
        Some(names) => format!("{all}: {names}"),
        None => all,
    })
}

/// Returns whether a database may be one of those that a truncated list excludes.
fn beyond(baseline: &Baseline, name: &str) -> bool {
    baseline.truncated && baseline.databases.last().is_some_and(|last| name > last.name.as_str())
}

/// Returns the first tables, with their rows if they are known, and their schema if it is not the usual one.
fn named(database: &Database) -> Option<String> {
    let listing = database.known()?;
    let name = |table: &Table| {
        let place = if table.schema == "public" { table.name.clone() } else { table.qualified() };
        match table.rows {
            Some(rows) if table.at_least => format!("{place} (at least {})", counted(rows, "row")),
            Some(rows) => format!("{place} ({})", counted(rows, "row")),
            None if table.estimated_rows > 0.0 => format!("{place} (about {} rows)", table.estimated_rows),
            None => place,
        }
    };
    let tables = listing.tables.iter().filter(|table| table.kind.is_table());
    let mut names: Vec<String> = tables.take(NAMED).map(name).collect();
    let more = listing.total.saturating_sub(names.len() as u64);
    if more > 0 && !names.is_empty() {
        names.push(format!("and {more} more"));
    }
    (!names.is_empty()).then(|| names.join(", "))
}

/// The result of writing, reading back and dropping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WriteTrial {
    /// Whether it was written.
    pub written: Result<Written, NotWritten>,
    /// Whether it was read back as it was written; `None` if it was not written.
    pub read: Option<Answer<()>>,
    /// How it was distributed over the segments of an MPP server.
    pub spread: Option<Answer<Spread>>,
    /// What could not be removed, and why.
    pub left: Option<String>,
}

/// Judges whether written rows can be read.
pub(crate) fn write(trial: &WriteTrial) -> Judgement {
    let judged = match (&trial.written, &trial.read) {
        (Err(not), _) if not.meaning.fails() => Judgement::failed(format!("nothing was written: {}", not.reason)),
        (Err(not), _) => Judgement::unknown(format!("the write test was not completed: {}", not.reason)),
        (Ok(_), Some(Answer::No(reason))) => {
            Judgement::failed(format!("what was written cannot be read back: {reason}"))
        }
        (Ok(_), Some(Answer::Unknown(reason))) => {
            Judgement::unknown(format!("what was written could not be read back: {reason}"))
        }
        (Ok(written), Some(Answer::Yes(()))) => {
            Judgement::passed(format!("{} rows written, read, dropped", written.rows))
        }
        (Ok(_), None) => Judgement::unknown("what was written was not read back"),
    };
    match &trial.left {
        Some(left) => Judgement { lines: vec![left.clone()], ..judged },
        None => judged,
    }
}

/// Judges whether a distributed write reaches every primary segment.
pub(crate) fn spread(kernel: Kernel, trial: &WriteTrial) -> Judgement {
    if kernel == Kernel::PostgreSql {
        return Judgement::skipped(NOT_MPP);
    }
    match &trial.spread {
        Some(Answer::Yes(Spread { holding, primaries })) if holding == primaries && *holding > 0 => {
            Judgement::passed(format!("rows on all {}", counted(*primaries as u64, "primary segment")))
        }
        Some(Answer::Yes(Spread { holding, primaries })) => {
            Judgement::failed(format!("rows on {holding} of {}", counted(*primaries as u64, "primary segment")))
        }
        Some(Answer::No(reason)) => Judgement::failed(reason.clone()),
        Some(Answer::Unknown(reason)) => Judgement::unknown(reason.clone()),
        None => Judgement::unknown("nothing was written"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::baseline::examples::{baseline, table, tables as tables_of};
    use crate::probe::sqlstate::Meaning;
    use crate::verify::check::VerifyVerdict;

    /// `content role preferred mode status`, one word per instance.
    fn cluster(text: &str) -> Vec<Instance> {
        let fields = |word: &str| word.split('/').map(str::to_owned).collect::<Vec<_>>();
        text.split_whitespace()
            .map(|word| {
                let fields = fields(word);
                Instance {
                    content: fields[0].parse().unwrap(),
                    role: fields[1].clone(),
                    preferred_role: fields[2].clone(),
                    mode: fields[3].clone(),
                    status: fields[4].clone(),
                    host: "h".to_owned(),
                    warehouse: fields.get(5).cloned(),
                }
            })
            .collect()
    }

    #[test]
    fn modes_and_roles_are_judged_only_where_mirrors_exist() {
        for (text, verdict, said) in [
            (
                "-1/p/p/n/u 0/p/p/n/u 1/p/p/n/u",
                VerifyVerdict::Passed,
                "the catalog reports all 3 instances up; there are no mirrors",
            ),
            (
                "-1/p/p/s/u 0/p/p/s/u 0/m/m/s/u",
                VerifyVerdict::Passed,
                "the catalog reports all 3 instances up and in sync",
            ),
            ("-1/p/p/n/u 0/p/p/n/d", VerifyVerdict::Failed, "segment 0 on h is down"),
            (
                "0/p/p/n/u 0/m/m/n/d",
                VerifyVerdict::Failed,
                "segment 0's mirror on h is down; segment 0 is not in sync with its mirror",
            ),
            (
                "0/m/p/s/u 0/p/m/s/u",
                VerifyVerdict::Failed,
                "segment 0 on h acts as mirror; segment 0's mirror on h acts as primary",
            ),
            (
                "-1/p/p/n/u -1/m/m/n/d 0/p/p/n/u",
                VerifyVerdict::Failed,
                "the coordinator's mirror on h is down; the coordinator is not in sync with its mirror",
            ),
        ] {
            let judged = mirrors(Some(Answer::Yes(cluster(text))), &[]);
            let words = if judged.lines.is_empty() { judged.reason } else { judged.lines.join("; ") };
            assert_eq!((judged.verdict, words.as_str()), (verdict, said), "{text}");
        }
    }

    /// Some problems are named, and the rest is counted.
    #[test]
    fn of_many_troubles_some_are_named() {
        let down = |number: usize| {
            let text: Vec<String> = (0..number).map(|content| format!("{content}/p/p/n/d")).collect();
            mirrors(Some(Answer::Yes(cluster(&text.join(" ")))), &[]).lines
        };
        assert_eq!(down(NAMED_INSTANCES).len(), NAMED_INSTANCES);
        assert!(down(NAMED_INSTANCES).iter().all(|line| line.ends_with(" is down")));
        let more = down(NAMED_INSTANCES + 2);
        assert_eq!((more.len(), more.last().map(String::as_str)), (NAMED_INSTANCES + 1, Some("and 2 more")));
    }

    /// What could not be removed is named, whatever the result of the trial.
    #[test]
    fn what_a_trial_leaves_behind_is_reported() {
        for (read, verdict) in [(Some(Answer::Yes(())), VerifyVerdict::Passed), (None, VerifyVerdict::Unknown)] {
            let left = Some("schema x is left".to_owned());
            let judged = write(&WriteTrial { written: Ok(Written { rows: 1 }), read, spread: None, left });
            assert_eq!((judged.verdict, judged.lines), (verdict, vec!["schema x is left".to_owned()]));
        }
    }

    #[test]
    fn a_plain_server_has_nothing_that_asks_segments_passed() {
        let trial =
            WriteTrial { written: Ok(Written { rows: 100 }), read: Some(Answer::Yes(())), spread: None, left: None };
        for judged in [segments(None), mirrors(None, &[]), spread(Kernel::PostgreSql, &trial)] {
            assert_eq!((judged.verdict, judged.reason.as_str()), (VerifyVerdict::Skipped, NOT_MPP));
        }
        assert_eq!(spread(Kernel::Mpp, &trial).verdict, VerifyVerdict::Unknown);
    }

    #[test]
    fn a_write_counts_only_when_it_is_read_back() {
        let written = || Ok(Written { rows: 100 });
        let not = |meaning| Err(NotWritten { meaning, reason: "why".to_owned(), may_be_there: false });
        for (written, read, verdict) in [
            (written(), Some(Answer::Yes(())), VerifyVerdict::Passed),
            (written(), Some(Answer::No("it has 3 rows".to_owned())), VerifyVerdict::Failed),
            (written(), Some(Answer::Unknown("late".to_owned())), VerifyVerdict::Unknown),
            (written(), None, VerifyVerdict::Unknown),
            (not(Meaning::Damaged), None, VerifyVerdict::Failed),
            (not(Meaning::Down), None, VerifyVerdict::Failed),
            (not(Meaning::NotAllowed), None, VerifyVerdict::Unknown),
            (not(Meaning::Busy), None, VerifyVerdict::Unknown),
        ] {
            let trial = WriteTrial { written, read, spread: None, left: None };
            assert_eq!(write(&trial).verdict, verdict, "{trial:?}");
        }
    }

    /// A query that reached the coordinator alone, another warehouse, or too few segments proves nothing about a
    /// warehouse's nodes.
    #[test]
    fn nodes_are_proven_by_a_query_dispatched_in_their_own_warehouse_alone() {
        let of = |nodes, only| Warehouse { name: "wh-1".to_owned(), nodes, only, proven: true };
        let went = |answered, expected, warehouse: Option<&str>| {
            Some(Dispatched { answered, expected, warehouse: warehouse.map(str::to_owned) })
        };
        for (kernel, dispatched, warehouse, said) in [
            (
                Kernel::Mpp,
                went(2, Some(2), Some("wh-1")),
                of(2, false),
                Ok("2 primary segments responded to a dispatched query in warehouse wh-1"),
            ),
            // A catalog that lists all warehouses together.
            (
                Kernel::Mpp,
                went(1, None, Some("wh-1")),
                of(1, false),
                Ok("1 primary segment responded to a dispatched query in warehouse wh-1"),
            ),
            (Kernel::Mpp, went(1, None, Some("wh-1")), of(2, false), Err("1 segment responded, but it has 2 nodes")),
            (Kernel::Mpp, went(1, Some(1), Some("wh-1")), of(2, true), Err("1 segment responded, but it has 2 nodes")),
            (Kernel::Mpp, went(2, Some(2), Some("wh-2")), of(2, false), Err("the session was in warehouse wh-2")),
            (Kernel::Mpp, None, of(2, false), Err("its sessions have no warehouse")),
            // A kernel without warehouses dispatches to all of its segments.
            (
                Kernel::Mpp,
                went(2, Some(2), None),
                of(2, true),
                Ok("2 primary segments responded to a dispatched query"),
            ),
            (
                Kernel::Mpp,
                went(4, Some(4), None),
                of(2, false),
                Err("the server knows no warehouses, but the account has more than this one"),
            ),
            (Kernel::PostgreSql, None, of(1, true), Err("the server is plain PostgreSQL and has no segments")),
        ] {
            let unknown = |why| format!("whether the nodes of warehouse wh-1 respond is unknown: {why}");
            let expected = said.map(str::to_owned).map_err(unknown);
            let proven = nodes_proven(kernel, dispatched.as_ref(), &warehouse).map_err(|unproven| unproven.to_string());
            assert_eq!(proven, expected, "{dispatched:?} {warehouse:?}");
            let judged = super::warehouse(kernel, &Answer::Yes(dispatched), &warehouse);
            let verdict = if expected.is_ok() { VerifyVerdict::Passed } else { VerifyVerdict::Unknown };
            assert_eq!(judged.verdict, verdict, "{judged:?}");
        }
        let down = super::warehouse(Kernel::Mpp, &Answer::No("down".to_owned()), &of(1, true));
        assert_eq!((down.verdict, down.reason.as_str()), (VerifyVerdict::Failed, "down"));
    }

    /// A suspended warehouse's segments may be down, and those of two warehouses may have the same number.
    #[test]
    fn instances_of_a_suspended_warehouse_do_not_count() {
        let text = "-1/p/p/n/u 0/p/p/n/u/wh-1 0/p/p/n/d/wh-2";
        let judged = mirrors(Some(Answer::Yes(cluster(text))), &["wh-2".to_owned()]);
        assert_eq!(judged.reason, "the catalog reports all 2 instances up; there are no mirrors");
        let judged = mirrors(Some(Answer::Yes(cluster(text))), &[]);
        assert_eq!(
            (judged.verdict, judged.lines),
            (VerifyVerdict::Failed, vec!["segment 0 of warehouse wh-2 on h is down".to_owned()])
        );
    }

    #[test]
    fn rows_must_lie_on_every_primary() {
        let trial = |holding, primaries| WriteTrial {
            written: Ok(Written { rows: 10_000 }),
            read: None,
            spread: Some(Answer::Yes(Spread { holding, primaries })),
            left: None,
        };
        for (holding, primaries, verdict) in
            [(2, 2, VerifyVerdict::Passed), (1, 2, VerifyVerdict::Failed), (0, 0, VerifyVerdict::Failed)]
        {
            assert_eq!(spread(Kernel::Mpp, &trial(holding, primaries)).verdict, verdict, "{holding} of {primaries}");
        }
    }

    #[test]
    fn a_database_that_must_be_there_is_missed() {
        let table = |name: &str, rows, estimated_rows| Table {
            schema: if name == "odd" { "Odd".to_owned() } else { "public".to_owned() },
            estimated_rows,
            ..table(name, rows)
        };
        let many =
            vec![table("a", Some(3), 3.0), table("b", None, 1e6), table("c", None, -1.0), table("odd", Some(1), 1.0)];
        let mut many = tables_of(many);
        many.total = 9;
        let mut baseline = baseline(vec![
            ("empty", Listing::Known(tables_of(Vec::new()))),
            ("hidden", Listing::Unknown("permission denied".to_owned())),
            ("test_db", Listing::Known(many)),
        ]);
        let text_of = |baseline: &Baseline| -> Vec<(VerifyVerdict, String)> {
            let judged = tables(Ok(baseline), "zzz");
            judged.into_iter().map(|judged| (judged.verdict, judged.reason)).collect()
        };
        let expected = [
            (VerifyVerdict::Failed, "database zzz does not exist"),
            (VerifyVerdict::Passed, "empty: 0 tables"),
            (VerifyVerdict::Unknown, "hidden: permission denied"),
            (
                VerifyVerdict::Passed,
                "test_db: 9 tables: a (3 rows), b (about 1000000 rows), c, Odd.odd (1 row), and 5 more",
            ),
        ];
        assert_eq!(text_of(&baseline), expected.map(|(verdict, reason)| (verdict, reason.to_owned())));
        // A table that cannot be read fails with the server's message; one that could not be counted is unknown.
        for (uncounted, verdict, reason) in [
            (
                Uncounted::Damaged("could not open file (SQLSTATE 58P01)".to_owned()),
                VerifyVerdict::Failed,
                "test_db: 1 table, 1 cannot be read",
            ),
            (
                Uncounted::Unknown("locked".to_owned()),
                VerifyVerdict::Unknown,
                "test_db: 1 table; the rows of 1 could not be counted",
            ),
        ] {
            let table = Table { uncounted: Some(uncounted.clone()), ..table("a", None, 1.0) };
            let judged =
                contents_of(&Database { name: "test_db".to_owned(), tables: Listing::Known(tables_of(vec![table])) });
            assert_eq!(
                (judged.verdict, judged.reason.as_str(), judged.lines.len()),
                (verdict, reason, 1),
                "{uncounted:?}"
            );
        }
        // What sorts behind the end of a truncated list may exist.
        baseline.truncated = true;
        assert!(text_of(&baseline).iter().all(|(verdict, _)| *verdict != VerifyVerdict::Failed));
    }

    /// The server is named with its kernel, and with whether it accepts writes.
    #[test]
    fn a_server_is_introduced_with_its_kernel_and_its_state() {
        let who = |kernel, in_recovery| {
            connection(&Answer::Yes(Introduction {
                version: "PostgreSQL 14".into(),
                version_number: Some(140_000),
                kernel,
                in_recovery,
            }))
            .reason
        };
        assert_eq!(who(Kernel::Mpp, false), "PostgreSQL 14, MPP, not in recovery");
        assert_eq!(who(Kernel::PostgreSql, false), "PostgreSQL 14, not in recovery");
        assert_eq!(who(Kernel::PostgreSql, true), "PostgreSQL 14, in recovery, read-only");
    }

    /// Segments are named with their warehouse where there are several, and a primary's own mode tells whether its mirror is
    /// in sync.
    #[test]
    fn a_segment_is_named_with_its_warehouse_only_if_there_are_several() {
        let lines = |text: &str| mirrors(Some(Answer::Yes(cluster(text))), &[]).lines.join("; ");
        assert_eq!(lines("0/p/p/n/d/wh-1 1/p/p/n/u/wh-1"), "segment 0 on h is down");
        assert_eq!(lines("0/p/p/n/d/wh-1 0/p/p/n/u/wh-2"), "segment 0 of warehouse wh-1 on h is down");
        assert_eq!(lines("0/p/p/n/u 0/m/m/s/u"), "segment 0 is not in sync with its mirror");
        assert_eq!(lines("0/m/m/s/u 0/p/p/n/u"), "segment 0 is not in sync with its mirror");
        assert_eq!(lines("0/m/m/n/u 0/p/p/s/u"), "");
    }

    /// The first tables are named, and how many more there are; without a name there is nothing to add to.
    #[test]
    fn the_rest_of_the_tables_is_counted_after_the_named_ones() {
        let judged = |names: &[&str], total: u64| {
            let listed = tables_of(names.iter().map(|name| table(name, Some(1))).collect());
            let listing = Listing::Known(crate::probe::baseline::Tables { total, ..listed });
            contents_of(&Database { name: "db".to_owned(), tables: listing }).reason
        };
        assert_eq!(judged(&["a"], 1), "db: 1 table: a (1 row)");
        assert_eq!(judged(&["a"], 3), "db: 3 tables: a (1 row), and 2 more");
        assert_eq!(judged(&[], 3), "db: 3 tables");
    }

    /// A count that stopped at its limit, and an estimate, are shown as such; without either there is only the name.
    #[test]
    fn a_count_that_stopped_and_an_estimate_are_shown_as_such() {
        let judged = |rows, at_least, estimated_rows| {
            let table = Table { at_least, estimated_rows, ..table("a", rows) };
            contents_of(&Database { name: "db".to_owned(), tables: Listing::Known(tables_of(vec![table])) }).reason
        };
        assert_eq!(judged(Some(5), false, 5.0), "db: 1 table: a (5 rows)");
        assert_eq!(judged(Some(5), true, 5.0), "db: 1 table: a (at least 5 rows)");
        assert_eq!(judged(None, false, 5.0), "db: 1 table: a (about 5 rows)");
        assert_eq!(judged(None, false, 0.0), "db: 1 table: a");
        assert_eq!(judged(None, false, -1.0), "db: 1 table: a");
    }
}
