//! `release`: what would be released, and what was.

use super::history::kind;
use super::{Paint, sanitize_line, wrapped};
use crate::plan::history::{Entry, RetainedState, RetainedVolume};
use crate::suggestion::kubectl;
use crate::text::counted;
use crate::topology::quantity::Quantity;

/// Returns the retained volumes of operations, each once: two operations may have retained the same one.
fn volumes<'e>(entries: &[&'e Entry]) -> Vec<&'e RetainedVolume> {
    let mut volumes: Vec<&RetainedVolume> = Vec::new();
    for retained in entries.iter().flat_map(|entry| &entry.retained) {
        let known = volumes.iter().any(|known| known.volume == retained.volume);
        if retained.state == RetainedState::Retained && !known {
            volumes.push(retained);
        }
    }
    volumes
}

/// Returns what must be typed to release them: the pod's name, or of several pods the number of volumes.
pub(crate) fn answer(entries: &[&Entry]) -> String {
    let pod = |entry: &Entry| (entry.record.namespace.clone(), entry.record.pod.clone());
    match entries {
        [first, rest @ ..] if rest.iter().all(|entry| pod(entry) == pod(first)) => first.record.pod.clone(),
        _ => volumes(entries).len().to_string(),
    }
}

/// Renders what would be released, for above the prompt.
pub(crate) fn release(entries: &[&Entry], paint: Paint) -> String {
    let mut text = String::new();
    for entry in entries {
        let record = &entry.record;
        let what = format!("{} {} of {}/{}", kind(&record.act), record.id, record.namespace, record.pod);
        text.push_str(&wrapped("", &format!("Permanently deletes the volumes retained by {what}:")));
        for retained in volumes(&[entry]) {
            let size = retained.size.as_deref().unwrap_or("of unknown size");
            let volume = format!("volume {} ({size}), formerly claim {}", retained.volume, retained.claim);
            text.push_str(&wrapped("  - ", &volume));
        }
    }
    if entries.len() > 1 {
        let all = volumes(entries);
        let sizes: Option<Vec<Quantity>> = all.iter().map(|one| Quantity::parse(one.size.as_deref()?)).collect();
        let size = sizes.map_or_else(|| "of unknown size".to_owned(), |sizes| Quantity::sum(sizes).in_gibibytes());
        text.push_str(&format!("In total: {} ({size})\n", counted(all.len(), "volume")));
    }
    text.push_str(&format!("\n{}\n", paint.bad("High risk: this cannot be undone.")));
    text
}

/// Volumes of operations that were released, each with the reclaim policy that it got back.
type Released<'e> = [(&'e Entry, Vec<(String, String)>)];

/// Renders `persistentvolume/NAME`, one per line.
pub(crate) fn names(released: &Released<'_>) -> String {
    let volumes = released.iter().flat_map(|(_, volumes)| volumes);
    volumes.map(|(volume, _)| format!("persistentvolume/{}\n", sanitize_line(volume))).collect()
}

/// Renders the released volumes, and the reclaim policy that each got back.
pub(crate) fn released(released: &Released<'_>, paint: Paint) -> String {
    let mut text = String::new();
    for (entry, volumes) in released {
        text.push_str(&format!(
            "{}: {} of {} ({})\n",
            paint.ok("Released"),
            counted(volumes.len(), "volume"),
            sanitize_line(&entry.record.pod),
            sanitize_line(&entry.record.id)
        ));
        for (volume, policy) in volumes {
            let what = match policy.as_str() {
                "Retain" => {
                    let delete = kubectl("delete pv").word(volume);
                    format!("volume {volume}: its own reclaim policy is Retain, so it stays; to delete it: {delete}")
                }
                _ => format!("volume {volume}: reclaim policy set to {policy}"),
            };
            text.push_str(&wrapped("  ", &what));
        }
    }
    text
}
