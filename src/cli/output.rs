//! `-o`: one type for all commands, each with the formats that suit it.

use super::JsonPath;
use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};
use std::ffi::OsStr;

/// An output format.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Output {
    /// Human-readable.
    #[default]
    Text,
    /// Human-readable, with all details.
    Wide,
    /// `TYPE/NAME`, one per line.
    Name,
    /// Machine-readable.
    Machine(Machine),
}

/// A machine-readable format.
#[derive(Clone, Debug, PartialEq)]
pub enum Machine {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// A template that is filled in from the document.
    JsonPath(JsonPath),
}

impl Output {
    /// Returns whether it is JSON, which streams print as one object per line.
    pub fn is_json(&self) -> bool {
        *self == Self::Machine(Machine::Json)
    }

    /// Returns whether it is human-readable.
    pub fn is_for_people(&self) -> bool {
        matches!(self, Self::Text | Self::Wide)
    }
}

/// A format that a command accepts: its name and description.
pub(super) type Word = (&'static str, &'static str);

/// For a command whose result is a table.
pub(super) const TABLE: Word = ("table", "Human-readable table");
/// For a command whose result is not a table.
pub(super) const TEXT: Word = ("text", "Human-readable text");
pub(super) const JSON: Word = ("json", "JSON, with apiVersion and kind: see `schema`");
pub(super) const YAML: Word = ("yaml", "YAML, with apiVersion and kind");
const JSONPATH: &str = "jsonpath=";
pub(super) const PATH: Word = (JSONPATH, "JSONPath template over the JSON document, as in kubectl");

/// How similar a word must be to a format to suggest it, as clap does for other values.
const ALIKE: f64 = 0.7;

/// Returns the parser of a command's `-o`.
pub(super) fn forms(words: &'static [Word]) -> Forms {
    Forms(words)
}

/// The parser of a command's `-o`.
#[derive(Clone, Debug)]
pub(super) struct Forms(&'static [Word]);

impl TypedValueParser for Forms {
    type Value = Output;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Output, Error> {
        let typed = value.to_string_lossy();
        let takes = |word: &str| self.0.iter().any(|(name, _)| *name == word);
        let machine = |form| Ok(Output::Machine(form));
        match &*typed {
            "table" | "text" if takes(&typed) => Ok(Output::Text),
            "wide" if takes("wide") => Ok(Output::Wide),
            "name" if takes("name") => Ok(Output::Name),
            "json" if takes("json") => machine(Machine::Json),
            "yaml" if takes("yaml") => machine(Machine::Yaml),
            typed if takes(JSONPATH) && typed.starts_with("jsonpath") => {
                let template = typed.strip_prefix(JSONPATH).unwrap_or_default();
                let template = JsonPath::parse(template);
                template.map(|template| Output::Machine(Machine::JsonPath(template))).map_err(|why| {
                    let error = Error::raw(ErrorKind::ValueValidation, format!("-o {typed}: {why}\n"));
                    error.with_cmd(command)
                })
            }
            typed => {
                let mut error = Error::new(ErrorKind::InvalidValue).with_cmd(command);
                let arg = arg.map_or_else(|| "--output".to_owned(), ToString::to_string);
                error.insert(ContextKind::InvalidArg, ContextValue::String(arg));
                error.insert(ContextKind::InvalidValue, ContextValue::String(typed.to_owned()));
                let valid = self.0.iter().map(|(name, _)| (*name).to_owned()).collect();
                error.insert(ContextKind::ValidValue, ContextValue::Strings(valid));
                let near = |name: &&str| strsim::jaro(typed, name);
                let words = self.0.iter().map(|(name, _)| *name);
                let nearest = words.max_by(|one, other| near(one).total_cmp(&near(other)));
                if let Some(nearest) = nearest.filter(|name| near(name) > ALIKE) {
                    error.insert(ContextKind::SuggestedValue, ContextValue::String(nearest.to_owned()));
                }
                Err(error)
            }
        }
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(|(name, what)| PossibleValue::new(*name).help(*what))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command as Verb};
    use clap::Parser;

    fn of_status(form: &str) -> Result<Output, String> {
        match Cli::try_parse_from(["kubectl-synxdb", "status", "-o", form]).map_err(|error| error.to_string())?.command
        {
            Verb::Status(args) => Ok(args.output),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_form_is_one_that_the_command_has() {
        assert_eq!(of_status("table"), Ok(Output::Text));
        assert_eq!(of_status("wide"), Ok(Output::Wide));
        assert_eq!(of_status("name"), Ok(Output::Name));
        assert!(of_status("json").unwrap().is_json());
        assert!(matches!(of_status("jsonpath={.health}"), Ok(Output::Machine(Machine::JsonPath(_)))));
        let error = of_status("text").unwrap_err();
        assert!(error.contains("invalid value 'text' for '--output <FORMAT>'"), "{error}");
        assert!(error.contains("[possible values: table, wide, json, yaml, name, jsonpath=]"), "{error}");
        let error = of_status("jsonpath={.health").unwrap_err();
        assert!(error.contains("{.health is not closed"), "{error}");
        assert!(of_status("jsonpath").unwrap_err().contains("a template is required"));
    }
}
