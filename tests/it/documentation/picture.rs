//! The README's animated screenshot: a real failover on the practice cluster, recorded in a terminal and drawn as a
//! self-contained SVG. The test repeats the failover and checks that the picture still shows what is printed;
//! `RECORD=1` (scripts/picture) redraws it from that run.

use super::runs::compared;
use crate::support::terminal::{Left, Terminal};
use crate::support::{Cluster, full};
use practice_cluster::Options;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

const FILE: &str = "docs/failover.svg";
const COMMAND: &str = "kubectl synxdb failover wh9527-0";
const QUESTION: &str = "[y/N]";
const TITLE: &str = "A failover of a warehouse node on the practice cluster";

/// Size of the terminal.
const ROWS: u16 = 34;
const COLUMNS: u16 = 80;
/// Size of a character, in pixels.
const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 17.0;
const MARGIN: f64 = 16.0;

/// Each frame lasts at least a tenth of a second.
const FRAME: Duration = Duration::from_millis(100);
/// Time to read: before the command, at the prompt, and at the end.
const BEFORE: Duration = Duration::from_millis(800);
const KEY: Duration = Duration::from_millis(50);
const AT_THE_QUESTION: Duration = Duration::from_secs(4);
/// Longer waits are shortened; the times in the table are the real ones.
const LONGEST: Duration = Duration::from_secs(1);
const AT_THE_END: Duration = Duration::from_secs(8);

/// Records a run, with the answer `y`.
fn record() -> Left {
    // Like most pods, it takes several seconds: otherwise the table would disappear at once.
    let options = Options { replaced_pod_ready_seconds: Some(4.0), ..full("healthy") };
    let cluster = Cluster::start(options);
    let arguments: Vec<&str> = COMMAND.split(' ').skip(2).collect();
    let mut terminal = Terminal::start(cluster.plugin(&arguments));
    terminal.expect(QUESTION);
    terminal.send("y\r");
    terminal.end()
}

/// A row to draw: runs of text, each with its column and style.
type Row = Vec<(usize, String, &'static str)>;

fn row(screen: &vt100::Screen, number: u16) -> Row {
    let mut row: Row = Vec::new();
    for column in 0..COLUMNS {
        let Some(cell) = screen.cell(number, column) else { continue };
        let text = if cell.has_contents() { cell.contents() } else { " " };
        let class = match (cell.fgcolor(), cell.bold()) {
            (vt100::Color::Idx(1), _) => "bad",
            (vt100::Color::Idx(2), _) => "ok",
            (vt100::Color::Idx(3), _) => "warn",
            (vt100::Color::Idx(6), _) => "hint",
            (_, true) => "strong",
            _ => "",
        };
        match row.last_mut() {
            Some((_, run, known)) if *known == class => run.push_str(text),
            _ => row.push((usize::from(column), text.to_owned(), class)),
        }
    }
    // Blank runs and trailing blanks are not drawn.
    row.retain_mut(|(column, run, _)| {
        *column += run.len() - run.trim_start().len();
        *run = run.trim().to_owned();
        !run.is_empty()
    });
    row
}

/// Returns the screens in order, each with its start time, and the total duration.
fn screens(left: &Left) -> (Vec<(Duration, Vec<Row>)>, Duration) {
    let mut parser = vt100::Parser::new(ROWS.try_into().unwrap(), COLUMNS.try_into().unwrap(), 0);
    let mut screens: Vec<(Duration, Vec<Row>)> = Vec::new();
    let mut shown = |parser: &vt100::Parser, at: Duration| {
        let at = FRAME * u32::try_from(at.as_millis() / FRAME.as_millis()).unwrap();
        let rows: Vec<Row> = (0..ROWS).map(|number| row(parser.screen(), number)).collect();
        match screens.last_mut() {
            Some((time, last)) if *time == at => *last = rows,
            _ => screens.push((at, rows)),
        }
    };
    parser.process(b"$ ");
    shown(&parser, Duration::ZERO);
    let mut now = BEFORE;
    for key in COMMAND.bytes() {
        parser.process(&[key]);
        now += KEY;
        shown(&parser, now);
    }
    parser.process(b"\r\n");
    let raw = left.raw.as_bytes();
    let asked = left.raw.find(QUESTION).expect("it asks");
    let (mut done, mut before) = (0, Duration::ZERO);
    for &(at, end) in &left.times {
        // The real duration, limited in case the machine was busy.
        now += at.saturating_sub(before).min(LONGEST);
        parser.process(&raw[done..end]);
        shown(&parser, now);
        if done <= asked && end > asked {
            now += AT_THE_QUESTION;
        }
        (done, before) = (end, at);
    }
    (screens, now + AT_THE_END)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Draws the picture: each row of text is visible from when it appeared to when it disappeared.
fn draw(left: &Left) -> String {
    let (screens, length) = screens(left);
    // Time range to content.
    let mut parts: BTreeMap<(u128, u128), String> = BTreeMap::new();
    for number in 0..usize::from(ROWS) {
        let mut from = 0;
        for (index, (_, rows)) in screens.iter().enumerate() {
            let next = screens.get(index + 1);
            if next.is_some_and(|(_, next)| next[number] == rows[number]) {
                continue;
            }
            let begin = screens[from].0.as_millis();
            let end = next.map_or(length, |(at, _)| *at).as_millis();
            from = index + 1;
            let part = parts.entry((begin, end)).or_default();
            #[allow(clippy::cast_precision_loss)]
            for (column, text, class) in &rows[number] {
                let (x, y) = (MARGIN + *column as f64 * WIDTH, MARGIN + 28.0 + number as f64 * HEIGHT);
                let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
                let long = text.chars().count() as f64 * WIDTH;
                writeln!(
                    part,
                    "<text x=\"{x:.1}\" y=\"{y:.0}\" textLength=\"{long:.1}\"{class}>{}</text>",
                    escaped(text)
                )
                .unwrap();
            }
        }
    }
    parts.retain(|_, part| !part.is_empty());
    let (mut moves, mut groups) = (String::new(), String::new());
    let length = length.as_millis();
    for (number, ((begin, end), part)) in parts.iter().enumerate() {
        #[allow(clippy::cast_precision_loss)]
        let percent = |time: &u128| format!("{:.3}%", *time as f64 * 100.0 / length as f64);
        let last = *end == length;
        let class = if last { " last" } else { "" };
        let always = *begin == 0 && last;
        if !always {
            let start = if *begin == 0 { String::new() } else { "0%{visibility:hidden}".to_owned() };
            let stop = if last { String::new() } else { format!("{}{{visibility:hidden}}", percent(end)) };
            writeln!(moves, "@keyframes k{number}{{{start}{}{{visibility:visible}}{stop}}}", percent(begin)).unwrap();
            writeln!(moves, ".k{number}{{animation-name:k{number}}}").unwrap();
        }
        let name = if always { String::new() } else { format!(" k{number}") };
        writeln!(groups, "<g class=\"part{class}{name}\">\n{part}</g>").unwrap();
    }
    let width = MARGIN * 2.0 + f64::from(COLUMNS) * WIDTH;
    let height = MARGIN * 2.0 + 20.0 + f64::from(ROWS) * HEIGHT;
    let seconds = Duration::from_millis(u64::try_from(length).unwrap()).as_secs_f64();
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" role="img" aria-labelledby="title">
<title id="title">{TITLE}: {COMMAND}</title>
<!-- Drawn from a real run by scripts/picture. -->
<style>
svg{{--back:#ffffff;--edge:#d0d7de;--text:#1f2328;--faint:#59636e;--ok:#1a7f37;--warn:#9a6700;--bad:#cf222e;--hint:#0969da}}
@media (prefers-color-scheme:dark){{svg{{--back:#0d1117;--edge:#3d444d;--text:#f0f6fc;--faint:#9198a1;--ok:#3fb950;--warn:#d29922;--bad:#f85149;--hint:#4493f8}}}}
rect{{fill:var(--back);stroke:var(--edge)}}
text{{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace;fill:var(--text);white-space:pre}}
.faint{{fill:var(--faint);font-size:12px}}
.ok{{fill:var(--ok)}}
.warn{{fill:var(--warn)}}
.bad{{fill:var(--bad);font-weight:bold}}
.hint{{fill:var(--hint)}}
.strong{{font-weight:bold}}
.part{{visibility:hidden;animation:{seconds:.1}s step-end infinite}}
.last{{visibility:visible}}
{moves}@media (prefers-reduced-motion:reduce){{.part{{animation:none}}}}
</style>
<rect x="0.5" y="0.5" width="{:.0}" height="{:.0}" rx="8"/>
<text class="faint" x="{MARGIN}" y="22">{TITLE}; as it ran, with time to read</text>
{groups}</svg>
"##,
        width - 1.0,
        height - 1.0,
    )
}

/// Returns all lines that a picture shows at any time.
fn lines(picture: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(picture).unwrap_or_else(|why| panic!("{FILE} is no XML: {why}"));
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    // Runs of one row are next to each other, each at its column.
    let mut lines: Vec<(String, String)> = Vec::new();
    for text in texts {
        let y = text.attribute("y").unwrap().to_owned();
        let part = text.text().unwrap_or_default();
        let x: f64 = text.attribute("x").unwrap().parse().unwrap();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let column = ((x - MARGIN) / WIDTH).round() as usize;
        match lines.last_mut() {
            Some((row, line)) if *row == y && column >= line.chars().count() && column > 0 => {
                line.push_str(&" ".repeat(column - line.chars().count()));
                line.push_str(part);
            }
            _ => lines.push((y, format!("{}{part}", " ".repeat(column)))),
        }
    }
    lines.into_iter().map(|(_, line)| line).collect()
}

#[test]
fn the_picture_shows_what_is_printed() {
    let left = record();
    assert_eq!(left.code, 0, "{}", left.screen);
    let path = super::root().join(FILE);
    if std::env::var_os("RECORD").is_some() {
        std::fs::write(&path, draw(&left)).unwrap();
    }
    let picture = std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{FILE}: {why}: scripts/picture"));
    assert!(picture.len() < 300_000, "{FILE} is of {} bytes", picture.len());
    assert!(!picture.contains("http") || picture.matches("http").count() == 1, "{FILE} asks for something elsewhere");
    let drawn = lines(&picture);
    let drawn_now = lines(&draw(&left));
    for wanted in ["Recovered: ", "Fail over ", "PHASE     STATE", "$ kubectl", "Checks"] {
        let line = |lines: &[String]| lines.iter().rfind(|line| line.starts_with(wanted)).cloned();
        let now = line(&drawn_now).unwrap_or_else(|| panic!("nothing with {wanted:?} is drawn: {drawn_now:#?}"));
        let kept = line(&drawn).unwrap_or_else(|| panic!("{FILE} has no {wanted:?}: scripts/picture"));
        compared(&kept, &now)
            .unwrap_or_else(|parts| panic!("{FILE} is not what is printed now: scripts/picture\n{parts}"));
    }
}
