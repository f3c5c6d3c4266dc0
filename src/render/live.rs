//! `status -w`: redrawn in place on a terminal, otherwise one line per change, or one document per change for programs.

use super::sanitize::sanitize_text;
use super::status::{self, Detail, pod_text};
use super::{Screen, sanitize_line, structured};
use crate::cli::{Machine, Output};
use crate::error::Result;
use crate::storage::Positions;
use crate::topology::Topology;
use crate::topology::health::Report;
use console::Term;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// Shows the status, and each change of it.
pub(crate) struct Live {
    screen: Screen,
    way: Way,
    detail: Detail,
}

enum Way {
    /// On a terminal that can be redrawn.
    InPlace(Frame),
    /// The verdict and the text of each pod that were printed last.
    Lines { verdict: String, members: BTreeMap<String, String> },
    /// The rows, or the names, that were printed last.
    Rows(Vec<String>),
    /// The document that was printed last.
    Documents(Machine, Option<Value>),
}

/// What is drawn on the terminal.
struct Frame {
    term: Term,
    /// Widths of its lines: on a terminal that was made narrower a line takes several rows.
    widths: Vec<usize>,
}

impl Live {
    /// Chooses the way that suits the screen and the output format.
    pub(crate) fn new(screen: Screen, output: &Output, (no_headers, all_members): (bool, bool)) -> Self {
        let way = match output {
            Output::Machine(form) => Way::Documents(form.clone(), None),
            Output::Name => Way::Rows(Vec::new()),
            _ if no_headers => Way::Rows(Vec::new()),
            _ if screen.redraws => Way::InPlace(Frame { term: Term::stdout(), widths: Vec::new() }),
            _ => Way::Lines { verdict: String::new(), members: BTreeMap::new() },
        };
        Self { screen, way, detail: Detail::of(output, all_members) }
    }

    /// Returns whether it shows nothing but rows or names: what is unknown has no place among them.
    pub(crate) fn only_rows(&self) -> bool {
        matches!(self.way, Way::Rows(_))
    }

    /// Returns whether it shows ages, which must be redrawn without a change.
    pub(crate) fn ages(&self) -> bool {
        matches!(self.way, Way::InPlace(_))
    }

    /// Shows the current status. Returns whether anyone still reads the output.
    ///
    /// # Errors
    /// None in practice: every document is plain JSON data.
    pub(crate) fn show(
        &mut self,
        (report, topology): (&Report, &Topology),
        output: &Output,
        now: Timestamp,
    ) -> Result<bool> {
        let (screen, paint, wide) = (self.screen, self.screen.out, *output == Output::Wide);
        match &mut self.way {
            Way::InPlace(frame) => {
                let room = usize::from(frame.term.size().1);
                let text = status::status(room, report, (topology, &Positions::new()), self.detail, now, paint);
                frame.draw(screen, &text);
                Ok(true)
            }
            Way::Lines { verdict, members } => {
                let time = now.strftime("%Y-%m-%dT%H:%M:%SZ");
                let current = lines(report, topology);
                let mut text = String::new();
                if *verdict != current.0 {
                    text.push_str(&format!("{time}  {}", status::verdict(report, paint)));
                }
                for (member, words) in &current.1 {
                    if members.get(member) != Some(words) {
                        text.push_str(&format!("{time}  {member}  {words}\n"));
                    }
                }
                for member in members.keys().filter(|member| !current.1.contains_key(*member)) {
                    text.push_str(&format!("{time}  {member}  gone\n"));
                }
                (*verdict, *members) = current;
                Ok(screen.reaches(&text))
            }
            Way::Rows(known) => {
                let text = match output {
                    Output::Name => status::names(topology),
                    _ => status::rows((topology, &Positions::new()), wide, now, super::Paint(false)),
                };
                let fresh: Vec<String> = text.lines().map(str::to_owned).collect();
                // A row that only got older has not changed.
                let changed = |line: &&String| !known.iter().any(|old| ageless(old) == ageless(line));
                let text: String = fresh.iter().filter(changed).map(|line| format!("{line}\n")).collect();
                *known = fresh;
                Ok(screen.reaches(&text))
            }
            Way::Documents(form, last) => {
                let document = structured::status(report, topology);
                if last.as_ref() == Some(&document) {
                    return Ok(true);
                }
                let mut text = structured::one_of_many(form, &document)?;
                if !text.ends_with('\n') {
                    text.push('\n');
                }
                *last = Some(document);
                Ok(screen.reaches(&text))
            }
        }
    }
}

/// Returns a row without its age, the eighth column after the namespace.
fn ageless(row: &str) -> Vec<&str> {
    let mut cells: Vec<&str> = row.split_whitespace().collect();
    if cells.len() > AGE {
        cells.remove(AGE);
    }
    cells
}

const AGE: usize = 8;

/// Returns the verdict, and the text of each pod.
fn lines(report: &Report, topology: &Topology) -> (String, BTreeMap<String, String>) {
    let members = topology.members().map(|member| (sanitize_line(&member.path()), pod_text(member)));
    (status::verdict(report, super::Paint(false)), members.collect())
}

impl Frame {
    /// Draws over the previous frame. Lines that do not fit the terminal are left out, and counted.
    fn draw(&mut self, screen: Screen, text: &str) {
        let (height, width) = self.term.size();
        let (height, width) = (usize::from(height).max(4), usize::from(width).max(20));
        let mut lines: Vec<String> = text.lines().map(|line| cut(line, width)).collect();
        if lines.len() > height - 1 {
            let left_out = lines.len() - (height - 2);
            lines.truncate(height - 2);
            lines.push(cut(&format!("… {left_out} more lines"), width));
        }
        let rows: usize = self.widths.iter().map(|drawn| drawn.div_ceil(width).max(1)).sum();
        // A closed terminal is noticed by the signal that it sends.
        let _ = self.term.move_cursor_up(rows.min(height - 1));
        let mut drawn = String::new();
        for line in &lines {
            // Clears the rest of the row.
            drawn.push_str(&format!("{}\u{1b}[K\n", sanitize_text(line, screen.out.0)));
        }
        let _ = self.term.write_str(&drawn);
        let _ = self.term.clear_to_end_of_screen();
        self.widths = lines.iter().map(|line| console::measure_text_width(line)).collect();
    }
}

fn cut(line: &str, width: usize) -> String {
    console::truncate_str(line, width, "…").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_has_grown_older_is_the_same_row() {
        let row = |age: &str, status: &str| {
            format!("synxdb-system  safekeeper  safekeeper-0  1/1  {status}  0  Bound  node-1  {age}")
        };
        assert_eq!(ageless(&row("3m", "Running")), ageless(&row("4m", "Running")));
        assert_ne!(ageless(&row("3m", "Running")), ageless(&row("3m", "Pending")));
    }

    #[test]
    fn a_line_is_cut_at_the_terminals_width_whatever_its_colours() {
        assert_eq!(cut("\u{1b}[32mRunning\u{1b}[0m fine", 9), "\u{1b}[32mRunning\u{1b}[0m …");
        assert_eq!(cut("データベース", 7), "データ…");
    }
}
