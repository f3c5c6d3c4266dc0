//! Objects kept as JSON, for large lists: a decoded pod takes eight times as much, since it has room for every kind of
//! volume and probe. They are decoded one namespace at a time, and dropped again.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use kube::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Where the objects of a list are kept.
pub(super) trait Keep<K>: Default + Send {
    /// Takes in an object.
    ///
    /// # Errors
    /// It cannot be kept like this.
    fn add(&mut self, object: K) -> serde_json::Result<()>;
    /// Returns how many objects there are.
    fn count(&self) -> usize;
    /// Drops all objects after the first `count`.
    fn truncate(&mut self, count: usize);
    /// Frees the room for more objects.
    fn fit(&mut self);
}

impl<K: Send> Keep<K> for Vec<K> {
    fn add(&mut self, object: K) -> serde_json::Result<()> {
        self.push(object);
        Ok(())
    }

    fn count(&self) -> usize {
        self.len()
    }

    fn truncate(&mut self, count: usize) {
        self.truncate(count);
    }

    fn fit(&mut self) {
        self.shrink_to_fit();
    }
}

/// A list of objects.
#[derive(Debug)]
pub(super) struct Packed<K> {
    json: Vec<u8>,
    /// Where each object ends, and its namespace.
    objects: Vec<(usize, Box<str>)>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Default for Packed<K> {
    fn default() -> Self {
        Self { json: Vec::new(), objects: Vec::new(), kind: PhantomData }
    }
}

impl<K: Resource + Serialize> Keep<K> for Packed<K> {
    fn add(&mut self, object: K) -> serde_json::Result<()> {
        serde_json::to_writer(&mut self.json, &object)?;
        let namespace = object.meta().namespace.as_deref().unwrap_or_default().into();
        self.objects.push((self.json.len(), namespace));
        Ok(())
    }

    fn count(&self) -> usize {
        self.objects.len()
    }

    fn truncate(&mut self, count: usize) {
        self.objects.truncate(count);
        self.json.truncate(self.objects.last().map_or(0, |(end, _)| *end));
    }

    fn fit(&mut self) {
        self.json.shrink_to_fit();
    }
}

impl<K> Packed<K> {
    /// Returns the objects of each of these namespaces, in their order.
    pub(super) fn by_namespace(self, names: impl Iterator<Item = String>) -> BTreeMap<String, OfNamespace<K>> {
        let json = Arc::new(self.json);
        let none = |name| (name, OfNamespace { json: Arc::clone(&json), objects: Vec::new(), kind: PhantomData });
        let mut found: BTreeMap<_, _> = names.map(none).collect();
        let mut begin = 0;
        for (end, namespace) in self.objects {
            if let Some(of) = found.get_mut(&*namespace) {
                of.objects.push((begin, end));
            }
            begin = end;
        }
        found
    }

    /// Returns all objects, whatever their namespace: those of a list of one.
    pub(super) fn all(self) -> OfNamespace<K> {
        let ends = self.objects.into_iter().map(|(end, _)| end);
        let objects = ends.scan(0, |begin, end| Some((std::mem::replace(begin, end), end))).collect();
        OfNamespace { json: Arc::new(self.json), objects, kind: PhantomData }
    }
}

/// The objects of a namespace, among those of a list.
#[derive(Debug)]
pub struct OfNamespace<K> {
    json: Arc<Vec<u8>>,
    /// Where each object begins and ends.
    objects: Vec<(usize, usize)>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Clone for OfNamespace<K> {
    fn clone(&self) -> Self {
        Self { json: Arc::clone(&self.json), objects: self.objects.clone(), kind: PhantomData }
    }
}

impl<K: DeserializeOwned> OfNamespace<K> {
    /// Decodes the objects.
    ///
    /// # Errors
    /// What was encoded cannot be decoded.
    pub fn unpack(&self) -> serde_json::Result<Vec<K>> {
        self.objects.iter().map(|(begin, end)| serde_json::from_slice(&self.json[*begin..*end])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    fn object(namespace: &str, name: &str) -> ConfigMap {
        serde_json::from_value(json!({"metadata": {"namespace": namespace, "name": name}, "data": {"k": name}}))
            .unwrap()
    }

    #[test]
    fn what_was_packed_is_unpacked_by_namespace() {
        let mut packed = Packed::default();
        for (namespace, name) in [("a", "1"), ("b", "2"), ("a", "3"), ("other", "4"), ("b", "5")] {
            packed.add(object(namespace, name)).unwrap();
        }
        packed.truncate(4);
        packed.fit();
        assert_eq!(packed.count(), 4);
        packed.add(object("b", "6")).unwrap();
        let found = packed.by_namespace(["a", "b", "empty"].map(str::to_owned).into_iter());
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["a", "b", "empty"]);
        assert_eq!(found["a"].unpack().unwrap(), [object("a", "1"), object("a", "3")]);
        assert_eq!(found["b"].unpack().unwrap(), [object("b", "2"), object("b", "6")]);
        assert_eq!(found["empty"].unpack().unwrap(), []);
    }

    #[test]
    fn nothing_is_left_of_a_list_that_starts_again() {
        let mut packed = Packed::default();
        packed.add(object("a", "1")).unwrap();
        packed.truncate(0);
        packed.add(object("a", "2")).unwrap();
        assert_eq!(packed.by_namespace(["a".to_owned()].into_iter())["a"].unpack().unwrap(), [object("a", "2")]);
    }
}
