//! Users in SCIM's words, and back.

use control::iam::{ProvisionedMember, UserSpec};
use scim::schema::USER;
use scim::{ErrorType, Object};
use serde_json::{Map, Value, json};

use super::answer::{ScimError, ScimResult};

/// What SCIM alone keeps of one user may take this much.
const MAX_ATTRIBUTES_BYTES: usize = 64 * 1024;

/// A resource as it is answered, with its version and address.
pub(crate) struct Shown {
    /// The resource.
    pub(crate) resource: Object,
    /// Its `ETag`.
    pub(crate) version: String,
    /// Where it is.
    pub(crate) location: String,
}

/// A user in SCIM's words.
pub(crate) fn shown(member: &ProvisionedMember, base: &str) -> Shown {
    let (user, profile) = (&member.provisioned.user, &member.provisioned.profile);
    // What cannot be read was not written here; the user is shown without it.
    let mut resource: Object = serde_json::from_str(&profile.attributes).unwrap_or_default();
    let emails = emails(resource.remove("emails"), user.email.as_deref());
    let extensions: Vec<&str> =
        USER.extensions.iter().map(|extension| extension.urn).filter(|urn| resource.contains_key(*urn)).collect();
    let mut insert = |name: &str, value: Value| {
        let is_empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if !is_empty {
            resource.insert(name.to_owned(), value);
        }
    };
    insert("schemas", std::iter::once(USER.urn).chain(extensions).collect());
    insert("id", json!(user.id));
    insert("externalId", json!(profile.external_id));
    insert("userName", json!(user.username));
    insert("displayName", json!(profile.display_name));
    insert("active", json!(user.active));
    insert("emails", emails);
    let groups = member.roles.iter().map(|role| {
        json!({ "value": role.id, "$ref": format!("{base}/Groups/{}", role.id), "display": role.name, "type": "direct" })
    });
    insert("groups", groups.collect());
    let location = format!("{base}/Users/{}", user.id);
    let version = with_meta(&mut resource, "User", (user.created_at, user.updated_at), &location);
    Shown { resource, version, location }
}

/// Adds `meta`; gives the version.
pub(crate) fn with_meta(resource: &mut Object, kind: &str, (made, changed): (i64, i64), location: &str) -> String {
    let mut meta = json!({
        "resourceType": kind,
        "created": scim::moment(made),
        "lastModified": scim::moment(changed),
        "location": location,
    });
    let hash = blake3::hash(json!([changed, resource]).to_string().as_bytes()).to_hex();
    let version = format!("W/\"{}\"", hash.get(..16).unwrap_or_default());
    meta["version"] = json!(version);
    resource.insert("meta".to_owned(), meta);
    version
}

/// The addresses as the provider gave them; the first follows what the product knows, for an admin may have changed it.
fn emails(kept: Option<Value>, email: Option<&str>) -> Value {
    let mut kept = match kept {
        Some(Value::Array(kept)) => kept,
        _ => Vec::new(),
    };
    let first = first_of(&kept);
    match (first, email) {
        (Some(first), Some(email)) => {
            if let Some(element) = kept.get_mut(first) {
                element["value"] = json!(email);
            }
        }
        (Some(first), None) => drop(kept.remove(first)),
        (None, Some(email)) => kept.push(json!({ "value": email, "type": "work", "primary": true })),
        (None, None) => {}
    }
    Value::Array(kept)
}

/// The primary address, or the first that is one.
fn first_of(emails: &[Value]) -> Option<usize> {
    let has_value = |email: &Value| email["value"].is_string();
    let primary = emails.iter().position(|email| has_value(email) && email["primary"] == json!(true));
    primary.or_else(|| emails.iter().position(has_value))
}

/// What a client sent, as the user that is wanted. `before` is what stands, for what a replacement leaves open.
///
/// # Errors
/// `invalidValue`.
pub(crate) fn spec(sent: &Value, before: Option<&ProvisionedMember>) -> ScimResult<UserSpec> {
    let mut read = USER.read(sent)?;
    let emails = read.get("emails").and_then(Value::as_array).cloned().unwrap_or_default();
    let first = first_of(&emails);
    let address = |index: usize| emails.get(index)?.get("value")?.as_str().map(str::to_owned);
    let further = (0..emails.len()).filter(|index| Some(*index) != first).filter_map(address).collect();
    let mut text = |name: &str| match read.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let username = text("userName").filter(|name| !name.is_empty());
    let username = username.ok_or_else(|| ScimError::of(ErrorType::InvalidValue, "userName is required"))?;
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (external_id, display_name) = (filled(text("externalId")), filled(text("displayName")));
    let password = text("password");
    let stands = before.is_none_or(|before| before.provisioned.user.active);
    let active = read.remove("active").and_then(|active| active.as_bool()).unwrap_or(stands);
    Ok(UserSpec {
        username,
        external_id,
        display_name,
        email: first.and_then(address),
        further_emails: further,
        attributes: kept(read)?,
        active,
        password,
    })
}

fn kept(read: Map<String, Value>) -> ScimResult<String> {
    let text = Value::Object(read).to_string();
    if text.len() > MAX_ATTRIBUTES_BYTES {
        let wanted = format!("the attributes of a user must have at most {MAX_ATTRIBUTES_BYTES} bytes");
        return Err(ScimError::of(ErrorType::InvalidValue, wanted));
    }
    Ok(text)
}
