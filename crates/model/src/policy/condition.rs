//! Conditions of a statement: what the labels of the addressed object, or a user's boundaries, must be.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::fields::{Fields, below, texts};
use super::pattern::is_same;
use super::target::Facts;
use crate::label::Labels;
use crate::validate::Fault;

/// What a condition looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum ConditionKey {
    GatewayGroupLabel,
    ServiceLabel,
    RoleLabel,
    PermissionPolicyLabel,
    UserLabel,
    ConsumerLabel,
    SecretProviderLabel,
    ContactPointLabel,
    AlertPolicyLabel,
    DeveloperLabel,
    ApiProductLabel,
    CertificateLabel,
    CaCertificateLabel,
    SniLabel,
    /// The boundaries of the user that is acted upon; the one key that is not about labels.
    PermissionBoundaries,
}

/// Every key with its spelling.
const KEYS: [(ConditionKey, &str); 15] = [
    (ConditionKey::GatewayGroupLabel, "gateway_group_label"),
    (ConditionKey::ServiceLabel, "service_label"),
    (ConditionKey::RoleLabel, "role_label"),
    (ConditionKey::PermissionPolicyLabel, "permission_policy_label"),
    (ConditionKey::UserLabel, "user_label"),
    (ConditionKey::ConsumerLabel, "consumer_label"),
    (ConditionKey::SecretProviderLabel, "secret_provider_label"),
    (ConditionKey::ContactPointLabel, "contact_point_label"),
    (ConditionKey::AlertPolicyLabel, "alert_policy_label"),
    (ConditionKey::DeveloperLabel, "developer_label"),
    (ConditionKey::ApiProductLabel, "api_product_label"),
    (ConditionKey::CertificateLabel, "certificate_label"),
    (ConditionKey::CaCertificateLabel, "ca_certificate_label"),
    (ConditionKey::SniLabel, "sni_label"),
    (ConditionKey::PermissionBoundaries, "permission_boundaries"),
];

/// Spellings found in documents in the field.
const ALIASES: [(&str, ConditionKey); 2] = [
    ("permissionpolicy_label", ConditionKey::PermissionPolicyLabel),
    ("user_permission_boundaries", ConditionKey::PermissionBoundaries),
];

impl ConditionKey {
    /// All keys.
    pub fn all() -> impl Iterator<Item = Self> {
        KEYS.into_iter().map(|(key, _)| key)
    }

    /// The key as documents spell it.
    pub fn as_str(self) -> &'static str {
        KEYS.iter().find(|(key, _)| *key == self).map_or("", |(_, word)| word)
    }

    fn parse(text: &str) -> Option<Self> {
        let canonical = KEYS.iter().find(|(_, word)| *word == text).map(|(key, _)| *key);
        canonical.or_else(|| ALIASES.iter().find(|(word, _)| *word == text).map(|(_, key)| *key))
    }
}

impl Serialize for ConditionKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One condition; a statement has at most one for each key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it looks at.
    pub key: ConditionKey,
    /// What must be so.
    pub test: Test,
}

/// What a condition asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// `MatchLabel`: every one of these holds; never empty.
    Labels(Vec<LabelMatch>),
    /// `AllOfStrings`: each of these policies is a boundary of the user; never empty.
    Boundaries(Vec<String>),
}

/// What one label must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelMatch {
    /// The label's key.
    pub label: String,
    /// What its value must be.
    pub test: LabelTest,
}

/// How a label's value is tested. A label that is missing passes none of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabelTest {
    /// `exact_match`
    Equals(String),
    /// `contains_string`, anywhere in the value, case-sensitive
    Contains(String),
    /// `present`
    Present,
}

impl LabelTest {
    /// The operator as documents spell it.
    pub fn operator(&self) -> &'static str {
        match self {
            LabelTest::Equals(_) => "exact_match",
            LabelTest::Contains(_) => "contains_string",
            LabelTest::Present => "present",
        }
    }

    /// What the value is compared with.
    pub fn value(&self) -> Option<&str> {
        match self {
            LabelTest::Equals(value) | LabelTest::Contains(value) => Some(value),
            LabelTest::Present => None,
        }
    }
}

impl LabelMatch {
    /// Whether `labels` are as wanted.
    pub fn holds(&self, labels: &Labels) -> bool {
        // Labels are few, and to look at each costs less than to compare for an order.
        let mut labels = labels.iter();
        let found = labels.find(|(label, _)| is_same(label.as_bytes(), self.label.as_bytes()));
        found.is_some_and(|(_, has)| match &self.test {
            LabelTest::Equals(wanted) => is_same(has.as_bytes(), wanted.as_bytes()),
            LabelTest::Contains(part) => has.contains(part.as_str()),
            LabelTest::Present => true,
        })
    }

    fn to_value(&self) -> Value {
        let mut value = json!({ "key": self.label, "operator": self.test.operator() });
        if let Some(wanted) = self.test.value() {
            value["value"] = wanted.into();
        }
        value
    }
}

impl Condition {
    /// Whether the object's facts are as wanted. Without facts for its key a condition does not hold, for allow and deny
    /// alike: the statement is not about such objects.
    pub(super) fn holds(&self, facts: &Facts<'_>) -> bool {
        match &self.test {
            Test::Labels(matches) => {
                facts.labels(self.key).is_some_and(|labels| matches.iter().all(|one| one.holds(labels)))
            }
            Test::Boundaries(wanted) => {
                facts.boundaries().is_some_and(|has| wanted.iter().all(|policy| has.contains(policy)))
            }
        }
    }

    /// `{"type": ..., "options": ...}`; several label matches are an array, one is an object.
    pub(super) fn to_value(&self) -> Value {
        match &self.test {
            Test::Labels(matches) => {
                let options = match matches.as_slice() {
                    [one] => one.to_value(),
                    several => several.iter().map(LabelMatch::to_value).collect(),
                };
                json!({ "type": "MatchLabel", "options": options })
            }
            Test::Boundaries(policies) => json!({ "type": "AllOfStrings", "options": policies }),
        }
    }
}

/// Reads a statement's `conditions`.
pub(super) fn read(value: &Value, pointer: &str, faults: &mut Vec<Fault>) -> Vec<Condition> {
    let Some(map) = value.as_object() else {
        faults.push(Fault::new(pointer, "value must be an object of conditions by key"));
        return Vec::new();
    };
    let mut conditions: Vec<Condition> = Vec::with_capacity(map.len());
    for (name, value) in map {
        let pointer = below(pointer, name);
        let Some(key) = ConditionKey::parse(name) else {
            let words = KEYS.map(|(_, word)| word).join(", ");
            faults.push(Fault::new(pointer, format!("condition \"{name}\" is unknown; the conditions are {words}")));
            continue;
        };
        if conditions.iter().any(|other| other.key == key) {
            let message = format!("condition \"{}\" stands here twice, in two spellings", key.as_str());
            faults.push(Fault::new(pointer, message));
            continue;
        }
        conditions.extend(test(key, value, &pointer, faults).map(|test| Condition { key, test }));
    }
    conditions.sort_by_key(|condition| condition.key);
    conditions
}

fn test(key: ConditionKey, value: &Value, pointer: &str, faults: &mut Vec<Fault>) -> Option<Test> {
    let fields = Fields::of(value, pointer, &["type", "options"], faults)?;
    let is_about_labels = key != ConditionKey::PermissionBoundaries;
    let wanted = if is_about_labels { "MatchLabel" } else { "AllOfStrings" };
    if fields.text("type", faults).is_some_and(|word| word != wanted) {
        let message = format!("value must be \"{wanted}\" for {}", key.as_str());
        faults.push(Fault::new(fields.at("type"), message));
    }
    let options = fields.required("options", faults)?;
    let pointer = fields.at("options");
    Some(if is_about_labels {
        Test::Labels(label_matches(options, &pointer, faults))
    } else {
        Test::Boundaries(texts(options, &pointer, faults).into_iter().map(|(_, text)| text.to_owned()).collect())
    })
}

/// One object, or an array of them.
fn label_matches(options: &Value, pointer: &str, faults: &mut Vec<Fault>) -> Vec<LabelMatch> {
    let Some(items) = options.as_array() else {
        return label_match(options, pointer, faults).into_iter().collect();
    };
    if items.is_empty() {
        faults.push(Fault::new(pointer, "value must be an object or an array of at least one"));
    }
    let items = items.iter().enumerate();
    items.filter_map(|(n, item)| label_match(item, &format!("{pointer}/{n}"), faults)).collect()
}

fn label_match(value: &Value, pointer: &str, faults: &mut Vec<Fault>) -> Option<LabelMatch> {
    let fields = Fields::of(value, pointer, &["key", "operator", "operation", "value"], faults)?;
    let label = fields.text("key", faults);
    // Documents in the field say `operation`, too.
    let word = if fields.optional("operator").is_none() && fields.optional("operation").is_some() {
        "operation"
    } else {
        "operator"
    };
    if word == "operator" && fields.optional("operation").is_some() {
        faults.push(Fault::new(fields.at("operation"), "write operator or operation, not both"));
    }
    let test = match fields.text(word, faults)? {
        "exact_match" => LabelTest::Equals(fields.text("value", faults)?.to_owned()),
        "contains_string" => LabelTest::Contains(fields.text("value", faults)?.to_owned()),
        // Forms send an empty value along.
        "present" => LabelTest::Present,
        _ => {
            let message = "value must be one of \"exact_match\", \"contains_string\", \"present\"";
            faults.push(Fault::new(fields.at(word), message));
            return None;
        }
    };
    Some(LabelMatch { label: label?.to_owned(), test })
}
