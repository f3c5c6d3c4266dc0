//! Which databases are probed during a failover: found in the topology, or named by the user.

use super::Context;
use super::context::DEADLINE;
use crate::cli::OperationArgs;
use crate::cluster::permission::{Allowed, Permission};
use crate::cluster::snapshot::{Read, Snapshot};
use crate::cluster::{Cluster, Freshness, ReadRequest};
use crate::error::{Error, Result};
use crate::plan::probes::{depending, named, reaches_further};
use crate::plan::{NotMeasured, Probes};
use crate::probe::Login;
use crate::suggestion::plugin;
use crate::topology::layout::SpaceKind;
use crate::topology::target::{NamespaceMatch, TargetName, match_namespace, without_mark};
use crate::topology::{Member, Topology, build};
use std::collections::HashMap;

/// Returns the databases that depend on a pod or that `--probe` names, and the topology of all namespaces that were read for
/// that. A database that cannot be read is not measured, which is not an error.
///
/// # Errors
/// `--probe` names something that is not a database.
pub(super) async fn probes(
    context: &Context,
    cluster: &Cluster,
    args: &OperationArgs,
    snapshot: &Snapshot,
    member: &Member,
) -> Result<(Probes, Topology)> {
    if args.no_probe {
        return Ok((Probes::default(), build(snapshot, context.layout())));
    }
    let layout = context.layout();
    let names = match &snapshot.namespace_names {
        Read::Known(names) => names.as_slice(),
        Read::Unknown(_) | Read::NotAsked => &[],
    };
    let mut probes = Probes::default();
    let typed = typed(context, args, names)?;
    let mut wanted: Vec<String> = typed.iter().map(|(namespace, _)| namespace.clone()).collect();
    if typed.is_empty() && reaches_further(member) {
        let ours = names.iter().filter(|name| layout.space_kind(name).is_some());
        let (going, staying): (Vec<&String>, Vec<&String>) = ours.partition(|name| snapshot.terminating.contains(name));
        wanted.extend(staying.into_iter().cloned());
        probes.not_measured.extend(going.into_iter().map(|name| NotMeasured {
            namespace: Some(name.clone()),
            pod: None,
            why: "the namespace is being deleted".into(),
        }));
        if let Read::Unknown(part) = &snapshot.namespace_names {
            let accounts =
                snapshot.namespaces.iter().any(|o| layout.space_kind(&o.namespace) == Some(SpaceKind::Account));
            let which = if accounts { "other accounts" } else { "the accounts" };
            let why = format!("unknown which namespaces belong to {which}: {}", part.reason);
            probes.not_measured.push(NotMeasured { namespace: None, pod: None, why });
        }
    }
    let all = and_others(cluster, snapshot, wanted).await;
    let topology = build(&all, layout);
    let mut unread = Vec::new();
    for objects in &all.namespaces {
        if let Read::Unknown(part) = &objects.pods {
            unread.push(&objects.namespace);
            let why = format!("its pods cannot be read: {}", part.reason);
            probes.not_measured.push(NotMeasured { namespace: Some(objects.namespace.clone()), pod: None, why });
        }
    }
    let found = if typed.is_empty() { vec![depending(&topology, member)] } else { Vec::new() };
    let by_name = typed.iter().filter(|(namespace, _)| !unread.contains(&namespace));
    let by_name = by_name.map(|(namespace, pod)| by_name_of(&topology, member, namespace, pod));
    for Probes { databases, not_measured } in found.into_iter().map(Ok).chain(by_name).collect::<Result<Vec<_>>>()? {
        probes
            .databases
            .extend(databases.into_iter().filter(|one| !probes.databases.contains(one)).collect::<Vec<_>>());
        probes.not_measured.extend(not_measured);
    }
    Ok((probes, topology))
}

/// Returns namespace and pod of each `--probe`.
fn typed(context: &Context, args: &OperationArgs, names: &[String]) -> Result<Vec<(String, String)>> {
    let each = args.probe.iter().map(|text| {
        let TargetName { namespace: Some(namespace), name } = TargetName::parse(text) else {
            return Err(Error::usage(format!("--probe {text:?} has no namespace"))
                .hint(plugin("status -A").note("to list pods; use --probe NAMESPACE/POD")));
        };
        match match_namespace(&namespace, names, context.layout()) {
            NamespaceMatch::One(namespace) => Ok((namespace, name)),
            // Namespaces may not be listed: it must be the full name.
            NamespaceMatch::None(_) if names.is_empty() => Ok((without_mark(&namespace).to_owned(), name)),
            NamespaceMatch::Many(found) => {
                Err(Error::usage(format!("--probe {text:?}: its namespace is ambiguous: {}", found.join(", "))))
            }
            NamespaceMatch::None(near) => Err(Error::usage(format!("--probe {text:?}: namespace not found"))
                .because(format!("SynxDB namespaces: {}", near.join(", ")))),
        }
    });
    each.collect()
}

fn by_name_of(topology: &Topology, member: &Member, namespace: &str, pod: &str) -> Result<Probes> {
    named(topology, member, namespace, pod).map_err(|why| {
        Error::usage(format!("--probe {namespace}/{pod} does not accept SQL"))
            .because(why)
            .hint(plugin("status").namespace(namespace).note("to list pods; use the account's proxy"))
    })
}

/// Returns the snapshot with further namespaces read into it.
async fn and_others(cluster: &Cluster, snapshot: &Snapshot, mut wanted: Vec<String>) -> Snapshot {
    wanted.retain(|name| snapshot.namespaces.iter().all(|objects| objects.namespace != *name));
    wanted.sort();
    wanted.dedup();
    let mut all = snapshot.clone();
    if !wanted.is_empty() {
        // Nothing is changed in these: cached data is good enough.
        let freshness = Freshness::Cached;
        let request = ReadRequest { namespaces: wanted, freshness, deadline: DEADLINE, ..ReadRequest::default() };
        all.namespaces.extend(cluster.read(&request).await.namespaces);
    }
    all
}

/// Returns the login in each namespace; one whose password cannot be read is left out.
pub(super) async fn logins(cluster: &Cluster, login: &Result<Login>, probes: &mut Probes) -> HashMap<String, Login> {
    let mut logins = HashMap::new();
    for namespace in probes.namespaces() {
        let within = match login {
            Ok(login) => login.clone().with_secrets(cluster, &namespace, DEADLINE).await,
            Err(error) => Err(error.clone()),
        };
        match within {
            Ok(login) => {
                logins.insert(namespace, login);
            }
            Err(error) => probes.leave_out(&namespace, &error.to_string()),
        }
    }
    logins
}

/// Leaves out the namespaces in which the user may not open a forward.
pub(super) async fn permitted(cluster: &Cluster, probes: &Probes) -> Probes {
    let mut probes = probes.clone();
    let namespaces = probes.namespaces();
    // From Kubernetes 1.35 a forward by WebSocket needs `create`, before it needed `get`.
    let verbs = |namespace: &String| {
        ["create", "get"].map(|verb| Permission::new(verb, "pods/portforward").in_namespace(namespace))
    };
    let permissions: Vec<Permission> = namespaces.iter().flat_map(verbs).collect();
    let rights = cluster.review(&permissions, DEADLINE).await;
    for namespace in &namespaces {
        let mut of_it = rights.iter().filter(|(permission, _)| permission.namespace.as_ref() == Some(namespace));
        if of_it.all(|(_, allowed)| matches!(allowed, Allowed::No(_))) {
            probes.leave_out(namespace, &format!("missing permission: create pods/portforward in {namespace}"));
        }
    }
    probes
}
