//! `-o jsonpath=TEMPLATE`, as in kubectl: text, and in braces paths, literals, and `range … end`.
//! <https://kubernetes.io/docs/reference/kubectl/jsonpath/>
//!
//! The paths are those of RFC 9535, which includes kubectl's except for the spelling of names: kubectl accepts any name after a
//! dot (`.kubernetes\.io/arch`), the RFC only identifiers.

use serde_json::Value;
use serde_json_path::JsonPath as Path;
use std::fmt::Write as _;

/// A parsed template.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    /// Literal text.
    Text(String),
    /// The values of a path, from the current value.
    Path(Path),
    /// The parts for each value of a path, from that value.
    Range(Path, Vec<Part>),
}

impl JsonPath {
    /// Parses a template. One without braces is a single path.
    ///
    /// # Errors
    /// The template is invalid.
    pub fn parse(template: &str) -> Result<Self, String> {
        if template.is_empty() {
            return Err("a template is required: -o jsonpath='{.health}'".to_owned());
        }
        if !template.contains('{') {
            return Ok(Self(vec![Part::Path(path(template)?)]));
        }
        let mut rest = template;
        // The innermost open range is the last.
        let mut open: Vec<(Path, Vec<Part>)> = Vec::new();
        let mut parts = Vec::new();
        while let Some(brace) = rest.find('{') {
            text(&rest[..brace], &mut parts);
            let inside = &rest[brace + 1..];
            let end = closing(inside).ok_or_else(|| format!("{{{inside} is not closed by }}"))?;
            rest = &inside[end + 1..];
            let inside = inside[..end].trim();
            if let Some(of) = inside.strip_prefix("range ") {
                open.push((path(of.trim())?, std::mem::take(&mut parts)));
            } else if inside == "end" {
                let (of, before) = open.pop().ok_or("{end} without {range …}")?;
                let inner = std::mem::replace(&mut parts, before);
                parts.push(Part::Range(of, inner));
            } else if inside.starts_with(['"', '\'']) {
                parts.push(Part::Text(literal(inside)?));
            } else {
                parts.push(Part::Path(path(inside)?));
            }
        }
        text(rest, &mut parts);
        if open.is_empty() { Ok(Self(parts)) } else { Err("{range …} without {end}".to_owned()) }
    }

    /// Fills in the template from a document, as kubectl does: a missing value is empty, several values are separated by a space,
    /// and a value that is not plain is JSON.
    pub fn fill(&self, document: &Value) -> String {
        let mut filled = String::new();
        fill(&self.0, document, &mut filled);
        filled
    }
}

fn fill(parts: &[Part], at: &Value, filled: &mut String) {
    for part in parts {
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Path(path) => {
                for (index, value) in path.query(at).iter().enumerate() {
                    if index > 0 {
                        filled.push(' ');
                    }
                    match value {
                        Value::String(text) => filled.push_str(text),
                        Value::Null => {}
                        other => {
                            let _ = write!(filled, "{other}");
                        }
                    }
                }
            }
            Part::Range(of, inner) => {
                for value in of.query(at).iter() {
                    fill(inner, value, filled);
                }
            }
        }
    }
}

fn text(text: &str, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

/// Returns the position of the closing brace, outside quotes.
fn closing(inside: &str) -> Option<usize> {
    unquoted(inside, |c| c == '}')
}

/// Returns the position of the first such character outside quotes.
fn unquoted(text: &str, wanted: impl Fn(char) -> bool) -> Option<usize> {
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (_, '\\') => escaped = true,
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, _) if wanted(c) => return Some(at),
            (None, _) => {}
        }
    }
    None
}

/// Parses `"\n"` and `'\t'`, with the usual escapes.
fn literal(quoted: &str) -> Result<String, String> {
    let wrong = || format!("{{{quoted}}} is not a quoted text");
    let quote = quoted.chars().next().ok_or_else(wrong)?;
    let inside = quoted[1..].strip_suffix(quote).ok_or_else(wrong)?;
    let mut text = String::new();
    let mut rest = inside.chars();
    while let Some(c) = rest.next() {
        text.push(match c {
            '\\' => match rest.next().ok_or_else(wrong)? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            },
            other => other,
        });
    }
    Ok(text)
}

/// Parses a path in kubectl's spelling.
fn path(typed: &str) -> Result<Path, String> {
    let spelled = spelled(typed).ok_or_else(|| format!("{typed:?} is not a path such as .namespaces[0].name"))?;
    Path::parse(&spelled).map_err(|error| format!("{typed:?} is not a path: {error}"))
}

/// Returns the path in the RFC's spelling: from `$`, with every name in brackets.
fn spelled(typed: &str) -> Option<String> {
    let mut rest = typed.strip_prefix(['$', '@']).unwrap_or(typed);
    let mut spelled = String::from("$");
    if !rest.is_empty() && !rest.starts_with(['.', '[']) {
        // As in kubectl: `{health}` is `{.health}`.
        rest = name(rest, &mut spelled)?;
    }
    while !rest.is_empty() {
        if rest.starts_with('[') {
            let end = unquoted(rest, |c| c == ']')?;
            spelled.push_str(&rest[..=end]);
            rest = &rest[end + 1..];
        } else if let Some(below) = rest.strip_prefix("..") {
            spelled.push_str("..");
            rest = if below.starts_with('[') { below } else { name(below, &mut spelled)? };
        } else {
            rest = name(rest.strip_prefix('.')?, &mut spelled)?;
        }
    }
    Some(spelled)
}

/// Consumes the name or `*` at the beginning, and returns the rest. `.` alone is the current value.
fn name<'t>(text: &'t str, spelled: &mut String) -> Option<&'t str> {
    let mut name = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match c {
            '.' | '[' => break,
            '\\' => {
                let escaped = rest[1..].chars().next()?;
                name.push(escaped);
                rest = &rest[1 + escaped.len_utf8()..];
                continue;
            }
            ']' | '(' | ')' => return None,
            c if c.is_whitespace() => return None,
            _ => name.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    match name.as_str() {
        "" if rest.is_empty() && spelled == "$" => {}
        "" => return None,
        "*" => spelled.push_str("[*]"),
        name => {
            let _ = write!(spelled, "[{}]", Value::from(name));
        }
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Value {
        json!({
            "health": "healthy",
            "members": {"ready": 6, "all": 7},
            "none": null,
            "kubernetes.io/arch": "amd64",
            "a-b": [1, 2, 3],
            "pods": [
                {"name": "wh9527-0", "ready": true, "claims": [{"name": "data"}]},
                {"name": "safekeeper-0", "ready": false, "claims": [{"name": "wal"}, {"name": "tmp"}]},
            ],
        })
    }

    /// Tests with a real kubectl check that it does the same.
    #[test]
    fn templates_are_filled_as_kubectl_fills_them() {
        for (template, filled) in [
            ("{.health}", "healthy"),
            ("{health}", "healthy"),
            (".health", "healthy"),
            ("{$.health}", "healthy"),
            ("{@.health}", "healthy"),
            ("health: {.health}\n", "health: healthy\n"),
            ("{.members}", r#"{"ready":6,"all":7}"#),
            ("{.members.ready}/{.members.all}", "6/7"),
            ("{.not.there}", ""),
            ("{.none}", ""),
            (r"{.kubernetes\.io/arch}", "amd64"),
            ("{['kubernetes.io/arch']}", "amd64"),
            ("{.a-b}", "[1,2,3]"),
            ("{.a-b[*]}", "1 2 3"),
            ("{.a-b[-1]} {.a-b[0:2]} {.a-b[0,2]}", "3 1 2 1 3"),
            ("{.pods[*].name}", "wh9527-0 safekeeper-0"),
            ("{.pods[?(@.ready==false)].name}", "safekeeper-0"),
            (r#"{.pods[?(@.name=="wh9527-0")].ready}"#, "true"),
            ("{..claims[*].name}", "data wal tmp"),
            (r#"{range .pods[*]}{.name}{"\t"}{.ready}{"\n"}{end}"#, "wh9527-0\ttrue\nsafekeeper-0\tfalse\n"),
            (r"{range .pods[*]}{.name}:{range .claims[*]} {.name}{end};{end}", "wh9527-0: data;safekeeper-0: wal tmp;"),
            ("{'{literal}'}", "{literal}"),
        ] {
            assert_eq!(JsonPath::parse(template).unwrap().fill(&document()), filled, "{template}");
        }
        let everything = JsonPath::parse("{.}").unwrap().fill(&document());
        assert_eq!(serde_json::from_str::<Value>(&everything).unwrap(), document());
    }

    #[test]
    fn an_invalid_template_is_rejected_with_its_reason() {
        for (template, why) in [
            ("", "a template is required"),
            ("{.health", "is not closed"),
            ("{range .pods[*]}{.name}", "{range …} without {end}"),
            ("{end}", "{end} without {range"),
            ("{.pods[}", "is not a path"),
            ("{.pods[x]}", "is not a path"),
            ("{..}", "is not a path"),
            ("{.a b}", "is not a path"),
            (r#"{"open}"#, "is not closed"),
        ] {
            let error = JsonPath::parse(template).unwrap_err();
            assert!(error.contains(why), "{template}: {error}");
        }
    }
}
