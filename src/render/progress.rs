//! A running failover or undo: a table that is redrawn in place on a terminal, otherwise one line per change, or one JSON
//! object per line.

use super::structured;
use super::{COLUMNS, Screen, sanitize_line, wrapped};
use crate::cli::{Machine, Output};
use crate::duration;
use crate::plan::Action;
use crate::recovery::{Event, Phase, PhaseEnd};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// Shows events as they happen.
pub(crate) struct Progress {
    screen: Screen,
    way: Way,
    act: Action,
    last: Option<(Phase, String)>,
}

enum Way {
    Live(Box<Table>),
    Lines,
    Json,
}

struct Table {
    all: MultiProgress,
    _head: ProgressBar,
    rows: Vec<ProgressBar>,
    /// The running phase's full detail, if its row is too narrow.
    foot: ProgressBar,
}

/// Width of a row before its detail.
const BEFORE_DETAIL: usize = 29;
const TICK: Duration = Duration::from_millis(100);

impl Progress {
    /// Chooses the way that suits the screen and the output format.
    pub(crate) fn new(screen: Screen, form: &Output, act: &Action) -> Self {
        let way = match form {
            Output::Machine(Machine::Json) => Way::Json,
            _ if screen.live => Way::Live(Box::new(Table::new(screen))),
            _ => Way::Lines,
        };
        Self { screen, way, act: act.clone(), last: None }
    }

    /// Shows an event.
    pub(crate) fn show(&mut self, event: &Event) {
        if let Event::Detail(phase, text) = event {
            let this = Some((*phase, text.clone()));
            if self.last == this {
                return;
            }
            self.last = this;
        }
        match &self.way {
            Way::Live(table) => table.show(self.screen, event),
            Way::Lines => {
                if let Some(line) = line(event) {
                    self.screen.note(&format!("{line}\n"));
                }
            }
            Way::Json => self.screen.result(&structured::line(&structured::event(&self.act, event))),
        }
    }

    /// Removes the table: the result that follows has all of it.
    pub(crate) fn end(&mut self) {
        if let Way::Live(table) = &self.way {
            for row in &table.rows {
                row.disable_steady_tick();
            }
            let _ = table.all.clear();
            // The rows draw once more when they are dropped: hidden, so that they do not draw below the result.
            table.all.set_draw_target(ProgressDrawTarget::hidden());
        }
    }
}

/// A line that says what is waited for, on a terminal that can be redrawn. Removed when it is dropped.
pub(crate) struct Waiting(Option<ProgressBar>);

impl Waiting {
    /// Shows the line, with the elapsed time.
    pub(crate) fn begin(screen: Screen, what: &str) -> Self {
        Self(screen.live.then(|| {
            let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            line.set_style(timed("{msg} {elapsed_words}"));
            line.set_message(sanitize_line(what));
            line.enable_steady_tick(TICK);
            line
        }))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(line) = &self.0 {
            line.finish_and_clear();
        }
    }
}

/// Renders an event as one line; `None` if it has none.
pub(super) fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Started(_) => return None,
        Event::Detail(phase, text) => format!("{:<9} {}", phase.name(), sanitize_line(text)),
        Event::Done(phase, PhaseEnd::After(time, detail)) => {
            format!("{:<9} done in {}  {}", phase.name(), duration::format(*time), sanitize_line(detail))
                .trim_end()
                .to_owned()
        }
        Event::Done(phase, PhaseEnd::Skipped(why)) => format!("{:<9} skipped: {}", phase.name(), sanitize_line(why)),
        Event::Done(phase, PhaseEnd::Failed(why)) => format!("{:<9} failed: {}", phase.name(), sanitize_line(why)),
        Event::Notice(text) => format!("note: {}", sanitize_line(text)),
    })
}

impl Table {
    fn new(screen: Screen) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let head = all.add(ProgressBar::new_spinner());
        head.set_style(plain());
        head.set_message(screen.err.strong(format!("{:<9} {:<8} {:>8}  DETAIL", "PHASE", "STATE", "ELAPSED")));
        head.tick();
        let rows = Phase::ALL
            .iter()
            .map(|phase| {
                let row = all.add(ProgressBar::new_spinner());
                row.set_style(plain());
                row.set_message(format!("{:<9} {:<8}", phase.name(), "-"));
                row.tick();
                row
            })
            .collect();
        let foot = all.add(ProgressBar::new_spinner());
        foot.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
        Self { all, _head: head, rows, foot }
    }

    fn row(&self, phase: Phase) -> Option<&ProgressBar> {
        self.rows.get(Phase::ALL.iter().position(|other| *other == phase)?)
    }

    fn show(&self, screen: Screen, event: &Event) {
        let ended = |phase: Phase, state: String, time: String, detail: &str| {
            self.foot.set_message("");
            if let Some(row) = self.row(phase) {
                row.disable_steady_tick();
                row.set_style(plain());
                let text = format!("{:<9} {state} {time:>8}  {}", phase.name(), sanitize_line(detail));
                row.finish_with_message(text.trim_end().to_owned());
            }
        };
        match event {
            Event::Started(phase) => {
                if let Some(row) = self.row(*phase) {
                    row.reset_elapsed();
                    row.set_style(running(*phase));
                    row.set_message("");
                    row.enable_steady_tick(TICK);
                }
            }
            Event::Detail(phase, text) => {
                if let Some(row) = self.row(*phase) {
                    row.set_message(sanitize_line(text));
                }
                let narrow = BEFORE_DETAIL + text.chars().count() > COLUMNS;
                self.foot.set_message(if narrow {
                    format!("\n{}", wrapped("  ", text).trim_end())
                } else {
                    String::new()
                });
            }
            Event::Done(phase, PhaseEnd::After(time, detail)) => {
                ended(*phase, screen.err.ok("done    "), duration::format(*time), detail);
            }
            Event::Done(phase, PhaseEnd::Skipped(why)) => ended(*phase, "skipped ".into(), "-".into(), why),
            Event::Done(phase, PhaseEnd::Failed(why)) => {
                ended(*phase, screen.err.bad("failed  "), "-".into(), why);
            }
            Event::Notice(text) => {
                let _ = self.all.println(format!("{} {}", screen.err.warn("note:"), sanitize_line(text)));
            }
        }
    }
}

/// Returns the style of a row with fixed text, cut at the terminal's width.
fn plain() -> ProgressStyle {
    ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Returns the style of a row whose elapsed time runs.
fn running(phase: Phase) -> ProgressStyle {
    timed(&format!("{:<9} {:<8} {{elapsed_words:>8}}  {{wide_msg}}", phase.name(), "waiting"))
}

/// Returns a style with `elapsed_words`: the time since it was shown.
fn timed(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).map_or_else(
        |_| plain(),
        |style| {
            style.with_key("elapsed_words", |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = out.write_str(&duration::format(state.elapsed()));
            })
        },
    )
}
