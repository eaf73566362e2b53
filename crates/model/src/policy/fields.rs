//! Reads the fields of a JSON object and notes every fault on the way.

use serde_json::{Map, Value};

use crate::validate::{Fault, escaped};

/// One JSON object under inspection, and where it stands in the document.
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    pointer: &'a str,
}

impl<'a> Fields<'a> {
    /// The object at `pointer`; a fault for anything else, and for each field that is not among `known`.
    pub(super) fn of(value: &'a Value, pointer: &'a str, known: &[&str], faults: &mut Vec<Fault>) -> Option<Self> {
        let Some(map) = value.as_object() else {
            faults.push(Fault::new(pointer, "value must be an object"));
            return None;
        };
        let unknown = map.keys().filter(|name| !known.contains(&name.as_str()));
        let words = known.join(", ");
        faults.extend(unknown.map(|name| {
            let message = format!("property \"{name}\" is unsupported; the properties here are {words}");
            Fault::new(below(pointer, name), message)
        }));
        Some(Self { map, pointer })
    }

    /// A field that must be there.
    pub(super) fn required(&self, name: &str, faults: &mut Vec<Fault>) -> Option<&'a Value> {
        let value = self.map.get(name);
        if value.is_none() {
            faults.push(Fault::new(self.at(name), format!("property \"{name}\" is missing")));
        }
        value
    }

    /// A field that may be missing.
    pub(super) fn optional(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name)
    }

    /// The pointer of a field of this object.
    pub(super) fn at(&self, name: &str) -> String {
        below(self.pointer, name)
    }

    /// A field that must be text.
    pub(super) fn text(&self, name: &str, faults: &mut Vec<Fault>) -> Option<&'a str> {
        let text = self.required(name, faults)?.as_str();
        if text.is_none() {
            faults.push(Fault::new(self.at(name), "value must be a string"));
        }
        text
    }

    /// A field that must be an array of at least one text; each with its own pointer.
    pub(super) fn texts(&self, name: &str, faults: &mut Vec<Fault>) -> Vec<(String, &'a str)> {
        match self.required(name, faults) {
            Some(value) => texts(value, &self.at(name), faults),
            None => Vec::new(),
        }
    }
}

/// At least one text in an array; each with its own pointer.
pub(super) fn texts<'a>(value: &'a Value, pointer: &str, faults: &mut Vec<Fault>) -> Vec<(String, &'a str)> {
    let Some(items) = value.as_array() else {
        faults.push(Fault::new(pointer, "value must be an array of strings"));
        return Vec::new();
    };
    if items.is_empty() {
        faults.push(Fault::new(pointer, "value must have at least one string"));
    }
    let mut found = Vec::with_capacity(items.len());
    for (n, item) in items.iter().enumerate() {
        let pointer = format!("{pointer}/{n}");
        match item.as_str() {
            Some(text) => found.push((pointer, text)),
            None => faults.push(Fault::new(pointer, "value must be a string")),
        }
    }
    found
}

/// The pointer of `name` in the object at `pointer`.
pub(super) fn below(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", escaped(name))
}
