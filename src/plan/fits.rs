//! Whether a volume that was set aside is what its claim will ask for: the claim is made from a template again, and a volume
//! that does not fit is passed over without a word, for a new and empty one.

use super::checks::in_words;
use crate::topology::binding::unlike;
use crate::topology::{ClaimSpec, Member, Topology, Volume};

/// Why Kubernetes would not bind a claim that is made again to the volume that is reserved for it, in words; `None` where
/// it would. Class and labels are not asked of a reserved volume.
pub(super) fn unfit(topology: &Topology, member: &Member, claim: &str, volume: &Volume) -> Option<String> {
    let set = topology.component_of(member).and_then(|component| Some((component, component.set()?)));
    let template = set.and_then(|(component, set)| Some((component, set.template_of(claim, &member.name)?)));
    let (spec, whose): (&ClaimSpec, String) = match template {
        Some((component, template)) => (&template.spec, format!("the template of StatefulSet {}", component.name)),
        // The templates are not known: the claim is as it was made from them.
        None => {
            let present = member.claims.iter().find(|present| present.name == claim && present.uid.is_some())?;
            (&present.spec, format!("claim {claim}, as it is now,"))
        }
    };
    let misfit = unlike(volume, spec)?;
    let why = in_words(&misfit, spec);
    let name = &volume.name;
    Some(format!(
        "volume {name} {why} by {whose}: Kubernetes would not give it to claim {claim} again, but make a new, empty one"
    ))
}
