//! `layout`: a proposed layout as YAML with its reasons as comments, and which rule fits each pod.

use super::columns::columns;
use super::{Paint, sanitize_line, wrapped};
use crate::suggestion::plugin;
use crate::text::counted;
use crate::topology::fit::{Fit, Fitting};
use crate::topology::health::{BY_NAMES_ALONE, Report};
use crate::topology::learn::{Proposal, ProposedRule, Reason};
use crate::topology::{Layout, LayoutSource, LookalikeEvidence, RecognizedBy, SpaceKind};
use std::fmt::Write as _;

/// Renders the source of the layout in force.
pub(crate) fn from(source: &LayoutSource, unread: Option<&str>) -> String {
    let unread = unread.map(|why| format!("; unknown whether the cluster has its own: {why}"));
    format!("layout: {source}{}", unread.unwrap_or_default())
}

/// What a layout was learned from.
pub(crate) struct Learned<'l> {
    /// The context of the cluster.
    pub context: &'l str,
    /// The namespace, if not all were read.
    pub namespace: Option<&'l str>,
    /// What could not be read.
    pub unread: &'l [String],
}

/// Renders a proposed layout as a usable file, with a comment for each guess.
pub(crate) fn proposal(proposal: &Proposal, layout: &Layout, from: &Learned<'_>) -> String {
    let mut text = String::new();
    let place = from.namespace.map_or_else(|| "all namespaces".to_owned(), |name| format!("namespace {name}"));
    comment(
        &mut text,
        "",
        &format!("Proposed by kubectl synxdb layout learn, from {place} of context {}.", from.context),
    );
    comment(
        &mut text,
        "",
        &format!("Each line is a guess with its reasons. To check it: {}", plugin("layout check --layout FILE")),
    );
    for unread in from.unread {
        comment(&mut text, "", &format!("Incomplete: {unread}"));
    }
    text.push('\n');
    if proposal.system_namespace.is_none() {
        comment(&mut text, "", "Guess: nothing was seen that only a system namespace has. Unchanged.");
    }
    let system = proposal.system_namespace.as_deref().unwrap_or(&layout.system_namespace);
    line(&mut text, "", &format!("systemNamespace: {}", quoted(system)));
    line(&mut text, "", "accountNamespaces:");
    for account in &proposal.accounts {
        let seen = if account.namespaces.is_empty() { "none seen".to_owned() } else { account.namespaces.join(", ") };
        let why = if account.in_force { "As in the layout in force" } else { "Guess" };
        comment(&mut text, "  ", &format!("{why}: {seen}."));
        line(&mut text, "  ", &format!("- {}", quoted(&account.pattern)));
    }
    if !proposal.management.is_empty() {
        line(&mut text, "", "managementNamespaces:");
        for name in &proposal.management {
            line(&mut text, "  ", &format!("- {}", quoted(name)));
        }
    }
    if let Some((component, warehouse, instance)) = &proposal.labels {
        text.push('\n');
        comment(&mut text, "", "The labels seen on pods of components.");
        line(&mut text, "", "labels:");
        let keys = [("component", Some(component)), ("warehouse", warehouse.as_ref()), ("instance", instance.as_ref())];
        for (name, key) in keys.into_iter().filter_map(|(name, key)| Some((name, key?))) {
            line(&mut text, "  ", &format!("{name}: {}", quoted(key)));
        }
    }
    if layout.lookalikes().next().is_some() {
        text.push('\n');
        comment(
            &mut text,
            "",
            "Workloads named like this that fit no rule are reported, wherever they are. As in the layout in force.",
        );
        line(&mut text, "", "lookalikes:");
        layout.lookalikes().for_each(|pattern| line(&mut text, "  ", &format!("- {}", quoted(pattern))));
    }
    for (kind, name) in
        [(SpaceKind::System, "system"), (SpaceKind::Account, "account"), (SpaceKind::Management, "management")]
    {
        let rules: Vec<&ProposedRule> = proposal.rules.iter().filter(|rule| rule.kind == kind).collect();
        if rules.is_empty() && kind == SpaceKind::Management {
            continue;
        }
        text.push('\n');
        if rules.is_empty() {
            comment(&mut text, "", "Nothing was recognized.");
            line(&mut text, "", &format!("{name}: []"));
            continue;
        }
        line(&mut text, "", &format!("{name}:"));
        rules.into_iter().for_each(|one| rule(&mut text, one, layout));
    }
    if !proposal.left.is_empty() {
        text.push('\n');
        comment(&mut text, "", "Not recognized, in the same namespaces. SynxDB components among these need a rule:");
        for seen in &proposal.left {
            let listed = |what: &str, of: Vec<String>| {
                if of.is_empty() { String::new() } else { format!(", {what} {}", of.join(" ")) }
            };
            let kind = seen.kind.as_deref().unwrap_or("no owner");
            let images = listed("images", seen.images.iter().cloned().collect());
            let ports = listed("ports", seen.ports.iter().map(ToString::to_string).collect());
            comment(&mut text, "", &format!("  {}/{} ({kind}{images}{ports})", seen.namespace, seen.name));
        }
    }
    text
}

fn rule(text: &mut String, rule: &ProposedRule, layout: &Layout) {
    let reasons: Vec<String> = rule.reasons.iter().map(reason).collect();
    comment(text, "  ", &format!("{}: {}.", rule.workloads.join(", "), reasons.join(", ")));
    line(text, "  ", &format!("- role: {}", rule.role.name()));
    if let Some(component) = &rule.component {
        line(text, "    ", &format!("component: {}", quoted(component)));
    }
    if !rule.pattern_in_force {
        comment(text, "    ", "Guess: from the names seen.");
    }
    line(text, "    ", &format!("workload: {}", quoted(&rule.workload)));
    let known = layout.components(rule.kind).iter().find(|known| known.role == rule.role);
    if let (Some((port, seen)), Some(endpoint)) = (rule.sql, known.and_then(|known| known.sql.as_ref())) {
        comment(text, "    ", &seen_or_guessed(port, seen, "user and database are guesses"));
        let (user, database) = (quoted(&endpoint.user), quoted(&endpoint.database));
        line(text, "    ", &format!("sql: {{ port: {port}, user: {user}, database: {database} }}"));
    }
    if let (Some((port, seen)), Some(endpoint)) = (rule.page, known.and_then(|known| known.page.as_ref())) {
        comment(text, "    ", &seen_or_guessed(port, seen, "the path is a guess"));
        line(text, "    ", &format!("page: {{ port: {port}, path: {} }}", quoted(&endpoint.path)));
    }
    if let Some(role) = rule.yields_to {
        comment(text, "    ", &format!("Guess: if there is a {role}, this speaks HTTP."));
        line(text, "    ", &format!("yieldsTo: {}", role.name()));
    }
    if !rule.answers_through.is_empty() {
        let names: Vec<&str> = rule.answers_through.iter().map(|role| role.name()).collect();
        line(text, "    ", &format!("answersThrough: [{}]", names.join(", ")));
    }
}

fn seen_or_guessed(port: u16, seen: bool, besides: &str) -> String {
    if seen {
        format!("Port {port} was seen; {besides}.")
    } else {
        format!("Guess: no container or Service of it shows port {port}; {besides}.")
    }
}

fn reason(reason: &Reason) -> String {
    match reason {
        Reason::InForce => "the layout in force says so".to_owned(),
        Reason::Label(key, value) => format!("label {key}={value}"),
        Reason::Name(name) => format!("named {name}"),
        Reason::Container(name) => format!("container {name}"),
        Reason::Image(name) => format!("image {name}"),
        Reason::Port(port) => format!("port {port}"),
        Reason::ServicePort(port) => format!("a Service forwards to port {port}"),
    }
}

/// Writes a line; text from the cluster stays within it, and cannot add YAML of its own.
fn line(text: &mut String, indent: &str, content: &str) {
    let _ = writeln!(text, "{indent}{}", sanitize_line(content));
}

fn comment(text: &mut String, indent: &str, content: &str) {
    line(text, indent, &format!("# {content}"));
}

/// Returns a YAML string for any text.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// Renders `layout check`: the verdict, what fits no rule, and a table of all pods.
pub(crate) fn check(source: &LayoutSource, fittings: &[Fitting<'_>], report: &Report, paint: Paint) -> String {
    let unrecognized = fittings.iter().filter(|one| matches!(one.fit, Fit::Unrecognized(_))).count();
    let members = fittings.iter().filter(|one| matches!(one.fit, Fit::Member { .. })).count();
    let mut text = match (unrecognized, members) {
        (0, 0) => format!("{}\n", paint.warn("No SynxDB component was recognized")),
        (0, _) if report.gaps.is_empty() => {
            format!("{}: {} recognized\n", paint.ok("The layout fits"), counted(members, "pod"))
        }
        (0, _) => {
            format!("{}: {} recognized\n", paint.warn("Unknown whether the layout fits"), counted(members, "pod"))
        }
        _ => {
            let of = format!("{} recognized, {unrecognized} not", counted(members, "pod"));
            format!("{}: {of}\n", paint.bad("The layout does not fit"))
        }
    };
    text.push_str(&wrapped("  ", &from(source, None)));
    for gap in &report.gaps {
        text.push_str(&wrapped("  unknown: ", &format!("{}: {}", gap.part, gap.why)));
    }
    if report.by_names_alone {
        text.push_str(&wrapped("  note: ", BY_NAMES_ALONE));
    }
    if unrecognized > 0 || members == 0 {
        text.push_str(&format!("  next: {}\n", paint.hint(plugin("layout learn").to_string())));
    }
    if !fittings.is_empty() {
        text.push_str(&format!("\n{}", columns(&HEAD, true, fittings.iter().map(row))));
    }
    text
}

/// Renders the rows of that table only.
pub(crate) fn rows(fittings: &[Fitting<'_>]) -> String {
    columns(&HEAD, false, fittings.iter().map(row))
}

const HEAD: [&str; 5] = ["NAMESPACE", "POD", "COMPONENT", "BY", "WAREHOUSE"];

fn row(one: &Fitting<'_>) -> Vec<String> {
    let none = || "<none>".to_owned();
    let (component, by, warehouse) = match &one.fit {
        Fit::Member { role, by, warehouse } => {
            let by = match by {
                RecognizedBy::Label => "label",
                RecognizedBy::Name => "name",
            };
            (role.name().to_owned(), by.to_owned(), warehouse.map_or_else(none, sanitize_line))
        }
        Fit::Unrecognized(evidence) => {
            let why = match evidence {
                LookalikeEvidence::Label { .. } => "label",
                LookalikeEvidence::Name(_) => "name",
                LookalikeEvidence::Namespace => "namespace",
            };
            ("<unknown>".to_owned(), why.to_owned(), none())
        }
        Fit::Poses(..) => ("<stranger>".to_owned(), none(), none()),
        Fit::Unrelated => (none(), none(), none()),
    };
    vec![sanitize_line(one.namespace), sanitize_line(one.name), component, by, warehouse]
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
