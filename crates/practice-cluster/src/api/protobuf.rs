//! Kubernetes' protobuf encoding of the few kinds that kubectl's typed commands send in it (`auth`, `drain`,
//! `create configmap`, …), read into the same JSON that everything here works on. Answers are always JSON.
//!
//! Field numbers are those of the `generated.proto` files of k8s.io/api and k8s.io/apimachinery. Fields that are not
//! in the tables are skipped, empty strings stand for absent ones.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// What every encoded object begins with.
const MAGIC: &[u8] = b"k8s\0";

/// A message: field number, JSON name, what it holds.
type Message = [(u64, &'static str, Kind)];

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Integer,
    Boolean,
    Nested(&'static Message),
    Texts,
    List(&'static Message),
    TextMap,
    BytesMap,
    /// `intstr.IntOrString`.
    IntOrText,
}

use Kind::{Boolean, BytesMap, IntOrText, Integer, List, Nested, Text, TextMap, Texts};

const OWNER: &Message = &[
    (1, "kind", Text),
    (3, "name", Text),
    (4, "uid", Text),
    (5, "apiVersion", Text),
    (6, "controller", Boolean),
    (7, "blockOwnerDeletion", Boolean),
];

const METADATA: &Message = &[
    (1, "name", Text),
    (2, "generateName", Text),
    (3, "namespace", Text),
    (5, "uid", Text),
    (6, "resourceVersion", Text),
    (11, "labels", TextMap),
    (12, "annotations", TextMap),
    (13, "ownerReferences", List(OWNER)),
    (14, "finalizers", Texts),
];

const DELETE_OPTIONS: &Message = &[
    (1, "gracePeriodSeconds", Integer),
    (2, "preconditions", Nested(&[(1, "uid", Text), (2, "resourceVersion", Text)])),
    (3, "orphanDependents", Boolean),
    (4, "propagationPolicy", Text),
    (5, "dryRun", Texts),
];

const EVICTION: &Message = &[(1, "metadata", Nested(METADATA)), (2, "deleteOptions", Nested(DELETE_OPTIONS))];

const ACCESS_REVIEW: &Message = &[
    (1, "metadata", Nested(METADATA)),
    (
        2,
        "spec",
        Nested(&[
            (
                1,
                "resourceAttributes",
                Nested(&[
                    (1, "namespace", Text),
                    (2, "verb", Text),
                    (3, "group", Text),
                    (4, "version", Text),
                    (5, "resource", Text),
                    (6, "subresource", Text),
                    (7, "name", Text),
                ]),
            ),
            (2, "nonResourceAttributes", Nested(&[(1, "path", Text), (2, "verb", Text)])),
        ]),
    ),
];

const RULES_REVIEW: &Message = &[(1, "metadata", Nested(METADATA)), (2, "spec", Nested(&[(1, "namespace", Text)]))];

const METADATA_ONLY: &Message = &[(1, "metadata", Nested(METADATA))];

const CONFIG_MAP: &Message =
    &[(1, "metadata", Nested(METADATA)), (2, "data", TextMap), (3, "binaryData", BytesMap), (4, "immutable", Boolean)];

const SECRET: &Message = &[
    (1, "metadata", Nested(METADATA)),
    (2, "data", BytesMap),
    (3, "type", Text),
    (4, "stringData", TextMap),
    (5, "immutable", Boolean),
];

const BUDGET: &Message = &[
    (1, "metadata", Nested(METADATA)),
    (
        2,
        "spec",
        Nested(&[
            (1, "minAvailable", IntOrText),
            (
                2,
                "selector",
                Nested(&[
                    (1, "matchLabels", TextMap),
                    (2, "matchExpressions", List(&[(1, "key", Text), (2, "operator", Text), (3, "values", Texts)])),
                ]),
            ),
            (3, "maxUnavailable", IntOrText),
        ]),
    ),
];

const TOKEN_REQUEST: &Message = &[
    (1, "metadata", Nested(METADATA)),
    (
        2,
        "spec",
        Nested(&[
            (1, "audiences", Texts),
            (
                3,
                "boundObjectRef",
                Nested(&[(1, "kind", Text), (2, "apiVersion", Text), (3, "name", Text), (4, "uid", Text)]),
            ),
            (4, "expirationSeconds", Integer),
        ]),
    ),
];

const ROLE: &Message = &[
    (1, "metadata", Nested(METADATA)),
    (
        2,
        "rules",
        List(&[
            (1, "verbs", Texts),
            (2, "apiGroups", Texts),
            (3, "resources", Texts),
            (4, "resourceNames", Texts),
            (5, "nonResourceURLs", Texts),
        ]),
    ),
];

const BINDING: &Message = &[
    (1, "metadata", Nested(METADATA)),
    (2, "subjects", List(&[(1, "kind", Text), (2, "apiGroup", Text), (3, "name", Text), (4, "namespace", Text)])),
    (3, "roleRef", Nested(&[(1, "apiGroup", Text), (2, "kind", Text), (3, "name", Text)])),
];

fn message(kind: &str) -> Option<&'static Message> {
    Some(match kind {
        "DeleteOptions" => DELETE_OPTIONS,
        "Eviction" => EVICTION,
        "SelfSubjectAccessReview" => ACCESS_REVIEW,
        "SelfSubjectRulesReview" => RULES_REVIEW,
        "SelfSubjectReview" | "Namespace" | "ServiceAccount" => METADATA_ONLY,
        "ConfigMap" => CONFIG_MAP,
        "Secret" => SECRET,
        "PodDisruptionBudget" => BUDGET,
        "TokenRequest" => TOKEN_REQUEST,
        "Role" | "ClusterRole" => ROLE,
        "RoleBinding" | "ClusterRoleBinding" => BINDING,
        _ => return None,
    })
}

/// The object in a body of type `application/vnd.kubernetes.protobuf`; `None` for broken ones and for kinds that are
/// read as JSON only.
pub(super) fn decode(body: &[u8]) -> Option<Value> {
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for field in Fields(body.strip_prefix(MAGIC)?) {
        match field? {
            (1, Wire::Bytes(type_meta)) => {
                for field in Fields(type_meta) {
                    match field? {
                        (1, Wire::Bytes(text)) => api_version = String::from_utf8(text.to_vec()).ok()?,
                        (2, Wire::Bytes(text)) => kind = String::from_utf8(text.to_vec()).ok()?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let mut object = read(message(&kind)?, raw)?;
    object.insert("apiVersion".to_owned(), json!(api_version));
    object.insert("kind".to_owned(), json!(kind));
    Some(Value::Object(object))
}

fn read(message: &Message, bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut object = Map::new();
    for field in Fields(bytes) {
        let (number, wire) = field?;
        let Some((_, name, kind)) = message.iter().find(|(known, _, _)| *known == number) else { continue };
        match (kind, wire) {
            (Integer, Wire::Number(n)) => {
                object.insert((*name).to_owned(), json!(n.cast_signed()));
            }
            (Boolean, Wire::Number(n)) => {
                object.insert((*name).to_owned(), json!(n != 0));
            }
            (Text, Wire::Bytes(bytes)) => {
                let text = std::str::from_utf8(bytes).ok()?;
                if !text.is_empty() {
                    object.insert((*name).to_owned(), json!(text));
                }
            }
            (Nested(inner), Wire::Bytes(bytes)) => {
                object.insert((*name).to_owned(), Value::Object(read(inner, bytes)?));
            }
            (Texts, Wire::Bytes(bytes)) => push(&mut object, name, json!(std::str::from_utf8(bytes).ok()?)),
            (List(inner), Wire::Bytes(bytes)) => push(&mut object, name, Value::Object(read(inner, bytes)?)),
            (TextMap | BytesMap, Wire::Bytes(bytes)) => {
                let (key, value) = entry(bytes)?;
                let value = match kind {
                    BytesMap => STANDARD.encode(value),
                    _ => String::from_utf8(value.to_vec()).ok()?,
                };
                let map = object.entry(*name).or_insert_with(|| json!({}));
                map[key] = json!(value);
            }
            (IntOrText, Wire::Bytes(bytes)) => {
                object.insert((*name).to_owned(), int_or_text(bytes)?);
            }
            // A wire type that the field does not have.
            _ => return None,
        }
    }
    Some(object)
}

fn push(object: &mut Map<String, Value>, name: &str, value: Value) {
    if let Some(list) = object.entry(name).or_insert_with(|| json!([])).as_array_mut() {
        list.push(value);
    }
}

/// A map's entry: key and value.
fn entry(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (mut key, mut value) = ("", &[][..]);
    for field in Fields(bytes) {
        match field? {
            (1, Wire::Bytes(bytes)) => key = std::str::from_utf8(bytes).ok()?,
            (2, Wire::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    Some((key, value))
}

fn int_or_text(bytes: &[u8]) -> Option<Value> {
    let (mut is_text, mut number, mut text) = (false, 0, "");
    for field in Fields(bytes) {
        match field? {
            (1, Wire::Number(n)) => is_text = n == 1,
            (2, Wire::Number(n)) => number = n.cast_signed(),
            (3, Wire::Bytes(bytes)) => text = std::str::from_utf8(bytes).ok()?,
            _ => {}
        }
    }
    Some(if is_text { json!(text) } else { json!(number) })
}

/// A field's content, by wire type.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of an encoded message; `Some(None)` if it is broken.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Wire<'a>)> {
        let tag = self.varint()?;
        let wire = match tag & 7 {
            0 => Wire::Number(self.varint()?),
            1 => Wire::Bytes(self.take(8)?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Bytes(self.take(4)?),
            _ => return None,
        };
        Some((tag >> 3, wire))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Wire<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2, u8::try_from(content.len()).unwrap()];
        bytes.extend(content);
        bytes
    }

    fn object(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let type_meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), field(1, &type_meta), field(2, raw)].concat()
    }

    #[test]
    fn kinds_are_read_into_json() {
        let preconditions = field(2, &field(1, b"u-1"));
        // gracePeriodSeconds 0, orphanDependents false, an unknown field 9.
        let options = [vec![0x08, 0], preconditions, vec![0x18, 0], field(5, b"All"), field(9, b"?")].concat();
        assert_eq!(
            decode(&object("v1", "DeleteOptions", &options)),
            Some(json!({"gracePeriodSeconds": 0, "preconditions": {"uid": "u-1"}, "orphanDependents": false,
                        "dryRun": ["All"], "apiVersion": "v1", "kind": "DeleteOptions"}))
        );
        let entry = |key: &[u8], value: &[u8]| [field(1, key), field(2, value)].concat();
        let metadata = [field(1, b"s"), field(2, b""), field(11, &entry(b"a", b"1"))].concat();
        let secret = [field(1, &metadata), field(2, &entry(b"p", b"\xff"))].concat();
        assert_eq!(
            decode(&object("v1", "Secret", &secret)),
            Some(json!({"metadata": {"name": "s", "labels": {"a": "1"}}, "data": {"p": "/w=="},
                        "apiVersion": "v1", "kind": "Secret"}))
        );
        let half = [vec![0x08, 1], field(3, b"50%")].concat();
        let two = [vec![0x08, 0], vec![0x10, 2]].concat();
        let spec = [field(1, &half), field(3, &two)].concat();
        let budget = decode(&object("policy/v1", "PodDisruptionBudget", &field(2, &spec))).unwrap();
        assert_eq!(budget["spec"], json!({"minAvailable": "50%", "maxUnavailable": 2}));
    }

    #[test]
    fn broken_bodies_and_other_kinds_are_refused() {
        let whole = object("v1", "ConfigMap", &field(1, &field(1, b"name")));
        assert!(decode(&whole).is_some());
        // Cut within the object, past its type.
        for end in 0..whole.len() {
            let cut = decode(&whole[..end]);
            assert!(cut.is_none() || cut == Some(json!({"apiVersion": "v1", "kind": "ConfigMap"})), "cut at {end}");
        }
        assert_eq!(decode(&object("apps/v1", "StatefulSet", b"")), None);
        assert_eq!(decode(b"{}"), None);
    }
}
