//! One operation on a resource.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{Operation, Target, Verb};
use crate::error::{Error, ErrorType};
use crate::filter::{Filter, Literal, Operator};
use crate::json::{Object, get, is_unassigned};
use crate::path::{AttributePath, invalid};
use crate::schema::{Attribute, Definition, Mutability, Place, named};

pub(super) fn operation(definition: &Definition, resource: &mut Object, operation: &Operation) -> Result<(), Error> {
    match &operation.target {
        Target::Whole => members(definition, resource, operation.verb, &operation.value),
        Target::Attribute(path) => match definition.extension(path.schema.as_deref().unwrap_or_default()) {
            Some(extension) if path.attribute.is_empty() => {
                whole_extension(definition, resource, operation.verb, extension.urn, &operation.value)
            }
            _ => {
                let place = writable(definition, path)?;
                within(resource, place, |object| attribute(object, place, operation.verb, &operation.value))
            }
        },
        Target::Values(path, filter, sub) => {
            let mut place = writable(definition, path)?;
            if place.sub.is_some() || place.attribute.parts().is_empty() {
                return Err(invalid(&path.to_string()));
            }
            filter.check_within(place.attribute)?;
            if let Some(sub) = sub {
                place.sub = Some(named(place.attribute.parts(), sub).ok_or_else(|| invalid(sub))?);
            }
            within(resource, place, |object| values(object, place, filter, operation.verb, &operation.value))
        }
    }
}

/// An operation without a path. What is unknown or not the client's to change is passed over: Okta sends the id along.
fn members(definition: &Definition, resource: &mut Object, verb: Verb, value: &Value) -> Result<(), Error> {
    for (key, value) in value.as_object().into_iter().flatten() {
        let Ok(target) = Target::parse(key) else { continue };
        let path = match &target {
            Target::Attribute(path) | Target::Values(path, ..) => path,
            Target::Whole => continue,
        };
        let is_extension = path.attribute.is_empty();
        let is_changeable = definition.find(path).is_some_and(|place| is_writable(&place));
        if is_extension || is_changeable {
            operation(definition, resource, &Operation { verb, target, value: value.clone() })?;
        }
    }
    Ok(())
}

fn whole_extension(
    definition: &Definition,
    resource: &mut Object,
    verb: Verb,
    urn: &str,
    value: &Value,
) -> Result<(), Error> {
    if verb == Verb::Remove || value.is_null() {
        resource.retain(|key, _| !key.eq_ignore_ascii_case(urn));
        return Ok(());
    }
    let value = value.as_object().ok_or_else(|| Error::value(urn, "must be an object"))?;
    for (key, value) in value {
        let Some(path) = AttributePath::read(&format!("{urn}:{key}")) else { continue };
        let Some(place) = definition.find(&path) else { continue };
        within(resource, place, |object| attribute(object, place, verb, value))?;
    }
    Ok(())
}

fn writable(definition: &Definition, path: &AttributePath) -> Result<Place, Error> {
    let place = definition.find(path).ok_or_else(|| invalid(&path.to_string()))?;
    match is_writable(&place) {
        true => Ok(place),
        false => Err(Error::of(ErrorType::Mutability, format!("{path} cannot be changed"))),
    }
}

fn is_writable(place: &Place) -> bool {
    place.attribute.mutability != Mutability::ReadOnly
        && place.sub.is_none_or(|sub| sub.mutability != Mutability::ReadOnly)
}

/// Runs a change on the object in which the attribute stands: the resource, or what is below an extension's URN.
fn within(
    resource: &mut Object,
    place: Place,
    change: impl FnOnce(&mut Object) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some(extension) = place.extension else { return change(resource) };
    let mut object = match resource.remove(extension.urn) {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    };
    change(&mut object)?;
    if !object.is_empty() {
        resource.insert(extension.urn.to_owned(), Value::Object(object));
    }
    Ok(())
}

fn attribute(object: &mut Object, place: Place, verb: Verb, value: &Value) -> Result<(), Error> {
    let Place { attribute, sub, .. } = place;
    if let Some(sub) = sub {
        return part(object, attribute, sub, verb, value);
    }
    // Values that are named go, the others stay.
    if verb == Verb::Remove && attribute.multi && !is_unassigned(value) {
        return remove_named(object, attribute, value);
    }
    let read = attribute.read(value, attribute.name)?;
    match verb {
        Verb::Add if attribute.multi => add(object, attribute, read),
        Verb::Add if read.is_null() => {}
        Verb::Add | Verb::Replace if !attribute.multi && read.is_object() => merge_into(object, attribute, value, read),
        Verb::Add | Verb::Replace if !is_unassigned(&read) => set(object, attribute, read),
        _ => {
            object.remove(attribute.name);
        }
    }
    Ok(())
}

fn set(object: &mut Object, attribute: &Attribute, value: Value) {
    object.insert(attribute.name.to_owned(), value);
}

/// Parts of a complex attribute that are named change, the others stay.
fn merge_into(object: &mut Object, attribute: &'static Attribute, sent: &Value, read: Value) {
    let mut merged = match object.remove(attribute.name) {
        Some(Value::Object(merged)) => merged,
        _ => Map::new(),
    };
    merge(attribute, &mut merged, sent, read);
    if !merged.is_empty() {
        set(object, attribute, Value::Object(merged));
    }
}

fn merge(attribute: &'static Attribute, into: &mut Object, sent: &Value, read: Value) {
    let emptied = sent.as_object().into_iter().flatten().filter(|(_, value)| value.is_null());
    for part in emptied.filter_map(|(key, _)| named(attribute.parts(), key)) {
        into.remove(part.name);
    }
    if let Value::Object(read) = read {
        into.extend(read);
    }
}

/// Adds values that are not there yet.
fn add(object: &mut Object, attribute: &Attribute, read: Value) {
    let (Value::Array(added), slot) = (read, object.entry(attribute.name).or_insert_with(|| json!([]))) else { return };
    let Value::Array(there) = slot else { return };
    let mut places: HashMap<String, usize> =
        there.iter().enumerate().map(|(index, element)| (identity(attribute, element), index)).collect();
    for element in added {
        let primary = is_primary(&element);
        let at = *places.entry(identity(attribute, &element)).or_insert(there.len());
        match (there.get_mut(at), element) {
            (Some(Value::Object(old)), Value::Object(new)) => old.extend(new),
            (Some(old), new) => *old = new,
            (None, new) => there.push(new),
        }
        if primary {
            only_primary(there, at);
        }
    }
    if there.is_empty() {
        object.remove(attribute.name);
    }
}

/// What tells two values of a list apart: an id alone, or what it is together with what it is for.
fn identity(attribute: &Attribute, element: &Value) -> String {
    let text = |name: &str| element.get(name).and_then(Value::as_str).unwrap_or_default();
    match attribute.value_part() {
        Some(part) if part.case_exact => text("value").to_owned(),
        Some(_) => format!("{}\n{}", text("value").to_lowercase(), text("type").to_lowercase()),
        None => element.to_string(),
    }
}

fn is_primary(element: &Value) -> bool {
    element.get("primary") == Some(&Value::Bool(true))
}

/// There is one primary value at most (RFC 7643, section 2.4).
fn only_primary(elements: &mut [Value], at: usize) {
    for (index, element) in elements.iter_mut().enumerate() {
        if index != at && is_primary(element) {
            element["primary"] = Value::Bool(false);
        }
    }
}

fn remove_named(object: &mut Object, attribute: &Attribute, value: &Value) -> Result<(), Error> {
    let Value::Array(named) = attribute.read(value, attribute.name)? else { return Ok(()) };
    let value_of = |element: &Value| element.get("value").and_then(Value::as_str).map(str::to_owned);
    let named: std::collections::HashSet<String> = named.iter().filter_map(value_of).collect();
    keep(object, attribute, |element| value_of(element).is_none_or(|value| !named.contains(&value)));
    Ok(())
}

fn keep(object: &mut Object, attribute: &Attribute, stays: impl Fn(&Value) -> bool) {
    if let Some(Value::Array(elements)) = object.get_mut(attribute.name) {
        elements.retain(stays);
        if elements.is_empty() {
            object.remove(attribute.name);
        }
    }
}

/// A part: of the one value, or of every value of a list.
fn part(
    object: &mut Object,
    attribute: &'static Attribute,
    sub: &'static Attribute,
    verb: Verb,
    value: &Value,
) -> Result<(), Error> {
    let read = sub.read(value, &format!("{}.{}", attribute.name, sub.name))?;
    let removes = verb == Verb::Remove || is_unassigned(&read);
    if !removes && object.get(attribute.name).is_none_or(is_unassigned) {
        set(object, attribute, if attribute.multi { json!([{}]) } else { json!({}) });
    }
    let elements = match object.get_mut(attribute.name) {
        Some(Value::Array(elements)) => elements.iter_mut().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    for element in elements.into_iter().filter_map(Value::as_object_mut) {
        set_part(element, sub, &read, removes);
    }
    Ok(())
}

fn set_part(element: &mut Object, sub: &Attribute, read: &Value, removes: bool) {
    if removes {
        element.remove(sub.name);
    } else {
        element.insert(sub.name.to_owned(), read.clone());
    }
}

/// The values of a list that meet the filter.
fn values(object: &mut Object, place: Place, filter: &Filter, verb: Verb, value: &Value) -> Result<(), Error> {
    let Place { attribute, sub, .. } = place;
    if verb == Verb::Remove && sub.is_none() {
        keep(object, attribute, |element| !filter.matches_element(attribute, element));
        return Ok(());
    }
    let sent = match sub {
        Some(sub) => json!({ sub.name: value }),
        None => value.clone(),
    };
    let read = match (verb, sub) {
        (Verb::Remove, _) => Value::Null,
        _ => one_element(attribute, &sent)?,
    };
    let mut elements = match object.remove(attribute.name) {
        Some(Value::Array(elements)) => elements,
        _ => Vec::new(),
    };
    let mut found: Vec<usize> = (0..elements.len())
        .filter(|index| elements.get(*index).is_some_and(|element| filter.matches_element(attribute, element)))
        .collect();
    if found.is_empty() && verb != Verb::Remove && !is_unassigned(&read) {
        elements.push(Value::Object(described(attribute, filter)?));
        found.push(elements.len() - 1);
    }
    for index in found {
        let Some(element) = elements.get_mut(index).and_then(Value::as_object_mut) else { continue };
        match (verb, sub) {
            (Verb::Remove, Some(sub)) => {
                element.remove(sub.name);
            }
            _ => merge(attribute, element, &sent, read.clone()),
        }
        if is_primary(&read) {
            only_primary(&mut elements, index);
        }
    }
    elements.retain(|element| !is_unassigned(element));
    if !elements.is_empty() {
        set(object, attribute, Value::Array(elements));
    }
    Ok(())
}

fn one_element(attribute: &'static Attribute, sent: &Value) -> Result<Value, Error> {
    match attribute.read(sent, attribute.name)? {
        Value::Array(mut elements) => Ok(elements.pop().unwrap_or_default()),
        one => Ok(one),
    }
}

/// The value that a filter of equalities describes; the RFC wants `noTarget` for what is not there, and gets it for
/// filters that describe nothing, but Entra ID sets its first work address by `emails[type eq "work"].value`.
fn described(attribute: &'static Attribute, filter: &Filter) -> Result<Object, Error> {
    let nothing = || Error::of(ErrorType::NoTarget, format!("no value of {} meets the filter", attribute.name));
    let mut element = Map::new();
    let parts = match filter {
        Filter::And(parts) => parts.as_slice(),
        one => std::slice::from_ref(one),
    };
    for part in parts {
        let Filter::Compare(path, Operator::Eq, literal) = part else { return Err(nothing()) };
        let part = named(attribute.parts(), &path.attribute).ok_or_else(nothing)?;
        let value = match literal {
            Literal::Text(text) => json!(text),
            Literal::Bool(value) => json!(value),
            Literal::Number(_) | Literal::Null => return Err(nothing()),
        };
        element.insert(part.name.to_owned(), part.read(&value, part.name)?);
    }
    match get(&element, "value") {
        // An id in a filter is there to be looked up, not to be made.
        Some(_) if attribute.value_part().is_some_and(|part| part.case_exact) => Err(nothing()),
        _ => Ok(element),
    }
}
