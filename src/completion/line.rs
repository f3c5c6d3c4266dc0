//! An unfinished command line: what was typed, what the word under the cursor names, and its candidates.

use super::Candidate;
use crate::cli::{Cli, Global, LoginArgs, Names};
use crate::render::{is_harmful, sanitize_line};
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches, ValueHint};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What the word under the cursor needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Names of this kind, with this prefix.
    Names(Names, String),
    /// A file path, which the shell itself completes best.
    File,
}

/// What was typed before the word under the cursor, as far as it can be parsed.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    /// Global flags.
    pub global: Global,
    /// Database login flags.
    pub login: LoginArgs,
    /// Whether all namespaces were requested.
    pub all_namespaces: bool,
    /// Targets.
    pub targets: Vec<String>,
}

/// An unfinished command line.
#[derive(Clone, Debug)]
pub struct CommandLine {
    before: Vec<OsString>,
    current: OsString,
}

/// The answer for the word under the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The candidates, in the order to show them.
    pub candidates: Vec<Candidate>,
    /// Whether the shell should offer files.
    pub files: bool,
}

type Complete = dyn Fn(Wanted) -> Vec<Candidate> + Send + Sync;

impl CommandLine {
    /// Creates it from the words after the program's name; the last one is under the cursor, up to it.
    pub fn new(mut words: Vec<OsString>) -> Self {
        let current = words.pop().unwrap_or_default();
        Self { before: words, current }
    }

    /// Returns what to look up for the word under the cursor; `None` if nothing.
    pub fn wanted(&self) -> Option<Wanted> {
        let seen: Arc<Mutex<Option<Wanted>>> = Arc::default();
        let note = Arc::clone(&seen);
        self.candidates(Arc::new(move |wanted| {
            *note.lock().unwrap_or_else(PoisonError::into_inner) = Some(wanted);
            Vec::new()
        }));
        seen.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns the answer: from the looked-up candidates `found`, and from the command line itself.
    pub fn offer(&self, found: &[Candidate]) -> Offer {
        let files: Arc<Mutex<bool>> = Arc::default();
        let (note, found) = (Arc::clone(&files), found.to_owned());
        let engine = self.candidates(Arc::new(move |wanted| match wanted {
            Wanted::Names(_, begun) => found.iter().filter(|one| one.value.starts_with(&begun)).cloned().collect(),
            Wanted::File => {
                *note.lock().unwrap_or_else(PoisonError::into_inner) = true;
                Vec::new()
            }
        }));
        let mut candidates: Vec<Candidate> = engine.iter().filter_map(sanitized).collect();
        self.without_flags(&mut candidates);
        self.without_its_flag(&mut candidates);
        let files = *files.lock().unwrap_or_else(PoisonError::into_inner) && candidates.is_empty();
        Offer { candidates, files }
    }

    /// Runs the engine with a callback for values that the command line does not know.
    fn candidates(&self, complete_value: Arc<Complete>) -> Vec<CompletionCandidate> {
        let mut command = with(Cli::command(), &complete_value);
        let mut words = vec![OsString::from("kubectl-synxdb")];
        // A flag whose value only follows = takes no further word: the engine would give it the next one.
        let takes_none = self.equals_only();
        words.extend(
            self.before.iter().filter(|word| !takes_none.iter().any(|flag| word.as_os_str() == flag.as_str())).cloned(),
        );
        let index = words.len();
        // A single dash is also the prefix of long flags: the engine would show the short form of flags that have both.
        words.push(if self.current == "-" { "--".into() } else { self.current.clone() });
        complete(&mut command, words, index, None).unwrap_or_default()
    }

    fn equals_only(&self) -> Vec<String> {
        let arguments = self.arguments();
        let only = arguments.iter().filter(|argument| argument.is_require_equals_set());
        only.filter_map(|argument| Some(format!("--{}", argument.get_long()?))).collect()
    }

    /// Returns the arguments of the typed command, and the global ones.
    fn arguments(&self) -> Vec<Arg> {
        let root = Cli::command();
        let mut command = &root;
        for word in self.before.iter().filter_map(|word| word.to_str()) {
            command = command.find_subcommand(word).unwrap_or(command);
        }
        // A command's argument replaces a global one of the same name.
        let own: Vec<Arg> = command.get_arguments().cloned().collect();
        let of_all = root.get_arguments().filter(|argument| argument.is_global_set());
        let besides = of_all.filter(|argument| !own.iter().any(|known| known.get_id() == argument.get_id()));
        own.iter().cloned().chain(besides.cloned()).collect()
    }

    /// Keeps flags only if one was begun, and drops flags that are present and may not be repeated.
    fn without_flags(&self, candidates: &mut Vec<Candidate>) {
        let current = self.current.to_string_lossy();
        if !current.starts_with('-') {
            candidates.retain(|one| !one.value.starts_with('-'));
            return;
        }
        let arguments = self.arguments();
        let once = |flag: &str| {
            let named = arguments.iter().find(|argument| argument.get_long() == flag.strip_prefix("--"));
            named.is_none_or(|argument| !matches!(argument.get_action(), ArgAction::Append | ArgAction::Count))
        };
        let stands = |flag: &str| {
            let rest = |word: &str| word.strip_prefix(flag).map(|rest| rest.is_empty() || rest.starts_with('='));
            self.before.iter().any(|word| word.to_str().and_then(rest) == Some(true))
        };
        let is_flag = |value: &str| value.starts_with("--") && !value.contains('=');
        candidates.retain(|one| !is_flag(&one.value) || !once(&one.value) || !stands(&one.value));
        // After a complete short flag the engine offers every other one.
        let mut letters = current.chars().skip(1);
        let letter = letters.next().filter(|letter| *letter != '-');
        if letter.is_some() && !candidates.is_empty() && candidates.iter().all(|one| is_another(&one.value, &current)) {
            candidates.clear();
            let complete = arguments.iter().find(|argument| letter.is_some() && argument.get_short() == letter);
            if let (Some(argument), None) = (complete, letters.next()) {
                let about = argument.get_help().map(ToString::to_string).unwrap_or_default();
                candidates.push(Candidate::new(current, about));
            }
        }
    }

    /// Reduces `--flag=value` to the value: that is what shells complete.
    fn without_its_flag(&self, candidates: &mut [Candidate]) {
        let current = self.current.to_string_lossy();
        let Some((flag, _)) = current.split_once('=').filter(|(flag, _)| flag.starts_with('-')) else { return };
        for candidate in candidates {
            if let Some(value) = candidate.value.strip_prefix(flag).and_then(|rest| rest.strip_prefix('=')) {
                candidate.value = value.to_owned();
            }
        }
    }

    /// Returns whether this word is a flag whose value is the next word.
    fn awaits_value(&self, word: &OsStr) -> bool {
        let Some(word) = word.to_str() else { return false };
        let is_it = |argument: &Arg| {
            let short = argument.get_short().map(|short| format!("-{short}"));
            let long = argument.get_long().map(|long| format!("--{long}"));
            [short, long].iter().flatten().any(|flag| flag == word)
        };
        let takes_one = |argument: &Arg| argument.get_action().takes_values() && !argument.is_require_equals_set();
        self.arguments().iter().any(|argument| is_it(argument) && takes_one(argument))
    }

    /// Parses what was typed before, as far as possible: errors are ignored.
    pub fn typed(&self) -> Typed {
        let asks_for_help = |word: &&OsString| *word != "--help" && *word != "-h";
        let words = std::iter::once(OsStr::new("kubectl-synxdb"));
        // A flag whose value is under the cursor has none yet.
        let complete = match self.before.split_last() {
            Some((last, others)) if self.awaits_value(last) => others,
            _ => &self.before,
        };
        let words = words.chain(complete.iter().filter(asks_for_help).map(OsString::as_os_str));
        let Ok(matches) = Cli::command().ignore_errors(true).try_get_matches_from(words) else {
            return Typed::default();
        };
        let mut last: &ArgMatches = &matches;
        while let Some((_, next)) = last.subcommand() {
            last = next;
        }
        let has = |id: &str| last.try_contains_id(id).is_ok();
        let list = ["target", "targets", "what"].into_iter().find(|id| has(id));
        let targets = list.and_then(|id| last.try_get_many::<String>(id).ok().flatten());
        Typed {
            // `rbac` has its own flag of this name.
            global: Global::from_arg_matches(&matches).unwrap_or_default().without_empty(),
            login: if has("username") { LoginArgs::from_arg_matches(last).unwrap_or_default() } else { <_>::default() },
            all_namespaces: matches!(last.try_get_one("all_namespaces"), Ok(Some(true))),
            targets: targets.into_iter().flatten().cloned().collect(),
        }
    }
}

/// Returns whether this is a short flag plus one letter.
fn is_another(value: &str, current: &str) -> bool {
    value.strip_prefix(current).is_some_and(|rest| rest.chars().count() == 1)
}

/// Returns the command with a callback for its values.
fn with(command: Command, complete_value: &Arc<Complete>) -> Command {
    let completed = |argument: Arg| {
        let names = argument.get::<Names>().copied();
        let path = matches!(argument.get_value_hint(), ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath);
        if names.is_none() && !path {
            return argument;
        }
        let complete_value = Arc::clone(complete_value);
        argument.add(ArgValueCompleter::new(move |begun: &OsStr| {
            let wanted = match names {
                Some(names) => Wanted::Names(names, begun.to_string_lossy().into_owned()),
                None => Wanted::File,
            };
            let in_order = complete_value(wanted).into_iter().enumerate();
            let candidate = |(place, Candidate { value, about })| {
                let about = if about.is_empty() { None } else { Some(about.into()) };
                CompletionCandidate::new(value).help(about).display_order(Some(place))
            };
            in_order.map(candidate).collect()
        }))
    };
    command.mut_args(completed).mut_subcommands(|command| with(command, complete_value))
}

/// Returns a candidate that is safe for a shell: one line, without terminal control.
fn sanitized(candidate: &CompletionCandidate) -> Option<Candidate> {
    let value = candidate.get_value().to_str()?.to_owned();
    if value.is_empty() || value.contains(is_harmful) {
        return None;
    }
    let about = candidate.get_help().map(ToString::to_string).unwrap_or_default();
    Some(Candidate { value, about: sanitize_line(about.lines().next().unwrap_or_default()) })
}

/// Instructions to the shell, with the numbers of programs that are built like kubectl (cobra's `ShellCompDirective`).
mod directive {
    /// No space after the word.
    pub(super) const NO_SPACE: u8 = 2;
    /// No files.
    pub(super) const NO_FILES: u8 = 4;
    /// Keep the order.
    pub(super) const KEEP_ORDER: u8 = 32;
}

/// Prints one candidate per line, its description after a tab, and the directive on the last line.
impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Candidate { value, about } in &self.candidates {
            f.write_str(value)?;
            if !about.is_empty() {
                write!(f, "\t{about}")?;
            }
            f.write_str("\n")?;
        }
        let continues = matches!(self.candidates.as_slice(), [one] if one.value.ends_with(['=', '/']));
        let directive = match (self.files, continues) {
            (true, _) => 0,
            (false, true) => directive::NO_FILES | directive::KEEP_ORDER | directive::NO_SPACE,
            (false, false) => directive::NO_FILES | directive::KEEP_ORDER,
        };
        writeln!(f, ":{directive}")
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
