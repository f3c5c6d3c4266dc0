//! Whether a retained volume fits what its claim will ask for: the claim is recreated from a template, and Kubernetes silently
//! ignores a volume that does not fit, and provisions a new, empty one.

use super::checks::misfit_text;
use crate::topology::binding::unlike;
use crate::topology::{ClaimSpec, Member, Topology, Volume};

/// Returns why Kubernetes would not bind a recreated claim to the volume that is reserved for it; `None` if it would. Class and
/// labels do not matter for a reserved volume.
pub(super) fn unfit(topology: &Topology, member: &Member, claim: &str, volume: &Volume) -> Option<String> {
    let set = topology.component_of(member).and_then(|component| Some((component, component.set()?)));
    let template = set.and_then(|(component, set)| Some((component, set.template_of(claim, &member.name)?)));
    let (spec, whose): (&ClaimSpec, String) = match template {
        Some((component, template)) => (&template.spec, format!("the template of StatefulSet {}", component.name)),
        // The templates are unknown: the claim stands for them.
        None => {
            let present = member.claims.iter().find(|present| present.name == claim && present.uid.is_some())?;
            (&present.spec, format!("the current claim {claim}"))
        }
    };
    let misfit = unlike(volume, spec)?;
    let why = misfit_text(&misfit, spec);
    let name = &volume.name;
    Some(format!(
        "volume {name} {why} by {whose}: Kubernetes would not bind it to claim {claim}, but provision a new, empty one"
    ))
}
