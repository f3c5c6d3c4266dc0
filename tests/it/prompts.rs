//! Questions and answers in a real terminal: what is asked, what each answer does, and that the terminal is left in
//! order.

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

    /// Nothing was changed, and the terminal is as it was.
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
fn no_in_any_form_changes_nothing() {
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
fn an_interruption_at_the_question_changes_nothing() {
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
fn a_name_that_several_pods_have_is_a_choice() {
    let practice = Practice::shared();
    let person = Person::at(&practice);
    let list = "cloudberry-proxy-0 may be any of these. Which?";
    let (account, system) = (format!("{ACCOUNT}/cloudberry-proxy-0"), "synxdb-system/cloudberry-proxy-0");

    // The arrows choose: first the one, then the other.
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
fn yes_recovers_and_the_progress_is_a_table_that_is_taken_away() {
    let practice = Practice::start("healthy");
    let person = Person::at(&practice);
    let old = practice.pod_uid(ACCOUNT, "wh9527-0");
    let mut terminal = person.types("failover wh9527-0");
    terminal.expect(QUESTION);
    terminal.send("y\r");
    let left = terminal.end();
    assert_eq!(left.code, 0, "{}", left.screen);
    in_order("a failover", &left);
    assert!(left.screen.contains("Recovered: wh9527-0 is back after "), "{}", left.screen);
    assert_ne!(practice.pod_uid(ACCOUNT, "wh9527-0"), old);

    // The table was drawn again and again, and is gone: what follows the question is the account.
    let drawn = crate::support::terminal::plain(left.raw.as_bytes());
    for row in ["replaced  waiting", "replaced  done", "answers   done"] {
        assert!(drawn.contains(row), "no {row:?} was drawn:\n{drawn}");
    }
    let rows = drawn.matches("replaced  waiting").count();
    assert!(rows > 1, "the running row was drawn {rows} times");
    let mut after = left.screen.lines().skip_while(|line| !line.starts_with(QUESTION)).skip(1);
    assert!(after.next().unwrap().starts_with("Recovered: "), "{}", left.screen);
    for phase in ["retain", "claim", "pod", "replaced", "ready", "answers"] {
        let row = |line: &&str| line.starts_with(&format!("  {phase:<9} "));
        let left_over = |line: &&str| line.starts_with(&format!("{phase:<9} "));
        assert_eq!(after.clone().filter(left_over).count(), 0, "{}", left.screen);
        assert_eq!(after.clone().filter(row).count(), 1, "{}", left.screen);
    }
}

/// The baseline of the plan is old by the time of the answer: what was dropped meanwhile is told, and is no loss.
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
    assert!(left.screen.contains("Recovered: wh9527-0 is back after "), "{}", left.screen);
    let told = left.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("since the plan was made: test_db: table public.projects is missing"), "{told}");
}

#[test]
fn an_interruption_of_the_wait_says_what_was_done_and_how_to_go_on() {
    let practice = Practice::start("slow-start");
    let person = Person::at(&practice);
    let old = practice.pod_uid(ACCOUNT, "wh9527-0");
    let mut terminal = person.types("failover wh9527-0 --yes");
    // Neither done nor waiting any longer before this: the new pod is there, and not ready for 20 seconds.
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
fn high_risk_is_answered_with_the_name_and_with_nothing_else() {
    let practice = Practice::start("no-quorum");
    let person = Person::at(&practice);

    // Without a target: those in trouble come first.
    let mut terminal = person.types("failover");
    terminal.expect("Fail over which member?");
    terminal.expect("synxdb-system/cloudberry-proxy-0");
    terminal.send(key::ESCAPE);
    let left = terminal.end();
    person.finds_nothing_changed("Esc at the list of members", &left, 5);
    let offered = crate::support::terminal::plain(left.raw.as_bytes());
    let first = offered.split_once("Fail over which member?").unwrap().1.lines().find(|line| line.contains('/'));
    assert!(first.unwrap().contains("synxdb-system/safekeeper-1 (safekeeper): "), "{offered}");
    assert_eq!(offered.matches("synxdb-system/safekeeper-").count(), 3, "{offered}");

    let question = "Type the pod's name, safekeeper-0, to go on";
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

    // No terminal: the flag --yes does not answer it.
    let ended = run(person.command(risky));
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert!(ended.err.contains("--confirm safekeeper-0"), "{}", ended.err);
    assert_eq!(practice.world(), person.before);

    let old = practice.pod_uid("synxdb-system", "safekeeper-0");
    let mut terminal = person.types(risky);
    terminal.expect(question);
    terminal.send("safekeeper-0\r");
    let left = terminal.end();
    assert_eq!(left.code, 0, "{}", left.screen);
    assert!(left.screen.contains("Recovered: safekeeper-0 is back"), "{}", left.screen);
    assert_ne!(practice.pod_uid("synxdb-system", "safekeeper-0"), old);
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let practice = Practice::shared();
    let person = Person::at(&practice);
    let colours = |raw: &str| regex::Regex::new("\x1b\\[[0-9;]*m").unwrap().is_match(raw);

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
        assert_eq!(colours(&left.raw), wanted, "{arguments} {environment:?}: {:?}", left.raw);
    }
    // A refusal colours what it writes to standard error.
    for (arguments, wanted) in [("", false), (" --color=always", true), (" --color=never", false)] {
        let out = run(person.command(&format!("status{arguments}")));
        assert_eq!(out.out.contains('\x1b'), wanted, "{arguments}: {}", out.out);
        let err = run(person.command(&format!("failover nobody-0{arguments}")));
        assert_eq!(err.err.contains('\x1b'), wanted, "{arguments}: {}", err.err);
    }

    // The question too; and a dumb terminal is sent no escape sequence at all.
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let mut command = person.command("failover wh9527-0");
        command.env(name, value);
        let mut terminal = Terminal::start(command);
        terminal.expect(QUESTION);
        terminal.send("n\r");
        let left = terminal.end();
        person.finds_nothing_changed(name, &left, 5);
        assert!(!colours(&left.raw), "{name}: {:?}", left.raw);
        if name == "TERM" {
            assert!(!left.raw.contains('\x1b'), "{:?}", left.raw);
        }
    }
}
