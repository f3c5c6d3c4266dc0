//! Which pods get the token, and that no text shows it.

use super::*;
use crate::testing::snapshot;
use crate::topology::{Layout, build};

const TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl";

fn of(content: &[u8]) -> Result<PageAccess> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, content).unwrap();
    PageAccess::resolve(&PageArgs { page_token_file: Some(path), ..PageArgs::default() })
}

fn known(sets: &str, pod: &str) -> Topology {
    let text = format!("namespace: synxdb-system\n{sets}\npods: [{pod}]");
    build(&snapshot(&[&text]), &Layout::shipped().unwrap())
}

const SETS: &str = "sets: [{name: safekeeper, replicas: 3}]";
const OWN: &str = "{name: safekeeper-1, set: safekeeper, ready: true}";

#[test]
fn one_line_break_at_the_end_is_not_the_tokens() {
    let topology = known(SETS, OWN);
    for end in ["", "\n", "\r\n"] {
        let token = of(format!("{TOKEN}{end}").as_bytes()).unwrap().for_members_of(&topology);
        let shown = token.for_pod("synxdb-system", "safekeeper-1");
        let header = shown.authorization().unwrap().to_str().unwrap();
        assert_eq!(header, format!("Bearer {TOKEN}"), "{end:?}");
    }
    for wrong in ["", "\n", "a\n\n", "a\nb", "a\r", "a b", "a\tb", "a\0", "a\u{7f}", "\u{e4}"] {
        let error = of(wrong.as_bytes()).unwrap_err();
        assert_eq!(error.exit, crate::error::Exit::Usage, "{wrong:?}");
    }
    let missing = PageArgs { page_token_file: Some("/nowhere/token".into()), ..PageArgs::default() };
    assert_eq!(PageAccess::resolve(&missing).unwrap_err().exit, crate::error::Exit::Usage);
}

#[test]
fn nothing_tells_it() {
    let token = of(TOKEN.as_bytes()).unwrap().for_members_of(&known(SETS, OWN));
    let shown = token.for_pod("synxdb-system", "safekeeper-1");
    assert!(matches!(shown, Shown::Token(_)));
    for text in [format!("{token:?}"), format!("{token:#?}"), format!("{shown:?}")] {
        assert!(!text.contains(TOKEN), "{text}");
    }
    let error = of(format!("{TOKEN} {TOKEN}").as_bytes()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(TOKEN));
}

/// A name proves nothing: only a pod that is known to belong to the workload gets it, and unknown does not.
#[test]
fn it_is_for_pods_that_their_workload_owns() {
    let token = of(TOKEN.as_bytes()).unwrap();
    for (what, topology, trusted) in [
        ("its own", known(SETS, OWN), true),
        ("a bare pod", known(SETS, "{name: safekeeper-1, ready: true}"), false),
        ("a forged UID", known(SETS, "{name: safekeeper-1, set: safekeeper, owner: x}"), false),
        ("another's", known(SETS, "{name: safekeeper-1, replicaSet: safekeeper}"), false),
        ("sets that could not be read", known("", OWN), false),
    ] {
        let shown = token.clone().for_members_of(&topology).for_pod("synxdb-system", "safekeeper-1");
        assert_eq!(shown.authorization().is_some(), trusted, "{what}: {shown:?}");
        assert_eq!(matches!(shown, Shown::Withheld(_)), !trusted, "{what}");
    }
    assert!(token.for_pod("synxdb-system", "safekeeper-1").authorization().is_none(), "nothing is known");
    let elsewhere = token.for_members_of(&known(SETS, OWN)).for_pod("elsewhere", "safekeeper-1");
    assert!(elsewhere.authorization().is_none());
}

#[test]
fn a_secret_that_was_not_read_is_no_token() {
    let secret = PageArgs { page_token_secret: Some("storage-token/token".parse().unwrap()), ..PageArgs::default() };
    let token = PageAccess::resolve(&secret).unwrap().for_members_of(&known(SETS, OWN));
    assert!(matches!(token.for_pod("synxdb-system", "safekeeper-1"), Shown::Withheld(_)));
    let none = PageAccess::resolve(&PageArgs::default()).unwrap();
    assert!(matches!(none.for_pod("synxdb-system", "safekeeper-1"), Shown::Nothing));
}
