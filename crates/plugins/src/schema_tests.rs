//! What every plugin takes, in a notation that is read beside APISIX's pages: a line for each attribute with its type, what
//! its schema says further, and its default; `!` is one that is required. `_meta`, which all take, is not there.

use std::fmt::Write;

use model::Fault;
use plugin_api::testing::input;
use serde_json::{Map, Value};

use crate::registry;

/// Compared with the pages and schemas of APISIX 3.18. Whoever changes a line looks it up there. Of policies that count in
/// Redis only what is carried stands here.
#[test]
fn every_plugin_takes_what_apisix_takes() {
    let mut text = String::new();
    for plugin in registry().by_priority() {
        let parts = [
            ("", Some(plugin.schema())),
            (" consumer", plugin.consumer_schema()),
            (" metadata", plugin.metadata_schema()),
        ];
        for (part, schema) in parts {
            if let Some(schema) = schema {
                let _ = writeln!(text, "{}{part}: {}", plugin.name(), shape(schema));
                attributes(schema, 1, &mut text);
            }
        }
    }
    insta::assert_snapshot!(text);
}

/// The reason, without the words that APISIX puts before it.
fn words(refusal: Result<(), Fault>) -> String {
    match refusal {
        Ok(()) => "IS TAKEN".to_owned(),
        Err(fault) => fault.message.split_once(" err: ").map_or(fault.message.clone(), |(_, reason)| reason.to_owned()),
    }
}

/// A line for each property of an object, or of what a list has.
fn attributes(schema: &Value, depth: usize, text: &mut String) {
    let required: Vec<_> = list(schema, "required").filter_map(Value::as_str).collect();
    for (name, attribute) in fields(schema, "properties").filter(|(name, _)| *name != "_meta") {
        let mark = if required.contains(&name.as_str()) { "!" } else { "" };
        let default = attribute.get("default").map(|default| format!(" = {default}")).unwrap_or_default();
        let _ = writeln!(text, "{}{name}{mark}: {}{default}", "  ".repeat(depth), shape(attribute));
        attributes(attribute, depth + 1, text);
        attributes(&attribute["items"], depth + 1, text);
        for choice in list(attribute, "anyOf").chain(list(attribute, "oneOf")) {
            attributes(choice, depth + 1, text);
        }
    }
    for clause in ["then", "else"] {
        if let Some(clause_schema) = schema.get(clause) {
            let _ = writeln!(text, "{}{clause}: {}", "  ".repeat(depth), shape(clause_schema));
            attributes(clause_schema, depth + 1, text);
        }
    }
}

/// The type with all that is said of it, but for what has lines of its own.
fn shape(schema: &Value) -> String {
    let Some(schema) = schema.as_object() else { return schema.to_string() };
    let mut parts = Vec::new();
    if let Some(kind) = schema.get("type") {
        parts.push(kind.as_str().map_or_else(|| kind.to_string(), str::to_owned));
    }
    for (keyword, value) in schema {
        match keyword.as_str() {
            "type" | "properties" | "default" | "description" | "title" | "then" | "else" => {}
            "items" => parts.push(format!("of {}", shape(value))),
            "anyOf" | "oneOf" => {
                let choices: Vec<_> = value.as_array().into_iter().flatten().map(choice).collect();
                parts.push(format!("{keyword}({})", choices.join(", ")));
            }
            "patternProperties" => {
                parts.extend(
                    value.as_object().into_iter().flatten().map(|(name, value)| format!("{name:?} {}", shape(value))),
                );
            }
            "required" if schema.contains_key("properties") => {}
            _ => parts.push(format!("{keyword} {value}")),
        }
    }
    parts.join(" ")
}

/// One of several; often only which attributes there must be.
fn choice(schema: &Value) -> String {
    match schema.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("+"),
        _ => shape(schema),
    }
}

fn fields<'v>(schema: &'v Value, keyword: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    schema.get(keyword).and_then(Value::as_object).map(Map::iter).into_iter().flatten()
}

fn list<'v>(schema: &'v Value, keyword: &str) -> impl Iterator<Item = &'v Value> {
    schema.get(keyword).and_then(Value::as_array).into_iter().flatten()
}

/// What is wrong with each, in the words of APISIX's validator and of the plugins' own checks.
#[test]
fn every_plugin_refuses_in_apisix_words() {
    let wrong = include_str!("wrong_configurations.json");
    let wrong: Map<String, Value> = serde_json::from_str(wrong).expect("json");
    let mut text = String::new();
    for plugin in registry().by_priority() {
        let confs = wrong.get(plugin.name()).and_then(Value::as_array).expect("configurations of every plugin");
        for conf in confs {
            let checked = registry().check(plugin.name(), conf);
            let refusal = checked.and_then(|()| plugin.compile(&input(conf)).map(drop));
            let _ = writeln!(text, "{} {conf}\n  {}", plugin.name(), words(refusal));
        }
        let consumers = wrong.get(&format!("{} consumer", plugin.name())).and_then(Value::as_array);
        for conf in consumers.into_iter().flatten() {
            let checked = registry().check_consumer(plugin.name(), conf);
            let refusal = checked.and_then(|()| plugin.prepare_credential(conf).map(drop));
            let _ = writeln!(text, "{} consumer {conf}\n  {}", plugin.name(), words(refusal));
        }
    }
    insta::assert_snapshot!(text);
}
