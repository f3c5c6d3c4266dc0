//! `release`: gives retained volumes back to Kubernetes, which deletes them.

use super::Context;
use super::confirm::ask;
use super::history::{Past, read};
use super::login::note;
use crate::cli::{Output, ReleaseArgs};
use crate::cluster::Cluster;
use crate::cluster::write::Written;
use crate::duration;
use crate::error::{Error, Exit, Result};
use crate::plan::Record;
use crate::plan::history::{Entry, Release, history, may_not_be_released, to_release, without_type};
use crate::render::{prompt, release as text, structured};
use crate::suggestion::{plugin, quoted};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// An operation, and what was read with it.
struct Selected {
    past: Arc<Past>,
    entry: Entry,
}

impl Selected {
    fn record(&self) -> &Record {
        &self.entry.record
    }

    /// Returns why it must not be released.
    fn blocked(&self) -> Option<String> {
        may_not_be_released(&self.past.topology, &self.past.records, &self.entry)
    }

    fn volumes(&self) -> Vec<Release> {
        to_release(&self.past.topology, &self.past.records, &self.entry)
    }
}

pub(super) async fn release(context: &Context, args: &ReleaseArgs) -> Result<Exit> {
    context.also_in_json(&args.output, act(context, args).await)
}

async fn act(context: &Context, args: &ReleaseArgs) -> Result<Exit> {
    let cluster = context.cluster().await?;
    let selected = context.unless_interrupted(selected(context, &cluster, args)).await?;
    let entries: Vec<&Entry> = selected.iter().map(|one| &one.entry).collect();
    if entries.is_empty() {
        return report(context, args, &[]);
    }
    if args.output.is_for_people() {
        context.screen.note(&text::release(&entries, context.screen.err));
    }
    context.unless_interrupted(confirm(context, args, &entries)).await?;
    let mut released: Vec<(&Entry, Vec<(String, String)>)> = Vec::new();
    for one in &selected {
        // Two operations may have retained the same volume.
        let done: Vec<String> = released.iter().flat_map(|(_, done)| done).map(|(name, _)| name.clone()).collect();
        released.push((&one.entry, volumes(context, &cluster, one, &done).await?));
    }
    report(context, args, &released)
}

/// Releases the volumes of one operation, except those that were released already. Returns each with the reclaim policy that it got back.
async fn volumes(
    context: &Context,
    cluster: &Cluster,
    one: &Selected,
    done: &[String],
) -> Result<Vec<(String, String)>> {
    let mut released = Vec::new();
    let left = one.volumes().into_iter().filter(|release| !done.contains(&release.volume));
    for Release { volume, uid, released_by, reclaim_policy } in left {
        match cluster.release_volume(&volume, &uid, &released_by, &reclaim_policy).await? {
            Written::Done { .. } => released.push((volume, reclaim_policy)),
            Written::Gone => note(context, &format!("volume {volume} no longer exists")),
            Written::Changed { message, .. } => {
                return Err(refused(one.record(), format!("volume {volume}: {message}")));
            }
        }
    }
    context.journal.forget(&one.record().id)?;
    Ok(released)
}

fn report(context: &Context, args: &ReleaseArgs, released: &[(&Entry, Vec<(String, String)>)]) -> Result<Exit> {
    let result = match &args.output {
        Output::Machine(form) => structured::document(form, &structured::released(released))?,
        Output::Name => text::names(released),
        Output::Text | Output::Wide => text::released(released, context.screen.out),
    };
    context.screen.result(&result);
    Ok(Exit::Yes)
}

fn refused(record: &Record, why: String) -> Error {
    Error::refused(format!("release of {} blocked", record.id))
        .because(why)
        .hint(plugin("history").namespace(&record.namespace))
}

/// Returns the operations to release: those that were named, or those that are old enough.
///
/// # Errors
/// One that was named does not exist, or must not be released: nothing is released then.
async fn selected(context: &Context, cluster: &Cluster, args: &ReleaseArgs) -> Result<Vec<Selected>> {
    let past = Arc::new(read(context, cluster, context.global.namespace.as_deref(), args.all_namespaces).await?);
    if let Some(age) = args.older_than {
        return older(context, past, age, args.all_namespaces);
    }
    let mut selected: Vec<Selected> = Vec::new();
    let mut others: BTreeMap<String, Arc<Past>> = BTreeMap::new();
    for typed in &args.ids {
        let id = without_type(typed);
        let mut one = find(&past, id)?;
        let namespace = one.record().namespace.clone();
        // Its record is on a volume, and so is known, but its pod was not read.
        if past.topology.space(&namespace).is_none() {
            let other = match others.get(&namespace) {
                Some(known) => known.clone(),
                None => Arc::new(read(context, cluster, Some(&namespace), false).await?),
            };
            one = find(&other, id)?;
            others.insert(namespace, other);
        }
        if let Some(why) = one.blocked() {
            return Err(refused(one.record(), why).because("nothing was changed"));
        }
        if !selected.iter().any(|known| known.record().id == one.record().id) {
            selected.push(one);
        }
    }
    Ok(selected)
}

fn find(past: &Arc<Past>, id: &str) -> Result<Selected> {
    match history(&past.topology, &past.records).into_iter().find(|entry| entry.record.id == id) {
        Some(entry) => Ok(Selected { past: past.clone(), entry }),
        // Unread volumes may carry its record.
        None => Err(match past.gaps.first() {
            Some(gap) => Error::refused(format!("unknown whether there is a failover or undo with ID {id}"))
                .because(format!("{} cannot be read: {}", gap.part, gap.why))
                .because("nothing was changed"),
            None => Error::failure(format!("no failover or undo with ID {id}")),
        }
        .hint(plugin("history -A").note("to list them"))),
    }
}

/// Returns the operations in the namespaces that were read that ended long enough ago and may be released. Notes the others.
fn older(context: &Context, past: Arc<Past>, age: Duration, everywhere: bool) -> Result<Vec<Selected>> {
    if let Some(gap) = past.gaps.first() {
        return Err(Error::failure("unknown which operations are that old")
            .because(format!("{} cannot be read: {}", gap.part, gap.why))
            .because("nothing was changed"));
    }
    let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
    let until = Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN);
    let ended = |entry: &Entry| entry.record.finished.as_deref().and_then(|time| time.parse::<Timestamp>().ok());
    let looked_at = |entry: &Entry| everywhere || past.topology.space(&entry.record.namespace).is_some();
    let old = history(&past.topology, &past.records).into_iter().filter(|entry| {
        !entry.retained.is_empty() && looked_at(entry) && ended(entry).is_some_and(|ended| ended <= until)
    });
    let mut selected = Vec::new();
    for entry in old {
        let one = Selected { past: past.clone(), entry };
        match one.blocked() {
            None => selected.push(one),
            // What is released, in use or gone already needs no words.
            Some(_) if one.volumes().is_empty() => {}
            Some(why) => note(context, &format!("{} is skipped: {why}", one.record().id)),
        }
    }
    if selected.is_empty() {
        let age = duration::format(age.unsigned_abs());
        note(context, &format!("no operation that ended {age} ago or earlier has volumes to release"));
    }
    Ok(selected)
}

/// Asks for what [`text::answer`] wants, typed or as a flag: releasing cannot be undone.
async fn confirm(context: &Context, args: &ReleaseArgs, entries: &[&Entry]) -> Result<()> {
    let (screen, wanted) = (context.screen, text::answer(entries));
    let typed = match &args.confirm {
        Some(given) => given.clone(),
        None if screen.interactive => {
            let question = format!("Type {wanted} to continue");
            ask(context, prompt::Before::line(screen), move || prompt::type_name(screen, &question)).await?
        }
        None => {
            return Err(Error::refused("releasing cannot be undone, and there is no terminal for the prompt")
                .hint(format!("--confirm {}", quoted(&wanted))));
        }
    };
    if typed.trim() == wanted {
        return Ok(());
    }
    if args.confirm.is_some() {
        return Err(Error::refused(format!("--confirm {typed:?} does not match {wanted}"))
            .because("nothing was changed")
            .hint(format!("--confirm {}", quoted(&wanted))));
    }
    Err(Error::new(Exit::Declined, "declined; nothing was changed").because("the answer does not match"))
}
