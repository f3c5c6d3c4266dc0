//! A case: what cluster, what is asked of the plugin, and what goes wrong meanwhile. Data, drawn from one seed (`draw`).

use practice_cluster::api::faults::{Fault, Rule};
use std::time::Duration;

pub(crate) const SYSTEM: &str = "synxdb-system";

/// Everything about a case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) topology: Topology,
    pub(crate) knobs: Knobs,
    pub(crate) command: Command,
    /// What goes wrong with the failover.
    pub(crate) failover: Trouble,
    /// What goes wrong with each undo: the first takes the failover back, each other one the undo before it.
    pub(crate) undos: Vec<Trouble>,
}

/// What there is.
#[derive(Clone, Debug)]
pub(crate) struct Topology {
    pub(crate) safekeepers: u8,
    /// Claims of each safekeeper, and of the pageserver.
    pub(crate) claims: (u8, u8),
    /// Accounts, each with so many warehouse nodes; no PostgreSQL runs in them.
    pub(crate) accounts: Vec<u8>,
    pub(crate) parallel: bool,
    /// Where the volumes of claims come from.
    pub(crate) storage: Storage,
    /// Reclaim policy of the storage class, or of the volumes that were made by hand.
    pub(crate) retain: bool,
    /// Volumes made by hand beyond those that are in use.
    pub(crate) spare: u8,
    /// Whether each pod of the system has a generic ephemeral volume besides.
    pub(crate) ephemeral: bool,
    /// Whether a pageserver loses its tenants with its first disk.
    pub(crate) data_on_volume: bool,
    /// A safekeeper that never becomes Ready.
    pub(crate) down: Option<u8>,
}

/// Where the volumes of claims come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    /// A class makes them.
    Provisioned,
    /// Somebody made them, of a class that makes none.
    Static,
    /// The same, each on one node.
    Local,
    /// Somebody made them, and neither they nor the claims have a class.
    Classless,
}

/// How the cluster behaves.
#[derive(Clone, Debug)]
pub(crate) struct Knobs {
    /// From Running to Ready, for a pod that replaces another.
    pub(crate) ready_after: f64,
    /// How long a new pod must stay Ready, in seconds; `None`: as long as the plugin has it.
    pub(crate) settle: Option<u8>,
    /// How long the volume controller is behind with changes of volumes, in seconds.
    pub(crate) lag: f64,
    /// A replacement pod is created on a claim that is being deleted.
    pub(crate) race: bool,
    /// Missing claims of Pending pods are made again.
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

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) keep_pvc: bool,
    /// Overrides given.
    pub(crate) allow: Allow,
    /// The name typed: none, the right one, another one.
    pub(crate) confirm: Option<bool>,
}

/// Overrides that may be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allow {
    pub(crate) quorum_loss: bool,
    pub(crate) unretained_volume: bool,
    pub(crate) storage_class: bool,
}

/// What goes wrong during the first run of a failover or an undo. It is over when that run is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble {
    pub(crate) faults: Vec<Befalls>,
    pub(crate) kill: Option<Kill>,
    pub(crate) refused: Option<Refused>,
    /// What others do, each at the moment of the plugin's n-th change.
    pub(crate) others: Vec<(u64, Other)>,
    /// Whether an undo that did not come to its end is given up for a new failover.
    pub(crate) gives_up: bool,
}

impl Trouble {
    /// Whether nothing goes wrong, but that the cluster takes its time.
    pub(crate) fn is_none(&self) -> bool {
        let waits = |other: &(u64, Other)| matches!(other.1, Other::StopsManager(_));
        self.faults.is_empty() && self.kill.is_none() && self.refused.is_none() && self.others.iter().all(waits)
    }
}

/// A fault, on the n-th such request.
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

/// What the API server refuses (403), as by a policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    pub(crate) verb: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// From the beginning, and a dry run is told so.
    Always,
    /// From the n-th such change on; no dry run is told so.
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
    /// When its n-th change was made, before or after the answer to it.
    AtMutation { n: u64, answered: bool },
    /// That long after its start.
    After(Duration),
}

/// What somebody else does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Other {
    DeletesPod,
    DeletesClaims,
    /// The API server restarts, and is away so long.
    RestartsApi(Duration),
    /// The controller manager is away so long.
    StopsManager(Duration),
    /// A second operator runs the plugin.
    Runs(Second),
}

/// What a second operator asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Second {
    /// A failover of the same pod.
    Failover,
    /// A new failover of the same pod, whatever was begun.
    Anew,
    /// An undo of the same pod's last act.
    Undo,
    /// A failover of another component's pod, which has the same Lease.
    Elsewhere,
}

impl Case {
    /// The name of the pod that never becomes Ready.
    pub(crate) fn down(&self) -> Option<String> {
        self.topology.down.map(|ordinal| format!("safekeeper-{ordinal}"))
    }

    /// Whether the pod that is asked for can never become Ready, or never be.
    pub(crate) fn in_vain(&self) -> bool {
        let ordinal = self.command.pod.strip_prefix("safekeeper-").and_then(|ordinal| ordinal.parse::<u8>().ok());
        let behind = |down: u8, ordinal: u8| down == ordinal || (!self.topology.parallel && down < ordinal);
        self.topology.down.zip(ordinal).is_some_and(|(down, ordinal)| behind(down, ordinal))
    }

    /// Claims of the pod that is asked for.
    pub(crate) fn claims(&self) -> u8 {
        let (of_safekeepers, of_pageserver) = self.topology.claims;
        match self.command.pod.as_str() {
            pod if pod.starts_with("safekeeper") => of_safekeepers,
            pod if pod.starts_with("pageserver") => of_pageserver,
            _ => 1,
        }
    }

    /// Whether there are too few volumes for a failover, which has nobody to make one.
    pub(crate) fn is_short(&self) -> bool {
        self.topology.storage != Storage::Provisioned && self.topology.spare < self.claims()
    }

    /// `namespace/pod`.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.command.namespace, self.command.pod)
    }

    /// The failover's arguments.
    pub(crate) fn failover(&self, timeout: u64) -> Vec<String> {
        let mut words = vec!["failover".to_owned(), self.path()];
        words.extend(self.command.keep_pvc.then(|| "--keep-pvc".to_owned()));
        words.extend(self.allowed());
        self.asked(words, timeout)
    }

    /// The arguments of an undo of that act.
    pub(crate) fn undo(&self, id: &str, timeout: u64) -> Vec<String> {
        let mut words = vec!["undo".to_owned(), id.to_owned()];
        words.extend(self.allowed());
        self.asked(words, timeout)
    }

    /// The arguments of a new failover, whatever was begun.
    pub(crate) fn anew(&self, timeout: u64) -> Vec<String> {
        let mut words = vec!["failover".to_owned(), self.path(), "--anew".to_owned()];
        words.extend(self.allowed());
        self.asked(words, timeout)
    }

    /// What a second operator types.
    pub(crate) fn second(&self, second: Second, timeout: u64) -> Vec<String> {
        let verb = if matches!(second, Second::Undo) { "undo" } else { "failover" };
        let pod = match second {
            Second::Elsewhere if self.command.pod.starts_with("pageserver") => "safekeeper-0",
            Second::Elsewhere if self.command.namespace == SYSTEM => "pageserver-0",
            Second::Elsewhere => "cloudberry-proxy-0",
            _ => self.command.pod.as_str(),
        };
        let mut words = vec![verb.to_owned(), format!("{}/{pod}", self.command.namespace)];
        words.extend(matches!(second, Second::Anew).then(|| "--anew".to_owned()));
        words.extend(["--as=second", "--as-group=system:masters"].map(str::to_owned));
        self.asked(words, timeout)
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

    /// A command as it is typed where nobody is asked, and its output read by a program.
    pub(crate) fn asked(&self, mut words: Vec<String>, timeout: u64) -> Vec<String> {
        words.extend(["--yes", "-o", "json"].map(str::to_owned));
        words.push(format!("--timeout={timeout}s"));
        words.extend(self.knobs.settle.map(|seconds| format!("--settle={seconds}s")));
        let pod = &self.command.pod;
        let name = |right| if right { pod.clone() } else { format!("{pod}0") };
        words.extend(self.command.confirm.map(|right| format!("--confirm={}", name(right))));
        words
    }
}
