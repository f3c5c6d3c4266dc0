//! What a database server's answers mean. Pure.

use super::check::Judgement;
use crate::probe::baseline::{Database, Listing, Table, Uncounted};
use crate::probe::canary::{NotWritten, Spread, Written};
use crate::probe::compare::counted;
use crate::probe::segments::Instance;
use crate::probe::session::Trouble;
use crate::probe::sql::{Introduction, Kernel};
use crate::probe::{Answer, Baseline};
use std::collections::BTreeMap;

/// Tables of a database that are named in its one line.
const NAMED: usize = 4;
/// Instances that are named.
const NAMED_INSTANCES: usize = 5;

/// Why what asks segments is skipped on a server without any.
pub const NOT_MPP: &str = "plain PostgreSQL: no segments";

/// The login, and who answered it.
pub fn connection(answer: &Answer<Introduction>) -> Judgement {
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

/// Whether every primary segment answers a dispatched query; `None` where there are no segments to ask.
pub fn segments(answer: Option<Answer<usize>>) -> Judgement {
    let Some(answer) = answer else { return Judgement::skipped(NOT_MPP) };
    match answer {
        Answer::Yes(0) => Judgement::failed("no primary segment answered"),
        Answer::Yes(answering) => {
            let all = counted(answering as u64, "primary segment");
            Judgement::passed(format!("{all} answered a dispatched query"))
        }
        Answer::No(reason) => Judgement::failed(reason),
        Answer::Unknown(reason) => Judgement::unknown(reason),
    }
}

/// Whether the catalog calls an instance down, and, where mirrors exist, whether they are in sync and each instance in
/// its role; `None` where there are no segments. A cluster without mirrors is healthy in mode `n`. That all are up
/// proves nothing: the catalog is late.
pub fn mirrors(answer: Option<Answer<Vec<Instance>>>) -> Judgement {
    let instances = match answer {
        None => return Judgement::skipped(NOT_MPP),
        Some(Answer::Yes(instances)) => instances,
        Some(Answer::No(reason)) => return Judgement::failed(reason),
        Some(Answer::Unknown(reason)) => return Judgement::unknown(reason),
    };
    let mut contents: BTreeMap<i32, Vec<&Instance>> = BTreeMap::new();
    for instance in &instances {
        contents.entry(instance.content).or_default().push(instance);
    }
    let mut troubles = Vec::new();
    let mut mirrored = 0;
    for (content, instances) in &contents {
        let name = if *content < 0 { "the coordinator".to_owned() } else { format!("segment {content}") };
        let has_mirror = instances.iter().any(|instance| instance.preferred_role == "m");
        mirrored += usize::from(has_mirror);
        for instance in instances {
            let what = if instance.preferred_role == "m" { format!("{name}'s mirror") } else { name.clone() };
            let host = &instance.host;
            if instance.status != "u" {
                troubles.push(format!("{what} on {host} is down"));
            } else if has_mirror && instance.role != instance.preferred_role {
                let role = if instance.role == "p" { "primary" } else { "mirror" };
                troubles.push(format!("{what} on {host} is in the role of the {role}"));
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
        let failed = Judgement::failed(format!("the catalog has {}", counted(number, "trouble")));
        return Judgement { lines: troubles, ..failed };
    }
    let up = format!("the catalog calls all {} up", counted(instances.len() as u64, "instance"));
    Judgement::passed(if mirrored == 0 { format!("{up}; there are no mirrors") } else { format!("{up} and in sync") })
}

/// Whether databases can be entered and what is in them: a judgement each. `must` has to be there.
pub fn tables(contents: Result<&Baseline, &Trouble>, must: &str) -> Vec<Judgement> {
    let baseline = match contents {
        Ok(baseline) => baseline,
        Err(trouble) => {
            let reason = trouble.reason.clone();
            return vec![if trouble.meaning.fails() { Judgement::failed(reason) } else { Judgement::unknown(reason) }];
        }
    };
    let mut judged = Vec::new();
    if !baseline.databases.iter().any(|database| database.name == must) && !beyond(baseline, must) {
        judged.push(Judgement::failed(format!("there is no database {must}")));
    }
    judged.extend(baseline.databases.iter().map(contents_of));
    if baseline.truncated {
        let listed = baseline.databases.len();
        let all = baseline.total.map(|total| format!(" of {total}")).unwrap_or_default();
        judged.push(Judgement::skipped(format!("only the first {listed}{all} databases were looked into")));
    }
    judged
}

/// What a database holds. A table that the server cannot read fails, in the server's words; one whose rows could not be
/// counted is unknown; one that was not to be counted is neither.
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

/// Whether a database may be one of those that a bounded list left out.
fn beyond(baseline: &Baseline, name: &str) -> bool {
    baseline.truncated && baseline.databases.last().is_some_and(|last| name > last.name.as_str())
}

/// The first tables, with their rows where they are known. A schema is named where it is not the usual one.
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

/// What came of writing, reading back and dropping again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteTrial {
    /// Whether it was written.
    pub written: Result<Written, NotWritten>,
    /// Whether it was read back as it was written; nothing where it was not written.
    pub read: Option<Answer<()>>,
    /// How it lay on the segments of an MPP server.
    pub spread: Option<Answer<Spread>>,
    /// What could not be removed again, and why.
    pub left: Option<String>,
}

/// Whether what is written can be read.
pub fn write(trial: &WriteTrial) -> Judgement {
    let judged = match (&trial.written, &trial.read) {
        (Err(not), _) if not.meaning.fails() => Judgement::failed(format!("nothing was written: {}", not.reason)),
        (Err(not), _) => Judgement::unknown(format!("writing was not tried to the end: {}", not.reason)),
        (Ok(_), Some(Answer::No(reason))) => Judgement::failed(format!("what was written is not read back: {reason}")),
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

/// Whether a distributed write reaches every primary segment.
pub fn spread(kernel: Kernel, trial: &WriteTrial) -> Judgement {
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
    use crate::verify::check::Verdict;

    /// `content role preferred mode status`, an instance a word.
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
                }
            })
            .collect()
    }

    #[test]
    fn modes_and_roles_are_judged_only_where_mirrors_exist() {
        for (text, verdict, said) in [
            (
                "-1/p/p/n/u 0/p/p/n/u 1/p/p/n/u",
                Verdict::Passed,
                "the catalog calls all 3 instances up; there are no mirrors",
            ),
            ("-1/p/p/s/u 0/p/p/s/u 0/m/m/s/u", Verdict::Passed, "the catalog calls all 3 instances up and in sync"),
            ("-1/p/p/n/u 0/p/p/n/d", Verdict::Failed, "segment 0 on h is down"),
            (
                "0/p/p/n/u 0/m/m/n/d",
                Verdict::Failed,
                "segment 0's mirror on h is down; segment 0 is not in sync with its mirror",
            ),
            (
                "0/m/p/s/u 0/p/m/s/u",
                Verdict::Failed,
                "segment 0 on h is in the role of the mirror; segment 0's mirror on h is in the role of the primary",
            ),
            (
                "-1/p/p/n/u -1/m/m/n/d 0/p/p/n/u",
                Verdict::Failed,
                "the coordinator's mirror on h is down; the coordinator is not in sync with its mirror",
            ),
        ] {
            let judged = mirrors(Some(Answer::Yes(cluster(text))));
            let words = if judged.lines.is_empty() { judged.reason } else { judged.lines.join("; ") };
            assert_eq!((judged.verdict, words.as_str()), (verdict, said), "{text}");
        }
    }

    #[test]
    fn a_plain_server_has_nothing_that_asks_segments_passed() {
        let trial =
            WriteTrial { written: Ok(Written { rows: 100 }), read: Some(Answer::Yes(())), spread: None, left: None };
        for judged in [segments(None), mirrors(None), spread(Kernel::PostgreSql, &trial)] {
            assert_eq!((judged.verdict, judged.reason.as_str()), (Verdict::Skipped, NOT_MPP));
        }
        assert_eq!(spread(Kernel::Mpp, &trial).verdict, Verdict::Unknown);
    }

    #[test]
    fn a_write_counts_only_when_it_is_read_back() {
        let written = || Ok(Written { rows: 100 });
        let not = |meaning| Err(NotWritten { meaning, reason: "why".to_owned(), may_be_there: false });
        for (written, read, verdict) in [
            (written(), Some(Answer::Yes(())), Verdict::Passed),
            (written(), Some(Answer::No("it has 3 rows".to_owned())), Verdict::Failed),
            (written(), Some(Answer::Unknown("late".to_owned())), Verdict::Unknown),
            (written(), None, Verdict::Unknown),
            (not(Meaning::Damaged), None, Verdict::Failed),
            (not(Meaning::Down), None, Verdict::Failed),
            (not(Meaning::NotAllowed), None, Verdict::Unknown),
            (not(Meaning::Busy), None, Verdict::Unknown),
        ] {
            let trial = WriteTrial { written, read, spread: None, left: None };
            assert_eq!(write(&trial).verdict, verdict, "{trial:?}");
        }
    }

    #[test]
    fn rows_must_lie_on_every_primary() {
        let trial = |holding, primaries| WriteTrial {
            written: Ok(Written { rows: 10_000 }),
            read: None,
            spread: Some(Answer::Yes(Spread { holding, primaries })),
            left: None,
        };
        for (holding, primaries, verdict) in [(2, 2, Verdict::Passed), (1, 2, Verdict::Failed), (0, 0, Verdict::Failed)]
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
        let said = |baseline: &Baseline| -> Vec<(Verdict, String)> {
            let judged = tables(Ok(baseline), "zzz");
            judged.into_iter().map(|judged| (judged.verdict, judged.reason)).collect()
        };
        let expected = [
            (Verdict::Failed, "there is no database zzz"),
            (Verdict::Passed, "empty: 0 tables"),
            (Verdict::Unknown, "hidden: permission denied"),
            (Verdict::Passed, "test_db: 9 tables: a (3 rows), b (about 1000000 rows), c, Odd.odd (1 row), and 5 more"),
        ];
        assert_eq!(said(&baseline), expected.map(|(verdict, reason)| (verdict, reason.to_owned())));
        // A table that cannot be read fails in the server's words; one that could not be counted is unknown.
        for (uncounted, verdict, reason) in [
            (
                Uncounted::Damaged("could not open file (SQLSTATE 58P01)".to_owned()),
                Verdict::Failed,
                "test_db: 1 table, 1 cannot be read",
            ),
            (
                Uncounted::Unknown("locked".to_owned()),
                Verdict::Unknown,
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
        // What sorts behind a list that was cut may be there.
        baseline.truncated = true;
        assert!(said(&baseline).iter().all(|(verdict, _)| *verdict != Verdict::Failed));
    }
}
