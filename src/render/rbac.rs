//! RBAC manifests for `kubectl apply`, and what they grant as a table.

use crate::cli::RbacFor;
use crate::plan::rights::{self, Place, Rule};
use clap::ValueEnum;
use std::fmt::Write;

/// Comment on a binding in all namespaces.
const EVERYWHERE: &str = "\
# --cluster-wide: the subjects get these rights in EVERY namespace, SynxDB's or not, including kube-system and
# future ones: they may delete any pod and any claim, and forward to any pod, as the rules below allow.
";
/// Comment on volumes.
const VOLUMES: &str =
    "  # volumes are cluster-scoped: a subject that may patch them reaches the data of every tenant\n";

const GROUP: &str = "rbac.authorization.k8s.io";

/// A subject of the roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RbacSubject {
    /// By namespace and name.
    ServiceAccount(String, String),
    /// By the name that the API server knows.
    User(String),
    /// By the name that the API server knows.
    Group(String),
}

/// Where roles for namespaced resources are bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// In each of these namespaces, with a Role of its own.
    Of(Vec<String>),
    /// In each of these namespaces, with one ClusterRole.
    InEach(Vec<String>),
    /// In every namespace, with a ClusterRole.
    Everywhere,
    /// Nowhere: a ClusterRole to bind by hand.
    Nowhere,
}

/// The roles for one or several commands.
#[derive(Clone, Debug)]
pub struct Roles {
    /// The commands; empty for all.
    pub commands: Vec<RbacFor>,
    /// Where they are bound.
    pub bound: Bound,
    /// Rules for namespaced resources.
    pub inside: Vec<Rule>,
    /// Rules for cluster-scoped resources.
    pub outside: Vec<Rule>,
    /// The subjects.
    pub subjects: Vec<RbacSubject>,
}

impl Roles {
    fn name(&self) -> String {
        self.commands.iter().fold("kubectl-synxdb".to_owned(), |name, command| format!("{name}-{}", command.name()))
    }
}

impl RbacSubject {
    /// Returns a suffix for the name of its binding, unique per subject.
    fn suffix(&self) -> String {
        let text = match self {
            Self::ServiceAccount(namespace, name) => format!("serviceaccount:{namespace}:{name}"),
            Self::User(name) => format!("user:{name}"),
            Self::Group(name) => format!("group:{name}"),
        };
        text.replace(['/', '%'], "-")
    }

    fn manifest(&self) -> String {
        match self {
            Self::ServiceAccount(namespace, name) => {
                format!("{{kind: ServiceAccount, namespace: {}, name: {}}}", scalar(namespace), scalar(name))
            }
            Self::User(name) => format!("{{apiGroup: {GROUP}, kind: User, name: {}}}", scalar(name)),
            Self::Group(name) => format!("{{apiGroup: {GROUP}, kind: Group, name: {}}}", scalar(name)),
        }
    }
}

/// Renders the manifests, each after `---`.
pub fn manifests(roles: &Roles) -> String {
    let name = roles.name();
    let cluster = format!("{name}-cluster");
    let which = match roles.commands.as_slice() {
        [] => "all of its commands".to_owned(),
        commands => commands.iter().map(|command| command.name()).collect::<Vec<_>>().join(", "),
    };
    let mut text = format!("# Rights of kubectl synxdb for {which}.\n# SelfSubjectAccessReview needs no rule.\n");
    let mut bindings = String::new();
    match &roles.bound {
        Bound::Of(namespaces) => {
            for namespace in namespaces {
                text.push_str(&role("Role", &name, Some(namespace), &roles.inside));
                bindings.push_str(&bound(roles, "Role", &name, Some(namespace)));
            }
        }
        Bound::InEach(namespaces) => {
            text.push_str("# Bound in each current namespace of SynxDB, not in future ones.\n");
            text.push_str(&role("ClusterRole", &name, None, &roles.inside));
            for namespace in namespaces {
                bindings.push_str(&bound(roles, "ClusterRole", &name, Some(namespace)));
            }
        }
        Bound::Everywhere => {
            text.push_str(EVERYWHERE);
            text.push_str(&role("ClusterRole", &name, None, &roles.inside));
            bindings.push_str(&bound(roles, "ClusterRole", &name, None));
        }
        Bound::Nowhere => text.push_str(&role("ClusterRole", &name, None, &roles.inside)),
    }
    if !roles.outside.is_empty() {
        text.push_str(&role("ClusterRole", &cluster, None, &roles.outside));
        bindings.push_str(&bound(roles, "ClusterRole", &cluster, None));
    }
    text + &bindings
}

fn head(kind: &str, name: &str, namespace: Option<&str>) -> String {
    let mut text = format!("---\napiVersion: {GROUP}/v1\nkind: {kind}\nmetadata:\n  name: {}\n", scalar(name));
    if let Some(namespace) = namespace {
        let _ = writeln!(text, "  namespace: {}", scalar(namespace));
    }
    text + "  labels: {app.kubernetes.io/name: kubectl-synxdb}\n"
}

fn role(kind: &str, name: &str, namespace: Option<&str>, rules: &[Rule]) -> String {
    let mut text = head(kind, name, namespace) + "rules:\n";
    for rule in rules {
        if let Some(without) = rule.without {
            let _ = writeln!(text, "  # optional; without it: {without}");
        }
        if rule.resources.contains(&"persistentvolumes") && rule.verbs.contains(&"patch") {
            text.push_str(VOLUMES);
        }
        let _ = writeln!(text, "  - apiGroups: [{}]", if rule.group.is_empty() { "\"\"" } else { rule.group });
        let _ = writeln!(text, "    resources: [{}]", rule.resources.join(", "));
        if let Some(name) = &rule.name {
            let _ = writeln!(text, "    resourceNames: [{}]", scalar(name));
        }
        let _ = writeln!(text, "    verbs: [{}]", rule.verbs.join(", "));
    }
    text
}

/// Renders a binding for each subject.
fn bound(roles: &Roles, kind: &str, role: &str, namespace: Option<&str>) -> String {
    let each = roles.subjects.iter().map(|subject| {
        let binding = if namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" };
        head(binding, &format!("{role}:{}", subject.suffix()), namespace)
            + &format!("roleRef: {{apiGroup: {GROUP}, kind: {kind}, name: {role}}}\n")
            + &format!("subjects:\n  - {}\n", subject.manifest())
    });
    each.collect()
}

/// Returns any text as a YAML scalar.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./@".contains(c);
    // Text that begins with a letter and is longer than YAML's keywords needs no quotes.
    let is_plain = text.chars().all(plain) && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.len() > 5;
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// Renders the rights of each command as a table in Markdown: `needs` is required, `may` is optional.
pub fn table() -> String {
    let commands = RbacFor::value_variants();
    let mut rows: Vec<(String, Vec<&str>)> = Vec::new();
    let all = rights::together(commands);
    for place in [Place::Namespaces, Place::Cluster] {
        for right in all.iter().filter(|right| right.place == place) {
            let cell = |command: &RbacFor| {
                let same = rights::of(*command).into_iter().find(|other| other.is_same(right));
                match same.map(|right| right.without) {
                    None => "",
                    Some(None) => "needs",
                    Some(Some(_)) => "may",
                }
            };
            let cells: Vec<&str> = commands.iter().map(cell).collect();
            let of = right.name.map(|name| format!(" `{name}`")).unwrap_or_default();
            let what =
                format!("{}{of}{}", right.resource, if place == Place::Cluster { " (cluster-wide)" } else { "" });
            match rows
                .iter_mut()
                .find(|(known, known_cells)| known.ends_with(&format!(" {what}")) && *known_cells == cells)
            {
                Some((known, _)) => *known = format!("{}, {known}", right.verb),
                None => rows.push((format!("{} {what}", right.verb), cells)),
            }
        }
    }
    let mut text = String::from("| Right |");
    for command in commands {
        let _ = write!(text, " `{}` |", command.name());
    }
    text.push_str("\n| --- |");
    text.push_str(&" --- |".repeat(commands.len()));
    text.push('\n');
    for (right, cells) in rows {
        let _ = write!(text, "| {right} |");
        for cell in cells {
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;

    fn roles(commands: &[RbacFor], namespaces: &[&str], subjects: &[RbacSubject]) -> Roles {
        let all = if commands.is_empty() { RbacFor::value_variants() } else { commands };
        let rights = rights::together(all);
        Roles {
            commands: commands.to_vec(),
            bound: match namespaces {
                [] if subjects.is_empty() => Bound::Nowhere,
                [] => Bound::Everywhere,
                names => Bound::Of(names.iter().map(|name| (*name).to_owned()).collect()),
            },
            inside: rights::rules(&rights, Place::Namespaces),
            outside: rights::rules(&rights, Place::Cluster),
            subjects: subjects.to_vec(),
        }
    }

    #[test]
    fn roles_as_they_are_applied() {
        let subjects = [
            RbacSubject::Group("dba".into()),
            RbacSubject::ServiceAccount("monitoring".into(), "synxdb".into()),
            RbacSubject::User("https://issuer.example.com#alice \"the\"\n# dba".into()),
        ];
        let one = roles(&[RbacFor::Failover], &["account-one", "123"], &subjects);
        assert_snapshot!("rbac-failover-in-namespaces", manifests(&one));
        assert_snapshot!("rbac-status-everywhere", manifests(&roles(&[RbacFor::Status], &[], &subjects[..1])));
        let names = vec!["account-one".to_owned(), "synxdb-system".to_owned()];
        let each = Roles { bound: Bound::InEach(names), ..roles(&[RbacFor::Undo], &[], &subjects[..1]) };
        assert_snapshot!("rbac-undo-in-each", manifests(&each));
        assert_snapshot!("rbac-all", manifests(&roles(&[], &[], &[])));
    }

    /// Bindings in all namespaces only with `--cluster-wide`, and then explained; volumes always.
    #[test]
    fn nothing_is_bound_in_all_namespaces_without_cluster_wide() {
        let subject = [RbacSubject::Group("dba".into())];
        let everywhere = roles(&[RbacFor::Failover], &[], &subject);
        for (bound, in_all) in [
            (Bound::Everywhere, true),
            (Bound::Nowhere, false),
            (Bound::Of(vec!["a".into()]), false),
            (Bound::InEach(vec!["a".into(), "b".into()]), false),
        ] {
            let text = manifests(&Roles { bound: bound.clone(), ..everywhere.clone() });
            let read: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text).unwrap();
            let of_namespaced = |one: &&serde_json::Value| {
                one["kind"] == "ClusterRoleBinding" && one["roleRef"]["name"] == "kubectl-synxdb-failover"
            };
            assert_eq!(read.iter().filter(of_namespaced).count(), usize::from(in_all), "{bound:?}");
            assert_eq!(text.contains("EVERY namespace"), in_all, "{bound:?}");
            assert_eq!(text.matches("reaches the data of every tenant").count(), 1, "{bound:?}");
        }
    }

    /// Any name is the same name when the manifest is read.
    #[test]
    fn every_text_stays_one() {
        let texts =
            ["dba", "true", "null", "123", "~", "no", "a: b", "# x", "\u{1b}[2J", "é", "a\nb", "- x", "1e3000", ""];
        for text in texts {
            let read: serde_json::Value = serde_saphyr::from_str(&format!("name: {}\n", scalar(text))).unwrap();
            assert_eq!(read["name"], text, "{}", scalar(text));
        }
    }

    /// A required rule is not optional, and rights share a rule only if everything else is the same.
    #[test]
    fn rules_hold_what_rights_say() {
        for commands in [&[RbacFor::Status][..], &[RbacFor::Failover], RbacFor::value_variants()] {
            let rights = rights::together(commands);
            for place in [Place::Namespaces, Place::Cluster] {
                let mut granted = Vec::new();
                for rule in rights::rules(&rights, place) {
                    for resource in &rule.resources {
                        let full = if rule.group.is_empty() {
                            (*resource).to_owned()
                        } else {
                            format!("{resource}.{}", rule.group)
                        };
                        granted.extend(
                            rule.verbs.iter().map(|verb| (full.clone(), *verb, rule.name.clone(), rule.without)),
                        );
                    }
                }
                let mut wanted: Vec<_> = rights
                    .iter()
                    .filter(|right| right.place == place)
                    .map(|r| (r.resource.to_owned(), r.verb, r.name.map(str::to_owned), r.without))
                    .collect();
                granted.sort();
                wanted.sort();
                assert_eq!(granted, wanted);
            }
        }
    }
}
