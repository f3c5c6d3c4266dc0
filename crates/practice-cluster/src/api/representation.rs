//! The form of an answer: full objects, metadata only, or a table.

use super::status::ApiError;
use super::{table, views};
use crate::resources::Resource;
use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::Arc;

/// The form that the `Accept` header and `includeObject` ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    shape: Shape,
    /// `meta.k8s.io/v1` or `meta.k8s.io/v1beta1`.
    meta: &'static str,
    include: Include,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Full,
    Metadata,
    Table,
}

/// What a table's row contains beside its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Include {
    None,
    Metadata,
    Object,
}

/// `metadata` of a list.
#[derive(Clone, Debug, Default)]
pub(super) struct ListMeta {
    /// Version of the store at which the list was taken.
    pub(super) version: u64,
    /// Token for the next page.
    pub(super) resume: Option<String>,
    /// Objects on the next pages, if known.
    pub(super) remaining: Option<usize>,
}

impl Format {
    /// Objects as they are.
    pub(super) const FULL: Format = Format { shape: Shape::Full, meta: "meta.k8s.io/v1", include: Include::Metadata };

    /// Returns the first form in `Accept` that can be served; no header means any form.
    ///
    /// # Errors
    /// 406 if none can; `collection` says whether the path offers watches, too.
    pub(super) fn negotiate(headers: &HeaderMap, include: Option<&str>, collection: bool) -> Result<Format, ApiError> {
        let include = match include {
            Some("None") => Include::None,
            Some("Object") => Include::Object,
            _ => Include::Metadata,
        };
        let (mut any, mut known) = (false, false);
        for accept in headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()) {
            for range in accept.split(',').filter(|range| !range.trim().is_empty()) {
                any = true;
                let mut parts = range.split(';').map(str::trim);
                let media = parts.next().unwrap_or_default();
                known |= matches!(media, "application/yaml" | "application/vnd.kubernetes.protobuf");
                if !matches!(media, "application/json" | "application/*" | "*/*") {
                    continue;
                }
                known = true;
                let parameter = |name: &str| {
                    range.split(';').filter_map(|p| p.trim().split_once('=')).find(|(k, _)| *k == name).map(|(_, v)| v)
                };
                let meta = match (parameter("g"), parameter("v")) {
                    (Some("meta.k8s.io"), Some("v1beta1")) => "meta.k8s.io/v1beta1",
                    (Some("meta.k8s.io") | None, _) => "meta.k8s.io/v1",
                    _ => continue,
                };
                let shape = match parameter("as") {
                    None => Shape::Full,
                    Some("Table") => Shape::Table,
                    Some("PartialObjectMetadata" | "PartialObjectMetadataList") => Shape::Metadata,
                    Some(_) => continue,
                };
                return Ok(Format { shape, meta, include });
            }
        }
        match any {
            true if known => Err(ApiError::not_acceptable()),
            true => Err(ApiError::not_available(collection)),
            false => Ok(Format { include, ..Format::FULL }),
        }
    }

    /// One object.
    pub(super) fn object(&self, resource: &Resource, object: &Value) -> Value {
        match self.shape {
            Shape::Full => views::shown(resource, object).into_owned(),
            Shape::Metadata => self.metadata_of(object),
            Shape::Table => {
                let meta = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                self.table(resource, meta, true, std::iter::once(object))
            }
        }
    }

    /// A list, as the bytes of its JSON: lists can be large, so their objects are not copied.
    pub(super) fn list(&self, resource: &Resource, meta: &ListMeta, objects: &[Arc<Value>]) -> Vec<u8> {
        let mut metadata = json!({"resourceVersion": meta.version.to_string()});
        if let Some(resume) = &meta.resume {
            metadata["continue"] = json!(resume);
        }
        if let Some(remaining) = meta.remaining {
            metadata["remainingItemCount"] = json!(remaining);
        }
        let bytes = match self.shape {
            Shape::Full => {
                let items: Vec<Bare<'_>> = objects.iter().map(|object| Bare(views::shown(resource, object))).collect();
                serde_json::to_vec(&List {
                    kind: format!("{}List", resource.kind),
                    api_version: resource.api_version(),
                    metadata,
                    items,
                })
            }
            Shape::Metadata => serde_json::to_vec(&json!({
                "kind": "PartialObjectMetadataList",
                "apiVersion": self.meta,
                "metadata": metadata,
                "items": objects.iter().map(|object| self.metadata_of(object)).collect::<Vec<_>>()
            })),
            Shape::Table => {
                serde_json::to_vec(&self.table(resource, metadata, true, objects.iter().map(|object| &**object)))
            }
        };
        bytes.unwrap_or_default()
    }

    /// Returns one line of a watch. Only the first event has a table's headings.
    pub(super) fn event(&self, resource: &Resource, kind: &str, object: &Value, first: bool) -> Vec<u8> {
        let bytes = match self.shape {
            Shape::Full => serde_json::to_vec(&Event { kind, object: &views::shown(resource, object) }),
            Shape::Metadata => serde_json::to_vec(&Event { kind, object: &self.metadata_of(object) }),
            Shape::Table => {
                let meta = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                let table = self.table(resource, meta, first, std::iter::once(object));
                serde_json::to_vec(&Event { kind, object: &table })
            }
        };
        line(bytes)
    }

    fn table<'a>(
        &self,
        resource: &Resource,
        metadata: Value,
        headings: bool,
        objects: impl Iterator<Item = &'a Value>,
    ) -> Value {
        let now = Timestamp::now();
        let rows: Vec<Value> = objects
            .map(|object| {
                let included = match self.include {
                    Include::None => Value::Null,
                    Include::Metadata => self.metadata_of(object),
                    Include::Object => views::shown(resource, object).into_owned(),
                };
                table::row(resource.plural, object, now, included)
            })
            .collect();
        let columns = if headings { table::columns(resource.plural) } else { Vec::new() };
        json!({
            "kind": "Table",
            "apiVersion": self.meta,
            "metadata": metadata,
            "columnDefinitions": columns,
            "rows": rows
        })
    }

    fn metadata_of(&self, object: &Value) -> Value {
        json!({"kind": "PartialObjectMetadata", "apiVersion": self.meta, "metadata": object["metadata"]})
    }
}

/// A watch's line that is the same in every form: a bookmark or an error.
pub(super) fn plain_event(kind: &str, object: &Value) -> Vec<u8> {
    line(serde_json::to_vec(&Event { kind, object }))
}

fn line(bytes: serde_json::Result<Vec<u8>>) -> Vec<u8> {
    let mut bytes = bytes.unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[derive(serde::Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    object: &'a Value,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    kind: String,
    api_version: String,
    metadata: Value,
    items: Vec<Bare<'a>>,
}

/// An object without apiVersion and kind, which the list's kind implies.
struct Bare<'a>(Cow<'a, Value>);

impl Serialize for Bare<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(object) = self.0.as_object() else { return self.0.serialize(serializer) };
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in object.iter().filter(|(key, _)| *key != "apiVersion" && *key != "kind") {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::PODS;

    fn negotiated(accept: &str) -> Result<Format, ApiError> {
        let mut headers = HeaderMap::new();
        if !accept.is_empty() {
            headers.insert(header::ACCEPT, accept.parse().unwrap());
        }
        Format::negotiate(&headers, None, true)
    }

    #[test]
    fn the_first_form_that_can_be_served_is_taken() {
        for (accept, shape) in [
            ("", Shape::Full),
            ("*/*", Shape::Full),
            ("application/json", Shape::Full),
            ("application/vnd.kubernetes.protobuf,application/json", Shape::Full),
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Shape::Table),
            ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", Shape::Table),
            ("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", Shape::Metadata),
            ("application/json;as=Other;g=meta.k8s.io;v=v1, application/json", Shape::Full),
        ] {
            assert_eq!(negotiated(accept).unwrap().shape, shape, "{accept}");
        }
        let why = |accept: &str| negotiated(accept).unwrap_err().to_value()["message"].clone();
        assert!(why("text/html").as_str().unwrap().starts_with("406: Not Acceptable\n\nAvailable representations: "));
        assert!(
            why("application/json;as=Other;v=v1;g=meta.k8s.io").as_str().unwrap().starts_with("only the following")
        );
    }

    #[test]
    fn lists_say_the_kind_once_and_table_watches_the_headings_once() {
        let pod =
            Arc::new(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "resourceVersion": "7"}}));
        let meta = ListMeta { version: 9, resume: Some("t".into()), remaining: Some(3) };
        let list: Value = serde_json::from_slice(&Format::FULL.list(&PODS, &meta, std::slice::from_ref(&pod))).unwrap();
        assert_eq!(
            list,
            json!({"kind": "PodList", "apiVersion": "v1",
                   "metadata": {"resourceVersion": "9", "continue": "t", "remainingItemCount": 3},
                   "items": [{"metadata": {"name": "a", "resourceVersion": "7"}}]})
        );
        let table = negotiated("application/json;as=Table;v=v1;g=meta.k8s.io").unwrap();
        let event = |first| -> Value { serde_json::from_slice(&table.event(&PODS, "ADDED", &pod, first)).unwrap() };
        assert_eq!(event(true)["object"]["columnDefinitions"].as_array().unwrap().len(), 9);
        let second = event(false);
        assert_eq!(second["object"]["columnDefinitions"], json!([]));
        assert_eq!(second["object"]["rows"][0]["cells"][0], "a");
        assert_eq!(second["object"]["rows"][0]["object"]["kind"], "PartialObjectMetadata");
        assert_eq!(second["object"]["metadata"]["resourceVersion"], "7");
    }
}
