//! The machine's own kubectl on the practice cluster: it shows, does and refuses what it would on a real one, and the
//! plugin is one of its commands. Any kubectl from 1.20 on.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::machine::needs;
use crate::support::practice::{ACCOUNT, Practice};
use crate::support::process::{Machine, PLUGIN, Ran, Running, Signal, run};
use std::process::Command;

/// A user with a kubectl that has the plugin, and a cluster.
struct User<'p> {
    machine: Machine,
    practice: &'p Practice,
}

impl<'p> User<'p> {
    fn of(practice: &'p Practice) -> Self {
        let machine = Machine::new();
        needs("kubectl");
        let plugins = machine.home().join("bin");
        std::fs::create_dir(&plugins).unwrap();
        std::os::unix::fs::symlink(PLUGIN, plugins.join("kubectl-synxdb")).unwrap();
        Self { machine, practice }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.machine.command("kubectl");
        let plugins = self.machine.home().join("bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(plugins).chain(std::env::split_paths(&path))).unwrap();
        command.env("PATH", path).env("KUBECONFIG", self.practice.kubeconfig());
        command.env("PGPASSFILE", self.practice.passfile());
        // {ns} is the account's namespace, which is long.
        command.args(arguments.iter().flat_map(|words| words.split(' ')).map(|word| word.replace("{ns}", ACCOUNT)));
        command
    }

    /// Runs kubectl with words separated by blanks.
    fn kubectl(&self, arguments: &str) -> Ran {
        run(self.command(&[arguments]))
    }

    /// Runs it, and expects success.
    fn out(&self, arguments: &str) -> String {
        let ended = self.kubectl(arguments);
        assert_eq!(ended.code, Some(0), "kubectl {arguments}\n{}{}", ended.out, ended.err);
        ended.out
    }

    /// Runs it, and expects it to fail with these words.
    fn refused(&self, arguments: &str, words: &str) {
        let ended = self.kubectl(arguments);
        let words = words.replace("{ns}", ACCOUNT);
        assert_eq!((ended.code, ended.err.trim_end()), (Some(1), &*words), "kubectl {arguments}\n{}", ended.out);
    }

    fn watches(&self, arguments: &str) -> Running {
        Running::start(self.command(&[arguments]))
    }
}

/// Returns the columns of a table's line.
fn cells(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// Returns the line of a table that begins with a cell.
fn row<'t>(table: &'t str, first: &str) -> Vec<&'t str> {
    let found = table.lines().map(cells).find(|cells| cells.first() == Some(&first));
    found.unwrap_or_else(|| panic!("no {first} in\n{table}"))
}

fn holds(text: &str, wanted: &[&str]) {
    for words in wanted {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
}

#[test]
fn tables_are_those_of_a_real_cluster() {
    let practice = Practice::shared();
    let user = User::of(&practice);

    let pods = user.out("get pods -A");
    assert_eq!(cells(pods.lines().next().unwrap()), ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE"]);
    assert_eq!(pods.lines().count(), 9, "{pods}");
    assert_eq!(pods.lines().filter(|line| cells(line)[2..5] == ["1/1", "Running", "0"]).count(), 8, "{pods}");
    let wide = user.out("get pods -n {ns} -o wide");
    assert_eq!(
        wide.lines().next().unwrap().split("  ").map(str::trim).filter(|title| !title.is_empty()).collect::<Vec<_>>(),
        ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED NODE", "READINESS GATES"]
    );
    let row_wide = row(&wide, "wh9527-0");
    assert!(row_wide[5].parse::<std::net::IpAddr>().is_ok() && row_wide[6].starts_with("node-"), "{wide}");

    let all = user.out("get pods,pvc,pv -A");
    assert_eq!(all.lines().filter(|line| line.contains(" persistentvolumeclaim/")).count(), 9, "{all}");
    assert_eq!(all.lines().filter(|line| line.contains(" persistentvolume/")).count(), 9, "{all}");
    let claims = user.out("get pvc -n {ns}");
    let claim = row(&claims, "data-wh9527-0");
    assert_eq!((claim[1], claim[3], claim[4], claim[5]), ("Bound", "100Gi", "RWO", "standard"), "{claims}");
    let volume = claim[2];
    let volumes = user.out("get pv");
    let bound = format!("{ACCOUNT}/data-wh9527-0");
    assert_eq!(row(&volumes, volume)[1..6], ["100Gi", "RWO", "Delete", "Bound", &bound], "{volumes}");
    assert_eq!(row(&user.out("get sts -n {ns}"), "wh9527")[1], "2/2");
    assert_eq!(row(&user.out("get nodes"), "node-1")[1..3], ["Ready", "<none>"]);
    holds(&user.out("get sc"), &["standard (default)", "Delete", "WaitForFirstConsumer"]);
}

#[test]
fn objects_are_selected_and_formatted_as_in_a_real_cluster() {
    let practice = Practice::shared();
    let user = User::of(&practice);
    assert_eq!(user.out("get pod wh9527-0 -n {ns} -o name"), "pod/wh9527-0\n");
    assert_eq!(user.out("get pod wh9527-0 -n {ns} -o jsonpath={.metadata.uid}"), practice.pod_uid(ACCOUNT, "wh9527-0"));
    let selected = user.out("get pods -A -l app.kubernetes.io/name=safekeeper -o name");
    assert_eq!(selected.lines().collect::<Vec<_>>(), ["pod/safekeeper-0", "pod/safekeeper-1", "pod/safekeeper-2"]);
    let on_node = user.out("get pods -A --field-selector spec.nodeName=node-1 -o name");
    assert!((1..8).contains(&on_node.lines().count()), "{on_node}");
    let version: serde_json::Value = serde_json::from_str(&user.out("get --raw /version")).unwrap();
    assert_eq!(version["major"], "1");
}

#[test]
fn objects_are_described_as_in_a_real_cluster() {
    let practice = Practice::shared();
    let user = User::of(&practice);
    let claims = user.out("get pvc -n {ns}");
    let (volume, bound) = (row(&claims, "data-wh9527-0")[2], format!("{ACCOUNT}/data-wh9527-0"));
    holds(
        &user.out("describe pod wh9527-0 -n {ns}"),
        &[
            "Controlled By:  StatefulSet/wh9527",
            "ClaimName:  data-wh9527-0",
            "Ready  ",
            "SuccessfulAttachVolume",
            "Started",
        ],
    );
    holds(
        &user.out("describe pvc data-wh9527-0 -n {ns}"),
        &["Used By:       wh9527-0", "Finalizers:    [kubernetes.io/pvc-protection]", "ProvisioningSucceeded"],
    );
    holds(
        &user.out(&format!("describe pv {volume}")),
        &["Reclaim Policy:  Delete", "Finalizers:      [kubernetes.io/pv-protection]", &bound],
    );
    holds(
        &user.out("describe sts wh9527 -n {ns}"),
        &[
            "Replicas:           2 desired | 2 total",
            "2 Running / 0 Waiting",
            "create Pod wh9527-0 in StatefulSet wh9527 successful",
        ],
    );
    holds(&user.out("describe node node-1"), &["KubeletReady", "Non-terminated Pods:", ACCOUNT]);
    holds(
        &user.out("get events -n {ns} --field-selector involvedObject.name=wh9527-0"),
        &["LAST SEEN", "Scheduled", "pod/wh9527-0", "Container started"],
    );
}

#[test]
fn permissions_and_errors_are_those_of_a_real_cluster() {
    let practice = Practice::shared();
    let user = User::of(&practice);
    assert_eq!(user.out("auth can-i delete pods -n {ns}"), "yes\n");
    let rights = user.out("auth can-i --list");
    assert_eq!(row(&rights, "*.*").last(), Some(&"[*]"), "{rights}");

    user.refused("get pod x -n {ns}", "Error from server (NotFound): pods \"x\" not found");
    user.refused("delete pvc x -n {ns}", "Error from server (NotFound): persistentvolumeclaims \"x\" not found");
    user.refused("get sts x -n {ns}", "Error from server (NotFound): statefulsets.apps \"x\" not found");
    user.refused("get nothings", "error: the server doesn't have a resource type \"nothings\"");
    let empty = user.kubectl("get pods -n nowhere");
    assert_eq!((empty.code, &*empty.out, &*empty.err), (Some(0), "", "No resources found in nowhere namespace.\n"));
}

#[test]
fn the_plugin_is_a_command_of_kubectl() {
    let practice = Practice::shared();
    let user = User::of(&practice);
    // Its exit code depends on the rest of this machine's PATH.
    let plugins = user.kubectl("plugin list");
    assert!(plugins.out.contains("/bin/kubectl-synxdb\n"), "{}{}", plugins.out, plugins.err);
    let status = user.out("synxdb status");
    assert!(status.starts_with("SynxDB is healthy: 8 of 8 pods ready"), "{status}");
    // Flags and exit codes are passed through.
    let near = user.kubectl("synxdb failover wh9527-9 -n {ns} --yes");
    assert_eq!(near.code, Some(1), "{}", near.err);
    holds(&near.err, &["error: pod \"wh9527-9\" not found", "next: kubectl synxdb failover wh9527-"]);
}

/// Returns READY and STATUS of a pod from a line of a watch.
fn state(line: &str, pod: &str) -> Option<String> {
    let cells = cells(line);
    (cells.get(1) == Some(&pod)).then(|| format!("{} {}", cells[2], cells[3]))
}

#[test]
fn a_watch_shows_the_stages_of_a_failover() {
    let practice = Practice::start("healthy");
    let user = User::of(&practice);
    let mut watch = user.watches("get pods -A -w");
    // The last pod of the first list: from here on it watches.
    watch.line_with("safekeeper-2");

    let failover = user.kubectl("synxdb failover wh9527-0 --yes");
    assert_eq!(failover.code, Some(0), "{}{}", failover.out, failover.err);
    assert!(failover.out.starts_with("Recovered: wh9527-0 in "), "{}", failover.out);

    // In this order, with anything in between.
    for wanted in ["Terminating", "0/1 Pending", "0/1 ContainerCreating", "0/1 Running", "1/1 Running"] {
        watch.line_that(&format!("line of wh9527-0 with {wanted:?}"), |line| {
            state(line, "wh9527-0").is_some_and(|state| state.contains(wanted))
        });
    }
    watch.signal(Signal::TERM);
    let story = watch.end().out;
    // No other pod was touched.
    let others = story.lines().skip(9).filter(|line| state(line, "wh9527-0").is_none());
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&str>::new(), "{story}");

    // The old volume is retained, and describes itself.
    let volumes = user.out("get pv");
    let kept = volumes.lines().find(|line| line.contains("Released")).unwrap_or_else(|| panic!("{volumes}"));
    assert_eq!(cells(kept)[3], "Retain", "{volumes}");
    let record = user.out(&format!("get pv {} -o jsonpath={{.metadata.annotations}}", cells(kept)[0]));
    holds(&record.replace('\\', ""), &["\"pod\":\"wh9527-0\"", "\"outcome\":\"recovered\""]);
}

#[test]
fn patches_take_effect() {
    let practice = Practice::start("healthy");
    let user = User::of(&practice);
    let claims = user.out("get pvc -n {ns}");
    let volume = row(&claims, "data-wh9527-0")[2];

    // The three kinds of patch.
    let retain = format!("patch pv {volume} -p {{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Retain\"}}}}");
    assert_eq!(user.out(&retain), format!("persistentvolume/{volume} patched\n"));
    assert_eq!(user.out(&retain), format!("persistentvolume/{volume} patched (no change)\n"));
    assert_eq!(row(&user.out("get pv"), volume)[3], "Retain");
    let patch = |kind: &str, patch: &str| user.kubectl(&format!("patch pv {volume} --type={kind} -p {patch}"));
    assert_eq!(patch("merge", r#"{"metadata":{"labels":{"tier":"gold"}}}"#).code, Some(0));
    assert_eq!(user.out("get pv -l tier=gold -o name"), format!("persistentvolume/{volume}\n"));
    assert_eq!(patch("json", r#"[{"op":"remove","path":"/metadata/labels/tier"}]"#).code, Some(0));
    let wrong = patch("merge", r#"{"spec":{"persistentVolumeReclaimPolicy":"Sometimes"}}"#);
    assert_eq!(wrong.code, Some(1));
    assert_eq!(
        wrong.err,
        format!(
            "The PersistentVolume \"{volume}\" is invalid: spec.persistentVolumeReclaimPolicy: Unsupported value: \
             \"Sometimes\": supported values: \"Delete\", \"Recycle\", \"Retain\"\n"
        )
    );

    assert_eq!(user.out("annotate pod wh9527-1 -n {ns} note=hello"), "pod/wh9527-1 annotated\n");
    assert_eq!(user.out("label pod wh9527-1 -n {ns} tier=gold"), "pod/wh9527-1 labeled\n");
    assert_eq!(user.kubectl("label pod wh9527-1 -n {ns} tier=silver").code, Some(1));
    assert_eq!(user.out("get pods -A -l tier=gold -o name"), "pod/wh9527-1\n");
}

/// By hand what the plugin does: the claim stays until its pod is gone, then both are new.
#[test]
fn a_pod_and_its_claim_are_replaced_by_hand() {
    let practice = Practice::start("healthy");
    let user = User::of(&practice);
    let claims = user.out("get pvc -n {ns}");
    let volume = row(&claims, "data-wh9527-0")[2];
    user.out(&format!("patch pv {volume} -p {{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Retain\"}}}}"));
    let old = practice.pod_uid(ACCOUNT, "wh9527-0");
    let mut watch = user.watches("get pods -n {ns} -w");
    watch.line_with("wh9527-1");
    assert_eq!(user.out("delete pvc data-wh9527-0 -n {ns} --wait=false").lines().count(), 1);
    assert_eq!(row(&user.out("get pvc -n {ns}"), "data-wh9527-0")[1..3], ["Terminating", volume]);
    holds(&user.out("delete pod wh9527-0 -n {ns}"), &["pod \"wh9527-0\" deleted"]);
    watch.line_with("Terminating");
    watch.line_that("line of a new wh9527-0 that is ready", |line| {
        let cells = cells(line);
        cells[..3] == ["wh9527-0", "1/1", "Running"]
    });
    holds(&user.out("wait --for=condition=Ready pod/wh9527-0 -n {ns} --timeout=60s"), &["pod/wh9527-0 condition met"]);
    assert_ne!(practice.pod_uid(ACCOUNT, "wh9527-0"), old);
    let claims = user.out("get pvc -n {ns}");
    assert_eq!(row(&claims, "data-wh9527-0")[1], "Bound", "{claims}");
    assert_ne!(row(&claims, "data-wh9527-0")[2], volume, "{claims}");
    let volumes = user.out("get pv");
    assert_eq!(row(&volumes, volume)[3..5], ["Retain", "Released"], "{volumes}");
}

/// Scaled down by one: the last pod is gone for good, its claim stays.
#[test]
fn a_set_is_scaled_down_and_up() {
    let practice = Practice::start("healthy");
    let user = User::of(&practice);
    let mut wait = user.watches("wait --for=delete pod/wh9527-1 -n {ns} --timeout=60s -v 6");
    wait.line_with("watch=true");
    assert_eq!(user.out("scale sts wh9527 -n {ns} --replicas=1"), "statefulset.apps/wh9527 scaled\n");
    let ended = wait.end();
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    user.refused("get pod wh9527-1 -n {ns}", "Error from server (NotFound): pods \"wh9527-1\" not found");
    assert_eq!(row(&user.out("get pvc -n {ns}"), "data-wh9527-1")[1], "Bound");
    assert_eq!(user.out("scale sts wh9527 -n {ns} --replicas=2"), "statefulset.apps/wh9527 scaled\n");
    holds(&user.out("rollout status sts/wh9527 -n {ns} --timeout=60s"), &["2 new pods have been updated"]);
}

#[test]
fn forbidden_requests_are_rejected_in_the_servers_words() {
    let practice = Practice::start("forbidden");
    let user = User::of(&practice);
    let no = user.kubectl("auth can-i delete pvc -n {ns}");
    assert_eq!((no.code, &*no.out), (Some(1), "no\n"), "{}", no.err);
    assert_eq!(user.out("auth can-i delete pods -n {ns}"), "yes\n");
    let who = practice_cluster::USER;
    user.refused(
        "delete pvc data-wh9527-0 -n {ns}",
        &format!(
            "Error from server (Forbidden): persistentvolumeclaims \"data-wh9527-0\" is forbidden: User \"{who}\" \
             cannot delete resource \"persistentvolumeclaims\" in API group \"\" in the namespace \"{{ns}}\""
        ),
    );
    assert_eq!(row(&user.out("get pvc -n {ns}"), "data-wh9527-0")[1], "Bound");
    let refused = user.kubectl("synxdb failover wh9527-0 --yes");
    assert_eq!(refused.code, Some(4), "{}", refused.err);
    holds(&refused.err, &["delete persistentvolumeclaims"]);
}

/// The plugin fills in a template like kubectl does: for the same document, kubectl's own pods.
#[test]
fn jsonpath_is_kubectls() {
    let practice = Practice::shared();
    let user = User::of(&practice);
    let pods = "get pods -n synxdb-system -o json";
    let document: serde_json::Value = serde_json::from_str(&user.out(pods)).unwrap();
    for template in [
        "{.items[*].metadata.name}",
        "{.items[0].metadata.name}/{.items[-1].metadata.name}",
        "{.items[0:2].metadata.uid}",
        "{.items[0,1].metadata.name}",
        "{.kind}: {.items[0].spec.containers[*].name}",
        "{.items[0].metadata.labels}",
        r"{.items[0].metadata.labels.statefulset\.kubernetes\.io/pod-name}",
        "{.items[0].metadata['name']}",
        r#"{.items[?(@.metadata.name=="safekeeper-1")].status.phase}"#,
        r#"{range .items[*]}{.metadata.name}{"\t"}{.status.phase}{"\n"}{end}"#,
        r#"{range .items[*]}{.metadata.name}:{range .spec.containers[*]}{' '}{.name}{end};{end}"#,
        "{.not.there}|{.items[0].nothing}",
        "{..containerPort}",
    ] {
        let mut kubectl = user.command(&["get pods -n synxdb-system"]);
        kubectl.arg(format!("-o=jsonpath={template}"));
        let theirs = run(kubectl);
        assert_eq!(theirs.code, Some(0), "{template}: {}", theirs.err);
        let ours = kubectl_synxdb::cli::JsonPath::parse(template).unwrap().fill(&document);
        assert_eq!(ours, theirs.out, "{template}");
    }
}
