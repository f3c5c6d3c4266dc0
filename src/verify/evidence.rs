//! What a component reports about its contents, and what is missing afterwards. Pure.

use super::status_pages::summary;
use crate::probe::baseline::{Database, Listing, Table, Uncounted};
use crate::probe::compare::escaped;
use crate::probe::kernel::Kernel;
use crate::probe::{Baseline, compare};
use crate::storage::facts::{Metrics, PageFacts};
use crate::storage::found::{Found, Item};
use crate::storage::{self, Reading, pageserver, safekeeper};
use crate::text::{counted, first_few};
use crate::topology::layout::Role;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a component reports about itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "method", content = "report", rename_all = "camelCase")]
pub enum Evidence {
    /// By SQL: what is in the server.
    Sql(Baseline),
    /// By its status endpoint, and the metrics beside it.
    #[serde(rename = "statusEndpoint")]
    Page(PageFacts),
}

/// Evidence as it was saved: by this version, or by v1alpha1, which called its fields otherwise.
#[derive(Deserialize)]
struct SavedForm {
    #[serde(alias = "by")]
    method: Method,
    #[serde(alias = "said")]
    report: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Method {
    Sql,
    #[serde(alias = "page")]
    StatusEndpoint,
}

impl<'de> Deserialize<'de> for Evidence {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let SavedForm { method, report } = SavedForm::deserialize(deserializer)?;
        match method {
            Method::Sql => serde_json::from_value(report).map(Self::Sql),
            Method::StatusEndpoint => serde_json::from_value(report).map(Self::Page),
        }
        .map_err(serde::de::Error::custom)
    }
}

/// The result of comparing two pieces of evidence of one component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// What was present before and is missing, one line each.
    pub missing: Vec<String>,
    /// The name of each missing line's object, as `--accept-missing` takes it.
    pub names: BTreeMap<String, String>,
    /// What could not be compared and should be, one line each.
    pub unknown: Vec<String>,
    /// Why nothing can be compared at all, whatever is present now: then nothing is proven, however often it is
    /// queried.
    pub nothing: Option<String>,
    /// What is present as before: `2 databases, 5 tables`.
    pub there: String,
    /// What the limits of the lists exclude, one line each.
    pub beyond: Vec<String>,
}

/// Compares the evidence of before with that of after.
pub(crate) fn difference(before: &Evidence, after: &Evidence) -> Difference {
    let difference = match (before, after) {
        (Evidence::Sql(before), Evidence::Sql(after)) => of_servers(before, after),
        (Evidence::Page(before), Evidence::Page(after)) => {
            Difference::of_found(&compared_pages(None, Some(before), after, &[]))
        }
        _ => {
            Difference { unknown: vec!["it is not queried in the same way as before".into()], ..Difference::default() }
        }
    };
    Difference { nothing: before.nothing_to_compare().or(difference.nothing), ..difference }
}

fn of_servers(before: &Baseline, after: &Baseline) -> Difference {
    let comparison = compare(before, after);
    let rows = match comparison.counted {
        0 => String::new(),
        all if all as u64 == comparison.tables => " (rows counted)".to_owned(),
        some => format!(" (rows of {some} counted)"),
    };
    let there =
        format!("{}, {}{rows}", counted(comparison.databases as u64, "database"), counted(comparison.tables, "table"));
    let mut unknown = comparison.unknown;
    // What the limits exclude on both sides may be everything there is.
    if comparison.listed == 0 && comparison.missing.is_empty() && unknown.is_empty() {
        unknown.push("none of the databases listed before was listed again".into());
    }
    Difference {
        missing: comparison.missing.iter().map(ToString::to_string).collect(),
        names: comparison.missing.iter().map(|missing| (missing.to_string(), missing.name())).collect(),
        unknown,
        nothing: None,
        there,
        beyond: comparison.beyond,
    }
}

/// Returns which storage component a role is, if it is one.
pub(crate) fn storage_kind(role: Role) -> Option<storage::StorageKind> {
    match role {
        Role::Safekeeper => Some(storage::StorageKind::Safekeeper),
        Role::Pageserver => Some(storage::StorageKind::Pageserver),
        Role::MetadataProxy
        | Role::FoundationDb
        | Role::StorageController
        | Role::StorageBroker
        | Role::Coordinator
        | Role::WarehouseProxy
        | Role::WarehouseNode
        | Role::Console => None,
    }
}

/// Compares a status endpoint's report with its earlier one, and with those of the safekeepers of its namespace (for a
/// safekeeper: the other ones). A pageserver whose tenants are not attached holds nothing (Neon #12667), and a
/// safekeeper that has not fetched the committed WAL again does not count towards the quorum.
///
/// `kind` is the kind of component, if it is known: a report shows it only by its metrics.
pub(crate) fn compared_pages(
    kind: Option<storage::StorageKind>,
    before: Option<&PageFacts>,
    after: &PageFacts,
    safekeepers: &[&Reading],
) -> Found {
    // The kind is in the earlier report, or in the new one.
    let kind = kind.or_else(|| before.and_then(PageFacts::kind)).or_else(|| after.kind());
    match kind {
        Some(storage::StorageKind::Pageserver) => pageserver::compare(before, after, safekeepers),
        Some(storage::StorageKind::Safekeeper) => safekeeper::compare(before, after, safekeepers),
        // It may be either, and a pageserver may have the id of a safekeeper.
        None => safekeeper::compare(before, after, &[]),
    }
}

/// Returns its name for `--accept-missing`; `None` for what cannot have been removed on purpose.
fn name_of(item: &Item) -> Option<String> {
    Some(match item {
        Item::Bytes(_) => return None,
        Item::Timeline(id) => format!("timeline/{}", escaped(&id.timeline)),
        Item::Timelines => "timelines".into(),
        Item::Identity => "identity".into(),
        Item::Metrics => "metrics".into(),
        Item::Tenant(name) => format!("tenant/{}", escaped(name)),
        Item::ActiveTenants => "active-tenants".into(),
        Item::BrokenTenants => "broken-tenants".into(),
        Item::ActiveTimelines => "active-timelines".into(),
        Item::RemoteStorage => "remote-storage".into(),
        Item::StartUp => "start-up".into(),
    })
}

impl Difference {
    /// Converts the result of comparing status endpoints.
    pub(crate) fn of_found(found: &Found) -> Self {
        Self {
            missing: found.short.iter().map(|short| short.line.clone()).collect(),
            names: found.short.iter().filter_map(|short| Some((short.line.clone(), name_of(&short.item)?))).collect(),
            unknown: found.unknown.clone(),
            nothing: found.nothing.clone(),
            there: found.there.clone(),
            beyond: Vec::new(),
        }
    }

    /// Returns what the comparison excludes, for the end of a sentence: ` (not compared: …)`; empty if it excludes
    /// nothing.
    pub(crate) fn not_compared(&self) -> String {
        if self.beyond.is_empty() { String::new() } else { format!(" (not compared: {})", first_few(&self.beyond)) }
    }
}

impl Evidence {
    /// Returns a summary: `PostgreSQL 15.18: 2 databases, 1 table`.
    pub fn summary(&self) -> String {
        match self {
            Self::Sql(baseline) => {
                let tables: u64 =
                    baseline.databases.iter().filter_map(Database::known).map(|tables| tables.total).sum();
                let kernel = if baseline.kernel == Kernel::Mpp { ", MPP" } else { "" };
                let version = &baseline.version;
                let databases = counted(baseline.databases.len() as u64, "database");
                let lacks: Vec<String> = self.lacks().into_iter().map(|what| format!("; {what}")).collect();
                format!("{version}{kernel}: {databases}, {}{}", counted(tables, "table"), lacks.concat())
            }
            Self::Page(PageFacts { metrics: Some(metrics), .. }) => format!("status endpoint, {}", summary(metrics)),
            Self::Page(PageFacts { unread: Some(why), .. }) => format!("status endpoint, no metrics ({why})"),
            Self::Page(_) => "status endpoint, no metrics".into(),
        }
    }

    /// Returns why nothing can be compared with it, whatever is present afterwards; `None` if something can. A name
    /// alone proves nothing about its contents: the tables of at least one database must have been listed, and if it
    /// has tables whose rows were to be counted, those of at least one must have been.
    pub fn nothing_to_compare(&self) -> Option<String> {
        let why = match self {
            Self::Page(PageFacts { metrics: None, unread: Some(why), .. }) => {
                return Some(format!("its metrics could not be read before: {why}"));
            }
            Self::Page(PageFacts { metrics: None, .. }) => "its status endpoint served no metrics before",
            Self::Page(PageFacts { metrics: Some(metrics), .. }) if metrics.names_anything() => return None,
            Self::Page(PageFacts { metrics: Some(Metrics::Safekeeper(_)), .. }) => {
                "its metrics had no committed position of a timeline before"
            }
            Self::Page(_) => "its metrics named no active tenant before",
            Self::Sql(baseline) => {
                let mut listed = baseline.databases.iter().filter_map(Database::known).peekable();
                if listed.peek().is_none() {
                    "no database's tables could be listed before"
                } else {
                    let tables: Vec<_> = listed.flat_map(|tables| &tables.tables).collect();
                    let uncounted = |table: &&Table| matches!(table.uncounted, Some(Uncounted::Unknown(_)));
                    let counted = tables.iter().any(|table| table.rows.is_some());
                    if counted || !tables.iter().any(uncounted) {
                        return None;
                    }
                    "no table's rows could be counted before"
                }
            }
        };
        Some(why.to_owned())
    }

    /// Returns when it was taken, RFC 3339, if that was recorded.
    pub fn taken(&self) -> Option<&str> {
        match self {
            Self::Sql(baseline) => baseline.taken.as_deref(),
            Self::Page(_) => None,
        }
    }

    /// Returns this evidence, with the contents from `before` of what could not be read this time.
    pub fn or_before(self, before: &Self) -> Self {
        match (self, before) {
            (Self::Sql(now), Self::Sql(before)) => Self::Sql(now.or_before(before)),
            (now, _) => now,
        }
    }

    /// Returns the part about one database.
    pub fn of_database(self, name: &str) -> Self {
        let only = |database: &Database| database.name == name;
        match self {
            Self::Sql(baseline) => {
                let databases = baseline.databases.into_iter().filter(only).collect();
                Self::Sql(Baseline { databases, ..baseline })
            }
            page @ Self::Page(_) => page,
        }
    }

    /// What a comparison with it leaves out, in numbers: `2 of 15 databases could not be opened`.
    pub fn lacks(&self) -> Vec<String> {
        let nothing = self.nothing_to_compare();
        let Self::Sql(baseline) = self else { return nothing.into_iter().collect() };
        let databases = baseline.databases.as_slice();
        let all = baseline.total.unwrap_or(databases.len() as u64);
        let number = |which: fn(&Database) -> bool| databases.iter().filter(|database| which(database)).count() as u64;
        let closed = number(|database| matches!(database.tables, Listing::Unknown(_)));
        let damaged = number(|database| !database.damage().is_empty());
        let tables = || databases.iter().filter_map(Database::known).flat_map(|tables| &tables.tables);
        let uncounted = tables().filter(|table| matches!(table.uncounted, Some(Uncounted::Unknown(_)))).count() as u64;
        let unlisted = all.saturating_sub(databases.len() as u64);
        let of_all = |number: u64| format!("{number} of {}", counted(all, "database"));
        [
            (unlisted, format!("{} were not listed", of_all(unlisted))),
            (closed, format!("{} could not be opened", of_all(closed))),
            (damaged, format!("{} cannot be read completely", of_all(damaged))),
            (uncounted, format!("the rows of {} could not be counted", counted(uncounted, "table"))),
        ]
        .into_iter()
        .filter_map(|(number, text)| (number > 0).then_some(text))
        .chain(nothing.filter(|_| databases.is_empty()))
        .collect()
    }

    /// Returns whether it has a gap, so that it is not a complete baseline.
    pub fn is_partial(&self) -> bool {
        !self.lacks().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::baseline::examples::baseline;
    use crate::storage::examples::{ps, sk};

    fn page(facts: PageFacts) -> Evidence {
        Evidence::Page(facts)
    }

    fn empty() -> Evidence {
        Evidence::Page(PageFacts::default())
    }

    fn safekeeper(flushed: u64, committed: u64) -> Evidence {
        page(sk(1).timeline("aa/11", flushed, committed, 1).page())
    }

    fn pageserver(active: u64, broken: u64) -> Evidence {
        page(ps(active).change(|facts| facts.broken = Some(broken)).page())
    }

    /// Without metrics, a status does not tell the kind of component: a pageserver may have the id of a safekeeper.
    #[test]
    fn a_page_without_metrics_is_no_twin() {
        let mute = PageFacts { id: Some(1), ..PageFacts::default() };
        let other = Reading { pod: "safekeeper-0".into(), said: Ok(mute.clone()) };
        let found = compared_pages(None, Some(&mute), &mute, &[&other]);
        assert!(found.short.is_empty() && found.nothing.is_some(), "{found:?}");
        let found = compared_pages(Some(storage::StorageKind::Pageserver), Some(&mute), &mute, &[&other]);
        assert!(found.short.is_empty() && found.nothing.is_some(), "{found:?}");
    }

    /// For a known safekeeper, the identity alone is compared, too: two with one id count as one.
    #[test]
    fn a_safekeeper_without_metrics_has_an_identity_of_its_own() {
        let mute = |id| PageFacts { id: Some(id), ..PageFacts::default() };
        let others = [2, 3].map(|id| Reading { pod: format!("safekeeper-{}", id - 1), said: Ok(mute(id)) });
        let others: Vec<&Reading> = others.iter().collect();
        for before in [None, Some(mute(2))] {
            let found = compared_pages(Some(storage::StorageKind::Safekeeper), before.as_ref(), &mute(2), &others);
            let lines: Vec<&str> = found.short.iter().map(|short| short.line.as_str()).collect();
            assert_eq!(lines, ["an identity of its own: safekeeper-1 also has id 2"], "{before:?}");
        }
        let found = compared_pages(Some(storage::StorageKind::Safekeeper), None, &mute(1), &others);
        assert!(found.short.is_empty() && found.nothing.is_some(), "{found:?}");
    }

    #[test]
    fn what_a_page_says_less_than_before_is_missing() {
        for (before, after, missing) in [
            (safekeeper(9, 7), safekeeper(7, 7), ""),
            (
                safekeeper(9, 7),
                safekeeper(6, 6),
                "WAL of timeline aa/11 up to 0/7, committed before; it has 0/6 (1 byte less) [timeline/11]",
            ),
            (
                safekeeper(9, 7),
                page(sk(1).page()),
                "0 timelines: it had 1 [timelines]; WAL of timeline aa/11 up to 0/7, committed before; it has none [timeline/11]",
            ),
            (pageserver(2, 0), pageserver(2, 0), ""),
            (pageserver(2, 0), pageserver(0, 0), "active tenants: 0 of 2 before [active-tenants]"),
            (pageserver(2, 0), pageserver(2, 1), "1 broken tenants, 0 before [broken-tenants]"),
            (pageserver(2, 0), empty(), "its metrics, which it served before [metrics]"),
            (pageserver(2, 0), safekeeper(1, 1), "metrics of the same kind as before [metrics]"),
            (safekeeper(1, 1), pageserver(2, 0), "metrics of the same kind as before [metrics]"),
            (empty(), empty(), ""),
        ] {
            let found = difference(&before, &after);
            let line = |line: &String| format!("{line} [{}]", found.names[line]);
            let lines: Vec<String> = found.missing.iter().map(line).collect();
            assert_eq!(lines.join("; "), missing, "{before:?} {after:?}");
        }
    }

    /// What was not read before is compared with nothing, whatever is present now.
    #[test]
    fn nothing_read_before_proves_nothing() {
        let unread = || page(sk(1).unread().page());
        for (before, after) in [(unread(), safekeeper(9, 9)), (empty(), pageserver(3, 0)), (empty(), empty())] {
            let found = difference(&before, &after);
            assert!(found.nothing.is_some(), "{before:?} {after:?}");
        }
    }

    /// In numbers: what a baseline lacks cannot be missed afterwards.
    #[test]
    fn what_a_baseline_lacks_is_counted_and_all_of_it_is_shown() {
        use crate::probe::baseline::examples::{table, tables};
        let known = |uncounted| Listing::Known(tables(vec![Table { uncounted, ..table("t", None) }]));
        let mut partial = baseline(vec![
            ("closed", Listing::Unknown("closed".into())),
            ("damaged", Listing::Damaged("lost".into())),
            ("locked", known(Some(Uncounted::Unknown("locked".into())))),
            ("whole", known(None)),
        ]);
        partial.total = Some(15);
        let expected = [
            "11 of 15 databases were not listed",
            "1 of 15 databases could not be opened",
            "1 of 15 databases cannot be read completely",
            "the rows of 1 table could not be counted",
        ];
        let partial = Evidence::Sql(partial);
        assert_eq!(partial.lacks(), expected);
        assert!(expected.iter().all(|lack| partial.summary().contains(lack)), "{}", partial.summary());
        assert!(partial.is_partial());
        let whole = Evidence::Sql(baseline(vec![("whole", known(None))]));
        assert!(whole.lacks().is_empty() && !whole.is_partial());
        // Nothing of it could be compared.
        assert!(empty().is_partial());
        let lines = |all: &[&str]| Difference {
            beyond: all.iter().map(|line| (*line).to_owned()).collect(),
            ..Difference::default()
        };
        assert_eq!(lines(&[]).not_compared(), "");
        assert_eq!(lines(&["a", "b"]).not_compared(), " (not compared: a; b)");
        assert_eq!(lines(&["a", "b", "c", "d", "e"]).not_compared(), " (not compared: a; b; c and 2 more)");
    }

    /// Each way in which a comparison can be empty: that nothing is missing then proves nothing.
    #[test]
    fn nothing_compared_is_said_to_be_so() {
        use crate::probe::baseline::examples::{table, tables};
        let known = |table| Listing::Known(tables(vec![table]));
        let uncounted = || Table { uncounted: Some(Uncounted::Unknown("locked".into())), ..table("t", None) };
        let server = |databases| Evidence::Sql(baseline(databases));
        let closed = || Listing::Unknown("closed".into());
        for (before, why) in [
            (empty(), Some("its status endpoint served no metrics before")),
            (
                page(sk(1).unread().page()),
                Some("its metrics could not be read before: /metrics returned 401 Unauthorized"),
            ),
            (page(ps(0).page()), Some("its metrics named no active tenant before")),
            (page(ps(1).timeline("aa/11", 9, 9).page()), None),
            (page(sk(1).page()), Some("its metrics had no committed position of a timeline before")),
            (page(sk(1).without_total().page()), Some("its metrics had no committed position of a timeline before")),
            (page(sk(1).total(3).page()), None),
            (safekeeper(9, 9), None),
            (server(Vec::new()), Some("no database's tables could be listed before")),
            (server(vec![("a", closed())]), Some("no database's tables could be listed before")),
            (server(vec![("a", closed()), ("b", known(table("t", None)))]), None),
            (server(vec![("a", known(uncounted()))]), Some("no table's rows could be counted before")),
            (server(vec![("a", known(uncounted())), ("b", known(table("t", Some(1))))]), None),
            (server(vec![("postgres", Listing::Known(tables(Vec::new())))]), None),
        ] {
            let found = difference(&before, &before);
            assert_eq!(found.nothing.as_deref(), why, "{before:?}");
            assert!(why.is_none() || before.is_partial(), "the plan warns of it: {before:?}");
        }
    }

    /// What is past both lists does not count as present.
    #[test]
    fn no_database_in_common_is_nothing_compared() {
        use crate::probe::baseline::examples::tables;
        let listed = |name| Evidence::Sql(baseline(vec![(name, Listing::Known(tables(Vec::new())))]));
        let Evidence::Sql(cut) = listed("a") else { unreachable!() };
        let cut = Evidence::Sql(Baseline { truncated: true, ..cut });
        let found = difference(&listed("b"), &cut);
        assert!(found.missing.is_empty() && found.nothing.is_none(), "{found:?}");
        assert_eq!(found.unknown, ["none of the databases listed before was listed again"]);
        assert!(difference(&listed("a"), &cut).unknown.is_empty());
    }

    #[test]
    fn a_component_that_is_asked_in_another_way_is_not_comparable() {
        let server = Evidence::Sql(baseline(Vec::new()));
        let compared = difference(&server, &empty());
        assert!(compared.missing.is_empty() && compared.unknown.len() == 1, "{compared:?}");
    }

    /// The kind decides what a status endpoint's report is compared by; everything else is asked by SQL or not at all.
    #[test]
    fn safekeepers_and_pageservers_alone_are_storage() {
        use crate::topology::layout::Role;
        assert_eq!(storage_kind(Role::Safekeeper), Some(storage::StorageKind::Safekeeper));
        assert_eq!(storage_kind(Role::Pageserver), Some(storage::StorageKind::Pageserver));
        for role in [Role::StorageController, Role::StorageBroker, Role::WarehouseNode, Role::Coordinator] {
            assert_eq!(storage_kind(role), None, "{role:?}");
        }
    }

    /// With one database requested, only that one is compared: the others were not read.
    #[test]
    fn the_part_about_one_database_is_that_database_alone() {
        let listing = || crate::probe::baseline::Listing::Unknown("why".to_owned());
        let both = Evidence::Sql(baseline(vec![("a", listing()), ("b", listing())]));
        let names = |evidence: Evidence| match evidence {
            Evidence::Sql(baseline) => baseline.databases.into_iter().map(|database| database.name).collect::<Vec<_>>(),
            Evidence::Page(_) => panic!("a page"),
        };
        assert_eq!(names(both.clone().of_database("b")), ["b"]);
        assert!(names(both.of_database("c")).is_empty());
        assert_eq!(safekeeper(9, 9).of_database("b"), safekeeper(9, 9));
    }

    /// How many tables had their rows counted is part of the proof: all, some or none.
    #[test]
    fn the_proof_says_of_how_many_tables_the_rows_were_counted() {
        use crate::probe::baseline::examples::{table, tables};
        let there = |rows: [Option<u64>; 2]| {
            let listed = tables(vec![table("a", rows[0]), table("b", rows[1])]);
            let server = Evidence::Sql(baseline(vec![("db", Listing::Known(listed))]));
            difference(&server, &server).there
        };
        assert_eq!(there([Some(1), Some(2)]), "1 database, 2 tables (rows counted)");
        assert_eq!(there([Some(1), None]), "1 database, 2 tables (rows of 1 counted)");
        assert_eq!(there([None, None]), "1 database, 2 tables");
    }

    /// A server's contents say when they were read.
    #[test]
    fn only_a_servers_contents_say_when_they_were_read() {
        let taken = Some("2026-01-01T00:00:00Z".to_owned());
        let server = Evidence::Sql(Baseline { taken, ..baseline(Vec::new()) });
        assert_eq!(server.taken(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(safekeeper(9, 9).taken(), None);
    }

    /// A summary names the kernel, because an MPP server's contents are on its segments.
    #[test]
    fn a_summary_names_an_mpp_server() {
        let of = |kernel| Evidence::Sql(Baseline { kernel, ..baseline(vec![]) }).summary();
        assert!(of(Kernel::Mpp).starts_with("PostgreSQL 14, MPP: 0 databases, 0 tables"), "{}", of(Kernel::Mpp));
        assert!(of(Kernel::PostgreSql).starts_with("PostgreSQL 14: 0 databases, 0 tables"));
    }
}
