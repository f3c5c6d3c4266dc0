//! A label selector's text: the grammar and the complaints of `k8s.io/apimachinery/pkg/labels`. Pure.

use super::terms::{Operator, Requirement};
use crate::api::aggregate::aggregate;
use crate::api::names;
use std::collections::BTreeSet;

const OPERATORS: &str = "in, notin, =, ==, !=, gt, lt";

const KEY: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
    character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
    start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
    validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// A piece of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    End,
    /// A key, a value, or one of the words `in` and `notin`.
    Word(String),
    Symbol(&'static str),
}

const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", ">", "<", ",", "(", ")"];

impl Token {
    fn text(&self) -> &str {
        match self {
            Token::End => "",
            Token::Word(word) => word,
            Token::Symbol(symbol) => symbol,
        }
    }

    fn is(&self, symbol: &str) -> bool {
        matches!(self, Token::Symbol(own) if *own == symbol)
    }
}

/// Reads a selector.
///
/// # Errors
/// What cannot be read.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, String> {
    let mut parser = Parser { tokens: tokens(text), at: 0 };
    let mut requirements = Vec::new();
    loop {
        match parser.ahead() {
            Token::End => return Ok(requirements),
            token if matches!(token, Token::Word(_)) || token.is("!") => {}
            token => return Err(format!("found '{}', expected: !, identifier, or 'end of string'", token.text())),
        }
        requirements.push(parser.requirement().map_err(|why| format!("unable to parse requirement: {why}"))?);
        match parser.next() {
            Token::End => return Ok(requirements),
            token if token.is(",") => match parser.ahead() {
                token if matches!(token, Token::Word(_)) || token.is("!") => {}
                token => return Err(format!("found '{}', expected: identifier after ','", token.text())),
            },
            token => return Err(format!("found '{}', expected: ',' or 'end of string'", token.text())),
        }
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\t', '\r', '\n']);
    while !rest.is_empty() {
        let token = match SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            Some(symbol) => Token::Symbol(symbol),
            None => {
                let end = rest.find([' ', '\t', '\r', '\n', '=', '!', '(', ')', ',', '>', '<']);
                Token::Word(rest[..end.unwrap_or(rest.len())].to_owned())
            }
        };
        rest = rest[token.text().len()..].trim_start_matches([' ', '\t', '\r', '\n']);
        tokens.push(token);
    }
    tokens
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn ahead(&self) -> Token {
        self.tokens.get(self.at).cloned().unwrap_or(Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.ahead();
        self.at += 1;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut token = self.next();
        let absent = token.is("!");
        if absent {
            token = self.next();
        }
        let Token::Word(key) = token else { return Err(format!("found '{}', expected: identifier", token.text())) };
        if let Some(why) = key_findings(&key) {
            return Err(format!("<nil>: Invalid value: {key:?}: {why}"));
        }
        let ahead = self.ahead();
        let operator = match ahead {
            // What follows a negated key is for the caller to find wrong.
            _ if absent => Operator::Absent,
            Token::End => Operator::Exists,
            ahead if ahead.is(",") => Operator::Exists,
            _ => self.comparison(&key)?,
        };
        Ok(Requirement { key, operator })
    }

    fn comparison(&mut self, key: &str) -> Result<Operator, String> {
        let sign = self.next();
        let values = match sign.text() {
            "in" | "notin" => self.set()?,
            "=" | "==" | "!=" | ">" | "<" => BTreeSet::from([self.exact()?]),
            other => return Err(format!("found '{other}', expected: {OPERATORS}")),
        };
        let values: Vec<String> = values.into_iter().collect();
        let mut wrong = Vec::new();
        let bound = values.first().and_then(|value| value.parse().ok());
        if matches!(sign.text(), ">" | "<") && bound.is_none() {
            let value = values.first().map(String::as_str).unwrap_or_default();
            wrong.push(format!(
                "values[0]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"
            ));
        }
        for (index, value) in values.iter().enumerate() {
            if let Some(why) = value_findings(value) {
                wrong.push(format!("values[{index}][{key}]: Invalid value: {value:?}: {why}"));
            }
        }
        if !wrong.is_empty() {
            return Err(aggregate(&wrong));
        }
        Ok(match sign.text() {
            ">" => Operator::Greater(bound.unwrap_or_default()),
            "<" => Operator::Less(bound.unwrap_or_default()),
            "notin" | "!=" => Operator::NotIn(values),
            _ => Operator::In(values),
        })
    }

    /// `(a,b)`; an empty place in it is an empty value.
    fn set(&mut self) -> Result<BTreeSet<String>, String> {
        let open = self.next();
        if !open.is("(") {
            return Err(format!("found '{}' expected: '('", open.text()));
        }
        match self.ahead() {
            token if token.is(")") => {
                self.at += 1;
                return Ok(BTreeSet::from([String::new()]));
            }
            token if token.is(",") || matches!(token, Token::Word(_)) => {}
            token => return Err(format!("found '{}', expected: ',', ')' or identifier", token.text())),
        }
        let mut values = BTreeSet::new();
        loop {
            match self.next() {
                Token::Word(value) => {
                    values.insert(value);
                    let ahead = self.ahead();
                    if !ahead.is(",") && !ahead.is(")") {
                        return Err(format!("found '{}', expected: ',' or ')'", ahead.text()));
                    }
                }
                token if token.is(",") => {
                    let ahead = self.ahead();
                    if values.is_empty() || ahead.is(",") || ahead.is(")") {
                        values.insert(String::new());
                    }
                }
                token => return Err(format!("found '{}', expected: ',', or identifier", token.text())),
            }
            if self.ahead().is(")") {
                self.at += 1;
                return Ok(values);
            }
        }
    }

    fn exact(&mut self) -> Result<String, String> {
        match self.ahead() {
            Token::End => Ok(String::new()),
            token if token.is(",") => Ok(String::new()),
            Token::Word(value) => {
                self.at += 1;
                Ok(value)
            }
            token => Err(format!("found '{}', expected: identifier", token.text())),
        }
    }
}

/// Returns what is wrong with a label's key.
fn key_findings(key: &str) -> Option<String> {
    let mut wrong = Vec::new();
    let name = match key.split_once('/') {
        None => key,
        Some((_, name)) if name.contains('/') => {
            return Some(format!(
                "a valid label key {KEY} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
        }
        Some((prefix, name)) => {
            if prefix.is_empty() {
                wrong.push("prefix part must be non-empty".to_owned());
            } else if !names::is_subdomain(prefix) {
                wrong.push(format!("prefix part {}", names::SUBDOMAIN));
            }
            name
        }
    };
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        wrong.push("name part must be no more than 63 bytes".to_owned());
    }
    if name.is_empty() || !is_word(name) {
        wrong.push(format!("name part {KEY}"));
    }
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

/// Returns what is wrong with a label's value.
fn value_findings(value: &str) -> Option<String> {
    let mut wrong = Vec::new();
    if value.len() > 63 {
        wrong.push("must be no more than 63 bytes");
    }
    if !is_word(value) {
        wrong.push(VALUE);
    }
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

fn is_word(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_selectors_are_refused_as_by_a_real_server() {
        for (text, why) in [
            ("a b c", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
            ("=x", "found '=', expected: !, identifier, or 'end of string'"),
            ("app=x,,-", "found ',', expected: identifier after ','"),
            ("app=x,", "found '', expected: identifier after ','"),
            ("app in x", "unable to parse requirement: found 'x' expected: '('"),
            ("app in (x", "unable to parse requirement: found '', expected: ',' or ')'"),
            ("app in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
            ("app==!x", "unable to parse requirement: found '!', expected: identifier"),
            ("app=x y", "found 'y', expected: ',' or 'end of string'"),
            ("!app=x", "found '=', expected: ',' or 'end of string'"),
            ("!=x", "found '!=', expected: !, identifier, or 'end of string'"),
            (
                "n>x",
                "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be \
                 an integer",
            ),
        ] {
            assert_eq!(parse(text), Err(why.to_owned()), "{text}");
        }
        for (text, start) in [
            ("-a", "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist of"),
            ("/a", "unable to parse requirement: <nil>: Invalid value: \"/a\": prefix part must be non-empty"),
            ("A_B/a", "unable to parse requirement: <nil>: Invalid value: \"A_B/a\": prefix part a lowercase RFC 1123"),
            ("a/b/c", "unable to parse requirement: <nil>: Invalid value: \"a/b/c\": a valid label key must consist"),
            ("a=-b", "unable to parse requirement: values[0][a]: Invalid value: \"-b\": a valid label must be"),
        ] {
            let why = parse(text).unwrap_err();
            assert!(why.starts_with(start), "{text}: {why}");
        }
    }

    #[test]
    fn words_that_are_operators_can_be_keys_and_values() {
        let one = |key: &str, operator: Operator| Ok(vec![Requirement { key: key.to_owned(), operator }]);
        let values = |list: &[&str]| list.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        assert_eq!(parse("in"), one("in", Operator::Exists));
        assert_eq!(parse("in in (in,notin)"), one("in", Operator::In(values(&["in", "notin"]))));
        assert_eq!(parse(" a notin ()"), one("a", Operator::NotIn(values(&[""]))));
        assert_eq!(parse("a in (,x,)"), one("a", Operator::In(values(&["", "x"]))));
        assert_eq!(parse("a="), one("a", Operator::In(values(&[""]))));
    }
}
