//! Splits the JSON of a list into its objects while the bytes arrive, so that one object at a time is kept as text. Pure.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

/// Bytes in a string that matter: its end, and what makes the next byte ordinary.
const QUOTE: u8 = b'"';
const BACKSLASH: u8 = b'\\';

/// A list that is being read.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    /// The list without its objects.
    rest: Vec<u8>,
    /// The beginning of the object that is being read.
    object: Vec<u8>,
    /// The latest string of the outermost object: its keys are among them.
    word: Vec<u8>,
    /// Open braces and brackets.
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// Whether the next value of the outermost object is that of `items`.
    at_items: bool,
    /// Whether the objects are being read.
    in_items: bool,
}

/// What a list says about itself.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ListFacts {
    /// `metadata.resourceVersion`: the version of the cluster that it shows.
    pub(super) version: Option<String>,
    /// `metadata.continue`: where the next page begins, if there is one.
    pub(super) resume: Option<String>,
}

impl Splitter {
    /// Depth within `items`, outside of its objects.
    const BETWEEN: usize = 2;

    /// Takes in the next bytes, and passes on each object that they complete.
    ///
    /// # Errors
    /// Those of `take`.
    pub(super) fn feed<E>(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        // Where the object that is being read begins in these bytes.
        let mut begin = 0;
        let mut at = 0;
        while at < bytes.len() {
            if self.in_string {
                at += self.string(&bytes[at..]);
                continue;
            }
            let byte = bytes[at];
            at += 1;
            let in_object = self.in_items && self.depth > Self::BETWEEN;
            match byte {
                QUOTE => {
                    self.in_string = true;
                    self.word.clear();
                }
                b'{' | b'[' => {
                    self.depth += 1;
                    if self.in_items && self.depth == Self::BETWEEN + 1 && byte == b'{' {
                        begin = at - 1;
                        continue;
                    }
                    if self.at_items && self.depth == Self::BETWEEN && byte == b'[' {
                        self.in_items = true;
                        self.at_items = false;
                    }
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if in_object && self.depth == Self::BETWEEN {
                        self.complete(&bytes[begin..at], &mut take)?;
                        continue;
                    }
                    if self.depth < Self::BETWEEN {
                        self.in_items = false;
                    }
                }
                b':' if self.depth == 1 => self.at_items = self.word == b"items",
                b',' if self.depth == 1 => self.at_items = false,
                // Between objects.
                b',' if self.in_items && self.depth == Self::BETWEEN => continue,
                _ => {}
            }
            if !in_object {
                self.rest.push(byte);
            }
        }
        if self.in_items && self.depth > Self::BETWEEN {
            self.object.extend_from_slice(&bytes[begin..]);
        }
        Ok(())
    }

    /// Takes in a string up to its end; returns how many bytes it took.
    fn string(&mut self, bytes: &[u8]) -> usize {
        let taken = if std::mem::take(&mut self.escaped) {
            1
        } else {
            match memchr::memchr2(QUOTE, BACKSLASH, bytes) {
                None => bytes.len(),
                Some(at) => {
                    self.in_string = bytes[at] != QUOTE;
                    self.escaped = bytes[at] == BACKSLASH;
                    at + 1
                }
            }
        };
        if !(self.in_items && self.depth > Self::BETWEEN) {
            self.rest.extend_from_slice(&bytes[..taken]);
            if self.depth == 1 {
                self.word.extend_from_slice(&bytes[..taken - usize::from(!self.in_string)]);
            }
        }
        taken
    }

    /// Passes on an object whose last bytes these are.
    fn complete<E>(&mut self, end: &[u8], take: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.object.is_empty() {
            return take(end);
        }
        self.object.extend_from_slice(end);
        let taken = take(&self.object);
        self.object.clear();
        taken
    }

    /// Returns how many bytes are kept.
    pub(super) fn kept(&self) -> usize {
        self.object.len() + self.rest.len() + self.word.len()
    }

    /// Returns what the list says about itself, once all bytes were taken in.
    ///
    /// # Errors
    /// It is not a list, or ended early.
    pub(super) fn finish(self) -> serde_json::Result<ListFacts> {
        #[derive(Deserialize)]
        struct List {
            #[serde(default)]
            metadata: Metadata,
            #[serde(deserialize_with = "nothing_left")]
            #[expect(dead_code, reason = "it must be there, and its objects were passed on")]
            items: (),
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Metadata {
            resource_version: Option<String>,
            r#continue: Option<String>,
        }
        // If the list ended early, so does this.
        let List { metadata, .. } = serde_json::from_slice(&self.rest)?;
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(ListFacts { version: given(metadata.resource_version), resume: given(metadata.r#continue) })
    }
}

/// An array without the objects that were passed on, or Go's `null` for an empty one.
fn nothing_left<'de, D: Deserializer<'de>>(items: D) -> Result<(), D::Error> {
    Option::<[IgnoredAny; 0]>::deserialize(items).map(drop)
}

/// Returns `metadata.namespace` of an object, and decodes no more of it than necessary: metadata comes first.
pub(super) fn namespace_of(object: &[u8]) -> Option<String> {
    let mut found = None;
    // Once it is found, an error ends the decoding.
    let _ = Peek { path: &["metadata", "namespace"], found: &mut found }
        .deserialize(&mut serde_json::Deserializer::from_slice(object));
    found
}

/// Looks for the string at a path.
struct Peek<'p> {
    path: &'static [&'static str],
    found: &'p mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Peek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            *self.found = Some(String::deserialize(deserializer)?);
            return Err(D::Error::custom("found"));
        }
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Peek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match self.path.split_first() {
                Some((first, path)) if key == *first => map.next_value_seed(Peek { path, found: &mut *self.found })?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Splits a text that arrives in pieces of this size.
    fn split(text: &str, piece: usize) -> serde_json::Result<(Vec<Value>, ListFacts)> {
        let (mut splitter, mut objects) = (Splitter::default(), Vec::new());
        for bytes in text.as_bytes().chunks(piece) {
            splitter.feed(bytes, |object| serde_json::from_slice(object).map(|object| objects.push(object)))?;
        }
        Ok((objects, splitter.finish()?))
    }

    #[test]
    fn objects_are_passed_on_and_the_rest_is_the_list() {
        let tricky = [
            json!({"metadata": {"name": "a\"]}\\"}, "items": [{"x": 1}, []]}),
            json!({"text": "{\"items\":[", "empty": {}, "n": [[1], {"a": [2]}]}),
            json!({}),
        ];
        let list = json!({"kind": "List", "note": "items", "items": tricky,
            "metadata": {"resourceVersion": "7", "continue": "t\u{e9}", "items": [1]}});
        for text in [list.to_string(), serde_json::to_string_pretty(&list).unwrap()] {
            for piece in [1, 2, 3, 7, 64, 4096] {
                let (objects, facts) = split(&text, piece).unwrap();
                assert_eq!(objects, tricky, "{piece}");
                assert_eq!((facts.version.as_deref(), facts.resume.as_deref()), (Some("7"), Some("té")), "{piece}");
            }
        }
    }

    #[test]
    fn an_empty_list_has_no_objects() {
        for text in [r#"{"items":[]}"#, r#"{"items":null,"metadata":{"continue":"","resourceVersion":""}}"#] {
            let (objects, facts) = split(text, 5).unwrap();
            assert!(objects.is_empty() && facts.version.is_none() && facts.resume.is_none(), "{text}");
        }
    }

    /// A list that was cut off, or is none, is never taken for a shorter one.
    #[test]
    fn what_is_not_a_whole_list_is_an_error() {
        let whole = r#"{"metadata":{},"items":[{"a":"b"},{"a":[]}]}"#;
        assert!(split(whole, 9).is_ok());
        for cut in 0..whole.len() {
            assert!(split(&whole[..cut], 9).is_err(), "{}", &whole[..cut]);
        }
        for text in [
            r#""not a list""#,
            "null",
            "{}",
            "[]",
            r#"{"items":[1]}"#,
            r#"{"items":["a"]}"#,
            r#"{"items":[[{}]]}"#,
            r#"{"items":{"a":{}}}"#,
            r#"{"items":[null]}"#,
            r#"{"it\u0065ms":[{}]}"#,
            r#"{"items":[]}}"#,
            r#"{"items":[]} {"items":[]}"#,
            r#"{"metadata":5,"items":[]}"#,
            r#"{"items":[{}]]}"#,
            r#"{"items":[{]}]}"#,
        ] {
            assert!(split(text, 9).is_err(), "{text}");
        }
    }

    #[test]
    fn no_more_than_one_object_is_kept() {
        let object = json!({"metadata": {"name": "x".repeat(100)}}).to_string();
        let text = format!("{{\"items\":[{}]}}", vec![object; 100].join(","));
        let mut splitter = Splitter::default();
        for bytes in text.as_bytes().chunks(64) {
            splitter.feed(bytes, |_| Ok::<_, ()>(())).unwrap();
            assert!(splitter.kept() < 200, "{}", splitter.kept());
        }
    }

    #[test]
    fn the_namespace_is_found_without_decoding_the_rest() {
        for (text, expected) in [
            (r#"{"metadata":{"name":"p","namespace":"n","labels":{}},"spec":not even JSON"#, Some("n")),
            (r#"{"spec":{"namespace":"no"},"metadata":{"namespace":"n"}}"#, Some("n")),
            (r#"{"metadata":{"name":"p"},"namespace":"no"}"#, None),
            (r#"{"metadata":{"ownerReferences":[{"namespace":"no"}]}}"#, None),
            (r#"[]"#, None),
            ("", None),
        ] {
            assert_eq!(namespace_of(text.as_bytes()).as_deref(), expected, "{text}");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof!["[a-z\"\\\\{}\\[\\]:,]{0,8}", Just("items".to_owned())];
        let leaf =
            prop_oneof![Just(Value::Null), any::<i32>().prop_map(Value::from), text.clone().prop_map(Value::from)];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((text.clone(), inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Any objects, in any pieces.
        #[test]
        fn splitting_is_what_decoding_is(
            objects in prop::collection::vec(value().prop_filter("objects", Value::is_object), 0..5),
            other in value(),
            piece in 1_usize..40,
        ) {
            let text = json!({"other": other, "items": objects, "more": other}).to_string();
            let (split, _) = split(&text, piece).unwrap();
            prop_assert_eq!(split, objects);
        }
    }
}
