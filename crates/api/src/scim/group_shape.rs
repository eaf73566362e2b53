//! Groups, which are roles, in SCIM's words, and back.

use std::collections::BTreeSet;

use control::iam::{GroupSpec, ProvisionedGroup};
use scim::schema::GROUP;
use scim::{ErrorType, Object};
use serde_json::{Value, json};

use super::answer::{ScimError, ScimResult};
use super::user_shape::{Shown, with_meta};

/// A role in SCIM's words. Without its members it has no version: that would not tell who is in it.
pub(crate) fn shown(group: &ProvisionedGroup, base: &str) -> Shown {
    let role = &group.provisioned.role;
    let mut resource = Object::new();
    let mut insert = |name: &str, value: Value| drop(resource.insert(name.to_owned(), value));
    insert("schemas", json!([GROUP.urn]));
    insert("id", json!(role.id));
    insert("displayName", json!(role.name));
    if let Some(external_id) = &group.provisioned.external_id {
        insert("externalId", json!(external_id));
    }
    if let Some(members) = &group.members {
        let members = members.iter().map(|member| {
            let address = format!("{base}/Users/{}", member.id);
            json!({ "value": member.id, "$ref": address, "display": member.username, "type": "User" })
        });
        insert("members", members.collect());
    }
    let location = format!("{base}/Groups/{}", role.id);
    let version = with_meta(&mut resource, "Group", (role.created_at, role.updated_at), &location);
    if group.members.is_none()
        && let Some(meta) = resource.get_mut("meta").and_then(Value::as_object_mut)
    {
        meta.remove("version");
    }
    Shown { resource, version, location }
}

/// What a client sent, as the group that is wanted. Members that a replacement does not name stay: many clients read
/// groups without their members.
///
/// # Errors
/// `invalidValue`.
pub(crate) fn spec(sent: &Value, members_stay: bool) -> ScimResult<GroupSpec> {
    let read = GROUP.read(sent)?;
    let text = |name: &str| read.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let name = text("displayName").ok_or_else(|| wrong("displayName is required"))?;
    let members = match read.get("members").and_then(Value::as_array) {
        Some(members) => Some(members.iter().map(member).collect::<ScimResult<BTreeSet<_>>>()?),
        None if members_stay && !names_members(sent) => None,
        None => Some(BTreeSet::new()),
    };
    Ok(GroupSpec { name, external_id: text("externalId"), members })
}

fn names_members(sent: &Value) -> bool {
    sent.as_object().is_some_and(|sent| sent.keys().any(|key| key.eq_ignore_ascii_case("members")))
}

fn member(member: &Value) -> ScimResult<String> {
    if member["type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("group")) {
        return Err(wrong("members must be users: groups within groups are not kept"));
    }
    member["value"].as_str().map(str::to_owned).ok_or_else(|| wrong("members must have a value: the id of a user"))
}

fn wrong(detail: &str) -> ScimError {
    ScimError::of(ErrorType::InvalidValue, detail)
}
