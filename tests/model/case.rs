//! A case: the cluster, the command, and what goes wrong. Plain data, drawn from one seed (`draw`).

use practice_cluster::api::faults::{Fault, Rule};
use std::time::Duration;

pub(crate) const SYSTEM: &str = "synxdb-system";

/// Everything about a case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) topology: Topology,
    pub(crate) knobs: Knobs,
    pub(crate) command: Command,
    /// What goes wrong during the failover.
    pub(crate) failover: Trouble,
    /// What goes wrong during each undo: the first one undoes the failover, each other one the undo before it.
    pub(crate) undos: Vec<Trouble>,
}

/// The cluster's components.
#[derive(Clone, Debug)]
pub(crate) struct Topology {
    pub(crate) safekeepers: u8,
    /// The number of claims of each safekeeper, and of the pageserver.
    pub(crate) claims: (u8, u8),
    /// The number of warehouse nodes of each account; no PostgreSQL runs in them.
    pub(crate) accounts: Vec<u8>,
    pub(crate) parallel: bool,
    /// Where the volumes of claims come from.
    pub(crate) storage: Storage,
    /// Whether the reclaim policy is Retain, of the storage class or of volumes created by hand.
    pub(crate) retain: bool,
    /// Unused volumes created by hand.
    pub(crate) spare: u8,
    /// Whether each pod of the system also has a generic ephemeral volume.
    pub(crate) ephemeral: bool,
    /// Whether a pageserver loses its tenants with its first disk.
    pub(crate) data_on_volume: bool,
    /// A safekeeper that never becomes Ready.
    pub(crate) down: Option<u8>,
}

/// Where the volumes of claims come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    /// A class provisions them.
    Provisioned,
    /// They were created by hand, for a class that provisions none.
    Static,
    /// The same, each on one node.
    Local,
    /// They were created by hand, and neither they nor the claims have a class.
    Classless,
}

/// How the cluster behaves.
#[derive(Clone, Debug)]
pub(crate) struct Knobs {
    /// Seconds from Running to Ready, for a replacement pod.
    pub(crate) ready_after: f64,
    /// How long a new pod must stay Ready, in seconds; `None`: the plugin's default.
    pub(crate) settle: Option<u8>,
    /// How far the volume controller lags behind changes of volumes, in seconds.
    pub(crate) lag: f64,
    /// A replacement pod is created against a terminating claim.
    pub(crate) race: bool,
    /// Missing claims of Pending pods are recreated.
    pub(crate) recreate: bool,
    /// What the user may not do.
    pub(crate) denied: Option<Denied>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    PatchVolumes,
    DeleteClaims,
    DeletePods,
}

/// The failover's target and flags.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) keep_pvc: bool,
    /// The overrides.
    pub(crate) allow: Allow,
    /// The pod's name for confirmation: none, the right one, or a wrong one.
    pub(crate) confirm: Option<bool>,
}

/// Possible overrides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allow {
    pub(crate) quorum_loss: bool,
    pub(crate) unretained_volume: bool,
    pub(crate) storage_class: bool,
}

/// What goes wrong during the first run of a failover or an undo, and ends with that run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble {
    pub(crate) faults: Vec<Befalls>,
    pub(crate) kill: Option<Kill>,
    pub(crate) refused: Option<Refused>,
    /// Actions of other users, each at the plugin's n-th change.
    pub(crate) others: Vec<(u64, Other)>,
    /// Whether an unfinished undo is abandoned for a new failover.
    pub(crate) gives_up: bool,
}

impl Trouble {
    /// Whether nothing goes wrong, apart from slow controllers.
    pub(crate) fn is_none(&self) -> bool {
        let waits = |other: &(u64, Other)| matches!(other.1, Other::StopsManager(_));
        self.faults.is_empty() && self.kill.is_none() && self.refused.is_none() && self.others.iter().all(waits)
    }
}

/// A fault on the n-th matching request.
#[derive(Clone, Debug)]
pub(crate) struct Befalls {
    pub(crate) verb: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) nth: u64,
    pub(crate) fault: Fault,
}

impl Befalls {
    pub(crate) fn rule(&self) -> Rule {
        Rule::on(self.verb, self.resource, self.fault.clone()).nth(self.nth)
    }
}

/// What the API server rejects (403), as by a policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    pub(crate) verb: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Always, including dry runs.
    Always,
    /// From the n-th such change on, excluding dry runs.
    From(u64),
}

impl Refused {
    pub(crate) fn rule(self) -> Rule {
        let rule = Rule::on(self.verb, self.resource, Fault::Refuse { code: 403, retry_after: None });
        match self.how {
            How::Always => rule,
            How::From(n) => rule.real().nth(n).times(u64::MAX),
        }
    }
}

/// When the plugin is killed.
#[derive(Clone, Debug)]
pub(crate) enum Kill {
    /// At its n-th change, before or after the response.
    AtMutation { n: u64, answered: bool },
    /// That long after its start.
    After(Duration),
}

/// An action of another user, or of the cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Other {
    DeletesPod,
    DeletesClaims,
    /// The API server restarts, and is down this long.
    RestartsApi(Duration),
    /// The controller manager is stopped this long.
    StopsManager(Duration),
    /// A second operator runs the plugin.
    Runs(Second),
}

/// The command of a second operator.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Second {
    /// A failover of the same pod.
    Failover,
    /// A new failover of the same pod, ignoring unfinished ones.
    NewFailover,
    /// An undo of the same pod's last operation.
    Undo,
    /// A failover of another component's pod, which has the same Lease.
    Elsewhere,
}

impl Case {
    /// Returns the name of the pod that never becomes Ready.
    pub(crate) fn down(&self) -> Option<String> {
        self.topology.down.map(|ordinal| format!("safekeeper-{ordinal}"))
    }

    /// Whether the target can never become Ready, or never be created.
    pub(crate) fn in_vain(&self) -> bool {
        let ordinal = self.command.pod.strip_prefix("safekeeper-").and_then(|ordinal| ordinal.parse::<u8>().ok());
        let behind = |down: u8, ordinal: u8| down == ordinal || (!self.topology.parallel && down < ordinal);
        self.topology.down.zip(ordinal).is_some_and(|(down, ordinal)| behind(down, ordinal))
    }

    /// Returns the number of the target's claims.
    pub(crate) fn claims(&self) -> u8 {
        let (of_safekeepers, of_pageserver) = self.topology.claims;
        match self.command.pod.as_str() {
            pod if pod.starts_with("safekeeper") => of_safekeepers,
            pod if pod.starts_with("pageserver") => of_pageserver,
            _ => 1,
        }
    }

    /// Whether there are too few volumes for a failover, and none is provisioned.
    pub(crate) fn is_short(&self) -> bool {
        self.topology.storage != Storage::Provisioned && self.topology.spare < self.claims()
    }

    /// Returns `namespace/pod`.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.command.namespace, self.command.pod)
    }

    /// Returns the failover's arguments.
    pub(crate) fn failover(&self, timeout: u64) -> Vec<String> {
        let mut words = vec!["failover".to_owned(), self.path()];
        words.extend(self.command.keep_pvc.then(|| "--keep-pvc".to_owned()));
        words.extend(self.allowed());
        self.scripted(words, timeout)
    }

    /// Returns the arguments of an undo of that operation.
    pub(crate) fn undo(&self, id: &str, timeout: u64) -> Vec<String> {
        let mut words = vec!["undo".to_owned(), id.to_owned()];
        words.extend(self.allowed());
        self.scripted(words, timeout)
    }

    /// Returns the arguments of a new failover, ignoring unfinished ones.
    pub(crate) fn new_failover(&self, timeout: u64) -> Vec<String> {
        let mut words = vec!["failover".to_owned(), self.path(), "--start-over".to_owned()];
        words.extend(self.allowed());
        self.scripted(words, timeout)
    }

    /// Returns the second operator's arguments.
    pub(crate) fn second(&self, second: Second, timeout: u64) -> Vec<String> {
        let verb = if matches!(second, Second::Undo) { "undo" } else { "failover" };
        let pod = match second {
            Second::Elsewhere if self.command.pod.starts_with("pageserver") => "safekeeper-0",
            Second::Elsewhere if self.command.namespace == SYSTEM => "pageserver-0",
            Second::Elsewhere => "cloudberry-proxy-0",
            _ => self.command.pod.as_str(),
        };
        let mut words = vec![verb.to_owned(), format!("{}/{pod}", self.command.namespace)];
        words.extend(matches!(second, Second::NewFailover).then(|| "--start-over".to_owned()));
        words.extend(["--as=second", "--as-group=system:masters"].map(str::to_owned));
        self.scripted(words, timeout)
    }

    fn allowed(&self) -> impl Iterator<Item = String> {
        let Allow { quorum_loss, unretained_volume, storage_class } = self.command.allow;
        let each = [
            (quorum_loss, "--allow=quorum-loss"),
            (unretained_volume, "--allow=unretained-volume"),
            (storage_class, "--allow=storage-class"),
        ];
        each.into_iter().filter(|(given, _)| *given).map(|(_, flag)| flag.to_owned())
    }

    /// Adds the arguments for a command without a terminal, with machine-readable output.
    pub(crate) fn scripted(&self, mut words: Vec<String>, timeout: u64) -> Vec<String> {
        words.extend(["--yes", "-o", "json"].map(str::to_owned));
        words.push(format!("--timeout={timeout}s"));
        words.extend(self.knobs.settle.map(|seconds| format!("--settle={seconds}s")));
        let pod = &self.command.pod;
        let name = |right| if right { pod.clone() } else { format!("{pod}0") };
        words.extend(self.command.confirm.map(|right| format!("--confirm={}", name(right))));
        words
    }
}
