//! Which pod a name stands for.

use crate::world::{ACCOUNT, SYSTEM, World};

#[test]
fn a_name_that_two_pods_have_is_never_guessed() {
    let world = World::alone();
    let name = "cloudberry-proxy-0";
    let ran = world.run(&["failover", name, "--yes"]).exits(2).silent();
    for namespace in [SYSTEM, ACCOUNT] {
        assert!(ran.err.contains(&format!("next: kubectl synxdb failover {namespace}/{name}\n")), "{}", ran.shown());
    }
    let whole = format!("{ACCOUNT}/{name}");
    for (arguments, namespace) in [
        (&[name, "-n", SYSTEM][..], SYSTEM),
        (&[name, "-n", "cloud007"], ACCOUNT),
        (&[&whole], ACCOUNT),
        (&["metadata-proxy"], SYSTEM),
        (&["synxdb-system/cloudberry-proxy"], SYSTEM),
    ] {
        let arguments: Vec<&str> =
            ["failover", "--dry-run=client", "-o", "json"].iter().chain(arguments).copied().collect();
        let plan = world.run(&arguments).exits(0).json();
        let target = &plan["target"];
        assert_eq!((target["namespace"].as_str(), target["pod"].as_str()), (Some(namespace), Some(name)));
        assert_eq!(target["uid"].as_str(), world.pod(namespace, name).metadata.uid.as_deref());
    }
}
