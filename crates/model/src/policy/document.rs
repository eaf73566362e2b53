//! A policy's document: its statements, read and written.

use serde_json::{Value, json};

use super::condition::{self, Condition};
use super::fields::{Fields, below};
use super::pattern::Pattern;
use crate::validate::{Fault, Faults};

/// Most statements of one policy.
pub const MAX_STATEMENTS: usize = 10_000;
/// Most bytes of one policy's document, written as JSON without white space.
pub const MAX_DOCUMENT_BYTES: usize = 4 << 20;
/// How much all regular expressions of a document may weigh together; see [`Pattern`].
const MAX_WEIGHT: usize = 200_000;

/// What a permission policy says: `{"statement": [...]}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDocument {
    statements: Box<[Statement]>,
}

/// Allows or denies some actions on some objects under some conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Allow or deny.
    pub effect: Effect,
    /// Which objects, as patterns of ARNs; never empty.
    pub resources: Box<[Pattern]>,
    /// Which actions; never empty.
    pub actions: Box<[Pattern]>,
    /// All of them must hold.
    pub conditions: Box<[Condition]>,
}

/// What a matching statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Permits, unless something denies.
    Allow,
    /// Forbids, whatever else permits.
    Deny,
}

impl Effect {
    /// The word of the document.
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::Allow => "allow",
            Effect::Deny => "deny",
        }
    }
}

impl PolicyDocument {
    /// Reads the value of a policy's `policy_document`.
    ///
    /// # Errors
    /// Every fault of the document, each with its pointer into `value`.
    pub fn parse(value: &Value) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let statements = statements(value, &mut faults);
        if faults.is_empty() { Ok(Self { statements: statements.into() }) } else { Err(Faults(faults)) }
    }

    /// The statements, in the order of the document.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// The document in its canonical spelling: what [`parse`](Self::parse) read, with the aliases of names resolved.
    pub fn to_value(&self) -> Value {
        json!({ "statement": self.statements.iter().map(Statement::to_value).collect::<Vec<_>>() })
    }
}

impl Statement {
    fn to_value(&self) -> Value {
        let texts =
            |patterns: &[Pattern]| patterns.iter().map(|pattern| pattern.as_str().into()).collect::<Vec<Value>>();
        let mut value = json!({
            "effect": self.effect.as_str(),
            "resources": texts(&self.resources),
            "actions": texts(&self.actions),
        });
        if !self.conditions.is_empty() {
            value["conditions"] =
                self.conditions.iter().map(|one| (one.key.as_str().to_owned(), one.to_value())).collect();
        }
        value
    }
}

fn statements(value: &Value, faults: &mut Vec<Fault>) -> Vec<Statement> {
    let Some(fields) = Fields::of(value, "", &["statement"], faults) else { return Vec::new() };
    let Some(list) = fields.required("statement", faults) else { return Vec::new() };
    let list = match list.as_array() {
        Some(list) if (1..=MAX_STATEMENTS).contains(&list.len()) => list,
        _ => {
            let message = format!("value must be an array of 1 to {MAX_STATEMENTS} statements");
            faults.push(Fault::new("/statement", message));
            return Vec::new();
        }
    };
    if !fits(value) {
        let message = format!("a policy document must be at most {MAX_DOCUMENT_BYTES} bytes long");
        faults.push(Fault::new("", message));
        return Vec::new();
    }
    let (mut weight, mut read) = (0, Vec::with_capacity(list.len()));
    for (n, value) in list.iter().enumerate() {
        let pointer = format!("/statement/{n}");
        read.extend(statement(value, &pointer, &mut weight, faults));
        if weight > MAX_WEIGHT {
            faults.push(Fault::new(pointer, "the regular expressions up to here are too large together"));
            break;
        }
    }
    read
}

fn statement(value: &Value, pointer: &str, weight: &mut usize, faults: &mut Vec<Fault>) -> Option<Statement> {
    let known = ["effect", "resources", "actions", "conditions"];
    let fields = Fields::of(value, pointer, &known, faults)?;
    let effect = effect(&fields, faults);
    let resources = patterns(&fields, "resources", weight, faults);
    let actions = patterns(&fields, "actions", weight, faults);
    let conditions = match fields.optional("conditions") {
        Some(value) => condition::read(value, &below(pointer, "conditions"), faults),
        None => Vec::new(),
    };
    Some(Statement {
        effect: effect?,
        resources: resources.into(),
        actions: actions.into(),
        conditions: conditions.into(),
    })
}

fn effect(fields: &Fields<'_>, faults: &mut Vec<Fault>) -> Option<Effect> {
    match fields.required("effect", faults)?.as_str() {
        Some("allow") => Some(Effect::Allow),
        Some("deny") => Some(Effect::Deny),
        _ => {
            faults.push(Fault::new(fields.at("effect"), "value must be one of \"allow\", \"deny\""));
            None
        }
    }
}

fn patterns(fields: &Fields<'_>, name: &str, weight: &mut usize, faults: &mut Vec<Fault>) -> Vec<Pattern> {
    let mut read = Vec::new();
    for (pointer, text) in fields.texts(name, faults) {
        if *weight > MAX_WEIGHT {
            // Nothing more is compiled: that is what the limit is for. The statement's reader tells of it.
            break;
        }
        match Pattern::parse(text) {
            Ok(pattern) => {
                *weight = weight.saturating_add(pattern.weight());
                read.push(pattern);
            }
            Err(message) => faults.push(Fault::new(pointer, message)),
        }
    }
    read
}

/// Whether the document, written out, keeps within [`MAX_DOCUMENT_BYTES`].
fn fits(value: &Value) -> bool {
    struct Room(usize);
    impl std::io::Write for Room {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    serde_json::to_writer(Room(MAX_DOCUMENT_BYTES), value).is_ok()
}
