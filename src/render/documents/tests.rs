//! The schemas take what is printed, and nothing else: documents of every kind, whole and spoiled.

use super::{API_VERSION, Kind, SchemaList, document};
use crate::plan::history::{Entry, RetainedState, RetainedVolume};
use crate::plan::{Action, Before, ComparedWith, NotMeasured, Proof, Record, RecordedOutcome, Resumes, Returns, Step};
use crate::probe::baseline::examples::{baseline, table, tables as tables_of};
use crate::probe::baseline::{Baseline, Digest, Listing, RelationKind, Table, Tables, Uncounted};
use crate::probe::kernel::Kernel;
use crate::recovery::{Ending, Event, Phase, PhaseEnd};
use crate::render::forward::{self, Opened};
use crate::render::tests::{ended, planned, reached};
use crate::render::{sandbox_documents, structured};
use crate::storage::PageFacts;
use crate::storage::examples::{ps, sk};
use crate::suggestion::plugin;
use crate::testing::{ACCOUNT, snapshot, unreadable};
use crate::topology::fit::fittings;
use crate::topology::forward_target::ForwardState;
use crate::topology::health::judge;
use crate::topology::layout::{Role, Scheme, StatusEndpoint};
use crate::topology::{Gap, Layout, LayoutSource, Part, build};
use crate::verify::{CheckKind, Evidence, Judgement, Saved, StoredBaseline};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

static VALIDATORS: LazyLock<BTreeMap<&str, Validator>> = LazyLock::new(|| {
    let built = |kind: &Kind| {
        let schema = super::schemas::schema(*kind);
        assert!(jsonschema::meta::is_valid(&schema), "{kind:?}");
        (kind.name(), jsonschema::options().should_validate_formats(true).build(&schema).unwrap())
    };
    Kind::ALL.iter().map(built).collect()
});

fn kind_of(document: &Value) -> &str {
    document["kind"].as_str().unwrap_or_default()
}

/// It is as the schema of its kind says.
#[track_caller]
pub(crate) fn valid(what: &str, document: &Value) {
    let errors = VALIDATORS[kind_of(document)].iter_errors(document);
    let errors: Vec<String> = errors.map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{what}: {}\n{document:#}", errors.join("\n"));
}

/// Documents with all that each kind may hold, more than one of a kind where no one can hold it all.
fn samples() -> Vec<Value> {
    let mut all = status();
    all.extend(operations());
    all.extend(past());
    all.extend(evidence());
    all.extend([structured::version(), structured::schemas()]);
    let kubeconfig = std::path::Path::new("/tmp/kubeconfig");
    let passfile = std::path::Path::new("/tmp/pgpass");
    all.push(sandbox_documents::sandbox("healthy", kubeconfig, passfile));
    all.push(sandbox_documents::scenarios(&[("healthy", "nothing".to_owned())]));
    let error = crate::error::Error::refused("what").because("why").hint("next");
    all.push(structured::error(&error));
    all
}

fn status() -> Vec<Value> {
    let mut read = snapshot(&[ACCOUNT]);
    let seen = build(&read, &Layout::shipped().unwrap());
    let whole = structured::status(&judge(&seen), &seen);
    read.passed_over = vec!["cloud008".to_owned()];
    read.volumes = unreadable("persistentvolumes", None);
    read.namespaces[0].claims = unreadable("persistentvolumeclaims", Some(&read.namespaces[0].namespace));
    let part = build(&read, &Layout::shipped().unwrap());
    let standing = [ForwardState::Ready { pod: "p-0".into(), uid: "u".into() }, ForwardState::NotReady("why".into())];
    let member = seen.members().next().unwrap();
    let opened = standing.iter().zip([true, false]).map(|(standing, sql)| {
        let at = match sql {
            true => forward::At::Port { host: "localhost".to_owned(), port: 15432 },
            false => forward::At::Socket("/home/dba/.s.PGSQL.5432".into()),
        };
        let opened = Opened { member, standing, at: &at, remote_port: 5432, line: Some("psql"), sql };
        forward::machine(&opened)
    });
    [whole, structured::status(&judge(&part), &part)].into_iter().chain(opened).chain(checked()).collect()
}

/// Where each fits the layout otherwise, and the layout is from somewhere else.
fn checked() -> Vec<Value> {
    let account = "namespace: hashdata-fe-team-07e5674f
sets: [{name: wh1, replicas: 1, templates: []}]
pods:
- {name: wh1-0, set: wh1, ready: true}
- {name: wh2-0, ready: true}
- {name: x-0, replicaSet: x, labels: {enterprise.dbaas/component: catalog}}
- {name: y-0, replicaSet: y}";
    let read = snapshot(&[account]);
    let (namespace, name) = ("synxdb-system".to_owned(), "kubectl-synxdb-layout".to_owned());
    let sources = [LayoutSource::Flag("f".into()), LayoutSource::ConfigMap { namespace, name }, LayoutSource::Shipped];
    let layouts = sources.map(|source| Layout::shipped().unwrap().from_source(source));
    let checks = layouts.iter().map(|layout| {
        let topology = build(&read, layout);
        let report = judge(&topology);
        (
            structured::layout_check(&topology.layout, &fittings(&topology), &report),
            structured::status(&report, &topology),
        )
    });
    checks.flat_map(|(check, status)| [check, status]).collect()
}

fn returns() -> Returns {
    Returns { volume: "pv".into(), uid: "u".into(), reclaim_policy: Some("Delete".into()) }
}

/// What a failover and an undo report, from the plan to the result.
fn operations() -> Vec<Value> {
    let failover = planned("wh9527-0", true, |_| {});
    let mut undo = planned("wh9527-0", false, |_| {});
    undo.act = Action::Undo("3f2a91bc".into());
    undo.journal = Some("file".into());
    undo.checks[0].next = Some("--allow quorum-loss".into());
    undo.checks[0].allow = Some(crate::cli::Allow::QuorumLoss);
    undo.target.lost_node = Some("node-1".into());
    undo.replaced_claims[0].returns = Some(returns());
    let (volume, uid, claim) = ("pv".to_owned(), "u".to_owned(), "c".to_owned());
    undo.steps.push(Step::Reserve {
        volume: volume.clone(),
        uid: uid.clone(),
        claim: claim.clone(),
        released_by: "u".into(),
    });
    undo.steps.push(Step::Unreserve { volume, uid, claim, released_by: "u".into() });
    undo.resumes = Some(Resumes { id: "a".into(), started: String::new() });
    undo.probes.not_measured = vec![NotMeasured { namespace: Some("n".into()), pod: None, why: "why".into() }];
    undo.before = Before::Silent { reason: "why".into() };
    undo.baseline = ComparedWith::Stored { taken: "2026-01-01T00:00:00Z".into(), summary: "what".into() };
    undo.accept_missing = vec!["test_db".into()];
    let mut all = vec![structured::plan(&failover), structured::plan(&undo)];
    undo.baseline =
        ComparedWith::Inherited { from: "a1".into(), taken: "2026-01-01T00:00:00Z".into(), summary: "what".into() };
    all.push(structured::plan(&undo));
    undo.baseline = ComparedWith::Nothing { reason: "why".into() };
    for before in [Before::NotAsked, Before::LoginRefused { reason: "why".into() }] {
        undo.before = before;
        all.push(structured::plan(&undo));
    }
    let endpoint = StatusEndpoint { port: 7676, path: "/v1/status".into(), scheme: Scheme::Http };
    for proof in
        [Proof::Page { pod: "p-0".into(), role: Role::Safekeeper, endpoint }, Proof::Skipped { reason: "why".into() }]
    {
        undo.proof = proof;
        all.push(structured::plan(&undo));
    }
    let done = PhaseEnd::After(Duration::from_millis(3), "it is".into());
    let ends = [done, PhaseEnd::Skipped("why".into()), PhaseEnd::Failed("why".into())];
    let mut events = vec![Event::Started(Phase::Retain), Event::Detail(Phase::Ready, "why".into())];
    events.push(Event::Notice("what".into()));
    events.extend(ends.iter().cloned().map(|end| Event::Done(Phase::Pod, end)));
    for plan in [&failover, &undo] {
        all.extend(events.iter().map(|event| structured::event(&plan.act, event)));
        all.push(structured::rehearsed(plan, "pod/p-0 deleted"));
        for ending in [
            Ending::Recovered,
            Ending::Replaced,
            Ending::Unverified("why".into()),
            Ending::DataMissing(vec!["row".into()]),
            Ending::CatchingUp("why".into()),
            Ending::TimedOut("why".into()),
            Ending::ClusterChanged("why".into()),
            Ending::Failed(crate::error::Error::failure("what")),
            Ending::Interrupted,
        ] {
            let mut outcome = ended(ending);
            outcome.phases = ends.iter().cloned().map(|end| (Phase::Pod, end)).collect();
            outcome.reachability = reached();
            outcome.claims[0].returned_volume = Some("pv".into());
            outcome.accept = Some(plugin("failover"));
            all.push(structured::outcome(plan, &outcome, &["why".into()], Some(&plugin("failover").into())));
        }
    }
    all
}

fn recorded(act: Action, outcome: RecordedOutcome) -> Record {
    let claim = json!({"name": "c", "uid": "u", "volume": "pv", "reclaimPolicy": "Delete", "restores": returns(),
                       "manifest": {"metadata": {"name": "c"}, "spec": {"volumeName": "pv"}}});
    let record = json!({
        "apiVersion": API_VERSION, "kind": "Record", "id": "a1", "operation": "failover", "started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:00:05Z",
        "outcome": outcome, "user": "alice", "context": "c", "namespace": "n", "pod": "p-0", "podUid": "u",
        "owner": {"kind": "StatefulSet", "name": "p", "uid": "u"}, "keepClaims": false, "claims": [claim], "stuckPodsDeleted": 0,
        "canary": "kubectl_synxdb_a1", "baseline": members().remove("n/proxy-0"), "packedBaseline": "eJw=",
        "baselineLost": "trimmed", "inherited": {"from": "b1", "taken": "2025-12-31T00:00:00Z"},
        "storedBaselineTaken": "2025-12-31T00:00:00Z",
    });
    Record { act, ..serde_json::from_value(record).unwrap() }
}

/// What is on record, and what became of it.
fn past() -> Vec<Value> {
    let states = [
        RetainedState::Retained,
        RetainedState::Reserved,
        RetainedState::InPlace,
        RetainedState::Lost("why".into()),
        RetainedState::Unknown("why".into()),
    ];
    let retained = states.map(|state| RetainedVolume {
        volume: "pv".into(),
        size: Some("1Gi".into()),
        claim: "c".into(),
        state,
        doubt: Some("why".into()),
    });
    let outcomes = [
        RecordedOutcome::Unfinished,
        RecordedOutcome::CatchingUp,
        RecordedOutcome::Recovered,
        RecordedOutcome::Unverified,
        RecordedOutcome::DataMissing,
    ];
    let entries = outcomes.map(|outcome| {
        let act = if outcome == RecordedOutcome::Recovered { Action::Undo("b".into()) } else { Action::Failover };
        Entry {
            record: recorded(act, outcome),
            took: Some(jiff::SignedDuration::from_secs(5)),
            retained: retained.to_vec(),
            undone_by: Some("b".into()),
            has_member: true,
        }
    });
    let gaps = [Gap { part: Part::Volumes, why: "why".into(), transient: false }];
    let released = structured::released(&[(&entries[0], vec![("pv".into(), "Delete".into())])]);
    let mut all = vec![structured::history(&entries, &gaps), released];
    all.extend(entries.iter().map(|entry| serde_json::to_value(&entry.record).unwrap()));
    all
}

fn members() -> BTreeMap<String, Evidence> {
    let damaged = Table { uncounted: Some(Uncounted::Damaged("why".into())), ..table("d", None) };
    let locked = Table { uncounted: Some(Uncounted::Unknown("why".into())), ..table("l", None) };
    let view = Table { kind: RelationKind::View, ..table("v", None) };
    let some = tables_of(vec![table("t", Some(3)), damaged, locked, view]);
    let digest = Some(Digest { newest: 16_400, relations: 4, names: "7".into() });
    let taken = Some("2026-01-01T00:00:00Z".into());
    let all = baseline(vec![
        ("a", Listing::Known(Tables { digest, truncated: true, ..some })),
        ("b", Listing::Unknown("why".into())),
        ("c", Listing::Damaged("why".into())),
    ]);
    let server = |kernel| Baseline { kernel, taken: taken.clone(), ..all.clone() };
    let safekeeper = sk(1).timeline("aa/11", 9, 9, 1).forget("aa/11", |wal| wal.commit_lsn = None).left_out(3).page();
    let pageserver = PageFacts { launched: Some("1".into()), ..ps(1).timeline("aa/11", 9, 9).page() };
    [
        ("n/proxy-0", Evidence::Sql(server(Kernel::PostgreSql))),
        ("n/proxy-1", Evidence::Sql(server(Kernel::Mpp))),
        ("n/safekeeper-0", Evidence::Page(safekeeper)),
        ("n/pageserver-0", Evidence::Page(pageserver)),
        ("n/pageserver-1", Evidence::Page(PageFacts::default())),
        ("n/pageserver-2", Evidence::Page(sk(1).unread().page())),
    ]
    .into_iter()
    .map(|(path, evidence)| (path.to_owned(), evidence))
    .collect()
}

fn evidence() -> Vec<Value> {
    let judged = [Judgement::passed, Judgement::failed, Judgement::skipped, Judgement::unknown];
    let check = |judged: &fn(&'static str) -> Judgement| {
        let judged = Judgement { lines: vec!["line".into()], ..judged("why") };
        judged.on(CheckKind::Tables, "n", "p-0", Duration::from_millis(1))
    };
    let checks: Vec<_> = judged.map(|judged| judged as fn(&'static str) -> Judgement).iter().map(check).collect();
    let saved = Saved::new("2026-01-01T00:00:00Z".into(), "c", members());
    let mut all =
        vec![structured::verification(&checks, &members()), serde_json::from_str(&saved.to_text().unwrap()).unwrap()];
    all.extend(members().into_values().filter_map(|content| {
        let stored = StoredBaseline::new(crate::testing::now(), "c", ("n", "m"), content);
        Some(serde_json::from_str(&stored.to_text().ok()?).unwrap())
    }));
    all
}

#[test]
fn a_document_of_every_kind_is_valid() {
    let samples = samples();
    for sample in &samples {
        valid("a sample", sample);
    }
    for kind in Kind::ALL {
        assert!(samples.iter().any(|sample| kind_of(sample) == kind.name()), "no sample of {kind:?}");
    }
}

/// Fields that are left out where they have no value, by the end of the kind's name.
const MAY_LACK: [(&str, &[&str]); 5] = [
    (
        "Record",
        &[
            "finished",
            "user",
            "owner",
            "canary",
            "baseline",
            "packedBaseline",
            "baselineLost",
            "inherited",
            "storedBaselineTaken",
            "restores",
            "manifest",
            "terms",
        ],
    ),
    ("Plan", &["lostNode", "restores", "journal", "next", "allow"]),
    ("Result", &["restoredVolume", "accept"]),
    // Of a baseline, and of the number of relations of each kind in it.
    ("", &["rows", "taken", "total", "totals", "digest", "relation", "uncounted", "table", "view"]),
    // Of a status page.
    ("", &["launched", "unreadReason", "leftOut"]),
];

fn may_lack(kind: &str, field: &str) -> bool {
    MAY_LACK.iter().any(|(of, fields)| kind.ends_with(of) && fields.contains(&field))
}

/// Objects whose keys are not ours.
fn is_free(kind: &str, path: &str) -> bool {
    let end = path.rsplit('/').next().unwrap_or_default();
    ["tenants", "timelines", "terms", "manifest", "schema"].contains(&end) || (path == "/members" && kind != "Status")
}

/// Every document that differs from this one in one place: what was done to it, and where.
fn spoiled(document: &Value) -> Vec<(String, Value)> {
    let kind = kind_of(document);
    let mut all = Vec::new();
    walk(document, String::new(), &mut |path, node| {
        let mut spoil = |what: &str, change: &dyn Fn(&mut Value)| {
            let mut copy = document.clone();
            change(copy.pointer_mut(path).unwrap());
            all.push((format!("{what} {path}"), copy));
        };
        match node {
            Value::Object(fields) if !is_free(kind, path) => {
                spoil("another field in", &|node| node["another"] = json!(1));
                for name in fields.keys().filter(|name| !may_lack(kind, name)) {
                    spoil(&format!("no {name} in"), &|node| {
                        node.as_object_mut().unwrap().shift_remove(name);
                    });
                }
            }
            Value::Object(_) => {}
            _ => spoil("another type at", &|node| *node = json!({"another": []})),
        }
        if node.is_u64() {
            spoil("less than nothing at", &|node| *node = json!(-2));
            spoil("a part at", &|node| *node = json!(0.5));
        }
    });
    all
}

fn walk(node: &Value, path: String, seen: &mut impl FnMut(&str, &Value)) {
    seen(&path, node);
    // What is within is not ours.
    if path.ends_with("/manifest") || path.ends_with("/schema") {
        return;
    }
    match node {
        Value::Object(fields) => fields.iter().for_each(|(name, node)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            walk(node, format!("{path}/{name}"), seen);
        }),
        Value::Array(nodes) => nodes.iter().enumerate().for_each(|(i, node)| walk(node, format!("{path}/{i}"), seen)),
        _ => {}
    }
}

#[test]
fn a_spoiled_document_is_rejected() {
    let mut passed = Vec::new();
    for sample in samples() {
        let validator = &VALIDATORS[kind_of(&sample)];
        for (what, spoiled) in spoiled(&sample) {
            if validator.is_valid(&spoiled) {
                passed.push(format!("{}: {what}", kind_of(&sample)));
            }
        }
    }
    passed.sort();
    passed.dedup();
    assert!(passed.is_empty(), "the schemas take what they should not:\n{}", passed.join("\n"));
}

/// Words of closed lists: where they stand, by the end of their path.
const WORDS: [&str; 21] = [
    "/apiVersion",
    "/kind",
    "/health",
    "/component",
    "/state",
    "/operation",
    "/action",
    "/fit",
    "/recognizedBy",
    "/risk",
    "/method",
    "/expected",
    "/allow",
    "/phase",
    "/outcome",
    "/result",
    "/check",
    "/kernel",
    "/relation",
    "/exitCode",
    "/source",
];

#[test]
fn a_word_that_is_not_on_the_list_is_rejected() {
    let mut tried: BTreeMap<&str, usize> = BTreeMap::new();
    for sample in samples() {
        let validator = &VALIDATORS[kind_of(&sample)];
        walk(&sample, String::new(), &mut |path, node| {
            let closed = WORDS.iter().find(|end| path.ends_with(*end));
            // Kubernetes' own words, and names.
            let open = ["/owner/kind", "/volume/phase"].iter().any(|end| path.ends_with(end));
            let Some(word) = closed.filter(|_| !open && (node.is_string() || node.is_u64())) else { return };
            let mut copy = sample.clone();
            *copy.pointer_mut(path).unwrap() = if node.is_string() { json!("Another") } else { json!(3) };
            assert!(!validator.is_valid(&copy), "{} takes another word at {path}", kind_of(&sample));
            *tried.entry(word).or_default() += 1;
        });
    }
    let untried: Vec<&&str> = WORDS.iter().filter(|word| !tried.contains_key(*word)).collect();
    assert!(untried.is_empty(), "{untried:?}");
}

#[test]
fn null_is_taken_only_where_it_is_said() {
    for (kind, path) in [
        ("Status", "/members"),
        ("FailoverPlan", "/target/uid"),
        ("FailoverEvent", "/phase"),
        ("FailoverResult", "/claims/0/restoredVolume"),
        ("Record", "/finished"),
        ("History", "/operations/0/volumes/0/state"),
    ] {
        let has = |sample: &&Value| kind_of(sample) == kind && sample.pointer(path).is_some();
        let samples = samples();
        let mut sample = samples.iter().find(has).unwrap_or_else(|| panic!("{kind} has no {path}")).clone();
        *sample.pointer_mut(path).unwrap() = Value::Null;
        assert!(!VALIDATORS[kind].is_valid(&sample), "{kind} takes null at {path}");
    }
}

#[test]
fn the_kinds_are_described_as_their_schemas_are() {
    let listed = document(Kind::SchemaList, &SchemaList::all());
    for (kind, entry) in Kind::ALL.iter().zip(listed["schemas"].as_array().unwrap()) {
        let schema = &entry["schema"];
        assert_eq!((&schema["title"], &entry["name"]), (&json!(kind.name()), &json!(kind.name())));
        assert_eq!(schema["description"], entry["description"]);
        let version = API_VERSION.rsplit_once('/').unwrap().1;
        assert_eq!(schema["$id"], format!("urn:kubectl-synxdb:{version}:{}", kind.name()));
    }
}
