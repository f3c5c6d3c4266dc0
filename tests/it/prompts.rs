//! Prompts in a real terminal: the questions, the effect of each answer, and that the terminal is restored.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::practice::{ACCOUNT, Practice};
use crate::support::process::{Machine, Signal, run};
use crate::support::terminal::{Left, Terminal, key};
use std::collections::BTreeMap;

const QUESTION: &str = "Fail over cloud007-513d75d5-3033-4649-b913-07f6115ec41a/wh9527-0?";

/// A person at a terminal, and a cluster.
struct Person<'p> {
    machine: Machine,
    practice: &'p Practice,
    before: BTreeMap<String, String>,
}

impl<'p> Person<'p> {
    fn at(practice: &'p Practice) -> Self {
        Self { machine: Machine::new(), practice, before: practice.world() }
    }

    fn command(&self, arguments: &str) -> std::process::Command {
        let mut command = self.machine.plugin(arguments);
        command.env("KUBECONFIG", self.practice.kubeconfig()).env("PGPASSFILE", self.practice.passfile());
        command
    }

    fn types(&self, arguments: &str) -> Terminal {
        Terminal::start(self.command(arguments))
    }

    /// Asserts that nothing was changed, and that the terminal is restored.
    fn finds_nothing_changed(&self, what: &str, left: &Left, code: i32) {
        assert_eq!(left.code, code, "{what}:\n{}", left.screen);
        assert!(left.text.contains("nothing was changed"), "{what}:\n{}", left.screen);
        assert_eq!(self.practice.world(), self.before, "{what} changed something");
        in_order(what, left);
    }
}

fn in_order(what: &str, left: &Left) {
    assert!(left.cursor_shown, "{what}: the cursor is hidden; it wrote:\n{:?}", left.raw);
    assert!(left.echo, "{what}: the terminal does not echo whole lines any longer");
}

#[test]
fn declining_in_any_form_changes_nothing() {
    let practice = Practice::shared();
    let person = Person::at(&practice);
    let answers = [("n", "n\r", 5), ("Enter", "\r", 5), ("Ctrl-D", key::CTRL_D, 5), ("other words", "maybe\r\r", 5)];
    for (what, keys, code) in answers {
        let mut terminal = person.types("failover wh9527-0");
        terminal.expect(QUESTION);
        terminal.send(keys);
        let left = terminal.end();
        person.finds_nothing_changed(what, &left, code);
        assert!(left.screen.contains("declined"), "{what}:\n{}", left.screen);
    }
}

#[test]
fn an_interruption_at_the_prompt_changes_nothing() {
    let practice = Practice::shared();
    let person = Person::at(&practice);
    let mut terminal = person.types("failover wh9527-0");
    terminal.expect(QUESTION);
    terminal.send(key::CTRL_C);
    person.finds_nothing_changed("Ctrl-C", &terminal.end(), 130);

    for signal in [Signal::INT, Signal::TERM] {
        let mut terminal = person.types("failover wh9527-0");
        terminal.expect(QUESTION);
        terminal.signal(signal);
        person.finds_nothing_changed(&format!("{signal:?}"), &terminal.end(), 130);
    }
}

#[test]
fn a_name_of_several_pods_offers_a_choice() {
    let practice = Practice::shared();
    let person = Person::at(&practice);
    let list = "cloudberry-proxy-0 is ambiguous. Select one:";
    let (account, system) = (format!("{ACCOUNT}/cloudberry-proxy-0"), "synxdb-system/cloudberry-proxy-0");

    // The arrow keys select: first one, then the other.
    let mut chosen = Vec::new();
    for keys in [key::ENTER.to_owned(), format!("{}{}", key::DOWN, key::ENTER)] {
        let mut terminal = person.types("failover cloudberry-proxy-0");
        terminal.expect(list);
        terminal.expect(system);
        terminal.send(&keys);
        terminal.expect("Fail over ");
        terminal.send("n\r");
        let left = terminal.end();
        person.finds_nothing_changed("a chosen one, declined", &left, 5);
        let question = left.screen.lines().find(|line| line.contains("Fail over ")).unwrap().to_owned();
        chosen.push(question);
    }
    chosen.sort();
    assert!(chosen[0].contains(&account), "{chosen:?}");
    assert!(chosen[1].contains(system), "{chosen:?}");

    let mut terminal = person.types("failover cloudberry-proxy-0");
    terminal.expect(list);
    terminal.expect(system);
    terminal.send(key::ESCAPE);
    person.finds_nothing_changed("Esc", &terminal.end(), 5);

    let mut terminal = person.types("failover cloudberry-proxy-0");
    terminal.expect(list);
    terminal.expect(system);
    terminal.send(key::CTRL_C);
    person.finds_nothing_changed("Ctrl-C at the list", &terminal.end(), 130);

    let mut terminal = person.types("failover cloudberry-proxy-0");
    terminal.expect(list);
    terminal.expect(system);
    terminal.signal(Signal::TERM);
    person.finds_nothing_changed("SIGTERM at the list", &terminal.end(), 130);
}

#[test]
fn yes_recovers_and_the_progress_table_disappears() {
    let practice = Practice::start("healthy");
    let person = Person::at(&practice);
    let old = practice.pod_uid(ACCOUNT, "wh9527-0");
    let mut terminal = person.types("failover wh9527-0");
    terminal.expect(QUESTION);
    terminal.send("y\r");
    let left = terminal.end();
    assert_eq!(left.code, 0, "{}", left.screen);
    in_order("a failover", &left);
    assert!(left.screen.contains("Recovered: wh9527-0 in "), "{}", left.screen);
    assert_ne!(practice.pod_uid(ACCOUNT, "wh9527-0"), old);

    // The table was redrawn many times, and is gone: the result follows the prompt.
    let drawn = crate::support::terminal::plain(left.raw.as_bytes());
    for row in ["recreate  waiting", "recreate  done", "verify    done"] {
        assert!(drawn.contains(row), "no {row:?} was drawn:\n{drawn}");
    }
    let rows = drawn.matches("recreate  waiting").count();
    assert!(rows > 1, "the running row was drawn {rows} times");
    let mut after = left.screen.lines().skip_while(|line| !line.starts_with(QUESTION)).skip(1);
    assert!(after.next().unwrap().starts_with("Recovered: "), "{}", left.screen);
    for phase in ["retain", "claim", "pod", "recreate", "ready", "verify"] {
        let row = |line: &&str| line.starts_with(&format!("  {phase:<9} "));
        let left_over = |line: &&str| line.starts_with(&format!("{phase:<9} "));
        assert_eq!(after.clone().filter(left_over).count(), 0, "{}", left.screen);
        assert_eq!(after.clone().filter(row).count(), 1, "{}", left.screen);
    }
}

/// The plan's baseline is old by the time of the answer: what was dropped in between is reported, but is not missing.
#[test]
fn what_is_dropped_while_the_plan_is_read_is_not_missing() {
    let practice = Practice::start("healthy");
    let person = Person::at(&practice);
    let mut terminal = person.types("failover wh9527-0");
    terminal.expect(QUESTION);
    let mut psql = person.command("forward cloud007/cloudberry-proxy-0 --port 0 --psql -- -d test_db -c");
    let dropped = psql.arg("DROP TABLE projects").output().unwrap();
    assert!(dropped.status.success(), "{}", String::from_utf8_lossy(&dropped.stderr));
    terminal.send("y\r");
    let left = terminal.end();
    assert_eq!(left.code, 0, "{}", left.screen);
    assert!(left.screen.contains("Recovered: wh9527-0 in "), "{}", left.screen);
    let told = left.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("since the plan was made: test_db: table public.projects is missing"), "{told}");
}

#[test]
fn an_interruption_prints_what_was_done_and_how_to_resume() {
    let practice = Practice::start("slow-start");
    let person = Person::at(&practice);
    let old = practice.pod_uid(ACCOUNT, "wh9527-0");
    let mut terminal = person.types("failover wh9527-0 --yes");
    // It is neither done nor waiting for anything earlier: the new pod exists, and is not ready for 20 seconds.
    terminal.expect("ready     waiting");
    terminal.send(key::CTRL_C);
    let left = terminal.end();
    assert_eq!(left.code, 130, "{}", left.screen);
    in_order("Ctrl-C during the wait", &left);
    assert!(!left.text.contains("nothing was changed"), "{}", left.screen);
    for wanted in [
        "Interrupted after ".to_owned(),
        "Done so far:".to_owned(),
        "claim data-wh9527-0 deleted".to_owned(),
        "pod wh9527-0 deleted".to_owned(),
        format!("next: kubectl synxdb failover {ACCOUNT}/wh9527-0 --pod-uid {old}"),
    ] {
        assert!(left.text.contains(&wanted), "no {wanted:?} in:\n{}", left.text);
    }
    assert_ne!(practice.pod_uid(ACCOUNT, "wh9527-0"), old);
}

#[test]
fn high_risk_is_confirmed_only_by_the_name() {
    let practice = Practice::start("no-quorum");
    let person = Person::at(&practice);

    // Without a target, unhealthy members are listed first.
    let mut terminal = person.types("failover");
    terminal.expect("Fail over which pod?");
    terminal.expect("synxdb-system/cloudberry-proxy-0");
    terminal.send(key::ESCAPE);
    let left = terminal.end();
    person.finds_nothing_changed("Esc at the list of members", &left, 5);
    let offered = crate::support::terminal::plain(left.raw.as_bytes());
    let first = offered.split_once("Fail over which pod?").unwrap().1.lines().find(|line| line.contains('/'));
    assert!(first.unwrap().contains("synxdb-system/safekeeper-1 (safekeeper): "), "{offered}");
    assert_eq!(offered.matches("synxdb-system/safekeeper-").count(), 3, "{offered}");

    let question = "Type safekeeper-0 to continue";
    let risky = "failover safekeeper-0 --allow=quorum-loss --yes";
    for (what, keys, code) in [
        ("a wrong name", "safekeeper-1\r", 5),
        ("yes", "y\r", 5),
        ("Enter", "\r", 5),
        ("Ctrl-D", key::CTRL_D, 5),
        ("Ctrl-C", key::CTRL_C, 130),
    ] {
        let mut terminal = person.types(risky);
        terminal.expect(question);
        terminal.send(keys);
        person.finds_nothing_changed(what, &terminal.end(), code);
    }

    // Without a terminal: --yes does not confirm it.
    let ended = run(person.command(risky));
    assert_eq!(ended.code, Some(4), "{}", ended.err);
    assert!(ended.err.contains("--confirm safekeeper-0"), "{}", ended.err);
    assert_eq!(practice.world(), person.before);

    let old = practice.pod_uid("synxdb-system", "safekeeper-0");
    let mut terminal = person.types(risky);
    terminal.expect(question);
    terminal.send("safekeeper-0\r");
    let left = terminal.end();
    assert_eq!(left.code, 0, "{}", left.screen);
    assert!(left.screen.contains("Recovered: safekeeper-0 in "), "{}", left.screen);
    assert_ne!(practice.pod_uid("synxdb-system", "safekeeper-0"), old);
}

fn has_colors(raw: &str) -> bool {
    regex::Regex::new("\x1b\\[[0-9;]*m").unwrap().is_match(raw)
}

#[test]
fn color_is_for_terminals_that_want_it() {
    let practice = Practice::shared();
    let person = Person::at(&practice);
    type Variables = &'static [(&'static str, &'static str)];
    let cases: [(&str, Variables, bool); 6] = [
        ("status", &[], true),
        ("status", &[("NO_COLOR", "1")], false),
        ("status", &[("NO_COLOR", "")], true),
        ("status", &[("TERM", "dumb")], false),
        ("status --color=never", &[], false),
        ("status --color=always", &[("NO_COLOR", "1"), ("TERM", "dumb")], true),
    ];
    for (arguments, environment, wanted) in cases {
        let mut command = person.command(arguments);
        command.envs(environment.iter().copied());
        let left = Terminal::start(command).end();
        assert_eq!(left.code, 0, "{}", left.screen);
        assert_eq!(has_colors(&left.raw), wanted, "{arguments} {environment:?}: {:?}", left.raw);
    }
}

/// A refusal colors what it writes to standard error.
#[test]
fn color_in_a_pipe_is_only_on_request() {
    let practice = Practice::shared();
    let person = Person::at(&practice);
    for (arguments, wanted) in [("", false), (" --color=always", true), (" --color=never", false)] {
        let out = run(person.command(&format!("status{arguments}")));
        assert_eq!(out.out.contains('\x1b'), wanted, "{arguments}: {}", out.out);
        let err = run(person.command(&format!("failover missing-0{arguments}")));
        assert_eq!(err.err.contains('\x1b'), wanted, "{arguments}: {}", err.err);
    }
}

/// A dumb terminal gets no escape sequences at all.
#[test]
fn the_prompt_follows_no_color_and_term() {
    let practice = Practice::shared();
    let person = Person::at(&practice);
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let mut command = person.command("failover wh9527-0");
        command.env(name, value);
        let mut terminal = Terminal::start(command);
        terminal.expect(QUESTION);
        terminal.send("n\r");
        let left = terminal.end();
        person.finds_nothing_changed(name, &left, 5);
        assert!(!has_colors(&left.raw), "{name}: {:?}", left.raw);
        if name == "TERM" {
            assert!(!left.raw.contains('\x1b'), "{:?}", left.raw);
        }
    }
}
