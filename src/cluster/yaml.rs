//! YAML as kubectl reads it: by the rules of `sigs.k8s.io/yaml`, which are those of YAML 1.1 (`yes` is true, `017` a number),
//! turned into JSON. Of a stream only the first document counts, the last of equal keys wins, and maps are merged by
//! `<<`. Each value knows its line, for error messages; no message repeats a value, which may be a secret.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, Tag};

/// Most values that a document may have, with what its aliases repeat.
const MOST_VALUES: usize = 200_000;

/// Deepest nesting.
const DEEPEST: usize = 100;

/// A value and where it begins.
#[derive(Clone)]
pub(super) struct Node {
    /// From 1.
    pub(super) line: usize,
    pub(super) value: Value,
}

/// A value of JSON. A number is kept as it is written: nothing here needs its worth.
#[derive(Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// Each key once.
    Map(Vec<(String, Node)>),
}

/// Why a text is not a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (line {line})")]
pub(super) struct NotYaml {
    line: usize,
    reason: &'static str,
}

impl Value {
    /// Returns what it is, for an error.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// Returns it as JSON.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(yes) => (*yes).into(),
            Self::Number(number) => number
                .parse::<i64>()
                .map(Into::into)
                .or_else(|_| number.parse::<f64>().map(Into::into))
                .unwrap_or_default(),
            Self::Text(text) => text.clone().into(),
            Self::List(items) => items.iter().map(|item| item.value.to_json()).collect(),
            Self::Map(pairs) => {
                let mut pairs: Vec<_> = pairs.iter().map(|(key, node)| (key.clone(), node.value.to_json())).collect();
                // In Go's order.
                pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
                pairs.into_iter().collect::<serde_json::Map<_, _>>().into()
            }
        }
    }
}

/// Reads the first document of a text.
///
/// # Errors
/// It is no YAML up to the document's end, or has no form in JSON.
pub(super) fn document(text: &str) -> Result<Node, NotYaml> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: HashMap::new(), values: 0, line: 1 };
    loop {
        match reader.next()? {
            (Event::DocumentStart(..), _) => return reader.node(0),
            (Event::StreamEnd, span) => return Ok(Node { line: span.start.line(), value: Value::Null }),
            _ => {}
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, serde_saphyr::granit_parser::StrInput<'t>>,
    anchors: HashMap<usize, Node>,
    values: usize,
    line: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), NotYaml> {
        loop {
            match self.parser.next() {
                Some(Ok((event, span))) => {
                    self.line = span.start.line();
                    // Comments and the like are no part of a document.
                    if is_content(&event) {
                        return Ok((event, span));
                    }
                }
                // Its message may repeat what it could not read.
                Some(Err(error)) => {
                    return Err(NotYaml { line: error.marker().line(), reason: "it is not valid YAML" });
                }
                None => return Err(self.wrong("it ends too early")),
            }
        }
    }

    fn wrong(&self, reason: &'static str) -> NotYaml {
        NotYaml { line: self.line, reason }
    }

    fn node(&mut self, depth: usize) -> Result<Node, NotYaml> {
        let (event, span) = self.next()?;
        self.node_of(event, span, depth)
    }

    fn count(&mut self, more: usize) -> Result<(), NotYaml> {
        self.values += more;
        if self.values > MOST_VALUES { Err(self.wrong("it has too many values")) } else { Ok(()) }
    }

    fn node_of(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, NotYaml> {
        if depth > DEEPEST {
            return Err(self.wrong("it is nested too deeply"));
        }
        self.count(1)?;
        let line = span.start.line();
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (self.scalar(&text, style, tag.as_deref())?, anchor),
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break (Value::List(items), anchor),
                        (event, span) => items.push(self.node_of(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(_, anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(self.wrong("an alias has no anchor before it"));
                };
                self.count(size(&node))?;
                return Ok(Node { line, ..node });
            }
            _ => return Err(self.wrong("a value is missing")),
        };
        let node = Node { line, value };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn map(&mut self, depth: usize) -> Result<Value, NotYaml> {
        let mut pairs: Vec<(String, Node)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let merges = match &event {
                Event::MappingEnd => return Ok(Value::Map(pairs)),
                Event::Scalar(text, ScalarStyle::Plain, _, None) => text == "<<",
                _ => false,
            };
            let key = match self.node_of(event, span, depth + 1)?.value {
                Value::Text(text) | Value::Number(text) => text,
                Value::Bool(yes) => yes.to_string(),
                Value::Null => "null".to_owned(),
                Value::List(_) | Value::Map(_) => return Err(self.wrong("a key is a list or a map")),
            };
            let node = self.node(depth + 1)?;
            match (merges, node.value) {
                (true, Value::Map(merged)) => merged.into_iter().for_each(|(key, node)| put(&mut pairs, key, node)),
                // The first of them takes precedence.
                (true, Value::List(maps)) => {
                    for map in maps.into_iter().rev() {
                        let Value::Map(merged) = map.value else { return Err(self.wrong("`<<` takes maps")) };
                        merged.into_iter().for_each(|(key, node)| put(&mut pairs, key, node));
                    }
                }
                (true, _) => return Err(self.wrong("`<<` takes maps")),
                (false, value) => put(&mut pairs, key, Node { line: node.line, value }),
            }
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, NotYaml> {
        let core = tag.filter(|tag| tag.handle() == "tag:yaml.org,2002:").map(Tag::suffix);
        match core {
            Some("str") => return Ok(Value::Text(text.to_owned())),
            Some("binary") => {
                use base64::Engine;
                let packed: String = text.split_whitespace().collect();
                let bytes = base64::engine::general_purpose::STANDARD.decode(packed).ok();
                return match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
                    Some(text) => Ok(Value::Text(text)),
                    None => Err(self.wrong("a value tagged !!binary is not base64 of text")),
                };
            }
            _ => {}
        }
        // Another tag says nothing of a plain value, but what begins with an exclamation mark alone is text.
        if style != ScalarStyle::Plain || (tag.is_some() && core.is_none()) {
            return Ok(Value::Text(text.to_owned()));
        }
        Ok(match text {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
            "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
            ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf"
            | "-.INF" => return Err(self.wrong("a number is infinite or none")),
            _ if is_number(text) => Value::Number(text.to_owned()),
            _ => Value::Text(text.to_owned()),
        })
    }
}

fn is_content(event: &Event<'_>) -> bool {
    matches!(
        event,
        Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Alias(_)
            | Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::SequenceEnd
            | Event::MappingStart(..)
            | Event::MappingEnd
    )
}

/// Adds a pair, or replaces the one of the same key.
fn put(pairs: &mut Vec<(String, Node)>, key: String, node: Node) {
    match pairs.iter_mut().find(|(found, _)| *found == key) {
        Some((_, old)) => *old = node,
        None => pairs.push((key, node)),
    }
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(pairs) => 1 + pairs.iter().map(|(_, node)| size(node)).sum::<usize>(),
        _ => 1,
    }
}

/// Integers with Go's prefixes (`0x`, `0o`, `0b`, `0`) and underscores, and decimal fractions.
fn is_number(text: &str) -> bool {
    let plain = text.replace('_', "");
    let digits = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) || digits.is_empty() {
        return false;
    }
    let of = |digits: &str, radix: u32| !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    for (prefixes, radix) in [(["0x", "0X"], 16), (["0o", "0O"], 8), (["0b", "0B"], 2)] {
        if let Some(rest) = prefixes.iter().find_map(|prefix| digits.strip_prefix(prefix)) {
            return of(rest, radix);
        }
    }
    if of(digits, 10) {
        return true;
    }
    // [0-9]* "." [0-9]* with a digit, and an exponent
    let (mantissa, exponent) =
        digits.split_once(['e', 'E']).map_or((digits, None), |(left, right)| (left, Some(right)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let figures = |text: &str| text.chars().all(|digit| digit.is_ascii_digit());
    let exponent = exponent.is_none_or(|text| of(text.strip_prefix(['+', '-']).unwrap_or(text), 10));
    figures(whole) && figures(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        document(text).map_or_else(|error| error.to_string(), |node| node.value.to_json().to_string())
    }

    /// What kubectl's own parser makes of it.
    #[test]
    fn a_document_is_what_it_is_for_kubectl() {
        for (text, expected) in [
            ("", "null"),
            ("# only a comment\n", "null"),
            ("# first\na: # second\n  # third\n  b: c # fourth\n", r#"{"a":{"b":"c"}}"#),
            ("a: 1\nb: x\n---\n]", r#"{"a":1,"b":"x"}"#),
            ("a: 1\na: 2\n", r#"{"a":2}"#),
            ("a: {b: yes, c: off, d: y, e: 'yes', f: ~}", r#"{"a":{"b":true,"c":false,"d":true,"e":"yes","f":null}}"#),
            ("[1, -2, 1.5, 1e3, .5, 0x1f, 1_000]", "[1,-2,1.5,1000.0,0.5,null,null]"),
            (
                "[1.2.3, 12:30, 2020-01-01, 1x, 0o9, _1, 1e, e1]",
                r#"["1.2.3","12:30","2020-01-01","1x","0o9","_1","1e","e1"]"#,
            ),
            ("[!!str 1, !mine 1, !!binary aGVs\n  bG8=]", r#"["1","1","hello"]"#),
            ("a: &x {b: 1}\nc: {<<: *x, d: 2}\n", r#"{"a":{"b":1},"c":{"b":1,"d":2}}"#),
            (
                "a: &x {b: 1}\nd: &z {b: 2, e: 3}\nc: {<<: [*x, *z]}\n",
                r#"{"a":{"b":1},"c":{"b":1,"e":3},"d":{"b":2,"e":3}}"#,
            ),
            ("1: a\ntrue: b\n", r#"{"1":"a","true":"b"}"#),
            ("a: .inf\n", "a number is infinite or none (line 1)"),
            ("a:\n  b: [\n", "it is not valid YAML (line 2)"),
            ("a: *none\n", "it is not valid YAML (line 1)"),
            ("a: {<<: 5}", "`<<` takes maps (line 1)"),
            ("{[1]: 2}", "a key is a list or a map (line 1)"),
        ] {
            assert_eq!(json(text), expected, "{text}");
        }
    }

    #[test]
    fn aliases_cannot_make_it_endless() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let list = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{list}]\n"));
        }
        assert!(json(&bomb).starts_with("it has too many values"));
        assert!(json(&"[".repeat(5000)).contains("(line 1)"));
    }
}
