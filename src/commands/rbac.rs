//! `rbac`: the roles that commands need. It asks nobody.

use crate::cli::{RbacArgs, RbacFor};
use crate::error::{Error, Result};
use crate::plan::rights::{self, Place, Rule};
use crate::render::rbac::{Roles, Subject, manifests};
use crate::topology::target::without_mark;
use clap::ValueEnum;

pub(super) fn rbac(args: &RbacArgs) -> Result<String> {
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
    let mut namespaces = args.namespaces.iter().map(|name| whole(name)).collect::<Result<Vec<_>>>()?;
    namespaces.sort();
    namespaces.dedup();
    let outside = rights::rules(&rights, Place::Cluster);
    Ok(manifests(&Roles { commands, namespaces, inside, outside, subjects: subjects(args)? }))
}

fn subjects(args: &RbacArgs) -> Result<Vec<Subject>> {
    let accounts = args.serviceaccount.iter().map(|text| match text.split_once(':') {
        Some((namespace, name)) if !name.is_empty() => Ok(Subject::ServiceAccount(whole(namespace)?, name.to_owned())),
        _ => Err(Error::usage(format!("--serviceaccount {text:?} is not NAMESPACE:NAME"))
            .hint("kubectl get serviceaccounts -A")),
    });
    let mut subjects = accounts.collect::<Result<Vec<_>>>()?;
    subjects.extend(args.subject_user.iter().cloned().map(Subject::User));
    subjects.extend(args.subject_group.iter().cloned().map(Subject::Group));
    Ok(subjects)
}

/// A namespace's name as Kubernetes takes it.
fn whole(name: &str) -> Result<String> {
    let name = without_mark(name);
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(Error::usage(format!("{name:?} is no name of a namespace")).hint("kubectl get namespaces"));
    }
    Ok(name.to_owned())
}
