//! Derives a layout from what runs in a cluster: each workload is guessed from its labels, names, images and ports.
//! Every guess keeps its reasons, and workloads without a guess are kept, too.

use super::layout::{Layout, Recognized, RecognizedBy, Role, SpaceKind};
pub(crate) use super::seen::{Seen, seen};
use std::collections::{BTreeMap, BTreeSet};

/// Why a workload is taken for something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// The current layout says so.
    InForce,
    /// A label of its pods.
    Label(String, String),
    /// Its name.
    Name(String),
    /// The name of a container.
    Container(String),
    /// An image.
    Image(String),
    /// A port that a container declares.
    Port(u16),
    /// A port of a Service.
    ServicePort(u16),
}

impl Reason {
    /// Returns its weight.
    fn weight(&self) -> u32 {
        match self {
            Self::InForce => 5,
            Self::Label(..) => 4,
            Self::Name(_) => 3,
            Self::Container(_) | Self::Image(_) | Self::Port(_) => 2,
            Self::ServicePort(_) => 1,
        }
    }
}

/// A proposed rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProposedRule {
    /// The kind of namespace.
    pub kind: SpaceKind,
    /// What the component does.
    pub role: Role,
    /// The value of its component label, if all its workloads have the same and no other component has it.
    pub component: Option<String>,
    /// The pattern of its workloads' names.
    pub workload: String,
    /// Whether that pattern is the current layout's.
    pub pattern_in_force: bool,
    /// Port of its SQL, and whether it was seen.
    pub sql: Option<(u16, bool)>,
    /// Port of its status endpoint, and whether it was seen.
    pub page: Option<(u16, bool)>,
    /// The components to connect through.
    pub answers_through: Vec<Role>,
    /// The role that accepts SQL in its place.
    pub yields_to: Option<Role>,
    /// Its workloads, as `namespace/name`.
    pub workloads: Vec<String>,
    /// Why they are taken for this.
    pub reasons: Vec<Reason>,
}

/// A pattern for the namespaces of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProposedPattern {
    /// The pattern.
    pub pattern: String,
    /// The namespaces that it is derived from.
    pub namespaces: Vec<String>,
    /// Whether the current layout has it.
    pub in_force: bool,
}

/// A proposed layout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proposal {
    /// The system namespace, if one was found.
    pub system_namespace: Option<String>,
    /// The namespaces of accounts.
    pub accounts: Vec<ProposedPattern>,
    /// The namespaces of the console.
    pub management: Vec<String>,
    /// The keys of the labels for component, warehouse and instance.
    pub labels: Option<(String, Option<String>, Option<String>)>,
    /// The rules, in the order of a layout.
    pub rules: Vec<ProposedRule>,
    /// Workloads of these namespaces without a guess.
    pub left: Vec<Seen>,
}

/// How a role is recognized: words in names, and ports that nothing else has.
struct Clue {
    role: Role,
    words: &'static [&'static str],
    ports: &'static [u16],
}

const CLUES: [Clue; 9] = [
    Clue { role: Role::Safekeeper, words: &["safekeeper"], ports: &[7676, 5454] },
    Clue { role: Role::Pageserver, words: &["pageserver"], ports: &[9898, 64000] },
    Clue { role: Role::StorageController, words: &["storage-controller", "storagecontroller"], ports: &[1234] },
    Clue { role: Role::StorageBroker, words: &["storage-broker", "broker"], ports: &[50051] },
    Clue { role: Role::FoundationDb, words: &["foundationdb", "fdb"], ports: &[4500, 4501] },
    Clue {
        role: Role::WarehouseProxy,
        words: &["cloudberry-proxy", "coordinator-proxy", "warehouse-proxy", "metadata-proxy"],
        ports: &[],
    },
    Clue { role: Role::Coordinator, words: &["coordinator", "coord"], ports: &[] },
    Clue { role: Role::WarehouseNode, words: &["warehouse", "segment", "wh"], ports: &[] },
    Clue { role: Role::Console, words: &["dbaas", "console"], ports: &[8030] },
];

/// The least weight of a guess.
const ENOUGH: u32 = 3;

/// Returns whether a text contains a word: as a part between dashes, with or without digits after it.
fn has_word(text: &str, word: &str) -> bool {
    let text = format!("-{}-", text.replace(['_', '.', '/', ':'], "-"));
    let wanted = format!("-{word}");
    text.match_indices(&wanted).any(|(at, found)| {
        let rest = &text[at + found.len()..];
        rest.trim_start_matches(|digit: char| digit.is_ascii_digit()).starts_with('-')
    })
}

impl Seen {
    /// Guesses what it is, and why.
    fn guess(&self, layout: &Layout, key: Option<&str>) -> Option<(Role, Vec<Reason>)> {
        let mut best: Option<(u32, Role, Vec<Reason>)> = None;
        for clue in &CLUES {
            let reasons = self.reasons(clue, layout, key);
            let score = reasons.iter().map(Reason::weight).sum();
            if score >= ENOUGH && best.as_ref().is_none_or(|(other, ..)| score > *other) {
                best = Some((score, clue.role, reasons));
            }
        }
        best.map(|(_, role, reasons)| (role, reasons))
    }

    fn reasons(&self, clue: &Clue, layout: &Layout, key: Option<&str>) -> Vec<Reason> {
        let word = |text: &str| clue.words.iter().any(|word| has_word(text, word));
        let mut reasons = Vec::new();
        let kind = layout.space_kind(&self.namespace).unwrap_or(SpaceKind::Account);
        let known = layout.space_kind(&self.namespace).is_some();
        if let Recognized::As(rule, by) = layout.recognize(kind, &self.name, &self.labels)
            && (known || by == RecognizedBy::Label)
            && (rule.role == clue.role || (rule.role, clue.role) == (Role::MetadataProxy, Role::WarehouseProxy))
        {
            reasons.push(Reason::InForce);
        }
        let label = key.and_then(|key| self.labels.get_key_value(key)).filter(|(_, value)| word(value));
        reasons.extend(label.map(|(key, value)| Reason::Label(key.clone(), value.clone())));
        reasons.extend(Some(&self.name).filter(|name| word(name)).cloned().map(Reason::Name));
        reasons.extend(self.containers.iter().filter(|name| word(name)).cloned().map(Reason::Container));
        reasons.extend(self.images.iter().filter(|name| word(name)).cloned().map(Reason::Image));
        for port in clue.ports {
            if self.ports.contains(port) {
                reasons.push(Reason::Port(*port));
            } else if self.service_ports.contains(port) {
                reasons.push(Reason::ServicePort(*port));
            }
        }
        reasons
    }
}

/// Returns the label that distinguishes components: the current layout's if it was seen, else one of that name.
fn component_key(all: &[Seen], layout: &Layout) -> Option<String> {
    let in_force = layout.labels.component.as_ref().filter(|key| all.iter().any(|one| one.labels.contains_key(*key)));
    if let Some(key) = in_force {
        return Some(key.clone());
    }
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    for one in all {
        for key in one.labels.keys().filter(|key| key.ends_with("/component")) {
            *counts.entry(key).or_default() += 1;
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(key, _)| key.clone())
}

/// Proposes a layout for what was seen. What the current layout knows is kept.
pub(crate) fn propose(all: &[Seen], layout: &Layout) -> Proposal {
    let key = component_key(all, layout);
    let mut guesses: Vec<(&Seen, Role, Vec<Reason>)> = all
        .iter()
        .filter_map(|one| one.guess(layout, key.as_deref()).map(|(role, reasons)| (one, role, reasons)))
        .collect();
    let system_namespace = system_namespace(&guesses, layout);
    let system = system_namespace.as_deref();
    let accounts = account_namespaces(&guesses, layout, system);
    let is_management = |one: &Seen| {
        let known = layout.space_kind(&one.namespace) == Some(SpaceKind::Management);
        known || has_word(&one.namespace, "dbaas") || has_word(&one.namespace, "synxdb")
    };
    let kind_of = |one: &Seen, role: Role| match role {
        _ if Some(one.namespace.as_str()) == system => Some(SpaceKind::System),
        _ if accounts.contains(&one.namespace) => Some(SpaceKind::Account),
        Role::Console if is_management(one) => Some(SpaceKind::Management),
        _ => None,
    };
    for (one, role, _) in &mut guesses {
        if *role == Role::WarehouseProxy && Some(one.namespace.as_str()) == system {
            *role = Role::MetadataProxy;
        }
    }
    let mut groups: Groups<'_> = BTreeMap::new();
    let mut known: BTreeSet<String> = BTreeSet::new();
    let fits = |kind: SpaceKind, role: Role| match kind {
        SpaceKind::System => {
            !matches!(role, Role::Coordinator | Role::WarehouseNode | Role::WarehouseProxy | Role::Console)
        }
        SpaceKind::Account => matches!(role, Role::Coordinator | Role::WarehouseNode | Role::WarehouseProxy),
        SpaceKind::Management => role == Role::Console,
    };
    for (one, role, reasons) in guesses {
        if let Some(kind) = kind_of(one, role).filter(|kind| fits(*kind, role)) {
            known.insert(one.path());
            // A proxy that may speak HTTP is a separate rule.
            let http = role == Role::WarehouseProxy && has_word(&one.name, "coordinator-proxy");
            groups.entry((kind, role, http)).or_default().push((one, reasons));
        }
    }
    let management: BTreeSet<String> = groups
        .iter()
        .filter(|((kind, ..), _)| *kind == SpaceKind::Management)
        .flat_map(|(_, group)| group.iter().map(|(one, _)| one.namespace.clone()))
        .collect();
    let ours = |one: &&Seen| {
        let name = &one.namespace;
        Some(name.as_str()) == system || accounts.contains(name) || management.contains(name)
    };
    let left = all.iter().filter(ours).filter(|one| !known.contains(&one.path())).cloned().collect();
    let labels = key.filter(|key| {
        let mut all = groups.values().flatten();
        all.any(|(one, _)| one.labels.contains_key(key))
    });
    let labels =
        labels.map(|key| label_keys(key, &groups.values().flatten().map(|(one, _)| *one).collect::<Vec<_>>(), layout));
    let component = labels.as_ref().map(|(key, ..)| key.clone());
    let has_coordinator = groups.keys().any(|(_, role, _)| *role == Role::Coordinator);
    let rules =
        groups.iter().map(|(group, of)| rule(*group, of, &groups, component.as_deref(), has_coordinator, layout));
    let rules = rules.collect();
    let accounts = patterns(&accounts, layout);
    Proposal { system_namespace, accounts, management: management.into_iter().collect(), labels, rules, left }
}

/// Returns the namespace with most of what only a system has; the current layout's takes precedence.
fn system_namespace(guesses: &[(&Seen, Role, Vec<Reason>)], layout: &Layout) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (one, role, _) in guesses {
        if matches!(role, Role::Safekeeper | Role::Pageserver | Role::StorageController) {
            *counts.entry(&one.namespace).or_default() += 1;
        }
    }
    if guesses.iter().any(|(one, ..)| one.namespace == layout.system_namespace) {
        return Some(layout.system_namespace.clone());
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name.to_owned())
}

/// Returns the namespaces of accounts: named like one, or with something in them that only an account has.
fn account_namespaces(
    guesses: &[(&Seen, Role, Vec<Reason>)],
    layout: &Layout,
    system: Option<&str>,
) -> BTreeSet<String> {
    let of_account = |role: Role| matches!(role, Role::Coordinator | Role::WarehouseProxy | Role::WarehouseNode);
    let says_so = |one: &Seen, role: Role, reasons: &[Reason]| {
        let labelled = reasons.iter().any(|reason| matches!(reason, Reason::Label(..) | Reason::InForce));
        layout.space_kind(&one.namespace) == Some(SpaceKind::Account) || role != Role::Coordinator || labelled
    };
    let found = guesses.iter().filter(|(one, role, reasons)| {
        of_account(*role) && Some(one.namespace.as_str()) != system && says_so(one, *role, reasons)
    });
    found.map(|(one, ..)| one.namespace.clone()).collect()
}

fn patterns(namespaces: &BTreeSet<String>, layout: &Layout) -> Vec<ProposedPattern> {
    let mut all: Vec<ProposedPattern> = layout
        .account_patterns()
        .map(|pattern| ProposedPattern { pattern, namespaces: Vec::new(), in_force: true })
        .collect();
    for name in namespaces {
        if let Some(at) = layout.account_pattern_of(name) {
            all[at].namespaces.push(name.clone());
            continue;
        }
        // The organization is kept, so that not every namespace that ends in eight hexadecimal digits is an account's.
        let hex = name.rsplit('-').next().filter(|last| last.len() == 8 && last.bytes().all(|b| b.is_ascii_hexdigit()));
        let pattern = match (name.split_once('-'), hex) {
            (Some((organization, _)), Some(_)) => format!("{organization}-[a-z0-9-]+-[0-9a-f]{{8}}"),
            _ => literal(name),
        };
        match all.iter_mut().find(|known| known.pattern == pattern) {
            Some(known) => known.namespaces.push(name.clone()),
            None => all.push(ProposedPattern { pattern, namespaces: vec![name.clone()], in_force: false }),
        }
    }
    all
}

fn literal(name: &str) -> String {
    name.replace('.', "\\.")
}

/// Returns the keys beside the component's: the current layout's, else those of the same family.
fn label_keys(key: String, of: &[&Seen], layout: &Layout) -> (String, Option<String>, Option<String>) {
    let seen = |key: &String| of.iter().any(|one| one.labels.contains_key(key));
    let family = key.rsplit_once('/').map_or("", |(family, _)| family);
    let beside = |in_force: &Option<String>, name: &str| {
        in_force.clone().filter(seen).or_else(|| Some(format!("{family}/{name}")).filter(seen))
    };
    let (warehouse, instance) = (beside(&layout.labels.warehouse, "name"), beside(&layout.labels.instance, "instance"));
    (key, warehouse, instance)
}

type Groups<'s> = BTreeMap<(SpaceKind, Role, bool), Vec<(&'s Seen, Vec<Reason>)>>;

fn rule(
    (kind, role, http): (SpaceKind, Role, bool),
    of: &[(&Seen, Vec<Reason>)],
    groups: &Groups<'_>,
    key: Option<&str>,
    has_coordinator: bool,
    layout: &Layout,
) -> ProposedRule {
    let names: BTreeSet<&str> = of.iter().map(|(one, _)| one.name.as_str()).collect();
    let in_force = layout.pattern_in_force(kind, role, &names);
    let pattern_in_force = in_force.is_some();
    let generalized = || {
        let each: BTreeSet<String> = names
            .iter()
            .map(|name| if role == Role::WarehouseNode { without_numbers(&literal(name)) } else { literal(name) })
            .collect();
        each.into_iter().collect::<Vec<_>>().join("|")
    };
    let value = |one: &Seen| key.and_then(|key| one.labels.get(key)).cloned();
    let values: BTreeSet<Option<String>> = of.iter().map(|(one, _)| value(one)).collect();
    let only = values.iter().next().cloned().flatten().filter(|_| values.len() == 1);
    let others = |wanted: &String| {
        let beside = groups.iter().filter(|(group, _)| group.0 == kind && **group != (kind, role, http));
        beside.flat_map(|(_, group)| group).any(|(one, _)| value(one).as_ref() == Some(wanted))
    };
    let component = only.filter(|value| !others(value));
    let port_of = |port: u16| (port, of.iter().all(|(one, _)| one.has_port(port)));
    let known = layout.components(kind).iter().find(|rule| rule.role == role);
    let sql = known.and_then(|rule| rule.sql.as_ref()).map(|endpoint| port_of(endpoint.port));
    let page = known.and_then(|rule| rule.page.as_ref()).map(|endpoint| port_of(endpoint.port));
    let mut reasons: Vec<Reason> = of.iter().flat_map(|(_, reasons)| reasons.iter().cloned()).collect();
    reasons.sort();
    reasons.dedup();
    let answers_through = if role == Role::WarehouseNode {
        let there = |wanted: &Role| groups.keys().any(|(_, role, _)| role == wanted);
        [Role::Coordinator, Role::WarehouseProxy].into_iter().filter(there).collect()
    } else {
        Vec::new()
    };
    ProposedRule {
        kind,
        role,
        component,
        workload: in_force.unwrap_or_else(generalized),
        pattern_in_force,
        sql,
        page,
        answers_through,
        yields_to: (http && has_coordinator).then_some(Role::Coordinator),
        workloads: of.iter().map(|(one, _)| one.path()).collect(),
        reasons,
    }
}

/// Returns a name as a pattern in which each number stands for any.
fn without_numbers(name: &str) -> String {
    let mut pattern = String::new();
    let mut in_number = false;
    for c in name.chars() {
        if c.is_ascii_digit() {
            if !in_number {
                pattern.push_str("[0-9]+");
            }
            in_number = true;
        } else {
            pattern.push(c);
            in_number = false;
        }
    }
    pattern
}

impl Layout {
    /// Returns the pattern of this role that matches all these names, as it was written, if only names decide there.
    fn pattern_in_force(&self, kind: SpaceKind, role: Role, names: &BTreeSet<&str>) -> Option<String> {
        let none = BTreeMap::new();
        let fits = |name: &&&str| {
            let recognized = self.recognize(kind, name, &none);
            matches!(recognized, Recognized::As(rule, RecognizedBy::Name) if rule.role == role)
        };
        let all = names.iter().filter(fits).count() == names.len();
        let rule =
            self.components(kind).iter().find(|rule| rule.role == role && names.iter().all(|name| rule.fits(name)));
        rule.filter(|_| all).map(|rule| rule.written_workload().to_owned())
    }
}

#[cfg(test)]
#[path = "learn_tests.rs"]
mod tests;
