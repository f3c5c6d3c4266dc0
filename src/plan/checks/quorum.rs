//! Other pods: whether the safekeepers keep their quorum, and whether what answers for the target is Ready.

use super::{CheckContext, PlanCheck, PlanCheckId, overridable, pass, warn};
use crate::cli::Allow;
use crate::duration::age_of;
use crate::plan::{Action, Record, RecordedOutcome, newest};
use crate::storage::peers::{PeerState, peers};
use crate::text::{are, counted, first_few};
use crate::topology::health::{majority, wanted};
use crate::topology::layout::Role;
use crate::topology::{Component, Member};
use jiff::{SignedDuration, Timestamp};

/// Age in seconds of a disk below which a safekeeper may still be catching up.
const SETTLED: i64 = 5 * 60;
/// A claim created later than this after its set, per pod before its own, was not created by the installation.
const INSTALLATION: SignedDuration = SignedDuration::from_secs(60);

/// Checks the safekeepers' quorum. WAL is durable once a majority of safekeepers has flushed it, and one that lost its disk
/// must fetch it again: with another one lagging, both together can be a majority without committed WAL (Neon's
/// docs/walservice.md). So each of the others must have all committed WAL; only if one does not report that, it is estimated
/// from the age of its disk.
pub(super) fn quorum(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let Some(component) = context.component.filter(|component| component.role == Role::Safekeeper) else { return };
    let total = wanted(component);
    let others: Vec<&Member> = component.members.iter().filter(|other| other.name != context.member.name).collect();
    let down: Vec<&str> = others.iter().filter(|other| !other.ready()).map(|other| other.name.as_str()).collect();
    let mut found = Others::default();
    let standings = peers(&context.member.name, context.storage);
    for other in others.iter().filter(|other| other.ready()) {
        let standing = standings.iter().find(|peer| peer.pod == other.name).map(|peer| &peer.standing);
        found.add(context, component, other, standing);
    }
    let Others { mut missing, unknown, timelines } = found;
    let left = others.len() - down.len() - missing.len();
    let needed = majority(total);
    let numbers = format!("only {left} of {total} safekeepers would remain (quorum is {needed})");
    if !down.is_empty() {
        missing.insert(0, format!("{} not Ready", are(&down)));
    }
    let missing = missing.join(", ");
    // Restarting one that is down already, with its disk, does not affect the quorum.
    let costs = context.member.ready() || !context.keep_claims;
    let id = PlanCheckId::Quorum;
    let check = if !context.deletes() {
        match missing.as_str() {
            "" => pass(id, format!("{left} of {total} other safekeepers are Ready (quorum is {needed})")),
            missing => warn(id, format!("{missing} ({left} of {} others count)", others.len())),
        }
    } else if costs && left < needed {
        let why = if missing.is_empty() { numbers } else { format!("{missing}: {numbers}") };
        overridable(context, id, why, Allow::QuorumLoss)
    } else if !missing.is_empty() && !context.keep_claims {
        let why = format!(
            "{missing} ({left} of {} others count): one that lost its disk and one that lags could be a majority without \
             committed WAL",
            others.len()
        );
        overridable(context, id, why, Allow::QuorumLoss)
    } else if let Some((_, why)) = unknown.first() {
        let names: Vec<&str> = unknown.iter().map(|(pod, _)| pod.as_str()).collect();
        let have = if names.len() == 1 { "has" } else { "have" };
        let known = format!("{left} of {total} safekeepers stay Ready (quorum is {needed})");
        let names = names.join(", ");
        warn(id, format!("{known}; unknown whether {names} {have} all committed WAL: {why}"))
    } else {
        let held = match timelines {
            0 => "no active timelines".to_owned(),
            timelines => format!("each has all committed WAL of {}", counted(timelines, "timeline")),
        };
        pass(id, format!("{left} of {total} safekeepers stay Ready (quorum is {needed}); {held}"))
    };
    checks.push(check);
}

/// Findings about the other Ready safekeepers.
#[derive(Default)]
struct Others {
    /// Those that do not count, and why.
    missing: Vec<String>,
    /// Those for which that is unknown, and why.
    unknown: Vec<(String, String)>,
    /// Active timelines of those that have all WAL.
    timelines: u64,
}

impl Others {
    fn add(&mut self, context: &CheckContext<'_>, component: &Component, other: &Member, standing: Option<&PeerState>) {
        // However old: its WAL was never verified since. One that was only unverified counts if it now reports all WAL.
        let verified_now = |record: &Record| {
            record.outcome == RecordedOutcome::Unverified && matches!(standing, Some(PeerState::Level(_)))
        };
        let last = last_record(context, other).filter(|record| !record.keep_claims && !verified_now(record));
        if let Some(why) = last.and_then(unrecovered) {
            self.missing.push(why);
            return;
        }
        match standing {
            Some(PeerState::Level(timelines)) => self.timelines = self.timelines.max(*timelines),
            Some(PeerState::Short(short)) => {
                let short: Vec<String> = short.iter().map(ToString::to_string).collect();
                self.missing.push(format!("{} lacks WAL: {}", other.name, first_few(&short)));
            }
            Some(PeerState::Unknown(_)) | None => match fetching(context, component, other) {
                Some(why) => self.missing.push(why),
                None => {
                    let why = match standing {
                        Some(PeerState::Unknown(why)) => why.clone(),
                        _ => "it was not queried".to_owned(),
                    };
                    self.unknown.push((other.name.clone(), why));
                }
            },
        }
    }
}

/// Returns why a component whose last operation did not recover does not count; `None` if it recovered.
pub(super) fn unrecovered(record: &Record) -> Option<String> {
    let how = match record.outcome {
        RecordedOutcome::Recovered => return None,
        RecordedOutcome::Unfinished => "is unfinished",
        RecordedOutcome::CatchingUp => "was still catching up",
        RecordedOutcome::Unverified => "is unverified",
        RecordedOutcome::DataMissing => "ended with data missing",
    };
    let act = if record.act == Action::Failover { "failover" } else { "undo" };
    Some(format!("{act} {} of {} {how}", record.id, record.pod))
}

/// Returns why a Ready safekeeper that does not report its position may still be catching up after it got a new disk: by its
/// record, or by a claim that is new, and newer than the installation.
fn fetching(context: &CheckContext<'_>, component: &Component, other: &Member) -> Option<String> {
    let young = |time: &Timestamp| context.seconds_since(*time) < SETTLED;
    let newest = other.claims.iter().filter_map(|claim| claim.created).max();
    if let Some(record) = last_record(context, other).filter(|record| !record.keep_claims) {
        let finished = record.finished.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
        if let Some(finished) = finished.filter(young) {
            let ago = age_of(context.seconds_since(finished));
            return Some(format!("{}'s disk was replaced {ago} ago and may still be catching up", other.name));
        }
    }
    let claim = newest.filter(young).filter(|claim| arrived_later(component, other, Some(*claim)))?;
    let age = age_of(context.seconds_since(claim));
    Some(format!("{}'s disk is {age} old and may still be catching up", other.name))
}

/// Returns whether a pod or claim was created too late to be part of its set's installation. An ordered set creates each pod,
/// with its claims, once those before it are Ready, so later ones have more time.
pub(super) fn arrived_later(component: &Component, member: &Member, created: Option<Timestamp>) -> bool {
    let Some((set, created)) = component.set().zip(created) else { return false };
    let Some(began) = set.created else { return false };
    let before = member.ordinal().map_or(0, |ordinal| ordinal.saturating_sub(i64::from(set.first)));
    let steps = if set.ordered { i32::try_from(before).unwrap_or(i32::MAX).saturating_add(1) } else { 1 };
    created.duration_since(began) > INSTALLATION.saturating_mul(steps)
}

/// Returns the newest recorded operation on a pod.
pub(super) fn last_record<'s>(context: &CheckContext<'s>, member: &Member) -> Option<&'s Record> {
    newest(context.records, context.topology, member)
}

/// Warns if other pods that must answer for the target are not Ready.
pub(super) fn siblings(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    if context.member.role == Role::Safekeeper {
        return;
    }
    // Answering for the target needs all of its component, and the endpoint that it answers through.
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
            format!("{} not Ready either: SQL may be unavailable until all are", are(&down)),
        ));
    }
}
