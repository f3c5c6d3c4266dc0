//! Computes how long a database was unavailable from the probes that were sent to it. Pure: times are those of a
//! monotonic clock, from an arbitrary start.

use crate::plan::{ExpectedAvailability, NotMeasured, ProbeTarget};
use crate::probe::sql::Reached;
use std::time::Duration;

/// One probe of a database, including the login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub started: Duration,
    /// When the response arrived, or it was known that there would be none.
    pub ended: Duration,
    /// Its result.
    pub outcome: AttemptOutcome,
}

/// The result of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The database responded: the server alone, or every segment of an MPP server.
    Answered(Reached),
    /// It did not respond, for this reason: it refused, nothing listened, or the time ran out.
    Failed(String),
    /// The connection to it failed, which says nothing about the database.
    Unknown(String),
}

/// A database, and its measured availability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Availability {
    /// Namespace, if it is known.
    pub namespace: Option<String>,
    /// Pod that takes the session, if it is known.
    pub pod: Option<String>,
    /// The expectation for it; `None` for one that is not probed.
    pub expected: Option<ExpectedAvailability>,
    /// How long it was unavailable, or why that is unknown.
    pub measured: Result<Downtime, String>,
}

/// How a database responded from the start of a run to its end. Durations are since the start.
///
/// It counts as unavailable from the end of the last response before the outage to the end of the first response after
/// it, which is an upper bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Downtime {
    /// Completed probes, including the last one before the start.
    pub asked: usize,
    /// Probes that got a response.
    pub answered: usize,
    /// Probes that say nothing, because the connection failed.
    pub unknown: usize,
    /// Whether the responses are those of every segment of an MPP server.
    pub segments: bool,
    /// Whether it responded when the run began.
    pub answered_before: bool,
    /// When the first failed probe began.
    pub first_failure: Option<Duration>,
    /// When the first response after that arrived.
    pub first_success_after: Option<Duration>,
    /// The longest time without a response, whatever the reason.
    pub longest_gap: Option<Duration>,
    /// The longest outage after a response.
    pub interruption: Option<Duration>,
    /// The number of outages after a response.
    pub interruptions: usize,
    /// Whether the last probe failed.
    pub still_away: bool,
    /// Why the last failed probe failed.
    pub reason: Option<String>,
}

/// A time without a response.
struct Outage {
    from: Duration,
    /// It had responded before.
    interrupts: bool,
    /// At least one probe shows that it was the database.
    away: bool,
}

impl Downtime {
    /// Evaluates the attempts, which are in order, of a run from `begun` to `ended`. The last attempt that ended before
    /// the run tells how the database was at its start; earlier ones do not count. Attempts that were cut off are not
    /// included. An outage that is open at the end lasts until then.
    ///
    /// # Errors
    /// Why nothing is known: no probe completed, or the connection failed each time.
    pub fn of(attempts: &[Attempt], begun: Duration, ended: Duration) -> Result<Self, String> {
        let before = attempts.iter().rposition(|attempt| attempt.ended <= begun);
        let attempts = &attempts[before.unwrap_or(0)..];
        let since = |time: Duration| time.saturating_sub(begun);
        let mut account = Self {
            asked: attempts.len(),
            answered_before: before.is_some() && matches!(attempts[0].outcome, AttemptOutcome::Answered(_)),
            ..Self::default()
        };
        let mut last_answer = None;
        let mut gap: Option<Outage> = None;
        for Attempt { started, ended, outcome } in attempts {
            let (away, reason) = match outcome {
                AttemptOutcome::Answered(reached) => {
                    account.answered += 1;
                    account.segments |= *reached == Reached::Segments;
                    if let Some(gap) = gap.take() {
                        account.first_success_after.get_or_insert(since(*ended));
                        account.close(&gap, *ended);
                    }
                    last_answer = Some(*ended);
                    continue;
                }
                AttemptOutcome::Failed(reason) => (true, reason),
                AttemptOutcome::Unknown(reason) => {
                    account.unknown += 1;
                    (false, reason)
                }
            };
            account.first_failure.get_or_insert(since(*started));
            account.reason = Some(reason.clone());
            // What happened before the run was not caused by it.
            let from = last_answer.unwrap_or(*started).max(begun);
            gap.get_or_insert(Outage { from, interrupts: last_answer.is_some(), away: false }).away |= away;
        }
        if account.asked == 0 {
            return Err("no probe had completed by the end".into());
        }
        if account.unknown == account.asked {
            return Err(account.reason.unwrap_or_default());
        }
        if let Some(gap) = gap {
            account.still_away = true;
            account.close(&gap, attempts.last().map_or(ended, |last| last.ended.max(ended)));
        }
        Ok(account)
    }

    fn close(&mut self, gap: &Outage, to: Duration) {
        let length = Some(to.saturating_sub(gap.from));
        self.longest_gap = self.longest_gap.max(length);
        if gap.interrupts && gap.away {
            self.interruption = self.interruption.max(length);
            self.interruptions += 1;
        }
    }
}

impl Availability {
    /// Returns the availability of a probed database.
    pub fn measured(target: ProbeTarget, measured: Result<Downtime, String>) -> Self {
        let ProbeTarget { namespace, pod, expected, .. } = target;
        Self { namespace: Some(namespace), pod: Some(pod), expected: Some(expected), measured }
    }

    /// Returns whether an expectation failed: it was unavailable although it should not have been. A database that
    /// never responded does not count.
    pub fn finding(&self) -> bool {
        let away = matches!(&self.measured, Ok(account) if account.interruption.is_some());
        away && self.expected == Some(ExpectedAvailability::NoInterruption)
    }
}

impl From<NotMeasured> for Availability {
    fn from(NotMeasured { namespace, pod, why }: NotMeasured) -> Self {
        Self { namespace, pod, expected: None, measured: Err(why) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::layout::SqlEndpoint;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Parses attempts: `0-10` responded, `0-10!` failed, `0-10?` unknown; milliseconds.
    fn attempts(words: &str) -> Vec<Attempt> {
        let attempt = |word: &str| {
            let times = word.trim_end_matches(['!', '?']);
            let (started, ended) = times.split_once('-').unwrap();
            let outcome = match &word[times.len()..] {
                "!" => AttemptOutcome::Failed(format!("failed at {ended}")),
                "?" => AttemptOutcome::Unknown(format!("no way at {ended}")),
                _ => AttemptOutcome::Answered(Reached::Server),
            };
            Attempt { started: ms(started.parse().unwrap()), ended: ms(ended.parse().unwrap()), outcome }
        };
        words.split_whitespace().map(attempt).collect()
    }

    /// Evaluates a run from 1000 to 3000.
    fn account(words: &str) -> Result<Downtime, String> {
        Downtime::of(&attempts(words), ms(1000), ms(3000))
    }

    #[test]
    fn all_answered() {
        let expected = Downtime { asked: 3, answered: 3, answered_before: true, ..Downtime::default() };
        // Attempts before the last one before the run do not count, whatever their result.
        assert_eq!(account("0-10! 500-510 900-910 1100-1110 2900-2910"), Ok(expected.clone()));
        // The first one lasted until after the start of the run: the state before is unknown.
        let expected = Downtime { answered_before: false, ..expected };
        assert_eq!(account("900-1010 1100-1110 2900-2910"), Ok(expected));
    }

    #[test]
    fn away_and_back() {
        let words = "900-910 1100-1110 1300-1305! 1500-1505! 1700-1720 1900-1905! 2100-2110";
        let expected = Downtime {
            asked: 7,
            answered: 4,
            unknown: 0,
            segments: false,
            answered_before: true,
            first_failure: Some(ms(300)),
            first_success_after: Some(ms(720)),
            // From the end of the last response to the end of the next one.
            longest_gap: Some(ms(610)),
            interruption: Some(ms(610)),
            interruptions: 2,
            still_away: false,
            reason: Some("failed at 1905".into()),
        };
        assert_eq!(account(words), Ok(expected));
    }

    #[test]
    fn gaps_begin_and_end_where_they_should() {
        for (words, gap, interruption, back, still) in [
            // The time before the run does not count.
            ("500-510 1100-1110! 1300-1310", Some(310), Some(310), Some(310), false),
            // Unavailable at the end: until the end of the run, or of the attempt that was allowed to finish.
            ("900-910 1100-1110 2000-2010!", Some(1890), Some(1890), None, true),
            ("900-910 1100-1110 2000-3400!", Some(2290), Some(2290), None, true),
            // A hang, and the pause after it: no probe was sent, and the outage continues.
            ("900-910 1100-3100! 5100-5110", Some(4110), Some(4110), Some(4110), false),
            // Down before: not an outage, however long.
            ("900-910! 1100-1110! 1300-1310", Some(310), None, Some(310), false),
            ("900-910! 1100-1110!", Some(2000), None, None, true),
            ("1100-1110! 1300-1310!", Some(1900), None, None, true),
            // Down before, back, and down again: that is one outage.
            ("900-910! 1300-1310 1500-1510! 1700-1710", Some(400), Some(400), Some(310), false),
            // The connection failed: whether the database was unavailable is unknown.
            ("900-910 1100-1110? 1300-1310", Some(310), None, Some(310), false),
            // And then it was: for the whole time, as an upper bound.
            ("900-910 1100-1110? 1300-1310! 1500-1510", Some(510), Some(510), Some(510), false),
        ] {
            let account = account(words).unwrap();
            assert_eq!(account.longest_gap, gap.map(ms), "{words}");
            assert_eq!(account.interruption, interruption.map(ms), "{words}");
            assert_eq!((account.first_success_after, account.still_away), (back.map(ms), still), "{words}");
        }
    }

    #[test]
    fn nothing_known_is_not_nothing_wrong() {
        assert_eq!(account(""), Err("no probe had completed by the end".into()));
        assert_eq!(account("900-910? 1100-1110?"), Err("no way at 1110".into()));
        // Down before the run, for an unknown time: it counts from the start.
        assert_eq!(account("900-910!").unwrap().first_failure, Some(ms(0)));
    }

    #[test]
    fn only_an_unexpected_interruption_is_a_finding() {
        let reach = |expected, words| {
            let endpoint = SqlEndpoint { port: 5432, user: "u".into(), database: "d".into(), login_database: None };
            let target = ProbeTarget { namespace: "n".into(), pod: "p".into(), endpoint, warehouse: None, expected };
            Availability::measured(target, account(words)).finding()
        };
        let away = "900-910 1100-1110! 1300-1310";
        assert!(reach(ExpectedAvailability::NoInterruption, away));
        assert!(!reach(ExpectedAvailability::BriefInterruption, away) && !reach(ExpectedAvailability::None, away));
        assert!(!reach(ExpectedAvailability::NoInterruption, "900-910 1100-1110"));
        assert!(!reach(ExpectedAvailability::NoInterruption, "900-910! 1100-1110!"), "it was down before");
        assert!(
            !reach(ExpectedAvailability::NoInterruption, "900-910 1100-1110? 1300-1310"),
            "it may have been the way"
        );
        let why = NotMeasured { namespace: None, pod: None, why: "not allowed".into() };
        assert_eq!(Availability::from(why).measured, Err("not allowed".into()));
    }
}
