//! What an operator would inspect around a command: an account's pods, claims and volumes with their UIDs, and the
//! number of bytes on each disk. Printed if `SYNXDB_E2E_DISKS` is set and `--nocapture` is given.

use super::Account;
use crate::support::Ran;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use std::path::Path;
use std::process::Command;

const WANTED: &str = "SYNXDB_E2E_DISKS";
/// Length of a shortened UID, enough to distinguish them.
const UID: usize = 8;
/// The prefix of the annotations with records.
const RECORD: &str = "kubectl-synxdb/record-";

impl Account<'_> {
    /// Runs a command, and prints the account's disks before and after it if requested.
    #[allow(clippy::print_stderr)]
    pub(super) fn with_disks_printed(&self, arguments: &[&str], run: impl FnOnce() -> Ran) -> Ran {
        if std::env::var_os(WANTED).is_none() || !matches!(arguments.first(), Some(&("failover" | "undo"))) {
            return run();
        }
        let before = self.disks();
        let ran = run();
        let after = self.disks();
        let code = ran.code.map_or("none".to_owned(), |code| code.to_string());
        let command = arguments.join(" ");
        let case = &self.namespace;
        eprintln!("[{case}] before\n{before}[{case}] kubectl synxdb {command}: exit code {code}\n{after}");
        ran
    }

    fn disks(&self) -> String {
        self.world.block_on(async {
            let all = ListParams::default();
            let mut lines = Vec::new();
            let pods: Api<Pod> = self.pods();
            for pod in pods.list(&all).await.into_iter().flatten().filter(|pod| pod.name_any().starts_with("wh")) {
                let phase = pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default();
                lines.push(format!("  pod {} {} {phase}", pod.name_any(), short(pod.uid())));
            }
            let claims: Api<PersistentVolumeClaim> = self.claims();
            for claim in claims.list(&all).await.into_iter().flatten() {
                let phase = claim.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default();
                let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.clone());
                let volume = volume.unwrap_or_else(|| "no volume".into());
                lines.push(format!("  claim {} {} {phase} on {volume}", claim.name_any(), short(claim.uid())));
            }
            let volumes: Api<PersistentVolume> = self.world.cluster_wide();
            for volume in volumes.list(&all).await.into_iter().flatten() {
                let Some(spec) = volume.spec.as_ref() else { continue };
                let Some(claim) = spec.claim_ref.as_ref() else { continue };
                if claim.namespace.as_deref() != Some(&self.namespace) {
                    continue;
                }
                let phase = volume.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default();
                let policy = spec.persistent_volume_reclaim_policy.clone().unwrap_or_default();
                let of = claim
                    .uid
                    .clone()
                    .map_or("reserved by name".to_owned(), |uid| format!("claim {}", short(Some(uid))));
                let records = volume.annotations().keys().filter(|key| key.starts_with(RECORD)).count();
                let bytes = spec.host_path.as_ref().and_then(|host| bytes(Path::new(&host.path)));
                let bytes = bytes.map_or("bytes not known".to_owned(), |bytes| format!("{bytes} bytes"));
                lines.push(format!(
                    "  volume {} {} {phase} {policy}, {of} ({}), {records} records, {bytes}",
                    volume.name_any(),
                    short(volume.uid()),
                    claim.name.as_deref().unwrap_or_default(),
                ));
            }
            lines.sort();
            lines.iter().map(|line| format!("{line}\n")).collect()
        })
    }
}

fn short(uid: Option<String>) -> String {
    uid.unwrap_or_default().chars().take(UID).collect()
}

/// Returns the size of a folder on this machine, as `du` counts it; `None` if it does not exist here.
fn bytes(folder: &Path) -> Option<u64> {
    let counted = Command::new("du").args(["--summarize", "--apparent-size", "--bytes"]).arg(folder).output().ok()?;
    String::from_utf8_lossy(&counted.stdout).split_whitespace().next()?.parse().ok()
}
