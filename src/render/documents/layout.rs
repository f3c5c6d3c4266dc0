//! `layout check`, and which layout is in force.

use super::Unknown;
use crate::topology::fit::{Fit, Fitting};
use crate::topology::health::Report;
use crate::topology::{LayoutSource, LookalikeEvidence, RecognizedBy, Role};
use serde::Serialize;

/// The layout in force.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LayoutInForce {
    /// Where it is from.
    pub source: LayoutFrom,
    /// Path of its file. Null if it is not from a file.
    pub file: Option<String>,
    /// Its ConfigMap, as `NAMESPACE/NAME`. Null if it is not from one.
    pub config_map: Option<String>,
}

/// Where a layout is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum LayoutFrom {
    /// `--layout`.
    Flag,
    /// `$KUBECTL_SYNXDB_LAYOUT`.
    Environment,
    /// The user's own file.
    File,
    /// The cluster's own ConfigMap.
    ConfigMap,
    /// It ships with the plugin.
    BuiltIn,
}

impl From<&LayoutSource> for LayoutInForce {
    fn from(source: &LayoutSource) -> Self {
        let (from, file, config_map) = match source {
            LayoutSource::Flag(path) => (LayoutFrom::Flag, Some(path), None),
            LayoutSource::Environment(path) => (LayoutFrom::Environment, Some(path), None),
            LayoutSource::File(path) => (LayoutFrom::File, Some(path), None),
            LayoutSource::ConfigMap { namespace, name } => {
                (LayoutFrom::ConfigMap, None, Some(format!("{namespace}/{name}")))
            }
            LayoutSource::Shipped => (LayoutFrom::BuiltIn, None, None),
        };
        Self { source: from, file: file.map(|path| path.display().to_string()), config_map }
    }
}

/// Which pods the layout recognizes, and which fit no rule.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LayoutCheck<'a> {
    /// The layout in force.
    pub layout: LayoutInForce,
    /// Whether everything that looks like SynxDB's fits a rule, and all that should be known is.
    pub fits: bool,
    /// The pods of SynxDB's namespaces, and what looks like SynxDB's elsewhere: members first.
    pub pods: Vec<FittingPod<'a>>,
    /// What should be known and could not be read, and what fits no rule.
    pub unknown: Vec<Unknown<'a>>,
    /// Whether accounts are found by the names of their namespaces alone, as the user may not list all pods.
    pub accounts_found_by_name_only: bool,
}

/// A pod, or a workload without one, and what the layout says of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FittingPod<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name; of a workload without a pod, the workload's.
    pub name: &'a str,
    /// What the layout says of it.
    pub fit: FitWord,
    /// The component that it belongs to, or passes itself off as. Null if there is none.
    pub component: Option<Role>,
    /// By what it was recognized. Null if it was not.
    pub recognized_by: Option<RecognizedBy>,
    /// Its warehouse. Null if it is not a node of one.
    pub warehouse: Option<&'a str>,
    /// Why it looks like SynxDB's or is a stranger, in words. Null for others.
    pub reason: Option<String>,
}

/// What a layout says of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum FitWord {
    /// It is a member of a component.
    Member,
    /// It looks like SynxDB's, and fits no rule.
    Unrecognized,
    /// It has a member's name, and is none.
    Stranger,
    /// It is none of SynxDB's.
    Unrelated,
}

impl<'a> LayoutCheck<'a> {
    /// Of what fits, and the judgement over it.
    pub fn new(source: &LayoutSource, fittings: &[Fitting<'a>], report: &'a Report) -> Self {
        Self {
            layout: LayoutInForce::from(source),
            fits: report.gaps.is_empty() && !fittings.is_empty(),
            pods: fittings.iter().map(FittingPod::from).collect(),
            unknown: report.gaps.iter().map(Unknown::from).collect(),
            accounts_found_by_name_only: report.by_names_alone,
        }
    }
}

impl<'a> From<&Fitting<'a>> for FittingPod<'a> {
    fn from(one: &Fitting<'a>) -> Self {
        let (namespace, name) = (one.namespace, one.name);
        let plain =
            |fit| Self { namespace, name, fit, component: None, recognized_by: None, warehouse: None, reason: None };
        match &one.fit {
            Fit::Member { role, by, warehouse } => Self {
                component: Some(*role),
                recognized_by: Some(*by),
                warehouse: *warehouse,
                ..plain(FitWord::Member)
            },
            Fit::Unrecognized(evidence) => {
                let reason = match evidence {
                    LookalikeEvidence::Label { key, value } => format!("label {key}={value}"),
                    LookalikeEvidence::Name(name) => format!("named {name}"),
                    LookalikeEvidence::Namespace => "the name of its namespace".to_owned(),
                };
                Self { reason: Some(reason), ..plain(FitWord::Unrecognized) }
            }
            Fit::Poses(role, why) => {
                Self { component: Some(*role), reason: Some((*why).to_owned()), ..plain(FitWord::Stranger) }
            }
            Fit::Unrelated => plain(FitWord::Unrelated),
        }
    }
}
