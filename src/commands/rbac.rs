//! `rbac`: the roles that commands need. The cluster is queried only for the namespaces to bind them in, if none were
//! named.

use super::Context;
use super::context::DEADLINE;
use super::namespaces::among;
use crate::cli::{RbacArgs, RbacFor};
use crate::cluster::snapshot::Read;
use crate::error::{Error, Result};
use crate::plan::rights::{self, Place, Rule};
use crate::render::rbac::{Bound, RbacSubject, Roles, manifests};
use crate::suggestion::{kubectl, plugin};
use crate::topology::Layout;
use crate::topology::target::without_mark;
use clap::ValueEnum;

/// Renders roles that are bound in SynxDB's current namespaces.
///
/// # Errors
/// They cannot be listed, or there are none.
pub(super) async fn in_namespaces_of_synxdb(context: &Context, args: &RbacArgs) -> Result<String> {
    let elsewhere = |error: Error| {
        error
            .hint(plugin("rbac -n NAMESPACE ...").note("to name them"))
            .hint(plugin("rbac --cluster-wide ...").note("for every namespace, SynxDB's or not"))
    };
    let cluster = context.cluster().await?;
    let layout = context.layout();
    let read = match context.surroundings.get() {
        Some(around) => around.namespaces(&cluster, DEADLINE).await,
        None => Read::NotAsked,
    };
    let all = match read {
        Read::Known(all) => all,
        Read::Unknown(part) => return Err(elsewhere(cluster.unreadable(&part))),
        Read::NotAsked => Vec::new(),
    };
    let (namespaces, others): (Vec<String>, Vec<String>) =
        among(all, None, layout)?.namespaces.into_iter().partition(|name| is_granted(layout, name));
    for name in others.iter().filter(|name| layout.is_certain(name)) {
        let why = "is an account only by its pods' labels, so nothing is bound in it; to include it, use -n";
        super::login::note(context, &format!("namespace {name} {why}"));
    }
    if namespaces.is_empty() {
        let none = format!("no SynxDB namespace in context {}", cluster.context_name());
        return Err(elsewhere(Error::failure(none).because("nothing was bound")));
    }
    render(args, Bound::InEach(namespaces))
}

/// Returns whether roles are bound in a namespace that was not named: not in one that may have a SynxDB name by chance, nor in
/// one that is an account only by pod labels, which any user who may label a pod can set.
fn is_granted(layout: &Layout, namespace: &str) -> bool {
    layout.is_certain(namespace) && !layout.only_by_labels(namespace)
}

/// Renders roles without a request to the cluster.
///
/// # Errors
/// An invalid name.
pub(super) fn rbac(args: &RbacArgs) -> Result<String> {
    let mut namespaces = args.namespaces.iter().map(|name| namespace_name(name)).collect::<Result<Vec<_>>>()?;
    namespaces.sort();
    namespaces.dedup();
    let everywhere = if args.cluster_wide { Bound::Everywhere } else { Bound::Nowhere };
    render(args, if namespaces.is_empty() { everywhere } else { Bound::Of(namespaces) })
}

fn render(args: &RbacArgs, bound: Bound) -> Result<String> {
    let mut commands = args.commands.clone();
    commands.sort();
    commands.dedup();
    let rights = rights::together(if commands.is_empty() { RbacFor::value_variants() } else { &commands });
    let mut inside = rights::rules(&rights, Place::Namespaces);
    inside.extend(args.secret.iter().map(|name| Rule {
        group: "",
        resources: vec!["secrets"],
        name: Some(name.clone()),
        verbs: vec!["get"],
        without: None,
    }));
    let outside = rights::rules(&rights, Place::Cluster);
    Ok(manifests(&Roles { commands, bound, inside, outside, subjects: subjects(args)? }))
}

fn subjects(args: &RbacArgs) -> Result<Vec<RbacSubject>> {
    let accounts = args.serviceaccount.iter().map(|text| match text.split_once(':') {
        Some((namespace, name)) if !name.is_empty() => {
            Ok(RbacSubject::ServiceAccount(namespace_name(namespace)?, name.to_owned()))
        }
        _ => Err(Error::usage(format!("--serviceaccount {text:?} is not NAMESPACE:NAME"))
            .hint(kubectl("get serviceaccounts -A"))),
    });
    let mut subjects = accounts.collect::<Result<Vec<_>>>()?;
    subjects.extend(args.subject_user.iter().cloned().map(RbacSubject::User));
    subjects.extend(args.subject_group.iter().cloned().map(RbacSubject::Group));
    Ok(subjects)
}

/// Checks a full namespace name.
fn namespace_name(name: &str) -> Result<String> {
    let name = without_mark(name);
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(Error::usage(format!("invalid namespace name {name:?}")).hint(kubectl("get namespaces")));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Roles are bound in namespaces with SynxDB names, and not in one that only a label or a common name makes an account.
    #[test]
    fn it_binds_in_no_namespace_that_anyone_can_make_an_accounts() {
        const CERTAIN: &str = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";
        let layout = Layout::shipped().unwrap().with_accounts(&["sales".into(), "hashdata-fe-team-07e5674f".into()]);
        for (namespace, granted) in [
            ("synxdb-system", true),
            (CERTAIN, true),
            // By its name, and also by its pods.
            ("hashdata-fe-team-07e5674f", true),
            ("web-preview-deadbeef", false),
            ("sales", false),
            ("dbaas", false),
        ] {
            assert_eq!(is_granted(&layout, namespace), granted, "{namespace}");
        }
    }

    /// Namespaced roles are bound in all namespaces only with `--cluster-wide`.
    #[test]
    fn it_binds_everywhere_only_if_that_was_said() {
        let of = |namespaces: &[&str], cluster_wide| RbacArgs {
            commands: vec![RbacFor::Failover],
            namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
            serviceaccount: Vec::new(),
            subject_user: Vec::new(),
            subject_group: vec!["dba".into()],
            cluster_wide,
            secret: Vec::new(),
        };
        for (args, everywhere, within) in
            [(of(&[], false), 0, 0), (of(&["a", "b"], false), 0, 2), (of(&[], true), 1, 0)]
        {
            let read: Vec<serde_json::Value> = serde_saphyr::from_multiple(&rbac(&args).unwrap()).unwrap();
            let bound = |kind: &str| {
                let of_it = |one: &&serde_json::Value| {
                    one["kind"] == kind && one["roleRef"]["name"] == "kubectl-synxdb-failover"
                };
                read.iter().filter(of_it).count()
            };
            assert_eq!((bound("ClusterRoleBinding"), bound("RoleBinding")), (everywhere, within), "{args:?}");
        }
    }
}
