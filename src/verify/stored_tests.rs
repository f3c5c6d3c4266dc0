//! Documents as they may be read, and how large ones are truncated.

use super::*;
use crate::probe::baseline::examples;
use crate::probe::baseline::{Listing, Table, Tables};
use crate::storage::examples::{ps, sk};
use crate::verify::difference;
use serde_json::{Value, json};

const NAMESPACE: &str = "cloud007";
const MEMBER: &str = "cloudberry-proxy-0";

fn now() -> Timestamp {
    "2026-11-27T21:15:00Z".parse().unwrap()
}

fn table(number: usize) -> Table {
    Table { estimated_rows: -1.0, pages: 1, ..examples::table(&format!("t{number:06}"), Some(3)) }
}

fn database(name: &str, tables: usize) -> Database {
    let tables = examples::tables((0..tables).map(table).collect());
    Database { name: name.to_owned(), tables: Listing::Known(tables) }
}

fn server(databases: Vec<Database>) -> Evidence {
    let total = Some(databases.len() as u64);
    Evidence::Sql(Baseline { databases, total, ..examples::baseline(Vec::new()) })
}

fn pageserver(active: u64) -> Evidence {
    Evidence::Page(ps(active).page())
}

fn stored(content: Evidence) -> StoredBaseline {
    StoredBaseline::new(now(), "prod", (NAMESPACE, MEMBER), content)
}

fn read(text: &str) -> Result<StoredBaseline, Unusable> {
    StoredBaseline::parse(text, (NAMESPACE, MEMBER), now())
}

#[test]
fn what_is_stored_is_read_again() {
    let safekeeper = Evidence::Page(sk(1).timeline("aa/11", 9, 7, 1).page());
    for content in [server(vec![database("test_db", 3)]), pageserver(2), safekeeper] {
        let whole = stored(content);
        assert_eq!(read(&whole.to_text().unwrap()), Ok(whole));
    }
}

/// Anyone who may write ConfigMaps may have written it.
#[test]
fn what_no_run_would_have_stored_is_not_used() {
    let good = serde_json::to_value(stored(server(vec![database("test_db", 1)]))).unwrap();
    let with = |pointer: &str, value: Value| {
        let mut document = good.clone();
        *document.pointer_mut(pointer).unwrap() = value;
        read(&document.to_string()).map(|_| ())
    };
    let not_one = |result| matches!(result, Err(Unusable::NotOne(_)));
    assert!(read(&good.to_string()).is_ok());
    assert!(not_one(read("").map(|_| ())) && not_one(read("{}").map(|_| ())) && not_one(read("[]").map(|_| ())));
    assert!(not_one(with("/apiVersion", "kubectl-synxdb/v9".into())) && not_one(with("/kind", "Baseline".into())));
    for taken in ["", "yesterday", "2026-13-01T00:00:00Z", "2026-11-27", "\u{1b}[2J"] {
        assert!(not_one(with("/taken", taken.into())), "{taken:?}");
    }
    assert_eq!(with("/namespace", "cloud008".into()), Err(Unusable::OfAnother(format!("cloud008/{MEMBER}"))));
    assert_eq!(with("/member", "other-0".into()), Err(Unusable::OfAnother(format!("{NAMESPACE}/other-0"))));
    // Two clocks may differ a little.
    assert_eq!(with("/taken", "2026-11-27T21:19:00Z".into()), Ok(()));
    let future = "2026-11-27T21:21:00Z";
    assert_eq!(with("/taken", future.into()), Err(Unusable::FromTheFuture(future.into())));
    assert_eq!(with("/content/report/databases/0/tables/known/total", json!(u64::MAX)), Err(Unusable::Impossible));
    // A document with empty contents would match anything.
    assert_eq!(with("/content/report/databases", json!([])), Err(Unusable::NamesNothing));
    for content in [Evidence::Page(PageFacts::default()), pageserver(0), Evidence::Page(sk(1).page())] {
        let text = serde_json::to_string(&stored(content.clone())).unwrap();
        assert_eq!(read(&text), Err(Unusable::NamesNothing), "{content:?}");
        assert_eq!(stored(content).to_text(), Err(Unusable::NamesNothing));
    }
    let padded = format!("{}{}", good, " ".repeat(LARGEST));
    assert_eq!(read(&padded), Err(Unusable::TooLarge));
}

/// As version 0.1 stored it.
#[test]
fn what_an_older_version_stored_is_read() {
    let document = |said: Value| {
        json!({"apiVersion": "kubectl-synxdb/v1alpha1", "kind": "StoredBaseline", "taken": "2026-11-27T21:00:00Z",
            "context": "prod", "namespace": NAMESPACE, "member": MEMBER, "content": {"by": "page", "said": said}})
        .to_string()
    };
    let wal = json!({"safekeeper": {"b3b863fa45fa9e57e615f9f2d944e601":
        {"flushLsn": 44_654_232, "commitLsn": 44_654_232, "backupLsn": 33_554_432}}});
    for (said, expected) in [
        (wal, "status endpoint, WAL of 1 timeline"),
        (json!({"pageserver": {"tenants": {"Active": 2}, "broken": 0}}), "status endpoint, 2 active tenants"),
    ] {
        assert_eq!(read(&document(said)).unwrap().content.summary(), expected);
    }
    assert_eq!(read(&document(Value::Null)), Err(Unusable::NamesNothing));
    let absurd = json!({"pageserver": {"tenants": {"Active": u64::MAX}, "broken": null}});
    assert_eq!(read(&document(absurd)), Err(Unusable::Impossible));
}

/// Of very many timelines the first are kept, and the number of the others.
#[test]
fn a_page_of_very_many_timelines_is_cut_down() {
    let all = (0..20_000).fold(sk(1), |sk, number| sk.timeline(&format!("{number:032}/{number:032}"), 9, 9, 1));
    let all = Evidence::Page(all.page());
    let text = stored(all.clone()).to_text().unwrap();
    assert!(text.len() <= LARGEST && text.len() > LARGEST - 1000, "{}", text.len());
    let cut = read(&text).unwrap().content;
    let Evidence::Page(facts) = &cut else { panic!("{cut:?}") };
    let facts = facts.safekeeper().unwrap();
    assert_eq!((facts.timelines.len() as u64 + facts.left_out, facts.total), (20_000, Some(20_000)));
    let found = difference(&cut, &all);
    assert!(found.missing.is_empty() && found.unknown.len() == 1, "{found:?}");
}

/// Neither is truncated more than necessary; what was cut off is never called missing, and the comparison is not called
/// complete.
#[test]
fn a_large_one_is_cut_down_and_says_so() {
    let all = server(vec![database("a", 1000), database("b", 10), database("c", 5000), database("d", 5000)]);
    let text = stored(all.clone()).to_text().unwrap();
    assert!(text.len() <= LARGEST && text.len() > LARGEST - 1000, "{}", text.len());
    let cut = read(&text).unwrap().content;
    let Evidence::Sql(baseline) = &cut else { panic!("{cut:?}") };
    let lists: Vec<&Tables> = baseline.databases.iter().filter_map(Database::known).collect();
    assert_eq!(lists.iter().map(|tables| tables.total).collect::<Vec<_>>(), [1000, 10, 5000, 5000]);
    assert_eq!(lists.iter().map(|tables| tables.truncated).collect::<Vec<_>>(), [false, false, true, true]);
    assert_eq!((lists[0].tables.len(), lists[1].tables.len()), (1000, 10));
    assert_eq!(lists[2].tables.len(), lists[3].tables.len());
    assert!(!baseline.truncated);
    let found = difference(&cut, &all);
    assert!(found.missing.is_empty() && found.unknown.len() == 2, "{found:?}");
    // What is still named is still missed.
    let found = difference(&cut, &server(vec![database("a", 999), database("b", 10), database("c", 5000)]));
    assert!(found.missing[0].contains("public.t000999") && found.missing[1].contains("database d"), "{found:?}");
}

#[test]
fn very_many_databases_are_cut_down_too() {
    let name = |number: usize| format!("{number:05}{}", "x".repeat(60));
    let all = server((0..8000).map(|number| database(&name(number), 1)).collect());
    let text = stored(all.clone()).to_text().unwrap();
    let cut = read(&text).unwrap().content;
    let Evidence::Sql(baseline) = &cut else { panic!("{cut:?}") };
    assert!(baseline.truncated && baseline.databases.len() > 1000, "{}", baseline.databases.len());
    assert!(difference(&cut, &all).missing.is_empty());
    // A document that cannot be truncated is not stored.
    let version = "x".repeat(LARGEST);
    let databases = vec![database("a", 1)];
    let huge = Evidence::Sql(Baseline { version, databases, ..examples::baseline(Vec::new()) });
    assert_eq!(stored(huge).to_text(), Err(Unusable::TooLarge));
    let long = PageFacts { launched: Some("x".repeat(LARGEST)), ..sk(1).timeline("aa/11", 9, 9, 1).page() };
    assert_eq!(stored(Evidence::Page(long)).to_text(), Err(Unusable::TooLarge));
}

#[test]
fn names_of_config_maps_are_names() {
    assert_eq!(config_map("wh9527-0"), "kubectl-synxdb-baseline-wh9527-0");
    let (one, other) = ("x".repeat(252) + "1", "x".repeat(252) + "2");
    assert_eq!(config_map(&one).len(), LONGEST_NAME);
    assert_ne!(config_map(&one), config_map(&other));
    assert_eq!(config_map(&"x".repeat(229)), format!("{PREFIX}{}", "x".repeat(229)));
}

fn lost() -> Difference {
    let before = server(vec![database("a/b", 1), database("gone", 2), database("test_db", 4)]);
    let after = server(vec![database("a/b", 1), database("test_db", 2)]);
    difference(&before, &after)
}

fn names(missing: &Missing) -> Vec<&str> {
    missing.names.iter().map(String::as_str).collect()
}

/// Everything that is missing has to be accepted, by its own name or its database's.
#[test]
fn what_is_missing_is_accepted_by_its_name_only() {
    let found = lost();
    assert_eq!(found.missing.len(), 5, "{found:?}");
    let accept = |accepted_names: &[&str]| {
        accepted(&found, &accepted_names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    };
    let none = accept(&[]);
    assert_eq!((none.lines.clone(), none.accepted.len()), (found.missing.clone(), 0));
    assert_eq!(names(&none), ["gone", "test_db/public.t000002", "test_db/public.t000003"]);
    // The printed names accept all of it.
    let printed = accept(&names(&none));
    assert_eq!((printed.lines.len(), printed.names.len(), printed.accepted.len()), (0, 0, 5));
    let gone = accept(&["gone"]);
    assert_eq!((gone.lines.len(), gone.accepted.len()), (2, 3));
    assert_eq!(names(&accept(&["test_db"])), ["gone"]);
    for other in ["test", "gon", "", "/", "test_db/", "test_db/public.t00000", "a", "GONE", "public.t000002"] {
        assert_eq!(accept(&[other]).lines, found.missing, "{other:?}");
    }
}

/// What the comparison has no name for stays missing.
#[test]
fn what_has_no_name_cannot_be_accepted() {
    let found = Difference { missing: vec!["something".into()], ..Difference::default() };
    let missing = accepted(&found, &["something".to_owned(), String::new()]);
    assert_eq!((missing.lines.len(), missing.accepted.len(), missing.names.len()), (1, 0, 0));
}

#[test]
fn what_a_page_lacks_is_accepted_by_its_name() {
    let found = difference(&pageserver(3), &pageserver(2));
    let missing = accepted(&found, &[]);
    assert_eq!(names(&missing), ["active-tenants"]);
    assert!(accepted(&found, &missing.names).lines.is_empty());
    let before = Evidence::Page(sk(1).timeline("aa/t\u{1b}", 9, 7, 1).page());
    let found = difference(&before, &Evidence::Page(sk(1).page()));
    assert_eq!(names(&accepted(&found, &[])), ["timelines", "timeline/t%1B"]);
}

/// A report that is cut counts the timelines that it leaves out, with those that were left out before.
#[test]
fn a_report_that_is_cut_counts_the_timelines_that_it_leaves_out() {
    let id = |number: usize| format!("{:064x}/{:064x}", number % 7, number);
    let count = 3_000;
    let safekeeper = (0..count).fold(sk(1).left_out(5), |sk, number| sk.timeline(&id(number), 9, 7, 1));
    let pageserver =
        (0..count).fold(ps(3), |ps, number| ps.timeline(&id(number), 9, 9)).change(|facts| facts.left_out = 5);
    for content in [safekeeper.page(), pageserver.page()] {
        let text = stored(Evidence::Page(content)).to_text().unwrap();
        assert!(text.len() <= LARGEST);
        let Evidence::Page(page) = read(&text).unwrap().content else { panic!("no page") };
        let (listed, left_out) = match page.metrics.unwrap() {
            Metrics::Safekeeper(facts) => (facts.timelines.len(), facts.left_out),
            Metrics::Pageserver(facts) => (facts.timelines.len(), facts.left_out),
        };
        assert!(listed > 100 && listed < count, "{listed}");
        assert_eq!(left_out, (count - listed) as u64 + 5);
    }
}

/// A name is cut between characters, also where the limit lies within one.
#[test]
fn a_long_name_is_cut_between_characters() {
    for shift in 0..4 {
        let name = config_map(&format!("{}{}", "a".repeat(shift), "\u{1f680}".repeat(80)));
        assert!(name.len() <= LONGEST_NAME && name.len() > LONGEST_NAME - 4, "{}", name.len());
    }
}

/// Each limit includes its own value: the largest document, and the largest difference between two clocks.
#[test]
fn what_meets_a_limit_exactly_is_read() {
    let document = serde_json::to_value(stored(server(vec![database("test_db", 1)]))).unwrap();
    let of_length = |length: usize| {
        let mut padded = document.clone();
        padded["context"] = "".into();
        padded["context"] = "x".repeat(length - padded.to_string().len()).into();
        assert_eq!(padded.to_string().len(), length);
        padded.to_string()
    };
    assert!(read(&of_length(LARGEST)).is_ok());
    assert_eq!(read(&of_length(LARGEST + 1)), Err(Unusable::TooLarge));
    let at = |taken: &str| {
        let mut document = document.clone();
        document["taken"] = taken.into();
        read(&document.to_string()).map(|read| read.taken)
    };
    assert_eq!(at("2026-11-27T21:20:00Z"), Ok("2026-11-27T21:20:00Z".to_owned()));
    assert!(at("2026-11-27T21:20:01Z").is_err());
    // In whichever zone it was written.
    assert_eq!(at("2026-11-27T22:15:00+01:00"), Ok("2026-11-27T21:15:00Z".to_owned()));
}

/// A list that is shorter than what there was says so, and one that is complete does not.
#[test]
fn only_a_list_that_is_cut_is_marked_as_cut() {
    let Evidence::Sql(all) = server(vec![database("a", 2), database("b", 3)]) else { panic!() };
    for (databases, tables, expected) in [
        (2, 3, (false, vec![false, false])),
        (3, 4, (false, vec![false, false])),
        (2, 2, (false, vec![false, true])),
        (2, 0, (false, vec![true, true])),
        (1, 2, (true, vec![false])),
        (0, 0, (true, vec![])),
    ] {
        let cut = shortened(&all, databases, tables);
        let truncated = cut.databases.iter().map(|database| database.known().unwrap().truncated).collect::<Vec<_>>();
        assert_eq!((cut.truncated, truncated), expected, "{databases} {tables}");
    }
    // What was cut before stays cut.
    let cut = shortened(&shortened(&all, 1, 1), 1, 1);
    assert!(cut.truncated && cut.databases[0].known().unwrap().truncated);
}

/// The name for a member never changes: a later version must find what this one stored.
#[test]
fn the_name_of_a_long_members_baseline_never_changes() {
    let name = config_map(&"a".repeat(300));
    assert!(name.ends_with("-ee7717eba7a17e21"), "{name}");
    assert_eq!(name.len(), LONGEST_NAME);
}

/// Each reason not to use a stored baseline has its words.
#[test]
fn each_reason_not_to_use_one_has_words() {
    for (why, words) in [
        (Unusable::TooLarge, "it is larger than 512 KiB"),
        (Unusable::NotOne("no JSON".into()), "this version cannot read it: no JSON"),
        (Unusable::OfAnother("a/b".into()), "it belongs to a/b"),
        (Unusable::FromTheFuture("2030-01-01T00:00:00Z".into()), "its time, 2030-01-01T00:00:00Z, is in the future"),
        (Unusable::Impossible, "it has impossible numbers"),
        (Unusable::NamesNothing, "it contains nothing to compare"),
    ] {
        assert_eq!(why.to_string(), words);
    }
}
