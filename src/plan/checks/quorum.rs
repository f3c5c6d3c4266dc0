//! The other members: whether the safekeepers keep their majority, and whether what answers for the target is there.

use super::{CheckContext, PlanCheck, PlanCheckId, are, overridable, pass, span, warn};
use crate::cli::Allow;
use crate::plan::{Action, Outcome, Record, newest};
use crate::storage::peers::{Standing, peers};
use crate::storage::words;
use crate::topology::health::{majority, wanted};
use crate::topology::layout::Role;
use crate::topology::{Component, Member};
use jiff::{SignedDuration, Timestamp};

/// A safekeeper whose disk is newer may still be fetching WAL.
const SETTLED: i64 = 5 * 60;
/// A claim that comes by this much later than its set, per pod that comes before its own, is not of the installation.
const INSTALLATION: SignedDuration = SignedDuration::from_secs(60);

/// WAL is durable once a majority of safekeepers has flushed it, and one that lost its disk must fetch it again: with
/// another one lagging, both together can be a majority without committed WAL (Neon's docs/walservice.md). So each of the
/// others must hold all that is committed; only of one that does not say so is it guessed from the age of its disk.
pub(super) fn quorum(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let Some(component) = context.component.filter(|component| component.role == Role::Safekeeper) else { return };
    let total = wanted(component);
    let others: Vec<&Member> = component.members.iter().filter(|other| other.name != context.member.name).collect();
    let down: Vec<&str> = others.iter().filter(|other| !other.ready()).map(|other| other.name.as_str()).collect();
    let mut found = Others::default();
    let standings = peers(&context.member.name, context.storage);
    for other in others.iter().filter(|other| other.ready()) {
        let standing = standings.iter().find(|peer| peer.pod == other.name).map(|peer| &peer.standing);
        found.look(context, component, other, standing);
    }
    let Others { mut missing, unknown, timelines } = found;
    let left = others.len() - down.len() - missing.len();
    let needed = majority(total);
    let numbers = format!("{left} of {total} safekeepers would be left, and a majority is {needed}");
    if !down.is_empty() {
        missing.insert(0, format!("{} not Ready", are(&down)));
    }
    let missing = missing.join(", ");
    // Restarting one that is down already, with its disk, costs the majority nothing.
    let costs = context.member.ready() || !context.keep_claims;
    let id = PlanCheckId::Quorum;
    let check = if !context.deletes() {
        match missing.as_str() {
            "" => pass(id, format!("{left} of {total} other safekeepers are Ready; a majority is {needed}")),
            missing => warn(id, format!("{missing} ({left} of {} others count)", others.len())),
        }
    } else if costs && left < needed {
        let why = if missing.is_empty() { numbers } else { format!("{missing}: {numbers}") };
        overridable(context, id, why, Allow::QuorumLoss)
    } else if !missing.is_empty() && !context.keep_claims {
        let why = format!(
            "{missing} ({left} of {} others are): one that lost its disk and one that lags could be a majority without \
             committed WAL",
            others.len()
        );
        overridable(context, id, why, Allow::QuorumLoss)
    } else if let Some((_, why)) = unknown.first() {
        let names: Vec<&str> = unknown.iter().map(|(pod, _)| pod.as_str()).collect();
        let have = if names.len() == 1 { "has" } else { "have" };
        let known = format!("{left} of {total} safekeepers stay Ready; a majority is {needed}");
        let names = names.join(", ");
        warn(id, format!("{known}; whether {names} {have} all committed WAL is unknown: {why}"))
    } else {
        let held = match timelines {
            0 => "no timeline is active".to_owned(),
            timelines => format!("each has all committed WAL of {}", words::counted(timelines, "timeline")),
        };
        pass(id, format!("{left} of {total} safekeepers stay Ready; a majority is {needed}; {held}"))
    };
    checks.push(check);
}

/// What is found of the other safekeepers that are Ready.
#[derive(Default)]
struct Others {
    /// Those that do not count, and why.
    missing: Vec<String>,
    /// Those of which that is not known, and why.
    unknown: Vec<(String, String)>,
    /// Active timelines of those that hold all.
    timelines: u64,
}

impl Others {
    fn look(&mut self, context: &CheckContext<'_>, component: &Component, other: &Member, standing: Option<&Standing>) {
        // However old: nobody has found its WAL whole since. One that was only not proven is found whole by what it says now.
        let found_whole =
            |record: &Record| record.outcome == Outcome::Unverified && matches!(standing, Some(Standing::Level(_)));
        let last = last_record(context, other).filter(|record| !record.keep_claims && !found_whole(record));
        if let Some(why) = last.and_then(unrecovered) {
            self.missing.push(why);
            return;
        }
        match standing {
            Some(Standing::Level(timelines)) => self.timelines = self.timelines.max(*timelines),
            Some(Standing::Short(short)) => {
                let short: Vec<String> = short.iter().map(ToString::to_string).collect();
                self.missing.push(format!("{} is short: {}", other.name, words::some(&short)));
            }
            Some(Standing::Unknown(_)) | None => match fetching(context, component, other) {
                Some(why) => self.missing.push(why),
                None => {
                    let why = match standing {
                        Some(Standing::Unknown(why)) => why.clone(),
                        _ => "it was not asked".to_owned(),
                    };
                    self.unknown.push((other.name.clone(), why));
                }
            },
        }
    }
}

/// Why a member whose last operation did not end well does not count, in words; `None` if it recovered.
pub(super) fn unrecovered(record: &Record) -> Option<String> {
    let how = match record.outcome {
        Outcome::Recovered => return None,
        Outcome::InProgress => "is unfinished",
        Outcome::CatchingUp => "was still catching up",
        Outcome::Unverified => "was not proven",
        Outcome::DataMissing => "ended with data missing",
    };
    let act = if record.act == Action::Failover { "failover" } else { "undo" };
    Some(format!("{act} {} of {} {how}", record.id, record.pod))
}

/// By what a Ready safekeeper that does not say how far it is may still be fetching the WAL that its new disk lacks: by its
/// record, or by a claim that is young, and younger than a claim of the installation is.
fn fetching(context: &CheckContext<'_>, component: &Component, other: &Member) -> Option<String> {
    let young = |time: &Timestamp| context.seconds_since(*time) < SETTLED;
    let newest = other.claims.iter().filter_map(|claim| claim.created).max();
    if let Some(record) = last_record(context, other).filter(|record| !record.keep_claims) {
        let finished = record.finished.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
        if let Some(finished) = finished.filter(young) {
            let ago = span(context.seconds_since(finished));
            return Some(format!("{} got another disk {ago} ago, and may still be fetching WAL", other.name));
        }
    }
    let claim = newest.filter(young).filter(|claim| arrived_later(component, other, Some(*claim)))?;
    let age = span(context.seconds_since(claim));
    Some(format!("{} has a disk that is {age} old, and may still be fetching WAL", other.name))
}

/// Whether something of a member came too late to be of its set's installation. A set in order makes each pod, with its
/// claims, once those before it are Ready, so the later ones have more time.
pub(super) fn arrived_later(component: &Component, member: &Member, created: Option<Timestamp>) -> bool {
    let Some((set, created)) = component.set().zip(created) else { return false };
    let Some(began) = set.created else { return false };
    let before = member.ordinal().map_or(0, |ordinal| ordinal.saturating_sub(i64::from(set.first)));
    let steps = if set.ordered { i32::try_from(before).unwrap_or(i32::MAX).saturating_add(1) } else { 1 };
    created.duration_since(began) > INSTALLATION * steps
}

/// The newest act of a member that is on record.
pub(super) fn last_record<'s>(context: &CheckContext<'s>, member: &Member) -> Option<&'s Record> {
    newest(context.records, context.topology, member)
}

pub(super) fn siblings(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    if context.member.role == Role::Safekeeper {
        return;
    }
    // What answers for the target needs all of these: its component, and the endpoint it answers through.
    let endpoint = context
        .component
        .and_then(|component| component.answers_through)
        .and_then(|role| context.topology.space(&context.member.namespace).and_then(|space| space.component(role)));
    let down: Vec<&str> = context
        .component
        .into_iter()
        .chain(endpoint)
        .flat_map(|component| &component.members)
        .filter(|other| other.name != context.member.name && !other.ready())
        .map(|other| other.name.as_str())
        .collect();
    if !down.is_empty() {
        checks.push(warn(
            PlanCheckId::Siblings,
            format!("{} not Ready either: SQL may stay away until all are", are(&down)),
        ));
    }
}
