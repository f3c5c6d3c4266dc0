//! What to do next: complete commands to paste, and advice. Every command that output suggests is a [`SuggestedCommand`], so
//! that it acts on the same cluster as this one, whatever the current context is.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::sync::OnceLock;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suggestion {
    /// A complete command.
    Command(SuggestedCommand),
    /// Advice in words; it contains no command.
    Advice(String),
}

impl Suggestion {
    /// Returns the command, if it is one.
    pub(crate) fn command(&self) -> Option<&SuggestedCommand> {
        match self {
            Self::Command(command) => Some(command),
            Self::Advice(_) => None,
        }
    }
}

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => command.fmt(f),
            Self::Advice(words) => f.write_str(words),
        }
    }
}

/// For tests: the text is what counts.
#[cfg(test)]
impl PartialEq<&str> for Suggestion {
    fn eq(&self, text: &&str) -> bool {
        let own = self.to_string();
        own == *text
    }
}

#[cfg(test)]
impl PartialEq<String> for Suggestion {
    fn eq(&self, text: &String) -> bool {
        let own = self.to_string();
        own == *text
    }
}

impl From<SuggestedCommand> for Suggestion {
    fn from(command: SuggestedCommand) -> Self {
        Self::Command(command)
    }
}

impl From<String> for Suggestion {
    fn from(words: String) -> Self {
        Self::Advice(words)
    }
}

impl From<&str> for Suggestion {
    fn from(words: &str) -> Self {
        Self::Advice(words.to_owned())
    }
}

/// The program that a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Plugin,
    Kubectl,
}

/// Which of the flags that were given to this command a suggested one repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    /// All that it takes.
    Connection,
    /// The kubeconfig file alone: the command is about its contents.
    Kubeconfig,
    /// None: the command needs no cluster, or is about another one.
    Nothing,
}

/// A complete command to paste into a shell. Its text has every word quoted, and carries the connection flags that were given
/// to this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuggestedCommand {
    program: Program,
    words: Vec<String>,
    carries: Carries,
    note: Option<String>,
    /// An environment variable that is unset for it.
    without: Option<&'static str>,
}

/// Returns `kubectl synxdb <words>`. The words are separated by blanks; arguments are added with [`SuggestedCommand::word`].
pub(crate) fn plugin(words: &'static str) -> SuggestedCommand {
    SuggestedCommand::of(Program::Plugin, words)
}

/// Returns `kubectl <words>`.
pub(crate) fn kubectl(words: &'static str) -> SuggestedCommand {
    SuggestedCommand::of(Program::Kubectl, words)
}

impl SuggestedCommand {
    fn of(program: Program, words: &str) -> Self {
        let words = words.split_whitespace().map(str::to_owned).collect();
        Self { program, words, carries: Carries::Connection, note: None, without: None }
    }

    /// Adds an argument.
    #[must_use]
    pub(crate) fn word(mut self, word: impl Into<String>) -> Self {
        self.words.push(word.into());
        self
    }

    /// Adds a flag with its value.
    #[must_use]
    pub(crate) fn flag(self, name: &'static str, value: impl Into<String>) -> Self {
        self.word(name).word(value)
    }

    /// Adds a flag with its value, if there is one.
    #[must_use]
    pub(crate) fn optional(self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.flag(name, value),
            None => self,
        }
    }

    /// Adds a flag without a value, if it applies.
    #[must_use]
    pub(crate) fn switch(self, name: &'static str, given: bool) -> Self {
        if given { self.word(name) } else { self }
    }

    /// Adds `-n NAMESPACE`.
    #[must_use]
    pub(crate) fn namespace(self, namespace: impl Into<String>) -> Self {
        self.flag("-n", namespace)
    }

    /// Adds why one would run it, in parentheses.
    #[must_use]
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Makes it carry the kubeconfig file alone.
    #[must_use]
    pub(crate) fn of_kubeconfig(mut self) -> Self {
        self.carries = Carries::Kubeconfig;
        self
    }

    /// Makes it carry no flag.
    #[must_use]
    pub(crate) fn of_no_cluster(mut self) -> Self {
        self.carries = Carries::Nothing;
        self
    }

    /// Unsets an environment variable for it.
    #[must_use]
    pub(crate) fn without_variable(mut self, name: &'static str) -> Self {
        self.without = Some(name);
        self
    }

    /// Returns the command line with these flags, and without the note.
    fn line(&self, given: &GivenFlags) -> String {
        let mut line = self.without.map(|name| format!("env -u {name} ")).unwrap_or_default();
        line.push_str(match self.program {
            Program::Plugin => "kubectl synxdb",
            Program::Kubectl => "kubectl",
        });
        for word in &self.words {
            line.push(' ');
            line.push_str(&quoted(word));
        }
        for flag in given.carried(self) {
            line.push(' ');
            line.push_str(&flag.text());
        }
        line
    }

    fn text(&self, given: &GivenFlags) -> String {
        let line = self.line(given);
        self.note.as_ref().map_or_else(|| line.clone(), |note| format!("{line}    ({note})"))
    }

    /// Returns the command line without the note.
    pub(crate) fn command_line(&self) -> String {
        self.line(given())
    }
}

impl fmt::Display for SuggestedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(given()))
    }
}

/// A flag that was given to this command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GivenFlag {
    name: &'static str,
    value: FlagValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum FlagValue {
    None,
    Is(OsString),
    /// A shell variable in place of a secret, which is never printed.
    Variable(&'static str),
}

impl GivenFlag {
    fn text(&self) -> String {
        let name = self.name;
        match &self.value {
            FlagValue::None => name.to_owned(),
            // A value that looks like a flag would be taken for one.
            FlagValue::Is(value) if value.as_encoded_bytes().first() == Some(&b'-') => {
                format!("{name}={}", quoted_os(value))
            }
            FlagValue::Is(value) => format!("{name} {}", quoted_os(value)),
            FlagValue::Variable(variable) => format!("{name} \"${variable}\""),
        }
    }
}

/// Collects flags that were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FlagList(Vec<GivenFlag>);

impl FlagList {
    /// Adds a flag with its value, if it was given.
    pub(crate) fn value(&mut self, name: &'static str, value: Option<impl AsRef<OsStr>>) {
        let value = value.map(|value| FlagValue::Is(value.as_ref().to_owned()));
        self.0.extend(value.map(|value| GivenFlag { name, value }));
    }

    /// Adds a flag without a value, if it was given.
    pub(crate) fn switch(&mut self, name: &'static str, given: bool) {
        self.0.extend(given.then_some(GivenFlag { name, value: FlagValue::None }));
    }

    /// Adds a flag whose value is a secret, if it was given: a shell variable stands for the value.
    pub(crate) fn secret(&mut self, name: &'static str, variable: &'static str, given: bool) {
        self.0.extend(given.then_some(GivenFlag { name, value: FlagValue::Variable(variable) }));
    }

    /// Returns the flags' names.
    #[cfg(test)]
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|flag| flag.name).collect()
    }
}

/// The flags of this command that suggested ones repeat, by who takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GivenFlags {
    /// Flags that choose the cluster and the user: kubectl and the plugin take them.
    pub(crate) connection: FlagList,
    /// Flags of every command of the plugin: the layout and the practice cluster.
    pub(crate) plugin: FlagList,
    /// How to log in to databases: the commands that use SQL take them.
    pub(crate) login: FlagList,
    /// How to read status endpoints.
    pub(crate) pages: FlagList,
    /// Whether the cluster ends with this command.
    pub(crate) temporary: bool,
}

/// The plugin's commands that take the flags of database login.
pub(crate) const WITH_LOGIN: [&str; 3] = ["failover", "undo", "verify"];
/// The plugin's commands that take the flags of status endpoints.
pub(crate) const WITH_PAGES: [&str; 4] = ["failover", "undo", "verify", "status"];

impl GivenFlags {
    /// Returns the flags that a suggested command carries: those that it takes and does not set itself.
    fn carried<'a>(&'a self, command: &'a SuggestedCommand) -> Vec<GivenFlag> {
        let verb = command.words.first().map_or("", String::as_str);
        let mut flags: Vec<GivenFlag> = Vec::new();
        match (command.carries, command.program) {
            (Carries::Nothing, _) => {}
            // Its kubeconfig file went with it: no command may act on another cluster in its place.
            (_, Program::Kubectl) if self.temporary => {
                flags.push(GivenFlag { name: "--kubeconfig", value: FlagValue::Is("FILE".into()) });
            }
            (Carries::Kubeconfig, _) => {
                flags.extend(self.connection.0.iter().filter(|flag| flag.name == "--kubeconfig").cloned());
            }
            (Carries::Connection, Program::Kubectl) => flags.extend(self.connection.0.iter().cloned()),
            (Carries::Connection, Program::Plugin) => {
                flags.extend(self.connection.0.iter().chain(&self.plugin.0).cloned());
                if WITH_LOGIN.contains(&verb) {
                    flags.extend(self.login.0.iter().cloned());
                }
                if WITH_PAGES.contains(&verb) {
                    flags.extend(self.pages.0.iter().cloned());
                }
            }
        }
        flags.retain(|flag| !command.words.iter().any(|word| word == flag.name));
        flags
    }
}

static GIVEN: OnceLock<GivenFlags> = OnceLock::new();

/// Sets the flags that suggested commands carry. To be called once, before anything is printed; a second call has no effect.
pub(crate) fn carry(flags: GivenFlags) {
    let _ = GIVEN.set(flags);
}

fn given() -> &'static GivenFlags {
    static NONE: OnceLock<GivenFlags> = OnceLock::new();
    GIVEN.get().unwrap_or_else(|| NONE.get_or_init(GivenFlags::default))
}

/// Quotes a word for a shell. A word with control or invisible characters is written as `$'…'`, which bash, zsh and ksh read.
pub(crate) fn quoted(word: &str) -> String {
    quoted_os(OsStr::new(word))
}

/// Quotes a word of any bytes for a shell.
pub(crate) fn quoted_os(word: &OsStr) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+=,".contains(c);
    match word.to_str() {
        // zsh replaces `=name` by the path of a program.
        Some(text) if !text.is_empty() && !text.starts_with('=') && text.chars().all(plain) => text.to_owned(),
        Some(text) if !text.chars().any(is_hidden) => format!("'{}'", text.replace('\'', "'\\''")),
        text => {
            let mut quoted = String::from("$'");
            let text = text.unwrap_or_default();
            if text.is_empty() {
                word.as_encoded_bytes().iter().for_each(|byte| quoted.push_str(&escaped(*byte)));
            }
            for c in text.chars() {
                if is_hidden(c) || c.is_ascii() {
                    let mut bytes = [0; 4];
                    c.encode_utf8(&mut bytes).bytes().for_each(|byte| quoted.push_str(&escaped(byte)));
                } else {
                    quoted.push(c);
                }
            }
            quoted.push('\'');
            quoted
        }
    }
}

/// Whether a terminal would not show a character, or would let it change others.
fn is_hidden(c: char) -> bool {
    c.is_control() || crate::text::is_harmful(c)
}

fn escaped(byte: u8) -> String {
    match byte {
        b'\n' => "\\n".into(),
        b'\t' => "\\t".into(),
        b'\'' => "\\'".into(),
        b'\\' => "\\\\".into(),
        b' '..=b'~' => char::from(byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    }
}

#[cfg(test)]
#[path = "suggestion_tests.rs"]
mod tests;
