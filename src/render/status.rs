//! `status`: the verdict first, then a table per namespace.

use super::columns::columns;
use super::{Paint, sanitize_line, wrapped};
use crate::cli::Output;
use crate::duration::age;
use crate::storage::words::lsn;
use crate::storage::{Position, Positions};
use crate::suggestion::{Suggestion, kubectl, plugin};
use crate::text::counted;
use crate::topology::health::{BY_NAMES_ALONE, Health, Remedy, Report, Trouble, being_deleted, not_looked_into};
use crate::topology::{Claim, Component, Known, Member, Role, Space, SpaceKind, Topology};
use jiff::Timestamp;

/// How much is shown to people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Each pod; with many, each workload and the pods that have a problem.
    #[default]
    Automatic,
    /// Each pod.
    AllMembers,
    /// Each pod, with more columns.
    Wide,
}

/// Up to so many pods, each is shown.
const MANY: usize = 50;

impl Detail {
    /// Returns what the flags select.
    pub(crate) fn of(output: &Output, all_members: bool) -> Self {
        match output {
            Output::Wide => Self::Wide,
            _ if all_members => Self::AllMembers,
            _ => Self::Automatic,
        }
    }

    fn is_wide(self) -> bool {
        self == Self::Wide
    }

    fn is_brief(self, topology: &Topology) -> bool {
        self == Self::Automatic && topology.members().count() > MANY
    }
}

/// Renders the status for a terminal of so many columns: the least important columns are left out if there is no room.
/// Positions of storage components are shown if there are any.
pub(crate) fn status(
    room: usize,
    report: &Report,
    (topology, positions): (&Topology, &Positions),
    detail: Detail,
    now: Timestamp,
    paint: Paint,
) -> String {
    let (wide, brief) = (detail.is_wide(), detail.is_brief(topology));
    let mut text = verdict(report, paint);
    if brief {
        text.push_str(&wrapped("  note: ", BRIEF));
    }
    if wide {
        let first = text.find('\n').map_or(text.len(), |end| end + 1);
        text.insert_str(first, &wrapped("  layout: ", &topology.layout.to_string()));
    }
    for space in &topology.spaces {
        let kind = match space.kind {
            SpaceKind::System => "system",
            SpaceKind::Account => "account",
            SpaceKind::Management => "management",
        };
        let going = match (space.terminating, space.suspended()) {
            (true, _) => ", being deleted",
            (false, true) => ", suspended",
            (false, false) => "",
        };
        text.push_str(&format!("\n{} ({kind}{going})\n", paint.strong(sanitize_line(&space.namespace))));
        if brief {
            text.push_str(&workloads(space, paint));
        }
        let rows = space_rows(space, brief.then_some(report), (wide, positions), now, paint);
        if brief && !rows.is_empty() {
            text.push('\n');
        }
        if !(brief && rows.is_empty()) {
            text.push_str(&table(space, rows, room, (wide, positions)));
        }
    }
    text
}

/// Says what a status with many pods leaves out.
const BRIEF: &str = "pods without a problem are not listed; --all-members lists every pod";

/// Returns whether a pod is worth a line of its own: it is not Ready, has a claim that is not Bound, or is a reason of the
/// verdict.
fn has_problem(member: &Member, report: &Report) -> bool {
    let loose = |claim: &Claim| !claim.bound() && claim.status() != "<unknown>";
    let named = |trouble: &Trouble| trouble.namespace == member.namespace && trouble.member == member.name;
    !member.ready() || member.claims.iter().any(loose) || report.troubles.iter().any(named)
}

/// Renders one line per workload.
fn workloads(space: &Space, paint: Paint) -> String {
    let row = |component: &Component| {
        let ready = component.members.iter().filter(|member| member.ready()).count();
        let all = component.members.len();
        let unread = || "<unknown>".to_owned();
        let (numbers, status) = match (component.scaled_to_zero() && all == 0, &component.workload) {
            (true, _) => ("0/0".to_owned(), stopped(space.suspends(component), paint)),
            // Its pods could not be read: it has some.
            (false, _) if all == 0 => (unread(), unread()),
            (false, _) if ready < all => (format!("{ready}/{all}"), paint.bad("NotReady")),
            // How many there should be could not be read.
            (false, Known::Unknown(_)) => (format!("{ready}/<unknown>"), unread()),
            (false, Known::Is(_)) => (format!("{ready}/{all}"), paint.ok("Ready")),
        };
        vec![short(component.role).to_owned(), sanitize_line(&component.name), numbers, status]
    };
    match space.components.is_empty() {
        true => nothing_here(space),
        false => columns(&["COMPONENT", "WORKLOAD", "READY", "STATUS"], true, space.components.iter().map(row)),
    }
}

fn nothing_here(space: &Space) -> String {
    let why = if space.gaps.is_empty() { "no SynxDB component here" } else { "<unknown>" };
    format!("{why}\n")
}

/// Renders the verdict with its numbers; then the reasons, what is unknown, and the next command.
pub(crate) fn verdict(report: &Report, paint: Paint) -> String {
    let mut numbers = format!("{} of {} pods ready", report.members.0, report.members.1);
    if let Some((ready, all)) = report.safekeepers {
        numbers.push_str(&format!(", {ready} of {all} safekeepers"));
    }
    let mut text = match report.health {
        Health::Healthy => format!("{}: {numbers}\n", paint.ok("SynxDB is healthy")),
        Health::Degraded => format!("{}: {numbers}\n", paint.bad("SynxDB is degraded")),
        // Nothing was seen: there is no number to show.
        Health::Unknown if report.members.1 == 0 => {
            format!("{}: no pods readable\n", paint.warn("SynxDB health unknown"))
        }
        Health::Unknown => format!("{}: {numbers}\n", paint.warn("SynxDB health unknown")),
        Health::Suspended => format!("{}: nothing runs, and nothing is wrong\n", paint.warn("SynxDB is suspended")),
        Health::Absent => format!("{}\n", paint.warn("No SynxDB component was found")),
    };
    for namespace in &report.terminating {
        text.push_str(&wrapped("  reason: ", &being_deleted(namespace)));
    }
    for trouble in &report.troubles {
        text.push_str(&wrapped("  reason: ", &format!("{}: {}", trouble.member, trouble.because)));
    }
    for suspended in &report.suspended {
        text.push_str(&wrapped("  suspended: ", &format!("{}: {}", suspended.what(), suspended.why())));
    }
    for gap in &report.gaps {
        text.push_str(&wrapped("  unknown: ", &format!("{}: {}", gap.part, gap.why)));
    }
    if report.by_names_alone {
        text.push_str(&wrapped("  note: ", BY_NAMES_ALONE));
    }
    for namespace in &report.passed_over {
        text.push_str(&wrapped("  note: ", &not_looked_into(namespace)));
    }
    for stranger in &report.strangers {
        text.push_str(&wrapped("  note: ", stranger));
    }
    let finishes = |trouble: &&Trouble| matches!(trouble.remedy, Remedy::Finish(_));
    let helps = report.troubles.iter().find(finishes);
    let helps = helps.or_else(|| report.troubles.iter().find(|trouble| trouble.remedy == Remedy::Failover));
    if let ([first, ..], None) = (report.unrecognized.as_slice(), helps) {
        let command = plugin("layout check").namespace(&first.namespace).to_string();
        text.push_str(&format!("  next: {}\n", paint.hint(sanitize_line(&command))));
    }
    if let Some(trouble) = helps {
        let command = match &trouble.remedy {
            Remedy::Finish(command) => command.clone(),
            Remedy::Failover | Remedy::None => {
                plugin("failover").word(format!("{}/{}", trouble.namespace, trouble.member))
            }
        };
        text.push_str(&format!("  next: {}\n", paint.hint(sanitize_line(&command.to_string()))));
    }
    text
}

/// Renders `pod/NAME`, one per line.
pub(crate) fn names(topology: &Topology) -> String {
    topology
        .members()
        .filter(|member| member.pod.is_some())
        .map(|member| format!("pod/{}\n", sanitize_line(&member.name)))
        .collect()
}

/// Returns the short name of a component for its namespace's table.
fn short(role: Role) -> &'static str {
    match role {
        Role::MetadataProxy | Role::WarehouseProxy => "proxy",
        Role::Safekeeper => "safekeeper",
        Role::Pageserver => "pageserver",
        Role::FoundationDb => "foundationdb",
        Role::StorageController => "controller",
        Role::StorageBroker => "broker",
        Role::Coordinator => "coordinator",
        Role::WarehouseNode => "node",
        Role::Console => "console",
    }
}

fn table(space: &Space, rows: Vec<Vec<String>>, room: usize, wide: (bool, &Positions)) -> String {
    if space.members().next().is_none() && space.suspensions().is_empty() {
        return nothing_here(space);
    }
    let mut left_out: Vec<&str> = Vec::new();
    loop {
        let here = |cells: Vec<String>| {
            let named = head(wide).into_iter().zip(cells);
            named.filter(|(name, _)| !left_out.contains(name)).map(|(_, cell)| cell).collect::<Vec<_>>()
        };
        let head: Vec<&str> = head(wide).into_iter().filter(|name| !left_out.contains(name)).collect();
        let table = columns(&head, true, rows.iter().cloned().map(here));
        let fits = table.lines().all(|line| console::measure_text_width(line) <= room);
        match DISPENSABLE.get(left_out.len()) {
            Some(next) if !fits => left_out.push(next),
            _ => return table,
        }
    }
}

/// Returns the rows of a namespace: its pods, and StatefulSets that are scaled to 0; if a report is given, only the pods
/// that have a problem.
fn space_rows(
    space: &Space,
    brief: Option<&Report>,
    wide: (bool, &Positions),
    now: Timestamp,
    paint: Paint,
) -> Vec<Vec<String>> {
    let rows = space.components.iter().flat_map(|component| {
        let shown = |member: &&Member| brief.is_none_or(|report| has_problem(member, report));
        let members = component.members.iter().filter(shown).map(|member| row(member, wide, now, paint));
        let stopped = (component.scaled_to_zero() && component.members.is_empty() && brief.is_none())
            .then(|| stopped_row(component, space.suspends(component), wide, paint));
        members.chain(stopped).collect::<Vec<_>>()
    });
    rows.collect()
}

/// Returns the row of a StatefulSet that is scaled to 0: it has no pods.
fn stopped_row(component: &Component, suspended: bool, wide: (bool, &Positions), paint: Paint) -> Vec<String> {
    let none = || "<none>".to_owned();
    let status = stopped(suspended, paint);
    let (role, name) = (short(component.role).to_owned(), sanitize_line(&component.name));
    let mut row = vec![role, name, "0/0".to_owned(), status, "0".to_owned(), none(), none(), none()];
    row.resize_with(head(wide).len(), none);
    row
}

fn stopped(suspended: bool, paint: Paint) -> String {
    if suspended { paint.warn("Suspended") } else { paint.bad("ScaledToZero") }
}

/// Columns to leave out if there is no room, in this order.
const DISPENSABLE: [&str; 4] = ["NODE", "RESTARTS", "AGE", "COMPONENT"];

/// Renders the rows of all tables only, each with its namespace first.
pub(crate) fn rows((topology, positions): (&Topology, &Positions), wide: bool, now: Timestamp, paint: Paint) -> String {
    let line = |namespace: &str, row: Vec<String>| -> Vec<String> {
        // A cell of several lines becomes one word.
        let words = row.into_iter().map(|cell| cell.replace('\n', ","));
        std::iter::once(sanitize_line(namespace)).chain(words).collect()
    };
    let columns_of = (wide, positions);
    let rows = topology.spaces.iter().flat_map(|space| {
        space.components.iter().flat_map(move |component| {
            let members = component.members.iter().map(move |member| {
                let mut row = row(member, columns_of, now, paint);
                if !wide {
                    row[CLAIMS] = per_claim(member, |claim| claim.status().to_owned());
                }
                line(&member.namespace, row)
            });
            let stopped = (component.scaled_to_zero() && component.members.is_empty())
                .then(|| line(&space.namespace, stopped_row(component, space.suspends(component), columns_of, paint)));
            members.chain(stopped)
        })
    });
    columns(&head(columns_of), false, rows)
}

/// Index of the column of claims.
const CLAIMS: usize = 5;

fn head((wide, positions): (bool, &Positions)) -> Vec<&'static str> {
    let mut head = vec!["COMPONENT", "POD", "READY", "STATUS", "RESTARTS", "CLAIMS", "NODE", "AGE"];
    if wide {
        head.extend(["POD-UID", "CLAIM-UID", "VOLUME", "RECLAIM", "STORAGECLASS"]);
    }
    if !positions.is_empty() {
        head.extend(["LSN", "LAG-BYTES"]);
    }
    head
}

fn row(member: &Member, (wide, positions): (bool, &Positions), now: Timestamp, paint: Paint) -> Vec<String> {
    let mut row = plain_row(member, wide, now, paint);
    if wide {
        row.extend(wide_columns(member));
    }
    if !positions.is_empty() {
        row.extend(position(positions.get(&member.path()), paint));
    }
    row
}

/// Returns the position and the lag of a storage component.
fn position(position: Option<&Result<Position, String>>, paint: Paint) -> [String; 2] {
    let none = || "<none>".to_owned();
    let unknown = || paint.warn("<unknown>");
    match position {
        None => [none(), none()],
        Some(Err(_)) => [unknown(), unknown()],
        Some(Ok(Position { lsn: at, lag })) => {
            let lag = match lag {
                None => unknown(),
                Some(0) => "0".to_owned(),
                Some(lag) => paint.warn(lag.to_string()),
            };
            [at.map_or_else(|| "idle".to_owned(), lsn), lag]
        }
    }
}

fn plain_row(member: &Member, wide: bool, now: Timestamp, paint: Paint) -> Vec<String> {
    let claims = if wide { all_claims(member) } else { claims_in_short(member, paint) };
    let component = short(member.role).to_owned();
    let name = sanitize_line(&member.name);
    let Some(pod) = &member.pod else {
        let none = || "<none>".to_owned();
        return vec![component, name, "0/0".into(), paint.bad("Missing"), "0".into(), claims, none(), none()];
    };
    let status = sanitize_line(&pod.status);
    let status = if member.ready() { paint.ok(status) } else { paint.bad(status) };
    vec![
        component,
        name,
        format!("{}/{}", pod.containers.0, pod.containers.1),
        status,
        pod.restarts.to_string(),
        claims,
        pod.node.as_deref().map_or_else(|| "<none>".into(), sanitize_line),
        age(pod.created, now),
    ]
}

/// Returns `Bound`, `2 Bound`, or the claims that are not Bound, each with its state.
fn claims_in_short(member: &Member, paint: Paint) -> String {
    let claims = &member.claims;
    if claims.is_empty() {
        return "<none>".into();
    }
    if claims.iter().all(Claim::bound) {
        return if claims.len() == 1 { "Bound".into() } else { format!("{} Bound", claims.len()) };
    }
    let not_bound = claims.iter().filter(|claim| !claim.bound());
    let words = not_bound.map(|claim| match claim.status() {
        "<unknown>" => paint.warn("<unknown>"),
        status => paint.bad(format!("{}:{status}", sanitize_line(template(&claim.name, &member.name)))),
    });
    let mut words: Vec<String> = words.collect();
    words.dedup();
    words.join("\n")
}

/// Returns a claim's name without its pod's: what distinguishes the claims of a pod.
fn template<'c>(claim: &'c str, pod: &str) -> &'c str {
    claim.strip_suffix(pod).and_then(|front| front.strip_suffix('-')).unwrap_or(claim)
}

/// Returns the state of a pod in a few words, for `status -w` without a terminal.
pub(super) fn pod_text(member: &Member) -> String {
    let plain = Paint(false);
    let claims = claims_in_short(member, plain).replace('\n', ", ");
    let Some(pod) = &member.pod else { return format!("Missing, claims {claims}") };
    let (ready, all) = pod.containers;
    let node = pod.node.as_deref().map(|node| format!(" on {}", sanitize_line(node))).unwrap_or_default();
    format!("{} {ready}/{all}{node}, claims {claims}", sanitize_line(&pod.status))
}

fn all_claims(member: &Member) -> String {
    per_claim(member, |claim| format!("{}:{}", sanitize_line(&claim.name), claim.status()))
}

fn per_claim(member: &Member, word: impl Fn(&Claim) -> String) -> String {
    if member.claims.is_empty() {
        return "<none>".into();
    }
    member.claims.iter().map(word).collect::<Vec<_>>().join("\n")
}

fn wide_columns(member: &Member) -> Vec<String> {
    let or_none = |value: &Option<String>| value.as_deref().map_or_else(|| "<none>".into(), sanitize_line);
    vec![
        member.pod.as_ref().map_or_else(|| "<none>".into(), |pod| sanitize_line(&pod.uid)),
        per_claim(member, |claim| or_none(&claim.uid)),
        per_claim(member, |claim| or_none(&claim.volume_name)),
        per_claim(member, |claim| match &claim.volume {
            Known::Is(Some(volume)) => sanitize_line(&volume.reclaim_policy),
            Known::Is(None) => "<none>".into(),
            Known::Unknown(_) => "<unknown>".into(),
        }),
        per_claim(member, |claim| or_none(&claim.spec.class)),
    ]
}

/// Returns what was searched, and the next commands, if nothing was found.
pub(crate) fn absent(namespaces: usize, context: &str) -> (String, Vec<Suggestion>) {
    let searched = format!("searched {} of context {context}", counted(namespaces, "SynxDB namespace"));
    let next = [
        kubectl("config get-contexts").of_kubeconfig().note("for another cluster: --context NAME"),
        plugin("status -n NAMESPACE").note("if you may not list namespaces"),
        plugin("layout").of_no_cluster().note("for other names: --layout FILE"),
        plugin("status --sandbox").of_no_cluster().note("practice cluster, no Kubernetes needed"),
    ];
    (searched, next.map(Suggestion::from).to_vec())
}
