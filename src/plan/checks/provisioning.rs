//! Where the volumes of new claims come from, and how a claim that is recreated from its template differs from the old one.

use super::{CheckContext, PlanCheck, PlanCheckId, overridable, pass, warn};
use crate::cli::Allow;
use crate::text::noun;
use crate::topology::binding::{Misfit, Wanted, chosen, misfit, reserved};
use crate::topology::{Claim, ClaimSpec, Known, NodeFacts, StorageClassFacts, Volume};

/// Maximum number of volumes that are explained.
const MOST_NAMED: usize = 3;

/// A claim that is recreated, and its template.
struct Again<'s> {
    claim: &'s Claim,
    spec: &'s ClaimSpec,
}

/// Returns the claims that are recreated from a template.
fn made_again<'s>(context: &CheckContext<'s>) -> Vec<Again<'s>> {
    let Some(set) = context.component.and_then(|component| component.set()) else { return Vec::new() };
    let template = |claim: &'s Claim| {
        let template = set.template_of(&claim.name, &context.member.name)?;
        Some(Again { claim, spec: &template.spec })
    };
    context.going_claims().filter_map(template).collect()
}

/// Returns the class of a claim that names this one or none (then the default class). Empty for no class.
fn class_of<'c>(named: Option<&'c str>, classes: &'c [StorageClassFacts]) -> &'c str {
    let default = || classes.iter().find(|class| class.default).map(|class| class.name.as_str());
    named.or_else(default).unwrap_or_default()
}

/// Checks where the volumes of the new claims come from: a storage class provisions them, or they exist.
pub(super) fn storage_class(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    if !context.returning.is_empty() {
        return;
    }
    let Known::Is(classes) = &context.topology.classes else { return };
    // The claims of each class that the templates name.
    let mut groups: Vec<(Option<&str>, Vec<Again<'_>>)> = Vec::new();
    for again in made_again(context) {
        let class = again.spec.class.as_deref();
        match groups.iter_mut().find(|(known, _)| *known == class) {
            Some((_, claims)) => claims.push(again),
            None => groups.push((class, vec![again])),
        }
    }
    for (class, claims) in groups {
        of_class(context, classes, class, &claims, checks);
    }
}

fn of_class(
    context: &CheckContext<'_>,
    classes: &[StorageClassFacts],
    named: Option<&str>,
    claims: &[Again<'_>],
    checks: &mut Vec<PlanCheck>,
) {
    let id = PlanCheckId::StorageClass;
    let name = class_of(named, classes);
    let class = classes.iter().find(|class| class.name == name && !name.is_empty());
    let new = noun(claims.len(), "the new volume");
    let supply = Supply::of(context, name, claims);
    let why = match (named, class) {
        (_, Some(class)) if class.provisions => {
            let default = if named.is_none() { "default " } else { "" };
            let (mode, policy) = (&class.binding_mode, &class.reclaim_policy);
            checks.push(pass(
                id,
                format!("{default}storage class {name} will provision {new} ({mode}, reclaim policy {policy})"),
            ));
            // An Available volume is bound before one is provisioned, whatever is on it.
            checks.extend(supply.iter().flat_map(|supply| &supply.found).map(|(claim, volume)| {
                let (volume, size) = (&volume.name, sized(volume));
                let first =
                    format!("volume {volume} ({size}) is Available and fits: Kubernetes may bind it to claim {claim}");
                warn(id, format!("{first}, with its current contents, instead of provisioning one"))
            }));
            return;
        }
        (_, Some(class)) => format!("storage class {} does not provision volumes", class.name),
        (None, None) => "the claim template names no storage class, and there is no default".to_owned(),
        (Some(""), None) => "the claim template asks for no storage class".to_owned(),
        (Some(name), None) => format!("storage class {name} does not exist"),
    };
    checks.push(match supply {
        None => warn(id, format!("{why}; unknown whether a volume is Available for the new claim")),
        Some(supply) if supply.lacking.is_empty() => {
            let each = supply.found.iter().map(|(claim, volume)| {
                let how = if volume.claim.is_some() { "reserved" } else { "Available" };
                format!("volume {} ({}) is {how} for claim {claim}", volume.name, sized(volume))
            });
            pass(id, format!("{why}; {}", each.collect::<Vec<_>>().join(", ")))
        }
        Some(supply) => {
            let lacking = supply.lacking.join(", ");
            let but = if supply.near.is_empty() { String::new() } else { format!(" ({})", supply.near.join("; ")) };
            let why = format!("{why}, and no volume is Available for claim {lacking}{but}");
            overridable(context, id, why, Allow::StorageClass)
        }
    });
}

/// Existing volumes for new claims.
struct Supply<'s> {
    /// Claims that get an existing volume, and that volume.
    found: Vec<(&'s str, &'s Volume)>,
    /// Claims without one.
    lacking: Vec<&'s str>,
    /// Why the volumes of their class do not fit.
    near: Vec<String>,
}

impl<'s> Supply<'s> {
    /// Returns what exists; `None` if volumes cannot be read.
    fn of(context: &CheckContext<'s>, class: &str, claims: &[Again<'s>]) -> Option<Self> {
        let volumes = context.topology.unbound_volumes.as_known()?;
        let nodes = context.topology.nodes.as_known().map(Vec::as_slice);
        // A recorded volume is retained for an undo.
        let retained = volumes.iter().filter(|volume| !volume.records.is_empty()).map(|volume| volume.name.as_str());
        let mut taken: Vec<&str> = retained.collect();
        let mut supply = Supply { found: Vec::new(), lacking: Vec::new(), near: Vec::new() };
        for Again { claim, spec } in claims {
            let namespace = &context.member.namespace;
            let wanted = Wanted { namespace, name: &claim.name, uid: None, spec, class };
            match chosen(volumes, &wanted, nodes, &taken) {
                Some(volume) => {
                    taken.push(&volume.name);
                    supply.found.push((&claim.name, volume));
                }
                None => {
                    supply.lacking.push(&claim.name);
                    let candidates = volumes.iter().filter(|volume| {
                        reserved(volume, &wanted) || volume.claim.is_none() && volume.storage_class == class
                    });
                    let words = candidates.filter_map(|volume| why_not(volume, &wanted, nodes));
                    supply.near.extend(words.take(MOST_NAMED));
                }
            }
        }
        supply.near.dedup();
        Some(supply)
    }
}

/// Returns why a candidate volume does not fit a claim; `None` if it does.
fn why_not(volume: &Volume, wanted: &Wanted<'_>, nodes: Option<&[NodeFacts]>) -> Option<String> {
    if !volume.records.is_empty() {
        return Some(format!("volume {} is retained by an earlier operation", volume.name));
    }
    misfit(volume, wanted, nodes).map(|misfit| format!("volume {} {}", volume.name, misfit_text(&misfit, wanted.spec)))
}

/// Returns why a volume does not fit, as text that follows its name.
pub(crate) fn misfit_text(misfit: &Misfit, asked: &ClaimSpec) -> String {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    match misfit {
        Misfit::Taken(claim) => format!("belongs to claim {}/{}", claim.namespace, claim.name),
        Misfit::TooSmall(size) => {
            let size = size.as_deref().unwrap_or("no size");
            format!("has {size}, but {} is requested", asked.size.as_deref().unwrap_or("more"))
        }
        Misfit::Mode(mode) => format!("has volume mode {mode}, but {} is requested", asked.mode),
        Misfit::Terminating => "is being deleted".to_owned(),
        Misfit::AccessModes(lacks) => format!("cannot be mounted {}", lacks.join(", ")),
        Misfit::AttributesClass(class) => {
            let (has, asked) = (or_none(class), or_none(&asked.attributes_class));
            format!("has VolumeAttributesClass {has}, but {asked} is requested")
        }
        Misfit::Phase(phase) => format!("is {phase}, not Available"),
        Misfit::Labels => "lacks the requested labels".to_owned(),
        Misfit::Class(class) if class.is_empty() => "has no storage class".to_owned(),
        Misfit::Class(class) => format!("has storage class {class}"),
        Misfit::Nodes(names) if names.is_empty() => {
            "is tied by its node affinity to nodes that do not exist".to_owned()
        }
        Misfit::Nodes(names) => format!("is tied to {}, where no pod can start now", names.join(", ")),
    }
}

fn sized(volume: &Volume) -> &str {
    volume.capacity.as_deref().unwrap_or("of unknown size")
}

/// Warns about claims that the template would recreate differently.
pub(super) fn recreated_differently(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    if !context.returning.is_empty() {
        return;
    }
    let set = context.component.map(|component| component.name.as_str()).unwrap_or_default();
    for Again { claim, spec } in made_again(context) {
        let changes = differences(&claim.spec, spec, context.topology.classes.as_known().map(Vec::as_slice));
        if !changes.is_empty() {
            let why = format!(
                "claim {} is recreated from the template of StatefulSet {set}, with changes: {}",
                claim.name,
                changes.join("; ")
            );
            checks.push(warn(PlanCheckId::Claims, why));
        }
    }
}

/// Returns how a claim differs from its template. A field that one of the two does not set is not compared.
fn differences(now: &ClaimSpec, then: &ClaimSpec, classes: Option<&[StorageClassFacts]>) -> Vec<String> {
    use crate::topology::quantity::Quantity;
    let none = || "none".to_owned();
    let change = |what: &str, then: &str, now: &str| format!("{what} {then} (now {now})");
    let mut changes = Vec::new();
    if let (Some(has), Some(gets)) = (&now.size, &then.size)
        && Quantity::parse(has) != Quantity::parse(gets)
    {
        changes.push(change("size", gets, has));
    }
    if let (Some(has), Some(classes)) = (&now.class, classes) {
        let gets = class_of(then.class.as_deref(), classes);
        if has != gets {
            let word = |class: &str| if class.is_empty() { none() } else { class.to_owned() };
            changes.push(change("storage class", &word(gets), &word(has)));
        }
    }
    if now.attributes_class != then.attributes_class {
        let word = |class: &Option<String>| class.clone().unwrap_or_else(none);
        changes.push(change("VolumeAttributesClass", &word(&then.attributes_class), &word(&now.attributes_class)));
    }
    let modes = |spec: &ClaimSpec| {
        let mut modes = spec.access_modes.clone();
        modes.sort();
        modes
    };
    if modes(now) != modes(then) && !now.access_modes.is_empty() && !then.access_modes.is_empty() {
        changes.push(change("access modes", &then.access_modes.join(", "), &now.access_modes.join(", ")));
    }
    if now.mode != then.mode {
        changes.push(change("volume mode", &then.mode.to_string(), &now.mode.to_string()));
    }
    changes
}
