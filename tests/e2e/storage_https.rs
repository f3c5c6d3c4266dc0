//! Storage components with endpoints over HTTPS, as the layout says: their certificates are verified, or they are not
//! queried.

use crate::member::Before;
use crate::world::{Authority, Pair, SYSTEM, World};
use serde_json::{Value, json};

const SAFEKEEPERS: [&str; 3] = ["safekeeper-0", "safekeeper-1", "safekeeper-2"];
const ALL: [&str; 4] = ["safekeeper-0", "safekeeper-1", "safekeeper-2", "pageserver-0"];
const TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.e30.b3ZlciBUTFM";

/// Returns a file with that layout.
fn layout(world: &World) -> String {
    let text = world.run(&["layout"]).exits(0).out;
    let (text, found) = [(7676, 7677), (9898, 9899)].iter().fold((text, 0), |(text, found), (http, https)| {
        let page = |port, more| format!("page: {{ port: {port}, path: /v1/status{more} }}\n");
        let before = page(http, "");
        let number = text.matches(&before).count();
        (text.replace(&before, &page(https, ", scheme: https")), found + number)
    });
    assert_eq!(found, 2, "{text}");
    world.file("layout.yaml", &text).to_str().unwrap().to_owned()
}

fn https(pair: &Pair) -> Value {
    json!({"token": TOKEN, "https": {"certificate": pair.certificate, "key": pair.key}})
}

#[test]
fn pages_over_https_are_read_only_from_verified_servers() {
    let world = World::alone();
    let (authority, other) = (Authority::new(), Authority::new());
    let settings: serde_json::Map<String, Value> =
        ALL.iter().map(|pod| ((*pod).to_owned(), https(&authority.signed(pod)))).collect();
    let mut behaving = world.storage_now(&Value::Object(settings), &ALL);
    behaving.secret("page-ca", &json!({"ca.crt": authority.certificate}));
    let file = |name: &str, text: &str| world.file(name, text).to_str().unwrap().to_owned();
    let (right, wrong) = (file("ca.crt", &authority.certificate), file("other.crt", &other.certificate));
    let (layout, token) = (layout(&world), file("token", TOKEN));
    let over =
        |arguments: &[&str]| world.run(&[arguments, &["--layout", &layout, "--page-token-file", &token]].concat());
    let verify = |authorities: &[&str]| over(&[&["verify"], &ALL[..], authorities].concat());

    // Without authorities, with other ones, and with another name: nothing is known, and nothing fails.
    verify(&[]).exits(8).says(&["no certificate authority is configured (--page-ca-file FILE or --page-ca-secret)"]);
    let ran = verify(&["--page-ca-file", &wrong]).exits(8).says(&["its issuer is unknown: no authority in "]);
    assert!(!format!("{}{}", ran.out, ran.err).contains(TOKEN), "{}", ran.shown());
    let elsewhere = ["--page-ca-file", &right, "--page-server-name", "pages.example"];
    verify(&elsewhere).exits(8).says(&["not for pages.example (--page-server-name NAME sets the expected name)"]);
    let unread = verify(&["--page-ca-secret", "page-ca/other"]).exits(8);
    unread
        .says(&["the certificate authorities could not be read: Secret page-ca in namespace synxdb-system has no key"]);
    for authorities in [["--page-ca-file", &right], ["--page-ca-secret", "page-ca/ca.crt"]] {
        verify(&authorities).exits(0).says(&["1 timeline flushed by a quorum", "are identical everywhere"]);
    }

    // Recovery is verified over HTTPS, and only there.
    let before = Before::of(&world, SYSTEM, "safekeeper-0");
    let ran = over(&["failover", "safekeeper-0", "--yes", "--start-over", "--page-ca-file", &right]).exits(0);
    ran.says(&["Recovered: safekeeper-0 in ", "match safekeeper-1, safekeeper-2"]);
    before.is_recovered();
    let all_the_same = ["--yes", "--allow", "quorum-loss", "--confirm", "safekeeper-1"];
    let ran = over(&[&["failover", "safekeeper-1", "--start-over"], &all_the_same[..]].concat()).exits(8);
    ran.says(&["Unverified: safekeeper-1 is Ready after ", "no certificate authority is configured"]);
    behaving.end();

    // One with another component's certificate is not accepted.
    let mut settings: serde_json::Map<String, Value> =
        SAFEKEEPERS.iter().map(|pod| ((*pod).to_owned(), https(&authority.signed(pod)))).collect();
    settings.insert("safekeeper-2".into(), https(&authority.signed("safekeeper-1")));
    let _behaving = world.storage_now(&Value::Object(settings), &SAFEKEEPERS);
    let ran = over(&[&["verify"], &SAFEKEEPERS[..], &["--page-ca-file", &right]].concat()).exits(8);
    ran.says(&["it is valid for safekeeper-1, not for safekeeper-2 or safekeeper-2.synxdb-system", "2 of 3 respond"]);
}
